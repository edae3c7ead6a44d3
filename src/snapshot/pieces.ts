/** Rows on their way into and out of a snapshot: in pieces, because a row may be larger than what should be held at once. */
import type { CellTimestamp } from '../model/row.js'

export interface SnapshotCell {
  readonly localKey: Buffer
  readonly value: Buffer
  readonly timestamp: CellTimestamp
  /** Second since 1970 in which it expires; null: it does not. */
  readonly expiresAt: number | null
}

/** Some cells of a row, one or more, local keys in order, versions newest first. Pieces of a row follow each other. */
export interface RowPiece {
  readonly rowKey: Buffer
  readonly cells: readonly SnapshotCell[]
}

/** Counts what passes: rows are runs of pieces with equal keys. */
export class PieceCounter {
  rows = 0
  cells = 0
  #last: Buffer | null = null

  add({ rowKey, cells }: RowPiece): void {
    this.cells += cells.length
    if (this.#last?.equals(rowKey) === true) return
    this.rows++
    this.#last = rowKey
  }
}
