/**
 * Random histories of a shard, for fast-check: steps, and what a shard answers to one in a form that is compared. The
 * alphabets are small, so that keys, timestamps and values meet often, and hold what separators, escapes, the ends of
 * ranges and the conflict rule could confuse.
 */
import fc from 'fast-check'
import type { WritableFormat } from '../../src/model/cluster-map.js'
import type { KeyOrder } from '../../src/model/dataset.js'
import type { Mutation } from '../../src/model/mutation.js'
import type { IdempotencyToken, MutateRequest } from '../../src/model/request.js'
import {
  ALL_VERSIONS,
  type Cell,
  type CellSelector,
  type CellTimestamp,
  type Comparison,
  type Condition,
} from '../../src/model/row.js'
import { bytes, put, SteppedClock } from './leaf-engines.js'

export interface ShardShape {
  readonly format: WritableFormat
  readonly keyOrder: KeyOrder
  readonly maxCellVersions: number
}

/** What is read or scanned; both answer the same whether data was sealed or written. */
export type ReadStep =
  | {
      readonly kind: 'read'
      readonly rowKeys: readonly Buffer[]
      readonly selectors: readonly (CellSelector | null)[]
      /** Null: rows are not cut; else they are read to their end, page by page. */
      readonly pageBytes: number | null
    }
  | {
      readonly kind: 'scan'
      readonly selector: CellSelector | null
      readonly where: readonly Condition[]
      readonly limit: number | null
      readonly isReversed: boolean
      readonly lower: RowEnd | null
      readonly upper: RowEnd | null
      readonly pageRows: number
      readonly pageBytes: number
    }

export interface RowEnd {
  readonly rowKey: Buffer
  readonly isExclusive: boolean
}

export interface WriteStep {
  readonly rowKey: Buffer
  readonly request: Partial<MutateRequest>
  /** Which of a few idempotency tokens, of which of two requests; null: none. */
  readonly token: { readonly nonce: number; readonly fingerprint: number } | null
  readonly isSynced: boolean
}

export type HistoryStep =
  | ReadStep
  /** Sent together, in this order. */
  | { readonly kind: 'write'; readonly writes: readonly WriteStep[] }
  | { readonly kind: 'clock'; readonly ms: number }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'purge' }

export const ROW_KEYS = ['', '\0', '\0\x01', 'a', 'a\0', 'a\0\xff', 'ab', '\xff'].map(bytes)
const LOCAL_KEYS = ['', '\0', '\0\xff', 'a', 'a\0', 'a\x01', 'b', '\xff'].map(bytes)

const hex = (key: Buffer): string => key.toString('hex')

const MIN_TIMESTAMP = -(2n ** 63n)
const MAX_TIMESTAMP = 2n ** 63n - 1n
/** What stamps begin with. */
const START_US = new SteppedClock().nowUs()

/** Null as often as not, or so many times as often as something. */
function orNull<T>(arbitrary: fc.Arbitrary<T>, weight = 1): fc.Arbitrary<T | null> {
  return fc.oneof({ weight, arbitrary: fc.constant(null) }, { weight: 1, arbitrary })
}

/** One row and one column are met more often than others, so that they grow old and hot. */
const rowKey = fc.constantFrom(...ROW_KEYS, bytes('a'), bytes('a'), bytes('a'))
const localKey = fc.constantFrom(...LOCAL_KEYS, bytes('a'), bytes('a'))
/** Where ranges of columns begin and end: also among those of wide rows. */
const rangeEnd = fc.constantFrom(...LOCAL_KEYS, bytes('w030'), bytes('w100'))

/** Mostly small ones that meet, some as stamps are, few at the ends. */
const ownTimestamp: fc.Arbitrary<CellTimestamp> = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(1n, 2n, 3n, 4n, 5n) },
  { weight: 6, arbitrary: fc.constantFrom(-1n, 0n, START_US, START_US + 1n, START_US + 1_000n, START_US + 3_000_000n) },
  { weight: 1, arbitrary: fc.constantFrom(MIN_TIMESTAMP, MIN_TIMESTAMP + 1n, MAX_TIMESTAMP - 1n, MAX_TIMESTAMP) },
) // prettier-ignore
const timestamp = orNull(ownTimestamp)
/** Mostly of some of the versions: what is removed up to now rarely lives again with timestamps of its own. */
const removalTime = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(1n, 2n, 3n, 4n) },
  { weight: 1, arbitrary: timestamp },
)
const ttlSeconds = orNull(fc.integer({ min: 1, max: 6 }), 3)

const COUNTERS = [0n, 1n, -1n, MAX_TIMESTAMP, MIN_TIMESTAMP].map((value) => {
  const stored = Buffer.alloc(8)
  stored.writeBigInt64BE(value)
  return stored
})
const smallValue = fc.constantFrom(bytes(''), bytes('a'), bytes('b'), bytes('ab'), bytes('\xff'), ...COUNTERS)
const value = fc.oneof(
  { weight: 40, arbitrary: smallValue },
  { weight: 1, arbitrary: fc.integer({ min: 8_000, max: 20_000 }).map((size) => Buffer.alloc(size, size)) },
)

const cell: fc.Arbitrary<Cell> = fc.record({ localKey, value, timestamp, ttlSeconds })
const cells = fc.uniqueArray(cell, {
  minLength: 1,
  maxLength: 4,
  selector: (one) => hex(one.localKey),
})

/** Runs of many columns, so that rows are longer than any step in which they are read. */
const wideCells: fc.Arbitrary<Cell[]> = fc
  .record({
    first: fc.integer({ min: 0, max: 120 }),
    count: fc.integer({ min: 1, max: 80 }),
    timestamp,
    ttlSeconds,
  })
  .map(({ first, count, ...more }) =>
    Array.from({ length: count }, (_, i) => ({
      localKey: bytes(`w${String(first + i).padStart(3, '0')}`),
      value: bytes(String(i)),
      ...more,
    })),
  )

/** Columns by name and disjoint ranges beside them; neither: all columns. */
const columns: fc.Arbitrary<Pick<CellSelector, 'localKeys' | 'ranges'>> = fc
  .record({
    named: fc.oneof(
      { weight: 2, arbitrary: fc.constant<Buffer[]>([]) },
      { weight: 3, arbitrary: fc.uniqueArray(localKey, { maxLength: 4, selector: hex }) },
    ),
    ends: fc.oneof(
      { weight: 3, arbitrary: fc.constant<Buffer[]>([]) },
      { weight: 2, arbitrary: fc.uniqueArray(rangeEnd, { minLength: 1, maxLength: 4, selector: hex }) },
    ),
  })
  .map(({ named, ends }) => {
    const sorted = ends.toSorted((a, b) => a.compare(b))
    const ranges = sorted.flatMap((from, i) => (i % 2 === 0 ? [{ from, to: sorted[i + 1] ?? null }] : []))
    const isFree = (key: Buffer) =>
      !ranges.some(({ from, to }) => from.compare(key) <= 0 && (to === null || key.compare(to) < 0))
    return { localKeys: named.filter(isFree).sort((a, b) => a.compare(b)), ranges }
  })

const times = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ minTimestamp: null, maxTimestamp: null }) },
  { weight: 1, arbitrary: fc.record({ minTimestamp: timestamp, maxTimestamp: timestamp }) },
)

const limit = orNull(fc.integer({ min: 1, max: 4 }))

const someSelector: fc.Arbitrary<CellSelector> = fc
  .tuple(
    columns,
    times,
    fc.record({
      limit,
      isReversed: fc.boolean(),
      maxVersions: fc.constantFrom(1, 1, 2, 3, ALL_VERSIONS),
      keysOnly: fc.constantFrom(false, false, false, true),
    }),
  )
  .map(([which, when, rest]) => ({ ...which, ...when, ...rest }))

const plainSelector = columns.map((which) => ({
  ...which,
  limit: null,
  isReversed: false,
  maxVersions: 1,
  minTimestamp: null,
  maxTimestamp: null,
  keysOnly: false,
}))

const selector: fc.Arbitrary<CellSelector | null> = fc.oneof(
  { weight: 1, arbitrary: fc.constant(null) },
  { weight: 2, arbitrary: plainSelector },
  { weight: 3, arbitrary: someSelector },
)

/** For removals, whose selectors have no times. */
const removed: fc.Arbitrary<CellSelector | null> = fc.oneof(
  { weight: 1, arbitrary: fc.constant(null) },
  { weight: 3, arbitrary: plainSelector },
  { weight: 1, arbitrary: someSelector.map((one) => ({ ...one, minTimestamp: null, maxTimestamp: null })) },
)

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
const condition: fc.Arbitrary<Condition> = fc
  .record({
    localKey,
    comparison: fc.constantFrom(...COMPARISONS),
    value: smallValue,
    timestamp: ownTimestamp,
    ifMissing: fc.boolean(),
  })
  .map((one) => ({ ...one, timestamp: one.comparison === 'VERSION_EQUAL' ? one.timestamp : null }))
const conditions = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Condition[]>([]) },
  { weight: 2, arbitrary: fc.array(condition, { minLength: 1, maxLength: 2 }) },
)

const blind: fc.Arbitrary<Mutation> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .record({
        cells: fc.oneof({ weight: 60, arbitrary: cells }, { weight: 1, arbitrary: wideCells }),
        timestamp,
        replaceRow: fc.constantFrom(false, false, false, false, true),
      })
      .map(({ cells: written, ...more }) => put(written, more)),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('DELETE' as const),
      selector: removed,
      timestamp: removalTime,
      scope: fc.constant('UP_TO_TIMESTAMP' as const),
    }),
  },
)

const delta = fc.record({
  localKey,
  delta: fc.constantFrom(1n, -1n, 0n, 5n, MAX_TIMESTAMP),
  ttlSeconds,
})

const reading: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({
    kind: fc.constant('DELETE' as const),
    selector: removed,
    timestamp: ownTimestamp,
    scope: fc.constant('EXACT_TIMESTAMP' as const),
  }),
  fc.record({
    kind: fc.constant('DELETE' as const),
    selector: removed,
    timestamp,
    scope: fc.constant('NEWEST_VERSION' as const),
  }),
  fc.record({
    kind: fc.constant('INCREMENT' as const),
    deltas: fc.array(delta, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('APPEND' as const), cells }),
  fc.record({ kind: fc.constant('TOUCH' as const), selector, ttlSeconds }),
)

const mutation = fc.oneof({ weight: 1, arbitrary: blind }, { weight: 1, arbitrary: reading })
const returned = fc.oneof(fc.constant(undefined), selector)

const token = fc.record({
  nonce: fc.integer({ min: 0, max: 2 }),
  fingerprint: fc.constantFrom(0, 0, 0, 1),
})

const write: fc.Arbitrary<WriteStep> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      rowKey,
      request: blind.map((one) => ({ mutations: [one] })),
      token: fc.constant(null),
      isSynced: fc.constant(false),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      rowKey,
      request: fc.record({
        mutations: fc.array(mutation, { minLength: 1, maxLength: 4 }),
        conditions,
        otherwise: fc.oneof(
          { weight: 3, arbitrary: fc.constant<Mutation[]>([]) },
          { weight: 1, arbitrary: fc.array(mutation, { maxLength: 2 }) },
        ),
        returnOnConflict: returned,
        returnAfter: returned,
      }),
      token: orNull(token, 3),
      isSynced: fc.constantFrom(...new Array<boolean>(60).fill(false), true),
    }),
  },
)

const pageBytes = fc.constantFrom(1, 33, 40, 70, 100, 300, 100_000)

const read: fc.Arbitrary<ReadStep> = fc.oneof(
  fc
    .record({
      keysAndSelectors: fc.array(fc.tuple(rowKey, selector), { minLength: 1, maxLength: 6 }),
      isOneSelector: fc.boolean(),
      pageBytes: orNull(pageBytes),
    })
    .map(({ keysAndSelectors, isOneSelector, pageBytes: size }) => {
      const first = keysAndSelectors[0]?.[1] ?? null
      return {
        kind: 'read' as const,
        rowKeys: keysAndSelectors.map(([key]) => key),
        selectors: keysAndSelectors.map(([, one]) => (isOneSelector ? first : one)),
        pageBytes: size,
      }
    }),
  fc.record({
    kind: fc.constant('scan' as const),
    selector,
    where: conditions,
    limit,
    isReversed: fc.boolean(),
    lower: orNull(fc.record({ rowKey, isExclusive: fc.boolean() })),
    upper: orNull(fc.record({ rowKey, isExclusive: fc.boolean() })),
    pageRows: fc.constantFrom(1, 2, 3, 100),
    pageBytes,
  }),
)

const step: fc.Arbitrary<HistoryStep> = fc.oneof(
  {
    weight: 90,
    arbitrary: fc.array(write, { minLength: 1, maxLength: 3 }).map((writes) => ({ kind: 'write' as const, writes })),
  },
  { weight: 60, arbitrary: read },
  {
    weight: 25,
    arbitrary: fc.integer({ min: 0, max: 2_500 }).map((ms) => ({ kind: 'clock' as const, ms })),
  },
  { weight: 4, arbitrary: fc.integer({ min: -4_000, max: 40_000 }).map((ms) => ({ kind: 'clock' as const, ms })) },
  { weight: 1, arbitrary: fc.constantFrom({ kind: 'reopen' as const }, { kind: 'purge' as const }) },
) // prettier-ignore

export function shardShape(format: WritableFormat): fc.Arbitrary<ShardShape> {
  return fc.record({
    format: fc.constant(format),
    keyOrder: fc.constantFrom('HASHED' as const, 'ORDERED' as const),
    maxCellVersions: format === 'mutable' ? fc.constant(1) : fc.constantFrom(2, 3, 5, 1_000),
  })
}

/** Steps as a person reads them, a line each. */
export function readableSteps(steps: readonly HistoryStep[]): string {
  return steps.map((one) => `\n  ${readable(one)}`).join('')
}

export function readable(what: unknown): string {
  return JSON.stringify(what, readableValue)
}

function readableValue(this: unknown, key: string, json: unknown): unknown {
  // JSON.stringify hands buffers over as what their toJSON makes of them; here is the buffer itself.
  const original = (this as Record<string, unknown>)[key]
  if (typeof json === 'bigint') return `${json}n`
  if (!Buffer.isBuffer(original)) return json
  return original.byteLength > 64 ? `${original.byteLength} bytes` : original.toString('latin1')
}

export function history(maxLength: number): fc.Arbitrary<HistoryStep[]> {
  return fc.array(step, { minLength: 1, maxLength, size: 'max' })
}

export function reads(maxLength: number): fc.Arbitrary<ReadStep[]> {
  return fc.array(read, { minLength: 1, maxLength, size: 'max' })
}

/** The smallest timestamp stands for none in sealed shards. */
const sealedCells = fc
  .oneof({ weight: 6, arbitrary: cells }, { weight: 1, arbitrary: wideCells })
  .map((list) => list.map((one) => (one.timestamp === MIN_TIMESTAMP ? { ...one, timestamp: null } : one)))

/** Rows of a sealed shard, with cells that have timestamps and others. */
export const sealedRows: fc.Arbitrary<[Buffer, Cell[]][]> = fc.uniqueArray(fc.tuple(rowKey, sealedCells), {
  maxLength: ROW_KEYS.length,
  selector: ([key]) => hex(key),
})

/** The token that a step names, as a caller would send it now. */
export function tokenOf({ token: named }: WriteStep, nowUs: bigint): IdempotencyToken | null {
  if (named === null) return null
  return {
    generationTimeUs: nowUs,
    nonce: Buffer.alloc(8 + named.nonce, named.nonce),
    index: 0,
    fingerprint: Buffer.alloc(16, named.fingerprint),
  }
}
