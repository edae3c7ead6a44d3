/**
 * What conditional writes answer: `[applied]`, and beside it what stands in the way. Cassandra shows what it read to decide,
 * and of other columns nothing: CQL3CasRequest.readCommand and ModificationStatement.buildCasFailureResultSet of 3.0.15.
 */
import { TYPES } from '../cql/types.js'
import type { ColumnSpec, RowsResult } from './contract.js'
import type { ConditionalPart, ConditionalRequest, Involved, RowOf } from './lwt-request.js'
import { STATIC_PREFIX, allRows } from './mapping.js'
import { specOf } from './modify.js'
import { TableReader } from './reader.js'
import { type Partition, type TableRow, valueOf } from './rows.js'
import type { Column, TableSchema } from './schema.js'
import type { Store } from './select-run.js'

const NOTHING = { columns: [], rows: [] } as const
const APPLIED = Buffer.from([1])
const NOT_APPLIED = Buffer.from([0])
/** Reads of a partition in search of a row that was inserted: of 16 cells, then more each, of a mebibyte at most. */
const MAX_SEARCHED_CHUNKS = 16

/** `[applied]`, and what stands in the way where there is something. */
export function answer(
  table: TableSchema,
  isApplied: boolean,
  { columns, rows }: { readonly columns: readonly Column[]; readonly rows: readonly TableRow[] } = NOTHING,
): RowsResult {
  const { keyspace, name } = table
  const applied: ColumnSpec = { keyspace, table: name, name: '[applied]', type: TYPES.boolean }
  const flag = isApplied ? APPLIED : NOT_APPLIED
  const values = rows.map((row) => [flag, ...columns.map((column) => valueOf(row, column))])
  return {
    kind: 'rows',
    columns: [applied, ...columns.map((column) => specOf(table, column))],
    rows: values.length === 0 ? [[flag]] : values,
    paging: null,
    isConditional: true,
  }
}

/** What stands in the way: Cassandra's columns, and each row of the conditions that is there. */
export async function refusal(
  { parts, key, isBatch }: ConditionalRequest,
  involved: readonly Involved[],
  around: { readonly table: TableSchema; readonly rowOf: RowOf; readonly store: Store },
): Promise<RowsResult> {
  const { table, rowOf } = around
  const read = readBy(parts, table)
  const found = rowsOf(involved, rowOf)
  const isWhole = involved.some(({ condition }) => condition.kind !== 'IF')
  const keys = isBatch ? [...table.partitionKey, ...table.clustering] : []
  const asStatic = rowOf(STATIC_PREFIX)
  const isOfStatics = involved.every(({ prefix }) => prefix.equals(STATIC_PREFIX))
  // Of static cells alone every row of the partition shows the same.
  const isTold = !isWhole && !isBatch && asStatic !== null && isThere(shownOf(asStatic, read))
  const partition = { rowKey: key.rowKey, key: key.parts, statics: asStatic?.partition.statics ?? null }
  const first = found.length > 0 || !isOfStatics || isTold ? null : await firstRow(partition, read, around)
  const alone = first ?? asStatic
  const rows = found.length === 0 && alone !== null ? [alone] : found
  const shown = rows.map((row) => shownOf(row, read)).filter(isThere)
  if (shown.length === 0) return answer(table, false)
  return answer(table, false, {
    columns: isWhole ? table.columns : [...keys, ...namedIn(involved)],
    rows: shown,
  })
}

/** Of each statement those of rows first (ColumnConditions.getColumns), each once. */
function namedIn(involved: readonly Involved[]): readonly Column[] {
  const named = involved.flatMap(({ condition: { columns } }) => [
    ...columns.filter(({ kind }) => kind !== 'static'),
    ...columns.filter(({ kind }) => kind === 'static'),
  ])
  return [...new Set(named)]
}

/** In the order of the table, each once. */
function rowsOf(involved: readonly Involved[], rowOf: RowOf): readonly TableRow[] {
  const named = new Map(involved.map(({ prefix }) => [prefix.toString('latin1'), prefix]))
  const prefixes = [...named.values()].filter((prefix) => !prefix.equals(STATIC_PREFIX))
  return prefixes.sort((a, b) => a.compare(b)).flatMap((prefix) => rowOf(prefix) ?? [])
}

/** What Cassandra reads (CQL3CasRequest.columnsToRead): these static columns, and rows' cells or only whether they are. */
interface ReadColumns {
  readonly statics: ReadonlySet<number>
  readonly hasRegulars: boolean
}

function readBy(parts: readonly ConditionalPart[], { statics, clustering }: TableSchema): ReadColumns {
  const modifications = parts.map(({ modification }) => modification)
  const conditional = modifications.filter(({ condition }) => condition !== null)
  const writesStatics = conditional.some(({ operations }) =>
    operations.some(({ column }) => column.kind === 'static'),
  )
  const named = conditional.flatMap(({ condition }) => condition?.columns ?? [])
  const columns = writesStatics ? statics : named.filter(({ kind }) => kind === 'static')
  return {
    statics: new Set(columns.map(({ index }) => index)),
    hasRegulars:
      clustering.length === 0 ||
      modifications.some(({ where }) => where.choices.length + where.limits.length > 0),
  }
}

function shownOf(row: TableRow, { statics, hasRegulars }: ReadColumns): TableRow {
  const cells = row.partition.statics?.map((one, index) => (statics.has(index) ? one : undefined)) ?? null
  return {
    ...row,
    partition: { ...row.partition, statics: cells },
    cells: hasRegulars ? row.cells : [],
  }
}

/** A row that is none but for static cells that are not read is none. */
function isThere({ clustering, partition }: TableRow): boolean {
  return clustering !== null || partition.statics?.some((cells) => cells !== undefined) === true
}

/**
 * Of conditions on static cells alone the first row of the partition, which tells one without such cells from one that is
 * not there. Where cells of rows are not read, a row is one by its marker, and is searched for among so many rows only.
 */
async function firstRow(
  partition: Partition,
  { hasRegulars }: ReadColumns,
  { table, store }: { readonly table: TableSchema; readonly store: Store },
): Promise<TableRow | null> {
  const needs = { withTimestamps: false, withTtl: false }
  const reader = new TableReader(store.kvstore, table, { context: store.context, needs })
  const wish = { ranges: [allRows(table)], isReversed: false, rows: 1 }
  let chunks = 0
  for await (const rows of reader.rows(partition, wish)) {
    const first = rows.find(({ marker }) => hasRegulars || marker !== null)
    if (first !== undefined) return first
    // Those before the end of the first row are none of the search.
    if ((chunks > 0 || rows.length > 0) && ++chunks === MAX_SEARCHED_CHUNKS) return null
  }
  return null
}
