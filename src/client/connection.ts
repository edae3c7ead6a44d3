/**
 * One connection of stock npm thrift, with what stock leaves to its users: `error` is always listened to, so that a reset
 * never ends the process; calls in flight fail when the connection is lost, instead of waiting for ever; answers to
 * calls that were given up are dropped; a peer that is gone without a word is noticed by its silence.
 */
import type { ClientClock } from './clock.js'
import { KVStoreError, errorOfException, type WireException } from './errors.js'
import {
  connect,
  structs,
  thrift,
  type StockClient,
  type StockConnection,
  type StockOptions,
} from './stock.js'

export interface ConnectionOptions extends StockOptions {
  readonly connectTimeoutMs: number
  /** A call that ends without an answer after so long a silence takes the connection with it. */
  readonly silenceMs: number
  readonly maxInFlight: number
}

export interface ConnectionEvents {
  onOpen(connection: Connection): void
  /** There may be room for another call. */
  onRoom(): void
  onGone(connection: Connection, error: KVStoreError): void
}

/** Called once, with what stock code decoded or with what went wrong. */
export type Done = (error: KVStoreError | null, answer?: unknown) => void

/** Sequence numbers have 32 bits on the wire; they start anew far before, when the first calls are long answered. */
const MAX_SEQUENCE = 2 ** 30
/** Bytes waiting to be sent, beyond which calls wait for the peer to read. */
const MAX_UNSENT_BYTES = 16 * 1024 * 1024
const KEEP_ALIVE_MS = 30_000

export class Connection {
  /** Settles when the socket is closed. */
  readonly closed: Promise<void>
  readonly #clock: ClientClock
  readonly #options: ConnectionOptions
  readonly #events: ConnectionEvents
  readonly #connection: StockConnection
  readonly #client: StockClient
  readonly #pending = new Map<number, Done>()
  readonly #stopConnectTimer: () => void
  #state: 'opening' | 'open' | 'gone' = 'opening'
  #hasHeard = false
  /** Since when an answer has been due and nothing arrived. */
  #silentSinceMs = 0

  constructor(options: ConnectionOptions, clock: ClientClock, events: ConnectionEvents) {
    this.#options = options
    this.#clock = clock
    this.#events = events
    const { connection, client } = connect(options, (error) => this.#lose('what it sent is no answer', error))
    this.#connection = connection
    this.#client = client
    this.#stopConnectTimer = clock.start(options.connectTimeoutMs, () => {
      this.#lose(`no connection within ${options.connectTimeoutMs} ms`)
    })
    connection.on('connect', () => this.#open())
    connection.on('error', (error: unknown) => {
      this.#lose(error instanceof Error ? error.message : String(error), error)
    })
    const socket = connection.connection
    // A server that drains says so before it closes: nothing new is sent to it from then on.
    socket.on('end', () => this.#lose('the server closed it'))
    socket.on('data', () => {
      this.#hasHeard = true
      this.#silentSinceMs = clock.nowMs()
    })
    socket.on('drain', () => events.onRoom())
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#lose('it was closed')
        resolve()
      })
    })
  }

  get inFlight(): number {
    return this.#pending.size
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /** It answered something, ever. */
  get hasHeard(): boolean {
    return this.#hasHeard
  }

  get hasRoom(): boolean {
    const isReading = this.#connection.connection.writableLength <= MAX_UNSENT_BYTES
    return this.isOpen && isReading && this.#pending.size < this.#options.maxInFlight
  }

  /** Answers a function that gives the call up: `done` is not called after it. */
  send(method: string, argument: unknown, done: Done): () => void {
    const client = this.#client
    if (client._seqid >= MAX_SEQUENCE) client._seqid = 0
    const sequence = client._seqid + 1
    if (this.#pending.size === 0) this.#silentSinceMs = this.#clock.nowMs()
    this.#pending.set(sequence, done)
    // The generated client has the methods of the service.
    const call = client[method] as (this: StockClient, argument: unknown) => Promise<unknown>
    call.call(client, argument).then(
      (answer) => this.#settle(sequence, null, answer),
      (error: unknown) => this.#settle(sequence, errorOfRejection(error)),
    )
    if (client.output.outCount > 0) this.#refuseUnsent(sequence)
    return () => this.#abandon(sequence)
  }

  destroy(error: KVStoreError): void {
    this.#gone(error)
  }

  #open(): void {
    if (this.#state !== 'opening') return
    this.#state = 'open'
    this.#stopConnectTimer()
    this.#connection.connection.setKeepAlive(true, KEEP_ALIVE_MS)
    this.#events.onOpen(this)
  }

  #settle(sequence: number, error: KVStoreError | null, answer?: unknown): void {
    const done = this.#pending.get(sequence)
    if (done === undefined) return
    this.#pending.delete(sequence)
    done(error, answer)
    this.#events.onRoom()
  }

  /** Writing failed half-way; what is left of it would stand in front of the next message. */
  #refuseUnsent(sequence: number): void {
    this.#client.output.outBuffers = []
    this.#client.output.outCount = 0
    const fields = { code: 'INTERNAL', outcome: 'NOT_APPLIED' } as const
    this.#settle(sequence, new KVStoreError('the request could not be encoded', fields))
  }

  #abandon(sequence: number): void {
    if (!this.#pending.delete(sequence)) return
    // Without its entry stock code drops the answer. The record's keys are sequence numbers.
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete
    delete this.#client._reqs[sequence]
    const silentMs = this.#clock.nowMs() - this.#silentSinceMs
    if (silentMs >= this.#options.silenceMs) this.#lose(`no answer for ${Math.round(silentMs)} ms`)
    else this.#events.onRoom()
  }

  #lose(what: string, cause?: unknown): void {
    const { host, port } = this.#options
    this.#gone(
      new KVStoreError(`connection to ${host}:${port} lost: ${what}`, { code: 'UNAVAILABLE', cause }),
    )
  }

  #gone(error: KVStoreError): void {
    if (this.#state === 'gone') return
    this.#state = 'gone'
    this.#stopConnectTimer()
    this.#connection.destroy()
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    this.#events.onGone(this, error)
    for (const done of pending) done(error)
  }
}

/** What the generated client's promises reject with. */
function errorOfRejection(thrown: unknown): KVStoreError {
  const KVStoreException = structs['KVStoreException']
  if (KVStoreException !== undefined && thrown instanceof KVStoreException) {
    return errorOfException(thrown as unknown as WireException) // the fields of the generated class
  }
  const { TApplicationException, TApplicationExceptionType } = thrift.Thrift
  if (thrown instanceof TApplicationException) {
    const isUnknownMethod = thrown.type === TApplicationExceptionType.UNKNOWN_METHOD
    return isUnknownMethod
      ? new KVStoreError(`the server has no such method: ${thrown.message}`, {
          code: 'UNSUPPORTED',
          outcome: 'NOT_APPLIED',
        })
      : new KVStoreError(`the server could not serve the call: ${thrown.message}`, { code: 'INTERNAL' })
  }
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  return new KVStoreError(`the answer could not be used: ${reason}`, { code: 'INTERNAL', cause: thrown })
}
