/** Writes and reads the bytes of ordered-bytes.ts. */
import { KVError } from '../../../../src/base/errors.js'

const FIRST_SIZE = 64
const ESCAPE = 0x00
const ESCAPED_ZERO = 0xff

/** A buffer that grows. */
export class OrderedWriter {
  #buffer = Buffer.allocUnsafe(FIRST_SIZE)
  length = 0

  byte(value: number): void {
    this.#need(1)
    this.#buffer[this.length++] = value
  }

  u32(value: number): void {
    this.#need(4)
    this.length = this.#buffer.writeUInt32BE(value, this.length)
  }

  u40(value: number): void {
    this.#need(5)
    this.length = this.#buffer.writeUIntBE(value, this.length, 5)
  }

  bytes(value: Buffer, size: number): void {
    if (value.length !== size) {
      throw new KVError('INTERNAL', `a clustering value of ${value.length} bytes where its type has ${size}`)
    }
    this.#need(size)
    value.copy(this.#buffer, this.length)
    this.length += size
  }

  /** 00 as 00 FF, and 00 00 behind the last. */
  escaped(value: Buffer): void {
    let from = 0
    for (let zero = value.indexOf(0); zero !== -1; zero = value.indexOf(0, from)) {
      this.#run(value, from, zero + 1)
      this.byte(ESCAPED_ZERO)
      from = zero + 1
    }
    this.#run(value, from, value.length)
    this.byte(ESCAPE)
    this.byte(ESCAPE)
  }

  #run(value: Buffer, from: number, to: number): void {
    this.#need(to - from)
    value.copy(this.#buffer, this.length, from, to)
    this.length += to - from
  }

  /** Changes bits of one byte. */
  flip(at: number, bits: number): void {
    this.#buffer[at] = (this.#buffer[at] ?? 0) ^ bits
  }

  /** Inverts everything from there on. */
  invert(from: number): void {
    for (let i = from; i < this.length; i++) this.#buffer[i] = ~(this.#buffer[i] ?? 0)
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.length)
  }

  #need(size: number): void {
    const needed = this.length + size
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(grown, 0, 0, this.length)
    this.#buffer = grown
  }
}

/** Checks that there is what it reads. */
export class OrderedReader {
  readonly #source: Buffer
  at: number
  /** Whether the bytes lie inverted from here on. */
  isInverted = false

  constructor(source: Buffer, at: number) {
    this.#source = source
    this.at = at
  }

  byte(): number {
    const value = this.#source[this.at]
    if (value === undefined) throw this.corrupt()
    this.at++
    return this.isInverted ? value ^ 0xff : value
  }

  oneOf(a: number, b: number): number {
    const value = this.byte()
    if (value !== a && value !== b) throw this.corrupt()
    return value
  }

  u32(): number {
    return this.bytes(4).readUInt32BE(0)
  }

  u40(): number {
    return this.bytes(5).readUIntBE(0, 5)
  }

  /** A copy. */
  bytes(size: number): Buffer {
    const end = this.at + size
    if (end > this.#source.length) throw this.corrupt()
    const value = Buffer.allocUnsafe(size)
    const mask = this.isInverted ? 0xff : 0
    // Numbers are short: a loop is faster than a view that is copied.
    for (let i = 0, from = this.at; i < size; i++) value[i] = (this.#source[from + i] ?? 0) ^ mask
    this.at = end
    return value
  }

  /** A copy. */
  escaped(): Buffer {
    const source = this.#source
    const mask = this.isInverted ? 0xff : 0
    const runs: Buffer[] = []
    for (;;) {
      const zero = source.indexOf(ESCAPE ^ mask, this.at)
      if (zero === -1) throw this.corrupt()
      const run = source.subarray(this.at, zero)
      this.at = zero + 1
      if (this.oneOf(ESCAPE, ESCAPED_ZERO) === ESCAPE) {
        runs.push(run)
        break
      }
      runs.push(source.subarray(zero - run.length, zero + 1))
    }
    const value = Buffer.concat(runs)
    if (mask !== 0) for (let i = 0; i < value.length; i++) value[i] = ~(value[i] ?? 0)
    return value
  }

  corrupt(): KVError {
    return new KVError('CORRUPT', `a clustering key is damaged at its byte ${this.at}`)
  }
}
