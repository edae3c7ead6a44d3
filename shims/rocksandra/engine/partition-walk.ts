/** One partition, read chunk by chunk: what to read next, and rows of what came. Pure: reading is reader.ts. */
import { type ByteRange, type Cell, type CellSelector, WHOLE_ROW } from '../../../src/model/row.js'
import { rangesBehind } from './ranges.js'
import type { RowAssembler, TableRow } from './rows.js'

const MIN_CHUNK_CELLS = 16
export const MAX_CHUNK_CELLS = 10_000

export interface RowsWish {
  readonly ranges: readonly ByteRange[]
  readonly isReversed: boolean
  /** Rows that the caller will probably look at. */
  readonly rows: number
}

/** Cells of one read. */
export interface Chunk {
  readonly cells: readonly Cell[]
  /** Its bytes were full before its cells were. */
  readonly isCut: boolean
}

export class PartitionWalk {
  readonly #assembler: RowAssembler
  readonly #isReversed: boolean
  #ranges: readonly ByteRange[]
  #limit: number

  /** @param cellsEach of a row whose values are all there */
  constructor(assembler: RowAssembler, { ranges, isReversed, rows }: RowsWish, cellsEach: number) {
    this.#assembler = assembler
    this.#isReversed = isReversed
    this.#ranges = ranges
    // The last row is known to be whole when a cell of another one comes.
    const wanted = rows * cellsEach + 1
    this.#limit = Math.max(MIN_CHUNK_CELLS, Math.min(wanted, MAX_CHUNK_CELLS))
  }

  /** Nothing is left to be read. */
  get isDone(): boolean {
    return this.#ranges.length === 0
  }

  /** Of the next chunk. */
  selector(): CellSelector {
    return { ...WHOLE_ROW, ranges: this.#ranges, limit: this.#limit, isReversed: this.#isReversed }
  }

  /** Rows that the chunk completes; the last one's row with them when nothing is left. */
  take({ cells, isCut }: Chunk): readonly TableRow[] {
    const rows = rowsOfCells(this.#assembler, cells)
    const last = cells.at(-1)
    const isLast = last === undefined || (!isCut && cells.length < this.#limit)
    this.#ranges = isLast ? [] : rangesBehind(this.#ranges, last.localKey, this.#isReversed)
    this.#limit = Math.min(this.#limit * 2, MAX_CHUNK_CELLS)
    if (this.isDone) {
      const row = this.#assembler.end()
      if (row !== null) rows.push(row)
    }
    return rows
  }
}

/** Those that the cells complete; what is left of them is the assembler's. */
export function rowsOfCells(assembler: RowAssembler, cells: readonly Cell[]): TableRow[] {
  const rows: TableRow[] = []
  for (const cell of cells) {
    const row = assembler.add(cell)
    if (row !== null) rows.push(row)
  }
  return rows
}
