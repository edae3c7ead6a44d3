/**
 * `godwit/client`: the KVStore API for Node, on npm thrift. Eleven methods as in idl/kvstore.thrift, and two iterators over
 * pages. docs/CLIENTS.md has examples and what callers need to know.
 */
import { randomBytes } from 'node:crypto'
import { perform } from './call.js'
import { systemClock, type ClientClock } from './clock.js'
import { KVStoreError } from './errors.js'
import { Pool } from './pool.js'
import { structs, type ProtocolName, type TransportName } from './stock.js'
import { ANSWERS, METHODS, REQUESTS, type MethodName } from './structs.js'
import type * as types from './types.js'

export { KVStoreError, type KVStoreErrorFields } from './errors.js'
export type * from './types.js'
export type {
  Comparison,
  ConflictRule,
  Consistency,
  DatasetMode,
  DeleteScope,
  Durability,
  ErrorCode,
  ErrorKind,
  KeyOrder,
  Priority,
  ScanOrder,
  TimestampUnit,
  WriteOutcome,
} from './enums.js'

/** What holds for a call. A call's own options come before the client's. */
export interface CallOptions {
  /** For the call with all its attempts; for iterators, each page. 1 to 2,147,483,647 milliseconds; 5,000 by default. */
  readonly deadlineMs?: number
  /** 1 to 10; 4 by default. Only what is safe is tried again: see docs/CLIENTS.md. */
  readonly maxAttempts?: number
  /**
   * `auto`, the default: every write carries a token, so that it is applied once however often it is sent. `none`: writes
   * carry none, cost the server less, and are tried again only when nothing was applied.
   */
  readonly idempotency?: 'auto' | 'none'
  readonly context?: types.CallerContext
}

export interface ClientOptions extends CallOptions {
  /** 127.0.0.1 by default. */
  readonly host?: string
  /** 7300 by default. */
  readonly port?: number
  /** `framed` by default; `buffered` decodes large answers again with every packet, which stock thrift does. */
  readonly transport?: TransportName
  /** `binary` by default; `compact` sends less. */
  readonly protocol?: ProtocolName
  /** Connections at most, opened when calls need them; 4 by default. */
  readonly maxConnections?: number
  /** Calls in flight on one connection; 128 by default. */
  readonly maxInFlightPerConnection?: number
  /** Calls that wait for room; beyond, calls fail as OVERLOADED. 10,000 by default. */
  readonly maxWaiting?: number
  /** 2,000 by default. */
  readonly connectTimeoutMs?: number
  /** A connection on which calls ran out of time and nothing arrived for so long is given up; 2,000 by default. */
  readonly silenceMs?: number
  /** A larger answer is a fault of the connection; 67,108,864 by default, which is the gateway's own limit. */
  readonly maxAnswerBytes?: number
  /** For tests. */
  readonly clock?: ClientClock
}

const DEFAULTS: Required<ClientOptions> = {
  host: '127.0.0.1',
  port: 7300,
  transport: 'framed',
  protocol: 'binary',
  maxConnections: 4,
  maxInFlightPerConnection: 128,
  maxWaiting: 10_000,
  connectTimeoutMs: 2_000,
  silenceMs: 2_000,
  maxAnswerBytes: 64 * 1024 * 1024,
  deadlineMs: 5_000,
  maxAttempts: 4,
  idempotency: 'auto',
  context: {},
  clock: systemClock,
}

/** What setTimeout can wait, and what the wire's field holds. */
const MAX_DEADLINE_MS = 2 ** 31 - 1
const MAX_ATTEMPTS = 10
const NONCE_BYTES = 16

/**
 * A token for one logical write, to be given to every repeat of it (WriteOptions.idempotencyToken). Make it when the write
 * is sent: the server takes it while its clock and this machine's are within a minute of each other.
 */
export function newIdempotencyToken(): types.IdempotencyToken {
  return { generationTime: BigInt(Date.now()) * 1000n, nonce: randomBytes(NONCE_BYTES) }
}

/**
 * One client serves a whole process: it is safe to share, and opens connections by itself. Every method rejects with a
 * KVStoreError and nothing else. Buffers in answers may share memory with the other values of the same answer.
 */
export class KVStoreClient {
  readonly #options: Required<ClientOptions>
  readonly #pool: Pool

  /** Opens nothing yet. @throws {KVStoreError} INVALID_ARGUMENT */
  constructor(options: ClientOptions = {}) {
    this.#options = { ...DEFAULTS, ...withoutUndefined(options) }
    checkOptions(this.#options)
    const { maxInFlightPerConnection: maxInFlight } = this.#options
    this.#pool = new Pool({ ...this.#options, maxInFlight }, this.#options.clock)
  }

  /** Reads a row, or the selected part of it. A row that is not there has neither value nor cells. */
  async get(request: types.GetRequest, call?: CallOptions): Promise<types.GetResult> {
    return (await this.#call('get', request, call)) as types.GetResult
  }

  /** Reads many rows of one dataset; each answers for itself, by position, with its own `error` if it failed. */
  async multiGet(request: types.MultiGetRequest, call?: CallOptions): Promise<types.MultiGetResult> {
    return (await this.#call('multiGet', request, call)) as types.MultiGetResult
  }

  /** Reads one page of a range of rows. `scan` reads them all. */
  async scanPage(request: types.ScanRequest, call?: CallOptions): Promise<types.ScanPage> {
    return (await this.#call('scan', request, call)) as types.ScanPage
  }

  /** Every row of the range, page after page, each fetched when the one before is used up. */
  async *scan(request: types.ScanRequest, call?: CallOptions): AsyncGenerator<types.Row, void, undefined> {
    for await (const page of this.scanPages(request, call)) yield* page.rows
  }

  /** The pages of a scan, for callers who keep tokens. A page may be empty and not be the last. */
  scanPages(request: types.ScanRequest, call?: CallOptions): AsyncGenerator<types.ScanPage, void, undefined> {
    return pages(request, (page) => this.scanPage(page, call))
  }

  /** The pages of one long row: each is a part of its cells, in order; the unnamed value is in the first. */
  getPages(request: types.GetRequest, call?: CallOptions): AsyncGenerator<types.GetResult, void, undefined> {
    return pages(request, (page) => this.get(page, call))
  }

  /** Writes cells of one row, atomically. */
  async put(request: types.PutRequest, call?: CallOptions): Promise<types.WriteResult> {
    return (await this.#call('put', request, call)) as types.WriteResult
  }

  /** Deletes a row or the selected part of it. Deleting nothing succeeds. */
  async remove(request: types.RemoveRequest, call?: CallOptions): Promise<types.WriteResult> {
    return (await this.#call('remove', request, call)) as types.WriteResult
  }

  /** Changes one row atomically, on conditions if wanted. Conditions that do not hold are no error: see `applied`. */
  async mutate(request: types.MutateRequest, call?: CallOptions): Promise<types.MutateResult> {
    return (await this.#call('mutate', request, call)) as types.MutateResult
  }

  /** Changes many rows, atomically row by row; each answers for itself, with its own `error` if it failed. */
  async multiMutate(request: types.MultiMutateRequest, call?: CallOptions): Promise<types.MultiMutateResult> {
    return (await this.#call('multiMutate', request, call)) as types.MultiMutateResult
  }

  /** Adds to counters of one row and answers their new values. */
  async increment(request: types.IncrementRequest, call?: CallOptions): Promise<types.IncrementResult> {
    return (await this.#call('increment', request, call)) as types.IncrementResult
  }

  /** Reads counters; those never written read as 0 and `missing`. */
  async getCounters(request: types.GetCountersRequest, call?: CallOptions): Promise<types.GetCountersResult> {
    return (await this.#call('getCounters', request, call)) as types.GetCountersResult
  }

  async describeDataset(dataset: string, call?: CallOptions): Promise<types.DatasetInfo> {
    return (await this.#call('describeDataset', dataset, call)) as types.DatasetInfo
  }

  /** Capabilities and limits. Touches no dataset. */
  async describeServer(call?: CallOptions): Promise<types.ServerInfo> {
    return (await this.#call('describeServer', undefined, call)) as types.ServerInfo
  }

  /** Fails every call that has not settled as CANCELLED, and answers when every connection is closed. */
  async close(): Promise<void> {
    await this.#pool.close()
  }

  /** The answer has the type that the table of structs.ts gives the method; its fields are checked there by the compiler. */
  async #call(name: MethodName, given: unknown, callOptions: CallOptions = {}): Promise<unknown> {
    const options = { ...this.#options, ...withoutUndefined(callOptions) }
    const { request: struct, answer, isWrite } = METHODS[name]
    const dataset = datasetOf(given)
    try {
      checkOptions(options)
      checkArgument(name, given)
      const hasToken = isWrite && (options.idempotency === 'auto' || hasOwnToken(given))
      const makeArgument =
        struct === null ? () => given : this.#prepare(struct, given, { ...options, hasToken })
      const { deadlineMs, maxAttempts } = options
      const call = {
        method: name,
        isWrite,
        isRepeatable: !isWrite || hasToken,
        deadlineMs,
        maxAttempts,
        dataset,
      }
      const result = await perform({ ...call, makeArgument }, this.#pool, options.clock)
      return ANSWERS[answer].decode(result, dataset ?? '')
    } catch (thrown) {
      throw isWrite && thrown instanceof KVStoreError && thrown.outcome === undefined
        ? thrown.with({ outcome: 'NOT_APPLIED' }) // Only a request that was refused here has none yet.
        : thrown
    }
  }

  /** Checks and converts the request once; every attempt then only states what is left of its deadline. */
  #prepare(
    struct: keyof typeof REQUESTS,
    given: unknown,
    options: CallOptions & { readonly hasToken: boolean },
  ): (remainingMs: number) => unknown {
    const context = { ...this.#options.context, ...options.context }
    const request = given as { readonly options?: types.WriteOptions } // checkArgument saw an object
    const complete =
      options.hasToken && request.options?.idempotencyToken === undefined
        ? { ...request, options: { ...request.options, idempotencyToken: newIdempotencyToken() }, context }
        : { ...request, context }
    const encoded = REQUESTS[struct].encode(complete, struct) as { readonly context: object } // of a struct's codec
    const Struct = structs[struct]
    return (remainingMs) => {
      const argument = { ...encoded, context: { ...encoded.context, deadlineMs: remainingMs } }
      return Struct === undefined ? argument : new Struct(argument)
    }
  }
}

async function* pages<
  Request extends { readonly pageToken?: types.Bytes },
  Page extends { readonly nextPageToken?: Buffer },
>(request: Request, read: (request: Request) => Promise<Page>): AsyncGenerator<Page, void, undefined> {
  let next = request
  for (;;) {
    const page = await read(next)
    const { pageToken: before } = next
    yield page
    const { nextPageToken: pageToken } = page
    if (pageToken === undefined) return
    if (before !== undefined && pageToken.equals(Buffer.from(before))) {
      throw new KVStoreError(
        'the server answered the page token that it was given: the pages would never end',
        {
          code: 'INTERNAL',
        },
      )
    }
    next = { ...request, pageToken }
  }
}

/** What callers without types can get wrong before there is anything to encode. */
function checkArgument(name: MethodName, given: unknown): void {
  if (name === 'describeServer') return
  const isString = name === 'describeDataset'
  if (isString ? typeof given !== 'string' : typeof given !== 'object' || given === null) {
    const what = isString ? "a dataset's name" : 'a request object'
    throw new KVStoreError(`${name} takes ${what}`, { code: 'INVALID_ARGUMENT' })
  }
  if (!isString && 'context' in (given as object)) {
    throw new KVStoreError('context is an option of the call, not of the request', {
      code: 'INVALID_ARGUMENT',
    })
  }
}

function hasOwnToken(given: unknown): boolean {
  const request = given as { readonly options?: types.WriteOptions } | null | undefined // read only where it is that
  return request?.options?.idempotencyToken !== undefined
}

function datasetOf(given: unknown): string | undefined {
  if (typeof given === 'string') return given
  const dataset = (given as { readonly dataset?: unknown } | null | undefined)?.dataset // as above
  return typeof dataset === 'string' ? dataset : undefined
}

/** Fields that are given as undefined are not given. */
function withoutUndefined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T // the same fields
}

function checkOptions(options: ClientOptions): void {
  const bounds: Readonly<Record<string, readonly [value: number | undefined, most: number]>> = {
    deadlineMs: [options.deadlineMs, MAX_DEADLINE_MS],
    maxAttempts: [options.maxAttempts, MAX_ATTEMPTS],
    port: [options.port, 65_535],
    maxConnections: [options.maxConnections, 1_024],
    maxInFlightPerConnection: [options.maxInFlightPerConnection, 65_536],
    maxWaiting: [options.maxWaiting, 1_000_000],
    connectTimeoutMs: [options.connectTimeoutMs, MAX_DEADLINE_MS],
    silenceMs: [options.silenceMs, MAX_DEADLINE_MS],
    maxAnswerBytes: [options.maxAnswerBytes, MAX_DEADLINE_MS],
  }
  for (const [name, [value, most]] of Object.entries(bounds)) {
    if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= most)) {
      throw new KVStoreError(`${name} must be a whole number from 1 to ${most}`, { code: 'INVALID_ARGUMENT' })
    }
  }
}
