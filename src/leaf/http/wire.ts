/**
 * The leaf protocol's batches: what one POST asks of a leaf, and what it answers. Both sides; FORMATS.md has the grammar.
 *
 * - A batch names its targets once, a target being one shard of one version of one dataset; requests refer to them by
 *   position. The answer begins with the same list, made from what the leaf has open: it answers for exactly what was
 *   asked for, or the gateway does not take it.
 * - Answers carry their request's id and come in any order, as they are ready.
 * - Nothing that arrives is believed: a batch that does not decode is refused whole.
 */
import { KVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { KeyOrder } from '../../model/dataset.js'
import type { ShardPage } from '../../model/leaf-engine.js'
import type { ShardRead, ShardScan } from '../../model/plan.js'
import type { CellSelector, Condition, RowOutcome } from '../../model/row.js'
import { NO_TOKEN, type RowToken } from '../../model/row-order.js'
import type { ScannedRow } from '../../model/scan.js'
import { ByteReader, type ByteWriter } from './bytes.js'
import {
  between,
  readCellPosition,
  readCondition,
  readError,
  readOutcome,
  readRow,
  readRowPosition,
  readSelector,
  readSpan,
  readToken,
  writeCellPosition,
  writeCondition,
  writeError,
  writeOutcome,
  writeRow,
  writeRowPosition,
  writeSelector,
  writeSpan,
  writeToken,
} from './wire-values.js'

/** Names who asks: of a change, the id of the gateway's data directory. */
export const GATEWAY_HEADER = 'x-godwit-gateway'

/** `GWL` and the format's number. Never renumber. */
const MAGIC = 0x47_57_4c_01

/** Kinds of requests and answers. Never renumber. */
const READ = 1
const SCAN = 2
const ROWS = 1
const PAGE = 2
const FAILURE = 3

const IS_SERVED = 1
const NOT_SERVED = 0

const IS_ORDERED = 1
const WITH_TIMESTAMPS = 2
const WITH_TTL = 4
const HAS_PAGE = 8
const HAS_POSITION = 16
const HAS_SELECTOR = 32
const HAS_KEY_SELECTORS = 64
const IS_REVERSED = 128

/** Targets of one batch, as many as fit 16 bits. */
export const MAX_TARGETS = 65_535
/** Rows and cells of one answer: what a leaf reads for a request counts 32 bytes for each cell, of a frame's size. */
const MAX_ANSWER_ELEMENTS = 4_000_000
/** No deadline. */
const FOREVER = 0xffff_ffff

/** One shard of one version. */
export interface ShardTarget {
  readonly datasetId: string
  readonly versionId: number
  readonly shard: number
}

/** A shard read without what the gateway alone knows. */
export type WireRead = Omit<ShardRead, 'incarnation' | 'deadline' | 'connection' | 'positions'>
export type WireScan = Pick<ShardScan, 'keyOrder' | 'span' | 'pageRows' | 'pageBytes'> & {
  readonly request: Pick<
    ShardScan['request'],
    'selector' | 'where' | 'limit' | 'isReversed' | 'withTimestamps' | 'withTtl'
  >
}

export interface RequestHead {
  readonly id: number
  /** Position in the batch's list of targets. */
  readonly target: number
  /** Infinity: no deadline. */
  readonly remainingMs: number
}

export interface WireRequest extends RequestHead {
  readonly read: WireRead | null
  readonly scan: WireScan | null
}

export type WireAnswer =
  | { readonly id: number; readonly rows: readonly RowOutcome[] }
  | { readonly id: number; readonly page: ShardPage }
  | { readonly id: number; readonly error: KVError }

/** A target as both lists have it, with IS_SERVED in front. */
export function encodeTarget(output: ByteWriter, target: ShardTarget): void {
  output.u8(IS_SERVED)
  const id = Buffer.from(target.datasetId, 'latin1')
  output.u8(id.length)
  output.raw(id)
  output.u64(target.versionId)
  output.u16(target.shard)
}

/** In an answer: the leaf has no such shard. */
export function encodeUnserved(output: ByteWriter): void {
  output.u8(NOT_SERVED)
}

/** Begins a batch or an answer with a list of targets, which `encodeTarget` made. */
export function encodeHead(output: ByteWriter, targetCount: number, targets: Uint8Array): void {
  output.u32(MAGIC)
  output.u16(targetCount)
  output.raw(targets)
}

/** The bytes of a batch up to its targets. */
export const HEAD_SIZE = 6

function readTarget(input: ByteReader): ShardTarget | null {
  const state = input.u8()
  if (state === NOT_SERVED) return null
  if (state !== IS_SERVED) throw new RangeError('unknown state of a target')
  const datasetId = input.view(input.u8()).toString('latin1')
  return { datasetId, versionId: input.u64(), shard: input.u16() }
}

function readTargets(input: ByteReader): (ShardTarget | null)[] {
  if (input.u32() !== MAGIC) throw new RangeError('no batch of this format')
  const targets: (ShardTarget | null)[] = []
  for (let left = input.u16(); left > 0; left--) targets.push(readTarget(input))
  return targets
}

export function encodeRead(output: ByteWriter, head: RequestHead, read: WireRead): void {
  const start = beginRequest(output, READ, head)
  const { selector, selectorsByKey, position, pageBytes, rowKeys, tokens } = read
  const isOrdered = read.keyOrder === 'ORDERED'
  output.u8(
    (isOrdered ? IS_ORDERED : 0) |
      (read.withTimestamps ? WITH_TIMESTAMPS : 0) |
      (read.withTtl ? WITH_TTL : 0) |
      (pageBytes === null ? 0 : HAS_PAGE) |
      (position === null ? 0 : HAS_POSITION) |
      (selector === null ? 0 : HAS_SELECTOR) |
      (selectorsByKey === null ? 0 : HAS_KEY_SELECTORS),
  )
  if (pageBytes !== null) output.u32(pageBytes)
  if (position !== null) writeCellPosition(output, position)
  if (selector !== null) writeSelector(output, selector)
  output.u32(rowKeys.length)
  for (let i = 0; i < rowKeys.length; i++) {
    const rowKey = rowKeys[i]
    if (rowKey === undefined) break
    output.run16(rowKey)
    if (!isOrdered) writeToken(output, tokens[i] ?? NO_TOKEN)
    if (selectorsByKey !== null) writeOptionalSelector(output, selectorsByKey[i] ?? null)
  }
  endFrame(output, start)
}

export function encodeScan(output: ByteWriter, head: RequestHead, scan: WireScan): void {
  const start = beginRequest(output, SCAN, head)
  const { request } = scan
  output.u8(
    (scan.keyOrder === 'ORDERED' ? IS_ORDERED : 0) |
      (request.withTimestamps ? WITH_TIMESTAMPS : 0) |
      (request.withTtl ? WITH_TTL : 0) |
      (request.limit === null ? 0 : HAS_PAGE) |
      (request.selector === null ? 0 : HAS_SELECTOR) |
      (request.isReversed ? IS_REVERSED : 0),
  )
  output.u32(scan.pageRows)
  output.u32(scan.pageBytes)
  if (request.limit !== null) output.u32(request.limit)
  if (request.selector !== null) writeSelector(output, request.selector)
  output.u32(request.where.length)
  for (const condition of request.where) writeCondition(output, condition)
  writeSpan(output, scan.span)
  endFrame(output, start)
}

function beginRequest(output: ByteWriter, kind: number, head: RequestHead): number {
  const start = output.reserve(4)
  output.u32(head.id)
  output.u8(kind)
  output.u16(head.target)
  output.u32(Number.isFinite(head.remainingMs) ? Math.min(FOREVER - 1, Math.ceil(head.remainingMs)) : FOREVER)
  return start
}

function endFrame(output: ByteWriter, start: number): void {
  output.setU32(start, output.size - start - 4)
}

/** A batch as the leaf reads it; keys are views. @throws {KVError} INVALID_ARGUMENT when it is none */
export function decodeBatch(bytes: Buffer): {
  readonly targets: readonly ShardTarget[]
  readonly requests: readonly WireRequest[]
} {
  try {
    const budget = { left: limits.maxThriftElements }
    const input = new ByteReader(bytes, budget)
    const targets = readTargets(input).filter((target) => target !== null)
    const requests: WireRequest[] = []
    while (input.left > 0) {
      budget.left -= 1
      const size = input.u32()
      const frame = new ByteReader(bytes, budget, input.at, input.at + between(size, 0, input.left))
      input.view(size)
      requests.push(decodeRequest(frame, targets.length))
      frame.end()
    }
    return { targets, requests }
  } catch (error) {
    throw new KVError('INVALID_ARGUMENT', `the body is no batch of this leaf's format: ${reasonOf(error)}`)
  }
}

function decodeRequest(input: ByteReader, targetCount: number): WireRequest {
  const id = input.u32()
  const kind = input.u8()
  const target = between(input.u16(), 0, targetCount - 1)
  const left = input.u32()
  const head = { id, target, remainingMs: left === FOREVER ? Number.POSITIVE_INFINITY : left }
  if (kind === READ) return { ...head, read: decodeRead(input), scan: null }
  if (kind === SCAN) return { ...head, read: null, scan: decodeScan(input) }
  throw new RangeError('unknown kind of request')
}

function decodeRead(input: ByteReader): WireRead {
  const flags = input.u8()
  const keyOrder: KeyOrder = (flags & IS_ORDERED) === 0 ? 'HASHED' : 'ORDERED'
  const pageBytes = (flags & HAS_PAGE) === 0 ? null : between(input.u32(), 1, limits.maxPageBytes)
  const position = (flags & HAS_POSITION) === 0 ? null : readCellPosition(input)
  const selector = (flags & HAS_SELECTOR) === 0 ? null : readSelector(input)
  const hasSelectors = (flags & HAS_KEY_SELECTORS) !== 0
  const count = between(input.count(2), 0, limits.maxBatchRows)
  const rowKeys: Buffer[] = []
  const tokens: RowToken[] = []
  const selectorsByKey: (CellSelector | null)[] = []
  for (let i = 0; i < count; i++) {
    rowKeys.push(input.run16())
    tokens.push(keyOrder === 'HASHED' ? readToken(input) : NO_TOKEN)
    if (hasSelectors) selectorsByKey.push(readOptionalSelector(input))
  }
  return {
    keyOrder,
    rowKeys,
    tokens,
    selector,
    selectorsByKey: hasSelectors ? selectorsByKey : null,
    withTimestamps: (flags & WITH_TIMESTAMPS) !== 0,
    withTtl: (flags & WITH_TTL) !== 0,
    pageBytes,
    position,
  }
}

function decodeScan(input: ByteReader): WireScan {
  const flags = input.u8()
  const pageRows = between(input.u32(), 1, limits.maxPageRows)
  const pageBytes = between(input.u32(), 1, limits.maxPageBytes)
  const limit = (flags & HAS_PAGE) === 0 ? null : input.u32()
  const selector = (flags & HAS_SELECTOR) === 0 ? null : readSelector(input)
  const where: Condition[] = []
  const conditions = between(input.count(8), 0, limits.maxConditions)
  for (let i = 0; i < conditions; i++) where.push(readCondition(input))
  return {
    keyOrder: (flags & IS_ORDERED) === 0 ? 'HASHED' : 'ORDERED',
    span: readSpan(input),
    pageRows,
    pageBytes,
    request: {
      selector,
      where,
      limit,
      isReversed: (flags & IS_REVERSED) !== 0,
      withTimestamps: (flags & WITH_TIMESTAMPS) !== 0,
      withTtl: (flags & WITH_TTL) !== 0,
    },
  }
}

function writeOptionalSelector(output: ByteWriter, selector: CellSelector | null): void {
  output.u8(selector === null ? 0 : 1)
  if (selector !== null) writeSelector(output, selector)
}

function readOptionalSelector(input: ByteReader): CellSelector | null {
  return input.u8() === 0 ? null : readSelector(input)
}

export function encodeRows(output: ByteWriter, id: number, rows: readonly RowOutcome[]): void {
  const start = beginAnswer(output, id, ROWS)
  output.u32(rows.length)
  for (const row of rows) writeOutcome(output, row)
  endFrame(output, start)
}

export function encodePage(output: ByteWriter, id: number, { rows, next }: ShardPage): void {
  const start = beginAnswer(output, id, PAGE)
  output.u8(next === null ? 0 : 1)
  if (next !== null) writeRowPosition(output, next)
  output.u32(rows.length)
  for (const { rowKey, row } of rows) {
    output.run16(rowKey)
    writeRow(output, row)
  }
  endFrame(output, start)
}

export function encodeFailure(output: ByteWriter, id: number, error: KVError): void {
  const start = beginAnswer(output, id, FAILURE)
  writeError(output, error)
  endFrame(output, start)
}

function beginAnswer(output: ByteWriter, id: number, kind: number): number {
  const start = output.reserve(4)
  output.u32(id)
  output.u8(kind)
  return start
}

/** The targets that an answer begins with, null for those the leaf has not, and where its answers begin. */
export function decodeAnswerHead(bytes: Buffer): {
  readonly targets: readonly (ShardTarget | null)[]
  readonly size: number
} {
  const input = new ByteReader(bytes, { left: MAX_TARGETS })
  const targets = readTargets(input)
  return { targets, size: input.at }
}

/** One answer without its size; cells are views. @throws {RangeError} when it is none */
export function decodeAnswer(bytes: Buffer, from: number, to: number): WireAnswer {
  const input = new ByteReader(bytes, { left: MAX_ANSWER_ELEMENTS }, from, to)
  const id = input.u32()
  const kind = input.u8()
  const answer = decodeAnswerBody(input, id, kind)
  input.end()
  return answer
}

function decodeAnswerBody(input: ByteReader, id: number, kind: number): WireAnswer {
  if (kind === ROWS) {
    const rows: RowOutcome[] = []
    for (let left = input.count(1); left > 0; left--) rows.push(readOutcome(input))
    return { id, rows }
  }
  if (kind === PAGE) {
    const next = input.u8() === 0 ? null : readRowPosition(input)
    const rows: ScannedRow[] = []
    for (let left = input.count(7); left > 0; left--)
      rows.push({ rowKey: input.run16(), row: readRow(input) })
    return { id, page: { rows, next } }
  }
  if (kind === FAILURE) return { id, error: readError(input) }
  throw new RangeError('unknown kind of answer')
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
