/**
 * Reads the primitives of the native protocol (native_protocol_v4.spec section 3) out of one frame's body. Everything is
 * checked before it is believed: what does not fit the body is a PROTOCOL_ERROR, with Cassandra's words where it has any.
 *
 * Buffers that are handed out are views into the frame, which nobody writes to; strings are copies.
 */
import { isUtf8 } from 'node:buffer'
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import { limits } from '../../../src/base/limits.js'
import { CqlError } from '../cql/errors.js'
import { type BoundValue, UNSET } from '../engine/contract.js'
import { MAX_CONSISTENCY } from './constants.js'

export function protocolError(message: string): CqlError {
  return new CqlError('PROTOCOL_ERROR', message)
}

export class CqlBodyReader {
  #buffer: Buffer = EMPTY_BYTES
  #pos = 0
  #end = 0

  /** From now on it reads this part of the buffer. */
  reset(buffer: Buffer, start: number, end: number): void {
    this.#buffer = buffer
    this.#pos = start
    this.#end = end
  }

  get remaining(): number {
    return this.#end - this.#pos
  }

  byte(): number {
    return this.#buffer.readUInt8(this.#take(1))
  }

  short(): number {
    return this.#buffer.readUInt16BE(this.#take(2))
  }

  int(): number {
    return this.#buffer.readInt32BE(this.#take(4))
  }

  long(): bigint {
    return this.#buffer.readBigInt64BE(this.#take(8))
  }

  string(): string {
    return this.#text(this.short(), 2)
  }

  longString(): string {
    const size = this.int()
    if (size < 0) throw protocolError(`A string of ${size} bytes`)
    return this.#text(size, 4)
  }

  stringList(): string[] {
    const count = this.#count()
    const list: string[] = []
    for (let index = 0; index < count; index++) list.push(this.string())
    return list
  }

  stringMap(): Map<string, string> {
    const count = this.#count()
    const map = new Map<string, string>()
    for (let index = 0; index < count; index++) map.set(this.string(), this.string())
    return map
  }

  /** Of CUSTOM_PAYLOAD, which nothing here looks at. */
  skipBytesMap(): void {
    const count = this.#count()
    for (let index = 0; index < count; index++) {
      this.string()
      this.bytes()
    }
  }

  shortBytes(): Buffer {
    return this.#view(this.short())
  }

  /** Null: a negative size. */
  bytes(): Buffer | null {
    const size = this.int()
    return size < 0 ? null : this.#view(size)
  }

  /** Version 3 does not know of unset values: whatever is negative is null there. */
  value(version: number): BoundValue {
    const size = this.int()
    if (size >= 0) return this.#view(size)
    if (size === -1 || version < 4) return null
    if (size === -2) return UNSET
    throw protocolError(`Invalid ByteBuf length ${size}`)
  }

  consistency(): number {
    const code = this.short()
    if (code > MAX_CONSISTENCY) throw protocolError(`Unknown code ${code} for a consistency level`)
    return code
  }

  /** Of a list or map whose elements take two bytes or more each. */
  #count(): number {
    const count = this.short()
    if (count * 2 > this.remaining) throw this.#tooShort(count * 2)
    return count
  }

  #text(size: number, sizeBytes: number): string {
    if (size > this.remaining) {
      const what = `an UTF8 serialized string preceded by its ${sizeBytes} bytes length`
      throw protocolError(`Not enough bytes to read ${what}`)
    }
    if (sizeBytes === 4 && size > limits.maxCqlStatementBytes) {
      throw new CqlError(
        'INVALID',
        `A statement of ${size} bytes exceeds ${limits.maxCqlStatementBytes}: bind its values instead`,
      )
    }
    const start = this.#take(size)
    const bytes = this.#buffer.subarray(start, start + size)
    if (!isUtf8(bytes)) throw protocolError('Cannot decode string as UTF8')
    return bytes.toString('utf8')
  }

  #view(size: number): Buffer {
    const start = this.#take(size)
    return this.#buffer.subarray(start, start + size)
  }

  #take(size: number): number {
    const start = this.#pos
    if (size > this.#end - start) throw this.#tooShort(size)
    this.#pos = start + size
    return start
  }

  #tooShort(size: number): CqlError {
    return protocolError(`The frame ends too early: ${size} bytes are needed and ${this.remaining} are left`)
  }
}
