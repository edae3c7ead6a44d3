/**
 * Bytes of the leaf protocol: written into one growing buffer, read with every bound checked. Big-endian. Apart from the
 * wire bytes of threads because these come from the network, where short sizes and no trust are worth more.
 */

const INITIAL_SIZE = 4 * 1024

/** Grows; `take` hands its bytes over and begins anew. */
export class ByteWriter {
  #bytes: Buffer
  #end = 0

  constructor(initialSize = INITIAL_SIZE) {
    this.#bytes = Buffer.allocUnsafeSlow(initialSize)
  }

  get size(): number {
    return this.#end
  }

  /** What was written; valid until the next write. */
  get written(): Buffer {
    return this.#bytes.subarray(0, this.#end)
  }

  /** Room for `size` bytes; answers where it starts. */
  reserve(size: number): number {
    const at = this.#end
    this.#end = at + size
    if (this.#end > this.#bytes.length) this.#grow(at)
    return at
  }

  truncate(size: number): void {
    this.#end = size
  }

  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#end)
    this.#bytes = Buffer.allocUnsafeSlow(INITIAL_SIZE)
    this.#end = 0
    return taken
  }

  // `reserve` may put another buffer in place of this one: it goes first.
  u8(value: number): void {
    const at = this.reserve(1)
    this.#bytes[at] = value
  }

  u16(value: number): void {
    const at = this.reserve(2)
    const bytes = this.#bytes
    bytes[at] = value >>> 8
    bytes[at + 1] = value
  }

  u32(value: number): void {
    this.setU32(this.reserve(4), value)
  }

  /** Over what is there already. */
  setU32(at: number, value: number): void {
    const bytes = this.#bytes
    bytes[at] = value >>> 24
    bytes[at + 1] = value >>> 16
    bytes[at + 2] = value >>> 8
    bytes[at + 3] = value
  }

  /** A whole number below 2^53. */
  u64(value: number): void {
    this.u32(Math.floor(value / 4_294_967_296))
    this.u32(value >>> 0)
  }

  i64(value: bigint): void {
    const at = this.reserve(8)
    this.#bytes.writeBigInt64BE(value, at)
  }

  f64(value: number): void {
    const at = this.reserve(8)
    this.#bytes.writeDoubleBE(value, at)
  }

  raw(value: Uint8Array): void {
    const at = this.reserve(value.length)
    this.#bytes.set(value, at)
  }

  /** Up to 65,535 bytes behind their size. */
  run16(value: Uint8Array): void {
    this.u16(value.length)
    this.raw(value)
  }

  run32(value: Uint8Array): void {
    this.u32(value.length)
    this.raw(value)
  }

  #grow(used: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#end, 2 * this.#bytes.length))
    larger.set(this.#bytes.subarray(0, used))
    this.#bytes = larger
  }
}

/** How many elements of lists may still be decoded: two bytes may become an object of a hundred. */
export interface ElementBudget {
  left: number
}

/** Every method throws RangeError at the end of the bytes. Runs are views. */
export class ByteReader {
  readonly #bytes: Buffer
  readonly #budget: ElementBudget
  #at: number
  readonly #end: number

  constructor(bytes: Buffer, budget: ElementBudget, from = 0, to = bytes.length) {
    this.#bytes = bytes
    this.#budget = budget
    this.#at = from
    this.#end = to
  }

  get at(): number {
    return this.#at
  }

  get left(): number {
    return this.#end - this.#at
  }

  u8(): number {
    return this.#bytes[this.#take(1)] ?? 0
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#take(2))
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4))
  }

  /** @throws {RangeError} also when it is 2^53 or more */
  u64(): number {
    const value = this.u32() * 4_294_967_296 + this.u32()
    if (!Number.isSafeInteger(value)) throw new RangeError('number too large')
    return value
  }

  i64(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8))
  }

  f64(): number {
    return this.#bytes.readDoubleBE(this.#take(8))
  }

  run16(): Buffer {
    return this.view(this.u16())
  }

  run32(): Buffer {
    return this.view(this.u32())
  }

  view(size: number): Buffer {
    const at = this.#take(size)
    return this.#bytes.subarray(at, at + size)
  }

  /** A count of items that have `itemSize` bytes each at least: a made-up one must not become an allocation. */
  count(itemSize: number): number {
    const count = this.u32()
    if (count * itemSize > this.left) throw new RangeError('list ends early')
    this.#budget.left -= count
    if (this.#budget.left < 0) throw new RangeError('too many elements')
    return count
  }

  /** @throws {RangeError} when there is more */
  end(): void {
    if (this.#at !== this.#end) throw new RangeError('bytes go on')
  }

  #take(size: number): number {
    const at = this.#at
    if (size > this.#end - at) throw new RangeError('bytes end early')
    this.#at = at + size
    return at
  }
}
