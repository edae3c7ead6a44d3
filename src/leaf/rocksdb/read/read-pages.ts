/** The rows of a request with a page, cut where it ends; pure. */
import { KVError } from '../../../base/errors.js'
import type { Cell, CellPosition, Row, RowOutcome } from '../../../model/row.js'
import { PAGE_BYTES_PER_CELL } from './held-bytes.js'

/** Before the first cell of a row. */
const START: CellPosition = { localKey: null, timestamp: null, columns: 0 }

/** A row that was not read because the page was full before it. */
export const NOT_READ: Row = { cells: [], next: START }

export interface PageCut {
  readonly pageBytes: number
  /** Whether the answer has timestamps; the given rows have them, but for those that need not be cut any more. */
  readonly withTimestamps: boolean
}

/** The same rows up to the cell that fills the page. A row that did not fit into memory begins a page of its own. */
export function cutAtPage(
  rows: readonly RowOutcome[],
  { pageBytes, withTimestamps }: PageCut,
): readonly RowOutcome[] {
  let leftBytes = pageBytes
  return rows.map((row) => {
    if (leftBytes <= 0) return NOT_READ
    if (row === null) return null
    if (row instanceof KVError) {
      if (row.code !== 'TOO_LARGE' || leftBytes === pageBytes) return row
      leftBytes = 0
      return NOT_READ
    }
    const rowBytes = pageBytesOf(row)
    const cut = rowBytes < leftBytes ? row : cutRow(row, leftBytes)
    leftBytes = cut.next === null ? leftBytes - rowBytes : 0
    // Of a sealed row some cells may have been loaded without one.
    return withTimestamps || cut.cells.every(({ timestamp }) => timestamp === null)
      ? cut
      : withoutTimestamps(cut)
  })
}

/** What a row counts for in a page. */
export function pageBytesOf(row: RowOutcome): number {
  if (row === null || row instanceof KVError) return 0
  let bytes = 0
  for (const cell of row.cells) bytes += cellBytes(cell)
  return bytes
}

function cutRow(row: Row, room: number): Row {
  let bytes = 0
  let columns = 0
  for (const [index, cell] of row.cells.entries()) {
    if (index === 0 || row.cells[index - 1]?.localKey.equals(cell.localKey) !== true) columns++
    bytes += cellBytes(cell)
    if (bytes < room || index === row.cells.length - 1) continue
    const { localKey, timestamp } = cell
    return { cells: row.cells.slice(0, index + 1), next: { localKey, timestamp, columns } }
  }
  return row
}

function cellBytes({ localKey, value }: Cell): number {
  return localKey.length + value.length + PAGE_BYTES_PER_CELL
}

function withoutTimestamps({ cells, next }: Row): Row {
  return { cells: cells.map((cell) => ({ ...cell, timestamp: null })), next }
}
