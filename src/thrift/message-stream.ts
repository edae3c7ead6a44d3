/**
 * Cuts a stream of bytes into messages that have no size in front: the buffered transport, which on the wire is no
 * transport at all. A scanner finds where each message ends.
 *
 * As with frames, a message that lies whole in the chunk it arrived in is handed out as a part of that chunk, and one
 * split over chunks is gathered in a buffer that doubles with the bytes that came. Bytes behind a message's end are
 * copied in blocks at most, and then again with their own message: each byte a bounded number of times, however small
 * the chunks are. What was handed out is not written to again.
 */
import { EMPTY_BYTES } from '../base/bytes.js'
import type { MessageSource } from './frames.js'
import type { MessageScanner } from './message-scanner.js'
import { ThriftProtocolError } from './protocol.js'

/** So many bytes are gathered before it is looked where the message ends, unless that is known to be further on. */
const BLOCK_SIZE = 512

export class MessageStream implements MessageSource {
  readonly #scanner: MessageScanner
  #chunk: Buffer = EMPTY_BYTES
  #pos = 0
  #partial: Buffer | null = null
  #filled = 0

  buffer: Buffer = EMPTY_BYTES
  start = 0
  end = 0
  failure: ThriftProtocolError | null = null

  constructor(scanner: MessageScanner) {
    this.#scanner = scanner
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
    if (pos === chunk.length) return this.#rest()
    this.#scanner.begin()
    if (!this.#scan(chunk, pos, chunk.length)) return this.#beginPartial()
    this.#pos = this.failure === null ? pos + this.#scanner.size : chunk.length
    this.#handOut(chunk, pos, this.#pos)
    return true
  }

  clear(): void {
    this.#partial = null
    this.#rest()
  }

  /** A fault behind the header is found with the message, so that whoever sent it can be told its seqid. */
  #scan(buffer: Buffer, start: number, end: number): boolean {
    try {
      return this.#scanner.scan(buffer, start, end)
    } catch (error) {
      if (!(error instanceof ThriftProtocolError) || !this.#scanner.hasHeader) throw error
      this.failure = error
      return true
    }
  }

  #beginPartial(): false {
    const rest = this.#chunk.length - this.#pos
    const partial = Buffer.allocUnsafe(rest)
    this.#chunk.copy(partial, 0, this.#pos)
    this.#partial = partial
    this.#filled = rest
    return this.#rest()
  }

  #continuePartial(partial: Buffer): boolean {
    const chunk = this.#chunk
    let whole = partial
    while (this.#pos < chunk.length) {
      const wanted = Math.max(BLOCK_SIZE, this.#scanner.size - this.#filled)
      const count = Math.min(wanted, chunk.length - this.#pos)
      whole = this.#grown(whole, this.#filled + count)
      chunk.copy(whole, this.#filled, this.#pos, this.#pos + count)
      this.#filled += count
      this.#pos += count
      if (this.#scan(whole, 0, this.#filled)) {
        const end = this.failure === null ? this.#scanner.size : this.#filled
        this.#pos -= this.#filled - end
        this.#partial = null
        this.#handOut(whole, 0, end)
        return true
      }
    }
    return this.#rest()
  }

  #handOut(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer
    this.start = start
    this.end = end
  }

  /** Nothing of the chunk is left, and nothing handed out is kept. */
  #rest(): false {
    this.#chunk = EMPTY_BYTES
    this.#pos = 0
    this.buffer = EMPTY_BYTES
    return false
  }

  #grown(partial: Buffer, size: number): Buffer {
    if (size <= partial.length) return partial
    const grown = Buffer.allocUnsafe(Math.max(size, partial.length * 2))
    partial.copy(grown, 0, 0, this.#filled)
    this.#partial = grown
    return grown
  }
}
