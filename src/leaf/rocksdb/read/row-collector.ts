/**
 * From the stored entries of a row, in the order of a read, to the cells that are answered: the one place that knows which
 * of them live, which are selected, and where a row ends early. Formats differ in `take`; row-walk.ts brings the entries.
 *
 * A row that is cut at its page says where it goes on, and is cut only if more of it follows. One that is not to be cut
 * and grows over what may be held is TOO_LARGE.
 */
import { KVError } from '../../../base/errors.js'
import { limits } from '../../../base/limits.js'
import type { Cell, CellPosition, CellTimestamp, Row } from '../../../model/row.js'
import { CELL_KINDS, readTimestamp, TOMBSTONE_SIZE, ttlLeft } from '../../cell-codec.js'
import { decodeRangeTombstones, RangeCover } from '../../range-tombstones.js'
import type { Selection } from '../../selection.js'
import { type ByteBudget, CELL_COST_BYTES, PAGE_BYTES_PER_CELL, tooLarge } from './held-bytes.js'
import type { SupersededKeys } from './superseded.js'
import { TurnedRow } from './turned-row.js'

/** What is wanted of a row; the same for all rows of a scan. */
export interface RowWish {
  readonly selection: Selection
  /** As in Incarnation. */
  readonly maxCellVersions: number
  readonly withTimestamps: boolean
  readonly withTtl: boolean
  readonly nowSeconds: number
  /** The entries come in the opposite direction to the one in which the columns are answered. */
  readonly isTurned?: boolean
  /** Is told of versions that nobody sees any more; absent: nobody wants to know. */
  readonly superseded?: SupersededKeys | undefined
}

/** How much of a row is taken. */
export interface RowBounds {
  readonly held: ByteBudget
  /** Page bytes behind which the row is cut; Infinity: never. */
  readonly room: number
}

export interface FoundRow {
  readonly row: Row | null
  /** What its cells count for in a page. */
  readonly pageBytes: number
}

/** STOP: nothing more of this row is wanted. */
export type Verdict = 'MORE' | 'STOP'

const NO_BYTES = Buffer.alloc(0)
const NO_RANGES = new RangeCover([])

export abstract class RowCollector {
  protected readonly wish: RowWish
  /** All versions of the column in hand that are still to come are not wanted. */
  isColumnThrough = false
  /** The row tombstone as stored. */
  protected rowTombstone: Buffer | null = null
  protected ranges = NO_RANGES
  #cells: Cell[] = []
  #pageBytes = 0
  #columns = 0
  #lastVersion: CellTimestamp | null = null
  #lastStored: Buffer = NO_BYTES
  #lastColumns = 0
  #next: CellPosition | null = null
  #bounds: RowBounds
  #turned: TurnedRow | null

  constructor(wish: RowWish, bounds: RowBounds) {
    this.wish = wish
    this.#bounds = bounds
    this.#columns = wish.selection.columnsBefore
    this.#turned = turnedRow(wish, bounds)
  }

  /** Forgets the row before. */
  begin(bounds: RowBounds): void {
    this.#bounds = bounds
    this.#cells = []
    this.#pageBytes = 0
    this.#columns = this.wish.selection.columnsBefore
    this.#lastColumns = 0
    this.#next = null
    this.#turned = turnedRow(this.wish, bounds)
    this.rowTombstone = null
    this.ranges = NO_RANGES
    this.isColumnThrough = false
  }

  /** The row's tombstone, which comes before its cells. @throws {KVError} CORRUPT */
  takeRowTombstone(stored: Buffer): void {
    checkRowTombstone(stored)
    this.rowTombstone = stored
  }

  /** The row's range tombstones, which come before its cells. @throws {KVError} CORRUPT */
  takeRangeTombstones(stored: Buffer): void {
    this.ranges = new RangeCover(decodeRangeTombstones(stored))
  }

  /**
   * The next stored entry of a column that is selected.
   * @param metaSize of the row's meta key
   * @throws {KVError} CORRUPT, TOO_LARGE
   */
  abstract take(metaSize: number, key: Buffer, stored: Buffer): Verdict

  /** Behind the last entry of a span. */
  endSpan(): Verdict {
    return 'MORE'
  }

  /** Null: nothing of it lives and is selected. To be asked for when the row is through. */
  get found(): FoundRow {
    if (this.#turned !== null) return this.#turned.row()
    const row = this.#cells.length === 0 ? null : { cells: this.#cells, next: this.#next }
    return { row, pageBytes: this.#pageBytes }
  }

  /** Whether another column may be answered. The one that an earlier page has begun was counted there. */
  protected beginColumn(isResumed: boolean): boolean {
    if (isResumed) return true
    if (this.#turned === null && this.#columns >= this.wish.selection.limit) return false
    this.#columns++
    return true
  }

  /**
   * Takes a cell, unless the row is cut before it.
   * @param keyBytes of the stored key, which the local key is a view of
   * @param start of the payload in `stored`
   * @param version null: it is not needed, and stands in `stored`
   */
  protected answer(
    localKey: Buffer,
    keyBytes: number,
    stored: Buffer,
    start: number,
    version: CellTimestamp | null,
  ): Verdict {
    const { withTimestamps, withTtl, nowSeconds, selection } = this.wish
    const value = selection.keysOnly ? NO_BYTES : stored.subarray(start)
    const heldBytes = keyBytes + (selection.keysOnly ? 0 : stored.length)
    const cell = {
      localKey,
      value,
      timestamp: withTimestamps ? version : null,
      ttlSeconds: withTtl ? ttlLeft(stored, nowSeconds) : null,
    }
    const pageBytes = localKey.length + value.length + PAGE_BYTES_PER_CELL
    if (this.#turned !== null) {
      const turned = { cell, version: version ?? readTimestamp(stored), heldBytes, pageBytes }
      this.#turned.push(turned, this.#lastColumns !== this.#columns)
      this.#lastColumns = this.#columns
      return 'MORE'
    }
    if (!this.#hasRoom(heldBytes)) return 'STOP'
    this.#bounds.held.charge(heldBytes, 1)
    this.#pageBytes += pageBytes
    this.#lastVersion = version
    this.#lastStored = stored
    this.#lastColumns = this.#columns
    this.#cells.push(cell)
    return 'MORE'
  }

  /** Whether one more cell may be taken; if not, the row is cut behind the last one, or TOO_LARGE. */
  #hasRoom(heldBytes: number): boolean {
    const count = this.#cells.length
    const { room, held } = this.#bounds
    if (room === Number.POSITIVE_INFINITY) {
      if (count >= limits.maxCellsPerWholeRow) throw tooManyCells()
      return true
    }
    if (count === 0) return true
    const isFull =
      this.#pageBytes >= room ||
      held.leftBytes < heldBytes + CELL_COST_BYTES ||
      count >= limits.maxCellsPerWholeRow
    if (isFull) this.#cut()
    return !isFull
  }

  /** Page bytes behind which the row is cut. */
  protected get room(): number {
    return this.#bounds.room
  }

  /** What comes next of the column that is being answered is more than one answer can hold. */
  protected overflow(): Verdict {
    if (this.#bounds.room === Number.POSITIVE_INFINITY) throw tooLarge()
    if (this.#turned !== null) {
      this.#turned.cut()
      return 'MORE'
    }
    if (this.#cells.length === 0) throw tooLarge()
    this.#cut()
    return 'STOP'
  }

  #cut(): void {
    const last = this.#cells.at(-1)
    if (last === undefined) return
    const timestamp = this.#lastVersion ?? readTimestamp(this.#lastStored)
    this.#next = { localKey: last.localKey, timestamp, columns: this.#lastColumns }
  }

  /** The newest deletion that covers a column; null: none. */
  protected columnDeletedUpTo(localKey: Buffer): CellTimestamp | null {
    return this.ranges.isEmpty ? null : this.ranges.deletedUpTo(localKey)
  }
}

/** @throws {KVError} CORRUPT */
export function checkRowTombstone(stored: Buffer): void {
  if (stored.byteLength === TOMBSTONE_SIZE && stored[8] === CELL_KINDS.TOMBSTONE) return
  throw new KVError('CORRUPT', `stored row tombstone of ${stored.byteLength} bytes is damaged`)
}

function turnedRow({ isTurned, selection }: RowWish, { held, room }: RowBounds): TurnedRow | null {
  return isTurned === true ? new TurnedRow({ held, room, limit: selection.limit }) : null
}

function tooManyCells(): KVError {
  return new KVError(
    'TOO_LARGE',
    `the row has more than ${limits.maxCellsPerWholeRow} cells: select some of them, or read it in pages`,
  )
}
