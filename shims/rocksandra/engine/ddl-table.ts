/**
 * What CREATE TABLE and ALTER TABLE make of a table: checks and texts of CreateTableStatement.java and
 * AlterTableStatement.java of Cassandra 3.0. Pure.
 */
import type { CqlColumn, CqlColumnKind, CqlTable } from '../../../src/model/table-call.js'
import type { ColumnDefinition, CreateTable, PrimaryKey, TableAlteration } from '../cql/ast.js'
import { CqlError, invalid } from '../cql/errors.js'
import { checkExtent } from '../cql/type-extent.js'
import {
  type CqlType,
  type UserType,
  typeClassName,
  isCounter,
  isMultiCell,
  resolveType,
  typeText,
} from '../cql/types.js'
import { checkName, tableOptions } from './ddl-options.js'
import { typeOfText } from './schema.js'

export interface TypesAround {
  readonly keyspace: string
  readonly types: ReadonlyMap<string, UserType>
}

interface Resolved {
  readonly name: string
  readonly type: CqlType
  readonly isStatic: boolean
}

/** @throws {CqlError} */
export function newTable(statement: CreateTable, around: TypesAround, id: string): CqlTable {
  const { table, primaryKeys, isCompact } = statement
  checkName(table.name, 'table')
  const columns = statement.columns.map((column) => resolved(column, around))
  const byName = new Map(columns.map((column) => [column.name, column]))
  for (const { name } of columns) {
    if (columns.filter((other) => other.name === name).length > 1) {
      throw invalid(`Multiple definition of identifier ${name}`)
    }
    if (name.includes('\0') || name === '') throw invalid('a column name is not empty and has no zero byte')
  }
  const [key, second] = primaryKeys
  if (key === undefined) throw invalid('No PRIMARY KEY specifed (exactly one required)')
  if (second !== undefined) throw invalid('Multiple PRIMARY KEYs specifed (exactly one required)')
  checkKey(key, byName)
  const keyNames = new Set([...key.partition, ...key.clustering])
  const others = columns.filter(({ name }) => !keyNames.has(name))
  checkOthers(others, key, isCompact)
  const reversed = reversedOf(statement, key.clustering)
  const keyColumn = (kind: CqlColumnKind) => (name: string, position: number) =>
    record({ name, type: byName.get(name)?.type, kind, position, isReversed: reversed.has(name) })
  const { id: ownId, ...options } = tableOptions(statement.properties)
  if (others.some(({ type }) => isCounter(type)) && Number(options['default_time_to_live'] ?? 0) > 0) {
    throw invalid('Cannot set default_time_to_live on a table with counters')
  }
  return {
    ...{ keyspace: around.keyspace, name: table.name, isCompact, options, indexes: [], dropped: [] },
    id: typeof ownId === 'string' ? ownId.toLowerCase() : id,
    columns: [
      ...key.partition.map(keyColumn('partition_key')),
      ...key.clustering.map(keyColumn('clustering')),
      ...others.map(({ name, type, isStatic }) =>
        record({ name, type, kind: isStatic ? 'static' : 'regular' }),
      ),
    ],
  }
}

function resolved(
  { name, type: written, isStatic }: ColumnDefinition,
  { keyspace, types }: TypesAround,
): Resolved {
  const type = resolveType(written, keyspace, (_, user) => types.get(user) ?? null)
  checkExtent(type)
  return { name, type, isStatic }
}

function record(column: {
  readonly name: string
  readonly type: CqlType | undefined
  readonly kind: CqlColumnKind
  readonly position?: number
  readonly isReversed?: boolean
}): CqlColumn {
  const { name, type, kind, position = -1, isReversed = false } = column
  return { name, type: type === undefined ? '' : typeText(type), kind, position, isReversed }
}

function checkKey({ partition, clustering }: PrimaryKey, byName: ReadonlyMap<string, Resolved>): void {
  const seen = new Set<string>()
  for (const name of [...partition, ...clustering]) {
    const column = byName.get(name)
    if (column === undefined || seen.has(name)) {
      throw invalid(`Unknown definition ${name} referenced in PRIMARY KEY`)
    }
    seen.add(name)
    if (isMultiCell(column.type)) throw invalid(`Invalid collection type for PRIMARY KEY component ${name}`)
    if (isCounter(column.type)) throw invalid(`counter type is not supported for PRIMARY KEY part ${name}`)
    if (column.isStatic) throw invalid(`Static column ${name} cannot be part of the PRIMARY KEY`)
    if (column.type.kind === 'custom') {
      throw invalid(`${column.type.className} is not supported for PRIMARY KEY part ${name}`)
    }
  }
}

function checkOthers(others: readonly Resolved[], { clustering }: PrimaryKey, isCompact: boolean): void {
  const counters = others.filter(({ type }) => isCounter(type)).length
  if (counters > 0 && counters < others.length) {
    throw invalid('Cannot mix counter and non counter columns in the same table')
  }
  const hasStatics = others.some(({ isStatic }) => isStatic)
  if (isCompact) {
    if (hasStatics) throw invalid('Static columns are not supported in COMPACT STORAGE tables')
    if (others.some(({ type }) => isMultiCell(type))) {
      throw invalid('Non-frozen collection types are not supported with COMPACT STORAGE')
    }
    if (clustering.length > 0 && others.length > 1) {
      const names = others.map(({ name }) => name).join(', ')
      throw invalid(
        'COMPACT STORAGE with composite PRIMARY KEY allows no more than one column not part of the PRIMARY KEY ' +
          `(got: ${names})`,
      )
    }
    if (clustering.length === 0 && others.length === 0) {
      throw invalid('No definition found that is not part of the PRIMARY KEY')
    }
  }
  if (hasStatics && clustering.length === 0) {
    throw invalid(
      'Static columns are only useful (and thus allowed) if the table has at least one clustering column',
    )
  }
}

function reversedOf({ clusteringOrder }: CreateTable, clustering: readonly string[]): ReadonlySet<string> {
  if (clusteringOrder.length === 0) return new Set()
  if (clusteringOrder.length > clustering.length) {
    throw invalid('Only clustering key columns can be defined in CLUSTERING ORDER directive')
  }
  // 3.0 takes the first of them alone, too.
  clusteringOrder.forEach(({ column: ordered }, index) => {
    const name = clustering[index] ?? ''
    if (ordered === name) return
    if (!clusteringOrder.some(({ column }) => column === name)) {
      throw invalid(`Missing CLUSTERING ORDER for column ${name}`)
    }
    throw invalid(
      'The order of columns in the CLUSTERING ORDER directive must be the one of the clustering key ' +
        `(${name} must appear before ${ordered})`,
    )
  })
  return new Set(clusteringOrder.filter(({ isDescending }) => isDescending).map(({ column }) => column))
}

/** @throws {CqlError} */
export function alteredTable(
  table: CqlTable,
  alteration: TableAlteration,
  around: TypesAround & { readonly nowUs: bigint },
): CqlTable {
  switch (alteration.kind) {
    case 'add':
      return withColumn(table, alteration, around)
    case 'drop':
      return withoutColumn(table, alteration.column, {
        ...around,
        droppedAtUs: alteration.timestamp ?? around.nowUs,
      })
    case 'alterColumn':
      throw invalid('Altering of types is not allowed')
    case 'rename':
      return alteration.renamings.reduce(renamed, table)
    case 'options':
      if (alteration.properties.has('id')) throw new CqlError('CONFIG_ERROR', 'Cannot alter table id.')
      return withOptions(table, tableOptions(alteration.properties, table.options))
  }
}

function withOptions(table: CqlTable, options: CqlTable['options']): CqlTable {
  if (hasCounters(table) && Number(options['default_time_to_live'] ?? 0) > 0) {
    throw invalid('Cannot set default_time_to_live on a table with counters')
  }
  return { ...table, options }
}

function withColumn(
  table: CqlTable,
  added: Extract<TableAlteration, { kind: 'add' }>,
  around: TypesAround,
): CqlTable {
  const { column: name, isStatic } = added
  const hasClustering = table.columns.some(({ kind }) => kind === 'clustering')
  const isFull = 'Cannot add new column to a COMPACT STORAGE table'
  if (table.isCompact && hasClustering) throw invalid(isFull)
  if (isStatic && !hasClustering) {
    if (table.isCompact) throw invalid('Static columns are not allowed in COMPACT STORAGE tables')
    throw invalid(
      'Static columns are only useful (and thus allowed) if the table has at least one clustering column',
    )
  }
  const existing = table.columns.find((column) => column.name === name)
  if (existing !== undefined) {
    throw invalid(
      existing.kind === 'partition_key' || existing.kind === 'clustering'
        ? `Invalid column name ${name} because it conflicts with a PRIMARY KEY part`
        : `Invalid column name ${name} because it conflicts with an existing column`,
    )
  }
  const { type } = resolved({ name, type: added.type, isStatic }, around)
  // 3.0 adds others, and then neither they nor the row can be written.
  if (table.isCompact) {
    throw invalid(isMultiCell(type) ? 'Cannot use non-frozen collections in COMPACT STORAGE tables' : isFull)
  }
  const former = table.dropped.find((dropped) => dropped.name === name)
  const isCounterTable = hasCounters(table)
  if (isCounterTable && former !== undefined) {
    throw invalid(`Cannot re-add previously dropped counter column ${name}`)
  }
  const kind = isStatic ? 'static' : 'regular'
  if (isCounter(type) !== isCounterTable) {
    throw new CqlError(
      'CONFIG_ERROR',
      `Cannot add a ${isCounter(type) ? '' : 'non '}counter column (${isCounter(type) ? name : definitionText(name, type, kind)}) in a ${isCounterTable ? '' : 'non '}counter column family`,
    )
  }
  if (
    former !== undefined &&
    isMultiCell(type) &&
    isOpenText(former.type) &&
    former.type !== typeText(type)
  ) {
    throw invalid(
      `Cannot add a collection with the name ${name} because a collection with the same name and a different type` +
        ` (${former.type}) has already been used in the past`,
    )
  }
  return {
    ...table,
    columns: [...table.columns, record({ name, type, kind })],
  }
}

/** As Cassandra shows a column, which is as Java does. */
function definitionText(name: string, type: CqlType, kind: CqlColumnKind): string {
  return `ColumnDefinition{name=${name}, type=${typeClassName(type)}, kind=${kind.toUpperCase()}, position=-1}`
}

/** A table stays one of counters when it has lost them all. */
function hasCounters({ columns, dropped }: CqlTable): boolean {
  return [...columns, ...dropped].some(({ type }) => type === 'counter')
}

/** Of a collection with a cell an element. */
function isOpenText(type: string): boolean {
  return /^(list|set|map)</.test(type)
}

function withoutColumn(
  table: CqlTable,
  name: string,
  { droppedAtUs, keyspace, types }: TypesAround & { readonly droppedAtUs: bigint },
): CqlTable {
  if (table.isCompact) throw invalid('Cannot drop columns from a non-CQL3 table')
  const column = found(table, name)
  if (column.kind === 'partition_key' || column.kind === 'clustering') {
    throw invalid(`Cannot drop PRIMARY KEY part ${name}`)
  }
  const index = table.indexes.find((one) => one.column === name)
  if (index !== undefined) {
    const shown = definitionText(name, typeOfText(column.type, keyspace, types), column.kind)
    throw invalid(`Cannot drop column ${shown} because it has dependent secondary indexes (${index.name})`)
  }
  const dropped = { name, type: column.type, droppedAtUs: String(droppedAtUs) }
  return {
    ...table,
    columns: table.columns.filter((one) => one !== column),
    dropped: [...table.dropped.filter((one) => one.name !== name), dropped],
  }
}

function renamed(table: CqlTable, { from, to }: { readonly from: string; readonly to: string }): CqlTable {
  const column = table.columns.find(({ name }) => name === from)
  if (column === undefined) {
    throw invalid(`Cannot rename unknown column ${from} in keyspace ${table.name}`)
  }
  if (table.columns.some(({ name }) => name === to)) {
    throw invalid(
      `Cannot rename column ${from} to ${to} in keyspace ${table.name}; another column of that name already exist`,
    )
  }
  if (column.kind !== 'partition_key' && column.kind !== 'clustering') {
    throw invalid(`Cannot rename non PRIMARY KEY part ${from}`)
  }
  const index = table.indexes.find((one) => one.column === from)
  if (index !== undefined) {
    throw invalid(`Cannot rename column ${from} because it has dependent secondary indexes (${index.name})`)
  }
  return { ...table, columns: table.columns.map((one) => (one === column ? { ...one, name: to } : one)) }
}

function found(table: CqlTable, name: string): CqlColumn {
  const column = table.columns.find((one) => one.name === name)
  if (column === undefined) throw invalid(`Column ${name} was not found in table ${table.name}`)
  return column
}
