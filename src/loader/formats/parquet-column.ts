/** The values of one physical column of a row group, page by page: what is held is a page and what is read ahead. */
import { parquetHeader } from 'hyparquet/src/column.js'
import { convert } from 'hyparquet/src/convert.js'
import {
  getMaxDefinitionLevel,
  getMaxRepetitionLevel,
  getTreePath,
  isFlatColumn,
} from 'hyparquet/src/schema.js'
import type { ColumnDecoder, DecodedArray, PageHeader, SchemaTree } from 'hyparquet/src/types.js'
import { KVError, toKVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { ObjectStore } from '../../objects/object-store.js'
import type { SourcePart } from '../load-source.js'
import { structSize, type ParquetChunk } from './parquet-footer.js'
import { decodePage, PageError, valuesOfPage, type ColumnLevels } from './parquet-pages.js'

/** More than a header without statistics ever has. */
const USUAL_HEADER_BYTES = 1_024
const MAX_HEADER_BYTES = 16 * 1024 * 1024

export interface ParquetPlace {
  readonly objects: ObjectStore
  readonly part: SourcePart
  /** How much of a column is asked for at a time. */
  readonly readAheadBytes: number
}

const asIs = (value: unknown): unknown => value
/** Only INT96, which has no logical type, still passes through one of these. */
const PARSERS = {
  timestampFromMilliseconds: asIs,
  timestampFromMicroseconds: asIs,
  timestampFromNanoseconds: asIs,
  dateFromDays: asIs,
  stringFromBytes: asIs,
  jsonFromBytes: asIs,
  geometryFromBytes: asIs,
  geographyFromBytes: asIs,
  uuidFromBytes: asIs,
}

export class ParquetColumn {
  readonly #place: ParquetPlace
  readonly #chunk: ParquetChunk
  readonly #decoder: ColumnDecoder
  readonly #levels: ColumnLevels
  readonly #isFlat: boolean
  readonly #name: string
  #dictionary: DecodedArray | undefined
  /** Rows that are decoded and not yet taken, and how many of them were taken. */
  #rows: DecodedArray = []
  #taken = 0
  /** Of columns whose rows may go on over pages: the last row of the page before. */
  #open: DecodedArray | undefined
  #decodedValues = 0
  /** Bytes from `#offset` of the file on. */
  #bytes: Buffer = Buffer.alloc(0)
  #offset: number

  constructor(place: ParquetPlace, plainRoot: SchemaTree, chunk: ParquetChunk) {
    const { metadata } = chunk
    const schemaPath = getTreePath(plainRoot, metadata.path_in_schema)
    const element = schemaPath.at(-1)?.element ?? plainRoot.element
    this.#place = place
    this.#chunk = chunk
    this.#offset = chunk.start
    this.#name = metadata.path_in_schema.join('.')
    this.#decoder = {
      pathInSchema: metadata.path_in_schema,
      type: metadata.type,
      element,
      schemaPath,
      codec: metadata.codec,
      parsers: PARSERS,
      utf8: false,
    }
    this.#isFlat = isFlatColumn(schemaPath)
    this.#levels = {
      maxRepetition: getMaxRepetitionLevel(schemaPath),
      maxDefinition: getMaxDefinitionLevel(schemaPath),
    }
  }

  /** Rows that can be taken without reading on; at least one after `fill`, unless the column is at its end. */
  get ready(): number {
    return this.#rows.length - this.#taken
  }

  async fill(): Promise<void> {
    while (this.ready === 0 && !(await this.#decodeNext()));
  }

  /** The next rows, `count` of those that are ready. */
  take(count: number): DecodedArray {
    const from = this.#taken
    this.#taken += count
    return this.#rows.slice(from, this.#taken)
  }

  /** True at the end of the column. */
  async #decodeNext(): Promise<boolean> {
    const header = await this.#nextHeader()
    if (header === null) {
      this.#adopt(this.#open ?? [])
      this.#open = undefined
      return true
    }
    const size = header.compressed_page_size
    if (!(size >= 0 && size <= this.#left)) throw this.#fault(`says that a page has ${size} bytes`)
    await this.#need(size)
    const start = this.#offset
    const stored = this.#pass(size)
    try {
      this.#decode(header, stored)
    } catch (error) {
      if (error instanceof KVError) throw error
      // Most are PageErrors; hyparquet throws others where types of the schema and of the page differ.
      const reason = error instanceof Error ? error.message : String(error)
      throw this.#fault(`has a page that cannot be read: ${reason}`, start)
    }
    return false
  }

  #decode(header: PageHeader, stored: Buffer): void {
    // An index page, say: what is not known may be passed over.
    if (header.type === 'INDEX_PAGE' || (header.type as string | undefined) === undefined) return
    if (header.type === 'DICTIONARY_PAGE') {
      const data = decodePage(header, stored, this.#decoder, this.#levels, undefined, undefined)
      this.#dictionary = convert(data, this.#decoder)
      return
    }
    const values = valuesOfPage(header)
    if (values === 0) return
    this.#decodedValues += values
    if (this.#decodedValues > Number(this.#chunk.metadata.num_values)) {
      throw new PageError(`there are more values than the ${this.#chunk.metadata.num_values} of the column`)
    }
    const data = decodePage(header, stored, this.#decoder, this.#levels, this.#dictionary, this.#open)
    if (this.#isFlat) {
      if (data.length !== values) throw new PageError(`it has ${data.length} values, it says ${values}`)
      this.#adopt(data)
    } else {
      this.#open = data.slice(-1)
      this.#adopt(data.slice(0, -1))
    }
  }

  #adopt(rows: DecodedArray): void {
    this.#rows = rows
    this.#taken = 0
  }

  /** Null at the end of the column. */
  async #nextHeader(): Promise<PageHeader | null> {
    if (this.#left === 0) return null
    for (let want = USUAL_HEADER_BYTES; ; want *= 4) {
      await this.#need(Math.min(want, this.#left))
      const size = this.#headerSize()
      if (size !== null) return this.#parseHeader(this.#pass(size))
      if (want >= this.#left || want > MAX_HEADER_BYTES)
        throw this.#fault('is cut off within the header of a page')
    }
  }

  #headerSize(): number | null {
    try {
      return structSize(this.#bytes.subarray(0, MAX_HEADER_BYTES))
    } catch (error) {
      throw this.#fault(`has a page whose header is damaged: ${toKVError(error, 'header').message}`)
    }
  }

  #parseHeader(bytes: Buffer): PageHeader {
    try {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      return parquetHeader({ view, offset: 0 })
    } catch (error) {
      throw this.#fault(`has a page whose header is damaged: ${toKVError(error, 'header').message}`)
    }
  }

  get #left(): number {
    return this.#chunk.end - this.#offset
  }

  /** Sees to it that so many bytes are there. */
  async #need(size: number): Promise<void> {
    if (this.#bytes.length >= size) return
    const { objects, part, readAheadBytes } = this.#place
    const from = this.#offset + this.#bytes.length
    const wanted = Math.max(size - this.#bytes.length, readAheadBytes)
    const pieces = [this.#bytes]
    for await (const piece of objects.read(part, from, Math.min(wanted, this.#chunk.end - from)))
      pieces.push(piece)
    this.#bytes = Buffer.concat(pieces)
    if (this.#bytes.length < size) throw this.#fault('is cut off')
  }

  #pass(size: number): Buffer {
    const passed = this.#bytes.subarray(0, size)
    this.#bytes = this.#bytes.subarray(size)
    this.#offset += size
    return passed
  }

  #fault(what: string, offset = this.#offset): KVError {
    const name = this.#name.length > 60 ? `${this.#name.slice(0, 57)}...` : this.#name
    return new KVError(
      'INVALID_ARGUMENT',
      `${this.#place.part.url} is damaged: its column "${name}" ${what}, at byte ${offset}; write it anew`,
    )
  }
}

/** For all columns together at most so much is read ahead. */
export function readAheadFor(columns: number): number {
  const share = Math.floor(limits.maxParquetReadAheadBytes / Math.max(columns, 1))
  return Math.min(Math.max(share, 64 * 1024), 4 * 1024 * 1024)
}
