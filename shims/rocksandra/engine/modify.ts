/**
 * INSERT, UPDATE and DELETE, made ready: which rows, which operations on them. Rules and texts as
 * ModificationStatement.java, UpdateStatement.java, DeleteStatement.java and Operation.java of Cassandra 3.0.
 */
import type * as ast from '../cql/ast.js'
import { invalid } from '../cql/errors.js'
import { rowOfJson } from '../cql/json.js'
import { TYPES } from '../cql/types.js'
import { type BoundValue, type ColumnSpec, UNSET } from './contract.js'
import { type CompiledCondition, compileConditions } from './lwt-conditions.js'
import { type Operation, assign, compileAssignment, compileDeletion } from './operations.js'
import { type RowPaths, rowPaths } from './paths.js'
import type { Column, TableSchema } from './schema.js'
import { type Bindings, type Bound, type Variables, compileTerm } from './terms.js'
import { type Where, WhereCompiler } from './where.js'

export interface Modification {
  readonly kind: 'insert' | 'update' | 'delete'
  readonly table: TableSchema
  readonly where: Where
  readonly paths: RowPaths
  readonly operations: readonly Operation[]
  /** Whether rows are written, or static cells alone. */
  readonly touchesRows: boolean
  readonly timestamp: ((bindings: Bindings) => bigint | null) | null
  readonly ttl: ((bindings: Bindings) => number | null) | null
  /** Null: no IF. */
  readonly condition: CompiledCondition | null
}

/** Attributes.MAX_TTL. */
const MAX_TTL_SECONDS = 630_720_000
const MIN_TIMESTAMP = -(2n ** 63n)

/** @throws {CqlError} */
export function compileModification(
  statement: ast.Modification,
  table: TableSchema,
  variables: Variables,
): Modification {
  if (table.virtual !== null)
    throw invalid(`Cannot modify table ${table.keyspace}.${table.name}: it is not stored`)
  switch (statement.kind) {
    case 'insert':
      return compileInsert(statement, table, variables)
    case 'insertJson':
      return compileInsertJson(statement, table, variables)
    case 'update':
      return compileUpdate(statement, table, variables)
    case 'delete':
      return compileDelete(statement, table, variables)
  }
}

function compileInsert(statement: ast.Insert, table: TableSchema, variables: Variables): Modification {
  const { columns, values } = statement
  if (columns.length !== values.length) throw invalid('Unmatched column names/values')
  if (columns.length === 0) throw invalid('No columns provided to INSERT')
  if (table.isCounter)
    throw invalid('INSERT statements are not allowed on counter tables, use UPDATE instead')
  const seen = new Set<string>()
  const relations: ast.Relation[] = []
  const operations: Operation[] = []
  columns.forEach((name, index) => {
    if (seen.has(name)) throw invalid('The column names contains duplicates')
    seen.add(name)
    const column = columnNamed(table, name)
    const value = values[index] ?? { kind: 'null' as const }
    if (isKey(column)) relations.push({ kind: 'compare', column: name, operator: '=', value })
    else operations.push(assign(column, compileTerm(value, specOf(table, column), variables)))
  })
  const where = new WhereCompiler(table, variables).compile(relations)
  return finishInsert(statement, { table, variables, where }, operations)
}

function finishInsert(
  statement: ast.Insert | ast.InsertJson,
  {
    table,
    variables,
    where,
  }: { readonly table: TableSchema; readonly variables: Variables; readonly where: Where },
  operations: readonly Operation[],
): Modification {
  const hasClustering = where.choices.length > 0
  const isStaticOnly =
    !hasClustering &&
    table.clustering.length > 0 &&
    operations.length > 0 &&
    operations.every(({ column }) => column.kind === 'static')
  // Such a table has a clustering column for Cassandra Thrift, which CQL does not show.
  if (table.isCompact && table.clustering.length === 0 && operations.length === 0) {
    throw invalid('Some clustering keys are missing: column1')
  }
  checkKey('insert', table, { where, needsRow: !isStaticOnly })
  const [value] = table.regulars
  if (table.isCompact && value !== undefined && operations.length === 0) {
    throw invalid(`Column ${value.name} is mandatory for this COMPACT STORAGE table`)
  }
  const condition = statement.ifNotExists
    ? compileConditions('IF NOT EXISTS', [], { table, variables })
    : null
  return {
    kind: 'insert',
    ...{ table, where, paths: rowPaths(table, where), operations },
    touchesRows: !isStaticOnly,
    ...compileUsing(statement.using, table, variables),
    condition: checkedCondition(condition, statement.using),
  }
}

function compileInsertJson(
  statement: ast.InsertJson,
  table: TableSchema,
  variables: Variables,
): Modification {
  if (table.isCounter)
    throw invalid('INSERT statements are not allowed on counter tables, use UPDATE instead')
  const spec = { keyspace: table.keyspace, table: table.name, name: '[json]', type: TYPES.text }
  const text = compileTerm(statement.json, spec, variables)
  const rowOf = jsonReader(table, text)
  const valueAt =
    (index: number): Bound =>
    (bindings) =>
      rowOf(bindings)[index] ?? null
  const keyValue = (column: Column) => (bindings: Bindings) => {
    const value = rowOf(bindings)[column.index] ?? null
    if (value === null) throw invalid(`Invalid null value in condition for column ${column.name}`)
    return [[value]]
  }
  const choose = (column: Column) => ({ columns: [column], isIn: false, tuplesOf: keyValue(column) })
  const where: Where = {
    partition: table.partitionKey.map(choose),
    choices: table.clustering.map(choose),
    ...{ tokens: [], limits: [], filters: [], keyMarkers: [] },
  }
  const operations = [...table.statics, ...table.regulars].map((column) =>
    assign(column, valueAt(column.index)),
  )
  return finishInsert(statement, { table, variables, where }, operations)
}

/** The text is read once a request, however many of its values are asked for. */
function jsonReader(table: TableSchema, text: Bound): (bindings: Bindings) => readonly (Buffer | null)[] {
  const read = new WeakMap<Bindings, readonly (Buffer | null)[]>()
  return (bindings) => {
    let row = read.get(bindings)
    if (row === undefined) {
      const json = text(bindings)
      if (json === null || json === UNSET) throw invalid('Got null for INSERT JSON values')
      row = rowOfJson(json.toString('utf8'), table.columns)
      read.set(bindings, row)
    }
    return row
  }
}

function compileUpdate(statement: ast.Update, table: TableSchema, variables: Variables): Modification {
  const using = compileUsing(statement.using, table, variables)
  const operations = statement.assignments.map((assignment) => {
    const column = columnNamed(table, assignment.column)
    if (isKey(column)) throw invalid(`PRIMARY KEY part ${column.name} found in SET part`)
    return compileAssignment(assignment, column, { table, variables })
  })
  const touchesRows = operations.some(({ column }) => column.kind === 'regular')
  const where = compileWhere(statement, table, variables)
  const condition = conditionOf(statement, { table, variables })
  const needsRow =
    touchesRows ||
    condition?.touchesRows === true ||
    !operations.some(({ column }) => column.kind === 'static')
  checkKey('update', table, { where, needsRow })
  checkNoLimits(where)
  if (!needsRow && where.choices.length > 0) {
    throw invalid(
      'Invalid restrictions on clustering columns since the UPDATE statement modifies only static columns',
    )
  }
  return {
    kind: 'update',
    ...{ table, where, paths: rowPaths(table, where), operations },
    ...{ touchesRows, ...using, condition: checkedCondition(condition, statement.using) },
  }
}

function compileDelete(statement: ast.Delete, table: TableSchema, variables: Variables): Modification {
  const using = compileUsing(statement.using, table, variables)
  const operations = statement.deletions.map((deletion) => {
    const column = columnNamed(table, deletion.column)
    if (isKey(column))
      throw invalid(`Invalid identifier ${column.name} for deletion (should not be a PRIMARY KEY part)`)
    return compileDeletion(deletion, column, { table, variables })
  })
  const touchesRows = operations.some(({ column }) => column.kind === 'regular')
  const where = compileWhere(statement, table, variables)
  const condition = conditionOf(statement, { table, variables })
  checkKey('delete', table, { where, needsRow: touchesRows })
  const paths = rowPaths(table, where)
  if (operations.length > 0 && !touchesRows && where.choices.length > 0) {
    throw invalid(
      'Invalid restrictions on clustering columns since the DELETE statement modifies only static columns',
    )
  }
  if (paths.leftChoices.length + paths.leftLimits.length > 0) throw gapIn(table, where)
  if (condition !== null && !paths.isExact) {
    const isOfRows = operations.length === 0 || touchesRows
    if (isOfRows || condition.touchesRows) {
      throw invalid(
        'DELETE statements must restrict all PRIMARY KEY columns with equality relations in order to ' +
          (isOfRows ? 'delete non static columns' : 'use IF condition on non static columns'),
      )
    }
  }
  if (touchesRows && !paths.isExact) throw invalid('Range deletions are not supported for specific columns')
  return {
    kind: 'delete',
    ...{ table, where, paths, operations, touchesRows, ...using },
    condition: checkedCondition(condition, statement.using),
  }
}

function gapIn({ clustering }: TableSchema, { choices, limits }: Where): Error {
  const named = [...choices, ...limits].flatMap(({ columns }) => columns)
  const gap = clustering.find((column) => !named.includes(column))
  const behind = named.find((column) => gap !== undefined && column.position > gap.position)
  return invalid(
    `PRIMARY KEY column "${behind?.name ?? ''}" cannot be restricted as preceding column "${gap?.name ?? ''}" is not restricted`,
  )
}

function compileWhere(statement: ast.Update | ast.Delete, table: TableSchema, variables: Variables): Where {
  const shown = statement.kind.toUpperCase()
  const where = new WhereCompiler(table, variables).compile(statement.where)
  if (where.tokens.length > 0) {
    throw invalid(`The token function cannot be used in WHERE clauses for ${shown} statements`)
  }
  if (where.filters.length > 0) {
    const names = where.filters.map(({ column }) => column.name).join(', ')
    throw invalid(`Non PRIMARY KEY columns found in where clause: ${names} `)
  }
  return where
}

function checkKey(
  kind: Modification['kind'],
  { partitionKey, clustering }: TableSchema,
  { where, needsRow }: { readonly where: Where; readonly needsRow: boolean },
): void {
  const given = where.partition.flatMap(({ columns }) => columns)
  const missing = partitionKey.filter((column) => !given.includes(column)).map(({ name }) => name)
  if (missing.length > 0) throw invalid(`Some partition key parts are missing: ${missing.join(', ')}`)
  if (!needsRow || kind === 'delete') return
  const named = [...where.choices, ...where.limits].flatMap(({ columns }) => columns)
  const lacking = clustering.filter((column) => !named.includes(column)).map(({ name }) => name)
  if (lacking.length > 0) throw invalid(`Some clustering keys are missing: ${lacking.join(', ')}`)
}

function checkNoLimits({ limits }: Where): void {
  const [limit] = limits
  if (limit === undefined) return
  throw invalid('Slice restrictions are not supported on the clustering columns in UPDATE statements')
}

function conditionOf(
  { ifExists, conditions }: ast.Update | ast.Delete,
  around: { readonly table: TableSchema; readonly variables: Variables },
): CompiledCondition | null {
  if (ifExists) return compileConditions('IF EXISTS', [], around)
  return conditions.length === 0 ? null : compileConditions('IF', conditions, around)
}

function checkedCondition(
  condition: CompiledCondition | null,
  using: ast.WriteAttributes,
): CompiledCondition | null {
  if (condition !== null && using.timestamp !== null) {
    throw invalid('Cannot provide custom timestamp for conditional updates')
  }
  return condition
}

/** @throws {CqlError} */
export function compileUsing(
  { timestamp, ttl }: ast.WriteAttributes,
  table: TableSchema | null,
  variables: Variables,
): Pick<Modification, 'timestamp' | 'ttl'> {
  if (table?.isCounter === true) {
    if (timestamp !== null) throw invalid('Cannot provide custom timestamp for counter updates')
    if (ttl !== null) throw invalid('Cannot provide custom TTL for counter updates')
  }
  const [keyspace, name] = [table?.keyspace ?? '', table?.name ?? '']
  const timestampSpec = { keyspace, table: name, name: '[timestamp]', type: TYPES.bigint }
  const ttlSpec = { keyspace, table: name, name: '[ttl]', type: TYPES.int }
  const boundTimestamp = timestamp === null ? null : compileTerm(timestamp, timestampSpec, variables)
  const boundTtl = ttl === null ? null : compileTerm(ttl, ttlSpec, variables)
  return {
    timestamp: boundTimestamp === null ? null : (bindings) => timestampOf(boundTimestamp(bindings)),
    ttl: boundTtl === null ? null : (bindings) => ttlOf(boundTtl(bindings)),
  }
}

function timestampOf(value: BoundValue): bigint | null {
  if (value === UNSET) return null
  if (value === null) throw invalid('Invalid null value of timestamp')
  if (value.length !== 8) throw invalid('Invalid timestamp value')
  const timestamp = value.readBigInt64BE()
  if (timestamp === MIN_TIMESTAMP)
    throw invalid(`Out of bound timestamp, must be in [${MIN_TIMESTAMP + 1n}, ${2n ** 63n - 1n}]`)
  return timestamp
}

/** Null: the table's default, for which 0 and unset stand, too (Attributes.getTimeToLive, BufferCell.live). */
function ttlOf(value: BoundValue): number | null {
  if (value === UNSET) return null
  if (value === null) throw invalid('Invalid null value of TTL')
  if (value.length !== 4) throw invalid('Invalid TTL value')
  const ttl = value.readInt32BE()
  if (ttl < 0) throw invalid(`A TTL must be greater or equal to 0, but was ${ttl}`)
  if (ttl > MAX_TTL_SECONDS) {
    throw invalid(`ttl is too large. requested (${ttl}) maximum (${MAX_TTL_SECONDS})`)
  }
  return ttl === 0 ? null : ttl
}

function columnNamed({ byName }: TableSchema, name: string): Column {
  const column = byName.get(name)
  if (column === undefined) throw invalid(`Unknown identifier ${name}`)
  return column
}

export function isKey({ kind }: Column): boolean {
  return kind === 'partition_key' || kind === 'clustering'
}

export function specOf({ keyspace, name: table }: TableSchema, { name, type }: Column): ColumnSpec {
  return { keyspace, table, name, type }
}
