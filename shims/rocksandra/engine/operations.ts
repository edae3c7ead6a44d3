/**
 * What a statement does to one column of a row: Operation.java, Constants.java, Lists.java, Sets.java and Maps.java of
 * Cassandra 3.0. Operations that depend on what a list holds say so, and are given the row as it is.
 */
import type * as ast from '../cql/ast.js'
import { comparatorOf } from '../cql/compare.js'
import { invalid } from '../cql/errors.js'
import { termText } from '../cql/term-text.js'
import { type CqlType, TYPES, freeze, isCollection, isCounter } from '../cql/types.js'
import { unpackItems } from '../cql/values/collections.js'
import { type BoundValue, UNSET } from './contract.js'
import type { ListPaths } from './list-paths.js'
import { columnKey, elementKey, pathOf } from './mapping.js'
import type { RowWrites, WriteTimes } from './row-writes.js'
import { type Element, type TableRow, cellsOf, isElements } from './rows.js'
import type { Column, TableSchema } from './schema.js'
import { type Bindings, type Bound, type Variables, compileTerm } from './terms.js'

export interface Target {
  readonly writes: RowWrites
  /** What the row's local keys begin with. */
  readonly prefix: Buffer
  readonly times: WriteTimes
  /** As it is; null: there is none, or nothing reads. */
  readonly row: TableRow | null
  readonly listPaths: ListPaths
}

export interface Operation {
  readonly column: Column
  /** It depends on what the row has. */
  readonly needsRow: boolean
  readonly apply: (target: Target, bindings: Bindings) => void
}

interface Around {
  readonly table: TableSchema
  readonly variables: Variables
}

/** `c = v` of INSERT and UPDATE. @throws {CqlError} */
export function assign(column: Column, value: Bound): Operation {
  if (isCounter(column.type)) {
    throw invalid(
      `Cannot set the value of counter column ${column.name} (counters can only be incremented/decremented, not set)`,
    )
  }
  const apply = (target: Target, bindings: Bindings): void => {
    const bytes = value(bindings)
    if (bytes === UNSET) return
    const { writes, prefix, times } = target
    const localKey = columnKey(prefix, column)
    if (!column.isMultiCell) {
      if (bytes === null) writes.deleteCell(localKey, times.timestamp)
      else writes.put(localKey, bytes, times)
      return
    }
    writes.overwriteElements(localKey, times.timestamp)
    if (bytes !== null) addElements(column, bytes, target)
  }
  return { column, needsRow: false, apply }
}

/** Behind those that a list has. */
function addElements(column: Column, bytes: Buffer, target: Target): void {
  const { writes, prefix, times, listPaths } = target
  const { type } = column
  if (type.kind === 'map') {
    const items = unpackItems(bytes, 'map')
    for (let index = 0; index + 1 < items.length; index += 2) {
      const [key, value] = [items[index], items[index + 1]]
      if (key !== undefined && value !== undefined) {
        writes.putElement({ prefix, column }, pathOf(column, key), { ...times, value })
      }
    }
  } else if (type.kind === 'set') {
    for (const item of unpackItems(bytes, 'set')) {
      writes.putElement({ prefix, column }, pathOf(column, item), { ...times, value: NOTHING })
    }
  } else {
    for (const value of unpackItems(bytes, 'list')) {
      writes.putElement({ prefix, column }, listPaths.next(), { ...times, value })
    }
  }
}

const NOTHING = Buffer.alloc(0)

/** @throws {CqlError} */
export function compileAssignment(assignment: ast.Assignment, column: Column, around: Around): Operation {
  const { type, name } = column
  if (assignment.kind === 'set')
    return assign(column, compileTerm(assignment.value, specOf(column, around), around.variables))
  if (assignment.kind === 'setElement') return setElement(assignment, column, around)
  const shown = assignmentText(assignment)
  if (isCounter(type)) {
    if (assignment.kind === 'prepend')
      throw invalid(`Invalid operation (${shown}) for counter column ${name}`)
    return increment(
      assignment.kind === 'subtract' ? -1n : 1n,
      compileTerm(assignment.value, specOf(column, around), around.variables),
      column,
    )
  }
  // What is wrong with the value is said first.
  if (assignment.kind !== 'subtract') compileTerm(assignment.value, specOf(column, around), around.variables)
  if (!isCollection(type)) {
    throw invalid(
      assignment.kind === 'prepend'
        ? `Invalid operation (${shown}) for non list column ${name}`
        : `Invalid operation (${shown}) for non counter column ${name}`,
    )
  }
  if (type.isFrozen) throw invalid(`Invalid operation (${shown}) for frozen collection column ${name}`)
  if (assignment.kind === 'prepend' && type.kind !== 'list') {
    throw invalid(`Invalid operation (${shown}) for non list column ${name}`)
  }
  // What is taken from a map are keys.
  const wanted: CqlType =
    assignment.kind === 'subtract' && type.kind === 'map'
      ? { kind: 'set', element: type.key, isFrozen: false }
      : type
  const value = compileTerm(assignment.value, { ...specOf(column, around), type: wanted }, around.variables)
  if (assignment.kind === 'add')
    return ofCollection(column, value, (bytes, target) => addElements(column, bytes, target))
  if (assignment.kind === 'prepend')
    return ofCollection(column, value, (bytes, target) => prepend(column, bytes, target))
  return type.kind === 'list'
    ? discard(column, value)
    : ofCollection(column, value, (bytes, target) => removeKeys(column, bytes, target))
}

function specOf({ name, type }: Column, { table }: Around) {
  return { keyspace: table.keyspace, table: table.name, name, type }
}

function assignmentText(assignment: Exclude<ast.Assignment, { kind: 'set' | 'setElement' }>): string {
  const { column, value } = assignment
  if (assignment.kind === 'prepend') return `${column} = ${termText(value)} + ${column}`
  return `${column} = ${column} ${assignment.kind === 'add' ? '+' : '-'} ${termText(value)}`
}

function increment(sign: bigint, value: Bound, column: Column): Operation {
  const apply = ({ writes, prefix }: Target, bindings: Bindings): void => {
    const bytes = value(bindings)
    if (bytes === null) throw invalid('Invalid null value for counter increment')
    if (bytes === UNSET) return
    writes.increment(columnKey(prefix, column), sign * bytes.readBigInt64BE())
  }
  return { column, needsRow: false, apply }
}

function ofCollection(
  column: Column,
  value: Bound,
  change: (bytes: Buffer, target: Target) => void,
): Operation {
  const apply = (target: Target, bindings: Bindings): void => {
    const bytes = value(bindings)
    if (bytes !== null && bytes !== UNSET) change(bytes, target)
  }
  return { column, needsRow: false, apply }
}

/** The last one first, each before all that there are. */
function prepend(column: Column, bytes: Buffer, { writes, prefix, times, listPaths }: Target): void {
  for (const value of unpackItems(bytes, 'list').reverse()) {
    writes.putElement({ prefix, column }, listPaths.before(), { ...times, value })
  }
}

function removeKeys(column: Column, bytes: Buffer, { writes, prefix, times }: Target): void {
  for (const key of unpackItems(bytes, 'set')) {
    writes.deleteCell(elementKey(prefix, column, pathOf(column, key)), times.timestamp)
  }
}

/** `l = l - [..]`: every element that is equal to one of those. */
function discard(column: Column, value: Bound): Operation {
  const compare = column.type.kind === 'list' ? comparatorOf(column.type.element) : null
  const apply = ({ writes, prefix, times, row }: Target, bindings: Bindings): void => {
    const bytes = value(bindings)
    if (bytes === null || bytes === UNSET) return
    const gone = unpackItems(bytes, 'list')
    for (const { path, cell } of elementsOf(row, column)) {
      if (!gone.some((item) => compare?.(item, cell.value) === 0)) continue
      writes.deleteCell(elementKey(prefix, column, path), times.timestamp)
    }
  }
  return { column, needsRow: true, apply }
}

function elementsOf(row: TableRow | null, column: Column): readonly Element[] {
  const cells = row === null ? undefined : cellsOf(row, column)
  return cells !== undefined && isElements(cells) ? cells : []
}

function setElement(
  { key, value, column: name }: Extract<ast.Assignment, { kind: 'setElement' }>,
  column: Column,
  around: Around,
): Operation {
  const { type } = column
  const shown = `${name}[${termText(key)}] = ${termText(value)}`
  if (!isCollection(type)) throw invalid(`Invalid operation (${shown}) for non collection column ${name}`)
  if (type.isFrozen) throw invalid(`Invalid operation (${shown}) for frozen collection column ${name}`)
  if (type.kind === 'set') throw invalid(`Invalid operation (${shown}) for set column ${name}`)
  const keyOf = compileKey(key, column, around)
  const element = freeze(type.kind === 'map' ? type.value : type.element)
  const spec = { ...specOf(column, around), name: `value(${name})`, type: element }
  const valueOf = compileTerm(value, spec, around.variables)
  const apply = (target: Target, bindings: Bindings): void => {
    const { writes, prefix, times, row } = target
    const given = valueOf(bindings)
    const path =
      type.kind === 'map'
        ? mapPath(keyOf(bindings), column)
        : listPath(keyOf(bindings), row, { column, verb: 'set' })
    if (given === UNSET) return
    if (given === null) writes.deleteCell(elementKey(prefix, column, path), times.timestamp)
    else writes.putElement({ prefix, column }, path, { ...times, value: given })
  }
  return { column, needsRow: type.kind === 'list', apply }
}

function compileKey(key: ast.Term, column: Column, around: Around): Bound {
  const { type, name } = column
  const spec = specOf(column, around)
  if (type.kind === 'map')
    return compileTerm(key, { ...spec, name: `key(${name})`, type: freeze(type.key) }, around.variables)
  if (type.kind === 'set')
    return compileTerm(key, { ...spec, name: `value(${name})`, type: freeze(type.element) }, around.variables)
  return compileTerm(key, { ...spec, name: `idx(${name})`, type: TYPES.int }, around.variables)
}

function mapPath(key: BoundValue, column: Column): Buffer {
  if (key === UNSET) throw invalid('Invalid unset map key')
  if (key === null)
    throw invalid(column.type.kind === 'set' ? 'Invalid null set element' : 'Invalid null map key')
  return pathOf(column, key)
}

function listPath(
  index: BoundValue,
  row: TableRow | null,
  { column, verb }: { readonly column: Column; readonly verb: 'set' | 'delete' },
): Buffer {
  if (index === UNSET) throw invalid('Invalid unset value for list index')
  if (index?.length !== 4) throw invalid('Invalid null value for list index')
  const elements = elementsOf(row, column)
  const at = index.readInt32BE()
  if (elements.length === 0) {
    throw invalid(
      verb === 'set'
        ? 'Attempted to set an element on a list which is null'
        : 'Attempted to delete an element from a list which is null',
    )
  }
  const element = elements[at]
  if (element === undefined) throw invalid(`List index ${at} out of bound, list has size ${elements.length}`)
  return element.path
}

/** `DELETE c` and `DELETE c[k]`. @throws {CqlError} */
export function compileDeletion({ element }: ast.Deletion, column: Column, around: Around): Operation {
  const { type, name } = column
  if (element === null) {
    const apply = ({ writes, prefix, times }: Target): void => {
      const localKey = columnKey(prefix, column)
      if (column.isMultiCell) writes.deleteElements(localKey, times.timestamp)
      else writes.deleteCell(localKey, times.timestamp)
    }
    return { column, needsRow: false, apply }
  }
  if (!isCollection(type)) throw invalid(`Invalid deletion operation for non collection column ${name}`)
  if (type.isFrozen) throw invalid(`Invalid deletion operation for frozen collection column ${name}`)
  const keyOf = compileKey(element, column, around)
  const apply = ({ writes, prefix, times, row }: Target, bindings: Bindings): void => {
    const key = keyOf(bindings)
    const path = type.kind === 'list' ? listPath(key, row, { column, verb: 'delete' }) : mapPath(key, column)
    writes.deleteCell(elementKey(prefix, column, path), times.timestamp)
  }
  return { column, needsRow: type.kind === 'list', apply }
}
