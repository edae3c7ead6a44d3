/** What CREATE INDEX makes of a table: checks and texts of CreateIndexStatement.java of Cassandra 3.0. Pure. */
import type { CqlColumn, CqlIndex, CqlTable } from '../../../src/model/table-call.js'
import type { CreateIndex } from '../cql/ast.js'
import { invalid } from '../cql/errors.js'
import { type CqlType, isMultiCell } from '../cql/types.js'
import type { TypesAround } from './ddl-table.js'
import { typeOfText } from './schema.js'

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
  if (table.isCompact && table.columns.some(({ kind }) => kind === 'clustering')) {
    throw invalid(
      'Secondary indexes are not supported on COMPACT STORAGE tables that have clustering columns',
    )
  }
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
    if (target === 'simple') return target
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
