/**
 * Physical keys: how a row key and a local key become one byte string whose order is the order of rows and columns.
 *
 *     token          8 B, big-endian, sign bit flipped; HASHED datasets only
 *     sealed head    01 token rowKey
 *     sealed chunk   02 token u16(rowKeySize) rowKey u32(chunkIndex)
 *     row            token esc(rowKey)          esc(x): every 00 -> 00 FF, then the terminator 00 01
 *     meta           row 00                     the row tombstone
 *     ranges         row 00 01                  the row's range tombstones, one list (range-tombstones.ts)
 *     mutable cell   row 01 localKey            localKey raw: it is last, nothing follows it
 *     history cell   row 01 esc(localKey) ~timestamp kind     8 B, all bits but the sign flipped: newest first; 1 B
 *     end of data    row 02                     exclusive
 *     write record   row 03 u16(index) nonce    what a write with an idempotency token answered (write-record.ts)
 *     end of a row   row 04                     exclusive
 *     shard's own    00 and 00 00               the greatest stamp; whether there are range tombstones
 *
 * Guarantees: keys sort as (token, row key, local key, newest first); no row's range [row 00, row 04) holds a key of
 * another row; head and chunk keys cannot collide, because they differ in the first byte; no physical key is empty, which
 * the binding would not survive; none is longer than limits.maxPhysicalKeyBytes; keys of rows lie behind FIRST_ROW_KEY,
 * the shard's own before it. FORMATS.md has the grammar and examples.
 */
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { KeyOrder } from '../model/dataset.js'
import type { CellTimestamp } from '../model/row.js'
import { NO_TOKEN, type RowBound, type RowToken } from '../model/row-order.js'
import { readFlipped } from './int64.js'

/** First byte of sealed keys. Never renumber. */
const SEALED_HEAD = 0x01
const SEALED_CHUNK = 0x02
export const SEALED_KEY_BYTES = { HEAD: SEALED_HEAD, CHUNK: SEALED_CHUNK } as const

/** What follows a row's prefix in shards that can be written. Never renumber. */
const ROW_META = 0x00
const ROW_CELL = 0x01
const DATA_END = 0x02
const ROW_WRITE_RECORD = 0x03
const ROW_END = 0x04

/** Last byte of a history cell's key. Deletions stand before the version of the same time. Never renumber. */
export const HISTORY_KINDS = { DELETE_UP_TO: 0, DELETE_EXACT: 1, PUT: 2 } as const

/** At or before the first key of any row; behind the shard's own keys. */
export const FIRST_ROW_KEY: Buffer = Buffer.from([0x00, 0x00, 0x00])

const TOKEN_SIZE = 8

/** `01 token rowKey`. @throws {KVError} INVALID_ARGUMENT when the row key is longer than limits.maxRowKeyBytes */
export function sealedHeadKey(
  keyOrder: KeyOrder,
  token: RowToken,
  rowKey: Buffer,
  allocate = allocateUnsafe,
): Buffer {
  // `length`, here and in checkRowKey: Node 20 reads `byteLength` of a Buffer seven times slower.
  checkRowKey(rowKey)
  const tokenSize = keyOrder === 'HASHED' ? TOKEN_SIZE : 0
  const key = allocate(1 + tokenSize + rowKey.length)
  key[0] = SEALED_HEAD
  if (tokenSize !== 0) writeToken(key, 1, token)
  key.set(rowKey, 1 + tokenSize)
  return key
}

/** `02 token u16(rowKeySize) rowKey u32(chunkIndex)`; the size keeps chunks of `a` and of longer keys apart. */
export function sealedChunkKey(
  keyOrder: KeyOrder,
  token: RowToken,
  rowKey: Buffer,
  chunkIndex: number,
): Buffer {
  checkRowKey(rowKey)
  const tokenSize = keyOrder === 'HASHED' ? TOKEN_SIZE : 0
  const key = Buffer.allocUnsafe(1 + tokenSize + 2 + rowKey.byteLength + 4)
  key[0] = SEALED_CHUNK
  if (tokenSize !== 0) writeToken(key, 1, token)
  const at = key.writeUInt16BE(rowKey.byteLength, 1 + tokenSize)
  key.set(rowKey, at)
  key.writeUInt32BE(chunkIndex, at + rowKey.byteLength)
  return key
}

/** Whether a key of a sealed DB is a row's head (and not one of its chunks). */
export function isSealedHeadKey(key: Uint8Array): boolean {
  return key[0] === SEALED_HEAD
}

/**
 * `token esc(rowKey)`, followed by `spare` bytes that the caller fills.
 * @throws {KVError} INVALID_ARGUMENT when the row key or the physical key would be too long
 */
function mutableKey(keyOrder: KeyOrder, token: RowToken, rowKey: Buffer, spare: number): Buffer {
  checkRowKey(rowKey)
  const zeros = countZeros(rowKey)
  const tokenSize = keyOrder === 'HASHED' ? TOKEN_SIZE : 0
  const size = tokenSize + rowKey.length + zeros + 2 + spare
  if (size > limits.maxPhysicalKeyBytes) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `row key and local key need ${size} bytes of ${limits.maxPhysicalKeyBytes}: shorten one of them`,
    )
  }
  const key = Buffer.allocUnsafe(size)
  if (tokenSize !== 0) writeToken(key, 0, token)
  const end = zeros === 0 ? copyPlain(key, tokenSize, rowKey) : copyEscaped(key, tokenSize, rowKey)
  key[end] = 0x00
  key[end + 1] = 0x01
  return key
}

/** `row 00`: where the row tombstone stands, and the first key of the row. */
export function mutableMetaKey(keyOrder: KeyOrder, token: RowToken, rowKey: Buffer): Buffer {
  const key = mutableKey(keyOrder, token, rowKey, 1)
  key[key.length - 1] = ROW_META
  return key
}

/** `row 01 localKey`, from the row's meta key, so that the row key is escaped once a request. */
export function mutableCellKey(metaKey: Buffer, localKey: Buffer): Buffer {
  const size = metaKey.length + localKey.length
  checkLocalKey(localKey, size)
  const key = Buffer.allocUnsafe(size)
  key.set(metaKey, 0)
  key[metaKey.length - 1] = ROW_CELL
  key.set(localKey, metaKey.length)
  return key
}

/** `row 00 01`: the row's range tombstones, from its meta key. */
export function rangesKey(metaKey: Buffer): Buffer {
  const key = Buffer.allocUnsafe(metaKey.byteLength + 1)
  key.set(metaKey, 0)
  key[metaKey.byteLength] = 0x01
  return key
}

/** `row 02`: the exclusive end of the cells of the row that has this meta key. */
export function mutableRowEnd(metaKey: Buffer): Buffer {
  return withPart(metaKey, DATA_END)
}

/** `row 04`: the exclusive end of everything of the row. */
export function wholeRowEnd(metaKey: Buffer): Buffer {
  return withPart(metaKey, ROW_END)
}

/** `row 03 u16(index) nonce`: where the answer of a write is kept. */
export function writeRecordKey(metaKey: Buffer, index: number, nonce: Buffer): Buffer {
  const key = Buffer.allocUnsafe(metaKey.byteLength + 2 + nonce.byteLength)
  key.set(metaKey, 0)
  key[metaKey.byteLength - 1] = ROW_WRITE_RECORD
  key.writeUInt16BE(index, metaKey.byteLength)
  key.set(nonce, metaKey.byteLength + 2)
  return key
}

/** The first physical key of a bound's rows, or behind them: for lower bounds inclusive, for upper ones exclusive. */
export function boundKey(
  keyOrder: KeyOrder,
  { token, rowKey, isExclusive }: RowBound,
  isLower: boolean,
): Buffer {
  const metaKey = mutableMetaKey(keyOrder, token, rowKey)
  // Behind the row: a lower bound that leaves it out, an upper one that takes it in.
  return isLower === isExclusive ? wholeRowEnd(metaKey) : metaKey
}

/** Which part of a row a key of a writable shard is, and the size of its row's meta key; null: the shard's own key. */
export function splitRowKey(keyOrder: KeyOrder, key: Buffer): RowPart | null {
  const tokenSize = keyOrder === 'HASHED' ? TOKEN_SIZE : 0
  // The terminator is the first 00 that FF does not follow.
  for (let at = zeroFrom(key, tokenSize); at !== -1; at = zeroFrom(key, at + 2)) {
    if (key[at + 1] === 0xff) continue
    const part = key[at + 2]
    return key[at + 1] === 0x01 && part !== undefined
      ? { metaSize: at + 3, part: ROW_PARTS[part] ?? 'UNKNOWN' }
      : null
  }
  return null
}

export interface RowPart {
  readonly metaSize: number
  readonly part: 'META' | 'CELL' | 'WRITE_RECORD' | 'UNKNOWN'
}

/** By the byte behind the row's prefix; META is followed by the range tombstones' key, which is one byte longer. */
const ROW_PARTS: readonly (RowPart['part'] | undefined)[] = ['META', 'CELL', undefined, 'WRITE_RECORD']

/** Token and row key of a physical key whose meta key has this size. */
export function rowOfKey(
  keyOrder: KeyOrder,
  key: Buffer,
  metaSize: number,
): { token: RowToken; rowKey: Buffer } {
  const tokenSize = keyOrder === 'HASHED' ? TOKEN_SIZE : 0
  const token =
    tokenSize === 0 ? NO_TOKEN : { high: key.readInt32BE(0) ^ -0x80000000, low: key.readInt32BE(4) }
  return { token, rowKey: unescaped(key, tokenSize, metaSize - 3) }
}

/** `row 01 esc(localKey)`: what the versions of a column share, from the row's meta key. */
export function historyColumnKey(metaKey: Buffer, localKey: Buffer, spare = 0): Buffer {
  const zeros = countZeros(localKey)
  const start = metaKey.length
  const size = start + localKey.length + zeros + 2 + spare
  checkLocalKey(localKey, size + (spare === 0 ? HISTORY_VERSION_SIZE : 0))
  const key = Buffer.allocUnsafe(size)
  key.set(metaKey, 0)
  key[start - 1] = ROW_CELL
  const end = zeros === 0 ? copyPlain(key, start, localKey) : copyEscaped(key, start, localKey)
  key[end] = 0x00
  key[end + 1] = 0x01
  return key
}

/** `~timestamp kind` behind a column's key. */
export const HISTORY_VERSION_SIZE = 9

/** `row 01 esc(localKey) ~timestamp kind`. */
export function historyCellKey(
  metaKey: Buffer,
  localKey: Buffer,
  timestamp: CellTimestamp,
  kind: number,
): Buffer {
  const key = historyColumnKey(metaKey, localKey, HISTORY_VERSION_SIZE)
  writeInvertedTimestamp(key, key.length - HISTORY_VERSION_SIZE, timestamp)
  key[key.length - 1] = kind
  return key
}

/** Greatest timestamp first in byte order. */
export function writeInvertedTimestamp(key: Buffer, at: number, timestamp: CellTimestamp): void {
  // Ascending order is the sign bit flipped; all bits of that flipped again leave all but the sign.
  key.writeBigInt64BE(timestamp ^ 0x7fff_ffff_ffff_ffffn, at)
}

/** What writeInvertedTimestamp wrote. */
export function readInvertedTimestamp(key: Buffer, at: number): CellTimestamp {
  return readFlipped(key, at, 0x7fff_ffff, -1)
}

/** The same for a stamp, a whole number from 0 to 2^53 - 1: no bigint on the writer's path. */
export function writeInvertedStamp(key: Buffer, at: number, stamp: number): void {
  key.writeInt32BE(Math.floor(stamp / 0x1_0000_0000) ^ 0x7fff_ffff, at)
  key.writeInt32BE(~(stamp | 0), at + 4)
}

/** What a history cell's key says; the local key is a view where it can be. */
export function historyCellOf(metaSize: number, key: Buffer): HistoryCell {
  const at = key.length - HISTORY_VERSION_SIZE
  return {
    localKey: unescaped(key, metaSize, at - 2),
    timestamp: readInvertedTimestamp(key, at),
    kind: key[key.length - 1] ?? -1,
  }
}

export interface HistoryCell {
  readonly localKey: Buffer
  readonly timestamp: CellTimestamp
  /** One of HISTORY_KINDS. */
  readonly kind: number
}

/** The local key inside a mutable cell's key; null for keys that are no cell's. A view. */
export function localKeyOfMutable(metaKeySize: number, key: Buffer): Buffer | null {
  return key[metaKeySize - 1] === ROW_CELL ? key.subarray(metaKeySize) : null
}

function withPart(metaKey: Buffer, part: number): Buffer {
  const key = Buffer.from(metaKey)
  key[key.byteLength - 1] = part
  return key
}

/** The bytes that stand escaped in a part of a key; a view where that is the same. */
export function unescaped(key: Buffer, from: number, to: number): Buffer {
  const escaped = key.subarray(from, to)
  if (zeroFrom(escaped, 0) === -1) return escaped
  const plain = Buffer.allocUnsafe(escaped.byteLength)
  let end = 0
  for (let at = 0; at < escaped.byteLength; at++) {
    const byte = escaped[at] ?? 0
    plain[end++] = byte
    if (byte === 0) at++
  }
  return plain.subarray(0, end)
}

/** Bytes that a loop looks through sooner than native code is called. */
const MAX_LOOP_BYTES = 64

/** As indexOf(0, from). */
function zeroFrom(bytes: Buffer, from: number): number {
  const end = Math.min(bytes.length, from + MAX_LOOP_BYTES)
  for (let at = from; at < end; at++) if (bytes[at] === 0) return at
  return end >= bytes.length ? -1 : bytes.indexOf(0, end)
}

function allocateUnsafe(size: number): Buffer {
  return Buffer.allocUnsafe(size)
}

function checkLocalKey(localKey: Buffer, keySize: number): void {
  if (localKey.byteLength <= limits.maxLocalKeyBytes && keySize <= limits.maxPhysicalKeyBytes) return
  throw new KVError(
    'INVALID_ARGUMENT',
    `local key of ${localKey.byteLength} bytes: at most ${limits.maxLocalKeyBytes}, ${limits.maxPhysicalKeyBytes} with the row key`,
  )
}

function checkRowKey(rowKey: Buffer): void {
  if (rowKey.length > limits.maxRowKeyBytes) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `row key of ${rowKey.byteLength} bytes: at most ${limits.maxRowKeyBytes}`,
    )
  }
}

/** Flipping the sign bit makes unsigned byte order the order of signed tokens. */
function writeToken(key: Buffer, at: number, token: RowToken): void {
  const high = token.high ^ -0x80000000
  const { low } = token
  // By hand: a third of what two calls of writeInt32BE cost.
  key[at] = high >>> 24
  key[at + 1] = high >>> 16
  key[at + 2] = high >>> 8
  key[at + 3] = high
  key[at + 4] = low >>> 24
  key[at + 5] = low >>> 16
  key[at + 6] = low >>> 8
  key[at + 7] = low
}

function countZeros(bytes: Uint8Array): number {
  let zeros = 0
  for (let at = bytes.indexOf(0); at !== -1; at = bytes.indexOf(0, at + 1)) zeros++
  return zeros
}

function copyPlain(key: Buffer, at: number, rowKey: Buffer): number {
  key.set(rowKey, at)
  return at + rowKey.length
}

function copyEscaped(key: Buffer, at: number, rowKey: Buffer): number {
  let end = at
  for (const byte of rowKey) {
    key[end++] = byte
    if (byte === 0) key[end++] = 0xff
  }
  return end
}
