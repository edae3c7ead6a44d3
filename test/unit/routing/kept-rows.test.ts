import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { type RowOutcome, WHOLE_ROW } from '../../../src/model/row.js'
import { copyRequest, copyRows, keptBytes, keptRequestBytes } from '../../../src/routing/kept-rows.js'
import { cell, readRequest } from '../../support/datasets.js'

test('copies are equal, hold their own bytes alone, and all of those count: also where a row goes on', () => {
  const answer = Buffer.alloc(1024 * 1024, 'x')
  const next = { timestamp: 7n, columns: 1 }
  const rows: RowOutcome[] = [
    null,
    new KVError('UNAVAILABLE', 'gone'),
    {
      cells: [{ ...cell('', ''), localKey: answer.subarray(0, 10), value: answer.subarray(10, 110) }],
      next: null,
    },
    { cells: [], next: { ...next, localKey: answer.subarray(0, 20), originToken: answer.subarray(20, 50) } },
    { cells: [], next: { ...next, localKey: null } },
  ]
  const copies = copyRows(rows)
  assert.deepEqual(copies, rows)
  const [, , whole, cut] = copies
  assert.ok(whole != null && !(whole instanceof KVError) && cut != null && !(cut instanceof KVError))
  const buffers = [whole.cells[0]?.localKey, whole.cells[0]?.value, cut.next?.localKey, cut.next?.originToken]
  for (const buffer of buffers) assert.equal(buffer?.buffer.byteLength, 160)
  assert.ok(keptBytes(rows) >= 160 && keptBytes(rows) < 1_000)
})

// A key of one byte in a frame of a megabyte counted for one byte; later the first key's frame alone counted, and the others
// were kept for nothing.
test('what a read asks for is kept in bytes of its own, whatever frames it lies in, and all of those count', () => {
  const frames = [4, 1, 2].map((megabytes) => Buffer.alloc(megabytes * 1024 * 1024, 'frame'))
  const view = (frame: number, at: number, length: number): Buffer =>
    (frames[frame] ?? Buffer.alloc(0)).subarray(at, at + length)
  const selector = {
    ...WHOLE_ROW,
    localKeys: [view(1, 3, 30)],
    ranges: [
      { from: view(2, 0, 7), to: view(0, 9, 8) },
      { from: view(2, 4, 5), to: null },
    ],
  }
  const request = {
    ...readRequest([]),
    rowKeys: [view(0, 0, 10), view(1, 10, 20), view(2, 5, 0)],
    selector,
    selectorsByKey: [null, { ...selector, ranges: [] }, null],
    position: { localKey: view(1, 1, 2), timestamp: 7n, columns: 1, originToken: view(2, 1, 3) },
  }
  const copy = copyRequest(request)
  assert.deepEqual(copy, request)
  const own = new Set(buffersIn(copy).map(({ buffer }) => buffer))
  assert.equal(own.size, 1)
  for (const { byteLength } of own) assert.equal(byteLength, 30 + 30 + 20 + 30 + 5)
  assert.ok(keptRequestBytes(request) >= 115 && keptRequestBytes(request) < 1_000)
  const nothing = { ...request, selector: null, selectorsByKey: null, position: null }
  assert.equal(keptRequestBytes({ ...nothing, rowKeys: [] }), 0)
  // Names of one byte are more than their bytes.
  const many = { ...nothing, rowKeys: Array.from({ length: 1_000 }, () => view(0, 0, 1)) }
  assert.ok(keptRequestBytes(many) >= 50_000)
})

/** All there are, however deep. */
function buffersIn(value: unknown): Buffer[] {
  if (Buffer.isBuffer(value)) return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(buffersIn)
}
