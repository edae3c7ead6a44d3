/**
 * Makes the shards of a new dataset from a snapshot, in a process of its own. Each file is fetched and compared with the
 * manifest's size and digest before a byte of it is believed, then read with bounds on what it may unpack to, and counted: a
 * file that holds other rows than the manifest says fails the import. The shards become a dataset only when all are done.
 */
import { createReadStream } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { KVError, toKVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { WritableFormat } from '../model/cluster-map.js'
import type { KeyOrder } from '../model/dataset.js'
import { NO_TOKEN, type RowToken } from '../model/row-order.js'
import { shardOfToken } from '../model/sharding.js'
import { downloadFile, readWhole } from '../objects/checked-copy.js'
import type { ObjectStore } from '../objects/object-store.js'
import { plainBytesOf } from './export.js'
import {
  decodeSnapshotManifest,
  MAX_MANIFEST_BYTES,
  SNAPSHOT_MANIFEST,
  type SnapshotDataset,
  type SnapshotFile,
  type SnapshotManifest,
} from './manifest.js'
import { decodeLine } from './ndjson.js'
import { readCellFile } from './parquet.js'
import { PieceCounter, type RowPiece, type SnapshotCell } from './pieces.js'

export interface SnapshotImport {
  /** Ends in `/`. */
  readonly url: string
  /** Null: as many as the snapshot's dataset had. */
  readonly shardCount: number | null
  /** Empty; gets one subdirectory a shard. */
  readonly directory: string
  /** Empty; files on their way lie here. */
  readonly workDirectory: string
}

/** Builds one shard that can be written. */
export interface LiveShardWriter {
  /** Only between `resume` and `suspend`. */
  add(token: RowToken, rowKey: Buffer, cells: readonly SnapshotCell[]): void
  /** Opens and closes what it writes to; again is nothing. */
  resume(): Promise<void>
  suspend(): Promise<void>
  /** Makes it complete and durable. */
  seal(stamp: number): Promise<void>
}

export interface ImportAccess {
  readonly objects: ObjectStore
  create(directory: string, of: { format: WritableFormat; keyOrder: KeyOrder }): Promise<LiveShardWriter>
  tokenOf(rowKey: Buffer): RowToken
  onProgress(rows: number, total: number): void
}

export interface ImportResult {
  /** Settings of the dataset that the snapshot was taken of, with the number of shards that were made. */
  readonly dataset: SnapshotDataset
  readonly takenAtMs: number
  readonly rows: number
  readonly cells: number
}

/** One line of a snapshot: a piece of 4 MB, or one value of 16 MB, as base64 or escaped text. */
const MAX_LINE_BYTES = 64 * 1024 * 1024

const MAX_SHARDS = 1_024

/** Shards that are written at the same time: each has buffers of 16 MB and more. Rows come shard after shard. */
const MAX_OPEN_SHARDS = 8

/** @throws {KVError} INVALID_ARGUMENT (no snapshot there), CORRUPT, FAILED_PRECONDITION, TOO_LARGE, UNAVAILABLE */
export async function importSnapshot(task: SnapshotImport, access: ImportAccess): Promise<ImportResult> {
  const manifestUrl = `${task.url}${SNAPSHOT_MANIFEST}`
  const text = await readWhole(access.objects, manifestUrl, MAX_MANIFEST_BYTES)
  const manifest = decodeSnapshotManifest(text, manifestUrl)
  const shardCount = task.shardCount ?? manifest.dataset.shardCount
  if (shardCount < 1 || shardCount > MAX_SHARDS)
    throw new KVError('INVALID_ARGUMENT', `${shardCount} is not 1 to ${MAX_SHARDS} shards`)
  const { keyOrder, maxCellVersions } = manifest.dataset
  const format: WritableFormat = maxCellVersions > 1 ? 'history' : 'mutable'
  const writers: LiveShardWriter[] = []
  for (let shard = 0; shard < shardCount; shard++)
    writers.push(await access.create(join(task.directory, String(shard)), { format, keyOrder }))
  const sink = new RowSink(writers, keyOrder, access)
  for (const file of manifest.files) await importFile(file, manifest, { task, access, sink })
  for (const writer of writers) await writer.seal(manifest.greatestStamp)
  const { rows, cells, takenAtMs } = manifest
  return { dataset: { ...manifest.dataset, shardCount }, takenAtMs, rows, cells }
}

class RowSink {
  /** The one that was written last is the last. */
  readonly #open = new Set<LiveShardWriter>()
  readonly #writers: readonly LiveShardWriter[]
  readonly #keyOrder: KeyOrder
  readonly #access: ImportAccess

  constructor(writers: readonly LiveShardWriter[], keyOrder: KeyOrder, access: ImportAccess) {
    this.#writers = writers
    this.#keyOrder = keyOrder
    this.#access = access
  }

  /** @throws {KVError} INVALID_ARGUMENT when a key or a value is larger than any may be */
  async add({ rowKey, cells }: RowPiece): Promise<void> {
    for (const { value } of cells) {
      if (value.length > limits.maxValueBytes)
        throw new KVError('CORRUPT', `a value of ${value.length} bytes: at most ${limits.maxValueBytes}`)
    }
    const token = this.#keyOrder === 'HASHED' ? this.#access.tokenOf(rowKey) : NO_TOKEN
    const writer = this.#writers[shardOfToken(token, this.#writers.length)]
    if (writer === undefined) throw new KVError('INTERNAL', 'a row has no shard')
    if (!this.#open.has(writer)) await this.#resume(writer)
    writer.add(token, rowKey, cells)
  }

  async #resume(writer: LiveShardWriter): Promise<void> {
    const [oldest] = this.#open
    if (oldest !== undefined && this.#open.size >= MAX_OPEN_SHARDS) {
      this.#open.delete(oldest)
      await oldest.suspend()
    }
    await writer.resume()
    this.#open.add(writer)
  }
}

interface ImportWork {
  readonly task: SnapshotImport
  readonly access: ImportAccess
  readonly sink: RowSink
}

async function importFile(
  file: SnapshotFile,
  { encoding, rows: total }: SnapshotManifest,
  { task, access, sink }: ImportWork,
): Promise<void> {
  const url = `${task.url}${file.name}`
  const path = join(task.workDirectory, file.name)
  await downloadFile(access.objects, url, { path, expected: file, onBytes: () => undefined })
  const counter = new PieceCounter()
  const batches = encoding === 'ndjson' ? piecesOfLines(path, url, file) : piecesOfCells(path, url, file)
  for await (const batch of batches) {
    for (const piece of batch) {
      counter.add(piece)
      if (counter.rows > file.rows || counter.cells > file.cells) throw wrongCounts(url, file, 'more')
      await sink.add(piece)
    }
    access.onProgress(counter.rows, total)
  }
  if (counter.rows !== file.rows || counter.cells !== file.cells) throw wrongCounts(url, file, 'fewer')
  await rm(path)
}

async function* piecesOfLines(
  path: string,
  url: string,
  { plainBytes }: SnapshotFile,
): AsyncGenerator<readonly RowPiece[]> {
  // What fails on the way comes out of the stream that is read.
  const plain: AsyncIterable<Buffer> = pipeline(createReadStream(path), createGunzip(), () => undefined)
  let pending: Buffer[] = []
  let pendingBytes = 0
  let readBytes = 0
  let line = 0
  try {
    for await (const chunk of plain) {
      readBytes += chunk.length
      if (readBytes > plainBytes)
        throw new KVError(
          'CORRUPT',
          `${url} unpacks to more than the ${plainBytes} bytes that its manifest says`,
        )
      const pieces: RowPiece[] = []
      let from = 0
      for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, from)) {
        pending.push(chunk.subarray(from, end))
        pieces.push(decodeLine(Buffer.concat(pending).toString('utf8'), `${url}:${++line}`))
        pending = []
        pendingBytes = 0
        from = end + 1
      }
      pending.push(chunk.subarray(from))
      pendingBytes += chunk.length - from
      if (pendingBytes > MAX_LINE_BYTES)
        throw new KVError('TOO_LARGE', `${url}:${line + 1}: the line is longer than ${MAX_LINE_BYTES} bytes`)
      if (pieces.length > 0) yield pieces
    }
  } catch (error) {
    if (error instanceof KVError) throw error
    throw new KVError('CORRUPT', `${url} cannot be unpacked: ${toKVError(error, 'gzip').message}`, {
      cause: error,
    })
  }
  if (pendingBytes > 0) throw new KVError('CORRUPT', `${url} ends in the middle of a line`)
}

async function* piecesOfCells(
  path: string,
  url: string,
  { plainBytes, sizeBytes }: SnapshotFile,
): AsyncGenerator<readonly RowPiece[]> {
  const file = await open(path)
  try {
    const readAt = async (offset: number, length: number) => {
      const bytes = Buffer.alloc(length)
      const { bytesRead } = await file.read(bytes, 0, length, offset)
      if (bytesRead !== length) throw new KVError('CORRUPT', `${url} ends before ${offset + length} bytes`)
      return bytes
    }
    let readBytes = 0
    for await (const batch of readCellFile(readAt, sizeBytes, url)) {
      for (const piece of batch) readBytes += plainBytesOf(piece)
      if (readBytes > plainBytes)
        throw new KVError(
          'CORRUPT',
          `${url} unpacks to more than the ${plainBytes} bytes that its manifest says`,
        )
      yield batch
    }
  } finally {
    await file.close()
  }
}

function wrongCounts(url: string, { rows, cells }: SnapshotFile, how: string): KVError {
  return new KVError(
    'CORRUPT',
    `${url} holds ${how} than the ${rows} rows and ${cells} cells that its manifest says: take the snapshot again`,
  )
}
