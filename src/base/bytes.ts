/** Byte helpers: comparison, successor of a prefix, and the only form in which key bytes may enter a log or a message. */

export const EMPTY_BYTES: Buffer = Buffer.alloc(0)

const PREVIEW_SIZE = 16

/** At most 16 bytes of a key as hex, with its size when it is longer: `cafe01... (300 bytes)`. */
export function hexPreview(bytes: Uint8Array): string {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, PREVIEW_SIZE))
  const hex = `0x${view.toString('hex')}`
  return bytes.byteLength <= PREVIEW_SIZE ? hex : `${hex}... (${bytes.byteLength} bytes)`
}

/** The smallest byte string greater than every string that starts with `prefix`; null when there is none. */
export function prefixSuccessor(prefix: Uint8Array): Buffer | null {
  let end = prefix.byteLength
  while (end > 0 && prefix[end - 1] === 0xff) end--
  if (end === 0) return null
  const successor = Buffer.from(prefix.subarray(0, end))
  successor[end - 1] = (successor[end - 1] ?? 0) + 1
  return successor
}

/** In byte order, each once. The given list stays as it is. */
export function sortedDistinct(keys: readonly Buffer[]): readonly Buffer[] {
  if (keys.length <= 1) return keys
  const sorted = [...keys].sort((a, b) => Buffer.compare(a, b))
  return sorted.filter((key, index) => index === 0 || sorted[index - 1]?.equals(key) !== true)
}
