/**
 * Tables of UserMetaStore and of HBase as datasets: pure, the one place that both faces build on.
 *
 * - A table is a dataset whose timestamps are MILLISECONDS. A new one is READ_WRITE and ORDERED, and keeps as many
 *   versions of a cell as the table does.
 * - A column of UserMetaStore's is a local key, byte for byte.
 * - A column of HBase's is `family 0x00 qualifier`. No family has a zero byte, so that the first one ends it and the byte
 *   order of local keys is HBase's: families first, then qualifiers (`a:x` before `a1:x`, which a colon would turn around).
 * - A local key that begins with no family, as UserMetaStore and KVStore write them, is HBase's column of the empty family,
 *   `:name`. HBase itself has no such family, so that nothing of its own is called the same.
 *
 * `toColumn` and `toLocalKey` are inverse to each other over all local keys.
 */
import { EMPTY_BYTES, hexPreview, prefixSuccessor } from '../../src/base/bytes.js'
import { KVError } from '../../src/base/errors.js'
import type { DatasetEntry } from '../../src/model/cluster-map.js'
import type { DatasetRecord } from '../../src/model/dataset.js'
import type { ByteRange, CellTimestamp } from '../../src/model/row.js'
import { invalid, tooLarge, unsupported } from './errors.js'

/** HConstants.MAX_ROW_LENGTH; the one that a table's row keys have, beside being no longer than KVStore's. */
export const MAX_ROW_KEY_BYTES = 32_767
/** What a local key may have; HBase's qualifiers share its cell key of 32,767 bytes with row and family. */
export const MAX_COLUMN_BYTES = 32_767
/** HBase keeps a family's length in one byte with a sign. */
export const MAX_FAMILY_BYTES = 127
/** hbase.client.keyvalue.maxsize and hbase.server.keyvalue.maxsize: 10 MiB. */
export const MAX_CELL_BYTES = 10_485_760
/** HConstants.LATEST_TIMESTAMP: a write's time that means the server's clock. */
export const LATEST_TIMESTAMP: CellTimestamp = 0x7fff_ffff_ffff_ffffn

const COLON = 0x3a

/** A column as HBase names it. The family is empty for a local key that has none. */
export interface Column {
  readonly family: Buffer
  readonly qualifier: Buffer
}

/** A local key in HBase's words; views into it. */
export function toColumn(localKey: Buffer): Column {
  const end = familyEnd(localKey)
  if (end === 0) return { family: EMPTY_BYTES, qualifier: localKey }
  return { family: localKey.subarray(0, end), qualifier: localKey.subarray(end + 1) }
}

/** Bytes of the family that a local key begins with; 0: none. */
function familyEnd(localKey: Buffer): number {
  const end = localKey.indexOf(0)
  if (end <= 0 || end > MAX_FAMILY_BYTES) return 0
  const colon = localKey.indexOf(COLON)
  return colon < 0 || colon > end ? end : 0
}

/** @throws {KVError} INVALID_ARGUMENT for what names no column; TOO_LARGE */
export function toLocalKey({ family, qualifier }: Column): Buffer {
  if (family.length === 0) {
    if (familyEnd(qualifier) > 0) {
      throw invalid(
        `column ${hexPreview(qualifier)} without a family has a zero byte: it would be one of a family`,
      )
    }
    checkColumn(qualifier)
    return qualifier
  }
  checkFamily(family)
  const localKey = Buffer.allocUnsafe(family.length + 1 + qualifier.length)
  family.copy(localKey, 0)
  localKey[family.length] = 0
  qualifier.copy(localKey, family.length + 1)
  checkColumn(localKey)
  return localKey
}

/**
 * All local keys of a family.
 * @throws {KVError} UNSUPPORTED for the empty one, whose keys lie between those of the others; as toLocalKey
 */
export function familyRange(family: Buffer): ByteRange {
  if (family.length === 0) {
    throw unsupported('columns without a family, taken together:', 'name them one by one')
  }
  return qualifierRange(family, EMPTY_BYTES)
}

/** The local keys of a family whose qualifier begins so. @throws {KVError} as familyRange */
export function qualifierRange(family: Buffer, prefix: Buffer): ByteRange {
  const from = toLocalKey({ family, qualifier: prefix })
  return { from, to: prefixSuccessor(from) }
}

/** @throws {KVError} INVALID_ARGUMENT, TOO_LARGE */
export function checkFamily(family: Buffer): void {
  if (family.length > MAX_FAMILY_BYTES) {
    throw tooLarge(`a family of ${family.length} bytes, at most ${MAX_FAMILY_BYTES}`)
  }
  // A colon ends a family on HBase's wire, a zero byte in a local key.
  if (family.includes(COLON) || family.includes(0)) {
    throw invalid(`family ${hexPreview(family)} has a colon or a zero byte: families have neither`)
  }
}

/** @throws {KVError} INVALID_ARGUMENT for none, TOO_LARGE */
export function checkRowKey(key: Buffer | null): Buffer {
  if (key === null || key.length === 0) {
    throw invalid(`an absent or empty row key: they have 1 to ${MAX_ROW_KEY_BYTES} bytes`)
  }
  if (key.length > MAX_ROW_KEY_BYTES) {
    throw tooLarge(`a row key of ${key.length} bytes, at most ${MAX_ROW_KEY_BYTES}`)
  }
  return key
}

/** Of a local key, hence of a column of UserMetaStore's. @throws {KVError} TOO_LARGE */
export function checkColumn(localKey: Buffer): void {
  if (localKey.length <= MAX_COLUMN_BYTES) return
  throw tooLarge(`a column name of ${localKey.length} bytes, at most ${MAX_COLUMN_BYTES}`)
}

/** @throws {KVError} TOO_LARGE */
export function checkValue(localKey: Buffer, value: Buffer): void {
  if (value.length <= MAX_CELL_BYTES) return
  throw tooLarge(
    `a value of ${value.length} bytes for column ${hexPreview(localKey)}, at most ${MAX_CELL_BYTES}: keep larger ones as objects`,
  )
}

/**
 * The time of a write as ours; null: the server's clock, which LATEST_TIMESTAMP means, too (HBase's Put).
 * @throws {KVError} INVALID_ARGUMENT for a negative one, which HBase refuses
 */
export function stampOf(timestamp: bigint | null): CellTimestamp | null {
  if (timestamp === null || timestamp === LATEST_TIMESTAMP) return null
  if (timestamp < 0n) throw invalid(`a timestamp of ${timestamp}: milliseconds since 1970, 0 or more`)
  return timestamp
}

export function isTable({ timestampUnit }: DatasetRecord): boolean {
  return timestampUnit === 'MILLISECONDS'
}

/** The record of a dataset that is a table. @throws {KVError} DATASET_NOT_FOUND for others */
export function checkTable({ record }: DatasetEntry): DatasetRecord {
  if (isTable(record)) return record
  throw new KVError(
    'DATASET_NOT_FOUND',
    `dataset ${record.name} is no table: its timestamps are ${record.timestampUnit}, those of tables MILLISECONDS`,
    { dataset: record.name, outcome: 'NOT_APPLIED' },
  )
}
