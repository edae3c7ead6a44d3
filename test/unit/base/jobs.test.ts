import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Clock } from '../../../src/base/clock.js'
import { KVError } from '../../../src/base/errors.js'
import type { JobContext, JobSpec } from '../../../src/base/job.js'
import { Jobs } from '../../../src/base/jobs.js'
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
  return { kind: 'ARCHIVE', dataset: 'd', datasetId: 'd1', subject: key, key, actor: 'me' }
}

/** Work that ends when it is told to. */
class HeldWork {
  context: JobContext | null = null
  ending: JobContext['ending'] = null
  finish: (result: unknown) => void = () => undefined
  fail: (error: Error) => void = () => undefined

  readonly run = (context: JobContext): Promise<unknown> => {
    this.context = context
    return new Promise((resolve, reject) => {
      this.finish = resolve
      this.fail = reject
      context.onEnding(() => {
        this.ending = context.ending
        reject(new Error('killed'))
      })
    })
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('jobs', () => {
  test('run so many at a time, in order, and tell how far they are and how they ended', async () => {
    const clock = new SteppedClock()
    const jobs = new Jobs({ clock, logger, concurrent: { loads: 1, others: 1 } })
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
    const jobs = new Jobs({ clock: new SteppedClock(), logger, concurrent: { loads: 1, others: 2 } })
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

  test('are cancelled while they run and while they wait, which answers when they have ended', async () => {
    const jobs = new Jobs({ clock: new SteppedClock(), logger, concurrent: { loads: 1, others: 1 } })
    const [first, second] = [new HeldWork(), new HeldWork()]
    const running = jobs.start(spec('a'), first.run)
    const waiting = jobs.start(spec('b'), second.run)
    assert.equal((await jobs.cancel(waiting.id)).state, 'CANCELLED')
    assert.equal((await jobs.cancel(running.id)).state, 'CANCELLED')
    assert.deepEqual([first.ending, second.context], ['CANCEL', null])
    for (const { id } of [running, waiting]) assert.equal(jobs.get(id)?.error?.code, 'CANCELLED')
    await assert.rejects(jobs.cancel(running.id), { code: 'FAILED_PRECONDITION', message: /it has ended/ })
    await assert.rejects(jobs.cancel('absent'), { code: 'INVALID_ARGUMENT' })
    jobs.start(spec('a'), first.run)
  })

  test('a close ends what runs, forgets what waits, and starts none', async () => {
    const jobs = new Jobs({ clock: new SteppedClock(), logger, concurrent: { loads: 1, others: 1 } })
    const [first, second] = [new HeldWork(), new HeldWork()]
    const running = jobs.start(spec('a'), first.run)
    jobs.start(spec('b'), second.run)
    await jobs.close()
    assert.deepEqual([first.ending, second.context], ['STOP', null])
    // It did not fail: a load goes on after the next start.
    assert.equal(jobs.get(running.id)?.state, 'RUNNING')
    assert.throws(() => jobs.start(spec('c'), first.run), { code: 'UNAVAILABLE' })
  })

  test('a job that has committed itself cannot be cancelled any more, and one that is cancelled cannot commit', async () => {
    const jobs = new Jobs({ clock: new SteppedClock(), logger, concurrent: { loads: 1, others: 2 } })
    const work = new HeldWork()
    const { id } = jobs.start(spec('a'), work.run)
    work.context?.commit()
    await assert.rejects(jobs.cancel(id), { code: 'FAILED_PRECONDITION', message: /at its last step/ })
    work.finish(null)
    await turn()
    assert.equal(jobs.get(id)?.state, 'DONE')
    const other = new HeldWork()
    await jobs.cancel(jobs.start(spec('a'), other.run).id)
    assert.throws(() => other.context?.commit(), { code: 'CANCELLED' })
  })

  test('loads and other jobs have places of their own, in one table', async () => {
    const jobs = new Jobs({ clock: new SteppedClock(), logger, concurrent: { loads: 1, others: 1 } })
    const works = [new HeldWork(), new HeldWork(), new HeldWork()]
    const [archive, load, second] = works
    jobs.start(spec('a'), archive?.run ?? assert.fail())
    for (const [index, work] of [load, second].entries()) {
      const loading: JobSpec = { ...spec(`dataset d${index}`), kind: 'LOAD', id: `d${index}-7` }
      jobs.start(loading, work?.run ?? assert.fail())
    }
    assert.deepEqual(
      jobs.list().map(({ id, state }) => `${id.replace(/\d{4}-1/, 'N')} ${state}`),
      ['d1-7 QUEUED', 'd0-7 RUNNING', 'archive-N RUNNING'],
    )
    await jobs.close()
  })

  test('a claim keeps the key until its job is there, and is given back when none comes', () => {
    const jobs = new Jobs({ clock: new SteppedClock(), logger, concurrent: { loads: 1, others: 1 } })
    const claim = jobs.claim(spec('a'))
    assert.throws(() => jobs.claim(spec('a')), { code: 'FAILED_PRECONDITION' })
    jobs.release(claim)
    const used = jobs.claim(spec('a'))
    const open = jobs.open(spec('a'), used)
    jobs.release(used)
    assert.throws(() => jobs.plan(spec('a')), { message: new RegExp(open.status.id) })
    open.fail(new KVError('TOO_LARGE', 'no'))
    assert.deepEqual([open.status.state, open.status.error?.code], ['FAILED', 'TOO_LARGE'])
    jobs.plan(spec('a'))
  })

  test('one that is cancelled while it waits is cleaned up after', async () => {
    const jobs = new Jobs({ clock: new SteppedClock(), logger, concurrent: { loads: 1, others: 1 } })
    jobs.start(spec('a'), new HeldWork().run)
    let isAbandoned = false
    const open = jobs.open(spec('b'), jobs.claim(spec('b')))
    open.enqueue(new HeldWork().run, async () => {
      await turn()
      isAbandoned = true
    })
    await jobs.cancel(open.status.id)
    assert.ok(isAbandoned)
    await jobs.close()
  })

  test('of a dataset that is removed are cancelled, whatever they do, but for the removal of copies', async () => {
    const jobs = new Jobs({ clock: new SteppedClock(), logger, concurrent: { loads: 1, others: 4 } })
    const works = Array.from({ length: 5 }, () => new HeldWork())
    const [running, committed, purging, other, waiting] = works
    const start = (key: string, work: HeldWork | undefined, changes: Partial<JobSpec> = {}) =>
      jobs.start({ ...spec(key), ...changes }, work?.run ?? assert.fail()).id
    const ids = [
      start('a', running),
      start('b', committed),
      start('c', purging, { kind: 'PURGE' }),
      start('d', other, { datasetId: 'd2' }),
      start('e', waiting),
    ]
    committed?.context?.commit()
    await jobs.endOf('d1')
    const states = ids.map((id) => jobs.get(id)?.state)
    assert.deepEqual(states, ['CANCELLED', 'CANCELLED', 'RUNNING', 'RUNNING', 'CANCELLED'])
    assert.match(jobs.get(ids[0] ?? '')?.error?.message ?? '', /its dataset was removed/)
    await jobs.close()
  })

  test('of a dataset that has the name of one that went do not wait for those of the other', () => {
    const gone = new Set<string>()
    const isGone = ({ datasetId }: { readonly datasetId: string }) => gone.has(datasetId)
    const jobs = new Jobs({ clock: new SteppedClock(), logger, concurrent: { loads: 1, others: 4 }, isGone })
    jobs.start(spec('version 5'), new HeldWork().run)
    const again = { ...spec('version 5'), datasetId: 'd2' }
    jobs.start(again, new HeldWork().run)
    // A place in an object store is the same for both.
    jobs.start({ ...spec('place'), kind: 'SNAPSHOT' }, new HeldWork().run)
    assert.throws(() => jobs.plan({ ...again, key: 'place', kind: 'SNAPSHOT' }), {
      code: 'FAILED_PRECONDITION',
    })
    const claim = jobs.claim(spec('upload'))
    gone.add('d1')
    assert.throws(() => jobs.plan(spec('late')), { code: 'DATASET_NOT_FOUND' })
    const open = jobs.open(spec('upload'), claim)
    assert.equal(open.context.ending, 'CANCEL')
    assert.throws(() => open.enqueue(new HeldWork().run), { code: 'CANCELLED' })
    open.fail(new Error('ended'))
    assert.equal(open.status.state, 'CANCELLED')
  })

  test('what a cancelled job cleans up is ended by the end of the gateway alone', async () => {
    const jobs = new Jobs({ clock: new SteppedClock(), logger, concurrent: { loads: 1, others: 1 } })
    let stops = 0
    const { id } = jobs.start(spec('a'), async (context) => {
      await new Promise<void>((resolve) => context.onEnding(resolve))
      await new Promise<void>((resolve) =>
        context.onStop(() => {
          stops += 1
          resolve()
        }),
      )
      throw new Error('ended')
    })
    const cancelling = jobs.cancel(id)
    await turn()
    assert.equal(stops, 0)
    await jobs.close()
    await cancelling
    assert.deepEqual([stops, jobs.get(id)?.state], [1, 'CANCELLED'])
  })

  test('are bounded while they wait', () => {
    const jobs = new Jobs({ clock: new SteppedClock(), logger, concurrent: { loads: 1, others: 1 } })
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
      run: (task) => Promise.resolve((task as { outcome: unknown }).outcome),
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
