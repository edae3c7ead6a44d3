import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { limits } from '../../../src/base/limits.js'
import type { FinishedTrace } from '../../../src/telemetry/recorder.js'
import { SpanExport, type SpanOutcome } from '../../../src/telemetry/span-export.js'

const TRACE: FinishedTrace = {
  remote: null,
  attributes: { 'godwit.dataset': 'd' },
  isFailed: false,
  spans: [{ name: 'thrift.server', startMs: 1_700_000_000_000.25, endMs: 1_700_000_000_001, parent: null }],
}

async function exportTo(url: string, count: number): Promise<Record<SpanOutcome, number>> {
  const outcomes = { exported: 0, dropped: 0, failed: 0 }
  const spans = new SpanExport({
    url,
    build: 'test',
    thread: 'data-0',
    lastFlushMs: 200,
    onOutcome: (outcome, number) => (outcomes[outcome] += number),
  })
  for (let i = 0; i < count; i += 1) spans.add(TRACE)
  await spans.close()
  return outcomes
}

test('spans that a collector never answers for are dropped beyond the bound, and counted', async () => {
  let requests = 0
  const silent = createServer(() => (requests += 1))
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  try {
    const { port } = silent.address() as AddressInfo // it listens on TCP
    const startMs = performance.now()
    const extra = 1_000
    const count = limits.maxQueuedSpans + extra
    const { exported, dropped } = await exportTo(`http://127.0.0.1:${port}/v1/traces`, count)
    assert.equal(exported, 0)
    // One batch is under way, for ever; nothing else may be kept.
    assert.equal(dropped, count - 512)
    assert.equal(requests, 1)
    assert.ok(performance.now() - startMs < 10_000)
  } finally {
    silent.closeAllConnections()
    silent.close()
  }
})

test('a collector that is not there costs the spans and nothing else', async () => {
  const closed = createServer()
  closed.listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo // it listens on TCP
  closed.close()
  await once(closed, 'close')
  const { exported, dropped, failed } = await exportTo(`http://127.0.0.1:${port}/v1/traces`, 100)
  assert.equal(exported, 0)
  assert.ok(dropped + failed <= 100)
})
