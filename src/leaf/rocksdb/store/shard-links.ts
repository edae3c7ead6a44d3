/**
 * A shard's files under a second name, in milliseconds, while its DB is open: what is copied at leisure afterwards (an
 * archive, a snapshot, a comparison) is one point in time, and holds neither the shard nor its version.
 *
 * Table files never change, so they are linked. CURRENT and its MANIFEST are copied, and the tables are linked again
 * behind that, for those that the manifest names and that came meanwhile. The log goes on growing under its own name, so
 * it is linked with its size in the name, and `finishLinks` keeps just so many bytes of it. Compaction may delete a table
 * in between, or the manifest be read in the middle of a write: then the linked DB does not open, and is linked again. What
 * proves that it is whole is the sequence beside it, which opening compares (store.ts).
 */
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { copyFile, readdir, rename, truncate, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { KVError } from '../../../base/errors.js'
import { hasCode } from './files.js'
import { databaseDirectory, type Watermark } from './shard-files.js'

const TABLE = /^\d+\.sst$/
const LOG = /^\d+\.log$/
const OTHER = /^(OPTIONS-\d+|IDENTITY)$/
const LINKED_LOG = /^(\d+\.log)\.(\d+)\.linked$/
const MODE = 0o700

/**
 * Links a shard to a directory that does not exist; its parent does. In one tick. For a shard that can be written, call it
 * where nothing is written meanwhile, with what the DB says there.
 * @throws {KVError} UNAVAILABLE when a file vanished meanwhile or the disk fails: remove the directory and link again
 */
export function linkShard(source: string, target: string, watermark: Watermark | null): void {
  try {
    mkdirSync(target, { mode: MODE })
    mkdirSync(databaseDirectory(target), { mode: MODE })
    copyFileSync(join(source, 'FORMAT.json'), join(target, 'FORMAT.json'))
    if (watermark === null) copyFileSync(join(source, 'SEALED.json'), join(target, 'SEALED.json'))
    else writeFileSync(join(target, 'WATERMARK.json'), JSON.stringify(watermark))
    linkDatabase(databaseDirectory(source), databaseDirectory(target))
  } catch (error) {
    if (error instanceof KVError) throw error
    if (!hasCode(error, 'ENOENT')) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new KVError('UNAVAILABLE', `linking ${source} failed: ${reason}; check the disk`, {
        cause: error,
      })
    }
    throw new KVError('UNAVAILABLE', `files of ${source} changed while they were linked: try again`, {
      cause: error,
    })
  }
}

function linkDatabase(source: string, target: string): void {
  for (const name of readdirSync(source)) {
    const from = join(source, name)
    if (LOG.test(name)) linkIfThere(from, join(target, `${name}.${statSync(from).size}.linked`))
    else if (TABLE.test(name) || OTHER.test(name)) linkIfThere(from, join(target, name))
  }
  const current = readFileSync(join(source, 'CURRENT'))
  const manifest = current.toString('utf8').trim()
  if (!/^MANIFEST-\d+$/.test(manifest))
    throw new KVError('CORRUPT', `${source}/CURRENT names no manifest: restore it or load it again`)
  copyFileSync(join(source, manifest), join(target, manifest))
  writeFileSync(join(target, 'CURRENT'), current)
  for (const name of readdirSync(source)) {
    if (TABLE.test(name)) linkIfThere(join(source, name), join(target, name))
  }
}

/** Gone is fine, a manifest that still names it is found when the DB is opened; there already is, too. */
function linkIfThere(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    if (!hasCode(error, 'ENOENT') && !hasCode(error, 'EEXIST')) throw error
  }
}

/** Makes of linked logs what they held when they were linked. Before the linked DB is opened. */
export async function finishLinks(shardDirectory: string): Promise<void> {
  const directory = databaseDirectory(shardDirectory)
  for (const name of await readdir(directory)) {
    const [, log, size] = LINKED_LOG.exec(name) ?? []
    if (log === undefined || size === undefined) continue
    const linked = join(directory, name)
    const copy = join(directory, `${log}.copy`)
    await copyFile(linked, copy)
    await truncate(copy, Number(size))
    await rename(copy, join(directory, log))
    await unlink(linked)
  }
}
