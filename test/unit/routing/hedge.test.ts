import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Done, type ErrorCode, KVError } from '../../../src/base/errors.js'
import { inTwoAttempts } from '../../../src/routing/hedge.js'
import { RetryBudget } from '../../../src/routing/retry-budget.js'
import { FakeTimers } from '../../support/fake-timers.js'

const fail = (code: ErrorCode) => new KVError(code, code, { outcome: 'NOT_APPLIED' })

class Run {
  readonly timers = new FakeTimers()
  readonly attempts: Done<string>[] = []
  readonly outcomes: string[] = []
  readonly seconds: string[] = []
  hasRoom = true

  start({ hedgeAfterMs = 0, budget = new RetryBudget(10) } = {}): this {
    inTwoAttempts<string>(
      (done, isFirst) => {
        if (!isFirst && !this.hasRoom) return false
        this.attempts.push(done)
        return true
      },
      { budget, startTimer: this.timers.start, hedgeAfterMs, onSecond: (why) => this.seconds.push(why) },
      (outcome) => this.outcomes.push(outcome instanceof KVError ? outcome.code : outcome),
    )
    return this
  }

  answer(attempt: number, outcome: string | KVError): void {
    this.attempts[attempt]?.(outcome)
  }
}

suite('a read in two attempts', () => {
  test('a failed connection is tried again once, at once', () => {
    const run = new Run().start()
    run.answer(0, fail('UNAVAILABLE'))
    run.answer(1, 'well')
    assert.deepEqual([run.outcomes, run.seconds], [['well'], ['retry']])
    const twice = new Run().start()
    twice.answer(0, fail('UNAVAILABLE'))
    twice.answer(1, fail('UNAVAILABLE'))
    assert.deepEqual([twice.outcomes, twice.attempts.length], [['UNAVAILABLE'], 2])
  })

  test('other failures are answers, and are not tried again', () => {
    for (const code of ['DEADLINE_EXCEEDED', 'DATASET_NOT_FOUND', 'OVERLOADED', 'INTERNAL'] as const) {
      const run = new Run().start({ hedgeAfterMs: 10 })
      run.answer(0, fail(code))
      assert.deepEqual([run.outcomes, run.attempts.length, run.timers.pendingCount], [[code], 1, 0])
    }
  })

  test('what the backend itself answered is not asked for again', () => {
    const run = new Run().start()
    run.answer(0, new KVError('UNAVAILABLE', 'READ_ERROR'))
    assert.deepEqual([run.outcomes, run.attempts.length], [['UNAVAILABLE'], 1])
  })

  test('a late answer is hedged: the first good one counts, the other is dropped', () => {
    const run = new Run().start({ hedgeAfterMs: 10 })
    run.timers.advance(9)
    assert.equal(run.attempts.length, 1)
    run.timers.advance(1)
    run.answer(1, 'second')
    run.answer(0, 'first')
    assert.deepEqual([run.outcomes, run.seconds], [['second'], ['hedge']])
  })

  test('one failed attempt waits for the other', () => {
    const run = new Run().start({ hedgeAfterMs: 10 })
    run.timers.advance(10)
    run.answer(1, fail('DEADLINE_EXCEEDED'))
    assert.deepEqual(run.outcomes, [])
    run.answer(0, 'first')
    assert.deepEqual(run.outcomes, ['first'])
  })

  test('an answer in time starts no timer that stays', () => {
    const run = new Run().start({ hedgeAfterMs: 10 })
    run.answer(0, 'well')
    assert.equal(run.timers.pendingCount, 0)
  })

  test('without room there is no second attempt', () => {
    const run = new Run().start()
    run.hasRoom = false
    run.answer(0, fail('UNAVAILABLE'))
    assert.deepEqual([run.outcomes, run.seconds], [['UNAVAILABLE'], []])
  })

  // Of an origin whose breaker opened all that waited were refused, and what the budget had saved was gone.
  test('one that was not made costs nothing of the budget', () => {
    const budget = new RetryBudget(1)
    for (let read = 0; read < 20; read += 1) {
      const run = new Run().start({ budget })
      run.hasRoom = false
      run.answer(0, fail('UNAVAILABLE'))
    }
    const run = new Run().start({ budget })
    run.answer(0, fail('UNAVAILABLE'))
    assert.deepEqual(run.seconds, ['retry'])
  })
})

test('second attempts are a share of the reads, and a few beyond', () => {
  const budget = new RetryBudget(10)
  const count = (reads: number): number => {
    let second = 0
    for (let read = 0; read < reads; read += 1) {
      budget.earn()
      if (budget.spend()) second += 1
    }
    return second
  }
  assert.ok(count(1_000) <= 111)
  const later = count(1_000)
  assert.ok(later >= 99 && later <= 101, String(later))
  const none = new RetryBudget(0)
  none.earn()
  assert.equal(none.spend(), false)
})
