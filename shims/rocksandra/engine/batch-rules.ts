/**
 * Rules of batches and what Cassandra warns of: BatchStatement.java and PartitionUpdate.dataSize of 3.0.15. Batches of one
 * partition and of counters have a size, too; that they have none came later (CASSANDRA-10876).
 */
import { invalid } from '../cql/errors.js'
import { keyOfPath, rowOfKey } from './mapping.js'
import type { Modification } from './modify.js'
import type { RowWrites } from './row-writes.js'
import { type Column, type TableSchema, datasetName } from './schema.js'

export type BatchType = 'LOGGED' | 'UNLOGGED' | 'COUNTER'

/** Sizes from which a batch is warned of, and refused. */
export interface BatchSizes {
  readonly warnBytes: number
  readonly failBytes: number
}

/** unlogged_batch_across_partitions_warn_threshold of 3.0. */
const UNLOGGED_PARTITIONS = 10
/** BufferCell.dataSize: a time of 8 bytes, a life and an end of 4. */
const CELL_BYTES = 16
/** DeletionTime.dataSize: every collection has one. */
const DELETION_BYTES = 12
/** An element of a list lies under a timeuuid. */
const LIST_PATH_BYTES = 16
/** CounterContext.createLocal: one shard with its header. */
const COUNTER_BYTES = 36
const BYTE_ZERO = 0
const DEFAULT_GRACE_SECONDS = 864_000

/** @throws {CqlError} */
export function checkBatch(type: BatchType, parts: readonly Modification[], hasTimestamp: boolean): void {
  const isConditional = parts.some(({ condition }) => condition !== null)
  if (hasTimestamp && isConditional) throw invalid('Cannot provide custom timestamp for conditional BATCH')
  if (hasTimestamp && type === 'COUNTER') throw invalid('Cannot provide custom timestamp for counter BATCH')
  for (const { table, timestamp } of parts) {
    if (hasTimestamp && table.isCounter) {
      throw invalid('Cannot provide custom timestamp for a BATCH containing counters')
    }
    if (hasTimestamp && timestamp !== null) {
      throw invalid('Timestamp must be set either on BATCH or individual statements')
    }
    if (type === 'COUNTER' && !table.isCounter) {
      throw invalid('Cannot include non-counter statement in a counter batch')
    }
    if (type === 'LOGGED' && table.isCounter) {
      throw invalid('Cannot include a counter statement in a logged batch')
    }
  }
  const counters = parts.filter(({ table }) => table.isCounter).length
  if (counters > 0 && counters < parts.length) {
    throw invalid('Counter and non-counter mutations cannot exist in the same batch')
  }
  if (isConditional && parts.some(({ table }) => table !== parts[0]?.table)) {
    throw invalid('Batch with conditions cannot span multiple tables')
  }
}

/**
 * What a batch without conditions is warned of, before it is written.
 * @throws {CqlError} INVALID for one that is too large
 */
export function batchWarnings(
  { type, parts }: { readonly type: BatchType; readonly parts: readonly { modification: Modification }[] },
  writes: readonly RowWrites[],
  sizes: BatchSizes,
): readonly string[] {
  const warnings: string[] = []
  const short =
    type === 'LOGGED' ? parts.map(({ modification }) => modification.table).filter(hasNoGrace) : []
  if (short.length > 0) warnings.push(graceWarning(namesOf(short)))
  warnings.push(...sizeWarnings(writes, sizes))
  if (type === 'LOGGED' || writes.length <= UNLOGGED_PARTITIONS) return warnings
  const keys = new Set(writes.map(({ rowKey }) => rowKey.toString('latin1'))).size
  if (keys > UNLOGGED_PARTITIONS) {
    const names = namesOf(writes.map(({ table }) => table))
    warnings.push(
      `Unlogged batch covering ${keys} partitions detected against table${plural(names)} ${shown(names)}. ` +
        'You should use a logged batch for atomicity, or asynchronous writes for performance.',
    )
  }
  return warnings
}

/**
 * What it is warned of for its size alone, which is all of a batch with conditions that hold (CQL3CasRequest.makeUpdates).
 * @throws {CqlError} INVALID for one that is too large
 */
export function sizeWarnings(writes: readonly RowWrites[], sizes: BatchSizes): readonly string[] {
  const size = sizeOf(writes, sizes)
  if (size > sizes.failBytes) throw invalid('Batch too large')
  if (size <= sizes.warnBytes) return []
  const names = shown(namesOf(writes.map(({ table }) => table)))
  const over = size - sizes.warnBytes
  return [
    `Batch of prepared statements for ${names} is of size ${size}, exceeding specified threshold of ${sizes.warnBytes} by ${over}.`,
  ]
}

function hasNoGrace({ options }: TableSchema): boolean {
  return Number(options['gc_grace_seconds'] ?? DEFAULT_GRACE_SECONDS) === 0
}

function graceWarning(names: readonly string[]): string {
  return (
    `Executing a LOGGED BATCH on table${plural(names)} ${shown(names)}, configured with a gc_grace_seconds of 0. ` +
    'The gc_grace_seconds is used to TTL batchlog entries, so setting gc_grace_seconds too low on tables involved ' +
    'in an atomic batch might cause batchlog entries to expire before being replayed.'
  )
}

function namesOf(tables: readonly TableSchema[]): readonly string[] {
  return [...new Set(tables.map(datasetName))]
}

function plural({ length }: readonly string[]): string {
  return length === 1 ? '' : 's'
}

/** As Java shows a set; the order of several is that of a hash table there. */
function shown(names: readonly string[]): string {
  return `[${names.join(', ')}]`
}

/** As Cassandra counts, of batches that may be worth a warning; others are small, however they are counted. */
function sizeOf(writes: readonly RowWrites[], { warnBytes, failBytes }: BatchSizes): number {
  const atMost = writes.reduce((sum, { maxDataBytes }) => sum + maxDataBytes, 0)
  return atMost <= Math.min(warnBytes, failBytes)
    ? atMost
    : writes.reduce((sum, one) => sum + new DataSize(one).bytes, 0)
}

/** PartitionUpdate.dataSize: of rows, without static ones and what a key or a deletion takes. */
class DataSize {
  bytes = 0
  readonly #table: TableSchema
  /** Rows and collections that were counted, by what their keys begin with. */
  readonly #counted = new Set<string>()
  readonly #deletedRows = new Set<string>()

  constructor(writes: RowWrites) {
    this.#table = writes.table
    const mutations = writes.mutations()
    for (const mutation of mutations) {
      if (mutation.kind !== 'DELETE') continue
      for (const localKey of mutation.selector?.localKeys ?? []) this.#noteDeletion(localKey)
    }
    for (const mutation of mutations) {
      if (mutation.kind === 'PUT') {
        for (const { localKey, value } of mutation.cells) this.#count(localKey, value.length)
      } else if (mutation.kind === 'INCREMENT') {
        for (const { localKey } of mutation.deltas) this.#count(localKey, COUNTER_BYTES)
      } else if (mutation.kind === 'DELETE') {
        for (const localKey of mutation.selector?.localKeys ?? []) this.#count(localKey, null)
      }
    }
  }

  /** Ours of a row is one of its marker and of each of its columns. */
  #noteDeletion(localKey: Buffer): void {
    if (rowOfKey(this.#table, localKey)?.end === localKey.length) {
      this.#deletedRows.add(localKey.toString('latin1'))
    }
  }

  /** `valueBytes` null: a deletion. */
  #count(localKey: Buffer, valueBytes: number | null): void {
    const row = rowOfKey(this.#table, localKey)
    if (row === null || row.isStatic) return
    if (this.#isFirst(localKey, row.end)) {
      for (const part of row.clustering) this.bytes += part.length
    }
    const end = localKey.indexOf(BYTE_ZERO, row.end)
    const name = localKey.toString('utf8', row.end, end < 0 ? localKey.length : end)
    const column = this.#table.byName.get(name)
    if (column === undefined) return
    const isOfWholeRow = this.#deletedRows.has(localKey.toString('latin1', 0, row.end))
    if (isOfWholeRow && (valueBytes === null || (column.isMultiCell && end < 0))) return
    if (!column.isMultiCell) this.bytes += CELL_BYTES + (valueBytes ?? 0)
    else if (end < 0) this.#countCollection(localKey, localKey.length)
    else {
      this.#countCollection(localKey, end)
      this.bytes += CELL_BYTES + (valueBytes ?? 0) + pathBytes(column, localKey.subarray(end + 1))
    }
  }

  #countCollection(localKey: Buffer, end: number): void {
    if (this.#isFirst(localKey, end)) this.bytes += DELETION_BYTES
  }

  #isFirst(localKey: Buffer, end: number): boolean {
    const name = `${end} ${localKey.toString('latin1', 0, end)}`
    if (this.#counted.has(name)) return false
    this.#counted.add(name)
    return true
  }
}

function pathBytes(column: Column, path: Buffer): number {
  return column.type.kind === 'list' ? LIST_PATH_BYTES : keyOfPath(column, path).length
}
