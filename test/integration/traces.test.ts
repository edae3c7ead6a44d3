import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { type CollectedSpan, Collector } from '../support/collector.js'
import { Gateway } from '../support/gateway.js'
import type { StockClient } from '../support/stock-client.js'

const HOPS = [
  'thrift.server',
  'kvstore.listener',
  'kvstore.admit',
  'routing.router',
  'leaf.tier',
  'leaf.engine',
]
const CALLER_TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER_SPAN = 'b7ad6b7169203331'
const TRACEPARENT = `00-${CALLER_TRACE}-${CALLER_SPAN}-01`

let collector: Collector
let gateway: Gateway
let client: StockClient

function configFor(url: string, sampleShare: number): string {
  return `telemetry: { otlpUrl: "${url}", sampleShare: ${sampleShare} }\nthreads: { data: 1 }\n`
}

/** Of one trace, in the order in which they began. */
function spansOf(traceId: string): CollectedSpan[] {
  const found = collector.spans.filter((span) => span.traceId === traceId)
  return found.sort((a, b) => Number(a.startNs - b.startNs) || HOPS.indexOf(a.name) - HOPS.indexOf(b.name))
}

async function get(traceId: string | null, dataset = 'traced'): Promise<unknown> {
  const context = traceId === null ? {} : { context: { traceId } }
  return await client.call('get', { dataset, key: 'secret-key', ...context }, 'GetRequest')
}

suite('traces', () => {
  before(async () => {
    collector = await Collector.start()
    gateway = await Gateway.start({ config: configFor(collector.url, 0) })
    await gateway.createDataset('traced')
    client = await gateway.connect()
    await client.put({ dataset: 'traced', key: 'secret-key', value: 'secret-value' })
  })

  after(async () => {
    client.close()
    await gateway.dispose()
    await collector.close()
  })

  test('a request with a sampled traceparent becomes six nested spans of the caller’s trace', async () => {
    await get(TRACEPARENT)
    await collector.until((spans) => spans.filter((span) => span.traceId === CALLER_TRACE).length >= 6)
    const spans = spansOf(CALLER_TRACE)
    assert.deepEqual(
      spans.map(({ name }) => name),
      HOPS,
    )
    for (const [index, { parentSpanId, startNs, endNs, attributes }] of spans.entries()) {
      const parent = spans[index - 1]
      assert.equal(parentSpanId, parent?.spanId ?? CALLER_SPAN)
      assert.ok(startNs <= endNs)
      if (parent !== undefined) assert.ok(parent.startNs <= startNs && endNs <= parent.endNs)
      assert.equal(attributes['godwit.dataset'], 'traced')
      assert.equal(attributes['godwit.operation'], 'get')
      assert.equal(attributes['godwit.code'], 'OK')
    }
    assert.equal(spans[0]?.resource['service.name'], 'godwit')
  })

  test('a failed request’s spans carry its code and are marked as errors', async () => {
    const traceId = '1'.repeat(32)
    await assert.rejects(get(`00-${traceId}-${CALLER_SPAN}-01`, 'missing'))
    await collector.until((spans) => spans.some((span) => span.traceId === traceId))
    const spans = spansOf(traceId)
    assert.deepEqual(
      spans.map(({ name }) => name),
      ['thrift.server', 'kvstore.listener', 'kvstore.admit'],
    )
    assert.ok(
      spans.every(({ isError, attributes }) => isError && attributes['godwit.code'] === 'DATASET_NOT_FOUND'),
    )
  })

  test('the rows of one multiMutate stand side by side in one trace', async () => {
    const traceId = '2'.repeat(32)
    const rows = ['a', 'b', 'c'].map((key) => ({ key, mutations: [{ put: { value: 'secret-value' } }] }))
    const request = { dataset: 'traced', rows, context: { traceId: `00-${traceId}-${CALLER_SPAN}-01` } }
    await client.call('multiMutate', request, 'MultiMutateRequest')
    await collector.until((spans) => spans.filter((span) => span.traceId === traceId).length >= 14)
    const spans = spansOf(traceId)
    const listener = spans.find(({ name }) => name === 'kvstore.listener')
    const admitted = spans.filter(({ name }) => name === 'kvstore.admit')
    assert.equal(admitted.length, 3)
    assert.ok(admitted.every(({ parentSpanId }) => parentSpanId === listener?.spanId))
    assert.equal(spans.length, 2 + 3 * 4)
  })

  test('admin requests join the caller’s trace by their header, and are named by route', async () => {
    const traceId = '3'.repeat(32)
    await fetch(`http://127.0.0.1:${gateway.port('admin')}/v1/datasets/traced/rows/secret-key`, {
      headers: { traceparent: `00-${traceId}-${CALLER_SPAN}-01` },
    })
    await collector.until((spans) => spans.some((span) => span.traceId === traceId))
    const [span] = spansOf(traceId)
    assert.equal(span?.parentSpanId, CALLER_SPAN)
    assert.equal(span.name, 'GET /v1/datasets/:name/rows/:key')
    assert.equal(span.attributes['http.response.status_code'], '200')
  })

  test('no trace begins by itself where the share is 0, and none holds a key or a value', async () => {
    await get(null)
    await get(`00-${'4'.repeat(32)}-${CALLER_SPAN}-00`)
    await get('not-a-traceparent')
    const last = '5'.repeat(32)
    await get(`00-${last}-${CALLER_SPAN}-01`)
    await collector.until((spans) => spans.some((span) => span.traceId === last))
    const known = new Set([CALLER_TRACE, ...['1', '2', '3', '5'].map((digit) => digit.repeat(32))])
    assert.ok(collector.spans.every(({ traceId }) => known.has(traceId)))
    assert.ok(!collector.text.includes('secret'))
  })
})

test('a collector that fails costs spans, which are counted, and no request', async () => {
  const failing = await Collector.start()
  failing.status = 400
  const traced = await Gateway.start({ config: configFor(failing.url, 1) })
  try {
    await traced.createDataset('traced')
    client = await traced.connect()
    for (let i = 0; i < 50; i += 1) await client.put({ dataset: 'traced', key: `k${i}`, value: 'v' })
    await failing.nextRequest()
    let text = ''
    while (!/godwit_trace_spans_total\{outcome="failed"\} [1-9]/.test(text)) {
      text = (await traced.admin('GET', '/metrics')).text
    }
    assert.match(text, /godwit_requests_total\{api="kvstore",operation="put",dataset="traced",code=""\} 50/)
    client.close()
    const { code } = await traced.stop()
    assert.equal(code, 0)
  } finally {
    await traced.dispose()
    await failing.close()
  }
})
