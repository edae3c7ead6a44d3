/**
 * Serves TerrapinService (9010) and TerrapinServerInternal (9011). Facts that clients rely on, from the sources named in
 * translate.ts: a key that is not stored is an answer, not an error; `get` throws what `multiGet` answers key by key; only
 * the first two clusters of a request count.
 */
import type { Clock } from '../../src/base/clock.js'
import { type Done, type ErrorCode, KVError } from '../../src/base/errors.js'
import type { KVStore } from '../../src/model/kvstore.js'
import type { RequestContext } from '../../src/model/request.js'
import type { RowOutcome } from '../../src/model/row.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import type { ThriftCall, ThriftService } from '../../src/thrift/protocol.js'
import { readAll } from './chunked-read.js'
import { callError, codeOf, exceptionOf, readFailed } from './errors.js'
import type { SecondReads } from './second-reads.js'
import {
  MAX_KEY_BYTES,
  MISSING,
  type Side,
  distinctKeys,
  failed,
  isAnsweredByKey,
  isPartition,
  isPerKey,
  overlong,
  parseResource,
  toRead,
  toSingleResponse,
  valueOf,
} from './translate.js'

const { CLUSTER_NOT_FOUND, INVALID_REQUEST, OTHER, READ_ERROR } = wire.TerrapinGetErrorCode
const { NOT_SERVING_RESOURCE, NOT_SERVING_PARTITION } = wire.TerrapinGetErrorCode

export interface TerrapinOptions {
  readonly clock: Clock
  /** Whether the cluster or an alias of one has this name. */
  readonly isCluster: (name: string) => boolean
  /** Two passes of 500 ms are what Terrapin's own clients wait for. */
  readonly timeoutMs: number
  /**
   * Counts an answered call, also one that was refused, or took several reads. `fileSet`: as the caller wrote it. `code`:
   * null unless an exception is the answer, or all keys failed for one reason.
   */
  readonly onAnswered: (
    operation: string,
    fileSet: string,
    durationMs: number,
    code: ErrorCode | null,
  ) => void
}

export interface TerrapinServiceOptions extends TerrapinOptions {
  /** Whether more than one leaf has what is read of the file set now. */
  readonly hasSeveralPlaces: (fileSet: string) => boolean
  readonly secondReads: SecondReads
  /** Counts the bytes of a found value, or of all that a multiGet found; null: nobody asks for them. */
  readonly onValues: ((operation: 'get' | 'multiGet', fileSet: string, bytes: number) => void) | null
}

/** What a data server's call is counted as: TerrapinService has one of the same name. */
const INTERNAL_GET = 'internalGet'

/** Of a request without options: the field's default. */
const DEFAULT_DELAY_MS = 100n

type Call<R> = ThriftCall<R, wire.TerrapinGetException>

/** TerrapinService as the thrift server takes it. */
export function createTerrapinService(kvstore: KVStore, options: TerrapinServiceOptions): ThriftService {
  const listener = new TerrapinServiceListener(kvstore, options)
  return { ...wire.bindTerrapinService(listener), tooLarge: answerTooLarge }
}

/** TerrapinServerInternal as the thrift server takes it. */
export function createTerrapinInternalService(kvstore: KVStore, options: TerrapinOptions): ThriftService {
  return {
    ...wire.bindTerrapinServerInternal(new TerrapinInternalListener(kvstore, options)),
    tooLarge: answerTooLarge,
  }
}

function answerTooLarge(method: string, maxBytes: number): wire.TerrapinGetException {
  return exceptionOf(OTHER, `the answer of ${method} exceeds ${maxBytes} bytes: ask for fewer keys at a time`)
}

interface AnyRequest {
  readonly clusterList: readonly string[] | null
  readonly fileSet: string | null
  readonly options: wire.RequestOptions | null
}

/** What a request that was checked asks for; each key once. */
interface AskedRead {
  readonly fileSet: string
  readonly keys: readonly Buffer[]
  /** Null: there is no second read. */
  readonly secondReadDelayMs: number | null
}

type ServiceCall = Call<wire.TerrapinSingleResponse> | Call<wire.TerrapinResponse>

class TerrapinServiceListener implements wire.TerrapinServiceHandler {
  readonly #kvstore: KVStore
  readonly #options: TerrapinServiceOptions

  constructor(kvstore: KVStore, options: TerrapinServiceOptions) {
    this.#kvstore = kvstore
    this.#options = options
  }

  get({ request }: wire.TerrapinServiceGetArgs, call: Call<wire.TerrapinSingleResponse>): void {
    const key = request?.key ?? null
    const asked = this.#accept(call, request, { name: 'key', keys: key === null ? null : [key] })
    if (asked === null) return
    const { fileSet } = asked
    this.#read(call, asked, (outcome) => {
      const row = outcome instanceof KVError ? null : (outcome[0] ?? null)
      this.#count(call, fileSet, codeIfFailed(outcome) ?? codeIfFailed(row))
      if (outcome instanceof KVError) {
        call.fail(
          isAnsweredByKey(outcome) ? readFailed(codeOf(outcome, 'service')) : callError(outcome, fileSet),
        )
        return
      }
      if (row instanceof KVError) {
        call.fail(readFailed(codeOf(row, 'service')))
        return
      }
      const value = valueOf(row)
      if (value !== null) this.#options.onValues?.('get', fileSet, value.length)
      call.reply(value === null ? MISSING : { value, errorCode: null })
    })
  }

  multiGet({ request }: wire.TerrapinServiceMultiGetArgs, call: Call<wire.TerrapinResponse>): void {
    const asked = this.#accept(call, request, { name: 'keyList', keys: request?.keyList ?? null })
    if (asked === null) return
    const { fileSet, keys } = asked
    this.#read(call, asked, (outcome) => {
      this.#count(call, fileSet, codeIfFailed(outcome))
      if (!(outcome instanceof KVError)) {
        this.#options.onValues?.('multiGet', fileSet, bytesOf(outcome))
        call.reply(toResponse(keys, outcome, 'service'))
        return
      }
      if (!isAnsweredByKey(outcome)) {
        call.fail(callError(outcome, fileSet))
        return
      }
      call.reply(allFailed(keys, codeOf(outcome, 'service')))
    })
  }

  /** Null: the call was refused. `keys`: what the request has under `name`. */
  #accept(
    call: ServiceCall,
    request: AnyRequest | null,
    { name, keys }: { readonly name: string; readonly keys: readonly Buffer[] | null },
  ): AskedRead | null {
    if (request === null) return this.#refuse(call, '', noRequest())
    const { fileSet } = request
    if (fileSet === null) return this.#refuse(call, '', absent('fileSet'))
    if (keys === null) return this.#refuse(call, fileSet, absent(name))
    const refusal = this.#refusalOf(request.clusterList ?? [])
    if (refusal !== null) return this.#refuse(call, fileSet, refusal)
    return { fileSet, keys: distinctKeys(keys), secondReadDelayMs: this.#secondReadDelay(request, fileSet) }
  }

  #refuse(call: ServiceCall, fileSet: string, refusal: wire.TerrapinGetException): null {
    this.#count(call, fileSet, 'INVALID_ARGUMENT')
    call.fail(refusal)
    return null
  }

  /** One outcome a key, over-long ones included; they do not spoil the others. */
  #read(
    call: ServiceCall,
    { fileSet, keys, secondReadDelayMs }: AskedRead,
    done: (outcome: readonly RowOutcome[] | KVError) => void,
  ): void {
    const context = contextOf(call, this.#options, call.method)
    const asked: KeyedRead = { fileSet, version: null, keys, context }
    if (secondReadDelayMs === null) {
      readAround(this.#kvstore, asked, done)
      return
    }
    const start = (place: number, answered: Done<readonly RowOutcome[]>): void => {
      readAround(this.#kvstore, { ...asked, context: { ...context, place } }, answered)
    }
    this.#options.secondReads.read(start, secondReadDelayMs, done)
  }

  #count(call: ServiceCall, fileSet: string, code: ErrorCode | null): void {
    countCall(call, this.#options, { operation: call.method, fileSet, code })
  }

  /**
   * Of two clusters that are both known; which of them is asked first is the same here, whatever the policy. Null: there is
   * no second read, nor where it would begin when the call is over.
   */
  #secondReadDelay({ clusterList, options }: AnyRequest, fileSet: string): number | null {
    const first = clusterList?.[0]
    const second = clusterList?.[1]
    if (first === undefined || second === undefined) return null
    const { isCluster, hasSeveralPlaces, timeoutMs } = this.#options
    if (!isCluster(first) || !isCluster(second) || !hasSeveralPlaces(fileSet)) return null
    const delayMs = Number(options?.speculativeTimeoutMillis ?? DEFAULT_DELAY_MS)
    return delayMs < timeoutMs ? delayMs : null
  }

  /** Null: one of the clusters that count is known. */
  #refusalOf(clusters: readonly string[]): wire.TerrapinGetException | null {
    const first = clusters[0]
    const second = clusters[1]
    if (first === undefined) return exceptionOf(INVALID_REQUEST, 'Cluster list is empty')
    const { isCluster } = this.#options
    if (isCluster(first) || (second !== undefined && isCluster(second))) return null
    return exceptionOf(CLUSTER_NOT_FOUND, `Clusters [${clusters.join(', ')}] not found.`)
  }
}

class TerrapinInternalListener implements wire.TerrapinServerInternalHandler {
  readonly #kvstore: KVStore
  readonly #options: TerrapinOptions

  constructor(kvstore: KVStore, options: TerrapinOptions) {
    this.#kvstore = kvstore
    this.#options = options
  }

  get({ request }: wire.TerrapinServerInternalGetArgs, call: Call<wire.TerrapinResponse>): void {
    const asked = request?.keyList ?? []
    const refusal = refusalOfKeys(request)
    if (refusal !== null) {
      countCall(call, this.#options, { operation: INTERNAL_GET, fileSet: '', code: 'INVALID_ARGUMENT' })
      call.fail(refusal)
      return
    }
    const named = parseResource(asked[0]?.resource ?? '')
    const count = (code: ErrorCode | null) => {
      countCall(call, this.#options, { operation: INTERNAL_GET, fileSet: named?.fileSet ?? '', code })
    }
    const keysOf = (some: readonly wire.MultiKey[]) => distinctKeys(some.flatMap(({ key }) => key ?? []))
    if (named === null || !this.#isServed(named.fileSet, named.version)) {
      count('VERSION_NOT_FOUND')
      call.reply(allFailed(keysOf(asked), NOT_SERVING_RESOURCE))
      return
    }
    const isOurs = ({ partition }: wire.MultiKey) => isPartition(partition ?? '')
    const keys = keysOf(asked.filter(isOurs))
    const elsewhere = keysOf(asked.filter((one) => !isOurs(one)))
    const answer = (response: wire.TerrapinResponse) => {
      // As from every client that reads the nodes that are published.
      if (elsewhere.length === 0) {
        call.reply(response)
        return
      }
      const found = response.responseMap ?? []
      const known = new Set(found.map(([key]) => key.toString('latin1')))
      const others = elsewhere.filter((key) => !known.has(key.toString('latin1')))
      const refused = allFailed(others, NOT_SERVING_PARTITION).responseMap ?? []
      call.reply({ responseMap: [...found, ...refused] })
    }
    const context = contextOf(call, this.#options, INTERNAL_GET)
    readAround(this.#kvstore, { ...named, keys, context }, (outcome) => {
      count(codeIfFailed(outcome))
      if (!(outcome instanceof KVError)) {
        answer(toResponse(keys, outcome, 'internal'))
        return
      }
      const code = codeOf(outcome, 'internal')
      answer(allFailed(keys, isPerKey(code) ? code : READ_ERROR))
    })
  }

  /** Also one that is kept and not open: the read opens it. */
  #isServed(fileSet: string, version: number): boolean {
    try {
      const { versions, record, leaving } = this.#kvstore.describeDataset(fileSet)
      return (
        versions.some(({ id }) => id === version) ||
        leaving?.includes(version) === true ||
        record.versions.some(({ id, state }) => id === version && (state === 'READY' || state === 'CURRENT'))
      )
    } catch {
      return false
    }
  }
}

/** Null: it can be read. Terrapin looks at all resources before it reads. */
function refusalOfKeys(request: wire.TerrapinInternalGetRequest | null): wire.TerrapinGetException | null {
  if (request === null) return noRequest()
  const { keyList } = request
  if (keyList === null) return absent('keyList')
  const resource = keyList[0]?.resource
  for (const one of keyList) {
    if (one.key === null) return absent('key')
    if (one.resource === null) return absent('resource')
    if (one.partition === null) return absent('partition')
    if (one.resource !== resource)
      return exceptionOf(INVALID_REQUEST, 'Multiple resources within same get call.')
  }
  return null
}

interface KeyedRead {
  readonly fileSet: string
  readonly version: number | null
  readonly keys: readonly Buffer[]
  readonly context: RequestContext
}

/** Leaves out keys that are over-long, and puts their failures back at their places. */
function readAround(
  kvstore: KVStore,
  { fileSet, version, keys, context }: KeyedRead,
  done: (outcome: readonly RowOutcome[] | KVError) => void,
): void {
  if (!keys.some(isOverlong)) {
    readAll(kvstore, toRead(fileSet, keys, version, context), done)
    return
  }
  const readable = keys.filter((key) => !isOverlong(key))
  readAll(kvstore, toRead(fileSet, readable, version, context), (outcome) => {
    if (outcome instanceof KVError) {
      done(outcome)
      return
    }
    let next = 0
    done(keys.map((key) => (isOverlong(key) ? overlong(key) : (outcome[next++] ?? null))))
  })
}

function isOverlong(key: Buffer): boolean {
  return key.length > MAX_KEY_BYTES
}

function contextOf(
  call: Call<never> | Call<object>,
  { timeoutMs }: TerrapinOptions,
  method: string,
): RequestContext {
  return {
    api: 'terrapin',
    method,
    caller: call.connection.clientName,
    address: call.connection.remoteAddress,
    deadline: call.receivedAtMs + timeoutMs,
    connection: call.connection,
    isCountedByShim: true,
  }
}

function codeIfFailed(outcome: object | null): ErrorCode | null {
  return outcome instanceof KVError ? outcome.code : null
}

interface AnsweredCall {
  readonly operation: string
  readonly fileSet: string
  readonly code: ErrorCode | null
}

/** Just before it is answered. */
function countCall(
  call: Call<never> | Call<object>,
  { clock, onAnswered }: TerrapinOptions,
  { operation, fileSet, code }: AnsweredCall,
): void {
  onAnswered(operation, fileSet, clock.monotonicMs() - call.receivedAtMs, code)
}

function toResponse(
  keys: readonly Buffer[],
  outcomes: readonly RowOutcome[],
  side: Side,
): wire.TerrapinResponse {
  const responseMap: [Buffer, wire.TerrapinSingleResponse][] = []
  let index = 0
  for (const key of keys) {
    const response = toSingleResponse(outcomes[index++] ?? null, side)
    if (response !== null) responseMap.push([key, response])
  }
  return { responseMap }
}

function allFailed(keys: readonly Buffer[], code: wire.TerrapinGetErrorCode): wire.TerrapinResponse {
  return { responseMap: keys.map((key) => [key, failed(code)]) }
}

/** Of the values that were found. */
function bytesOf(outcomes: readonly RowOutcome[]): number {
  let bytes = 0
  for (const outcome of outcomes) {
    if (!(outcome instanceof KVError)) bytes += valueOf(outcome)?.length ?? 0
  }
  return bytes
}

function noRequest(): wire.TerrapinGetException {
  return exceptionOf(INVALID_REQUEST, 'a call without a request')
}

/** In Thrift's words. Its own servers answer PROTOCOL_ERROR, which ends a Finagle client's connection. */
function absent(field: string): wire.TerrapinGetException {
  return exceptionOf(INVALID_REQUEST, `Required field '${field}' was not present!`)
}
