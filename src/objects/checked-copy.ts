/** Copies between files and objects that count and digest what passes, so that both ends can be compared later. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { KVError } from '../base/errors.js'
import { NothingThereError, type ObjectStore, type StoredObject } from './object-store.js'

/** What a copy is known by. */
export interface FileDigest {
  readonly sizeBytes: number
  /** 64 hex digits. */
  readonly sha256: string
}

export type OnBytes = (bytes: number) => void

const READ_BYTES = 256 * 1024

/** Writes an object; answers what was written. @throws {KVError} UNAVAILABLE when the store has another size for it */
export async function writeDigested(
  objects: ObjectStore,
  url: string,
  content: AsyncIterable<Buffer>,
  onBytes: OnBytes,
): Promise<FileDigest> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  const counted = async function* () {
    for await (const piece of content) {
      hash.update(piece)
      sizeBytes += piece.length
      onBytes(piece.length)
      yield piece
    }
  }
  const stored = await objects.write(url, counted())
  if (stored.sizeBytes !== sizeBytes) {
    throw new KVError(
      'UNAVAILABLE',
      `${url} has ${stored.sizeBytes} bytes, written were ${sizeBytes}: write it again`,
    )
  }
  return { sizeBytes, sha256: hash.digest('hex') }
}

/** Copies a file, which nobody changes meanwhile, to an object. */
export async function uploadFile(
  objects: ObjectStore,
  path: string,
  to: { readonly url: string; readonly onBytes: OnBytes },
): Promise<FileDigest> {
  const content = createReadStream(path, { highWaterMark: READ_BYTES })
  return await writeDigested(objects, to.url, content, to.onBytes)
}

/**
 * Copies an object to a file that does not exist yet, synced when it resolves.
 * @throws {KVError} CORRUPT when it is not what `expected` says; never more than that is written
 */
export async function downloadFile(
  objects: ObjectStore,
  url: string,
  to: { readonly path: string; readonly expected: FileDigest; readonly onBytes: OnBytes },
): Promise<void> {
  const { path, expected, onBytes } = to
  const object = await objects.stat(url)
  if (object.sizeBytes !== expected.sizeBytes) throw wrongSize(url, object.sizeBytes, expected)
  const hash = createHash('sha256')
  let sizeBytes = 0
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const piece of objects.read(object)) {
      sizeBytes += piece.length
      if (sizeBytes > expected.sizeBytes) throw wrongSize(url, sizeBytes, expected)
      hash.update(piece)
      await file.writeFile(piece)
      onBytes(piece.length)
    }
    await file.sync()
  } catch (error) {
    throw error instanceof KVError ? error : diskError(path, error)
  } finally {
    await file.close()
  }
  if (sizeBytes !== expected.sizeBytes) throw wrongSize(url, sizeBytes, expected)
  if (hash.digest('hex') !== expected.sha256)
    throw new KVError('CORRUPT', `${url} is not what its manifest says (SHA-256): it was changed or damaged`)
}

/** Whether an object is there and is what `expected` says: all of it is read. @throws {KVError} UNAVAILABLE */
export async function isObjectAs(
  objects: ObjectStore,
  object: StoredObject,
  expected: FileDigest,
): Promise<boolean> {
  if (object.sizeBytes !== expected.sizeBytes) return false
  const hash = createHash('sha256')
  for await (const piece of objects.read(object)) hash.update(piece)
  return hash.digest('hex') === expected.sha256
}

/** The whole of a small object. @throws {KVError} TOO_LARGE */
export async function readWhole(objects: ObjectStore, url: string, maxBytes: number): Promise<Buffer> {
  const object = await objects.stat(url)
  const refuse = () =>
    new KVError('TOO_LARGE', `${url} is larger than ${maxBytes} bytes: it is not what it should be`)
  if (object.sizeBytes > maxBytes) throw refuse()
  const pieces: Buffer[] = []
  let sizeBytes = 0
  for await (const piece of objects.read(object)) {
    sizeBytes += piece.length
    if (sizeBytes > maxBytes) throw refuse()
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

/**
 * What stands below a prefix that ends in `/`, by the rest of its name; empty where nothing does.
 * @throws {KVError} INVALID_ARGUMENT, UNAVAILABLE: what cannot be listed is not taken for empty
 */
export async function namesBelow(objects: ObjectStore, prefix: string): Promise<string[]> {
  try {
    const found = await objects.list(prefix)
    return found.filter(({ url }) => url.startsWith(prefix)).map(({ url }) => url.slice(prefix.length))
  } catch (error) {
    if (error instanceof NothingThereError) return []
    throw error
  }
}

/** At most `count` at once; stops beginning others when one has failed, and rejects with that. */
export async function inParallel<T>(
  items: readonly T[],
  count: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = [...items].reverse()
  const failures: unknown[] = []
  const worker = async () => {
    for (let item = left.pop(); item !== undefined && failures.length === 0; item = left.pop()) {
      try {
        await work(item)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: count }, worker))
  if (failures.length > 0) throw failures[0]
}

function wrongSize(url: string, sizeBytes: number, expected: FileDigest): KVError {
  return new KVError(
    'CORRUPT',
    `${url} has ${sizeBytes} bytes, its manifest says ${expected.sizeBytes}: it was changed or damaged`,
  )
}

function diskError(path: string, error: unknown): KVError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  const isGone = code === 'ENOENT'
  const advice =
    code === 'ENOSPC'
      ? 'the disk is full, make room'
      : isGone
        ? 'its directory was removed'
        : 'check the disk'
  return new KVError('UNAVAILABLE', `writing ${path} failed with ${code}: ${advice}`, { cause: error })
}
