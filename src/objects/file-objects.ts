/**
 * Files of the gateway's machine as objects. Regular files only. Where `roots` are given, whatever is opened must lie
 * below one of them after every symbolic link is followed; this is checked on the open file, so that a link that is
 * exchanged meanwhile changes nothing.
 *
 * A write goes to a temporary file beside its target, is synced and renamed, and then its directory is synced: after a
 * crash there is the old object or the new one, and perhaps a temporary file, which listings leave out.
 */
import { randomBytes } from 'node:crypto'
import { constants, type BigIntStats } from 'node:fs'
import {
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  stat,
  unlink,
  type FileHandle,
} from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { type DirectOnly, NothingThereError, type ObjectStore, type StoredObject } from './object-store.js'
import { pathOfUrl, urlOfPath } from './object-url.js'

export interface FileObjectsOptions {
  /** Directories that everything must lie below; empty: anywhere. */
  readonly roots: readonly string[]
}

// Small enough that what is made of one piece dies young: a megabyte costs a load a third more.
const READ_BYTES = 128 * 1024
const TEMPORARY = /^\.godwit-[0-9a-f]{16}\.tmp$/
/** FIFOs must not be waited for, and the page cache must not be asked for what nobody will read. */
const OPEN_TO_READ = constants.O_RDONLY | constants.O_NONBLOCK

export class FileObjects implements ObjectStore {
  readonly #roots: readonly string[]

  constructor({ roots }: FileObjectsOptions) {
    this.#roots = roots
  }

  async list(url: string, only?: DirectOnly): Promise<readonly StoredObject[]> {
    const path = pathOfUrl(url)
    const found = await this.#guard(url, () => statOfPlace(url, path))
    if (!found.isDirectory()) return [await this.stat(url)]
    const objects: StoredObject[] = []
    await this.#listBelow(path, objects, { above: new Set(), ...(only !== undefined && { only }) })
    return objects.sort((one, other) => (one.url < other.url ? -1 : 1))
  }

  stat(url: string): Promise<StoredObject> {
    return this.#guard(url, async () => {
      const file = await this.#open(url)
      try {
        return describe(url, await file.stat({ bigint: true }))
      } finally {
        await file.close()
      }
    })
  }

  async *read(object: StoredObject, offset = 0, length?: number): AsyncGenerator<Buffer> {
    const { url } = object
    const file = await this.#guard(url, () => this.#open(url))
    try {
      await this.#guard(url, () => refuseChanged(object, file))
      const end = Math.min(object.sizeBytes, offset + (length ?? Number.POSITIVE_INFINITY))
      let position = offset
      while (position < end) {
        // A piece of its own each time: those who are given it keep parts of it.
        const piece = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, end - position))
        const { bytesRead } = await this.#guard(url, () => file.read(piece, 0, piece.length, position))
        if (bytesRead === 0) throw changed(url)
        position += bytesRead
        yield bytesRead === piece.length ? piece : piece.subarray(0, bytesRead)
      }
      await this.#guard(url, () => refuseChanged(object, file))
    } finally {
      await file.close()
    }
  }

  async write(url: string, content: AsyncIterable<Buffer>): Promise<StoredObject> {
    const path = pathOfUrl(url)
    const folder = dirname(path)
    if (url.endsWith('/')) throw new KVError('INVALID_ARGUMENT', `${url} names a directory, not an object`)
    const made = await this.#guard(url, () => this.#makeFolder(url, folder))
    const temporary = join(folder, `.godwit-${randomBytes(8).toString('hex')}.tmp`)
    const file = await this.#guard(url, () => open(temporary, 'wx', 0o644))
    try {
      try {
        for await (const piece of content) await this.#guard(url, () => file.writeFile(piece))
        await this.#guard(url, () => file.sync())
      } finally {
        await file.close()
      }
      await this.#guard(url, () => rename(temporary, path))
    } catch (error) {
      await unlink(temporary).catch(() => undefined)
      throw error
    }
    await this.#guard(url, () => syncFolders(folder, made))
    return this.stat(url)
  }

  async remove(url: string): Promise<void> {
    const path = pathOfUrl(url)
    await this.#guard(url, async () => {
      try {
        await this.#refuseOutside(url, await realpath(dirname(path)))
        await unlink(path)
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return
        throw error
      }
      await syncFolder(dirname(path))
    })
  }

  async #listBelow(
    folder: string,
    objects: StoredObject[],
    { above, only }: { readonly above: ReadonlySet<string>; readonly only?: DirectOnly },
  ): Promise<void> {
    const url = urlOfPath(folder)
    const real = await this.#guard(url, () => realpath(folder))
    if (above.has(real)) throw new KVError('INVALID_ARGUMENT', `${url} is a link to a directory above it`)
    await this.#guard(url, () => this.#refuseOutside(url, real))
    for (const name of await this.#guard(url, () => readdir(folder))) {
      if (TEMPORARY.test(name) || (only !== undefined && !name.startsWith(only.namesBegin))) continue
      const path = join(folder, name)
      const found = await this.#guard(urlOfPath(path), () => stat(path, { bigint: true }))
      if (found.isDirectory()) {
        if (only === undefined) await this.#listBelow(path, objects, { above: new Set([...above, real]) })
      } else objects.push(await this.stat(urlOfPath(path)))
      if (objects.length > limits.maxListedObjects) {
        throw new KVError(
          'INVALID_ARGUMENT',
          `there are more than ${limits.maxListedObjects} files below ${url}`,
        )
      }
    }
  }

  async #open(url: string): Promise<FileHandle> {
    const file = await open(pathOfUrl(url), OPEN_TO_READ)
    try {
      const found = await file.stat()
      if (found.isDirectory()) {
        throw new KVError('INVALID_ARGUMENT', `${url} is a directory; end the URL with /`)
      }
      if (!found.isFile()) throw new KVError('INVALID_ARGUMENT', `${url} is no regular file`)
      await this.#refuseOutside(url, await readlink(`/proc/self/fd/${file.fd}`))
      return file
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Answers the topmost directory that had to be made, if any. */
  async #makeFolder(url: string, folder: string): Promise<string | undefined> {
    await this.#refuseOutside(url, await realpathOfExisting(folder))
    const made = await mkdir(folder, { recursive: true })
    await this.#refuseOutside(url, await realpath(folder))
    return made
  }

  async #refuseOutside(url: string, real: string): Promise<void> {
    if (this.#roots.length === 0) return
    for (const root of this.#roots) {
      const folder = await realpath(root).catch(() => null)
      if (folder !== null && (real === folder || real.startsWith(withSeparator(folder)))) return
    }
    throw new KVError(
      'INVALID_ARGUMENT',
      `${url} lies outside the directories that objects.roots allows; move it there, or add its directory`,
    )
  }

  /** Errors of the file system become ours. */
  async #guard<T>(url: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw error instanceof KVError ? error : fileError(url, error)
    }
  }
}

async function statOfPlace(url: string, path: string): Promise<BigIntStats> {
  try {
    return await stat(path, { bigint: true })
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    throw new NothingThereError('INVALID_ARGUMENT', fileError(url, error).message, { cause: error })
  }
}

/** Size and time of change, and which file it is: an exchanged file of the same size and time is another one. */
function describe(url: string, found: BigIntStats): StoredObject {
  const tag = `${found.size}-${found.mtimeNs}-${found.ino}`
  return { url, sizeBytes: Number(found.size), tag }
}

async function refuseChanged(object: StoredObject, file: FileHandle): Promise<void> {
  const now = describe(object.url, await file.stat({ bigint: true }))
  if (now.tag !== object.tag) throw changed(object.url)
}

function changed(url: string): KVError {
  return new KVError(
    'FAILED_PRECONDITION',
    `${url} changed while it was read; start again when nobody writes to it any more`,
  )
}

// The caller's mistakes; everything else is a machine that fails.
const CALLER_FAULTS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['ENOTDIR', 'a part of its path is no directory'],
  ['EISDIR', 'it is a directory'],
  ['EACCES', 'the gateway has no permission'],
  ['EPERM', 'the gateway has no permission'],
  ['EROFS', 'the file system is read-only'],
  ['ELOOP', 'its symbolic links go in a circle'],
  ['ENAMETOOLONG', 'its name is too long'],
  ['ENXIO', 'it is no regular file'],
])

function fileError(url: string, error: unknown): KVError {
  const fault = CALLER_FAULTS.get(codeOf(error))
  if (fault !== undefined) return new KVError('INVALID_ARGUMENT', `${url}: ${fault}`, { cause: error })
  const reason = codeOf(error) === 'ENOSPC' ? 'the disk is full' : reasonOf(error)
  return new KVError('UNAVAILABLE', `${url} cannot be read or written: ${reason}`, { cause: error })
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function withSeparator(folder: string): string {
  return folder.endsWith(sep) ? folder : `${folder}${sep}`
}

/** Where the path leads, as far as it exists. */
async function realpathOfExisting(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    const parent = dirname(path)
    if (codeOf(error) !== 'ENOENT' || parent === path) throw error
    return join(await realpathOfExisting(parent), basename(path))
  }
}

/** From the folder up to the parent of the topmost one that is new, so that a crash forgets none of the names. */
async function syncFolders(folder: string, made: string | undefined): Promise<void> {
  const last = made === undefined ? folder : dirname(made)
  for (let current = folder; ; current = dirname(current)) {
    await syncFolder(current)
    if (current === last || current === dirname(current)) return
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
