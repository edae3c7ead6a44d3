/**
 * IF, made ready: what of the row it looks at, and whether it holds. Rules and texts as ColumnCondition.java and
 * CQL3CasRequest.java of Cassandra 3.0.
 */
import type * as ast from '../cql/ast.js'
import { comparatorOf } from '../cql/compare.js'
import { invalid } from '../cql/errors.js'
import { type CqlType, TYPES, freeze, isCollection } from '../cql/types.js'
import { unpackItems } from '../cql/values/collections.js'
import { type BoundValue, UNSET } from './contract.js'
import { ORDER_TESTS } from './paths.js'
import { type TableRow, valueOf } from './rows.js'
import type { Column, TableSchema } from './schema.js'
import { type Bindings, type Bound, type Variables, compileTerm } from './terms.js'

export interface CompiledCondition {
  readonly kind: 'IF NOT EXISTS' | 'IF EXISTS' | 'IF'
  /** That it names, in the order of the text, each once. */
  readonly columns: readonly Column[]
  /** Of rows, and not only of static cells: IF EXISTS goes with what the statement is about. */
  readonly touchesRows: boolean
  /** Of IF: whether it holds for the row; null: there is none. */
  readonly holds: (row: TableRow | null, bindings: Bindings) => boolean
}

interface Around {
  readonly table: TableSchema
  readonly variables: Variables
}

/** @throws {CqlError} */
export function compileConditions(
  kind: CompiledCondition['kind'],
  conditions: readonly ast.Condition[],
  around: Around,
): CompiledCondition {
  if (around.table.isCounter && conditions.length > 0)
    throw invalid('Conditions on counters are not supported')
  if (around.table.isCounter) throw invalid('Conditional updates are not supported on counter tables')
  const tests = conditions.map((condition) => compileOne(condition, around))
  const columns = [...new Set(tests.map(({ column }) => column))]
  return {
    ...{ kind, columns },
    touchesRows: columns.some((column) => column.kind === 'regular'),
    holds: (row, bindings) => tests.every(({ holds }) => holds(row, bindings)),
  }
}

/** Of any collection. */
const NO_ELEMENTS = Buffer.alloc(4)

interface Test {
  readonly column: Column
  readonly holds: CompiledCondition['holds']
}

function compileOne(condition: ast.Condition, around: Around): Test {
  const { table, variables } = around
  const column = table.byName.get(condition.column)
  if (column === undefined) throw invalid(`Unknown identifier ${condition.column} in IF conditions`)
  const { name, kind } = column
  if (kind === 'partition_key' || kind === 'clustering') {
    throw invalid(`PRIMARY KEY column '${name}' cannot have IF conditions`)
  }
  const element = condition.element === null ? null : compileElement(condition.element, column, around)
  const type = element === null ? column.type : element.type
  const spec = {
    ...{ keyspace: table.keyspace, table: table.name, type },
    name: element === null ? name : `value(${name})`,
  }
  const found = (row: TableRow | null, bindings: Bindings): Buffer | null => {
    const whole = row === null ? null : valueOf(row, column)
    return element === null ? whole : element.of(whole, bindings)
  }
  const compare = comparatorOf(type)
  if (condition.kind === 'in') {
    const valuesOf = compileIn(condition.values, spec, variables)
    const holds = (row: TableRow | null, bindings: Bindings) => {
      const value = found(row, bindings)
      return valuesOf(bindings).some((wanted) => isEqual(value, emptyAsNull(checked(wanted), type), compare))
    }
    return { column, holds }
  }
  const { operator } = condition
  const bound = compileTerm(condition.value, spec, variables)
  const holds = (row: TableRow | null, bindings: Bindings): boolean => {
    const value = found(row, bindings)
    const given = checked(bound(bindings))
    const wanted = emptyAsNull(given, type)
    if (operator === '=') return isEqual(value, wanted, compare)
    if (operator === '!=') return !isEqual(value, wanted, compare)
    // A collection that is not there is an empty one (ColumnCondition.CollectionBound).
    if (isCollection(type) && !type.isFrozen && given !== null)
      return ORDER_TESTS[operator](compare(value ?? NO_ELEMENTS, given))
    if (wanted === null) throw invalid(`Invalid comparison with null for operator "${operator}"`)
    return value !== null && ORDER_TESTS[operator](compare(value, wanted))
  }
  return { column, holds }
}

function compileIn(
  values: ast.InValues,
  spec: Parameters<typeof compileTerm>[1],
  variables: Variables,
): (bindings: Bindings) => readonly BoundValue[] {
  if (values.kind === 'terms') {
    const bounds: readonly Bound[] = values.terms.map((term) => compileTerm(term, spec, variables))
    return (bindings) => bounds.map((bound) => bound(bindings))
  }
  const type = { kind: 'list', element: freeze(spec.type), isFrozen: true } as const
  const bound = compileTerm(values.marker, { ...spec, name: `in(${spec.name})`, type }, variables)
  return (bindings) => {
    const list = checked(bound(bindings))
    if (list === null) throw invalid('Invalid null list in IN condition')
    return unpackItems(list, 'list')
  }
}

interface ElementOf {
  readonly type: CqlType
  readonly of: (whole: Buffer | null, bindings: Bindings) => Buffer | null
}

function compileElement(key: ast.Term, { type, name }: Column, { table, variables }: Around): ElementOf {
  const spec = { keyspace: table.keyspace, table: table.name }
  if (type.kind === 'list') {
    const index = compileTerm(key, { ...spec, name: `idx(${name})`, type: TYPES.int }, variables)
    const of = (whole: Buffer | null, bindings: Bindings): Buffer | null => {
      const at = checked(index(bindings))
      if (at === null) throw invalid('Invalid null value for list element access')
      const number = at.readInt32BE()
      if (number < 0) throw invalid(`Invalid negative list index ${number}`)
      return whole === null ? null : (unpackItems(whole, 'list')[number] ?? null)
    }
    return { type: freeze(type.element), of }
  }
  if (type.kind === 'map') {
    const bound = compileTerm(key, { ...spec, name: `key(${name})`, type: freeze(type.key) }, variables)
    const compare = comparatorOf(type.key)
    const of = (whole: Buffer | null, bindings: Bindings): Buffer | null => {
      const wanted = checked(bound(bindings))
      if (wanted === null) throw invalid('Invalid null value for map element access')
      const items = whole === null ? [] : unpackItems(whole, 'map')
      const at = items.findIndex((item, index) => index % 2 === 0 && compare(item, wanted) === 0)
      return at < 0 ? null : (items[at + 1] ?? null)
    }
    return { type: freeze(type.value), of }
  }
  throw invalid(
    type.kind === 'set'
      ? `Invalid element access syntax for set column ${name}`
      : `Invalid element access syntax for non-collection column ${name}`,
  )
}

function checked(value: BoundValue): Buffer | null {
  if (value === UNSET) throw invalid("Invalid 'unset' value in condition")
  return value
}

/** A collection that is not frozen is empty or null: that is the same. */
function emptyAsNull(value: Buffer | null, type: CqlType): Buffer | null {
  const isOpen = isCollection(type) && !type.isFrozen
  return isOpen && value !== null && value.length >= 4 && value.readInt32BE() === 0 ? null : value
}

function isEqual(a: Buffer | null, b: Buffer | null, compare: (a: Buffer, b: Buffer) => number): boolean {
  if (a === null || b === null) return a === b
  return compare(a, b) === 0
}
