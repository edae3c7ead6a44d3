/** What a filter lets a scan leave unread: never anything that an answer depends on. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { buildFilter } from '../../../shims/usermetastore/filter-build.js'
import { narrowed } from '../../../shims/usermetastore/filter-columns.js'
import { type FilterTree, parseFilter } from '../../../shims/usermetastore/filter-parse.js'
import { filterRow } from '../../../shims/usermetastore/filter-run.js'
import { type ColumnName, NEWEST, selectorOf } from '../../../shims/usermetastore/hbase-columns.js'
import { Table } from '../../../shims/usermetastore/hbase-tables.js'
import type { DatasetRecord } from '../../../src/model/dataset.js'
import { ALL_VERSIONS, type Cell, type CellSelector } from '../../../src/model/row.js'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

function tableOf(...names: readonly string[]): Table {
  const families = names.map((name) => ({ name, maxVersions: 3 }))
  // A table looks at these fields of its record alone.
  return new Table({ name: 't', maxCellVersions: 3, table: { families } } as unknown as DatasetRecord)
}

const TABLE = tableOf('a', 'a1', 'b')
const FOREIGN = new Table({ name: 't', maxCellVersions: 3 } as DatasetRecord)

function shown(selector: CellSelector | null): string {
  if (selector === null) return 'everything'
  const { localKeys, ranges, limit, keysOnly, maxTimestamp } = selector
  if (maxTimestamp === 0n) return 'nothing'
  const text = (key: Buffer): string => key.toString('latin1').replace('\0', ':').replace('\x01', '<')
  const columns = [
    ...localKeys.map(text),
    ...ranges.map(({ from, to }) => `${text(from)}..${to === null ? '' : text(to)}`),
  ]
  const end = `${limit === null ? '' : ` first ${limit}`}${keysOnly ? ' without values' : ''}`
  return `${columns.length === 0 ? 'everything' : columns.join(' ')}${end}`
}

const parsed = (filter: string): FilterTree => parseFilter(bytes(filter))
const wished = (table: Table, columns: readonly ColumnName[] = []): CellSelector | null =>
  selectorOf(table, columns, { ...NEWEST, count: ALL_VERSIONS })

describe('what is read of a table with the families a and b', () => {
  const table = tableOf('a', 'b')
  const cases: readonly [filter: string, expected: string][] = [
    ["QualifierFilter(=, 'binary:x')", 'a:x b:x'],
    ["QualifierFilter(=, 'binaryprefix:x')", 'a:x..a:y b:x..b:y'],
    ["QualifierFilter(<, 'binary:x')", 'a:..a:x b:..b:x'],
    ["QualifierFilter(=, 'substring:x')", 'everything'],
    ["FamilyFilter(=, 'binary:b')", 'b:..b<'],
    ["FamilyFilter(=, 'binary:b') AND ColumnPrefixFilter('x')", 'b:x..b:y'],
    ["MultipleColumnPrefixFilter('x', 'xa', 'c')", 'a:c..a:d a:x..a:y b:c..b:d b:x..b:y'],
    ["ColumnRangeFilter('c', true, 'e', true)", 'a:c..a:e\0 b:c..b:e\0'],
    ["ColumnPrefixFilter('x') OR ColumnPrefixFilter('z')", 'a:x..a:y a:z..a:{ b:x..b:y b:z..b:{'],
    ["ColumnPrefixFilter('x') OR PrefixFilter('r')", 'everything'],
    ["ColumnPrefixFilter('x') AND ColumnPrefixFilter('y')", 'nothing'],
    ["ColumnValueFilter('a', 'x', =, 'binary:1')", 'a:x'],
    ["SingleColumnValueFilter('a', 'x', =, 'binary:1') AND QualifierFilter(=, 'binary:y')", 'a:x a:y b:y'],
    // What stands before x may let the prefix pass over x.
    [
      "SingleColumnValueFilter('a', 'x', =, 'binary:1') AND ColumnPrefixFilter('y')",
      'a:..a:x\0 a:y..a:z b:y..b:z',
    ],
    ['FirstKeyOnlyFilter()', 'a:..a< b:..b< first 1'],
    [
      "PrefixFilter('r') AND FirstKeyOnlyFilter() AND KeyOnlyFilter()",
      'a:..a< b:..b< first 1 without values',
    ],
    ['ColumnPaginationFilter(2, 3)', 'a:..a< b:..b< first 5'],
    ['KeyOnlyFilter()', 'everything without values'],
    ['KeyOnlyFilter(true)', 'everything'],
    ["ValueFilter(=, 'binary:x') AND KeyOnlyFilter()", 'everything'],
    ["SKIP ColumnPrefixFilter('x')", 'everything'],
    ["WHILE ColumnPrefixFilter('x')", 'everything'],
    ["DependentColumnFilter('a', 'x') AND ColumnPrefixFilter('y')", 'everything'],
    ["FirstKeyOnlyFilter() AND ColumnPrefixFilter('y')", 'everything'],
  ]
  for (const [filter, expected] of cases) {
    test(filter, () => assert.equal(shown(narrowed(table, wished(table), parsed(filter))), expected))
  }

  test('columns that are asked for are narrowed, too', () => {
    const columns = [
      { family: bytes('a'), qualifier: null },
      { family: bytes('b'), qualifier: bytes('x') },
      { family: bytes('b'), qualifier: bytes('y') },
    ]
    for (const one of [table, FOREIGN]) {
      const left = narrowed(one, wished(one, columns), parsed("ColumnPrefixFilter('x')"))
      assert.equal(shown(left), 'b:x a:x..a:y')
    }
  })

  test('where the families are not known, nothing of a whole row is left out', () => {
    assert.equal(shown(narrowed(FOREIGN, wished(FOREIGN), parsed("ColumnPrefixFilter('x')"))), 'everything')
  })

  test('a thousand prefixes take a moment', () => {
    const prefixes = Array.from({ length: 9_000 }, (_, index) => `'${index}'`).join(',')
    const begun = performance.now()
    narrowed(table, wished(table), parsed(`MultipleColumnPrefixFilter(${prefixes})`))
    assert.ok(performance.now() - begun < 1_000)
  })
})

// ---- the same answers, whatever was left unread

const family = fc.constantFrom('a', 'a1', 'b')
const qualifier = fc.constantFrom('', 'x', 'xy', 'y', '\x00z', '\xff', '\xff\xff')
const value = fc.constantFrom('', '1', '2')
const operator = fc.constantFrom('<', '<=', '=', '!=', '>=', '>')
const quoted = (text: string): string => `'${text}'`
const simple = fc.oneof(
  fc.constantFrom('KeyOnlyFilter()', 'KeyOnlyFilter(true)', 'FirstKeyOnlyFilter()', 'PageFilter(2)'),
  fc.constantFrom("PrefixFilter('r')", "RowFilter(=, 'binary:r1')", 'TimestampsFilter(1, 3)'),
  fc.constantFrom('ColumnPaginationFilter(1, 1)', 'ColumnCountGetFilter(2)', 'ColumnPaginationFilter(2, 0)'),
  qualifier.map((q) => `ColumnPrefixFilter(${quoted(q)})`),
  fc.tuple(qualifier, qualifier).map(([p, q]) => `MultipleColumnPrefixFilter(${quoted(p)}, ${quoted(q)})`),
  fc
    .tuple(qualifier, fc.boolean(), qualifier, fc.boolean())
    .map(([p, i, q, j]) => `ColumnRangeFilter(${quoted(p)}, ${i}, ${quoted(q)}, ${j})`),
  fc
    .tuple(operator, fc.constantFrom('binary', 'binaryprefix'), qualifier)
    .map(([o, kind, q]) => `QualifierFilter(${o}, ${quoted(`${kind}:${q}`)})`),
  fc.tuple(operator, family).map(([o, f]) => `FamilyFilter(${o}, ${quoted(`binary:${f}`)})`),
  fc.tuple(operator, value).map(([o, v]) => `ValueFilter(${o}, ${quoted(`binary:${v}`)})`),
  fc
    .tuple(fc.constantFrom('', 'Exclude'), family, qualifier, value, fc.boolean(), fc.boolean())
    .map(
      ([kind, f, q, v, missing, latest]) =>
        `SingleColumnValue${kind}Filter(${quoted(f)}, ${quoted(q)}, =, ${quoted(`binary:${v}`)}, ${missing}, ${latest})`,
    ),
  fc
    .tuple(family, qualifier, value)
    .map(([f, q, v]) => `ColumnValueFilter(${quoted(f)}, ${quoted(q)}, =, ${quoted(`binary:${v}`)})`),
  fc.tuple(family, qualifier).map(([f, q]) => `DependentColumnFilter(${quoted(f)}, ${quoted(q)}, false)`),
)
const { filter } = fc.letrec<{ filter: string }>((tie) => ({
  filter: fc.oneof(
    { weight: 3, arbitrary: simple },
    { weight: 2, arbitrary: fc.tuple(tie('filter'), tie('filter')).map(([f, g]) => `(${f} AND ${g})`) },
    { weight: 2, arbitrary: fc.tuple(tie('filter'), tie('filter')).map(([f, g]) => `(${f} OR ${g})`) },
    { weight: 1, arbitrary: tie('filter').map((f) => `SKIP ${f}`) },
    { weight: 1, arbitrary: tie('filter').map((f) => `WHILE ${f}`) },
  ),
}))
const cells = fc
  .uniqueArray(fc.record({ family, qualifier, time: fc.integer({ min: 1, max: 4 }), value }), {
    selector: (one) => `${one.family} ${one.qualifier} ${one.time}`,
    maxLength: 12,
  })
  .map((all) =>
    all
      .map((one): Cell => ({
        localKey: bytes(`${one.family}\0${one.qualifier}`),
        value: bytes(one.value),
        timestamp: BigInt(one.time),
        ttlSeconds: null,
      }))
      .sort((a, b) => a.localKey.compare(b.localKey) || Number(b.timestamp) - Number(a.timestamp)),
  )
const columns = fc.array(
  fc.record({ family: family.map(bytes), qualifier: fc.option(qualifier.map(bytes)) }),
  { maxLength: 3 },
)

/** What a leaf reads of a row. */
function selected(row: readonly Cell[], selector: CellSelector | null): Cell[] {
  if (selector === null) return [...row]
  const { localKeys, ranges, limit, maxVersions, maxTimestamp, keysOnly } = selector
  const isWhole = localKeys.length === 0 && ranges.length === 0
  const counts = new Map<string, number>()
  return row
    .filter(({ localKey, timestamp }) => {
      const isIn =
        localKeys.some((key) => key.equals(localKey)) ||
        ranges.some(
          ({ from, to }) => localKey.compare(from) >= 0 && (to === null || localKey.compare(to) < 0),
        )
      return (isWhole || isIn) && (maxTimestamp === null || (timestamp ?? 0n) < maxTimestamp)
    })
    .filter(({ localKey }) => {
      const name = localKey.toString('latin1')
      const version = (counts.get(name) ?? 0) + 1
      counts.set(name, version)
      return version <= maxVersions && (limit === null || counts.size <= limit)
    })
    .map((cell) => (keysOnly ? { ...cell, value: Buffer.alloc(0) } : cell))
}

test('a filter answers the same of what is read as of everything', () => {
  const wish = fc.record({
    filter,
    rows: fc.array(cells, { minLength: 1, maxLength: 4 }),
    columns,
    versions: fc.integer({ min: 1, max: 3 }),
  })
  fc.assert(
    fc.property(wish, (given) => {
      const tree = parsed(given.filter)
      const whole = wished(TABLE, given.columns)
      const answers = [whole, narrowed(TABLE, whole, tree)].map((selector) => {
        const judge = buildFilter(tree, false)
        return given.rows.map((row, index) => {
          const read = selected(row, selector)
          // A row of which nothing is selected is none.
          if (read.length === 0) return null
          const answered = filterRow(judge, { rowKey: bytes(`r${index}`), cells: read }, (name) =>
            TABLE.versionsOf(name, given.versions),
          )
          return (
            answered?.map(
              ({ localKey, value: found, timestamp }) =>
                `${localKey.toString('latin1')}=${found.toString('latin1')}@${timestamp}`,
            ) ?? null
          )
        })
      })
      assert.deepEqual(answers[1], answers[0])
    }),
    { numRuns: 3_000 },
  )
})
