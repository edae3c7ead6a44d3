import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conditionHolds, isAboutRow } from '../../../src/leaf/conditions.js'
import type { Cell, Comparison, Condition } from '../../../src/model/row.js'

function condition(comparison: Comparison, value: string, more: Partial<Condition> = {}): Condition {
  return {
    localKey: Buffer.from('a'),
    comparison,
    value: Buffer.from(value, 'latin1'),
    timestamp: null,
    ifMissing: false,
    ...more,
  }
}

function cell(value: string, timestamp: bigint | null = 5n): Cell {
  return { localKey: Buffer.from('a'), value: Buffer.from(value, 'latin1'), timestamp, ttlSeconds: null }
}

// Of the values 'a', 'b' and 'c' against 'b'.
const orders: [Comparison, boolean, boolean, boolean][] = [
  ['EXISTS', true, true, true],
  ['NOT_EXISTS', false, false, false],
  ['EQUAL', false, true, false],
  ['NOT_EQUAL', true, false, true],
  ['LESS', true, false, false],
  ['LESS_OR_EQUAL', true, true, false],
  ['GREATER', false, false, true],
  ['GREATER_OR_EQUAL', false, true, true],
]

for (const [comparison, ...expected] of orders) {
  test(`${comparison} compares the value that is there`, () => {
    const found = ['a', 'b', 'c'].map((value) =>
      conditionHolds(condition(comparison, 'b'), cell(value), true),
    )
    assert.deepEqual(found, expected)
  })
}

test('values compare as unsigned bytes, a prefix before what is longer', () => {
  assert.equal(conditionHolds(condition('LESS', '\x80'), cell('\x7f'), true), true)
  assert.equal(conditionHolds(condition('LESS', 'aa'), cell('a'), true), true)
  assert.equal(conditionHolds(condition('EQUAL', ''), cell(''), true), true)
})

test('a column that is absent answers what the condition says, unless it is asked whether it is there', () => {
  for (const ifMissing of [false, true]) {
    for (const comparison of ['EQUAL', 'NOT_EQUAL', 'LESS', 'GREATER', 'VERSION_EQUAL'] as const) {
      assert.equal(conditionHolds(condition(comparison, '', { ifMissing }), null, true), ifMissing)
    }
    assert.equal(conditionHolds(condition('EXISTS', '', { ifMissing }), null, true), false)
    assert.equal(conditionHolds(condition('NOT_EXISTS', '', { ifMissing }), null, true), true)
  }
})

test('a version is equal at exactly its time, and none where the cell has none', () => {
  const at = (timestamp: bigint) => condition('VERSION_EQUAL', '', { timestamp })
  assert.deepEqual(
    [4n, 5n, 6n].map((timestamp) => conditionHolds(at(timestamp), cell('v'), true)),
    [false, true, false],
  )
  assert.equal(conditionHolds(at(5n), cell('v', null), true), false)
})

test('a condition about the row looks at no column', () => {
  for (const exists of [false, true]) {
    assert.equal(conditionHolds(condition('ROW_EXISTS', ''), null, exists), exists)
    assert.equal(conditionHolds(condition('ROW_NOT_EXISTS', ''), cell('v'), exists), !exists)
  }
  assert.ok(isAboutRow(condition('ROW_EXISTS', '')) && !isAboutRow(condition('EXISTS', '')))
})
