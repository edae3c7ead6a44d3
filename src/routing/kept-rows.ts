/**
 * Copies of rows that outlive their answer. The bytes of an answer may be views into much more (a socket's chunk, the answer
 * to a whole gathering): to keep a view would keep all of it, and the bound on what is kept would mean nothing.
 */
import { KVError } from '../base/errors.js'
import type { Cell, RowOutcome } from '../model/row.js'

/** What a row and a cell hold beside their bytes, roughly. */
const BYTES_PER_ROW = 64
const BYTES_PER_CELL = 160

/** What a copy will hold. */
export function keptBytes(rows: readonly RowOutcome[]): number {
  let bytes = 0
  for (const row of rows) {
    bytes += BYTES_PER_ROW
    if (row === null || row instanceof KVError) continue
    for (const { localKey, value } of row.cells) bytes += BYTES_PER_CELL + localKey.length + value.length
  }
  return bytes
}

export function copyRows(rows: readonly RowOutcome[]): readonly RowOutcome[] {
  let size = 0
  for (const row of rows) {
    if (row === null || row instanceof KVError) continue
    for (const { localKey, value } of row.cells) size += localKey.length + value.length
  }
  const bytes = Buffer.allocUnsafeSlow(size)
  let at = 0
  const copied = (from: Buffer): Buffer => {
    const start = at
    at += from.copy(bytes, at)
    return bytes.subarray(start, at)
  }
  return rows.map((row) => {
    if (row === null || row instanceof KVError) return row
    const cells = row.cells.map((cell): Cell => {
      return { ...cell, localKey: copied(cell.localKey), value: copied(cell.value) }
    })
    return { cells, next: row.next }
  })
}
