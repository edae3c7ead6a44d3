import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type ErrorCode, KVError } from '../../../src/base/errors.js'
import { failureOf } from '../../../src/routing/guard-outcomes.js'
import { GONE, GuardWorld, RESET_MS, codeOf, mutatePlan, open, readPlan } from './guard-world.js'

suite('a guarded backend', () => {
  test('a key that always fails is not all that probes ask for', async () => {
    const world = new GuardWorld()
    const thread = world.thread()
    const { guard, inner } = thread
    inner.answer = GONE
    for (const key of ['a', 'b', 'c', 'd', 'poison']) await codeOf(guard, readPlan(key))
    assert.equal(guard.isOpen, true)
    const failed = new KVError('UNAVAILABLE', 'READ_ERROR for a key')
    inner.read = ({ admitted: { request } }, done) => {
      const rows = request.rowKeys.map((key) => (key.toString() === 'poison' ? failed : null))
      done({ rows, datasetVersion: null })
    }
    for (let turn = 0; turn < 5; turn += 1) world.timers.advance(RESET_MS)
    assert.equal(guard.isOpen, false)
  })

  test('a dataset whose keys all fail does not keep the others out for ever', async () => {
    const world = new GuardWorld()
    const { guard, inner } = world.thread()
    inner.answer = GONE
    for (let call = 0; call < 5; call += 1) await codeOf(guard, readPlan('poison'))
    const failed = new KVError('UNAVAILABLE', 'READ_ERROR for a key')
    inner.read = ({ admitted: { request } }, done) => {
      const rows = request.rowKeys.map((key) => (key.toString() === 'poison' ? failed : null))
      done({ rows, datasetVersion: null })
    }
    for (let turn = 0; turn < 5 && guard.isOpen; turn += 1) world.timers.advance(RESET_MS)
    assert.equal(await codeOf(guard, readPlan('good')), 'well')
    assert.equal(guard.isOpen, false)
  })

  test('a thread that saw no failure risks no request while another one can probe', async () => {
    const world = new GuardWorld()
    const [first, second] = [world.thread(), world.thread()]
    await open(first)
    second.inner.answer = GONE
    for (let turn = 0; turn < 200; turn += 1) {
      if (!second.guard.isOpen) await codeOf(second.guard)
      world.timers.advance(RESET_MS / 4)
    }
    assert.equal(second.inner.calls, 0)
    assert.ok(first.inner.calls > 20)
  })

  test('answers pass through, failures as they are', async () => {
    const { guard, inner } = new GuardWorld().thread()
    assert.equal(await codeOf(guard), 'well')
    inner.answer = new KVError('DATASET_NOT_FOUND', 'no')
    for (let call = 0; call < 50; call += 1) assert.equal(await codeOf(guard), 'DATASET_NOT_FOUND')
    assert.equal(guard.isOpen, false)
    await guard.close()
    assert.equal(inner.isClosed, true)
  })

  test('one thread that opens opens all; nobody asks, one line is logged, callers are told when to come back', async () => {
    const world = new GuardWorld()
    const [one, other] = [world.thread(), world.thread()]
    await open(one)
    assert.equal(other.guard.isOpen, true)
    const refused = await new Promise((resolve) => other.guard.read(readPlan('k'), resolve))
    assert.ok(refused instanceof KVError)
    assert.deepEqual([refused.code, refused.retryAfterMs, refused.backend], ['UNAVAILABLE', RESET_MS, 'west'])
    assert.equal(other.inner.calls, 0)
    assert.deepEqual([world.lines.length, world.refused], [1, ['breaker']])
    assert.deepEqual(world.status(), {
      name: 'west',
      role: 'primary',
      isOpen: true,
      openings: 1,
      sinceMs: 5_000,
    })
  })

  test('one thread probes, with one key of a read that failed and nobody waiting; then all are asked again', async () => {
    const world = new GuardWorld()
    const threads = [world.thread(), world.thread(), world.thread()] as const
    await open(threads[0])
    for (const { guard } of threads) assert.equal(guard.isOpen, true)
    for (const { inner } of threads) inner.answer = GONE
    for (let period = 0; period < 5; period += 1) world.timers.advance(RESET_MS)
    const probes = threads.reduce((sum, { inner }) => sum + inner.calls, 0)
    assert.ok(probes >= 4 && probes <= 6, `${probes} probes in five periods of three threads`)
    assert.equal(threads[2].guard.isOpen, true)
    for (const { inner } of threads) inner.answer = 'well'
    world.timers.advance(2 * RESET_MS)
    for (const { guard } of threads) assert.equal(guard.isOpen, false)
    assert.equal(world.lines.length, 2)
    assert.deepEqual(threads[0].inner.reads.at(-1)?.plan.admitted.request.rowKeys.length, 1)
  })

  test('a probe that found no free connection shows nothing', async () => {
    const world = new GuardWorld()
    const thread = world.thread()
    await open(thread)
    thread.inner.answer = new KVError('OVERLOADED', 'too many calls wait for answers')
    world.timers.advance(RESET_MS)
    assert.deepEqual([thread.guard.isOpen, thread.inner.calls], [true, 1])
  })

  test('a thread that never saw a read fail lets one call try', async () => {
    const world = new GuardWorld()
    const { guard, inner } = world.thread()
    inner.answer = GONE
    for (let call = 0; call < 20 && !guard.isOpen; call += 1) {
      await new Promise((resolve) => guard.mutate(mutatePlan(), resolve))
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(guard.isOpen, true)
    world.timers.advance(RESET_MS)
    assert.equal(guard.isOpen, false)
    inner.calls = 0
    assert.equal(await codeOf(guard), 'UNAVAILABLE')
    assert.deepEqual([guard.isOpen, inner.calls], [true, 1])
    inner.answer = 'well'
    world.timers.advance(RESET_MS)
    assert.equal(guard.isOpen, false)
  })

  test('calls from before a change say nothing about the time after it', async () => {
    const world = new GuardWorld()
    const { guard, inner } = world.thread({ maxInFlight: 100 })
    inner.answer = null
    const stragglers = Array.from({ length: 30 }, () => codeOf(guard))
    const held = inner.reads.splice(0)
    await open({ guard, inner })
    inner.answer = 'well'
    world.timers.advance(RESET_MS)
    assert.equal(await codeOf(guard), 'well')
    for (const { done } of held) done(GONE)
    await Promise.all(stragglers)
    assert.equal(guard.isOpen, false)
  })

  test('a stalled backend holds bounded calls; the rest is refused at once', async () => {
    const world = new GuardWorld()
    const { guard, inner } = world.thread()
    inner.answer = null
    const outcomes: string[] = []
    for (let call = 0; call < 10; call += 1) {
      guard.read(readPlan(`k${call}`), (outcome) =>
        outcomes.push(outcome instanceof KVError ? outcome.code : 'well'),
      )
    }
    assert.deepEqual([inner.calls, guard.inFlight, guard.queued], [4, 4, 2])
    assert.deepEqual(outcomes, ['OVERLOADED', 'OVERLOADED', 'OVERLOADED', 'OVERLOADED'])
    assert.equal(world.refused.filter((reason) => reason === 'bulkhead').length, 4)
    for (let index = 0; index < 6; index += 1)
      inner.reads[index]?.done({ rows: [null], datasetVersion: null })
    assert.deepEqual([guard.inFlight, guard.queued, outcomes.length], [0, 0, 10])
    await guard.close()
  })

  test('reads are tried again and hedged within the budget, writes never', async () => {
    const world = new GuardWorld()
    const { guard, inner } = world.thread({ retryPercent: 10, hedgeAfterMs: 50 })
    inner.answer = null
    const hedged = codeOf(guard)
    world.timers.advance(50)
    assert.equal(inner.calls, 2)
    inner.reads[1]?.done({ rows: [null], datasetVersion: null })
    assert.equal(await hedged, 'well')
    assert.equal(guard.inFlight, 1)
    inner.answer = GONE
    inner.calls = 0
    await new Promise((resolve) => guard.mutate(mutatePlan(), resolve))
    assert.equal(inner.calls, 1)
    assert.deepEqual(world.attempts, ['hedge'])
    await guard.close()
  })
})

test('what speaks against a backend, and what does not', () => {
  const error = (code: ErrorCode) => new KVError(code, code)
  const rows = (...outcomes: (KVError | null)[]) => ({ rows: outcomes, datasetVersion: null })
  const speaks = (outcome: unknown, waitedMs = 1_000) =>
    failureOf(outcome, { waitedMs, fairMs: 100 }) !== null
  assert.equal(speaks(error('UNAVAILABLE')), true)
  assert.equal(speaks(error('INTERNAL')), true)
  assert.equal(speaks(error('DEADLINE_EXCEEDED')), true)
  assert.equal(speaks(error('DEADLINE_EXCEEDED'), 100), true)
  assert.equal(speaks(error('DEADLINE_EXCEEDED'), 99), false, 'a caller that hardly waited')
  assert.equal(speaks(error('DATASET_NOT_FOUND')), false)
  assert.equal(speaks(error('OVERLOADED')), false)
  assert.equal(speaks(rows(error('UNAVAILABLE'), error('UNAVAILABLE'))), true)
  assert.equal(speaks(rows(error('UNAVAILABLE'), null)), false)
  assert.equal(speaks(rows(error('SHARD_NOT_SERVING'))), false, 'one data set is not the store')
  assert.equal(speaks(rows()), false)
})
