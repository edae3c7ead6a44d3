/** Writes the answers of one connection, in the transport and protocol of its requests, and hands them to the socket. */
import type { Socket } from 'node:net'
import { PooledOutput } from '../base/pooled-output.js'
import type { Codec } from './codec.js'
import { ThriftProtocolError, type MessageWriter } from './protocol.js'
import type { ServerCall } from './server-call.js'

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
  readonly #output: PooledOutput<MessageWriter>

  constructor(options: AnswerWriterOptions) {
    this.#options = options
    this.#output = new PooledOutput(options.socket, options.codec)
  }

  get unsentBytes(): number {
    return this.#output.unsentBytes
  }

  get takenBytes(): number {
    return this.#output.takenBytes
  }

  get isBulky(): boolean {
    return this.#output.isBulky
  }

  /** Writes the answer behind those before it; the bytes that it took, which one that was too large took in vain. */
  encode(call: ServerCall): number {
    const { writer } = this.#output
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
    this.#output.send()
  }

  /** Forgets what was not handed to the socket. */
  discard(): void {
    this.#output.discard()
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
}
