/**
 * Hop 2 of writes, pure: put, remove, mutate, multiMutate and increment -> MutateRequest. Every mutation of a row is one
 * of model/mutation.ts, in the order in which it was given.
 */
import { EMPTY_BYTES } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import type { Durability } from '../model/dataset.js'
import type { DeleteMutation, DeleteScope, Mutation, PutMutation, TouchMutation } from '../model/mutation.js'
import type { IdempotencyToken, MutateRequest, RequestContext } from '../model/request.js'
import type { Cell, CellSelector } from '../model/row.js'
import * as wire from '../thrift/generated/kvstore.js'
import { digestOfWrite } from './digest.js'
import { invalid, isKnown, refuseIf, requiredDataset, requiredKey, tooLarge, unsupported } from './fields.js'
import {
  NOTHING,
  NO_CONDITIONS,
  toChangedColumns,
  toConditions,
  toNamedColumns,
  toSelector,
} from './selectors.js'

const MIN_NONCE_BYTES = 8
const MAX_NONCE_BYTES = 32
const NO_MUTATIONS: readonly Mutation[] = []

/** What is asked of one row, but for what holds for every row of a request. */
type RowChange = Pick<
  MutateRequest,
  'rowKey' | 'mutations' | 'conditions' | 'otherwise' | 'returnOnConflict' | 'returnAfter'
>

export function putToMutate(request: wire.PutRequest, context: RequestContext): MutateRequest {
  return toMutate(request, [toPut(request)], context)
}

export function removeToMutate(request: wire.DeleteRequest, context: RequestContext): MutateRequest {
  return toMutate(request, [toDelete(request)], context)
}

export function incrementToMutate(request: wire.IncrementRequest, context: RequestContext): MutateRequest {
  return toMutate(request, [toIncrement(request)], context)
}

export function mutateToMutate(request: wire.MutateRequest, context: RequestContext): MutateRequest {
  const { returnOnConflict, returnAfter } = request
  const otherwise = request.otherwise === null ? NO_MUTATIONS : request.otherwise.map(toMutation)
  const isOnlyOtherwise = otherwise.length > 0 && (request.mutations?.length ?? 0) === 0
  const change: RowChange = {
    rowKey: requiredKey(request.key),
    mutations: isOnlyOtherwise ? NO_MUTATIONS : toMutations(request.mutations, 'MutateRequest'),
    conditions: toConditions(request.conditions),
    otherwise,
    returnOnConflict: returnOnConflict === null ? undefined : toSelector(returnOnConflict),
    returnAfter: returnAfter === null ? undefined : toSelector(returnAfter),
  }
  return complete(request.dataset, change, request.options, { context, index: 0 })
}

/** One request a row; the idempotency token counts as (token, position of the row). */
export function multiMutateToMutates(
  request: wire.MultiMutateRequest,
  context: RequestContext,
): readonly MutateRequest[] {
  const { rows } = request
  if (rows === null) throw invalid('multiMutate without rows')
  if (rows.length > limits.maxBatchRows) {
    throw tooLarge(`${rows.length} rows in one request, at most ${limits.maxBatchRows}: split it`)
  }
  return rows.map(({ key, mutations }, index) => {
    const change = plainChange(requiredKey(key), toMutations(mutations, 'RowMutations'))
    return complete(request.dataset, change, request.options, { context, index })
  })
}

function toMutate(
  request: Pick<wire.PutRequest, 'dataset' | 'key' | 'options'>,
  mutations: readonly Mutation[],
  context: RequestContext,
): MutateRequest {
  const { dataset, key, options } = request
  if (options !== null) {
    return complete(dataset, plainChange(requiredKey(key), mutations), options, { context, index: 0 })
  }
  // The common case in one step.
  return {
    dataset: requiredDataset(dataset),
    rowKey: requiredKey(key),
    mutations,
    conditions: NO_CONDITIONS,
    otherwise: NO_MUTATIONS,
    returnOnConflict: undefined,
    returnAfter: undefined,
    idempotency: null,
    durability: null,
    context,
  }
}

function plainChange(rowKey: Buffer, mutations: readonly Mutation[]): RowChange {
  return {
    rowKey,
    mutations,
    conditions: NO_CONDITIONS,
    otherwise: NO_MUTATIONS,
    returnOnConflict: undefined,
    returnAfter: undefined,
  }
}

function complete(
  dataset: string | null,
  change: RowChange,
  options: wire.WriteOptions | null,
  { context, index }: { readonly context: RequestContext; readonly index: number },
): MutateRequest {
  const asked = {
    dataset: requiredDataset(dataset),
    rowKey: change.rowKey,
    mutations: change.mutations,
    conditions: change.conditions,
    otherwise: change.otherwise,
    returnOnConflict: change.returnOnConflict,
    returnAfter: change.returnAfter,
    idempotency: null,
    durability: options === null ? null : toDurability(options.durability),
    context,
  }
  if (options === null || options.idempotencyToken === null) return asked
  return { ...asked, idempotency: toIdempotency(options.idempotencyToken, index, digestOfWrite(asked)) }
}

function toIdempotency(token: wire.IdempotencyToken, index: number, fingerprint: Buffer): IdempotencyToken {
  const { generationTime, nonce } = token
  if (generationTime === null) throw invalid('an idempotency token without a generationTime')
  const size = nonce === null ? 0 : nonce.length
  if (nonce === null || size < MIN_NONCE_BYTES || size > MAX_NONCE_BYTES) {
    throw invalid(`a nonce of ${size} bytes: ${MIN_NONCE_BYTES} to ${MAX_NONCE_BYTES}`)
  }
  return { generationTimeUs: generationTime, nonce, index, fingerprint }
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
    case wire.Durability.REPLICATED:
      throw unsupported('Durability REPLICATED', 'is not offered: the dataset has one copy')
    case wire.Durability.REPLICATED_SYNCED:
      throw unsupported('Durability REPLICATED_SYNCED', 'is not offered: the dataset has one copy')
    default:
      throw invalid(`unknown Durability ${level}`)
  }
}

function toMutations(mutations: readonly wire.Mutation[] | null, of: string): readonly Mutation[] {
  if (mutations === null || mutations.length === 0) {
    throw invalid(`${of}.mutations is empty: give at least one Mutation`)
  }
  return mutations.map(toMutation)
}

/** The one member of the union. A member that only a newer IDL has reads as none. */
function toMutation({ put, remove, increment, append, touch }: wire.Mutation): Mutation {
  const members = [put, remove, increment, append, touch].filter((member) => member !== null).length
  if (members > 1) throw invalid('a mutation with more than one member of its union')
  if (put !== null) return toPut(put)
  if (remove !== null) return toDelete(remove)
  if (increment !== null) return toIncrement(increment)
  if (append !== null) return toAppend(append)
  if (touch !== null) return toTouch(touch)
  throw invalid('a mutation with no member of its union, or one that this server does not know')
}

function toPut(put: wire.PutMutation): PutMutation | DeleteMutation {
  const { value, ttlSeconds, timestamp } = put
  const cells: Cell[] = []
  if (value !== null) cells.push({ localKey: EMPTY_BYTES, value, timestamp: null, ttlSeconds })
  if (put.cells !== null) {
    for (const cell of put.cells) {
      cells.push({
        localKey: cell.localKey ?? EMPTY_BYTES,
        value: cell.value ?? EMPTY_BYTES,
        timestamp: cell.timestamp,
        ttlSeconds: cell.ttlSeconds ?? ttlSeconds,
      })
    }
  }
  const replaceRow = put.replaceRow === true
  if (cells.length > 0) return { kind: 'PUT', cells, timestamp, replaceRow }
  if (!replaceRow) throw invalid('a put with neither value nor cells')
  // A row of which no column is named is replaced by nothing.
  return { kind: 'DELETE', selector: null, timestamp, scope: 'UP_TO_TIMESTAMP' }
}

function toDelete({ cells, timestamp, scope }: wire.DeleteMutation): DeleteMutation | TouchMutation {
  const wanted = toScope(scope)
  if (wanted === 'EXACT_TIMESTAMP' && timestamp === null) {
    throw invalid('DeleteScope EXACT_TIMESTAMP without a timestamp')
  }
  if (cells !== null) {
    refuseIf(cells.minTimestamp !== null, 'CellSelector.minTimestamp of a removal')
    refuseIf(cells.maxTimestamp !== null, 'CellSelector.maxTimestamp of a removal')
  }
  // What is named is marked, so that a version of that time is deleted even if it comes later.
  const toColumns = wanted === 'EXACT_TIMESTAMP' ? toNamedColumns : toChangedColumns
  const selector = cells === null ? null : toColumns(cells, 'remove')
  // Deleting nothing succeeds: as a change that finds no cell to change.
  if (selector === NOTHING) return { kind: 'TOUCH', selector, ttlSeconds: null }
  return { kind: 'DELETE', selector, timestamp, scope: wanted }
}

function toScope(scope: number | null): DeleteScope {
  switch (scope) {
    case null:
    case wire.DeleteScope.UP_TO_TIMESTAMP:
      return 'UP_TO_TIMESTAMP'
    case wire.DeleteScope.EXACT_TIMESTAMP:
      return 'EXACT_TIMESTAMP'
    case wire.DeleteScope.NEWEST_VERSION:
      return 'NEWEST_VERSION'
    default:
      throw invalid(`unknown DeleteScope ${scope}`)
  }
}

function toIncrement({ deltas }: Pick<wire.IncrementMutation, 'deltas'>): Mutation {
  if (deltas === null || deltas.length === 0) throw invalid('an increment without deltas')
  return {
    kind: 'INCREMENT',
    deltas: deltas.map(({ localKey, delta, ttlSeconds }) => {
      return { localKey: localKey ?? EMPTY_BYTES, delta, ttlSeconds }
    }),
  }
}

function toAppend({ cells }: wire.AppendMutation): Mutation {
  if (cells === null || cells.length === 0) throw invalid('an append without cells')
  return {
    kind: 'APPEND',
    cells: cells.map(({ localKey, value, timestamp, ttlSeconds }) => {
      return { localKey: localKey ?? EMPTY_BYTES, value: value ?? EMPTY_BYTES, timestamp, ttlSeconds }
    }),
  }
}

function toTouch({ cells, ttlSeconds }: wire.TouchMutation): TouchMutation {
  // No default is documented, and the one of a number, no expiry, would keep what was meant to expire.
  if (ttlSeconds === null) throw invalid('a touch without ttlSeconds: 0 for no expiry')
  if (ttlSeconds < 0)
    throw invalid(`a touch with ttlSeconds of ${ttlSeconds}: 0 for no expiry, or 1 and more`)
  return { kind: 'TOUCH', selector: touchedCells(cells), ttlSeconds: ttlSeconds === 0 ? null : ttlSeconds }
}

/** It gives the newest version of a column a new TTL: older ones keep theirs. */
function touchedCells(cells: wire.CellSelector | null): CellSelector | null {
  if (cells === null) return null
  refuseIf(cells.maxVersions !== null && cells.maxVersions !== 1, 'CellSelector.maxVersions of a touch')
  return toSelector(cells)
}

/** For RequestContext.priority of a write. @throws {KVError} INVALID_ARGUMENT */
export function checkPriority(priority: number | null): void {
  if (priority !== null && !isKnown(wire.Priority, priority)) throw invalid(`unknown Priority ${priority}`)
}
