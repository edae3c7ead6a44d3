/**
 * `snapshot.json`: of which dataset a snapshot is, of which moment, and every file of it. Written last, so that its presence
 * says that the snapshot is complete. One that is read may come from anywhere and is checked whole (FORMATS.md).
 */
import { KVError } from '../base/errors.js'
import { type JsonFields, parseFields } from '../base/json-fields.js'
import type { DatasetRecord, Durability, KeyOrder, TimestampUnit } from '../model/dataset.js'
import type { FileDigest } from '../objects/checked-copy.js'

export const SNAPSHOT_MANIFEST = 'snapshot.json'

/** Names the layout of the manifest and of the files beside it. Never renumber. */
const FORMAT = 'godwit-snapshot'
const NUMBER = 1

export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024
const MAX_SHARDS = 1_024

export const SNAPSHOT_ENCODINGS = ['ndjson', 'parquet'] as const
export type SnapshotEncoding = (typeof SNAPSHOT_ENCODINGS)[number]

const KEY_ORDERS: readonly KeyOrder[] = ['HASHED', 'ORDERED']
const TIMESTAMP_UNITS: readonly TimestampUnit[] = ['MICROSECONDS', 'MILLISECONDS', 'OPAQUE']
const DURABILITIES: readonly Durability[] = ['LOG', 'LOG_SYNCED']

/** Settings that a dataset made from the snapshot takes over. */
export type SnapshotDataset = Pick<
  DatasetRecord,
  | 'id'
  | 'name'
  | 'description'
  | 'keyOrder'
  | 'timestampUnit'
  | 'shardCount'
  | 'maxValueBytes'
  | 'maxCellVersions'
  | 'graceSeconds'
  | 'defaultTtlSeconds'
  | 'defaultDurability'
>

export interface SnapshotFile extends FileDigest {
  /** `shard-0003.ndjson.gz` */
  readonly name: string
  readonly rows: number
  readonly cells: number
  /** Bytes before they were compressed; Parquet: those of keys and values. */
  readonly plainBytes: number
}

export interface SnapshotManifest {
  readonly encoding: SnapshotEncoding
  readonly dataset: SnapshotDataset
  /** The moment that it shows. */
  readonly takenAtMs: number
  readonly takenBy: string
  /** The greatest timestamp that the dataset's writer had given until then; 0: none. */
  readonly greatestStamp: number
  readonly rows: number
  readonly cells: number
  readonly files: readonly SnapshotFile[]
}

const SUFFIXES: Record<SnapshotEncoding, string> = { ndjson: '.ndjson.gz', parquet: '.parquet' }
const FILE_NAME = /^shard-\d{4}\.(ndjson\.gz|parquet)$/

export function snapshotFileName(shard: number, encoding: SnapshotEncoding): string {
  return `shard-${String(shard).padStart(4, '0')}${SUFFIXES[encoding]}`
}

/** Whether a snapshot may have a file of this name. */
export function isSnapshotFile(name: string): boolean {
  return FILE_NAME.test(name)
}

export function encodeSnapshotManifest(manifest: SnapshotManifest): Buffer {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, number: NUMBER, ...manifest }, null, 1)}\n`)
}

/**
 * @param url for messages
 * @throws {KVError} CORRUPT when it is none or its parts contradict each other, FAILED_PRECONDITION when it is newer
 */
export function decodeSnapshotManifest(bytes: Buffer, url: string): SnapshotManifest {
  const refuse = (what: string, cause?: unknown) => wrong(url, what, cause)
  const found = parseFields(bytes, refuse)
  if (found.text('format') !== FORMAT) throw refuse('it is no snapshot')
  const number = found.count('number')
  if (number !== NUMBER) {
    throw new KVError(
      'FAILED_PRECONDITION',
      `${url} is of format ${number}, this godwit reads ${NUMBER}: use the program that wrote it`,
    )
  }
  const encoding = found.oneOf('encoding', SNAPSHOT_ENCODINGS)
  const manifest: SnapshotManifest = {
    encoding,
    dataset: datasetOf(found.object('dataset')),
    takenAtMs: found.count('takenAtMs'),
    takenBy: found.text('takenBy'),
    greatestStamp: found.count('greatestStamp'),
    rows: found.count('rows'),
    cells: found.count('cells'),
    files: found.list('files', MAX_SHARDS).map((file) => fileOf(file, encoding, refuse)),
  }
  const names = new Set(manifest.files.map(({ name }) => name))
  if (names.size !== manifest.files.length) throw refuse('it names a file twice')
  for (const what of ['rows', 'cells'] as const) {
    const sum = manifest.files.reduce((total, file) => total + file[what], 0)
    if (sum !== manifest[what])
      throw refuse(`its files have ${sum} ${what} together, it says ${manifest[what]}`)
  }
  return manifest
}

function fileOf(
  file: JsonFields,
  encoding: SnapshotEncoding,
  refuse: (what: string) => KVError,
): SnapshotFile {
  const name = file.text('name')
  if (!FILE_NAME.test(name) || !name.endsWith(SUFFIXES[encoding]))
    throw refuse('it names a file that no snapshot has')
  const sha256 = file.text('sha256')
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw refuse(`the checksum of ${name} is none`)
  const [sizeBytes, plainBytes] = [file.count('sizeBytes'), file.count('plainBytes')]
  return { name, sizeBytes, sha256, rows: file.count('rows'), cells: file.count('cells'), plainBytes }
}

function datasetOf(fields: JsonFields): SnapshotDataset {
  return {
    id: fields.text('id'),
    name: fields.text('name'),
    description: fields.text('description'),
    keyOrder: fields.oneOf('keyOrder', KEY_ORDERS),
    timestampUnit: fields.oneOf('timestampUnit', TIMESTAMP_UNITS),
    shardCount: fields.count('shardCount'),
    maxValueBytes: fields.count('maxValueBytes'),
    maxCellVersions: fields.count('maxCellVersions'),
    graceSeconds: fields.count('graceSeconds'),
    defaultTtlSeconds: fields.countOrNull('defaultTtlSeconds'),
    defaultDurability: fields.oneOf('defaultDurability', DURABILITIES),
  }
}

/** What a snapshot takes over of a dataset's record. */
export function snapshotDatasetOf(record: DatasetRecord): SnapshotDataset {
  const { id, name, description, keyOrder, timestampUnit, shardCount, maxValueBytes } = record
  const { maxCellVersions, graceSeconds, defaultTtlSeconds, defaultDurability } = record
  return {
    ...{ id, name, description, keyOrder, timestampUnit, shardCount, maxValueBytes },
    ...{ maxCellVersions, graceSeconds, defaultTtlSeconds, defaultDurability },
  }
}

function wrong(url: string, what: string, cause?: unknown): KVError {
  return new KVError('CORRUPT', `${url} is damaged or foreign: ${what}; take the snapshot again`, { cause })
}
