/**
 * A session with a quorum of ZooKeeper servers, for as long as it is wanted: connects to one after the other, takes the
 * session up again where a connection is lost, and begins another one where the servers have given it up.
 *
 * Requests are never repeated: one whose connection is lost fails, and whoever asked looks again when there is a session.
 */
import type { StartTimer } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import { Connection, type Server } from './connection.js'
import {
  type ConnectAnswer,
  NO_SESSION,
  type Operation,
  Request,
  type SessionIdentity,
  type ZooKeeperNode,
  readStat,
  readTransaction,
  writeOperations,
} from './protocol.js'

export interface SessionEvents {
  /** Requests may be sent; watches set before are gone. `isNew`: what earlier sessions owned is or will be gone. */
  onUp(isNew: boolean): void
  onDown(): void
  /** The data or children of a watched node have changed; the watch is used up. */
  onChanged(path: string): void
}

export interface SessionOptions {
  /** One or more. */
  readonly servers: readonly Server[]
  /** Asked for; the servers may grant another one. */
  readonly timeoutMs: number
  readonly startTimer: StartTimer
  readonly logger: Logger
  readonly events: SessionEvents
}

export class ZooKeeperSession {
  readonly #options: SessionOptions
  #identity: SessionIdentity = NO_SESSION
  #lastChange = 0n
  #connection: Connection | null = null
  #isUp = false
  #isClosed = false
  #next = 0
  #failures = 0
  /** Granted by the servers, once they did. */
  #timeoutMs: number
  #stopRetry: () => void = () => undefined
  #onClosed: (() => void) | null = null

  constructor(options: SessionOptions) {
    this.#options = options
    this.#timeoutMs = options.timeoutMs
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** 0: there is none. */
  get id(): bigint {
    return this.#identity.id
  }

  start(): void {
    if (!this.#isClosed) this.#connect()
  }

  /** Null: no such node. `watch`: onChanged is called once when its children change. */
  async children(path: string, watch = false): Promise<readonly string[] | null> {
    return await this.#connected().request(
      Request.GET_CHILDREN,
      `the children of ${path}`,
      (out) => out.text(path).flag(watch),
      (input) => input.texts(),
    )
  }

  /** Null: no such node. `watch`: onChanged is called once when it changes or goes, if there is one. */
  async get(path: string, watch = false): Promise<ZooKeeperNode | null> {
    return await this.#connected().request(
      Request.GET_DATA,
      path,
      (out) => out.text(path).flag(watch),
      (input) => ({ data: Buffer.from(input.bytes()), stat: readStat(input) }),
    )
  }

  /**
   * All of it or nothing.
   * @throws {KVError} ALREADY_EXISTS, CONFLICT, FAILED_PRECONDITION, PERMISSION_DENIED, UNAVAILABLE
   */
  async transact(operations: readonly Operation[]): Promise<void> {
    const what = operations.map(({ kind, path }) => `${kind} ${path}`).join(', ')
    const isThere = await this.#connected().request(
      Request.MULTI,
      what,
      (out) => writeOperations(out, operations),
      (input) => {
        readTransaction(input, operations)
        return true
      },
    )
    if (isThere === null) throw new KVError('FAILED_PRECONDITION', `zookeeper refused ${what}: no such node`)
  }

  /** Ends the session, so that what it owns goes at once; waits a moment for the servers. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopRetry()
    const connection = this.#connection
    if (connection === null) return
    await new Promise<void>((resolve) => {
      this.#onClosed = resolve
      this.#options.startTimer(limits.zooKeeperCloseMs, () => connection.destroy())
      connection.closeSession()
    })
  }

  #connected(): Connection {
    if (this.#connection === null || !this.#isUp)
      throw new KVError('UNAVAILABLE', 'zookeeper is not connected')
    return this.#connection
  }

  #connect(): void {
    const { servers, timeoutMs, startTimer } = this.#options
    const server = servers[this.#next++ % servers.length]
    if (server === undefined) throw new TypeError('a session needs a server')
    const connection: Connection = new Connection({
      server,
      session: this.#identity,
      lastChange: this.#lastChange,
      timeoutMs,
      // Of the session's time two thirds are gone when a silent server is given up: the rest is for all of the others.
      greetingMs: this.#timeoutMs / (3 * (servers.length + 1)),
      startTimer,
      events: {
        onGreeting: (answer) => this.#onGreeting(connection, answer),
        onChanged: (path) => this.#options.events.onChanged(path),
        onEnd: (error) => this.#onEnd(connection, error),
      },
    })
    this.#connection = connection
  }

  #onGreeting(connection: Connection, { timeoutMs, id, password }: ConnectAnswer): void {
    const { logger, events } = this.#options
    if (timeoutMs <= 0) {
      logger.warn({}, 'zookeeper has given our session up: another one is begun')
      this.#identity = NO_SESSION
      this.#lastChange = 0n
      connection.destroy()
      return
    }
    const isNew = id !== this.#identity.id
    this.#identity = { id, password }
    this.#failures = 0
    this.#timeoutMs = timeoutMs
    this.#isUp = true
    logger.info({ session: id.toString(16), timeoutMs }, 'connected to zookeeper')
    events.onUp(isNew)
  }

  #onEnd(connection: Connection, error: KVError): void {
    if (connection.lastChange > this.#lastChange && this.#identity.id !== 0n)
      this.#lastChange = connection.lastChange
    this.#connection = null
    const wasUp = this.#isUp
    this.#isUp = false
    if (wasUp) this.#options.events.onDown()
    if (this.#isClosed) {
      this.#onClosed?.()
      return
    }
    const { logger, startTimer, servers } = this.#options
    // Longer only when all servers were tried: the next one may take the session up before it is over.
    const rounds = Math.min(MAX_COUNTED_ROUNDS, Math.floor(this.#failures / servers.length))
    const delayMs = Math.min(limits.maxZooKeeperRetryMs, FIRST_RETRY_MS * 2 ** rounds)
    this.#failures += 1
    logger.warn({ err: error, retryInMs: delayMs }, 'zookeeper is not connected; serving goes on without it')
    this.#stopRetry = startTimer(delayMs, () => this.#connect())
  }
}

/** Also what a server costs at most that greets and then closes. */
const FIRST_RETRY_MS = 50
/** Beyond, the delay is the greatest anyway. */
const MAX_COUNTED_ROUNDS = 16
