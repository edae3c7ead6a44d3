/**
 * INSERT, UPDATE and DELETE, run: what they do to each partition is gathered (row-writes.ts) and written as one atomic
 * request a partition. Those with IF are lwt-run.ts.
 */
import { KVError } from '../../../src/base/errors.js'
import type { CellTimestamp } from '../../../src/model/row.js'
import { type CqlError, invalid } from '../cql/errors.js'
import type { ListPaths } from './list-paths.js'
import { STATIC_PREFIX, rangeOfPrefix, rowOfKey } from './mapping.js'
import type { Modification } from './modify.js'
import { partitionKeys, rowPrefixes, rowRanges } from './paths.js'
import { TableReader } from './reader.js'
import { RowWrites, type WriteTimes } from './row-writes.js'
import type { NoteUnseen, Partition, TableRow } from './rows.js'
import { type TableSchema, datasetName } from './schema.js'
import { type Store, errorOf } from './select-run.js'
import type { Bindings } from './terms.js'

/** What a thread's writes share. */
export interface WriteTools {
  readonly listPaths: ListPaths
  /** Microseconds, each later than the last. */
  readonly nextTimestamp: () => bigint
}

/** Everything that a request writes, by partition. */
export class WriteSet {
  readonly #all: RowWrites[] = []
  /** Null: there are no two yet. */
  #byName: Map<string, RowWrites> | null = null

  /** Mostly the partition of the statement before. */
  of(table: TableSchema, rowKey: Buffer): RowWrites {
    const last = this.#all.at(-1)
    if (last !== undefined && last.table === table && last.rowKey.equals(rowKey)) return last
    if (last !== undefined) this.#byName ??= new Map([[nameOf(last.table, last.rowKey), last]])
    const name = this.#byName === null ? '' : nameOf(table, rowKey)
    const known = this.#byName?.get(name)
    if (known !== undefined) return known
    const writes = new RowWrites(table, rowKey)
    this.#all.push(writes)
    this.#byName?.set(name, writes)
    return writes
  }

  all(): readonly RowWrites[] {
    return this.#all.filter(({ isEmpty }) => !isEmpty)
  }
}

function nameOf(table: TableSchema, rowKey: Buffer): string {
  return `${datasetName(table)} ${rowKey.toString('latin1')}`
}

/** Rows that an operation looks at, by the prefix of their local keys. */
export type RowsAsTheyAre = (rowKey: Buffer, prefix: Buffer) => TableRow | null

export const NO_ROWS: RowsAsTheyAre = () => null

/** The time of a statement by what it says itself; null: the writer thread's. */
export type Stamp = (said: bigint | null) => CellTimestamp | null

/** @throws {CqlError} */
function timesOf({ table, timestamp, ttl }: Modification, bindings: Bindings, stamp: Stamp): WriteTimes {
  const ttlSeconds = ttl?.(bindings) ?? (table.defaultTtl === 0 ? null : table.defaultTtl)
  // Counters are stamped where they are counted.
  if (table.isCounter) return { timestamp: null, ttlSeconds: null }
  return { timestamp: stamp(timestamp?.(bindings) ?? null), ttlSeconds }
}

/** Whether parts of what it writes must be older than others, so that it needs a time before the writer gives one. */
function needsTimestamp({ table }: Modification): boolean {
  return table.columns.some(({ isMultiCell }) => isMultiCell)
}

/** Rows that its operations depend on, of each partition. */
export function prefixesToRead(
  { table, paths, operations }: Modification,
  bindings: Bindings,
): readonly Buffer[] {
  const reading = operations.filter(({ needsRow }) => needsRow)
  const ofStatics = reading.some(({ column }) => column.kind === 'static')
  const ofRows = reading.some(({ column }) => column.kind !== 'static')
  return [...(ofStatics ? [STATIC_PREFIX] : []), ...(ofRows ? rowPrefixes(table, paths, bindings) : [])]
}

/** The same, with their partitions. */
export function rowsToRead(
  modification: Modification,
  bindings: Bindings,
): readonly { readonly rowKey: Buffer; readonly parts: readonly Buffer[]; readonly prefix: Buffer }[] {
  const { table, where } = modification
  const prefixes = prefixesToRead(modification, bindings)
  if (prefixes.length === 0) return []
  return partitionKeys(table, where, bindings).flatMap(({ rowKey, parts }) =>
    prefixes.map((prefix) => ({ rowKey, parts, prefix })),
  )
}

/** @throws {CqlError} */
export function gather(
  modification: Modification,
  bindings: Bindings,
  to: {
    readonly writes: WriteSet
    readonly stamp: Stamp
    readonly tools: WriteTools
    readonly rows?: RowsAsTheyAre
  },
): void {
  const { table, where, paths, operations } = modification
  // What is wrong with the key is told first (ModificationStatement.addUpdates).
  const keys = partitionKeys(table, where, bindings)
  const times = timesOf(modification, bindings, to.stamp)
  for (const { rowKey } of keys) {
    const writes = to.writes.of(table, rowKey)
    if (modification.kind === 'delete' && operations.length === 0) {
      deleteRows(modification, bindings, { writes, times })
      continue
    }
    const prefixes = modification.touchesRows ? rowPrefixes(table, paths, bindings) : []
    const { listPaths } = to.tools
    const apply = (prefix: Buffer, isStatic: boolean): void => {
      const row = (to.rows ?? NO_ROWS)(rowKey, prefix)
      const target = { writes, prefix, times, row, listPaths }
      for (const operation of operations) {
        if ((operation.column.kind === 'static') === isStatic) operation.apply(target, bindings)
      }
    }
    if (operations.some(({ column }) => column.kind === 'static')) {
      // Once a row, as UpdateStatement.addUpdateForKey of 3.0: a static counter counts each.
      for (let row = 0; row < Math.max(1, prefixes.length); row++) apply(STATIC_PREFIX, true)
    }
    for (const prefix of prefixes) {
      checkCompact(table, prefix)
      if (modification.kind === 'insert' && hasMarker(table)) writes.mark(prefix, times)
      apply(prefix, false)
    }
  }
}

/** To Cassandra Thrift the only clustering value is a column's name, which is never empty (UpdateParameters.newRow). */
function checkCompact(table: TableSchema, prefix: Buffer): void {
  const [column] = table.clustering
  if (!table.isCompact || column === undefined || table.clustering.length > 1) return
  const [value] = rowOfKey(table, prefix)?.clustering ?? []
  if (value?.length === 0) throw invalid(`Invalid empty or null value for column ${column.name}`)
}

/** Tables WITH COMPACT STORAGE have rows as far as they have values; those of key columns alone have nothing else. */
function hasMarker({ isCompact, regulars }: TableSchema): boolean {
  return !isCompact || regulars.length === 0
}

function deleteRows(
  { table, where, paths }: Modification,
  bindings: Bindings,
  { writes, times }: { readonly writes: RowWrites; readonly times: WriteTimes },
): void {
  if (where.choices.length === 0 && where.limits.length === 0) writes.deletePartition(times.timestamp)
  else if (paths.isExact) {
    for (const prefix of rowPrefixes(table, paths, bindings)) {
      checkCompact(table, prefix)
      writes.deleteRow(prefix, times.timestamp)
    }
  } else writes.deleteRanges(rowRanges(table, paths, bindings), times.timestamp)
}

interface WantedRow {
  readonly table: TableSchema
  readonly rowKey: Buffer
  readonly parts: readonly Buffer[]
  readonly prefix: Buffer
}

/** A row as it is; a static one where the prefix says so. */
async function readRow(reader: TableReader, prefix: Buffer, partition: Partition): Promise<TableRow | null> {
  if (prefix.equals(STATIC_PREFIX)) {
    if (partition.statics === null) return null
    return { partition, clustering: null, prefix, cells: [], marker: null }
  }
  const wish = { ranges: [rangeOfPrefix(prefix)], isReversed: false, rows: 1 }
  for await (const [row] of reader.rows(partition, wish)) if (row !== undefined) return row
  return null
}

/** Reads what they depend on, each row and the static cells of each partition once. */
export async function readRows(
  wanted: readonly WantedRow[],
  store: Store & { readonly noteUnseen?: NoteUnseen },
): Promise<(table: TableSchema) => RowsAsTheyAre> {
  const found = new Map<string, TableRow | null>()
  const partitions = new Map<string, Partition>()
  const { kvstore, context, ...others } = store
  const how = { ...others, context, needs: { withTimestamps: true, withTtl: false } }
  const nameOfRow = (table: TableSchema, rowKey: Buffer, prefix: Buffer) =>
    `${nameOf(table, rowKey)} ${prefix.toString('hex')}`
  for (const { table, rowKey, parts, prefix } of wanted) {
    const name = nameOfRow(table, rowKey, prefix)
    if (found.has(name)) continue
    const reader = new TableReader(kvstore, table, how)
    let partition = partitions.get(nameOf(table, rowKey))
    if (partition === undefined) {
      const statics = table.statics.length > 0 ? await reader.statics(rowKey) : null
      partition = { rowKey, key: parts, statics }
      partitions.set(nameOf(table, rowKey), partition)
    }
    found.set(name, await readRow(reader, prefix, partition))
  }
  return (table) => (rowKey, prefix) => found.get(nameOfRow(table, rowKey, prefix)) ?? null
}

/** All of them, at the same time; the first failure, or null when all are done. */
export function writeAll(
  writes: readonly RowWrites[],
  { kvstore, context }: Store,
  done: (failure: CqlError | KVError | null) => void,
): void {
  let waiting = writes.length
  let failure: KVError | null = null
  if (waiting === 0) done(null)
  for (const one of writes) {
    kvstore.mutate(one.request([], context), (outcome) => {
      if (outcome instanceof KVError) failure ??= outcome
      if (--waiting === 0) done(failure === null ? null : errorOf(failure))
    })
  }
}

export interface ModifyRequest {
  readonly modification: Modification
  readonly bindings: Bindings
  /** The protocol's; null: none. */
  readonly timestamp: bigint | null
}

/** One statement without IF. Answers once; never throws. */
export function runModification(
  { modification, bindings, timestamp }: ModifyRequest,
  { store, tools }: { readonly store: Store; readonly tools: WriteTools },
  done: (failure: CqlError | KVError | null) => void,
): void {
  try {
    const own = timestamp ?? (needsTimestamp(modification) ? tools.nextTimestamp() : null)
    const stamp: Stamp = (said) => said ?? own
    const { table } = modification
    const wanted = rowsToRead(modification, bindings)
    const writes = new WriteSet()
    if (wanted.length === 0) {
      gather(modification, bindings, { writes, stamp, tools })
      writeAll(writes.all(), store, done)
      return
    }
    readRows(
      wanted.map((one) => ({ ...one, table })),
      store,
    )
      .then((rowsOf) => {
        gather(modification, bindings, { writes, stamp, tools, rows: rowsOf(table) })
        writeAll(writes.all(), store, done)
      })
      .catch((error: unknown) => done(errorOf(error)))
  } catch (error) {
    done(errorOf(error))
  }
}
