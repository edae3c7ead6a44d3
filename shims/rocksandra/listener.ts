/**
 * Serves CQL's native protocol, versions 3 and 4, on sockets that someone else accepts: hop 1 of a CQL client's requests on
 * a data thread.
 *
 * What all connections of a thread share is here: output buffers, the list of connections with answers to send, and the
 * bound on memory. Answers given during one callback (a data event, or an engine that answers a whole batch) leave in one
 * write a connection, when that callback is over.
 */
import type { Socket } from 'node:net'
import type { Clock } from '../../src/base/clock.js'
import { type Deadline, remainingMs } from '../../src/base/deadline.js'
import { limits } from '../../src/base/limits.js'
import { LimitedLog, type Logger } from '../../src/base/logger.js'
import {
  CqlConnection,
  type CqlConnectionHost,
  type CqlMalformedReason,
  type CqlRequest,
  type CqlServerLimits,
} from './connection.js'
import type { CqlEngine } from './engine/contract.js'
import { CqlFrameWriter } from './protocol/body-writer.js'
import { type NodeStatus, writeStatusEvent } from './protocol/node-events.js'
import { writeSchemaEvent } from './protocol/results.js'
import { type SchemaLook, changesBetween, lookOf } from './schema-events.js'

export type { CqlServerLimits } from './connection.js'

/** Why a connection was closed without a fault of its bytes. */
export type CqlRefusalReason = 'connections' | 'draining' | 'memory' | 'slow-request'

/** Counting is somebody else's; these run on the request path and must be cheap. */
export interface CqlServerEvents {
  onConnection(): void
  onDisconnect(): void
  /** A connection closed at once or cut off, by a limit. */
  onRefused(reason: CqlRefusalReason): void
  onMalformed(reason: CqlMalformedReason): void
  /** A fault in Godwit itself. */
  onFault(): void
}

export interface CqlServerOptions {
  /** The listener's name, for logs. */
  readonly name: string
  readonly engine: Pick<CqlEngine, 'schema'>
  readonly dispatcher: { run(connection: CqlConnection, request: CqlRequest): void }
  readonly logger: Logger
  readonly clock: Clock
  readonly events: CqlServerEvents
  readonly limits?: Partial<CqlServerLimits>
}

const DEFAULT_LIMITS: CqlServerLimits = {
  maxBodyBytes: limits.maxCqlFrameBytes,
  maxPipelinedRequests: limits.maxCqlRequestsInFlight,
  maxUnsentBytesPerConnection: limits.maxUnsentBytesPerConnection,
  assumedAnswerBytes: limits.assumedCqlAnswerBytes,
  maxBufferedBytesPerThread: limits.maxBufferedBytesPerThread,
  maxConnections: limits.maxConnectionsPerThread,
  frameTimeoutMs: limits.frameTimeoutMs,
  idleConnectionMs: limits.idleConnectionMs,
  lingerMs: 1_000,
}

/** Empty buffers that are kept for the next answers. */
const MAX_POOLED_WRITERS = 16
/** Larger ones are not: one large answer would be paid for ever. */
const MAX_POOLED_BYTES = 65_536

export class CqlServer {
  readonly #options: CqlServerOptions
  readonly #limits: CqlServerLimits
  readonly #limitedLog: LimitedLog
  readonly #host: CqlConnectionHost
  readonly #connections = new Set<CqlConnection>()
  readonly #dirty: CqlConnection[] = []
  readonly #writers: CqlFrameWriter[] = []
  readonly #sweep: NodeJS.Timeout
  #look: SchemaLook
  #turnDepth = 0
  #isFlushScheduled = false
  #heldBytes = 0
  #nextConnectionId = 1
  #isDraining = false
  #onEmpty: (() => void) | null = null

  constructor(options: CqlServerOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#limitedLog = new LimitedLog(options.logger)
    this.#host = this.#makeHost()
    this.#look = lookOf(options.engine.schema())
    const shortestMs = Math.min(this.#limits.idleConnectionMs, this.#limits.frameTimeoutMs)
    this.#sweep = setInterval(
      () => this.closeIdle(),
      Math.min(30_000, Math.max(100, shortestMs / 10)),
    ).unref()
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Serves the socket from now on; never throws. The socket belongs to the server. */
  accept(socket: Socket): void {
    const isFull = this.#connections.size >= this.#limits.maxConnections
    if (this.#isDraining || isFull) {
      this.#options.events.onRefused(this.#isDraining ? 'draining' : 'connections')
      socket.on('error', () => undefined)
      socket.destroy()
      return
    }
    if (socket.destroyed) return
    this.#connections.add(new CqlConnection(this.#host, socket, this.#nextConnectionId++))
    this.#options.events.onConnection()
  }

  /** To be called when the thread has a new ClusterMap: tells clients what of the schema is another one. */
  schemaMayHaveChanged(): void {
    const look = lookOf(this.#options.engine.schema())
    const changes = changesBetween(this.#look, look)
    this.#look = look
    if (changes.length === 0) return
    this.#host.beginTurn()
    for (const connection of this.#connections) {
      if (!connection.events.has('SCHEMA_CHANGE')) continue
      for (const change of changes) connection.push((writer) => writeSchemaEvent(writer, change))
    }
    this.#host.endTurn()
  }

  /** Tells clients that a gateway beside this one went or came back. */
  peerHasChanged(status: NodeStatus): void {
    this.#host.beginTurn()
    for (const connection of this.#connections) {
      if (!connection.events.has('STATUS_CHANGE')) continue
      connection.push((writer) => writeStatusEvent(writer, status))
    }
    this.#host.endTurn()
  }

  /**
   * Takes no new connections and reads no further requests; resolves when every request that was read is answered and
   * every connection is closed, or cut at the deadline.
   */
  async drain(deadline: Deadline): Promise<void> {
    this.#isDraining = true
    clearInterval(this.#sweep)
    for (const connection of this.#connections) connection.finish()
    const leftMs = remainingMs(deadline, this.#options.clock.monotonicMs())
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
   * Closes connections that were silent for too long, or too slow with a request or handshake that they began; the
   * server's own timer calls it too.
   */
  closeIdle(): void {
    const nowMs = this.#options.clock.monotonicMs()
    const silentSince = nowMs - this.#limits.idleConnectionMs
    const begunBefore = nowMs - this.#limits.frameTimeoutMs
    for (const connection of this.#connections) {
      if (connection.isIdleSince(silentSince)) connection.destroy()
      else if (connection.isLateSince(begunBefore)) {
        this.#refuse(connection, 'slow-request', 'connection closed: a request did not arrive whole in time')
        // What was asked before is still answered.
        connection.finish()
      }
    }
  }

  #makeHost(): CqlConnectionHost {
    const { dispatcher, clock } = this.#options
    return {
      limits: this.#limits,
      monotonicMs: () => clock.monotonicMs(),
      run: (connection, request) => dispatcher.run(connection, request),
      takeWriter: () => this.#writers.pop() ?? new CqlFrameWriter(this.#limits.maxBodyBytes),
      giveWriter: (writer) => {
        const isKept = this.#writers.length < MAX_POOLED_WRITERS && writer.capacity <= MAX_POOLED_BYTES
        if (isKept) this.#writers.push(writer)
      },
      beginTurn: () => this.#turnDepth++,
      endTurn: () => {
        if (--this.#turnDepth === 0) this.#flush()
      },
      markDirty: (connection) => this.#markDirty(connection),
      adjustHeldBytes: (delta) => {
        this.#heldBytes += delta
        if (delta > 0) this.#shed()
      },
      onMalformed: (connection, reason, message) => this.#onMalformed(connection, reason, message),
      onFault: (connection, what, error) => {
        this.#options.events.onFault()
        const { name, logger } = this.#options
        logger.error({ listener: name, connection: connection.id, err: error }, `fault: ${what}`)
      },
      onClosed: (connection) => this.#onClosed(connection),
    }
  }

  #markDirty(connection: CqlConnection): void {
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

  /** The thread holds too much: whoever has caused it for longest goes, never whoever came last. */
  #shed(): void {
    while (this.#heldBytes > this.#limits.maxBufferedBytesPerThread) {
      const culprit = this.#findCulprit()
      if (culprit === null) return
      const why = 'connection cut: the thread holds too many bytes, and this one has for longest'
      this.#refuse(culprit, 'memory', why)
      culprit.destroy()
    }
  }

  /** Of the connections that hold more than half an equal share, the one whose peer has owed us something for longest. */
  #findCulprit(): CqlConnection | null {
    const large = this.#limits.maxBufferedBytesPerThread / this.#connections.size / 2
    let culprit: CqlConnection | null = null
    for (const connection of this.#connections) {
      if (connection.heldBytes <= large) continue
      if (culprit === null || connection.owesSinceMs < culprit.owesSinceMs) culprit = connection
    }
    return culprit
  }

  #refuse(connection: CqlConnection, reason: CqlRefusalReason, message: string): void {
    this.#options.events.onRefused(reason)
    const { id, remoteAddress, heldBytes } = connection
    this.#warn({ connection: id, remoteAddress, heldBytes }, message)
  }

  #onMalformed(connection: CqlConnection, reason: CqlMalformedReason, message: string): void {
    this.#options.events.onMalformed(reason)
    const { id, remoteAddress } = connection
    this.#warn({ connection: id, remoteAddress, reason }, `malformed bytes: ${message}`)
  }

  #onClosed(connection: CqlConnection): void {
    if (!this.#connections.delete(connection)) return
    this.#options.events.onDisconnect()
    if (this.#connections.size === 0) this.#onEmpty?.()
  }

  /** Hostile peers could fill the log otherwise. */
  #warn(fields: object, message: string): void {
    const { name, clock } = this.#options
    this.#limitedLog.warn(clock.monotonicMs(), { listener: name, ...fields }, message)
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
}
