/** Sampling what is asked for, and what it says about reading less. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { limits } from '../../../src/base/limits.js'
import type { ReadRequest } from '../../../src/model/request.js'
import { columnsNamed, WHOLE_ROW, type CellSelector, type Row } from '../../../src/model/row.js'
import { OTHERS, type SampledReader } from '../../../src/base/usage.js'
import { AdviseLedger } from '../../../src/telemetry/advise-ledger.js'
import { adviceOf } from '../../../src/telemetry/advise-report.js'
import { AdviseSampler } from '../../../src/telemetry/advise-sampler.js'
import { random } from '../../support/random.js'

function read(selector: CellSelector | null, caller: string | null = 'a'): ReadRequest {
  return {
    dataset: 'pins',
    rowKeys: [Buffer.from('k')],
    selector,
    selectorsByKey: null,
    datasetVersion: null,
    withTimestamps: false,
    withTtl: false,
    pageBytes: null,
    position: null,
    context: { api: 'kvstore', caller, deadline: 0 },
  }
}

const named = (...names: string[]) => columnsNamed(names.map((name) => Buffer.from(name)))
const base64 = (text: string) => Buffer.from(text).toString('base64')

function readersOf(sampler: AdviseSampler): readonly SampledReader[] {
  return sampler.take()[0]?.readers ?? []
}

describe('a thread', () => {
  test('notes what slow callers ask for, each request', () => {
    const sampler = new AdviseSampler(random(1))
    const requests = [
      ...[read(named('x', 'y')), read(named('x')), read(null), read(WHOLE_ROW), read(named(''))],
      { ...read(null), selectorsByKey: [named('z'), named('x')] },
      read({ ...WHOLE_ROW, ranges: [{ from: Buffer.from('a'), to: null }] }),
    ]
    for (const [index, request] of requests.entries()) sampler.note(request, 'pins', index * 1_000)
    assert.deepEqual(readersOf(sampler), [
      {
        api: 'kvstore',
        caller: 'a',
        requests: 7,
        whole: 3,
        unnamed: 1,
        columns: { [base64('x')]: 3, [base64('y')]: 1, [base64('z')]: 1 },
      },
    ])
    assert.deepEqual(sampler.take(), [])
  })

  for (const perSecond of [1_000, 20_000, 200_000]) {
    test(`looks at about ${limits.maxSampledRequestsPerSecond} of ${perSecond} requests a second, whoever takes turns`, () => {
      const sampler = new AdviseSampler(random(7))
      const callers = ['even', 'odd']
      const seconds = 20
      for (let index = 0; index < perSecond * seconds; index++) {
        sampler.note(read(null, callers[index % 2]), 'pins', (index * 1_000) / perSecond)
      }
      const counts = readersOf(sampler).map(({ requests }) => requests)
      const total = counts.reduce((sum, count) => sum + count, 0) / seconds
      assert.ok(total > 0.5 * limits.maxSampledRequestsPerSecond, `${total} a second`)
      assert.ok(total < 2 * limits.maxSampledRequestsPerSecond, `${total} a second`)
      assert.ok(Math.min(...counts) / Math.max(...counts) > 0.7, counts.join(' and '))
    })
  }

  test('a few requests after a burst are seen at once', () => {
    const sampler = new AdviseSampler(random(2))
    for (let index = 0; index < 100_000; index++) sampler.note(read(null, 'burst'), 'pins', index / 100)
    for (let index = 0; index < 5; index++)
      sampler.note(read(named('x'), 'slow'), 'pins', 3_000 + index * 100)
    assert.ok((readersOf(sampler).find(({ caller }) => caller === 'slow')?.requests ?? 0) >= 4)
  })

  test('is bounded in datasets, callers and columns, and names of any size do no harm', () => {
    const sampler = new AdviseSampler(random(3))
    let atMs = 0
    const note = (request: ReadRequest, dataset = 'pins') => sampler.note(request, dataset, (atMs += 1_000))
    for (let index = 0; index < 400; index++) note(read(named(`c${String(index).padStart(3, '0')}`)))
    for (let index = 0; index < 100; index++) note(read(null, `caller ${index}`))
    note(read(named('x'.repeat(60_000))))
    for (let index = 0; index < 1_200; index++) note(read(null), `d${index}`)
    const samples = sampler.take()
    assert.equal(samples.length, limits.maxAdvisedDatasets)
    const readers = samples[0]?.readers ?? []
    assert.ok(readers.length <= limits.maxAdvisedReaders + 1)
    assert.ok(readers.some(({ caller }) => caller === OTHERS))
    const columns = readers[0]?.columns ?? {}
    assert.ok(Object.keys(columns).length <= limits.maxAdvisedColumns + 1)
    assert.ok((columns[base64(OTHERS)] ?? 0) > 100)
  })

  test('what is asked of no dataset is not noted', () => {
    const sampler = new AdviseSampler(random(1))
    sampler.note(read(null), '', 0)
    assert.deepEqual(sampler.take(), [])
  })
})

test('samples of threads are added up, and forgotten with their dataset', () => {
  const ledger = new AdviseLedger(5)
  const reader = {
    api: 'kvstore',
    caller: 'a',
    requests: 2,
    whole: 1,
    unnamed: 0,
    columns: { [base64('x')]: 1 },
  }
  for (let thread = 0; thread < 2; thread++) ledger.add([{ dataset: 'pins', readers: [reader] }])
  assert.deepEqual(ledger.readersOf('pins'), [
    { ...reader, requests: 4, whole: 2, columns: { [base64('x')]: 2 } },
  ])
  ledger.keepOnly((dataset) => dataset !== 'pins')
  assert.deepEqual(ledger.readersOf('pins'), [])
})

function row(sizes: Readonly<Record<string, number>>): Row {
  const cells = Object.entries(sizes).map(([name, size]) => ({
    localKey: Buffer.from(name),
    value: Buffer.alloc(size - name.length),
    timestamp: null,
    ttlSeconds: null,
  }))
  return { cells, next: null }
}

const searcher: SampledReader = {
  api: 'kvstore',
  caller: 'search',
  requests: 90,
  whole: 0,
  unnamed: 0,
  columns: { [base64('x')]: 90, [base64('y')]: 10 },
}
const feed: SampledReader = {
  api: 'terrapin',
  caller: null,
  requests: 10,
  whole: 0,
  unnamed: 10,
  columns: {},
}

describe('the advice', () => {
  const about = { dataset: 'pins', sinceMs: 1, areRowsRandom: true }

  test('says what columns weigh, who names them, and what the others would save, with its uncertainty', () => {
    const next = random(11)
    const rows = Array.from({ length: 400 }, () => row({ '': 1_000 + 200 * next(), x: 10, y: 20, z: 5 }))
    const advice = adviceOf({ ...about, readers: [feed, searcher], rows })
    assert.equal(advice.sampledRequests, 100)
    assert.deepEqual(
      advice.columns.map(({ column, requests, readers }) => [column, requests, ...readers]),
      [['x', 90, 'kvstore search'], ['', 10, 'terrapin (unnamed)'], ['y', 10, 'kvstore search'], ['z', 0]], // prettier-ignore
    )
    const [reads, terrapin] = advice.readers
    assert.deepEqual([reads?.saved, reads?.columns], [null, ['x', 'y']])
    const { bytesNow, bytesProjected, saved } = terrapin ?? {}
    assert.deepEqual(bytesProjected, { mean: 30, low: 30, high: 30 })
    assert.ok(bytesNow && saved)
    // 200 bytes wide and uniform: standard deviation 58, of the mean of 400 2.9, the interval 5.7 to each side.
    assert.ok(Math.abs(saved.mean - (1_100 - 30)) < 12, String(saved.mean))
    assert.ok(Math.abs(saved.high - saved.mean - 5.7) < 1, String(saved.high - saved.mean))
    assert.ok(saved.low < 1_070 && saved.high > 1_070)
  })

  test('the interval holds the true mean in about 95 of 100 samples', () => {
    const next = random(5)
    let held = 0
    for (let trial = 0; trial < 400; trial++) {
      const rows = Array.from({ length: 60 }, () => row({ '': Math.round(100 + 100 * next()), x: 10 }))
      const { low, high } = adviceOf({ ...about, readers: [feed, searcher], rows }).readers[1]?.bytesNow ?? {
        low: 0,
        high: 0,
      }
      if (low <= 150 && high >= 150) held += 1
    }
    assert.ok(held > 0.91 * 400 && held < 0.985 * 400, String(held))
  })

  test('a column that was never asked for is told from one that so few requests cannot show', () => {
    const rows = [row({ x: 10, z: 20 })]
    const few = adviceOf({ ...about, readers: [{ ...searcher, requests: 30 }], rows })
    const many = adviceOf({ ...about, readers: [{ ...searcher, requests: 30_000 }], rows })
    const shareOf = ({ columns }: typeof few) => columns.find(({ column }) => column === 'z')?.shareAtMost
    assert.equal(shareOf(few), 0.1)
    assert.equal(shareOf(many), 0.0001)
  })

  test('nobody names a column: nothing is promised; no rows: no sizes', () => {
    const alone = adviceOf({ ...about, readers: [feed], rows: [row({ '': 100 })] }).readers[0]
    assert.deepEqual([alone?.bytesNow?.mean, alone?.bytesProjected, alone?.saved], [100, null, null])
    const empty = adviceOf({ ...about, readers: [feed, searcher], rows: [] })
    assert.equal(empty.readers[1]?.bytesNow, null)
    assert.equal(adviceOf({ ...about, readers: [], rows: [] }).sampledRequests, 0)
  })

  test('names that are no text are shown as what they are', () => {
    const bytes = Buffer.from([0xff, 0x00])
    const cells = [{ localKey: bytes, value: Buffer.alloc(1), timestamp: null, ttlSeconds: null }]
    const advice = adviceOf({ ...about, readers: [], rows: [{ cells, next: null }] })
    assert.equal(advice.columns[0]?.column, 'base64:/wA=')
  })
})
