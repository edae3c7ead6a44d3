/** Filters as HBase's Java clients send them: the same as those of the language, and some that it has no name for. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { buildFilter } from '../../../shims/usermetastore/filter-build.js'
import { filterOfBytes } from '../../../shims/usermetastore/filter-bytes.js'
import { type FilterTree, parseFilter } from '../../../shims/usermetastore/filter-parse.js'
import { rowRangeOf } from '../../../shims/usermetastore/filter-range.js'
import { filterRow } from '../../../shims/usermetastore/filter-run.js'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import type { Cell } from '../../../src/model/row.js'
import { comparatorMessage, field, filterBytesOf, filterMessage } from '../../support/hbase-filters.js'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const LONG_5 = '\0\0\0\0\0\0\0\x05'
const LONG_MINUS_1 = '\xff'.repeat(8)

function cell(column: string, value: string, timestamp = 1n): Cell {
  return { localKey: bytes(column.replace(':', '\0')), value: bytes(value), timestamp, ttlSeconds: null }
}

const ROWS: readonly Cell[][] = [
  [cell('a:x', '1', 3n), cell('a:xy', '2'), cell('b:x', '4', 5n)],
  [cell('a:y', '3')],
  [cell('a:n', LONG_5), cell('a:x', LONG_MINUS_1)],
]
const ROW_KEYS = ['r1', 'r2', 's']

function judged(tree: FilterTree): (readonly string[] | null)[] {
  const judge = buildFilter(tree, false)
  return ROWS.map((cells, index) => {
    const left = filterRow(judge, { rowKey: bytes(ROW_KEYS[index] ?? ''), cells }, () => 1)
    return left?.map(({ localKey }) => localKey.toString('latin1').replace('\0', ':')) ?? null
  })
}

describe('a filter of the language is the same in bytes', () => {
  const filters = [
    "PrefixFilter('r')",
    "PrefixFilter('')",
    "InclusiveStopFilter('r1')",
    'KeyOnlyFilter()',
    'FirstKeyOnlyFilter()',
    'PageFilter(1)',
    "ColumnPrefixFilter('x')",
    "MultipleColumnPrefixFilter('y', 'xy')",
    "ColumnRangeFilter('x', true, 'y', false)",
    "ColumnRangeFilter('', true, 'x', true)",
    'ColumnCountGetFilter(1)',
    'ColumnPaginationFilter(1, 1)',
    "ColumnPaginationFilter(1, 'xy')",
    'TimestampsFilter(3, 5)',
    "RowFilter(=, 'substring:R')",
    "RowFilter(>=, 'binary:r2')",
    "FamilyFilter(!=, 'binary:a')",
    "QualifierFilter(=, 'binaryprefix:x')",
    "ValueFilter(=, 'regexstring:^[12]$')",
    "ColumnValueFilter('a', 'x', =, 'binary:1')",
    "SingleColumnValueFilter('a', 'x', =, 'binary:1')",
    "SingleColumnValueFilter('a', 'x', <, 'binary:1', true, false)",
    "SingleColumnValueExcludeFilter('a', 'x', =, 'binary:1', true, true)",
    "DependentColumnFilter('a', 'x', true)",
    "DependentColumnFilter('a', 'x', false, =, 'binary:1')",
    "ColumnPrefixFilter('x') AND (PageFilter(1) OR ValueFilter(=, 'binary:3'))",
    "SKIP ValueFilter(=, 'binary:3') OR WHILE PrefixFilter('r')",
  ]
  for (const filter of filters) {
    test(filter, () => {
      const tree = parseFilter(bytes(filter))
      assert.deepEqual(judged(filterOfBytes(filterBytesOf(tree))), judged(tree))
    })
  }
})

const valueFilter = (operator: bigint, comparator: Buffer): Buffer =>
  filterMessage('ValueFilter', field(1, Buffer.concat([field(1, operator), field(2, comparator)])))
const LESS = 0n
const EQUAL = 2n
const NOT_EQUAL = 3n
const comparable = (value: string): Buffer => field(1, field(1, bytes(value)))
const rowRange = (from: string, isFromIn: boolean, to: string, isToIn: boolean): Buffer =>
  field(1, Buffer.concat([field(1, from), field(2, isFromIn), field(3, to), field(4, isToIn)]))

describe('filters and comparators that the language has no name for', () => {
  const numbers = filterMessage(
    'FilterList',
    field(1, 1n),
    field(2, filterMessage('PrefixFilter', field(1, 's'))),
  )
  const cases: readonly [name: string, filter: Buffer, expected: (readonly string[] | null)[]][] = [
    [
      'a number is compared with its sign',
      Buffer.concat([
        filterMessage(
          'FilterList',
          field(1, 1n),
          field(2, filterMessage('PrefixFilter', field(1, 's'))),
          field(2, valueFilter(LESS, comparatorMessage('LongComparator', comparable(LONG_5)))),
        ),
      ]),
      [null, null, ['a:x']],
    ],
    ['a list of one', numbers, [null, null, ['a:n', 'a:x']]],
    [
      'a list of none',
      filterMessage('FilterList', field(1, 2n)),
      [['a:x', 'a:xy', 'b:x'], ['a:y'], ['a:n', 'a:x']],
    ],
    [
      'bits in common',
      valueFilter(EQUAL, comparatorMessage('BitComparator', comparable(LONG_5), field(2, 1n))),
      [null, null, ['a:n', 'a:x']],
    ],
    [
      'bits that differ',
      valueFilter(EQUAL, comparatorMessage('BitComparator', comparable(LONG_5), field(2, 3n))),
      [null, null, ['a:x']],
    ],
    ['no value is null', valueFilter(EQUAL, comparatorMessage('NullComparator')), [null, null, null]],
    [
      'every value is something',
      valueFilter(NOT_EQUAL, comparatorMessage('NullComparator')),
      [['a:x', 'a:xy', 'b:x'], ['a:y'], ['a:n', 'a:x']],
    ],
    [
      'rows of several ranges',
      filterMessage('MultiRowRangeFilter', rowRange('s', true, '', false), rowRange('r1', false, 'r2', true)),
      [null, ['a:y'], ['a:n', 'a:x']],
    ],
    [
      'rows that are alike',
      filterMessage('FuzzyRowFilter', field(1, Buffer.concat([field(1, '?2'), field(2, bytes('\x01\0'))]))),
      [null, ['a:y'], ['a:n', 'a:x']],
    ],
    [
      'rows that are alike, as HBase rewrites the mask',
      filterMessage('FuzzyRowFilter', field(1, Buffer.concat([field(1, 'r?'), field(2, bytes('\xff\x02'))]))),
      [['a:x', 'a:xy', 'b:x'], ['a:y'], null],
    ],
  ]
  for (const [name, filter, expected] of cases) {
    test(name, () => assert.deepEqual(judged(filterOfBytes(filter)), expected))
  }

  test('rows of several ranges narrow what is read', () => {
    const filter = filterMessage(
      'MultiRowRangeFilter',
      rowRange('c', true, 'd', false),
      rowRange('a', false, 'b', true),
    )
    const range = rowRangeOf(filterOfBytes(filter))
    assert.deepEqual([range?.from.toString('latin1'), range?.to?.toString('latin1')], ['a\0', 'd'])
  })

  test('a value that is no number ends the scan by name', () => {
    const filter = valueFilter(LESS, comparatorMessage('LongComparator', comparable(LONG_5)))
    assert.throws(() => judged(filterOfBytes(filter)), /LongComparator met 1 bytes: it compares 8/)
  })
})

describe('what is no filter, or none that is offered, is refused', () => {
  const nested = (depth: number): Buffer =>
    depth === 0
      ? filterMessage('KeyOnlyFilter', field(1, true))
      : filterMessage('SkipFilter', field(1, nested(depth - 1)))
  const cases: readonly [name: string, filter: Buffer, why: RegExp][] = [
    ['no bytes', Buffer.alloc(0), /field 1 is missing/],
    ['an unknown filter', filterMessage('RandomRowFilter', field(1, 1n)), /RandomRowFilter is not offered/],
    [
      'a class of somebody',
      Buffer.concat([field(1, 'com.example.Mine')]),
      /com\.example\.Mine is not offered/,
    ],
    ['a property of every object', filterMessage('constructor'), /constructor is not offered/],
    [
      'an unknown comparator',
      valueFilter(EQUAL, comparatorMessage('BigDecimalComparator', comparable(''))),
      /BigDecimalComparator is not offered/,
    ],
    [
      'an expression with flags',
      valueFilter(
        EQUAL,
        comparatorMessage('RegexStringComparator', field(1, 'a'), field(2, 2n), field(3, 'UTF-8')),
      ),
      /flags of 2/,
    ],
    ['no operator', filterMessage('ValueFilter', field(1, Buffer.alloc(0))), /field 1 is missing/],
    ['an operator of nothing', valueFilter(6n, comparatorMessage('NullComparator')), /compare operator 6/],
    ['a list of an unknown kind', filterMessage('FilterList', field(1, 3n)), /FilterList operator 3/],
    ['a negative count', filterMessage('PageFilter', field(1, -1n)), /whole number/],
    ['no ranges of rows', filterMessage('MultiRowRangeFilter'), /No ranges/],
    [
      'a range backwards',
      filterMessage('MultiRowRangeFilter', rowRange('b', true, 'a', true)),
      /before it begins/,
    ],
    [
      'a mask of another length',
      filterMessage('FuzzyRowFilter', field(1, Buffer.concat([field(1, 'ab'), field(2, 'a')]))),
      /do not match: 2 and 1/,
    ],
    ['filters nested too deep', nested(limits.maxFilterDepth), /nested more than/],
    [
      'too many filters',
      filterMessage(
        'FilterList',
        field(1, 1n),
        ...Array.from({ length: limits.maxFilterParts }, () => field(2, filterMessage('FirstKeyOnlyFilter'))),
      ),
      /more than \d+ parts|at most \d+/,
    ],
    ['too many bytes', Buffer.alloc(limits.maxFilterBytes + 1), /bytes, at most/],
    ['a length that lies', bytes('\x0a\x7fabc'), /goes beyond its end/],
    ['a group', bytes('\x0b'), /wire type 3/],
    ['a number without an end', bytes('\x08' + '\xff'.repeat(10)), /number of more than 10 bytes/],
    ['half a number', bytes('\x08\xff'), /ends within a number/],
  ]
  for (const [name, filter, why] of cases) {
    test(name, () => {
      assert.throws(
        () => buildFilter(filterOfBytes(filter), false),
        (error: unknown) => error instanceof KVError && why.test(error.message),
      )
    })
  }
})

test('damaged bytes are a filter or refused by name', () => {
  const tree = parseFilter(
    bytes("ColumnPrefixFilter('x') AND SingleColumnValueFilter('a', 'x', =, 'binary:1', true, true)"),
  )
  const whole = filterBytesOf(tree)
  const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(damage, fc.nat(whole.length), (changes, end) => {
      const damaged = Buffer.from(whole)
      for (const [at, byte] of changes) damaged[at] = byte
      try {
        judged(filterOfBytes(damaged.subarray(0, end)))
      } catch (error) {
        assert.ok(error instanceof KVError && error.code === 'INVALID_ARGUMENT', String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})
