/**
 * From WHERE to places: the keys of partitions, the ranges of local keys within them, and the test of a row for what no
 * range says. Compiled once a statement, computed once a request.
 */
import type { ByteRange } from '../../../src/model/row.js'
import { compareBytes, comparatorOf } from '../cql/compare.js'
import { invalid } from '../cql/errors.js'
import { isCollection } from '../cql/types.js'
import { unpackItems } from '../cql/values/collections.js'
import { type BoundValue, UNSET } from './contract.js'
import { allRows, rangeOfPrefix, rowKeyOf, rowPrefix } from './mapping.js'
import { intersect, slice, sortRanges } from './ranges.js'
import { type TableRow, valueOf } from './rows.js'
import type { Column, TableSchema } from './schema.js'
import type { Bindings } from './terms.js'
import type { Choice, Filter, Limit, Where } from './where.js'

/** Partitions that one statement names, and rows of one of them: IN lists multiply. */
const MAX_PLACES = 10_000

export interface PartitionKey {
  readonly rowKey: Buffer
  readonly parts: readonly Buffer[]
}

/** In the order of the key's values, each once. @throws {CqlError} */
export function partitionKeys(table: TableSchema, where: Where, bindings: Bindings): readonly PartitionKey[] {
  const combined = combinations(where.partition, bindings)
  const isSingle = combined.length === 1
  const keys = combined.map((parts): PartitionKey => ({ parts, rowKey: rowKeyOf(table, parts) }))
  if (isSingle) return keys
  const comparators = table.partitionKey.map(({ type }) => comparatorOf(type))
  keys.sort((a, b) => {
    for (const [index, compare] of comparators.entries()) {
      const order = compare(a.parts[index] as Buffer, b.parts[index] as Buffer) // one a column
      if (order !== 0) return order
    }
    return 0
  })
  return keys.filter(({ rowKey }, index) => keys[index - 1]?.rowKey.equals(rowKey) !== true)
}

/** Every choice of the first with every one of the others; mostly each has one value. */
function combinations(choices: readonly Choice[], bindings: Bindings): readonly (readonly Buffer[])[] {
  const single: Buffer[] = []
  let combined: readonly (readonly Buffer[])[] = [single]
  for (const choice of choices) {
    const tuples = choice.tuplesOf(bindings)
    const [only] = tuples
    if (only !== undefined && tuples.length === 1 && combined[0] === single) {
      for (const value of only) single.push(value)
      continue
    }
    if (tuples.length * combined.length > MAX_PLACES) {
      throw invalid(`more than ${MAX_PLACES} keys are named by IN: ask for fewer at a time`)
    }
    combined = combined.flatMap((before) => tuples.map((tuple) => [...before, ...tuple]))
  }
  return combined
}

/** What of WHERE says which clustering keys, and what of it is left to be compared row by row. */
export interface RowPaths {
  readonly choices: readonly Choice[]
  readonly limits: readonly Limit[]
  readonly leftChoices: readonly Choice[]
  readonly leftLimits: readonly Limit[]
  /** All clustering columns have their values: rows are named. */
  readonly isExact: boolean
}

export function rowPaths(table: TableSchema, where: Where): RowPaths {
  const choices: Choice[] = []
  let position = 0
  for (const choice of where.choices) {
    if (choice.columns[0]?.position !== position) break
    choices.push(choice)
    position += choice.columns.length
  }
  const limits = where.limits.filter(({ columns }) => columns[0]?.position === position)
  return {
    choices,
    limits,
    leftChoices: where.choices.filter((choice) => !choices.includes(choice)),
    leftLimits: where.limits.filter((limit) => !limits.includes(limit)),
    isExact: position === table.clustering.length,
  }
}

/** Prefixes of the rows that are named; in the order of bytes, each once. */
export function rowPrefixes(table: TableSchema, paths: RowPaths, bindings: Bindings): readonly Buffer[] {
  const prefixes = combinations(paths.choices, bindings).map((values) => rowPrefix(table, values))
  if (prefixes.length === 1) return prefixes
  const sorted = prefixes.sort(compareBytes)
  return sorted.filter((prefix, index) => sorted[index - 1]?.equals(prefix) !== true)
}

export function rowRanges(table: TableSchema, paths: RowPaths, bindings: Bindings): readonly ByteRange[] {
  if (paths.choices.length === 0 && paths.limits.length === 0) return [allRows(table)]
  const prefixes = rowPrefixes(table, paths, bindings)
  if (paths.limits.length === 0) return sortRanges(prefixes.map(rangeOfPrefix))
  const limits = paths.limits.map((limit) => ({ ...limit, values: limit.valuesOf(bindings) }))
  return sortRanges(
    // Each of them lies within the prefix.
    prefixes.flatMap((prefix) => limits.map((limit) => slice(prefix, limit)).reduce(intersect)),
  )
}

export type RowTest = (row: TableRow) => boolean

/** Null: every row passes. */
export function rowTest(
  { leftChoices, leftLimits }: Pick<RowPaths, 'leftChoices' | 'leftLimits'>,
  filters: readonly Filter[],
  bindings: Bindings,
): RowTest | null {
  const tests = [
    ...leftChoices.map((choice) => choiceTest(choice, bindings)),
    ...leftLimits.map((limit) => limitTest(limit, bindings)),
    ...filters.map((filter) => filterTest(filter, bindings)),
  ]
  return tests.length === 0 ? null : (row) => tests.every((test) => test(row))
}

export function choiceTest({ columns, tuplesOf }: Choice, bindings: Bindings): RowTest {
  const tuples = tuplesOf(bindings)
  return (row) => tuples.some((tuple) => compareTo(row, columns, tuple) === 0)
}

export function limitTest({ columns, isLower, isInclusive, valuesOf }: Limit, bindings: Bindings): RowTest {
  const values = valuesOf(bindings)
  return (row) => {
    const order = compareTo(row, columns, values)
    if (order === null) return false
    return order === 0 ? isInclusive : isLower ? order > 0 : order < 0
  }
}

/** Null: the row has no value in one of the columns. */
function compareTo(row: TableRow, columns: readonly Column[], values: readonly Buffer[]): number | null {
  for (const [index, column] of columns.entries()) {
    const value = valueOf(row, column)
    if (value === null) return null
    const order = comparatorOf(column.type)(value, values[index] as Buffer) // one a column
    if (order !== 0) return order
  }
  return 0
}

function filterTest({ column, comparing, value }: Filter, bindings: Bindings): RowTest {
  const wanted = requireFilterValue(value(bindings), column)
  const { type } = column
  if (comparing.kind === 'compare') {
    const compare = comparatorOf(type)
    const isMet = ORDER_TESTS[comparing.operator]
    return (row) => {
      const found = valueOf(row, column)
      return found !== null && isMet(compare(found, wanted))
    }
  }
  if (!isCollection(type)) return () => false
  if (comparing.kind === 'contains') {
    const isMap = type.kind === 'map'
    const element = type.kind === 'map' ? (comparing.isKey ? type.key : type.value) : type.element
    const compare = comparatorOf(element)
    return (row) => {
      const found = valueOf(row, column)
      if (found === null) return false
      const items = unpackItems(found, type.kind)
      const offset = isMap && !comparing.isKey ? 1 : 0
      return items.some((item, index) => (!isMap || index % 2 === offset) && compare(item, wanted) === 0)
    }
  }
  if (type.kind !== 'map') return () => false
  const key = requireFilterValue(comparing.key(bindings), column)
  const [compareKeys, compareValues] = [comparatorOf(type.key), comparatorOf(type.value)]
  return (row) => {
    const found = valueOf(row, column)
    const items = found === null ? [] : unpackItems(found, 'map')
    return items.some((item, index) => {
      const entry = items[index + 1]
      return (
        index % 2 === 0 &&
        entry !== undefined &&
        compareKeys(item, key) === 0 &&
        compareValues(entry, wanted) === 0
      )
    })
  }
}

export const ORDER_TESTS = {
  '=': (order: number) => order === 0,
  '!=': (order: number) => order !== 0,
  '<': (order: number) => order < 0,
  '<=': (order: number) => order <= 0,
  '>': (order: number) => order > 0,
  '>=': (order: number) => order >= 0,
} as const

function requireFilterValue(value: BoundValue, { name }: Column): Buffer {
  if (value === UNSET) throw invalid(`Unsupported unset value for column ${name}`)
  if (value === null) throw invalid(`Unsupported null value for column ${name}`)
  return value
}
