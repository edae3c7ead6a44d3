/**
 * One connection of a CQL client: bytes -> frames -> requests, and answers back in whatever order they come, told apart by
 * their streams. What is asked is the business of requests.ts.
 *
 * Guarantees: every request that was handed over is answered once, or the connection closes; what is wrong with a frame's
 * body is answered with an error of its stream and the connection goes on, as Cassandra's does; what is wrong with its
 * header is answered and ends the connection. Nothing that a peer sends or fails to read harms another connection. Reading
 * stops while too many requests wait for answers or too many answers wait for the peer.
 */
import type { Socket } from 'node:net'
import type { ServedConnection } from '../../src/base/served-connections.js'
import { AnswerWindow, type AnswerWindowLimits } from '../../src/thrift/answer-window.js'
import { CqlAnswers } from './answers.js'
import { CqlError } from './cql/errors.js'
import type { CqlSession } from './engine/contract.js'
import { protocolError } from './protocol/body-reader.js'
import type { CqlFrameWriter } from './protocol/body-writer.js'
import { COMPRESSIONS, isCompressionName } from './protocol/compression.js'
import { EVENT_STREAM, FRAME_FLAGS, MAX_VERSION, MIN_VERSION, OPCODES } from './protocol/constants.js'
import { CqlFrameReader } from './protocol/frame-reader.js'
import type { EventType } from './protocol/requests.js'
import { writeError } from './protocol/results.js'

export interface CqlServerLimits extends AnswerWindowLimits {
  readonly maxBodyBytes: number
  readonly maxBufferedBytesPerThread: number
  readonly maxConnections: number
  /** From the first byte of a frame to its last, and from a connection's beginning to its STARTUP. */
  readonly frameTimeoutMs: number
  readonly idleConnectionMs: number
  /** How long a peer may take to close after our FIN. */
  readonly lingerMs: number
}

/** Why bytes of a connection could not be followed. */
export type CqlMalformedReason = 'bad-message' | 'frame-too-large' | 'truncated'

/** A frame on its way to its answer. */
export interface CqlRequest {
  readonly opcode: number
  readonly stream: number
  readonly version: number
  /** Bits of the frame's flags. */
  readonly flags: number
  /** What it keeps in memory until it is answered: more than came, where it was packed. */
  frameBytes: number
  /** Its body, unpacked: `buffer` from `start` to `end`. */
  buffer: Buffer
  start: number
  end: number
  isAnswered: boolean
}

/** What a connection needs of its server. */
export interface CqlConnectionHost {
  readonly limits: CqlServerLimits
  monotonicMs(): number
  /** Answers by `reply` or `refuse` of the connection, at once or later. @throws {CqlError} instead of `refuse` */
  run(connection: CqlConnection, request: CqlRequest): void
  takeWriter(): CqlFrameWriter
  giveWriter(writer: CqlFrameWriter): void
  /** Flushes are held back until the turn ends. */
  beginTurn(): void
  endTurn(): void
  markDirty(connection: CqlConnection): void
  /** May destroy connections, this one included, when the thread holds too much. */
  adjustHeldBytes(delta: number): void
  onMalformed(connection: CqlConnection, reason: CqlMalformedReason, message: string): void
  onFault(connection: CqlConnection, what: string, error: unknown): void
  onClosed(connection: CqlConnection): void
}

/** Where a connection is in its handshake. */
export type CqlPhase = 'starting' | 'authenticating' | 'checking' | 'ready'

const NO_EVENTS: ReadonlySet<EventType> = new Set()

export class CqlConnection implements ServedConnection {
  readonly id: number
  readonly remoteAddress: string
  phase: CqlPhase = 'starting'
  session: CqlSession
  /** Passwords that were not right. */
  wrongLogins = 0
  /** What the client wants to hear of. */
  events: ReadonlySet<EventType> = NO_EVENTS
  isDirty = false
  readonly #host: CqlConnectionHost
  readonly #socket: Socket
  readonly #window: AnswerWindow
  readonly #reader: CqlFrameReader
  readonly #answers: CqlAnswers
  /** Of its first frame; 0: there was none. */
  #version = 0
  #inFlight = 0
  /** Requests that are with the engine; they may keep the memory they came in. */
  #requestBytes = 0
  #heldBytes = 0
  /** What the kernel had taken when that was last looked at. */
  #takenBytes = 0
  /** Since when the peer has taken nothing of what waits for it. */
  #unsentSinceMs = Number.POSITIVE_INFINITY
  /** When the frame began that the peer still owes the rest of. */
  #frameBegunAtMs = Number.POSITIVE_INFINITY
  #lastRequestAtMs: number
  readonly #openedAtMs: number
  #isPaused = false
  #hasPeerEnded = false
  /** No further request is read; the connection ends when the last answer is out. */
  #isFinishing = false
  #hasEnded = false
  #isClosed = false
  #linger: NodeJS.Timeout | null = null

  constructor(host: CqlConnectionHost, socket: Socket, id: number) {
    this.id = id
    this.remoteAddress = socket.remoteAddress ?? ''
    this.session = { keyspace: null, user: null, caller: null, address: this.remoteAddress }
    this.#host = host
    this.#socket = socket
    // Below the high-water mark the socket tells nobody that it has drained; reading goes on at half the limit.
    const leastBytes = 2 * socket.writableHighWaterMark
    const maxUnsentBytesPerConnection = Math.max(host.limits.maxUnsentBytesPerConnection, leastBytes)
    this.#window = new AnswerWindow({ ...host.limits, maxUnsentBytesPerConnection })
    this.#reader = new CqlFrameReader(host.limits.maxBodyBytes)
    this.#answers = new CqlAnswers({
      socket,
      takeWriter: () => host.takeWriter(),
      giveWriter: (writer) => host.giveWriter(writer),
      onFault: (error) => host.onFault(this, 'an answer could not be written', error),
    })
    this.#openedAtMs = host.monotonicMs()
    this.#lastRequestAtMs = this.#openedAtMs
    socket.setNoDelay(true)
    // A peer that has sent its last request still waits for the answers.
    socket.allowHalfOpen = true
    socket.on('data', (chunk: Buffer) => this.#guard(() => this.#onData(chunk)))
    socket.on('end', () => this.#guard(() => this.#onEnd()))
    socket.on('drain', () => this.#guard(() => this.#onDrain()))
    // Resets and the like; 'close' follows and does the work.
    socket.on('error', () => undefined)
    socket.on('close', () => this.#onClose())
  }

  /** Bytes of memory held for incomplete requests and unread answers. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Since when the peer has owed us the rest of a request or the reading of answers; infinite when it owes nothing. */
  get owesSinceMs(): number {
    return Math.min(this.#frameBegunAtMs, this.#unsentSinceMs)
  }

  /** A frame, or the handshake, began before that and has not ended. */
  isLateSince(instantMs: number): boolean {
    return this.#frameBegunAtMs < instantMs || (this.phase !== 'ready' && this.#openedAtMs < instantMs)
  }

  /** Nothing in flight and no whole request for so long: a silent peer, a trickling one, or one that reads nothing. */
  isIdleSince(instantMs: number): boolean {
    return this.#inFlight === 0 && this.#lastRequestAtMs < instantMs
  }

  /** From now on bodies may be packed. @throws {CqlError} PROTOCOL_ERROR for a name that is not offered */
  useCompression(name: string): void {
    if (!isCompressionName(name)) throw protocolError(`Unknown compression algorithm: ${name.slice(0, 64)}`)
    this.#answers.compression = COMPRESSIONS[name]
  }

  /** Answers a request. `fill` writes the body, which begins with what `flags` announce. */
  reply(request: CqlRequest, opcode: number, fill: (writer: CqlFrameWriter) => void, flags = 0): void {
    if (!this.#settle(request)) return
    const { version, stream } = request
    this.#note(this.#answers.write({ version, stream, opcode, flags }, fill))
  }

  refuse(request: CqlRequest, error: CqlError): void {
    if (this.#settle(request)) this.#writeError(request, error)
  }

  /** What nobody asked for: an event. */
  push(fill: (writer: CqlFrameWriter) => void): void {
    if (this.#isClosed || this.#isFinishing) return
    const head = { version: this.#version, stream: EVENT_STREAM, opcode: OPCODES.EVENT, flags: 0 }
    this.#note(this.#answers.write(head, fill))
  }

  /** Reads no further request; answers what is in flight, then ends. */
  finish(): void {
    if (this.#isClosed) return
    this.#stopReading()
    this.#endWhenDone()
  }

  /** What it holds counts no longer, although the socket takes a moment to close. */
  destroy(): void {
    this.#reader.clear()
    this.#hold(0)
    this.#socket.destroy()
  }

  /** Hands what was encoded to the socket, then goes on with whatever had to wait for that. */
  flush(): void {
    this.#guard(() => {
      this.#answers.send()
      this.#account()
      this.#pauseIfNeeded()
      this.#resumeIfPossible()
      this.#endWhenDone()
    })
  }

  /** Our own faults end this connection and nothing else. */
  #guard(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.#host.onFault(this, 'a connection failed', error)
      this.#socket.destroy()
    }
  }

  #onData(chunk: Buffer): void {
    if (this.#isFinishing || this.#isClosed) return
    this.#reader.append(chunk)
    this.#readFrames()
  }

  #readFrames(): void {
    this.#host.beginTurn()
    try {
      let hasEndedFrame = false
      while (!this.#isFinishing && !this.#isPaused && this.#readFrame()) {
        hasEndedFrame = true
        this.#pauseIfNeeded()
      }
      // While we do not read, the peer cannot go on.
      this.#noteOpenFrame(this.#reader.isInsideFrame && !this.#isPaused, hasEndedFrame)
      this.#account()
    } finally {
      this.#host.endTurn()
    }
    if (this.#hasPeerEnded && !this.#isPaused) this.#onInputEnd()
  }

  #readFrame(): boolean {
    const found = this.#reader.next()
    switch (found) {
      case 'none':
        return false
      case 'frame':
        this.#onFrame()
        break
      case 'too-large':
        this.#onTooLarge()
        break
      case 'broken':
        this.#onBroken()
    }
    this.#lastRequestAtMs = this.#host.monotonicMs()
    return true
  }

  #onFrame(): void {
    const { version, flags, stream, opcode, bodyBytes, buffer, start, end } = this.#reader
    const request: CqlRequest = {
      opcode,
      stream,
      version,
      flags,
      frameBytes: bodyBytes,
      buffer,
      start,
      end,
      isAnswered: false,
    }
    this.#inFlight++
    this.#requestBytes += bodyBytes
    try {
      this.#checkVersion(version)
      if ((flags & FRAME_FLAGS.COMPRESSED) !== 0) this.#unpack(request)
      this.#host.run(this, request)
    } catch (error) {
      if (!(error instanceof CqlError)) this.#host.onFault(this, 'a request failed', error)
      const known = error instanceof CqlError ? error : internalError()
      this.refuse(request, known)
    }
  }

  #checkVersion(version: number): void {
    if (this.#version === 0) this.#version = version
    if (this.#version === version) return
    throw protocolError(
      `Invalid message version. Got ${version} but previous messages on this connection had version ${this.#version}`,
    )
  }

  #unpack(request: CqlRequest): void {
    const { compression } = this.#answers
    if (compression === null) {
      throw protocolError('The frame is compressed, but STARTUP has not asked for compression')
    }
    const packed = request.buffer.subarray(request.start, request.end)
    request.buffer = compression.decompress(packed, this.#host.limits.maxBodyBytes)
    request.start = 0
    request.end = request.buffer.length
    this.#requestBytes += request.end - request.frameBytes
    request.frameBytes = request.end
  }

  #onTooLarge(): void {
    const { bodyBytes } = this.#reader
    this.#host.onMalformed(this, 'frame-too-large', `a frame of ${bodyBytes} bytes was passed over`)
    const { maxBodyBytes } = this.#host.limits
    const text = `Request is too big: length ${bodyBytes} exceeds maximum allowed length ${maxBodyBytes}.`
    this.#writeError(this.#reader, new CqlError('INVALID', text))
  }

  #onBroken(): void {
    const { stream, version, fault } = this.#reader
    this.#host.onMalformed(this, 'bad-message', fault)
    const error = protocolError(fault)
    if (version < MIN_VERSION) {
      this.#answers.writeOldError(version, stream, error)
      this.#host.markDirty(this)
    } else this.#writeError({ stream, version: Math.min(version, MAX_VERSION) }, error)
    this.#stopReading()
  }

  /** False when nobody waits for the answer. */
  #settle(request: CqlRequest): boolean {
    if (request.isAnswered) {
      this.#host.onFault(this, 'a request was answered twice', null)
      return false
    }
    request.isAnswered = true
    this.#inFlight--
    this.#requestBytes -= request.frameBytes
    return !this.#isClosed
  }

  /** In the connection's version, where a frame had another one. */
  #writeError({ stream, version }: Pick<CqlRequest, 'stream' | 'version'>, error: CqlError): void {
    const known = this.#version === 0 ? version : this.#version
    const head = { version: known, stream, opcode: OPCODES.ERROR, flags: 0 }
    this.#note(this.#answers.write(head, (writer) => writeError(writer, error, known)))
  }

  #note(answerBytes: number): void {
    this.#window.note(answerBytes)
    this.#host.markDirty(this)
  }

  #noteOpenFrame(isOpen: boolean, isAnother: boolean): void {
    if (!isOpen) this.#frameBegunAtMs = Number.POSITIVE_INFINITY
    else if (isAnother || this.#frameBegunAtMs === Number.POSITIVE_INFINITY)
      this.#frameBegunAtMs = this.#host.monotonicMs()
  }

  #pauseIfNeeded(): void {
    if (this.#isPaused || this.#isFinishing) return
    if (!this.#window.isFull(this.#inFlight, this.#answers.unsentBytes, this.#requestBytes)) return
    this.#isPaused = true
    this.#socket.pause()
  }

  #resumeIfPossible(): void {
    if (!this.#isPaused || this.#isFinishing || this.#isClosed) return
    if (!this.#window.hasRoomAgain(this.#inFlight, this.#answers.unsentBytes, this.#requestBytes)) return
    this.#isPaused = false
    this.#readFrames()
    if (!this.#isStillPaused()) this.#socket.resume()
  }

  /** Reading frames may have paused again, which the compiler cannot see. */
  #isStillPaused(): boolean {
    return this.#isPaused
  }

  #onDrain(): void {
    this.#account()
    this.#lastRequestAtMs = this.#host.monotonicMs()
    this.#resumeIfPossible()
  }

  #onEnd(): void {
    this.#hasPeerEnded = true
    if (!this.#isPaused) this.#onInputEnd()
  }

  #onInputEnd(): void {
    if (this.#isFinishing) return
    if (this.#reader.isInsideFrame) {
      this.#host.onMalformed(this, 'truncated', 'the connection ended inside a frame')
    }
    this.finish()
  }

  #stopReading(): void {
    if (this.#isFinishing) return
    this.#isFinishing = true
    this.#reader.clear()
    this.#noteOpenFrame(false, false)
    this.#account()
    this.#socket.pause()
  }

  #endWhenDone(): void {
    if (!this.#isFinishing || this.#hasEnded || this.#isClosed || this.#inFlight > 0) return
    this.#answers.send()
    this.#hasEnded = true
    // A peer that does not read keeps its answers until the idle limit; one that has read them gets `lingerMs` to close.
    this.#socket.end(() => {
      if (this.#isClosed) return
      this.#linger = setTimeout(() => this.#socket.destroy(), this.#host.limits.lingerMs)
    })
    this.#socket.resume()
  }

  /** Brings the thread's sum of held bytes up to date. */
  #account(): void {
    if (this.#isClosed || this.#socket.destroyed) return
    const { unsentBytes, takenBytes } = this.#answers
    if (unsentBytes === 0) this.#unsentSinceMs = Number.POSITIVE_INFINITY
    else if (takenBytes > this.#takenBytes || this.#unsentSinceMs === Number.POSITIVE_INFINITY)
      this.#unsentSinceMs = this.#host.monotonicMs()
    this.#takenBytes = takenBytes
    this.#hold(unsentBytes + this.#reader.heldBytes)
  }

  #hold(bytes: number): void {
    const delta = bytes - this.#heldBytes
    if (delta === 0) return
    this.#heldBytes = bytes
    this.#host.adjustHeldBytes(delta)
  }

  #onClose(): void {
    this.#isClosed = true
    if (this.#linger !== null) clearTimeout(this.#linger)
    this.#reader.clear()
    this.#hold(0)
    this.#answers.discard()
    this.#host.onClosed(this)
  }
}

function internalError(): CqlError {
  return new CqlError('SERVER_ERROR', 'internal error, see the server log')
}
