/**
 * One process a data directory: the lock is the LOCK file of a tiny DB that stays open, which the kernel releases with the
 * process however it dies, unlike a file with a process id.
 */
import { mkdir } from 'node:fs/promises'
import { KVError, toKVError } from '../../../base/errors.js'
import { OwnedDatabase } from './binding.js'
import { hasCode } from './files.js'
import { LOCK_OPTIONS } from './options.js'

export interface DirectoryLock {
  release(): Promise<void>
}

/**
 * Holds `directory` (made if missing, used for nothing else) until it is released or the process ends.
 * @throws {KVError} UNAVAILABLE when another process, or another part of this one, holds it
 */
export async function acquireDirectoryLock(directory: string): Promise<DirectoryLock> {
  await mkdir(directory, { recursive: true }).catch((error: unknown) => {
    throw toKVError(error, `making ${directory}`)
  })
  const database = await openOrCreate(directory)
  return { release: () => database.close() }
}

async function openOrCreate(directory: string): Promise<OwnedDatabase> {
  try {
    return await OwnedDatabase.open(directory, LOCK_OPTIONS)
  } catch (error) {
    if (!(error instanceof KVError)) throw error
    if (isLocked(error)) throw lockedError(directory, error)
    if (error.code !== 'FAILED_PRECONDITION') throw error
  }
  try {
    return await OwnedDatabase.create(directory, LOCK_OPTIONS)
  } catch (error) {
    // Another process may have been faster; it holds the lock then.
    if (error instanceof KVError && isLocked(error)) throw lockedError(directory, error)
    throw error
  }
}

function isLocked(error: KVError): boolean {
  return hasCode(error.cause, 'LEVEL_LOCKED')
}

function lockedError(directory: string, cause: KVError): KVError {
  return new KVError(
    'UNAVAILABLE',
    `data directory ${directory} is used by another process; stop that one first`,
    {
      cause,
    },
  )
}
