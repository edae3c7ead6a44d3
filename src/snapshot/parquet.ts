/**
 * Cells as rows of a Parquet file: row_key, local_key and value (BYTE_ARRAY), timestamp (INT64), expires_at (INT64, null for
 * what does not expire). The only file that knows the libraries that write and read the format.
 */
import { type AsyncBuffer, parquetMetadataAsync, parquetReadObjects, type SchemaElement } from 'hyparquet'
import { ByteWriter, ParquetWriter } from 'hyparquet-writer'
import { KVError, toKVError } from '../base/errors.js'
import { checkedExpiry } from './ndjson.js'
import type { RowPiece, SnapshotCell } from './pieces.js'

/** A row group is written when it holds either. */
const GROUP_CELLS = 20_000
const GROUP_BYTES = 8 * 1024 * 1024

/** Of a file that is read: its footer is parsed whole, and a row group is held whole. */
const MAX_GROUP_BYTES = 512 * 1024 * 1024
const MAX_FOOTER_BYTES = 64 * 1024 * 1024

const SCHEMA: SchemaElement[] = [
  { name: 'root', num_children: 5 },
  { name: 'row_key', type: 'BYTE_ARRAY', repetition_type: 'REQUIRED' },
  { name: 'local_key', type: 'BYTE_ARRAY', repetition_type: 'REQUIRED' },
  { name: 'value', type: 'BYTE_ARRAY', repetition_type: 'REQUIRED' },
  { name: 'timestamp', type: 'INT64', repetition_type: 'REQUIRED' },
  { name: 'expires_at', type: 'INT64', repetition_type: 'OPTIONAL' },
]

/** Takes pieces of rows, gives the bytes of the file as they are made. */
export class CellFileWriter {
  readonly #bytes = new ByteWriter()
  readonly #writer = new ParquetWriter({ writer: this.#bytes, schema: SCHEMA, createdBy: 'godwit' })
  #group = newGroup()

  add({ rowKey, cells }: RowPiece): void {
    const group = this.#group
    for (const { localKey, value, timestamp, expiresAt } of cells) {
      group.rowKeys.push(rowKey)
      group.localKeys.push(localKey)
      group.values.push(value)
      group.timestamps.push(timestamp)
      group.expiries.push(expiresAt === null ? null : BigInt(expiresAt))
      group.bytes += rowKey.length + localKey.length + value.length
    }
  }

  /** Bytes of the file that are ready; empty while a row group fills. */
  async take(): Promise<Buffer> {
    if (this.#group.rowKeys.length < GROUP_CELLS && this.#group.bytes < GROUP_BYTES) return NO_BYTES
    await this.#writeGroup()
    return this.#taken()
  }

  /** The rest of the file. */
  async finish(): Promise<Buffer> {
    if (this.#group.rowKeys.length > 0) await this.#writeGroup()
    await this.#writer.finish()
    return this.#taken()
  }

  async #writeGroup(): Promise<void> {
    const { rowKeys, localKeys, values, timestamps, expiries } = this.#group
    this.#group = newGroup()
    await this.#writer.write({
      columnData: [
        { name: 'row_key', data: rowKeys },
        { name: 'local_key', data: localKeys },
        { name: 'value', data: values },
        { name: 'timestamp', data: timestamps },
        { name: 'expires_at', data: expiries },
      ],
      rowGroupSize: rowKeys.length,
    })
  }

  #taken(): Buffer {
    const taken = Buffer.from(this.#bytes.getBytes())
    this.#bytes.index = 0
    return taken
  }
}

const NO_BYTES = Buffer.alloc(0)

interface Group {
  readonly rowKeys: Uint8Array[]
  readonly localKeys: Uint8Array[]
  readonly values: Uint8Array[]
  readonly timestamps: bigint[]
  readonly expiries: (bigint | null)[]
  bytes: number
}

function newGroup(): Group {
  return { rowKeys: [], localKeys: [], values: [], timestamps: [], expiries: [], bytes: 0 }
}

/** Reads some bytes of a file. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>

/**
 * Cells of a file that has its size and digest, a row group at a time, one piece a cell run of a row.
 * @param where the file is, for messages
 * @throws {KVError} CORRUPT when it is no such file, TOO_LARGE when a part of it is too large to be held
 */
export async function* readCellFile(
  readAt: ReadAt,
  sizeBytes: number,
  where: string,
): AsyncGenerator<readonly RowPiece[]> {
  const refuse = (what: string, cause?: unknown) =>
    new KVError('CORRUPT', `${where}: ${what}; take the snapshot again`, { cause })
  const file: AsyncBuffer = {
    byteLength: sizeBytes,
    slice: async (start, end = sizeBytes) => {
      const bytes = await readAt(start, end - start)
      return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
    },
  }
  await checkFooter(readAt, sizeBytes, where)
  const metadata = await asOurs(refuse, () => parquetMetadataAsync(file))
  let rowStart = 0
  for (const group of metadata.row_groups) {
    if (group.total_byte_size > BigInt(MAX_GROUP_BYTES))
      throw new KVError('TOO_LARGE', `${where}: a row group of ${group.total_byte_size} bytes cannot be held`)
    const rowEnd = rowStart + Number(group.num_rows)
    const rows = await asOurs(refuse, () =>
      parquetReadObjects({ file, metadata, rowStart, rowEnd, utf8: false, columns: COLUMNS }),
    )
    yield* piecesOf(rows, refuse)
    rowStart = rowEnd
  }
}

const COLUMNS = ['row_key', 'local_key', 'value', 'timestamp', 'expires_at']
const FOOTER_TAIL = 8

async function checkFooter(readAt: ReadAt, sizeBytes: number, where: string): Promise<void> {
  const tail = sizeBytes < FOOTER_TAIL ? null : await readAt(sizeBytes - FOOTER_TAIL, FOOTER_TAIL)
  if (tail?.toString('latin1', 4) !== 'PAR1') throw new KVError('CORRUPT', `${where} is no Parquet file`)
  if (tail.readUInt32LE(0) > MAX_FOOTER_BYTES)
    throw new KVError('TOO_LARGE', `${where}: its footer has ${tail.readUInt32LE(0)} bytes`)
}

async function asOurs<T>(
  refuse: (what: string, cause?: unknown) => KVError,
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof KVError) throw error
    throw refuse(`the file cannot be read: ${toKVError(error, 'parquet').message}`, error)
  }
}

const BATCH_CELLS = 2_000

function* piecesOf(
  rows: readonly Record<string, unknown>[],
  refuse: (what: string) => KVError,
): Generator<readonly RowPiece[]> {
  let pieces: { readonly rowKey: Buffer; readonly cells: SnapshotCell[] }[] = []
  let count = 0
  for (const row of rows) {
    const rowKey = bytesOf(row['row_key'], refuse)
    const last = pieces.at(-1)
    const cell = cellOf(row, refuse)
    if (last?.rowKey.equals(rowKey) === true) last.cells.push(cell)
    else pieces.push({ rowKey, cells: [cell] })
    if (++count % BATCH_CELLS !== 0) continue
    yield pieces
    pieces = []
  }
  if (pieces.length > 0) yield pieces
}

function cellOf(row: Record<string, unknown>, refuse: (what: string) => KVError): SnapshotCell {
  const { timestamp, expires_at: expiry } = row
  if (typeof timestamp !== 'bigint') throw refuse('a timestamp is none')
  const expiresAt =
    expiry === null || expiry === undefined
      ? null
      : checkedExpiry(typeof expiry === 'bigint' ? Number(expiry) : expiry, refuse)
  const [localKey, value] = [bytesOf(row['local_key'], refuse), bytesOf(row['value'], refuse)]
  return { localKey, value, timestamp, expiresAt }
}

function bytesOf(value: unknown, refuse: (what: string) => KVError): Buffer {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  throw refuse('keys and values are not bytes')
}
