/**
 * `archive.json`: what an archived version is, and every file of it. Written last, so that its presence says that the copy
 * is complete. One that is read may come from anywhere: everything in it is checked, and what it names can be nothing but
 * the files of a version (FORMATS.md has the format).
 */
import { KVError } from '../base/errors.js'
import { type JsonFields, parseFields } from '../base/json-fields.js'
import type { KeyOrder } from '../model/dataset.js'
import type { VersionFigures } from '../model/metastore.js'
import type { FileDigest } from '../objects/checked-copy.js'

export const ARCHIVE_MANIFEST = 'archive.json'

/** Names the layout of the manifest and of the files beside it. Never renumber. */
const FORMAT = 'godwit-archive'
const NUMBER = 1

/** A version of a thousand shards with a hundred files each. */
export const MAX_MANIFEST_BYTES = 32 * 1024 * 1024
const MAX_FILES = 200_000
const MAX_SHARDS = 1_024
const KEY_ORDERS: readonly KeyOrder[] = ['HASHED', 'ORDERED']

export interface ArchivedFile extends FileDigest {
  /** `<shard>/db/000012.sst`: one of the names that FILE_NAME allows. */
  readonly name: string
}

export interface ArchivedVersion extends VersionFigures {
  readonly id: number
  readonly source: string
  readonly loadedBy: string
  readonly createdAtMs: number
}

export interface ArchiveManifest {
  readonly dataset: { readonly id: string; readonly name: string }
  readonly keyOrder: KeyOrder
  readonly version: ArchivedVersion
  /** Number of the sealed format of its shards. */
  readonly sealedFormat: number
  readonly archivedAtMs: number
  /** One a shard, in shard order. */
  readonly shards: readonly VersionFigures[]
  readonly files: readonly ArchivedFile[]
}

const FILE_NAME =
  /^(0|[1-9]\d{0,3})\/(FORMAT\.json|SEALED\.json|db\/(CURRENT|IDENTITY|(MANIFEST|OPTIONS)-\d{1,20}|\d{1,20}\.sst))$/

/** Whether an archive may have a file of this name. */
export function isArchivedFile(name: string): boolean {
  return FILE_NAME.test(name)
}

export function encodeArchiveManifest(manifest: ArchiveManifest): Buffer {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, number: NUMBER, ...manifest }, null, 1)}\n`)
}

/**
 * @param url for messages
 * @throws {KVError} CORRUPT when it is none or its parts contradict each other, FAILED_PRECONDITION when it is newer
 */
export function decodeArchiveManifest(bytes: Buffer, url: string): ArchiveManifest {
  const found = parseFields(bytes, (what, cause) => wrong(url, what, cause))
  if (found.text('format') !== FORMAT) throw wrong(url, 'it is no archive of a version')
  const number = found.count('number')
  if (number !== NUMBER) {
    throw new KVError(
      'FAILED_PRECONDITION',
      `${url} is of format ${number}, this godwit reads ${NUMBER}: use the program that wrote it`,
    )
  }
  const dataset = found.object('dataset')
  const version = found.object('version')
  const manifest: ArchiveManifest = {
    dataset: { id: dataset.text('id'), name: dataset.text('name') },
    keyOrder: found.oneOf('keyOrder', KEY_ORDERS),
    version: {
      ...figuresOf(version),
      id: version.count('id'),
      source: version.text('source'),
      loadedBy: version.text('loadedBy'),
      createdAtMs: version.count('createdAtMs'),
    },
    sealedFormat: found.count('sealedFormat'),
    archivedAtMs: found.count('archivedAtMs'),
    shards: found.list('shards', MAX_SHARDS).map(figuresOf),
    files: found.list('files', MAX_FILES).map((file) => fileOf(file, url)),
  }
  checkFiles(manifest, url)
  return manifest
}

/** Bytes of all its files. */
export function archivedBytes({ files }: ArchiveManifest): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

/** Every file once, of shards that there are, and of each shard what no shard is without. */
function checkFiles({ files, shards }: ArchiveManifest, url: string): void {
  const names = new Set(files.map(({ name }) => name))
  if (names.size !== files.length) throw wrong(url, 'it names a file twice')
  if (shards.length === 0) throw wrong(url, 'it has no shards')
  for (const name of names) {
    if (Number(name.slice(0, name.indexOf('/'))) >= shards.length)
      throw wrong(url, `it names a file of a shard beyond its ${shards.length}`)
  }
  for (const shard of shards.keys()) {
    const needed = ['FORMAT.json', 'SEALED.json', 'db/CURRENT'].find((name) => !names.has(`${shard}/${name}`))
    if (needed !== undefined) throw wrong(url, `shard ${shard} has no ${needed}`)
  }
}

function fileOf(file: JsonFields, url: string): ArchivedFile {
  const name = file.text('name')
  if (!FILE_NAME.test(name)) throw wrong(url, 'it names a file that no version has')
  const sha256 = file.text('sha256')
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw wrong(url, `the checksum of ${name} is none`)
  return { name, sizeBytes: file.count('sizeBytes'), sha256 }
}

function figuresOf(fields: JsonFields): VersionFigures {
  return { rows: fields.count('rows'), bytes: fields.count('bytes'), checksum: fields.text('checksum') }
}

function wrong(url: string, what: string, cause?: unknown): KVError {
  return new KVError('CORRUPT', `${url} is damaged or foreign: ${what}; archive the version again`, { cause })
}
