/**
 * Conditional writes, of one statement or of a batch, all on one partition. The rows are read, the conditions decided on
 * them, and the writes go with a guard: that every cell the decision stands on is still as it was read. The writer
 * thread checks guard and writes in one step, so that two of them never both win; who finds the guard broken reads
 * again.
 *
 * Cassandra orders conditional writes among each other alone; here every write counts. An element that another writer
 * adds to a collection between the two steps is not noticed: a condition on a whole collection guards its mark and the
 * elements it saw (lwt-guard.ts).
 */
import { KVError } from '../../../src/base/errors.js'
import type { MutateResult } from '../../../src/model/request.js'
import { CqlError } from '../cql/errors.js'
import { type BatchSizes, sizeWarnings } from './batch-rules.js'
import type { RowsResult } from './contract.js'
import { answer, refusal } from './lwt-answers.js'
import { type ReadPartition, UnseenCells, guardOf } from './lwt-guard.js'
import { type ConditionalRequest, type Involved, holds, involvedIn } from './lwt-request.js'
import { STATIC_PREFIX } from './mapping.js'
import type { Modification } from './modify.js'
import { type WriteTools, WriteSet, gather, prefixesToRead, readRows } from './modify-run.js'
import { type PartitionKey, partitionKeys } from './paths.js'
import type { TableSchema } from './schema.js'
import type { Store } from './select-run.js'
import type { Bindings } from './terms.js'

/** Others were faster so often: as Paxos, which gives up by its timeout. */
const MAX_ROUNDS = 20

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
    const read = await readPartition(request, involved, { table, store })
    const { rowOf } = read
    if (!involved.every((one) => holds(one, rowOf))) {
      return refusal(request, involved, { table, rowOf, store })
    }
    const writes = new WriteSet()
    for (const { modification, bindings } of parts) {
      gather(modification, bindings, {
        ...{ writes, tools, rows: (_rowKey, prefix) => rowOf(prefix) },
        // The writer's, as Paxos' own: what a statement of a batch says counts for nothing (CQL3CasRequest.RowUpdate).
        stamp: () => null,
      })
    }
    const warnings = isBatch ? sizeWarnings(writes.all(), sizes) : []
    const applied = { ...answer(table, true), ...(warnings.length === 0 ? {} : { warnings }) }
    const [all] = writes.all()
    if (all === undefined) return applied
    const guard = guardOf(parts, involved, read)
    const outcome = await mutate(store, all.request(guard, store.context))
    if (outcome instanceof KVError) {
      throw outcome.code === 'DEADLINE_EXCEEDED' ? timedOut(outcome.message, request) : outcome
    }
    if (outcome.isApplied) return applied
  }
  throw timedOut('Operation timed out - received only 0 responses.', request)
}

/** What such a write did is unknown to its caller, who must not take it for a plain one. */
function timedOut(message: string, { consistency }: ConditionalRequest): CqlError {
  return new CqlError('WRITE_TIMEOUT', message, {
    ...{ consistency, received: 0, required: 1, writeType: 'CAS' },
  })
}

/** The rows of its conditions, those that its operations depend on, and the static ones. */
async function readPartition(
  { parts, key }: ConditionalRequest,
  involved: readonly Involved[],
  { table, store }: { readonly table: TableSchema; readonly store: Store },
): Promise<ReadPartition> {
  const prefixes = [
    ...(table.statics.length > 0 ? [STATIC_PREFIX] : []),
    ...parts.flatMap(({ modification, bindings }) => prefixesToRead(modification, bindings)),
    ...involved.map(({ prefix }) => prefix),
  ]
  const unseen = new UnseenCells()
  const rowsOf = await readRows(
    prefixes.map((prefix) => ({ table, rowKey: key.rowKey, parts: key.parts, prefix })),
    { ...store, noteUnseen: (cell) => unseen.note(cell) },
  )
  const rows = rowsOf(table)
  return { rowOf: (prefix) => rows(key.rowKey, prefix), unseen }
}

function mutate(
  { kvstore }: Store,
  request: Parameters<Store['kvstore']['mutate']>[0],
): Promise<MutateResult | KVError> {
  return new Promise((resolve) => kvstore.mutate(request, resolve))
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
