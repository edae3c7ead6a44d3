/**
 * One outgoing connection: calls -> frames, answers matched to calls by seqid. Calls given in one turn leave in one
 * write. Every call is answered exactly once; when the connection ends, calls that were written get UNAVAILABLE with
 * outcome UNKNOWN, the others NOT_APPLIED.
 */
import { connect, type Socket } from 'node:net'
import type { Deadline } from '../base/deadline.js'
import { KVError, type Done, type ErrorCode, type WriteOutcome } from '../base/errors.js'
import { ApplicationExceptionType, readApplicationException } from './application-exception.js'
import { BinaryReader } from './binary-reader.js'
import { BinaryWriter } from './binary-writer.js'
import { FINAGLE_METHOD, skipResponseHeader, writeRequestHeader, writeUpgradeArgs } from './finagle.js'
import { FrameReader } from './frames.js'
import { MessageType, ThriftProtocolError, type ThriftMethod, type ThriftResult } from './protocol.js'

/** As in server-connection.ts: a burst leaves in pieces. */
const WRITE_SIZE = 262_144

/** Of the call that offers Finagle's headers, as its own clients number it. */
const UPGRADE_SEQID = 0

/** One call until its answer. `done` is null once the caller has been answered. */
export interface PendingCall {
  readonly method: ThriftMethod<unknown, unknown, unknown>
  readonly args: unknown
  readonly deadline: Deadline
  done: Done<ThriftResult<unknown, unknown>> | null
  /** Monotonic milliseconds at which it was given to the socket; null before. */
  sentAtMs: number | null
}

export interface ClientConnectionOptions {
  /** The backend's name, for errors. */
  readonly name: string
  readonly host: string
  readonly port: number
  readonly connectTimeoutMs: number
  readonly maxFrameBytes: number
  /** Answers that may be given up, and still be owed, before the connection is. */
  readonly maxExpired: number
  /** Offer Finagle's headers, with this client id; null: do not. */
  readonly finagleClient: string | null
  monotonicMs(): number
  /** A caller's `done` threw, or this code did. */
  onFault(error: unknown): void
  onClosed(connection: ClientConnection): void
  /** The connection ended before this call was written. Whether another one takes it; false: it fails. */
  takeOver(call: PendingCall): boolean
}

export class ClientConnection {
  readonly #options: ClientConnectionOptions
  readonly #socket: Socket
  readonly #frames: FrameReader
  readonly #reader = new BinaryReader()
  readonly #writer = new BinaryWriter(4_096)
  readonly #sent = new Map<number, PendingCall>()
  readonly #connectTimer: NodeJS.Timeout
  #queue: PendingCall[] = []
  #nextSeqid = 0
  #isFlushScheduled = false
  /** Calls that were answered with DEADLINE_EXCEEDED and still stand in `#sent`. */
  #expired = 0
  #lastReceivedMs = Number.NEGATIVE_INFINITY
  #failure = 'closed'
  /** Every request has a header in front, and every answer. */
  #isUpgraded = false

  /** Calls may be written: it is connected, and what is spoken is settled. */
  isOpen = false
  isClosed = false
  /** Gets no new calls, and goes when the last one is answered. */
  isRetired = false
  /** An answer came at some time: the peer is a working server. */
  hasServed = false

  constructor(options: ClientConnectionOptions) {
    this.#options = options
    this.#frames = new FrameReader(options.maxFrameBytes)
    this.#socket = connect({ host: options.host, port: options.port, noDelay: true })
    this.#connectTimer = setTimeout(
      () => this.#end(`no connection within ${options.connectTimeoutMs} ms`),
      options.connectTimeoutMs,
    )
    this.#socket.on('connect', () => this.#onConnect())
    this.#socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    this.#socket.on('end', () => this.#end('the server closed the connection'))
    this.#socket.on('error', (error) => this.#end(error.message))
    this.#socket.on('close', () => this.#onClose())
  }

  /** Calls that the peer still owes an answer, expired ones among them. */
  get inFlight(): number {
    return this.#sent.size + this.#queue.length
  }

  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  send(call: PendingCall): void {
    this.#queue.push(call)
    if (!this.isOpen || this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    queueMicrotask(() => this.#flush())
  }

  /** Answers calls whose deadline has passed; the earliest deadline of those that go on waiting. */
  expire(nowMs: number): Deadline {
    let earliest = Number.POSITIVE_INFINITY
    for (const calls of [this.#queue, this.#sent.values()]) {
      for (const call of calls) {
        if (call.done === null) continue
        if (call.deadline > nowMs) earliest = Math.min(earliest, call.deadline)
        else this.#expireCall(call)
      }
    }
    this.#closeIfRetired()
    return earliest
  }

  /** No new calls; it ends with the last answer that it owes. */
  retire(): void {
    this.isRetired = true
    this.#closeIfRetired()
  }

  destroy(reason: string): void {
    this.#end(reason)
  }

  #expireCall(call: PendingCall): void {
    if (call.sentAtMs !== null) {
      // Nothing has come since the call went out: the peer or the path hangs, and new calls deserve another connection.
      // The same holds when answers come, and many others never do.
      const { maxExpired } = this.#options
      if (this.#lastReceivedMs < call.sentAtMs || ++this.#expired >= maxExpired) this.isRetired = true
    }
    this.#fail(call, 'DEADLINE_EXCEEDED', 'not answered before the deadline')
  }

  #onConnect(): void {
    if (this.#options.finagleClient === null) {
      this.#open()
      return
    }
    this.#writer.beginFrame(this.#options.maxFrameBytes)
    this.#writer.writeMessageBegin(FINAGLE_METHOD, MessageType.CALL, UPGRADE_SEQID)
    writeUpgradeArgs(this.#writer)
    this.#writer.endFrame()
    this.#write()
  }

  #open(): void {
    clearTimeout(this.#connectTimer)
    this.isOpen = true
    this.#flush()
  }

  /** A server that knows nothing of headers answers that it has no such method, and is spoken to without. */
  #readUpgradeAnswer(): void {
    const { messageType, messageName, seqid } = this.#reader
    if (messageName !== FINAGLE_METHOD || seqid !== UPGRADE_SEQID) {
      throw new ThriftProtocolError('bad-message', `not an answer to ${FINAGLE_METHOD}`)
    }
    this.#isUpgraded = messageType === MessageType.REPLY
    this.hasServed = true
    this.#open()
  }

  #flush(): void {
    this.#isFlushScheduled = false
    if (this.isClosed) return
    const queue = this.#queue
    this.#queue = []
    const nowMs = this.#options.monotonicMs()
    for (const call of queue) {
      if (call.done === null) continue
      this.#encode(call, nowMs)
      if (this.#writer.size >= WRITE_SIZE) this.#write()
    }
    this.#write()
  }

  #encode(call: PendingCall, nowMs: number): void {
    const { method } = call
    const seqid = this.#takeSeqid()
    try {
      this.#writer.beginFrame(this.#options.maxFrameBytes)
      if (this.#isUpgraded) this.#writeHeader(seqid)
      const type = method.isOneway ? MessageType.ONEWAY : MessageType.CALL
      this.#writer.writeMessageBegin(method.name, type, seqid)
      method.writeArgs(this.#writer, call.args)
      this.#writer.endFrame()
    } catch (error) {
      this.#writer.rollbackFrame()
      const isTooLarge = error instanceof ThriftProtocolError
      this.#fail(
        call,
        isTooLarge ? 'TOO_LARGE' : 'INTERNAL',
        error instanceof Error ? error.message : 'cannot be written',
      )
      return
    }
    call.sentAtMs = nowMs
    if (method.isOneway) this.#answer(call, { value: null, exception: null })
    else this.#sent.set(seqid, call)
  }

  #writeHeader(seqid: number): void {
    const spanId = BigInt(seqid)
    writeRequestHeader(this.#writer, {
      traceId: spanId,
      spanId,
      clientName: this.#options.finagleClient ?? '',
    })
  }

  #write(): void {
    if (this.#writer.size === 0) return
    this.#socket.write(this.#writer.view())
    // As in server-connection.ts: a buffer that the kernel did not take whole belongs to the socket.
    if (this.#socket.writableLength === 0) this.#writer.clear()
    else this.#writer.take()
  }

  #takeSeqid(): number {
    do this.#nextSeqid = (this.#nextSeqid + 1) & 0x7fffffff
    while (this.#sent.has(this.#nextSeqid))
    return this.#nextSeqid
  }

  #onData(chunk: Buffer): void {
    this.#lastReceivedMs = this.#options.monotonicMs()
    try {
      this.#frames.append(chunk)
      while (!this.isClosed && this.#frames.next()) this.#readAnswer()
    } catch (error) {
      if (!(error instanceof ThriftProtocolError)) this.#options.onFault(error)
      this.#end(`the answer is malformed: ${error instanceof Error ? error.message : String(error)}`)
    }
    this.#closeIfRetired()
  }

  #readAnswer(): void {
    const reader = this.#reader
    reader.reset(this.#frames.buffer, this.#frames.start, this.#frames.end)
    if (this.#isUpgraded) skipResponseHeader(reader)
    reader.readMessageBegin()
    if (!this.isOpen) {
      this.#readUpgradeAnswer()
      return
    }
    const call = this.#sent.get(reader.seqid)
    if (call === undefined)
      throw new ThriftProtocolError('bad-message', `nothing was asked as ${reader.seqid}`)
    if (reader.messageType === MessageType.EXCEPTION) {
      const exception = readApplicationException(reader)
      this.#sent.delete(reader.seqid)
      this.hasServed = true
      if (call.done === null) this.#expired--
      this.#failAsServerSays(call, exception.type, exception.message)
      return
    }
    if (reader.messageType !== MessageType.REPLY || reader.messageName !== call.method.name) {
      throw new ThriftProtocolError('bad-message', `not an answer to ${call.method.name}`)
    }
    const result = call.done === null ? null : call.method.readResult(reader)
    this.#sent.delete(reader.seqid)
    this.hasServed = true
    if (result === null) {
      this.#expired--
      return
    }
    if (result.value === null && result.exception === null && !call.method.isVoid) {
      this.#fail(call, 'INTERNAL', 'the answer has neither a value nor an exception')
    } else {
      this.#answer(call, result)
    }
  }

  #failAsServerSays(call: PendingCall, type: number, message: string): void {
    const text = `the server answered: ${message}`
    if (type === ApplicationExceptionType.UNKNOWN_METHOD) this.#fail(call, 'UNSUPPORTED', text, 'NOT_APPLIED')
    else if (type === ApplicationExceptionType.PROTOCOL_ERROR)
      this.#fail(call, 'INTERNAL', text, 'NOT_APPLIED')
    else this.#fail(call, 'INTERNAL', text)
  }

  #fail(call: PendingCall, code: ErrorCode, why: string, known?: WriteOutcome): void {
    const outcome = known ?? (call.sentAtMs === null ? 'NOT_APPLIED' : 'UNKNOWN')
    const { name, host, port } = this.#options
    const message = `${name} at ${host}:${port}: ${call.method.name}: ${why}`
    this.#answer(call, new KVError(code, message, { outcome, backend: name }))
  }

  #answer(call: PendingCall, outcome: ThriftResult<unknown, unknown> | KVError): void {
    const { done } = call
    if (done === null) return
    call.done = null
    try {
      done(outcome)
    } catch (error) {
      this.#options.onFault(error)
    }
  }

  #closeIfRetired(): void {
    if (!this.isRetired || this.isClosed) return
    for (const call of this.#sent.values()) if (call.done !== null) return
    for (const call of this.#queue) if (call.done !== null) return
    this.#end('retired: answers were late, or another server needed the place')
  }

  #end(reason: string): void {
    if (this.isClosed) return
    this.#failure = reason
    this.#socket.destroy()
    this.#onClose()
  }

  #onClose(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.isOpen = false
    clearTimeout(this.#connectTimer)
    this.#options.onClosed(this)
    const sent = [...this.#sent.values()]
    const unsent = this.#queue
    this.#sent.clear()
    this.#queue = []
    for (const call of sent) this.#fail(call, 'UNAVAILABLE', this.#failure)
    for (const call of unsent) {
      if (call.done !== null && !this.#options.takeOver(call)) this.#fail(call, 'UNAVAILABLE', this.#failure)
    }
    this.#frames.clear()
  }
}
