import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HeldBytes } from '../../../src/leaf/rocksdb/read/held-bytes.js'
import { TurnedRow } from '../../../src/leaf/rocksdb/read/turned-row.js'

const columns = fc.array(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 3 }), {
  maxLength: 12,
})
const limits = fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 5 }))

test('a row that comes the wrong way round is cut where it would be the right way round', () => {
  fc.assert(
    fc.property(columns, limits, fc.integer({ min: 1, max: 200 }), (list, limit, room) => {
      const held = new HeldBytes(100_000)
      const turned = new TurnedRow({ held, room, limit })
      for (const [column, sizes] of list.entries()) {
        for (const [i, pageBytes] of sizes.entries()) {
          const cell = {
            localKey: Buffer.from([column]),
            value: Buffer.from([i]),
            timestamp: null,
            ttlSeconds: null,
          }
          turned.push({ cell, version: BigInt(-i), heldBytes: pageBytes, pageBytes }, i === 0)
        }
      }
      const wanted = list
        .map((sizes, column) => sizes.map((size, i) => ({ column, i, size })))
        .reverse()
        .slice(0, limit)
        .flat()
      let sum = 0
      const full = wanted.findIndex(({ size }) => (sum += size) >= room)
      const last = full === -1 || full === wanted.length - 1 ? null : wanted[full]
      const kept = last === null ? wanted : wanted.slice(0, full + 1)
      const { row } = turned.row()
      assert.deepEqual(row?.cells.map(({ localKey, value }) => [localKey[0], value[0]]) ?? [], kept.map(({ column, i }) => [column, i])) // prettier-ignore
      const next = last === null || last === undefined ? null : {
        localKey: Buffer.from([last.column]),
        timestamp: BigInt(-last.i),
        columns: list.length - last.column,
      } // prettier-ignore
      assert.deepEqual(row?.next ?? null, next)
    }),
    { numRuns: 1_000 },
  )
})

test('columns that cannot be answered any more are not held', () => {
  const held = new HeldBytes(1_000)
  const turned = new TurnedRow({ held, room: 100, limit: Number.POSITIVE_INFINITY })
  for (let column = 0; column < 500; column++) {
    const cell = {
      localKey: Buffer.from([column & 0xff]),
      value: Buffer.alloc(0),
      timestamp: null,
      ttlSeconds: null,
    }
    turned.push({ cell, version: 0n, heldBytes: 50, pageBytes: 50 }, true)
  }
  assert.ok(held.leftBytes > 500)
})

const NEXT_OF_LONG = { localKey: Buffer.from([7]), columns: 1 }
const NEXT_BEFORE = { localKey: Buffer.from([6]), timestamp: 0n, columns: 1 }
const CUT_ROWS = [
  { name: 'held', heldBytes: 150, shown: [7, 7, 7, 7], next: { ...NEXT_OF_LONG, timestamp: -3n } },
  { name: 'held, and one before it', heldBytes: 150, before: 6, shown: [6], next: NEXT_BEFORE },
  { name: 'of the page', pageBytes: 5, shown: [7, 7], next: { ...NEXT_OF_LONG, timestamp: -1n } },
  {
    name: 'of the page, and one before it',
    pageBytes: 5,
    before: 6,
    shown: [6, 7],
    next: { ...NEXT_OF_LONG, timestamp: 0n, columns: 2 },
  },
] as const

for (const { name, shown, next, ...sizes } of CUT_ROWS) {
  test(`a column of more than there is room for is cut and not refused: ${name}`, () => {
    const { heldBytes, pageBytes, before } = { heldBytes: 1, pageBytes: 1, before: null, ...sizes }
    const turned = new TurnedRow({ held: new HeldBytes(1_000), room: 10, limit: 2 })
    const push = (column: number, version: number) => {
      const cell = { localKey: Buffer.from([column]), value: Buffer.alloc(0), timestamp: null, ttlSeconds: null } // prettier-ignore
      turned.push({ cell, version: BigInt(-version), heldBytes, pageBytes }, version === 0)
    }
    for (const column of [9, 8]) push(column, 0)
    for (let version = 0; version < 20; version++) push(7, version)
    if (before !== null) push(before, 0)
    const { row } = turned.row()
    assert.ok(row !== null)
    assert.deepEqual(row.cells.map(({ localKey }) => localKey[0]), shown) // prettier-ignore
    assert.deepEqual(row.next, next)
  })
}
