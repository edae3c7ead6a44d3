/**
 * Writes of HBase's Thrift gateways as mutations of rows, beside puts (hbase-puts.ts). A table's family may have a time to
 * live of its own, which counts from a cell's timestamp and becomes each cell's own here.
 */
import type { Durability } from '../../src/model/dataset.js'
import type { DeleteMutation, Mutation } from '../../src/model/mutation.js'
import type { MutateRequest, RequestContext } from '../../src/model/request.js'
import { sortedDistinct } from '../../src/base/bytes.js'
import { type ByteRange, type CellSelector, type Condition, WHOLE_ROW } from '../../src/model/row.js'
import type { ColumnName } from './hbase-columns.js'
import { DO_NOT_RETRY, ILLEGAL_ARGUMENT, HBaseFault, ioFault } from './hbase-errors.js'
import type { Table } from './hbase-tables.js'
import { LATEST_TIMESTAMP, familyRange, toLocalKey } from './mapping.js'

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

/** Milliseconds since 1970. */
export type Now = () => number

/** When cells are written, and for how long. */
export interface PutTimes {
  /** Of cells without one; null: the server's clock. */
  readonly timestamp: bigint | null
  readonly now: Now
  /** Of ttlOf. */
  readonly ttlMs: bigint | null
}

/** All versions up to the timestamp of columns and families. */
export function deleteUpTo(
  table: Table,
  columns: readonly ColumnName[],
  timestamp: bigint | null,
): DeleteMutation {
  return deletion(table, columns, { timestamp: stampOf(timestamp), scope: 'UP_TO_TIMESTAMP' })
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
  const whole = new Map<string, ByteRange>()
  for (const { family, qualifier } of columns) {
    table.checkFamily(family)
    if (qualifier !== null) continue
    if (family.length === 0) return null
    whole.set(family.toString('latin1'), familyRange(family))
  }
  const localKeys: Buffer[] = []
  for (const { family, qualifier } of columns) {
    if (qualifier !== null && !whole.has(family.toString('latin1')))
      localKeys.push(toLocalKey({ family, qualifier }))
  }
  const ranges = [...whole.values()].sort((a, b) => a.from.compare(b.from))
  return { ...WHOLE_ROW, localKeys: sortedDistinct(localKeys), ranges }
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
  extra: Partial<MutateRequest> | null = null,
): MutateRequest {
  const plain: MutateRequest = {
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
  }
  return extra === null ? plain : { ...plain, ...extra }
}

/** Seconds that are left of the time to live of family and write, 0 or less: none; null: they have none. */
export function remainingTtl(
  ofFamily: number | null,
  timestamp: bigint | null,
  { now, ttlMs }: PutTimes,
): number | null {
  if (ofFamily === null && ttlMs === null) return null
  const ofWrite = ttlMs === null ? Number.POSITIVE_INFINITY : Number(ttlMs) / 1_000
  const ttlSeconds = Math.min(ofFamily ?? Number.POSITIVE_INFINITY, ofWrite)
  const ageSeconds = timestamp === null ? 0 : (now() - Number(timestamp)) / 1_000
  return Math.min(Math.ceil(ttlSeconds - ageSeconds), MAX_TTL_SECONDS)
}

/** Of a counter or an append, which the server gives its time. */
export function ttlOfChange(table: Table, family: Buffer, times: PutTimes): number | null {
  return remainingTtl(table.settingsOf(family)?.ttlSeconds ?? null, null, times)
}

const MAX_TTL_SECONDS = 2 ** 31 - 1
const NO_BYTES = Buffer.alloc(0)
