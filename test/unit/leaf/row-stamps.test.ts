import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RowStamps } from '../../../src/leaf/rocksdb/write/writable-shard.js'

test('stamps of a row rise whatever the clock does and however few rows are remembered', () => {
  const step = fc.record({
    row: fc.integer({ min: 0, max: 5 }),
    clockStep: fc.integer({ min: -50, max: 50 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 8 }), (steps, maxRows) => {
      let now = 1_000
      const stamps = new RowStamps(() => now, 990, maxRows)
      const last = new Map<number, number>()
      for (const { row, clockStep } of steps) {
        now += clockStep
        const stamp = stamps.next(String(row))
        assert.ok(stamp > (last.get(row) ?? 990) && stamp >= now)
        last.set(row, stamp)
        assert.equal(stamps.greatest, Math.max(...last.values(), stamps.greatest))
      }
    }),
  )
})

test('stamps follow the clock when it runs ahead of them', () => {
  let now = 1_000
  const stamps = new RowStamps(() => now, 0)
  assert.deepEqual([stamps.next('a'), stamps.next('a'), stamps.next('b')], [1_000, 1_001, 1_000])
  now = 2_000
  assert.deepEqual([stamps.next('a'), stamps.greatest], [2_000, 2_000])
})

test('stamps begin above the floor', () => {
  const stamps = new RowStamps(() => 10, 500)
  assert.deepEqual([stamps.next('a'), stamps.next('b'), stamps.greatest], [501, 501, 501])
})
