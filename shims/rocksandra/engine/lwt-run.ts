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
import { type BatchSizes, sizeWarnings } from './batch-rules.js'
import type { RowsResult } from './contract.js'
import { answer, refusal } from './lwt-answers.js'
import {
  type ConditionalRequest,
  type Involved,
  type RowOf,
  decidedOn,
  holds,
  involvedIn,
} from './lwt-request.js'
import { STATIC_PREFIX, columnKey, elementKey } from './mapping.js'
import type { Modification } from './modify.js'
import { type WriteTools, WriteSet, gather, prefixesToRead, readRows, timesOf } from './modify-run.js'
import { type PartitionKey, partitionKeys } from './paths.js'
import { type TableRow, cellsOf, isElements } from './rows.js'
import type { Column, TableSchema } from './schema.js'
import type { Store } from './select-run.js'
import type { Bindings } from './terms.js'

/** Others were faster so often: as Paxos, which gives up by its timeout. */
const MAX_ROUNDS = 20
/** Cells that a guard names; a collection may have more. */
const MAX_GUARDED_CELLS = 900

interface ConditionalAround {
  readonly store: Store
  readonly tools: WriteTools
  /** Of a batch. */
  readonly sizes: BatchSizes
}

export async function runConditional(
  request: ConditionalRequest,
  { store, tools, sizes }: ConditionalAround,
): Promise<RowsResult> {
  const { parts, isBatch } = request
  const [first] = parts
  if (first === undefined) throw new KVError('INTERNAL', 'a conditional write without statements')
  const { table } = first.modification
  const involved = involvedIn(parts)
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const rowOf = await readPartition(request, involved, { table, store })
    if (!involved.every((one) => holds(one, rowOf))) {
      return refusal(request, involved, { table, rowOf, store })
    }
    const writes = new WriteSet()
    for (const { modification, bindings } of parts) {
      // The writer's, as Paxos' own: a time that a statement of a batch says counts for nothing (CQL3CasRequest.RowUpdate).
      const times = { ...timesOf(modification, bindings, null), timestamp: null }
      gather(modification, bindings, { writes, times, tools, rows: (_rowKey, prefix) => rowOf(prefix) })
    }
    const warnings = isBatch ? sizeWarnings(writes.all(), sizes) : []
    const applied = { ...answer(table, true), ...(warnings.length === 0 ? {} : { warnings }) }
    const guard = involved.flatMap((one) => guardOf(one, table, decidedOn(one, rowOf)))
    const [all] = writes.all()
    if (all === undefined) return applied
    if ((await mutate(store, all.request(distinct(guard), store.context))).isApplied) return applied
  }
  throw new CqlError('WRITE_TIMEOUT', 'Operation timed out - received only 0 responses.', {
    consistency: request.consistency,
    ...{ received: 0, required: 1, writeType: 'CAS' },
  })
}

/** The rows of its conditions, those that its operations depend on, and the static ones. */
async function readPartition(
  { parts, key }: ConditionalRequest,
  involved: readonly Involved[],
  { table, store }: { readonly table: TableSchema; readonly store: Store },
): Promise<RowOf> {
  const prefixes = [
    ...(table.statics.length > 0 ? [STATIC_PREFIX] : []),
    ...parts.flatMap(({ modification, bindings }) => prefixesToRead(modification, bindings)),
    ...involved.map(({ prefix }) => prefix),
  ]
  const rowsOf = await readRows(
    prefixes.map((prefix) => ({ table, rowKey: key.rowKey, parts: key.parts, prefix })),
    store,
  )
  const rows = rowsOf(table)
  return (prefix) => rows(key.rowKey, prefix)
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
