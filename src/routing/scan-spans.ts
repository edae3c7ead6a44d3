/**
 * Which rows a page of a scan may answer, as one span in the order of rows, and the part of it that each shard holds.
 * Pure. Segments are equal parts of what keys are ordered by: of the tokens where keys are hashed, of the keys' first
 * four bytes where they are not; they are disjoint and together everything, whatever the number of shards.
 */
import type { KeyOrder } from '../model/dataset.js'
import { NO_TOKEN, type RowBound, type RowSpan, compareRows } from '../model/row-order.js'
import type { ScanRequest } from '../model/scan.js'
import { firstTokenOfShard, shardOfToken } from '../model/sharding.js'

const WORD = 4_294_967_296
const NO_BYTES: Buffer = Buffer.alloc(0)

/** What is left of a scan behind its position; null: nothing. */
export function spanOfScan(request: ScanRequest, keyOrder: KeyOrder): RowSpan | null {
  const { range, segment, position, isReversed } = request
  let lower: RowBound | null = null
  let upper: RowBound | null = null
  if (range !== null) {
    lower = greater(lower, { token: NO_TOKEN, rowKey: range.from, isExclusive: false })
    if (range.to !== null) upper = less(upper, { token: NO_TOKEN, rowKey: range.to, isExclusive: true })
  }
  if (segment !== null) {
    lower = greater(lower, startOfSegment(segment.index, segment.count, keyOrder))
    upper = less(upper, endOfSegment(segment.index, segment.count, keyOrder))
  }
  if (position !== null) {
    const { token, rowKey, isBefore } = position
    const bound = { token, rowKey, isExclusive: isBefore !== true }
    if (isReversed) upper = less(upper, bound)
    else lower = greater(lower, bound)
  }
  return isEmpty(lower, upper) ? null : { lower, upper }
}

export interface ShardSpan {
  readonly shard: number
  readonly span: RowSpan
}

/**
 * The shards that hold rows of the span, in the order of the scan. Every one but the first has a bound where the scan
 * enters it, so that a page that ends between two shards can say where the next one begins.
 */
export function spansByShard(span: RowSpan, shardCount: number, isReversed: boolean): readonly ShardSpan[] {
  const first = span.lower === null ? 0 : shardOfToken(span.lower.token, shardCount)
  const last = span.upper === null ? shardCount - 1 : shardOfToken(span.upper.token, shardCount)
  const spans: ShardSpan[] = []
  for (let shard = first; shard <= last; shard += 1) {
    const lower = shard === first ? span.lower : { ...startOfShard(shard, shardCount), isExclusive: false }
    const upper = shard === last ? span.upper : { ...startOfShard(shard + 1, shardCount), isExclusive: true }
    if (!isEmpty(lower, upper)) spans.push({ shard, span: { lower, upper } })
  }
  return isReversed ? spans.reverse() : spans
}

/** A row key of no bytes is the first of its token. */
function startOfShard(shard: number, shardCount: number) {
  return { token: firstTokenOfShard(shard, shardCount), rowKey: NO_BYTES }
}

function startOfSegment(index: number, count: number, keyOrder: KeyOrder): RowBound | null {
  if (index === 0) return null
  const first = Math.ceil((index * WORD) / count)
  if (keyOrder === 'HASHED') {
    return { token: { high: (first ^ 0x80000000) | 0, low: 0 }, rowKey: NO_BYTES, isExclusive: false }
  }
  const rowKey = Buffer.alloc(4)
  rowKey.writeUInt32BE(first)
  return { token: NO_TOKEN, rowKey, isExclusive: false }
}

function endOfSegment(index: number, count: number, keyOrder: KeyOrder): RowBound | null {
  const next = index + 1 === count ? null : startOfSegment(index + 1, count, keyOrder)
  return next === null ? null : { ...next, isExclusive: true }
}

/** The one of two lower bounds that leaves out more. */
function greater(a: RowBound | null, b: RowBound | null): RowBound | null {
  if (a === null || b === null) return a ?? b
  const order = compareRows(a, b)
  return order > 0 || (order === 0 && a.isExclusive) ? a : b
}

/** The one of two upper bounds that leaves out more. */
function less(a: RowBound | null, b: RowBound | null): RowBound | null {
  if (a === null || b === null) return a ?? b
  const order = compareRows(a, b)
  return order < 0 || (order === 0 && a.isExclusive) ? a : b
}

function isEmpty(lower: RowBound | null, upper: RowBound | null): boolean {
  if (lower === null || upper === null) return false
  const order = compareRows(lower, upper)
  return order > 0 || (order === 0 && (lower.isExclusive || upper.isExclusive))
}
