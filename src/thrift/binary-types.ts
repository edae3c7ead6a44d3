/** Thrift's binary protocol (thrift-binary-protocol.md of Apache Thrift): its header and how much each type takes. */
import { ThriftProtocolError, ThriftType } from './protocol.js'

/** Strict headers start with 0x8001; the low byte is the message type. */
export const VERSION_1 = 0x80010000 | 0
const VERSION_MASK = 0xffff0000 | 0
/** First byte of a compact message. */
const COMPACT_PROTOCOL_ID = 0x82

/** Bytes that a value of each type takes at least, and whether always. */
const SIZES: readonly (readonly [type: number, minSize: number, isFixed: boolean])[] = [
  [ThriftType.BOOL, 1, true],
  [ThriftType.BYTE, 1, true],
  [ThriftType.DOUBLE, 8, true],
  [ThriftType.I16, 2, true],
  [ThriftType.I32, 4, true],
  [ThriftType.I64, 8, true],
  [ThriftType.STRING, 4, false],
  [ThriftType.STRUCT, 1, false],
  [ThriftType.MAP, 6, false],
  [ThriftType.SET, 5, false],
  [ThriftType.LIST, 5, false],
  [ThriftType.UUID, 16, true],
]
/** By type; 0: no such type. */
export const MIN_SIZES = new Uint8Array(256)
/** By type; 0: no such type, or sizes vary. */
export const FIXED_SIZES = new Uint8Array(256)
for (const [type, minSize, isFixed] of SIZES) {
  MIN_SIZES[type] = minSize
  if (isFixed) FIXED_SIZES[type] = minSize
}

/** The first 32 bits of a message that is not one of the old kind. */
export function checkVersion(first: number): void {
  if ((first & VERSION_MASK) === VERSION_1) return
  throw new ThriftProtocolError(
    'bad-version',
    first >>> 24 === COMPACT_PROTOCOL_ID
      ? 'a compact message on a connection that began with binary ones'
      : 'the message header has an unknown version',
  )
}
