/**
 * Serves one Thrift service on sockets that someone else accepts: hop 1 of every request on a data thread.
 *
 * What is shared by all connections of a thread is here: the codecs with their output buffers, and the list of
 * connections with answers to send. Answers given during one callback (a data event, or an engine that answers a whole
 * batch) leave in one write a connection, when that callback is over. server-connection.ts has the rest.
 */
import type { Socket } from 'node:net'
import { systemClock, type Clock } from '../base/clock.js'
import { remainingMs, type Deadline } from '../base/deadline.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import { Codec } from './codec.js'
import { FINAGLE_UPGRADE } from './finagle.js'
import type { BoundMethod, MalformedReason, ThriftService } from './protocol.js'
import { ServerConnection, type ConnectionHost, type ThriftServerLimits } from './server-connection.js'

export type { ThriftServerLimits } from './server-connection.js'

/** Why a connection was closed without a fault of its bytes. */
export type RefusalReason = 'connections' | 'draining' | 'memory' | 'slow-request'

/** Counting is somebody else's; these run on the request path and must be cheap. */
export interface ThriftServerEvents {
  onConnection(): void
  onDisconnect(): void
  /** A connection closed at once or cut off, by a limit. */
  onRefused(reason: RefusalReason): void
  onMalformed(reason: MalformedReason): void
  /** A fault in Godwit itself. */
  onFault(): void
}

export interface ThriftServerOptions {
  /** The listener's name, for logs. */
  readonly name: string
  readonly service: ThriftService
  /** Whether clients of Finagle may upgrade their connections (finagle.ts); they work without, too. */
  readonly servesFinagle?: boolean
  readonly logger: Logger
  readonly clock?: Clock
  readonly events?: Partial<ThriftServerEvents>
  readonly limits?: Partial<ThriftServerLimits>
}

const DEFAULT_LIMITS: ThriftServerLimits = {
  maxFrameBytes: limits.maxFrameBytes,
  maxPipelinedRequests: limits.maxPipelinedRequests,
  maxUnsentBytesPerConnection: limits.maxUnsentBytesPerConnection,
  assumedAnswerBytes: limits.assumedAnswerBytes,
  maxBufferedBytesPerThread: limits.maxBufferedBytesPerThread,
  maxConnections: limits.maxConnectionsPerThread,
  frameTimeoutMs: limits.frameTimeoutMs,
  idleConnectionMs: limits.idleConnectionMs,
  lingerMs: 1_000,
}

const NO_EVENTS: ThriftServerEvents = {
  onConnection: () => undefined,
  onDisconnect: () => undefined,
  onRefused: () => undefined,
  onMalformed: () => undefined,
  onFault: () => undefined,
}

/** Hostile peers could fill the log otherwise. */
const WARNING_INTERVAL_MS = 1_000

export class ThriftServer {
  readonly #options: ThriftServerOptions
  readonly #limits: ThriftServerLimits
  readonly #events: ThriftServerEvents
  readonly #clock: Clock
  readonly #host: ConnectionHost
  readonly #connections = new Set<ServerConnection>()
  readonly #dirty: ServerConnection[] = []
  readonly #sweep: NodeJS.Timeout
  #turnDepth = 0
  #isFlushScheduled = false
  #heldBytes = 0
  #nextConnectionId = 1
  #isDraining = false
  #onEmpty: (() => void) | null = null
  #lastWarningMs = Number.NEGATIVE_INFINITY
  #suppressedWarnings = 0

  constructor(options: ThriftServerOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#events = { ...NO_EVENTS, ...options.events }
    this.#clock = options.clock ?? systemClock
    this.#host = this.#makeHost()
    const shortestMs = Math.min(this.#limits.idleConnectionMs, this.#limits.frameTimeoutMs)
    const sweepMs = Math.min(30_000, Math.max(100, shortestMs / 10))
    this.#sweep = setInterval(() => this.closeIdle(), sweepMs).unref()
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Memory held for incomplete requests and unread answers. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Serves the socket from now on; never throws. The socket belongs to the server. */
  accept(socket: Socket): void {
    const reason = this.#isDraining
      ? 'draining'
      : this.#connections.size >= this.#limits.maxConnections
        ? 'connections'
        : null
    if (reason !== null) {
      this.#events.onRefused(reason)
      socket.on('error', () => undefined)
      socket.destroy()
      return
    }
    if (socket.destroyed) return
    this.#connections.add(new ServerConnection(this.#host, socket, this.#nextConnectionId++))
    this.#events.onConnection()
  }

  /**
   * Takes no new connections and reads no further requests; resolves when every request that was read is answered and
   * every connection is closed, or cut at the deadline.
   */
  async drain(deadline: Deadline): Promise<void> {
    this.#isDraining = true
    clearInterval(this.#sweep)
    for (const connection of this.#connections) connection.finish()
    const leftMs = remainingMs(deadline, this.#clock.monotonicMs())
    const cut = leftMs === Number.POSITIVE_INFINITY ? null : setTimeout(() => this.#destroyAll(), leftMs)
    await this.#whenEmpty()
    if (cut !== null) clearTimeout(cut)
  }

  /** Cuts every connection. */
  async close(): Promise<void> {
    this.#isDraining = true
    clearInterval(this.#sweep)
    this.#destroyAll()
    await this.#whenEmpty()
  }

  /**
   * Closes connections that were silent for too long, or too slow with a request that they began; the server's own
   * timer calls it too.
   */
  closeIdle(): void {
    const nowMs = this.#clock.monotonicMs()
    const silentSince = nowMs - this.#limits.idleConnectionMs
    const begunBefore = nowMs - this.#limits.frameTimeoutMs
    for (const connection of this.#connections) {
      if (connection.isIdleSince(silentSince)) connection.destroy()
      else if (connection.hasMessageOpenSince(begunBefore)) {
        this.#refuse(connection, 'slow-request', 'connection closed: a request did not arrive whole in time')
        // What was asked before is still answered.
        connection.finish()
      }
    }
  }

  #refuse(connection: ServerConnection, reason: RefusalReason, message: string): void {
    this.#events.onRefused(reason)
    const { id, remoteAddress, heldBytes } = connection
    this.#warn({ connection: id, remoteAddress, heldBytes }, message)
  }

  /** The thread holds too much: whoever has caused it for longest goes, never whoever came last. */
  #shed(): void {
    while (this.#heldBytes > this.#limits.maxBufferedBytesPerThread) {
      const culprit = this.#findCulprit()
      if (culprit === null) return
      this.#refuse(
        culprit,
        'memory',
        'connection cut: the thread holds too many bytes, and this one has for longest',
      )
      culprit.destroy()
    }
  }

  /**
   * Of the connections that hold more than half an equal share, the one whose peer has owed us something for longest.
   * While the budget is exceeded, the others hold less than half of it, so that a small request is never the culprit.
   */
  #findCulprit(): ServerConnection | null {
    const large = this.#limits.maxBufferedBytesPerThread / this.#connections.size / 2
    let culprit: ServerConnection | null = null
    for (const connection of this.#connections) {
      if (connection.heldBytes <= large) continue
      if (culprit === null || connection.owesSinceMs < culprit.owesSinceMs) culprit = connection
    }
    return culprit
  }

  #destroyAll(): void {
    for (const connection of this.#connections) connection.destroy()
  }

  #whenEmpty(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const previous = this.#onEmpty
      this.#onEmpty = () => {
        previous?.()
        resolve()
      }
    })
  }

  #makeHost(): ConnectionHost {
    const { service, servesFinagle = false } = this.#options
    const { tooLarge, smallAnswers = new Set<string>() } = service
    const methods = new Map(service.methods)
    if (servesFinagle) methods.set(FINAGLE_UPGRADE.method.name, FINAGLE_UPGRADE)
    return {
      limits: this.#limits,
      codecs: { binary: new Codec('binary'), compact: new Codec('compact') },
      monotonicMs: () => this.#clock.monotonicMs(),
      findMethod: (name): BoundMethod | null => methods.get(name) ?? null,
      smallAnswers,
      tooLarge: (method) => tooLarge?.(method, this.#limits.maxFrameBytes) ?? null,
      beginTurn: () => this.#turnDepth++,
      endTurn: () => this.#endTurn(),
      markDirty: (connection) => this.#markDirty(connection),
      adjustHeldBytes: (delta) => {
        this.#heldBytes += delta
        if (delta > 0) this.#shed()
      },
      onMalformed: (connection, reason, message) => this.#onMalformed(connection, reason, message),
      onFault: (connection, what, error) => this.#onFault(connection, what, error),
      onClosed: (connection) => this.#onClosed(connection),
    }
  }

  #endTurn(): void {
    if (--this.#turnDepth === 0) this.#flush()
  }

  #markDirty(connection: ServerConnection): void {
    if (connection.isDirty) return
    connection.isDirty = true
    this.#dirty.push(connection)
    if (this.#turnDepth > 0 || this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    queueMicrotask(() => {
      this.#isFlushScheduled = false
      this.#flush()
    })
  }

  /** Flushing one connection may let it read on and get dirty again, which is why the list may grow meanwhile. */
  #flush(): void {
    const dirty = this.#dirty
    if (dirty.length === 0) return
    this.#turnDepth++
    for (let connection = dirty.pop(); connection !== undefined; connection = dirty.pop()) {
      connection.isDirty = false
      connection.flush()
    }
    this.#turnDepth--
  }

  #onMalformed(connection: ServerConnection, reason: MalformedReason, message: string): void {
    this.#events.onMalformed(reason)
    const { id, remoteAddress } = connection
    this.#warn({ connection: id, remoteAddress, reason }, `connection closed, malformed bytes: ${message}`)
  }

  #onFault(connection: ServerConnection, what: string, error: unknown): void {
    this.#events.onFault()
    const { name, logger } = this.#options
    logger.error(
      { listener: name, connection: connection.id, err: error },
      `fault, connection closed: ${what}`,
    )
  }

  #onClosed(connection: ServerConnection): void {
    if (!this.#connections.delete(connection)) return
    this.#events.onDisconnect()
    if (this.#connections.size === 0) this.#onEmpty?.()
  }

  #warn(fields: object, message: string): void {
    const now = this.#clock.monotonicMs()
    if (now - this.#lastWarningMs < WARNING_INTERVAL_MS) {
      this.#suppressedWarnings++
      return
    }
    const { name, logger } = this.#options
    logger.warn({ listener: name, suppressed: this.#suppressedWarnings, ...fields }, message)
    this.#lastWarningMs = now
    this.#suppressedWarnings = 0
  }
}
