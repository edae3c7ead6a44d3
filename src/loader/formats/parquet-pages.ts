/**
 * One page of a Parquet column: unpacked, checked, decoded by hyparquet.
 *
 * hyparquet believes counts and run lengths: a run of two thousand million values in a page of ten bytes fills the
 * memory. So what a page says of itself is held against the page before it is decoded.
 */
import { crc32, brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import { snappyUncompress } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { readPage } from 'hyparquet/src/column.js'
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js'
import { readRleBitPackedHybrid } from 'hyparquet/src/encoding.js'
import type { ColumnDecoder, DecodedArray, Encoding, PageHeader } from 'hyparquet/src/types.js'
import { limits } from '../../base/limits.js'
import { unpackZstdWhole } from './zstd.js'

/** What is wrong with a page; the reader of the column says where. */
export class PageError extends Error {
  override readonly name = 'PageError'
}

/** What the schema says of a column. */
export interface ColumnLevels {
  readonly maxRepetition: number
  readonly maxDefinition: number
}

/** What a page holds, apart from its bytes. */
interface PageFacts {
  readonly values: number
  readonly encoding: Encoding
}

/**
 * The values of a data page, or those of the dictionary. `previous` is the row that the page before ended in, when rows
 * may go on over pages: the answer begins with it.
 * @throws {PageError} when the page is damaged, hostile, or of a kind that is not supported
 */
export function decodePage(
  header: PageHeader,
  stored: Buffer,
  decoder: ColumnDecoder,
  levels: ColumnLevels,
  dictionary: DecodedArray | undefined,
  previous: DecodedArray | undefined,
): DecodedArray {
  // Of the bytes as they are stored; writers may leave it out.
  if (header.crc !== undefined && header.crc >>> 0 !== crc32(stored)) {
    throw new PageError('its checksum does not match')
  }
  const facts = factsOf(header)
  if (!(facts.values >= 0 && facts.values <= limits.maxParquetPageValues)) {
    throw new PageError(`it says that it has ${facts.values} values`)
  }
  const page = alone(unpackPage(header, stored, decoder.codec))
  try {
    checkRuns(header, page, facts, decoder, levels)
    const plainHeader = {
      ...header,
      uncompressed_page_size: page.length,
      compressed_page_size: page.length,
      ...(header.data_page_header_v2 && {
        data_page_header_v2: { ...header.data_page_header_v2, is_compressed: false },
      }),
    }
    const reader = { view: new DataView(page.buffer, page.byteOffset, page.byteLength), offset: 0 }
    const plainDecoder = { ...decoder, codec: 'UNCOMPRESSED' as const }
    const { data } = readPage(reader, plainHeader, plainDecoder, dictionary, previous, 0)
    return data ?? []
  } catch (error) {
    if (error instanceof PageError) throw error
    throw new PageError(error instanceof Error ? error.message : String(error))
  }
}

/** In memory of its own: hyparquet reads typed values to the end of the memory, not of the page. */
function alone(page: Buffer): Buffer {
  if (page.byteLength === page.buffer.byteLength) return page
  const own = new Uint8Array(page.length)
  own.set(page)
  return Buffer.from(own.buffer)
}

export function valuesOfPage(header: PageHeader): number {
  return factsOf(header).values
}

function factsOf(header: PageHeader): PageFacts {
  const data = header.data_page_header ?? header.data_page_header_v2
  if (header.type === 'DICTIONARY_PAGE' && header.dictionary_page_header !== undefined) {
    return { values: header.dictionary_page_header.num_values, encoding: 'PLAIN' }
  }
  if (header.type === 'DICTIONARY_PAGE' || data === undefined) throw new PageError('its header is damaged')
  return { values: data.num_values, encoding: data.encoding }
}

function unpackPage(header: PageHeader, stored: Buffer, codec: ColumnDecoder['codec']): Buffer {
  const { uncompressed_page_size: size, data_page_header_v2: second } = header
  if (!(size >= 0 && size <= limits.maxParquetPageBytes)) {
    throw new PageError(`it says that it unpacks to ${size} bytes, ${limits.maxParquetPageBytes} are allowed`)
  }
  if (second === undefined) return unpackBytes(stored, size, codec)
  // The levels of such pages are never packed.
  const levels = second.repetition_levels_byte_length + second.definition_levels_byte_length
  if (
    !(second.repetition_levels_byte_length >= 0 && second.definition_levels_byte_length >= 0) ||
    levels > size
  ) {
    throw new PageError('its header is damaged')
  }
  if (second.is_compressed === false) return stored
  const values = unpackBytes(stored.subarray(levels), size - levels, codec)
  return levels === 0 ? values : Buffer.concat([stored.subarray(0, levels), values])
}

function unpackBytes(stored: Buffer, size: number, codec: ColumnDecoder['codec']): Buffer {
  if (codec === 'UNCOMPRESSED') return stored
  // Of no bytes some writers make no bytes, whatever the codec.
  if (size === 0) return Buffer.alloc(0)
  let page: Uint8Array
  try {
    page = unpackers[codec](stored, size)
  } catch (error) {
    throw new PageError(
      `its ${codec} data is damaged: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
  if (page.length !== size) throw new PageError(`it unpacks to ${page.length} bytes, it says ${size}`)
  return Buffer.from(page.buffer, page.byteOffset, page.length)
}

type Unpack = (stored: Buffer, size: number) => Uint8Array

const unpackers: Readonly<Record<Exclude<ColumnDecoder['codec'], 'UNCOMPRESSED'>, Unpack>> = {
  SNAPPY: (stored, size) => {
    const page = new Uint8Array(size)
    snappyUncompress(stored, page)
    return page
  },
  // Some writers leave the gzip header out.
  GZIP: (stored, size) =>
    (stored[0] === 0x1f ? gunzipSync : inflateSync)(stored, { maxOutputLength: Math.max(size, 1) }),
  BROTLI: (stored, size) => brotliDecompressSync(stored, { maxOutputLength: Math.max(size, 1) }),
  ZSTD: (stored, size) => unpackZstdWhole(stored, size),
  LZ4: (stored, size) => compressors.LZ4?.(stored, size) ?? unsupported('LZ4'),
  LZ4_RAW: (stored, size) => compressors.LZ4_RAW?.(stored, size) ?? unsupported('LZ4_RAW'),
  LZO: () => unsupported('LZO'),
}

function unsupported(codec: string): never {
  throw new PageError(`${codec} is not supported`)
}

/** Refuses runs that are longer than the page has values, and whatever else would be made of nothing. */
function checkRuns(
  header: PageHeader,
  page: Buffer,
  { values, encoding }: PageFacts,
  decoder: ColumnDecoder,
  { maxRepetition, maxDefinition }: ColumnLevels,
): void {
  if (header.type === 'DICTIONARY_PAGE') return
  let at = 0
  const second = header.data_page_header_v2
  let nulls = second?.num_nulls ?? 0
  for (const [level, size] of [
    [maxRepetition, second?.repetition_levels_byte_length],
    [maxDefinition, second?.definition_levels_byte_length],
  ] as const) {
    if (level === 0) {
      at += size ?? 0
      continue
    }
    if (size === undefined) at += 4
    const length = size ?? page.readUInt32LE(at - 4)
    if (length > page.length - at) throw new PageError('its levels are longer than the page')
    const runs = page.subarray(at, at + length)
    passRuns(runs, bitWidth(level), values)
    if (level === maxDefinition && second === undefined && DELTAS.has(encoding)) {
      nulls = values - countLevel(runs, level, values)
    }
    at += length
  }
  checkValues(page.subarray(at), encoding, values - nulls, decoder)
}

function checkValues(
  bytes: Buffer,
  encoding: Encoding,
  values: number,
  { type, element }: ColumnDecoder,
): void {
  if (encoding.endsWith('_DICTIONARY')) {
    if (bytes.length > 0) passRuns(bytes.subarray(1), bytes[0] ?? 0, values)
  } else if (encoding === 'RLE') {
    if (type !== 'BOOLEAN') throw new PageError('its encoding does not fit its type')
    if (bytes.length > 0) passRuns(bytes.subarray(4), 1, values)
  } else if (encoding === 'DELTA_BYTE_ARRAY') checkPrefixes(bytes, values)
  else if (DELTAS.has(encoding)) passDeltas(bytes, values)
  else if (encoding === 'BYTE_STREAM_SPLIT' && (element.type_length ?? 0) > bytes.length) {
    throw new PageError('its values are longer than the page')
  }
}

/** Runs of the hybrid of run lengths and packed bits. */
function passRuns(bytes: Buffer, width: number, values: number): void {
  if (width > 32) throw new PageError(`it packs values in ${width} bits`)
  let seen = 0
  let at = 0
  while (seen < values && at < bytes.length) {
    const [head, next] = readVarint(bytes, at, 32)
    const count = Math.floor(head / 2)
    at = next
    if (head % 2 === 1) {
      at += count * width
      seen += count * 8
      // Packed values come in groups of 8, and writers pad the last groups.
      if (seen > values + MAX_PADDING) throw new PageError('a run is longer than the page')
    } else {
      at += (width + 7) >> 3
      seen += count
      if (seen > values) throw new PageError('a run is longer than the page')
    }
  }
}

const MAX_PADDING = 512

/** How many of the levels are this one. */
function countLevel(runs: Buffer, level: number, values: number): number {
  const levels = new Array<number>(values)
  const view = new DataView(runs.buffer, runs.byteOffset, runs.byteLength)
  readRleBitPackedHybrid({ view, offset: 0 }, bitWidth(level), levels, runs.length)
  return levels.reduce((sum, one) => sum + Number(one === level), 0)
}

function bitWidth(level: number): number {
  return 32 - Math.clz32(level)
}

/** Passes over blocks of packed differences; answers where they end. */
function passDeltas(bytes: Buffer, values: number): number {
  // A page of nulls may end here.
  if (values === 0 && bytes.length === 0) return 0
  let at = 0
  const next = (bits: 32 | 64): number => {
    const [value, end] = readVarint(bytes, at, bits)
    at = end
    return value
  }
  const blockValues = next(32)
  const blockParts = next(32)
  const count = next(32)
  next(64)
  const partValues = blockValues / blockParts
  if (
    !Number.isInteger(partValues) ||
    partValues % 8 !== 0 ||
    blockValues > MAX_DELTA_BLOCK ||
    count !== values
  ) {
    throw new PageError('its blocks are damaged')
  }
  for (let seen = 1; seen < count;) {
    next(64)
    const widths = bytes.subarray(at, at + blockParts)
    at += blockParts
    for (const width of widths) {
      if (seen >= count) break
      if (width > 64) throw new PageError(`it packs values in ${width} bits`)
      at += (partValues * width) / 8
      seen += partValues
    }
    if (at > bytes.length) throw new PageError('its blocks are longer than the page')
  }
  return at
}

const MAX_DELTA_BLOCK = 1 << 20
const DELTAS: ReadonlySet<Encoding> = new Set<Encoding>([
  'DELTA_BINARY_PACKED',
  'DELTA_LENGTH_BYTE_ARRAY',
  'DELTA_BYTE_ARRAY',
])

/** Texts that share their beginnings: a page of a megabyte may stand for a terabyte. */
function checkPrefixes(bytes: Buffer, values: number): void {
  const end = passDeltas(bytes, values)
  passDeltas(bytes.subarray(end), values)
  const prefixes = new Int32Array(values)
  if (values > 0) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    deltaBinaryUnpack({ view, offset: 0 }, values, prefixes)
  }
  let total = bytes.length
  for (const prefix of prefixes) {
    if (prefix < 0) throw new PageError('its texts are damaged')
    total += prefix
    if (total > limits.maxParquetPageBytes) {
      throw new PageError(`its texts have more than ${limits.maxParquetPageBytes} bytes`)
    }
  }
}

/** A number of at most so many bits and where it ends. Of 64 bits the value is only about right. */
function readVarint(bytes: Buffer, start: number, bits: 32 | 64): readonly [value: number, end: number] {
  let value = 0
  let scale = 1
  for (let at = start; at < bytes.length && (at - start) * 7 < bits; at++) {
    const byte = bytes[at] ?? 0
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return [value, at + 1]
    scale *= 128
  }
  throw new PageError('a number in it is damaged')
}
