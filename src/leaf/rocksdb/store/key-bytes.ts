/** Comparing parts of keys: for short parts a loop costs a fifth of Buffer's method, which checks its arguments. */

const MAX_LOOP_BYTES = 96

/** Whether both have the same bytes in [from, to), which lies in both. From the end: keys that differ differ there. */
export function equalBytes(a: Buffer, b: Buffer, from: number, to: number): boolean {
  if (to - from > MAX_LOOP_BYTES) return a.compare(b, from, to, from, to) === 0
  for (let at = to - 1; at >= from; at--) if (a[at] !== b[at]) return false
  return true
}

/** Whether a key is a part of the row that has this meta key, or of which this key's first `metaSize` bytes are a part. */
export function isOfRow(key: Buffer, metaKey: Buffer, metaSize = metaKey.length): boolean {
  // `length`: Node 20 reads `byteLength` of a Buffer seven times slower.
  const prefixSize = metaSize - 1
  return key.length > prefixSize && equalBytes(key, metaKey, 0, prefixSize)
}

/** Bytes of a key, its first ones, that `keysBeyond` counts up. */
const COUNTED_BYTES = 64
const STRIDES = [1, 16] as const

/**
 * This key, and then keys further and further behind it, each step up to sixteen times as wide as the one before: where to
 * look for the end of what cannot be read. At most some 130.
 */
export function* keysBeyond(key: Buffer): Generator<Buffer, void> {
  yield key
  for (let size = Math.min(key.byteLength, COUNTED_BYTES); size > 0; size--) {
    for (const stride of STRIDES) {
      const byte = (key[size - 1] ?? 0) + stride
      if (byte > 0xff) continue
      const beyond = Buffer.from(key.subarray(0, size))
      beyond[size - 1] = byte
      yield beyond
    }
  }
}
