/**
 * Hop 3: the checks that every request passes, whatever wire API it came by: the dataset exists, sizes and counts are
 * within limits, the options fit the dataset, time is left. Holding an AdmittedRead or AdmittedMutate proves it.
 *
 * Also computes the row tokens, once a request.
 */
import type { Clock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import { murmur3Token } from '../base/hash.js'
import { limits } from '../base/limits.js'
import { traceHop } from '../base/trace.js'
import type { ClusterMap, DatasetEntry } from '../model/cluster-map.js'
import type { AdmittedMutate, AdmittedRead, RowToken } from '../model/plan.js'
import type { MutateRequest, ReadRequest, RequestContext, RowMutation } from '../model/request.js'
import type { Cell, CellSelector } from '../model/row.js'

/** ORDERED datasets lie in one shard at first and need no token. */
const NO_TOKEN: RowToken = { high: 0, low: 0 }

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
  checkSelectors(request, entry)
  if (request.datasetVersion !== null && entry.record.mode !== 'BATCH') {
    throw refuse(entry, 'INVALID_ARGUMENT', 'only BATCH datasets have versions to pin')
  }
  const isHashed = entry.record.keyOrder === 'HASHED'
  const tokens: RowToken[] = []
  for (const rowKey of rowKeys) {
    checkRowKey(rowKey, entry)
    tokens.push(isHashed ? murmur3Token(rowKey) : NO_TOKEN)
  }
  return { request, entry, tokens }
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
  const mutation = checkMutation(request.mutation, entry)
  return {
    request: mutation === request.mutation ? request : { ...request, mutation },
    entry,
    token: record.keyOrder === 'HASHED' ? murmur3Token(request.rowKey) : NO_TOKEN,
    durability: request.durability ?? record.defaultDurability,
  }
}

function checkDeadline(context: RequestContext, entry: DatasetEntry, clock: Clock): void {
  if (context.deadline > clock.monotonicMs()) return
  throw refuse(entry, 'DEADLINE_EXCEEDED', 'the deadline had passed before the request was looked at')
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
    named += rowKeys.length * selector.localKeys.length
  }
  for (const one of selectorsByKey ?? []) {
    if (one === null) continue
    checkSelector(one, entry)
    named += one.localKeys.length
  }
  if (named <= limits.maxCellsPerRequest) return
  throw refuse(
    entry,
    'TOO_LARGE',
    `${named} cells named in one request, at most ${limits.maxCellsPerRequest}: split it`,
  )
}

function checkSelector(selector: CellSelector, entry: DatasetEntry): void {
  if (selector.localKeys.length > limits.maxCellsPerRow) {
    throw refuse(
      entry,
      'TOO_LARGE',
      `${selector.localKeys.length} local keys, at most ${limits.maxCellsPerRow}`,
    )
  }
  for (const localKey of selector.localKeys) checkLocalKey(localKey, entry)
}

function checkLocalKey(localKey: Buffer, entry: DatasetEntry): void {
  if (localKey.length > limits.maxLocalKeyBytes) {
    throw refuse(
      entry,
      'TOO_LARGE',
      `a local key of ${localKey.length} bytes, at most ${limits.maxLocalKeyBytes}`,
    )
  }
}

function checkMutation(mutation: RowMutation, entry: DatasetEntry): RowMutation {
  const { cells, deletes } = mutation
  if (cells.length === 0 && deletes === 'NOTHING') {
    throw refuse(entry, 'INVALID_ARGUMENT', 'a write with neither value nor cells')
  }
  if (cells.length > limits.maxCellsPerRow) {
    throw refuse(entry, 'TOO_LARGE', `${cells.length} cells in one write, at most ${limits.maxCellsPerRow}`)
  }
  if (typeof deletes !== 'string') checkDeletes(deletes, entry)
  const seen = cells.length > 1 ? new Set<string>() : null
  for (const cell of cells) {
    checkCell(cell, entry)
    if (seen === null) continue
    const name = cell.localKey.toString('latin1')
    if (seen.has(name)) throw refuse(entry, 'INVALID_ARGUMENT', 'one write names a local key twice')
    seen.add(name)
  }
  return withDefaultTtl(mutation, entry.record.defaultTtlSeconds)
}

function checkDeletes(localKeys: readonly Buffer[], entry: DatasetEntry): void {
  if (localKeys.length > limits.maxCellsPerRow) {
    throw refuse(
      entry,
      'TOO_LARGE',
      `${localKeys.length} local keys in one removal, at most ${limits.maxCellsPerRow}`,
    )
  }
  for (const localKey of localKeys) checkLocalKey(localKey, entry)
}

function checkCell(cell: Cell, entry: DatasetEntry): void {
  checkLocalKey(cell.localKey, entry)
  const { maxValueBytes } = entry.record
  if (cell.value.length > maxValueBytes) {
    throw refuse(entry, 'TOO_LARGE', `a value of ${cell.value.length} bytes, at most ${maxValueBytes}`)
  }
  if (cell.ttlSeconds !== null && cell.ttlSeconds <= 0) {
    throw refuse(
      entry,
      'INVALID_ARGUMENT',
      `a TTL of ${cell.ttlSeconds} s: at least 1, or absent for no expiry`,
    )
  }
}

function withDefaultTtl(mutation: RowMutation, ttlSeconds: number | null): RowMutation {
  if (ttlSeconds === null) return mutation
  const cells = mutation.cells.map((cell) => (cell.ttlSeconds === null ? { ...cell, ttlSeconds } : cell))
  return { ...mutation, cells }
}

function refuse(entry: DatasetEntry, code: ConstructorParameters<typeof KVError>[0], what: string): KVError {
  const { name } = entry.record
  return new KVError(code, `dataset ${name}: ${what}`, { dataset: name, outcome: 'NOT_APPLIED' })
}

/** A name that came over the wire, cut and without control characters, fit for a message. */
function printableName(name: string): string {
  return JSON.stringify(name.slice(0, limits.maxNameLength))
}
