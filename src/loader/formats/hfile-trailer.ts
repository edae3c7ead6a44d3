/** The end of an HFile of version 2.0 or 2.1: where its data blocks lie and what they are. */
import { KVError } from '../../base/errors.js'
import {
  BLOCK_HEADER_SIZES,
  type BlockHeaderSize,
  compressionOf,
  damaged,
  type HFileCompression,
} from './hfile-block.js'

export const TRAILER_SIZE = 212
const MAGIC = 'TRABLK"$'
const VERSION_AT = 208
const ENCODING_FIELD = 'DATA_BLOCK_ENCODING'
const MEMSTORE_FIELD = 'KEY_VALUE_VERSION'
/** Of the file info, in which keys and values of a few bytes stand. */
const MAX_FIELDS = 10_000

export interface HFileTrailer {
  readonly headerSize: BlockHeaderSize
  readonly fileInfoOffset: number
  /** Where everything that is no data block begins. */
  readonly loadOnOpenOffset: number
  readonly entryCount: number
  readonly compression: HFileCompression
  /** Offsets of the first and the last data block; null when there is none. */
  readonly data: { readonly first: number; readonly last: number } | null
}

/**
 * @param bytes the file's last TRAILER_SIZE bytes
 * @throws {KVError} INVALID_ARGUMENT
 */
export function parseTrailer(bytes: Buffer, fileSize: number, url: string): HFileTrailer {
  const version = bytes.length === TRAILER_SIZE ? bytes.readUInt32BE(VERSION_AT) : 0
  const major = version & 0xffffff
  const minor = version >>> 24
  const headerSize = BLOCK_HEADER_SIZES[minor]
  if (major === 2 && headerSize === undefined) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `${url} is an HFile of version 2.${minor}; 2.0 and 2.1 are read: write it with HBase 0.94, or export it as NDJSON`,
    )
  }
  if (major === 1 || major === 3) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `${url} is an HFile of version ${major}; 2.0 and 2.1 are read: write it with HBase 0.94`,
    )
  }
  if (major !== 2 || headerSize === undefined || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) {
    throw new KVError('INVALID_ARGUMENT', `${url} is no HFile, or is cut off at byte ${fileSize}`)
  }
  const trailerAt = fileSize - TRAILER_SIZE
  const offsetAt = (at: number): number => {
    const offset = Number(bytes.readBigInt64BE(at))
    if (offset < -1 || offset > trailerAt) {
      throw damaged(url, trailerAt + at, `offset ${offset} lies outside of the file's ${fileSize} bytes`)
    }
    return offset
  }
  const entryCount = Number(bytes.readBigUInt64BE(48))
  const [first, last] = [offsetAt(64), offsetAt(72)]
  const fileInfoOffset = offsetAt(8)
  const loadOnOpenOffset = offsetAt(16)
  const isEmpty = entryCount === 0
  const isData = first >= 0 && first <= last && last < loadOnOpenOffset
  // One flipped bit makes a count of 0: rows of a file that says so would be left out, were its blocks not looked at.
  if (fileInfoOffset < 0 || loadOnOpenOffset < 0 || isData === isEmpty) {
    throw damaged(url, trailerAt, 'its offsets and counts contradict each other')
  }
  return {
    headerSize,
    fileInfoOffset,
    loadOnOpenOffset,
    entryCount,
    compression: compressionOf(bytes.readUInt32BE(56), url),
    data: isEmpty ? null : { first, last },
  }
}

/**
 * Reads the file info's payload as far as data blocks depend on it.
 * @returns whether each cell ends in a number of HBase's memory store
 * @throws {KVError} INVALID_ARGUMENT
 */
export function hasMemstoreNumbers(payload: Buffer, offset: number, url: string): boolean {
  try {
    const count = payload.readInt32BE(0)
    if (count < 0 || count > MAX_FIELDS) throw new RangeError(`${count} fields`)
    let at = 4
    let hasNumbers = false
    for (let i = 0; i < count; i++) {
      const [name, afterName] = bytesAt(payload, at)
      // One byte says that the value is bytes, too.
      const [value, next] = bytesAt(payload, afterName + 1)
      at = next
      const field = name.toString('latin1')
      if (field === ENCODING_FIELD && value.toString('latin1') !== 'NONE') {
        throw new KVError(
          'INVALID_ARGUMENT',
          `${url} has encoded blocks (${value.toString('latin1')}): write it without`,
        )
      }
      if (field === MEMSTORE_FIELD) hasNumbers = value.length === 4 && value.readInt32BE(0) === 1
    }
    return hasNumbers
  } catch (error) {
    if (error instanceof RangeError)
      throw damaged(url, offset, `its file info cannot be read: ${error.message}`)
    throw error
  }
}

function bytesAt(payload: Buffer, at: number): readonly [Buffer, number] {
  const [size, start] = readVlong(payload, at)
  const end = start + size
  if (size < 0 || end > payload.length) throw new RangeError('a field ends behind it')
  return [payload.subarray(start, end), end]
}

/**
 * A number as Hadoop's WritableUtils stores it: one byte, or a byte that says how many follow.
 * @returns the number and the index behind it
 * @throws {RangeError} when the bytes end before it does
 */
export function readVlong(bytes: Buffer, at: number): readonly [number, number] {
  const first = bytes.readInt8(at)
  if (first >= -112) return [first, at + 1]
  const size = first >= -120 ? -112 - first : -120 - first
  let value = 0
  for (let i = 1; i <= size; i++) value = value * 256 + bytes.readUInt8(at + i)
  return [first >= -120 ? value : -1 - value, at + 1 + size]
}
