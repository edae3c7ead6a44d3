/** Removes copies of versions: each manifest first, so that what is left of an interrupted removal looks like nothing. */
import { limits } from '../base/limits.js'
import { inParallel, namesBelow } from '../objects/checked-copy.js'
import type { ObjectStore } from '../objects/object-store.js'
import { ARCHIVE_MANIFEST, isArchivedFile } from './manifest.js'

/** Answers how many objects went; again is fine. Other objects in the same places stay. @throws {KVError} UNAVAILABLE */
export async function purge(
  objects: ObjectStore,
  urls: readonly string[],
): Promise<{ readonly removed: number }> {
  let removed = 0
  for (const url of urls) {
    const files = (await namesBelow(objects, url)).filter(isArchivedFile)
    await objects.remove(`${url}${ARCHIVE_MANIFEST}`)
    await inParallel(files, limits.parallelTransfers, (name) => objects.remove(`${url}${name}`))
    removed += files.length + 1
  }
  return { removed }
}
