/** SELECT, made ready: what it reads, in which order, what it answers. Running it is select-run.ts. */
import type * as ast from '../cql/ast.js'
import { invalid } from '../cql/errors.js'
import { TYPES } from '../cql/types.js'
import { type ColumnSpec, UNSET } from './contract.js'
import { type RowPaths, rowPaths } from './paths.js'
import type { Column, TableSchema } from './schema.js'
import { type Selection, compileSelection } from './selection.js'
import { type Bindings, type Bound, type Variables, compileTerm } from './terms.js'
import { type Filter, type Where, WhereCompiler } from './where.js'

export interface SelectPlan {
  readonly table: TableSchema
  readonly selection: Selection
  readonly where: Where
  readonly paths: RowPaths
  /** The partition key is named. */
  readonly hasKeys: boolean
  readonly isReversed: boolean
  /** Rows of several partitions are put in this order when all are there. */
  readonly sortBy: readonly { readonly column: Column; readonly isDescending: boolean }[]
  readonly isDistinct: boolean
  readonly needsStatics: boolean
  /** Those columns of rows that it answers or compares, in the order of the table's. */
  readonly looksAt: readonly Column[]
  readonly limit: (bindings: Bindings) => number | null
  readonly perPartitionLimit: (bindings: Bindings) => number | null
}

const FILTERING =
  'Cannot execute this query as it might involve data filtering and thus may have unpredictable performance. ' +
  'If you want to execute this query despite the performance unpredictability, use ALLOW FILTERING'

/** @throws {CqlError} */
export function compileSelect(statement: ast.Select, table: TableSchema, variables: Variables): SelectPlan {
  const selection = compileSelection(table, statement.selection, statement.isJson)
  const where = new WhereCompiler(table, variables).compile(statement.where)
  const paths = rowPaths(table, where)
  const hasKeys = checkPartition(table, where)
  checkSelected(table, selection, where)
  checkClustering(statement, table, { where, paths })
  if (statement.isDistinct) checkDistinct(table, { selection, where, hasKeys })
  const { isReversed, sortBy } = orderOf(statement, table, where, hasKeys)
  checkFiltering(statement, table, { where, hasKeys })
  const limitOf = (term: ast.Term | null, name: string, text: string) =>
    compileLimit(
      term,
      { keyspace: table.keyspace, table: table.name, name, type: TYPES.int },
      { text, variables },
    )
  if (statement.perPartitionLimit !== null) {
    if (statement.isDistinct) throw invalid('PER PARTITION LIMIT is not allowed with SELECT DISTINCT queries')
    if (selection.isAggregate) throw invalid('PER PARTITION LIMIT is not allowed with aggregate queries.')
  }
  // Cassandra numbers and checks PER PARTITION LIMIT first, as it is written.
  const perPartitionLimit = limitOf(
    statement.perPartitionLimit,
    '[per_partition_limit]',
    'PER PARTITION LIMIT',
  )
  const limit = limitOf(statement.limit, '[limit]', 'LIMIT')
  const looked = new Set([...selection.used, ...where.filters.map(({ column }) => column)])
  const looksAtStatics = table.statics.some((column) => looked.has(column))
  const isUnrestricted = where.choices.length === 0 && where.limits.length === 0
  return {
    ...{ table, selection, where, paths, hasKeys, isReversed, sortBy, limit, perPartitionLimit },
    isDistinct: statement.isDistinct,
    looksAt: table.regulars.filter((column) => looked.has(column)),
    // A partition of static cells alone is a row, unless rows were asked for by their keys.
    needsStatics: table.statics.length > 0 && (looksAtStatics || isUnrestricted),
  }
}

/** Whether the partition key is named as a whole. */
function checkPartition(table: TableSchema, { partition }: Where): boolean {
  const { partitionKey } = table
  if (partition.length === 0) return false
  if (partition.length < partitionKey.length) {
    const given = partition.flatMap(({ columns }) => columns)
    const missing = partitionKey.filter((column) => !given.includes(column)).map(({ name }) => name)
    throw invalid(`Partition key parts: ${missing.join(', ')} must be restricted as other parts are`)
  }
  return true
}

function checkDistinct(
  table: TableSchema,
  {
    selection,
    where,
    hasKeys,
  }: { readonly selection: Selection; readonly where: Where; readonly hasKeys: boolean },
): void {
  const hasOthers = where.filters.some(({ column }) => column.kind !== 'static')
  if (where.choices.length > 0 || where.limits.length > 0 || hasOthers) {
    throw invalid(
      'SELECT DISTINCT with WHERE clause only supports restriction by partition key and/or static columns.',
    )
  }
  const wrong = [...selection.used].find(({ kind }) => kind === 'clustering' || kind === 'regular')
  if (wrong !== undefined) {
    throw invalid(
      `SELECT DISTINCT queries must only request partition key columns and/or static columns (not ${wrong.name})`,
    )
  }
  const missing = table.partitionKey.find((column) => !selection.used.has(column))
  if (missing !== undefined && !hasKeys) {
    throw invalid(
      `SELECT DISTINCT queries must request all the partition key columns (missing ${missing.name})`,
    )
  }
}

function checkSelected(table: TableSchema, { used, isWildcard }: Selection, where: Where): void {
  if (table.virtual !== null) return
  const selected = [...used]
  const isStaticOnly =
    !isWildcard &&
    selected.some(({ kind }) => kind === 'static') &&
    selected.every(({ kind }) => kind === 'partition_key' || kind === 'static')
  if (isStaticOnly && (where.choices.length > 0 || where.limits.length > 0)) {
    throw invalid('Cannot restrict clustering columns when selecting only static columns')
  }
  const isIn = where.limits.length === 0 && where.choices.some((choice) => choice.isIn)
  if (isIn && selected.some(({ isMultiCell }) => isMultiCell)) {
    throw invalid(
      'Cannot restrict clustering columns by IN relations when a collection is selected by the query',
    )
  }
}

/** Clustering columns in their turn, and other columns by an index or by filtering. */
function checkClustering(
  statement: ast.Select,
  table: TableSchema,
  { where, paths }: { readonly where: Where; readonly paths: RowPaths },
): void {
  if (statement.allowFiltering || table.virtual !== null) return
  const isUsable = where.filters.some((filter) => isIndexed(table, filter)) || hasIndexedChoice(table, where)
  if (isUsable) return
  const [first] = [...paths.leftChoices, ...paths.leftLimits]
  if (first !== undefined) {
    const restricted = first.columns[0]
    const named = [...where.choices, ...where.limits].flatMap(({ columns }) => columns)
    const gap = table.clustering.find((column) => !named.includes(column))
    if (gap !== undefined && restricted !== undefined && gap.position < restricted.position) {
      throw invalid(
        `PRIMARY KEY column "${restricted.name}" cannot be restricted as preceding column "${gap.name}" is not restricted`,
      )
    }
    const before = where.limits.flatMap(({ columns }) => columns)[0]
    throw invalid(
      `Clustering column "${restricted?.name ?? ''}" cannot be restricted (preceding column "${before?.name ?? ''}" is restricted by a non-EQ relation)`,
    )
  }
  if (where.filters.length > 0) throw invalid(FILTERING)
}

/** What reads more than it answers. */
function checkFiltering(
  statement: ast.Select,
  table: TableSchema,
  { where, hasKeys }: { readonly where: Where; readonly hasKeys: boolean },
): void {
  if (statement.allowFiltering || table.virtual !== null) return
  const hasIndex = where.filters.some((filter) => isIndexed(table, filter))
  if (where.filters.length > (hasIndex ? 1 : 0)) throw invalid(FILTERING)
  if (hasIndex) return
  const restrictsRows = where.choices.length > 0 || where.limits.length > 0
  if (!hasKeys && restrictsRows && !hasIndexedChoice(table, where)) throw invalid(FILTERING)
}

function hasIndexedChoice(table: TableSchema, { choices }: Where): boolean {
  return choices.some(
    ({ columns, isIn }) => !isIn && columns.length === 1 && hasIndex(table, columns[0], 'simple'),
  )
}

function isIndexed(table: TableSchema, { column, comparing, isIn }: Filter): boolean {
  if (isIn === true) return false
  switch (comparing.kind) {
    case 'compare':
      return (
        comparing.operator === '=' && (hasIndex(table, column, 'simple') || hasIndex(table, column, 'full'))
      )
    case 'contains':
      return hasIndex(table, column, comparing.isKey ? 'keys' : 'values')
    case 'entry':
      return hasIndex(table, column, 'entries')
  }
}

function hasIndex({ indexes }: TableSchema, column: Column | undefined, target: string): boolean {
  return indexes.some((index) => index.column === column?.name && index.target === target)
}

function orderOf(
  { orderBy }: ast.Select,
  table: TableSchema,
  where: Where,
  hasKeys: boolean,
): Pick<SelectPlan, 'isReversed' | 'sortBy'> {
  if (orderBy.length === 0) return { isReversed: false, sortBy: [] }
  if (!hasKeys)
    throw invalid('ORDER BY is only supported when the partition key is restricted by an EQ or an IN.')
  // Columns that have one value may be left out.
  const fixed = new Set(
    where.choices
      .filter(({ isIn }) => !isIn)
      .flatMap(({ columns }) => columns.map(({ position }) => position)),
  )
  let position = 0
  const ordered = orderBy.map(({ column: name, isDescending }) => {
    const column = table.byName.get(name)
    if (column === undefined) throw invalid(`Order by on unknown column ${name}`)
    if (column.kind !== 'clustering') {
      throw invalid(
        `Order by is currently only supported on the clustered columns of the PRIMARY KEY, got ${name}`,
      )
    }
    while (position !== column.position && fixed.has(position)) position++
    if (position++ !== column.position) {
      throw invalid(
        'Order by currently only support the ordering of columns following their declared order in the PRIMARY KEY',
      )
    }
    return { column, isDescending }
  })
  const turned = ordered.map(({ column, isDescending }) => column.isReversed !== isDescending)
  const [isReversed = false] = turned
  if (turned.some((one) => one !== isReversed)) throw invalid('Unsupported order by relation')
  const isMany = where.partition.some(({ isIn }) => isIn)
  return { isReversed, sortBy: isMany ? ordered : [] }
}

function compileLimit(
  term: ast.Term | null,
  spec: ColumnSpec,
  { text, variables }: { readonly text: string; readonly variables: Variables },
): (bindings: Bindings) => number | null {
  if (term === null) return () => null
  const bound: Bound = compileTerm(term, spec, variables)
  return (bindings) => {
    const value = bound(bindings)
    if (value === UNSET) return null
    if (value === null) throw invalid('Invalid null value of limit')
    if (value.length !== 4) throw invalid('Invalid limit value')
    const limit = value.readInt32BE()
    if (limit <= 0) throw invalid(`${text} must be strictly positive`)
    return limit
  }
}
