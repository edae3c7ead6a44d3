/**
 * The client's connections: opened when calls need them, at most `maxConnections`, again after they are lost, with a pause
 * that grows while the server does not come back. Calls that find no room wait in order, at most `maxWaiting` of them.
 * Deadlines are the callers': they take back what waits.
 */
import type { ClientClock } from './clock.js'
import { Connection, type ConnectionEvents, type ConnectionOptions } from './connection.js'
import { KVStoreError } from './errors.js'

export interface PoolOptions extends ConnectionOptions {
  readonly maxConnections: number
  readonly maxWaiting: number
}

/** Exactly one of the two is called, at most once. */
export interface Waiter {
  start(connection: Connection): void
  fail(error: KVStoreError): void
}

export const MIN_RECONNECT_MS = 50
export const MAX_RECONNECT_MS = 5_000

export class Pool {
  readonly #options: PoolOptions
  readonly #clock: ClientClock
  /** Those being opened among them. */
  readonly #connections = new Set<Connection>()
  /** In the order of their arrival. */
  readonly #waiters = new Set<Waiter>()
  readonly #closing = new AbortController()
  readonly #events: ConnectionEvents
  /** Connections that were lost before they answered anything, in a row. */
  #failures = 0
  #lastFailure: KVStoreError | null = null
  /** Cancels the pause after a failure; null: a connection may be opened. */
  #stopPause: (() => void) | null = null

  constructor(options: PoolOptions, clock: ClientClock) {
    this.#options = options
    this.#clock = clock
    this.#events = {
      onOpen: () => {
        this.#lastFailure = null
        this.#serve()
      },
      onRoom: () => this.#serve(),
      onGone: (connection, error) => this.#onGone(connection, error),
    }
  }

  /** Aborted when the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Why there is no connection, while there is none. */
  get lastFailure(): KVStoreError | null {
    return this.#lastFailure
  }

  /** Answers a function that takes the call back while it waits. */
  submit(waiter: Waiter): () => void {
    if (this.closing.aborted) {
      waiter.fail(closedError())
    } else if (this.#waiters.size >= this.#options.maxWaiting) {
      const message = `${this.#waiters.size} calls wait for a connection, which is the limit of this client`
      waiter.fail(new KVStoreError(message, { code: 'OVERLOADED', outcome: 'NOT_APPLIED' }))
    } else {
      this.#waiters.add(waiter)
      this.#serve()
    }
    return () => void this.#waiters.delete(waiter)
  }

  /** Fails what waits or is in flight; settles when every socket is closed. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#stopPause?.()
    const connections = [...this.#connections]
    for (const connection of connections) connection.destroy(closedError())
    this.#failWaiters(closedError())
    await Promise.all(connections.map(({ closed }) => closed))
  }

  #serve(): void {
    for (const waiter of this.#waiters) {
      const connection = this.#leastBusy()
      // A call that would share a connection opens another one for those behind it.
      if (connection === null || connection.inFlight > 0) this.#openAnother()
      if (connection === null) return
      this.#waiters.delete(waiter)
      waiter.start(connection)
    }
  }

  #leastBusy(): Connection | null {
    let least: Connection | null = null
    for (const connection of this.#connections) {
      if (connection.hasRoom && connection.inFlight < (least?.inFlight ?? Infinity)) least = connection
    }
    return least
  }

  #openAnother(): void {
    if (this.#connections.size >= this.#options.maxConnections || this.#stopPause !== null) return
    const opening = [...this.#connections].filter(({ isOpen }) => !isOpen).length
    if (opening >= this.#waiters.size || this.closing.aborted) return
    this.#connections.add(new Connection(this.#options, this.#clock, this.#events))
  }

  #onGone(connection: Connection, error: KVStoreError): void {
    this.#connections.delete(connection)
    if (this.closing.aborted) return
    if (connection.hasHeard) this.#failures = 0
    else this.#pauseAfter(error)
    // Whoever waits for nothing but this connection learns why it failed, and may ask again.
    if (this.#connections.size === 0 && !connection.hasHeard) this.#failWaiters(error)
    this.#serve()
  }

  #pauseAfter(error: KVStoreError): void {
    this.#lastFailure = error
    const longestMs = Math.min(MAX_RECONNECT_MS, MIN_RECONNECT_MS * 2 ** this.#failures)
    this.#failures++
    this.#stopPause?.()
    this.#stopPause = this.#clock.start(longestMs * (0.5 + Math.random() / 2), () => {
      this.#stopPause = null
      this.#serve()
    })
  }

  #failWaiters(error: KVStoreError): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const waiter of waiters) waiter.fail(error.with({ outcome: 'NOT_APPLIED' }))
  }
}

function closedError(): KVStoreError {
  return new KVStoreError('the client was closed', { code: 'CANCELLED' })
}
