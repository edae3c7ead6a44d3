/**
 * Cuts a stream of bytes into frames: `[u32 size, big-endian][size bytes]`.
 *
 * A frame that lies whole in the chunk it arrived in is handed out as a part of that chunk, without a copy. Only a
 * frame split over chunks is gathered, in a buffer that doubles with the bytes that came and never with the bytes that
 * were announced; each byte is copied a bounded number of times, however small the chunks are. Neither kind of buffer
 * is written to after its frame is handed out, so that views into it stay valid.
 */
import { EMPTY_BYTES } from '../base/bytes.js'
import { ThriftProtocolError } from './protocol.js'

/** Cuts a connection's bytes into messages: frames here, messages without a size in message-stream.ts. */
export interface MessageSource {
  /** The message that `next` found, without a frame's header. */
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
  /** What is wrong behind the header of that message; the bytes cannot be followed any further. */
  readonly failure: ThriftProtocolError | null
  /** Bytes of memory held for messages that were not handed out. */
  readonly heldBytes: number
  /** A message has begun and has not ended. */
  readonly isInsideMessage: boolean
  /** The bytes must not change afterwards. */
  append(chunk: Buffer): void
  /**
   * Moves on to the next whole message; false when there is none yet, and then nothing handed out is kept.
   * @throws {ThriftProtocolError} the bytes cannot be followed any further
   */
  next(): boolean
  /** Forgets everything that was not handed out. */
  clear(): void
}

const HEADER_SIZE = 4
const FIRST_CAPACITY = 16_384

export class FrameReader implements MessageSource {
  readonly #maxFrameBytes: number
  #chunk: Buffer = EMPTY_BYTES
  #pos = 0
  #partial: Buffer | null = null
  #filled = 0
  /** Size of the partial frame with its header; 0 while the header itself is incomplete. */
  #needed = 0

  readonly failure = null
  buffer: Buffer = EMPTY_BYTES
  start = 0
  end = 0

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes
  }

  get heldBytes(): number {
    return (this.#partial?.length ?? 0) + this.#chunk.length - this.#pos
  }

  get isInsideMessage(): boolean {
    return this.heldBytes > 0
  }

  append(chunk: Buffer): void {
    const isDone = this.#pos === this.#chunk.length
    this.#chunk = isDone ? chunk : Buffer.concat([this.#chunk.subarray(this.#pos), chunk])
    this.#pos = 0
  }

  next(): boolean {
    if (this.#partial !== null) return this.#continuePartial(this.#partial)
    const chunk = this.#chunk
    const pos = this.#pos
    const available = chunk.length - pos
    if (available === 0) return this.#rest()
    if (available < HEADER_SIZE) return this.#beginPartial(0)
    const needed = this.#frameSize(chunk, pos)
    if (available < needed) return this.#beginPartial(needed)
    this.#handOut(chunk, pos + HEADER_SIZE, pos + needed)
    this.#pos = pos + needed
    return true
  }

  clear(): void {
    this.#partial = null
    this.#rest()
  }

  /** A connection that is silent now keeps neither its last chunk nor its last frame, however large they were. */
  #rest(): false {
    this.#dropChunk()
    this.buffer = EMPTY_BYTES
    return false
  }

  #handOut(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer
    this.start = start
    this.end = end
  }

  #beginPartial(needed: number): boolean {
    this.buffer = EMPTY_BYTES
    this.#needed = needed
    this.#filled = 0
    // A pipelined stream ends most chunks inside a small frame; it then gets exactly its size.
    const partial = Buffer.allocUnsafe(needed === 0 ? HEADER_SIZE : Math.min(needed, FIRST_CAPACITY))
    this.#partial = partial
    return this.#continuePartial(partial)
  }

  #continuePartial(partial: Buffer): boolean {
    if (this.#needed === 0) {
      this.#fill(partial, HEADER_SIZE)
      if (this.#filled < HEADER_SIZE) return false
      this.#needed = this.#frameSize(partial, 0)
    }
    const available = this.#filled + this.#chunk.length - this.#pos
    const whole = this.#grown(partial, Math.min(available, this.#needed))
    this.#fill(whole, this.#needed)
    if (this.#filled < this.#needed) return false
    this.#handOut(whole, HEADER_SIZE, this.#needed)
    this.#partial = null
    return true
  }

  /** Takes bytes of the chunk until `upTo` are there, or the chunk is used up. */
  #fill(partial: Buffer, upTo: number): void {
    const count = Math.min(upTo - this.#filled, this.#chunk.length - this.#pos)
    this.#chunk.copy(partial, this.#filled, this.#pos, this.#pos + count)
    this.#filled += count
    this.#pos += count
    // The chunk's memory is not kept for bytes that were all taken.
    if (this.#pos === this.#chunk.length) this.#dropChunk()
  }

  #dropChunk(): void {
    this.#chunk = EMPTY_BYTES
    this.#pos = 0
  }

  #grown(partial: Buffer, size: number): Buffer {
    if (size <= partial.length) return partial
    const capacity = Math.min(this.#needed, Math.max(size, partial.length * 2, FIRST_CAPACITY))
    const grown = Buffer.allocUnsafe(capacity)
    partial.copy(grown, 0, 0, this.#filled)
    this.#partial = grown
    return grown
  }

  #frameSize(buffer: Buffer, at: number): number {
    const size = buffer.readInt32BE(at)
    if (size < 0) throw new ThriftProtocolError('negative-size', `a frame of ${size} bytes is announced`)
    if (size > this.#maxFrameBytes) {
      throw new ThriftProtocolError(
        'frame-too-large',
        `a frame of ${size} bytes exceeds ${this.#maxFrameBytes}`,
      )
    }
    return size + HEADER_SIZE
  }
}
