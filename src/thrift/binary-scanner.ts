/** Finds the end of messages in Thrift's binary protocol; message-scanner.ts says how. */
import { checkVersion, FIXED_SIZES, MIN_SIZES } from './binary-types.js'
import { fail, MessageScanner } from './message-scanner.js'
import { MAX_NAME_BYTES, ThriftType } from './protocol.js'

/** `[version and type][size of the name]` and `[seqid]` behind the name. */
const STRICT_SIZE = 12
/** `[size of the name]` and `[type][seqid]` behind the name. */
const OLD_SIZE = 9

export class BinaryScanner extends MessageScanner {
  protected override passHeader(): boolean {
    if (this.at + 4 > this.end) return false
    const first = this.buffer.readInt32BE(this.at)
    if (first >= 0) return this.#passName(first, OLD_SIZE)
    checkVersion(first)
    return this.at + 8 <= this.end && this.#passName(this.buffer.readInt32BE(this.at + 4), STRICT_SIZE)
  }

  protected override passField(): boolean {
    if (this.at >= this.end) return false
    const type = this.buffer[this.at] ?? 0
    if (type === ThriftType.STOP) {
      this.at++
      this.leave()
      return true
    }
    if (this.at + 3 > this.end) return false
    this.at += 3
    this.pending = type
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
      case ThriftType.STRING:
        return this.#passString()
      case ThriftType.STRUCT:
        this.pending = 0
        this.enterStruct()
        return true
      case ThriftType.MAP:
        return this.#passMap()
      case ThriftType.LIST:
      case ThriftType.SET:
        return this.#passList()
      default:
        return fail('bad-type', `there is no type ${type}`)
    }
  }

  #passName(size: number, headerSize: number): boolean {
    if (size > MAX_NAME_BYTES) fail('bad-message', `a method's name has ${size} bytes`)
    if (size < 0) fail('negative-size', `a size is ${size}`)
    if (this.at + headerSize + size > this.end) return false
    this.at += headerSize + size
    return true
  }

  #passString(): boolean {
    if (this.at + 4 > this.end) return false
    const size = this.buffer.readInt32BE(this.at)
    if (size < 0) fail('negative-size', `a size is ${size}`)
    this.pending = 0
    this.at += 4 + size
    return true
  }

  #passList(): boolean {
    if (this.at + 5 > this.end) return false
    const type = this.buffer[this.at] ?? 0
    const count = this.buffer.readInt32BE(this.at + 1)
    this.pending = 0
    this.at += 5
    if (count === 0) return true
    checkCount(count, MIN_SIZES[type] ?? 0)
    const fixed = FIXED_SIZES[type] ?? 0
    if (fixed !== 0) this.at += count * fixed
    else this.enterContainer(count, type, type)
    return true
  }

  #passMap(): boolean {
    if (this.at + 6 > this.end) return false
    const keyType = this.buffer[this.at] ?? 0
    const valueType = this.buffer[this.at + 1] ?? 0
    const count = this.buffer.readInt32BE(this.at + 2)
    this.pending = 0
    this.at += 6
    if (count === 0) return true
    checkCount(count, Math.min(MIN_SIZES[keyType] ?? 0, MIN_SIZES[valueType] ?? 0))
    this.enterContainer(count * 2, keyType, valueType)
    return true
  }
}

function checkCount(count: number, minSize: number): void {
  if (count < 0) fail('negative-size', `a count is ${count}`)
  if (minSize === 0) fail('bad-type', 'elements are of no known type')
}
