/**
 * Copies a version to object storage. In a process of its own, from links that hold the files: retention may remove the
 * version meanwhile. A complete copy of the same version that is there already is left as it is: it may be the only one
 * by now. Otherwise in this order, so that whatever interrupts it leaves no manifest or a complete copy: the shards are
 * read and checked; an incomplete copy loses its manifest; the files are written, then what does not belong to them is
 * removed; the manifest is written.
 */
import { join } from 'node:path'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { KeyOrder } from '../model/dataset.js'
import type { VersionFigures } from '../model/metastore.js'
import {
  inParallel,
  isObjectAs,
  namesBelow,
  readWhole,
  uploadFile,
  writeDigested,
} from '../objects/checked-copy.js'
import type { ObjectStore } from '../objects/object-store.js'
import type { OnProgress, ShardFormatAccess } from './copies.js'
import {
  ARCHIVE_MANIFEST,
  type ArchivedFile,
  type ArchiveManifest,
  type ArchivedVersion,
  decodeArchiveManifest,
  encodeArchiveManifest,
  MAX_MANIFEST_BYTES,
} from './manifest.js'

export interface CopyOut {
  /** Ends in `/`. */
  readonly url: string
  readonly dataset: { readonly id: string; readonly name: string }
  readonly keyOrder: KeyOrder
  readonly version: ArchivedVersion
  readonly archivedAtMs: number
  /** One a shard, in shard order. */
  readonly directories: readonly string[]
}

export interface CopyResult {
  readonly url: string
  readonly files: number
  readonly bytes: number
  readonly rows: number
}

/** @throws {KVError} ALREADY_EXISTS when another version's copy is there, CORRUPT, UNAVAILABLE */
export async function copyOut(
  task: CopyOut,
  access: {
    readonly objects: ObjectStore
    readonly shards: ShardFormatAccess
    readonly onProgress: OnProgress
  },
): Promise<CopyResult> {
  const { objects, shards: format, onProgress } = access
  const { url, dataset, keyOrder, version, directories, archivedAtMs } = task
  const names = await namesBelow(objects, url)
  const present = names.includes(ARCHIVE_MANIFEST) ? await presentCopy(objects, task) : null
  if (present !== null && (await isComplete(objects, url, present))) {
    return { url, files: present.files.length, bytes: 0, rows: version.rows }
  }
  const shards = await verifyAll(task, format, onProgress)
  if (present !== null) await objects.remove(`${url}${ARCHIVE_MANIFEST}`)
  const copied: ArchivedFile[] = []
  let sentBytes = 0
  const onBytes = (bytes: number) => onProgress('copying', (sentBytes += bytes), null)
  const sources: { readonly name: string; readonly path: string }[] = []
  for (const [shard, directory] of directories.entries()) {
    for (const file of await format.files(directory))
      sources.push({ name: `${shard}/${file}`, path: join(directory, file) })
  }
  await inParallel(sources, limits.parallelTransfers, async ({ name, path }) => {
    copied.push({ name, ...(await uploadFile(objects, path, { url: `${url}${name}`, onBytes })) })
  })
  const kept = new Set(copied.map(({ name }) => name))
  await inParallel(
    names.filter((name) => name !== ARCHIVE_MANIFEST && !kept.has(name)),
    limits.parallelTransfers,
    (name) => objects.remove(`${url}${name}`),
  )
  copied.sort((a, b) => (a.name < b.name ? -1 : 1))
  const manifest = {
    ...{ dataset, keyOrder, version, sealedFormat: format.sealedFormat, archivedAtMs },
    ...{ shards, files: copied },
  }
  const text = encodeArchiveManifest(manifest)
  await writeDigested(objects, `${url}${ARCHIVE_MANIFEST}`, inOnePiece(text), () => undefined)
  return { url, files: copied.length, bytes: sentBytes, rows: version.rows }
}

/** What the manifest that is there says; a copy of another version is nobody's to replace. */
async function presentCopy(
  objects: ObjectStore,
  { url, dataset, version }: CopyOut,
): Promise<ArchiveManifest> {
  const manifestUrl = `${url}${ARCHIVE_MANIFEST}`
  const present = decodeArchiveManifest(
    await readWhole(objects, manifestUrl, MAX_MANIFEST_BYTES),
    manifestUrl,
  )
  const isSame =
    present.dataset.id === dataset.id &&
    present.version.id === version.id &&
    present.version.checksum === version.checksum
  if (isSame) return present
  throw new KVError(
    'ALREADY_EXISTS',
    `${url} holds another version ${present.version.id} of dataset ${present.dataset.name}: name another place`,
  )
}

/**
 * Whether every file that the manifest names is there and is what it says. They are read: the files here may go because
 * this says yes.
 */
async function isComplete(objects: ObjectStore, url: string, { files }: ArchiveManifest): Promise<boolean> {
  const present = new Map((await objects.list(url)).map((object) => [object.url, object]))
  let isWhole = files.every(({ name }) => present.has(`${url}${name}`))
  await inParallel(isWhole ? files : [], limits.parallelTransfers, async ({ name, ...expected }) => {
    const object = present.get(`${url}${name}`)
    if (object === undefined || !isWhole) return
    if (!(await isObjectAs(objects, object, expected))) isWhole = false
  })
  return isWhole
}

async function verifyAll(
  { directories, keyOrder, version }: CopyOut,
  format: ShardFormatAccess,
  onProgress: OnProgress,
): Promise<VersionFigures[]> {
  const shards: VersionFigures[] = []
  let readBytes = 0
  for (const directory of directories) {
    const shard = await format.open(directory, keyOrder)
    try {
      shards.push(shard.verify((bytes) => onProgress('checking', (readBytes += bytes), version.bytes)))
    } finally {
      await shard.close()
    }
  }
  const rows = shards.reduce((sum, shard) => sum + shard.rows, 0)
  if (rows !== version.rows)
    throw new KVError('CORRUPT', `version ${version.id} holds ${rows} rows, recorded are ${version.rows}`)
  return shards
}

// eslint-disable-next-line @typescript-eslint/require-await -- an async generator is what writers of objects take
async function* inOnePiece(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}
