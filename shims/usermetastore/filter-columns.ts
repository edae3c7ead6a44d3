/**
 * What of a filter narrows the columns that are read at all. A column may be left unread only where no answer depends on
 * it: the filter would leave its cells out, and no part of the filter remembers that it saw them. So nothing is narrowed
 * under SKIP, WHILE and beside filters that count or remember columns; the filter itself still judges what was read.
 *
 * Of the families alone that the table has: what other doors wrote beside them is nothing that a filter shows.
 */
import { EMPTY_BYTES, prefixSuccessor } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { type ByteRange, type CellSelector, WHOLE_ROW } from '../../src/model/row.js'
import { comparatorOf, comparison } from './filter-compare.js'
import type { FilterArgument, FilterTree } from './filter-parse.js'
import type { Table } from './hbase-tables.js'
import { toColumn } from './mapping.js'

/** Qualifiers of one family: ranges in byte order, disjoint, none empty. */
type Spans = readonly ByteRange[]

const ALL: Spans = [{ from: EMPTY_BYTES, to: null }]
const NONE: Spans = []

/** Nothing is selected: no version lies in an empty time. */
const NOTHING: CellSelector = { ...WHOLE_ROW, localKeys: [EMPTY_BYTES], minTimestamp: 0n, maxTimestamp: 0n }

/** Beyond, working out what could be left out costs more than reading it. */
const MAX_PARTS = 100

/** Parts whose answer to a cell depends on the cells before it, or that want to see all of them. */
const REMEMBERING = new Set(['ColumnPaginationFilter', 'ColumnCountGetFilter', 'DependentColumnFilter'])
const FIRST_KEY = 'FirstKeyOnlyFilter'
const SINGLE_COLUMN = new Set(['SingleColumnValueFilter', 'SingleColumnValueExcludeFilter'])
const VALUES = new Set([...SINGLE_COLUMN, 'ValueFilter', 'ColumnValueFilter', 'DependentColumnFilter'])
/** Parts that may pass over columns behind the cell they judge: then other parts never see those. */
const STEERING = new Set([
  'FamilyFilter',
  'ColumnPrefixFilter',
  'MultipleColumnPrefixFilter',
  'ColumnRangeFilter',
])
/** Parts that let every cell of a row pass whose key they pass. */
const OF_KEYS = new Set(['KeyOnlyFilter', 'PageFilter', 'PrefixFilter', 'RowFilter', 'InclusiveStopFilter'])

/** The selector of a read that the filter judges, narrowed to what can matter. Null: the whole row, newest versions. */
export function narrowed(table: Table, selector: CellSelector | null, tree: FilterTree): CellSelector | null {
  if (calls(tree).length > MAX_PARTS) return selector
  const given = selector ?? WHOLE_ROW
  const bounded = leavesValuesOut(tree) ? { ...given, keysOnly: true } : given
  const columns = columnsTaken(tree)
  if (columns !== null) {
    const first = { ...bounded, limit: Math.max(1, columns), maxVersions: 1 }
    return { ...first, ...(isWhole(given) && table.families !== null ? familiesOf(table.families) : {}) }
  }
  const parts = isNarrowable(tree) ? partsOf(table, given, tree) : null
  if (parts === null) return bounded === given ? selector : bounded
  return isWhole(parts) ? NOTHING : { ...bounded, ...parts }
}

/** Neither columns nor ranges: of a selector that is everything, of what is left of one nothing. */
function isWhole({ localKeys, ranges }: Parts): boolean {
  return localKeys.length === 0 && ranges.length === 0
}

/** Whether all that is answered is answered without its value, and no part looks at one. */
function leavesValuesOut(tree: FilterTree): boolean {
  const parts = tree.kind === 'and' ? tree.parts : [tree]
  const isEmptied = parts.some((part) => {
    // With `true` the value's length is answered in its place.
    return part.kind === 'call' && part.name === 'KeyOnlyFilter' && wordOf(part.args[0]) !== 'true'
  })
  return isEmptied && !calls(tree).some(({ name }) => VALUES.has(name)) && !hasLengths(tree)
}

function hasLengths(tree: FilterTree): boolean {
  return calls(tree).some(({ name, args }) => name === 'KeyOnlyFilter' && wordOf(args[0]) === 'true')
}

function wordOf(argument: FilterArgument | undefined): string {
  return argument?.kind === 'word' ? argument.value.toLowerCase() : ''
}

/** How many columns from a row's first on are looked at, where nothing but filters of row keys stands beside; null: all. */
function columnsTaken(tree: FilterTree): number | null {
  const parts = tree.kind === 'and' ? tree.parts : [tree]
  let taken: number | null = null
  for (const part of parts) {
    if (part.kind === 'keys') continue
    if (part.kind !== 'call') return null
    if (OF_KEYS.has(part.name)) continue
    const count = countOf(part)
    // Two that count see different columns.
    if (count === null || taken !== null) return null
    taken = count
  }
  return taken
}

function countOf({ name, args }: Extract<FilterTree, { kind: 'call' }>): number | null {
  switch (name) {
    case FIRST_KEY:
      return 1
    case 'ColumnCountGetFilter':
      return Number(wordOf(args[0]))
    case 'ColumnPaginationFilter':
      return args[1]?.kind === 'word' ? Number(wordOf(args[0])) + Number(args[1].value) : null
    default:
      return null
  }
}

function isNarrowable(tree: FilterTree): boolean {
  switch (tree.kind) {
    case 'and':
    case 'or':
      return tree.parts.every(isNarrowable)
    case 'keys':
      return true
    case 'call':
      return tree.name !== FIRST_KEY && !REMEMBERING.has(tree.name)
    case 'skip':
    case 'while':
      return false
  }
}

function calls(tree: FilterTree): readonly Extract<FilterTree, { kind: 'call' }>[] {
  switch (tree.kind) {
    case 'and':
    case 'or':
      return tree.parts.flatMap(calls)
    case 'skip':
    case 'while':
      return calls(tree.inner)
    case 'call':
      return [tree]
    case 'keys':
      return []
  }
}

// ---- which qualifiers of a family can pass

function spansOf(tree: FilterTree, family: Buffer): Spans {
  switch (tree.kind) {
    case 'and':
      return tree.parts.map((part) => spansOf(part, family)).reduce(intersection, ALL)
    case 'or':
      return union(tree.parts.flatMap((part) => spansOf(part, family)))
    case 'call':
      return spansOfCall(tree, family)
    case 'keys':
    case 'skip':
    case 'while':
      return ALL
  }
}

function spansOfCall({ name, args }: Extract<FilterTree, { kind: 'call' }>, family: Buffer): Spans {
  const [first, second, third, fourth] = args
  switch (name) {
    case 'FamilyFilter':
      return comparison(first, second)(family) ? ALL : NONE
    case 'QualifierFilter':
      return comparedSpans(first, second)
    case 'ColumnPrefixFilter':
    case 'MultipleColumnPrefixFilter':
      return union(args.flatMap((prefix) => prefixSpans(bytesOf(prefix))))
    case 'ColumnRangeFilter': {
      const [min, max] = [bytesOf(first), bytesOf(third)]
      const from = min.length === 0 || wordOf(second) === 'true' ? min : behind(min)
      const to = max.length === 0 ? null : wordOf(fourth) === 'true' ? behind(max) : max
      return span(from, to)
    }
    case 'ColumnValueFilter':
      return bytesOf(first).equals(family) ? only(bytesOf(second)) : NONE
    default:
      return ALL
  }
}

function comparedSpans(operator: FilterArgument | undefined, argument: FilterArgument | undefined): Spans {
  const { name, value } = comparatorOf(argument)
  if (name !== 'binary' && name !== 'binaryprefix') return ALL
  const end = name === 'binary' ? behind(value) : prefixSuccessor(value)
  const beyond = end === null ? NONE : span(end, null)
  switch (wordOf(operator)) {
    case '<':
      return span(EMPTY_BYTES, value)
    case '<=':
      return span(EMPTY_BYTES, end)
    case '=':
      return span(value, end)
    case '>=':
      return span(value, null)
    case '>':
      return beyond
    case '!=':
      return union([...span(EMPTY_BYTES, value), ...beyond])
    default:
      return ALL
  }
}

function bytesOf(argument: FilterArgument | undefined): Buffer {
  return argument?.kind === 'bytes' ? argument.value : EMPTY_BYTES
}

function prefixSpans(prefix: Buffer): Spans {
  return span(prefix, prefixSuccessor(prefix))
}

function only(qualifier: Buffer): Spans {
  return span(qualifier, behind(qualifier))
}

function span(from: Buffer, to: Buffer | null): Spans {
  return to !== null && from.compare(to) >= 0 ? NONE : [{ from, to }]
}

const ZERO = Buffer.alloc(1)

function behind(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, ZERO])
}

/** One walk along both. */
function intersection(a: Spans, b: Spans): Spans {
  const common: ByteRange[] = []
  for (let [left, right] = [0, 0]; left < a.length && right < b.length;) {
    const [one, other] = [a[left], b[right]]
    if (one === undefined || other === undefined) break
    const from = one.from.compare(other.from) > 0 ? one.from : other.from
    const isOneFirst = other.to === null || (one.to !== null && one.to.compare(other.to) < 0)
    common.push(...span(from, isOneFirst ? one.to : other.to))
    if (isOneFirst) left += 1
    else right += 1
  }
  return common
}

/** Spans in any order, which may overlap. */
function union(spans: readonly ByteRange[]): Spans {
  const sorted = [...spans].sort((one, other) => one.from.compare(other.from))
  const joined: ByteRange[] = []
  for (const next of sorted) {
    const last = joined.at(-1)
    if (last === undefined || (last.to !== null && last.to.compare(next.from) < 0)) joined.push(next)
    else if (last.to !== null && (next.to === null || next.to.compare(last.to) > 0))
      joined[joined.length - 1] = { from: last.from, to: next.to }
  }
  return joined
}

// ---- as a selector

type Parts = Pick<CellSelector, 'localKeys' | 'ranges'>

/** Null: nothing can be left out, or the families are not known. */
function partsOf(table: Table, given: CellSelector, tree: FilterTree): Parts | null {
  const asked = [...given.localKeys.map((from) => ({ from, to: behind(from) })), ...given.ranges]
  asked.sort((a, b) => a.from.compare(b.from))
  const families = table.families === null ? familiesAsked(asked) : namesOf(table.families)
  const wanted = families.map((family) => ({ family, spans: spansSeen(tree, family) }))
  // The keys without a family lie between those of the others.
  if (wanted.length === 0 || families.some(({ length }) => length === 0) || wanted.every(isAll)) return null
  const whole = wanted.flatMap(({ family, spans }) => spans.map((each) => inFamily(family, each)))
  whole.sort((a, b) => a.from.compare(b.from))
  const left = asked.length === 0 ? whole : intersection(asked, whole)
  return left.length > limits.maxSelectorParts ? null : toParts(left)
}

function isAll({ spans }: { readonly spans: Spans }): boolean {
  return spans.length === 1 && spans[0]?.from.length === 0 && spans[0].to === null
}

/** A range of what is asked for lies in one family. */
function familiesAsked(asked: Spans): Buffer[] {
  const byName = new Map(asked.map(({ from }) => [toColumn(from).family.toString('latin1'), from]))
  return [...byName.values()].map((from) => toColumn(from).family)
}

type Families = NonNullable<Table['families']>

function namesOf(families: Families): Buffer[] {
  return [...families.keys()].map((name) => Buffer.from(name))
}

function familiesOf(families: Families): Parts {
  const ranges = namesOf(families).map((family) => inFamily(family, { from: EMPTY_BYTES, to: null }))
  return { localKeys: [], ranges: ranges.sort((a, b) => a.from.compare(b.from)) }
}

/**
 * What can pass, and beside it the columns that decide about whole rows. Where a part may pass over such a column, with
 * the cells before it, which say whether it does.
 */
function spansSeen(tree: FilterTree, family: Buffer): Spans {
  const parts = calls(tree)
  const isSteered = parts.some(({ name }) => STEERING.has(name))
  const deciding = parts.filter(({ name, args }) => {
    return SINGLE_COLUMN.has(name) && bytesOf(args[0]).equals(family)
  })
  const seen = deciding.map(({ args }) => bytesOf(args[1]))
  return union([
    ...spansOf(tree, family),
    ...seen.flatMap((qualifier) => (isSteered ? span(EMPTY_BYTES, behind(qualifier)) : only(qualifier))),
  ])
}

function inFamily(family: Buffer, { from, to }: ByteRange): ByteRange {
  const prefix = Buffer.concat([family, ZERO])
  return {
    from: Buffer.concat([prefix, from]),
    to: to === null ? prefixSuccessor(prefix) : Buffer.concat([prefix, to]),
  }
}

function toParts(spans: Spans): Parts {
  const localKeys: Buffer[] = []
  const ranges: ByteRange[] = []
  for (const one of spans) {
    if (one.to?.equals(behind(one.from)) === true) localKeys.push(one.from)
    else ranges.push(one)
  }
  return { localKeys, ranges }
}
