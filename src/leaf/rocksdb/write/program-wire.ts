/**
 * Row programs on their way to the writer thread, and what they answered on the way back. The first never leaves the
 * process; the second is also stored beside the data (write-record.ts), which is where its format is numbered.
 *
 *     program    run metaKey | mutation list | condition list | mutation list (otherwise)
 *                | u8 selection (returnOnConflict) | u8 selection (returnAfter) | u8 | [token]
 *     result     u8 flags | i64 timestamp | cell list | counter list
 *     cell       u8 flags | run localKey | run value | [i64 timestamp] | [f64 ttlSeconds]
 *
 * Numbers that a caller can get wrong (TTLs) travel as they are, so that one place refuses them.
 */
import { KVError } from '../../../base/errors.js'
import type { CounterDelta, DeleteScope, Mutation } from '../../../model/mutation.js'
import type { CounterReading, IdempotencyToken, MutateRequest, MutateResult } from '../../../model/request.js'
import type { ByteRange, Cell, CellSelector, Comparison, Condition } from '../../../model/row.js'
import { WireInput, type WireOutput } from './wire-bytes.js'

/** What is done to one row in one step, and what is answered: a MutateRequest without what the writer need not know. */
export interface RowProgram {
  readonly metaKey: Buffer
  readonly mutations: readonly Mutation[]
  readonly conditions: readonly Condition[]
  readonly otherwise: readonly Mutation[]
  readonly returnOnConflict: CellSelector | null | undefined
  readonly returnAfter: CellSelector | null | undefined
  readonly idempotency: IdempotencyToken | null
}

const KINDS: readonly Mutation['kind'][] = ['PUT', 'DELETE', 'INCREMENT', 'APPEND', 'TOUCH']
const SCOPES: readonly DeleteScope[] = ['UP_TO_TIMESTAMP', 'EXACT_TIMESTAMP', 'NEWEST_VERSION']
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

const HAS_TIMESTAMP = 1
const HAS_TTL = 2
const IS_REPLACING = 4
const HAS_SELECTOR = 4
const WRAPS = 4
const IF_MISSING = 4
const HAS_LIMIT = 1
const IS_REVERSED = 2
const HAS_MIN = 4
const HAS_MAX = 8
const KEYS_ONLY = 16

const NOTHING = 0
const WHOLE = 1
const SELECTED = 2

const IS_APPLIED = 2
const IS_REPEATED = 4
const HAS_ROW = 8

/** Adds a program to the output. */
export function encodeProgram(
  output: WireOutput,
  metaKey: Buffer,
  request: Omit<MutateRequest, 'dataset' | 'rowKey' | 'durability' | 'context'>,
): void {
  output.run(metaKey)
  output.list(request.mutations, (mutation) => writeMutation(output, mutation))
  output.list(request.conditions, (condition) => writeCondition(output, condition))
  output.list(request.otherwise, (mutation) => writeMutation(output, mutation))
  writeSelection(output, request.returnOnConflict)
  writeSelection(output, request.returnAfter)
  const { idempotency } = request
  output.u8(idempotency === null ? 0 : 1)
  if (idempotency === null) return
  output.i64(idempotency.generationTimeUs)
  output.u32(idempotency.index)
  output.run(idempotency.nonce)
  output.run(idempotency.fingerprint)
}

/** The program in `bytes` from `from` to `to`; keys and values are views. @throws {KVError} INTERNAL */
export function decodeProgram(bytes: Buffer, from: number, to: number): RowProgram {
  try {
    const input = new WireInput(bytes, from, to)
    const program: RowProgram = {
      metaKey: input.run(),
      mutations: input.list(() => readMutation(input)),
      conditions: input.list(() => readCondition(input)),
      otherwise: input.list(() => readMutation(input)),
      returnOnConflict: readSelection(input),
      returnAfter: readSelection(input),
      idempotency: input.u8() === 0 ? null : readToken(input),
    }
    input.end()
    return program
  } catch (error) {
    throw new KVError('INTERNAL', 'a row program is damaged', { outcome: 'NOT_APPLIED', cause: error })
  }
}

/** Adds a result. Its row must be whole. */
export function encodeResult(output: WireOutput, result: MutateResult): void {
  const { timestamp, isApplied, isRepeated, row, counters } = result
  const flags =
    (timestamp === null ? 0 : HAS_TIMESTAMP) |
    (isApplied ? IS_APPLIED : 0) |
    (isRepeated ? IS_REPEATED : 0) |
    (row === null ? 0 : HAS_ROW)
  output.u8(flags)
  output.i64(timestamp ?? 0n)
  output.list(row?.cells ?? [], (cell) => writeCell(output, cell))
  output.list(counters, ({ localKey, value }) => {
    output.run(localKey)
    output.i64(value)
  })
}

/** What encodeResult wrote; keys and values are views. @throws {RangeError} when it is something else */
export function decodeResult(bytes: Buffer): MutateResult {
  const input = new WireInput(bytes)
  const flags = input.u8()
  const timestamp = input.i64()
  const cells = input.list(() => readCell(input))
  const counters = input.list((): CounterReading => ({ localKey: input.run(), value: input.i64() }))
  input.end()
  return {
    timestamp: (flags & HAS_TIMESTAMP) === 0 ? null : timestamp,
    isApplied: (flags & IS_APPLIED) !== 0,
    isRepeated: (flags & IS_REPEATED) !== 0,
    row: (flags & HAS_ROW) === 0 ? null : { cells, next: null },
    counters,
  }
}

function writeMutation(output: WireOutput, mutation: Mutation): void {
  output.u8(KINDS.indexOf(mutation.kind))
  switch (mutation.kind) {
    case 'PUT': {
      const { timestamp } = mutation
      output.u8((timestamp === null ? 0 : HAS_TIMESTAMP) | (mutation.replaceRow ? IS_REPLACING : 0))
      if (timestamp !== null) output.i64(timestamp)
      output.list(mutation.cells, (cell) => writeCell(output, cell))
      return
    }
    case 'DELETE': {
      const { timestamp, selector } = mutation
      output.u8((timestamp === null ? 0 : HAS_TIMESTAMP) | (selector === null ? 0 : HAS_SELECTOR))
      output.u8(SCOPES.indexOf(mutation.scope))
      if (timestamp !== null) output.i64(timestamp)
      if (selector !== null) writeSelector(output, selector)
      return
    }
    case 'INCREMENT':
      output.list(mutation.deltas, ({ localKey, delta, ttlSeconds, wraps }) => {
        output.u8((ttlSeconds === null ? 0 : HAS_TTL) | (wraps === true ? WRAPS : 0))
        output.run(localKey)
        output.i64(delta)
        if (ttlSeconds !== null) output.f64(ttlSeconds)
      })
      return
    case 'APPEND':
      output.list(mutation.cells, (cell) => writeCell(output, cell))
      return
    case 'TOUCH': {
      const { ttlSeconds, selector } = mutation
      output.u8((ttlSeconds === null ? 0 : HAS_TTL) | (selector === null ? 0 : HAS_SELECTOR))
      if (ttlSeconds !== null) output.f64(ttlSeconds)
      if (selector !== null) writeSelector(output, selector)
    }
  }
}

function readMutation(input: WireInput): Mutation {
  const kind = named(KINDS, input.u8())
  switch (kind) {
    case 'PUT': {
      const flags = input.u8()
      const timestamp = (flags & HAS_TIMESTAMP) === 0 ? null : input.i64()
      const cells = input.list(() => readCell(input))
      return { kind, cells, timestamp, replaceRow: (flags & IS_REPLACING) !== 0 }
    }
    case 'DELETE': {
      const flags = input.u8()
      const scope = named(SCOPES, input.u8())
      const timestamp = (flags & HAS_TIMESTAMP) === 0 ? null : input.i64()
      return { kind, scope, timestamp, selector: (flags & HAS_SELECTOR) === 0 ? null : readSelector(input) }
    }
    case 'INCREMENT':
      return { kind, deltas: input.list(() => readDelta(input)) }
    case 'APPEND':
      return { kind, cells: input.list(() => readCell(input)) }
    case 'TOUCH': {
      const flags = input.u8()
      const ttlSeconds = (flags & HAS_TTL) === 0 ? null : input.f64()
      return { kind, ttlSeconds, selector: (flags & HAS_SELECTOR) === 0 ? null : readSelector(input) }
    }
  }
}

function readDelta(input: WireInput): CounterDelta {
  const flags = input.u8()
  const localKey = input.run()
  const delta = input.i64()
  const plain = { localKey, delta, ttlSeconds: (flags & HAS_TTL) === 0 ? null : input.f64() }
  return (flags & WRAPS) === 0 ? plain : { ...plain, wraps: true }
}

function writeCell(output: WireOutput, { localKey, value, timestamp, ttlSeconds }: Cell): void {
  output.u8((timestamp === null ? 0 : HAS_TIMESTAMP) | (ttlSeconds === null ? 0 : HAS_TTL))
  output.run(localKey)
  output.run(value)
  if (timestamp !== null) output.i64(timestamp)
  if (ttlSeconds !== null) output.f64(ttlSeconds)
}

function readCell(input: WireInput): Cell {
  const flags = input.u8()
  const localKey = input.run()
  const value = input.run()
  const timestamp = (flags & HAS_TIMESTAMP) === 0 ? null : input.i64()
  return { localKey, value, timestamp, ttlSeconds: (flags & HAS_TTL) === 0 ? null : input.f64() }
}

function writeCondition(output: WireOutput, condition: Condition): void {
  const { comparison, ifMissing, localKey, value, timestamp } = condition
  output.u8(COMPARISONS.indexOf(comparison))
  output.u8((timestamp === null ? 0 : HAS_TIMESTAMP) | (ifMissing ? IF_MISSING : 0))
  output.run(localKey)
  output.run(value)
  if (timestamp !== null) output.i64(timestamp)
}

function readCondition(input: WireInput): Condition {
  const comparison = named(COMPARISONS, input.u8())
  const flags = input.u8()
  const localKey = input.run()
  const value = input.run()
  const timestamp = (flags & HAS_TIMESTAMP) === 0 ? null : input.i64()
  return { comparison, localKey, value, timestamp, ifMissing: (flags & IF_MISSING) !== 0 }
}

function writeSelection(output: WireOutput, selector: CellSelector | null | undefined): void {
  output.u8(selector === undefined ? NOTHING : selector === null ? WHOLE : SELECTED)
  if (selector !== undefined && selector !== null) writeSelector(output, selector)
}

function readSelection(input: WireInput): CellSelector | null | undefined {
  switch (input.u8()) {
    case NOTHING:
      return undefined
    case WHOLE:
      return null
    case SELECTED:
      return readSelector(input)
    default:
      throw new RangeError('unknown selection')
  }
}

function writeSelector(output: WireOutput, selector: CellSelector): void {
  const { localKeys, ranges, limit, isReversed, maxVersions, minTimestamp, maxTimestamp, keysOnly } = selector
  output.u8(
    (limit === null ? 0 : HAS_LIMIT) |
      (isReversed ? IS_REVERSED : 0) |
      (minTimestamp === null ? 0 : HAS_MIN) |
      (maxTimestamp === null ? 0 : HAS_MAX) |
      (keysOnly ? KEYS_ONLY : 0),
  )
  output.u32(maxVersions)
  output.list(localKeys, (localKey) => output.run(localKey))
  output.list(ranges, ({ from, to }) => {
    output.u8(to === null ? 0 : 1)
    output.run(from)
    if (to !== null) output.run(to)
  })
  if (limit !== null) output.u32(limit)
  if (minTimestamp !== null) output.i64(minTimestamp)
  if (maxTimestamp !== null) output.i64(maxTimestamp)
}

function readSelector(input: WireInput): CellSelector {
  const flags = input.u8()
  const maxVersions = input.u32()
  const localKeys = input.list(() => input.run())
  const ranges = input.list((): ByteRange => {
    const hasEnd = input.u8() === 1
    return { from: input.run(), to: hasEnd ? input.run() : null }
  })
  return {
    localKeys,
    ranges,
    limit: (flags & HAS_LIMIT) === 0 ? null : input.u32(),
    isReversed: (flags & IS_REVERSED) !== 0,
    maxVersions,
    minTimestamp: (flags & HAS_MIN) === 0 ? null : input.i64(),
    maxTimestamp: (flags & HAS_MAX) === 0 ? null : input.i64(),
    keysOnly: (flags & KEYS_ONLY) !== 0,
  }
}

function readToken(input: WireInput): IdempotencyToken {
  return {
    generationTimeUs: input.i64(),
    index: input.u32(),
    nonce: input.run(),
    fingerprint: input.run(),
  }
}

function named<T>(names: readonly T[], number: number): T {
  const name = names[number]
  if (name === undefined) throw new RangeError(`unknown number ${number}`)
  return name
}
