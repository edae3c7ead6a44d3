import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { KVError } from '../../../src/base/errors.js'
import { ByteReader, ByteWriter } from '../../../src/leaf/http/bytes.js'
import { AnswerParser } from '../../../src/leaf/http/answer-parser.js'
import {
  decodeAnswer,
  decodeBatch,
  encodeFailure,
  encodeHead,
  encodePage,
  encodeRead,
  encodeRows,
  encodeScan,
  encodeTarget,
  encodeUnserved,
  type ShardTarget,
  type WireAnswer,
  type WireRead,
  type WireScan,
} from '../../../src/leaf/http/wire.js'
import type { Cell, CellSelector, Condition, Row, RowOutcome } from '../../../src/model/row.js'
import type { RowSpan } from '../../../src/model/row-order.js'

// With the prototype that decoded objects have.
const record = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true })
const bytes = (max = 40) => fc.uint8Array({ maxLength: max }).map((found) => Buffer.from(found))
const int64 = () => fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null })
const token = () => record({ high: fc.integer(), low: fc.integer() })
const ordered = (keys: readonly Buffer[]) => [...keys].sort((a, b) => Buffer.compare(a, b))
const distinct = () =>
  fc
    .uniqueArray(bytes(), { maxLength: 5, selector: (key) => key.toString('hex') })
    .map((keys) => ordered(keys))

const selector: fc.Arbitrary<CellSelector> = record({
  localKeys: distinct(),
  bounds: distinct(),
  isOpenEnded: fc.boolean(),
  limit: orNull(fc.integer({ min: 1, max: 0xffff_ffff })),
  isReversed: fc.boolean(),
  maxVersions: fc.integer({ min: 1, max: 0x7fff_ffff }),
  minTimestamp: orNull(int64()),
  maxTimestamp: orNull(int64()),
  keysOnly: fc.boolean(),
}).map(({ bounds, isOpenEnded, ...rest }) => {
  const ranges = []
  for (let i = 0; i + 1 < bounds.length; i += 2) ranges.push({ from: bounds[i]!, to: bounds[i + 1] ?? null })
  if (isOpenEnded && bounds.length % 2 === 1) ranges.push({ from: bounds.at(-1)!, to: null })
  return { ...rest, ranges }
})

const read: fc.Arbitrary<WireRead> = record({
  isOrdered: fc.boolean(),
  keys: fc.array(fc.tuple(bytes(300), token(), orNull(selector)), { maxLength: 6 }),
  isByKey: fc.boolean(),
  selector: orNull(selector),
  withTimestamps: fc.boolean(),
  withTtl: fc.boolean(),
  pageBytes: orNull(fc.integer({ min: 1, max: 1_000_000 })),
  position: orNull(record({ localKey: orNull(bytes()), timestamp: orNull(int64()), columns: fc.nat() })),
}).map(({ isOrdered, keys, isByKey, ...rest }) => ({
  ...rest,
  keyOrder: isOrdered ? 'ORDERED' : 'HASHED',
  rowKeys: keys.map(([key]) => key),
  tokens: keys.map(([, at]) => (isOrdered ? { high: 0, low: 0 } : at)),
  selectorsByKey: isByKey ? keys.map(([, , one]) => one) : null,
}))

const condition: fc.Arbitrary<Condition> = record({
  localKey: bytes(),
  comparison: fc.constantFrom('EXISTS', 'EQUAL', 'LESS', 'ROW_NOT_EXISTS', 'VERSION_EQUAL'),
  value: bytes(),
  timestamp: orNull(int64()),
  ifMissing: fc.boolean(),
})
const bound = record({ token: token(), rowKey: bytes(), isExclusive: fc.boolean() })
const span: fc.Arbitrary<RowSpan> = record({ lower: orNull(bound), upper: orNull(bound) })
const scan: fc.Arbitrary<WireScan> = record({
  keyOrder: fc.constantFrom('HASHED', 'ORDERED'),
  span,
  pageRows: fc.integer({ min: 1, max: 10_000 }),
  pageBytes: fc.integer({ min: 1, max: 1_000_000 }),
  request: record({
    selector: orNull(selector),
    where: fc.array(condition, { maxLength: 4 }),
    limit: orNull(fc.integer({ min: 1, max: 100_000 })),
    isReversed: fc.boolean(),
    withTimestamps: fc.boolean(),
    withTtl: fc.boolean(),
  }),
})

const cell: fc.Arbitrary<Cell> = record({
  localKey: bytes(),
  value: bytes(2_000),
  timestamp: orNull(int64()),
  ttlSeconds: orNull(fc.double({ noNaN: true })),
})
const row: fc.Arbitrary<Row> = record({
  cells: fc.array(cell, { maxLength: 5 }),
  next: orNull(record({ localKey: orNull(bytes()), timestamp: orNull(int64()), columns: fc.nat() })),
})
const failure = fc
  .tuple(fc.constantFrom('CORRUPT', 'SHARD_NOT_SERVING', 'TOO_LARGE'), fc.string({ maxLength: 80 }))
  .map(([code, message]) => new KVError(code, message))
const outcome: fc.Arbitrary<RowOutcome> = fc.oneof(fc.constant(null), row, failure)

const target: fc.Arbitrary<ShardTarget> = record({
  datasetId: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/),
  versionId: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  shard: fc.integer({ min: 0, max: 65_535 }),
})

function batchOf(targets: readonly ShardTarget[], write: (output: ByteWriter) => void): Buffer {
  const names = new ByteWriter()
  for (const one of targets) encodeTarget(names, one)
  const output = new ByteWriter()
  encodeHead(output, targets.length, names.written)
  write(output)
  return output.take()
}

const TARGET: ShardTarget = { datasetId: 'd1-00', versionId: 1_700_000_000_000, shard: 7 }
const plainRead = (...keys: string[]): WireRead => ({
  keyOrder: 'HASHED',
  rowKeys: keys.map((key) => Buffer.from(key)),
  tokens: keys.map((_, index) => ({ high: -index, low: index })),
  selector: null,
  selectorsByKey: null,
  withTimestamps: false,
  withTtl: false,
  pageBytes: null,
  position: null,
})

test('a read arrives as it was sent', () => {
  fc.assert(
    fc.property(read, target, fc.nat({ max: 1_000_000 }), (sent, at, remainingMs) => {
      const batch = batchOf([at], (output) => encodeRead(output, { id: 5, target: 0, remainingMs }, sent))
      const { targets, requests } = decodeBatch(batch)
      assert.deepEqual(targets, [at])
      assert.deepEqual(requests, [{ id: 5, target: 0, remainingMs, read: sent, scan: null }])
    }),
  )
})

test('a scan arrives as it was sent', () => {
  fc.assert(
    fc.property(scan, (sent) => {
      const batch = batchOf([TARGET], (output) => {
        encodeScan(output, { id: 0, target: 0, remainingMs: Number.POSITIVE_INFINITY }, sent)
      })
      const [request] = decodeBatch(batch).requests
      assert.deepEqual(request?.scan, sent)
      assert.equal(request.remainingMs, Number.POSITIVE_INFINITY)
    }),
  )
})

/** In an order of its own, whatever the chunks are that they arrive in. */
function parsed(bytesOfAnswer: Buffer, expected: Buffer, cuts: readonly number[]): WireAnswer[] {
  const answers: WireAnswer[] = []
  const parser = new AnswerParser(
    expected,
    () => undefined,
    (answer) => answers.push(answer),
  )
  const ends = [...new Set(cuts.map((cut) => cut % (bytesOfAnswer.length + 1)))].sort((a, b) => a - b)
  let from = 0
  for (const end of [...ends, bytesOfAnswer.length]) {
    parser.push(bytesOfAnswer.subarray(from, end))
    from = end
  }
  assert.equal(parser.isBetweenAnswers, true)
  return answers
}

test('answers arrive as they were sent, in whatever parts', () => {
  const rows = fc.array(outcome, { maxLength: 6 })
  const page = record({
    rows: fc.array(record({ rowKey: bytes(), row }), { maxLength: 4 }),
    next: orNull(record({ token: token(), rowKey: bytes() })),
  })
  const cuts = fc.array(fc.nat(), { maxLength: 12 })
  fc.assert(
    fc.property(rows, page, failure, cuts, (sentRows, sentPage, error, at) => {
      const expected = batchOf([TARGET], () => undefined)
      const answer = batchOf([TARGET], (output) => {
        encodeRows(output, 2, sentRows)
        encodePage(output, 0, sentPage)
        encodeFailure(output, 1, error)
      })
      assert.deepEqual(parsed(answer, expected, at), [
        { id: 2, rows: sentRows },
        { id: 0, page: sentPage },
        { id: 1, error },
      ])
    }),
  )
})

test('a batch grows to whatever it takes, each number and run at every place where its bytes may end', () => {
  for (let size = 4_000; size < 4_200; size++) {
    const output = new ByteWriter()
    output.raw(Buffer.alloc(size, 1))
    output.u8(2)
    output.u16(3)
    output.u32(4)
    output.i64(-5n)
    output.f64(6.5)
    output.run32(Buffer.alloc(9_000, 7))
    const input = new ByteReader(output.take(), { left: 0 })
    assert.ok(input.view(size).equals(Buffer.alloc(size, 1)))
    assert.deepEqual([input.u8(), input.u16(), input.u32(), input.i64(), input.f64()], [2, 3, 4, -5n, 6.5])
    assert.ok(input.run32().equals(Buffer.alloc(9_000, 7)))
    input.end()
  }
})

test('a leaf that serves another version, or none, says so in the head', () => {
  const expected = batchOf([TARGET, { ...TARGET, shard: 8 }], () => undefined)
  const names = new ByteWriter()
  encodeTarget(names, { ...TARGET, versionId: 1_700_000_000_001 })
  encodeUnserved(names)
  const output = new ByteWriter()
  encodeHead(output, 2, names.written)
  for (const size of [1, 5, output.size]) {
    const heads: unknown[] = []
    const parser = new AnswerParser(
      expected,
      (targets) => heads.push(targets),
      () => assert.fail('there is no answer'),
    )
    const answer = output.written
    for (let at = 0; at < answer.length; at += size) parser.push(answer.subarray(at, at + size))
    assert.deepEqual(heads, [[{ ...TARGET, versionId: 1_700_000_000_001 }, null]])
  }
})

test('what is no batch is refused whole, and nothing that arrives ends the process', () => {
  const batch = batchOf([TARGET], (output) => {
    encodeRead(output, { id: 1, target: 0, remainingMs: 10 }, plainRead('a', 'b'))
  })
  for (let size = 0; size < batch.length; size++) {
    if (size === batch.length) continue
    const isCut = () => decodeBatch(batch.subarray(0, size))
    // A batch without requests is one, too.
    if (size === batchOf([TARGET], () => undefined).length) assert.equal(isCut().requests.length, 0)
    else assert.throws(isCut, { code: 'INVALID_ARGUMENT' })
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), (noise, at) => {
      const damaged = Buffer.concat([batch.subarray(0, at % batch.length), Buffer.from(noise)])
      try {
        decodeBatch(damaged)
      } catch (error) {
        assert.ok(error instanceof KVError && error.code === 'INVALID_ARGUMENT')
      }
    }),
    { numRuns: 2_000 },
  )
})

test('an answer that is none is a RangeError, whatever it holds', () => {
  const sent = batchOf([TARGET], (output) => {
    encodeRows(output, 1, [{ cells: [{ localKey: Buffer.from('x'), value: Buffer.alloc(9), timestamp: 4n, ttlSeconds: 2 }], next: null }]) // prettier-ignore
  })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (noise, at) => {
      const damaged = Buffer.concat([sent.subarray(0, at % sent.length), Buffer.from(noise)])
      try {
        decodeAnswer(damaged, 0, damaged.length)
        parsed(
          damaged,
          batchOf([TARGET], () => undefined),
          [3, 9],
        )
      } catch (error) {
        assert.ok(error instanceof RangeError || error instanceof assert.AssertionError, String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})

test('what the engine relies on is checked: order of columns and ranges, numbers of 1 or more', () => {
  const base: CellSelector = {
    localKeys: [],
    ranges: [],
    limit: null,
    isReversed: false,
    maxVersions: 1,
    minTimestamp: null,
    maxTimestamp: null,
    keysOnly: false,
  }
  const [a, b] = [Buffer.from('a'), Buffer.from('b')]
  const wrong: Record<string, Partial<CellSelector>> = {
    'columns out of order': { localKeys: [b, a] },
    'a column twice': { localKeys: [a, a] },
    'ranges that overlap': { ranges: [{ from: a, to: null }, { from: b, to: null }] }, // prettier-ignore
    'a range that ends before it begins': { ranges: [{ from: b, to: a }] },
    'no version': { maxVersions: 0 },
    'a limit of none': { limit: 0 },
  }
  for (const [name, change] of Object.entries(wrong)) {
    const batch = batchOf([TARGET], (output) => {
      const sent = { ...plainRead('k'), selector: { ...base, ...change } }
      encodeRead(output, { id: 1, target: 0, remainingMs: 1 }, sent)
    })
    assert.throws(() => decodeBatch(batch), { code: 'INVALID_ARGUMENT' }, name)
  }
})

test('the bytes are those of FORMATS.md', () => {
  const batch = batchOf([TARGET], (output) => {
    encodeRead(output, { id: 1, target: 0, remainingMs: 250 }, plainRead('ab'))
  })
  const head = '47574c01' + '0001' + '01' + '05' + '64312d3030' + '0000018bcfe56800' + '0007'
  const request = '0000001c' + '00000001' + '01' + '0000' + '000000fa' + '00' + '00000001' + '0002' + '6162' + '0000000000000000' // prettier-ignore
  assert.equal(batch.toString('hex'), head + request)
})

test('a body of tiny elements cannot become a heap of objects', () => {
  const keys = Array.from({ length: 10_000 }, () => '')
  const batch = batchOf([TARGET], (output) => {
    const sent: WireRead = { ...plainRead(...keys), keyOrder: 'ORDERED' }
    for (let id = 0; id < 101; id++) encodeRead(output, { id, target: 0, remainingMs: 1 }, sent)
  })
  assert.throws(() => decodeBatch(batch), { code: 'INVALID_ARGUMENT', message: /too many elements/ })
})
