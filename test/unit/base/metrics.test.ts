import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ThreadMetrics, renderMetrics } from '../../../src/base/metrics.js'

function lineOf(text: string, start: string): string | undefined {
  return text.split('\n').find((line) => line.startsWith(start))
}

suite('metrics', () => {
  test('a scrape adds up the figures of all threads', async () => {
    const [one, two] = [new ThreadMetrics(), new ThreadMetrics()]
    one.record('kvstore', 'read', 'cities', 0.2, null)
    one.record('kvstore', 'read', 'cities', 3, 'CORRUPT')
    two.record('kvstore', 'read', 'cities', 0.2, null)
    two.counter('godwit_connections_total', { listener: 'kvstore' })(5)
    const text = await renderMetrics([await one.snapshot(), await two.snapshot()])
    const labels = 'api="kvstore",operation="read",dataset="cities"'
    assert.equal(lineOf(text, `godwit_requests_total{${labels},code=""}`)?.split(' ').at(-1), '2')
    assert.equal(lineOf(text, `godwit_requests_total{${labels},code="CORRUPT"}`)?.split(' ').at(-1), '1')
    const bucket = (le: string) =>
      lineOf(text, `godwit_request_duration_seconds_bucket{le="${le}",${labels}}`)?.split(' ').at(-1)
    assert.deepEqual(
      [bucket('0.0001'), bucket('0.00025'), bucket('0.005'), bucket('+Inf')],
      ['0', '2', '3', '3'],
    )
    assert.equal(lineOf(text, `godwit_request_duration_seconds_count{${labels}}`)?.split(' ').at(-1), '3')
    assert.equal(lineOf(text, 'godwit_connections_total{listener="kvstore"}')?.split(' ').at(-1), '5')
  })

  test('a duration on a bucket’s bound counts into that bucket', async () => {
    const metrics = new ThreadMetrics()
    metrics.record('kvstore', 'read', 'd', 0.1, null)
    const text = await renderMetrics([await metrics.snapshot()])
    assert.ok(text.includes('le="0.0001",api="kvstore",operation="read",dataset="d"} 1'))
  })

  test('a scrape before the first request is valid and names the metrics', async () => {
    const text = await renderMetrics([await new ThreadMetrics().snapshot()])
    assert.ok(text.includes('# TYPE godwit_requests_total counter'))
  })
})
