/**
 * Serves CQL's native protocol, versions 3 and 4, on sockets that someone else accepts: hop 1 of a CQL client's requests on
 * a data thread.
 *
 * What all connections of a thread share is here: output buffers, events, and what base/served-connections.ts has for all
 * such servers.
 */
import type { Socket } from 'node:net'
import type { Clock } from '../../src/base/clock.js'
import type { Deadline } from '../../src/base/deadline.js'
import { limits } from '../../src/base/limits.js'
import { LimitedLog, type Logger } from '../../src/base/logger.js'
import { FlushTurns, type RefusalReason, ServedConnections } from '../../src/base/served-connections.js'
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

/** Counting is somebody else's; these run on the request path and must be cheap. */
export interface CqlServerEvents {
  onConnection(): void
  onDisconnect(): void
  /** A connection closed at once or cut off, by a limit. */
  onRefused(reason: RefusalReason): void
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
  readonly #turns = new FlushTurns()
  readonly #connections: ServedConnections<CqlConnection>
  readonly #writers: CqlFrameWriter[] = []
  #look: SchemaLook
  #nextConnectionId = 1

  constructor(options: CqlServerOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#limitedLog = new LimitedLog(options.logger)
    this.#host = this.#makeHost()
    this.#look = lookOf(options.engine.schema())
    this.#connections = new ServedConnections({
      limits: this.#limits,
      clock: options.clock,
      onRefused: (connection, reason, message) => this.#onRefused(connection, reason, message),
    })
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Serves the socket from now on; never throws. The socket belongs to the server. */
  accept(socket: Socket): void {
    const reason = this.#connections.refusal()
    if (reason !== null) {
      this.#options.events.onRefused(reason)
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
    this.#turns.begin()
    for (const connection of this.#connections.all()) {
      if (!connection.events.has('SCHEMA_CHANGE')) continue
      for (const change of changes) connection.push((writer) => writeSchemaEvent(writer, change))
    }
    this.#turns.end()
  }

  /** Tells clients that a gateway beside this one went or came back. */
  peerHasChanged(status: NodeStatus): void {
    this.#turns.begin()
    for (const connection of this.#connections.all()) {
      if (!connection.events.has('STATUS_CHANGE')) continue
      connection.push((writer) => writeStatusEvent(writer, status))
    }
    this.#turns.end()
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
      beginTurn: () => this.#turns.begin(),
      endTurn: () => this.#turns.end(),
      markDirty: (connection) => this.#turns.mark(connection),
      adjustHeldBytes: (delta) => this.#connections.adjustHeldBytes(delta),
      onMalformed: (connection, reason, message) => this.#onMalformed(connection, reason, message),
      onFault: (connection, what, error) => {
        this.#options.events.onFault()
        const { name, logger } = this.#options
        logger.error({ listener: name, connection: connection.id, err: error }, `fault: ${what}`)
      },
      onClosed: (connection) => this.#onClosed(connection),
    }
  }

  #onRefused(connection: CqlConnection, reason: RefusalReason, message: string): void {
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
    if (this.#connections.remove(connection)) this.#options.events.onDisconnect()
  }

  /** Hostile peers could fill the log otherwise. */
  #warn(fields: object, message: string): void {
    const { name, clock } = this.#options
    this.#limitedLog.warn(clock.monotonicMs(), { listener: name, ...fields }, message)
  }
}
