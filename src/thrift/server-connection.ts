/**
 * One accepted connection: bytes -> frames -> calls, and answers back in request order.
 *
 * Guarantees: every request that was handed to a handler is answered in the order of arrival, or the connection closes;
 * a request that breaks the protocol gets PROTOCOL_ERROR where its seqid is known, after the answers before it, and
 * then the connection closes; nothing that a peer sends or fails to read harms another connection. Reading stops while
 * too many requests wait for answers or too many answers wait for the peer (answer-window.ts), and goes on after.
 *
 * Ending: FIN first, then what still arrives is discarded for a moment before the socket is destroyed, because a close
 * with unread bytes makes the kernel send RST, which may overtake the last answers.
 */
import type { Socket } from 'node:net'
import { traceHop } from '../base/trace.js'
import { AnswerWindow, type AnswerWindowLimits } from './answer-window.js'
import { ApplicationExceptionType } from './application-exception.js'
import type { BinaryReader } from './binary-reader.js'
import type { BinaryWriter } from './binary-writer.js'
import { FrameReader } from './frames.js'
import { MessageType, ThriftProtocolError, type BoundMethod, type MalformedReason } from './protocol.js'
import { ServerCall, type CallOwner } from './server-call.js'
import { detectTransport } from './transport.js'

/** Answers of one turn leave in pieces of about this size, so that a burst does not need one huge buffer. */
const WRITE_SIZE = 262_144

export interface ThriftServerLimits extends AnswerWindowLimits {
  readonly maxFrameBytes: number
  readonly maxBufferedBytesPerThread: number
  readonly maxConnections: number
  /** From the first byte of a request to its last. */
  readonly frameTimeoutMs: number
  readonly idleConnectionMs: number
  /** How long a peer may take to close after our FIN. */
  readonly lingerMs: number
}

/** What a connection needs of its server; the server's shared parts. */
export interface ConnectionHost {
  readonly limits: ThriftServerLimits
  readonly reader: BinaryReader
  monotonicMs(): number
  findMethod(name: string): BoundMethod | null
  /** The declared exception for an answer that is too large, or null. */
  tooLarge(method: string): unknown
  takeWriter(): BinaryWriter
  giveWriter(writer: BinaryWriter): void
  /** Flushes are held back until the turn ends. */
  beginTurn(): void
  endTurn(): void
  markDirty(connection: ServerConnection): void
  /** May destroy connections, this one included, when the thread holds too much. */
  adjustHeldBytes(delta: number): void
  onMalformed(connection: ServerConnection, reason: MalformedReason, message: string): void
  onFault(connection: ServerConnection, what: string, error: unknown): void
  onClosed(connection: ServerConnection): void
}

export class ServerConnection implements CallOwner {
  readonly id: number
  readonly remoteAddress: string
  readonly #host: ConnectionHost
  readonly #socket: Socket
  readonly #frames: FrameReader
  readonly #window: AnswerWindow
  /** First bytes, until the transport is known; null afterwards. */
  #firstBytes: Buffer | null = Buffer.alloc(0)
  #head: ServerCall | null = null
  #tail: ServerCall | null = null
  #inFlight = 0
  #writer: BinaryWriter | null = null
  /** Answers that wait for an earlier one, unencoded. */
  #waitingBytes = 0
  /** What the socket was given, and what the kernel had taken of it when that was last looked at. */
  #writtenBytes = 0
  #takenBytes = 0
  /** Since when the peer has taken nothing of what waits for it. */
  #unsentSinceMs = Number.POSITIVE_INFINITY
  #heldBytes = 0
  /** When the frame began that the peer still owes the rest of. */
  #frameBegunAtMs = Number.POSITIVE_INFINITY
  #isPaused = false
  #hasPeerEnded = false
  /** No further request is read; the connection ends when the last answer is out. */
  #isFinishing = false
  #hasEnded = false
  #isClosed = false
  #linger: NodeJS.Timeout | null = null
  /** When the newest bytes came; requests that had to wait for their turn keep it. */
  #arrivedAtMs: number
  #lastRequestAtMs: number
  /** Owned by the host's flush list. */
  isDirty = false

  constructor(host: ConnectionHost, socket: Socket, id: number) {
    this.id = id
    this.remoteAddress = socket.remoteAddress ?? ''
    this.#host = host
    this.#socket = socket
    this.#frames = new FrameReader(host.limits.maxFrameBytes)
    // Below the high-water mark the socket tells nobody that it has drained; reading goes on at half the limit.
    const leastBytes = 2 * socket.writableHighWaterMark
    const maxUnsentBytesPerConnection = Math.max(host.limits.maxUnsentBytesPerConnection, leastBytes)
    this.#window = new AnswerWindow({ ...host.limits, maxUnsentBytesPerConnection })
    this.#arrivedAtMs = host.monotonicMs()
    this.#lastRequestAtMs = this.#arrivedAtMs
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

  get inFlight(): number {
    return this.#inFlight
  }

  /** Reads no further request; answers what is in flight, then ends. */
  finish(): void {
    if (this.#isClosed) return
    this.#stopReading()
    this.#endWhenDone()
  }

  /** What it holds counts no longer, although the socket takes a moment to close. */
  destroy(): void {
    this.#release()
    this.#socket.destroy()
  }

  /** Bytes of memory held for incomplete requests and unread answers. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Since when the peer has owed us the rest of a request or the reading of answers; infinite when it owes nothing. */
  get owesSinceMs(): number {
    return Math.min(this.#frameBegunAtMs, this.#unsentSinceMs)
  }

  /** A request began to arrive before that and has not ended. */
  hasFrameOpenSince(instantMs: number): boolean {
    return this.#frameBegunAtMs < instantMs
  }

  /** Nothing in flight and no whole request for so long: a silent peer, a trickling one, or one that reads nothing. */
  isIdleSince(instantMs: number): boolean {
    return this.#inFlight === 0 && this.#lastRequestAtMs < instantMs
  }

  /** Hands what was encoded to the socket, then goes on with whatever had to wait for that. */
  flush(): void {
    this.#guard(() => {
      this.#write()
      this.#resumeIfPossible()
      this.#endWhenDone()
    })
  }

  onAnswered(call: ServerCall): void {
    if (this.#isClosed) return
    if (call !== this.#head) {
      this.#holdBack(call)
      return
    }
    let head: ServerCall | null = call
    while (head?.isAnswered === true) {
      this.#inFlight--
      this.#waitingBytes -= head.heldBytes
      if (head.header.expectsAnswer) this.#encode(head)
      else this.#window.note(0)
      head = head.next
    }
    this.#head = head
    if (head === null) this.#tail = null
    this.#host.markDirty(this)
  }

  onAnsweredTwice(call: ServerCall): void {
    if (this.#isClosed) return
    this.#fault(`${call.header.name} was answered twice`, null)
  }

  #holdBack(call: ServerCall): void {
    call.heldBytes = call.answerBytes
    this.#waitingBytes += call.heldBytes
    this.#window.note(call.heldBytes)
    this.#account()
    this.#pauseIfNeeded()
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
    this.#arrivedAtMs = this.#host.monotonicMs()
    this.#host.beginTurn()
    try {
      const bytes = this.#firstBytes === null ? chunk : this.#detect(chunk)
      if (bytes !== null) {
        this.#frames.append(bytes)
        this.#readFrames()
      }
    } finally {
      this.#host.endTurn()
    }
  }

  /** The bytes to go on with, or null when the transport is not known yet or is refused. */
  #detect(chunk: Buffer): Buffer | null {
    const bytes = Buffer.concat([this.#firstBytes ?? chunk.subarray(0, 0), chunk])
    const transport = detectTransport(bytes)
    this.#firstBytes = transport === null ? bytes : null
    if (transport === null) {
      this.#noteOpenFrame(true, false)
      return null
    }
    if (transport === 'framed-binary') return bytes
    this.#malformed('unknown-transport', `this port speaks framed binary thrift, not ${transport}`)
    return null
  }

  #readFrames(): void {
    const frames = this.#frames
    let hasEndedFrame = false
    try {
      while (!this.#isFinishing && !this.#isPaused && frames.next()) {
        hasEndedFrame = true
        this.#lastRequestAtMs = this.#arrivedAtMs
        this.#dispatch()
        this.#pauseIfNeeded()
      }
    } catch (error) {
      if (!(error instanceof ThriftProtocolError)) throw error
      this.#malformed(error.reason, error.message)
    }
    // While we do not read, the peer cannot go on.
    this.#noteOpenFrame(frames.isInsideFrame && !this.#isPaused, hasEndedFrame)
    this.#account()
    if (this.#hasPeerEnded && !this.#isPaused) this.#onInputEnd()
  }

  #noteOpenFrame(isOpen: boolean, isAnother: boolean): void {
    if (!isOpen) this.#frameBegunAtMs = Number.POSITIVE_INFINITY
    else if (isAnother || this.#frameBegunAtMs === Number.POSITIVE_INFINITY)
      this.#frameBegunAtMs = this.#host.monotonicMs()
  }

  #dispatch(): void {
    const reader = this.#host.reader
    let call: ServerCall | null = null
    let args: unknown
    try {
      reader.reset(this.#frames.buffer, this.#frames.start, this.#frames.end)
      reader.readMessageBegin()
      call = this.#enqueue(reader)
      args = readArgs(reader, call)
    } catch (error) {
      if (!(error instanceof ThriftProtocolError)) throw error
      call?.abort(ApplicationExceptionType.PROTOCOL_ERROR, `${call.header.name}: ${error.message}`)
      this.#malformed(error.reason, error.message)
      return
    }
    if (call.bound === null) {
      call.abort(ApplicationExceptionType.UNKNOWN_METHOD, `there is no method ${preview(call.header.name)}`)
      return
    }
    traceHop('thrift.server')
    try {
      call.bound.handle(args, call)
    } catch (error) {
      this.#fault(`the handler of ${call.header.name} threw`, error)
      if (!call.isAnswered)
        call.abort(ApplicationExceptionType.INTERNAL_ERROR, 'internal error, see the server log')
    }
  }

  #enqueue(reader: BinaryReader): ServerCall {
    const { messageName: name, messageType, seqid } = reader
    const bound = this.#host.findMethod(name)
    const expectsAnswer = messageType !== MessageType.ONEWAY && bound?.method.isOneway !== true
    const call = new ServerCall(this, { name, seqid, expectsAnswer }, bound, this.#arrivedAtMs)
    if (this.#tail === null) this.#head = call
    else this.#tail.next = call
    this.#tail = call
    this.#inFlight++
    return call
  }

  #encode(call: ServerCall): void {
    const writer = (this.#writer ??= this.#host.takeWriter())
    const { maxFrameBytes } = this.#host.limits
    const sizeBefore = writer.size
    try {
      this.#encodeWithin(call, writer, maxFrameBytes)
    } catch (error) {
      writer.rollbackFrame()
      this.#fault(`the answer of ${call.header.name} cannot be written`, error)
      call.encodeFailure(writer, 'internal error, see the server log')
    }
    this.#window.note(writer.size - sizeBefore)
    if (writer.size >= WRITE_SIZE) this.#write()
  }

  #encodeWithin(call: ServerCall, writer: BinaryWriter, maxFrameBytes: number): void {
    try {
      call.encode(writer, maxFrameBytes)
    } catch (error) {
      if (!(error instanceof ThriftProtocolError)) throw error
      writer.rollbackFrame()
      const { name } = call.header
      const exception = this.#host.tooLarge(name)
      if (exception !== null) call.encodeTooLarge(writer, exception)
      else call.encodeFailure(writer, `the answer of ${name} exceeds ${maxFrameBytes} bytes: ask for less`)
    }
  }

  #write(): void {
    const writer = this.#writer
    if (writer === null) return
    this.#writer = null
    if (writer.size > 0 && this.#socket.writable) {
      this.#writtenBytes += writer.size
      this.#socket.write(writer.view())
      // Empty again: the kernel has it all. Otherwise the socket still reads from the buffer, which is then its own.
      if (this.#socket.writableLength === 0) writer.clear()
      else writer.take()
    } else {
      writer.clear()
    }
    this.#host.giveWriter(writer)
    this.#account()
    this.#pauseIfNeeded()
  }

  #pauseIfNeeded(): void {
    if (this.#isPaused || this.#isFinishing) return
    if (!this.#window.isFull(this.#inFlight, this.#countUnsent())) return
    this.#isPaused = true
    this.#socket.pause()
  }

  #resumeIfPossible(): void {
    if (!this.#isPaused || this.#isFinishing || this.#isClosed) return
    if (!this.#window.hasRoomAgain(this.#inFlight, this.#countUnsent())) return
    this.#isPaused = false
    this.#host.beginTurn()
    try {
      this.#readFrames()
    } finally {
      this.#host.endTurn()
    }
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
    const hasRest = this.#frames.isInsideFrame || (this.#firstBytes?.length ?? 0) > 0
    if (hasRest) this.#malformed('truncated', 'the connection ended inside a frame')
    else this.finish()
  }

  #malformed(reason: MalformedReason, message: string): void {
    this.#host.onMalformed(this, reason, message)
    this.finish()
  }

  #fault(what: string, error: unknown): void {
    this.#host.onFault(this, what, error)
    this.#stopReading()
    this.#host.markDirty(this)
  }

  #stopReading(): void {
    if (this.#isFinishing) return
    this.#isFinishing = true
    this.#frames.clear()
    this.#firstBytes = null
    this.#noteOpenFrame(false, false)
    this.#account()
    this.#socket.pause()
  }

  #endWhenDone(): void {
    if (!this.#isFinishing || this.#hasEnded || this.#isClosed || this.#inFlight > 0) return
    this.#write()
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
    const unsent = this.#countUnsent()
    const taken = this.#writtenBytes - this.#socket.writableLength
    if (unsent === 0) this.#unsentSinceMs = Number.POSITIVE_INFINITY
    else if (taken > this.#takenBytes || this.#unsentSinceMs === Number.POSITIVE_INFINITY)
      this.#unsentSinceMs = this.#host.monotonicMs()
    this.#takenBytes = taken
    this.#hold(unsent + this.#frames.heldBytes)
  }

  #countUnsent(): number {
    return this.#socket.writableLength + (this.#writer?.size ?? 0) + this.#waitingBytes
  }

  #hold(bytes: number): void {
    const delta = bytes - this.#heldBytes
    if (delta === 0) return
    this.#heldBytes = bytes
    this.#host.adjustHeldBytes(delta)
  }

  #release(): void {
    this.#frames.clear()
    this.#hold(0)
  }

  #onClose(): void {
    this.#isClosed = true
    if (this.#linger !== null) clearTimeout(this.#linger)
    this.#release()
    if (this.#writer !== null) {
      this.#writer.clear()
      this.#host.giveWriter(this.#writer)
      this.#writer = null
    }
    this.#head = null
    this.#tail = null
    this.#host.onClosed(this)
  }
}

/** @throws {ThriftProtocolError} */
function readArgs(reader: BinaryReader, call: ServerCall): unknown {
  const { messageType } = reader
  if (messageType !== MessageType.CALL && messageType !== MessageType.ONEWAY) {
    throw new ThriftProtocolError('bad-message', `a message of type ${messageType} is no request`)
  }
  if (call.bound === null) return null
  const args = call.bound.method.readArgs(reader)
  // Another message behind it would wait for ever if it were passed over.
  if (reader.remaining > 0) {
    throw new ThriftProtocolError('bad-message', `${reader.remaining} bytes stand behind the message`)
  }
  return args
}

/** A foreign name in a message: its beginning. */
function preview(name: string): string {
  return name.length > 64 ? `${name.slice(0, 64)}...` : name
}
