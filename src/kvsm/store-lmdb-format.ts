/**
 * Bytes of the LMDB store's records. Pure.
 *
 *     record  [crc32 u32][revision u64][utf-8 text]   big-endian; the CRC covers key, revision and text
 *     keys    `header`, `owner`, `<table>/<key>`
 *     header  {"format":1,"revision":N,"tables":{"<table>":{"count":N,"digest":N}}}
 *
 * `digest` is the exclusive-or of the CRCs of all records of a table: LMDB has no checksums, and a damaged
 * page can make records disappear without an error. This envelope stays as it is in every later format, so
 * that an older program can read the number that tells it to stop.
 */
import { crc32 } from 'node:zlib'
import { KVError } from '../base/errors.js'
import type { MetaTable } from './store.js'

/** Rises when older programs would misread the store. Never reuse a number. */
export const STORE_FORMAT = 1

export const HEADER_KEY = 'header'
export const OWNER_KEY = 'owner'

const CRC_SIZE = 4
const HEAD_SIZE = CRC_SIZE + 8

export interface StoreEntry {
  readonly revision: number
  readonly text: string
  readonly crc: number
}

export interface TableTally {
  count: number
  digest: number
}

export interface StoreHeader {
  readonly format: number
  /** Of the last commit. */
  revision: number
  readonly tables: Record<MetaTable, TableTally>
}

export function entryKey(table: MetaTable, key: string): string {
  return `${table}/${key}`
}

export function encodeEntry(key: string, revision: number, text: string): Buffer {
  const textSize = Buffer.byteLength(text)
  const bytes = Buffer.alloc(HEAD_SIZE + textSize)
  bytes.writeBigUInt64BE(BigInt(revision), CRC_SIZE)
  bytes.write(text, HEAD_SIZE)
  bytes.writeUInt32BE(entryCrc(key, bytes))
  return bytes
}

/** @throws {KVError} CORRUPT when the bytes are not those that were written under this key */
export function decodeEntry(key: string, bytes: Buffer): StoreEntry {
  if (bytes.byteLength < HEAD_SIZE || bytes.readUInt32BE() !== entryCrc(key, bytes)) {
    throw new KVError(
      'CORRUPT',
      `record ${key} of the metastore is damaged: restore the metastore from a backup`,
    )
  }
  const revision = Number(bytes.readBigUInt64BE(CRC_SIZE))
  return { revision, text: bytes.toString('utf8', HEAD_SIZE), crc: bytes.readUInt32BE() }
}

export function emptyHeader(): StoreHeader {
  return { format: STORE_FORMAT, revision: 0, tables: emptyTables() }
}

/**
 * @param bytes the header record, undefined when there is none
 * @throws {KVError} FAILED_PRECONDITION for another program's store or a newer format, CORRUPT when damaged
 */
export function decodeHeader(bytes: Buffer | undefined): StoreHeader {
  if (bytes === undefined) {
    throw new KVError('FAILED_PRECONDITION', "its lmdb file is another program's: choose another directory")
  }
  // The CRC was right, so this is what encodeHeader wrote; a newer format has at least its number in this
  // place.
  const header = JSON.parse(decodeEntry(HEADER_KEY, bytes).text) as StoreHeader
  // A table that came later is empty in a store that was written before.
  if (header.format <= STORE_FORMAT) return { ...header, tables: { ...emptyTables(), ...header.tables } }
  throw new KVError(
    'FAILED_PRECONDITION',
    `its format is ${header.format} and this godwit reads up to ${STORE_FORMAT}: ` +
      'start the newer godwit again',
  )
}

export function encodeHeader(header: StoreHeader): Buffer {
  return encodeEntry(HEADER_KEY, header.revision, JSON.stringify(header))
}

/** Counts a record in (`change` 1) or out (-1). */
export function tallyEntry(tally: TableTally, entry: Pick<StoreEntry, 'crc'>, change: 1 | -1): void {
  tally.count += change
  tally.digest = (tally.digest ^ entry.crc) >>> 0
}

/** @throws {KVError} CORRUPT when records were lost or came from elsewhere */
export function checkTally(table: MetaTable, found: TableTally, header: StoreHeader): void {
  const { count, digest } = header.tables[table]
  if (found.count === count && found.digest === digest) return
  throw new KVError(
    'CORRUPT',
    `its table ${table} has ${found.count} records that do not match the ${count} written: ` +
      'restore it from a backup',
  )
}

function emptyTables(): Record<MetaTable, TableTally> {
  return {
    dataset: emptyTally(),
    cluster: emptyTally(),
    keyspace: emptyTally(),
    audit: emptyTally(),
    secret: emptyTally(),
  }
}

export function emptyTally(): TableTally {
  return { count: 0, digest: 0 }
}

function entryCrc(key: string, bytes: Buffer): number {
  return crc32(bytes.subarray(CRC_SIZE), crc32(key))
}
