import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../src/base/limits.js'
import { traceAnswer, traceBegin, traceHop } from '../../../src/base/trace.js'
import { type FinishedTrace, TraceRecorder } from '../../../src/telemetry/recorder.js'

/** The channels belong to the process, and a recorder never stops: one for all tests. */
const traces: FinishedTrace[] = []
let nowMs = 0
let share = 1
const recorder = new TraceRecorder({
  clock: { nowUs: () => 0n, nowMs: () => 1_000_000 + nowMs, monotonicMs: () => nowMs },
  sampleShare: 0.5,
  onTrace: (trace) => traces.push(trace),
  random: () => 1 - share,
})
recorder.start()

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

async function collected(run: () => void): Promise<FinishedTrace[]> {
  traces.length = 0
  // A new second's allowance.
  nowMs += 10_000
  run()
  await turn()
  return [...traces]
}

function hops(...names: readonly Parameters<typeof traceHop>[0][]): void {
  for (const name of names) {
    traceHop(name)
    nowMs += 1
  }
}

test('hops nest, and end when the answer comes many turns later', async () => {
  const context = { api: 'kvstore' }
  await collected(() => {
    hops('thrift.server', 'kvstore.listener')
    traceBegin(context, 'read', 'd')
    hops('kvstore.admit', 'routing.router', 'leaf.tier', 'leaf.engine', 'leaf.engine')
  })
  assert.equal(traces.length, 0)
  const [trace] = await collected(() => {
    // Hops behind the tick belong to nobody.
    hops('leaf.engine')
    traceAnswer(context, 'read', null)
  })
  assert.deepEqual(
    trace?.spans.map(({ name, parent }) => [name, parent]),
    [
      ['thrift.server', null],
      ['kvstore.listener', 0],
      ['kvstore.admit', 1],
      ['routing.router', 2],
      ['leaf.tier', 3],
      ['leaf.engine', 4],
      ['leaf.engine', 4],
    ],
  )
  const [first] = trace.spans
  assert.ok((first?.startMs ?? 0) > 1_000_000 && (first?.endMs ?? 0) - (first?.startMs ?? 0) > 10_000)
})

test('requests of one tick keep their hops apart', async () => {
  const contexts = [{ api: 'kvstore' }, { api: 'kvstore' }]
  const found = await collected(() => {
    for (const [index, context] of contexts.entries()) {
      hops('thrift.server', 'kvstore.listener')
      traceBegin(context, 'read', `d${index}`)
      hops('kvstore.admit', ...(index === 0 ? [] : (['routing.router'] as const)))
    }
    for (const context of contexts) traceAnswer(context, 'read', 'UNAVAILABLE')
  })
  assert.deepEqual(
    found.map(({ spans, attributes, isFailed }) => [spans.length, attributes['godwit.dataset'], isFailed]),
    [
      [3, 'd0', true],
      [4, 'd1', true],
    ],
  )
})

test('rows of one call are one trace, even where a row is refused before the next begins', async () => {
  const context = { api: 'kvstore' }
  const [trace, ...others] = await collected(() => {
    hops('thrift.server', 'kvstore.listener')
    for (const code of ['TOO_LARGE', null]) {
      traceBegin(context, 'mutate', 'd')
      hops('kvstore.admit')
      traceAnswer(context, 'mutate', code)
    }
  })
  assert.equal(others.length, 0)
  assert.equal(trace?.attributes['godwit.rows'], 2)
  assert.equal(trace.attributes['godwit.code'], 'TOO_LARGE')
  assert.equal(trace.spans.length, 4)
})

test('a call of thousands of rows has a bounded number of spans', async () => {
  const context = { api: 'kvstore' }
  const [trace] = await collected(() => {
    for (let row = 0; row < 5_000; row += 1) {
      traceBegin(context, 'mutate', 'd')
      hops('kvstore.admit', 'routing.router', 'leaf.tier', 'leaf.engine')
    }
    for (let row = 0; row < 5_000; row += 1) traceAnswer(context, 'mutate', null)
  })
  assert.equal(trace?.attributes['godwit.rows'], 5_000)
  assert.ok(trace.spans.length <= 64)
})

test('requests beyond the share are not recorded, and callers cannot have more than a number a second', async () => {
  share = 0.4
  const request = (traceId: string | null) => {
    const context = { api: 'kvstore', traceId }
    traceBegin(context, 'read', 'd')
    hops('kvstore.admit')
    traceAnswer(context, 'read', null)
  }
  assert.equal((await collected(() => request(null))).length, 0)
  const insisting = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  const found = await collected(() => {
    const atMs = nowMs
    for (let i = 0; i < 10_000; i += 1) {
      request(insisting)
      nowMs = atMs
    }
  })
  assert.equal(found.length, limits.maxTracesPerSecond)
  share = 1
})
