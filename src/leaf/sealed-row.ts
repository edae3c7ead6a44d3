/**
 * The stored form of a row of a sealed shard: one head value, and chunk values for what does not fit into it.
 *
 *     head   u8 format (1) | u8 flags | W count | count x W keyEnd | locations | timestamps | expiries
 *            | keys | inline values | u32 crc
 *     chunk  values | u32 crc
 *
 *     flags       1 WIDE: W is u32, else u16    2 TIMESTAMPS    4 EXPIRIES    8 CHUNKED
 *     locations   not CHUNKED: count x W valueEnd; CHUNKED: count x (u32 container, u32 offset, u32 size), container 0 is
 *                 the head's inline values, n is chunk n - 1
 *     timestamps  count x i64, -2^63: the cell has none
 *     expiries    count x u32 seconds since 1970, 0: does not expire
 *     keys        the local keys, distinct, in byte order
 *
 * Everything big-endian, except crc: CRC-32 (IEEE) over all bytes before it, little-endian, so that the CRC of the whole
 * is a constant and checking it needs no view of a part. A value is never split: a chunk holds whole
 * values. So a projection reads the head, and then, in one more MultiGet, only the chunks that hold what was selected;
 * it touches no other value. FORMATS.md has a worked example. Changing a byte of this needs a new format number.
 */
import { crc32 } from 'node:zlib'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Cell, CellSelector, Row } from '../model/row.js'
import { expiryOf } from './cell-codec.js'
import type { Scratch } from './scratch.js'

/**
 * Rows with at most so many bytes of values are one head. Two columns of 24 KB cost 23 us of CPU so, against 26 in chunks,
 * because of the second MultiGet; the whole row 26 against 47. From 32 KB on chunks win for two columns (docs/EVIDENCE.md).
 */
export const WHOLE_ROW_SIZE = 24 * 1024

/**
 * Of larger rows: bytes of values that stay in the head, and the size from which a chunk is closed. Smaller: more entries
 * per row, which whole reads and loading pay for; larger: more unwanted bytes per projection (bench chunk-sweep).
 */
export const CHUNK_SIZE = 8 * 1024

const FORMAT = 1
const WIDE = 1
const TIMESTAMPS = 2
const EXPIRIES = 4
const CHUNKED = 8

const PREFIX_SIZE = 2
const LOCATION_SIZE = 12
const CRC_SIZE = 4

/** CRC-32 of any bytes followed by their own CRC-32, little-endian. */
const CRC_RESIDUE = 0x2144df1c

/** A head has at least its prefix, a count, one key end and one value end. */
const MIN_SIZES = { head: PREFIX_SIZE + 6 + CRC_SIZE, chunk: CRC_SIZE }
const NO_TIMESTAMP = -0x8000_0000_0000_0000n
const NO_BYTES = Buffer.alloc(0)
const NO_CHUNKS: readonly Buffer[] = []
const EMPTY_CHUNKS: ReadonlyMap<number, Buffer> = new Map()

export interface SealedRowOptions {
  /** Seconds since 1970 from which TTLs count. */
  readonly nowSeconds: number
  /** CHUNK_SIZE; another only to measure what it is worth: readers do not care. */
  readonly chunkSize: number
}

export interface EncodedSealedRow {
  readonly head: Buffer
  readonly chunks: readonly Buffer[]
}

/**
 * Encodes a row of at least one cell. The head lies in `scratch` and is valid until that is used again. Sizes are taken
 * by `length`: Node 20 reads `byteLength` seven times slower, and a row of one cell asks about ten times (bench bulk-load).
 * @throws {KVError} INVALID_ARGUMENT when there is no cell, a local key twice, or anything over its limit
 */
export function encodeSealedRow(
  unordered: readonly Cell[],
  { nowSeconds, chunkSize }: SealedRowOptions,
  scratch: Scratch,
): EncodedSealedRow {
  const cells = inOrder(unordered)
  let keysSize = 0
  let valuesSize = 0
  let flags = 0
  for (const cell of cells) {
    checkSizes(cell)
    keysSize += cell.localKey.length
    valuesSize += cell.value.length
    if (cell.timestamp !== null) flags |= TIMESTAMPS
    if (cell.ttlSeconds !== null) flags |= EXPIRIES
  }
  const placement = valuesSize > Math.max(WHOLE_ROW_SIZE, chunkSize) ? placeInChunks(cells, chunkSize) : null
  const inlineSize = placement === null ? valuesSize : placement.inlineSize
  if (placement !== null) flags |= CHUNKED
  if (keysSize > 0xffff || cells.length > 0xffff) flags |= WIDE

  const width = (flags & WIDE) === 0 ? 2 : 4
  const perCell =
    width + (placement === null ? width : LOCATION_SIZE) + ((flags & TIMESTAMPS) << 2) + (flags & EXPIRIES)
  const size = PREFIX_SIZE + width + cells.length * perCell + keysSize + inlineSize
  const head = scratch.view(size + CRC_SIZE)
  head[0] = FORMAT
  head[1] = flags
  let at = writeUint(head, PREFIX_SIZE, cells.length, width)
  at = writeEnds(head, at, cells, width)
  if (placement !== null) at = writeLocations(head, at, cells, placement)
  if ((flags & (TIMESTAMPS | EXPIRIES)) !== 0) at = writeTimes(head, at, cells, { flags, nowSeconds })
  writeKeysAndValues(head, at, cells, placement)
  writeCrc(head, size, crc32(scratch.start(head, size)))
  return { head, chunks: placement === null ? NO_CHUNKS : encodeChunks(cells, placement) }
}

/** Little-endian, by hand: see writeUint. */
function writeCrc(target: Buffer, at: number, crc: number): void {
  target[at] = crc
  target[at + 1] = crc >>> 8
  target[at + 2] = crc >>> 16
  target[at + 3] = crc >>> 24
}

/** Which container each value lies in, where, and how much each container holds; container 0 is the head. */
interface Placement {
  readonly containers: number[]
  readonly offsets: number[]
  readonly sizes: number[]
  readonly inlineSize: number
}

/** First fit in key order: the head takes what still fits, the rest goes to chunks that close at `chunkSize`. */
function placeInChunks(cells: readonly Cell[], chunkSize: number): Placement {
  const containers: number[] = []
  const offsets: number[] = []
  const sizes = [0]
  for (const { value } of cells) {
    const inlineSize = sizes[0] ?? 0
    let container = 0
    if (inlineSize + value.length > chunkSize) {
      container = sizes.length - 1
      const open = sizes[container] ?? 0
      if (container === 0 || (open > 0 && open + value.length > chunkSize)) container = sizes.push(0) - 1
    }
    const offset = sizes[container] ?? 0
    containers.push(container)
    offsets.push(offset)
    sizes[container] = offset + value.length
  }
  return { containers, offsets, sizes, inlineSize: sizes[0] ?? 0 }
}

function encodeChunks(cells: readonly Cell[], placement: Placement): Buffer[] {
  const chunks = placement.sizes.slice(1).map((size) => Buffer.allocUnsafe(size + CRC_SIZE))
  for (let i = 0; i < cells.length; i++) {
    const chunk = chunks[(placement.containers[i] ?? 0) - 1]
    if (chunk !== undefined) chunk.set(cells[i]?.value ?? [], placement.offsets[i])
  }
  for (const chunk of chunks) {
    const end = chunk.length - CRC_SIZE
    chunk.writeUInt32LE(crc32(chunk.subarray(0, end)), end)
  }
  return chunks
}

function inOrder(cells: readonly Cell[]): readonly Cell[] {
  if (cells.length === 0) throw new KVError('INVALID_ARGUMENT', 'row without a cell: leave it out instead')
  if (cells.length > limits.maxCellsPerRow) {
    throw new KVError('INVALID_ARGUMENT', `row of ${cells.length} columns: at most ${limits.maxCellsPerRow}`)
  }
  for (let i = 1; i < cells.length; i++) {
    const before = cells[i - 1]
    const cell = cells[i]
    if (before === undefined || cell === undefined) break
    const order = Buffer.compare(before.localKey, cell.localKey)
    if (order > 0) return inOrder(cells.toSorted((a, b) => Buffer.compare(a.localKey, b.localKey)))
    if (order === 0)
      throw new KVError('INVALID_ARGUMENT', 'row with the same local key twice: keep one of them')
  }
  return cells
}

function checkSizes({ localKey, value, timestamp }: Cell): void {
  if (localKey.length > limits.maxLocalKeyBytes) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `local key of ${localKey.length} bytes: at most ${limits.maxLocalKeyBytes}`,
    )
  }
  if (value.length > limits.maxValueBytes) {
    throw new KVError('TOO_LARGE', `value of ${value.length} bytes: at most ${limits.maxValueBytes}`)
  }
  if (timestamp === NO_TIMESTAMP) {
    throw new KVError(
      'INVALID_ARGUMENT',
      'timestamp -2^63 means "none" in a sealed row: give another or leave it out',
    )
  }
}

/** Key ends, and value ends unless there are chunks. One loop each: rows of a few cells spend their time here. */
function writeEnds(head: Buffer, at: number, cells: readonly Cell[], width: number): number {
  let end = 0
  let next = at
  for (const cell of cells) next = writeUint(head, next, (end += cell.localKey.length), width)
  if (((head[1] ?? 0) & CHUNKED) !== 0) return next
  end = 0
  for (const cell of cells) next = writeUint(head, next, (end += cell.value.length), width)
  return next
}

function writeTimes(
  head: Buffer,
  at: number,
  cells: readonly Cell[],
  { flags, nowSeconds }: { readonly flags: number; readonly nowSeconds: number },
): number {
  let next = at
  if ((flags & TIMESTAMPS) !== 0) {
    for (const cell of cells) next = head.writeBigInt64BE(cell.timestamp ?? NO_TIMESTAMP, next)
  }
  if ((flags & EXPIRIES) !== 0) {
    for (const { ttlSeconds } of cells) {
      next = writeUint(head, next, ttlSeconds === null ? 0 : expiryOf(ttlSeconds, nowSeconds), 4)
    }
  }
  return next
}

function writeKeysAndValues(
  head: Buffer,
  at: number,
  cells: readonly Cell[],
  placement: Placement | null,
): void {
  let next = at
  for (const { localKey } of cells) {
    if (localKey.length > 0) head.set(localKey, next)
    next += localKey.length
  }
  for (let i = 0; i < cells.length; i++) {
    const value = cells[i]?.value
    if (value === undefined || (placement !== null && placement.containers[i] !== 0)) continue
    head.set(value, next)
    next += value.length
  }
}

function writeLocations(head: Buffer, at: number, cells: readonly Cell[], placement: Placement): number {
  let next = at
  for (let i = 0; i < cells.length; i++) {
    next = head.writeUInt32BE(placement.containers[i] ?? 0, next)
    next = head.writeUInt32BE(placement.offsets[i] ?? 0, next)
    next = head.writeUInt32BE(cells[i]?.value.length ?? 0, next)
  }
  return next
}

/** Bytes by hand: twice as fast as Buffer's methods, which check what is known here. */
function writeUint(target: Buffer, at: number, value: number, width: number): number {
  let next = at
  if (width === 4) {
    target[next++] = value >>> 24
    target[next++] = value >>> 16
  }
  target[next] = value >>> 8
  target[next + 1] = value
  return next + 2
}

/** Columns by name, distinct and in byte order; other selections are made by sealed-selection.ts. */
type Named = Pick<CellSelector, 'localKeys'>

/** What a reader wants beside the values. */
export interface SealedReadOptions {
  readonly withTimestamps: boolean
  readonly withTtl: boolean
  readonly nowSeconds: number
}

/** A head whose CRC was checked; cells are found in it without decoding the others. Views share the given buffer. */
export class SealedHead {
  readonly #bytes: Buffer
  readonly #width: number
  readonly #flags: number
  readonly #count: number
  readonly #locationsAt: number
  readonly #timestampsAt: number
  readonly #expiriesAt: number
  readonly #keysAt: number
  readonly #valuesAt: number
  readonly #valuesEnd: number

  /** @throws {KVError} CORRUPT when the CRC or the structure is wrong, FAILED_PRECONDITION for a newer format */
  constructor(bytes: Buffer) {
    checkCrc(bytes, 'head')
    const format = bytes[0] ?? 0
    if (format !== FORMAT) {
      throw new KVError(
        'FAILED_PRECONDITION',
        `sealed row of format ${format}, this program reads ${FORMAT}: upgrade it`,
      )
    }
    const flags = bytes[1] ?? 0
    const width = (flags & WIDE) === 0 ? 2 : 4
    this.#bytes = bytes
    this.#flags = flags
    this.#width = width
    this.#valuesEnd = bytes.length - CRC_SIZE
    this.#count = this.#uint(PREFIX_SIZE)
    const keyEndsAt = PREFIX_SIZE + width
    this.#locationsAt = keyEndsAt + this.#count * width
    this.#timestampsAt = this.#locationsAt + this.#count * ((flags & CHUNKED) === 0 ? width : LOCATION_SIZE)
    this.#expiriesAt = this.#timestampsAt + this.#count * ((flags & TIMESTAMPS) << 2)
    this.#keysAt = this.#expiriesAt + this.#count * (flags & EXPIRIES)
    if (this.#count === 0 || this.#keysAt > this.#valuesEnd) throw damaged('head', 'directory ends behind it')
    this.#valuesAt = this.#keysAt + this.#uint(this.#locationsAt - width)
    if (this.#valuesAt > this.#valuesEnd) throw damaged('head', 'local keys end behind it')
  }

  /** Chunks that hold a cell of these columns, ascending; empty when the head is enough. */
  chunksFor(selector: Named | null): readonly number[] {
    if ((this.#flags & CHUNKED) === 0) return []
    const chunks = new Set<number>()
    this.#forSelected(selector, (index) => this.#addChunk(index, chunks))
    return [...chunks].sort((a, b) => a - b)
  }

  /**
   * The selected cells that have not expired; null when there is none.
   * @param chunks by index, CRC included; all that chunksFor named
   */
  row(selector: Named | null, options: SealedReadOptions, chunks = EMPTY_CHUNKS): Row | null {
    const cells: Cell[] = []
    this.#forSelected(selector, (index, localKey) => {
      const cell = this.#cell(index, localKey, options, chunks)
      if (cell !== null) cells.push(cell)
    })
    return cells.length === 0 ? null : { cells, next: null }
  }

  /** Cells of the row, living or not; they are in the order of their local keys. */
  get count(): number {
    return this.#count
  }

  isLiving(index: number, nowSeconds: number): boolean {
    if ((this.#flags & EXPIRIES) === 0) return true
    const expiry = this.#bytes.readUInt32BE(this.#expiriesAt + index * 4)
    return expiry === 0 || expiry > nowSeconds
  }

  /** Null: the cell has none. */
  timestampAt(index: number): bigint | null {
    if ((this.#flags & TIMESTAMPS) === 0) return null
    const stored = this.#bytes.readBigInt64BE(this.#timestampsAt + index * 8)
    return stored === NO_TIMESTAMP ? null : stored
  }

  /** A view. */
  localKeyAt(index: number): Buffer {
    return this.#localKey(index)
  }

  valueSizeAt(index: number): number {
    if ((this.#flags & CHUNKED) === 0) return this.#inlineValue(index).length
    return this.#bytes.readUInt32BE(this.#locationsAt + index * LOCATION_SIZE + 8)
  }

  /** Index of the first cell whose local key is not less; `count` when there is none. */
  indexFrom(localKey: Buffer): number {
    return this.#lowerBound(localKey, 0)
  }

  /** Chunks that hold the values of these cells, ascending. */
  chunksAt(indexes: readonly number[]): readonly number[] {
    if ((this.#flags & CHUNKED) === 0) return []
    const chunks = new Set<number>()
    for (const index of indexes) this.#addChunk(index, chunks)
    return [...chunks].sort((a, b) => a - b)
  }

  /** These cells, whether they live or not. @param chunks as for `row`; without meaning for keys only */
  cellsAt(
    indexes: readonly number[],
    options: SealedReadOptions & { readonly keysOnly: boolean },
    chunks = EMPTY_CHUNKS,
  ): readonly Cell[] {
    const { withTimestamps, withTtl, keysOnly, nowSeconds } = options
    return indexes.map((index) => ({
      localKey: this.#localKey(index),
      value: keysOnly ? NO_BYTES : this.#value(index, chunks),
      timestamp: withTimestamps ? this.timestampAt(index) : null,
      ttlSeconds: withTtl ? this.#ttlLeft(index, nowSeconds) : null,
    }))
  }

  #forSelected(selector: Named | null, visit: (index: number, localKey: Buffer | null) => void): void {
    if (selector === null) {
      for (let index = 0; index < this.#count; index++) visit(index, null)
      return
    }
    let from = 0
    for (const localKey of selector.localKeys) {
      const index = this.#lowerBound(localKey, from)
      if (index === this.#count) return
      from = index
      if (this.#compareKey(index, localKey) === 0) visit(index, localKey)
    }
  }

  #addChunk(index: number, chunks: Set<number>): void {
    const container = this.#bytes.readUInt32BE(this.#locationsAt + index * LOCATION_SIZE)
    if (container !== 0) chunks.add(container - 1)
  }

  #cell(
    index: number,
    localKey: Buffer | null,
    { withTimestamps, withTtl, nowSeconds }: SealedReadOptions,
    chunks: ReadonlyMap<number, Buffer>,
  ): Cell | null {
    if (!this.isLiving(index, nowSeconds)) return null
    return {
      localKey: localKey ?? this.#localKey(index),
      value: this.#value(index, chunks),
      timestamp: withTimestamps ? this.timestampAt(index) : null,
      ttlSeconds: withTtl ? this.#ttlLeft(index, nowSeconds) : null,
    }
  }

  #ttlLeft(index: number, nowSeconds: number): number | null {
    if ((this.#flags & EXPIRIES) === 0) return null
    const expiry = this.#bytes.readUInt32BE(this.#expiriesAt + index * 4)
    return expiry === 0 ? null : expiry - nowSeconds
  }

  #value(index: number, chunks: ReadonlyMap<number, Buffer>): Buffer {
    return (this.#flags & CHUNKED) === 0 ? this.#inlineValue(index) : this.#locatedValue(index, chunks)
  }

  #inlineValue(index: number): Buffer {
    const endAt = this.#locationsAt + index * this.#width
    const start = this.#valuesAt + (index === 0 ? 0 : this.#uint(endAt - this.#width))
    const end = this.#valuesAt + this.#uint(endAt)
    if (start > end || end > this.#valuesEnd) throw damaged('head', 'a value lies outside')
    return this.#bytes.subarray(start, end)
  }

  #locatedValue(index: number, chunks: ReadonlyMap<number, Buffer>): Buffer {
    const at = this.#locationsAt + index * LOCATION_SIZE
    const container = this.#bytes.readUInt32BE(at)
    const offset = this.#bytes.readUInt32BE(at + 4)
    const size = this.#bytes.readUInt32BE(at + 8)
    const bytes = container === 0 ? this.#bytes : chunks.get(container - 1)
    if (bytes === undefined) throw damaged('chunk', `number ${container - 1} is missing`)
    const start = container === 0 ? this.#valuesAt + offset : offset
    if (start + size > bytes.length - CRC_SIZE) throw damaged('row', 'a value lies outside its chunk')
    return bytes.subarray(start, start + size)
  }

  #localKey(index: number): Buffer {
    return this.#bytes.subarray(this.#keyStart(index), this.#keyEnd(index))
  }

  #keyEnd(index: number): number {
    return this.#keysAt + this.#uint(PREFIX_SIZE + this.#width * (index + 1))
  }

  #keyStart(index: number): number {
    return index === 0 ? this.#keysAt : this.#keyEnd(index - 1)
  }

  /** Index of the first local key that is not less than `wanted`, from `from` on. */
  #lowerBound(wanted: Buffer, from: number): number {
    let low = from
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compareKey(middle, wanted) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** A loop, because Buffer.compare costs more than comparing the few bytes that local keys differ in. */
  #compareKey(index: number, wanted: Buffer): number {
    const bytes = this.#bytes
    const start = this.#keyStart(index)
    const size = this.#keyEnd(index) - start
    const common = Math.min(size, wanted.length)
    for (let i = 0; i < common; i++) {
      const difference = (bytes[start + i] ?? 0) - (wanted[i] ?? 0)
      if (difference !== 0) return difference
    }
    return size - wanted.length
  }

  #uint(at: number): number {
    const bytes = this.#bytes
    if (at + this.#width > bytes.length) throw damaged('head', 'it is cut off')
    const short = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
    return this.#width === 2 ? short : short * 0x1_0000 + (((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))
  }
}

/** The CRC that a head or a chunk ends with. */
export function storedCrc(bytes: Buffer): number {
  const at = bytes.length - CRC_SIZE
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16)
  return (low | ((bytes[at + 3] ?? 0) << 24)) >>> 0
}

/** @throws {KVError} CORRUPT unless the last four bytes are the CRC of the others */
export function checkCrc(bytes: Buffer, what: 'head' | 'chunk'): void {
  if (bytes.length < MIN_SIZES[what]) throw damaged(what, `it has only ${bytes.length} bytes`)
  if (crc32(bytes) !== CRC_RESIDUE) throw damaged(what, 'its checksum is wrong')
}

function damaged(what: string, why: string): KVError {
  return new KVError('CORRUPT', `stored sealed ${what} is damaged: ${why}; load the version again`)
}
