/** What mutateRow and mutateRows of the first gateway change: a row's mutations, and the rows of one call as requests. */
import { KVError, toKVError } from '../../src/base/errors.js'
import type { Mutation } from '../../src/model/mutation.js'
import type { MutateRequest, RequestContext } from '../../src/model/request.js'
import type * as wire from '../../src/thrift/generated/hbase1.js'
import { type ColumnName, checkedRow } from './hbase-columns.js'
import { HBaseFault, runtime } from './hbase-errors.js'
import type { HBaseHost } from './hbase-host.js'
import { type PutCell, RepeatedColumns, RowPuts, WrittenColumns } from './hbase-puts.js'
import type { Table } from './hbase-tables.js'
import { type PutTimes, deleteUpTo, requestOf } from './hbase-writes.js'

export interface Gathered {
  readonly removed: readonly ColumnName[]
  readonly cells: readonly PutCell[]
  readonly durability: 'LOG' | null
}

/**
 * HBase takes the durability of a row's puts from the last of them and that of its deletions likewise. Here both are one
 * step, which is as durable as the one of them that asks for more.
 */
export function gather(mutations: readonly wire.Mutation[], names: RepeatedColumns): Gathered {
  const removed: ColumnName[] = []
  const cells: PutCell[] = []
  let putsLog = false
  let deletesLog = false
  let index = 0
  for (const { column, isDelete, value, writeToWAL } of mutations) {
    const name = names.parsed(index++, column)
    if (isDelete) {
      removed.push(name)
      deletesLog = writeToWAL
    } else {
      if (name.qualifier !== null) cells.push({ column: name, value, timestamp: null })
      putsLog = writeToWAL
    }
  }
  return { removed, cells, durability: putsLog || deletesLog ? null : 'LOG' }
}

export function deletesOf(
  table: Table,
  removed: readonly ColumnName[],
  timestamp: bigint | null,
): Mutation[] {
  return removed.length === 0 ? [] : [deleteUpTo(table, removed, timestamp)]
}

/**
 * One request a row: of all batches of it first the puts, then the deletions. What a row fails with is its own, and stands
 * in its place; where puts fail, HBase's handler does not come to the deletions.
 * @throws {KVError} what fails the call, before anything is written
 */
export function requestsOfBatches(
  host: HBaseHost,
  { tableName, rowBatches }: Pick<wire.HbaseMutateRowsArgs, 'tableName' | 'rowBatches'>,
  { context, ...times }: PutTimes & { readonly context: RequestContext },
): (MutateRequest | KVError)[] {
  const batches = rowBatches ?? []
  const names = new RepeatedColumns()
  checkBatches(batches, times.timestamp, names)
  const table = tableForBatch(host, tableName)
  if (table instanceof KVError) return actionsOf(batches).map(() => table)
  const changes = new RowChanges(table, names, times)
  for (const batch of batches) changes.add(batch)
  return changes.requests(context)
}

/** What HBase's handler checks of all batches before it writes any. @throws {KVError} */
function checkBatches(
  batches: readonly wire.BatchMutation[],
  timestamp: bigint | null,
  names: RepeatedColumns,
): void {
  if (timestamp !== null && timestamp < 0n && batches.length > 0)
    throw runtime(`Timestamp cannot be negative. ts=${timestamp}`)
  for (const { row, mutations } of batches) {
    checkedRow(row)
    let index = 0
    for (const { column, isDelete } of mutations ?? []) {
      const { qualifier } = names.parsed(index++, column)
      if (qualifier === null && !isDelete) throw runtime('Invalid famAndQf provided.')
    }
  }
}

/** A table that is not there fails each row, not the call. */
function tableForBatch(host: HBaseHost, name: Buffer | null): Table | KVError {
  try {
    return host.tables.open(name)
  } catch (error) {
    if (error instanceof HBaseFault && error.faultKind === 'io') return error
    throw error
  }
}

/** What HBase's handler sends first, and with it fails: puts of all batches; deletions, where there is no put. */
function actionsOf(batches: readonly wire.BatchMutation[]): readonly wire.BatchMutation[] {
  const puts = batches.filter(({ mutations }) => mutations?.some(({ isDelete }) => !isDelete))
  return puts.length > 0 ? puts : batches.filter(({ mutations }) => (mutations ?? []).length > 0)
}

interface RowChange {
  readonly row: Buffer
  readonly puts: Mutation[]
  readonly deletes: Mutation[]
  durability: 'LOG' | null
}

/** The rows of one call. */
class RowChanges {
  readonly #table: Table
  readonly #names: RepeatedColumns
  readonly #puts: RowPuts
  readonly #timestamp: bigint | null
  readonly #byRow = new Map<string, RowChange>()
  readonly #failedPuts: KVError[] = []
  readonly #failedDeletes: KVError[] = []

  constructor(table: Table, names: RepeatedColumns, times: PutTimes) {
    this.#table = table
    this.#names = names
    this.#puts = new RowPuts({ ...times, columns: new WrittenColumns(table) })
    this.#timestamp = times.timestamp
  }

  /** @throws {KVError} what fails the call */
  add({ row: given, mutations }: wire.BatchMutation): void {
    const row = checkedRow(given)
    const { removed, cells, durability } = gather(mutations ?? [], this.#names)
    const puts = this.#putsOf(row, cells)
    const deletes = puts === null ? null : this.#deletesOf(removed)
    if (puts === null || deletes === null) return
    const id = row.toString('latin1')
    const known = this.#byRow.get(id)
    if (known === undefined) {
      this.#byRow.set(id, { row, puts, deletes, durability })
      return
    }
    known.puts.push(...puts)
    known.deletes.push(...deletes)
    if (durability === null) known.durability = null
  }

  requests(context: RequestContext): (MutateRequest | KVError)[] {
    const requests: (MutateRequest | KVError)[] = [
      ...(this.#failedPuts.length > 0 ? this.#failedPuts : this.#failedDeletes),
    ]
    for (const { row, puts, deletes, durability } of this.#byRow.values()) {
      const mutations = deletes.length === 0 ? puts : [...puts, ...deletes]
      if (mutations.length > 0) requests.push(requestOf(this.#table, { row, mutations, durability }, context))
    }
    return requests
  }

  /** Null: they fail. */
  #putsOf(row: Buffer, cells: readonly PutCell[]): Mutation[] | null {
    try {
      for (const { column, value, timestamp } of cells) this.#puts.add(row, column, value, timestamp)
      return this.#puts.take()
    } catch (error) {
      this.#puts.take()
      this.#failedPuts.push(ofRow(error))
      return null
    }
  }

  #deletesOf(removed: readonly ColumnName[]): Mutation[] | null {
    try {
      return deletesOf(this.#table, removed, this.#timestamp)
    } catch (error) {
      this.#failedDeletes.push(ofRow(error))
      return null
    }
  }
}

/** @throws {KVError} what fails the call and no row alone */
function ofRow(error: unknown): KVError {
  if (error instanceof HBaseFault && error.faultKind === 'illegal') throw error
  return toKVError(error, 'mutateRows')
}
