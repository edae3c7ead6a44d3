/** Text to values of native types, as Cassandra reads constants and strings of JSON (AbstractType.fromString). */
import { isAscii } from 'node:buffer'
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import { limits } from '../../../src/base/limits.js'
import type { NativeName } from './ast.js'
import { uuidVersion } from './compare.js'
import { invalid } from './errors.js'
import { parseAddress } from './values/addresses.js'
import { decimalToBytes, parseDecimal } from './values/decimals.js'
import { parseDouble } from './values/doubles.js'
import { varintToBytes } from './values/integers.js'
import { parseDate, parseLong, parseTime, parseTimestamp } from './values/times.js'
import { parseUuid } from './values/uuids.js'

/**
 * The bytes of a value that is given as text. An empty text is the empty value of most types.
 * @throws {CqlError} INVALID with Cassandra's text
 */
export function nativeFromText(name: NativeName, text: string): Buffer {
  return NATIVE[name](text)
}

export function longToBytes(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigInt64BE(value)
  return bytes
}

export function intToBytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(value)
  return bytes
}

export function doubleToBytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeDoubleBE(value)
  return bytes
}

export function floatToBytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeFloatBE(value)
  return bytes
}

type FromText = (text: string) => Buffer

/** The empty text is the empty value. */
function orEmpty(parse: FromText): FromText {
  return (text) => (text === '' ? EMPTY_BYTES : parse(text))
}

/** A whole number of so many bytes; `what` is Java's name for it. */
function integer(size: 1 | 2 | 4 | 8, what: string): FromText {
  return orEmpty((text) => {
    const value = parseLong(text)
    if (value === null || BigInt.asIntN(size * 8, value) !== value) {
      throw invalid(`Unable to make ${what} from '${text}'`)
    }
    return size === 8 ? longToBytes(value) : smallInteger(Number(value), size)
  })
}

function smallInteger(value: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  bytes.writeIntBE(value, 0, size)
  return bytes
}

function ascii(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8')
  if (!isAscii(bytes)) {
    throw invalid(
      'Invalid ASCII character in string literal: java.nio.charset.UnmappableCharacterException: Input length = 1',
    )
  }
  return bytes
}

function blob(text: string): Buffer {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text))
    throw invalid(`cannot parse '${text}' as hex bytes`)
  return Buffer.from(text, 'hex')
}

function boolean(text: string): Buffer {
  const word = text.toLowerCase()
  if (word === 'true') return Buffer.of(1)
  if (word === 'false' || word === '') return Buffer.of(0)
  throw invalid(`Unable to make boolean from '${text}'`)
}

/** A byte holds two digits and a part of a third. */
const MAX_DIGITS = 2 * limits.maxCqlNumberBytes

function checkDigits(text: string): void {
  if (text.length > MAX_DIGITS)
    throw invalid(`A number of ${text.length} digits, at most ${MAX_DIGITS} are taken`)
}

function decimal(text: string): Buffer {
  checkDigits(text)
  const value = parseDecimal(text)
  if (value === null) throw invalid(`unable to make BigDecimal from '${text}'`)
  return decimalToBytes(value)
}

function double(text: string): Buffer {
  const value = parseDouble(text)
  if (value === null) throw invalid(`Unable to make double from '${text}'`)
  return doubleToBytes(value)
}

function float(text: string): Buffer {
  const value = parseDouble(text)
  if (value === null) throw invalid(`Unable to make float from '${text}'`)
  return floatToBytes(value)
}

function inet(text: string): Buffer {
  const value = parseAddress(text)
  if (value === null) throw invalid(`Unable to make inet address from '${text}'`)
  return value
}

function date(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(parseDate(text))
  return bytes
}

function timeuuid(text: string): Buffer {
  const value = parseUuid(text)
  if (value === null) throw invalid(`Unknown timeuuid representation: ${text}`)
  if (uuidVersion(value) !== 1) throw invalid('TimeUUID supports only version 1 UUIDs')
  return value
}

function uuid(text: string): Buffer {
  const value = parseUuid(text)
  if (value === null) throw invalid(`Unable to make UUID from '${text}'`)
  return value
}

function varint(text: string): Buffer {
  checkDigits(text)
  if (!/^[+-]?\d+$/.test(text)) throw invalid(`unable to make int from '${text}'`)
  return varintToBytes(BigInt(text.startsWith('+') ? text.slice(1) : text))
}

const NATIVE: Readonly<Record<NativeName, FromText>> = {
  ascii,
  bigint: integer(8, 'long'),
  blob,
  boolean,
  counter: integer(8, 'long'),
  date,
  decimal: orEmpty(decimal),
  double: orEmpty(double),
  float: orEmpty(float),
  inet: orEmpty(inet),
  int: integer(4, 'int'),
  smallint: integer(2, 'short'),
  text: (text) => Buffer.from(text, 'utf8'),
  time: (text) => longToBytes(parseTime(text)),
  timestamp: orEmpty((text) => longToBytes(parseTimestamp(text, Date.now))),
  timeuuid: orEmpty(timeuuid),
  tinyint: integer(1, 'byte'),
  uuid: orEmpty(uuid),
  varint: orEmpty(varint),
}
