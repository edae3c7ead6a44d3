/**
 * Hop 2 of reads by key, pure: get, multiGet and getCounters -> ReadRequest. What concerns tokens is in tokens.ts and
 * pages.ts; nothing that a caller asked for is silently left out.
 */
import { sortedDistinct } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import type { ReadRequest, RequestContext } from '../model/request.js'
import { type CellSelector, columnsNamed } from '../model/row.js'
import * as wire from '../thrift/generated/kvstore.js'
import { invalid, isKnown, refuseIf, requiredDataset, requiredKey, tooLarge } from './fields.js'
import { toSelector } from './selectors.js'

/** Null fields are how an absent optional field reads; a request struct itself is absent only in hostile frames. */
export function getToRead(request: wire.GetRequest, context: RequestContext): ReadRequest {
  return toRead(request.dataset, [requiredKey(request.key)], request.cells, null, request.options, context)
}

export function multiGetToRead(request: wire.MultiGetRequest, context: RequestContext): ReadRequest {
  const { keys, cells, cellsByKey } = request
  if (keys === null) throw invalid('multiGet without keys')
  for (const key of keys) requiredKey(key)
  if (cells !== null && cellsByKey !== null) {
    throw invalid('multiGet with both cells and cellsByKey: give one of them')
  }
  return toRead(request.dataset, keys, cells, cellsByKey, request.options, context)
}

/** Counters are read as the cells that they are; countersToResponse puts them in the order of the request. */
export function getCountersToRead(request: wire.GetCountersRequest, context: RequestContext): ReadRequest {
  const { keys, localKeys, options } = request
  if (keys === null) throw invalid('getCounters without keys')
  if (localKeys === null || localKeys.length === 0) throw invalid('getCounters without local keys')
  for (const key of keys) requiredKey(key)
  if (localKeys.length > limits.maxSelectorParts) {
    throw tooLarge(`${localKeys.length} local keys, at most ${limits.maxSelectorParts}: split the request`)
  }
  const counters = keys.length * localKeys.length
  if (counters > limits.maxCellsPerRequest) {
    // Repeats are read once and answered each.
    throw tooLarge(`${counters} counters, at most ${limits.maxCellsPerRequest}: split the request`)
  }
  if (options !== null) {
    // Its answer has no place for these.
    refuseIf(options.withInfo === true, 'ReadOptions.withInfo of getCounters')
    refuseIf(options.withTimestamps === true, 'ReadOptions.withTimestamps of getCounters')
    refuseIf(options.withTtl === true, 'ReadOptions.withTtl of getCounters')
    refuseIf(options.pageSizeBytes !== null, 'ReadOptions.pageSizeBytes of getCounters')
  }
  const read = toRead(request.dataset, keys, null, null, options, context)
  return { ...read, selector: columnsNamed(sortedDistinct(localKeys)) }
}

function toRead(
  dataset: string | null,
  rowKeys: readonly Buffer[],
  cells: wire.CellSelector | null,
  cellsByKey: readonly wire.CellSelector[] | null,
  options: wire.ReadOptions | null,
  context: RequestContext,
): ReadRequest {
  if (options !== null) checkReadOptions(options)
  return {
    dataset: requiredDataset(dataset),
    rowKeys,
    selector: cells === null ? null : toSelector(cells),
    selectorsByKey: cellsByKey === null ? null : toSelectors(cellsByKey),
    datasetVersion: options === null ? null : toVersion(options.datasetVersion),
    withTimestamps: options !== null && options.withTimestamps === true,
    withTtl: options !== null && options.withTtl === true,
    pageBytes: options === null || options.pageSizeBytes === null ? null : toPageBytes(options.pageSizeBytes),
    position: null,
    context,
  }
}

function toSelectors(cellsByKey: readonly wire.CellSelector[]): readonly (CellSelector | null)[] {
  let parts = 0
  for (const { localKeys, ranges, prefixes } of cellsByKey) {
    parts += (localKeys?.length ?? 0) + (ranges?.length ?? 0) + (prefixes?.length ?? 0)
  }
  if (parts > limits.maxCellsPerRequest) {
    throw tooLarge(
      `selectors of ${parts} parts in all, at most ${limits.maxCellsPerRequest}: split the request`,
    )
  }
  return cellsByKey.map(toSelector)
}

/**
 * One leaf answers every read behind the writes that it acknowledged, so that every level is given; what remains to be
 * checked is that they are asked for in a way that makes sense. The session token itself: tokens.ts.
 * @throws {KVError} INVALID_ARGUMENT
 */
export function checkReadOptions(options: wire.ReadOptions): void {
  const { consistency, maxStalenessMs, sessionToken } = options
  if (consistency !== null && !isKnown(wire.Consistency, consistency)) {
    throw invalid(`unknown Consistency ${consistency}`)
  }
  const isBounded = consistency === wire.Consistency.BOUNDED_STALENESS
  if (isBounded && maxStalenessMs === null) {
    throw invalid('consistency BOUNDED_STALENESS without maxStalenessMs')
  }
  if (!isBounded && maxStalenessMs !== null) {
    throw invalid('maxStalenessMs is only for consistency BOUNDED_STALENESS')
  }
  if (maxStalenessMs !== null && maxStalenessMs < 0) throw invalid(`maxStalenessMs of ${maxStalenessMs}`)
  const isSession = consistency === wire.Consistency.SESSION
  if (isSession && sessionToken === null) throw invalid('consistency SESSION without a sessionToken')
  if (!isSession && sessionToken !== null) throw invalid('a sessionToken is only for consistency SESSION')
}

/** @throws {KVError} INVALID_ARGUMENT when it is no size that an answer can have */
export function toPageBytes(pageSizeBytes: number): number {
  if (pageSizeBytes < 1 || pageSizeBytes > limits.maxFrameBytes) {
    throw invalid(`pageSizeBytes of ${pageSizeBytes}: 1 to ${limits.maxFrameBytes}`)
  }
  return Math.min(pageSizeBytes, limits.maxPageBytes)
}

export function toVersion(version: bigint | null): number | null {
  if (version === null) return null
  // Versions are milliseconds since 1970; anything beyond 2^53 is none that was ever kept.
  return version >= 0n && version <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(version) : -1
}
