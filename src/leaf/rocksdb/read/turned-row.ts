/**
 * The cells of a row that come in the opposite order of columns to that in which they are answered: a scan's cursor goes
 * one way, whatever way the columns are wanted. The last columns that came are the first of the answer, so of those before
 * them only as many are held as the answer can still have.
 */
import { limits } from '../../../base/limits.js'
import type { Cell, CellTimestamp, Row } from '../../../model/row.js'
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
  /** The first column that is held is not held whole: it ends the answer. */
  #isCut = false
  /** What else comes of the last column is left out. */
  #skipsRest = false

  constructor(bounds: TurnedBounds) {
    this.#bounds = bounds
  }

  push(one: TurnedCell, isNewColumn: boolean): void {
    if (isNewColumn) this.#beginColumn()
    else if (this.#skipsRest) return
    while (this.#columns.length > 1 && this.#isFullWithoutFirst(one)) {
      this.#dropFirst()
      this.#hasMore = true
    }
    if (!isNewColumn && this.#columns.length === 1 && this.#isFull(one, 0)) {
      this.cut()
      return
    }
    this.#bounds.held.charge(one.heldBytes, 1)
    this.#columns.at(-1)?.push(one)
    this.#count++
    this.#pageBytes += one.pageBytes
  }

  #beginColumn(): void {
    this.#skipsRest = false
    this.#columns.push([])
    if (this.#columns.length > this.#bounds.limit) this.#dropFirst()
  }

  /** The last column has more than the answer can hold: the answer ends within it, unless another one comes before it. */
  cut(): void {
    while (this.#columns.length > 1) this.#dropFirst()
    this.#isCut = true
    this.#skipsRest = true
  }

  #isFullWithoutFirst(one: TurnedCell): boolean {
    return this.#isFull(one, this.#columns[0]?.reduce((sum, { pageBytes }) => sum + pageBytes, 0) ?? 0)
  }

  #isFull(one: TurnedCell, bytesOfFirst: number): boolean {
    const { held, room } = this.#bounds
    return (
      this.#pageBytes - bytesOfFirst >= room ||
      held.leftBytes < one.heldBytes + CELL_COST_BYTES ||
      this.#count >= limits.maxCellsPerWholeRow
    )
  }

  #dropFirst(): void {
    this.#isCut = false
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
    const hasMore = this.#isCut || (this.#hasMore && columns < this.#bounds.limit)
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
