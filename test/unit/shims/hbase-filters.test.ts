import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { buildFilter } from '../../../shims/usermetastore/filter-build.js'
import { parseFilter } from '../../../shims/usermetastore/filter-parse.js'
import { rowRangeOf } from '../../../shims/usermetastore/filter-range.js'
import { LinearRegex } from '../../../shims/usermetastore/filter-regex.js'
import { filterRow, judging } from '../../../shims/usermetastore/filter-run.js'
import { storeLimitsOf } from '../../../shims/usermetastore/hbase-store-limits.js'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import type { Cell } from '../../../src/model/row.js'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

function cell(column: string, value: string, timestamp = 1n): Cell {
  return { localKey: bytes(column.replace(':', '\0')), value: bytes(value), timestamp, ttlSeconds: null }
}

/** `column=value@time` of what a filter leaves of rows, null for a row that it drops. */
function left(filterText: string, rows: Readonly<Record<string, readonly Cell[]>>, versions = 1) {
  const filter = buildFilter(parseFilter(bytes(filterText)), false)
  return Object.entries(rows).map(([key, cells]) => {
    const kept = filterRow(filter, { rowKey: bytes(key), cells }, () => versions)
    return (
      kept?.map(
        ({ localKey, value, timestamp }) =>
          `${localKey.toString('latin1').replace('\0', ':')}=${value.toString('latin1')}@${timestamp}`,
      ) ?? null
    )
  })
}

const ANSWERED = { versionsOf: () => 1, stores: null }

const ROW = [cell('a:x', '1'), cell('a:xy', '2'), cell('a:y', '3'), cell('b:x', '4')]

describe('what a filter leaves of a row', () => {
  const cases: readonly [filter: string, expected: readonly string[] | null][] = [
    ["PrefixFilter('ro')", ['a:x=1@1', 'a:xy=2@1', 'a:y=3@1', 'b:x=4@1']],
    ["PrefixFilter('x')", null],
    ['KeyOnlyFilter()', ['a:x=@1', 'a:xy=@1', 'a:y=@1', 'b:x=@1']],
    ['FirstKeyOnlyFilter()', ['a:x=1@1']],
    ["ColumnPrefixFilter('x')", ['a:x=1@1', 'a:xy=2@1', 'b:x=4@1']],
    ["MultipleColumnPrefixFilter('y', 'xy')", ['a:xy=2@1', 'a:y=3@1']],
    ["ColumnRangeFilter('x', false, 'y', true)", ['a:xy=2@1', 'a:y=3@1']],
    ['ColumnPaginationFilter(2, 1)', ['a:xy=2@1', 'a:y=3@1']],
    ["ColumnPaginationFilter(1, 'xy')", ['a:xy=2@1']],
    ["ValueFilter(>=, 'binary:3')", ['a:y=3@1', 'b:x=4@1']],
    ["FamilyFilter(=, 'binary:b')", ['b:x=4@1']],
    ["QualifierFilter(=, 'substring:Y')", ['a:xy=2@1', 'a:y=3@1']],
    ["SingleColumnValueFilter('a', 'x', =, 'binary:1')", ['a:x=1@1', 'a:xy=2@1', 'a:y=3@1', 'b:x=4@1']],
    ["SingleColumnValueFilter('a', 'x', =, 'binary:9')", null],
    ["SingleColumnValueFilter('a', 'none', =, 'binary:1')", ['a:x=1@1', 'a:xy=2@1', 'a:y=3@1', 'b:x=4@1']],
    ["SingleColumnValueFilter('a', 'none', =, 'binary:1', true, true)", null],
    ["SingleColumnValueExcludeFilter('a', 'x', =, 'binary:1')", ['a:xy=2@1', 'a:y=3@1', 'b:x=4@1']],
    ["ColumnPrefixFilter('x') AND ValueFilter(!=, 'binary:1')", ['a:xy=2@1', 'b:x=4@1']],
    ["ColumnPrefixFilter('y') OR ValueFilter(=, 'binary:1')", ['a:x=1@1', 'a:y=3@1']],
    ["ColumnValueFilter('a', 'xy', =, 'binary:2')", ['a:xy=2@1']],
    ["ColumnValueFilter('a', 'xy', !=, 'binary:2')", null],
    ["SKIP ValueFilter(!=, 'binary:2')", null],
    ["SKIP PrefixFilter('ro')", null],
    ["(FirstKeyOnlyFilter() OR PrefixFilter('z')) AND KeyOnlyFilter()", ['a:x=@1']],
  ]
  for (const [filter, expected] of cases) {
    test(filter, () => assert.deepEqual(left(filter, { row: ROW }), [expected]))
  }

  test('AND binds closer than OR, and SKIP closer than both', () => {
    const filter =
      "ValueFilter(=, 'binary:1') OR ValueFilter(=, 'binary:2') AND QualifierFilter(=, 'binary:none')"
    assert.deepEqual(left(filter, { row: ROW }), [['a:x=1@1']])
  })

  test('a doubled quote is one, and what stands in quotes is never a word', () => {
    const row = [cell('a:x', "it's AND (so)")]
    assert.deepEqual(left("ValueFilter(=, 'binary:it''s AND (so)')", { row }), [["a:x=it's AND (so)@1"]])
  })

  test('a filter sees older versions, of which those that pass count', () => {
    const row = [cell('a:x', 'new', 9n), cell('a:x', 'old', 5n), cell('a:x', 'older', 3n)]
    assert.deepEqual(left('TimestampsFilter(3, 5)', { row }), [['a:x=old@5']])
    assert.deepEqual(left('TimestampsFilter(3, 5)', { row }, 2), [['a:x=old@5', 'a:x=older@3']])
  })

  test('PageFilter and WHILE end, and what comes behind is dropped', () => {
    const rows = { r1: ROW, r2: ROW, r3: [cell('a:x', '9')] }
    assert.deepEqual(
      left('PageFilter(2)', rows).map((row) => row !== null),
      [true, true, false],
    )
    assert.deepEqual(
      left("WHILE RowFilter(!=, 'binary:r2')", rows).map((row) => row !== null),
      [true, false, false],
    )
  })
})

test('filters under SKIP and WHILE take a reversed scan for a forward one, as in HBase', () => {
  const passing = (text: string): boolean[] => {
    const filter = buildFilter(parseFilter(bytes(text)), true)
    return ['r3', 'r2', 'r1'].map(
      (key) => filterRow(filter, { rowKey: bytes(key), cells: ROW }, () => 1) !== null,
    )
  }
  assert.deepEqual(passing("InclusiveStopFilter('r2')"), [true, true, false])
  assert.deepEqual(passing("WHILE InclusiveStopFilter('r2')"), [false, false, false])
  assert.deepEqual(passing("WHILE (InclusiveStopFilter('r2') OR RowFilter(=, 'binary:r3'))"), [
    true,
    false,
    false,
  ])
  assert.deepEqual(passing("PrefixFilter('r2')"), [false, true, false])
  assert.deepEqual(passing("WHILE (PrefixFilter('r2') OR RowFilter(=, 'binary:r3'))"), [true, false, false])
})

describe('families that a filter does not need are read behind the others, of rows that it has not dropped', () => {
  const [of1, ofBoth] = [[cell('a:x', '1')], [cell('a:x', '1'), cell('b:x', '4'), cell('b:y', '5')]]

  test('a row of which nothing passed by then is not there, whatever SKIP says of it', () => {
    const filter = "SKIP SingleColumnValueFilter('b', 'z', =, 'binary:4', true, true)"
    assert.deepEqual(left(filter, { of1, ofBoth }), [null, ['a:x=1@1', 'b:x=4@1', 'b:y=5@1']])
  })

  test('nor does WHILE end with it', () => {
    const filter = "WHILE SingleColumnValueFilter('b', 'x', =, 'binary:4', true, true)"
    assert.deepEqual(left(filter, { of1, ofBoth }), [null, ['a:x=1@1', 'b:x=4@1', 'b:y=5@1']])
  })

  test('what is read behind them drops no row any more', () => {
    const row = [cell('a:x', '1'), cell('b:x', '4')]
    assert.deepEqual(left("SKIP ColumnValueFilter('a', 'x', =, 'binary:1')", { row }), [['a:x=1@1']])
    assert.deepEqual(left("SKIP ColumnValueFilter('b', 'x', =, 'binary:4')", { row }), [['b:x=4@1']])
  })

  test('a filter judges them by what it has seen of its own', () => {
    const filter =
      "SingleColumnValueFilter('b', 'x', =, 'binary:9', true, true) OR ColumnValueFilter('b', 'x', =, 'binary:4')"
    assert.deepEqual(left(filter, { of1, ofBoth }), [null, ['b:x=4@1']])
  })

  test('each filter of a list may need one, and one that needs all of them makes that no difference', () => {
    const both = "ColumnValueFilter('a', 'x', =, 'binary:1') OR ColumnValueFilter('b', 'y', =, 'binary:5')"
    assert.deepEqual(left(both, { of1, ofBoth }), [['a:x=1@1'], ['a:x=1@1', 'b:y=5@1']])
    const all = "SKIP (SingleColumnValueFilter('b', 'z', =, 'binary:4', true, true) OR KeyOnlyFilter())"
    assert.deepEqual(left(all, { of1 }), [['a:x=@1']])
  })
})

describe('what a get with storeLimit and storeOffset leaves', () => {
  const cells = ROW
  /** Names of columns, of a row without a filter or behind one. */
  const named = (limit: number | null, offset: number | null, filterText?: string): string | undefined => {
    const stores = storeLimitsOf({ storeLimit: limit, storeOffset: offset })
    assert.ok(stores !== null)
    if (filterText === undefined) return namesOf(stores.cellsOf(cells))
    const filter = buildFilter(parseFilter(bytes(filterText)), false)
    const job = judging(filter, { rowKey: bytes('r'), cells }, { versionsOf: () => 1, stores })
    for (let step = job.next(); ; step = job.next()) {
      if (step.done === true) return step.value === null ? undefined : namesOf(step.value)
    }
  }
  const namesOf = (left: readonly Cell[]): string =>
    left.map(({ localKey }) => localKey.toString('latin1').replace('\0', ':')).join(' ')

  test('are so many cells of each family, behind so many', () => {
    assert.equal(named(1, null), 'a:x b:x')
    assert.equal(named(1, 1), 'a:xy')
    assert.equal(named(null, 2), 'a:y')
    assert.equal(named(-1, 1), 'a:xy a:y')
    assert.equal(named(0, 0), '')
  })

  test('counts cells that a filter let pass', () => {
    assert.equal(named(1, 1, "ValueFilter(!=, 'binary:2')"), 'a:y')
    assert.equal(named(1, null, "QualifierFilter(>=, 'binary:xy')"), 'a:xy')
  })

  test('ends a family behind its last cell: a filter is not asked about the rest, as in a region', () => {
    const needsY = "SingleColumnValueFilter('a', 'y', =, 'binary:3', true, true)"
    assert.equal(named(2, null, needsY), 'a:x a:xy b:x')
    assert.equal(named(1, null, needsY), undefined)
  })
})

describe('what is no filter is refused', () => {
  const cases: readonly [filter: string, why: RegExp][] = [
    ['', /name and its arguments/],
    ["PrefixFilter('a'", /argument is missing/],
    ["PrefixFilter('a", /closing quote/],
    ["PrefixFilter('a') OR", /name and its arguments/],
    ["PrefixFilter('a') PrefixFilter('b')", /an end is missing/],
    ['NoFilter()', /NoFilter not supported/],
    ['constructor()', /constructor not supported/],
    ['PageFilter(-1)', /whole number/],
    ['PageFilter(1, 2)', /Expected 1 but got: 2/],
    ["RowFilter(==, 'binary:a')", /Compare Operator/],
    ["RowFilter(=, 'none:a')", /Comparator none/],
    ["ValueFilter(=, 'long:a')", /Comparator long/],
    ["ColumnValueFilter('a', 'b', =)", /Expected 4 but got: 3/],
    ["RowFilter(<, 'regexstring:a')", /EQUAL and NOT_EQUAL/],
    ["ValueFilter(=, 'regexstring:(a)\\1')", /\\1 is not offered/],
    ["ValueFilter(=, 'regexstring:(?=a)')", /look-around/],
    ["ValueFilter(=, 'regexstring:a*+')", /possessive/],
    ["ValueFilter(=, 'regexstring:((a{1000}){1000}){1000}')", /states/],
    [
      Array.from({ length: 101 }, () => "RowFilter(=, 'regexstring:a{1000}')").join(' OR '),
      /have more than \d+ states/,
    ],
    ['('.repeat(limits.maxFilterDepth + 1), /nested/],
    [`KeyOnlyFilter()${' AND KeyOnlyFilter()'.repeat(limits.maxFilterParts)}`, /parts/],
    ['x'.repeat(limits.maxFilterBytes + 1), /bytes, at most/],
  ]
  for (const [filter, why] of cases) {
    test(filter.length > 60 ? `${filter.slice(0, 60)} ...` : `"${filter}"`, () => {
      assert.throws(
        () => buildFilter(parseFilter(bytes(filter)), false),
        (error: unknown) => error instanceof KVError && why.test(error.message),
      )
    })
  }
})

describe('regular expressions', () => {
  const cases: readonly [source: string, texts: readonly string[], others: readonly string[]][] = [
    ['^a.c$', ['abc', 'a\nc'], ['ac', 'xabc', 'abcx']],
    ['b', ['abc'], ['ac']],
    ['', ['', 'a'], []],
    ['^(ab|cd)+$', ['ab', 'abcd'], ['', 'abc']],
    ['^[a-c\\d_-]{2,3}$', ['a1', '_-c'], ['a', 'a1b2', 'zz']],
    ['[^x]y', ['ay'], ['xy']],
    ['^(?:a?){3}a{3}$', ['aaa', 'aaaaaa'], ['aa', 'aaaaaaa']],
    ['^\\w+@\\w+\\.org$', ['a_1@b.org'], ['a@borg', ' a@b.org']],
    ['ü$', ['grü'], ['u']],
    ['^a*?b$', ['aab', 'b'], ['a']],
    ['[]a]', [']', 'a'], ['[']],
    // java.util.regex.Pattern: without MULTILINE a line's end at the end of the text stands behind it.
    ['^a$', ['a', 'a\n', 'a\r\n', 'a\u2028'], ['a\n\n', 'a\nb', '\na']],
    ['a\n$', ['a\n', 'a\n\n'], ['a']],
    ['[^\\d\\s]x', ['ax'], ['1x', ' x']],
    ['^[b-da-c\\-]+$', ['abcd-'], ['e', '']],
    ['^.$', ['\u{1f600}'], ['\u{1f600}\u{1f600}']],
  ]
  for (const [source, texts, others] of cases) {
    test(`/${source}/`, () => {
      const regex = new LinearRegex(source)
      for (const text of texts) assert.equal(regex.isFoundIn(text), true, text)
      for (const text of others) assert.equal(regex.isFoundIn(text), false, text)
    })
  }

  test('a match that takes too many steps is given up by name', () => {
    const regex = new LinearRegex('(a?){500}b$')
    assert.throws(() => regex.isFoundIn('a'.repeat(200_000)), /takes the regular expressions .* \d+ steps/)
  })

  test('empty alternatives count as steps, too', () => {
    const regex = new LinearRegex(`(${'|'.repeat(900)})b`)
    assert.throws(() => regex.isFoundIn('a'.repeat(200_000)), /takes the regular expressions/)
  })

  test('an expression that repeats nothing, again and again, is given up', () => {
    const source = `${'('.repeat(6)}${'){1000}'.repeat(6)}`
    assert.throws(() => new LinearRegex(source), /of more than \d+ states/)
    assert.throws(() => new LinearRegex(`a${'{1}'.repeat(2_000)}`), /repetitions nested too deep/)
  })

  test('a class of very many characters takes no longer than one of a few', () => {
    const characters = Array.from({ length: 20_000 }, (_, index) => String.fromCodePoint(0x1000 + 2 * index))
    const regex = new LinearRegex(`^[${characters.join('')}]+$`)
    const begun = performance.now()
    assert.equal(regex.isFoundIn((characters[19_999] ?? '').repeat(100_000)), true)
    assert.equal(regex.isFoundIn(String.fromCodePoint(0x1001)), false)
    assert.ok(performance.now() - begun < 1_000)
  })

  test('an expression that would take a backtracking matcher for ever takes a moment', () => {
    const regex = new LinearRegex('^(a+)+(a|a?)+$')
    const begun = performance.now()
    assert.equal(regex.isFoundIn(`${'a'.repeat(5_000)}!`), false)
    assert.ok(performance.now() - begun < 1_000)
  })
})

describe('what a filter does with a cell', () => {
  test('is given up by name where it takes too long', () => {
    const value = Buffer.alloc(8 * 1024 * 1024, 'a')
    const row = [{ ...cell('a:x', ''), value }]
    const parts = Array.from({ length: 20 }, () => "ValueFilter(!=, 'substring:b')")
    assert.equal(left(parts.slice(0, 4).join(' AND '), { row })[0]?.length, 1)
    assert.throws(() => left(parts.join(' AND '), { row }), /takes the regular expressions and substrings/)
  })

  test('stops for others within a row of many cells', () => {
    const cells = Array.from({ length: 5_000 }, (_, index) => cell(`a:${index}`, 'x'))
    const filter = buildFilter(parseFilter(bytes("ValueFilter(=, 'substring:x')")), false)
    const job = judging(filter, { rowKey: bytes('r'), cells }, ANSWERED)
    let stops = 0
    let step = job.next()
    for (; step.done !== true; step = job.next()) stops += 1
    assert.equal(step.value?.length, 5_000)
    assert.ok(stops > 0 && stops < 50, `${stops} stops`)
  })

  test('stops for others among rows that their keys drop', () => {
    const filter = buildFilter(parseFilter(bytes("RowFilter(=, 'regexstring:none')")), false)
    let stops = 0
    for (let row = 0; row < 100; row++) {
      const job = judging(filter, { rowKey: Buffer.alloc(1_000, 'r'), cells: [cell('a:x', '1')] }, ANSWERED)
      for (let step = job.next(); step.done !== true; step = job.next()) stops += 1
    }
    assert.ok(stops > 0 && stops < 50, `${stops} stops`)
  })
})

test('whatever the text is, a filter is made or refused by name, and judges rows', () => {
  const piece = fc.constantFrom(
    ...[
      "PrefixFilter('r')",
      'PageFilter(1)',
      "ValueFilter(=,'regexstring:",
      '[a-',
      ')*',
      '(',
      ')',
      "'",
      ' AND ',
      ' OR ',
    ],
    ...[
      'SKIP ',
      'WHILE ',
      ',',
      '1',
      'true',
      '<=',
      "RowFilter(=,'substring:r')",
      'KeyOnlyFilter()',
      "\\d+')",
      '\0',
    ],
  )
  const text = fc.array(fc.oneof(piece, fc.string({ maxLength: 4 })), { maxLength: 12 })
  fc.assert(
    fc.property(text, (pieces) => {
      try {
        left(pieces.join(''), { row: ROW, r2: [] })
      } catch (error) {
        assert.ok(error instanceof KVError && error.code === 'INVALID_ARGUMENT', String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})

test('filters that every row must pass narrow what is read', () => {
  const range = (filter: string) => {
    const found = rowRangeOf(parseFilter(bytes(filter)))
    return found === null ? null : [found.from.toString('latin1'), found.to?.toString('latin1') ?? null]
  }
  assert.deepEqual(range("PrefixFilter('ab')"), ['ab', 'ac'])
  assert.deepEqual(range("PrefixFilter('a') AND PrefixFilter('ab') AND KeyOnlyFilter()"), ['ab', 'ac'])
  assert.deepEqual(range("RowFilter(=, 'binary:k')"), ['k', 'k\0'])
  assert.deepEqual(range("RowFilter(=, 'binaryprefix:k')"), ['k', 'l'])
  assert.equal(range("PrefixFilter('a') OR KeyOnlyFilter()"), null)
  assert.equal(range("SKIP PrefixFilter('a')"), null)
})
