/**
 * The partitioner: the token that Cassandra's Murmur3Partitioner gives a key, bit for bit, so that scan order and page
 * tokens equal CQL's. It is MurmurHash3_x64_128 with seed 0, first half, in Cassandra's variant: the bytes of the
 * tail are sign-extended before they are shifted (MurmurHash.java, hash3_x64_128), which differs from the published
 * function for tails that hold bytes above 0x7f. The lowest token, -2^63, is mapped to the highest.
 *
 * 64-bit words are two signed 32-bit halves and not bigints, because this runs for every key of every request. Test
 * vectors stand in FORMATS.md; another result for any key is a format break.
 */

/** A token as two signed 32-bit halves: `high * 2^32 + (low >>> 0)`. */
export interface TokenHalves {
  readonly high: number
  readonly low: number
}

const C1_HIGH = 0x87c37b91 | 0
const C1_LOW = 0x114253d5
const C2_HIGH = 0x4cf5ad43
const C2_LOW = 0x2745937f

/** The low half of a 64-bit product; the high half is left in `productHigh`. */
let productHigh = 0

function multiply(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  const a0 = aLow & 0xffff
  const a1 = aLow >>> 16
  const b0 = bLow & 0xffff
  const b1 = bLow >>> 16
  const first = a1 * b0 + ((a0 * b0) >>> 16)
  const second = a0 * b1 + (first & 0xffff)
  const carried = a1 * b1 + (first >>> 16) + (second >>> 16)
  productHigh = (carried + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) | 0
  return Math.imul(aLow, bLow)
}

/** Murmur3's finalizer; the low half is answered, the high half is left in `productHigh`. */
function finalMix(high: number, low: number): number {
  let h = high
  let l = low ^ (h >>> 1)
  l = multiply(h, l, 0xff51afd7 | 0, 0xed558ccd | 0)
  h = productHigh
  l ^= h >>> 1
  l = multiply(h, l, 0xc4ceb9fe | 0, 0x1a85ec53)
  h = productHigh
  l ^= h >>> 1
  productHigh = h
  return l
}

/** One 64-bit lane of the tail: up to eight bytes from `from`, sign-extended, folded together; high in `productHigh`. */
function tailLane(key: Uint8Array, from: number, to: number): number {
  let high = 0
  let low = 0
  for (let i = to - 1; i >= from; i--) {
    const shift = (i - from) << 3
    const signed = ((key[i] ?? 0) << 24) >> 24
    if (shift >= 32) {
      high ^= signed << (shift - 32)
    } else {
      low ^= signed << shift
      high ^= shift === 0 ? signed >> 31 : signed >> (32 - shift)
    }
  }
  productHigh = high
  return low
}

/**
 * The token of `key`, or of its bytes in `[from, to)`: -2^63 + 1 to 2^63 - 1. About 0.1 us for a key of 16 bytes.
 */
export function murmur3Token(key: Uint8Array, from = 0, to = key.byteLength): TokenHalves {
  const size = to - from
  const bodyEnd = from + (size & ~15)
  let h1High = 0
  let h1Low = 0
  let h2High = 0
  let h2Low = 0
  let sum = 0
  for (let i = from; i < bodyEnd; i += 16) {
    let low = multiply(word(key, i + 4), word(key, i), C1_HIGH, C1_LOW)
    let high = productHigh
    low = multiply((high << 31) | (low >>> 1), (low << 31) | (high >>> 1), C2_HIGH, C2_LOW)
    h1High ^= productHigh
    h1Low ^= low
    // rotl 27, + h2, * 5 + 0x52dce729
    high = (h1High << 27) | (h1Low >>> 5)
    low = (h1Low << 27) | (h1High >>> 5)
    sum = (low >>> 0) + (h2Low >>> 0)
    high = (high + h2High + (sum > 0xffffffff ? 1 : 0)) | 0
    low = multiply(high, sum | 0, 0, 5)
    sum = (low >>> 0) + 0x52dce729
    h1High = (productHigh + (sum > 0xffffffff ? 1 : 0)) | 0
    h1Low = sum | 0

    low = multiply(word(key, i + 12), word(key, i + 8), C2_HIGH, C2_LOW)
    high = productHigh
    // rotl 33 is a swap of the halves and rotl 1
    low = multiply((low << 1) | (high >>> 31), (high << 1) | (low >>> 31), C1_HIGH, C1_LOW)
    h2High ^= productHigh
    h2Low ^= low
    // rotl 31, + h1, * 5 + 0x38495ab5
    high = (h2High << 31) | (h2Low >>> 1)
    low = (h2Low << 31) | (h2High >>> 1)
    sum = (low >>> 0) + (h1Low >>> 0)
    high = (high + h1High + (sum > 0xffffffff ? 1 : 0)) | 0
    low = multiply(high, sum | 0, 0, 5)
    sum = (low >>> 0) + 0x38495ab5
    h2High = (productHigh + (sum > 0xffffffff ? 1 : 0)) | 0
    h2Low = sum | 0
  }
  if (to - bodyEnd > 8) {
    let low = tailLane(key, bodyEnd + 8, to)
    low = multiply(productHigh, low, C2_HIGH, C2_LOW)
    const high = productHigh
    low = multiply((low << 1) | (high >>> 31), (high << 1) | (low >>> 31), C1_HIGH, C1_LOW)
    h2High ^= productHigh
    h2Low ^= low
  }
  if (to > bodyEnd) {
    let low = tailLane(key, bodyEnd, Math.min(to, bodyEnd + 8))
    low = multiply(productHigh, low, C1_HIGH, C1_LOW)
    const high = productHigh
    low = multiply((high << 31) | (low >>> 1), (low << 31) | (high >>> 1), C2_HIGH, C2_LOW)
    h1High ^= productHigh
    h1Low ^= low
  }
  return finish(h1High, h1Low ^ size, h2High, h2Low ^ size)
}

function finish(h1High: number, h1Low: number, h2High: number, h2Low: number): TokenHalves {
  let sum = (h1Low >>> 0) + (h2Low >>> 0)
  const aHigh = (h1High + h2High + (sum > 0xffffffff ? 1 : 0)) | 0
  const aLow = sum | 0
  sum = (h2Low >>> 0) + (aLow >>> 0)
  const bHigh = (h2High + aHigh + (sum > 0xffffffff ? 1 : 0)) | 0
  const bLow = finalMix(bHigh, sum | 0)
  const mixedHigh = productHigh
  const low = finalMix(aHigh, aLow)
  sum = (low >>> 0) + (bLow >>> 0)
  const high = (productHigh + mixedHigh + (sum > 0xffffffff ? 1 : 0)) | 0
  // The partitioner's minimum means "before everything", so that no key may have it (Murmur3Partitioner.normalize).
  if (high === -0x80000000 && (sum | 0) === 0) return { high: 0x7fffffff, low: -1 }
  return { high, low: sum | 0 }
}

function word(key: Uint8Array, at: number): number {
  return (key[at] ?? 0) | ((key[at + 1] ?? 0) << 8) | ((key[at + 2] ?? 0) << 16) | ((key[at + 3] ?? 0) << 24)
}
