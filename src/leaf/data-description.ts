/**
 * GODWIT.json, which says that a directory is a data directory, of which format, and complete: it is written last. Decides
 * whether a directory may be used at all, before anything is written to it.
 */
import { randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { Clock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import { exists, listOrNull, makeDirectory, move, onDisk, writeFileDurably } from './disk.js'
import { readJsonNow, syncDirectory } from './rocksdb/store/files.js'

/** What GODWIT.json of this program's directories says. Never renumber. */
const FORMAT = 1

const DESCRIPTION = 'GODWIT.json'
const NEW_DESCRIPTION = 'GODWIT.json.new'

/** Every finished data directory has them. */
const PARTS: readonly string[] = ['kvsm', 'created', 'data']

/** Files of an empty RocksDB database, finished or not: all that lock/ ever holds. */
const LOCK_FILE = /^(CURRENT|IDENTITY|LOCK|(MANIFEST|OPTIONS)-\d+(\.dbtmp)?|\d+\.(log|dbtmp))$/

/** Made by the file system itself where a directory is a mount point. */
export const MOUNT_POINT_FOLDER = 'lost+found'

/** @throws {KVError} FAILED_PRECONDITION unless the directory is absent, empty, half made, or one of ours */
export async function checkIsOurs(root: string): Promise<void> {
  const names = await listOrNull(root)
  if (names === null) {
    if (await exists(root)) throw new KVError('FAILED_PRECONDITION', `${root} is a file: name a directory`)
    return
  }
  if (names.includes(DESCRIPTION)) {
    readDescription(root)
    return
  }
  if (await isHalfMade(root, names)) return
  throw new KVError(
    'FAILED_PRECONDITION',
    `${root} is not a godwit data directory (it has no ${DESCRIPTION}) and not empty: name another directory`,
  )
}

/** Empty, or what a crash within createLayout leaves: nothing in it was ever used. */
async function isHalfMade(root: string, names: readonly string[]): Promise<boolean> {
  for (const name of names) {
    if ([MOUNT_POINT_FOLDER, NEW_DESCRIPTION].includes(name)) continue
    if (name !== 'lock' && !PARTS.includes(name)) return false
    const inside = await listOrNull(join(root, name))
    const isOurs = (inner: string) => (name === 'lock' ? LOCK_FILE.test(inner) : inner === MOUNT_POINT_FOLDER)
    if (inside?.every(isOurs) !== true) return false
  }
  return true
}

/** The directory's id; null when there is no GODWIT.json. @throws {KVError} CORRUPT, FAILED_PRECONDITION */
export function readDescription(root: string): string | null {
  const path = join(root, DESCRIPTION)
  const found = readJsonNow(path)
  if (found === null) return null
  const { format, id, createdAt } = found
  const advice = 'restore this file from a backup'
  if (typeof format !== 'number' || !Number.isSafeInteger(format) || format < 1) {
    throw new KVError('CORRUPT', `${path} is damaged: it has no format number; ${advice}`)
  }
  if (format > FORMAT) {
    throw new KVError(
      'FAILED_PRECONDITION',
      `${root} is of format ${format}, this godwit reads format ${FORMAT}: start the newer godwit that wrote it`,
    )
  }
  if (typeof id !== 'string' || id === '' || typeof createdAt !== 'string') {
    throw new KVError('CORRUPT', `${path} is damaged: id or createdAt is missing; ${advice}`)
  }
  return id
}

/** Makes the parts and answers the new id. Called with the lock held, so that two processes cannot both create. */
export async function createLayout(root: string, clock: Clock): Promise<string> {
  for (const name of PARTS) await makeDirectory(join(root, name))
  const id = randomUUID()
  const createdAt = new Date(clock.nowMs()).toISOString()
  const text = `${JSON.stringify({ format: FORMAT, id, createdAt }, null, 2)}\n`
  const written = join(root, NEW_DESCRIPTION)
  await writeFileDurably(written, text)
  await move(written, join(root, DESCRIPTION))
  await onDisk('syncing', dirname(root), syncDirectory)
  return id
}

/** @throws {KVError} CORRUPT when a part is gone that every finished directory has */
export async function checkIsWhole(root: string): Promise<void> {
  for (const name of PARTS) {
    const path = join(root, name)
    if (await exists(path)) continue
    throw new KVError('CORRUPT', `${path} is missing: mount its volume, or restore it from a backup`)
  }
}
