/**
 * MurmurHash3_x86_32, the published one, of bytes and a seed. For shares of keys: each purpose has a seed of its own, so
 * that its share of the keys has nothing to do with another's, nor with where a key lies. Vectors stand in FORMATS.md;
 * another result for any key is a format break.
 */

/** 0 to 2^32 - 1. */
export function seededHash(bytes: Uint8Array, seed: number): number {
  const size = bytes.byteLength
  const bodyEnd = size & ~3
  let hash = seed | 0
  for (let at = 0; at < bodyEnd; at += 4) {
    hash ^= mixed(
      byteAt(bytes, at) |
        (byteAt(bytes, at + 1) << 8) |
        (byteAt(bytes, at + 2) << 16) |
        (byteAt(bytes, at + 3) << 24),
    )
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  let tail = 0
  for (let at = size - 1; at >= bodyEnd; at--) tail = (tail << 8) | byteAt(bytes, at)
  if (size > bodyEnd) hash ^= mixed(tail)
  hash ^= size
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** 0 to 9,999, each for as many hashes: the place of a key among the hundredths of a percent. */
export function bucketOf(hash: number): number {
  return Math.floor((hash * 10_000) / 4_294_967_296)
}

function mixed(word: number): number {
  const product = Math.imul(word, 0xcc9e2d51)
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}
