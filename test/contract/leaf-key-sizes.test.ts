/** The longest keys there are, of the bytes that take the most room where they are stored, on every engine. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../src/base/limits.js'
import { cell } from '../support/leaf-engines.js'
import {
  append,
  condition,
  forWritableShards,
  named,
  put,
  range,
  remove,
  select,
} from '../support/leaf-suites.js'

const ROW = '\0'.repeat(limits.maxRowKeyBytes)
const COLUMN = '\0'.repeat(limits.maxLocalKeyBytes)

forWritableShards('leaf longest keys', (verbs) => {
  const sizes = async (selector = {}) =>
    (await verbs.row(ROW, { selector: select(selector) }))?.cells.map(({ localKey, value }) => [
      localKey.byteLength,
      value.toString(),
    ])

  test('keys of the largest size are written, read, scanned and removed', async () => {
    await verbs.put(ROW, [cell(COLUMN, 'a'), cell('', 'first'), cell('\xff', 'last')])
    const all = [[0, 'first'], [COLUMN.length, 'a'], [1, 'last']] // prettier-ignore
    assert.deepEqual(await sizes(), all)
    assert.deepEqual(await sizes({ isReversed: true }), all.toReversed())
    await verbs.mutate(ROW, {
      mutations: [append(cell(COLUMN, 'b'))],
      conditions: [condition(COLUMN, 'EXISTS')],
      returnAfter: null,
    })
    assert.deepEqual(await sizes(named(COLUMN)), [[COLUMN.length, 'ab']])
    assert.deepEqual(await sizes({ ranges: [range(COLUMN, '\x01')] }), [[COLUMN.length, 'ab']])
    for (const isReversed of [false, true]) {
      const { rows } = await verbs.scan({ isReversed })
      assert.deepEqual(rows.map(({ rowKey, row }) => [rowKey.byteLength, row.cells.length]), [[ROW.length, 3]]) // prettier-ignore
    }
    await verbs.remove(ROW, { selector: select({ ranges: [range(COLUMN, '\x01')] }) })
    assert.deepEqual(await sizes(), [[0, 'first'], [1, 'last']]) // prettier-ignore
    await verbs.apply(ROW, put([cell(COLUMN, 'c')]), remove({ selector: select(named(COLUMN)) }))
    await verbs.shard.reopen()
    assert.equal(await sizes(named(COLUMN)), undefined)
  })
})
