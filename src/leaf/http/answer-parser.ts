/**
 * Takes a batch's answer apart as it arrives: the list of targets, then answers. An answer that lies whole in what arrived
 * is decoded where it lies; one that arrives in parts is put together first. Bounded by what the sizes say, and those by
 * the largest answer there can be.
 */
import { limits } from '../../base/limits.js'
import { decodeAnswer, decodeAnswerHead, HEAD_SIZE, type ShardTarget, type WireAnswer } from './wire.js'

/** A page or the rows of one request, with what surrounds each row. */
const MAX_ANSWER_BYTES = 2 * limits.maxFrameBytes
/** A target that is served: longest name and numbers. */
const MAX_TARGET_BYTES = 267

export class AnswerParser {
  /** What the leaf has to say if it serves all that was asked for. */
  readonly #expected: Buffer
  readonly #onTargets: (targets: readonly (ShardTarget | null)[] | 'as asked') => void
  readonly #onAnswer: (answer: WireAnswer) => void
  #hasHead = false
  /** What arrived and is not used: the beginning of the next part; its size is `#pendingSize` of these bytes. */
  #pending: Buffer = Buffer.alloc(0)
  #pendingSize = 0

  constructor(
    expected: Buffer,
    onTargets: (targets: readonly (ShardTarget | null)[] | 'as asked') => void,
    onAnswer: (answer: WireAnswer) => void,
  ) {
    this.#expected = expected
    this.#onTargets = onTargets
    this.#onAnswer = onAnswer
  }

  /** @throws {RangeError} when it is no answer to a batch */
  push(chunk: Buffer): void {
    if (this.#pendingSize === 0) {
      this.#keep(chunk, this.#parse(chunk))
      return
    }
    this.#append(chunk)
    const bytes = this.#pending.subarray(0, this.#pendingSize)
    const used = this.#parse(bytes)
    if (used === 0) return
    this.#pending = Buffer.alloc(0)
    this.#pendingSize = 0
    this.#keep(bytes, used)
  }

  /** Whether nothing is left over. */
  get isBetweenAnswers(): boolean {
    return this.#hasHead && this.#pendingSize === 0
  }

  /** Answers how many bytes were used. */
  #parse(bytes: Buffer): number {
    let at = 0
    if (!this.#hasHead) {
      at = this.#parseHead(bytes)
      if (at === 0) return 0
    }
    while (bytes.length - at >= 4) {
      const size = bytes.readUInt32BE(at)
      if (size > MAX_ANSWER_BYTES) throw new RangeError(`an answer of ${size} bytes`)
      if (bytes.length - at - 4 < size) break
      this.#onAnswer(decodeAnswer(bytes, at + 4, at + 4 + size))
      at += 4 + size
    }
    return at
  }

  #parseHead(bytes: Buffer): number {
    const expected = this.#expected
    if (
      bytes.length >= expected.length &&
      bytes.compare(expected, 0, expected.length, 0, expected.length) === 0
    ) {
      this.#hasHead = true
      this.#onTargets('as asked')
      return expected.length
    }
    // Not what was asked for, or not all of it yet.
    const longest = HEAD_SIZE + expected.length + expected.readUInt16BE(4) * MAX_TARGET_BYTES
    try {
      const { targets, size } = decodeAnswerHead(bytes)
      this.#hasHead = true
      this.#onTargets(targets)
      return size
    } catch (error) {
      if (bytes.length < longest && isPrefix(bytes, expected)) return 0
      throw error
    }
  }

  #keep(bytes: Buffer, used: number): void {
    if (used === bytes.length) return
    this.#append(bytes.subarray(used))
  }

  #append(bytes: Buffer): void {
    const needed = this.#pendingSize + bytes.length
    if (needed > this.#pending.length) {
      // Room for the whole answer when its size is known.
      const announced = this.#announced(bytes)
      const larger = Buffer.allocUnsafe(Math.max(needed, Math.min(announced, MAX_ANSWER_BYTES + 4)))
      this.#pending.copy(larger, 0, 0, this.#pendingSize)
      this.#pending = larger
    }
    bytes.copy(this.#pending, this.#pendingSize)
    this.#pendingSize = needed
  }

  #announced(bytes: Buffer): number {
    const start = this.#pendingSize >= 4 ? this.#pending : bytes
    return this.#hasHead && start.length >= 4 ? 4 + start.readUInt32BE(0) : 0
  }
}

/** Whether the bytes can still become a head: they begin with the same magic number. */
function isPrefix(bytes: Buffer, expected: Buffer): boolean {
  const size = Math.min(4, bytes.length)
  return bytes.compare(expected, 0, size, 0, size) === 0
}
