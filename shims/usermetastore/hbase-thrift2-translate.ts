/**
 * Requests of the second gateway in our words: gets, puts, deletions, comparisons. Pure. Source:
 * thrift2/ThriftUtilities.
 */
import type { Durability } from '../../src/model/dataset.js'
import type { DeleteMutation, Mutation } from '../../src/model/mutation.js'
import { ALL_VERSIONS, type Comparison, type Condition } from '../../src/model/row.js'
import * as wire from '../../src/thrift/generated/hbase2.js'
import { filterOfBytes } from './filter-bytes.js'
import { type FilterTree, parseFilter } from './filter-parse.js'
import { type ColumnName, NEWEST, type Versions, checkedRow, timeRange } from './hbase-columns.js'
import { DO_NOT_RETRY, IO_EXCEPTION, WRONG_ROW, binaryText, ioFault, runtime } from './hbase-errors.js'
import type { Table } from './hbase-tables.js'
import { putsOfRow, sharedColumns } from './hbase-puts.js'
import { type Now, deleteRow, deletion, stampOf, ttlOf } from './hbase-writes.js'
import { LATEST_TIMESTAMP } from './mapping.js'

export interface GetWish {
  readonly columns: readonly ColumnName[]
  readonly versions: Versions
}

export function columnsOf(columns: readonly wire.TColumn[] | null): ColumnName[] {
  return (columns ?? []).map(({ family, qualifier }) => ({ family: family ?? NO_BYTES, qualifier }))
}

/** @throws {KVError} for what is refused by name and for times and counts that are none */
export function toWishOfGet(get: wire.TGet): GetWish {
  checkOffered(get)
  const { timestamp, timeRange: range, maxVersions } = get
  let versions = NEWEST
  if (timestamp !== null) versions = { count: 1, ...exactly(timestamp) }
  else if (range !== null) versions = { count: 1, ...timeRange(range.minStamp ?? 0n, range.maxStamp ?? 0n) }
  return { columns: columnsOf(get.columns), versions: { ...versions, count: versionsOf(maxVersions) } }
}

/** Of a request that names none: the newest. @throws {KVError} */
export function versionsOf(maxVersions: number | null): number {
  if (maxVersions === null) return 1
  if (maxVersions > 0) return Math.min(maxVersions, ALL_VERSIONS)
  throw ioFault(IO_EXCEPTION, 'versions must be positive')
}

function exactly(timestamp: bigint): { readonly from: bigint; readonly to: bigint } {
  if (timestamp < 0n) throw runtime(`Timestamp cannot be negative. minStamp:${timestamp}`)
  return { from: timestamp, to: timestamp === LATEST_TIMESTAMP ? timestamp : timestamp + 1n }
}

/** @throws {KVError} for what changes an answer and is not offered */
export function checkOffered(given: Pick<wire.TGet, 'authorizations'>): void {
  if ((given.authorizations?.labels ?? []).length > 0)
    throw ioFault(DO_NOT_RETRY, 'authorizations are not offered: no cell has a visibility')
}

/** Bytes take the place of a text beside them. Copied, because a scanner keeps it. @throws {KVError} for what is none */
export function treeOf({
  filterString,
  filterBytes,
}: Pick<wire.TGet, 'filterString' | 'filterBytes'>): FilterTree | null {
  const text = filterString === null ? null : parseFilter(Buffer.from(filterString))
  return filterBytes === null ? text : filterOfBytes(Buffer.from(filterBytes))
}

/** @throws {KVError} for a visibility, which no cell has here */
export function checkVisible({ cellVisibility }: Pick<wire.TPut, 'cellVisibility'>): void {
  if ((cellVisibility?.expression ?? '') !== '')
    throw ioFault(DO_NOT_RETRY, 'cellVisibility is not offered: no cell has one')
}

/** @throws {KVError} as checkVisible and putsOfRow */
export function putsOf(table: Table, put: wire.TPut, now: Now, shared = sharedColumns(table)): Mutation[] {
  checkVisible(put)
  const cells = (put.columnValues ?? []).map(({ family, qualifier, value, timestamp }, index) => ({
    column: shared.names.named(index, family, qualifier),
    value,
    timestamp,
  }))
  if (cells.length === 0) throw runtime('No columns to insert')
  const options = { columns: shared.columns, timestamp: put.timestamp, now, ttlMs: ttlOf(put.attributes) }
  return putsOfRow(checkedRow(put.row), cells, options)
}

/** A deletion without columns is one of the row; with an empty list of them it is one up to now. @throws {KVError} */
export function deletionsOf(table: Table, remove: wire.TDelete): Mutation[] {
  if (remove.columns === null) return [deleteRow(remove.timestamp)]
  const { columns, deleteType } = remove
  if (columns.length === 0) return [deleteRow(null)]
  const isFamily = deleteType === wire.TDeleteType.DELETE_FAMILY
  // Delete.addFamily forgets what was said of the family before.
  const last = new Map(columns.map((column) => [(column.family ?? NO_BYTES).toString('latin1'), column]))
  return together(
    (isFamily ? [...last.values()] : columns).map((column) => deletedBy(column, deleteType)),
  ).map(({ named, ...how }) => deletion(table, [...named.values()], how))
}

/** What one column of a deletion takes. */
interface Deleted extends Pick<DeleteMutation, 'timestamp' | 'scope'> {
  readonly column: ColumnName
}

interface DeletedTogether extends Pick<DeleteMutation, 'timestamp' | 'scope'> {
  readonly named: Map<string, ColumnName>
}

/** Columns behind each other of which the same is taken are one mutation; a newest version that is named twice is two. */
function together(all: readonly Deleted[]): DeletedTogether[] {
  const groups: DeletedTogether[] = []
  for (const { column, timestamp, scope } of all) {
    const { family, qualifier } = column
    const name = `${family.toString('latin1')}${qualifier === null ? '' : `:${qualifier.toString('latin1')}`}`
    const last = groups.at(-1)
    const isAlike = last?.timestamp === timestamp && last.scope === scope
    if (isAlike && (scope === 'UP_TO_TIMESTAMP' || !last.named.has(name))) last.named.set(name, column)
    else groups.push({ timestamp, scope, named: new Map([[name, column]]) })
  }
  return groups
}

function deletedBy(given: wire.TColumn, type: number): Deleted {
  const family = given.family ?? NO_BYTES
  const column = { family, qualifier: given.qualifier ?? NO_BYTES }
  const whole = { family, qualifier: null }
  const timestamp = stampOf(given.timestamp)
  switch (type) {
    case wire.TDeleteType.DELETE_COLUMN:
      return { column, timestamp, scope: timestamp === null ? 'NEWEST_VERSION' : 'EXACT_TIMESTAMP' }
    case wire.TDeleteType.DELETE_COLUMNS:
      return { column, timestamp, scope: 'UP_TO_TIMESTAMP' }
    case wire.TDeleteType.DELETE_FAMILY:
      return { column: whole, timestamp, scope: 'UP_TO_TIMESTAMP' }
    case wire.TDeleteType.DELETE_FAMILY_VERSION:
      if (timestamp === null) throw runtime('Timestamp is required for TDelete with DeleteFamilyVersion type')
      return { column: whole, timestamp, scope: 'EXACT_TIMESTAMP' }
    default:
      throw runtime(`DeleteType is required for TDelete, not ${type}`)
  }
}

/** The row of all of them. @throws {KVError} as RowMutations does where a mutation names another row */
export function rowOf({ row, mutations }: wire.TRowMutations): Buffer {
  const key = checkedRow(row)
  for (const { put, deleteSingle } of mutations ?? []) {
    const other = checkedRow(put?.row ?? deleteSingle?.row ?? null)
    if (!other.equals(key))
      throw ioFault(
        WRONG_ROW,
        `The row in the recently added Mutation <${binaryText(other)}> doesn't match the original one <${binaryText(key)}>`,
      )
  }
  return key
}

export function mutationsOf(table: Table, { mutations }: wire.TRowMutations, now: Now): Mutation[] {
  return (mutations ?? []).flatMap(({ put, deleteSingle }) => {
    if (put !== null) return putsOf(table, put, now)
    return deleteSingle === null ? [] : deletionsOf(table, deleteSingle)
  })
}

/**
 * HBase compares what is expected with what is there: LESS holds where the expected value is less. With an empty expected
 * value an absent column counts as empty (HRegion.checkAndMutateInternal).
 */
const COMPARISONS: Readonly<Record<number, Comparison>> = {
  [wire.TCompareOperator.LESS]: 'GREATER',
  [wire.TCompareOperator.LESS_OR_EQUAL]: 'GREATER_OR_EQUAL',
  [wire.TCompareOperator.EQUAL]: 'EQUAL',
  [wire.TCompareOperator.NOT_EQUAL]: 'NOT_EQUAL',
  [wire.TCompareOperator.GREATER_OR_EQUAL]: 'LESS_OR_EQUAL',
  [wire.TCompareOperator.GREATER]: 'LESS',
  [wire.TCompareOperator.NO_OP]: 'EQUAL',
}

/** @throws {KVError} for an operator that does not exist */
export function comparisonOf(localKey: Buffer, operator: number, value: Buffer): Condition[] {
  // No value is less than an empty one: with NO_OP nothing holds for a value.
  if (operator === wire.TCompareOperator.NO_OP && value.length > 0)
    return [{ localKey, comparison: 'LESS', value: NO_BYTES, timestamp: null, ifMissing: false }]
  const comparison = COMPARISONS[operator]
  if (comparison === undefined) throw runtime(`there is no compare operator ${operator}`)
  if (value.length > 0) return [{ localKey, comparison, value, timestamp: null, ifMissing: false }]
  const isNot = operator === wire.TCompareOperator.NOT_EQUAL
  return [{ localKey, comparison: isNot ? 'NOT_EQUAL' : 'EQUAL', value, timestamp: null, ifMissing: !isNot }]
}

/** A write that need not be on disk when it is acknowledged, one that must, or the dataset's own. */
export function durabilityOf(durability: number | null): Durability | null {
  switch (durability) {
    case wire.TDurability.SKIP_WAL:
    case wire.TDurability.ASYNC_WAL:
      return 'LOG'
    case wire.TDurability.FSYNC_WAL:
      return 'LOG_SYNCED'
    case null:
    default:
      return null
  }
}

const NO_BYTES = Buffer.alloc(0)
