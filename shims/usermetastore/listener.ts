/**
 * Serves UserMetaStore (7302), our reconstruction of an API that was never published. Every failure becomes the IDL's one
 * exception, or its row's own error; nothing thrown here reaches the connection except faults of ours.
 */
import type { Clock } from '../../src/base/clock.js'
import { KVError, toKVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { LimitedLog, type Logger } from '../../src/base/logger.js'
import type { DatasetEntry } from '../../src/model/cluster-map.js'
import type { KVStore } from '../../src/model/kvstore.js'
import type { MutateRequest, MutateResult, ReadRequest, RequestContext } from '../../src/model/request.js'
import type { ScanRequest } from '../../src/model/scan.js'
import * as wire from '../../src/thrift/generated/usermetastore.js'
import type { ThriftCall, ThriftService } from '../../src/thrift/protocol.js'
import { exceptionOf, invalid, readErrorOf, writeErrorOf } from './errors.js'
import { checkTable, isTable } from './mapping.js'
import { type PageTokens, type RowPage, cutRowPage, toRowPage, toScan } from './scans.js'
import * as translate from './translate.js'
import * as answers from './translate-answers.js'

type Call<R> = ThriftCall<R, wire.UmsException>

export interface UserMetaStoreOptions {
  readonly logger: Logger
  readonly clock: Clock
  readonly build: string
  /** All datasets, of the newest map. */
  readonly datasets: () => Iterable<DatasetEntry>
  readonly tokensOf: (entry: DatasetEntry) => PageTokens
  readonly fingerprint: translate.Fingerprint
}

/** Writes that answer a timestamp: a caller may send many at once without filling our memory. */
const SMALL_ANSWERS: ReadonlySet<string> = new Set([
  wire.UserMetaStoreMethods.put.name,
  wire.UserMetaStoreMethods.remove.name,
])

/** UserMetaStore as the thrift server takes it. */
export function createUserMetaStoreService(kvstore: KVStore, options: UserMetaStoreOptions): ThriftService {
  const listener = new UserMetaStoreListener(kvstore, options)
  return {
    ...wire.bindUserMetaStore(listener),
    tooLarge: (method, maxBytes) => answerTooLarge(method, maxBytes),
    smallAnswers: SMALL_ANSWERS,
  }
}

/** For an answer that does not fit a frame; null for the one method that declares no exception. */
function answerTooLarge(method: string, maxBytes: number): wire.UmsException | null {
  if (method === wire.UserMetaStoreMethods.ping.name) return null
  const message = `the answer of ${method} exceeds ${maxBytes} bytes: ask for fewer rows or columns, or page by scanRow`
  return exceptionOf(readErrorOf(new KVError('TOO_LARGE', message)))
}

interface AnyRequest {
  readonly table: string | null
  readonly options: { readonly timeoutMs: number | null } | null
}

/** How one method's request becomes ours, and our result its answer. */
interface WriteKind<Q, R> {
  readonly translate: (request: Q, setting: translate.WriteSetting) => MutateRequest
  readonly answer: (result: MutateResult, request: Q) => R
}

const PUT = { translate: translate.putToMutate, answer: answers.toWriteResult }
const REMOVE = { translate: translate.removeToMutate, answer: answers.toWriteResult }
const CHECK_AND_PUT = { translate: translate.checkAndPutToMutate, answer: answers.toCheckResult }
const CHECK_AND_REMOVE = { translate: translate.checkAndRemoveToMutate, answer: answers.toCheckResult }
const INCREMENT = { translate: translate.incrementToMutate, answer: answers.toIncrementResponse }
const APPEND = {
  translate: translate.appendToMutate,
  answer: ({ row }: MutateResult, { key }: wire.AppendRequest) => answers.toRow(key ?? NO_BYTES, row, null),
}

const NO_BYTES = Buffer.alloc(0)

class UserMetaStoreListener implements wire.UserMetaStoreHandler {
  readonly #kvstore: KVStore
  readonly #options: UserMetaStoreOptions
  readonly #limitedLog: LimitedLog

  constructor(kvstore: KVStore, options: UserMetaStoreOptions) {
    this.#kvstore = kvstore
    this.#options = options
    this.#limitedLog = new LimitedLog(options.logger)
  }

  get({ request }: wire.UserMetaStoreGetArgs, call: Call<wire.Row>): void {
    const read = this.#translated(call, request, translate.getToRead)
    if (read === null || request === null) return
    this.#readRow(call, request, read)
  }

  multiGet({ request }: wire.UserMetaStoreMultiGetArgs, call: Call<wire.MultiGetResponse>): void {
    const read = this.#translated(call, request, translate.multiGetToRead)
    if (read === null) return
    const limit = request?.columns?.limit ?? null
    this.#kvstore.read(read, (outcome) => {
      if (outcome instanceof KVError) this.#failRead(call, outcome)
      else {
        const rows = read.rowKeys.map((key, index) =>
          answers.toRowResult(key, outcome.rows[index] ?? null, limit),
        )
        call.reply({ rows })
      }
    })
  }

  getCounts({ request }: wire.UserMetaStoreGetCountsArgs, call: Call<wire.GetCountsResponse>): void {
    const read = this.#translated(call, request, translate.getCountsToRead)
    if (read === null) return
    const columns = request?.columns ?? []
    this.#kvstore.read(read, (outcome) => {
      if (outcome instanceof KVError) this.#failRead(call, outcome)
      else call.reply({ rows: outcome.rows.map((row) => answers.toRowCounts(row, columns)) })
    })
  }

  put({ request }: wire.UserMetaStorePutArgs, call: Call<wire.WriteResult>): void {
    this.#write(call, request, PUT)
  }

  remove({ request }: wire.UserMetaStoreRemoveArgs, call: Call<wire.WriteResult>): void {
    this.#write(call, request, REMOVE)
  }

  checkAndPut({ request }: wire.UserMetaStoreCheckAndPutArgs, call: Call<wire.CheckResult>): void {
    this.#write(call, request, CHECK_AND_PUT)
  }

  checkAndRemove({ request }: wire.UserMetaStoreCheckAndRemoveArgs, call: Call<wire.CheckResult>): void {
    this.#write(call, request, CHECK_AND_REMOVE)
  }

  increment({ request }: wire.UserMetaStoreIncrementArgs, call: Call<wire.IncrementResponse>): void {
    this.#write(call, request, INCREMENT)
  }

  append({ request }: wire.UserMetaStoreAppendArgs, call: Call<wire.Row>): void {
    this.#write(call, request, APPEND)
  }

  multiPut({ request }: wire.UserMetaStoreMultiPutArgs, call: Call<wire.MultiWriteResponse>): void {
    this.#writeRows(call, request, translate.multiPutToMutates)
  }

  multiRemove({ request }: wire.UserMetaStoreMultiRemoveArgs, call: Call<wire.MultiWriteResponse>): void {
    this.#writeRows(call, request, translate.multiRemoveToMutates)
  }

  scanRow({ request }: wire.UserMetaStoreScanRowArgs, call: Call<wire.ScanRowResponse>): void {
    let page: RowPage
    let tokens: PageTokens
    try {
      if (request === null) throw noRequest()
      const entry = this.#entryOf(request.table)
      tokens = this.#options.tokensOf(entry)
      page = toRowPage(request, contextOf(call, request), entry.record, tokens)
    } catch (error) {
      this.#failRead(call, toKVError(error, 'scanRow'))
      return
    }
    this.#kvstore.read(page.read, (outcome) => {
      if (outcome instanceof KVError) {
        this.#failRead(call, outcome)
        return
      }
      const row = outcome.rows[0] ?? null
      if (row instanceof KVError) this.#failRead(call, row)
      else if (row === null) call.reply({ cells: [], nextPageToken: null })
      else {
        const { cells, next } = cutRowPage(row, page)
        call.reply({
          cells: cells.map(page.question.withTimestamps ? answers.toCell : answers.toBareCell),
          nextPageToken: next === null ? null : tokens.rowToken(page.question, 0, next, outcome),
        })
      }
    })
  }

  scan({ request }: wire.UserMetaStoreScanArgs, call: Call<wire.ScanResponse>): void {
    let scan: ScanRequest
    let tokens: PageTokens
    try {
      if (request === null) throw noRequest()
      scan = toScan(request, contextOf(call, request))
      tokens = this.#options.tokensOf(this.#entryOf(request.table))
      if (request.pageToken !== null) scan = tokens.continueScan(scan, request.pageToken, null)
    } catch (error) {
      this.#failRead(call, toKVError(error, 'scan'))
      return
    }
    const limit = request.columns?.limit ?? null
    this.#kvstore.scan(scan, (outcome) => {
      if (outcome instanceof KVError) {
        this.#failRead(call, outcome)
        return
      }
      call.reply({
        rows: outcome.rows.map(({ rowKey, row }) => answers.toRow(rowKey, row, limit)),
        nextPageToken: tokens.scanToken(scan, outcome, { limit: request.limit, order: null }),
      })
    })
  }

  describeTable({ table }: wire.UserMetaStoreDescribeTableArgs, call: Call<wire.TableInfo>): void {
    try {
      call.reply(answers.toTableInfo(this.#entryOf(table).record))
    } catch (error) {
      this.#failRead(call, toKVError(error, 'describeTable'))
    }
  }

  listTables(_args: wire.UserMetaStoreListTablesArgs, call: Call<readonly string[]>): void {
    const names: string[] = []
    for (const { record } of this.#options.datasets()) if (isTable(record)) names.push(record.name)
    call.reply(names.sort())
  }

  ping(_args: wire.UserMetaStorePingArgs, call: ThriftCall<wire.ServerInfo, never>): void {
    call.reply({ apiVersion: wire.UMS_API_VERSION, build: this.#options.build })
  }

  /** A row that is too large to be answered whole is answered in part. */
  #readRow(call: Call<wire.Row>, request: wire.GetRequest, read: ReadRequest): void {
    this.#kvstore.read(read, (outcome) => {
      if (outcome instanceof KVError) {
        this.#failRead(call, outcome)
        return
      }
      const row = outcome.rows[0] ?? null
      if (row instanceof KVError) {
        if (row.code !== 'TOO_LARGE' || read.pageBytes !== null) this.#failRead(call, row)
        else this.#readRow(call, request, { ...read, pageBytes: limits.maxPageBytes })
      } else call.reply(answers.toRow(request.key ?? NO_BYTES, row, request.columns?.limit ?? null))
    })
  }

  /** Null: the call is answered with what is wrong. */
  #translated<Q extends AnyRequest, R>(
    call: Call<R>,
    request: Q | null,
    toRequest: (request: Q, context: RequestContext) => ReadRequest,
  ): ReadRequest | null {
    try {
      if (request === null) throw noRequest()
      const read = toRequest(request, contextOf(call, request))
      this.#entryOf(request.table)
      return read
    } catch (error) {
      this.#failRead(call, toKVError(error, call.method))
      return null
    }
  }

  #write<Q extends AnyRequest, R>(
    call: Call<R>,
    request: Q | null,
    { translate: toRequest, answer }: WriteKind<Q, R>,
  ): void {
    let mutate: MutateRequest
    try {
      if (request === null) throw noRequest()
      mutate = toRequest(request, this.#settingOf(call, request, this.#entryOf(request.table)))
    } catch (error) {
      this.#failWrite(call, toKVError(error, call.method))
      return
    }
    this.#kvstore.mutate(mutate, (outcome) => {
      if (outcome instanceof KVError) this.#failWrite(call, outcome)
      else call.reply(answer(outcome, request))
    })
  }

  /** What is wrong with the request refuses all of it; what a row alone is refused for, or fails with, is its own. */
  #writeRows<Q extends AnyRequest>(
    call: Call<wire.MultiWriteResponse>,
    request: Q | null,
    toRequests: (request: Q, setting: translate.WriteSetting) => readonly (MutateRequest | KVError)[],
  ): void {
    let mutates: readonly (MutateRequest | KVError)[]
    try {
      if (request === null) throw noRequest()
      const entry = this.#entryOf(request.table)
      checkWritable(entry)
      mutates = toRequests(request, this.#settingOf(call, request, entry))
    } catch (error) {
      this.#failWrite(call, toKVError(error, call.method))
      return
    }
    const results: wire.WriteResult[] = new Array<wire.WriteResult>(mutates.length)
    let waiting = mutates.length
    if (waiting === 0) call.reply({ results })
    for (const [index, mutate] of mutates.entries()) {
      const done = (outcome: MutateResult | KVError): void => {
        if (outcome instanceof KVError) this.#log(outcome)
        results[index] = answers.toRowWrite(outcome)
        waiting -= 1
        if (waiting === 0) call.reply({ results })
      }
      if (mutate instanceof KVError) done(mutate)
      else this.#kvstore.mutate(mutate, done)
    }
  }

  /** @throws {KVError} DATASET_NOT_FOUND for a dataset that is no table, too */
  #entryOf(table: string | null): DatasetEntry {
    const entry = this.#kvstore.describeDataset(translate.requiredTable(table))
    checkTable(entry)
    return entry
  }

  #settingOf(call: Call<never>, request: AnyRequest, { record }: DatasetEntry): translate.WriteSetting {
    const { clock, fingerprint } = this.#options
    const { defaultTtlSeconds } = record
    return { context: contextOf(call, request), fingerprint, nowMs: clock.nowMs(), defaultTtlSeconds }
  }

  #failRead(call: Call<never>, error: KVError): void {
    this.#log(error)
    call.fail(exceptionOf(readErrorOf(error)))
  }

  #failWrite(call: Call<never>, error: KVError): void {
    this.#log(error)
    call.fail(exceptionOf(writeErrorOf(error)))
  }

  /** Callers' mistakes are logged for debugging only, a fault of ours always, the rest at most once a second. */
  #log(error: KVError): void {
    const { logger, clock } = this.#options
    const fields = { api: 'usermetastore', code: error.code, dataset: error.dataset }
    if (error.code === 'INTERNAL') logger.error({ ...fields, err: error }, error.message)
    else if (error.kind === 'AVAILABILITY' || error.kind === 'DATA')
      this.#limitedLog.warn(clock.monotonicMs(), fields, error.message)
    else logger.debug(fields, error.message)
  }
}

/** Rows of a table that takes no writes would all be refused for the same reason. @throws {KVError} READ_ONLY */
function checkWritable({ record: { name, mode } }: DatasetEntry): void {
  if (mode === 'READ_WRITE') return
  throw new KVError(
    'READ_ONLY',
    `table ${name} is a ${mode} dataset: its data changes by loading a version`,
    {
      dataset: name,
      outcome: 'NOT_APPLIED',
    },
  )
}

function noRequest(): KVError {
  return invalid('a call without a request')
}

function contextOf(
  call: Pick<Call<never>, 'method' | 'connection' | 'receivedAtMs'>,
  { options }: AnyRequest,
): RequestContext {
  return {
    api: 'usermetastore',
    method: call.method,
    caller: call.connection.clientName,
    address: call.connection.remoteAddress,
    deadline: translate.deadlineOf(options === null ? null : options.timeoutMs, call.receivedAtMs),
  }
}
