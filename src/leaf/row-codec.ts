/**
 * Physical keys: how a row key and a local key become one byte string whose order is the order of rows and columns.
 *
 *     token          8 B, big-endian, sign bit flipped; HASHED datasets only
 *     sealed head    01 token rowKey
 *     sealed chunk   02 token u16(rowKeySize) rowKey u32(chunkIndex)
 *     mutable row    token esc(rowKey)          esc(x): every 00 -> 00 FF, then the terminator 00 01
 *     mutable meta   row 00                     the row tombstone
 *     mutable cell   row 01 localKey            localKey raw: it is last, nothing follows it
 *     end of a row   row 02                     exclusive
 *
 * Guarantees: keys sort as (token, row key, local key); no row's range [row 00, row 02) holds a key of another row;
 * head and chunk keys cannot collide, because they differ in the first byte; no physical key is empty, which the
 * binding would not survive; none is longer than limits.maxPhysicalKeyBytes. FORMATS.md has the grammar and examples.
 */
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { KeyOrder } from '../model/dataset.js'
import type { RowToken } from '../model/plan.js'

/** First byte of sealed keys. Never renumber. */
const SEALED_HEAD = 0x01
const SEALED_CHUNK = 0x02

/** What follows a mutable row's prefix. Never renumber. */
const ROW_META = 0x00
const ROW_CELL = 0x01
const ROW_END = 0x02

const TOKEN_SIZE = 8

/** `01 token rowKey`. @throws {KVError} INVALID_ARGUMENT when the row key is longer than limits.maxRowKeyBytes */
export function sealedHeadKey(
  keyOrder: KeyOrder,
  token: RowToken,
  rowKey: Buffer,
  allocate = allocateUnsafe,
): Buffer {
  checkRowKey(rowKey)
  const tokenSize = keyOrder === 'HASHED' ? TOKEN_SIZE : 0
  const key = allocate(1 + tokenSize + rowKey.byteLength)
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
  const size = tokenSize + rowKey.byteLength + zeros + 2 + spare
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
  key[key.byteLength - 1] = ROW_META
  return key
}

/** `row 01 localKey`, from the row's meta key, so that the row key is escaped once a request. */
export function mutableCellKey(metaKey: Buffer, localKey: Buffer): Buffer {
  const size = metaKey.byteLength + localKey.byteLength
  if (localKey.byteLength > limits.maxLocalKeyBytes || size > limits.maxPhysicalKeyBytes) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `local key of ${localKey.byteLength} bytes: at most ${limits.maxLocalKeyBytes}, ${limits.maxPhysicalKeyBytes} with the row key`,
    )
  }
  const key = Buffer.allocUnsafe(size)
  key.set(metaKey, 0)
  key[metaKey.byteLength - 1] = ROW_CELL
  key.set(localKey, metaKey.byteLength)
  return key
}

/** `row 02`: the exclusive end of the row that has this meta key. */
export function mutableRowEnd(metaKey: Buffer): Buffer {
  const end = Buffer.from(metaKey)
  end[end.byteLength - 1] = ROW_END
  return end
}

/** The local key inside a cell's key; null for the meta key. A view. */
export function localKeyOfMutable(metaKeySize: number, key: Buffer): Buffer | null {
  return key[metaKeySize - 1] === ROW_CELL ? key.subarray(metaKeySize) : null
}

function allocateUnsafe(size: number): Buffer {
  return Buffer.allocUnsafe(size)
}

function checkRowKey(rowKey: Buffer): void {
  if (rowKey.byteLength > limits.maxRowKeyBytes) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `row key of ${rowKey.byteLength} bytes: at most ${limits.maxRowKeyBytes}`,
    )
  }
}

/** Flipping the sign bit makes unsigned byte order the order of signed tokens. */
function writeToken(key: Buffer, at: number, token: RowToken): void {
  key.writeInt32BE(token.high ^ -0x80000000, at)
  key.writeInt32BE(token.low, at + 4)
}

function countZeros(bytes: Uint8Array): number {
  let zeros = 0
  for (let at = bytes.indexOf(0); at !== -1; at = bytes.indexOf(0, at + 1)) zeros++
  return zeros
}

function copyPlain(key: Buffer, at: number, rowKey: Buffer): number {
  key.set(rowKey, at)
  return at + rowKey.byteLength
}

function copyEscaped(key: Buffer, at: number, rowKey: Buffer): number {
  let end = at
  for (const byte of rowKey) {
    key[end++] = byte
    if (byte === 0) key[end++] = 0xff
  }
  return end
}
