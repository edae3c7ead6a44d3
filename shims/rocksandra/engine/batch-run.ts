/**
 * Batches: their rules, and how they are written. All that goes to one partition is one atomic request; several partitions
 * are written at the same time, each of them atomic. Rules and texts as BatchStatement.java of Cassandra 3.0.
 */
import type { KVError } from '../../../src/base/errors.js'
import { type CqlError, invalid } from '../cql/errors.js'
import type { CqlDone } from './contract.js'
import { conditionalKey, runConditional } from './lwt-run.js'
import type { Modification } from './modify.js'
import {
  NO_ROWS,
  type RowsAsTheyAre,
  type WriteTools,
  WriteSet,
  gather,
  readRows,
  rowsToRead,
  timesOf,
  writeAll,
} from './modify-run.js'
import type { RowWrites } from './row-writes.js'
import type { TableSchema } from './schema.js'
import { type Store, errorOf } from './select-run.js'
import type { Bindings } from './terms.js'

/** cassandra.yaml of 3.0: batch_size_warn_threshold_in_kb, batch_size_fail_threshold_in_kb. */
const WARN_BYTES = 5 * 1024
const FAIL_BYTES = 50 * 1024

export type BatchType = 'LOGGED' | 'UNLOGGED' | 'COUNTER'

export interface BatchPart {
  readonly modification: Modification
  readonly bindings: Bindings
}

export interface BatchRun {
  readonly type: BatchType
  readonly parts: readonly BatchPart[]
  /** Of the batch: USING TIMESTAMP; null: not said. */
  readonly timestamp: bigint | null
  /** The protocol's; null: none. */
  readonly defaultTimestamp: bigint | null
  readonly consistency: number
}

/** @throws {CqlError} */
export function checkBatch(type: BatchType, parts: readonly Modification[], hasTimestamp: boolean): void {
  let counters = 0
  let conditions = 0
  for (const { table, condition, timestamp } of parts) {
    if (timestamp !== null && hasTimestamp) {
      throw invalid('Timestamp must be set either on BATCH or individual statements')
    }
    if (table.isCounter) {
      if (type === 'LOGGED') throw invalid('Cannot include a counter statement in a logged batch')
      counters++
    } else if (type === 'COUNTER') throw invalid('Cannot include non-counter statement in a counter batch')
    if (condition !== null) conditions++
  }
  if (counters > 0 && counters < parts.length) {
    throw invalid('Counter and non-counter mutations cannot exist in the same batch')
  }
  if (counters > 0 && hasTimestamp) throw invalid('Cannot provide custom timestamp for counter BATCH')
  if (conditions === 0) return
  if (hasTimestamp) throw invalid('Cannot provide custom timestamp for conditional BATCH')
  if (parts.some(({ timestamp }) => timestamp !== null)) {
    throw invalid('Cannot provide custom timestamp for conditional BATCH')
  }
  if (parts.some(({ table }) => table !== parts[0]?.table)) {
    throw invalid('Batch with conditions cannot span multiple tables')
  }
}

interface BatchAround {
  readonly store: Store
  readonly tools: WriteTools
}

/** Answers once; never throws. */
export function runBatch(batch: BatchRun, around: BatchAround, done: CqlDone): void {
  try {
    checkBatch(
      batch.type,
      batch.parts.map(({ modification }) => modification),
      batch.timestamp !== null,
    )
    const [first] = batch.parts
    if (first === undefined) {
      done({ kind: 'void' })
      return
    }
    if (batch.parts.some(({ modification }) => modification.condition !== null)) {
      runConditionally(batch, first, around).then(done, (error: unknown) => done(errorOf(error)))
    } else runPlain(batch, around, done)
  } catch (error) {
    done(errorOf(error))
  }
}

function runConditionally({ parts, consistency }: BatchRun, first: BatchPart, around: BatchAround) {
  const key = conditionalKey(first.modification, first.bindings)
  for (const { modification, bindings } of parts) {
    if (!conditionalKey(modification, bindings).rowKey.equals(key.rowKey)) {
      throw invalid('Batch with conditions cannot span multiple partitions')
    }
  }
  return runConditional({ parts, key, isBatch: true, consistency }, around)
}

function runPlain(batch: BatchRun, around: BatchAround, done: CqlDone): void {
  const { parts } = batch
  const wanted = parts.flatMap(({ modification, bindings }) =>
    rowsToRead(modification, bindings).map((one) => ({ ...one, table: modification.table })),
  )
  if (wanted.length === 0) {
    writePlain(batch, around, { rowsOf: () => NO_ROWS, done })
    return
  }
  readRows(wanted, around.store)
    .then((rowsOf) => writePlain(batch, around, { rowsOf, done }))
    .catch((error: unknown) => done(errorOf(error)))
}

function writePlain(
  { type, parts, timestamp, defaultTimestamp }: BatchRun,
  { store, tools }: BatchAround,
  { rowsOf, done }: { readonly rowsOf: (table: TableSchema) => RowsAsTheyAre; readonly done: CqlDone },
): void {
  // One time for all that has none: of two statements on one cell, none is the later one.
  const own = timestamp ?? defaultTimestamp ?? tools.nextTimestamp()
  const writes = new WriteSet()
  for (const { modification, bindings } of parts) {
    const times = timesOf(modification, bindings, own)
    gather(modification, bindings, { writes, times, tools, rows: rowsOf(modification.table) })
  }
  const all = writes.all()
  const warnings = sizeWarnings(type, all)
  writeAll(all, store, (failure: CqlError | KVError | null) => {
    done(failure ?? { kind: 'void', ...(warnings.length === 0 ? {} : { warnings }) })
  })
}

/** Of batches of several partitions alone (CASSANDRA-10876). @throws {CqlError} */
function sizeWarnings(type: BatchType, writes: readonly RowWrites[]): readonly string[] {
  if (writes.length <= 1 || type === 'COUNTER') return []
  const size = writes.reduce((sum, one) => sum + sizeOf(one), 0)
  const names = [...new Set(writes.map(({ table }) => `${table.keyspace}.${table.name}`))].join(', ')
  if (size > FAIL_BYTES) throw invalid('Batch too large')
  if (size <= WARN_BYTES) return []
  return [
    `Batch for [${names}] is of size ${size}, exceeding specified threshold of ${WARN_BYTES} by ${size - WARN_BYTES}.`,
  ]
}

function sizeOf(writes: RowWrites): number {
  let size = writes.rowKey.length
  for (const mutation of writes.mutations()) {
    if (mutation.kind !== 'PUT') continue
    for (const { localKey, value } of mutation.cells) size += localKey.length + value.length
  }
  return size
}
