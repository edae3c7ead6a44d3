/**
 * Writes a snapshot from shards that were linked at one point in time, in a process of its own: one file a shard that has
 * rows, then the manifest. Whatever interrupts it leaves no manifest, and the next attempt replaces what it left.
 */
import { Readable, pipeline } from 'node:stream'
import { createGzip } from 'node:zlib'
import { KVError } from '../base/errors.js'
import { namesBelow, writeDigested } from '../objects/checked-copy.js'
import type { ObjectStore } from '../objects/object-store.js'
import { type FrozenShard, frozenRows } from './frozen-rows.js'
import {
  encodeSnapshotManifest,
  isSnapshotFile,
  SNAPSHOT_MANIFEST,
  type SnapshotDataset,
  type SnapshotEncoding,
  type SnapshotFile,
  snapshotFileName,
} from './manifest.js'
import { encodeLine } from './ndjson.js'
import { CellFileWriter } from './parquet.js'
import { PieceCounter, type RowPiece } from './pieces.js'

export interface SnapshotExport {
  /** Ends in `/`. */
  readonly url: string
  readonly encoding: SnapshotEncoding
  readonly dataset: SnapshotDataset
  readonly takenAtMs: number
  readonly takenBy: string
  readonly greatestStamp: number
  /** One a shard, in shard order. */
  readonly directories: readonly string[]
}

export interface OpenFrozenShard extends FrozenShard {
  close(): Promise<void>
}

export interface ExportAccess {
  readonly objects: ObjectStore
  open(directory: string, shard: number): Promise<OpenFrozenShard>
  onProgress(rows: number): void
}

export interface ExportResult {
  readonly url: string
  readonly rows: number
  readonly cells: number
  readonly bytes: number
  readonly files: number
}

/** Levels above cost twice the time for a tenth of the bytes. */
const GZIP_LEVEL = 3

/** @throws {KVError} ALREADY_EXISTS when the place holds something, CORRUPT, UNAVAILABLE */
export async function exportSnapshot(task: SnapshotExport, access: ExportAccess): Promise<ExportResult> {
  const { url, directories, encoding, dataset, takenAtMs, takenBy, greatestStamp } = task
  const { objects } = access
  await clearPlace(objects, url)
  const files: SnapshotFile[] = []
  let rows = 0
  for (const [shard, directory] of directories.entries()) {
    const opened = await access.open(directory, shard)
    try {
      const onRows = (count: number) => access.onProgress(rows + count)
      const file = await exportShard(task, { objects, shard, opened, onRows })
      if (file !== null) files.push(file)
      rows += file?.rows ?? 0
    } finally {
      await opened.close()
    }
  }
  const cells = files.reduce((sum, file) => sum + file.cells, 0)
  const about = { encoding, dataset, takenAtMs, takenBy, greatestStamp }
  const manifest = encodeSnapshotManifest({ ...about, rows, cells, files })
  await writeDigested(objects, `${url}${SNAPSHOT_MANIFEST}`, Readable.from([manifest]), () => undefined)
  const bytes = files.reduce((sum, file) => sum + file.sizeBytes, 0)
  return { url, rows, cells, bytes, files: files.length }
}

/**
 * Removes what an attempt that did not finish left; anything else is nobody's to replace.
 * @throws {KVError} ALREADY_EXISTS, UNAVAILABLE
 */
export async function clearPlace(objects: ObjectStore, url: string): Promise<void> {
  const names = await namesBelow(objects, url)
  const foreign = names.find((name) => !isSnapshotFile(name))
  if (foreign !== undefined) {
    const what = foreign === SNAPSHOT_MANIFEST ? 'a snapshot already' : 'other files'
    throw new KVError('ALREADY_EXISTS', `${url} holds ${what}: name a place of its own for this snapshot`)
  }
  for (const name of names) await objects.remove(`${url}${name}`)
}

interface ShardSource {
  readonly objects: ObjectStore
  readonly shard: number
  readonly opened: OpenFrozenShard
  readonly onRows: (rows: number) => void
}

/** Null: the shard has no rows, and no file. */
async function exportShard(
  { url, encoding }: SnapshotExport,
  { objects, shard, opened, onRows }: ShardSource,
): Promise<SnapshotFile | null> {
  const pieces = frozenRows(opened)
  const first = await pieces.next()
  if (first.done === true) return null
  const counted = new CountedPieces(first.value, pieces, onRows)
  const name = snapshotFileName(shard, encoding)
  const content = encoding === 'ndjson' ? gzippedLines(counted) : cellFile(counted)
  const digest = await writeDigested(objects, `${url}${name}`, content, () => undefined)
  return { name, ...digest, ...counted.figures }
}

/** Pieces of a shard, counted as they are taken. */
class CountedPieces {
  readonly #first: readonly RowPiece[]
  readonly #rest: AsyncGenerator<readonly RowPiece[]>
  readonly #onRows: (rows: number) => void
  readonly #counter = new PieceCounter()
  plainBytes = 0

  constructor(
    first: readonly RowPiece[],
    rest: AsyncGenerator<readonly RowPiece[]>,
    onRows: (rows: number) => void,
  ) {
    this.#first = first
    this.#rest = rest
    this.#onRows = onRows
  }

  get figures(): Pick<SnapshotFile, 'rows' | 'cells' | 'plainBytes'> {
    const { rows, cells } = this.#counter
    return { rows, cells, plainBytes: this.plainBytes }
  }

  async *batches(): AsyncGenerator<readonly RowPiece[]> {
    yield this.#counted(this.#first)
    for await (const batch of this.#rest) yield this.#counted(batch)
  }

  #counted(batch: readonly RowPiece[]): readonly RowPiece[] {
    for (const piece of batch) this.#counter.add(piece)
    this.#onRows(this.#counter.rows)
    return batch
  }
}

function gzippedLines(counted: CountedPieces): AsyncIterable<Buffer> {
  const lines = async function* () {
    for await (const batch of counted.batches()) {
      const text = Buffer.from(batch.map(encodeLine).join(''), 'utf8')
      counted.plainBytes += text.length
      yield text
    }
  }
  // What fails in the lines comes out of the stream that is read.
  return pipeline(Readable.from(lines()), createGzip({ level: GZIP_LEVEL }), () => undefined)
}

async function* cellFile(counted: CountedPieces): AsyncGenerator<Buffer> {
  const writer = new CellFileWriter()
  for await (const batch of counted.batches()) {
    for (const piece of batch) {
      writer.add(piece)
      counted.plainBytes += plainBytesOf(piece)
      const bytes = await writer.take()
      if (bytes.length > 0) yield bytes
    }
  }
  yield await writer.finish()
}

/** Of a file of cells: bytes of keys and values, the row key with each cell. */
export function plainBytesOf({ rowKey, cells }: RowPiece): number {
  return cells.reduce((sum, { localKey, value }) => sum + rowKey.length + localKey.length + value.length, 0)
}
