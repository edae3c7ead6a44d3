/**
 * The files beside a shard's DB, and what they protect it from:
 *
 *     FORMAT.json     name, number and persistent options of the format; compared before the DB is opened, because
 *                     opening one with other options can destroy it
 *     SEALED.json     sealed: rows, bytes, sequence, checksum; its presence says that the shard is complete
 *     WATERMARK.json  shards that can be written: a sequence known to be on stable storage and the greatest stamp given
 *                     until then. A DB whose sequence is lower has lost part of its log, which RocksDB does not report
 *     db/             the DB itself
 */
import { join } from 'node:path'
import { KVError } from '../../../base/errors.js'
import type { ShardFormat } from '../../../model/cluster-map.js'
import { countField, readJsonNow, writeJsonDurably } from './files.js'
import {
  type DatabaseOptions,
  HISTORY_OPTIONS,
  MUTABLE_OPTIONS,
  persistentOptions,
  SEALED_OPTIONS,
} from './options.js'

/** Key in the DB itself: there as soon as the shard may hold range tombstones, with any value. Never renumber. */
export const RANGE_TOMBSTONES_KEY: Buffer = Buffer.from([0x00, 0x00])

export interface SealRecord {
  readonly rows: number
  /** Keys and values as stored, before RocksDB's own overhead. */
  readonly bytes: number
  readonly sequence: number
  /** 16 hex digits; the same for the same rows in any order. */
  readonly checksum: string
}

export interface Watermark {
  readonly sequence: number
  readonly stamp: number
}

export function databaseDirectory(shardDirectory: string): string {
  return join(shardDirectory, 'db')
}

const OPTIONS: Record<ShardFormat, DatabaseOptions> = {
  sealed: SEALED_OPTIONS,
  mutable: MUTABLE_OPTIONS,
  history: HISTORY_OPTIONS,
}

export function optionsOf(format: ShardFormat): DatabaseOptions {
  return OPTIONS[format]
}

export async function writeFormat(shardDirectory: string, format: ShardFormat): Promise<void> {
  const options = optionsOf(format)
  await writeJsonDurably(join(shardDirectory, 'FORMAT.json'), {
    format: options.format,
    number: options.formatNumber,
    options: persistentOptions(options),
  })
}

/** @throws {KVError} FAILED_PRECONDITION when the shard is of another or a newer format, or none at all */
export function checkFormat(shardDirectory: string, format: ShardFormat): void {
  const path = join(shardDirectory, 'FORMAT.json')
  const options = optionsOf(format)
  const found = readJsonNow(path)
  if (found === null)
    throw new KVError('FAILED_PRECONDITION', `${shardDirectory} is not a shard: it has no FORMAT.json`)
  const { format: name, number } = found
  if (name !== options.format) {
    throw new KVError(
      'FAILED_PRECONDITION',
      `${path} names format ${printable(name)}, expected ${options.format}`,
    )
  }
  if (number !== options.formatNumber) {
    throw new KVError(
      'FAILED_PRECONDITION',
      `${path} names ${options.format} number ${printable(number)}, this program reads number ${options.formatNumber}: use the program that wrote it`,
    )
  }
  if (JSON.stringify(found['options']) !== JSON.stringify(persistentOptions(options))) {
    throw new KVError(
      'FAILED_PRECONDITION',
      `${path} records other options than this program gives: do not open it`,
    )
  }
}

export async function writeSeal(shardDirectory: string, seal: SealRecord): Promise<void> {
  await writeJsonDurably(join(shardDirectory, 'SEALED.json'), seal)
}

/** @throws {KVError} FAILED_PRECONDITION when the shard was never sealed, CORRUPT when the file is damaged */
export function readSeal(shardDirectory: string): SealRecord {
  const path = join(shardDirectory, 'SEALED.json')
  const found = readJsonNow(path)
  if (found === null) {
    throw new KVError(
      'FAILED_PRECONDITION',
      `${shardDirectory} was never sealed: its load did not finish, load it again`,
    )
  }
  const { checksum } = found
  if (typeof checksum !== 'string')
    throw new KVError('CORRUPT', `${path} is damaged: checksum is not a string`)
  return {
    rows: countField(found, 'rows', path),
    bytes: countField(found, 'bytes', path),
    sequence: countField(found, 'sequence', path),
    checksum,
  }
}

export async function writeWatermark(shardDirectory: string, { sequence, stamp }: Watermark): Promise<void> {
  await writeJsonDurably(join(shardDirectory, 'WATERMARK.json'), { sequence, stamp })
}

/**
 * Synchronous, because a shard becomes writable between two messages.
 * @throws {KVError} CORRUPT when the file is missing or damaged
 */
export function readWatermark(shardDirectory: string): Watermark {
  const path = join(shardDirectory, 'WATERMARK.json')
  const found = readJsonNow(path)
  if (found === null)
    throw new KVError('CORRUPT', `${path} is missing: restore it, or lost log would go unnoticed`)
  return { sequence: countField(found, 'sequence', path), stamp: countField(found, 'stamp', path) }
}

function printable(value: unknown): string {
  return ((JSON.stringify(value) as string | undefined) ?? 'none').slice(0, 64) // undefined for an absent field
}
