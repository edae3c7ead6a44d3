/**
 * Hop 2 for the KVStore API: one thrift call -> requests of ours, and their results back. Serves the methods of
 * idl/kvstore.thrift.
 *
 * Every failure becomes the IDL's one exception; nothing thrown here reaches the connection except faults of ours. A
 * request that neither brings a token nor may be answered with one passes without looking at the dataset.
 */
import type { Clock } from '../base/clock.js'
import { KVError, toKVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { LimitedLog, type Logger } from '../base/logger.js'
import { traceHop } from '../base/trace.js'
import type { KVStore } from '../model/kvstore.js'
import type {
  MutateRequest,
  MutateResult,
  ReadRequest,
  ReadResult,
  RequestContext,
} from '../model/request.js'
import type { ScanRequest, ScanResult } from '../model/scan.js'
import * as wire from '../thrift/generated/kvstore.js'
import type { ThriftCall, ThriftService } from '../thrift/protocol.js'
import {
  countersToResponse,
  entryToDatasetInfo,
  outcomeToRowWrite,
  resultToIncrementResponse,
  resultToMultiGetResponse,
  resultToMutateResponse,
  resultToWriteResponse,
  rowToGetResponse,
  scannedToRow,
} from './answers.js'
import { FEATURES, toContext } from './context.js'
import { readErrorToException, writeErrorToException } from './errors.js'
import { invalid, requiredDataset } from './fields.js'
import { AnswerTokens } from './pages.js'
import { getCountersToRead, getToRead, multiGetToRead } from './reads.js'
import { checkOrder, scanToRequest } from './scans.js'
import { Tokens } from './tokens.js'
import {
  checkPriority,
  incrementToMutate,
  multiMutateToMutates,
  mutateToMutate,
  putToMutate,
  removeToMutate,
} from './writes.js'

type Call<R> = ThriftCall<R, wire.KVStoreException>

export interface KVStoreListenerOptions {
  readonly logger: Logger
  readonly clock: Clock
  /** Starts the request ids that failures carry; unique among the process's threads. */
  readonly threadName: string
  readonly build: string
  /** 32 bytes, the same for every server of a deployment: page and session tokens are made and checked with it. */
  readonly secrets: { readonly tokenKey: Uint8Array }
}

/** Writes that answer a timestamp: a caller may send many at once without filling our memory. */
const SMALL_ANSWERS: ReadonlySet<string> = new Set([
  wire.KVStoreMethods.put.name,
  wire.KVStoreMethods.remove.name,
])

/** The service as the thrift server takes it. */
export function createKVStoreService(kvstore: KVStore, options: KVStoreListenerOptions): ThriftService {
  const listener = new KVStoreListener(kvstore, options)
  return {
    ...wire.bindKVStore(listener),
    tooLarge: (method, maxBytes) => listener.tooLarge(method, maxBytes),
    smallAnswers: SMALL_ANSWERS,
  }
}

/** What every request of the service has. */
interface AnyRequest {
  readonly dataset: string | null
  readonly context: wire.RequestContext | null
}

interface AnyRead extends AnyRequest {
  readonly options: wire.ReadOptions | null
}

interface AnyWrite extends AnyRequest {
  readonly options: wire.WriteOptions | null
}

/** How one method's request becomes ours, and our result its answer. */
interface WriteKind<Q, R> {
  readonly method: string
  readonly translate: (request: Q, context: RequestContext) => MutateRequest
  readonly answer: (result: MutateResult, sessionToken: Buffer | null) => R
}

const PUT = { method: 'put', translate: putToMutate, answer: resultToWriteResponse }
const REMOVE = { method: 'remove', translate: removeToMutate, answer: resultToWriteResponse }
const MUTATE = { method: 'mutate', translate: mutateToMutate, answer: resultToMutateResponse }
const INCREMENT = { method: 'increment', translate: incrementToMutate, answer: resultToIncrementResponse }

class KVStoreListener implements wire.KVStoreHandler {
  readonly #kvstore: KVStore
  readonly #options: KVStoreListenerOptions
  readonly #tokens: Tokens
  readonly #limitedLog: LimitedLog
  #failures = 0

  constructor(kvstore: KVStore, options: KVStoreListenerOptions) {
    this.#kvstore = kvstore
    this.#options = options
    this.#tokens = new Tokens(options.secrets.tokenKey)
    this.#limitedLog = new LimitedLog(options.logger)
  }

  get({ request }: wire.KVStoreGetArgs, call: Call<wire.GetResponse>): void {
    traceHop('kvstore.listener')
    let read: ReadRequest
    let tokens: AnswerTokens | null
    try {
      if (request === null) throw noRequest()
      read = getToRead(request, contextOf(request, call, 'get'))
      tokens = this.#tokensOf(request, request.pageToken !== null)
      if (tokens !== null && request.pageToken !== null) read = tokens.continueRead(read, request.pageToken)
    } catch (error) {
      this.#failRead(call, toKVError(error, 'get'), request)
      return
    }
    this.#kvstore.read(read, (outcome) => {
      if (outcome instanceof KVError) {
        this.#failRead(call, outcome, request)
        return
      }
      const row = outcome.rows[0] ?? null
      if (row instanceof KVError) this.#failRead(call, row, request)
      else if (tokens === null) call.reply(rowToGetResponse(row, null))
      else call.reply(pageToGetResponse(request, read, outcome, tokens))
    })
  }

  multiGet({ request }: wire.KVStoreMultiGetArgs, call: Call<wire.MultiGetResponse>): void {
    traceHop('kvstore.listener')
    let read: ReadRequest
    let tokens: AnswerTokens | null
    try {
      if (request === null) throw noRequest()
      read = multiGetToRead(request, contextOf(request, call, 'multiGet'))
      tokens = this.#tokensOf(request, false)
    } catch (error) {
      this.#failRead(call, toKVError(error, 'multiGet'), request)
      return
    }
    this.#kvstore.read(read, (outcome) => {
      if (outcome instanceof KVError) this.#failRead(call, outcome, request)
      else if (tokens === null) call.reply(resultToMultiGetResponse(outcome, null))
      else call.reply(pageToMultiGetResponse(request, read, outcome, tokens))
    })
  }

  getCounters({ request }: wire.KVStoreGetCountersArgs, call: Call<wire.GetCountersResponse>): void {
    traceHop('kvstore.listener')
    let read: ReadRequest
    try {
      if (request === null) throw noRequest()
      read = getCountersToRead(request, contextOf(request, call, 'getCounters'))
      this.#tokensOf(request, false)
    } catch (error) {
      this.#failRead(call, toKVError(error, 'getCounters'), request)
      return
    }
    this.#kvstore.read(read, (outcome) => {
      if (outcome instanceof KVError) this.#failRead(call, outcome, request)
      else call.reply(countersToResponse(outcome, request.localKeys ?? []))
    })
  }

  scan({ request }: wire.KVStoreScanArgs, call: Call<wire.ScanResponse>): void {
    traceHop('kvstore.listener')
    let scan: ScanRequest
    let tokens: AnswerTokens
    try {
      if (request === null) throw noRequest()
      scan = scanToRequest(request, contextOf(request, call, 'scan'))
      const entry = this.#kvstore.describeDataset(scan.dataset)
      checkOrder(request, entry.record.keyOrder === 'HASHED')
      tokens = new AnswerTokens(this.#tokens, entry)
      checkSession(request.options, tokens)
      if (request.pageToken !== null) scan = tokens.continueScan(scan, request.pageToken, request.order)
    } catch (error) {
      this.#failRead(call, toKVError(error, 'scan'), request)
      return
    }
    this.#kvstore.scan(scan, (outcome) => {
      if (outcome instanceof KVError) this.#failRead(call, outcome, request)
      else call.reply(pageToScanResponse(request, scan, outcome, tokens))
    })
  }

  put({ request }: wire.KVStorePutArgs, call: Call<wire.WriteResponse>): void {
    traceHop('kvstore.listener')
    this.#mutate(call, request, PUT)
  }

  remove({ request }: wire.KVStoreRemoveArgs, call: Call<wire.WriteResponse>): void {
    traceHop('kvstore.listener')
    this.#mutate(call, request, REMOVE)
  }

  mutate({ request }: wire.KVStoreMutateArgs, call: Call<wire.MutateResponse>): void {
    traceHop('kvstore.listener')
    this.#mutate(call, request, MUTATE)
  }

  increment({ request }: wire.KVStoreIncrementArgs, call: Call<wire.IncrementResponse>): void {
    traceHop('kvstore.listener')
    this.#mutate(call, request, INCREMENT)
  }

  /** What is wrong with the request refuses all of it; what a row alone is refused for, or fails with, is its own. */
  multiMutate({ request }: wire.KVStoreMultiMutateArgs, call: Call<wire.MultiMutateResponse>): void {
    traceHop('kvstore.listener')
    let mutates: readonly MutateRequest[]
    let sessionToken: Buffer | null
    try {
      if (request === null) throw noRequest()
      mutates = multiMutateToMutates(request, this.#writeContext(request, call, 'multiMutate'))
      this.#checkWritable(request)
      sessionToken = this.#sessionTokenFor(request)
    } catch (error) {
      this.#failWrite(call, toKVError(error, 'multiMutate'), request)
      return
    }
    const rows: wire.RowWriteResult[] = new Array<wire.RowWriteResult>(mutates.length)
    let waiting = mutates.length
    if (waiting === 0) call.reply({ rows, sessionToken })
    for (const [index, mutate] of mutates.entries()) {
      this.#kvstore.mutate(mutate, (outcome) => {
        if (outcome instanceof KVError) this.#logFailure(outcome, request)
        rows[index] = outcomeToRowWrite(outcome)
        waiting -= 1
        if (waiting === 0) call.reply({ rows, sessionToken })
      })
    }
  }

  describeDataset({ dataset }: wire.KVStoreDescribeDatasetArgs, call: Call<wire.DatasetInfo>): void {
    try {
      call.reply(entryToDatasetInfo(this.#kvstore.describeDataset(dataset ?? '')))
    } catch (error) {
      this.#failRead(call, toKVError(error, 'describeDataset'), null)
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

  /** The exception for an answer that does not fit a frame; null for the one method that declares none. */
  tooLarge(method: string, maxBytes: number): wire.KVStoreException | null {
    if (method === wire.KVStoreMethods.describeServer.name) return null
    const message = `the answer of ${method} exceeds ${maxBytes} bytes: ask for fewer rows or columns at a time`
    const error = new KVError('TOO_LARGE', message)
    return readErrorToException(error, this.#logFailure(error, null))
  }

  #mutate<R, Q extends AnyWrite>(
    call: Call<R>,
    request: Q | null,
    { method, translate, answer }: WriteKind<Q, R>,
  ): void {
    let mutate: MutateRequest
    let sessionToken: Buffer | null
    try {
      if (request === null) throw noRequest()
      mutate = translate(request, this.#writeContext(request, call, method))
      sessionToken = this.#sessionTokenFor(request)
    } catch (error) {
      this.#failWrite(call, toKVError(error, 'write'), request)
      return
    }
    this.#kvstore.mutate(mutate, (outcome) => {
      if (outcome instanceof KVError) this.#failWrite(call, outcome, request)
      else call.reply(answer(outcome, sessionToken))
    })
  }

  #writeContext(request: AnyRequest, call: Call<unknown>, method: string): RequestContext {
    if (request.context !== null) checkPriority(request.context.priority)
    return contextOf(request, call, method)
  }

  /** Null where the answer of a read neither needs nor brings a token; checks the one of the session. */
  #tokensOf({ dataset, options }: AnyRead, hasPageToken: boolean): AnswerTokens | null {
    const isAnyAsked =
      hasPageToken ||
      (options !== null &&
        (options.sessionToken !== null || options.withInfo === true || options.pageSizeBytes !== null))
    if (!isAnyAsked) return null
    const entry = this.#kvstore.describeDataset(requiredDataset(dataset))
    const tokens = new AnswerTokens(this.#tokens, entry)
    checkSession(options, tokens)
    return tokens
  }

  /** Made before the write: a session has seen at least the data of this moment, and the write is read from there. */
  #sessionTokenFor({ dataset, options }: AnyWrite): Buffer | null {
    if (options === null || options.withSessionToken !== true) return null
    const entry = this.#kvstore.describeDataset(requiredDataset(dataset))
    return new AnswerTokens(this.#tokens, entry).sessionToken()
  }

  /** Rows of a dataset that takes no writes would all be refused for the same reason. */
  #checkWritable({ dataset }: AnyRequest): void {
    const { name, mode } = this.#kvstore.describeDataset(requiredDataset(dataset)).record
    if (mode === 'READ_WRITE') return
    throw new KVError(
      'READ_ONLY',
      `dataset ${name} is a ${mode} dataset: its data changes by loading a version`,
      { dataset: name, outcome: 'NOT_APPLIED' },
    )
  }

  #failRead<R>(call: Call<R>, error: KVError, request: AnyRequest | null): void {
    call.fail(readErrorToException(error, this.#logFailure(error, request)))
  }

  #failWrite<R>(call: Call<R>, error: KVError, request: AnyRequest | null): void {
    call.fail(writeErrorToException(error, this.#logFailure(error, request)))
  }

  /**
   * The id that stands in the exception and in the log. Callers' mistakes are logged for debugging only, the rest at
   * most once a second; a fault of ours always, with its stack.
   */
  #logFailure(error: KVError, request: AnyRequest | null): string {
    this.#failures += 1
    const { logger, clock, threadName } = this.#options
    const requestId = `${threadName}-${this.#failures}`
    const context = request === null ? null : request.context
    const caller = context?.caller?.slice(0, limits.maxNameLength)
    const traceId = context?.traceId?.slice(0, limits.maxNameLength)
    const fields = { requestId, code: error.code, dataset: error.dataset, caller, traceId }
    if (error.code === 'INTERNAL') logger.error({ ...fields, err: error }, error.message)
    else if ((error.kind === 'AVAILABILITY' && error.code !== 'CANCELLED') || error.kind === 'DATA')
      this.#limitedLog.warn(clock.monotonicMs(), fields, error.message)
    else logger.debug(fields, error.message)
    return requestId
  }
}

function noRequest(): KVError {
  return invalid('a call without a request')
}

function contextOf(
  { context }: AnyRequest,
  { receivedAtMs, connection }: Pick<Call<unknown>, 'receivedAtMs' | 'connection'>,
  method: string,
): RequestContext {
  return toContext(context, receivedAtMs, method, connection)
}

function checkSession(options: wire.ReadOptions | null, tokens: AnswerTokens): void {
  if (options !== null && options.sessionToken !== null) tokens.checkSession(options.sessionToken)
}

function infoFor(
  options: wire.ReadOptions | null,
  result: ReadResult | ScanResult,
  tokens: AnswerTokens,
): wire.ReadInfo | null {
  return options !== null && options.withInfo === true ? tokens.info(result) : null
}

function pageToGetResponse(
  { options }: AnyRead,
  read: ReadRequest,
  result: ReadResult,
  tokens: AnswerTokens,
): wire.GetResponse {
  const row = result.rows[0] ?? null
  const info = infoFor(options, result, tokens)
  if (row === null || row instanceof KVError) return rowToGetResponse(null, info)
  return rowToGetResponse(row, info, {
    nextPageToken: row.next === null ? null : tokens.rowToken(read, 0, row.next, result),
    isUnnamedBegun: read.position?.localKey?.length === 0,
  })
}

function pageToMultiGetResponse(
  { options }: AnyRead,
  read: ReadRequest,
  result: ReadResult,
  tokens: AnswerTokens,
): wire.MultiGetResponse {
  const info = infoFor(options, result, tokens)
  return resultToMultiGetResponse(result, info, (index, next) => tokens.rowToken(read, index, next, result))
}

function pageToScanResponse(
  request: wire.ScanRequest,
  scan: ScanRequest,
  result: ScanResult,
  tokens: AnswerTokens,
): wire.ScanResponse {
  return {
    rows: result.rows.map((scanned) => {
      const { next } = scanned.row
      const token = next === null ? null : tokens.scannedRowToken(scan, scanned.rowKey, next, result)
      return scannedToRow(scanned, token)
    }),
    nextPageToken: tokens.scanToken(scan, result, request),
    info: infoFor(request.options, result, tokens),
  }
}
