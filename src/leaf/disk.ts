/** The few file operations of the data directory: failures as KVErrors with the path, names made durable, modes private. */
import { statfsSync } from 'node:fs'
import { lstat, mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { KVError, toKVError } from '../base/errors.js'
import { hasCode, syncDirectory, syncFile } from './rocksdb/store/files.js'

/** For the owner alone: rows are other people's data. */
export const DIRECTORY_MODE = 0o700
const FILE_MODE = 0o600

/** Makes or replaces a file; content and name survive power loss. Not atomic. */
export async function writeFileDurably(file: string, text: string): Promise<void> {
  await onDisk('writing', file, async (path) => {
    await writeFile(path, text, { mode: FILE_MODE })
    await syncFile(path)
    await syncDirectory(dirname(path))
  })
}

/** Whether the disk below `path` has so much free, or a quarter of its size. A disk that cannot say is taken to have it. */
export function hasFreeBytes(path: string, bytes: number): boolean {
  try {
    const { bavail, blocks, bsize } = statfsSync(path)
    return bavail * bsize >= bytes || bavail * 4 >= blocks
  } catch {
    return true
  }
}

/** Of the disk below `path`, for who is no administrator; null: it cannot say. */
export function freeBytesOf(path: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  } catch {
    return null
  }
}

/** Renames and makes both names durable. */
export async function move(from: string, to: string): Promise<void> {
  await onDisk(`moving ${basename(from)} to`, to, () => rename(from, to))
  await onDisk('syncing', dirname(to), syncDirectory)
  if (dirname(from) !== dirname(to)) await onDisk('syncing', dirname(from), syncDirectory)
}

/** Makes it unless it is there; its parent must be. */
export async function makeDirectory(path: string): Promise<void> {
  await onDisk('making', path, async () => {
    try {
      await mkdir(path, { mode: DIRECTORY_MODE })
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
    }
  })
}

/**
 * Makes it and what is missing above it. Not Node's recursive mkdir, which never ends where a directory that exists
 * takes no entries (below /proc: the parent is there, making the child says ENOENT, and so on).
 */
export async function makeDirectories(path: string): Promise<void> {
  const missing: string[] = []
  for (let at = path; at !== dirname(at) && !(await exists(at)); at = dirname(at)) missing.push(at)
  for (const directory of missing.reverse()) await makeDirectory(directory)
}

export async function exists(path: string): Promise<boolean> {
  return onDisk('looking at', path, async () => {
    try {
      await lstat(path)
      return true
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false
      throw error
    }
  })
}

export async function list(path: string): Promise<string[]> {
  return onDisk('listing', path, () => readdir(path))
}

/** Null: there is no directory by that name. */
export async function listOrNull(path: string): Promise<string[] | null> {
  return onDisk('listing', path, async () => {
    try {
      return await readdir(path)
    } catch (error) {
      if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return null
      throw error
    }
  })
}

/** Runs it; what the file system throws becomes a KVError with the path. */
export async function onDisk<T>(verb: string, path: string, run: (path: string) => Promise<T>): Promise<T> {
  try {
    return await run(path)
  } catch (error) {
    throw toDiskError(error, verb, path)
  }
}

/** What the file system answers, with the path and the advice that fits most. */
function toDiskError(thrown: unknown, verb: string, path: string): KVError {
  if (thrown instanceof KVError) return thrown
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : null
  if (code === null) return toKVError(thrown, `${verb} ${path}`)
  const advice = ADVICE[code] ?? 'check the disk'
  return new KVError('UNAVAILABLE', `${verb} ${path} failed with ${code}: ${advice}`, { cause: thrown })
}

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full, make room',
  EDQUOT: 'the quota is used up, make room',
  EROFS: 'the file system is read-only',
  EACCES: 'this user may not do that, check owner and mode',
  EPERM: 'this user may not do that, check owner and mode',
  EMFILE: 'too many open files, raise the limit of descriptors',
  EXDEV: 'data/ must be one file system',
  ENOENT: 'it is not there, or was removed meanwhile',
}
