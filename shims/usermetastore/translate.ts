/**
 * UserMetaStore's requests for rows in our words: pure. Nothing that a caller asked for is silently left out; what a write
 * could not mean is refused before any of it is done.
 */
import { EMPTY_BYTES } from '../../src/base/bytes.js'
import { KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { Durability } from '../../src/model/dataset.js'
import type { DeleteMutation, Mutation, PutMutation } from '../../src/model/mutation.js'
import type { MutateRequest, ReadRequest, RequestContext } from '../../src/model/request.js'
import {
  type Cell,
  type CellSelector,
  type CellTimestamp,
  type Condition,
  columnsNamed,
} from '../../src/model/row.js'
import * as wire from '../../src/thrift/generated/usermetastore.js'
import { invalid, tooLarge } from './errors.js'
import { checkColumn, checkRowKey, checkValue, stampOf } from './mapping.js'
import { NOTHING, checkConsistency, toColumns, toSelector } from './translate-columns.js'

/** Digest of what a write asks for, without its request id. 16 bytes. */
export type Fingerprint = (write: Omit<MutateRequest, 'idempotency' | 'context'>) => Buffer

/** What every write of a call has, beside its rows. */
export interface WriteSetting {
  readonly context: RequestContext
  readonly fingerprint: Fingerprint
  /** Milliseconds since 1970. */
  readonly nowMs: number
  /** Of the table; null: none. */
  readonly defaultTtlSeconds: number | null
}

const MAX_REQUEST_ID_BYTES = 32
const NO_CONDITIONS: readonly Condition[] = []
const NO_MUTATIONS: readonly Mutation[] = []

export function requiredTable(table: string | null): string {
  if (table !== null && table.length > 0) return table
  throw invalid('a request without a table')
}

// ---- reads

export function toRead(
  { table, options }: Pick<wire.GetRequest, 'table' | 'options'>,
  rowKeys: readonly Buffer[],
  selector: CellSelector | null,
  context: RequestContext,
): ReadRequest {
  if (options !== null) checkConsistency(options)
  return {
    dataset: requiredTable(table),
    rowKeys,
    selector,
    selectorsByKey: null,
    datasetVersion: null,
    withTimestamps: options !== null && options.withTimestamps === true,
    withTtl: false,
    pageBytes: null,
    position: null,
    context,
  }
}

export function getToRead(request: wire.GetRequest, context: RequestContext): ReadRequest {
  return toRead(request, [checkRowKey(request.key)], toSelector(request.columns), context)
}

export function multiGetToRead(request: wire.MultiGetRequest, context: RequestContext): ReadRequest {
  return toRead(request, checkKeys(request.keys, 'multiGet'), toSelector(request.columns), context)
}

export function getCountsToRead(request: wire.GetCountsRequest, context: RequestContext): ReadRequest {
  const { keys, columns } = request
  if (columns === null || columns.length === 0) throw invalid('getCounts without columns')
  const read = toRead(request, checkKeys(keys, 'getCounts'), columnsNamed(toColumns(columns)), context)
  if (request.options?.withTimestamps === true) throw invalid('ReadOptions.withTimestamps of getCounts')
  return read
}

function checkKeys(keys: readonly Buffer[] | null, method: string): readonly Buffer[] {
  if (keys === null) throw invalid(`${method} without keys`)
  checkRows(keys)
  for (const key of keys) checkRowKey(key)
  return keys
}

function checkRows(rows: readonly unknown[]): void {
  if (rows.length <= wire.MAX_BATCH_ROWS) return
  throw tooLarge(`${rows.length} rows in one request, at most ${wire.MAX_BATCH_ROWS}: split it`)
}

// ---- writes

/** What is asked of one row. */
interface RowChange {
  readonly key: Buffer | null
  readonly mutations: readonly Mutation[]
  readonly check?: wire.Check | null
  readonly returnAfter?: CellSelector
}

export function putToMutate(request: wire.PutRequest, setting: WriteSetting): MutateRequest {
  return toMutate(request, { key: request.key, mutations: toPuts(request) }, setting)
}

export function removeToMutate(request: wire.DeleteRequest, setting: WriteSetting): MutateRequest {
  return toMutate(request, { key: request.key, mutations: [toDelete(request)] }, setting)
}

/**
 * One for each row, or what that row alone is refused for. Each is applied or not by itself; a request id counts with the
 * row's position.
 */
export function multiPutToMutates(
  request: wire.MultiPutRequest,
  setting: WriteSetting,
): readonly (MutateRequest | KVError)[] {
  return toMutates(request, request.rows, setting, toPuts)
}

export function multiRemoveToMutates(
  request: wire.MultiDeleteRequest,
  setting: WriteSetting,
): readonly (MutateRequest | KVError)[] {
  return toMutates(request, request.rows, setting, (row) => [toDelete(row)])
}

export function checkAndPutToMutate(request: wire.CheckAndPutRequest, setting: WriteSetting): MutateRequest {
  const { key, check, cells, ttlSeconds } = request
  const mutations = toPuts({ cells, ttlSeconds, timestamp: null })
  return toMutate(request, { key, mutations, check: requiredCheck(check) }, setting)
}

export function checkAndRemoveToMutate(
  request: wire.CheckAndDeleteRequest,
  setting: WriteSetting,
): MutateRequest {
  const { key, check, columns } = request
  const mutations = [toDelete({ columns, timestamp: null, exactVersion: null })]
  return toMutate(request, { key, mutations, check: requiredCheck(check) }, setting)
}

export function incrementToMutate(request: wire.IncrementRequest, setting: WriteSetting): MutateRequest {
  const { key, deltas } = request
  if (deltas === null || deltas.length === 0) throw invalid('an increment without deltas')
  const mutation: Mutation = {
    kind: 'INCREMENT',
    deltas: deltas.map(({ column, delta }) => {
      return { localKey: requiredColumn(column), delta, ttlSeconds: null, wraps: true }
    }),
  }
  return toMutate(request, { key, mutations: [mutation] }, setting)
}

export function appendToMutate(request: wire.AppendRequest, setting: WriteSetting): MutateRequest {
  const cells = toCells(request.cells, null)
  const mutations: Mutation[] = [{ kind: 'APPEND', cells }]
  const returnAfter = columnsNamed(toColumns(cells.map(({ localKey }) => localKey)))
  return toMutate(request, { key: request.key, mutations, returnAfter }, setting)
}

interface AnyWrite {
  readonly table: string | null
  readonly options: wire.WriteOptions | null
}

function toMutates<T extends { readonly key: Buffer | null }>(
  request: AnyWrite,
  rows: readonly T[] | null,
  setting: WriteSetting,
  toMutations: (row: T) => readonly Mutation[],
): readonly (MutateRequest | KVError)[] {
  if (rows === null) throw invalid('a request without rows')
  checkRows(rows)
  // What holds for all rows refuses all of them.
  requiredTable(request.table)
  checkOptions(request.options)
  return rows.map((row, index) => {
    try {
      return toMutate(request, { key: row.key, mutations: toMutations(row) }, setting, index)
    } catch (error) {
      if (error instanceof KVError) return error
      throw error
    }
  })
}

function toMutate(
  { table, options }: AnyWrite,
  { key, mutations, check = null, returnAfter }: RowChange,
  setting: WriteSetting,
  index = 0,
): MutateRequest {
  const { context, fingerprint, nowMs } = setting
  const asked = {
    dataset: requiredTable(table),
    rowKey: checkRowKey(key),
    mutations,
    conditions: check === null ? NO_CONDITIONS : [toCondition(check)],
    otherwise: NO_MUTATIONS,
    returnOnConflict: check === null ? undefined : columnsNamed([check.column ?? EMPTY_BYTES]),
    returnAfter,
    idempotency: null,
    durability: options === null ? null : toDurability(options.durability),
    context,
  }
  const requestId = options === null ? null : checkOptions(options)
  if (requestId === null) return withTtlsFromTimes(asked, setting)
  // The window in which a repeat is known begins with the first attempt that is applied.
  const generationTimeUs = BigInt(nowMs) * 1000n
  const idempotency = { generationTimeUs, nonce: requestId, index, fingerprint: fingerprint(asked) }
  return withTtlsFromTimes({ ...asked, idempotency }, setting)
}

const MAX_TTL_SECONDS = 2 ** 31 - 1
/** Changes nothing, and says so. */
const NO_CHANGE: Mutation = { kind: 'TOUCH', selector: NOTHING, ttlSeconds: null }

/**
 * TTLs count from a cell's time, as in HBase, and ours from its arrival: what is left at arrival is what is written. Cells
 * that are dead by then are left out.
 */
function withTtlsFromTimes(request: MutateRequest, setting: WriteSetting): MutateRequest {
  if (!request.mutations.some(hasTimes)) return request
  const mutations = request.mutations.flatMap((mutation): readonly Mutation[] => {
    if (mutation.kind !== 'PUT') return [mutation]
    const cells = mutation.cells.flatMap((cell) => livingCell(cell, mutation.timestamp, setting))
    return cells.length === 0 ? [] : [{ ...mutation, cells }]
  })
  return { ...request, mutations: mutations.length === 0 ? [NO_CHANGE] : mutations }
}

function hasTimes(mutation: Mutation): boolean {
  if (mutation.kind !== 'PUT') return false
  return mutation.timestamp !== null || mutation.cells.some(({ timestamp }) => timestamp !== null)
}

function livingCell(
  cell: Cell,
  general: CellTimestamp | null,
  { nowMs, defaultTtlSeconds }: WriteSetting,
): readonly Cell[] {
  const timestamp = cell.timestamp ?? general
  const ttlSeconds = cell.ttlSeconds ?? defaultTtlSeconds
  // A TTL of 0 is refused, not taken for dead.
  if (timestamp === null || ttlSeconds === null || ttlSeconds < 1) return [cell]
  const leftSeconds = Math.ceil(ttlSeconds - (nowMs - Number(timestamp)) / 1_000)
  return leftSeconds < 1 ? [] : [{ ...cell, ttlSeconds: Math.min(leftSeconds, MAX_TTL_SECONDS) }]
}

/** Answers the request id. @throws {KVError} INVALID_ARGUMENT */
function checkOptions(options: wire.WriteOptions | null): Buffer | null {
  if (options === null) return null
  toDurability(options.durability)
  const { requestId } = options
  if (requestId === null) return null
  const size = requestId.length
  if (size > 0 && size <= MAX_REQUEST_ID_BYTES) return requestId
  throw invalid(`a requestId of ${size} bytes: 1 to ${MAX_REQUEST_ID_BYTES}, or absent`)
}

/** A weaker level may be given as a stronger one: everything up to LOGGED is given as LOGGED. */
function toDurability(level: number | null): Durability | null {
  switch (level) {
    case null:
    case wire.WriteDurability.TABLE_DEFAULT:
      return null
    case wire.WriteDurability.MEMORY_ONLY:
    case wire.WriteDurability.LOGGED_ASYNC:
    case wire.WriteDurability.LOGGED:
      return 'LOG'
    case wire.WriteDurability.FORCED:
      return 'LOG_SYNCED'
    default:
      throw invalid(`unknown WriteDurability ${level}`)
  }
}

/**
 * One put, or several where versions of one column are written: each of those names a column once. Of cells of the same
 * column and time the last one counts, as in a Put of HBase's.
 */
function toPuts({
  cells,
  timestamp,
  ttlSeconds,
}: Pick<wire.RowPut, 'cells' | 'timestamp' | 'ttlSeconds'>): readonly PutMutation[] {
  const general = stampOf(timestamp)
  const all = toCells(cells, ttlSeconds)
  return layersOf(all).map((layer) => ({
    kind: 'PUT',
    cells: layer,
    timestamp: general,
    replaceRow: false,
  }))
}

function layersOf(cells: readonly Cell[]): readonly (readonly Cell[])[] {
  if (cells.length < 2) return [cells]
  const byColumn = new Map<string, Map<bigint | null, Cell>>()
  for (const cell of cells) {
    const name = cell.localKey.toString('latin1')
    const versions = byColumn.get(name)
    if (versions === undefined) byColumn.set(name, new Map([[cell.timestamp, cell]]))
    else versions.set(cell.timestamp, cell)
  }
  if (byColumn.size === cells.length) return [cells]
  const layers: Cell[][] = []
  for (const versions of byColumn.values()) {
    for (const [depth, cell] of [...versions.values()].entries()) (layers[depth] ??= []).push(cell)
  }
  return layers
}

function toCells(cells: readonly wire.Cell[] | null, ttlSeconds: number | null): readonly Cell[] {
  if (cells === null || cells.length === 0) throw invalid('a write without cells')
  return cells.map(({ column, value, timestamp }) => {
    const localKey = requiredColumn(column)
    const bytes = value ?? EMPTY_BYTES
    checkValue(localKey, bytes)
    return { localKey, value: bytes, timestamp: stampOf(timestamp), ttlSeconds }
  })
}

function requiredColumn(column: Buffer | null): Buffer {
  if (column === null) throw invalid('a cell without a column: the empty name is one, no name is none')
  checkColumn(column)
  return column
}

function toDelete({
  columns,
  timestamp,
  exactVersion,
}: Pick<wire.RowDelete, 'columns' | 'timestamp' | 'exactVersion'>): DeleteMutation {
  const at = stampOf(timestamp)
  if (exactVersion === true && at === null) throw invalid('exactVersion without the timestamp of a version')
  return {
    kind: 'DELETE',
    selector: columns === null || columns.length === 0 ? null : columnsNamed(toColumns(columns)),
    timestamp: at,
    scope: exactVersion === true ? 'EXACT_TIMESTAMP' : 'UP_TO_TIMESTAMP',
  }
}

function requiredCheck(check: wire.Check | null): wire.Check {
  if (check === null) throw invalid('a conditional write without its check')
  requiredColumn(check.column)
  return check
}

/** An empty value is a value: a column that holds one exists. */
function toCondition({ column, expected }: wire.Check): Condition {
  return {
    localKey: column ?? EMPTY_BYTES,
    comparison: expected === null ? 'NOT_EXISTS' : 'EQUAL',
    value: expected ?? EMPTY_BYTES,
    timestamp: null,
    ifMissing: false,
  }
}

/** When the caller stops waiting, in monotonic milliseconds. */
export function deadlineOf(timeoutMs: number | null, receivedAtMs: number): number {
  return receivedAtMs + Math.min(timeoutMs ?? limits.defaultDeadlineMs, limits.maxDeadlineMs)
}
