/**
 * XXH64 with seed 0, as zstd frames end with; piece by piece. 64-bit numbers are pairs of 32-bit halves: with BigInt it
 * would take twenty times as long as unpacking.
 */

/** Halves of the five primes of the algorithm, high first. */
const P1 = [0x9e3779b1, 0x85ebca87] as const
const P2 = [0xc2b2ae3d, 0x27d4eb4f] as const
const P3 = [0x165667b1, 0x9e3779f9] as const
const P4 = [0x85ebca77, 0xc2b2ae63] as const
const P5 = [0x27d4eb2f, 0x165667c5] as const

type Prime = typeof P1 | typeof P2 | typeof P3 | typeof P4 | typeof P5

const STRIPE_BYTES = 32
const LANE_BYTES = 8

/** A number of 64 bits that is changed in place. */
class Word {
  high = 0
  low = 0

  set(high: number, low: number): this {
    this.high = high | 0
    this.low = low | 0
    return this
  }

  add(high: number, low: number): this {
    const sum = (this.low >>> 0) + (low >>> 0)
    this.high = (this.high + high + (sum > 0xffffffff ? 1 : 0)) | 0
    this.low = sum | 0
    return this
  }

  xor(high: number, low: number): this {
    this.high ^= high
    this.low ^= low
    return this
  }

  multiply([high, low]: Prime): this {
    const a = this.low >>> 0
    const aHigh = a >>> 16
    const aLow = a & 0xffff
    const bHigh = low >>> 16
    const bLow = low & 0xffff
    const lowest = Math.imul(aLow, bLow) >>> 0
    const middle = (Math.imul(aHigh, bLow) >>> 0) + (lowest >>> 16)
    const other = (Math.imul(aLow, bHigh) >>> 0) + (middle & 0xffff)
    const carried = Math.imul(aHigh, bHigh) + Math.floor(middle / 0x10000) + Math.floor(other / 0x10000)
    this.high = (carried + Math.imul(this.high, low) + Math.imul(a, high)) | 0
    this.low = (other << 16) | (lowest & 0xffff) | 0
    return this
  }

  /** By 1 to 31 bits to the left. */
  rotate(bits: number): this {
    const { high, low } = this
    this.high = (high << bits) | (low >>> (32 - bits))
    this.low = (low << bits) | (high >>> (32 - bits))
    return this
  }

  /** With itself, moved by 1 to 63 bits to the right. */
  xorShift(bits: number): this {
    const { high, low } = this
    if (bits >= 32) return this.xor(0, high >>> (bits - 32))
    return this.xor(high >>> bits, (low >>> bits) | (high << (32 - bits)))
  }
}

export class XxHash64 {
  readonly #lanes = [
    new Word().set(...P1).add(...P2),
    new Word().set(...P2),
    new Word(),
    new Word().set(~P1[0], ~P1[1]).add(0, 1),
  ] as const
  readonly #scratch = new Word()
  readonly #pending = Buffer.alloc(STRIPE_BYTES)
  #pendingBytes = 0
  #size = 0

  update(bytes: Buffer): void {
    this.#size += bytes.length
    let at = 0
    if (this.#pendingBytes > 0) {
      at = Math.min(STRIPE_BYTES - this.#pendingBytes, bytes.length)
      bytes.copy(this.#pending, this.#pendingBytes, 0, at)
      this.#pendingBytes += at
      if (this.#pendingBytes < STRIPE_BYTES) return
      this.#stripe(this.#pending, 0)
    }
    for (; at + STRIPE_BYTES <= bytes.length; at += STRIPE_BYTES) this.#stripe(bytes, at)
    this.#pendingBytes = bytes.copy(this.#pending, 0, at)
  }

  /** The lower half of the digest, unsigned: what a zstd frame keeps of it. */
  low32(): number {
    const hash = this.#merged()
    hash.add(Math.floor(this.#size / 0x1_0000_0000), this.#size | 0)
    let at = 0
    for (; at + LANE_BYTES <= this.#pendingBytes; at += LANE_BYTES) {
      const lane = round(this.#scratch.set(0, 0), this.#pending, at)
      hash
        .xor(lane.high, lane.low)
        .rotate(27)
        .multiply(P1)
        .add(...P4)
    }
    if (at + 4 <= this.#pendingBytes) {
      const word = this.#scratch.set(0, this.#pending.readInt32LE(at)).multiply(P1)
      hash
        .xor(word.high, word.low)
        .rotate(23)
        .multiply(P2)
        .add(...P3)
      at += 4
    }
    for (; at < this.#pendingBytes; at++) {
      const word = this.#scratch.set(0, this.#pending[at] ?? 0).multiply(P5)
      hash.xor(word.high, word.low).rotate(11).multiply(P1)
    }
    hash.xorShift(33).multiply(P2).xorShift(29).multiply(P3).xorShift(32)
    return hash.low >>> 0
  }

  #stripe(bytes: Buffer, at: number): void {
    const [one, two, three, four] = this.#lanes
    round(one, bytes, at)
    round(two, bytes, at + LANE_BYTES)
    round(three, bytes, at + 2 * LANE_BYTES)
    round(four, bytes, at + 3 * LANE_BYTES)
  }

  #merged(): Word {
    if (this.#size < STRIPE_BYTES) return new Word().set(...P5)
    const hash = new Word()
    for (const [index, lane] of this.#lanes.entries()) {
      const turned = this.#scratch.set(lane.high, lane.low).rotate([1, 7, 12, 18][index] ?? 0)
      hash.add(turned.high, turned.low)
    }
    for (const lane of this.#lanes) {
      const turned = this.#scratch.set(lane.high, lane.low).multiply(P2).rotate(31).multiply(P1)
      hash
        .xor(turned.high, turned.low)
        .multiply(P1)
        .add(...P4)
    }
    return hash
  }
}

/** lane = rotate(lane + input * P2, 31) * P1 */
function round(lane: Word, bytes: Buffer, at: number): Word {
  const low =
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  const high =
    (bytes[at + 4] ?? 0) |
    ((bytes[at + 5] ?? 0) << 8) |
    ((bytes[at + 6] ?? 0) << 16) |
    ((bytes[at + 7] ?? 0) << 24)
  const input = INPUT.set(high, low).multiply(P2)
  return lane.add(input.high, input.low).rotate(31).multiply(P1)
}

const INPUT = new Word()
