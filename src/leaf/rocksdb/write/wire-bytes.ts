/**
 * Bytes of messages between threads, and of what a write answered: written into one growing buffer, read with every bound
 * checked. Big-endian; a run of bytes stands behind its size in 32 bits.
 */

const INITIAL_SIZE = 16 * 1024

/** Grows; `take` hands its bytes over for good, so that their memory can be transferred to another thread. */
export class WireOutput {
  readonly #initialSize: number
  #bytes = Buffer.alloc(0)
  #end = 0

  constructor(initialSize = INITIAL_SIZE) {
    this.#initialSize = initialSize
  }

  get size(): number {
    return this.#end
  }

  /** Another one after each call that grew it. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** Room for `size` bytes; answers where it starts. */
  reserve(size: number): number {
    const at = this.#end
    this.#end += size
    if (this.#end > this.#bytes.byteLength) {
      const larger = Buffer.from(
        new ArrayBuffer(Math.max(this.#initialSize, this.#end, 2 * this.#bytes.byteLength)),
      )
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
    }
    return at
  }

  truncate(size: number): void {
    this.#end = size
  }

  take(): Uint8Array<ArrayBuffer> {
    const { buffer } = this.#bytes
    const taken = new Uint8Array(buffer instanceof ArrayBuffer ? buffer : new ArrayBuffer(0), 0, this.#end)
    this.#bytes = Buffer.alloc(0)
    this.#end = 0
    return taken
  }

  u8(value: number): void {
    const at = this.reserve(1)
    this.#bytes[at] = value
  }

  u32(value: number): void {
    const at = this.reserve(4)
    this.#bytes.writeUInt32BE(value, at)
  }

  f64(value: number): void {
    const at = this.reserve(8)
    this.#bytes.writeDoubleBE(value, at)
  }

  i64(value: bigint): void {
    const at = this.reserve(8)
    this.#bytes.writeBigInt64BE(value, at)
  }

  run(value: Uint8Array): void {
    const at = this.reserve(4 + value.byteLength)
    this.#bytes.writeUInt32BE(value.byteLength, at)
    this.#bytes.set(value, at + 4)
  }

  list<T>(items: readonly T[], write: (item: T) => void): void {
    this.u32(items.length)
    for (const item of items) write(item)
  }
}

/** Reads what WireOutput wrote. Every method throws RangeError at the end of the bytes. Runs are views. */
export class WireInput {
  readonly #bytes: Buffer
  #at: number
  readonly #end: number

  constructor(bytes: Buffer, from = 0, to = bytes.byteLength) {
    this.#bytes = bytes
    this.#at = from
    this.#end = to
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1))
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4))
  }

  f64(): number {
    return this.#bytes.readDoubleBE(this.#take(8))
  }

  i64(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8))
  }

  run(): Buffer {
    const size = this.u32()
    const at = this.#take(size)
    return this.#bytes.subarray(at, at + size)
  }

  list<T>(read: () => T): T[] {
    const count = this.u32()
    // An item has one byte at least: a damaged count must not become an allocation.
    if (count > this.#end - this.#at) throw new RangeError('list ends early')
    const items: T[] = []
    for (let i = 0; i < count; i++) items.push(read())
    return items
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
