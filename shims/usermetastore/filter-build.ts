/** A parsed filter as what judges rows, by the names and arguments that HBase's ParseFilter knows. */
import { type ByteTest, comparison } from './filter-compare.js'
import { AllOf, AnyOf, Skip, While } from './filter-lists.js'
import type { FilterArgument, FilterTree } from './filter-parse.js'
import { FilterWork } from './filter-work.js'
import {
  CellTest,
  ColumnCell,
  ColumnPage,
  ColumnPrefixes,
  ColumnRange,
  ColumnValue,
  DependentColumn,
  FirstKeyOnly,
  InclusiveStop,
  KeyOnly,
  KeyTest,
  Page,
  Prefix,
  type RowFilter,
} from './filter-rules.js'
import { runtime } from './hbase-errors.js'

type Args = readonly FilterArgument[]
type Maker = (args: Args, how: Making) => RowFilter

interface Making {
  readonly isReversed: boolean
  readonly work: FilterWork
}

const ANY_COUNT = Number.POSITIVE_INFINITY

/** With how many arguments each is called: at least, at most. */
const MAKERS: Readonly<Record<string, readonly [least: number, most: number, make: Maker]>> = {
  KeyOnlyFilter: [0, 1, (args) => new KeyOnly(args.length > 0 && booleanOf(args[0]))],
  FirstKeyOnlyFilter: [0, 0, () => new FirstKeyOnly()],
  PrefixFilter: [1, 1, (args, { isReversed }) => new Prefix(bytesOf(args[0]), isReversed)],
  InclusiveStopFilter: [1, 1, (args, { isReversed }) => new InclusiveStop(bytesOf(args[0]), isReversed)],
  PageFilter: [1, 1, (args) => new Page(countOf(args[0]))],
  ColumnPrefixFilter: [1, 1, (args) => new ColumnPrefixes([bytesOf(args[0])])],
  MultipleColumnPrefixFilter: [
    1,
    ANY_COUNT,
    (args) => new ColumnPrefixes(args.map(bytesOf).sort((a, b) => a.compare(b))),
  ],
  ColumnRangeFilter: [4, 4, columnRange],
  ColumnCountGetFilter: [1, 1, (args) => new ColumnPage(countOf(args[0]), 0, null)],
  ColumnPaginationFilter: [2, 2, columnPage],
  TimestampsFilter: [0, ANY_COUNT, timestamps],
  RowFilter: [2, 2, (args, { work }) => new KeyTest(comparison(args[0], args[1], work))],
  FamilyFilter: [2, 2, (args, { work }) => family(comparison(args[0], args[1], work))],
  QualifierFilter: [2, 2, (args, { work }) => qualifier(comparison(args[0], args[1], work))],
  ValueFilter: [2, 2, (args, { work }) => value(comparison(args[0], args[1], work))],
  SingleColumnValueFilter: [4, 6, (args, { work }) => columnValue(args, { isExcluded: false, work })],
  SingleColumnValueExcludeFilter: [4, 6, (args, { work }) => columnValue(args, { isExcluded: true, work })],
  DependentColumnFilter: [2, 5, dependentColumn],
  ColumnValueFilter: [4, 4, columnCell],
}

/**
 * A filter at its start. Filters of one call share what they may keep in memory.
 * @throws {KVError} for names and arguments that do not exist
 */
export function buildFilter(tree: FilterTree, isReversed: boolean, work = new FilterWork()): BuiltFilter {
  const judge = build(tree, { isReversed, work })
  return { judge, work, questions: questionsOf(tree), families: familiesOf(tree) }
}

/** A filter that judges rows, which has state from row to row, and what that costs. */
export interface BuiltFilter {
  readonly judge: RowFilter
  readonly work: FilterWork
  /** What each cell is asked. */
  readonly questions: number
  /**
   * Names of those that it needs to judge a row, null: all. A region reads the others behind them, and only of rows that
   * were not dropped by then; one of which nothing passed in these is.
   */
  readonly families: ReadonlySet<string> | null
}

function familiesOf(tree: FilterTree): BuiltFilter['families'] {
  const names = new Set<string>()
  return addNeeded(tree, names) ? null : names
}

/** Filter.isFamilyEssential of each filter. Answers whether it needs all. */
function addNeeded(tree: FilterTree, names: Set<string>): boolean {
  switch (tree.kind) {
    case 'and':
    case 'or':
      return tree.parts.length === 0 || tree.parts.some((part) => addNeeded(part, names))
    case 'skip':
    case 'while':
      return addNeeded(tree.inner, names)
    case 'keys':
      return true
    case 'call':
      if (!needsOneFamily(tree)) return true
      names.add(bytesOf(tree.args[0]).toString('latin1'))
      return false
  }
}

function needsOneFamily({ name, args }: Extract<FilterTree, { kind: 'call' }>): boolean {
  if (name === 'ColumnValueFilter') return true
  const missing = args[4]
  return /^SingleColumnValue(Exclude)?Filter$/.test(name) && missing !== undefined && booleanOf(missing)
}

/** Every part, and within those of many arguments every one. */
function questionsOf(tree: FilterTree): number {
  switch (tree.kind) {
    case 'and':
    case 'or':
      return tree.parts.reduce((sum, part) => sum + questionsOf(part), 1)
    case 'skip':
    case 'while':
      return 1 + questionsOf(tree.inner)
    case 'keys':
      return 1 + tree.count
    case 'call':
      return 1 + tree.args.length
  }
}

function build(tree: FilterTree, how: Making): RowFilter {
  switch (tree.kind) {
    case 'and':
      return new AllOf(tree.parts.map((part) => build(part, how)))
    case 'or':
      return new AnyOf(tree.parts.map((part) => build(part, how)))
    // Neither hands on which way a scan goes (Filter.setReversed).
    case 'skip':
      return new Skip(build(tree.inner, { ...how, isReversed: false }))
    case 'while':
      return new While(build(tree.inner, { ...how, isReversed: false }))
    case 'keys':
      return new KeyTest(tree.passes)
    case 'call':
      return call(tree, how)
  }
}

function call({ name, args }: Extract<FilterTree, { kind: 'call' }>, how: Making): RowFilter {
  const maker = Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined
  if (maker === undefined) throw runtime(`Filter Name ${name.slice(0, 60)} not supported`)
  const [least, most, make] = maker
  if (args.length < least || args.length > most) {
    const wanted = least === most ? `${least}` : `${least} to ${most}`
    throw runtime(`${name}: Expected ${wanted} but got: ${args.length}`)
  }
  return make(args, how)
}

function columnRange([min, hasMin, max, hasMax]: Args): RowFilter {
  return new ColumnRange({
    min: orNull(bytesOf(min)),
    isMinIncluded: booleanOf(hasMin),
    max: orNull(bytesOf(max)),
    isMaxIncluded: booleanOf(hasMax),
  })
}

function orNull(bytes: Buffer): Buffer | null {
  return bytes.length === 0 ? null : bytes
}

function columnPage([limit, offset]: Args): RowFilter {
  if (offset?.kind === 'bytes') return new ColumnPage(countOf(limit), 0, offset.value)
  return new ColumnPage(countOf(limit), countOf(offset), null)
}

function timestamps(args: Args): RowFilter {
  const wanted = new Set(args.map(timestampOf))
  let oldest: bigint | null = null
  for (const one of wanted) if (oldest === null || one < oldest) oldest = one
  return new CellTest(({ cell: { timestamp } }) => {
    if (timestamp === null || wanted.has(timestamp)) return 'INCLUDE'
    return oldest === null || timestamp < oldest ? 'NEXT_COLUMN' : 'SKIP'
  })
}

function family(passes: ByteTest): RowFilter {
  return new CellTest((one) => (passes(one.family) ? 'INCLUDE' : 'NEXT_FAMILY'))
}

function qualifier(passes: ByteTest): RowFilter {
  return new CellTest((one) => (passes(one.qualifier) ? 'INCLUDE' : 'NEXT_COLUMN'))
}

function value(passes: ByteTest): RowFilter {
  return new CellTest(({ cell }) => (passes(cell.value) ? 'INCLUDE' : 'SKIP'))
}

function columnValue(
  args: Args,
  { isExcluded, work }: { readonly isExcluded: boolean; readonly work: FilterWork },
): RowFilter {
  const [name, column, operator, comparator, missing, latest] = args
  if (args.length === 5) throw runtime('Expected 4 or 6 arguments but got: 5')
  return new ColumnValue(
    { family: bytesOf(name), qualifier: bytesOf(column) },
    comparison(operator, comparator, work),
    {
      filterIfMissing: missing !== undefined && booleanOf(missing),
      latestVersionOnly: latest === undefined || booleanOf(latest),
      isExcluded,
    },
  )
}

function columnCell([name, column, operator, comparator]: Args, { work }: Making): RowFilter {
  return new ColumnCell(
    { family: bytesOf(name), qualifier: bytesOf(column) },
    comparison(operator, comparator, work),
  )
}

function dependentColumn(args: Args, { work }: Making): RowFilter {
  const [name, column, dropped, operator, comparator] = args
  if (args.length === 4) throw runtime('Expected 2, 3 or 5 but got: 4')
  return new DependentColumn(
    { family: bytesOf(name), qualifier: bytesOf(column) },
    dropped !== undefined && booleanOf(dropped),
    operator === undefined ? null : comparison(operator, comparator, work),
  )
}

function bytesOf(argument: FilterArgument | undefined): Buffer {
  if (argument?.kind === 'bytes') return argument.value
  throw runtime('Incorrect argument: bytes stand in single quotes')
}

function booleanOf(argument: FilterArgument | undefined): boolean {
  const word = argument?.kind === 'word' ? argument.value.toLowerCase() : ''
  if (word === 'true' || word === 'false') return word === 'true'
  throw runtime('Incorrect argument: true or false')
}

/** Whole numbers of 32 bits, not negative. */
function countOf(argument: FilterArgument | undefined): number {
  const number = argument?.kind === 'word' && /^\d{1,10}$/.test(argument.value) ? Number(argument.value) : -1
  if (number >= 0 && number < 2 ** 31) return number
  throw runtime('Incorrect argument: a whole number of 0 or more')
}

function timestampOf(argument: FilterArgument): bigint {
  if (argument.kind === 'word' && /^\d{1,18}$/.test(argument.value)) return BigInt(argument.value)
  throw runtime('Incorrect argument: a timestamp of 0 or more')
}
