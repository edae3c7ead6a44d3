/**
 * Writes frames of the native protocol one behind the other into a growing buffer, so that many answers leave in one
 * write. A frame that fails half-way or outgrows its limit is rolled back and leaves those before it whole.
 *
 * The buffer belongs to the writer until `take`, then to whoever took it.
 */
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import { KVError } from '../../../src/base/errors.js'
import { HEADER_SIZE, IS_RESPONSE } from './constants.js'

const FIRST_CAPACITY = 16_384
const LENGTH_OFFSET = 5
const MAX_SHORT = 0xffff

export class CqlFrameWriter {
  readonly #maxBodyBytes: number
  #buffer: Buffer = EMPTY_BYTES
  #pos = 0
  #frameStart = 0

  constructor(maxBodyBytes: number) {
    this.#maxBodyBytes = maxBodyBytes
  }

  get size(): number {
    return this.#pos
  }

  get capacity(): number {
    return this.#buffer.length
  }

  view(): Buffer {
    return this.#buffer.subarray(0, this.#pos)
  }

  clear(): void {
    this.#pos = 0
    this.#frameStart = 0
  }

  take(): Buffer {
    const taken = this.view()
    this.#buffer = EMPTY_BYTES
    this.clear()
    return taken
  }

  beginFrame(version: number, flags: number, stream: number, opcode: number): void {
    this.#frameStart = this.#pos
    this.#reserve(HEADER_SIZE)
    this.#buffer[this.#pos] = version | IS_RESPONSE
    this.#buffer[this.#pos + 1] = flags
    this.#buffer.writeInt16BE(stream, this.#pos + 2)
    this.#buffer[this.#pos + 4] = opcode
    this.#pos += HEADER_SIZE
  }

  /** @throws {KVError} TOO_LARGE */
  endFrame(): void {
    const size = this.#pos - this.#frameStart - HEADER_SIZE
    if (size > this.#maxBodyBytes) throw this.#tooLarge(size)
    this.#buffer.writeUInt32BE(size, this.#frameStart + LENGTH_OFFSET)
  }

  rollbackFrame(): void {
    this.#pos = this.#frameStart
  }

  /** Of the frame that is being written. */
  body(): Buffer {
    return this.#buffer.subarray(this.#frameStart + HEADER_SIZE, this.#pos)
  }

  /** Puts other bytes in the body's place. */
  replaceBody(bytes: Uint8Array, flags: number): void {
    this.#pos = this.#frameStart + HEADER_SIZE
    this.raw(bytes)
    this.#buffer[this.#frameStart + 1] = (this.#buffer[this.#frameStart + 1] ?? 0) | flags
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#pos)
    this.#pos += bytes.length
  }

  byte(value: number): void {
    this.#reserve(1)
    this.#buffer[this.#pos++] = value
  }

  short(value: number): void {
    this.#reserve(2)
    this.#pos = this.#buffer.writeUInt16BE(value, this.#pos)
  }

  int(value: number): void {
    this.#reserve(4)
    this.#pos = this.#buffer.writeInt32BE(value, this.#pos)
  }

  string(text: string): void {
    const size = Buffer.byteLength(text)
    if (size > MAX_SHORT) {
      this.string(
        Buffer.from(text)
          .subarray(0, MAX_SHORT / 2)
          .toString('utf8'),
      )
      return
    }
    this.short(size)
    this.#reserve(size)
    this.#pos += this.#buffer.write(text, this.#pos, size, 'utf8')
  }

  stringList(list: readonly string[]): void {
    this.short(list.length)
    for (const text of list) this.string(text)
  }

  stringMultimap(map: ReadonlyMap<string, readonly string[]>): void {
    this.short(map.size)
    for (const [name, list] of map) {
      this.string(name)
      this.stringList(list)
    }
  }

  shortBytes(bytes: Uint8Array): void {
    this.short(bytes.length)
    this.raw(bytes)
  }

  bytes(bytes: Uint8Array | null): void {
    if (bytes === null) {
      this.int(-1)
      return
    }
    this.int(bytes.length)
    this.raw(bytes)
  }

  #reserve(size: number): void {
    if (this.#pos + size > this.#buffer.length) this.#grow(this.#pos + size)
  }

  #grow(needed: number): void {
    const body = needed - this.#frameStart - HEADER_SIZE
    if (body > this.#maxBodyBytes) throw this.#tooLarge(body)
    let capacity = Math.max(this.#buffer.length, FIRST_CAPACITY)
    while (capacity < needed) capacity *= 2
    const grown = Buffer.allocUnsafeSlow(capacity)
    this.#buffer.copy(grown, 0, 0, this.#pos)
    this.#buffer = grown
  }

  #tooLarge(size: number): KVError {
    return new KVError(
      'TOO_LARGE',
      `an answer of ${size} bytes or more exceeds ${this.#maxBodyBytes}: ask for fewer rows, or by pages`,
    )
  }
}
