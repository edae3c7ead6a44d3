/**
 * Cuts a connection's bytes into frames of the native protocol, versions 3 and 4.
 *
 * A frame that lies whole in the chunk it arrived in is handed out as a part of that chunk, without a copy. Only a frame
 * split over chunks is gathered, in a buffer that doubles with the bytes that came and never with the bytes that were
 * announced. Neither is written to after its frame is handed out, so that values may stay views into it.
 *
 * The first byte is judged before nine are there, because frames of versions 1 and 2 have a header of eight. A frame
 * that is too large is answered and its body thrown away as it comes; the connection goes on. Whatever else is wrong
 * with a header costs the connection: nobody can tell where the next frame begins.
 * Source: Frame.java of Cassandra 3.0.
 */
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import {
  HEADER_SIZE,
  IS_RESPONSE,
  MAX_VERSION,
  MIN_VERSION,
  OLD_HEADER_SIZE,
  REQUEST_OPCODES,
  opcodeName,
} from './constants.js'

const FIRST_CAPACITY = 4_096

/** What `next` found: nothing yet, a frame, a frame that is too large, or bytes that cannot be followed any further. */
export type Found = 'none' | 'frame' | 'too-large' | 'broken'

export class CqlFrameReader {
  readonly #maxBodyBytes: number
  #chunk: Buffer = EMPTY_BYTES
  #pos = 0
  #partial: Buffer | null = null
  #filled = 0
  /** Bytes of a frame that was too large which are still to come. */
  #toDiscard = 0
  #isBroken = false

  /** Of the newest frame. */
  version = 0
  flags = 0
  stream = 0
  opcode = 0
  /** Of 'too-large': what the header says. */
  bodyBytes = 0
  /** Of 'broken': why. */
  fault = ''
  /** The body is `buffer` from `start` to `end`. */
  buffer: Buffer = EMPTY_BYTES
  start = 0
  end = 0

  constructor(maxBodyBytes: number) {
    this.#maxBodyBytes = maxBodyBytes
  }

  get heldBytes(): number {
    return (this.#partial?.length ?? 0) + this.#chunk.length - this.#pos
  }

  /** A frame has begun and has not ended. */
  get isInsideFrame(): boolean {
    return this.heldBytes > 0 || this.#toDiscard > 0
  }

  /** The bytes must not change afterwards. */
  append(chunk: Buffer): void {
    if (this.#isBroken) return
    const isDone = this.#pos === this.#chunk.length
    this.#chunk = isDone ? chunk : Buffer.concat([this.#chunk.subarray(this.#pos), chunk])
    this.#pos = 0
  }

  next(): Found {
    if (this.#isBroken) return 'none'
    if (this.#toDiscard > 0 && !this.#discard()) return this.#rest()
    if (this.#partial !== null) return this.#continuePartial(this.#partial)
    const chunk = this.#chunk
    const pos = this.#pos
    if (pos === chunk.length) return this.#rest()
    if (!this.#isServedVersion(chunk[pos] ?? 0)) return this.#refuseVersion(chunk, pos, chunk.length)
    if (chunk.length - pos < HEADER_SIZE) return this.#beginPartial()
    const found = this.#readHeader(chunk, pos)
    if (found === 'too-large') this.#pos = pos + HEADER_SIZE
    if (found !== 'frame') return found
    const end = pos + HEADER_SIZE + this.bodyBytes
    if (end > chunk.length) return this.#beginPartial()
    this.#handOut(chunk, pos + HEADER_SIZE, end)
    this.#pos = end
    return 'frame'
  }

  /** Forgets everything that was not handed out. */
  clear(): void {
    this.#partial = null
    this.#toDiscard = 0
    this.#isBroken = true
    this.#rest()
  }

  #isServedVersion(first: number): boolean {
    return first >= MIN_VERSION && first <= MAX_VERSION
  }

  /** Once a header is there: a peer that is refused while it writes one may see a reset in place of the answer. */
  #refuseVersion(buffer: Buffer, start: number, end: number): Found {
    const first = buffer[start] ?? 0
    this.version = first & ~IS_RESPONSE
    const isOld = this.version < MIN_VERSION
    if (end - start < (isOld ? OLD_HEADER_SIZE : HEADER_SIZE)) {
      if (this.#partial === null) return this.#beginPartial()
      return this.#rest()
    }
    // As Cassandra, which has not read the stream by then; a driver of Go steps down only when it is told so.
    this.stream = 0
    if ((first & IS_RESPONSE) !== 0 && this.#isServedVersion(this.version)) {
      return this.#break(`Wrong protocol direction: a frame of version byte ${first} is a response`)
    }
    // Drivers look for this text, and one of them for a version at its end.
    return this.#break(
      `Invalid or unsupported protocol version (${this.version}); the lowest supported version is ` +
        `${MIN_VERSION} and the greatest is ${MAX_VERSION}`,
    )
  }

  #readHeader(buffer: Buffer, start: number): Found {
    this.version = buffer[start] ?? 0
    this.flags = buffer[start + 1] ?? 0
    this.stream = buffer.readInt16BE(start + 2)
    this.opcode = buffer[start + 4] ?? 0
    this.bodyBytes = buffer.readUInt32BE(start + 5)
    const name = opcodeName(this.opcode)
    if (name === null) return this.#break(`Unknown opcode ${this.opcode}`)
    if (!REQUEST_OPCODES.has(name)) {
      const names = `opcode ${this.opcode} (${name})`
      return this.#break(`Wrong protocol direction (expected RESPONSE, got REQUEST) for ${names}`)
    }
    if (this.bodyBytes <= this.#maxBodyBytes) return 'frame'
    this.#toDiscard = this.bodyBytes
    return 'too-large'
  }

  #break(fault: string): 'broken' {
    this.fault = fault
    this.clear()
    return 'broken'
  }

  /** Whether all of it is gone. */
  #discard(): boolean {
    const count = Math.min(this.#toDiscard, this.#chunk.length - this.#pos)
    this.#pos += count
    this.#toDiscard -= count
    return this.#toDiscard === 0
  }

  #beginPartial(): 'none' {
    const rest = this.#chunk.length - this.#pos
    const partial = Buffer.allocUnsafeSlow(Math.max(FIRST_CAPACITY, rest))
    this.#chunk.copy(partial, 0, this.#pos)
    this.#partial = partial
    this.#filled = rest
    return this.#rest()
  }

  #continuePartial(partial: Buffer): Found {
    let whole = this.#fill(partial, HEADER_SIZE)
    if (!this.#isServedVersion(whole[0] ?? 0)) return this.#refuseVersion(whole, 0, this.#filled)
    if (this.#filled < HEADER_SIZE) return this.#rest()
    const found = this.#readHeader(whole, 0)
    // Nothing of its body was gathered: that is done only for frames that are handed out.
    if (found === 'too-large') this.#partial = null
    if (found !== 'frame') return found
    const size = HEADER_SIZE + this.bodyBytes
    whole = this.#fill(whole, size)
    if (this.#filled < size) return this.#rest()
    this.#partial = null
    this.#handOut(whole, HEADER_SIZE, size)
    return 'frame'
  }

  /** Moves bytes of the chunk behind those that were gathered, up to `size` of them. */
  #fill(partial: Buffer, size: number): Buffer {
    const count = Math.min(size - this.#filled, this.#chunk.length - this.#pos)
    if (count <= 0) return partial
    let whole = partial
    if (this.#filled + count > whole.length) {
      // No further than the frame, and no more than twice what is there.
      whole = Buffer.allocUnsafeSlow(Math.min(size, Math.max(this.#filled + count, whole.length * 2)))
      partial.copy(whole, 0, 0, this.#filled)
      this.#partial = whole
    }
    this.#chunk.copy(whole, this.#filled, this.#pos, this.#pos + count)
    this.#filled += count
    this.#pos += count
    return whole
  }

  #handOut(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer
    this.start = start
    this.end = end
  }

  /** Nothing of the chunk is left, and nothing handed out is kept. */
  #rest(): 'none' {
    this.#chunk = EMPTY_BYTES
    this.#pos = 0
    this.buffer = EMPTY_BYTES
    return 'none'
  }
}
