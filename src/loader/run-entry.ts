/**
 * One row on its way through the sort, as bytes: what orders it, where it comes from, and what will be stored.
 *
 *     u32 size | u64 order | u32 part | u48 line | u16 keySize | u32 headSize | key | head | chunks x (u32 size | bytes)
 *
 *     size    of the whole entry
 *     order   HASHED: the token with its sign flipped; ORDERED: the first eight bytes of the key, zeros behind a shorter
 *             one. Entries sort by it and then by their keys: the order of physical keys
 *     part    the object that the row stands in, and `line` where in it
 *
 * Everything big-endian. FORMATS.md has it. Lives in a load's staging directory and is never read by another release.
 */
import type { KeyOrder } from '../model/dataset.js'
import { NO_TOKEN, type RowToken } from '../model/row-order.js'

/** A row as it will be stored. */
export interface PackedRow {
  readonly head: Buffer
  readonly chunks: readonly Buffer[]
}

export interface EntryToWrite extends PackedRow {
  readonly token: RowToken
  readonly rowKey: Buffer
  readonly part: number
  readonly line: number
}

/** Walks entries in their order. The current one lies in `bytes` from `at` on, also while the next one is current. */
export interface EntryCursor {
  readonly bytes: Buffer
  readonly at: number
  /** The order's halves, unsigned. */
  readonly high: number
  readonly low: number
  /** To the first entry, then to the next; false when there is none. @throws {KVError} CORRUPT, UNAVAILABLE */
  next(): boolean
}

const HIGH_AT = 4
const LOW_AT = 8
const PART_AT = 12
const LINE_AT = 16
const KEY_SIZE_AT = 22
const HEAD_SIZE_AT = 24
export const ENTRY_HEADER_SIZE = 28
const CHUNK_HEADER_SIZE = 4

export function sizeOfEntry({ rowKey, head, chunks }: EntryToWrite): number {
  let size = ENTRY_HEADER_SIZE + rowKey.length + head.length
  for (const chunk of chunks) size += CHUNK_HEADER_SIZE + chunk.length
  return size
}

/** The upper half of what entries are ordered by. */
export function orderHigh(keyOrder: KeyOrder, { token, rowKey }: EntryToWrite): number {
  return keyOrder === 'HASHED' ? (token.high ^ 0x80000000) >>> 0 : uintOfKey(rowKey, 0)
}

export function orderLow(keyOrder: KeyOrder, { token, rowKey }: EntryToWrite): number {
  return keyOrder === 'HASHED' ? token.low >>> 0 : uintOfKey(rowKey, 4)
}

function uintOfKey(key: Buffer, at: number): number {
  return (
    (((key[at] ?? 0) << 24) | ((key[at + 1] ?? 0) << 16) | ((key[at + 2] ?? 0) << 8) | (key[at + 3] ?? 0)) >>>
    0
  )
}

/** @param size what sizeOfEntry says */
export function writeEntry(
  target: Buffer,
  at: number,
  { entry, size, high, low }: { entry: EntryToWrite; size: number; high: number; low: number },
): void {
  const { rowKey, head, chunks, part, line } = entry
  writeUint(target, at, size)
  writeUint(target, at + HIGH_AT, high)
  writeUint(target, at + LOW_AT, low)
  writeUint(target, at + PART_AT, part)
  const lineHigh = Math.floor(line / 0x1_0000_0000)
  target[at + LINE_AT] = lineHigh >>> 8
  target[at + LINE_AT + 1] = lineHigh
  writeUint(target, at + LINE_AT + 2, line)
  target[at + KEY_SIZE_AT] = rowKey.length >>> 8
  target[at + KEY_SIZE_AT + 1] = rowKey.length
  writeUint(target, at + HEAD_SIZE_AT, head.length)
  let end = at + ENTRY_HEADER_SIZE
  target.set(rowKey, end)
  end += rowKey.length
  target.set(head, end)
  end += head.length
  for (const chunk of chunks) {
    writeUint(target, end, chunk.length)
    target.set(chunk, end + CHUNK_HEADER_SIZE)
    end += CHUNK_HEADER_SIZE + chunk.length
  }
}

/** Bytes by hand: twice as fast as Buffer's methods, which check what is known here. */
function writeUint(target: Buffer, at: number, value: number): void {
  target[at] = value >>> 24
  target[at + 1] = value >>> 16
  target[at + 2] = value >>> 8
  target[at + 3] = value
}

function readUint(bytes: Buffer, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  )
}

export function entrySize(bytes: Buffer, at: number): number {
  return readUint(bytes, at)
}

export function entryHigh(bytes: Buffer, at: number): number {
  return readUint(bytes, at + HIGH_AT)
}

export function entryLow(bytes: Buffer, at: number): number {
  return readUint(bytes, at + LOW_AT)
}

export interface EntryPlace {
  readonly part: number
  readonly line: number
}

export function entryPlace(bytes: Buffer, at: number): EntryPlace {
  const lineHigh = ((bytes[at + LINE_AT] ?? 0) << 8) | (bytes[at + LINE_AT + 1] ?? 0)
  return {
    part: readUint(bytes, at + PART_AT),
    line: lineHigh * 0x1_0000_0000 + readUint(bytes, at + LINE_AT + 2),
  }
}

/** Before or behind another row of the source. */
export function comparePlaces(a: EntryPlace, b: EntryPlace): number {
  return a.part === b.part ? a.line - b.line : a.part - b.part
}

function keySizeOf(bytes: Buffer, at: number): number {
  return ((bytes[at + KEY_SIZE_AT] ?? 0) << 8) | (bytes[at + KEY_SIZE_AT + 1] ?? 0)
}

/** A view. */
export function entryKey(bytes: Buffer, at: number): Buffer {
  const start = at + ENTRY_HEADER_SIZE
  return bytes.subarray(start, start + keySizeOf(bytes, at))
}

/** What will be stored; views. */
export function entryRow(bytes: Buffer, at: number): PackedRow {
  const headAt = at + ENTRY_HEADER_SIZE + keySizeOf(bytes, at)
  let end = headAt + readUint(bytes, at + HEAD_SIZE_AT)
  const head = bytes.subarray(headAt, end)
  const entryEnd = at + entrySize(bytes, at)
  if (end === entryEnd) return { head, chunks: NO_CHUNKS }
  const chunks: Buffer[] = []
  while (end < entryEnd) {
    const chunkEnd = end + CHUNK_HEADER_SIZE + readUint(bytes, end)
    chunks.push(bytes.subarray(end + CHUNK_HEADER_SIZE, chunkEnd))
    end = chunkEnd
  }
  return { head, chunks }
}

const NO_CHUNKS: readonly Buffer[] = []

/** The token again, from the order of a HASHED dataset's entry. */
export function tokenOfOrder(high: number, low: number): RowToken {
  return { high: (high ^ 0x80000000) | 0, low: low | 0 }
}

/** That of any entry, from its order. */
export function tokenOfRow(keyOrder: KeyOrder, { high, low }: Pick<EntryCursor, 'high' | 'low'>): RowToken {
  return keyOrder === 'HASHED' ? tokenOfOrder(high, low) : NO_TOKEN
}

/** By order and key; 0: the same row key. */
export function compareEntries(a: EntryCursor, b: EntryCursor): number {
  if (a.high !== b.high) return a.high - b.high
  if (a.low !== b.low) return a.low - b.low
  return compareKeys(a.bytes, a.at, b)
}

/** Keys of entries whose order is the same. */
export function compareKeys(bytes: Buffer, at: number, b: Pick<EntryCursor, 'bytes' | 'at'>): number {
  const start = at + ENTRY_HEADER_SIZE
  const otherStart = b.at + ENTRY_HEADER_SIZE
  const otherEnd = otherStart + keySizeOf(b.bytes, b.at)
  return bytes.compare(b.bytes, otherStart, otherEnd, start, start + keySizeOf(bytes, at))
}
