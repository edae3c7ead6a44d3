/**
 * HFiles as Terrapin's uploaders write them (HBase 0.94, version 2.1; 2.0 without checksums) -> rows: each cell is a row,
 * its value stands under the empty local key. Read from the first data block to the last, one block in memory at a time.
 *
 * What Terrapin's reader shows is what becomes a row: cells of family `cf` without a qualifier, of the greatest timestamp
 * and of type Put; of equal keys the first. Others are counted and left out. The entries of all blocks must be as many as
 * the file says, and in order.
 */
import { KVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { ObjectStore } from '../../objects/object-store.js'
import { BadLineError } from '../json-text.js'
import type { SourcePart, SourceRow } from '../load-source.js'
import { cellOf } from './columns.js'
import { damaged, parseBlockHeader, readPayload } from './hfile-block.js'
import {
  TRAILER_SIZE,
  type HFileTrailer,
  hasMemstoreNumbers,
  parseTrailer,
  readVlong,
} from './hfile-trailer.js'
import { PartReader, type ReadOptions } from './part-reader.js'

/** Behind the row in the key of a cell that Terrapin shows: family `cf`, no qualifier, timestamp 2^63 - 1, type Put. */
const SHOWN = Buffer.from('0263667fffffffffffffff04', 'hex')
const UNNAMED = { name: '', localKey: Buffer.alloc(0) }
/** More than the blocks of usual size hold. */
const ROWS_AT_ONCE = 1_000
/** Sizes of a cell's key and value. */
const CELL_HEAD = 8
const ROW_SIZE_BYTES = 2
/** A key has a row size, a family size, a timestamp and a type at least. */
const LEAST_KEY = ROW_SIZE_BYTES + 1 + 8 + 1

export class HFileReader extends PartReader {
  readonly #part: SourcePart
  readonly #objects: ObjectStore
  #entries = 0
  #unpackedBytes = 0
  #skippedCells = 0
  #lastKey: Buffer | null = null
  #lastRow: Buffer | null = null

  constructor(part: SourcePart, objects: ObjectStore, options: ReadOptions) {
    super(part.url, options)
    this.#part = part
    this.#objects = objects
  }

  /** Cells that are left out: those that Terrapin does not show, and the second and further ones of a key. */
  override get foreignCellCount(): number {
    return this.#skippedCells
  }

  protected override async *batches(): AsyncGenerator<readonly SourceRow[]> {
    const { url, sizeBytes } = this.#part
    if (sizeBytes < TRAILER_SIZE) {
      throw new KVError('INVALID_ARGUMENT', `${url} is no HFile: it is too short for one`)
    }
    const trailer = parseTrailer(
      await this.#readRange(sizeBytes - TRAILER_SIZE, TRAILER_SIZE),
      sizeBytes,
      url,
    )
    if (trailer.data !== null) {
      const withNumbers = await this.#readFileInfo(trailer)
      yield* this.#dataBlocks(trailer, trailer.data, withNumbers)
    }
    if (this.#entries !== trailer.entryCount) {
      throw damaged(url, sizeBytes, `it has ${this.#entries} entries and says ${trailer.entryCount}`)
    }
    this.readBytes = sizeBytes
  }

  async #readFileInfo({ headerSize, fileInfoOffset: offset, compression }: HFileTrailer): Promise<boolean> {
    const { url } = this.#part
    const block = parseBlockHeader(await this.#readRange(offset, headerSize), offset, url)
    if (!block.isFileInfo) throw damaged(url, offset, 'its file info does not begin here')
    const bytes = await this.#readRange(offset, block.size)
    return hasMemstoreNumbers(readPayload(bytes, block, { offset, url, compression }), offset, url)
  }

  async *#dataBlocks(
    { compression, headerSize, loadOnOpenOffset }: HFileTrailer,
    { first, last }: { readonly first: number; readonly last: number },
    withNumbers: boolean,
  ): AsyncGenerator<readonly SourceRow[]> {
    const { url } = this.#part
    const feed = new ByteFeed(this.#objects.read(this.#part, first, loadOnOpenOffset - first))
    try {
      for (let offset = first; offset <= last;) {
        const header = await feed.peek(headerSize)
        if (header === null) throw damaged(url, offset, 'it ends inside a block')
        const block = parseBlockHeader(header, offset, url)
        const bytes = await feed.take(block.size)
        if (bytes === null) throw damaged(url, offset, 'it ends inside a block')
        if (block.isData) {
          const payload = readPayload(bytes, block, { offset, url, compression })
          this.#refuseBomb(payload.length, block.size)
          yield* this.#rowsOf(payload, offset, withNumbers)
        }
        offset += block.size
        this.readBytes += block.size
      }
    } finally {
      await feed.close()
    }
  }

  /** Blocks hold millions of rows where their writer was told so, or a bomb unpacks to them. */
  *#rowsOf(payload: Buffer, offset: number, withNumbers: boolean): Generator<SourceRow[]> {
    let rows: SourceRow[] = []
    let at = 0
    while (at < payload.length) {
      const cell = this.#cellAt(payload, at, offset)
      at = withNumbers ? this.#behindNumber(payload, cell.end, offset) : cell.end
      this.#entries++
      const row = this.#toRow(cell.key, cell.value)
      if (row !== null) rows.push(row)
      if (rows.length < ROWS_AT_ONCE) continue
      yield rows
      rows = []
    }
    yield rows
  }

  /** By the rule that holds for packed files as a whole. */
  #refuseBomb(payloadSize: number, blockSize: number): void {
    this.#unpackedBytes += payloadSize
    if (this.#unpackedBytes <= limits.unpackedBytesBeforeRatio) return
    if (this.#unpackedBytes <= (this.readBytes + blockSize) * limits.maxUnpackingRatio) return
    throw new KVError(
      'INVALID_ARGUMENT',
      `${this.#part.url} unpacks to more than ${limits.maxUnpackingRatio} times its size; ` +
        'if that is right, write it without compression',
    )
  }

  #cellAt(payload: Buffer, at: number, offset: number): { key: Buffer; value: Buffer; end: number } {
    if (at + CELL_HEAD > payload.length) throw this.#damagedCell(offset)
    const keySize = payload.readInt32BE(at)
    const valueSize = payload.readInt32BE(at + 4)
    const keyAt = at + CELL_HEAD
    const end = keyAt + keySize + valueSize
    if (keySize < LEAST_KEY || valueSize < 0 || end > payload.length) throw this.#damagedCell(offset)
    const key = payload.subarray(keyAt, keyAt + keySize)
    const behindRow = ROW_SIZE_BYTES + key.readUInt16BE(0)
    if (behindRow + LEAST_KEY - ROW_SIZE_BYTES > keySize) throw this.#damagedCell(offset)
    const last = this.#lastKey
    const row = key.subarray(ROW_SIZE_BYTES, behindRow)
    if (
      last !== null &&
      last.subarray(ROW_SIZE_BYTES, ROW_SIZE_BYTES + last.readUInt16BE(0)).compare(row) > 0
    ) {
      throw damaged(this.#part.url, offset, `entry ${this.#entries + 1} is not in order`)
    }
    this.#lastKey = key
    return { key, value: payload.subarray(keyAt + keySize, end), end }
  }

  #behindNumber(payload: Buffer, at: number, offset: number): number {
    try {
      return readVlong(payload, at)[1]
    } catch {
      throw this.#damagedCell(offset)
    }
  }

  /** Null: the cell becomes no row. */
  #toRow(key: Buffer, value: Buffer): SourceRow | null {
    const behindRow = ROW_SIZE_BYTES + key.readUInt16BE(0)
    const rowKey = key.subarray(ROW_SIZE_BYTES, behindRow)
    const isShown = key.length - behindRow === SHOWN.length && SHOWN.equals(key.subarray(behindRow))
    if (!isShown || this.#lastRow?.equals(rowKey) === true) {
      this.#skippedCells++
      return null
    }
    this.#lastRow = rowKey
    const line = this.#entries
    return this.rowOrNull(line, () => {
      if (rowKey.length > MAX_ROW_BYTES) throw new BadLineError(`the key has ${rowKey.length} bytes`)
      return { line, rowKey, cells: [cellOf(UNNAMED, value, this.options.maxValueBytes)] }
    })
  }

  #damagedCell(offset: number): KVError {
    return damaged(this.#part.url, offset, `entry ${this.#entries + 1} does not fit its block`)
  }

  async #readRange(offset: number, size: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    for await (const piece of this.#objects.read(this.#part, offset, size)) pieces.push(piece)
    const bytes = Buffer.concat(pieces)
    if (bytes.length < size) throw damaged(this.#part.url, offset, `${size} bytes from here are not there`)
    return bytes.subarray(0, size)
  }
}

/** HBase's own bound; what is longer cannot have been written by it. */
const MAX_ROW_BYTES = 32_767

/** A stream of which so many bytes are taken as are asked for. */
class ByteFeed {
  readonly #pieces: AsyncIterator<Buffer>
  #held: Buffer[] = []
  #size = 0

  constructor(content: AsyncIterable<Buffer>) {
    this.#pieces = content[Symbol.asyncIterator]()
  }

  /** Null: the stream ends before. */
  async peek(size: number): Promise<Buffer | null> {
    while (this.#size < size) {
      const next = await this.#pieces.next()
      if (next.done === true) return null
      this.#held.push(next.value)
      this.#size += next.value.length
    }
    const [first = Buffer.alloc(0)] = this.#held
    const all = this.#held.length === 1 ? first : Buffer.concat(this.#held)
    this.#held = [all]
    return all.subarray(0, size)
  }

  async take(size: number): Promise<Buffer | null> {
    const taken = await this.peek(size)
    if (taken === null) return null
    const [all = taken] = this.#held
    this.#held = [all.subarray(size)]
    this.#size -= size
    return taken
  }

  async close(): Promise<void> {
    await this.#pieces.return?.()
  }
}
