/**
 * Hop 3: the checks that every request passes, whatever wire API it came by: the dataset exists, sizes and counts are
 * within limits, the options fit the dataset, time is left. Holding an AdmittedRead, AdmittedScan or AdmittedMutate
 * proves it. What is refused here was refused before any work: outcome NOT_APPLIED.
 *
 * Also computes the row tokens, once a request.
 */
import type { Clock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import { murmur3Token } from '../base/hash.js'
import { limits } from '../base/limits.js'
import { traceHop } from '../base/trace.js'
import type { ClusterMap, DatasetEntry } from '../model/cluster-map.js'
import type { AdmittedMutate, AdmittedRead, AdmittedScan } from '../model/plan.js'
import type { IdempotencyToken, MutateRequest, ReadRequest, RequestContext } from '../model/request.js'
import type { Condition } from '../model/row.js'
import { NO_TOKEN, type RowToken } from '../model/row-order.js'
import type { ScanRequest } from '../model/scan.js'
import { checkMutations, withDefaultTtl } from './admit-mutations.js'
import { checkLocalKey, checkSelector, refuse } from './admit-sizes.js'

/** @throws {KVError} DATASET_NOT_FOUND */
export function findDataset(map: ClusterMap, name: string): DatasetEntry {
  const entry = map.datasets.get(name)
  if (entry !== undefined) return entry
  throw new KVError('DATASET_NOT_FOUND', `no dataset is named ${printableName(name)}: see dataset list`)
}

/** @throws {KVError} DATASET_NOT_FOUND, INVALID_ARGUMENT, TOO_LARGE, DEADLINE_EXCEEDED */
export function admitRead(request: ReadRequest, map: ClusterMap, clock: Clock): AdmittedRead {
  traceHop('kvstore.admit')
  const entry = findDataset(map, request.dataset)
  checkDeadline(request.context, entry, clock)
  const { rowKeys, selectorsByKey } = request
  if (rowKeys.length > limits.maxBatchRows) {
    throw refuse(
      entry,
      'TOO_LARGE',
      `${rowKeys.length} keys in one request, at most ${limits.maxBatchRows}: split it`,
    )
  }
  if (selectorsByKey !== null && selectorsByKey.length !== rowKeys.length) {
    throw refuse(entry, 'INVALID_ARGUMENT', `${selectorsByKey.length} selectors for ${rowKeys.length} keys`)
  }
  if (request.position !== null && rowKeys.length !== 1) {
    throw refuse(entry, 'INVALID_ARGUMENT', 'only a read of one key can go on behind a page')
  }
  checkSelectors(request, entry)
  checkVersion(request.datasetVersion, entry)
  const isHashed = entry.record.keyOrder === 'HASHED'
  const tokens: RowToken[] = []
  for (const rowKey of rowKeys) {
    checkRowKey(rowKey, entry)
    tokens.push(isHashed ? murmur3Token(rowKey) : NO_TOKEN)
  }
  return { request, entry, tokens }
}

/** @throws {KVError} DATASET_NOT_FOUND, INVALID_ARGUMENT, UNSUPPORTED, TOO_LARGE, DEADLINE_EXCEEDED */
export function admitScan(request: ScanRequest, map: ClusterMap, clock: Clock): AdmittedScan {
  traceHop('kvstore.admit')
  const entry = findDataset(map, request.dataset)
  checkDeadline(request.context, entry, clock)
  checkVersion(request.datasetVersion, entry)
  const { range, selector } = request
  if (range !== null && entry.record.keyOrder === 'HASHED') {
    const what =
      'ScanRequest.keys and ScanRequest.keyPrefix are not offered where keys are hashed: scan all rows'
    throw refuse(entry, 'UNSUPPORTED', what)
  }
  if (selector !== null) checkSelector(selector, entry)
  checkConditions(request.where, entry)
  return { request, entry }
}

/**
 * @throws {KVError} DATASET_NOT_FOUND, READ_ONLY, INVALID_ARGUMENT, TOO_LARGE, DEADLINE_EXCEEDED, all with outcome
 * NOT_APPLIED
 */
export function admitMutate(request: MutateRequest, map: ClusterMap, clock: Clock): AdmittedMutate {
  traceHop('kvstore.admit')
  const entry = findDataset(map, request.dataset)
  checkDeadline(request.context, entry, clock)
  const { record } = entry
  if (record.mode !== 'READ_WRITE') {
    throw refuse(entry, 'READ_ONLY', `is a ${record.mode} dataset: its data changes by loading a version`)
  }
  checkRowKey(request.rowKey, entry)
  if (request.mutations.length + request.otherwise.length === 0) {
    throw refuse(entry, 'INVALID_ARGUMENT', 'a write without a mutation')
  }
  checkChange(request, entry, clock)
  return {
    request: record.defaultTtlSeconds === null ? request : withDefaultTtl(request, record.defaultTtlSeconds),
    entry,
    token: record.keyOrder === 'HASHED' ? murmur3Token(request.rowKey) : NO_TOKEN,
    durability: request.durability ?? record.defaultDurability,
  }
}

function checkChange(request: MutateRequest, entry: DatasetEntry, clock: Clock): void {
  const { conditions, otherwise, returnOnConflict, returnAfter, idempotency } = request
  checkMutations(request.mutations, entry)
  if (otherwise.length > 0) checkMutations(otherwise, entry)
  if (conditions.length > 0) checkConditions(conditions, entry)
  if (returnOnConflict != null) checkSelector(returnOnConflict, entry)
  if (returnAfter != null) checkSelector(returnAfter, entry)
  if (idempotency !== null) checkGenerationTime(idempotency, entry, clock)
}

function checkDeadline(context: RequestContext, entry: DatasetEntry, clock: Clock): void {
  if (context.deadline > clock.monotonicMs()) return
  throw refuse(entry, 'DEADLINE_EXCEEDED', 'the deadline had passed before the request was looked at')
}

function checkVersion(datasetVersion: number | null, entry: DatasetEntry): void {
  if (datasetVersion === null || entry.record.mode === 'BATCH') return
  throw refuse(entry, 'INVALID_ARGUMENT', 'only BATCH datasets have versions to pin')
}

function checkRowKey(rowKey: Buffer, entry: DatasetEntry): void {
  if (rowKey.length > limits.maxRowKeyBytes) {
    throw refuse(entry, 'TOO_LARGE', `a key of ${rowKey.length} bytes, at most ${limits.maxRowKeyBytes}`)
  }
}

function checkSelectors({ rowKeys, selector, selectorsByKey }: ReadRequest, entry: DatasetEntry): void {
  let named = 0
  if (selector !== null) {
    checkSelector(selector, entry)
    named += rowKeys.length * (selector.localKeys.length + selector.ranges.length)
  }
  for (const one of selectorsByKey ?? []) {
    if (one === null) continue
    checkSelector(one, entry)
    named += one.localKeys.length + one.ranges.length
  }
  if (named <= limits.maxCellsPerRequest) return
  throw refuse(
    entry,
    'TOO_LARGE',
    `${named} cells and ranges named in one request, at most ${limits.maxCellsPerRequest}: split it`,
  )
}

function checkConditions(conditions: readonly Condition[], entry: DatasetEntry): void {
  if (conditions.length > limits.maxConditions) {
    throw refuse(entry, 'TOO_LARGE', `${conditions.length} conditions, at most ${limits.maxConditions}`)
  }
  for (const { localKey } of conditions) checkLocalKey(localKey, entry)
}

/** The window in which repeats are known begins with it, so that it must be near the server's clock. */
function checkGenerationTime(
  { generationTimeUs }: IdempotencyToken,
  entry: DatasetEntry,
  clock: Clock,
): void {
  const skewMs = Math.abs(Number(generationTimeUs / 1000n) - clock.nowMs())
  if (skewMs <= limits.maxIdempotencySkewMs) return
  throw refuse(
    entry,
    'INVALID_ARGUMENT',
    `the idempotency token's generationTime is ${Math.round(skewMs / 1000)} s from the server's clock, at most ` +
      `${limits.maxIdempotencySkewMs / 1000} s: it is in microseconds since 1970`,
  )
}

/** A name that came over the wire, cut and without control characters, fit for a message. */
function printableName(name: string): string {
  return JSON.stringify(name.slice(0, limits.maxNameLength))
}
