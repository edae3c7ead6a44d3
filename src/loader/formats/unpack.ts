/** gzip and zstd, told by their first bytes and not by a name: bytes as they are stored -> bytes of the content. */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { KVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { peek } from './bytes.js'
import { unpackZstd, ZSTD_MAGIC } from './zstd.js'

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b])
const MAGIC_BYTES = 4
const PIECE_BYTES = 128 * 1024

/**
 * The content, unpacked if it is packed; every member and frame of it.
 * @throws {KVError} INVALID_ARGUMENT, while it is read, when packed content is damaged, cut off, or unpacks to more
 * than is plausible
 */
export async function* unpack(url: string, stored: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { head, whole } = await peek(stored, MAGIC_BYTES)
  if (head.subarray(0, GZIP_MAGIC.length).equals(GZIP_MAGIC)) yield* gunzip(url, whole)
  else if (isZstd(head)) yield* guardBomb(url, whole, (counted) => unpackZstd(url, counted))
  else yield* whole
}

function gunzip(url: string, stored: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  return guardBomb(url, stored, (counted, readBytes) => gunzipCounted(url, counted, readBytes))
}

async function* gunzipCounted(
  url: string,
  stored: AsyncIterable<Buffer>,
  readBytes: () => number,
): AsyncGenerator<Buffer> {
  const stream = createGunzip({ chunkSize: PIECE_BYTES })
  // Its failure is thrown below, where the stream is read.
  const feeding = pipeline(Readable.from(stored), stream).catch(() => undefined)
  try {
    const pieces: AsyncIterable<unknown> = stream
    for await (const piece of pieces) if (Buffer.isBuffer(piece)) yield piece
    await feeding
  } catch (error) {
    throw error instanceof KVError ? error : damaged(url, stream.bytesWritten, error)
  }
  // zlib passes over whatever follows the last member, though it could be a member whose first byte was damaged.
  if (stream.bytesWritten < readBytes()) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `${url} has bytes behind its gzip data, from byte ${stream.bytesWritten} on, that are no gzip data; write it anew`,
    )
  }
}

function damaged(url: string, offset: number, error: unknown): KVError {
  const isCut = error instanceof Error && 'code' in error && error.code === 'Z_BUF_ERROR'
  const what = isCut ? 'its gzip data is cut off' : 'its gzip data is damaged'
  return new KVError('INVALID_ARGUMENT', `${url}: ${what} at about byte ${offset}; write it anew`, {
    cause: error,
  })
}

/** Counts what goes in and what comes out, and stops what grows beyond all measure. */
async function* guardBomb(
  url: string,
  stored: AsyncIterable<Buffer>,
  run: (counted: AsyncIterable<Buffer>, readBytes: () => number) => AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  let read = 0
  let made = 0
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const piece of stored) {
      read += piece.length
      yield piece
    }
  }
  for await (const piece of run(counted(), () => read)) {
    made += piece.length
    const isBomb = made > limits.unpackedBytesBeforeRatio && made > read * limits.maxUnpackingRatio
    if (isBomb || made > limits.maxUnpackedBytes) {
      throw new KVError(
        'INVALID_ARGUMENT',
        `${url} unpacks to more than ${isBomb ? `${limits.maxUnpackingRatio} times its size` : `${limits.maxUnpackedBytes} bytes`}; ` +
          'if that is right, load it unpacked and in several files',
      )
    }
    yield piece
  }
}

function isZstd(head: Buffer): boolean {
  if (head.length < MAGIC_BYTES) return false
  const magic = head.readUInt32LE(0)
  return magic === ZSTD_MAGIC || isSkippable(magic)
}

/** A frame that holds no data; some writers begin with one. */
function isSkippable(magic: number): boolean {
  return magic >>> 4 === 0x184d2a5
}
