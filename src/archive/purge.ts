/** Removes copies of versions: each manifest first, so that what is left of an interrupted removal looks like nothing. */
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { inParallel, namesBelow, readWhole } from '../objects/checked-copy.js'
import type { ObjectStore } from '../objects/object-store.js'
import {
  ARCHIVE_MANIFEST,
  type ArchiveManifest,
  decodeArchiveManifest,
  isArchivedFile,
  MAX_MANIFEST_BYTES,
} from './manifest.js'

export interface Purge {
  /** Each ends in `/`. */
  readonly urls: readonly string[]
  /** Copies of another dataset, which may have had the same name, stay. */
  readonly datasetId: string
  /** Present: of whole copies only the one that was begun at this time goes. */
  readonly archivedAtMs?: number
}

/** Answers how many objects went; again is fine. Other objects in the same places stay. @throws {KVError} UNAVAILABLE */
export async function purge(objects: ObjectStore, task: Purge): Promise<{ readonly removed: number }> {
  let removed = 0
  for (const url of task.urls) {
    const names = await namesBelow(objects, url)
    const manifest = names.includes(ARCHIVE_MANIFEST) ? await readManifest(objects, url) : null
    if (manifest !== null && !isMeant(task, manifest)) continue
    const files = names.filter(isArchivedFile)
    await objects.remove(`${url}${ARCHIVE_MANIFEST}`)
    await inParallel(files, limits.parallelTransfers, (name) => objects.remove(`${url}${name}`))
    removed += files.length + 1
  }
  return { removed }
}

function isMeant({ datasetId, archivedAtMs }: Purge, manifest: ArchiveManifest): boolean {
  if (manifest.dataset.id !== datasetId) return false
  return archivedAtMs === undefined || manifest.archivedAtMs === archivedAtMs
}

/** Null: nobody can restore from what it says. */
async function readManifest(objects: ObjectStore, url: string): Promise<ArchiveManifest | null> {
  const manifestUrl = `${url}${ARCHIVE_MANIFEST}`
  const text = await readWhole(objects, manifestUrl, MAX_MANIFEST_BYTES)
  try {
    return decodeArchiveManifest(text, manifestUrl)
  } catch (error) {
    if (error instanceof KVError && error.code === 'CORRUPT') return null
    throw error
  }
}
