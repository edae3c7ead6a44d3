import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { type RowOutcome, WHOLE_ROW } from '../../../src/model/row.js'
import { copyRows, keptBytes, keptRequestBytes } from '../../../src/routing/kept-rows.js'
import { cell } from '../../support/datasets.js'

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

// A key of one byte in a frame of a megabyte counted for one byte, and so did a selection of a thousand columns.
test('what a read asks for counts by what it keeps: its selection, and the whole of a frame of its own', () => {
  const asking = (rowKeys: readonly Buffer[]) => ({ rowKeys, selector: null, selectorsByKey: null })
  assert.equal(keptRequestBytes(asking([])), 0)
  const shared = Buffer.alloc(64 * 1024)
  assert.equal(keptRequestBytes(asking([shared.subarray(0, 10), shared.subarray(10, 30)])), 30)
  const alone = Buffer.alloc(1024 * 1024)
  assert.equal(keptRequestBytes(asking([alone.subarray(0, 1)])), alone.length)
  const keys = Array.from({ length: 1_000 }, () => shared.subarray(0, 100))
  const selector = { ...WHOLE_ROW, localKeys: keys, ranges: [{ from: shared.subarray(0, 50), to: null }] }
  const whole = keptRequestBytes({ ...asking([shared.subarray(0, 10)]), selector })
  assert.ok(whole >= 100_060 && whole < 200_000, String(whole))
  const each = { ...asking([shared.subarray(0, 10)]), selectorsByKey: [selector, null] }
  assert.equal(keptRequestBytes(each), whole)
})
