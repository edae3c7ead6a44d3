/**
 * Writes the answers of one connection, in the transport and protocol of its requests, and hands them to the socket.
 *
 * Holds no more memory than about twice what the peer has left unread, and one buffer: a buffer that would wait for the
 * peer mostly empty is copied to its size first.
 */
import type { Socket } from 'node:net'
import { POOLED_CAPACITY, type Codec } from './codec.js'
import { ThriftProtocolError, type MessageWriter } from './protocol.js'
import type { ServerCall } from './server-call.js'

/** Answers of one turn leave in pieces of about this size, so that a burst does not need one huge buffer. */
const WRITE_SIZE = 262_144

export interface AnswerWriterOptions {
  readonly socket: Socket
  readonly codec: Codec
  readonly isFramed: boolean
  readonly maxFrameBytes: number
  /** The declared exception for an answer that is too large, or null. */
  tooLarge(method: string): unknown
  /** An answer could not be written, by a fault of its own; INTERNAL_ERROR goes in its place. */
  onUnwritable(call: ServerCall, error: unknown): void
}

export class AnswerWriter {
  readonly #options: AnswerWriterOptions
  #writer: MessageWriter | null = null
  #writtenBytes = 0

  constructor(options: AnswerWriterOptions) {
    this.#options = options
  }

  /** Bytes that the peer or this turn's end is waited for with. */
  get unsentBytes(): number {
    return this.#options.socket.writableLength + (this.#writer?.size ?? 0)
  }

  /** Bytes that the kernel has taken since the connection began. */
  get takenBytes(): number {
    return this.#writtenBytes - this.#options.socket.writableLength
  }

  /** Enough for a write of its own. */
  get isBulky(): boolean {
    return this.#writer !== null && this.#writer.size >= WRITE_SIZE
  }

  /** Writes the answer behind those before it; the bytes that it took, which one that was too large took in vain. */
  encode(call: ServerCall): number {
    const writer = (this.#writer ??= this.#options.codec.takeWriter())
    const sizeBefore = writer.size
    let wastedBytes = 0
    try {
      wastedBytes = this.#encodeWithin(call, writer)
    } catch (error) {
      writer.rollbackFrame()
      this.#options.onUnwritable(call, error)
      call.encodeFailure(writer, this.#options.isFramed, 'internal error, see the server log')
    }
    return Math.max(wastedBytes, writer.size - sizeBefore)
  }

  /** Hands everything that was encoded to the socket. */
  write(): void {
    const writer = this.#writer
    if (writer === null) return
    this.#writer = null
    if (writer.size > 0 && this.#options.socket.writable) this.#send(writer)
    else writer.clear()
    this.#options.codec.giveWriter(writer)
  }

  /** Forgets what was not handed to the socket. */
  discard(): void {
    if (this.#writer === null) return
    this.#writer.clear()
    this.#options.codec.giveWriter(this.#writer)
    this.#writer = null
  }

  #encodeWithin(call: ServerCall, writer: MessageWriter): number {
    const { isFramed, maxFrameBytes } = this.#options
    try {
      call.encode(writer, isFramed, maxFrameBytes)
      return 0
    } catch (error) {
      if (!(error instanceof ThriftProtocolError)) throw error
      writer.rollbackFrame()
      const { name } = call.header
      const exception = this.#options.tooLarge(name)
      const message = `the answer of ${name} exceeds ${maxFrameBytes} bytes: ask for less`
      if (exception !== null) call.encodeTooLarge(writer, isFramed, exception)
      else call.encodeFailure(writer, isFramed, message)
      return maxFrameBytes
    }
  }

  #send(writer: MessageWriter): void {
    const { socket } = this.#options
    this.#writtenBytes += writer.size
    const isMostlyEmpty = writer.size * 2 < writer.capacity
    // A peer that reads nothing and asks for little, again and again, would pin a whole buffer with every answer.
    if (isMostlyEmpty && (socket.writableLength > 0 || writer.capacity > POOLED_CAPACITY)) {
      socket.write(Buffer.from(writer.view()))
      writer.clear()
      return
    }
    socket.write(writer.view())
    // Empty again: the kernel has it all. Otherwise the socket still reads from the buffer, which is then its own.
    if (socket.writableLength === 0) writer.clear()
    else writer.take()
  }
}
