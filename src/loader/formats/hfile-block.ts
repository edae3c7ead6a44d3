/**
 * Blocks of an HFile of version 2, as HBase 0.94 writes it: a header, the payload in the file's compression, and from 2.1
 * on checksums over both. Layout: HFileBlock, ChecksumUtil and Compression of HBase 0.94; FORMATS.md has it as far as it is
 * read.
 */
import { crc32, gunzipSync } from 'node:zlib'
import { snappyUncompress } from 'hyparquet'
import { KVError, toKVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'

/** By minor version: 2.0 has no checksums, and a header without what concerns them. */
export const BLOCK_HEADER_SIZES = [24, 33] as const
export type BlockHeaderSize = (typeof BLOCK_HEADER_SIZES)[number]

const DATA = 'DATABLK*'
const ENCODED_DATA = 'DATABLKE'
const FILE_INFO = 'FILEINF2'
/** Index, Bloom filter and meta blocks, which stand between data blocks and behind them. */
const OTHERS = new Set([
  ...['IDXLEAF2', 'IDXINTE2', 'IDXROOT2', 'METABLKc', 'BLMFBLK2', 'BLMFMET2', 'DFBLMET2'],
])

/** Numbers as in HBase's enums. */
const COMPRESSION = ['LZO', 'GZ', 'NONE', 'SNAPPY', 'LZ4'] as const
const CHECKSUM = { NULL: 0, CRC32: 1, CRC32C: 2 } as const
const CHECKSUM_SIZE = 4

export type HFileCompression = 'GZ' | 'NONE' | 'SNAPPY'

export interface HFileBlock {
  readonly isData: boolean
  readonly isFileInfo: boolean
  readonly headerSize: BlockHeaderSize
  /** Header, payload and checksums. */
  readonly size: number
  readonly payloadSize: number
  /** Header and payload as they are stored. */
  readonly checkedSize: number
  readonly checksumType: number
  readonly bytesPerChecksum: number
}

/** @throws {KVError} INVALID_ARGUMENT for what cannot be read here, by its name */
export function compressionOf(ordinal: number, url: string): HFileCompression {
  const name = COMPRESSION[ordinal]
  if (name === 'GZ' || name === 'NONE' || name === 'SNAPPY') return name
  const what = name === undefined ? `compression number ${ordinal}` : `${name} compression`
  throw new KVError('INVALID_ARGUMENT', `${url} has ${what}: write it with NONE, GZ or SNAPPY`)
}

/**
 * @param header as many bytes as a header of the file's version has
 * @throws {KVError} INVALID_ARGUMENT with the offset, when they are no block's
 */
export function parseBlockHeader(header: Buffer, offset: number, url: string): HFileBlock {
  const magic = header.toString('latin1', 0, 8)
  if (magic === ENCODED_DATA) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `${url}:${offset}: encoded data blocks are not read: write it without`,
    )
  }
  if (magic !== DATA && magic !== FILE_INFO && !OTHERS.has(magic))
    throw damaged(url, offset, 'no block begins here')
  const headerSize = header.length === BLOCK_HEADER_SIZES[0] ? BLOCK_HEADER_SIZES[0] : BLOCK_HEADER_SIZES[1]
  const size = headerSize + header.readInt32BE(8)
  const payloadSize = header.readInt32BE(12)
  const isChecked = headerSize === BLOCK_HEADER_SIZES[1]
  const checkedSize = isChecked ? header.readInt32BE(29) : size
  if (payloadSize < 0 || checkedSize < headerSize || checkedSize > size) {
    throw damaged(url, offset, 'the sizes of the block contradict each other')
  }
  if (size > limits.maxHFileBlockBytes || payloadSize > limits.maxHFileBlockBytes) {
    const most = limits.maxHFileBlockBytes
    throw new KVError('INVALID_ARGUMENT', `${url}:${offset}: a block of more than ${most} bytes is not read`)
  }
  const checksumType = isChecked ? (header[24] ?? 0) : CHECKSUM.NULL
  const bytesPerChecksum = isChecked ? header.readInt32BE(25) : 0
  const block = {
    isData: magic === DATA,
    isFileInfo: magic === FILE_INFO,
    headerSize,
    size,
    payloadSize,
    checkedSize,
    checksumType,
    bytesPerChecksum,
  }
  checkChecksumCount(block, offset, url)
  return block
}

function checkChecksumCount(block: HFileBlock, offset: number, url: string): void {
  const { checksumType, bytesPerChecksum, checkedSize, size } = block
  if (checksumType === CHECKSUM.NULL) return
  if (checksumType !== CHECKSUM.CRC32 && checksumType !== CHECKSUM.CRC32C) {
    throw damaged(url, offset, `checksum type ${checksumType} is unknown`)
  }
  const count = bytesPerChecksum > 0 ? Math.ceil(checkedSize / bytesPerChecksum) : -1
  if (checkedSize + count * CHECKSUM_SIZE !== size) {
    throw damaged(url, offset, 'the checksums do not fit the block')
  }
}

/**
 * Checks the block's checksums and answers its payload, decompressed.
 * @throws {KVError} INVALID_ARGUMENT with the offset
 */
export function readPayload(
  bytes: Buffer,
  block: HFileBlock,
  at: { readonly offset: number; readonly url: string; readonly compression: HFileCompression },
): Buffer {
  checkChecksums(bytes, block, at)
  const stored = bytes.subarray(block.headerSize, block.checkedSize)
  const payload = decompressed(stored, block.payloadSize, at)
  if (payload.length !== block.payloadSize) {
    throw damaged(at.url, at.offset, `the block has ${payload.length} bytes, not ${block.payloadSize}`)
  }
  return payload
}

/** An error that says where the file cannot be what it should be. */
export function damaged(url: string, offset: number, what: string): KVError {
  return new KVError('INVALID_ARGUMENT', `${url} is damaged at byte ${offset}: ${what}; write it anew`)
}

function checkChecksums(
  bytes: Buffer,
  { checksumType, bytesPerChecksum, checkedSize }: HFileBlock,
  { offset, url }: { readonly offset: number; readonly url: string },
): void {
  if (checksumType === CHECKSUM.NULL) {
    requireNoChecksums(bytes.subarray(checkedSize), offset + checkedSize, url)
    return
  }
  const sum = checksumType === CHECKSUM.CRC32 ? crc32 : crc32c
  let checksumAt = checkedSize
  for (let from = 0; from < checkedSize; from += bytesPerChecksum) {
    const to = Math.min(from + bytesPerChecksum, checkedSize)
    if (sum(bytes.subarray(from, to)) !== bytes.readUInt32BE(checksumAt)) {
      throw damaged(url, offset + from, `the ${to - from} bytes from here do not have their checksum`)
    }
    checksumAt += CHECKSUM_SIZE
  }
}

/** HBase leaves their places empty. One flipped bit of the type would have a block that has some pass unchecked. */
function requireNoChecksums(places: Buffer, offset: number, url: string): void {
  if (places.every((byte) => byte === 0)) return
  throw damaged(url, offset, 'the block says that it has no checksums, and has some')
}

function decompressed(
  stored: Buffer,
  size: number,
  {
    offset,
    url,
    compression,
  }: { readonly offset: number; readonly url: string; readonly compression: string },
): Buffer {
  try {
    switch (compression) {
      case 'GZ':
        return gunzipSync(stored, { maxOutputLength: Math.max(size, 1) })
      case 'SNAPPY':
        return unpackSnappy(stored, size)
      default:
        return stored
    }
  } catch (error) {
    const { message } = toKVError(error, 'unpacking')
    throw damaged(url, offset, `its ${compression} data cannot be unpacked (${message})`)
  }
}

/** Hadoop's framing: a piece's size, then chunks of their stored size and raw Snappy, until the piece is whole. */
function unpackSnappy(stored: Buffer, size: number): Buffer {
  const payload = Buffer.alloc(size)
  let filled = 0
  let at = 0
  while (filled < size) {
    const pieceEnd = filled + stored.readUInt32BE(at)
    at += 4
    if (pieceEnd > size || pieceEnd === filled) throw new RangeError('a piece does not fit the block')
    while (filled < pieceEnd) {
      const chunkSize = stored.readUInt32BE(at)
      at += 4
      if (chunkSize === 0 || at + chunkSize > stored.length) throw new RangeError('a chunk does not fit')
      const chunk = stored.subarray(at, at + chunkSize)
      const chunkEnd = filled + snappySize(chunk)
      if (chunkEnd > pieceEnd || chunkEnd === filled) throw new RangeError('a chunk does not fit its piece')
      snappyUncompress(chunk, payload.subarray(filled, chunkEnd))
      filled = chunkEnd
      at += chunkSize
    }
  }
  return payload
}

/** Raw Snappy begins with the unpacked size: seven bits a byte, the low ones first. */
function snappySize(chunk: Buffer): number {
  let size = 0
  for (let i = 0; i < 5; i++) {
    const byte = chunk[i] ?? 0
    size += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return size
  }
  throw new RangeError('a chunk has no size')
}

const CRC32C_POLYNOMIAL = 0x82f63b78
let crc32cTable: Uint32Array | null = null

/** Castagnoli's, which zlib does not have. */
function crc32c(bytes: Buffer): number {
  crc32cTable ??= Uint32Array.from({ length: 256 }, (_, index) => {
    let value = index
    for (let bit = 0; bit < 8; bit++)
      value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ CRC32C_POLYNOMIAL
    return value
  })
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ (crc32cTable[(crc ^ byte) & 0xff] ?? 0)
  return ~crc >>> 0
}
