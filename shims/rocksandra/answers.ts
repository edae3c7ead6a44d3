/**
 * Writes the answers of one CQL connection and hands them to its socket.
 *
 * An answer that outgrows its frame or fails half-way becomes an error of the same stream; those before it stay whole.
 */
import type { Socket } from 'node:net'
import { KVError } from '../../src/base/errors.js'
import { type OutputPool, PooledOutput } from '../../src/base/pooled-output.js'
import { CqlError } from './cql/errors.js'
import { toCqlError } from './errors.js'
import { CqlFrameWriter } from './protocol/body-writer.js'
import type { BodyCompression } from './protocol/compression.js'
import { FRAME_FLAGS, IS_RESPONSE, MIN_VERSION, OPCODES } from './protocol/constants.js'
import { writeError } from './protocol/results.js'

/** Where an answer goes. */
export interface AnswerHead {
  readonly version: number
  readonly stream: number
  readonly opcode: number
  /** Bits of the frame's flags; the body begins with what they announce. */
  readonly flags: number
}

export interface CqlAnswersOptions extends OutputPool<CqlFrameWriter> {
  readonly socket: Socket
  /** An answer could not be written, by a fault of ours. */
  onFault(error: unknown): void
}

/** Below this, packing costs more than it saves. */
const MIN_COMPRESSED_BYTES = 512
const OLD_BODY_BYTES = 4_096

export class CqlAnswers {
  /** Packs bodies from now on; null: they go as they are. */
  compression: BodyCompression | null = null
  readonly #options: CqlAnswersOptions
  readonly #output: PooledOutput<CqlFrameWriter>

  constructor(options: CqlAnswersOptions) {
    this.#options = options
    this.#output = new PooledOutput(options.socket, options)
  }

  get unsentBytes(): number {
    return this.#output.unsentBytes
  }

  get takenBytes(): number {
    return this.#output.takenBytes
  }

  /** Writes one answer behind those before it; answers the bytes that it took. */
  write(head: AnswerHead, fill: (writer: CqlFrameWriter) => void): number {
    const { writer } = this.#output
    const before = writer.size
    writer.beginFrame(head.version, head.flags, head.stream, head.opcode)
    try {
      fill(writer)
      this.#pack(writer)
      writer.endFrame()
    } catch (error) {
      writer.rollbackFrame()
      this.#writeFailure(writer, head, error)
    }
    const size = writer.size - before
    if (this.#output.isBulky) this.send()
    return size
  }

  /** For a client of version 1 or 2, whose frames have a shorter header: what such a client can read. */
  writeOldError(version: number, stream: number, error: CqlError): void {
    const { writer } = this.#output
    const body = new CqlFrameWriter(OLD_BODY_BYTES)
    writeError(body, error, MIN_VERSION)
    for (const byte of [version | IS_RESPONSE, 0, stream & 0xff, OPCODES.ERROR]) writer.byte(byte)
    writer.int(body.size)
    writer.raw(body.view())
  }

  /** Hands everything that was written to the socket. */
  send(): void {
    this.#output.send()
  }

  /** Forgets what was not handed to the socket. */
  discard(): void {
    this.#output.discard()
  }

  #pack(writer: CqlFrameWriter): void {
    if (this.compression === null) return
    const body = writer.body()
    if (body.length < MIN_COMPRESSED_BYTES) return
    const packed = this.compression.compress(body)
    if (packed.length < body.length) writer.replaceBody(packed, FRAME_FLAGS.COMPRESSED)
  }

  #writeFailure(writer: CqlFrameWriter, { version, stream }: AnswerHead, thrown: unknown): void {
    const isKnown = thrown instanceof KVError && thrown.code !== 'INTERNAL'
    if (!isKnown) this.#options.onFault(thrown)
    const error = isKnown
      ? toCqlError(thrown, { consistency: 0, batchType: null })
      : new CqlError('SERVER_ERROR', 'internal error, see the server log')
    writer.beginFrame(version, 0, stream, OPCODES.ERROR)
    writeError(writer, error, version)
    writer.endFrame()
  }
}
