/** Callers that wait shorter than it takes to know whether a backend is silent: what they get, what is learnt from them. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type ErrorCode, KVError } from '../../../src/base/errors.js'
import type { GuardSettings } from '../../../src/routing/guarded-backend.js'
import type { MutatePlan, ReadPlan } from '../../../src/model/plan.js'
import type { ReadResult } from '../../../src/model/request.js'
import { withDeadline } from '../../../src/routing/read-parts.js'
import { GuardWorld, mutatePlan, readPlan } from './guard-world.js'

const READ: ReadResult = { rows: [null], datasetVersion: null }

/** A backend that takes `takesMs` for an answer, or for ever; and callers of it. */
class Impatient {
  readonly world = new GuardWorld()
  readonly thread: ReturnType<GuardWorld['thread']>
  takesMs: number | null = null

  constructor(settings: Partial<GuardSettings> = {}) {
    this.thread = this.world.thread({ maxInFlight: 1_000, ...settings })
    this.thread.inner.read = (plan, done) => this.#answer(plan, done)
  }

  get isOpen(): boolean {
    return this.thread.guard.isOpen
  }

  /** The code that a caller gets who waits so long, and after how long. */
  async ask(waitsMs: number): Promise<readonly [ErrorCode | 'well', number]> {
    const { timers } = this.world
    const startedAtMs = timers.nowMs
    const plan = withDeadline(readPlan('k'), startedAtMs + waitsMs)
    const told: (readonly [ErrorCode | 'well', number])[] = []
    this.thread.guard.read(plan, (outcome) => {
      told.push([outcome instanceof KVError ? outcome.code : 'well', timers.nowMs - startedAtMs])
    })
    for (let ms = 0; ms < 2_000 && told.length === 0; ms += 1) timers.advance(1)
    // opossum opens with a microtask of its own.
    await new Promise((resolve) => setImmediate(resolve))
    const [first] = told
    assert.ok(first !== undefined && told.length === 1, `told ${told.length} times`)
    return first
  }

  async askOften(times: number, waitsMs: number): Promise<void> {
    for (let call = 0; call < times; call += 1) await this.ask(waitsMs)
  }

  /** As an origin does: it gives up at the deadline that it is asked with. */
  #answer({ admitted }: ReadPlan, done: (outcome: ReadResult | KVError) => void): void {
    const { timers } = this.world
    const leftMs = admitted.request.context.deadline - timers.nowMs
    if (leftMs <= 0 || (this.takesMs ?? Number.POSITIVE_INFINITY) > leftMs) {
      timers.start(Math.max(0, leftMs), () => done(new KVError('DEADLINE_EXCEEDED', 'no answer')))
    } else timers.start(this.takesMs ?? 0, () => done(READ))
  }
}

suite('callers that hardly wait', () => {
  test('a backend that stalls is noticed though no caller waits longer than 20 ms', async () => {
    const world = new Impatient()
    world.takesMs = 5
    await world.askOften(300, 20)
    world.takesMs = null
    const stalledAtMs = world.world.timers.nowMs
    while (!world.isOpen && world.world.timers.nowMs < stalledAtMs + 5_000) {
      assert.deepEqual(await world.ask(20), ['DEADLINE_EXCEEDED', 20])
    }
    const afterMs = world.world.timers.nowMs - stalledAtMs
    assert.ok(world.isOpen && afterMs <= 750, `${afterMs} ms`)
  })

  test('one that pauses for 400 ms is not blamed', async () => {
    const world = new Impatient()
    world.takesMs = 5
    await world.askOften(300, 20)
    world.takesMs = null
    await world.askOften(20, 20)
    world.takesMs = 5
    await world.askOften(20, 20)
    assert.equal(world.isOpen, false)
  })

  test('one that never answered is noticed, too', async () => {
    const world = new Impatient()
    const startedAtMs = world.world.timers.nowMs
    while (!world.isOpen && world.world.timers.nowMs < startedAtMs + 5_000) await world.ask(20)
    assert.ok(world.isOpen && world.world.timers.nowMs <= 1_250, `${world.world.timers.nowMs} ms`)
  })

  test('one that is well is not blamed for callers who leave before its answer', async () => {
    const world = new Impatient()
    world.takesMs = 30
    for (let call = 0; call < 300; call += 1) {
      assert.deepEqual(await world.ask(10), ['DEADLINE_EXCEEDED', 10])
    }
    assert.equal(world.isOpen, false)
    assert.deepEqual(await world.ask(50), ['well', 30])
  })

  test('nor is one that is slow by nature, as long as it answers as it always does', async () => {
    const world = new Impatient()
    world.takesMs = 150
    await world.askOften(150, 400)
    for (let call = 0; call < 100; call += 1) {
      assert.deepEqual(await world.ask(120), ['DEADLINE_EXCEEDED', 120])
    }
    assert.equal(world.isOpen, false)
  })

  test('what a call holds is given back when the backend answers, and not later than its fair time', async () => {
    const world = new Impatient()
    world.takesMs = 30
    await world.ask(10)
    assert.equal(world.thread.guard.inFlight, 1)
    world.world.timers.advance(20)
    assert.equal(world.thread.guard.inFlight, 0)
    world.takesMs = null
    await world.ask(10)
    world.world.timers.advance(1_000)
    assert.equal(world.thread.guard.inFlight, 0)
    assert.equal(world.world.timers.pendingCount, 0)
  })

  test('a deadline of the settings that is shorter than fair is what silence is measured by', async () => {
    const world = new Impatient({ deadlineMs: 40 })
    await world.askOften(6, 1_000)
    assert.equal(world.isOpen, true)
  })

  test('a call whose time is up already is not prolonged', async () => {
    const { world, thread } = new Impatient()
    const deadlines: number[] = []
    thread.inner.read = ({ admitted }, done) => {
      deadlines.push(admitted.request.context.deadline)
      done(new KVError('DEADLINE_EXCEEDED', 'late'))
    }
    world.timers.advance(50)
    for (let call = 0; call < 10; call += 1) {
      thread.guard.read(withDeadline(readPlan('k'), 40), () => undefined)
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.deepEqual([...new Set(deadlines)], [40])
    assert.equal(thread.guard.isOpen, false)
  })

  test('a write is not prolonged: it would happen after its caller was told that it may not have', () => {
    const { world, thread } = new Impatient()
    thread.inner.answer = null
    const plan = mutatePlan()
    const { request } = plan.admitted
    const context = { ...request.context, deadline: 20 }
    const asked = { ...plan, admitted: { ...plan.admitted, request: { ...request, context } } }
    let written: MutatePlan | null = null
    thread.inner.mutate = (one) => (written = one)
    thread.guard.mutate(asked, () => assert.fail('the backend tells when it is given up'))
    assert.equal(written, asked)
    world.timers.advance(5_000)
    assert.equal(world.timers.pendingCount, 0)
  })
})
