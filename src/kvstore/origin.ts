/**
 * Another KVStore server as a Backend: a dataset that still lives there is served from there under the same API. The
 * reverse of translate.ts: our requests -> KVStore structs, its answers -> our results.
 *
 * Its failures keep their code; what the connection itself does wrong is UNAVAILABLE or DEADLINE_EXCEEDED with the
 * outcome that the client side knows (thrift/client.ts).
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../base/clock.js'
import { EMPTY_BYTES } from '../base/bytes.js'
import type { Deadline } from '../base/deadline.js'
import { type Done, type KVErrorOptions, KVError, isErrorCode } from '../base/errors.js'
import type { Backend } from '../model/backend.js'
import type { MutatePlan, ReadPlan, ScanPlan } from '../model/plan.js'
import type {
  CounterReading,
  IdempotencyToken,
  MutateResult,
  ReadRequest,
  ReadResult,
  RequestContext,
} from '../model/request.js'
import type { Cell, CellPosition, Row, RowOutcome } from '../model/row.js'
import { NO_TOKEN } from '../model/row-order.js'
import type { ScanResult, ScannedRow } from '../model/scan.js'
import type { ThriftClient } from '../thrift/client.js'
import * as wire from '../thrift/generated/kvstore.js'
import { type OriginParts, type OriginSettings, originClient } from '../thrift/origin-client.js'
import type { ThriftMethod } from '../thrift/protocol.js'
import { readToGet, readToMultiGet, requestToMutate, scanToWire } from './origin-requests.js'

export class KVStoreOrigin implements Backend {
  readonly name: string
  readonly #client: ThriftClient
  readonly #clock: Clock
  readonly #timeoutMs: number

  constructor(name: string, settings: OriginSettings, parts: OriginParts) {
    this.name = name
    this.#clock = parts.clock
    this.#timeoutMs = settings.deadlineMs
    this.#client = originClient(name, settings, parts)
  }

  read({ admitted: { request } }: ReadPlan, done: Done<ReadResult>): void {
    const deadline = this.#deadlineOf(request.context.deadline)
    const context = this.#contextOf(request.context, deadline)
    if (request.position !== null) {
      this.#continueRead(request, { context, deadline }, done)
      return
    }
    const args = { request: readToMultiGet(request, context) }
    this.#call(wire.KVStoreMethods.multiGet, args, deadline, (outcome) => {
      if (outcome instanceof KVError) {
        done(outcome)
        return
      }
      const rows = outcome.rows ?? []
      if (rows.length !== request.rowKeys.length) {
        done(this.#fault(`answered ${rows.length} rows for ${request.rowKeys.length} keys`))
        return
      }
      done({
        rows: rows.map((row) => this.#toOutcome(row, request.dataset)),
        datasetVersion: versionOf(outcome.info),
      })
    })
  }

  /** The page behind one that the origin answered: only its own token can say where that is. */
  #continueRead(
    request: ReadRequest,
    { context, deadline }: { readonly context: wire.RequestContext; readonly deadline: Deadline },
    done: Done<ReadResult>,
  ): void {
    const args = { request: readToGet(request, context) }
    this.#call(wire.KVStoreMethods.get, args, deadline, (outcome) => {
      if (outcome instanceof KVError) done(outcome)
      else done({ rows: [toRow(outcome)], datasetVersion: versionOf(outcome.info) })
    })
  }

  scan({ admitted: { request } }: ScanPlan, done: Done<ScanResult>): void {
    const deadline = this.#deadlineOf(request.context.deadline)
    const args = { request: scanToWire(request, this.#contextOf(request.context, deadline)) }
    this.#call(wire.KVStoreMethods.scan, args, deadline, (outcome) => {
      if (outcome instanceof KVError) {
        done(outcome)
        return
      }
      const rows: ScannedRow[] = []
      for (const result of outcome.rows ?? []) {
        const row = this.#toOutcome(result, request.dataset)
        if (row instanceof KVError || row === null || result.key === null) {
          done(row instanceof KVError ? row : this.#fault('answered a scan with a row without key or cells'))
          return
        }
        rows.push({ rowKey: result.key, row })
      }
      const { nextPageToken } = outcome
      const last = rows.at(-1)?.rowKey ?? EMPTY_BYTES
      const next =
        nextPageToken === null ? null : { token: NO_TOKEN, rowKey: last, originToken: nextPageToken }
      done({ rows, next, datasetVersion: versionOf(outcome.info) })
    })
  }

  /** A lone increment goes as one, because only its answer tells the counters' new values; the rest as a mutate. */
  mutate({ admitted }: MutatePlan, done: Done<MutateResult>): void {
    const { request, durability } = admitted
    const deadline = this.#deadlineOf(request.context.deadline)
    const context = this.#contextOf(request.context, deadline)
    const options = wire.makeWriteOptions({
      durability: wire.Durability[durability],
      idempotencyToken: request.idempotency === null ? null : toWireToken(request.idempotency),
    })
    const [only] = request.mutations
    const isPlain = request.mutations.length === 1 && request.conditions.length === 0
    if (only?.kind === 'INCREMENT' && isPlain && request.returnAfter === undefined) {
      const { dataset, rowKey: key } = request
      const args = {
        request: wire.makeIncrementRequest({ dataset, key, deltas: only.deltas, options, context }),
      }
      this.#call(wire.KVStoreMethods.increment, args, deadline, (outcome) => {
        if (outcome instanceof KVError) done(outcome)
        else done(toResult(outcome.write, true, { row: null, counters: outcome.counters ?? [] }))
      })
      return
    }
    const args = { request: requestToMutate(request, options, context) }
    this.#call(wire.KVStoreMethods.mutate, args, deadline, (outcome) => {
      if (outcome instanceof KVError) {
        done(outcome)
        return
      }
      const row = outcome.row === null ? null : toRow(outcome.row)
      done(toResult(outcome.write, outcome.applied === true, { row, counters: [] }))
    })
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  #call<A, R>(
    method: ThriftMethod<A, R, wire.KVStoreException>,
    args: A,
    deadline: Deadline,
    done: Done<R>,
  ): void {
    this.#client.call(method, args, deadline, (outcome) => {
      if (outcome instanceof KVError) done(outcome)
      else if (outcome.exception !== null)
        done(this.#toError(outcome.exception.error, outcome.exception.dataset))
      else if (outcome.value === null) done(this.#fault(`answered ${method.name} with nothing`))
      else done(outcome.value)
    })
  }

  #deadlineOf(deadline: Deadline): Deadline {
    return Math.min(deadline, this.#clock.monotonicMs() + this.#timeoutMs)
  }

  #contextOf({ caller, traceId, isBatch }: RequestContext, deadline: Deadline): wire.RequestContext {
    const deadlineMs = Math.max(1, Math.floor(deadline - this.#clock.monotonicMs()))
    const priority = isBatch === true ? wire.Priority.BATCH : null
    return wire.makeRequestContext({ deadlineMs, caller, traceId: traceId ?? null, priority })
  }

  #toOutcome(row: wire.RowResult, dataset: string): RowOutcome {
    return row.error === null ? toRow(row) : this.#toError(row.error, dataset)
  }

  #toError(detail: wire.ErrorDetail | null, dataset: string | null): KVError {
    const name = detail === null ? null : wire.errorCodeName(detail.code)
    const code = name !== null && isErrorCode(name) ? name : 'INTERNAL'
    const outcome = detail?.outcome === wire.WriteOutcome.NOT_APPLIED ? 'NOT_APPLIED' : 'UNKNOWN'
    const options: KVErrorOptions = {
      backend: this.name,
      ...(detail?.outcome == null ? {} : { outcome }),
      ...(detail?.retryAfterMs == null ? {} : { retryAfterMs: detail.retryAfterMs }),
      ...(dataset === null ? {} : { dataset }),
    }
    return new KVError(code, detail?.message ?? `origin ${this.name} failed without a message`, options)
  }

  #fault(what: string): KVError {
    return new KVError('INTERNAL', `origin ${this.name} ${what}`, { backend: this.name, outcome: 'UNKNOWN' })
  }
}

function versionOf(info: wire.ReadInfo | null): number | null {
  return info === null || info.datasetVersion === null ? null : Number(info.datasetVersion)
}

/** Null: no such row. The unnamed value takes its place among the cells: before its older versions, else the first. */
function toRow(result: wire.RowResult | wire.GetResponse): Row | null {
  const cells: Cell[] = (result.cells ?? []).map(({ localKey, value, timestamp, ttlSeconds }) => {
    return { localKey: localKey ?? EMPTY_BYTES, value: value ?? EMPTY_BYTES, timestamp, ttlSeconds }
  })
  if (result.value !== null) {
    const { value, timestamp, ttlSeconds } = result
    const older = cells.findIndex(({ localKey }) => localKey.length === 0)
    cells.splice(Math.max(0, older), 0, { localKey: EMPTY_BYTES, value, timestamp, ttlSeconds })
  }
  if (result.nextPageToken === null) return cells.length === 0 ? null : { cells, next: null }
  return { cells, next: positionBehind(cells, result.nextPageToken) }
}

function positionBehind(cells: readonly Cell[], originToken: Buffer): CellPosition {
  const last = cells.at(-1)
  return {
    localKey: last === undefined ? null : last.localKey,
    timestamp: last === undefined ? null : last.timestamp,
    columns: 0,
    originToken,
  }
}

function toResult(
  write: wire.WriteResponse | null,
  isApplied: boolean,
  { row, counters }: { readonly row: Row | null; readonly counters: readonly wire.CounterValue[] },
): MutateResult {
  return {
    timestamp: write === null ? null : write.timestamp,
    isApplied,
    isRepeated: write !== null && write.repeated === true,
    row,
    counters: counters.map(toReading),
  }
}

function toReading({ localKey, value }: wire.CounterValue): CounterReading {
  return { localKey: localKey ?? EMPTY_BYTES, value: value ?? 0n }
}

/** Rows of a multiMutate arrive there as writes of their own: each gets a nonce of its own, the same with every repeat. */
function toWireToken({ generationTimeUs, nonce, index }: IdempotencyToken): wire.IdempotencyToken {
  if (index === 0) return { generationTime: generationTimeUs, nonce }
  const derived = createHash('sha256').update(`${index} `).update(nonce).digest()
  return { generationTime: generationTimeUs, nonce: derived }
}
