/**
 * Decimal numbers of any size: an integer and how many of its digits stand behind the point, as Java's BigDecimal. An
 * exponent is never multiplied out where its size is the caller's to choose: 1E2000000000 is six bytes and has two
 * billion digits.
 */
import { limits } from '../../../../src/base/limits.js'
import { bytesToVarint, varintToBytes } from './integers.js'

export interface Decimal {
  readonly unscaled: bigint
  /** -2^31 to 2^31 - 1. */
  readonly scale: number
}

const SCALE_SIZE = 4
const MAX_INT = 0x7fff_ffff
const MIN_INT = -0x8000_0000
/** A byte holds less than three digits. */
const MAX_DIGITS = 3 * limits.maxCqlNumberBytes

export const ZERO: Decimal = { unscaled: 0n, scale: 0 }

/** Null for what is too short to be one, the empty value with it. */
export function decimalFromBytes(bytes: Buffer): Decimal | null {
  if (bytes.length < SCALE_SIZE) return null
  return { unscaled: bytesToVarint(bytes.subarray(SCALE_SIZE)), scale: bytes.readInt32BE(0) }
}

export function decimalToBytes({ unscaled, scale }: Decimal): Buffer {
  const digits = varintToBytes(unscaled)
  const bytes = Buffer.allocUnsafe(SCALE_SIZE + digits.length)
  bytes.writeInt32BE(scale, 0)
  digits.copy(bytes, SCALE_SIZE)
  return bytes
}

/** `1.50`, `-3`, `2E10`; null for what is no number or beyond a scale's range. */
export function parseDecimal(text: string): Decimal | null {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,11}))?$/.exec(text)
  if (match === null) return null
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match
  if (whole === '' && fraction === '') return null
  const scale = fraction.length - Number(exponent)
  if (scale > MAX_INT || scale < MIN_INT) return null
  const digits = BigInt(whole + fraction)
  return { unscaled: sign === '-' ? -digits : digits, scale }
}

/** As Java's BigDecimal.toString: with an exponent where the number would be all zeros otherwise. */
export function decimalText({ unscaled, scale }: Decimal): string {
  if (scale === 0) return unscaled.toString()
  const sign = unscaled < 0n ? '-' : ''
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString()
  const exponent = digits.length - 1 - scale
  if (scale > 0 && exponent >= -6) {
    const padded = digits.padStart(scale + 1, '0')
    return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`
  }
  const mantissa = digits.length === 1 ? digits : `${digits.slice(0, 1)}.${digits.slice(1)}`
  if (exponent === 0) return sign + mantissa
  return `${sign}${mantissa}E${exponent > 0 ? '+' : ''}${exponent}`
}

/** A number as its sign, its digits without zeros at either end, and where the point is: one form for equal numbers. */
export interface Digits {
  readonly sign: -1 | 0 | 1
  /** Empty for zero. */
  readonly digits: string
  /** The number is `0.digits` times ten to this. */
  readonly exponent: number
}

export function digitsOf({ unscaled, scale }: Decimal): Digits {
  if (unscaled === 0n) return { sign: 0, digits: '', exponent: 0 }
  const all = (unscaled < 0n ? -unscaled : unscaled).toString()
  let end = all.length
  while (all.charCodeAt(end - 1) === 0x30) end--
  return { sign: unscaled < 0n ? -1 : 1, digits: all.slice(0, end), exponent: all.length - scale }
}

/** The number with the smallest scale that its type has; null where it would be longer than any number that is taken. */
export function decimalOfDigits({ sign, digits, exponent }: Digits): Decimal | null {
  if (sign === 0) return ZERO
  const scale = digits.length - exponent
  // Zeros at the end that the scale has no room for come back as digits.
  const missing = Math.max(0, MIN_INT - scale)
  if (scale > MAX_INT || missing > MAX_DIGITS) return null
  const magnitude = BigInt(digits) * 10n ** BigInt(missing)
  return { unscaled: sign < 0 ? -magnitude : magnitude, scale: scale + missing }
}

export function compareDecimals(a: Decimal, b: Decimal): number {
  if (a.scale === b.scale) return a.unscaled < b.unscaled ? -1 : a.unscaled > b.unscaled ? 1 : 0
  const left = digitsOf(a)
  const right = digitsOf(b)
  if (left.sign !== right.sign) return left.sign - right.sign
  return left.sign * compareMagnitudes(left, right)
}

function compareMagnitudes(a: Digits, b: Digits): number {
  if (a.exponent !== b.exponent) return a.exponent - b.exponent
  return a.digits < b.digits ? -1 : a.digits > b.digits ? 1 : 0
}
