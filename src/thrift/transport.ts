/**
 * Which transport and protocol a connection speaks, told by its first bytes. Only framed binary is served; the others
 * are known by name, so that a refusal can say what it refuses, and each becomes one more case when it is served.
 */

export type TransportName =
  | 'framed-binary'
  | 'framed-compact'
  | 'unframed-binary'
  | 'unframed-compact'
  | 'header'
  | 'http'
  | 'tls'
  | 'unknown'

/** Bytes after which every connection can be told. */
const ENOUGH_BYTES = 6
const FRAME_HEADER_SIZE = 4

/** The transport, or null while the bytes are too few to tell. Six are always enough. */
export function detectTransport(first: Uint8Array): TransportName | null {
  if (first.length === 0) return null
  const unframed = detectUnframed(first)
  if (unframed !== null) return unframed
  return first.length < ENOUGH_BYTES ? null : detectFramed(first)
}

/** What can be told without a frame's size in front. None of these is the size of a frame below 368 MB. */
function detectUnframed(first: Uint8Array): TransportName | null {
  const [a = 0, b = 0] = first
  if (a === 0x82) return 'unframed-compact'
  if (first.length < 2) return null
  if (a === 0x80 && b === 0x01) return 'unframed-binary'
  if (a === 0x16 && b === 0x03) return 'tls'
  const isWord = first.length >= FRAME_HEADER_SIZE && first.subarray(0, FRAME_HEADER_SIZE).every(isMethodByte)
  return isWord ? 'http' : null
}

function detectFramed(first: Uint8Array): TransportName {
  const a = first[FRAME_HEADER_SIZE] ?? 0
  const b = first[FRAME_HEADER_SIZE + 1] ?? 0
  if (a === 0x80 && b === 0x01) return 'framed-binary'
  if (a === 0x82) return 'framed-compact'
  if (a === 0x0f && b === 0xff) return 'header'
  // The old message header starts with the size of the method's name.
  if (a === 0 && b === 0) return 'framed-binary'
  // The same without a frame: a small size, then the name itself.
  if (first[0] === 0 && first[1] === 0 && isLetter(a)) return 'unframed-binary'
  return 'unknown'
}

/** Capital letters and the space behind `GET`. */
function isMethodByte(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || byte === 0x20
}

function isLetter(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x5f
}
