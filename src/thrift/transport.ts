/**
 * Which transport and protocol a connection speaks, told by its first bytes. Four are served; the others are known by
 * name, so that a refusal can say what it refuses.
 *
 * Nothing is guessed: a frame of less than 368 MB begins with neither 0x80 0x01, 0x82 nor four letters, and what stands
 * in a frame begins with 0x80, 0x82, 0x0f or 0. So an unframed message of the old kind, without a version, is told by
 * the name behind its size, and is served too.
 */
import { MAX_NAME_BYTES } from './protocol.js'

export type TransportName = keyof typeof SERVED | 'header' | 'http' | 'tls' | 'unknown'

/** What is served, and as what. */
export const SERVED = {
  'framed-binary': { protocol: 'binary', isFramed: true },
  'framed-compact': { protocol: 'compact', isFramed: true },
  'buffered-binary': { protocol: 'binary', isFramed: false },
  'buffered-compact': { protocol: 'compact', isFramed: false },
} as const

/** Bytes after which every connection can be told. */
const ENOUGH_BYTES = 6
const FRAME_HEADER_SIZE = 4

export function isServed(name: TransportName): name is keyof typeof SERVED {
  return name in SERVED
}

/** The transport, or null while the bytes are too few to tell. Six are always enough. */
export function detectTransport(first: Uint8Array): TransportName | null {
  if (first.length === 0) return null
  const unframed = detectUnframed(first)
  if (unframed !== null) return unframed
  return first.length < ENOUGH_BYTES ? null : detectFramed(first)
}

/** What can be told without a frame's size in front. */
function detectUnframed(first: Uint8Array): TransportName | null {
  const [a = 0, b = 0] = first
  if (a === 0x82) return 'buffered-compact'
  if (first.length < 2) return null
  if (a === 0x80 && b === 0x01) return 'buffered-binary'
  if (a === 0x16 && b === 0x03) return 'tls'
  const isWord = first.length >= FRAME_HEADER_SIZE && first.subarray(0, FRAME_HEADER_SIZE).every(isMethodByte)
  return isWord ? 'http' : null
}

function detectFramed(first: Uint8Array): TransportName {
  const [s0 = 0, s1 = 0, s2 = 0, s3 = 0, a = 0, b = 0] = first
  if (a === 0x80 && b === 0x01) return 'framed-binary'
  if (a === 0x82) return 'framed-compact'
  if (a === 0x0f && b === 0xff) return 'header'
  // The old message header starts with the size of the method's name.
  if (a === 0 && b === 0) return 'framed-binary'
  // The same without a frame: the name stands right behind its size.
  const nameSize = s0 * 2 ** 24 + s1 * 2 ** 16 + s2 * 2 ** 8 + s3
  return nameSize > 0 && nameSize <= MAX_NAME_BYTES && isLetter(a) ? 'buffered-binary' : 'unknown'
}

/** Capital letters and the space behind `GET`. */
function isMethodByte(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || byte === 0x20
}

function isLetter(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x5f
}
