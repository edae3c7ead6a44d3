import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HeldBytes } from '../../../src/leaf/rocksdb/held-bytes.js'
import { TurnedRow } from '../../../src/leaf/rocksdb/turned-row.js'

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
