/**
 * Hop 2, pure: KVStore structs -> requests in our words, and results back. Options that this server knows and does not
 * offer are refused as UNSUPPORTED by name; nothing that a caller asked for is silently left out.
 */
import { EMPTY_BYTES, sortedDistinct } from '../base/bytes.js'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { CellSelector, Cell, Row } from '../model/row.js'
import type {
  MutateRequest,
  MutateResult,
  ReadRequest,
  ReadResult,
  RequestContext,
  RowMutation,
} from '../model/request.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import type { Durability } from '../model/dataset.js'
import * as wire from '../thrift/generated/kvstore.js'
import { errorToDetail } from './errors.js'

/** Names for RequestContext.mustUnderstand. */
export const FEATURES = [
  'local-keys',
  'cell-timestamps',
  'cell-ttl',
  'replace-row',
  'dataset-version',
] as const

/** Null fields are how an absent optional field reads; a request struct itself is absent only in hostile frames. */
export function getToRead(request: wire.GetRequest, context: RequestContext): ReadRequest {
  refuseIf(request.pageToken !== null, 'GetRequest.pageToken')
  return toRead(request.dataset, [requiredKey(request.key)], request.cells, null, request.options, context)
}

export function multiGetToRead(request: wire.MultiGetRequest, context: RequestContext): ReadRequest {
  const { keys, cells, cellsByKey } = request
  if (keys === null) throw new KVError('INVALID_ARGUMENT', 'multiGet without keys')
  for (const key of keys) requiredKey(key)
  if (cells !== null && cellsByKey !== null) {
    throw new KVError('INVALID_ARGUMENT', 'multiGet with both cells and cellsByKey: give one of them')
  }
  return toRead(request.dataset, keys, cells, cellsByKey, request.options, context)
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
    selectorsByKey: cellsByKey === null ? null : cellsByKey.map(toSelector),
    datasetVersion: options === null ? null : toVersion(options.datasetVersion),
    withTimestamps: options?.withTimestamps === true,
    withTtl: options?.withTtl === true,
    context,
  }
}

export function putToMutate(request: wire.PutRequest, context: RequestContext): MutateRequest {
  const { value, ttlSeconds } = request
  const cells: Cell[] = []
  if (value !== null) cells.push({ localKey: EMPTY_BYTES, value, timestamp: null, ttlSeconds })
  for (const cell of request.cells ?? []) {
    cells.push({
      localKey: cell.localKey ?? EMPTY_BYTES,
      value: cell.value ?? EMPTY_BYTES,
      timestamp: cell.timestamp,
      ttlSeconds: cell.ttlSeconds ?? ttlSeconds,
    })
  }
  return toMutate(request.dataset, request.key, request.options, context, {
    cells,
    deletes: request.replaceRow === true ? 'ROW' : 'NOTHING',
    timestamp: request.timestamp,
  })
}

export function removeToMutate(request: wire.DeleteRequest, context: RequestContext): MutateRequest {
  const { cells, scope } = request
  if (scope !== null && scope !== wire.DeleteScope.UP_TO_TIMESTAMP) {
    throw isKnown(wire.DeleteScope, scope)
      ? unsupported(`DeleteScope ${scope}`)
      : new KVError('INVALID_ARGUMENT', `unknown DeleteScope ${scope}`)
  }
  return toMutate(request.dataset, request.key, request.options, context, {
    cells: [],
    deletes: cells === null ? 'ROW' : namedColumns(cells),
    timestamp: request.timestamp,
  })
}

function toMutate(
  dataset: string | null,
  key: Buffer | null,
  options: wire.WriteOptions | null,
  context: RequestContext,
  mutation: RowMutation,
): MutateRequest {
  if (options !== null) {
    refuseIf(options.idempotencyToken !== null, 'WriteOptions.idempotencyToken')
    refuseIf(options.withSessionToken === true, 'WriteOptions.withSessionToken')
  }
  return {
    dataset: requiredDataset(dataset),
    rowKey: requiredKey(key),
    mutation,
    durability: options === null ? null : toDurability(options.durability),
    context,
  }
}

/** A weaker level may be given as a stronger one: everything up to LOG is given as LOG. */
function toDurability(level: number | null): Durability | null {
  switch (level) {
    case null:
    case wire.Durability.DATASET_DEFAULT:
      return null
    case wire.Durability.MEMORY:
    case wire.Durability.LOG_BUFFERED:
    case wire.Durability.LOG:
      return 'LOG'
    case wire.Durability.LOG_SYNCED:
      return 'LOG_SYNCED'
    default:
      throw isKnown(wire.Durability, level)
        ? unsupported(`Durability ${level}: the dataset has one copy`)
        : new KVError('INVALID_ARGUMENT', `unknown Durability ${level}`)
  }
}

function checkReadOptions(options: wire.ReadOptions): void {
  refuseIf(options.sessionToken !== null, 'ReadOptions.sessionToken')
  refuseIf(options.pageSizeBytes !== null, 'ReadOptions.pageSizeBytes')
  const { consistency } = options
  // One leaf, read after its writes are acknowledged: every level but SESSION, whose token is missing, is given.
  refuseIf(consistency === wire.Consistency.SESSION, 'Consistency SESSION')
  if (consistency !== null && !isKnown(wire.Consistency, consistency)) {
    throw new KVError('INVALID_ARGUMENT', `unknown Consistency ${consistency}`)
  }
}

/** Null: every column. Sorted and without repeats, as model/row.ts wants it. */
function toSelector(cells: wire.CellSelector): CellSelector | null {
  refuseIf(cells.ranges !== null, 'CellSelector.ranges')
  refuseIf(cells.prefixes !== null, 'CellSelector.prefixes')
  refuseIf(cells.limit !== null, 'CellSelector.limit')
  refuseIf(cells.reversed === true, 'CellSelector.reversed')
  refuseIf(cells.maxVersions !== null && cells.maxVersions !== 1, 'CellSelector.maxVersions')
  refuseIf(cells.minTimestamp !== null, 'CellSelector.minTimestamp')
  refuseIf(cells.maxTimestamp !== null, 'CellSelector.maxTimestamp')
  refuseIf(cells.keysOnly === true, 'CellSelector.keysOnly')
  const { localKeys } = cells
  if (localKeys === null || localKeys.length === 0) return null
  // Before they are sorted, which of a million takes seconds.
  if (localKeys.length > limits.maxCellsPerRow) {
    throw new KVError(
      'TOO_LARGE',
      `${localKeys.length} local keys, at most ${limits.maxCellsPerRow}: split the request`,
    )
  }
  return { localKeys: sortedDistinct(localKeys) }
}

/** An absent selector removes the row; one that selects nothing is more likely a mistake than a wish for that. */
function namedColumns(cells: wire.CellSelector): readonly Buffer[] {
  const selector = toSelector(cells)
  if (selector !== null) return selector.localKeys
  throw new KVError(
    'INVALID_ARGUMENT',
    'remove with a selector that names no column: leave it out to remove the row',
  )
}

function toVersion(version: bigint | null): number | null {
  if (version === null) return null
  // Versions are milliseconds since 1970; anything beyond 2^53 is none that was ever kept.
  return version >= 0n && version <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(version) : -1
}

function requiredDataset(dataset: string | null): string {
  if (dataset !== null && dataset.length > 0) return dataset
  throw new KVError('INVALID_ARGUMENT', 'a request without a dataset')
}

function requiredKey(key: Buffer | null): Buffer {
  if (key !== null && key.length > 0) return key
  throw new KVError('INVALID_ARGUMENT', 'an absent or empty key: keys have 1 to 65,535 bytes')
}

function refuseIf(isAsked: boolean, name: string): void {
  if (isAsked) throw unsupported(name)
}

function unsupported(name: string): KVError {
  return new KVError('UNSUPPORTED', `${name} is not offered by this server`, { outcome: 'NOT_APPLIED' })
}

function isKnown(values: Readonly<Record<string, number>>, value: number): boolean {
  return Object.values(values).includes(value)
}

/** The first cell is the unnamed one where it was selected and exists: cells stand in local-key order. */
export function rowToGetResponse(row: Row | null, info: wire.ReadInfo | null): wire.GetResponse {
  if (row === null) {
    return { value: null, cells: null, nextPageToken: null, timestamp: null, ttlSeconds: null, info }
  }
  const { unnamed, named } = splitRow(row)
  return {
    value: unnamed === null ? null : unnamed.value,
    cells: named,
    nextPageToken: null,
    timestamp: unnamed === null ? null : unnamed.timestamp,
    ttlSeconds: unnamed === null ? null : unnamed.ttlSeconds,
    info,
  }
}

const ABSENT_ROW: wire.RowResult = {
  value: null,
  cells: null,
  error: null,
  nextPageToken: null,
  timestamp: null,
  ttlSeconds: null,
  key: null,
}

export function resultToMultiGetResponse(
  result: ReadResult,
  info: wire.ReadInfo | null,
): wire.MultiGetResponse {
  const rows: wire.RowResult[] = []
  for (const outcome of result.rows) {
    if (outcome === null) {
      rows.push(ABSENT_ROW)
      continue
    }
    if (outcome instanceof KVError) {
      rows.push({ ...ABSENT_ROW, error: errorToDetail(outcome) })
      continue
    }
    const { unnamed, named } = splitRow(outcome)
    rows.push({
      value: unnamed === null ? null : unnamed.value,
      cells: named,
      error: null,
      nextPageToken: null,
      timestamp: unnamed === null ? null : unnamed.timestamp,
      ttlSeconds: unnamed === null ? null : unnamed.ttlSeconds,
      key: null,
    })
  }
  return { rows, info }
}

function splitRow({ cells }: Row): { readonly unnamed: Cell | null; readonly named: readonly Cell[] | null } {
  const first = cells[0]
  if (first === undefined || first.localKey.length > 0) return { unnamed: null, named: cells }
  return { unnamed: first, named: cells.length === 1 ? null : cells.slice(1) }
}

export function resultToInfo({ datasetVersion }: ReadResult): wire.ReadInfo {
  return {
    datasetVersion: datasetVersion === null ? null : BigInt(datasetVersion),
    stalenessMs: null,
    sessionToken: null,
    cluster: null,
  }
}

export function mutateToWriteResponse({ timestamp }: MutateResult): wire.WriteResponse {
  return { timestamp, sessionToken: null, repeated: null }
}

export function entryToDatasetInfo({ record, current }: DatasetEntry): wire.DatasetInfo {
  const isBatch = record.mode === 'BATCH'
  return {
    name: record.name,
    owner: record.owner.name,
    description: record.description,
    mode: wire.DatasetMode[record.mode],
    keyOrder: wire.KeyOrder[record.keyOrder],
    timestampUnit: wire.TimestampUnit[record.timestampUnit],
    conflictRule: wire.ConflictRule.LAST_WRITE_WINS,
    maxCellVersions: 1,
    defaultTtlSeconds: record.defaultTtlSeconds,
    defaultConsistency: wire.Consistency.STRONG,
    defaultDurability: isBatch ? null : wire.Durability[record.defaultDurability],
    currentVersion: current === null ? null : BigInt(current.id),
    maxValueBytes: record.maxValueBytes,
    idempotencyWindowSeconds: null,
  }
}
