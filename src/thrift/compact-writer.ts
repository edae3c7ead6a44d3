/** Writes Thrift's compact protocol (thrift-compact-protocol.md of Apache Thrift); message-buffer.ts says where to. */
import { COMPACT_PROTOCOL_ID, COMPACT_TYPES, COMPACT_VERSION, CompactType } from './compact-types.js'
import { MessageBuffer } from './message-buffer.js'
import { ThriftType, type MessageWriter } from './protocol.js'

const MAX_VARINT32_BYTES = 5
const MAX_VARINT64_BYTES = 10
/** As in binary-writer.ts: up to here a loop is faster than a call into native code. */
const SHORT_STRING_CHARS = 24
const SHORT_BINARY_BYTES = 24
/** Header bytes hold ids that grow by no more, and counts below it. */
const NIBBLE = 15

const scratch = new DataView(new ArrayBuffer(8))

export class CompactWriter extends MessageBuffer implements MessageWriter {
  /** Id of the field before, and those of the structs around this one. */
  #lastFieldId = 0
  readonly #outerFieldIds: number[] = []
  /** Id of a bool field whose header waits for its value, which stands in it; null: none. */
  #boolFieldId: number | null = null

  writeMessageBegin(name: string, type: number, seqid: number): void {
    // A message before this one may have been given up half-way.
    this.#lastFieldId = 0
    this.#outerFieldIds.length = 0
    this.#boolFieldId = null
    this.reserve(2)
    this.buffer[this.pos++] = COMPACT_PROTOCOL_ID
    this.buffer[this.pos++] = (type << 5) | COMPACT_VERSION
    this.#varint(seqid)
    this.writeString(name)
  }

  writeStructBegin(): void {
    this.#outerFieldIds.push(this.#lastFieldId)
    this.#lastFieldId = 0
  }

  writeStructEnd(): void {
    this.#lastFieldId = this.#outerFieldIds.pop() ?? 0
  }

  writeFieldBegin(type: number, id: number): void {
    if (type === ThriftType.BOOL) this.#boolFieldId = id
    else this.#fieldHeader(COMPACT_TYPES[type] ?? 0, id)
  }

  writeFieldStop(): void {
    this.#byte(CompactType.STOP)
  }

  writeListBegin(elementType: number, count: number): void {
    const type = COMPACT_TYPES[elementType] ?? 0
    if (count < NIBBLE) {
      this.#byte((count << 4) | type)
      return
    }
    this.#byte((NIBBLE << 4) | type)
    this.#varint(count)
  }

  writeMapBegin(keyType: number, valueType: number, count: number): void {
    this.#varint(count)
    if (count > 0) this.#byte(((COMPACT_TYPES[keyType] ?? 0) << 4) | (COMPACT_TYPES[valueType] ?? 0))
  }

  writeBool(value: boolean): void {
    const code = value ? CompactType.TRUE : CompactType.FALSE
    const id = this.#boolFieldId
    if (id === null) {
      this.#byte(code)
      return
    }
    this.#boolFieldId = null
    this.#fieldHeader(code, id)
  }

  writeByte(value: number): void {
    if (value !== (value << 24) >> 24) throw new RangeError(`${value} does not fit a byte, signed`)
    this.#byte(value)
  }

  writeI16(value: number): void {
    if (value !== (value << 16) >> 16) throw new RangeError(`${value} does not fit 16 bits, signed`)
    this.#varint((value << 1) ^ (value >> 31))
  }

  writeI32(value: number): void {
    if (value !== (value | 0)) throw new RangeError(`${value} does not fit 32 bits, signed`)
    this.#varint((value << 1) ^ (value >> 31))
  }

  writeI64(value: bigint): void {
    if (value !== BigInt.asIntN(64, value)) throw new RangeError(`${value} does not fit 64 bits, signed`)
    scratch.setBigInt64(0, value)
    const high = scratch.getInt32(0)
    const low = scratch.getInt32(4)
    const sign = high >> 31
    this.#varint64(((high << 1) | (low >>> 31)) ^ sign, (low << 1) ^ sign)
  }

  writeDouble(value: number): void {
    this.reserve(8)
    this.pos = this.buffer.writeDoubleLE(value, this.pos)
  }

  writeString(value: string): void {
    const length = value.length
    if (length > SHORT_STRING_CHARS) {
      this.#longString(value)
      return
    }
    this.reserve(1 + length)
    const { buffer } = this
    const start = this.pos + 1
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code > 0x7f) {
        this.#longString(value)
        return
      }
      buffer[start + i] = code
    }
    buffer[start - 1] = length
    this.pos = start + length
  }

  writeBinary(value: Uint8Array): void {
    const size = value.length
    this.reserve(MAX_VARINT32_BYTES + size)
    this.#varint(size)
    const { buffer, pos } = this
    if (size <= SHORT_BINARY_BYTES) for (let i = 0; i < size; i++) buffer[pos + i] = value[i] ?? 0
    else buffer.set(value, pos)
    this.pos = pos + size
  }

  #longString(value: string): void {
    const size = Buffer.byteLength(value)
    this.#varint(size)
    this.reserve(size)
    this.pos += this.buffer.write(value, this.pos, 'utf8')
  }

  #fieldHeader(type: number, id: number): void {
    const delta = id - this.#lastFieldId
    this.#lastFieldId = id
    if (delta > 0 && delta <= NIBBLE) {
      this.#byte((delta << 4) | type)
      return
    }
    this.#byte(type)
    this.writeI16(id)
  }

  #byte(value: number): void {
    this.reserve(1)
    this.buffer[this.pos++] = value
  }

  /** The 32 bits as a number without sign. */
  #varint(value: number): void {
    this.reserve(MAX_VARINT32_BYTES)
    const { buffer } = this
    let { pos } = this
    let rest = value
    while ((rest & ~0x7f) !== 0) {
      buffer[pos++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    buffer[pos++] = rest
    this.pos = pos
  }

  #varint64(high: number, low: number): void {
    this.reserve(MAX_VARINT64_BYTES)
    const { buffer } = this
    let { pos } = this
    while (high !== 0 || (low & ~0x7f) !== 0) {
      buffer[pos++] = (low & 0x7f) | 0x80
      low = (low >>> 7) | (high << 25)
      high >>>= 7
    }
    buffer[pos++] = low
    this.pos = pos
  }
}
