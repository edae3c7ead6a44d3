/** Type codes of the compact protocol (thrift-compact-protocol.md of Apache Thrift) and Thrift's own, both ways. */
import { ThriftProtocolError, ThriftType } from './protocol.js'

/** First byte of every compact message. */
export const COMPACT_PROTOCOL_ID = 0x82
/** Low five bits of the second byte; the message type stands above. */
export const COMPACT_VERSION = 1
const VERSION_MASK = 0x1f
/** First byte of a binary message with a version. */
const BINARY_VERSION_1 = 0x80

/** Never renumber. In a field's header the two booleans are the value itself; for elements either means bool. */
export const CompactType = {
  STOP: 0,
  TRUE: 1,
  FALSE: 2,
  BYTE: 3,
  I16: 4,
  I32: 5,
  I64: 6,
  DOUBLE: 7,
  BINARY: 8,
  LIST: 9,
  SET: 10,
  MAP: 11,
  STRUCT: 12,
  UUID: 13,
} as const

const PAIRS: readonly (readonly [compact: number, thrift: number])[] = [
  // The last of two codes for one type is the one that elements are written with, as most libraries write them.
  [CompactType.FALSE, ThriftType.BOOL],
  [CompactType.TRUE, ThriftType.BOOL],
  [CompactType.BYTE, ThriftType.BYTE],
  [CompactType.I16, ThriftType.I16],
  [CompactType.I32, ThriftType.I32],
  [CompactType.I64, ThriftType.I64],
  [CompactType.DOUBLE, ThriftType.DOUBLE],
  [CompactType.BINARY, ThriftType.STRING],
  [CompactType.LIST, ThriftType.LIST],
  [CompactType.SET, ThriftType.SET],
  [CompactType.MAP, ThriftType.MAP],
  [CompactType.STRUCT, ThriftType.STRUCT],
  [CompactType.UUID, ThriftType.UUID],
]

/** Thrift's type by compact type; 0: no such type. */
export const THRIFT_TYPES = new Uint8Array(16)
/** Compact type by Thrift's type. */
export const COMPACT_TYPES = new Uint8Array(256)
/** Bytes that an element of each compact type takes at least; 0: no such type. */
export const MIN_SIZES = new Uint8Array(16)
/** Bytes that it takes always; 0: sizes vary, or no such type. */
export const FIXED_SIZES = new Uint8Array(16)
for (const [compact, thrift] of PAIRS) {
  THRIFT_TYPES[compact] = thrift
  COMPACT_TYPES[thrift] = compact
  MIN_SIZES[compact] = 1
}
for (const type of [CompactType.TRUE, CompactType.FALSE, CompactType.BYTE]) FIXED_SIZES[type] = 1
MIN_SIZES[CompactType.DOUBLE] = FIXED_SIZES[CompactType.DOUBLE] = 8
MIN_SIZES[CompactType.UUID] = FIXED_SIZES[CompactType.UUID] = 16

/** The first two bytes of a message. */
export function checkHeader(protocol: number, version: number): void {
  if (protocol === COMPACT_PROTOCOL_ID && (version & VERSION_MASK) === COMPACT_VERSION) return
  throw new ThriftProtocolError(
    'bad-version',
    protocol === BINARY_VERSION_1
      ? 'a binary message on a connection that began with compact ones'
      : 'the message header has an unknown version',
  )
}
