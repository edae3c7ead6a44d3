/**
 * Puts an archived version back: every file against the manifest's sizes and checksums, then every row against the
 * shard's own seal, in a staging directory that the gateway adopts by a rename. Nothing that the manifest says is believed
 * before: it may have been written elsewhere, for another dataset, or to do harm.
 */
import { mkdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { versionChecksum } from '../base/version-checksum.js'
import type { KeyOrder } from '../model/dataset.js'
import type { VersionFigures } from '../model/metastore.js'
import { downloadFile, inParallel, readWhole } from '../objects/checked-copy.js'
import type { ObjectStore } from '../objects/object-store.js'
import type { OnProgress, ShardFormatAccess } from './copies.js'
import {
  ARCHIVE_MANIFEST,
  archivedBytes,
  type ArchiveManifest,
  decodeArchiveManifest,
  MAX_MANIFEST_BYTES,
} from './manifest.js'

/** What the archive must be the copy of, as the metastore has it. */
export interface CopyIn {
  /** Ends in `/`. */
  readonly url: string
  readonly datasetId: string
  readonly versionId: number
  readonly keyOrder: KeyOrder
  readonly figures: VersionFigures
  /** One a shard, in shard order; they do not exist yet, their parent does. */
  readonly directories: readonly string[]
}

/** Room that must be left on the disk behind a restore. */
const SPARE_BYTES = 256 * 1024 * 1024

/** @throws {KVError} INVALID_ARGUMENT (no archive there), CORRUPT, FAILED_PRECONDITION, UNAVAILABLE */
export async function copyIn(
  task: CopyIn,
  access: {
    readonly objects: ObjectStore
    readonly shards: ShardFormatAccess
    readonly onProgress: OnProgress
  },
): Promise<VersionFigures> {
  const { objects, shards: format, onProgress } = access
  const { url, directories } = task
  const manifestUrl = `${url}${ARCHIVE_MANIFEST}`
  const manifest = decodeArchiveManifest(
    await readWhole(objects, manifestUrl, MAX_MANIFEST_BYTES),
    manifestUrl,
  )
  checkIsOurs(manifest, task, format.sealedFormat)
  const total = archivedBytes(manifest)
  await checkRoom(directories[0], total)
  for (const directory of directories) {
    await mkdir(directory, { mode: 0o700 })
    await mkdir(join(directory, 'db'), { mode: 0o700 })
  }
  let copiedBytes = 0
  const onBytes = (bytes: number) => onProgress('copying', (copiedBytes += bytes), total)
  await inParallel(manifest.files, limits.parallelTransfers, async ({ name, sizeBytes, sha256 }) => {
    const slash = name.indexOf('/')
    const directory = directories[Number(name.slice(0, slash))]
    if (directory === undefined) throw new KVError('INTERNAL', `no directory for ${name}`)
    const path = join(directory, name.slice(slash + 1))
    await downloadFile(objects, `${url}${name}`, { path, expected: { sizeBytes, sha256 }, onBytes })
  })
  await verifyAll(manifest, task, access)
  return task.figures
}

/** @throws {KVError} FAILED_PRECONDITION when it is the copy of something else, or newer than this program */
function checkIsOurs(manifest: ArchiveManifest, task: CopyIn, sealedFormat: number): void {
  const { dataset, version, keyOrder, shards } = manifest
  const { rows, bytes, checksum } = task.figures
  const refuse = (what: string) =>
    new KVError('FAILED_PRECONDITION', `${task.url} is not the copy of this version: ${what}`)
  if (dataset.id !== task.datasetId) throw refuse(`it is of dataset ${dataset.name} (${dataset.id})`)
  if (version.id !== task.versionId) throw refuse(`it is version ${version.id}`)
  if (version.rows !== rows || version.bytes !== bytes || version.checksum !== checksum)
    throw refuse(`its figures are ${version.rows} rows, ${version.bytes} bytes, checksum ${version.checksum}`)
  if (versionChecksum(shards.map((shard) => shard.checksum)) !== checksum)
    throw refuse('the checksums of its shards are not those of its rows')
  if (keyOrder !== task.keyOrder || shards.length !== task.directories.length)
    throw refuse(`it has ${shards.length} shards, ${keyOrder}`)
  if (manifest.sealedFormat !== sealedFormat)
    throw refuse(`its shards are of format ${manifest.sealedFormat}, this godwit reads ${sealedFormat}`)
}

async function checkRoom(directory: string | undefined, neededBytes: number): Promise<void> {
  if (directory === undefined) return
  const { bavail, bsize } = await statfs(join(directory, '..'))
  if (bavail * bsize >= neededBytes + SPARE_BYTES) return
  throw new KVError(
    'UNAVAILABLE',
    `the restored version needs ${neededBytes} bytes and the disk has ${bavail * bsize} free: make room`,
  )
}

async function verifyAll(
  { shards, version }: ArchiveManifest,
  { directories, keyOrder, url }: CopyIn,
  { shards: format, onProgress }: { readonly shards: ShardFormatAccess; readonly onProgress: OnProgress },
): Promise<void> {
  let readBytes = 0
  for (const [index, directory] of directories.entries()) {
    const shard = await format.open(directory, keyOrder)
    let found: VersionFigures
    try {
      found = shard.verify((bytes) => onProgress('checking', (readBytes += bytes), version.bytes))
    } finally {
      await shard.close()
    }
    const said = shards[index]
    if (found.rows !== said?.rows || found.bytes !== said.bytes || found.checksum !== said.checksum)
      throw new KVError('CORRUPT', `${url}: shard ${index} is not what the manifest says; archive it again`)
    await format.sync(directory)
  }
}
