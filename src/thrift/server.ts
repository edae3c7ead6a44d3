/**
 * Serves one Thrift service on sockets that someone else accepts: hop 1 of every request on a data thread.
 *
 * What is shared by all connections of a thread is here: the codecs with their output buffers, and what
 * base/served-connections.ts has for all such servers. server-connection.ts has the rest.
 */
import type { Socket } from 'node:net'
import { systemClock, type Clock } from '../base/clock.js'
import type { Deadline } from '../base/deadline.js'
import { limits } from '../base/limits.js'
import { LimitedLog, type Logger } from '../base/logger.js'
import { FlushTurns, type RefusalReason, ServedConnections } from '../base/served-connections.js'
import { Codec } from './codec.js'
import { FINAGLE_UPGRADE } from './finagle.js'
import type { BoundMethod, MalformedReason, ThriftService } from './protocol.js'
import { ServerConnection, type ConnectionHost, type ThriftServerLimits } from './server-connection.js'

export type { ThriftServerLimits } from './server-connection.js'

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

export class ThriftServer {
  readonly #options: ThriftServerOptions
  readonly #limits: ThriftServerLimits
  readonly #events: ThriftServerEvents
  readonly #clock: Clock
  readonly #host: ConnectionHost
  readonly #limitedLog: LimitedLog
  readonly #turns = new FlushTurns()
  readonly #connections: ServedConnections<ServerConnection>
  #nextConnectionId = 1

  constructor(options: ThriftServerOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#events = { ...NO_EVENTS, ...options.events }
    this.#clock = options.clock ?? systemClock
    this.#limitedLog = new LimitedLog(options.logger)
    this.#host = this.#makeHost()
    this.#connections = new ServedConnections({
      limits: this.#limits,
      clock: this.#clock,
      onRefused: (connection, reason, message) => this.#onRefused(connection, reason, message),
    })
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Memory held for incomplete requests and unread answers. */
  get heldBytes(): number {
    return this.#connections.heldBytes
  }

  /** Serves the socket from now on; never throws. The socket belongs to the server. */
  accept(socket: Socket): void {
    const reason = this.#connections.refusal()
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

  /** As ServedConnections has it. */
  drain(deadline: Deadline): Promise<void> {
    return this.#connections.drain(deadline)
  }

  /** Cuts every connection. */
  close(): Promise<void> {
    return this.#connections.close()
  }

  /** As ServedConnections has it; its own timer calls it, too. */
  closeIdle(): void {
    this.#connections.closeIdle()
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
      beginTurn: () => this.#turns.begin(),
      endTurn: () => this.#turns.end(),
      markDirty: (connection) => this.#turns.mark(connection),
      adjustHeldBytes: (delta) => this.#connections.adjustHeldBytes(delta),
      onMalformed: (connection, reason, message) => this.#onMalformed(connection, reason, message),
      onFault: (connection, what, error) => this.#onFault(connection, what, error),
      onClosed: (connection) => this.#onClosed(connection),
    }
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

  #onRefused(connection: ServerConnection, reason: RefusalReason, message: string): void {
    this.#events.onRefused(reason)
    const { id, remoteAddress, heldBytes } = connection
    this.#warn({ connection: id, remoteAddress, heldBytes }, message)
  }

  #onClosed(connection: ServerConnection): void {
    if (this.#connections.remove(connection)) this.#events.onDisconnect()
  }

  /** Hostile peers could fill the log otherwise. */
  #warn(fields: object, message: string): void {
    this.#limitedLog.warn(this.#clock.monotonicMs(), { listener: this.#options.name, ...fields }, message)
  }
}
