import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import type { Cell, Row, RowOutcome } from '../../../src/model/row.js'
import {
  VALUE_VIEW,
  WHOLE_VIEW,
  type WireView,
  compareOutcomes,
  digestOfValue,
  isUnanswered,
} from '../../../src/routing/compare.js'
import { cell } from '../../support/datasets.js'

function row(...cells: Cell[]): Row {
  return { cells, next: null }
}

function found(origin: RowOutcome, target: RowOutcome, view: WireView = WHOLE_VIEW): string[] {
  return compareOutcomes(origin, target, view).map(({ kind, localKey }) =>
    localKey === null ? kind : `${kind} ${localKey.toString()}`,
  )
}

const error = (code: 'TOO_LARGE' | 'INVALID_ARGUMENT') => new KVError(code, 'refused')

const CASES: readonly (readonly [string, RowOutcome, RowOutcome, readonly string[]])[] = [
  ['no row on either side', null, null, []],
  ['the same row', row(cell('a', '1'), cell('b', '2')), row(cell('a', '1'), cell('b', '2')), []],
  ['another value', row(cell('a', '1')), row(cell('a', '2')), ['VALUE a']],
  ['a row that the target lacks', row(cell('', '1')), null, ['MISSING ']],
  ['a row that only the target has', null, row(cell('', '1')), ['EXTRA ']],
  ['empty where there is nothing', null, row(cell('', '')), ['EMPTY_FOR_MISSING ']],
  ['nothing where it is empty', row(cell('', '')), null, ['MISSING_FOR_EMPTY ']],
  ['empty on both sides', row(cell('', '')), row(cell('', '')), []],
  ['a value for an empty one', row(cell('', '')), row(cell('', 'x')), ['VALUE ']],
  ['columns both ways', row(cell('a', '1')), row(cell('b', '1')), ['MISSING a', 'EXTRA b']],
  ['another timestamp', row(cell('a', '1', 5n)), row(cell('a', '1', 6n)), ['TIMESTAMP a']],
  ['a TTL beyond what passes between reads', ttl(100), ttl(97), ['TTL a']],
  ['a TTL that only went on', ttl(100), ttl(98), []],
  ['a TTL that the target lost', ttl(100), ttl(null), ['TTL a']],
  ['another order', row(cell('a', '1'), cell('b', '2')), row(cell('b', '2'), cell('a', '1')), ['ORDER']],
  ['versions of a column, by their places', versions(3n, 2n), versions(3n, 1n), ['TIMESTAMP a']],
  ['a version less', versions(3n, 2n), versions(3n), ['MISSING a']],
  ['an error for a row', error('TOO_LARGE'), row(cell('a', '1')), ['ERROR_CODE']],
  ['another error', error('TOO_LARGE'), error('INVALID_ARGUMENT'), ['ERROR_CODE']],
  ['the same error in other words', error('TOO_LARGE'), new KVError('TOO_LARGE', 'too much'), []],
]

function ttl(seconds: number | null): Row {
  return row(cell('a', '1', null, seconds))
}

function versions(...timestamps: bigint[]): Row {
  return row(...timestamps.map((timestamp) => cell('a', '1', timestamp)))
}

suite('compare', () => {
  for (const [name, origin, target, expected] of CASES) {
    test(name, () => assert.deepEqual(found(origin, target), expected))
  }

  test('what the wire of Terrapin cannot show is left out: other columns, timestamps, TTLs', () => {
    const origin = row(cell('', 'v'))
    const target = row(cell('', 'v', 7n, 60), cell('name', 'x'))
    assert.deepEqual(found(origin, target, VALUE_VIEW), [])
    assert.deepEqual(found(origin, row(cell('', 'w'), cell('name', 'x')), VALUE_VIEW), ['VALUE '])
    assert.deepEqual(found(origin, row(cell('name', 'x')), VALUE_VIEW), ['MISSING '])
  })

  test('a row that was cut at a page is compared up to there', () => {
    const cut: Row = {
      cells: [cell('a', '1')],
      next: { localKey: Buffer.from('a'), timestamp: null, columns: 1 },
    }
    assert.deepEqual(found(cut, row(cell('a', '1'), cell('b', '2'))), [])
    assert.deepEqual(found(cut, row(cell('a', '9'), cell('b', '2'))), ['VALUE a'])
  })

  test('a side that could not answer says nothing about data', () => {
    for (const code of ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'OVERLOADED', 'UNSUPPORTED'] as const) {
      assert.equal(isUnanswered(new KVError(code, '')), true, code)
    }
    for (const code of ['INVALID_ARGUMENT', 'DATASET_NOT_FOUND', 'CORRUPT'] as const) {
      assert.equal(isUnanswered(new KVError(code, '')), false, code)
    }
    assert.equal(isUnanswered(null), false)
  })

  test('digests tell values apart, by a key', () => {
    const digest = (key: string, value: string) => digestOfValue(Buffer.from(key), Buffer.from(value))
    assert.equal(digest('k', 'v'), digest('k', 'v'))
    assert.notEqual(digest('k', 'v'), digest('k', 'w'))
    assert.notEqual(digest('k', 'v'), digest('l', 'v'))
    assert.equal(digest('k', '').length, 16)
  })
})
