/**
 * Calls one server's methods over a few pipelined connections: what an origin is built on. Connections are made when a
 * call needs them and again after they are lost, with a growing pause while the server does not come back. No call is
 * repeated here: whether that is safe, the caller knows.
 */
import { systemClock, type Clock } from '../base/clock.js'
import type { Deadline } from '../base/deadline.js'
import { KVError, type Done, type ErrorCode } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { silentLogger, type Logger } from '../base/logger.js'
import { ClientConnection, type PendingCall } from './client-connection.js'
import type { ThriftMethod, ThriftResult } from './protocol.js'

export interface ServerAddress {
  readonly host: string
  readonly port: number
}

export interface ThriftClientOptions {
  /** The backend's name, for errors and logs. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** Servers that answer the same; connections are spread over all of them, and go where one can be had. */
  readonly otherAddresses?: readonly ServerAddress[]
  readonly logger?: Logger
  readonly clock?: Clock
  /** Connections at most, to all addresses together; 2 unless given. */
  readonly connections?: number
  /** Calls that one connection may owe answers for; beyond that, OVERLOADED. 1: for servers that do not pipeline. */
  readonly maxInFlightPerConnection?: number
  /** Offer Finagle's headers on each connection, with this client id; null, unless given: do not. */
  readonly finagleClient?: string | null
  readonly connectTimeoutMs?: number
  /** The pause after a failed connection doubles from `minBackoffMs` up to `maxBackoffMs`. */
  readonly minBackoffMs?: number
  readonly maxBackoffMs?: number
  readonly maxFrameBytes?: number
}

/** What setTimeout can wait; it fires early then and is set again. */
const MAX_TIMER_MS = 0x7fffffff

/** Calls that were given up and are still owed an answer, before a connection that does answer is given up. */
const MAX_EXPIRED = 128

/** One of the server's addresses. */
interface Place {
  readonly address: ServerAddress
  /** Connections that are not closed. */
  live: number
  failures: number
  /** No new connection before. */
  retryAtMs: number
}

/** One place of the pool. */
interface Slot {
  connection: ClientConnection | null
  place: Place | null
}

export class ThriftClient {
  readonly #options: Required<ThriftClientOptions>
  readonly #slots: Slot[]
  readonly #places: readonly Place[]
  /** Every connection that is not closed, retired ones among them. */
  readonly #live = new Set<ClientConnection>()
  #next = 0
  #timer: NodeJS.Timeout | null = null
  #timerAtMs = Number.POSITIVE_INFINITY
  #isClosed = false

  constructor(options: ThriftClientOptions) {
    this.#options = {
      logger: silentLogger,
      clock: systemClock,
      connections: 2,
      maxInFlightPerConnection: limits.maxPipelinedRequests,
      otherAddresses: [],
      finagleClient: null,
      connectTimeoutMs: 1_000,
      minBackoffMs: 50,
      maxBackoffMs: 5_000,
      maxFrameBytes: limits.maxFrameBytes,
      ...options,
    }
    const { host, port, otherAddresses, connections } = this.#options
    this.#places = [{ host, port }, ...otherAddresses].map((address) => ({
      address,
      live: 0,
      failures: 0,
      retryAtMs: Number.NEGATIVE_INFINITY,
    }))
    this.#slots = Array.from({ length: connections }, (): Slot => ({ connection: null, place: null }))
  }

  /** Connections that are open or being made. */
  get connectionCount(): number {
    return this.#live.size
  }

  /**
   * Answers exactly once and never throws: what the method answered, its declared exceptions among it, or a KVError.
   * UNAVAILABLE and DEADLINE_EXCEEDED say in `outcome` whether the call can have had an effect. `args` must not change
   * until then; buffers of the answer are views into what was received.
   */
  call<A, R, E>(
    method: ThriftMethod<A, R, E>,
    args: A,
    deadline: Deadline,
    done: Done<ThriftResult<R, E>>,
  ): void {
    const nowMs = this.#options.clock.monotonicMs()
    const connection = this.#isClosed || deadline <= nowMs ? null : this.#pick(nowMs)
    if (connection === null || this.#isFull(connection)) {
      done(this.#refusal(method.name, deadline, nowMs))
      return
    }
    // The method that reads the answer gives it the types that `done` expects.
    const answer = done as Done<ThriftResult<unknown, unknown>>
    const call: PendingCall = { method, args, deadline, done: answer, sentAtMs: null }
    connection.send(call)
    this.#watch(deadline, nowMs)
  }

  /** Fails what is in flight and closes every connection. */
  close(): Promise<void> {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    for (const connection of this.#live) connection.destroy('this client was closed')
    return Promise.resolve()
  }

  /** Why a call was not even queued. */
  #refusal(method: string, deadline: Deadline, nowMs: number): KVError {
    if (this.#isClosed) return this.#error('UNAVAILABLE', method, 'this client is closed')
    if (deadline <= nowMs)
      return this.#error('DEADLINE_EXCEEDED', method, 'the deadline had passed before it was sent')
    const retryAtMs = Math.min(...this.#places.map((place) => place.retryAtMs))
    const isConnected = this.#slots.some((slot) => usable(slot)?.isOpen === true)
    if (isConnected || retryAtMs <= nowMs) {
      return this.#error('OVERLOADED', method, 'too many calls wait for answers')
    }
    return this.#error(
      'UNAVAILABLE',
      method,
      'no connection, waiting to try again',
      Math.ceil(retryAtMs - nowMs),
    )
  }

  #error(code: ErrorCode, method: string, why: string, retryAfterMs?: number): KVError {
    const { name: backend } = this.#options
    const where = this.#places.map(({ address: { host, port } }) => `${host}:${port}`).join(', ')
    const retry = retryAfterMs === undefined ? {} : { retryAfterMs }
    return new KVError(code, `${backend} at ${where}: ${method}: ${why}`, {
      outcome: 'NOT_APPLIED',
      backend,
      ...retry,
    })
  }

  #isFull(connection: ClientConnection): boolean {
    if (connection.inFlight >= this.#options.maxInFlightPerConnection) return true
    return connection.unsentBytes > limits.maxUnsentBytesPerConnection
  }

  /** The connection that owes least, an open one before one that is being made; null while every address has to pause. */
  #pick(nowMs: number): ClientConnection | null {
    const place = this.#placeToConnect(nowMs)
    if (place?.live === 0 && this.#places.length > 1) this.#makeRoomFor(place)
    let best: Slot | null = null
    let bestLoad = Number.POSITIVE_INFINITY
    this.#next = (this.#next + 1) % this.#slots.length
    for (let i = 0; i < this.#slots.length; i++) {
      const slot = this.#slots[(this.#next + i) % this.#slots.length]
      if (slot === undefined) continue
      const load = loadOf(slot, place !== null)
      if (load < bestLoad) {
        best = slot
        bestLoad = load
      }
    }
    if (best === null) return null
    const connection = usable(best)
    return connection ?? (place === null ? null : this.#connect(best, place))
  }

  /** Where the next connection goes: the address with fewest, of those that need not pause. */
  #placeToConnect(nowMs: number): Place | null {
    let best: Place | null = null
    for (const place of this.#places) {
      if (place.retryAtMs <= nowMs && (best === null || place.live < best.live)) best = place
    }
    return best
  }

  /** An address that came back, while others have all the connections: one of those ends when it owes nothing more. */
  #makeRoomFor(place: Place): void {
    if (this.#slots.some((slot) => usable(slot) === null)) return
    const slot = this.#slots.find((one) => one.place !== place && (one.place?.live ?? 0) > 1)
    if (slot?.connection == null) return
    slot.connection.retire()
    slot.connection = null
  }

  #connect(slot: Slot, place: Place): ClientConnection {
    const { name, connectTimeoutMs, maxFrameBytes, maxInFlightPerConnection, finagleClient, clock, logger } =
      this.#options
    const connection = new ClientConnection({
      name,
      host: place.address.host,
      port: place.address.port,
      connectTimeoutMs,
      maxFrameBytes,
      maxExpired: Math.min(MAX_EXPIRED, maxInFlightPerConnection),
      finagleClient,
      monotonicMs: () => clock.monotonicMs(),
      onFault: (error) => logger.error({ backend: name, err: error }, 'fault in the handling of an answer'),
      onClosed: (closed) => {
        this.#live.delete(closed)
        this.#onClosed(slot, place, closed)
      },
      takeOver: (call) => this.#takeOver(call),
    })
    slot.connection = connection
    slot.place = place
    place.live += 1
    this.#live.add(connection)
    return connection
  }

  #onClosed(slot: Slot, place: Place, connection: ClientConnection): void {
    if (slot.connection === connection) slot.connection = null
    place.live -= 1
    if (connection.hasServed) {
      place.failures = 0
      return
    }
    const { minBackoffMs, maxBackoffMs, clock } = this.#options
    const pauseMs = Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(place.failures, 20))
    // Spread, so that many clients of a server that comes back do not all come at once.
    place.retryAtMs = clock.monotonicMs() + pauseMs * (0.5 + Math.random() / 2)
    place.failures++
  }

  /** Another connection gets what was never written, if it is there or another address can be tried. */
  #takeOver(call: PendingCall): boolean {
    if (this.#isClosed) return false
    const connection = this.#pick(this.#options.clock.monotonicMs())
    if (connection === null || this.#isFull(connection)) return false
    connection.send(call)
    return true
  }

  /** One timer, at the earliest deadline of all calls. */
  #watch(deadline: Deadline, nowMs: number): void {
    if (deadline >= this.#timerAtMs) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timerAtMs = deadline
    this.#timer = setTimeout(
      () => this.#expire(),
      Math.min(MAX_TIMER_MS, Math.max(1, Math.ceil(deadline - nowMs))),
    )
  }

  #expire(): void {
    this.#timer = null
    this.#timerAtMs = Number.POSITIVE_INFINITY
    const nowMs = this.#options.clock.monotonicMs()
    let earliest = Number.POSITIVE_INFINITY
    for (const connection of this.#live) earliest = Math.min(earliest, connection.expire(nowMs))
    this.#watch(earliest, nowMs)
  }
}

function usable(slot: Slot): ClientConnection | null {
  const { connection } = slot
  return connection === null || connection.isClosed || connection.isRetired ? null : connection
}

/** Calls in flight, with a little more for a connection that is not open yet; Infinity where none can be made now. */
function loadOf(slot: Slot, mayConnect: boolean): number {
  const connection = usable(slot)
  if (connection === null) return mayConnect ? 0.75 : Number.POSITIVE_INFINITY
  return connection.inFlight + (connection.isOpen ? 0 : 0.5)
}
