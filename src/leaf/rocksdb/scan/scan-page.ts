/** A page of a scan as it fills: when it is full, what ends before a row, and the last row that was looked at. */
import type { ShardScan } from '../../../model/plan.js'
import type { RowPosition } from '../../../model/row-order.js'
import type { ScannedRow } from '../../../model/scan.js'
import { HeldBytes } from '../read/held-bytes.js'
import type { FoundRow } from '../read/row-collector.js'

/** Walks the rows of a shard into a page. */
export interface RowSource {
  /** Gives way before each reading from the DB. */
  readonly steps: Generator<void, void>
  /** Stored entries and bytes read so far. */
  readonly readCount: number
  readonly readBytes: number
  close(): void
}

export class ScanPage {
  readonly rows: ScannedRow[] = []
  /** What its rows hold in memory, which is bounded whatever the page counts. */
  readonly held = new HeldBytes()
  /** What conditions look at of the row in hand, which may be as much as a row that is read. */
  tested = new HeldBytes()
  readonly #maxRows: number
  #leftBytes: number
  #last: RowPosition | null = null
  #hasEnded = false

  constructor({ pageRows, pageBytes, request }: ShardScan) {
    this.#maxRows = Math.min(pageRows, request.limit ?? pageRows)
    this.#leftBytes = pageBytes
  }

  get heldBytes(): number {
    return this.held.heldBytes + this.tested.heldBytes
  }

  /** Page bytes that its rows may still have. */
  get leftBytes(): number {
    return this.#leftBytes
  }

  /** Rows that it may still have. */
  get leftRows(): number {
    return this.#maxRows - this.rows.length
  }

  /** The last row that was looked at; null: none yet. */
  get last(): RowPosition | null {
    return this.#last
  }

  /** Where the scan goes on behind this page; null: the span is through. Only when nothing more is read for it. */
  get next(): RowPosition | null {
    return this.#hasEnded ? this.#last : null
  }

  /** Before another row is looked at: whether it may be. */
  hasRoom(): boolean {
    if (this.rows.length >= this.#maxRows || this.#leftBytes <= 0) this.#hasEnded = true
    return !this.#hasEnded
  }

  /** Ends it behind the last row that was looked at, though nothing filled it. */
  end(): void {
    this.#hasEnded = true
  }

  /**
   * A row was looked at; answers whether there may be another.
   * One of which nothing is answered is null; one that had to be cut ends the page, and is in it only as its first
   */
  take(position: RowPosition, { row, pageBytes }: FoundRow): boolean {
    if (row !== null) {
      if (row.next !== null || pageBytes > this.#leftBytes) this.#hasEnded = true
      if (this.#hasEnded && this.rows.length > 0) return false
      this.rows.push({ rowKey: position.rowKey, row })
      this.#leftBytes -= pageBytes
    }
    this.#last = position
    return !this.#hasEnded
  }
}
