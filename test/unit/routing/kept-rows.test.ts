import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import type { RowOutcome } from '../../../src/model/row.js'
import { copyRows, keptBytes } from '../../../src/routing/kept-rows.js'
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
