/**
 * Hop 2 for the KVStore API: one thrift call -> one request of ours, and its result back. Serves the methods of
 * idl/kvstore.thrift; those that are not offered yet answer UNSUPPORTED by name.
 *
 * Every failure becomes the IDL's one exception; nothing thrown here reaches the connection except faults of ours.
 */
import type { Clock } from '../base/clock.js'
import { KVError, toKVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { LimitedLog, type Logger } from '../base/logger.js'
import { traceHop } from '../base/trace.js'
import type { KVStore } from '../model/kvstore.js'
import type { MutateRequest, ReadRequest, ReadResult, RequestContext } from '../model/request.js'
import * as wire from '../thrift/generated/kvstore.js'
import type { ThriftCall, ThriftService } from '../thrift/protocol.js'
import { readErrorToException, writeErrorToException } from './errors.js'
import {
  FEATURES,
  entryToDatasetInfo,
  getToRead,
  multiGetToRead,
  mutateToWriteResponse,
  putToMutate,
  removeToMutate,
  resultToInfo,
  resultToMultiGetResponse,
  rowToGetResponse,
} from './translate.js'

type Call<R> = ThriftCall<R, wire.KVStoreException>

export interface KVStoreListenerOptions {
  readonly logger: Logger
  readonly clock: Clock
  /** Starts the request ids that failures carry; unique among the process's threads. */
  readonly threadName: string
  readonly build: string
}

/** The service as the thrift server takes it. */
export function createKVStoreService(kvstore: KVStore, options: KVStoreListenerOptions): ThriftService {
  const listener = new KVStoreListener(kvstore, options)
  return {
    ...wire.bindKVStore(listener),
    tooLarge: (method, maxBytes) => listener.tooLarge(method, maxBytes),
  }
}

class KVStoreListener implements wire.KVStoreHandler {
  readonly #kvstore: KVStore
  readonly #options: KVStoreListenerOptions
  readonly #limitedLog: LimitedLog
  #failures = 0

  constructor(kvstore: KVStore, options: KVStoreListenerOptions) {
    this.#kvstore = kvstore
    this.#options = options
    this.#limitedLog = new LimitedLog(options.logger)
  }

  get({ request }: wire.KVStoreGetArgs, call: Call<wire.GetResponse>): void {
    traceHop('kvstore.listener')
    this.#read(call, request, getToRead, (result, info) => {
      const row = result.rows[0] ?? null
      if (row instanceof KVError) this.#failRead(call, row)
      else call.reply(rowToGetResponse(row, info))
    })
  }

  multiGet({ request }: wire.KVStoreMultiGetArgs, call: Call<wire.MultiGetResponse>): void {
    traceHop('kvstore.listener')
    this.#read(call, request, multiGetToRead, (result, info) =>
      call.reply(resultToMultiGetResponse(result, info)),
    )
  }

  put({ request }: wire.KVStorePutArgs, call: Call<wire.WriteResponse>): void {
    traceHop('kvstore.listener')
    this.#mutate(call, request, putToMutate)
  }

  remove({ request }: wire.KVStoreRemoveArgs, call: Call<wire.WriteResponse>): void {
    traceHop('kvstore.listener')
    this.#mutate(call, request, removeToMutate)
  }

  describeDataset({ dataset }: wire.KVStoreDescribeDatasetArgs, call: Call<wire.DatasetInfo>): void {
    try {
      call.reply(entryToDatasetInfo(this.#kvstore.describeDataset(dataset ?? '')))
    } catch (error) {
      this.#failRead(call, toKVError(error, 'describeDataset'))
    }
  }

  describeServer(_args: wire.KVStoreDescribeServerArgs, call: ThriftCall<wire.ServerInfo, never>): void {
    call.reply({
      apiVersion: wire.KVSTORE_API_VERSION,
      build: this.#options.build,
      features: FEATURES,
      maxRequestBytes: limits.maxFrameBytes,
      maxBatchRows: limits.maxBatchRows,
    })
  }

  scan(_args: wire.KVStoreScanArgs, call: Call<wire.ScanResponse>): void {
    this.#failRead(call, notOffered('scan'))
  }

  mutate(_args: wire.KVStoreMutateArgs, call: Call<wire.MutateResponse>): void {
    this.#failWrite(call, notOffered('mutate'))
  }

  multiMutate(_args: wire.KVStoreMultiMutateArgs, call: Call<wire.MultiMutateResponse>): void {
    this.#failWrite(call, notOffered('multiMutate'))
  }

  increment(_args: wire.KVStoreIncrementArgs, call: Call<wire.IncrementResponse>): void {
    this.#failWrite(call, notOffered('increment'))
  }

  getCounters(_args: wire.KVStoreGetCountersArgs, call: Call<wire.GetCountersResponse>): void {
    this.#failRead(call, notOffered('getCounters'))
  }

  /** The exception for an answer that does not fit a frame; null for the one method that declares none. */
  tooLarge(method: string, maxBytes: number): wire.KVStoreException | null {
    if (method === wire.KVStoreMethods.describeServer.name) return null
    const message = `the answer of ${method} exceeds ${maxBytes} bytes: ask for fewer rows or columns at a time`
    const error = new KVError('TOO_LARGE', message)
    return readErrorToException(error, this.#logFailure(error))
  }

  #read<R, Q extends wire.GetRequest | wire.MultiGetRequest>(
    call: Call<R>,
    request: Q | null,
    translate: (request: Q, context: RequestContext) => ReadRequest,
    answer: (result: ReadResult, info: wire.ReadInfo | null) => void,
  ): void {
    let read: ReadRequest
    try {
      if (request === null) throw new KVError('INVALID_ARGUMENT', 'a call without a request')
      read = translate(request, this.#context(request.context, call.receivedAtMs))
    } catch (error) {
      this.#failRead(call, toKVError(error, 'read'))
      return
    }
    const withInfo = request.options?.withInfo === true
    this.#kvstore.read(read, (outcome) => {
      if (outcome instanceof KVError) this.#failRead(call, outcome)
      else answer(outcome, withInfo ? resultToInfo(outcome) : null)
    })
  }

  #mutate<Q extends wire.PutRequest | wire.DeleteRequest>(
    call: Call<wire.WriteResponse>,
    request: Q | null,
    translate: (request: Q, context: RequestContext) => MutateRequest,
  ): void {
    let mutate: MutateRequest
    try {
      if (request === null) throw new KVError('INVALID_ARGUMENT', 'a call without a request')
      mutate = translate(request, this.#context(request.context, call.receivedAtMs))
    } catch (error) {
      this.#failWrite(call, toKVError(error, 'write'))
      return
    }
    this.#kvstore.mutate(mutate, (outcome) => {
      if (outcome instanceof KVError) this.#failWrite(call, outcome)
      else call.reply(mutateToWriteResponse(outcome))
    })
  }

  #context(context: wire.RequestContext | null, receivedAtMs: number): RequestContext {
    if (context === null) {
      return { api: 'kvstore', caller: null, deadline: receivedAtMs + limits.defaultDeadlineMs }
    }
    for (const feature of context.mustUnderstand ?? []) {
      if (!FEATURES.some((known) => known === feature)) {
        throw new KVError(
          'UNSUPPORTED',
          `feature ${JSON.stringify(feature.slice(0, 64))} is not known to this server`,
        )
      }
    }
    const timeoutMs = Math.min(context.deadlineMs ?? limits.defaultDeadlineMs, limits.maxDeadlineMs)
    return { api: 'kvstore', caller: context.caller, deadline: receivedAtMs + timeoutMs }
  }

  #failRead<R>(call: Call<R>, error: KVError): void {
    call.fail(readErrorToException(error, this.#logFailure(error)))
  }

  #failWrite<R>(call: Call<R>, error: KVError): void {
    call.fail(writeErrorToException(error, this.#logFailure(error)))
  }

  /**
   * The id that stands in the exception and in the log. Callers' mistakes are logged for debugging only, the rest at
   * most once a second; a fault of ours always, with its stack.
   */
  #logFailure(error: KVError): string {
    this.#failures += 1
    const { logger, clock, threadName } = this.#options
    const requestId = `${threadName}-${this.#failures}`
    const fields = { requestId, code: error.code, dataset: error.dataset }
    if (error.code === 'INTERNAL') logger.error({ ...fields, err: error }, error.message)
    else if (error.kind === 'AVAILABILITY' || error.kind === 'DATA')
      this.#limitedLog.warn(clock.monotonicMs(), fields, error.message)
    else logger.debug(fields, error.message)
    return requestId
  }
}

function notOffered(method: string): KVError {
  return new KVError('UNSUPPORTED', `method ${method} is not offered by this server: see describeServer`)
}
