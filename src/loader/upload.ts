/** Content that comes over the network, written to a file of its own before anything is made of it. */
import { open } from 'node:fs/promises'
import type { Clock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import type { JobContext } from '../base/job.js'
import { limits } from '../base/limits.js'
import { toLoadDiskError } from './load-disk.js'

export interface SpoolOptions {
  readonly maxBytes: number
  readonly clock: Clock
  /** Of the disk that the file is on, now; null: it cannot say. */
  readonly freeBytes: () => number | null
  /** As its sender says; null: they do not. */
  readonly sizeBytes: number | null
  readonly onBytes: (size: number) => void
  /** Ends it at once, whatever the content does; null: nobody ends it. */
  readonly context: JobContext | null
}

/** The disk is looked at again after so many bytes. */
const CHECK_BYTES = 16 * 1024 * 1024

/** Before anything is taken. @throws {KVError} TOO_LARGE, UNAVAILABLE (no room) */
export function checkAnnounced({ maxBytes, freeBytes, sizeBytes }: SpoolOptions): void {
  if (sizeBytes === null) return
  checkSize(sizeBytes, maxBytes)
  checkRoom(freeBytes(), sizeBytes)
}

/**
 * Writes all of it, synced; answers its size. What it wrote when it fails is for the caller to remove.
 * @throws {KVError} TOO_LARGE, UNAVAILABLE (no room), INVALID_ARGUMENT (no content, too slow), CANCELLED, and what the
 * content throws
 */
export async function spool(
  content: AsyncIterable<Buffer>,
  path: string,
  options: SpoolOptions,
): Promise<number> {
  const { sizeBytes } = options
  let size: number
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      size = await writeAll(content, file, options)
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

async function writeAll(
  content: AsyncIterable<Buffer>,
  file: { writeFile(bytes: Buffer): Promise<void> },
  { maxBytes, clock, freeBytes, onBytes, context }: SpoolOptions,
): Promise<number> {
  const pieces = new EndedPieces(content, context)
  const pace = new UploadPace(clock)
  let size = 0
  let checkedAt = 0
  for (;;) {
    const piece = await pieces.next()
    if (piece === null) return size
    size += piece.length
    checkSize(size, maxBytes)
    pace.check(size)
    if (size - checkedAt > CHECK_BYTES) {
      checkedAt = size
      checkRoom(freeBytes(), 0)
    }
    await file.writeFile(piece)
    onBytes(size)
  }
}

/** Pieces of content whose next one may never come: it is not waited for any more when the job is to end. */
class EndedPieces {
  readonly #pieces: AsyncIterator<Buffer>
  #error: KVError | null = null
  #reject: (error: KVError) => void = () => undefined

  constructor(content: AsyncIterable<Buffer>, context: JobContext | null) {
    this.#pieces = content[Symbol.asyncIterator]()
    context?.onEnding(() => {
      this.#error = new KVError('CANCELLED', 'the upload was cancelled; send it again')
      this.#reject(this.#error)
    })
  }

  /** Null: that was all. */
  next(): Promise<Buffer | null> {
    return new Promise((resolve, reject) => {
      this.#reject = reject
      if (this.#error !== null) reject(this.#error)
      this.#pieces.next().then(({ done, value }) => resolve(done === true ? null : value), reject)
    })
  }
}

/** A sender that sends a byte now and then would hold its dataset for ever. */
class UploadPace {
  readonly #clock: Clock
  #sinceMs: number
  #sinceSize = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#sinceMs = clock.monotonicMs()
  }

  /** @throws {KVError} INVALID_ARGUMENT when too little came for too long */
  check(size: number): void {
    const { uploadPaceMs, uploadPaceBytes } = limits
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#sinceMs < uploadPaceMs) return
    const came = size - this.#sinceSize
    if (came < uploadPaceBytes) {
      throw new KVError(
        'INVALID_ARGUMENT',
        `the upload sent ${came} bytes in ${Math.round((nowMs - this.#sinceMs) / 1000)} s, which is too slow: ` +
          'send it again, or put the file where the gateway can read it',
      )
    }
    this.#sinceMs = nowMs
    this.#sinceSize = size
  }
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
