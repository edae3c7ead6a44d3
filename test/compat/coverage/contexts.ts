/** RequestContext: who asks, and how long they wait. */
import assert from 'node:assert/strict'
import { isStockException } from '../../support/stock-client.js'
import { type Fields, type Harness, INVALID, PEOPLE, SILENT, covers } from './harness.js'

const DEADLINE_EXCEEDED = 402
const OVERLOADED = 303
/** As many as one connection may have in flight, more than may wait before jobs are shed. */
const WAITING = 1_024
const SMALL_ANSWERS = 1_500
const SHED_TIMEOUT_MS = 20_000

/** The line of the log that tells of a failure with this text in it. */
async function logLine(h: Harness, text: string): Promise<string> {
  for (;;) {
    const line = h.gateway.output.split('\n').find((one) => one.includes(text))
    if (line !== undefined) return line
    await h.gateway.nextOutput()
  }
}

/** Runs while so many requests wait for an origin that answers nothing. */
async function whileManyWait(h: Harness, run: () => Promise<void>): Promise<void> {
  const waiter = await h.gateway.connect()
  // A connection may have many requests in flight once its answers have shown to be small.
  await Promise.all(Array.from({ length: SMALL_ANSWERS }, () => waiter.get({ dataset: PEOPLE, key: 'none' })))
  const waiting = Array.from({ length: WAITING }, () => waiter.get({ dataset: SILENT, key: 'k' }))
  const ended = Promise.allSettled(waiting)
  await run()
  h.dropSilent()
  for (const one of await ended) assert.ok(one.status === 'rejected' && isStockException(one.reason))
  waiter.close()
}

/** Repeats a read until it is shed: the requests before it may still be on their way. */
async function untilShed(h: Harness, request: Fields): Promise<void> {
  const until = performance.now() + SHED_TIMEOUT_MS
  for (;;) {
    const answer = await h.ask('get', request).catch((error: unknown) => error)
    if (isStockException(answer)) {
      assert.equal(answer.error.code, OVERLOADED)
      return
    }
    assert.ok(performance.now() < until, 'a job was not shed')
  }
}

export const contexts = [
  covers(
    'RequestContext.deadlineMs',
    'ends the request: with none left it is DEADLINE_EXCEEDED',
    async (h) => {
      const request = { dataset: PEOPLE, key: 'k' }
      for (const deadlineMs of [0, -5])
        await h.isRefused(DEADLINE_EXCEEDED, 'get', { ...request, context: { deadlineMs } })
      const late = await h.refused('put', { ...request, value: 'v', context: { deadlineMs: 0 } })
      assert.deepEqual([late.code, late.outcome, late.retryable], [DEADLINE_EXCEEDED, 1, true])
      await h.ask('get', { ...request, context: { deadlineMs: 5_000 } })
    },
  ),
  covers(['RequestContext.caller', 'RequestContext.traceId'], 'stand in the log of what fails', async (h) => {
    const context = { caller: 'the-billing-job', traceId: 'trace-4711' }
    await h.isRefused(INVALID, 'get', { dataset: PEOPLE, key: '', context })
    const line = await logLine(h, 'trace-4711')
    assert.match(line, /"caller":"the-billing-job"/)
  }),
  covers(
    ['RequestContext.priority', 'Priority.DEFAULT', 'Priority.INTERACTIVE', 'Priority.BATCH'],
    'BATCH is shed as OVERLOADED while others are served; an unknown one in a write is INVALID_ARGUMENT',
    async (h) => {
      const request = { dataset: PEOPLE, key: 'k' }
      const job = { ...request, context: { priority: 2 } }
      await h.ask('get', job)
      await whileManyWait(h, async () => {
        await untilShed(h, job)
        for (const priority of [0, 1]) await h.ask('get', { ...request, context: { priority } })
        await h.ask('put', { ...request, value: 'v', context: { priority: 1 } })
        const { code, outcome } = await h.refused('put', { ...job, value: 'v' })
        assert.deepEqual([code, outcome], [OVERLOADED, 1])
      })
      const context = { priority: 9 }
      await h.isRefused(INVALID, 'put', { dataset: PEOPLE, key: 'k', value: 'v', context })
      await h.ask('get', { dataset: PEOPLE, key: 'k', context })
    },
  ),
  covers('RequestContext.credential', 'is UNSUPPORTED by name: nobody is authenticated', async (h) => {
    const context = { credential: Buffer.from('secret') }
    await h.isUnsupported(/RequestContext\.credential/, 'get', { dataset: PEOPLE, key: 'k', context })
  }),
  covers(
    'RequestContext.mustUnderstand',
    'is UNSUPPORTED for a feature that describeServer does not list',
    async (h) => {
      await h.isUnsupported(/"teleport"/, 'get', {
        dataset: PEOPLE,
        key: 'k',
        context: { mustUnderstand: ['teleport'] },
      })
      const { features } = (await h.client.describeServer()) as { features?: string[] }
      assert.ok(features !== undefined && features.length > 20)
      await h.ask('get', { dataset: PEOPLE, key: 'k', context: { mustUnderstand: features } })
    },
  ),
]
