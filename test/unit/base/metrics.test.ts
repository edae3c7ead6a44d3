import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { METRICS, MetricsPage, type Reading, ThreadMetrics } from '../../../src/base/metrics.js'
import { RequestFigures, RequestTotals } from '../../../src/base/request-figures.js'

const LABELS = 'api="kvstore",operation="read",dataset="cities"'

function valueOf(text: string, start: string): string | undefined {
  return text
    .split('\n')
    .find((line) => line.startsWith(start))
    ?.split(' ')
    .at(-1)
}

async function pageOf(...threads: readonly ThreadMetrics[]): Promise<string> {
  const snapshots = await Promise.all(threads.map((thread) => thread.snapshot()))
  // As they come from another thread.
  return await new MetricsPage().render(structuredClone(snapshots))
}

/** Names of datasets that stand in labels. */
function datasetsIn(text: string): Set<string> {
  return new Set([...text.matchAll(/dataset="([^"]*)"/g)].map(([, name = '']) => name))
}

suite('metrics', () => {
  test('a scrape adds up the figures of all threads', async () => {
    const [one, two] = [new ThreadMetrics(), new ThreadMetrics()]
    one.record('kvstore', 'read', 'cities', 0.2, null)
    one.record('kvstore', 'read', 'cities', 3, 'CORRUPT')
    two.record('kvstore', 'read', 'cities', 0.2, null)
    two.counter('godwit_connections_total', { listener: 'kvstore' })(5)
    const text = await pageOf(one, two)
    assert.equal(valueOf(text, `godwit_requests_total{${LABELS},code=""}`), '2')
    assert.equal(valueOf(text, `godwit_requests_total{${LABELS},code="CORRUPT"}`), '1')
    const bucket = (le: string) =>
      valueOf(text, `godwit_request_duration_seconds_bucket{le="${le}",${LABELS}}`)
    assert.deepEqual(
      [bucket('0.0001'), bucket('0.00025'), bucket('0.005'), bucket('+Inf')],
      ['0', '2', '3', '3'],
    )
    assert.equal(valueOf(text, `godwit_request_duration_seconds_count{${LABELS}}`), '3')
    assert.equal(valueOf(text, `godwit_request_duration_seconds_sum{${LABELS}}`), '0.0034000000000000002')
    assert.equal(valueOf(text, 'godwit_connections_total{listener="kvstore"}'), '5')
  })

  test('a duration on a bucket’s bound counts into that bucket', async () => {
    const metrics = new ThreadMetrics()
    metrics.record('kvstore', 'read', 'd', 0.1, null)
    assert.ok((await pageOf(metrics)).includes('le="0.0001",api="kvstore",operation="read",dataset="d"} 1'))
  })

  test('a scrape before the first request is valid and names the metrics', async () => {
    const text = await pageOf(new ThreadMetrics())
    assert.ok(text.includes('# TYPE godwit_requests_total counter'))
    assert.equal(datasetsIn(text).size, 0)
  })

  test('histograms of threads are added up by bucket', async () => {
    const [one, two] = [new ThreadMetrics(), new ThreadMetrics()]
    one.histogram('godwit_group_commit_operations')(3)
    two.histogram('godwit_group_commit_operations')(1_000_000)
    const text = await pageOf(one, two)
    assert.equal(valueOf(text, 'godwit_group_commit_operations_bucket{le="2"}'), '0')
    assert.equal(valueOf(text, 'godwit_group_commit_operations_bucket{le="4"}'), '1')
    assert.equal(valueOf(text, 'godwit_group_commit_operations_bucket{le="+Inf"}'), '2')
    assert.equal(valueOf(text, 'godwit_group_commit_operations_sum'), '1000003')
  })

  test('a dataset that is gone is gone from the page, and its place is free again', async () => {
    const metrics = new ThreadMetrics()
    const page = new MetricsPage()
    const render = async () => await page.render([await metrics.snapshot()])
    metrics.record('kvstore', 'read', 'old', 1, null)
    assert.deepEqual(datasetsIn(await render()), new Set(['old']))
    metrics.forgetDataset('old')
    metrics.record('kvstore', 'read', 'new', 1, null)
    metrics.record('kvstore', 'read', 'new', 1, null)
    const text = await render()
    assert.deepEqual(datasetsIn(text), new Set(['new']))
    assert.match(text, /godwit_requests_total\{.*code=""\} 2/)
  })

  test('quotes and line breaks in labels do not break a line', () => {
    const figures = new RequestFigures()
    figures.record('a"b\\c\nd', 'read', 'x', 1, null)
    assert.ok(new RequestTotals().render([figures.snapshot()]).includes('api="a\\"b\\\\c\\nd"'))
  })
})

suite('bounds of labels', () => {
  const bounds = { maxDatasets: 3, maxSeries: 5 }

  test('datasets beyond the bound count as others, in a thread and in the sum, and nothing is lost', () => {
    const [one, two] = [new RequestFigures(bounds), new RequestFigures(bounds)]
    for (let i = 0; i < 10; i += 1) {
      one.record('kvstore', 'read', `a${i}`, 1, null)
      two.record('kvstore', 'read', `b${i}`, 1, 'CORRUPT')
    }
    const text = new RequestTotals(bounds).render([one.snapshot(), two.snapshot()])
    assert.deepEqual(datasetsIn(text), new Set(['a0', 'a1', 'a2', '(other)']))
    const counts = [...text.matchAll(/^godwit_request_duration_seconds_count\{.*\} (\d+)$/gm)]
    assert.equal(
      counts.reduce((sum, [, count]) => sum + Number(count), 0),
      20,
    )
  })

  test('pairs of dataset and operation beyond their bound count as others', () => {
    const figures = new RequestFigures(bounds)
    for (const dataset of ['x', 'y']) {
      for (const operation of ['read', 'scan', 'mutate'])
        figures.record('kvstore', operation, dataset, 1, null)
    }
    const text = new RequestTotals(bounds).render([figures.snapshot()])
    assert.ok(text.includes('operation="mutate",dataset="(other)",code=""} 1'))
    assert.ok(text.includes('operation="scan",dataset="y",code=""} 1'))
  })

  test('who had labels keeps them from scrape to scrape', () => {
    const totals = new RequestTotals(bounds)
    const later = new RequestFigures()
    for (const dataset of ['p', 'q', 'r']) later.record('kvstore', 'read', dataset, 1, null)
    totals.render([later.snapshot()])
    const before = new RequestFigures()
    before.record('kvstore', 'read', 's', 1, null)
    const text = totals.render([before.snapshot(), later.snapshot()])
    assert.deepEqual(datasetsIn(text), new Set(['p', 'q', 'r', '(other)']))
  })

  test('readings of 10,000 datasets have no more labels than the bound', async () => {
    const readings: Reading[] = Array.from({ length: 10_000 }, (_, index) => ({
      name: 'godwit_rocksdb_sst_bytes',
      labels: { dataset: `d${index}` },
      value: 1,
    }))
    const text = await new MetricsPage().render([], readings)
    assert.equal(datasetsIn(text).size, 1_001)
    assert.equal(valueOf(text, 'godwit_rocksdb_sst_bytes{dataset="(other)"}'), '9000')
  })

  test('a page of 1,000 datasets with 12 operations each takes less than 150 ms of a processor', async () => {
    const threads = [new ThreadMetrics(), new ThreadMetrics()]
    for (const thread of threads) {
      for (let series = 0; series < 12_000; series += 1) {
        const dataset = `dataset-${Math.floor(series / 12)}`
        thread.record('kvstore', `operation-${series % 12}`, dataset, series % 7, null)
      }
    }
    const page = new MetricsPage()
    const times: number[] = []
    let text = ''
    for (let run = 0; run < 7; run += 1) {
      const snapshots = structuredClone(await Promise.all(threads.map((thread) => thread.snapshot())))
      const before = process.cpuUsage()
      text = await page.render(snapshots)
      times.push(process.cpuUsage(before).user / 1_000)
    }
    times.sort((a, b) => a - b)
    assert.ok((times[0] ?? 0) < 150, `${times.join(', ')} ms`)
    assert.ok(text.length < 16_000_000, `${text.length} bytes`)
  })
})

test('every histogram of the table has rising buckets, and nothing else has any', () => {
  for (const [name, row] of Object.entries(METRICS)) {
    const buckets: readonly number[] = 'buckets' in row ? row.buckets : []
    assert.equal(buckets.length > 0, row.kind === 'histogram', name)
    assert.deepEqual(
      [...buckets].sort((a, b) => a - b),
      [...buckets],
    )
    assert.match(name, row.kind === 'counter' ? /_total$/ : /^(godwit|process)_/, name)
  }
})
