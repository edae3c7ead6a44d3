/**
 * Batches, and how they are written. All that goes to one partition is one atomic request; several partitions are written
 * at the same time, each of them atomic, and of a logged batch all or none (batch-log.ts). Rules are batch-rules.ts.
 */
import type { KVError } from '../../../src/base/errors.js'
import { type CqlError, invalid } from '../cql/errors.js'
import type { BatchLog } from './batch-log.js'
import { type BatchSizes, type BatchType, batchWarnings, checkBatch } from './batch-rules.js'
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
  writeAll,
} from './modify-run.js'
import type { TableSchema } from './schema.js'
import { type Store, errorOf } from './select-run.js'
import type { Bindings } from './terms.js'

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

interface BatchAround {
  readonly store: Store
  readonly tools: WriteTools
  readonly sizes: BatchSizes
  /** Null: batches of several partitions are written without one. */
  readonly log: BatchLog | null
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
  { store, tools, sizes, log }: BatchAround,
  { rowsOf, done }: { readonly rowsOf: (table: TableSchema) => RowsAsTheyAre; readonly done: CqlDone },
): void {
  // One time for all that has none: of two statements on one cell, none is the later one.
  const own = timestamp ?? defaultTimestamp ?? tools.nextTimestamp()
  const writes = new WriteSet()
  for (const { modification, bindings } of parts) {
    const stamp = (said: bigint | null) => said ?? own
    gather(modification, bindings, { writes, stamp, tools, rows: rowsOf(modification.table) })
  }
  const all = writes.all()
  const warnings = batchWarnings({ type, parts }, all, sizes)
  const finish = (failure: CqlError | KVError | null): void => {
    if (failure !== null) done(errorOf(failure))
    else done({ kind: 'void', ...(warnings.length === 0 ? {} : { warnings }) })
  }
  if (log === null || type !== 'LOGGED' || all.length <= 1) writeAll(all, store, finish)
  else {
    const { context } = store
    log.write(
      all.map((writes) => writes.request([], context)),
      context,
      finish,
    )
  }
}
