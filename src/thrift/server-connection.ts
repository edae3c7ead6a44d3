/**
 * One accepted connection: bytes -> messages -> calls, and answers back in request order. Its first bytes tell which
 * transport and protocol it speaks (transport.ts); every message and answer after them is of that kind.
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
import { EMPTY_BYTES } from '../base/bytes.js'
import type { ServedConnection } from '../base/served-connections.js'
import { traceHop } from '../base/trace.js'
import { AnswerWindow, type AnswerWindowLimits } from './answer-window.js'
import { AnswerWriter } from './answer-writer.js'
import { ApplicationExceptionType } from './application-exception.js'
import type { Codec, ProtocolName } from './codec.js'
import { FINAGLE_UPGRADE, readRequestHeader } from './finagle.js'
import type { MessageSource } from './frames.js'
import {
  MessageType,
  ThriftProtocolError,
  type BoundMethod,
  type MalformedReason,
  type MessageReader,
} from './protocol.js'
import { ServerCall, type CallOwner } from './server-call.js'
import { detectTransport, isServed, SERVED } from './transport.js'

/** What a connection needs once it is known what it speaks. */
interface Wire {
  readonly source: MessageSource
  readonly reader: MessageReader
  readonly answers: AnswerWriter
}

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
  readonly codecs: Readonly<Record<ProtocolName, Codec>>
  monotonicMs(): number
  /** By name; FINAGLE_UPGRADE only where Finagle's clients are served. */
  findMethod(name: string): BoundMethod | null
  readonly smallAnswers: ReadonlySet<string>
  /** The declared exception for an answer that is too large, or null. */
  tooLarge(method: string): unknown
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

export class ServerConnection implements CallOwner, ServedConnection {
  readonly id: number
  readonly remoteAddress: string
  clientName: string | null = null
  readonly #host: ConnectionHost
  readonly #socket: Socket
  readonly #window: AnswerWindow
  /** Null until the transport is known; its first bytes are kept meanwhile. */
  #wire: Wire | null = null
  #firstBytes: Buffer = EMPTY_BYTES
  #head: ServerCall | null = null
  #tail: ServerCall | null = null
  #inFlight = 0
  /** Of those in flight, the ones that will have small answers. */
  #smallAnswers = 0
  /** Requests that are with their handlers; they may keep the memory they came in. */
  #requestBytes = 0
  /** Answers that wait for an earlier one, unencoded. */
  #waitingBytes = 0
  /** What the kernel had taken when that was last looked at. */
  #takenBytes = 0
  /** Since when the peer has taken nothing of what waits for it. */
  #unsentSinceMs = Number.POSITIVE_INFINITY
  #heldBytes = 0
  /** When the message began that the peer still owes the rest of. */
  #messageBegunAtMs = Number.POSITIVE_INFINITY
  #isPaused = false
  /** Finagle's headers stand in front of requests and answers from now on. */
  #isUpgraded = false
  #hasPeerEnded = false
  /** No further request is read; the connection ends when the last answer is out. */
  #isFinishing = false
  #hasEnded = false
  #isClosed = false
  #linger: NodeJS.Timeout | null = null
  /** When the newest bytes came; requests that had to wait for their turn keep it. */
  #arrivedAtMs: number
  #lastRequestAtMs: number
  isDirty = false

  constructor(host: ConnectionHost, socket: Socket, id: number) {
    this.id = id
    this.remoteAddress = socket.remoteAddress ?? ''
    this.#host = host
    this.#socket = socket
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

  get isClosed(): boolean {
    return this.#isClosed
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
    return Math.min(this.#messageBegunAtMs, this.#unsentSinceMs)
  }

  /** A request began to arrive before that and has not ended. */
  isLateSince(instantMs: number): boolean {
    return this.#messageBegunAtMs < instantMs
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
      if (this.#host.smallAnswers.has(head.header.name)) this.#smallAnswers--
      this.#waitingBytes -= head.heldBytes
      this.#requestBytes -= head.header.requestBytes
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
      const wire = this.#wire
      if (wire === null) this.#detect(chunk)
      else {
        wire.source.append(chunk)
        this.#readMessages(wire)
      }
    } finally {
      this.#host.endTurn()
    }
  }

  #detect(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#firstBytes, chunk])
    const transport = detectTransport(bytes)
    if (transport === null) {
      this.#firstBytes = bytes
      this.#noteOpenMessage(true, false)
      this.#account()
      return
    }
    this.#firstBytes = EMPTY_BYTES
    if (isServed(transport)) {
      const wire = this.#makeWire(transport)
      this.#wire = wire
      wire.source.append(bytes)
      this.#readMessages(wire)
    } else {
      const served = 'framed or buffered thrift, binary or compact'
      this.#malformed('unknown-transport', `this port speaks ${served}, not ${transport}`)
    }
  }

  #makeWire(transport: keyof typeof SERVED): Wire {
    const host = this.#host
    const { protocol, isFramed } = SERVED[transport]
    const { maxFrameBytes } = host.limits
    const codec = host.codecs[protocol]
    const answers = new AnswerWriter({
      socket: this.#socket,
      codec,
      isFramed,
      maxFrameBytes,
      tooLarge: (method) => host.tooLarge(method),
      onUnwritable: (call, error) =>
        this.#fault(`the answer of ${call.header.name} cannot be written`, error),
    })
    return { source: codec.makeSource(isFramed, maxFrameBytes), reader: codec.reader, answers }
  }

  #readMessages(wire: Wire): void {
    const { source } = wire
    let hasEndedMessage = false
    try {
      while (!this.#isFinishing && !this.#isPaused && source.next()) {
        hasEndedMessage = true
        this.#lastRequestAtMs = this.#arrivedAtMs
        this.#dispatch(wire)
        this.#pauseIfNeeded()
      }
    } catch (error) {
      if (!(error instanceof ThriftProtocolError)) throw error
      this.#malformed(error.reason, error.message)
    }
    // While we do not read, the peer cannot go on.
    this.#noteOpenMessage(source.isInsideMessage && !this.#isPaused, hasEndedMessage)
    this.#account()
    if (this.#hasPeerEnded && !this.#isPaused) this.#onInputEnd()
  }

  #noteOpenMessage(isOpen: boolean, isAnother: boolean): void {
    if (!isOpen) this.#messageBegunAtMs = Number.POSITIVE_INFINITY
    else if (isAnother || this.#messageBegunAtMs === Number.POSITIVE_INFINITY)
      this.#messageBegunAtMs = this.#host.monotonicMs()
  }

  #dispatch({ source, reader }: Wire): void {
    let call: ServerCall | null = null
    let args: unknown
    try {
      reader.reset(source.buffer, source.start, source.end)
      if (this.#isUpgraded) this.clientName = readRequestHeader(reader)
      reader.readMessageBegin()
      call = this.#enqueue(reader, source.end - source.start)
      if (source.failure !== null) throw source.failure
      args = readArgs(reader, call)
    } catch (error) {
      if (!(error instanceof ThriftProtocolError)) throw error
      call?.abort(ApplicationExceptionType.PROTOCOL_ERROR, `${call.header.name}: ${error.message}`)
      this.#malformed(error.reason, error.message)
      return
    }
    if (call.bound === null) {
      const message = `Invalid method name: '${preview(call.header.name)}'`
      call.abort(ApplicationExceptionType.UNKNOWN_METHOD, message)
      return
    }
    traceHop('thrift.server')
    try {
      call.bound.handle(args, call)
      if (call.bound === FINAGLE_UPGRADE) this.#isUpgraded = true
    } catch (error) {
      this.#fault(`the handler of ${call.header.name} threw`, error)
      if (!call.isAnswered)
        call.abort(ApplicationExceptionType.INTERNAL_ERROR, 'internal error, see the server log')
    }
  }

  #enqueue(reader: MessageReader, requestBytes: number): ServerCall {
    const { messageName: name, messageType, seqid } = reader
    const bound = this.#host.findMethod(name)
    const expectsAnswer = messageType !== MessageType.ONEWAY && bound?.method.isOneway !== true
    const header = { name, seqid, expectsAnswer, requestBytes, isUpgraded: this.#isUpgraded }
    const call = new ServerCall(this, header, bound, this.#arrivedAtMs)
    if (this.#tail === null) this.#head = call
    else this.#tail.next = call
    this.#tail = call
    this.#inFlight++
    if (this.#host.smallAnswers.has(name)) this.#smallAnswers++
    this.#requestBytes += requestBytes
    return call
  }

  #encode(call: ServerCall): void {
    const answers = this.#wire?.answers
    if (answers === undefined) return
    this.#window.note(answers.encode(call))
    if (answers.isBulky) this.#write()
  }

  #write(): void {
    if (this.#wire === null) return
    this.#wire.answers.write()
    this.#account()
    this.#pauseIfNeeded()
  }

  #pauseIfNeeded(): void {
    if (this.#isPaused || this.#isFinishing) return
    if (!this.#window.isFull(this.#inFlight, this.#countUnsent(), this.#requestBytes, this.#smallAnswers))
      return
    this.#isPaused = true
    this.#socket.pause()
  }

  #resumeIfPossible(): void {
    if (!this.#isPaused || this.#isFinishing || this.#isClosed) return
    if (
      !this.#window.hasRoomAgain(this.#inFlight, this.#countUnsent(), this.#requestBytes, this.#smallAnswers)
    )
      return
    this.#isPaused = false
    this.#host.beginTurn()
    try {
      if (this.#wire !== null) this.#readMessages(this.#wire)
    } finally {
      this.#host.endTurn()
    }
    if (!this.#isStillPaused()) this.#socket.resume()
  }

  /** Reading messages may have paused again, which the compiler cannot see. */
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
    const hasRest = this.#wire?.source.isInsideMessage ?? this.#firstBytes.length > 0
    if (hasRest) this.#malformed('truncated', 'the connection ended inside a message')
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
    this.#forgetInput()
    this.#noteOpenMessage(false, false)
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
    const taken = this.#wire?.answers.takenBytes ?? 0
    if (unsent === 0) this.#unsentSinceMs = Number.POSITIVE_INFINITY
    else if (taken > this.#takenBytes || this.#unsentSinceMs === Number.POSITIVE_INFINITY)
      this.#unsentSinceMs = this.#host.monotonicMs()
    this.#takenBytes = taken
    this.#hold(unsent + (this.#wire?.source.heldBytes ?? this.#firstBytes.length))
  }

  #countUnsent(): number {
    return (this.#wire?.answers.unsentBytes ?? 0) + this.#waitingBytes
  }

  #hold(bytes: number): void {
    const delta = bytes - this.#heldBytes
    if (delta === 0) return
    this.#heldBytes = bytes
    this.#host.adjustHeldBytes(delta)
  }

  #release(): void {
    this.#forgetInput()
    this.#hold(0)
  }

  #forgetInput(): void {
    this.#wire?.source.clear()
    this.#firstBytes = EMPTY_BYTES
  }

  #onClose(): void {
    this.#isClosed = true
    if (this.#linger !== null) clearTimeout(this.#linger)
    this.#release()
    this.#wire?.answers.discard()
    this.#head = null
    this.#tail = null
    this.#host.onClosed(this)
  }
}

/** @throws {ThriftProtocolError} */
function readArgs(reader: MessageReader, call: ServerCall): unknown {
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
