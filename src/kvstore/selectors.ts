/**
 * Which cells, columns and rows a request means: selectors, byte ranges and conditions of the wire -> those of
 * model/row.ts, normalised, so that everything behind hop 2 sees sorted, disjoint parts and no repeats.
 *
 * A part that can match nothing is dropped. Parts that all can match nothing select nothing, never everything.
 */
import { EMPTY_BYTES, prefixSuccessor, sortedDistinct } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import { ALL_VERSIONS, type ByteRange, type CellSelector, type Comparison } from '../model/row.js'
import { type Condition, WHOLE_ROW } from '../model/row.js'
import * as wire from '../thrift/generated/kvstore.js'
import { invalid, positiveOrNull, tooLarge } from './fields.js'

/** No version lies in an empty time, so that every engine answers this without a case of its own. */
export const NOTHING: CellSelector = {
  ...WHOLE_ROW,
  localKeys: [EMPTY_BYTES],
  minTimestamp: 0n,
  maxTimestamp: 0n,
}

const EVERYTHING: ByteRange = { from: EMPTY_BYTES, to: null }

/** Local keys and ranges, as CellSelector has them; null: nothing at all. */
type Columns = Pick<CellSelector, 'localKeys' | 'ranges'>
const ALL_COLUMNS: Columns = { localKeys: [], ranges: [] }

/** Null: the newest version of every column. @throws {KVError} INVALID_ARGUMENT, TOO_LARGE */
export function toSelector(cells: wire.CellSelector): CellSelector | null {
  const columns = toColumns(cells)
  const selector: CellSelector = {
    localKeys: columns === null ? ALL_COLUMNS.localKeys : columns.localKeys,
    ranges: columns === null ? ALL_COLUMNS.ranges : columns.ranges,
    limit: positiveOrNull(cells.limit, 'CellSelector.limit'),
    isReversed: cells.reversed === true,
    maxVersions: toMaxVersions(cells.maxVersions),
    minTimestamp: cells.minTimestamp,
    maxTimestamp: cells.maxTimestamp,
    keysOnly: cells.keysOnly === true,
  }
  if (columns === null || isNoTime(cells)) return NOTHING
  return isWholeRow(selector) ? null : selector
}

/**
 * The columns that a deletion or another change means: everything else of the selector does not apply to it. Null: every
 * column. @throws {KVError} INVALID_ARGUMENT for a selector that names no part
 */
export function toChangedColumns(cells: wire.CellSelector, method: string): CellSelector | null {
  checkNamesParts(cells, method)
  const columns = toColumns(cells)
  if (columns === null) return NOTHING
  return columns === ALL_COLUMNS ? null : { ...WHOLE_ROW, ...columns }
}

/** The same, but columns that are named stay named where a range has them as well. */
export function toNamedColumns(cells: wire.CellSelector, method: string): CellSelector | null {
  const changed = toChangedColumns(cells, method)
  const localKeys = cells.localKeys === null ? [] : sortedDistinct(cells.localKeys)
  if (localKeys.length === 0 || changed?.localKeys.length === localKeys.length) return changed
  const ranges = changed === null ? [EVERYTHING] : changed.ranges
  return { ...WHOLE_ROW, localKeys, ranges: ranges.flatMap((range) => besideKeys(range, localKeys)) }
}

function checkNamesParts(cells: wire.CellSelector, method: string): void {
  // An absent selector means the row; an empty one is more likely a mistake than a wish for that.
  if (partCount(cells) > 0) return
  throw invalid(`${method} with a selector that names no column: leave it out to mean the row`)
}

/** What is left of a range without these keys, which are sorted. */
function besideKeys({ from, to }: ByteRange, keys: readonly Buffer[]): readonly ByteRange[] {
  const left: ByteRange[] = []
  let next: Buffer | null = from
  for (const key of keys) {
    if (next === null || Buffer.compare(key, next) < 0) continue
    if (to !== null && Buffer.compare(key, to) >= 0) break
    left.push({ from: next, to: key })
    next = keyAfter(key, limits.maxLocalKeyBytes)
  }
  if (next !== null) left.push({ from: next, to })
  return left.filter((range) => !isEmptyRange(range))
}

function isWholeRow(selector: CellSelector): boolean {
  return (
    selector.localKeys.length === 0 &&
    selector.ranges.length === 0 &&
    selector.limit === null &&
    !selector.isReversed &&
    selector.maxVersions === 1 &&
    selector.minTimestamp === null &&
    selector.maxTimestamp === null &&
    !selector.keysOnly
  )
}

function isNoTime({ minTimestamp, maxTimestamp }: wire.CellSelector): boolean {
  return minTimestamp !== null && maxTimestamp !== null && minTimestamp >= maxTimestamp
}

function toMaxVersions(maxVersions: number | null): number {
  if (maxVersions === null) return 1
  if (maxVersions < 0) throw invalid(`CellSelector.maxVersions of ${maxVersions}: 0 for all, or 1 and more`)
  return maxVersions === 0 ? ALL_VERSIONS : maxVersions
}

function partCount({ localKeys, ranges, prefixes }: wire.CellSelector): number {
  return (localKeys?.length ?? 0) + (ranges?.length ?? 0) + (prefixes?.length ?? 0)
}

function toColumns(cells: wire.CellSelector): Columns | null {
  const count = partCount(cells)
  if (count === 0) return ALL_COLUMNS
  // Before they are sorted, which of a million takes seconds.
  if (count > limits.maxSelectorParts) {
    throw tooLarge(
      `${count} local keys, ranges and prefixes, at most ${limits.maxSelectorParts}: split the request`,
    )
  }
  const localKeys = cells.localKeys === null ? [] : sortedDistinct(cells.localKeys)
  if (count === localKeys.length) return { localKeys, ranges: [] }
  const ranges = mergedRanges([
    ...(cells.ranges ?? []).map((range) => toByteRange(range, limits.maxLocalKeyBytes)),
    ...(cells.prefixes ?? []).map((prefix) => prefixRange(prefix, limits.maxLocalKeyBytes)),
  ])
  const single = outside(localKeys, ranges)
  if (single.length === 0 && ranges.length === 0) return null
  const [only] = ranges
  const isEverything = only !== undefined && only.from.length === 0 && only.to === null
  return isEverything ? ALL_COLUMNS : { localKeys: single, ranges }
}

/**
 * The half-open range that means the same among keys of at most `maxBytes` bytes; it may be empty.
 * @throws {KVError} TOO_LARGE when a bound is longer
 */
export function toByteRange(range: wire.ByteRange, maxBytes: number): ByteRange {
  const { lower, upper } = range
  for (const bound of [lower, upper]) {
    if (bound !== null && bound.length > maxBytes) {
      throw tooLarge(`a range's bound of ${bound.length} bytes, at most ${maxBytes}`)
    }
  }
  const from = lower === null || range.lowerExclusive !== true ? lower : keyAfter(lower, maxBytes)
  // Nothing lies behind the greatest key of all.
  if (lower !== null && from === null) return { from: EMPTY_BYTES, to: EMPTY_BYTES }
  const to = upper === null || range.upperInclusive !== true ? upper : keyAfter(upper, maxBytes)
  return { from: from ?? EMPTY_BYTES, to }
}

/** @throws {KVError} TOO_LARGE when the prefix is longer than `maxBytes` */
export function prefixRange(prefix: Buffer, maxBytes: number): ByteRange {
  if (prefix.length > maxBytes) throw tooLarge(`a prefix of ${prefix.length} bytes, at most ${maxBytes}`)
  return prefix.length === 0 ? EVERYTHING : { from: prefix, to: prefixSuccessor(prefix) }
}

/** What lies in both; it may be empty. */
export function intersection(a: ByteRange, b: ByteRange): ByteRange {
  const from = Buffer.compare(a.from, b.from) >= 0 ? a.from : b.from
  return { from, to: isEndBefore(a.to, b.to) ? a.to : b.to }
}

export function isEmptyRange({ from, to }: ByteRange): boolean {
  return to !== null && Buffer.compare(from, to) >= 0
}

/** The smallest key of at most `maxBytes` bytes behind this one; null: there is none. */
function keyAfter(key: Buffer, maxBytes: number): Buffer | null {
  return key.length < maxBytes ? Buffer.concat([key, ZERO_BYTE]) : prefixSuccessor(key)
}

const ZERO_BYTE = Buffer.of(0)

function isEndBefore(a: Buffer | null, b: Buffer | null): boolean {
  if (a === null) return false
  return b === null || Buffer.compare(a, b) < 0
}

/** Sorted, disjoint, none empty, none touching another. */
function mergedRanges(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const sorted = ranges.filter((range) => !isEmptyRange(range))
  sorted.sort((a, b) => Buffer.compare(a.from, b.from))
  const merged: ByteRange[] = []
  for (const range of sorted) {
    const last = merged.at(-1)
    if (last === undefined || (last.to !== null && Buffer.compare(range.from, last.to) > 0)) {
      merged.push(range)
    } else if (isEndBefore(last.to, range.to)) {
      merged[merged.length - 1] = { from: last.from, to: range.to }
    }
  }
  return merged
}

/** The sorted keys that lie in none of the sorted ranges. */
function outside(keys: readonly Buffer[], ranges: readonly ByteRange[]): readonly Buffer[] {
  let next = 0
  return keys.filter((key) => {
    while (next < ranges.length && isBehind(key, ranges[next])) next += 1
    const range = ranges[next]
    return range === undefined || Buffer.compare(key, range.from) < 0
  })
}

function isBehind(key: Buffer, range: ByteRange | undefined): boolean {
  return range !== undefined && range.to !== null && Buffer.compare(key, range.to) >= 0
}

/** By the number on the wire; `satisfies` makes a name that the model lacks fail to compile. */
const COMPARISONS: ReadonlyMap<number, Comparison> = new Map(
  (
    [
      'EXISTS',
      'NOT_EXISTS',
      'EQUAL',
      'NOT_EQUAL',
      'LESS',
      'LESS_OR_EQUAL',
      'GREATER',
      'GREATER_OR_EQUAL',
      'VERSION_EQUAL',
      'ROW_EXISTS',
      'ROW_NOT_EXISTS',
    ] as const satisfies readonly Comparison[]
  ).map((name) => [wire.Comparison[name], name]),
)

/** @throws {KVError} INVALID_ARGUMENT for an absent or unknown comparison, or a version test without a timestamp */
export function toCondition(condition: wire.Condition): Condition {
  const { localKey, value, timestamp, ifMissing } = condition
  if (condition.comparison === null) throw invalid('a condition without a comparison')
  const comparison = COMPARISONS.get(condition.comparison)
  if (comparison === undefined) throw invalid(`unknown Comparison ${condition.comparison}`)
  const isVersion = comparison === 'VERSION_EQUAL'
  if (isVersion && timestamp === null) throw invalid('a condition VERSION_EQUAL without a timestamp')
  return {
    localKey: localKey ?? EMPTY_BYTES,
    comparison,
    value: value ?? EMPTY_BYTES,
    timestamp: isVersion ? timestamp : null,
    ifMissing,
  }
}

/** @throws {KVError} TOO_LARGE, and as toCondition */
export function toConditions(conditions: readonly wire.Condition[] | null): readonly Condition[] {
  if (conditions === null || conditions.length === 0) return NO_CONDITIONS
  if (conditions.length > limits.maxConditions) {
    throw tooLarge(`${conditions.length} conditions, at most ${limits.maxConditions}`)
  }
  return conditions.map(toCondition)
}

export const NO_CONDITIONS: readonly Condition[] = []
