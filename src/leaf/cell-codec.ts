/**
 * The stored value of a cell of a writable shard, and of a row tombstone. Compared as unsigned bytes by RocksDB's `max`
 * merge, its order *is* the conflict rule, so writes are blind, commutative and idempotent:
 *
 *     timestamp  8 B   big-endian, sign bit flipped
 *     kind       1 B   0 live, 1 expiring, 2 tombstone
 *     expiry     4 B   big-endian seconds since 1970; kind 1: dies then; kind 2: when it was deleted
 *     ttl        4 B   big-endian seconds as written; kind 1 only
 *     payload          kinds 0 and 1
 *
 * Highest timestamp wins; then tombstone over expiring over live; then the later expiry; then the longer ttl; then the
 * greater payload (LAST_WRITE_WINS of kvstore.thrift, Cassandra's rule since CASSANDRA-14592; the ttl can decide only
 * between cells equal in timestamp and expiry). Changing a byte of this is a format break.
 *
 * In history shards the timestamp stands in the key, and in its place here the stamp of the write's arrival at the writer
 * thread: of two writes of one version the later one wins.
 */
import { KVError } from '../base/errors.js'
import type { CellTimestamp } from '../model/row.js'
import { readFlipped } from './int64.js'

/** Never renumber: the order of these numbers is part of the conflict rule. */
export const CELL_KINDS = { LIVE: 0, EXPIRING: 1, TOMBSTONE: 2 } as const

const KIND_AT = 8
const EXPIRY_AT = 9
const TTL_AT = 13
const LIVE_HEADER_SIZE = 9
const EXPIRING_HEADER_SIZE = 17
export const TOMBSTONE_SIZE = 13

const MAX_EXPIRY_SECONDS = 0xffff_ffff

/** Bytes of a cell with this payload. */
export function cellSize(valueSize: number, isExpiring: boolean): number {
  return valueSize + (isExpiring ? EXPIRING_HEADER_SIZE : LIVE_HEADER_SIZE)
}

/**
 * Writes a live cell, or an expiring one when `ttlSeconds` is not null, and answers the position behind it.
 * @throws {KVError} INVALID_ARGUMENT when the TTL is not a positive whole number or ends after 2106
 */
export function writeCell(
  target: Buffer,
  at: number,
  cell: { readonly timestamp: CellTimestamp; readonly ttlSeconds: number | null; readonly value: Uint8Array },
  nowSeconds: number,
): number {
  writeTimestamp(target, at, cell.timestamp)
  if (cell.ttlSeconds === null) {
    target[at + KIND_AT] = CELL_KINDS.LIVE
    target.set(cell.value, at + LIVE_HEADER_SIZE)
    return at + LIVE_HEADER_SIZE + cell.value.byteLength
  }
  target[at + KIND_AT] = CELL_KINDS.EXPIRING
  target.writeUInt32BE(expiryOf(cell.ttlSeconds, nowSeconds), at + EXPIRY_AT)
  target.writeUInt32BE(cell.ttlSeconds, at + TTL_AT)
  target.set(cell.value, at + EXPIRING_HEADER_SIZE)
  return at + EXPIRING_HEADER_SIZE + cell.value.byteLength
}

/** Writes a tombstone and answers the position behind it. */
export function writeTombstone(
  target: Buffer,
  at: number,
  timestamp: CellTimestamp,
  nowSeconds: number,
): number {
  writeTimestamp(target, at, timestamp)
  target[at + KIND_AT] = CELL_KINDS.TOMBSTONE
  target.writeUInt32BE(nowSeconds, at + EXPIRY_AT)
  return at + TOMBSTONE_SIZE
}

/** Second in which a cell written now dies. @throws {KVError} INVALID_ARGUMENT */
export function expiryOf(ttlSeconds: number, nowSeconds: number): number {
  const expiry = nowSeconds + ttlSeconds
  if (!Number.isInteger(ttlSeconds) || ttlSeconds <= 0 || expiry > MAX_EXPIRY_SECONDS) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `ttl of ${ttlSeconds} s: give 1 or more, ending before the year 2106`,
    )
  }
  return expiry
}

export function writeTimestamp(target: Buffer, at: number, timestamp: CellTimestamp): void {
  target.writeBigInt64BE(timestamp, at)
  target[at] = (target[at] ?? 0) ^ 0x80
}

/** The same for a stamp, a whole number from 0 to 2^53 - 1: no bigint on the writer's path. */
export function writeStamp(target: Buffer, at: number, stamp: number): void {
  target.writeInt32BE(Math.floor(stamp / 0x1_0000_0000) ^ -0x80000000, at)
  target.writeInt32BE(stamp | 0, at + 4)
}

export function readTimestamp(cell: Buffer): CellTimestamp {
  return readFlipped(cell, 0, -0x8000_0000, 0)
}

/** Where the payload of a living cell starts; -1 for a tombstone and for a cell that has expired. */
export function payloadStart(cell: Buffer, nowSeconds: number): number {
  const kind = cell[KIND_AT]
  if (kind === CELL_KINDS.LIVE) return LIVE_HEADER_SIZE
  if (kind === CELL_KINDS.TOMBSTONE && cell.byteLength === TOMBSTONE_SIZE) return -1
  if (kind !== CELL_KINDS.EXPIRING || cell.byteLength < EXPIRING_HEADER_SIZE) throw damagedCell(cell)
  return cell.readUInt32BE(EXPIRY_AT) <= nowSeconds ? -1 : EXPIRING_HEADER_SIZE
}

/** Seconds left of an expiring cell; null for one that does not expire. */
export function ttlLeft(cell: Buffer, nowSeconds: number): number | null {
  return cell[KIND_AT] === CELL_KINDS.EXPIRING ? cell.readUInt32BE(EXPIRY_AT) - nowSeconds : null
}

/** One of CELL_KINDS, if it is not damaged. */
export function cellKind(cell: Buffer): number {
  return cell[KIND_AT] ?? -1
}

/** Second in which an expiring cell dies, or a tombstone was made; null for a lasting cell. */
export function cellSeconds(cell: Buffer): number | null {
  return cell[KIND_AT] === CELL_KINDS.LIVE ? null : cell.readUInt32BE(EXPIRY_AT)
}

/** Whether a cell outlives its row's tombstone: only with a later timestamp. No bigint is made. */
export function isNewer(cell: Buffer, rowTombstone: Buffer): boolean {
  return cell.compare(rowTombstone, 0, KIND_AT, 0, KIND_AT) > 0
}

function damagedCell(cell: Buffer): KVError {
  return new KVError(
    'CORRUPT',
    `stored cell of ${cell.byteLength} bytes has an unknown kind ${cell[KIND_AT] ?? 'none'}`,
  )
}
