/**
 * ZooKeeper's record encoding: big-endian numbers; texts and bytes behind a 32-bit length, -1 for none. A message is a frame
 * with its length in front. Source: zookeeper.jute and BinaryOutputArchive of Apache ZooKeeper 3.4 and later.
 */
import { KVError } from '../base/errors.js'

const FIRST_CAPACITY = 256
const LENGTH_BYTES = 4

/** Makes one frame. */
export class JuteWriter {
  #buffer = Buffer.allocUnsafe(FIRST_CAPACITY)
  #end = LENGTH_BYTES

  int(value: number): this {
    this.#reserve(4)
    this.#end = this.#buffer.writeInt32BE(value, this.#end)
    return this
  }

  long(value: bigint): this {
    this.#reserve(8)
    this.#end = this.#buffer.writeBigInt64BE(value, this.#end)
    return this
  }

  flag(value: boolean): this {
    this.#reserve(1)
    this.#end = this.#buffer.writeUInt8(value ? 1 : 0, this.#end)
    return this
  }

  bytes(value: Buffer): this {
    this.int(value.length)
    this.#reserve(value.length)
    this.#end += value.copy(this.#buffer, this.#end)
    return this
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value))
  }

  /** All that was written, with its length in front. */
  frame(): Buffer {
    this.#buffer.writeInt32BE(this.#end - LENGTH_BYTES, 0)
    return this.#buffer.subarray(0, this.#end)
  }

  #reserve(size: number): void {
    if (this.#end + size <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#end + size))
    this.#buffer.copy(larger, 0, 0, this.#end)
    this.#buffer = larger
  }
}

/** Reads one frame without its length. Whatever reaches beyond its end is UNAVAILABLE: the connection is of no use then. */
export class JuteReader {
  readonly #buffer: Buffer
  #at = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  get left(): number {
    return this.#buffer.length - this.#at
  }

  int(): number {
    return this.#buffer.readInt32BE(this.#take(4))
  }

  long(): bigint {
    return this.#buffer.readBigInt64BE(this.#take(8))
  }

  flag(): boolean {
    return this.#buffer.readUInt8(this.#take(1)) !== 0
  }

  /** A part of the frame, not a copy. No bytes and none at all are the same. */
  bytes(): Buffer {
    const length = Math.max(0, this.int())
    const from = this.#take(length)
    return this.#buffer.subarray(from, from + length)
  }

  text(): string {
    return this.bytes().toString()
  }

  texts(): string[] {
    const count = Math.max(0, this.int())
    // Each has a length of its own, so that a count cannot ask for more memory than has arrived.
    if (count * LENGTH_BYTES > this.left) throw tooShort()
    return Array.from({ length: count }, () => this.text())
  }

  #take(size: number): number {
    if (size > this.left) throw tooShort()
    const from = this.#at
    this.#at += size
    return from
  }
}

function tooShort(): KVError {
  return new KVError('UNAVAILABLE', 'zookeeper sent a message that ends within a field')
}
