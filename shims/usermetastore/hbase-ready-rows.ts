/** Rows that a scanner has read and nobody has asked for yet, counted with those of the other scanners of the thread. */
import type { Cell } from '../../src/model/row.js'

/** A row, or with a batch size a piece of one. */
export interface HBaseRow {
  readonly rowKey: Buffer
  readonly cells: readonly Cell[]
  /** Further pieces of it follow; where it made way for other scanners' rows, they may. */
  readonly isPartial: boolean
}

/** Bytes that a piece and a cell take in memory beside their own. */
const ROW_OVERHEAD = 150
export const CELL_OVERHEAD = 250

export class ReadyRows {
  readonly #shared: { bytes: number }
  readonly #rows: HBaseRow[] = []
  /** Of the rows' keys and values. */
  #bytes = 0
  /** Rows from the first on whose bytes are their own. */
  #owned = 0

  /** @param shared what all scanners of the thread hold */
  constructor(shared: { bytes: number }) {
    this.#shared = shared
  }

  get length(): number {
    return this.#rows.length
  }

  get bytes(): number {
    return this.#bytes
  }

  push(row: HBaseRow): void {
    this.#rows.push(row)
    this.#count(row, 1)
  }

  take(count: number): HBaseRow[] {
    const taken = this.#rows.splice(0, count)
    this.#owned = Math.max(0, this.#owned - taken.length)
    for (const row of taken) this.#count(row, -1)
    return taken
  }

  /** They may stay for long: they give up the page, of which they are views, a filter having left out the rest of it. */
  own(): void {
    let [key, ownKey]: [Buffer | null, Buffer | null] = [null, null]
    for (; this.#owned < this.#rows.length; this.#owned++) {
      const row = this.#rows[this.#owned]
      if (row === undefined) return
      if (row.rowKey !== key || ownKey === null) [key, ownKey] = [row.rowKey, Buffer.from(row.rowKey)]
      this.#rows[this.#owned] = { ...row, rowKey: ownKey, cells: row.cells.map(ownCell) }
    }
  }

  #count({ rowKey, cells, isPartial }: HBaseRow, sign: 1 | -1): void {
    let bytes = 0
    for (const { localKey, value } of cells) bytes += localKey.length + value.length
    this.#bytes += sign * bytes
    // The pieces of a row have one key.
    const keyBytes = isPartial ? 0 : rowKey.length
    this.#shared.bytes += sign * (bytes + keyBytes + ROW_OVERHEAD + cells.length * CELL_OVERHEAD)
  }
}

export function ownCell(cell: Cell): Cell {
  return { ...cell, localKey: Buffer.from(cell.localKey), value: Buffer.from(cell.value) }
}
