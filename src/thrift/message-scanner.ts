/**
 * Finds where a message ends in bytes that come piece by piece and carry no size in front: what a buffered transport
 * needs and framed ones do not.
 *
 * Follows the structure of the message and makes nothing of it. What was looked at is not looked at again: a scan goes
 * on where the last one stopped, strings are passed over by their size, and only a header of a few bytes that was cut
 * is read a second time. Nesting and the message's size are bounded, the latter by what is announced, before it comes.
 */
import { ThriftProtocolError, type MalformedReason } from './protocol.js'

export interface ScannerLimits {
  readonly maxMessageBytes: number
  readonly maxDepth: number
}

const STRUCT = -1

export abstract class MessageScanner {
  readonly #maxBytes: number
  readonly #maxDepth: number
  /** By depth: values that a container still has; a struct ends with its stop field. */
  readonly #left: Int32Array
  /** By depth: type of the value when an even number is left, and when an odd one is: keys and values of a map. */
  readonly #evenTypes: Uint8Array
  readonly #oddTypes: Uint8Array
  #depth = 0
  /** A value of this type comes next; 0: the container around it says what comes. */
  protected pending = 0
  protected buffer: Buffer = Buffer.alloc(0)
  protected at = 0
  protected end = 0

  /** Bytes of the message that are known: all when it is whole, otherwise up to the end of a string that is announced. */
  size = 0
  /** The message's header is whole and right. */
  hasHeader = false

  constructor({ maxMessageBytes, maxDepth }: ScannerLimits) {
    this.#maxBytes = maxMessageBytes
    this.#maxDepth = maxDepth
    this.#left = new Int32Array(maxDepth + 1)
    this.#evenTypes = new Uint8Array(maxDepth + 1)
    this.#oddTypes = new Uint8Array(maxDepth + 1)
  }

  begin(): void {
    this.size = 0
    this.hasHeader = false
    this.pending = 0
    this.#depth = 0
  }

  /**
   * Goes on with the message that begins at `start`, of which all bytes up to `end` are there; true when it is whole.
   * @throws {ThriftProtocolError} as a reader of the protocol would, and frame-too-large
   */
  scan(buffer: Buffer, start: number, end: number): boolean {
    this.buffer = buffer
    this.at = start + this.size
    this.end = end
    let isWhole = false
    while (!isWhole && this.at <= end && this.#step()) isWhole = this.#depth === 0
    this.size = this.at - start
    if (this.size > this.#maxBytes) {
      fail('frame-too-large', `a message of ${this.size} bytes or more exceeds ${this.#maxBytes}`)
    }
    return isWhole
  }

  /** Passes over the message's header; false: it is not whole yet. */
  protected abstract passHeader(): boolean
  /** Passes over a field's header, to the pending type, or leaves the struct. */
  protected abstract passField(): boolean
  /** Passes over a value, or enters it. */
  protected abstract passValue(type: number): boolean

  protected enterStruct(): void {
    this.#enter(STRUCT)
  }

  /** Of a list, both types are the same. */
  protected enterContainer(count: number, evenType: number, oddType: number): void {
    if (count > this.#maxBytes) {
      fail('frame-too-large', `${count} elements are declared, a message has ${this.#maxBytes} bytes at most`)
    }
    this.#enter(count)
    this.#evenTypes[this.#depth] = evenType
    this.#oddTypes[this.#depth] = oddType
  }

  protected leave(): void {
    this.#depth--
  }

  #enter(count: number): void {
    if (++this.#depth > this.#maxDepth) fail('too-deep', `values nest deeper than ${this.#maxDepth}`)
    this.#left[this.#depth] = count
  }

  /** One header or value further; false: more bytes are needed. */
  #step(): boolean {
    if (this.pending !== 0) return this.passValue(this.pending)
    if (this.#depth === 0) return this.#begin()
    const left = this.#left[this.#depth] ?? 0
    if (left === STRUCT) return this.passField()
    if (left === 0) {
      this.leave()
      return true
    }
    this.#left[this.#depth] = left - 1
    const types = left % 2 === 0 ? this.#evenTypes : this.#oddTypes
    this.pending = types[this.#depth] ?? 0
    return true
  }

  #begin(): boolean {
    if (!this.passHeader()) return false
    this.hasHeader = true
    this.enterStruct()
    return true
  }
}

/** For scanners. */
export function fail(reason: MalformedReason, message: string): never {
  throw new ThriftProtocolError(reason, message)
}
