/** Hop 2 of scans, pure: ScanRequest of the wire -> one page of ours. What concerns page tokens is in pages.ts. */
import { limits } from '../base/limits.js'
import type { RequestContext } from '../model/request.js'
import type { ByteRange } from '../model/row.js'
import type { ScanRequest } from '../model/scan.js'
import * as wire from '../thrift/generated/kvstore.js'
import { invalid, isKnown, positiveOrNull, requiredDataset, unsupported } from './fields.js'
import { checkReadOptions, toPageBytes, toVersion } from './reads.js'
import { intersection, prefixRange, toByteRange, toConditions, toSelector } from './selectors.js'

/** The first page; pages.ts makes a later one of it. */
export function scanToRequest(request: wire.ScanRequest, context: RequestContext): ScanRequest {
  const { options, cells, order } = request
  if (options !== null) checkReadOptions(options)
  if (order !== null && !isKnown(wire.ScanOrder, order)) throw invalid(`unknown ScanOrder ${order}`)
  const pageRows = positiveOrNull(request.pageRows, 'ScanRequest.pageRows') ?? limits.defaultPageRows
  const pageSizeBytes = options === null ? null : options.pageSizeBytes
  return {
    dataset: requiredDataset(request.dataset),
    range: toRange(request),
    selector: cells === null ? null : toSelector(cells),
    where: toConditions(request.where),
    limit: positiveOrNull(request.limit, 'ScanRequest.limit'),
    isReversed: request.reversed === true,
    segment: toSegment(request),
    pageRows: Math.min(pageRows, limits.maxPageRows),
    pageBytes: pageSizeBytes === null ? limits.defaultPageBytes : toPageBytes(pageSizeBytes),
    position: null,
    datasetVersion: options === null ? null : toVersion(options.datasetVersion),
    withTimestamps: options?.withTimestamps === true,
    withTtl: options?.withTtl === true,
    context,
  }
}

/** @throws {KVError} UNSUPPORTED when rows are wanted by key and the dataset does not keep them so */
export function checkOrder({ order }: wire.ScanRequest, isHashed: boolean): void {
  if (order !== wire.ScanOrder.KEY || !isHashed) return
  throw unsupported('ScanOrder KEY', 'is not offered by datasets that hash their keys: leave order out')
}

/** `keys` and `keyPrefix` both narrow; null: all rows. */
function toRange({ keys, keyPrefix }: wire.ScanRequest): ByteRange | null {
  const byKeys = keys === null ? null : toByteRange(keys, limits.maxRowKeyBytes)
  const byPrefix = keyPrefix === null ? null : prefixRange(keyPrefix, limits.maxRowKeyBytes)
  const range = byKeys === null || byPrefix === null ? (byKeys ?? byPrefix) : intersection(byKeys, byPrefix)
  return range === null || (range.from.length === 0 && range.to === null) ? null : range
}

function toSegment({ segment, totalSegments }: wire.ScanRequest): ScanRequest['segment'] {
  if (segment === null && totalSegments === null) return null
  if (segment === null || totalSegments === null) {
    throw invalid('segment and totalSegments belong together: give both or none')
  }
  if (totalSegments < 1 || totalSegments > limits.maxScanSegments) {
    throw invalid(`totalSegments of ${totalSegments}: 1 to ${limits.maxScanSegments}`)
  }
  if (segment < 0 || segment >= totalSegments) {
    throw invalid(`segment ${segment} of ${totalSegments}: 0 to ${totalSegments - 1}`)
  }
  return totalSegments === 1 ? null : { index: segment, count: totalSegments }
}
