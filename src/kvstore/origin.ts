/**
 * Another KVStore server as a Backend: a dataset that still lives there is served from there under the same API. The
 * reverse of translate.ts: our requests -> KVStore structs, its answers -> our results.
 *
 * Its failures keep their code; what the connection itself does wrong is UNAVAILABLE or DEADLINE_EXCEEDED with the
 * outcome that the client side knows (thrift/client.ts).
 */
import type { Clock } from '../base/clock.js'
import { EMPTY_BYTES } from '../base/bytes.js'
import type { Deadline } from '../base/deadline.js'
import { type Done, type KVErrorOptions, KVError, isErrorCode } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { Backend } from '../model/backend.js'
import type { MutatePlan, ReadPlan } from '../model/plan.js'
import type { MutateRequest, MutateResult, ReadRequest, ReadResult } from '../model/request.js'
import type { Cell, CellSelector, RowOutcome } from '../model/row.js'
import { ThriftClient } from '../thrift/client.js'
import * as wire from '../thrift/generated/kvstore.js'
import type { ThriftMethod } from '../thrift/protocol.js'

export interface KVStoreOriginSettings {
  readonly host: string
  readonly port: number
  readonly connections: number
  /** A call waits at most so long, whatever its caller allows. */
  readonly deadlineMs: number
}

export class KVStoreOrigin implements Backend {
  readonly name: string
  readonly #client: ThriftClient
  readonly #clock: Clock
  readonly #timeoutMs: number

  constructor(
    name: string,
    settings: KVStoreOriginSettings,
    { clock, logger }: { clock: Clock; logger: Logger },
  ) {
    const { host, port, connections, deadlineMs } = settings
    this.name = name
    this.#clock = clock
    this.#timeoutMs = deadlineMs
    this.#client = new ThriftClient({ name: `origin ${name}`, host, port, connections, clock, logger })
  }

  read({ admitted: { request } }: ReadPlan, done: Done<ReadResult>): void {
    const deadline = this.#deadlineOf(request.context.deadline)
    const args = { request: readToMultiGet(request, this.#contextOf(request, deadline)) }
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
      const version = outcome.info?.datasetVersion ?? null
      done({
        rows: rows.map((row) => this.#toOutcome(row, request.dataset)),
        datasetVersion: version === null ? null : Number(version),
      })
    })
  }

  mutate({ admitted }: MutatePlan, done: Done<MutateResult>): void {
    const { request } = admitted
    const deadline = this.#deadlineOf(request.context.deadline)
    const context = this.#contextOf(request, deadline)
    const options = wire.makeWriteOptions({ durability: wire.Durability[admitted.durability] })
    const finish: Done<wire.WriteResponse> = (outcome) => {
      if (outcome instanceof KVError) done(outcome)
      else if (outcome.timestamp === null) done(this.#fault('acknowledged a write without its timestamp'))
      else done({ timestamp: outcome.timestamp })
    }
    const { cells, deletes } = request.mutation
    if (cells.length === 0) {
      const args = { request: mutateToRemove(request, context, options) }
      this.#call(wire.KVStoreMethods.remove, args, deadline, finish)
    } else if (typeof deletes === 'string') {
      const args = { request: mutateToPut(request, context, options) }
      this.#call(wire.KVStoreMethods.put, args, deadline, finish)
    } else {
      const message = `origin ${this.name}: writing and deleting single columns in one step cannot be forwarded`
      done(new KVError('UNSUPPORTED', message, { outcome: 'NOT_APPLIED', backend: this.name }))
    }
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

  #contextOf({ context }: ReadRequest | MutateRequest, deadline: Deadline): wire.RequestContext {
    const deadlineMs = Math.max(1, Math.floor(deadline - this.#clock.monotonicMs()))
    return wire.makeRequestContext({ deadlineMs, caller: context.caller })
  }

  #toOutcome(row: wire.RowResult, dataset: string): RowOutcome {
    if (row.error !== null) return this.#toError(row.error, dataset)
    const cells: Cell[] = []
    if (row.value !== null) {
      cells.push({
        localKey: EMPTY_BYTES,
        value: row.value,
        timestamp: row.timestamp,
        ttlSeconds: row.ttlSeconds,
      })
    }
    for (const { localKey, value, timestamp, ttlSeconds } of row.cells ?? []) {
      cells.push({ localKey: localKey ?? EMPTY_BYTES, value: value ?? EMPTY_BYTES, timestamp, ttlSeconds })
    }
    return cells.length === 0 ? null : { cells }
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

/** A get travels as a multiGet of one key: the row's own failure and the version then come the same way. */
function readToMultiGet(request: ReadRequest, context: wire.RequestContext): wire.MultiGetRequest {
  const { dataset, rowKeys, selector, selectorsByKey, datasetVersion } = request
  const options = wire.makeReadOptions({
    datasetVersion: datasetVersion === null ? null : BigInt(datasetVersion),
    withTimestamps: request.withTimestamps,
    withTtl: request.withTtl,
    withInfo: true,
  })
  return wire.makeMultiGetRequest({
    dataset,
    keys: rowKeys,
    cells: selector === null ? null : toWireSelector(selector),
    cellsByKey: selectorsByKey === null ? null : selectorsByKey.map(toWireSelector),
    options,
    context,
  })
}

function mutateToPut(
  { dataset, rowKey, mutation }: MutateRequest,
  context: wire.RequestContext,
  options: wire.WriteOptions,
): wire.PutRequest {
  return wire.makePutRequest({
    dataset,
    key: rowKey,
    cells: mutation.cells.map((cell) => wire.makeCell(cell)),
    timestamp: mutation.timestamp,
    replaceRow: mutation.deletes === 'ROW',
    options,
    context,
  })
}

function mutateToRemove(
  { dataset, rowKey, mutation }: MutateRequest,
  context: wire.RequestContext,
  options: wire.WriteOptions,
): wire.DeleteRequest {
  const { deletes, timestamp } = mutation
  const cells = typeof deletes === 'string' ? null : wire.makeCellSelector({ localKeys: deletes })
  return wire.makeDeleteRequest({ dataset, key: rowKey, cells, timestamp, options, context })
}

function toWireSelector(selector: CellSelector | null): wire.CellSelector {
  return wire.makeCellSelector(selector === null ? {} : { localKeys: selector.localKeys })
}
