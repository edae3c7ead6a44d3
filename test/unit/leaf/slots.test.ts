import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Slots } from '../../../src/leaf/slots.js'

/** Starts works that end on command; answers the names in the order in which they started. */
function world(count: number) {
  const slots = new Slots(count)
  const started: string[] = []
  const ends: (() => void)[] = []
  const owners = { a: {}, b: {} }
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  const add = (name: string, owner: 'a' | 'b', priority: number) => {
    const work = () => {
      started.push(name)
      return new Promise<void>((resolve) => ends.push(resolve))
    }
    void slots.run(work, { owner: owners[owner], priority })
  }
  /** The one that began first. */
  const endOne = async () => {
    ends.shift()?.()
    await settle()
  }
  return { slots, started, owners, add, endOne, settle }
}

test('so many run at once, the most urgent next, of equals the first', async () => {
  const { started, add, endOne, settle } = world(2)
  for (const [name, priority] of [
    ['x', 2],
    ['y', 2],
    ['late', 2],
    ['mid', 1],
    ['mid2', 1],
    ['now', 0],
  ] as const) {
    add(name, 'a', priority)
  }
  await settle()
  assert.deepEqual(started, ['x', 'y'])
  for (let step = 0; step < 4; step++) await endOne()
  assert.deepEqual(started, ['x', 'y', 'now', 'mid', 'mid2', 'late'])
})

test('what is hastened comes before everything, and in its own order', async () => {
  const { slots, started, owners, add, endOne, settle } = world(1)
  add('first', 'a', 2)
  for (const name of ['a1', 'a2']) add(name, 'a', 2)
  for (const name of ['b1', 'b2']) add(name, 'b', 2)
  await settle()
  slots.hasten(owners.b)
  add('asked', 'a', 0)
  for (let step = 0; step < 5; step++) await endOne()
  assert.deepEqual(started, ['first', 'b1', 'b2', 'asked', 'a1', 'a2'])
})

test('what is limited takes only its part, what is more urgent the rest', async () => {
  const { slots, started, owners, add, endOne, settle } = world(3)
  slots.limitFrom(2, 1)
  for (const name of ['x', 'y', 'z']) add(name, 'a', 3)
  await settle()
  assert.deepEqual(started, ['x'])
  add('asked', 'b', 0)
  add('later', 'b', 2)
  await settle()
  assert.deepEqual(started, ['x', 'asked'])
  // The place is there: what is hastened takes it at once.
  slots.hasten(owners.b)
  await settle()
  assert.deepEqual(started, ['x', 'asked', 'later'])
  await endOne()
  assert.deepEqual(started, ['x', 'asked', 'later', 'y'])
  // Neither of these counts as one of the limited.
  for (let step = 0; step < 2; step++) await endOne()
  assert.deepEqual(started, ['x', 'asked', 'later', 'y'])
  await endOne()
  assert.deepEqual(started, ['x', 'asked', 'later', 'y', 'z'])
})

test('a limit that comes while more runs lets that end', async () => {
  const { slots, started, add, endOne, settle } = world(3)
  for (const name of ['a', 'b', 'c', 'd', 'e']) add(name, 'a', 2)
  await settle()
  slots.limitFrom(1, 1)
  for (let step = 0; step < 2; step++) await endOne()
  assert.deepEqual(started, ['a', 'b', 'c'])
  await endOne()
  assert.deepEqual(started, ['a', 'b', 'c', 'd'])
})

test('a work that fails gives its place on', async () => {
  const { slots, started, add, settle } = world(1)
  const failing = slots.run(() => Promise.reject(new Error('no')), { owner: {}, priority: 0 })
  add('next', 'a', 1)
  await assert.rejects(failing, /no/)
  await settle()
  assert.deepEqual(started, ['next'])
})
