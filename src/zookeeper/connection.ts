/**
 * One connection to one ZooKeeper server: the greeting that begins or takes up a session, requests answered in their order,
 * pings, and the end. It never comes back: the session makes another one.
 */
import { connect, type Socket } from 'node:net'
import type { StartTimer } from '../base/clock.js'
import { KVError, toKVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { JuteReader } from './jute.js'
import {
  type ConnectAnswer,
  NO_NODE,
  Request,
  type SessionIdentity,
  Xid,
  connectFrame,
  errorOf,
  readConnectAnswer,
  requestHead,
} from './protocol.js'

export interface Server {
  readonly host: string
  readonly port: number
}

export interface ConnectionEvents {
  /** The session is there, or is said to be no more by a time-out of 0. */
  onGreeting(answer: ConnectAnswer): void
  /** The data or children of a node that was asked for with a watch have changed. */
  onChanged(path: string): void
  /** Once, and the last thing that is heard. */
  onEnd(error: KVError): void
}

export interface ConnectionOptions {
  readonly server: Server
  readonly session: SessionIdentity
  /** The newest transaction that the session knows of: an older server is not for it. */
  readonly lastChange: bigint
  readonly timeoutMs: number
  /** Until the greeting: a server that is silent for so long is given up. */
  readonly greetingMs: number
  readonly startTimer: StartTimer
  readonly events: ConnectionEvents
}

interface Waiting {
  readonly xid: number
  readonly what: string
  /** Null: there is no such node. */
  readonly take: (input: JuteReader | null) => void
  readonly fail: (error: KVError) => void
}

const HEADER_BYTES = 4
/** Of the session's time-out: a ping after so long without a request, given up after so long without an answer. */
const PING_SHARE = 1 / 3
const SILENCE_SHARE = 2 / 3
const MAX_XID = 0x7fffffff

export class Connection {
  readonly #options: ConnectionOptions
  readonly #socket: Socket
  readonly #name: string
  readonly #waiting: Waiting[] = []
  #received: Buffer = Buffer.alloc(0)
  #timeoutMs: number
  #lastChange: bigint
  #isGreeted = false
  #hasEnded = false
  #xid = 0
  #stopPing: () => void = () => undefined
  #stopSilence: () => void = () => undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
    const { server, session, lastChange, timeoutMs } = options
    this.#name = `${server.host}:${server.port}`
    this.#timeoutMs = timeoutMs
    this.#lastChange = lastChange
    this.#socket = connect({ host: server.host, port: server.port, noDelay: true })
    this.#socket.on('connect', () => this.#socket.write(connectFrame(session, lastChange, timeoutMs)))
    this.#socket.on('data', (chunk) => this.#take(chunk))
    this.#socket.on('error', (error) => this.#end(`failed: ${error.message}`, error))
    this.#socket.on('close', () => this.#end('was closed'))
    this.#expectSomething()
  }

  get lastChange(): bigint {
    return this.#lastChange
  }

  /**
   * Sends one request; `write` adds what follows its head.
   * @returns what `read` makes of the answer; null: there is no such node
   * @throws {KVError} UNAVAILABLE when the connection ends first, or what the server refuses with
   */
  request<T>(
    type: number,
    what: string,
    write: (out: ReturnType<typeof requestHead>) => ReturnType<typeof requestHead>,
    read: (input: JuteReader) => T,
  ): Promise<T | null> {
    return new Promise((resolve, reject) => {
      if (this.#hasEnded || !this.#isGreeted) {
        reject(new KVError('UNAVAILABLE', `zookeeper at ${this.#name} is not connected`))
        return
      }
      this.#xid = this.#xid === MAX_XID ? 1 : this.#xid + 1
      const xid = this.#xid
      const take = (input: JuteReader | null) => {
        try {
          resolve(input === null ? null : read(input))
        } catch (error) {
          reject(toKVError(error, `reading zookeeper's answer to ${what}`))
        }
      }
      this.#waiting.push({ xid, what, take, fail: reject })
      this.#socket.write(write(requestHead(xid, type)).frame())
      this.#pingLater()
    })
  }

  /** Ends the session: what it made and owns goes at once. */
  closeSession(): void {
    if (this.#hasEnded || !this.#isGreeted) {
      this.destroy()
      return
    }
    this.#socket.end(requestHead(++this.#xid, Request.CLOSE).frame())
  }

  /** Cuts the connection; the session lives on until its time is over. */
  destroy(): void {
    this.#end('was closed by us')
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    this.#expectSomething()
    try {
      for (let frame = this.#nextFrame(); frame !== null; frame = this.#nextFrame()) this.#onFrame(frame)
    } catch (error) {
      this.#end(`sent what is no answer: ${toKVError(error, 'an answer').message}`, error)
    }
  }

  #nextFrame(): JuteReader | null {
    if (this.#hasEnded || this.#received.length < HEADER_BYTES) return null
    const size = this.#received.readInt32BE(0)
    if (size < 0 || size > limits.maxZooKeeperFrameBytes) {
      throw new KVError(
        'UNAVAILABLE',
        `a message of ${size} bytes, allowed: ${limits.maxZooKeeperFrameBytes}`,
      )
    }
    if (this.#received.length < HEADER_BYTES + size) return null
    const frame = this.#received.subarray(HEADER_BYTES, HEADER_BYTES + size)
    this.#received = this.#received.subarray(HEADER_BYTES + size)
    return new JuteReader(frame)
  }

  #onFrame(input: JuteReader): void {
    if (!this.#isGreeted) {
      const answer = readConnectAnswer(input)
      this.#isGreeted = true
      if (answer.timeoutMs > 0) this.#timeoutMs = answer.timeoutMs
      this.#expectSomething()
      this.#pingLater()
      this.#options.events.onGreeting(answer)
      return
    }
    const xid = input.int()
    const change = input.long()
    if (change > this.#lastChange) this.#lastChange = change
    const error = input.int()
    if (xid === Xid.PING) return
    if (xid === Xid.NOTIFICATION) {
      input.int()
      input.int()
      this.#options.events.onChanged(input.text())
      return
    }
    const waiting = this.#waiting[0]
    // It stays in the list, whose requests all fail.
    if (waiting?.xid !== xid) throw new KVError('UNAVAILABLE', `answer ${xid} to no request`)
    this.#waiting.shift()
    if (error === 0) waiting.take(input)
    else if (error === NO_NODE) waiting.take(null)
    else waiting.fail(errorOf(error, waiting.what))
  }

  #pingLater(): void {
    this.#stopPing()
    this.#stopPing = this.#options.startTimer(this.#timeoutMs * PING_SHARE, () => {
      this.#socket.write(requestHead(Xid.PING, Request.PING).frame())
      this.#pingLater()
    })
  }

  #expectSomething(): void {
    this.#stopSilence()
    if (this.#hasEnded) return
    const patienceMs = this.#isGreeted ? this.#timeoutMs * SILENCE_SHARE : this.#options.greetingMs
    this.#stopSilence = this.#options.startTimer(patienceMs, () => this.#end('does not answer'))
  }

  #end(why: string, cause?: unknown): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#stopPing()
    this.#stopSilence()
    this.#socket.destroy()
    const error = new KVError('UNAVAILABLE', `zookeeper at ${this.#name} ${why}`, { cause })
    for (const { fail } of this.#waiting.splice(0)) fail(error)
    this.#options.events.onEnd(error)
  }
}
