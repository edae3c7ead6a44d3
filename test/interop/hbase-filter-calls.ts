/** Generated filters of HBase clients, as text or as Java clients send them. */
import fc from 'fast-check'
import { parseFilter } from '../../shims/usermetastore/filter-parse.js'
import { filterBytesOf } from '../support/hbase-filters.js'
import { bytes, family, half, qualifier, rowName, value } from './hbase-calls.js'

/** Stands for what a sequence's rows begin with. */
const OWN_ROWS = '%'
const operator = fc.constantFrom('<', '<=', '=', '!=', '>=', '>')
const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`
const ownRow = rowName.map((row) => OWN_ROWS + row)

const simpleFilter = fc.oneof(
  fc.constantFrom('KeyOnlyFilter()', 'FirstKeyOnlyFilter()', 'PageFilter(2)', 'TimestampsFilter(1, 3, 5)'),
  fc.constantFrom(
    "ColumnPrefixFilter('x')",
    "MultipleColumnPrefixFilter('y', 'x')",
    'ColumnPaginationFilter(1, 1)',
  ),
  fc.constantFrom("ColumnRangeFilter('x', true, 'y', false)", 'ColumnPaginationFilter(2, 0)'),
  fc.tuple(operator, value).map(([o, v]) => `ValueFilter(${o}, ${quoted(`binary:${v}`)})`),
  fc.tuple(operator, qualifier).map(([o, q]) => `QualifierFilter(${o}, ${quoted(`binary:${q}`)})`),
  fc.tuple(operator, family).map(([o, f]) => `FamilyFilter(${o}, ${quoted(`binary:${f}`)})`),
  fc
    .tuple(operator, family, qualifier, value, fc.boolean(), fc.boolean(), fc.constantFrom('', '', 'Exclude'))
    .map(
      ([o, f, q, v, missing, latest, exclude]) =>
        `SingleColumnValue${exclude}Filter(${quoted(f)}, ${quoted(q)}, ${o}, ${quoted(`binary:${v}`)}, ${missing}, ${latest})`,
    ),
  fc
    .tuple(operator, family, qualifier, value)
    .map(([o, f, q, v]) => `ColumnValueFilter(${quoted(f)}, ${quoted(q)}, ${o}, ${quoted(`binary:${v}`)})`),
  fc
    .tuple(family, qualifier, fc.boolean())
    .map(([f, q, drop]) => `DependentColumnFilter(${quoted(f)}, ${quoted(q)}, ${drop})`),
  fc.constantFrom(
    "RowFilter(=, 'substring:R1')",
    "RowFilter(!=, 'regexstring:r[0-9]$')",
    "ValueFilter(=, 'regexstring:^[12]$')",
  ),
  fc
    .tuple(fc.constantFrom('PrefixFilter', 'InclusiveStopFilter'), ownRow)
    .map(([name, row]) => `${name}(${quoted(row)})`),
  fc
    .tuple(operator, fc.constantFrom('binary', 'binaryprefix'), ownRow)
    .map(([o, comparator, row]) => `RowFilter(${o}, ${quoted(`${comparator}:${row}`)})`),
)
const listOfTwo = fc
  .tuple(simpleFilter, fc.constantFrom('AND', 'OR'), simpleFilter)
  .map(([f, word, g]) => `(${f} ${word} ${g})`)
/** As text of the filter language. */
export const filter: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: simpleFilter },
  { weight: 4, arbitrary: listOfTwo },
  {
    weight: 1,
    arbitrary: fc.tuple(listOfTwo, fc.constantFrom('AND', 'OR'), simpleFilter).map((all) => all.join(' ')),
  },
  { weight: 1, arbitrary: simpleFilter.map((f) => `SKIP ${f}`) },
  { weight: 1, arbitrary: simpleFilter.map((f) => `WHILE ${f}`) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('SKIP', 'WHILE'), listOfTwo).map((all) => all.join(' ')) },
)

/** A filter in one of the two forms that the second gateway takes, or none. */
export const filter2: fc.Arbitrary<FilterWish> = fc.record({ text: half(filter), isInBytes: fc.boolean() })

export interface FilterWish {
  readonly text: string | null
  readonly isInBytes: boolean
}

export function filterIn(prefix: string, text: string): Buffer {
  return bytes(text.replaceAll(OWN_ROWS, prefix))
}

export function filterFields(prefix: string, { text, isInBytes }: FilterWish) {
  const own = text === null ? null : filterIn(prefix, text)
  return {
    filterString: own === null || isInBytes ? null : own,
    filterBytes: own === null || !isInBytes ? null : filterBytesOf(parseFilter(own)),
  }
}
