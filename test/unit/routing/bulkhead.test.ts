import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KVError } from '../../../src/base/errors.js'
import { NO_DEADLINE } from '../../../src/base/deadline.js'
import { Bulkhead } from '../../../src/routing/bulkhead.js'
import { FakeTimers } from '../../support/fake-timers.js'

class Callers {
  readonly timers = new FakeTimers()
  readonly bulkhead: Bulkhead
  /** What became of each, in order. */
  readonly events: string[] = []

  constructor(bounds: {
    readonly maxInFlight: number
    readonly maxQueued: number
    readonly maxBytes?: number
  }) {
    const clock = { nowUs: () => 0n, nowMs: () => 0, monotonicMs: () => this.timers.nowMs }
    this.bulkhead = new Bulkhead({
      name: 'west',
      maxBytes: 1_000,
      ...bounds,
      clock,
      startTimer: this.timers.start,
    })
  }

  enter(name: string, { bytes = 1, deadline = NO_DEADLINE } = {}): void {
    this.bulkhead.enter({
      bytes,
      deadline,
      start: () => this.events.push(name),
      refuse: ({ code }: KVError) => this.events.push(`${name} ${code}`),
    })
  }
}

test('calls beyond those in flight wait in order, and beyond those that may wait are refused', () => {
  const callers = new Callers({ maxInFlight: 1, maxQueued: 2 })
  for (const name of ['a', 'b', 'c', 'd']) callers.enter(name)
  assert.deepEqual(callers.events, ['a', 'd OVERLOADED'])
  callers.bulkhead.leave(1)
  callers.bulkhead.leave(1)
  assert.deepEqual(callers.events, ['a', 'd OVERLOADED', 'b', 'c'])
  assert.deepEqual([callers.bulkhead.inFlight, callers.bulkhead.queued], [1, 0])
  callers.bulkhead.leave(1)
  assert.equal(callers.bulkhead.inFlight, 0)
})

test('bytes are bounded, those in flight and those that wait together; one call alone may be larger', () => {
  const callers = new Callers({ maxInFlight: 2, maxQueued: 2, maxBytes: 10 })
  callers.enter('large', { bytes: 50 })
  callers.enter('small', { bytes: 1 })
  callers.bulkhead.leave(50)
  callers.enter('again', { bytes: 10 })
  assert.deepEqual(callers.events, ['large', 'small OVERLOADED', 'again'])
})

test('who waits is refused at its deadline, while others wait on', () => {
  const callers = new Callers({ maxInFlight: 1, maxQueued: 3 })
  callers.enter('a')
  callers.enter('late', { deadline: 20 })
  callers.enter('later', { deadline: 50 })
  callers.enter('patient')
  callers.timers.advance(20)
  assert.deepEqual(callers.events, ['a', 'late DEADLINE_EXCEEDED'])
  callers.timers.advance(30)
  assert.deepEqual(callers.events, ['a', 'late DEADLINE_EXCEEDED', 'later DEADLINE_EXCEEDED'])
  callers.bulkhead.leave(1)
  assert.equal(callers.events.at(-1), 'patient')
  assert.equal(callers.timers.pendingCount, 0)
})

test('a second attempt enters only where there is room at once', () => {
  const callers = new Callers({ maxInFlight: 1, maxQueued: 1 })
  assert.equal(callers.bulkhead.tryEnter(1), true)
  assert.equal(callers.bulkhead.tryEnter(1), false)
  callers.bulkhead.leave(1)
  assert.equal(callers.bulkhead.tryEnter(1), true)
})

test('closing refuses who waits', () => {
  const callers = new Callers({ maxInFlight: 1, maxQueued: 1 })
  callers.enter('a')
  callers.enter('b', { deadline: 10 })
  callers.bulkhead.close()
  assert.deepEqual(callers.events, ['a', 'b UNAVAILABLE'])
  assert.equal(callers.timers.pendingCount, 0)
})
