/**
 * What CREATE TABLE, ALTER TABLE and the statements about indexes make of a table: checks and texts of
 * CreateTableStatement.java, AlterTableStatement.java and CreateIndexStatement.java of Cassandra 3.0. Pure.
 */
import type { CqlColumn, CqlColumnKind, CqlIndex, CqlTable } from '../../../src/model/table-call.js'
import type { ColumnDefinition, CreateIndex, CreateTable, PrimaryKey, TableAlteration } from '../cql/ast.js'
import { CqlError, invalid } from '../cql/errors.js'
import { type CqlType, type UserType, isCounter, isMultiCell, resolveType, typeText } from '../cql/types.js'
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
  const options = tableOptions(statement.properties)
  if (others.some(({ type }) => isCounter(type)) && Number(options['default_time_to_live'] ?? 0) > 0) {
    throw invalid('Cannot set default_time_to_live on a table with counters')
  }
  return {
    ...{ keyspace: around.keyspace, name: table.name, id, isCompact, options, indexes: [], dropped: [] },
    columns: [
      ...key.partition.map(keyColumn('partition_key')),
      ...key.clustering.map(keyColumn('clustering')),
      ...others.map(({ name, type, isStatic }) =>
        record({ name, type, kind: isStatic ? 'static' : 'regular' }),
      ),
    ],
  }
}

function resolved({ name, type, isStatic }: ColumnDefinition, { keyspace, types }: TypesAround): Resolved {
  return { name, type: resolveType(type, keyspace, (_, user) => types.get(user) ?? null), isStatic }
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
  clustering.forEach((name, index) => {
    const ordered = clusteringOrder[index]
    if (ordered?.column === name) return
    if (!clusteringOrder.some(({ column }) => column === name)) {
      throw invalid(`Missing CLUSTERING ORDER for column ${name}`)
    }
    throw invalid(
      'The order of columns in the CLUSTERING ORDER directive must be the one of the clustering key ' +
        `(${name} must appear before ${ordered?.column ?? ''})`,
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
      return withoutColumn(table, alteration.column, alteration.timestamp ?? around.nowUs)
    case 'alterColumn':
      return withType(table, alteration, around)
    case 'rename':
      return alteration.renamings.reduce(renamed, table)
    case 'options':
      return { ...table, options: { ...table.options, ...tableOptions(alteration.properties) } }
  }
}

function withColumn(
  table: CqlTable,
  added: Extract<TableAlteration, { kind: 'add' }>,
  around: TypesAround,
): CqlTable {
  const { column: name, isStatic } = added
  if (table.isCompact) throw invalid('Cannot add new column to a COMPACT STORAGE table')
  if (isStatic && !table.columns.some(({ kind }) => kind === 'clustering')) {
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
  const isCounterTable = table.columns.some((column) => column.type === 'counter')
  if (
    isCounter(type) !== isCounterTable &&
    table.columns.some(({ kind }) => kind === 'regular' || kind === 'static')
  ) {
    throw new CqlError(
      'CONFIG_ERROR',
      `Cannot add a ${isCounter(type) ? '' : 'non '}counter column (${name}) in a ${isCounterTable ? '' : 'non '}counter column family`,
    )
  }
  const former = table.dropped.find((dropped) => dropped.name === name)
  if (former !== undefined && isMultiCell(type) && former.type !== typeText(type)) {
    throw invalid(
      `Cannot add a collection with the name ${name} because a collection with the same name and a different type` +
        ` (${former.type}) has already been used in the past`,
    )
  }
  return {
    ...table,
    columns: [...table.columns, record({ name, type, kind: isStatic ? 'static' : 'regular' })],
  }
}

function withoutColumn(table: CqlTable, name: string, droppedAtUs: bigint): CqlTable {
  if (table.isCompact) throw invalid('Cannot drop columns from a COMPACT STORAGE table')
  const column = found(table, name)
  if (column.kind === 'partition_key' || column.kind === 'clustering') {
    throw invalid(`Cannot drop PRIMARY KEY part ${name}`)
  }
  const index = table.indexes.find((one) => one.column === name)
  if (index !== undefined) {
    throw invalid(`Cannot drop column ${name} because it has dependent secondary indexes (${index.name})`)
  }
  const dropped = { name, type: column.type, droppedAtUs: String(droppedAtUs) }
  return {
    ...table,
    columns: table.columns.filter((one) => one !== column),
    dropped: [...table.dropped.filter((one) => one.name !== name), dropped],
  }
}

/** AbstractType.isValueCompatibleWith and isCompatibleWith, as far as they say yes for different types. */
const WIDER: Readonly<Record<string, readonly string[]>> = {
  ascii: ['text', 'blob'],
  text: ['blob'],
  bigint: ['timestamp', 'varint', 'blob'],
  int: ['varint', 'blob'],
  timestamp: ['bigint', 'varint', 'blob'],
  timeuuid: ['uuid', 'blob'],
  uuid: ['blob'],
}
/** Those whose values order differently, or not at all, in a key. */
const WIDER_IN_KEYS: Readonly<Record<string, readonly string[]>> = { ascii: ['text', 'blob'], text: ['blob'] }

function withType(
  table: CqlTable,
  { column: name, type }: Extract<TableAlteration, { kind: 'alterColumn' }>,
  around: TypesAround,
): CqlTable {
  const column = found(table, name)
  const after = typeText(resolved({ name, type, isStatic: false }, around).type)
  if (after === column.type) return table
  const isKey = column.kind === 'partition_key' || column.kind === 'clustering'
  const allowed = isKey ? WIDER_IN_KEYS[column.type] : WIDER[column.type]
  const isAny = !isKey && after === 'blob' && !/^(list|set|map|counter)/.test(column.type)
  if (!isAny && allowed?.includes(after) !== true) {
    const why =
      isKey && column.kind === 'clustering'
        ? ': types are not order-compatible.'
        : ': types are incompatible.'
    throw new CqlError(
      'CONFIG_ERROR',
      `Cannot change ${name} from type ${column.type} to type ${after}${why}`,
    )
  }
  return { ...table, columns: table.columns.map((one) => (one === column ? { ...one, type: after } : one)) }
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
  if (table.indexes.some((index) => index.column === from)) {
    throw invalid(`Cannot rename column ${from} because it is secondary indexed`)
  }
  return { ...table, columns: table.columns.map((one) => (one === column ? { ...one, name: to } : one)) }
}

function found(table: CqlTable, name: string): CqlColumn {
  const column = table.columns.find((one) => one.name === name)
  if (column === undefined) throw invalid(`Column ${name} was not found in table ${table.name}`)
  return column
}

/** Null: it exists and IF NOT EXISTS was said. @throws {CqlError} */
export function withIndex(
  table: CqlTable,
  statement: CreateIndex,
  around: TypesAround & { readonly indexNames: ReadonlySet<string> },
): CqlTable | null {
  if (statement.isCustom || statement.customClass !== null) {
    throw invalid('CREATE CUSTOM INDEX is not supported: index columns by their values')
  }
  if (table.columns.some(({ type }) => type === 'counter')) {
    throw invalid('Secondary indexes are not supported on counter tables')
  }
  const [target, second] = statement.targets
  if (target === undefined)
    throw invalid('Only CUSTOM indexes can be created without specifying a target column')
  if (second !== undefined) throw invalid('Only CUSTOM indexes support multiple columns')
  const column = table.columns.find(({ name }) => name === target.column)
  if (column === undefined) throw invalid(`No column definition found for column ${target.column}`)
  const kind = checkTarget(table, column, {
    target: target.target,
    type: typeOfText(column.type, around.keyspace, around.types),
  })
  const existing = table.indexes.find((one) => one.column === column.name && one.target === kind)
  const name = statement.name ?? freeIndexName(`${table.name}_${column.name}_idx`, around.indexNames)
  if (around.indexNames.has(name) || existing !== undefined) {
    if (statement.ifNotExists) return null
    throw invalid(
      around.indexNames.has(name)
        ? `Index ${name} already exists`
        : `Index ${name} is a duplicate of existing index ${existing?.name ?? ''}`,
    )
  }
  const index: CqlIndex = { name, column: column.name, target: kind }
  return { ...table, indexes: [...table.indexes, index] }
}

function checkTarget(
  table: CqlTable,
  column: CqlColumn,
  { target, type }: { readonly target: CqlIndex['target']; readonly type: CqlType },
): CqlIndex['target'] {
  const { name } = column
  const keys = table.columns.filter(({ kind }) => kind === 'partition_key')
  if (table.isCompact && column.kind !== 'regular') {
    throw invalid('Secondary indexes are not supported on PRIMARY KEY columns in COMPACT STORAGE tables')
  }
  if (column.kind === 'static') throw invalid('Secondary indexes are not allowed on static columns')
  if (column.kind === 'partition_key' && keys.length === 1) {
    throw invalid(`Cannot create secondary index on partition key column ${name}`)
  }
  const isFrozenCollection =
    (type.kind === 'list' || type.kind === 'set' || type.kind === 'map') && type.isFrozen
  if (isFrozenCollection && target !== 'full') {
    throw invalid(
      `Cannot create ${target === 'simple' ? 'values' : target}() index on frozen column ${name}. Frozen collections only support full() indexes`,
    )
  }
  if (target === 'full') {
    if (!isFrozenCollection) throw invalid('full() indexes can only be created on frozen collections')
    return target
  }
  if (!isMultiCell(type)) {
    if (target === 'simple' || target === 'values') return 'simple'
    throw invalid(
      `Cannot create ${target}() index on ${name}. Non-collection columns support only simple indexes`,
    )
  }
  if ((target === 'keys' || target === 'entries') && type.kind !== 'map') {
    throw invalid(`Cannot create index on ${target} of column ${name} with non-map type`)
  }
  return target === 'simple' ? 'values' : target
}

function freeIndexName(wished: string, taken: ReadonlySet<string>): string {
  const base = wished.replaceAll(/\W/g, '')
  let name = base
  for (let count = 1; taken.has(name); count++) name = `${base}_${count}`
  return name
}
