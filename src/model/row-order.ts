/**
 * The order of rows in a scan: by token, then by row key in byte order. It does not depend on shards, nor on how a row is
 * stored, so that a position can travel in a page token.
 */
import { assert } from '../base/assert.js'

/**
 * Where a row key lies. HASHED: its Murmur3 token as two signed 32-bit halves. ORDERED: both 0 and unused.
 * Two numbers and not a bigint, because they are made for every key of every request.
 */
export interface RowToken {
  readonly high: number
  readonly low: number
}

/** ORDERED datasets need no token. */
export const NO_TOKEN: RowToken = { high: 0, low: 0 }

export interface RowPosition {
  readonly token: RowToken
  readonly rowKey: Buffer
  /** The row at the position itself was not looked at, either. */
  readonly isBefore?: boolean
  /** The page token of the origin that answered; it alone says where to go on there. */
  readonly originToken?: Buffer
}

/** One end of a span of rows. */
export interface RowBound extends RowPosition {
  /** Whether the row at the bound itself is left out. A row key of no bytes is the first of its token. */
  readonly isExclusive: boolean
}

/** Rows between two bounds; null: no bound at that end. */
export interface RowSpan {
  readonly lower: RowBound | null
  readonly upper: RowBound | null
}

/** Where a scan enters the span: nothing of it was looked at. The span has a bound at that end. */
export function entryOf({ lower, upper }: RowSpan, isReversed: boolean): RowPosition {
  const bound = isReversed ? upper : lower
  assert(bound !== null, 'a span without a bound where the scan enters it')
  return { token: bound.token, rowKey: bound.rowKey, isBefore: !bound.isExclusive }
}

export function compareRows(a: RowPosition, b: RowPosition): number {
  if (a.token.high !== b.token.high) return a.token.high < b.token.high ? -1 : 1
  // The lower half counts as unsigned: only the whole token has a sign.
  const [lowA, lowB] = [a.token.low >>> 0, b.token.low >>> 0]
  if (lowA !== lowB) return lowA < lowB ? -1 : 1
  return a.rowKey.compare(b.rowKey)
}
