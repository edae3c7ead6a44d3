import assert from 'node:assert/strict'
import { test } from 'node:test'
import { statsOf, statsPages, statsText } from '../../../shims/terrapin/status-stats.js'
import { RequestFigures, seriesOf } from '../../../src/base/request-figures.js'
import { ValueSizes } from '../../../src/base/value-sizes.js'

function input(figures: RequestFigures, sizes = new ValueSizes()) {
  return {
    series: [...seriesOf(figures.snapshot())],
    valueSizes: sizes.snapshot(),
    secondReads: { fired: 3, won: 1, lost: 2, withheld: 9 },
    connections: 5,
    onlineShares: new Map([
      ['pins', 1],
      ['boards', 0.5],
    ]),
  }
}

function counted(): RequestFigures {
  const figures = new RequestFigures()
  for (let call = 0; call < 98; call++) figures.record('terrapin', 'get', 'pins', 0.2, null)
  figures.record('terrapin', 'get', 'pins', 30, null)
  figures.record('terrapin', 'get', 'boards', 30_000, 'UNAVAILABLE')
  figures.record('terrapin', 'multiGet', 'pins', 4, null)
  figures.record('terrapin', 'internalGet', 'pins', 4, null)
  figures.record('kvstore', 'get', 'pins', 4, null)
  return figures
}

test('calls are counted under the names of the service, of Terrapin and of each file set', () => {
  const { counters, metrics, gauges } = statsOf(input(counted()))
  assert.equal(counters['TERRAPIN_THRIFT/requests'], 101)
  assert.equal(counters['TERRAPIN_THRIFT/success'], 100)
  assert.equal(counters['TERRAPIN_THRIFT/failures'], 1)
  assert.equal(counters['terrapin-get-many-backup-fired'], 3)
  assert.equal(counters['terrapin-get-many-lost'], 2)
  assert.deepEqual(Object.keys(metrics).sort(), [
    'TERRAPIN_THRIFT/request_latency_ms',
    'boards-lookup-latency-ms',
    'lookup-latency-ms',
    'multi-lookup-latency-ms',
    'pins-lookup-latency-ms',
    'pins-multi-lookup-latency-ms',
  ])
  assert.equal(gauges['TERRAPIN_THRIFT/connections'], 5)
  assert.equal(gauges['terrapin-controller-online-pct'], 0.75)
  assert.equal(gauges['terrapin-controller-fileset-boards-online-pct'], 0.5)
})

test('percentiles are upper bounds of buckets, the last known one beyond all', () => {
  const { metrics } = statsOf(input(counted()))
  const pins = metrics['pins-lookup-latency-ms']
  assert.ok(pins)
  assert.deepEqual(
    [pins.count, pins.minimum, pins.p50, pins.p99, pins.p9999, pins.maximum],
    [99, 1, 1, 50, 50, 50],
  )
  assert.equal(metrics['boards-lookup-latency-ms']?.maximum, 10_000)
  assert.equal(pins.sum, 50)
})

test('sizes of values are counted under their names, of threads together', () => {
  const threads = [new ValueSizes(), new ValueSizes()]
  for (const sizes of threads) {
    sizes.record('get', 'pins', 0)
    sizes.record('get', 'pins', 100)
    sizes.record('multiGet', 'pins', 5_000)
  }
  threads[0]?.record('get', 'boards', 7)
  const valueSizes = threads.flatMap((sizes) => sizes.snapshot())
  const { metrics } = statsOf({ ...input(new RequestFigures()), valueSizes })
  const shown = Object.fromEntries(
    Object.entries(metrics).map(([name, { count, sum, minimum, p50, maximum }]) => {
      return [name, [count, sum, minimum, p50, maximum]]
    }),
  )
  assert.deepEqual(shown, {
    'value-size': [5, 207, 0, 7, 127],
    'pins-value-size': [4, 200, 0, 0, 127],
    'boards-value-size': [1, 7, 7, 7, 7],
    'multi-value-size': [2, 10_000, 8_191, 8_191, 8_191],
    'pins-multi-value-size': [2, 10_000, 8_191, 8_191, 8_191],
  })
})

test('nothing was called: counters are zero, and there are no metrics', () => {
  const { counters, metrics } = statsOf(input(new RequestFigures()))
  assert.equal(counters['TERRAPIN_THRIFT/requests'], 0)
  assert.deepEqual(metrics, {})
})

test('without file sets none is online', () => {
  const { gauges } = statsOf({ ...input(new RequestFigures()), onlineShares: new Map() })
  assert.deepEqual(gauges, { 'TERRAPIN_THRIFT/connections': 5, 'terrapin-controller-online-pct': 0 })
})

test('as text each map has a heading and each name a line', () => {
  const lines = statsText(statsOf(input(counted()))).split('\n')
  assert.deepEqual(
    lines.filter((line) => !line.startsWith(' ')),
    ['counters:', 'gauges:', 'labels:', 'metrics:'],
  )
  assert.ok(lines.includes('  terrapin-get-many-backup-fired: 3'))
  assert.ok(lines.some((line) => line.startsWith('  lookup-latency-ms: (average=')))
})

test('who asks while the threads are being asked shares the answer, a failure too', async () => {
  let reads = 0
  const pages = statsPages(() => {
    reads++
    return reads === 2 ? Promise.reject(new Error('gone')) : Promise.resolve(input(counted()))
  })
  const ask = async (path: string): Promise<number> => {
    const nothing = new URLSearchParams()
    const answer = await pages.get(path)?.answer({ query: nothing, form: nothing })
    return answer?.status ?? 0
  }
  assert.deepEqual(await Promise.all([ask('/stats.json'), ask('/stats.txt'), ask('/stats')]), [200, 200, 200])
  assert.equal(reads, 1)
  const failed = await Promise.allSettled([ask('/stats.json'), ask('/stats.txt')])
  assert.deepEqual(failed.map(({ status }) => status), ['rejected', 'rejected']) // prettier-ignore
  assert.equal(await ask('/stats.json'), 200)
  assert.equal(reads, 3)
})

test('a period is refused, because sums would pass for its share', async () => {
  const page = statsPages(() => Promise.reject(new Error('not asked'))).get('/stats.json')
  const answer = await page?.answer({ query: new URLSearchParams('period=60'), form: new URLSearchParams() })
  assert.equal(answer?.status, 501)
})
