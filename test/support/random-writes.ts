/** Random writes of one small row: few columns, times that collide, options that meet each other. */
import fc from 'fast-check'
import type { CounterDelta, Mutation } from '../../src/model/mutation.js'
import type { IdempotencyToken, MutateRequest } from '../../src/model/request.js'
import { ALL_VERSIONS, type Cell, type CellSelector, type Condition } from '../../src/model/row.js'

const COLUMNS: readonly Buffer[] = ['', '\0', '\0\xff', 'a', 'a\0', 'ab', 'b', '\xff'].map((text) =>
  Buffer.from(text, 'latin1'),
)

export interface WriteTimes {
  /** Times that callers give are around this. */
  readonly near: bigint
}

const value = fc
  .oneof(
    fc.constantFrom('', 'v', 'w', 'vw'),
    fc.constantFrom('00000000', '7fffffff').map((text) => text),
  )
  .map((text) => Buffer.from(text, 'latin1'))

const localKey = fc.constantFrom(...COLUMNS)
const ttl = fc.option(fc.constantFrom(1, 5, 1_000), { freq: 3 })

function timestamp({ near }: WriteTimes): fc.Arbitrary<bigint | null> {
  return fc.option(
    fc.oneof(
      { weight: 6, arbitrary: fc.bigInt({ min: near - 4n, max: near + 4n }) },
      { weight: 1, arbitrary: fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 0n) },
    ),
    { freq: 3 },
  )
}

function cells(times: WriteTimes, minLength: number): fc.Arbitrary<Cell[]> {
  return fc.uniqueArray(
    fc.record({ localKey, value, timestamp: timestamp(times), ttlSeconds: ttl }),
    { minLength, maxLength: 3, selector: (cell) => cell.localKey.toString('hex') },
  ) // prettier-ignore
}

/** Columns by name, ranges, or both, as admission leaves them: distinct, disjoint, in order. */
const columns: fc.Arbitrary<Pick<CellSelector, 'localKeys' | 'ranges'>> = fc
  .record({ names: fc.subarray([...COLUMNS]), ends: fc.subarray([...COLUMNS]), isOpen: fc.boolean() })
  .map(({ names, ends, isOpen }) => {
    const bounds = [...ends].sort((a, b) => a.compare(b))
    const ranges: { from: Buffer; to: Buffer | null }[] = []
    for (let i = 0; i + 1 < bounds.length; i += 2) {
      const [from, to] = [bounds[i], bounds[i + 1]]
      if (from !== undefined && to !== undefined) ranges.push({ from, to })
    }
    const last = bounds.at(-1)
    if (bounds.length % 2 === 1 && last !== undefined && isOpen) ranges.push({ from: last, to: null })
    const isInRange = (key: Buffer) =>
      ranges.some(({ from, to }) => from.compare(key) <= 0 && (to === null || key.compare(to) < 0))
    const localKeys = names.filter((key) => !isInRange(key)).sort((a, b) => a.compare(b))
    return { localKeys, ranges }
  })

function selector(times: WriteTimes): fc.Arbitrary<CellSelector | null> {
  return fc.option(
    fc
      .record({
        columns,
        limit: fc.option(fc.integer({ min: 1, max: 4 })),
        isReversed: fc.boolean(),
        maxVersions: fc.constantFrom(1, 2, ALL_VERSIONS),
        minTimestamp: fc.option(fc.bigInt({ min: times.near - 4n, max: times.near + 4n }), { freq: 2 }),
        maxTimestamp: fc.option(fc.bigInt({ min: times.near - 4n, max: times.near + 4n }), { freq: 2 }),
        keysOnly: fc.boolean(),
      })
      .map(({ columns: chosen, ...rest }) => ({ ...chosen, ...rest })),
  )
}

/** Of a removal: which columns, of which only these count. */
function removed(times: WriteTimes): fc.Arbitrary<CellSelector | null> {
  return selector(times).map((found) =>
    found === null ? null : { ...found, minTimestamp: null, maxTimestamp: null },
  )
}

export function mutation(times: WriteTimes): fc.Arbitrary<Mutation> {
  const delta: fc.Arbitrary<CounterDelta> = fc.record({
    localKey,
    delta: fc.oneof(fc.bigInt({ min: -3n, max: 3n }), fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n))),
    ttlSeconds: ttl,
  })
  return fc.oneof(
    fc
      .record({ cells: cells(times, 0), timestamp: timestamp(times), replaceRow: fc.boolean() })
      .filter((put) => put.cells.length > 0 || put.replaceRow)
      .map((put): Mutation => ({ kind: 'PUT', ...put })),
    fc
      .record({
        selector: removed(times),
        timestamp: timestamp(times),
        scope: fc.constantFrom(
          'UP_TO_TIMESTAMP' as const,
          'EXACT_TIMESTAMP' as const,
          'NEWEST_VERSION' as const,
        ),
      })
      .map((remove): Mutation => ({ kind: 'DELETE', ...remove })),
    fc
      .array(delta, { minLength: 1, maxLength: 3 })
      .map((deltas): Mutation => ({ kind: 'INCREMENT', deltas })),
    cells(times, 1).map((added): Mutation => ({ kind: 'APPEND', cells: added })),
    fc
      .record({ selector: selector(times), ttlSeconds: ttl })
      .map((touch): Mutation => ({ kind: 'TOUCH', ...touch })),
  )
}

function condition({ near }: WriteTimes): fc.Arbitrary<Condition> {
  return fc.record({
    localKey,
    comparison: fc.constantFrom<Condition['comparison'][]>(
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
    ),
    value,
    timestamp: fc.bigInt({ min: near - 4n, max: near + 4n }),
    ifMissing: fc.boolean(),
  })
}

const token: fc.Arbitrary<IdempotencyToken> = fc.record({
  generationTimeUs: fc.constant(0n),
  nonce: fc.constantFrom('nonce-01', 'nonce-02').map((text) => Buffer.from(text)),
  index: fc.constantFrom(0, 1),
  fingerprint: fc.constantFrom('fingerprint-0001', 'fingerprint-0002').map((text) => Buffer.from(text)),
})

/** What a request asks of the row. */
export function writeRequest(times: WriteTimes): fc.Arbitrary<Partial<MutateRequest>> {
  const returned = fc.option(selector(times), { nil: undefined, freq: 2 })
  return fc.record({
    mutations: fc.array(mutation(times), { minLength: 1, maxLength: 4 }),
    conditions: fc.array(condition(times), { maxLength: 2 }),
    otherwise: fc.array(mutation(times), { maxLength: 2 }),
    returnOnConflict: returned,
    returnAfter: returned,
    idempotency: fc.option(token, { freq: 2, nil: null }),
  })
}
