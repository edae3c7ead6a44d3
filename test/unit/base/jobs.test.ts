import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Clock } from '../../../src/base/clock.js'
import { KVError } from '../../../src/base/errors.js'
import { type JobContext, Jobs, type JobSpec } from '../../../src/base/jobs.js'
import { createLogger } from '../../../src/base/logger.js'
import { runOnLinks } from '../../../src/base/linked-task.js'

const logger = createLogger('silent')

class SteppedClock implements Clock {
  ms = 1_000
  nowUs = (): bigint => BigInt(this.ms) * 1_000n
  nowMs = (): number => this.ms
  monotonicMs = (): number => this.ms
}

function spec(key: string): JobSpec {
  return { kind: 'ARCHIVE', dataset: 'd', subject: key, key, actor: 'me' }
}

/** Work that ends when it is told to. */
class HeldWork {
  context: JobContext | null = null
  isCancelled = false
  finish: (result: unknown) => void = () => undefined
  fail: (error: Error) => void = () => undefined

  readonly run = (context: JobContext): Promise<unknown> => {
    this.context = context
    return new Promise((resolve, reject) => {
      this.finish = resolve
      this.fail = reject
      context.onCancel(() => {
        this.isCancelled = true
        reject(new Error('killed'))
      })
    })
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('jobs', () => {
  test('run so many at a time, in order, and tell how far they are and how they ended', async () => {
    const clock = new SteppedClock()
    const jobs = new Jobs({ clock, logger, concurrent: 1 })
    const [first, second] = [new HeldWork(), new HeldWork()]
    const { id } = jobs.start(spec('a'), first.run)
    const other = jobs.start(spec('b'), second.run)
    assert.equal(second.context, null)
    const progress = { step: 'copying', done: 5, total: 10, unit: 'bytes' } as const
    first.context?.report(progress)
    assert.deepEqual(jobs.get(id)?.progress, progress)
    assert.equal(jobs.get(other.id)?.state, 'QUEUED')
    clock.ms = 3_000
    first.finish({ rows: 1 })
    await turn()
    assert.deepEqual(
      [jobs.get(id)?.state, jobs.get(id)?.result, jobs.get(id)?.endedAtMs],
      ['DONE', { rows: 1 }, 3_000],
    )
    assert.equal(jobs.get(other.id)?.state, 'RUNNING')
    second.fail(new KVError('CORRUPT', 'damaged'))
    await turn()
    assert.deepEqual(jobs.get(other.id)?.error, { code: 'CORRUPT', message: 'damaged' })
    assert.deepEqual(
      jobs.list().map((job) => job.id),
      [other.id, id],
    )
  })

  test('one key has one job that waits or runs', async () => {
    const jobs = new Jobs({ clock: new SteppedClock(), logger, concurrent: 2 })
    const work = new HeldWork()
    jobs.start(spec('a'), work.run)
    const isRefused = (error: unknown) => error instanceof KVError && error.code === 'FAILED_PRECONDITION'
    assert.throws(() => jobs.start(spec('a'), work.run), isRefused)
    assert.throws(() => jobs.plan(spec('a')), isRefused)
    work.finish(null)
    await turn()
    assert.equal(jobs.plan(spec('a')).state, 'PLANNED')
    assert.equal(jobs.list().length, 1)
  })

  test('are cancelled while they run and while they wait; a close ends all and starts none', async () => {
    const jobs = new Jobs({ clock: new SteppedClock(), logger, concurrent: 1 })
    const [first, second, third] = [new HeldWork(), new HeldWork(), new HeldWork()]
    const running = jobs.start(spec('a'), first.run)
    const waiting = jobs.start(spec('b'), second.run)
    jobs.cancel(waiting.id)
    jobs.cancel(running.id)
    await turn()
    assert.ok(first.isCancelled)
    assert.equal(second.context, null)
    for (const { id } of [running, waiting]) assert.equal(jobs.get(id)?.error?.code, 'CANCELLED')
    assert.throws(() => jobs.cancel(running.id), KVError)
    jobs.start(spec('c'), third.run)
    await jobs.close()
    assert.ok(third.isCancelled)
    assert.throws(() => jobs.start(spec('d'), first.run), KVError)
  })

  test('are bounded while they wait', () => {
    const jobs = new Jobs({ clock: new SteppedClock(), logger, concurrent: 1 })
    for (let i = 0; i < 65; i++) jobs.start(spec(`job ${i}`), new HeldWork().run)
    assert.throws(
      () => jobs.start(spec('one more'), new HeldWork().run),
      (error) => error instanceof KVError && error.code === 'OVERLOADED',
    )
  })
})

describe('a task on links', () => {
  const stale = { isStale: true, code: 'CORRUPT', message: 'a file is missing' }

  async function run(outcomes: readonly unknown[]): Promise<{ result: unknown; made: number; left: number }> {
    let made = 0
    let left = 0
    const result = await runOnLinks({
      newStaging: () => Promise.resolve(`staging ${(left += 1)}`),
      trashStaging: () => {
        left -= 1
        return Promise.resolve()
      },
      link: () => {
        const outcome = outcomes[made++]
        if (outcome instanceof Error) throw outcome
        return Promise.resolve({ outcome })
      },
      start: (task) => ({
        ended: Promise.resolve((task as { outcome: unknown }).outcome),
        kill: () => undefined,
      }),
    }).catch((error: unknown) => error)
    return { result, made, left }
  }

  test('is begun anew when the links were not whole, or could not be made', async () => {
    const gone = new KVError('UNAVAILABLE', 'files changed')
    assert.deepEqual(await run([stale, gone, 'done']), { result: 'done', made: 3, left: 0 })
  })

  test('fails with what the last attempt said', async () => {
    const { result, made, left } = await run([stale, stale, stale, stale])
    assert.ok(
      result instanceof KVError && result.code === 'CORRUPT' && result.message === 'a file is missing',
    )
    assert.deepEqual([made, left], [4, 0])
  })

  test('is not begun anew for what will not change', async () => {
    const { result, made, left } = await run([new KVError('INTERNAL', 'no'), 'done'])
    assert.ok(result instanceof KVError && result.code === 'INTERNAL')
    assert.deepEqual([made, left], [1, 0])
  })
})
