/** Ranges of local keys: what restrictions of clustering columns select. Lists are disjoint and in order. Pure. */
import { EMPTY_BYTES, prefixSuccessor } from '../../../src/base/bytes.js'
import type { ByteRange } from '../../../src/model/row.js'
import { encodeOrdered } from '../cql/ordered-bytes.js'
import { rangeOfPrefix } from './mapping.js'
import type { Column } from './schema.js'

/** One end of a slice, over the columns that follow a prefix, by value order. */
export interface SliceBound {
  readonly columns: readonly Column[]
  /** As many as the columns. */
  readonly values: readonly Buffer[]
  readonly isInclusive: boolean
  /** `>` and `>=`. */
  readonly isLower: boolean
}

/**
 * All rows below the prefix within the bound. Columns may be in ascending and descending order at the same time, so that
 * `(a, b) > (x, y)` is `a > x` and `a = x AND b > y`, each of which is one range.
 */
export function slice(
  prefix: Buffer,
  { columns, values, isInclusive, isLower }: SliceBound,
): readonly ByteRange[] {
  const ranges: ByteRange[] = []
  let before = prefix
  for (const [index, column] of columns.entries()) {
    const encoded = encodeOrdered([column], [values[index] ?? EMPTY_BYTES])
    const at = Buffer.concat([before, encoded])
    const whole = rangeOfPrefix(before)
    const isLast = index === columns.length - 1
    // Greater values stand behind this one, unless the column is descending.
    const isBehind = isLower !== column.isReversed
    const behind = isLast && isInclusive ? at : prefixSuccessor(at)
    const upTo = isLast && isInclusive ? prefixSuccessor(at) : at
    if (!isBehind) ranges.push({ from: whole.from, to: upTo })
    else if (behind !== null) ranges.push({ from: behind, to: whole.to })
    before = at
  }
  return sortRanges(ranges)
}

/** Without empty ones and repeats; those that touch are joined. */
export function sortRanges(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const [first] = ranges
  if (first !== undefined && ranges.length === 1) {
    return first.to === null || first.from.compare(first.to) < 0 ? ranges : []
  }
  const sorted = ranges
    .filter(({ from, to }) => to === null || from.compare(to) < 0)
    .sort((a, b) => a.from.compare(b.from))
  const joined: ByteRange[] = []
  for (const range of sorted) {
    const last = joined.at(-1)
    if (last === undefined || (last.to !== null && last.to.compare(range.from) < 0)) joined.push(range)
    else if (last.to !== null)
      joined[joined.length - 1] = { from: last.from, to: laterEnd(last.to, range.to) }
  }
  return joined
}

function laterEnd(a: Buffer, b: Buffer | null): Buffer | null {
  return b === null || b.compare(a) > 0 ? b : a
}

export function intersect(a: readonly ByteRange[], b: readonly ByteRange[]): readonly ByteRange[] {
  const both = a.flatMap((one) =>
    b.map(({ from, to }) => ({
      from: one.from.compare(from) > 0 ? one.from : from,
      to: one.to === null || (to !== null && to.compare(one.to) < 0) ? to : one.to,
    })),
  )
  return sortRanges(both)
}

/** What is left behind a local key in the direction of the read. */
export function rangesBehind(
  ranges: readonly ByteRange[],
  key: Buffer,
  isReversed: boolean,
): readonly ByteRange[] {
  const [only] = ranges
  if (only !== undefined && ranges.length === 1 && !isReversed) {
    const from = Buffer.concat([key, ZERO])
    if (only.from.compare(from) > 0) return ranges
    return only.to === null || from.compare(only.to) < 0 ? [{ from, to: only.to }] : []
  }
  const rest: ByteRange = isReversed
    ? { from: EMPTY_BYTES, to: key }
    : { from: Buffer.concat([key, ZERO]), to: null }
  return intersect(ranges, [rest])
}

/** What is left behind all keys that begin so. */
export function rangesBehindPrefix(
  ranges: readonly ByteRange[],
  prefix: Buffer,
  isReversed: boolean,
): readonly ByteRange[] {
  const end = prefixSuccessor(prefix)
  if (isReversed) return intersect(ranges, [{ from: EMPTY_BYTES, to: prefix }])
  return end === null ? [] : intersect(ranges, [{ from: end, to: null }])
}

const ZERO = Buffer.from([0x00])
