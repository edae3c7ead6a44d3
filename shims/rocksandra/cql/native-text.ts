/** Native values as text, as SELECT JSON shows them (toJSONString of each type in db/marshal of Cassandra 3.0). */
import type { NativeName } from './ast.js'
import { addressText } from './values/addresses.js'
import { decimalFromBytes, decimalText, ZERO } from './values/decimals.js'
import { doubleText, floatText } from './values/doubles.js'
import { bytesToVarint } from './values/integers.js'
import { dateText, timestampText, timeText } from './values/times.js'
import { uuidText } from './values/uuids.js'

export interface NativeText {
  readonly text: string
  /** Whether JSON has it as a string. */
  readonly isQuoted: boolean
}

/** A valid value; the empty one is an empty string of every type. */
export function nativeText(name: NativeName, bytes: Buffer): NativeText {
  if (bytes.length === 0 && name !== 'blob') return { text: '', isQuoted: true }
  return { text: TEXTS[name](bytes), isQuoted: !BARE.has(name) }
}

const BARE: ReadonlySet<NativeName> = new Set<NativeName>([
  'bigint',
  'boolean',
  'counter',
  'decimal',
  'double',
  'float',
  'int',
  'smallint',
  'tinyint',
  'varint',
])

function integer(bytes: Buffer): string {
  return bytesToVarint(bytes).toString()
}

const TEXTS: Readonly<Record<NativeName, (bytes: Buffer) => string>> = {
  ascii: (bytes) => bytes.toString('latin1'),
  bigint: integer,
  blob: (bytes) => `0x${bytes.toString('hex')}`,
  boolean: (bytes) => (bytes[0] === 0 ? 'false' : 'true'),
  counter: integer,
  date: (bytes) => dateText(bytes.readUInt32BE(0)),
  decimal: (bytes) => decimalText(decimalFromBytes(bytes) ?? ZERO),
  double: (bytes) => doubleText(bytes.readDoubleBE(0)),
  float: (bytes) => floatText(bytes.readFloatBE(0)),
  inet: addressText,
  int: integer,
  smallint: integer,
  text: (bytes) => bytes.toString('utf8'),
  time: (bytes) => timeText(bytes.readBigInt64BE(0)),
  timestamp: (bytes) => timestampText(bytes.readBigInt64BE(0)),
  timeuuid: uuidText,
  tinyint: integer,
  uuid: uuidText,
  varint: integer,
}
