import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type ErrorCode, KVError } from '../../../src/base/errors.js'
import { failureOf } from '../../../src/routing/guard-outcomes.js'
import {
  GONE,
  GuardWorld,
  RESET_MS,
  codeOf,
  mutatePlan,
  open,
  openByWrites,
  readPlan,
} from './guard-world.js'

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

  // With a deadline beyond the pause between probes, each pause added one: ten at a time, each with a connection of its own.
  test('a probe that waits for its answer is the only one', async () => {
    const world = new GuardWorld()
    const thread = world.thread({ breakerResetMs: 100, probeTimeoutMs: 1_000 })
    await open(thread)
    const { guard, inner } = thread
    inner.answer = null
    for (let pause = 0; pause < 9; pause += 1) {
      world.timers.advance(100)
      assert.equal(guard.isOpen, true)
    }
    assert.equal(inner.calls, 1)
    inner.reads.at(-1)?.done(new KVError('DEADLINE_EXCEEDED', 'no answer'))
    world.timers.advance(100)
    assert.equal(inner.calls, 2)
    inner.reads.at(-1)?.done({ rows: [null], datasetVersion: null })
    assert.equal(guard.isOpen, false)
  })

  // Each in its turn was still asked of a backend that all others left alone, for as long as it could wait.
  test('what waits for its turn when the breaker opens is refused, on every thread that looks', async () => {
    const world = new GuardWorld()
    const one = world.thread({ maxInFlight: 6, maxQueued: 10 })
    const other = world.thread({ maxInFlight: 1, maxQueued: 10 })
    const codes: string[] = []
    for (const { guard, inner } of [one, other]) {
      inner.answer = null
      for (let call = 0; call < 16; call += 1) void codeOf(guard).then((code) => codes.push(code))
    }
    world.timers.advance(1_000)
    const late = new KVError('DEADLINE_EXCEEDED', 'no answer')
    for (const { done } of one.inner.reads.splice(0)) done(late)
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(codes.filter((code) => code === 'UNAVAILABLE').length, 4)
    assert.deepEqual([one.inner.calls, one.guard.queued, other.guard.queued], [12, 0, 10])
    assert.deepEqual([other.guard.isOpen, other.guard.queued], [true, 0])
    for (const { done } of other.inner.reads.splice(0)) done(late)
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(codes.filter((code) => code === 'UNAVAILABLE').length, 14)
    assert.equal(other.inner.calls, 1)
    assert.equal(world.refused.filter((reason) => reason === 'breaker').length, 14)
  })

  test('no second attempt is made once the breaker is open', async () => {
    const world = new GuardWorld()
    const { guard, inner } = world.thread({ retryPercent: 100 })
    inner.answer = null
    const straggler = codeOf(guard)
    const held = inner.reads.splice(0)
    await open({ guard, inner })
    held[0]?.done(new KVError('UNAVAILABLE', 'connection reset', { outcome: 'UNKNOWN' }))
    assert.equal(await straggler, 'UNAVAILABLE')
    assert.deepEqual([inner.calls, world.attempts], [0, []])
  })

  test('a thread that never saw a read fail lets one call try', async () => {
    const world = new GuardWorld()
    const { guard, inner } = world.thread()
    await openByWrites({ guard, inner })
    world.timers.advance(RESET_MS)
    assert.equal(guard.isOpen, false)
    inner.calls = 0
    assert.equal(await codeOf(guard), 'UNAVAILABLE')
    assert.deepEqual([guard.isOpen, inner.calls], [true, 1])
    inner.answer = 'well'
    world.timers.advance(RESET_MS)
    assert.equal(guard.isOpen, false)
  })

  // The next caller's look had it refused, and the turn was lost.
  test('a call that tries may wait for its turn, whoever looks meanwhile', async () => {
    const world = new GuardWorld()
    const { guard, inner } = world.thread({ maxInFlight: 1 })
    await openByWrites({ guard, inner })
    inner.answer = null
    world.timers.advance(RESET_MS)
    const stalled = codeOf(guard)
    assert.equal(guard.isOpen, true)
    world.timers.advance(RESET_MS)
    const waiting = codeOf(guard)
    assert.deepEqual([guard.isOpen, await codeOf(guard), guard.queued], [true, 'UNAVAILABLE', 1])
    inner.answer = 'well'
    inner.reads[0]?.done(GONE)
    assert.deepEqual([await stalled, await waiting, guard.isOpen], ['UNAVAILABLE', 'well', false])
  })

  test('one that waited in vain leaves the turn to a next one', async () => {
    const world = new GuardWorld()
    const { guard, inner } = world.thread({ maxInFlight: 1, maxQueued: 0 })
    await openByWrites({ guard, inner })
    inner.answer = null
    world.timers.advance(RESET_MS)
    const stalled = codeOf(guard)
    assert.equal(guard.isOpen, true)
    world.timers.advance(RESET_MS)
    assert.equal(await codeOf(guard), 'OVERLOADED')
    assert.equal(guard.isOpen, true)
    world.timers.advance(RESET_MS)
    assert.equal(guard.isOpen, false)
    inner.reads[0]?.done(GONE)
    await stalled
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
