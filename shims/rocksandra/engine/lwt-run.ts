/**
 * Conditional writes, of one statement or of a batch, all on one partition. The rows are read, the conditions decided on
 * them, and the writes go with a guard: that every cell the decision stands on is still as it was read. The writer
 * thread checks guard and writes in one step, so that two of them never both win; who finds the guard broken reads
 * again.
 *
 * Cassandra orders conditional writes among each other alone; here every write counts. An element that another writer
 * adds to a collection between the two steps is not noticed: a condition on a whole collection guards the elements it
 * saw.
 */
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import { KVError } from '../../../src/base/errors.js'
import type { MutateResult } from '../../../src/model/request.js'
import type { Cell, CellTimestamp, Condition } from '../../../src/model/row.js'
import { CqlError } from '../cql/errors.js'
import { TYPES } from '../cql/types.js'
import type { ColumnSpec, RowsResult } from './contract.js'
import type { CompiledCondition } from './lwt-conditions.js'
import { STATIC_PREFIX, allRows, columnKey, elementKey } from './mapping.js'
import { type Modification, specOf } from './modify.js'
import { type WriteTools, WriteSet, gather, readRows, timesOf } from './modify-run.js'
import { type PartitionKey, partitionKeys, rowPrefixes } from './paths.js'
import { TableReader } from './reader.js'
import { type Partition, type TableRow, cellsOf, isElements, valueOf } from './rows.js'
import type { Column, TableSchema } from './schema.js'
import type { Store } from './select-run.js'
import type { Bindings } from './terms.js'

/** Others were faster so often: as Paxos, which gives up by its timeout. */
const MAX_ROUNDS = 20
/** Cells that a guard names; a collection may have more. */
const MAX_GUARDED_CELLS = 900

export interface ConditionalPart {
  readonly modification: Modification
  readonly bindings: Bindings
}

interface Involved {
  readonly part: ConditionalPart
  readonly condition: CompiledCondition
  readonly prefix: Buffer
}

export interface ConditionalRequest {
  /** All of one table and partition; some have conditions. */
  readonly parts: readonly ConditionalPart[]
  readonly key: PartitionKey
  readonly isBatch: boolean
  readonly consistency: number
}

export async function runConditional(
  request: ConditionalRequest,
  { store, tools }: { readonly store: Store; readonly tools: WriteTools },
): Promise<RowsResult> {
  const { parts, key } = request
  const [first] = parts
  if (first === undefined) throw new KVError('INTERNAL', 'a conditional write without statements')
  const { table } = first.modification
  const involved = parts.flatMap(involvedIn)
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const prefixes = [
      ...parts.flatMap(({ modification, bindings }) => prefixesOf(modification, bindings)),
      ...involved.map(({ prefix }) => prefix),
    ]
    const rowsOf = await readRows(
      prefixes.map((prefix) => ({ table, rowKey: key.rowKey, parts: key.parts, prefix })),
      store,
    )
    const rows = rowsOf(table)
    const rowOf = (prefix: Buffer) => rows(key.rowKey, prefix)
    if (!involved.every((one) => holds(one, rowOf(one.prefix)))) {
      const rows = await rowsInTheWay(involved, { table, key, rowOf }, store)
      return refused(request, involved, { table, rows })
    }
    const writes = new WriteSet()
    for (const { modification, bindings } of parts) {
      // The writer's, as Paxos' own: a time that a statement of a batch says counts for nothing (CQL3CasRequest.RowUpdate).
      const times = { ...timesOf(modification, bindings, null), timestamp: null }
      gather(modification, bindings, { writes, times, tools, rows })
    }
    const guard = involved.flatMap((one) => guardOf(one, table, rowOf(one.prefix)))
    const [all] = writes.all()
    if (all === undefined) return answer(table, true)
    if ((await mutate(store, all.request(distinct(guard), store.context))).isApplied) {
      return answer(table, true)
    }
  }
  throw new CqlError('WRITE_TIMEOUT', 'Operation timed out - received only 0 responses.', {
    consistency: request.consistency,
    ...{ received: 0, required: 1, writeType: 'CAS' },
  })
}

function mutate(
  { kvstore }: Store,
  request: Parameters<Store['kvstore']['mutate']>[0],
): Promise<MutateResult> {
  return new Promise((resolve, reject) => {
    kvstore.mutate(request, (outcome) => {
      if (outcome instanceof KVError) reject(outcome)
      else resolve(outcome)
    })
  })
}

/** Rows that a statement is about. */
function prefixesOf(modification: Modification, bindings: Bindings): readonly Buffer[] {
  const { table, paths, condition } = modification
  const isOfRow = modification.touchesRows || modification.operations.length === 0
  const isAboutRows = isOfRow || condition?.touchesRows === true
  if (!isAboutRows || !paths.isExact) return table.statics.length > 0 ? [STATIC_PREFIX] : []
  return rowPrefixes(table, paths, bindings)
}

function involvedIn(part: ConditionalPart): readonly Involved[] {
  const { condition } = part.modification
  if (condition === null) return []
  // Conditions on static cells alone are none on the row that is written.
  const isOfStatics = condition.kind === 'IF' && !condition.touchesRows
  const prefixes = isOfStatics ? [STATIC_PREFIX] : prefixesOf(part.modification, part.bindings)
  return prefixes.map((prefix) => ({ part, condition, prefix }))
}

function holds({ condition, part }: Involved, row: TableRow | null): boolean {
  switch (condition.kind) {
    case 'IF NOT EXISTS':
      return row === null
    case 'IF EXISTS':
      return row !== null
    case 'IF':
      return condition.holds(row, part.bindings)
  }
}

function guardOf(
  { condition, prefix }: Involved,
  table: TableSchema,
  row: TableRow | null,
): readonly Condition[] {
  const isStatic = prefix.equals(STATIC_PREFIX)
  const columns = isStatic ? table.statics : table.regulars
  switch (condition.kind) {
    case 'IF NOT EXISTS': {
      const simple = columns.filter(({ isMultiCell }) => !isMultiCell)
      const keys = simple.map((column) => columnKey(prefix, column))
      return (isStatic ? keys : [prefix, ...keys]).map((localKey) => guard(localKey, null))
    }
    case 'IF EXISTS': {
      const cell = row === null ? null : (row.marker ?? firstCell(row, columns))
      return cell === null ? [] : [{ ...guard(cell.localKey, null), comparison: 'EXISTS' }]
    }
    case 'IF':
      return condition.columns.flatMap((column) =>
        guardOfColumn(column, column.kind === 'static' ? STATIC_PREFIX : prefix, row),
      )
  }
}

function guardOfColumn(column: Column, prefix: Buffer, row: TableRow | null): readonly Condition[] {
  const cells = row === null ? undefined : cellsOf(row, column)
  if (cells === undefined) return column.isMultiCell ? [] : [guard(columnKey(prefix, column), null)]
  if (!isElements(cells)) return [guard(columnKey(prefix, column), cells.timestamp)]
  return cells
    .slice(0, MAX_GUARDED_CELLS)
    .map(({ path, cell }) => guard(elementKey(prefix, column, path), cell.timestamp))
}

/** Null: the cell is not there. */
function guard(localKey: Buffer, timestamp: CellTimestamp | null): Condition {
  const comparison = timestamp === null ? 'NOT_EXISTS' : 'VERSION_EQUAL'
  return { localKey, comparison, value: EMPTY_BYTES, timestamp, ifMissing: false }
}

function firstCell(row: TableRow, columns: readonly Column[]): Cell | null {
  for (const column of columns) {
    const cells = cellsOf(row, column)
    if (cells === undefined) continue
    if (!isElements(cells)) return cells
    const [element] = cells
    if (element !== undefined) return element.cell
  }
  return null
}

/** Two statements may guard the same cell. */
function distinct(conditions: readonly Condition[]): readonly Condition[] {
  const seen = new Map(conditions.map((one) => [`${one.comparison} ${one.localKey.toString('latin1')}`, one]))
  return [...seen.values()]
}

/**
 * Each row that is there once. Of conditions on static cells alone the first row of the partition, which tells one without
 * such cells from one that is not there (CQL3CasRequest.readCommand).
 */
async function rowsInTheWay(
  involved: readonly Involved[],
  {
    table,
    key,
    rowOf,
  }: {
    readonly table: TableSchema
    readonly key: PartitionKey
    readonly rowOf: (prefix: Buffer) => TableRow | null
  },
  store: Store,
): Promise<readonly TableRow[]> {
  const seen = new Map(involved.map(({ prefix }) => [prefix.toString('latin1'), prefix]))
  const prefixes = [...seen.values()].filter((prefix) => !prefix.equals(STATIC_PREFIX))
  const rows = prefixes.flatMap((prefix) => rowOf(prefix) ?? [])
  if (rows.length > 0 || prefixes.length === seen.size) return rows
  const alone = rowOf(STATIC_PREFIX)
  if (prefixes.length > 0) return alone === null ? [] : [alone]
  const needs = { withTimestamps: false, withTtl: false }
  const reader = new TableReader(store.kvstore, table, { context: store.context, needs })
  const partition: Partition = {
    rowKey: key.rowKey,
    key: key.parts,
    statics: alone?.partition.statics ?? null,
  }
  const wish = { ranges: [allRows(table)], isReversed: false, rows: 1 }
  // Its own cells are not read.
  for await (const [row] of reader.rows(partition, wish))
    if (row !== undefined) return [{ ...row, cells: [] }]
  return alone === null ? [] : [alone]
}

/** What stands in the way: Cassandra's columns, one row for each row that is there. */
function refused(
  { isBatch }: ConditionalRequest,
  involved: readonly Involved[],
  { table, rows }: { readonly table: TableSchema; readonly rows: readonly TableRow[] },
): RowsResult {
  const isWhole = involved.some(({ condition }) => condition.kind !== 'IF')
  const named = [...new Set(involved.flatMap(({ condition }) => condition.columns))]
  const keys = isBatch ? [...table.partitionKey, ...table.clustering] : []
  const columns = isWhole ? table.columns : [...keys, ...named]
  if (rows.length === 0) return answer(table, false)
  return answer(table, false, { columns, rows })
}

const NOTHING = { columns: [], rows: [] } as const
const APPLIED = Buffer.from([1])
const NOT_APPLIED = Buffer.from([0])

function answer(
  table: TableSchema,
  isApplied: boolean,
  { columns, rows }: { readonly columns: readonly Column[]; readonly rows: readonly TableRow[] } = NOTHING,
): RowsResult {
  const applied: ColumnSpec = {
    keyspace: table.keyspace,
    table: table.name,
    name: '[applied]',
    type: TYPES.boolean,
  }
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

/** The one partition of a conditional statement. @throws {CqlError} */
export function conditionalKey({ kind, table, where }: Modification, bindings: Bindings): PartitionKey {
  const keys = partitionKeys(table, where, bindings)
  const [key] = keys
  if (key === undefined || where.partition.some(({ isIn }) => isIn)) {
    throw inWith('partition key', kind)
  }
  if (where.choices.some(({ isIn }) => isIn)) throw inWith('clustering key columns', kind)
  return key
}

function inWith(what: string, kind: Modification['kind']): CqlError {
  const shown = kind === 'update' ? 'updates' : 'deletions'
  return new CqlError('INVALID', `IN on the ${what} is not supported with conditional ${shown}`)
}
