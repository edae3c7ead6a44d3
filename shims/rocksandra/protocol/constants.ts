/**
 * Numbers of the native protocol, versions 3 and 4. Never renumber.
 * Source: native_protocol_v3.spec and native_protocol_v4.spec of Cassandra 3.0.
 */

/** What Cassandra 3.0 serves; newer drivers step down to it. */
export const MIN_VERSION = 3
export const MAX_VERSION = 4

/** Of a frame in versions 3 and 4: version, flags, stream (2), opcode, size of the body (4). */
export const HEADER_SIZE = 9
/** Of a frame in versions 1 and 2, whose stream is one byte. */
export const OLD_HEADER_SIZE = 8
/** Bit of the version's byte: the frame goes from server to client. */
export const IS_RESPONSE = 0x80

export const OPCODES = {
  ERROR: 0x00,
  STARTUP: 0x01,
  READY: 0x02,
  AUTHENTICATE: 0x03,
  OPTIONS: 0x05,
  SUPPORTED: 0x06,
  QUERY: 0x07,
  RESULT: 0x08,
  PREPARE: 0x09,
  EXECUTE: 0x0a,
  REGISTER: 0x0b,
  EVENT: 0x0c,
  BATCH: 0x0d,
  AUTH_CHALLENGE: 0x0e,
  AUTH_RESPONSE: 0x0f,
  AUTH_SUCCESS: 0x10,
} as const

export type OpcodeName = keyof typeof OPCODES

/** Those that a client sends. */
export const REQUEST_OPCODES: ReadonlySet<OpcodeName> = new Set<OpcodeName>([
  'STARTUP',
  'OPTIONS',
  'QUERY',
  'PREPARE',
  'EXECUTE',
  'REGISTER',
  'BATCH',
  'AUTH_RESPONSE',
])

const NAMES = new Map<number, OpcodeName>(
  Object.entries(OPCODES).map(([name, number]) => [number, name as OpcodeName]), // the table's own keys
)

export function opcodeName(opcode: number): OpcodeName | null {
  return NAMES.get(opcode) ?? null
}

/** Bits of a frame's flags; others are passed over, as Cassandra does. */
export const FRAME_FLAGS = { COMPRESSED: 0x01, TRACING: 0x02, CUSTOM_PAYLOAD: 0x04, WARNINGS: 0x08 } as const

/** Bits of the flags of QUERY, EXECUTE and BATCH. */
export const QUERY_FLAGS = {
  VALUES: 0x01,
  SKIP_METADATA: 0x02,
  PAGE_SIZE: 0x04,
  PAGING_STATE: 0x08,
  SERIAL_CONSISTENCY: 0x10,
  TIMESTAMP: 0x20,
  NAMES: 0x40,
} as const

/** Bits of the flags of rows' metadata. */
export const METADATA_FLAGS = { GLOBAL_TABLE: 0x01, HAS_MORE_PAGES: 0x02, NO_METADATA: 0x04 } as const

export const RESULT_KINDS = { VOID: 1, ROWS: 2, SET_KEYSPACE: 3, PREPARED: 4, SCHEMA_CHANGE: 5 } as const

/** ANY (0) to LOCAL_ONE (10) without a gap. */
export const MAX_CONSISTENCY = 10
export const SERIAL = 8

/** Stream of frames that answer no request. */
export const EVENT_STREAM = -1
