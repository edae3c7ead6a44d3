import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { METRICS, type MetricRow } from '../../src/base/metrics.js'
import { Gateway } from '../support/gateway.js'
import type { StockClient } from '../support/stock-client.js'

const ROWS: Readonly<Record<string, MetricRow>> = METRICS
/** Longer than what a preview of a key may show. */
const SECRET_KEY = 'planted-secret-key-0123456789'
const SECRET_VALUE = 'planted-secret-value-0123456789'

let gateway: Gateway
let client: StockClient

async function metrics(): Promise<string> {
  const { status, text } = await gateway.admin('GET', '/metrics')
  assert.equal(status, 200)
  return text
}

function valueOf(text: string, start: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${start} `))
  assert.ok(line !== undefined, `no ${start}`)
  return Number(line.slice(start.length))
}

/** Metric and labels of each line. */
function seriesOf(text: string): { metric: string; labels: string[] }[] {
  return [...text.matchAll(/^([a-z_]+)(?:\{(.*)\})? \S+$/gm)].map(([, metric = '', labels = '']) => ({
    metric,
    labels: [...labels.matchAll(/([a-z_]+)="(?:[^"\\]|\\.)*"/g)].map(([, label = '']) => label),
  }))
}

/** Every form in which bytes could be printed. */
function formsOf(text: string): string[] {
  const bytes = Buffer.from(text)
  const escaped = [...bytes].map((byte) => `${byte}`).join(',')
  return [
    text,
    bytes.toString('hex'),
    bytes.toString('base64').replace(/=+$/, ''),
    escaped,
    encodeURIComponent(text),
  ]
}

async function settled(calls: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(calls)
}

suite('observability', () => {
  before(async () => {
    gateway = await Gateway.start({ config: 'log: { level: debug }\nthreads: { data: 2 }\n' })
    await gateway.createDataset('watched')
    client = await gateway.connect()
  })

  after(async () => {
    client.close()
    await gateway.dispose()
  })

  test('10,000 names of datasets that do not exist make no label', async () => {
    const bigKey = Buffer.alloc(70_000)
    for (let start = 0; start < 10_000; start += 500) {
      const calls = Array.from({ length: 500 }, (_, index) => {
        const dataset = `hostile-${start + index}`
        if (index % 100 === 0) return client.get({ dataset, key: bigKey })
        if (index % 3 === 0) return client.put({ dataset, key: 'k', value: 'v' })
        if (index % 3 === 1) return client.call('scan', { dataset }, 'ScanRequest')
        return client.get({ dataset, key: 'k' })
      })
      await settled(calls)
    }
    await gateway.admin('GET', '/v1/datasets/hostile-admin/rows/k')
    const text = await metrics()
    assert.ok(!text.includes('hostile'))
    const refused = [...text.matchAll(/^godwit_requests_total\{.*dataset="",code="[A-Z_]+"\} (\d+)$/gm)]
    // What a scan lacks is found before anything is counted.
    assert.ok(refused.reduce((sum, [, count]) => sum + Number(count), 0) > 6_000)
    assert.ok(text.length < 200_000)
  })

  test('traffic and refusals of all kinds leave no value and no whole key in the log', async () => {
    const dataset = 'watched'
    const [key, value] = [SECRET_KEY, SECRET_VALUE]
    const cells = [{ localKey: SECRET_KEY, value: SECRET_VALUE }]
    await client.put({ dataset, key, value, cells })
    await client.get({ dataset, key, cells: { localKeys: [SECRET_KEY] } })
    await client.multiGet({ dataset, keys: [key, `${key}-2`] })
    await settled([
      client.get({ dataset: 'missing', key }),
      client.put({ dataset: 'missing', key, value }),
      client.put({ dataset, key: `${SECRET_KEY}${'x'.repeat(70_000)}`, value }),
      client.put({ dataset, key, value: SECRET_VALUE.repeat(100_000) }),
      client.put({ dataset, key, cells: [...cells, ...cells] }),
      client.get({ dataset, key, options: { datasetVersion: null as never, withTtl: true } }),
      client.call(
        'increment',
        { dataset, key, increments: [{ localKey: SECRET_KEY, delta: 1 }] },
        'IncrementRequest',
      ),
      client.call('scan', { dataset, pageToken: Buffer.from(SECRET_VALUE) }, 'ScanRequest'),
      client.get({ dataset, key, context: { deadlineMs: 0 } }),
      gateway.admin('GET', `/v1/datasets/${dataset}/rows/${SECRET_KEY}?column=${SECRET_KEY}`),
      gateway.admin('PUT', `/v1/datasets/${dataset}/rows/${SECRET_KEY}`, { value: SECRET_VALUE }),
      gateway.admin('PUT', `/v1/datasets/${dataset}/rows/${SECRET_KEY}`, { value: 5, cells: SECRET_VALUE }),
      gateway.admin('PUT', `/v1/datasets/missing/rows/${SECRET_KEY}`, { value: SECRET_VALUE }),
    ])
    await metrics()
    assert.ok(gateway.output.includes('"level":"debug"'), 'nothing was logged')
    for (const form of [...formsOf(SECRET_VALUE), ...formsOf(SECRET_KEY)]) {
      assert.ok(!gateway.output.includes(form), form)
    }
  })

  test('every series that is scraped is in the table, with the labels of the table', async () => {
    for (const { metric, labels } of seriesOf(await metrics())) {
      const name = ROWS[metric] === undefined ? metric.replace(/_(bucket|sum|count)$/, '') : metric
      const expected = [...(ROWS[name]?.labels ?? [metric]), ...(metric.endsWith('_bucket') ? ['le'] : [])]
      assert.deepEqual(labels.sort(), expected.sort(), metric)
    }
  })

  test('threads, the writer, RocksDB and the process show figures of their own', async () => {
    for (let i = 0; i < 20; i += 1) await client.put({ dataset: 'watched', key: `k${i}`, value: 'v' })
    const text = await metrics()
    for (const thread of ['main', 'data-0', 'data-1', 'writer']) {
      assert.ok(valueOf(text, `godwit_event_loop_active_seconds_total{thread="${thread}"}`) > 0, thread)
      assert.ok(valueOf(text, `godwit_event_loop_delay_seconds_count{thread="${thread}"}`) > 0, thread)
      assert.ok(valueOf(text, `godwit_heap_used_bytes{thread="${thread}"}`) > 0, thread)
    }
    assert.ok(valueOf(text, 'godwit_group_commit_operations_sum') >= 20)
    assert.ok(valueOf(text, 'godwit_group_commit_duration_seconds_count') >= 1)
    assert.ok(valueOf(text, 'godwit_rocksdb_log_bytes{dataset="watched"}') > 0)
    assert.ok(valueOf(text, 'godwit_rocksdb_sequence{dataset="watched"}') >= 20)
    assert.ok(valueOf(text, 'process_open_fds') > 10)
    assert.equal(valueOf(text, 'godwit_ready'), 1)
    assert.equal(valueOf(text, 'godwit_datasets{mode="READ_WRITE"}'), 1)
  })

  test('SIGUSR2 turns debug lines of all threads on and off while it runs', async () => {
    const say = async () => {
      const from = gateway.output.length
      await settled([client.get({ dataset: 'missing', key: 'k' })])
      await gateway.admin('GET', '/v1/datasets')
      await gateway.admin('GET', '/readyz')
      return gateway.output.slice(from)
    }
    const toggle = async (level: string) => {
      const from = gateway.output.length
      process.kill(gateway.pid, 'SIGUSR2')
      while (!gateway.output.slice(from).includes(`log level is ${level} now`)) await gateway.nextOutput()
    }
    await gateway.dispose()
    gateway = await Gateway.start({ config: 'log: { level: warn }\nthreads: { data: 1 }\n' })
    client = await gateway.connect()
    assert.equal(await say(), '')
    await toggle('debug')
    assert.match(await say(), /"level":"debug".*"thread":"data-0".*DATASET_NOT_FOUND/)
    await toggle('warn')
    assert.equal(await say(), '')
  })
})
