/**
 * Writes of HBase's Thrift gateways as mutations of rows. A table's family may have a time to live of its own, which counts
 * from a cell's timestamp and becomes each cell's own here.
 */
import type { Durability } from '../../src/model/dataset.js'
import type { DeleteMutation, Mutation, PutMutation } from '../../src/model/mutation.js'
import type { MutateRequest, RequestContext } from '../../src/model/request.js'
import { type Cell, type CellSelector, type Condition, WHOLE_ROW } from '../../src/model/row.js'
import type { ColumnName } from './hbase-columns.js'
import { DO_NOT_RETRY, ILLEGAL_ARGUMENT, HBaseFault, illegal, ioFault } from './hbase-errors.js'
import type { Table } from './hbase-tables.js'
import { MAX_CELL_BYTES, LATEST_TIMESTAMP, familyRange, toLocalKey } from './mapping.js'

/** Bytes of a cell beside row, family, qualifier and value: KeyValue's lengths, timestamp and type. */
const CELL_OVERHEAD = 20

/** Mutation.setTTL, as clients that have no field for it write it: milliseconds, 8 bytes, big-endian. */
const TTL_ATTRIBUTE = '_ttl'
const TTL_BYTES = 8

type Attributes = readonly (readonly [name: Buffer, value: Buffer])[] | null

/**
 * How long cells of a write live, in milliseconds from their time on; null: as their family says, which they cannot outlive.
 * @throws {KVError} for an attribute that holds no such number
 */
export function ttlOf(attributes: Attributes): bigint | null {
  const value = attributes?.find(([name]) => name.toString('latin1') === TTL_ATTRIBUTE)?.[1]
  if (value === undefined) return null
  if (value.length < TTL_BYTES)
    throw ioFault(
      DO_NOT_RETRY,
      `attribute ${TTL_ATTRIBUTE} has ${value.length} bytes: ${TTL_BYTES} are milliseconds`,
    )
  return value.readBigInt64BE(0)
}

/** How a row's mutations are gathered before they are one request. */
export interface RowWrite {
  readonly row: Buffer
  readonly mutations: readonly Mutation[]
  readonly durability: Durability | null
}

export interface PutCell {
  readonly column: ColumnName
  readonly value: Buffer | null
  /** Null: the row's general one, or the server's clock. */
  readonly timestamp: bigint | null
}

/** Milliseconds since 1970. */
export type Now = () => number

export interface PutOptions {
  /** Of cells without one; null: the server's clock. */
  readonly timestamp: bigint | null
  readonly now: Now
  /** Of ttlOf. */
  readonly ttlMs: bigint | null
}

/**
 * Null: nothing of it would be visible, because every cell's time to live is over.
 * @throws {KVError} NoSuchColumnFamilyException; TOO_LARGE; IllegalArgumentException for a negative timestamp
 */
export function putOf(
  table: Table,
  row: Buffer,
  cells: readonly PutCell[],
  options: PutOptions,
): PutMutation | null {
  const byKey = new Map<string, Cell>()
  const general = stampOf(options.timestamp)
  for (const { column, value, timestamp: own } of cells) {
    table.checkFamily(column.family)
    const localKey = toLocalKey({ family: column.family, qualifier: column.qualifier ?? NO_BYTES })
    const bytes = value ?? NO_BYTES
    if (row.length + localKey.length + bytes.length + CELL_OVERHEAD > MAX_CELL_BYTES)
      throw illegal('KeyValue size too large')
    const timestamp = stampOf(own) ?? general
    const ttlSeconds = remainingTtl(table, column.family, { ...options, timestamp })
    // Of several cells of one column and time the last one stays, in one row's Put as everywhere.
    const id = `${localKey.toString('latin1')}\0${timestamp ?? ''}`
    if (ttlSeconds === null || ttlSeconds > 0)
      byKey.set(id, { localKey, value: bytes, timestamp, ttlSeconds })
  }
  if (byKey.size === 0) return null
  return { kind: 'PUT', cells: [...byKey.values()], timestamp: null, replaceRow: false }
}

/** A mutation names a local key once: versions of one column are mutations of their own. */
export function distinctPuts(put: PutMutation | null): PutMutation[] {
  if (put === null) return []
  const rounds: Map<string, Cell>[] = []
  for (const cell of put.cells) {
    const id = cell.localKey.toString('latin1')
    let round = rounds.find((one) => !one.has(id))
    if (round === undefined) {
      round = new Map()
      rounds.push(round)
    }
    round.set(id, cell)
  }
  return rounds.map((round) => ({ ...put, cells: [...round.values()] }))
}

/** All versions up to the timestamp of a column, or of a family. */
export function deleteUpTo(table: Table, column: ColumnName, timestamp: bigint | null): DeleteMutation {
  return deletion(table, [column], { timestamp: stampOf(timestamp), scope: 'UP_TO_TIMESTAMP' })
}

export function deletion(
  table: Table,
  columns: readonly ColumnName[],
  how: Pick<DeleteMutation, 'timestamp' | 'scope'>,
): DeleteMutation {
  return { kind: 'DELETE', selector: selectorOfDeletion(table, columns), ...how }
}

/** The whole row, in every family. */
export function deleteRow(timestamp: bigint | null): DeleteMutation {
  return { kind: 'DELETE', selector: null, timestamp: stampOf(timestamp), scope: 'UP_TO_TIMESTAMP' }
}

function selectorOfDeletion(table: Table, columns: readonly ColumnName[]): CellSelector | null {
  const localKeys: Buffer[] = []
  const ranges = []
  for (const { family, qualifier } of columns) {
    table.checkFamily(family)
    if (qualifier !== null) localKeys.push(toLocalKey({ family, qualifier }))
    else if (family.length === 0) return null
    else ranges.push(familyRange(family))
  }
  return { ...WHOLE_ROW, localKeys, ranges }
}

/** @throws {KVError} as HBase's constructors of Put and Delete do */
export function stampOf(timestamp: bigint | null): bigint | null {
  if (timestamp === null || timestamp === LATEST_TIMESTAMP) return null
  if (timestamp < 0n)
    throw new HBaseFault('illegal', ILLEGAL_ARGUMENT, `Timestamp cannot be negative. ts=${timestamp}`)
  return timestamp
}

/**
 * What checkAndPut and its kin expect, as HRegion compares: an absent value and an empty one mean the same, that the
 * column is
 * absent or empty.
 */
export function expectation(localKey: Buffer, value: Buffer | null): Condition {
  const expected = value ?? NO_BYTES
  return { localKey, comparison: 'EQUAL', value: expected, timestamp: null, ifMissing: expected.length === 0 }
}

export function requestOf(
  table: Table,
  { row, mutations, durability }: RowWrite,
  context: RequestContext,
  extra: Partial<MutateRequest> = {},
): MutateRequest {
  return {
    dataset: table.name,
    rowKey: row,
    mutations,
    conditions: [],
    otherwise: [],
    returnOnConflict: undefined,
    returnAfter: undefined,
    idempotency: null,
    durability,
    context,
    ...extra,
  }
}

/** Seconds that are left of the time to live of family and write, 0 or less: none; null: they have none. */
export function remainingTtl(
  table: Table,
  family: Buffer,
  { timestamp, now, ttlMs }: PutOptions,
): number | null {
  const ofFamily = table.settingsOf(family)?.ttlSeconds ?? null
  const ofWrite = ttlMs === null ? null : Number(ttlMs) / 1_000
  if (ofFamily === null && ofWrite === null) return null
  const ttlSeconds = Math.min(ofFamily ?? Number.POSITIVE_INFINITY, ofWrite ?? Number.POSITIVE_INFINITY)
  const ageSeconds = timestamp === null ? 0 : (now() - Number(timestamp)) / 1_000
  return Math.min(Math.ceil(ttlSeconds - ageSeconds), MAX_TTL_SECONDS)
}

const MAX_TTL_SECONDS = 2 ** 31 - 1
const NO_BYTES = Buffer.alloc(0)
