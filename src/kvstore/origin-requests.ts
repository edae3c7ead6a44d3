/** The reverse of reads.ts, scans.ts and writes.ts, pure: requests in our words -> KVStore structs for an origin. */
import type { Mutation } from '../model/mutation.js'
import type { MutateRequest, ReadRequest } from '../model/request.js'
import { ALL_VERSIONS, type ByteRange, type CellSelector, type Condition } from '../model/row.js'
import type { ScanRequest } from '../model/scan.js'
import * as wire from '../thrift/generated/kvstore.js'

/** A get travels as a multiGet of one key: the row's own failure and the version then come the same way. */
export function readToMultiGet(request: ReadRequest, context: wire.RequestContext): wire.MultiGetRequest {
  const { dataset, rowKeys, selector, selectorsByKey } = request
  return wire.makeMultiGetRequest({
    dataset,
    keys: rowKeys,
    cells: selector === null ? null : toWireSelector(selector),
    cellsByKey: selectorsByKey === null ? null : selectorsByKey.map(toWireSelector),
    options: toWireOptions(request, request.pageBytes),
    context,
  })
}

/** A later page of one row. */
export function readToGet(request: ReadRequest, context: wire.RequestContext): wire.GetRequest {
  const { dataset, rowKeys, selector, selectorsByKey, position } = request
  const cells = selectorsByKey === null ? selector : (selectorsByKey[0] ?? null)
  return wire.makeGetRequest({
    dataset,
    key: rowKeys[0] ?? null,
    cells: cells === null ? null : toWireSelector(cells),
    pageToken: position?.originToken ?? null,
    options: toWireOptions(request, request.pageBytes),
    context,
  })
}

/**
 * The caller's limit of rows stays here and bounds the page: its rest differs from page to page, and the origin's token
 * holds only for the same request.
 */
export function scanToWire(request: ScanRequest, context: wire.RequestContext): wire.ScanRequest {
  const { dataset, range, selector, where, limit, isReversed, segment, pageRows, position } = request
  return wire.makeScanRequest({
    dataset,
    keys: range === null ? null : toWireRange(range),
    cells: selector === null ? null : toWireSelector(selector),
    where: where.length === 0 ? null : where.map(toWireCondition),
    reversed: isReversed,
    pageToken: position?.originToken ?? null,
    pageRows: limit === null ? pageRows : Math.min(pageRows, limit),
    segment: segment === null ? null : segment.index,
    totalSegments: segment === null ? null : segment.count,
    options: toWireOptions(request, request.pageBytes),
    context,
  })
}

export function requestToMutate(
  request: MutateRequest,
  options: wire.WriteOptions,
  context: wire.RequestContext,
): wire.MutateRequest {
  const { dataset, rowKey, mutations, conditions, otherwise, returnOnConflict, returnAfter } = request
  return wire.makeMutateRequest({
    dataset,
    key: rowKey,
    mutations: mutations.map(toWireMutation),
    conditions: conditions.length === 0 ? null : conditions.map(toWireCondition),
    otherwise: otherwise.length === 0 ? null : otherwise.map(toWireMutation),
    returnOnConflict: returnOnConflict === undefined ? null : toWireSelector(returnOnConflict),
    returnAfter: returnAfter === undefined ? null : toWireSelector(returnAfter),
    options,
    context,
  })
}

/** Always the strongest level: what a session has seen here, the origin has seen too. */
function toWireOptions(
  request: Pick<ReadRequest, 'datasetVersion' | 'withTimestamps' | 'withTtl'>,
  pageBytes: number | null,
): wire.ReadOptions {
  const { datasetVersion, withTimestamps, withTtl } = request
  return wire.makeReadOptions({
    consistency: wire.Consistency.STRONG,
    datasetVersion: datasetVersion === null ? null : BigInt(datasetVersion),
    withTimestamps,
    withTtl,
    withInfo: true,
    pageSizeBytes: pageBytes,
  })
}

function toWireSelector(selector: CellSelector | null): wire.CellSelector {
  if (selector === null) return wire.makeCellSelector()
  const { localKeys, ranges, maxVersions } = selector
  return wire.makeCellSelector({
    localKeys: localKeys.length === 0 ? null : localKeys,
    ranges: ranges.length === 0 ? null : ranges.map(toWireRange),
    limit: selector.limit,
    reversed: selector.isReversed,
    maxVersions: maxVersions === ALL_VERSIONS ? 0 : maxVersions,
    minTimestamp: selector.minTimestamp,
    maxTimestamp: selector.maxTimestamp,
    keysOnly: selector.keysOnly,
  })
}

function toWireRange({ from, to }: ByteRange): wire.ByteRange {
  return wire.makeByteRange({ lower: from, upper: to })
}

function toWireCondition(condition: Condition): wire.Condition {
  return { ...condition, comparison: wire.Comparison[condition.comparison] }
}

function toWireMutation(mutation: Mutation): wire.Mutation {
  switch (mutation.kind) {
    case 'PUT': {
      const { cells, timestamp, replaceRow } = mutation
      return wire.makeMutation({ put: wire.makePutMutation({ cells, timestamp, replaceRow }) })
    }
    case 'DELETE': {
      const { selector, timestamp, scope } = mutation
      const cells = selector === null ? null : toWireSelector(selector)
      return wire.makeMutation({ remove: { cells, timestamp, scope: wire.DeleteScope[scope] } })
    }
    case 'INCREMENT':
      return wire.makeMutation({ increment: { deltas: mutation.deltas } })
    case 'APPEND':
      return wire.makeMutation({ append: { cells: mutation.cells } })
    case 'TOUCH': {
      const { selector, ttlSeconds } = mutation
      const cells = selector === null ? null : toWireSelector(selector)
      return wire.makeMutation({ touch: { cells, ttlSeconds: ttlSeconds ?? 0 } })
    }
  }
}
