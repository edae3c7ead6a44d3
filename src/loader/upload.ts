/** Content that comes over the network, written to a file of its own before anything is made of it. */
import { open } from 'node:fs/promises'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { toLoadDiskError } from './load-disk.js'

export interface SpoolOptions {
  readonly maxBytes: number
  /** Of the disk that the file is on, now; null: it cannot say. */
  readonly freeBytes: () => number | null
  /** As its sender says; null: they do not. */
  readonly sizeBytes: number | null
}

/** The disk is looked at again after so many bytes. */
const CHECK_BYTES = 16 * 1024 * 1024

/**
 * Writes all of it, synced; answers its size. What it wrote when it fails is for the caller to remove.
 * @throws {KVError} TOO_LARGE, UNAVAILABLE (no room), INVALID_ARGUMENT (no content), and what the content throws
 */
export async function spool(
  content: AsyncIterable<Buffer>,
  path: string,
  { maxBytes, freeBytes, sizeBytes }: SpoolOptions,
): Promise<number> {
  if (sizeBytes !== null) {
    checkSize(sizeBytes, maxBytes)
    checkRoom(freeBytes(), sizeBytes)
  }
  let size = 0
  let checkedAt = 0
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      for await (const piece of content) {
        size += piece.length
        checkSize(size, maxBytes)
        if (size - checkedAt > CHECK_BYTES) {
          checkedAt = size
          checkRoom(freeBytes(), 0)
        }
        await file.writeFile(piece)
      }
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    throw toLoadDiskError(error, `writing the upload to ${path}`)
  }
  if (size === 0)
    throw new KVError('INVALID_ARGUMENT', 'the upload has no content; send the rows as the body')
  if (sizeBytes !== null && size !== sizeBytes) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `the upload ended after ${size} of ${sizeBytes} bytes; send it again`,
    )
  }
  return size
}

function checkSize(size: number, maxBytes: number): void {
  if (size <= maxBytes) return
  throw new KVError(
    'TOO_LARGE',
    `the upload has more than ${maxBytes} bytes; compress it, or raise loads.maxUploadMb, or load it from a file`,
  )
}

function checkRoom(free: number | null, needed: number): void {
  if (free === null || free >= needed + limits.minFreeBytesForUploads) return
  throw new KVError(
    'UNAVAILABLE',
    `the disk has ${free} bytes free, too few for this upload of ${needed} bytes and what is made of it; make room`,
  )
}
