/** UserMetaStore's column and key selectors as ours, and timeouts and options: pure. What both reads and scans need. */
import { EMPTY_BYTES, prefixSuccessor, sortedDistinct } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { type ByteRange, type CellSelector, WHOLE_ROW } from '../../src/model/row.js'
import * as wire from '../../src/thrift/generated/usermetastore.js'
import { invalid, tooLarge } from './errors.js'
import { MAX_COLUMN_BYTES, checkColumn } from './mapping.js'

/** No version lies in an empty time, so that every engine answers this without a case of its own. */
export const NOTHING: CellSelector = {
  ...WHOLE_ROW,
  localKeys: [EMPTY_BYTES],
  minTimestamp: 0n,
  maxTimestamp: 0n,
}

/**
 * Null: the newest version of every column. The answer's limit is the wire's and one more, which tells whether columns were
 * left out. An empty list, prefix or bound is as good as an absent one, as HBase has it.
 * @throws {KVError} INVALID_ARGUMENT, TOO_LARGE
 */
export function toSelector(selector: wire.ColumnSelector | null): CellSelector | null {
  if (selector === null) return null
  const { columns, limit, maxVersions, minTimestamp, maxTimestamp } = selector
  const range = toRange(selector.startColumn, selector.endColumn, selector.prefix, MAX_COLUMN_BYTES)
  checkPositive(limit, 'ColumnSelector.limit')
  checkPositive(maxVersions, 'ColumnSelector.maxVersions')
  const asked = {
    ...WHOLE_ROW,
    limit: limit === null ? null : limit + 1,
    maxVersions: maxVersions ?? 1,
    minTimestamp,
    maxTimestamp,
  }
  const isNoTime = minTimestamp !== null && maxTimestamp !== null && minTimestamp >= maxTimestamp
  if (isNoTime || (range !== null && isEmpty(range))) return NOTHING
  if (columns === null || columns.length === 0) {
    return range === null ? asked : { ...asked, ranges: [range] }
  }
  const localKeys = toColumns(columns).filter((name) => range === null || isIn(range, name))
  return localKeys.length === 0 ? NOTHING : { ...asked, localKeys }
}

/** Names of columns, each once, in byte order. @throws {KVError} TOO_LARGE */
export function toColumns(columns: readonly Buffer[]): readonly Buffer[] {
  if (columns.length > limits.maxSelectorParts) {
    throw tooLarge(`${columns.length} columns named, at most ${limits.maxSelectorParts}: split the request`)
  }
  for (const name of columns) checkColumn(name)
  return sortedDistinct(columns)
}

/** Names from `start` to before `end` that begin with `prefix`; null: all. @throws {KVError} TOO_LARGE */
export function toRange(
  start: Buffer | null,
  end: Buffer | null,
  prefix: Buffer | null,
  maxBytes: number,
): ByteRange | null {
  let from = EMPTY_BYTES
  let to: Buffer | null = null
  for (const bound of [start, end, prefix]) {
    if (bound !== null && bound.length > maxBytes) {
      throw tooLarge(`a bound or prefix of ${bound.length} bytes, at most ${maxBytes}`)
    }
  }
  if (prefix !== null && prefix.length > 0) {
    from = prefix
    to = prefixSuccessor(prefix)
  }
  if (start !== null && start.compare(from) > 0) from = start
  if (end !== null && end.length > 0 && (to === null || end.compare(to) < 0)) to = end
  return from.length === 0 && to === null ? null : { from, to }
}

export function isEmpty({ from, to }: ByteRange): boolean {
  return to !== null && from.compare(to) >= 0
}

function isIn({ from, to }: ByteRange, name: Buffer): boolean {
  return name.compare(from) >= 0 && (to === null || name.compare(to) < 0)
}

/** @throws {KVError} INVALID_ARGUMENT */
export function checkPositive(value: number | null, name: string): void {
  if (value !== null && value < 1) throw invalid(`${name} of ${value}: at least 1, or absent`)
}

/**
 * A row has one leaf, which answers behind every write that it acknowledged, so that every level is given.
 * @throws {KVError} INVALID_ARGUMENT for one that is not known
 */
export function checkConsistency(options: wire.ReadOptions | null): void {
  const level = options === null ? null : options.consistency
  if (level !== null && wire.readConsistencyName(level) === null) {
    throw invalid(`unknown ReadConsistency ${level}`)
  }
}
