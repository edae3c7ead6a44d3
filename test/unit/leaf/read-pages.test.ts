import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cutAtPage, pageBytesOf } from '../../../src/leaf/rocksdb/read/read-pages.js'
import type { Cell, Row } from '../../../src/model/row.js'

const cell = (name: string, timestamp: bigint | null): Cell => {
  return { localKey: Buffer.from(name), value: Buffer.from('v'), timestamp, ttlSeconds: null }
}

/** Of a sealed row, where some cells were loaded with a timestamp and some without. */
const MIXED: Row = { cells: [cell('a', null), cell('b', 5n), cell('c', null)], next: null }

test('timestamps that nobody asked for are left out, whichever cells have them', () => {
  const [whole, cut] = cutAtPage([MIXED, MIXED], { pageBytes: 130, withTimestamps: false })
  for (const row of [whole, cut]) {
    assert.ok(row !== null && row !== undefined && 'cells' in row)
    assert.deepEqual(new Set(row.cells.map(({ timestamp }) => timestamp)), new Set([null]))
  }
})

test('a row that is cut goes on behind its last cell, at the time of that, asked for or not', () => {
  for (const withTimestamps of [false, true]) {
    const [row] = cutAtPage([MIXED], { pageBytes: 60, withTimestamps })
    assert.ok(row !== null && row !== undefined && 'cells' in row)
    assert.deepEqual(row.next, { localKey: Buffer.from('b'), timestamp: 5n, columns: 2 })
    assert.deepEqual(
      row.cells.map(({ timestamp }) => timestamp),
      [null, withTimestamps ? 5n : null],
    )
  }
})

test('rows behind the one that fills the page are not read', () => {
  const rows = cutAtPage([MIXED, MIXED], { pageBytes: pageBytesOf(MIXED), withTimestamps: true })
  assert.deepEqual(rows[1], { cells: [], next: { localKey: null, timestamp: null, columns: 0 } })
})
