/**
 * The growing buffer under both protocols' writers: one message behind the other, framed or not, so that many answers
 * leave in one write.
 *
 * A message that fails half-way or outgrows its limit is rolled back and leaves those before it whole. The buffer
 * belongs to the writer until `take`, then to whoever took it.
 */
import { EMPTY_BYTES } from '../base/bytes.js'
import { ThriftProtocolError } from './protocol.js'

const FRAME_HEADER_SIZE = 4
/** Writers reserve up to so much more than they write, for texts and varints; endFrame knows the exact size. */
const MAX_SPARE_BYTES = 4096

export abstract class MessageBuffer {
  readonly #initialSize: number
  // Not private to this class, because the writers below put their bytes here without a call.
  protected buffer: Buffer
  protected pos = 0
  #frameStart = 0
  /** Bytes in front of the message: its size, or nothing. */
  #headerSize = 0
  #limit = Number.POSITIVE_INFINITY

  /** The buffer starts with `initialSize` bytes and doubles as needed. */
  constructor(initialSize = 16_384) {
    this.#initialSize = initialSize
    this.buffer = Buffer.allocUnsafeSlow(initialSize)
  }

  get size(): number {
    return this.pos
  }

  get capacity(): number {
    return this.buffer.length
  }

  view(): Buffer {
    return this.buffer.subarray(0, this.pos)
  }

  clear(): void {
    this.pos = 0
    this.#frameStart = 0
    this.#limit = Number.POSITIVE_INFINITY
  }

  take(): Buffer {
    const taken = this.view()
    this.buffer = EMPTY_BYTES
    this.clear()
    return taken
  }

  beginFrame(maxBytes: number, isFramed = true): void {
    this.#limit = Number.POSITIVE_INFINITY
    this.#frameStart = this.pos
    this.#headerSize = isFramed ? FRAME_HEADER_SIZE : 0
    this.reserve(this.#headerSize)
    this.pos += this.#headerSize
    this.#limit = this.pos + maxBytes
  }

  endFrame(): void {
    if (this.pos > this.#limit) this.#refuse(this.pos)
    const start = this.#frameStart
    if (this.#headerSize > 0) this.buffer.writeInt32BE(this.pos - start - FRAME_HEADER_SIZE, start)
    this.#limit = Number.POSITIVE_INFINITY
  }

  rollbackFrame(): void {
    this.pos = this.#frameStart
    this.#limit = Number.POSITIVE_INFINITY
  }

  /** Room for `size` bytes behind `pos`. */
  protected reserve(size: number): void {
    if (this.pos + size > this.buffer.length) this.#grow(this.pos + size)
  }

  #grow(needed: number): void {
    if (needed > this.#limit + MAX_SPARE_BYTES) this.#refuse(needed)
    let capacity = Math.max(this.buffer.length, this.#initialSize)
    while (capacity < needed) capacity *= 2
    const grown = Buffer.allocUnsafeSlow(capacity)
    this.buffer.copy(grown, 0, 0, this.pos)
    this.buffer = grown
  }

  #refuse(needed: number): never {
    const before = this.#frameStart + this.#headerSize
    const sizes = `a frame of ${needed - before} bytes or more exceeds ${this.#limit - before}`
    throw new ThriftProtocolError('frame-too-large', sizes)
  }
}
