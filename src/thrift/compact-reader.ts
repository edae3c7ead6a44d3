/**
 * Reads Thrift's compact protocol (thrift-compact-protocol.md of Apache Thrift). Hop 1 of every request of a compact
 * connection.
 *
 * Keeps every promise of binary-reader.ts: nothing is believed before it is checked, a ThriftProtocolError leaves the
 * reader fit for the next reset, binaries are views. A varint that takes more bytes than the widest value of its type,
 * or has bits beyond it, is refused; so is a field id that leaves 16 bits.
 */
import { EMPTY_BYTES } from '../base/bytes.js'
import { checkHeader, CompactType, FIXED_SIZES, MIN_SIZES, THRIFT_TYPES } from './compact-types.js'
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

const MAX_FIELD_ID = 0x7fff
const LONG_COUNT = 15
/** No value stood in the field's header: it is an element's, and a byte of its own. */
const NO_BOOL = -1

const scratch = new DataView(new ArrayBuffer(8))

export class CompactReader implements MessageReader {
  readonly #maxDepth: number
  readonly #maxElements: number
  readonly #strings = new ShortStrings()
  /** By depth: the id before a struct began, to go on from when it ends. */
  readonly #outerFieldIds: Int16Array
  #buffer: Buffer = EMPTY_BYTES
  /** What `#buffer` views, and from where. */
  #memory: ArrayBufferLike = EMPTY_BYTES.buffer
  #memoryOffset = 0
  #pos = 0
  #end = 0
  #depth = 0
  #elements = 0
  #bool = NO_BOOL

  fieldId = 0
  messageName = ''
  messageType = 0
  seqid = 0

  constructor({ maxDepth, maxElements }: ReaderLimits = READER_LIMITS) {
    this.#maxDepth = maxDepth
    this.#maxElements = maxElements
    this.#outerFieldIds = new Int16Array(maxDepth + 1)
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
    this.#bool = NO_BOOL
    this.fieldId = 0
  }

  get remaining(): number {
    return this.#end - this.#pos
  }

  readMessageBegin(): void {
    const protocol = this.#byte()
    const type = this.#byte()
    checkHeader(protocol, type)
    this.messageType = type >> 5
    this.seqid = this.#varint()
    const size = this.#varint()
    if (size > MAX_NAME_BYTES) fail('bad-message', `a method's name has ${size} bytes`)
    this.messageName = this.#text(this.#checkSize(size))
  }

  readStructBegin(): void {
    this.#enter()
    this.#outerFieldIds[this.#depth] = this.fieldId
    this.fieldId = 0
  }

  readStructEnd(): void {
    this.fieldId = this.#outerFieldIds[this.#depth] ?? 0
    this.#depth--
  }

  readFieldBegin(): number {
    const pos = this.#pos
    if (pos >= this.#end) fail('truncated', 'the frame ends inside a struct')
    const header = this.#buffer[pos] ?? 0
    this.#pos = pos + 1
    if (header === CompactType.STOP) return ThriftType.STOP
    const code = header & 0x0f
    const type = THRIFT_TYPES[code] ?? 0
    if (type === 0) fail('bad-type', `there is no compact type ${code}`)
    const id = header >> 4 === 0 ? this.readI16() : this.fieldId + (header >> 4)
    if (id > MAX_FIELD_ID) fail('bad-message', `a field has the id ${id}`)
    this.fieldId = id
    if (type === ThriftType.BOOL) this.#bool = code
    return type
  }

  readListBegin(elementType: number): number {
    const header = this.#byte()
    const count = this.#listCount(header)
    if (count === 0) {
      this.#enter()
      return 0
    }
    const type = THRIFT_TYPES[header & 0x0f] ?? 0
    if (type !== elementType)
      fail('bad-type', `elements of type ${type} stand where ${elementType} is declared`)
    this.#checkCount(count, MIN_SIZES[header & 0x0f] ?? 0)
    this.#enter()
    this.#allow(count)
    return count
  }

  readListEnd(): void {
    this.#depth--
  }

  readMapBegin(keyType: number, valueType: number): number {
    const count = this.#varint()
    if (count === 0) {
      this.#enter()
      return 0
    }
    const types = this.#byte()
    const foundKey = THRIFT_TYPES[types >> 4] ?? 0
    const foundValue = THRIFT_TYPES[types & 0x0f] ?? 0
    if (foundKey !== keyType || foundValue !== valueType) {
      fail(
        'bad-type',
        `entries of types ${foundKey}, ${foundValue} stand where ${keyType}, ${valueType} are declared`,
      )
    }
    this.#checkCount(count, (MIN_SIZES[types >> 4] ?? 0) + (MIN_SIZES[types & 0x0f] ?? 0))
    this.#enter()
    this.#allow(count)
    return count
  }

  readMapEnd(): void {
    this.#depth--
  }

  readBool(): boolean {
    const known = this.#bool
    if (known === NO_BOOL) return this.#byte() === CompactType.TRUE
    this.#bool = NO_BOOL
    return known === CompactType.TRUE
  }

  readByte(): number {
    return (this.#byte() << 24) >> 24
  }

  readI16(): number {
    const bits = this.#varint()
    if (bits >>> 16 !== 0) fail('bad-varint', 'an integer has more than 16 bits')
    return (bits >>> 1) ^ -(bits & 1)
  }

  readI32(): number {
    const bits = this.#varint()
    return (bits >>> 1) ^ -(bits & 1)
  }

  readI64(): bigint {
    let low = 0
    let high = 0
    let pos = this.#pos
    for (let shift = 0; ; shift += 7) {
      if (pos >= this.#end) fail('truncated', 'the frame ends inside an integer')
      const byte = this.#buffer[pos++] ?? 0
      if (shift === 63 && byte > 1) fail('bad-varint', 'an integer has more than 64 bits')
      const bits = byte & 0x7f
      if (shift < 32) low |= bits << shift
      if (shift >= 32) high |= bits << (shift - 32)
      else if (shift === 28) high = bits >> 4
      if (byte < 0x80) break
    }
    this.#pos = pos
    const sign = -(low & 1)
    scratch.setInt32(0, (high >>> 1) ^ sign)
    scratch.setInt32(4, ((low >>> 1) | (high << 31)) ^ sign)
    return scratch.getBigInt64(0)
  }

  readDouble(): number {
    return this.#buffer.readDoubleLE(this.#advance(8))
  }

  readString(): string {
    return this.#text(this.#checkSize(this.#varint()))
  }

  readBinary(): Buffer {
    const size = this.#checkSize(this.#varint())
    if (size === 0) return EMPTY_BYTES
    const start = this.#pos
    this.#pos = start + size
    // As in binary-reader.ts: faster than subarray.
    return Buffer.from(this.#memory, this.#memoryOffset + start, size)
  }

  /** Passes over a value of the type in time proportional to its bytes at most; allocates nothing. */
  skip(type: number): void {
    switch (type) {
      case ThriftType.BOOL:
        this.readBool()
        break
      case ThriftType.BYTE:
        this.#advance(1)
        break
      case ThriftType.DOUBLE:
        this.#advance(8)
        break
      case ThriftType.UUID:
        this.#advance(16)
        break
      case ThriftType.I16:
      case ThriftType.I32:
        this.#varint()
        break
      case ThriftType.I64:
        this.#skipVarint64()
        break
      case ThriftType.STRING:
        this.#advance(this.#checkSize(this.#varint()))
        break
      case ThriftType.STRUCT:
        this.#skipStruct()
        break
      case ThriftType.MAP:
        this.#skipMap()
        break
      case ThriftType.LIST:
      case ThriftType.SET:
        this.#skipList()
        break
      default:
        fail('bad-type', `there is no type ${type}`)
    }
  }

  #skipVarint64(): void {
    for (let size = 1; ; size++) {
      const byte = this.#byte()
      if (size === 10 && byte > 1) fail('bad-varint', 'an integer has more than 64 bits')
      if (byte < 0x80) return
    }
  }

  #skipStruct(): void {
    this.readStructBegin()
    for (;;) {
      const type = this.readFieldBegin()
      if (type === ThriftType.STOP) break
      this.skip(type)
    }
    this.readStructEnd()
  }

  #skipList(): void {
    const header = this.#byte()
    const count = this.#listCount(header)
    if (count === 0) return
    const code = header & 0x0f
    this.#checkCount(count, MIN_SIZES[code] ?? 0)
    const fixed = FIXED_SIZES[code] ?? 0
    if (fixed !== 0) {
      this.#advance(count * fixed)
      return
    }
    this.#enter()
    const type = THRIFT_TYPES[code] ?? 0
    for (let i = 0; i < count; i++) this.skip(type)
    this.#depth--
  }

  #skipMap(): void {
    const count = this.#varint()
    if (count === 0) return
    const types = this.#byte()
    const keyType = THRIFT_TYPES[types >> 4] ?? 0
    const valueType = THRIFT_TYPES[types & 0x0f] ?? 0
    const minKey = MIN_SIZES[types >> 4] ?? 0
    const minValue = MIN_SIZES[types & 0x0f] ?? 0
    this.#checkCount(count, minKey === 0 || minValue === 0 ? 0 : minKey + minValue)
    this.#enter()
    for (let i = 0; i < count; i++) {
      this.skip(keyType)
      this.skip(valueType)
    }
    this.#depth--
  }

  #listCount(header: number): number {
    const count = header >> 4
    return count === LONG_COUNT ? this.#varint() : count
  }

  #text(size: number): string {
    const start = this.#pos
    this.#pos = start + size
    return this.#strings.textOf(this.#buffer, start, size)
  }

  #byte(): number {
    const pos = this.#pos
    if (pos >= this.#end) fail('truncated', 'a byte is declared, none is left')
    this.#pos = pos + 1
    return this.#buffer[pos] ?? 0
  }

  /** 32 bits; a size or count that is negative as a signed number is one beyond two thousand million. */
  #varint(): number {
    const first = this.#byte()
    if (first < 0x80) return first
    let value = first & 0x7f
    for (let shift = 7; ; shift += 7) {
      const byte = this.#byte()
      if (shift === 28 && byte > 0x0f) fail('bad-varint', 'an integer has more than 32 bits')
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
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
