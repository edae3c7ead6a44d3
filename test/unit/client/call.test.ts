/** What is tried again, when, and what is known afterwards; over a pool that answers as the test says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { perform, type Call, type CallPool } from '../../../src/client/call.js'
import type { Connection, Done } from '../../../src/client/connection.js'
import { KVStoreError, type KVStoreErrorFields } from '../../../src/client/errors.js'
import { FakeTimers } from '../../support/fake-timers.js'

type Answer = KVStoreError | 'ok' | 'nothing'

/** A pool whose connections answer each attempt as listed, the last answer for ever. */
class World {
  readonly timers = new FakeTimers()
  readonly clock = { nowMs: () => this.timers.nowMs, start: this.timers.start }
  /** When each attempt was sent, and the deadline it stated. */
  readonly sent: { readonly atMs: number; readonly remainingMs: number }[] = []
  readonly closing = new AbortController()
  abandoned = 0
  readonly #answers: readonly Answer[]

  constructor(...answers: Answer[]) {
    this.#answers = answers
  }

  readonly pool: CallPool = {
    lastFailure: null,
    closing: this.closing.signal,
    submit: (waiter) => {
      const answer = this.#answers[Math.min(this.sent.length, this.#answers.length - 1)]
      const send = (_: string, argument: unknown, done: Done): (() => void) => {
        this.sent.push({ atMs: this.timers.nowMs, remainingMs: Number(argument) })
        if (answer === 'ok') done(null, 'answer')
        else if (answer !== 'nothing' && answer !== undefined) done(answer)
        return () => this.abandoned++
      }
      waiter.start({ send } as unknown as Connection) // the one method that a call uses
      return () => undefined
    },
  }

  /** The call's end, time being moved on until it is there. */
  async end(call: Partial<Call>): Promise<unknown> {
    const whole: Call = {
      method: 'put',
      isWrite: true,
      isRepeatable: false,
      deadlineMs: 10_000,
      maxAttempts: 4,
      dataset: 'd',
      makeArgument: (remainingMs) => remainingMs,
      ...call,
    }
    const ends: unknown[] = []
    void perform(whole, this.pool, this.clock).then(
      (answer) => ends.push(answer),
      (error: unknown) => ends.push(error),
    )
    for (;;) {
      for (let turn = 0; turn < 20; turn++) await Promise.resolve()
      if (ends.length > 0) return ends[0]
      this.timers.advance(1)
    }
  }

  async failure(call: Partial<Call>): Promise<KVStoreError> {
    const end = await this.end(call)
    assert.ok(end instanceof KVStoreError, `no failure: ${String(end)}`)
    return end
  }
}

function failed(code: KVStoreErrorFields['code'], fields: Partial<KVStoreErrorFields> = {}): KVStoreError {
  return new KVStoreError('it failed', { code, ...fields })
}

const READ = { isWrite: false, isRepeatable: true, method: 'get' }
const WITH_TOKEN = { isRepeatable: true }
const UNKNOWN = { outcome: 'UNKNOWN' } as const
const NOT_APPLIED = { outcome: 'NOT_APPLIED' } as const

const CASES: readonly (readonly [
  title: string,
  call: Partial<Call>,
  answers: readonly Answer[],
  attempts: number,
])[] = [
  ['a read is repeated after a lost connection', READ, [failed('UNAVAILABLE'), 'ok'], 2],
  ['a read is not repeated after a refusal', READ, [failed('INVALID_ARGUMENT'), 'ok'], 1],
  [
    'a read that the server calls retryable is, whatever the code',
    READ,
    [failed('INTERNAL', { retryable: true }), 'ok'],
    2,
  ],
  ['a read is attempted maxAttempts times at most', READ, [failed('UNAVAILABLE')], 4],
  ['a plain write is repeated when nothing was applied', {}, [failed('OVERLOADED', NOT_APPLIED), 'ok'], 2],
  [
    'a plain write is not repeated when it may have been applied',
    {},
    [failed('UNAVAILABLE', UNKNOWN), 'ok'],
    1,
  ],
  ['a plain write is not repeated when nothing is said of its outcome', {}, [failed('UNAVAILABLE'), 'ok'], 1],
  [
    'a write with a token is repeated when it may have been applied',
    WITH_TOKEN,
    [failed('UNAVAILABLE'), 'ok'],
    2,
  ],
  [
    'a write with a token is not repeated after a refusal',
    WITH_TOKEN,
    [failed('READ_ONLY', NOT_APPLIED), 'ok'],
    1,
  ],
]

for (const [title, call, answers, attempts] of CASES) {
  test(title, async () => {
    const world = new World(...answers)
    await world.end(call)
    assert.equal(world.sent.length, attempts)
  })
}

test('what one attempt left unknown stays unknown, though the next one says that nothing was applied', async () => {
  const world = new World(failed('UNAVAILABLE', UNKNOWN), failed('READ_ONLY', NOT_APPLIED))
  const error = await world.failure(WITH_TOKEN)
  assert.deepEqual([error.code, error.outcome], ['READ_ONLY', 'UNKNOWN'])
})

test('a lost write is UNKNOWN, a lost read has no outcome', async () => {
  assert.equal((await new World(failed('UNAVAILABLE')).failure({})).outcome, 'UNKNOWN')
  assert.equal((await new World(failed('UNAVAILABLE', UNKNOWN)).failure(READ)).outcome, undefined)
})

test('the server names the shortest wait, and each attempt states what is left of the deadline', async () => {
  const world = new World(failed('THROTTLED', { retryAfterMs: 3_000 }), 'ok')
  assert.equal(await world.end(READ), 'answer')
  assert.deepEqual(world.sent, [
    { atMs: 0, remainingMs: 10_000 },
    { atMs: 3_000, remainingMs: 7_000 },
  ])
})

test('a wait that would end after the deadline is not begun', async () => {
  const world = new World(failed('THROTTLED', { retryAfterMs: 10_000 }))
  assert.equal((await world.failure(READ)).code, 'THROTTLED')
  assert.equal(world.timers.nowMs, 0)
})

test('waits grow with every attempt and stay under their limits', async () => {
  const world = new World(failed('UNAVAILABLE'))
  await world.failure({ ...READ, maxAttempts: 10 })
  const waits = world.sent.slice(1).map(({ atMs }, index) => atMs - (world.sent[index]?.atMs ?? 0))
  assert.equal(waits.length, 9)
  waits.forEach((waitMs, index) => {
    const mostMs = Math.min(1_000, 25 * 2 ** index)
    assert.ok(waitMs >= mostMs / 2 && waitMs <= mostMs + 1, `wait ${index}: ${waitMs} ms of ${mostMs}`)
  })
})

test('an answer that does not come ends the call at its deadline, and is given up', async () => {
  const world = new World('nothing')
  const error = await world.failure({ ...WITH_TOKEN, deadlineMs: 70 })
  assert.deepEqual([error.code, error.outcome, error.dataset], ['DEADLINE_EXCEEDED', 'UNKNOWN', 'd'])
  assert.deepEqual([world.timers.nowMs, world.abandoned, world.timers.pendingCount], [70, 1, 0])
})

test('closing the client ends the wait before the next attempt', async () => {
  const world = new World(failed('THROTTLED', { retryAfterMs: 5_000 }), 'ok')
  const end = perform(
    { ...READ, deadlineMs: 10_000, maxAttempts: 2, dataset: 'd', makeArgument: (ms) => ms },
    world.pool,
    world.clock,
  )
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
  world.closing.abort()
  assert.equal(await end, 'answer')
  assert.deepEqual([world.timers.nowMs, world.timers.pendingCount], [0, 0])
})

test('a call that ends leaves no timer behind', async () => {
  const world = new World('ok')
  await world.end(READ)
  assert.equal(world.timers.pendingCount, 0)
})
