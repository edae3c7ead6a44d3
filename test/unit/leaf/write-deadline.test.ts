import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { systemClock } from '../../../src/base/clock.js'

const CLOCK = new URL('../../../src/base/clock.js', import.meta.url).href

test('the monotonic clock is one for all threads of the process, so that a deadline means the same in each', async () => {
  const code = `import(${JSON.stringify(CLOCK)}).then(({ systemClock }) =>
    require('node:worker_threads').parentPort.postMessage(systemClock.monotonicMs()))`
  const before = systemClock.monotonicMs()
  const worker = new Worker(code, { eval: true })
  const inside = await new Promise<unknown>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  const after = systemClock.monotonicMs()
  await worker.terminate()
  assert.ok(
    typeof inside === 'number' && inside >= before && inside <= after,
    `${before} ${String(inside)} ${after}`,
  )
})
