/**
 * Values of the leaves of Parquet columns -> their text or bytes. What JSON would have to round, integers of 64 bits,
 * decimals and times, is exact here, because the type says what it is.
 */
import { isUtf8 } from 'node:buffer'
import type { SchemaElement } from 'hyparquet/src/types.js'
import { BadLineError, plainDecimal } from '../json-text.js'

/** Text of a value, or its bytes where it is bytes. @throws {BadLineError} when the text is not UTF-8 */
export type Render = (value: unknown) => string | Buffer

/** What is wrong with the page and not with the row. */
export class ValueMissing extends Error {
  override readonly name = 'ValueMissing'
}

/** How a leaf is written; by its logical type, and where it has none by the older converted one. */
export function renderOf(element: SchemaElement): Render {
  const { type, logical_type: logical, converted_type: converted } = element
  if (logical?.type === 'DECIMAL' || converted === 'DECIMAL') {
    const scale = element.scale ?? (logical?.type === 'DECIMAL' ? logical.scale : 0)
    return (value) => decimalText(value, scale)
  }
  if (logical?.type === 'INTEGER') return logical.isSigned ? String : unsignedText
  if (logical?.type === 'TIME') return (value) => timeText(BigInt(value as number), DIGITS[logical.unit])
  if (logical?.type === 'TIMESTAMP') {
    const zone = logical.isAdjustedToUTC ? 'Z' : ''
    return (value) => timestampText(value as bigint, DIGITS[logical.unit]) + zone
  }
  return BY_MEANING[logical?.type ?? converted ?? ''] ?? BY_STORAGE[type ?? ''] ?? String
}

/** Logical and converted types; the rest says nothing beyond how it is stored. */
const BY_MEANING: Readonly<Record<string, Render>> = {
  STRING: checkedText,
  UTF8: checkedText,
  ENUM: checkedText,
  JSON: checkedText,
  UUID: uuidText,
  FLOAT16: (value) => floatText(halfFloat(bytesOf(value))),
  DATE: (value) => dateText(Number(value)),
  TIME_MILLIS: (value) => timeText(BigInt(value as number), 3),
  TIME_MICROS: (value) => timeText(BigInt(value as number), 6),
  TIMESTAMP_MILLIS: (value) => `${timestampText(value as bigint, 3)}Z`,
  TIMESTAMP_MICROS: (value) => `${timestampText(value as bigint, 6)}Z`,
  UINT_8: unsignedText,
  UINT_16: unsignedText,
  UINT_32: unsignedText,
  UINT_64: unsignedText,
}

const BY_STORAGE: Readonly<Record<string, Render>> = {
  // Nanoseconds since 1970, in no zone.
  INT96: (value) => timestampText(value as bigint, 9),
  FLOAT: (value) => singleFloatText(value as number),
  DOUBLE: (value) => floatText(value as number),
  BYTE_ARRAY: bytesOf,
  FIXED_LEN_BYTE_ARRAY: bytesOf,
}

/** Text, in the strict sense: what JSON writes as a string with the same letters. */
export function isTextual({ logical_type: logical, converted_type: converted }: SchemaElement): boolean {
  return BY_MEANING[logical?.type ?? converted ?? ''] === checkedText
}

const DIGITS = { MILLIS: 3, MICROS: 6, NANOS: 9 } as const

function bytesOf(value: unknown): Buffer {
  if (!(value instanceof Uint8Array)) throw new ValueMissing('a value is not of its type')
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

function checkedText(value: unknown): Buffer {
  const bytes = bytesOf(value)
  if (!isUtf8(bytes)) throw new BadLineError('not UTF-8')
  return bytes
}

/** hyparquet answers integers signed when their logical type was taken from it. */
function unsignedText(value: unknown): string {
  if (typeof value === 'bigint') return String(BigInt.asUintN(64, value))
  return String(Number(value) >>> 0)
}

function uuidText(value: unknown): string {
  const hex = bytesOf(value).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** `NaN`, `Infinity` and `-Infinity` are written so; minus zero is 0. */
function floatText(value: number): string {
  return plainDecimal(String(value))
}

/** The shortest decimal that reads back as the same number of 32 bits. */
function singleFloatText(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return floatText(short)
  }
  return floatText(Number(value.toPrecision(9)))
}

function halfFloat(bytes: Buffer): number {
  const bits = bytes.readUInt16LE(0)
  const sign = bits >> 15 === 0 ? 1 : -1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * 2 ** -14 * (fraction / 1024)
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024)
}

function decimalText(value: unknown, scale: number): string {
  const unscaled = value instanceof Uint8Array ? signedOf(bytesOf(value)) : BigInt(value as number | bigint)
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  const sign = unscaled < 0n ? '-' : ''
  return scale <= 0
    ? `${sign}${digits}${'0'.repeat(-scale)}`
    : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** Big-endian two's complement. */
function signedOf(bytes: Buffer): bigint {
  if (bytes.length === 0) return 0n
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`))
}

const DAY_MS = 86_400_000

function dateText(days: number): string {
  return isoText(days * DAY_MS).slice(0, -'T00:00:00.000Z'.length)
}

/** Years beyond 9999 have six digits and a sign, as ISO 8601 wants. */
function isoText(ms: number): string {
  const date = new Date(ms)
  if (Number.isNaN(date.getTime())) throw new BadLineError('a time beyond the year 275760')
  return date.toISOString()
}

/** `2024-02-29T23:59:59.123456` of so many parts of a second since 1970, given by their digits. */
function timestampText(value: bigint, digits: 3 | 6 | 9): string {
  const unit = 10n ** BigInt(digits)
  let seconds = value / unit
  let part = value % unit
  if (part < 0n) {
    part += unit
    seconds -= 1n
  }
  const text = isoText(Number(seconds) * 1000)
  return `${text.slice(0, -'.000Z'.length)}.${String(part).padStart(digits, '0')}`
}

function timeText(value: bigint, digits: 3 | 6 | 9): string {
  return timestampText(value, digits).slice('1970-01-01T'.length)
}
