import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { NO_DEADLINE } from '../../../src/base/deadline.js'
import { limits } from '../../../src/base/limits.js'
import { toContext } from '../../../src/kvstore/context.js'
import { getCountersToRead, getToRead, multiGetToRead } from '../../../src/kvstore/reads.js'
import { scanToRequest } from '../../../src/kvstore/scans.js'
import * as wire from '../../../src/thrift/generated/kvstore.js'
import { codeOf } from './refusals.js'

const context = { api: 'kvstore', caller: null, deadline: NO_DEADLINE }
const key = Buffer.from('k')
const dataset = 'profiles'
const { Consistency } = wire

function get(changes: Partial<wire.GetRequest>) {
  return getToRead(wire.makeGetRequest({ dataset, key, ...changes }), context)
}

function counters(changes: Partial<wire.GetCountersRequest>) {
  const request = { dataset, keys: [key], localKeys: [key], ...changes }
  return getCountersToRead(wire.makeGetCountersRequest(request), context)
}

function scan(changes: Partial<wire.ScanRequest>) {
  return scanToRequest(wire.makeScanRequest({ dataset, ...changes }), context)
}

const reading = (fields: Partial<wire.ReadOptions>) => () => get({ options: wire.makeReadOptions(fields) })
const counting = (fields: Partial<wire.ReadOptions>) => () =>
  counters({ options: wire.makeReadOptions(fields) })
const multi = (fields: Partial<wire.MultiGetRequest>) => () =>
  multiGetToRead(wire.makeMultiGetRequest({ dataset, keys: [key], ...fields }), context)

const refused: [name: string, action: () => unknown, code: string][] = [
  ['a get without a key', () => get({ key: null }), 'INVALID_ARGUMENT'],
  ['a get with an empty key', () => get({ key: Buffer.alloc(0) }), 'INVALID_ARGUMENT'],
  ['a get without a dataset', () => get({ dataset: null }), 'INVALID_ARGUMENT'],
  ['an unknown Consistency', reading({ consistency: 99 }), 'INVALID_ARGUMENT'],
  ['SESSION without a token', reading({ consistency: Consistency.SESSION }), 'INVALID_ARGUMENT'],
  ['a session token without SESSION', reading({ sessionToken: key }), 'INVALID_ARGUMENT'],
  [
    'BOUNDED_STALENESS without a bound',
    reading({ consistency: Consistency.BOUNDED_STALENESS }),
    'INVALID_ARGUMENT',
  ],
  ['maxStalenessMs without BOUNDED_STALENESS', reading({ maxStalenessMs: 5 }), 'INVALID_ARGUMENT'],
  [
    'a negative maxStalenessMs',
    reading({ consistency: Consistency.BOUNDED_STALENESS, maxStalenessMs: -1 }),
    'INVALID_ARGUMENT',
  ],
  ['a page of no bytes', reading({ pageSizeBytes: 0 }), 'INVALID_ARGUMENT'],
  [
    'a page beyond the greatest frame',
    reading({ pageSizeBytes: limits.maxFrameBytes + 1 }),
    'INVALID_ARGUMENT',
  ],
  [
    'multiGet with two kinds of selector',
    multi({ cells: wire.makeCellSelector(), cellsByKey: [] }),
    'INVALID_ARGUMENT',
  ],
  ['multiGet with an empty key among others', multi({ keys: [key, Buffer.alloc(0)] }), 'INVALID_ARGUMENT'],
  ['multiGet without keys', multi({ keys: null }), 'INVALID_ARGUMENT'],
  [
    'multiGet with more parts in its selectors than a request may name',
    multi({
      cellsByKey: new Array(11).fill(
        wire.makeCellSelector({ localKeys: new Array<Buffer>(10_000).fill(key) }),
      ),
    }),
    'TOO_LARGE',
  ],
  ['getCounters without local keys', () => counters({ localKeys: [] }), 'INVALID_ARGUMENT'],
  ['getCounters without keys', () => counters({ keys: null }), 'INVALID_ARGUMENT'],
  [
    'getCounters of too many',
    () => counters({ localKeys: new Array<Buffer>(10_001).fill(key) }),
    'TOO_LARGE',
  ],
  [
    'getCounters of one column again and again for many keys',
    () =>
      counters({
        keys: new Array<Buffer>(1_001).fill(key),
        localKeys: new Array<Buffer>(100).fill(key),
      }),
    'TOO_LARGE',
  ],
  ['getCounters withInfo', counting({ withInfo: true }), 'UNSUPPORTED'],
  ['getCounters withTimestamps', counting({ withTimestamps: true }), 'UNSUPPORTED'],
  ['getCounters withTtl', counting({ withTtl: true }), 'UNSUPPORTED'],
  ['getCounters in pages', counting({ pageSizeBytes: 1 }), 'UNSUPPORTED'],
  ['a scan of no rows', () => scan({ limit: 0 }), 'INVALID_ARGUMENT'],
  ['a scan in pages of no rows', () => scan({ pageRows: 0 }), 'INVALID_ARGUMENT'],
  ['a segment of an unknown number', () => scan({ segment: 0 }), 'INVALID_ARGUMENT'],
  ['segments of which none is named', () => scan({ totalSegments: 2 }), 'INVALID_ARGUMENT'],
  ['a segment behind the last', () => scan({ segment: 2, totalSegments: 2 }), 'INVALID_ARGUMENT'],
  ['a negative segment', () => scan({ segment: -1, totalSegments: 2 }), 'INVALID_ARGUMENT'],
  ['no segments', () => scan({ segment: 0, totalSegments: 0 }), 'INVALID_ARGUMENT'],
  ['too many segments', () => scan({ segment: 0, totalSegments: 1025 }), 'INVALID_ARGUMENT'],
  ['an unknown ScanOrder', () => scan({ order: 9 }), 'INVALID_ARGUMENT'],
  ['a key prefix over the limit', () => scan({ keyPrefix: Buffer.alloc(65_536) }), 'TOO_LARGE'],
  [
    'more conditions than a scan may have',
    () => scan({ where: new Array(1_001).fill(wire.makeCondition({ comparison: 1 })) }),
    'TOO_LARGE',
  ],
  [
    'a scan with options that contradict',
    () => scan({ options: wire.makeReadOptions({ maxStalenessMs: 1 }) }),
    'INVALID_ARGUMENT',
  ],
]

suite('reads and scans of the wire', () => {
  for (const [name, action, code] of refused) {
    test(`${name} is refused as ${code}`, () => assert.equal(codeOf(action), code))
  }

  test('options that say nothing leave a plain read', () => {
    assert.deepEqual(get({ options: wire.makeReadOptions() }), get({}))
  })

  test('a version beyond what milliseconds can be is one that was never kept', () => {
    assert.equal(get({ options: wire.makeReadOptions({ datasetVersion: 2n ** 62n }) }).datasetVersion, -1)
  })

  test('a page may be asked for as large as a frame, and is made small enough that it fits one', () => {
    assert.equal(reading({ pageSizeBytes: limits.maxFrameBytes })().pageBytes, limits.maxPageBytes)
    assert.equal(reading({ pageSizeBytes: 7 })().pageBytes, 7)
  })

  test('as many counters may be asked for as a request may name cells', () => {
    const keys = new Array<Buffer>(1_000).fill(key)
    const localKeys = new Array<Buffer>(limits.maxCellsPerRequest / keys.length).fill(key)
    assert.equal(counters({ keys, localKeys }).rowKeys.length, keys.length)
  })

  test('local keys of counters are read once each', () => {
    const localKeys = ['b', 'a', 'b'].map((name) => Buffer.from(name))
    assert.deepEqual(counters({ localKeys }).selector?.localKeys, [Buffer.from('a'), Buffer.from('b')])
  })

  test('a scan has 100 rows and a megabyte a page, at most 10,000 rows', () => {
    assert.deepEqual([scan({}).pageRows, scan({}).pageBytes], [100, 1024 * 1024])
    assert.equal(scan({ pageRows: 1_000_000 }).pageRows, 10_000)
  })

  test('keys and keyPrefix both narrow, and open ones do not', () => {
    const keys = wire.makeByteRange({ lower: Buffer.from('abc') })
    const { range } = scan({ keys, keyPrefix: Buffer.from('ab') })
    assert.deepEqual(range, { from: Buffer.from('abc'), to: Buffer.from('ac') })
    assert.equal(scan({ keys: wire.makeByteRange(), keyPrefix: Buffer.alloc(0) }).range, null)
  })

  test('one segment of one is the whole', () => {
    assert.equal(scan({ segment: 0, totalSegments: 1 }).segment, null)
    assert.deepEqual(scan({ segment: 3, totalSegments: 4 }).segment, { index: 3, count: 4 })
  })
})

suite('the context of a request', () => {
  const contextOf = (fields: Partial<wire.RequestContext>) =>
    toContext(wire.makeRequestContext(fields), 1_000, 'get')

  test('a deadline counts from the arrival; none is ten seconds, and none is longer than five minutes', () => {
    assert.equal(contextOf({ deadlineMs: 250 }).deadline, 1_250)
    assert.equal(contextOf({}).deadline, 1_000 + limits.defaultDeadlineMs)
    assert.equal(toContext(null, 1_000, 'get').deadline, 1_000 + limits.defaultDeadlineMs)
    assert.equal(contextOf({ deadlineMs: 2_000_000_000 }).deadline, 1_000 + limits.maxDeadlineMs)
    assert.ok(contextOf({ deadlineMs: 0 }).deadline <= 1_000)
  })

  test('a feature that nobody knows and a credential that nobody checks are UNSUPPORTED', () => {
    assert.equal(
      codeOf(() => contextOf({ mustUnderstand: ['scan', 'teleport'] })),
      'UNSUPPORTED',
    )
    assert.equal(
      codeOf(() => contextOf({ mustUnderstand: ['scan', 'idempotency'] })),
      'none',
    )
    assert.equal(
      codeOf(() => contextOf({ credential: key })),
      'UNSUPPORTED',
    )
  })

  test('names of callers and traces are cut', () => {
    const { caller, traceId } = contextOf({ caller: 'x'.repeat(500), traceId: 'y'.repeat(500) })
    assert.deepEqual([caller?.length, traceId?.length], [128, 128])
  })
})
