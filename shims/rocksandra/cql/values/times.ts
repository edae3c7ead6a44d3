/**
 * Timestamps, dates and times of day as text. A timestamp without a zone is in UTC here, while Cassandra takes that of its
 * machine. Source: TimestampSerializer, SimpleDateSerializer and TimeSerializer of Cassandra 3.0.
 */
import { invalid } from '../errors.js'

const MS_PER_DAY = 86_400_000
const NS_PER_DAY = 86_400_000_000_000n
/** A date is stored as an unsigned number of days in which 1970-01-01 is this. */
const EPOCH_DAY = 2 ** 31
const MAX_DAY = 2 ** 32 - 1

const WHOLE_NUMBER = /^-?\d+$/

/** The 64-bit number in the text, or null beyond 64 bits. */
export function parseLong(text: string): bigint | null {
  if (!/^[+-]?\d+$/.test(text) || text.length > 40) return null
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text)
  return BigInt.asIntN(64, value) === value ? value : null
}

const TIMESTAMP =
  /^(\d{1,9})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,3}))?)?)?(?: ?(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?$/

/**
 * Milliseconds since 1970 of `2015-05-03 13:30:54.234+0100`, of a number, or of `now`.
 * @throws {CqlError} INVALID
 */
export function parseTimestamp(text: string, nowMs: () => number): bigint {
  if (text.toLowerCase() === 'now') return BigInt(nowMs())
  if (WHOLE_NUMBER.test(text)) {
    const value = parseLong(text)
    if (value === null) throw invalid(`Unable to make long (for date) from: '${text}'`)
    return value
  }
  const match = TIMESTAMP.exec(text)
  const time = match === null ? null : timeOf(match)
  if (time === null) throw invalid(`Unable to coerce '${text}' to a formatted date (long)`)
  return BigInt(time)
}

function timeOf(match: RegExpExecArray): number | null {
  const [
    ,
    year = '',
    month = '',
    day = '',
    hour = '0',
    minute = '0',
    second = '0',
    fraction = '0',
    zone = 'Z',
  ] = match
  const midnight = dayStart(Number(year), Number(month), Number(day))
  if (midnight === null || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return null
  // Java's SSS reads `.5` as five milliseconds.
  const ofDay = ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000 + Number(fraction)
  return midnight + ofDay - zoneOffset(zone)
}

function zoneOffset(zone: string): number {
  const match = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone)
  if (match === null) return 0
  const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0)
  return (match[1] === '-' ? -minutes : minutes) * 60_000
}

/** Milliseconds since 1970 at the beginning of a day that exists. */
function dayStart(year: number, month: number, day: number): number | null {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  const isIt = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  return isIt ? date.getTime() : null
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0')
}

const MAX_JS_TIME = 8_640_000_000_000_000n

/** `2015-05-03 13:30:54.234Z`, as SELECT JSON writes it. What no calendar has is written as its number. */
export function timestampText(ms: bigint): string {
  if (ms > MAX_JS_TIME || ms < -MAX_JS_TIME) return ms.toString()
  const date = new Date(Number(ms))
  const time = `${pad(date.getUTCHours(), 2)}:${pad(date.getUTCMinutes(), 2)}:${pad(date.getUTCSeconds(), 2)}`
  return `${calendarText(date)} ${time}.${pad(date.getUTCMilliseconds(), 3)}Z`
}

function calendarText(date: Date): string {
  const year = date.getUTCFullYear()
  const text = year < 0 ? `-${pad(-year, 4)}` : pad(year, 4)
  return `${text}-${pad(date.getUTCMonth() + 1, 2)}-${pad(date.getUTCDate(), 2)}`
}

/**
 * The stored number of `2015-05-03`, or of a number of days as it is stored.
 * @throws {CqlError} INVALID
 */
export function parseDate(text: string): number {
  if (WHOLE_NUMBER.test(text)) {
    const days = parseLong(text)
    if (days === null || days < 0n || days > BigInt(MAX_DAY)) {
      throw invalid(`Unable to make unsigned int (for date) from: '${text}'`)
    }
    return Number(days)
  }
  const match = /^(-?\d{1,7})-(\d{1,2})-(\d{1,2})$/.exec(text)
  const midnight = match === null ? null : dayStart(Number(match[1]), Number(match[2]), Number(match[3]))
  if (midnight === null) throw invalid(`Unable to coerce '${text}' to a formatted date (long)`)
  const day = midnight / MS_PER_DAY + EPOCH_DAY
  if (day < 0) throw invalid(`Input date ${text} is less than min supported date -5877641-06-23`)
  if (day > MAX_DAY) throw invalid(`Input date ${text} is greater than max supported date 5881580-07-11`)
  return day
}

/** The day a timestamp lies in, as a date is stored. Java's division rounds towards 1970, and so does this. */
export function timestampToDate(ms: bigint): number {
  return Number(BigInt.asUintN(32, ms / BigInt(MS_PER_DAY) + BigInt(EPOCH_DAY)))
}

export function dateToTimestamp(day: number): bigint {
  return BigInt(day - EPOCH_DAY) * BigInt(MS_PER_DAY)
}

export function dateText(day: number): string {
  const ms = (day - EPOCH_DAY) * MS_PER_DAY
  if (Math.abs(ms) > Number(MAX_JS_TIME)) return farDateText(day - EPOCH_DAY)
  return calendarText(new Date(ms))
}

/** The calendar repeats itself every 400 years: a day beyond JavaScript's is one of 2000 to 2399 in another year. */
function farDateText(day: number): string {
  const cycleDays = 146_097
  const fromY2k = day - 10_957
  const cycles = Math.floor(fromY2k / cycleDays)
  const date = new Date((fromY2k - cycles * cycleDays + 10_957) * MS_PER_DAY)
  const year = date.getUTCFullYear() + cycles * 400
  const text = year < 0 ? `-${pad(-year, 4)}` : pad(year, 4)
  return `${text}-${pad(date.getUTCMonth() + 1, 2)}-${pad(date.getUTCDate(), 2)}`
}

/**
 * Nanoseconds since midnight of `13:30:54.234`, or of a number.
 * @throws {CqlError} INVALID
 */
export function parseTime(text: string): bigint {
  if (WHOLE_NUMBER.test(text)) {
    const value = parseLong(text)
    if (value === null || value < 0n || value >= NS_PER_DAY) {
      throw invalid(`Unable to make long (for time) from: '${text}'`)
    }
    return value
  }
  const match = /^(\d{1,9}):(\d{1,9}):(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text)
  const [, hour = '', minute = '', second = '', fraction = ''] = match ?? []
  if (match === null || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) {
    throw invalid(`(TimeType) Unable to coerce '${text}' to a formatted time (long)`)
  }
  const seconds = (Number(hour) * 60 + Number(minute)) * 60 + Number(second)
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
}

/** `13:30:54.234000000`. */
export function timeText(ns: bigint): string {
  const seconds = Number(ns / 1_000_000_000n)
  const clock = `${pad(Math.floor(seconds / 3600), 2)}:${pad(Math.floor(seconds / 60) % 60, 2)}:${pad(seconds % 60, 2)}`
  return `${clock}.${pad(Number(ns % 1_000_000_000n), 9)}`
}
