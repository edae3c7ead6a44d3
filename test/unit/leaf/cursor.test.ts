/** Cursors and the entries in hand: boundaries in both directions, whatever is read before, and what ends them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Entries } from '../../../src/leaf/rocksdb/read/entries.js'
import { ReadWorld } from './read-world.js'

const KEYS = Array.from({ length: 600 }, (_, i) => Buffer.from([1 + (i >> 8), i & 0xff]))
const boundaries = fc
  .tuple(fc.integer({ min: 0, max: 4 }), fc.nat(255), fc.boolean())
  .map(([high, low, isLonger]) => Buffer.from(isLonger ? [high, low, 0] : [high, low]))

type Move = { readonly seek: Buffer } | { readonly glance: Buffer } | { readonly read: number }

const moves: fc.Arbitrary<readonly Move[]> = fc.array(
  fc.oneof(
    fc.record({ seek: boundaries }),
    fc.record({ glance: boundaries }),
    fc.record({ read: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 700 })) }),
  ),
  { maxLength: 20 },
)

test('whatever is read and sought, the next entries are those behind the boundary, within the range', async (t) => {
  const world = await ReadWorld.writable({ format: 'mutable' })
  t.after(() => world.dispose())
  world.write(KEYS.map((key) => [key, key]))
  const ends = fc.record({ from: boundaries, to: fc.option(boundaries), isReversed: fc.boolean() })
  fc.assert(
    fc.property(ends, moves, fc.integer({ min: 2, max: 40 }), (range, list, firstStep) => {
      const { from, to, isReversed } = range
      const within = KEYS.filter((key) => key.compare(from) >= 0 && (to === null || key.compare(to) < 0))
      if (isReversed) within.reverse()
      const cursor = world.database.openCursor({ ...range, fillsCache: false })
      try {
        const entries = new Entries(cursor, { isReversed, firstStep })
        let at = 0
        for (const move of list) {
          if (!('read' in move)) {
            const to = 'seek' in move ? move.seek : move.glance
            if ('seek' in move) entries.seek(to)
            else entries.glance(to)
            at = within.findIndex((key) => (isReversed ? key.compare(to) < 0 : key.compare(to) >= 0))
            if (at === -1) at = within.length
            continue
          }
          for (let i = 0; i < move.read; i++) {
            if (!entries.hasNext && !entries.fill()) {
              assert.equal(at, within.length)
              break
            }
            assert.equal(entries.key.toString('hex'), within[at]?.toString('hex'))
            assert.ok(entries.value.equals(entries.key))
            entries.advance()
            at++
          }
        }
      } finally {
        cursor.close()
      }
    }),
    { numRuns: 300 },
  )
})

test('a cursor keeps its DB open, is closed once, and refuses what would end the process', async () => {
  const world = await ReadWorld.writable({ format: 'mutable' })
  world.write(KEYS.map((key) => [key, key]))
  const attached = world.attach()
  const whole = { from: Buffer.from([0]), to: null, isReversed: false, fillsCache: false }
  const cursor = attached.openCursor(whole)
  assert.throws(() => attached.detach(), { code: 'FAILED_PRECONDITION' })
  for (const count of [0, -1, 0.5, Number.NaN, 10_001, 2 ** 31]) {
    assert.throws(() => cursor.next(count), { code: 'INVALID_ARGUMENT' })
  }
  assert.throws(() => cursor.seek(Buffer.alloc(0)), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => attached.openCursor({ ...whole, from: Buffer.alloc(0) }), { code: 'INVALID_ARGUMENT' })
  assert.equal(cursor.next(10_000).length, 2 * KEYS.length)
  assert.equal(cursor.isDone, true)
  // The native iterator must not be moved on behind its end.
  assert.deepEqual(cursor.next(10), [])
  cursor.seek(KEYS[599] ?? Buffer.alloc(1))
  assert.equal(cursor.next(10).length, 2)
  cursor.close()
  cursor.close()
  assert.throws(() => cursor.next(1), { code: 'INTERNAL' })
  assert.throws(() => cursor.seek(Buffer.from([1])), { code: 'INTERNAL' })
  attached.detach()
  assert.throws(() => attached.openCursor(whole), { code: 'SHARD_NOT_SERVING' })
  await world.dispose()
})

test('a range whose end is not behind its start is empty', async (t) => {
  const world = await ReadWorld.writable({ format: 'mutable' })
  t.after(() => world.dispose())
  world.write(KEYS.map((key) => [key, key]))
  for (const isReversed of [false, true]) {
    for (const to of [Buffer.from([2]), Buffer.from([1])]) {
      const cursor = world.database.openCursor({ from: Buffer.from([2]), to, isReversed, fillsCache: false })
      assert.deepEqual(cursor.next(10), [])
      cursor.seek(Buffer.from([2, 5]))
      assert.deepEqual(cursor.next(10), [])
      cursor.close()
    }
  }
})
