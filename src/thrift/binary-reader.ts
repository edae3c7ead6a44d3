/**
 * Reads Thrift's binary protocol (thrift-binary-protocol.md of Apache Thrift): big-endian, strict and old message
 * headers. Hop 1 of every request.
 *
 * One reader serves all messages of a thread, one after the other. Everything is checked before it is believed: the
 * bytes that are left, sizes, counts against the smallest bytes their elements can take, nesting, and the number of
 * elements that one message may make us allocate. A ThriftProtocolError leaves the reader fit for the next reset.
 * Binaries are views into the given buffer, which must not be written to again.
 */
import { EMPTY_BYTES } from '../base/bytes.js'
import { checkVersion, FIXED_SIZES, MIN_SIZES } from './binary-types.js'
import {
  MAX_NAME_BYTES,
  READER_LIMITS,
  ThriftProtocolError,
  ThriftType,
  type MalformedReason,
  type MessageReader,
  type ReaderLimits,
} from './protocol.js'
import { ShortStrings } from './short-strings.js'

const scratch = new DataView(new ArrayBuffer(8))

export class BinaryReader implements MessageReader {
  readonly #maxDepth: number
  readonly #maxElements: number
  readonly #strings = new ShortStrings()
  #buffer: Buffer = EMPTY_BYTES
  /** What `#buffer` views, and from where. */
  #memory: ArrayBufferLike = EMPTY_BYTES.buffer
  #memoryOffset = 0
  #pos = 0
  #end = 0
  #depth = 0
  #elements = 0

  fieldId = 0
  messageName = ''
  messageType = 0
  seqid = 0

  constructor({ maxDepth, maxElements }: ReaderLimits = READER_LIMITS) {
    this.#maxDepth = maxDepth
    this.#maxElements = maxElements
  }

  reset(buffer: Buffer, start: number, end: number): void {
    if (buffer !== this.#buffer) {
      this.#buffer = buffer
      this.#memory = buffer.buffer
      this.#memoryOffset = buffer.byteOffset
    }
    this.#pos = start
    this.#end = end
    this.#depth = 0
    this.#elements = 0
  }

  get remaining(): number {
    return this.#end - this.#pos
  }

  readMessageBegin(): void {
    const first = this.readI32()
    if (first < 0) {
      checkVersion(first)
      this.messageType = first & 0xff
      this.messageName = this.#name(this.readI32())
    } else {
      this.messageName = this.#name(first)
      this.messageType = this.readByte() & 0xff
    }
    this.seqid = this.readI32()
  }

  readStructBegin(): void {
    this.#enter()
  }

  readStructEnd(): void {
    this.#depth--
  }

  readFieldBegin(): number {
    const buffer = this.#buffer
    const pos = this.#pos
    if (pos >= this.#end) fail('truncated', 'the frame ends inside a struct')
    const type = buffer[pos] ?? 0
    if (type === ThriftType.STOP) {
      this.#pos = pos + 1
      return type
    }
    if (pos + 3 > this.#end) fail('truncated', 'the frame ends inside a field header')
    this.fieldId = (((buffer[pos + 1] ?? 0) << 24) >> 16) | (buffer[pos + 2] ?? 0)
    this.#pos = pos + 3
    return type
  }

  readListBegin(elementType: number): number {
    const position = this.#advance(5)
    const type = this.#buffer[position] ?? 0
    const count = this.#i32At(position + 1)
    if (count === 0) {
      this.#enter()
      return 0
    }
    if (type !== elementType)
      fail('bad-type', `elements of type ${type} stand where ${elementType} is declared`)
    this.#checkCount(count, MIN_SIZES[type] ?? 0)
    this.#enter()
    this.#allow(count)
    return count
  }

  readListEnd(): void {
    this.#depth--
  }

  readMapBegin(keyType: number, valueType: number): number {
    const position = this.#advance(6)
    const foundKey = this.#buffer[position] ?? 0
    const foundValue = this.#buffer[position + 1] ?? 0
    const count = this.#i32At(position + 2)
    if (count === 0) {
      this.#enter()
      return 0
    }
    if (foundKey !== keyType || foundValue !== valueType) {
      fail(
        'bad-type',
        `entries of types ${foundKey}, ${foundValue} stand where ${keyType}, ${valueType} are declared`,
      )
    }
    this.#checkCount(count, (MIN_SIZES[keyType] ?? 0) + (MIN_SIZES[valueType] ?? 0))
    this.#enter()
    this.#allow(count)
    return count
  }

  readMapEnd(): void {
    this.#depth--
  }

  readBool(): boolean {
    return (this.#buffer[this.#advance(1)] ?? 0) !== 0
  }

  readByte(): number {
    return ((this.#buffer[this.#advance(1)] ?? 0) << 24) >> 24
  }

  readI16(): number {
    const at = this.#advance(2)
    return (((this.#buffer[at] ?? 0) << 24) >> 16) | (this.#buffer[at + 1] ?? 0)
  }

  readI32(): number {
    return this.#i32At(this.#advance(4))
  }

  readI64(): bigint {
    const at = this.#advance(8)
    scratch.setInt32(0, this.#i32At(at))
    scratch.setInt32(4, this.#i32At(at + 4))
    return scratch.getBigInt64(0)
  }

  readDouble(): number {
    const at = this.#advance(8)
    scratch.setInt32(0, this.#i32At(at))
    scratch.setInt32(4, this.#i32At(at + 4))
    return scratch.getFloat64(0)
  }

  readString(): string {
    return this.#string(this.#checkSize(this.readI32()))
  }

  readBinary(): Buffer {
    const size = this.#checkSize(this.readI32())
    if (size === 0) return EMPTY_BYTES
    const start = this.#pos
    this.#pos = start + size
    // 75 ns where subarray takes 110, of the 700 ns that a whole get takes to read.
    return Buffer.from(this.#memory, this.#memoryOffset + start, size)
  }

  /** Passes over a value of the type in time proportional to its bytes at most; allocates nothing. */
  skip(type: number): void {
    const fixed = FIXED_SIZES[type] ?? 0
    if (fixed !== 0) this.#advance(fixed)
    else if (type === ThriftType.STRING) this.#advance(this.#checkSize(this.readI32()))
    else if (type === ThriftType.STRUCT) this.#skipStruct()
    else if (type === ThriftType.MAP) this.#skipMap()
    else if (type === ThriftType.LIST || type === ThriftType.SET) this.#skipList()
    else fail('bad-type', `there is no type ${type}`)
  }

  #skipStruct(): void {
    this.#enter()
    for (;;) {
      const type = this.readFieldBegin()
      if (type === ThriftType.STOP) break
      this.skip(type)
    }
    this.#depth--
  }

  #skipList(): void {
    const at = this.#advance(5)
    const type = this.#buffer[at] ?? 0
    const count = this.#i32At(at + 1)
    if (count === 0) return
    this.#checkCount(count, MIN_SIZES[type] ?? 0)
    const fixed = FIXED_SIZES[type] ?? 0
    if (fixed !== 0) {
      this.#advance(count * fixed)
      return
    }
    this.#enter()
    for (let i = 0; i < count; i++) this.skip(type)
    this.#depth--
  }

  #skipMap(): void {
    const at = this.#advance(6)
    const keyType = this.#buffer[at] ?? 0
    const valueType = this.#buffer[at + 1] ?? 0
    const count = this.#i32At(at + 2)
    if (count === 0) return
    const minKey = MIN_SIZES[keyType] ?? 0
    const minValue = MIN_SIZES[valueType] ?? 0
    this.#checkCount(count, minKey === 0 || minValue === 0 ? 0 : minKey + minValue)
    this.#enter()
    for (let i = 0; i < count; i++) {
      this.skip(keyType)
      this.skip(valueType)
    }
    this.#depth--
  }

  #name(size: number): string {
    if (size > MAX_NAME_BYTES) fail('bad-message', `a method's name has ${size} bytes`)
    return this.#string(this.#checkSize(size))
  }

  #string(size: number): string {
    const start = this.#pos
    this.#pos = start + size
    return this.#strings.textOf(this.#buffer, start, size)
  }

  #i32At(at: number): number {
    const buffer = this.#buffer
    return (
      ((buffer[at] ?? 0) << 24) |
      ((buffer[at + 1] ?? 0) << 16) |
      ((buffer[at + 2] ?? 0) << 8) |
      (buffer[at + 3] ?? 0)
    )
  }

  /** The position before moving on by `size`. */
  #advance(size: number): number {
    const position = this.#pos
    if (position + size > this.#end)
      fail('truncated', `${size} bytes are declared, ${this.remaining} are left`)
    this.#pos = position + size
    return position
  }

  #enter(): void {
    if (++this.#depth > this.#maxDepth) fail('too-deep', `values nest deeper than ${this.#maxDepth}`)
  }

  #allow(count: number): void {
    this.#elements += count
    if (this.#elements > this.#maxElements) {
      fail('too-many-elements', `a message may have ${this.#maxElements} elements in all`)
    }
  }

  #checkSize(size: number): number {
    if (size < 0) fail('negative-size', `a size is ${size}`)
    if (size > this.remaining) fail('lying-size', `${size} bytes are declared, ${this.remaining} are left`)
    return size
  }

  #checkCount(count: number, minSize: number): void {
    if (count < 0) fail('negative-size', `a count is ${count}`)
    if (minSize === 0) fail('bad-type', 'elements are of no known type')
    if (count * minSize > this.remaining) {
      fail('lying-size', `${count} elements are declared, ${this.remaining} bytes are left`)
    }
  }
}

function fail(reason: MalformedReason, message: string): never {
  throw new ThriftProtocolError(reason, message)
}
