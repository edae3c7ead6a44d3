/**
 * The cells of a row that come in the opposite order of columns to that in which they are answered: a scan's cursor goes
 * one way, whatever way the columns are wanted. The last columns that came are the first of the answer, so of those before
 * them only as many are held as the answer can still have.
 */
import { limits } from '../../base/limits.js'
import type { Cell, CellTimestamp, Row } from '../../model/row.js'
import { type ByteBudget, CELL_COST_BYTES } from './held-bytes.js'

export interface TurnedCell {
  readonly cell: Cell
  readonly version: CellTimestamp | null
  readonly heldBytes: number
  readonly pageBytes: number
}

export interface TurnedBounds {
  readonly held: ByteBudget
  /** Page bytes. */
  readonly room: number
  /** Columns. */
  readonly limit: number
}

export class TurnedRow {
  readonly #bounds: TurnedBounds
  /** Versions of a column are in the order of the answer. */
  #columns: TurnedCell[][] = []
  #count = 0
  #pageBytes = 0
  /** Columns were left out that a further page has, unless the limit is reached. */
  #hasMore = false

  constructor(bounds: TurnedBounds) {
    this.#bounds = bounds
  }

  /** @throws {KVError} TOO_LARGE when one column is more than may be held */
  push(one: TurnedCell, isNewColumn: boolean): void {
    const { held, limit } = this.#bounds
    if (isNewColumn) {
      this.#columns.push([])
      if (this.#columns.length > limit) this.#dropFirst()
    }
    while (this.#columns.length > 1 && this.#isFullWithoutFirst(one)) {
      this.#dropFirst()
      this.#hasMore = true
    }
    held.charge(one.heldBytes, 1)
    this.#columns.at(-1)?.push(one)
    this.#count++
    this.#pageBytes += one.pageBytes
  }

  #isFullWithoutFirst(one: TurnedCell): boolean {
    const { held, room } = this.#bounds
    const ofFirst = this.#columns[0]?.reduce((sum, { pageBytes }) => sum + pageBytes, 0) ?? 0
    return (
      this.#pageBytes - ofFirst >= room ||
      held.leftBytes < one.heldBytes + CELL_COST_BYTES ||
      this.#count >= limits.maxCellsPerWholeRow
    )
  }

  #dropFirst(): void {
    for (const { heldBytes, pageBytes } of this.#columns.shift() ?? []) {
      this.#bounds.held.charge(-heldBytes, -1)
      this.#pageBytes -= pageBytes
      this.#count--
    }
  }

  /** The row in the order of the answer, cut at its page; null: no cell came. */
  row(): { readonly row: Row | null; readonly pageBytes: number } {
    const cells: Cell[] = []
    let pageBytes = 0
    const columns = this.#columns.length
    const hasMore = this.#hasMore && columns < this.#bounds.limit
    for (let column = columns - 1; column >= 0; column--) {
      for (const one of this.#columns[column] ?? []) {
        cells.push(one.cell)
        pageBytes += one.pageBytes
        const isLast = cells.length === this.#count
        if ((pageBytes >= this.#bounds.room && !isLast) || (isLast && hasMore)) {
          const { localKey } = one.cell
          const next = { localKey, timestamp: one.version, columns: columns - column }
          return { row: { cells, next }, pageBytes }
        }
      }
    }
    return { row: cells.length === 0 ? null : { cells, next: null }, pageBytes }
  }
}
