import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Slots } from '../../../src/leaf/slots.js'

/** Starts works that end on command; answers the names in the order in which they started. */
function world(count: number) {
  const slots = new Slots(count)
  const started: string[] = []
  const ends: (() => void)[] = []
  const owners = { a: {}, b: {} }
  const add = (name: string, owner: 'a' | 'b', priority: number) => {
    const work = () => {
      started.push(name)
      return new Promise<void>((resolve) => ends.push(resolve))
    }
    void slots.run(work, { owner: owners[owner], priority })
  }
  const endOne = async () => {
    ends.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { slots, started, owners, add, endOne }
}

test('so many run at once, the most urgent next, of equals the first', async () => {
  const { started, add, endOne } = world(2)
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
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(started, ['x', 'y'])
  for (let step = 0; step < 4; step++) await endOne()
  assert.deepEqual(started, ['x', 'y', 'now', 'mid', 'mid2', 'late'])
})

test('what is hastened comes before everything, and in its own order', async () => {
  const { slots, started, owners, add, endOne } = world(1)
  add('first', 'a', 2)
  for (const name of ['a1', 'a2']) add(name, 'a', 2)
  for (const name of ['b1', 'b2']) add(name, 'b', 2)
  await new Promise((resolve) => setImmediate(resolve))
  slots.hasten(owners.b)
  add('asked', 'a', 0)
  for (let step = 0; step < 5; step++) await endOne()
  assert.deepEqual(started, ['first', 'b1', 'b2', 'asked', 'a1', 'a2'])
})
