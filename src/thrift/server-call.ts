/** One request of a connection from its arrival to its answer; ServerConnection keeps them in request order. */
import { ApplicationExceptionType, writeApplicationException } from './application-exception.js'
import { writeResponseHeader } from './finagle.js'
import {
  MessageType,
  type BoundMethod,
  type MessageWriter,
  type ThriftCall,
  type ThriftConnectionInfo,
} from './protocol.js'

/** What a call tells its connection. */
export interface CallOwner extends ThriftConnectionInfo {
  onAnswered(call: ServerCall): void
  onAnsweredTwice(call: ServerCall): void
}

type State = 'PENDING' | 'REPLY' | 'FAIL' | 'ABORT'

/** The header of the message that the call answers. */
export interface CallHeader {
  readonly name: string
  readonly seqid: number
  readonly expectsAnswer: boolean
  /** What the message keeps in memory while the call is with its handler. */
  readonly requestBytes: number
  /** Its answer has a header of Finagle's in front. */
  readonly isUpgraded: boolean
}

export class ServerCall implements ThriftCall<unknown, unknown> {
  readonly connection: CallOwner
  readonly header: CallHeader
  /** Null: no such method; the call can only be aborted. */
  readonly bound: BoundMethod | null
  readonly receivedAtMs: number
  /** The request behind this one. */
  next: ServerCall | null = null
  /** What its answer is counted with while it waits for earlier ones. */
  heldBytes = 0
  #state: State = 'PENDING'
  #payload: unknown = null
  #abortType = 0

  constructor(connection: CallOwner, header: CallHeader, bound: BoundMethod | null, receivedAtMs: number) {
    this.connection = connection
    this.header = header
    this.bound = bound
    this.receivedAtMs = receivedAtMs
  }

  get method(): string {
    return this.header.name
  }

  get isAnswered(): boolean {
    return this.#state !== 'PENDING'
  }

  /** Roughly what the answer takes in memory. */
  get answerBytes(): number {
    return sizeOf(this.#payload)
  }

  reply(result: unknown): void {
    this.#answer('REPLY', result)
  }

  fail(exception: unknown): void {
    this.#answer('FAIL', exception)
  }

  abort(type: number, message: string): void {
    if (this.#state === 'PENDING') this.#abortType = type
    this.#answer('ABORT', message)
  }

  /**
   * Writes the answer as one message.
   * @throws whatever the result's writer throws; the message is then still open, to be rolled back
   */
  encode(output: MessageWriter, isFramed: boolean, maxFrameBytes: number): void {
    const { name, seqid } = this.header
    output.beginFrame(maxFrameBytes, isFramed)
    if (this.header.isUpgraded) writeResponseHeader(output)
    if (this.#state === 'ABORT' || this.bound === null) {
      encodeAbort(output, this.header, this.#abortType, String(this.#payload))
    } else {
      output.writeMessageBegin(name, MessageType.REPLY, seqid)
      if (this.#state === 'REPLY') this.bound.method.writeResult(output, this.#payload)
      else this.bound.method.writeException(output, this.#payload)
    }
    output.endFrame()
  }

  /** Writes a declared exception instead of an answer that was too large. */
  encodeTooLarge(output: MessageWriter, isFramed: boolean, exception: unknown): void {
    this.#state = 'FAIL'
    this.#payload = exception
    this.encode(output, isFramed, Number.POSITIVE_INFINITY)
  }

  /** Writes an INTERNAL_ERROR instead of an answer that could not be written. */
  encodeFailure(output: MessageWriter, isFramed: boolean, message: string): void {
    output.beginFrame(Number.POSITIVE_INFINITY, isFramed)
    if (this.header.isUpgraded) writeResponseHeader(output)
    encodeAbort(output, this.header, ApplicationExceptionType.INTERNAL_ERROR, message)
    output.endFrame()
  }

  #answer(state: State, payload: unknown): void {
    if (this.#state !== 'PENDING') {
      this.connection.onAnsweredTwice(this)
      return
    }
    this.#state = state
    this.#payload = payload
    this.connection.onAnswered(this)
  }
}

/** Bytes and text of a value that a generated writer takes; the rest of it is small. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 8
  if (value instanceof Uint8Array) return value.length
  if (value instanceof Map) return sizeOf([...value.keys()]) + sizeOf([...value.values()])
  const parts: Iterable<unknown> = value instanceof Set ? value : Object.values(value)
  let size = 8
  for (const part of parts) size += sizeOf(part)
  return size
}

function encodeAbort(output: MessageWriter, header: CallHeader, type: number, message: string): void {
  output.writeMessageBegin(header.name, MessageType.EXCEPTION, header.seqid)
  writeApplicationException(output, { type, message })
}
