/** A page of a shard's rows. */
import type { ShardPage } from '../../model/leaf-engine.js'
import type { ShardScan } from '../../model/plan.js'
import { compareRows, type RowPosition, type RowSpan } from '../../model/row-order.js'
import type { ScannedRow } from '../../model/scan.js'
import { holds } from './conditions.js'
import type { MemoryShard, View } from './rows.js'
import { type Answering, readRow, sizeOf } from './selection.js'

export function scanShard(shard: MemoryShard, scan: ShardScan, view: View): ShardPage {
  const { selector, where, limit, isReversed, withTimestamps, withTtl } = scan.request
  const inSpan = shard.inOrder().filter(({ position }) => isInSpan(position, scan.span))
  const maxRows = Math.min(scan.pageRows, limit ?? scan.pageRows)
  const answering: Answering = { withTimestamps, withTtl, position: null, page: null }
  const rows: ScannedRow[] = []
  const page = { leftBytes: scan.pageBytes }
  let last: RowPosition | null = null
  for (const stored of isReversed ? inSpan.toReversed() : inSpan) {
    if (rows.length >= maxRows || page.leftBytes <= 0) return { rows, next: last }
    const { rowKey } = stored.position
    if (where.every((condition) => holds(condition, stored, view))) {
      const row = readRow(stored, selector, view, answering)
      if (row !== null && sizeOf(row.cells) > page.leftBytes) {
        if (rows.length > 0) return { rows, next: last }
        const cut = readRow(stored, selector, view, { ...answering, page })
        return cut === null ? { rows, next: last } : { rows: [{ rowKey, row: cut }], next: stored.position }
      }
      if (row !== null) {
        rows.push({ rowKey, row })
        page.leftBytes -= sizeOf(row.cells)
      }
    }
    last = stored.position
  }
  return { rows, next: null }
}

function isInSpan(position: RowPosition, { lower, upper }: RowSpan): boolean {
  if (lower !== null) {
    const order = compareRows(position, lower)
    if (order < 0 || (order === 0 && lower.isExclusive)) return false
  }
  if (upper === null) return true
  const order = compareRows(position, upper)
  return order < 0 || (order === 0 && !upper.isExclusive)
}
