/** Finds the end of messages in Thrift's compact protocol; message-scanner.ts says how. */
import { checkHeader, CompactType, FIXED_SIZES, MIN_SIZES } from './compact-types.js'
import { fail, MessageScanner } from './message-scanner.js'
import { MAX_NAME_BYTES } from './protocol.js'

const LONG_COUNT = 15

/** Types are the protocol's own codes here. */
export class CompactScanner extends MessageScanner {
  /** What passVarint found, of at most 32 bits. */
  #value = 0

  protected override passHeader(): boolean {
    const start = this.at
    if (start + 2 > this.end) return false
    checkHeader(this.buffer[start] ?? 0, this.buffer[start + 1] ?? 0)
    this.at = start + 2
    if (this.#passVarint(32) && this.#passVarint(32)) {
      const size = this.#checkedSize()
      if (size > MAX_NAME_BYTES) fail('bad-message', `a method's name has ${size} bytes`)
      this.at += size
      if (this.at <= this.end) return true
    }
    this.at = start
    return false
  }

  protected override passField(): boolean {
    const start = this.at
    if (start >= this.end) return false
    const header = this.buffer[start] ?? 0
    this.at = start + 1
    if (header === CompactType.STOP) {
      this.leave()
      return true
    }
    if (header >> 4 === 0 && !this.#passVarint(32)) {
      this.at = start
      return false
    }
    const type = header & 0x0f
    if ((MIN_SIZES[type] ?? 0) === 0) fail('bad-type', `there is no compact type ${type}`)
    // A bool is its header.
    if (type !== CompactType.TRUE && type !== CompactType.FALSE) this.pending = type
    return true
  }

  protected override passValue(type: number): boolean {
    const fixed = FIXED_SIZES[type] ?? 0
    if (fixed !== 0) {
      this.pending = 0
      this.at += fixed
      return true
    }
    switch (type) {
      case CompactType.STRUCT:
        this.pending = 0
        this.enterStruct()
        return true
      case CompactType.BINARY:
        return this.#passBinary()
      case CompactType.I64:
        return this.#passInteger(64)
      case CompactType.LIST:
      case CompactType.SET:
        return this.#passList()
      case CompactType.MAP:
        return this.#passMap()
      default:
        return this.#passInteger(32)
    }
  }

  #passInteger(bits: 32 | 64): boolean {
    if (!this.#passVarint(bits)) return false
    this.pending = 0
    return true
  }

  #passBinary(): boolean {
    if (!this.#passVarint(32)) return false
    this.pending = 0
    this.at += this.#checkedSize()
    return true
  }

  #passList(): boolean {
    const start = this.at
    if (start >= this.end) return false
    const header = this.buffer[start] ?? 0
    this.at = start + 1
    let count = header >> 4
    if (count === LONG_COUNT) {
      if (!this.#passVarint(32)) {
        this.at = start
        return false
      }
      count = this.#checkedSize()
    }
    this.pending = 0
    if (count === 0) return true
    const type = header & 0x0f
    checkType(type)
    const fixed = FIXED_SIZES[type] ?? 0
    if (fixed !== 0) this.at += count * fixed
    else this.enterContainer(count, type, type)
    return true
  }

  #passMap(): boolean {
    const start = this.at
    if (!this.#passVarint(32)) return false
    const count = this.#checkedSize()
    if (count > 0) {
      if (this.at >= this.end) {
        this.at = start
        return false
      }
      const types = this.buffer[this.at++] ?? 0
      checkType(types >> 4)
      checkType(types & 0x0f)
      this.enterContainer(count * 2, types >> 4, types & 0x0f)
    }
    this.pending = 0
    return true
  }

  #checkedSize(): number {
    if (this.#value < 0) fail('negative-size', `a size is ${this.#value}`)
    return this.#value
  }

  /** Where it returns false, the position is as it was. */
  #passVarint(bits: 32 | 64): boolean {
    const { buffer, end } = this
    let { at } = this
    let value = 0
    for (let shift = 0; at < end; shift += 7) {
      const byte = buffer[at++] ?? 0
      if (bits - shift < 7 && byte >> (bits - shift) !== 0)
        fail('bad-varint', `an integer has more than ${bits} bits`)
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.#value = value
        this.at = at
        return true
      }
    }
    return false
  }
}

function checkType(type: number): void {
  if ((MIN_SIZES[type] ?? 0) === 0) fail('bad-type', 'elements are of no known type')
}
