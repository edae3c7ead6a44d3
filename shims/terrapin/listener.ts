/**
 * Serves TerrapinService (9010) and TerrapinServerInternal (9011). Facts that clients rely on, from the sources named in
 * translate.ts: a key that is not stored is an answer, not an error; `get` throws what `multiGet` answers key by key; only
 * the first two clusters of a request count.
 */
import type { Clock } from '../../src/base/clock.js'
import { KVError } from '../../src/base/errors.js'
import type { KVStore } from '../../src/model/kvstore.js'
import type { RequestContext } from '../../src/model/request.js'
import type { RowOutcome } from '../../src/model/row.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import type { ThriftCall, ThriftService } from '../../src/thrift/protocol.js'
import { readAll } from './chunked-read.js'
import { TERRAPIN_CODES, callError, exceptionOf, readFailed } from './errors.js'
import {
  MAX_KEY_BYTES,
  MISSING,
  type Side,
  distinctKeys,
  failed,
  isPerKey,
  parseResource,
  toRead,
  toSingleResponse,
  valueOf,
} from './translate.js'

const { CLUSTER_NOT_FOUND, INVALID_REQUEST, OTHER, READ_ERROR } = wire.TerrapinGetErrorCode
const { NOT_SERVING_RESOURCE, NOT_SERVING_PARTITION } = wire.TerrapinGetErrorCode

/** The only partition that a version has here, whatever the number of files was that it was loaded from. */
export const ONLY_PARTITION = '0'

export interface TerrapinOptions {
  readonly clock: Clock
  /** Whether the cluster or an alias of one has this name. */
  readonly isCluster: (name: string) => boolean
  /** Two passes of 500 ms are what Terrapin's own clients wait for. */
  readonly timeoutMs: number
}

type Call<R> = ThriftCall<R, wire.TerrapinGetException>

/** TerrapinService as the thrift server takes it. */
export function createTerrapinService(kvstore: KVStore, options: TerrapinOptions): ThriftService {
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

class TerrapinServiceListener implements wire.TerrapinServiceHandler {
  readonly #kvstore: KVStore
  readonly #options: TerrapinOptions

  constructor(kvstore: KVStore, options: TerrapinOptions) {
    this.#kvstore = kvstore
    this.#options = options
  }

  get({ request }: wire.TerrapinServiceGetArgs, call: Call<wire.TerrapinSingleResponse>): void {
    const refusal = this.#refusalOf(request)
    if (request === null || refusal !== null) {
      call.fail(refusal ?? noRequest())
      return
    }
    const fileSet = request.fileSet ?? ''
    this.#read(call, fileSet, [request.key ?? NO_BYTES], (outcome) => {
      if (outcome instanceof KVError) {
        const code = TERRAPIN_CODES[outcome.code].service
        call.fail(isPerKey(code) ? readFailed(code) : callError(outcome, fileSet))
        return
      }
      const row = outcome[0] ?? null
      if (row instanceof KVError) {
        call.fail(readFailed(TERRAPIN_CODES[row.code].service))
        return
      }
      const value = valueOf(row)
      call.reply(value === null ? MISSING : { value, errorCode: null })
    })
  }

  multiGet({ request }: wire.TerrapinServiceMultiGetArgs, call: Call<wire.TerrapinResponse>): void {
    const refusal = this.#refusalOf(request)
    if (request === null || refusal !== null) {
      call.fail(refusal ?? noRequest())
      return
    }
    const fileSet = request.fileSet ?? ''
    const keys = distinctKeys(request.keyList ?? [])
    this.#read(call, fileSet, keys, (outcome) => {
      if (!(outcome instanceof KVError)) {
        call.reply(toResponse(keys, outcome, 'service'))
        return
      }
      const code = TERRAPIN_CODES[outcome.code].service
      if (isPerKey(code)) call.reply({ responseMap: keys.map((key) => [key, failed(code)]) })
      else call.fail(callError(outcome, fileSet))
    })
  }

  /** One outcome a key, over-long ones included; they do not spoil the others. */
  #read(
    call: Call<never> | Call<wire.TerrapinSingleResponse> | Call<wire.TerrapinResponse>,
    fileSet: string,
    keys: readonly Buffer[],
    done: (outcome: readonly RowOutcome[] | KVError) => void,
  ): void {
    const context = contextOf(call, this.#options)
    readAround(this.#kvstore, { fileSet, version: null, keys, context }, done)
  }

  #refusalOf(request: AnyRequest | null): wire.TerrapinGetException | null {
    const clusters = request?.clusterList ?? []
    if (clusters.length === 0) return exceptionOf(INVALID_REQUEST, 'Cluster list is empty')
    if (clusters.slice(0, 2).some((name) => this.#options.isCluster(name))) return null
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
    const resource = asked[0]?.resource ?? ''
    if (asked.some((one) => one.resource !== resource)) {
      call.fail(exceptionOf(INVALID_REQUEST, 'Multiple resources within same get call.'))
      return
    }
    const named = parseResource(resource)
    const isOurs = (one: wire.MultiKey) => one.partition === ONLY_PARTITION
    const keysOf = (some: readonly wire.MultiKey[]) => distinctKeys(some.flatMap(({ key }) => key ?? []))
    const keys = keysOf(named === null ? [] : asked.filter(isOurs))
    const elsewhere = keysOf(named === null ? asked : asked.filter((one) => !isOurs(one)))
    const answer = (response: wire.TerrapinResponse, code: wire.TerrapinGetErrorCode) => {
      const known = new Set(keys.map((key) => key.toString('latin1')))
      const others = elsewhere.filter((key) => !known.has(key.toString('latin1')))
      const refused = others.map((key): [Buffer, wire.TerrapinSingleResponse] => [key, failed(code)])
      call.reply({ responseMap: [...(response.responseMap ?? []), ...refused] })
    }
    if (named === null || !this.#isServed(named.fileSet, named.version)) {
      call.reply({
        responseMap: keysOf(asked).map((key) => [key, failed(NOT_SERVING_RESOURCE)]),
      })
      return
    }
    const context = contextOf(call, this.#options)
    readAround(this.#kvstore, { ...named, keys, context }, (outcome) => {
      if (!(outcome instanceof KVError)) {
        answer(toResponse(keys, outcome, 'internal'), NOT_SERVING_PARTITION)
        return
      }
      const code = TERRAPIN_CODES[outcome.code].internal
      const perKey = isPerKey(code) ? code : READ_ERROR
      answer({ responseMap: keys.map((key) => [key, failed(perKey)]) }, NOT_SERVING_PARTITION)
    })
  }

  #isServed(fileSet: string, version: number): boolean {
    try {
      return this.#kvstore.describeDataset(fileSet).versions.some(({ id }) => id === version)
    } catch {
      return false
    }
  }
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
  const wish = { datasetVersion: version, context }
  if (keys.every((key) => key.length <= MAX_KEY_BYTES)) {
    readAll(kvstore, toRead(fileSet, keys, wish), done)
    return
  }
  const readable = keys.filter((key) => key.length <= MAX_KEY_BYTES)
  readAll(kvstore, toRead(fileSet, readable, wish), (outcome) => {
    if (outcome instanceof KVError) {
      done(outcome)
      return
    }
    let next = 0
    done(keys.map((key) => (key.length <= MAX_KEY_BYTES ? (outcome[next++] ?? null) : overlong(key))))
  })
}

function overlong(key: Buffer): KVError {
  return new KVError('UNAVAILABLE', `key of ${key.length} bytes: terrapin's have at most ${MAX_KEY_BYTES}`)
}

function contextOf(call: Call<never> | Call<object>, { timeoutMs }: TerrapinOptions): RequestContext {
  return {
    api: 'terrapin',
    caller: call.connection.clientName,
    deadline: call.receivedAtMs + timeoutMs,
  }
}

function toResponse(
  keys: readonly Buffer[],
  outcomes: readonly RowOutcome[],
  side: Side,
): wire.TerrapinResponse {
  const responseMap: [Buffer, wire.TerrapinSingleResponse][] = []
  for (const [index, key] of keys.entries()) {
    const response = toSingleResponse(outcomes[index] ?? null, side)
    if (response !== null) responseMap.push([key, response])
  }
  return { responseMap }
}

const NO_BYTES = Buffer.alloc(0)

function noRequest(): wire.TerrapinGetException {
  return exceptionOf(INVALID_REQUEST, 'a call without a request')
}
