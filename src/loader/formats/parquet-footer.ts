/**
 * The footer of a Parquet file: what columns it has and where their bytes lie. Parsed by hyparquet, after a walk over its
 * structure that refuses what would make the parser run for hours or fill the memory.
 */
import { parquetMetadata, parquetSchema } from 'hyparquet'
import type { ColumnMetaData, FileMetaData, SchemaElement, SchemaTree } from 'hyparquet/src/types.js'
import { KVError, toKVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { ObjectStore } from '../../objects/object-store.js'
import { CompactScanner } from '../../thrift/compact-scanner.js'
import type { SourcePart } from '../load-source.js'

const MAGIC = 'PAR1'
const ENCRYPTED_MAGIC = 'PARE'
/** Size of the metadata, magic. */
const TAIL_BYTES = 8
/** An empty message of Thrift's compact protocol up to its struct: what the scanner expects before one. */
const MESSAGE_HEAD = Buffer.from([0x82, 0x21, 0x00, 0x00])
const MAX_NESTING = 32

export interface ParquetChunk {
  readonly metadata: ColumnMetaData
  readonly start: number
  readonly end: number
}

export interface ParquetRowGroup {
  readonly rows: number
  /** By the path of the physical column, its names joined by dots. */
  readonly chunks: ReadonlyMap<string, ParquetChunk>
}

export interface ParquetFile {
  readonly rows: number
  /** The columns of the file in its order; nested ones have children. */
  readonly columns: readonly SchemaTree[]
  /**
   * The same tree without the logical types of its leaves, whose values are then decoded to what is stored and not to
   * what hyparquet makes of it: it rounds decimals and times.
   */
  readonly plainRoot: SchemaTree
  readonly rowGroups: readonly ParquetRowGroup[]
}

/** @throws {KVError} INVALID_ARGUMENT when it is no Parquet file, or one that is cut off, damaged or encrypted */
export async function readFooter(objects: ObjectStore, part: SourcePart): Promise<ParquetFile> {
  const { url, sizeBytes } = part
  const fault = (what: string) => new KVError('INVALID_ARGUMENT', `${url} ${what}`)
  if (sizeBytes < TAIL_BYTES + MAGIC.length) throw fault('is no Parquet file: it is too short for one')
  const tail = await readRange(objects, part, sizeBytes - TAIL_BYTES, TAIL_BYTES)
  const magic = tail.toString('latin1', MAGIC.length)
  if (magic === ENCRYPTED_MAGIC) throw fault('is encrypted; write it in the clear')
  if (magic !== MAGIC) {
    throw fault(`is no Parquet file, or is cut off at byte ${sizeBytes}: it does not end in ${MAGIC}`)
  }
  const size = tail.readUInt32LE(0)
  if (size > sizeBytes - TAIL_BYTES - MAGIC.length || size > limits.maxParquetFooterBytes) {
    throw fault(`is damaged at byte ${sizeBytes - TAIL_BYTES}: its footer cannot have ${size} bytes`)
  }
  const footer = await readRange(objects, part, sizeBytes - TAIL_BYTES - size, size)
  try {
    if (structSize(footer) !== size) throw fault('is damaged: its footer is not as long as it says')
    const metadata = parquetMetadata(Buffer.concat([footer, tail]), {
      geoparquet: false,
      parsers: NO_PARSERS,
    })
    return checkedFile(metadata, sizeBytes, fault)
  } catch (error) {
    if (error instanceof KVError) throw error
    throw fault(`is damaged: its footer cannot be read: ${toKVError(error, 'footer').message.slice(0, 200)}`)
  }
}

/** Statistics, which hyparquet parses with the rest, are of no use here. */
const nothing = (): null => null
const NO_PARSERS = {
  timestampFromMilliseconds: nothing,
  timestampFromMicroseconds: nothing,
  timestampFromNanoseconds: nothing,
  dateFromDays: nothing,
  stringFromBytes: nothing,
  jsonFromBytes: nothing,
  geometryFromBytes: nothing,
  geographyFromBytes: nothing,
  uuidFromBytes: nothing,
}

/** Bytes of the struct in Thrift's compact protocol that begins there; null: it is not whole. Throws when it is none. */
export function structSize(bytes: Buffer): number | null {
  const maxMessageBytes = limits.maxParquetFooterBytes + MESSAGE_HEAD.length
  const scanner = new CompactScanner({ maxMessageBytes, maxDepth: MAX_NESTING })
  const message = Buffer.concat([MESSAGE_HEAD, bytes])
  scanner.begin()
  return scanner.scan(message, 0, message.length) ? scanner.size - MESSAGE_HEAD.length : null
}

async function readRange(
  objects: ObjectStore,
  part: SourcePart,
  offset: number,
  size: number,
): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of objects.read(part, offset, size)) pieces.push(piece)
  return Buffer.concat(pieces)
}

function checkedFile(
  metadata: FileMetaData,
  sizeBytes: number,
  fault: (what: string) => KVError,
): ParquetFile {
  const schema = metadata.schema
  const root = parquetSchema(metadata)
  if (root.count !== schema.length) throw fault('is damaged: its schema does not fit together')
  const rowGroups = metadata.row_groups.map((group): ParquetRowGroup => {
    const chunks = new Map<string, ParquetChunk>()
    for (const { meta_data: column, file_path: path, crypto_metadata: crypto } of group.columns) {
      if (crypto !== undefined) throw fault('has encrypted columns; write it in the clear')
      if (path !== undefined) throw fault('keeps its columns in other files, which is not supported')
      if (column === undefined) throw fault('is damaged: a column has no metadata')
      chunks.set(column.path_in_schema.join('.'), checkedChunk(column, sizeBytes, fault))
    }
    return { rows: checkedCount(group.num_rows, fault), chunks }
  })
  const rows = rowGroups.reduce((sum, group) => sum + group.rows, 0)
  if (BigInt(rows) !== metadata.num_rows) {
    throw fault(`is damaged: its row groups have ${rows} rows, it says ${metadata.num_rows}`)
  }
  return {
    rows,
    columns: root.children,
    plainRoot: parquetSchema({ schema: schema.map(plainElement) }),
    rowGroups,
  }
}

function checkedChunk(
  metadata: ColumnMetaData,
  sizeBytes: number,
  fault: (what: string) => KVError,
): ParquetChunk {
  // A dictionary stands before the data, and where it is none some writers say 0.
  const dictionary = Number(metadata.dictionary_page_offset ?? 0n)
  const start =
    dictionary > 0
      ? Math.min(dictionary, Number(metadata.data_page_offset))
      : Number(metadata.data_page_offset)
  const size = checkedCount(metadata.total_compressed_size, fault)
  if (!(start >= MAGIC.length && start + size <= sizeBytes - TAIL_BYTES)) {
    throw fault(`is damaged, or cut off: a column lies at bytes ${start} to ${start + size} of ${sizeBytes}`)
  }
  return { metadata, start, end: start + size }
}

function checkedCount(value: bigint | number, fault: (what: string) => KVError): number {
  const count = Number(value)
  if (Number.isSafeInteger(count) && count >= 0) return count
  throw fault(`is damaged: it counts ${value}`)
}

/** A leaf as it is stored; a map as the list of pairs that it is. */
function plainElement(element: SchemaElement): SchemaElement {
  const plain = { ...element }
  delete plain.logical_type
  if ((element.num_children ?? 0) === 0 || element.converted_type !== 'LIST') delete plain.converted_type
  return plain
}
