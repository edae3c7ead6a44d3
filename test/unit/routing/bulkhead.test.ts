import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { NO_DEADLINE } from '../../../src/base/deadline.js'
import { Bulkhead } from '../../../src/routing/bulkhead.js'
import { FakeTimers } from '../../support/fake-timers.js'

function never(error: KVError): never {
  throw error
}

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

test('is full once one more would be refused, of calls or of bytes', () => {
  const callers = new Callers({ maxInFlight: 1, maxQueued: 1, maxBytes: 10 })
  assert.equal(callers.bulkhead.isFull, false)
  callers.enter('a')
  assert.equal(callers.bulkhead.isFull, false)
  callers.enter('b')
  assert.equal(callers.bulkhead.isFull, true)
  callers.bulkhead.leave(1)
  assert.equal(callers.bulkhead.isFull, false)
  callers.bulkhead.leave(1)
  callers.enter('large', { bytes: 50 })
  assert.equal(callers.bulkhead.isFull, true)
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

test('who comes after the closing has its turn, or is refused in time, as before', () => {
  const callers = new Callers({ maxInFlight: 1, maxQueued: 40 })
  const { bulkhead, timers } = callers
  callers.enter('a')
  const start = (): void => bulkhead.leave(1)
  for (let number = 0; number < 40; number += 1) {
    bulkhead.enter({ bytes: 1, deadline: 10, start, refuse: () => undefined })
  }
  // Some had their turn, the next ones have it after a pause.
  bulkhead.leave(1)
  bulkhead.close()
  for (const name of ['b', 'c']) callers.enter(name)
  callers.enter('late', { deadline: 20 })
  timers.advance(20)
  bulkhead.leave(1)
  assert.deepEqual(callers.events, ['a', 'b', 'late DEADLINE_EXCEEDED', 'c'])
})

// Each call started the next one inside its own end: thousands of them, one in the other, were more than the stack holds.
// And all at one go, for as long as they take together: of a backend that is gone, before its breaker could open.
test('thousands of waiting calls that end as they start end one after the other, in order, a few at a time', () => {
  const waiting = 40_000
  const { bulkhead, events, timers } = new Callers({ maxInFlight: 1, maxQueued: waiting, maxBytes: 1e9 })
  const ended: number[] = []
  let depth = 0
  bulkhead.enter({ bytes: 1, deadline: NO_DEADLINE, start: () => events.push('first'), refuse: never })
  for (let number = 0; number < waiting; number += 1) {
    const start = (): void => {
      depth += 1
      assert.equal(depth, 1)
      ended.push(number)
      bulkhead.leave(1)
      depth -= 1
    }
    bulkhead.enter({ bytes: 1, deadline: NO_DEADLINE, start, refuse: never })
  }
  bulkhead.leave(1)
  assert.ok(ended.length > 0 && ended.length < 100, `${ended.length} at once`)
  timers.advance(waiting)
  assert.deepEqual(
    ended,
    Array.from({ length: waiting }, (_, number) => number),
  )
  assert.deepEqual([bulkhead.inFlight, bulkhead.queued], [0, 0])
})

test('a call that throws as it starts keeps no other one waiting', () => {
  const callers = new Callers({ maxInFlight: 1, maxQueued: 2 })
  callers.enter('a')
  const start = (): void => {
    throw new Error('broken')
  }
  callers.bulkhead.enter({ bytes: 1, deadline: NO_DEADLINE, start, refuse: never })
  callers.enter('c')
  assert.throws(() => callers.bulkhead.leave(1), /broken/)
  // Its place is its own to give back.
  callers.bulkhead.leave(1)
  assert.deepEqual(callers.events, ['a', 'c'])
})

test('of very many that wait the late ones are looked for now and then, and none is forgotten', () => {
  const waiting = 5_000
  const callers = new Callers({ maxInFlight: 1, maxQueued: waiting, maxBytes: 1e9 })
  callers.enter('a')
  for (let number = 0; number < waiting; number += 1) callers.enter('late', { deadline: 1 + number / 10 })
  let looks = 0
  for (let ms = 0; ms < 600; ms += 1) {
    const before = callers.bulkhead.queued
    callers.timers.advance(1)
    if (callers.bulkhead.queued < before) looks += 1
  }
  assert.equal(callers.events.filter((event) => event === 'late DEADLINE_EXCEEDED').length, waiting)
  // Four fifths of them by tens of milliseconds, the last thousand as exactly as ever.
  assert.ok(looks >= 100 && looks <= 160, `${looks} looks`)
  assert.deepEqual([callers.bulkhead.queued, callers.timers.pendingCount], [0, 0])
})

// A burst of calls had one deadline, and all that its end led to was done at one go.
test('those that are refused together are told a few at a time, in order, and their bytes count until then', () => {
  const callers = new Callers({ maxInFlight: 1, maxQueued: 100, maxBytes: 1_010 })
  callers.enter('a', { bytes: 10 })
  for (let number = 0; number < 100; number += 1) callers.enter(String(number), { bytes: 10, deadline: 20 })
  callers.timers.advance(20)
  const first = callers.events.length - 1
  assert.ok(first > 0 && first <= 20, `${first} at once`)
  callers.enter('no room', { bytes: 1_000 })
  assert.equal(callers.events.at(-1), 'no room OVERLOADED')
  callers.timers.advance(1)
  assert.equal(callers.events.length, 2 + 2 * first)
  callers.timers.advance(20)
  const late = callers.events.filter((event) => event.endsWith(' DEADLINE_EXCEEDED'))
  assert.deepEqual(
    late,
    Array.from({ length: 100 }, (_, number) => `${number} DEADLINE_EXCEEDED`),
  )
  callers.enter('room', { bytes: 1_000 })
  callers.bulkhead.leave(10)
  assert.equal(callers.events.at(-1), 'room')
  assert.equal(callers.timers.pendingCount, 0)
})

test('all that wait are refused before their turn, and closing leaves none of them untold', () => {
  const callers = new Callers({ maxInFlight: 1, maxQueued: 100 })
  callers.enter('a')
  for (let number = 0; number < 100; number += 1) callers.enter('b', { deadline: 20 })
  callers.bulkhead.refuseWaiting(() => new KVError('UNAVAILABLE', 'its breaker is open'))
  assert.equal(callers.bulkhead.queued, 0)
  const told = callers.events.length
  assert.ok(told < 100)
  callers.bulkhead.close()
  assert.deepEqual(new Set(callers.events), new Set(['a', 'b UNAVAILABLE']))
  callers.timers.advance(100)
  assert.deepEqual([callers.events.length, callers.timers.pendingCount], [101, 0])
})
