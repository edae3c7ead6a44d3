/**
 * Values of the leaf protocol: selectors, conditions, positions, rows, errors. FORMATS.md has the grammar. What is decoded
 * keeps the promises of the model's types (order, ranges), whoever sent it; anything else is a RangeError.
 */
import { ERROR_CODES, type ErrorCode, KVError, isErrorCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type {
  ByteRange,
  Cell,
  CellPosition,
  CellSelector,
  Comparison,
  Condition,
  Row,
  RowOutcome,
} from '../../model/row.js'
import { ALL_VERSIONS } from '../../model/row.js'
import type { RowBound, RowPosition, RowSpan, RowToken } from '../../model/row-order.js'
import type { ByteReader, ByteWriter } from './bytes.js'

/** By number on the wire. Never renumber. */
const COMPARISONS: readonly Comparison[] = [
  'EXISTS',
  'NOT_EXISTS',
  'EQUAL',
  'NOT_EQUAL',
  'LESS',
  'LESS_OR_EQUAL',
  'GREATER',
  'GREATER_OR_EQUAL',
  'VERSION_EQUAL',
  'ROW_EXISTS',
  'ROW_NOT_EXISTS',
]

const HAS_LIMIT = 1
const IS_REVERSED = 2
const HAS_MIN = 4
const HAS_MAX = 8
const KEYS_ONLY = 16

const HAS_TIMESTAMP = 1
const HAS_TTL = 2
const IF_MISSING = 2
const HAS_KEY = 2

const IS_BEFORE = 1
const IS_EXCLUSIVE = 2

/** Of a row's outcome. Never renumber. */
const NO_ROW = 0
const WHOLE_ROW = 1
const CUT_ROW = 2
const FAILED_ROW = 3

const MAX_MESSAGE_BYTES = 1_000

export function writeSelector(output: ByteWriter, selector: CellSelector): void {
  const { localKeys, ranges, limit, minTimestamp, maxTimestamp } = selector
  output.u8(
    (limit === null ? 0 : HAS_LIMIT) |
      (selector.isReversed ? IS_REVERSED : 0) |
      (minTimestamp === null ? 0 : HAS_MIN) |
      (maxTimestamp === null ? 0 : HAS_MAX) |
      (selector.keysOnly ? KEYS_ONLY : 0),
  )
  output.u32(selector.maxVersions)
  if (limit !== null) output.u32(limit)
  if (minTimestamp !== null) output.i64(minTimestamp)
  if (maxTimestamp !== null) output.i64(maxTimestamp)
  output.u32(localKeys.length)
  for (const localKey of localKeys) output.run16(localKey)
  output.u32(ranges.length)
  for (const { from, to } of ranges) writeRange(output, from, to)
}

export function readSelector(input: ByteReader): CellSelector {
  const flags = input.u8()
  const maxVersions = between(input.u32(), 1, ALL_VERSIONS)
  const limit = (flags & HAS_LIMIT) === 0 ? null : between(input.u32(), 1, 0xffff_ffff)
  const minTimestamp = (flags & HAS_MIN) === 0 ? null : input.i64()
  const maxTimestamp = (flags & HAS_MAX) === 0 ? null : input.i64()
  const localKeys = readLocalKeys(input)
  return {
    localKeys,
    ranges: readRanges(input),
    limit,
    isReversed: (flags & IS_REVERSED) !== 0,
    maxVersions,
    minTimestamp,
    maxTimestamp,
    keysOnly: (flags & KEYS_ONLY) !== 0,
  }
}

function writeRange(output: ByteWriter, from: Buffer, to: Buffer | null): void {
  output.u8(to === null ? 0 : 1)
  output.run32(from)
  if (to !== null) output.run32(to)
}

function readLocalKeys(input: ByteReader): Buffer[] {
  const localKeys: Buffer[] = []
  for (let left = between(input.count(2), 0, limits.maxSelectorParts); left > 0; left--) {
    const localKey = input.run16()
    const before = localKeys.at(-1)
    if (before !== undefined && before.compare(localKey) >= 0) throw new RangeError('columns out of order')
    localKeys.push(localKey)
  }
  return localKeys
}

function readRanges(input: ByteReader): ByteRange[] {
  const ranges: ByteRange[] = []
  for (let left = between(input.count(5), 0, limits.maxSelectorParts); left > 0; left--) {
    const hasEnd = input.u8() !== 0
    const from = input.run32()
    const to = hasEnd ? input.run32() : null
    const before = ranges.at(-1)
    const isAfter = before === undefined || (before.to !== null && before.to.compare(from) <= 0)
    if (!isAfter || (to !== null && from.compare(to) >= 0)) throw new RangeError('ranges out of order')
    ranges.push({ from, to })
  }
  return ranges
}

export function writeCondition(output: ByteWriter, condition: Condition): void {
  const { timestamp } = condition
  output.u8(COMPARISONS.indexOf(condition.comparison))
  output.u8((timestamp === null ? 0 : HAS_TIMESTAMP) | (condition.ifMissing ? IF_MISSING : 0))
  output.run16(condition.localKey)
  output.run32(condition.value)
  if (timestamp !== null) output.i64(timestamp)
}

export function readCondition(input: ByteReader): Condition {
  const comparison = COMPARISONS[input.u8()]
  if (comparison === undefined) throw new RangeError('unknown comparison')
  const flags = input.u8()
  const localKey = input.run16()
  const value = input.run32()
  const timestamp = (flags & HAS_TIMESTAMP) === 0 ? null : input.i64()
  return { comparison, localKey, value, timestamp, ifMissing: (flags & IF_MISSING) !== 0 }
}

export function writeToken(output: ByteWriter, { high, low }: RowToken): void {
  output.u32(high)
  output.u32(low)
}

export function readToken(input: ByteReader): RowToken {
  return { high: input.u32() | 0, low: input.u32() | 0 }
}

export function writeCellPosition(output: ByteWriter, position: CellPosition): void {
  const { localKey, timestamp } = position
  output.u8((timestamp === null ? 0 : HAS_TIMESTAMP) | (localKey === null ? 0 : HAS_KEY))
  output.u32(position.columns)
  if (localKey !== null) output.run16(localKey)
  if (timestamp !== null) output.i64(timestamp)
}

export function readCellPosition(input: ByteReader): CellPosition {
  const flags = input.u8()
  const columns = input.u32()
  const localKey = (flags & HAS_KEY) === 0 ? null : input.run16()
  return { localKey, timestamp: (flags & HAS_TIMESTAMP) === 0 ? null : input.i64(), columns }
}

export function writeRowPosition(output: ByteWriter, { token, rowKey, isBefore }: RowPosition): void {
  output.u8(isBefore === true ? IS_BEFORE : 0)
  writeToken(output, token)
  output.run16(rowKey)
}

export function readRowPosition(input: ByteReader): RowPosition {
  const flags = input.u8()
  const position = { token: readToken(input), rowKey: input.run16() }
  return (flags & IS_BEFORE) === 0 ? position : { ...position, isBefore: true }
}

export function writeSpan(output: ByteWriter, { lower, upper }: RowSpan): void {
  output.u8((lower === null ? 0 : 1) | (upper === null ? 0 : 2))
  if (lower !== null) writeBound(output, lower)
  if (upper !== null) writeBound(output, upper)
}

export function readSpan(input: ByteReader): RowSpan {
  const flags = input.u8()
  const lower = (flags & 1) === 0 ? null : readBound(input)
  return { lower, upper: (flags & 2) === 0 ? null : readBound(input) }
}

function writeBound(output: ByteWriter, { token, rowKey, isExclusive }: RowBound): void {
  output.u8(isExclusive ? IS_EXCLUSIVE : 0)
  writeToken(output, token)
  output.run16(rowKey)
}

function readBound(input: ByteReader): RowBound {
  const flags = input.u8()
  return { token: readToken(input), rowKey: input.run16(), isExclusive: (flags & IS_EXCLUSIVE) !== 0 }
}

export function writeOutcome(output: ByteWriter, outcome: RowOutcome): void {
  if (outcome === null) output.u8(NO_ROW)
  else if (outcome instanceof KVError) {
    output.u8(FAILED_ROW)
    writeError(output, outcome)
  } else writeRow(output, outcome)
}

export function readOutcome(input: ByteReader): RowOutcome {
  const kind = input.u8()
  if (kind === NO_ROW) return null
  if (kind === FAILED_ROW) return readError(input)
  return readRowOf(kind, input)
}

export function writeRow(output: ByteWriter, { cells, next }: Row): void {
  output.u8(next === null ? WHOLE_ROW : CUT_ROW)
  if (next !== null) writeCellPosition(output, next)
  output.u32(cells.length)
  for (const cell of cells) writeCell(output, cell)
}

export function readRow(input: ByteReader): Row {
  return readRowOf(input.u8(), input)
}

function readRowOf(kind: number, input: ByteReader): Row {
  if (kind !== WHOLE_ROW && kind !== CUT_ROW) throw new RangeError('unknown outcome')
  const next = kind === CUT_ROW ? readCellPosition(input) : null
  const cells: Cell[] = []
  for (let left = input.count(7); left > 0; left--) cells.push(readCell(input))
  return { cells, next }
}

function writeCell(output: ByteWriter, { localKey, value, timestamp, ttlSeconds }: Cell): void {
  output.u8((timestamp === null ? 0 : HAS_TIMESTAMP) | (ttlSeconds === null ? 0 : HAS_TTL))
  output.run16(localKey)
  output.run32(value)
  if (timestamp !== null) output.i64(timestamp)
  if (ttlSeconds !== null) output.f64(ttlSeconds)
}

function readCell(input: ByteReader): Cell {
  const flags = input.u8()
  const localKey = input.run16()
  const value = input.run32()
  const timestamp = (flags & HAS_TIMESTAMP) === 0 ? null : input.i64()
  return { localKey, value, timestamp, ttlSeconds: (flags & HAS_TTL) === 0 ? null : input.f64() }
}

export function writeError(output: ByteWriter, { code, message }: KVError): void {
  output.u16(ERROR_CODES[code])
  const text = Buffer.from(message)
  output.run16(text.subarray(0, MAX_MESSAGE_BYTES))
}

export function readError(input: ByteReader): KVError {
  const number = input.u16()
  const message = input.run16().toString()
  return new KVError(CODES_BY_NUMBER.get(number) ?? 'INTERNAL', message)
}

const CODES_BY_NUMBER: ReadonlyMap<number, ErrorCode> = new Map(
  Object.entries(ERROR_CODES).flatMap(([name, number]) => (isErrorCode(name) ? [[number, name]] : [])),
)

/** @throws {RangeError} when the number is not one of `min` to `max` */
export function between(value: number, min: number, max: number): number {
  if (value < min || value > max) throw new RangeError('number out of range')
  return value
}
