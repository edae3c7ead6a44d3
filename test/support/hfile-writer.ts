/**
 * HFiles of version 2.1 as far as src/loader/formats reads them: data blocks, file info, trailer, CRC32 checksums; no index,
 * which only look-ups need. For data that tests and benches make; that the reader agrees with HBase is tested on files of
 * HBase's own (test/fixtures/hfile).
 */
import { crc32, gzipSync } from 'node:zlib'

export interface HFileWish {
  /** Bytes of a block before the next is begun; Terrapin's uploaders have 16 KB. */
  readonly blockBytes?: number
  readonly compression?: 'NONE' | 'GZ'
}

const ORDINALS = { GZ: 1, NONE: 2 } as const
const HEADER_SIZE = 33
const TRAILER_SIZE = 212
const CHUNK = 16_384
const CRC32 = 1
/** Behind the row: family `cf`, no qualifier, timestamp 2^63 - 1, type Put. */
const SHOWN = Buffer.from('0263667fffffffffffffff04', 'hex')

/** The file's bytes. Rows must come in the order of their keys. */
export function hfileOf(
  rows: Iterable<readonly [key: Buffer, value: Buffer]>,
  { blockBytes = 16_384, compression = 'NONE' }: HFileWish = {},
): Buffer {
  const blocks: Buffer[] = []
  let cells: Buffer[] = []
  let cellBytes = 0
  let size = 0
  let last = -1
  let count = 0
  const close = () => {
    const block = blockOf('DATABLK*', Buffer.concat(cells), compression)
    last = size
    size += block.length
    blocks.push(block)
    cells = []
    cellBytes = 0
  }
  for (const [key, value] of rows) {
    const cell = cellOf(key, value)
    cells.push(cell)
    cellBytes += cell.length
    count++
    if (cellBytes >= blockBytes) close()
  }
  if (cells.length > 0) close()
  const fileInfo = blockOf('FILEINF2', Buffer.alloc(4), compression)
  const trailer = Buffer.alloc(TRAILER_SIZE)
  trailer.write('TRABLK"$', 'latin1')
  trailer.writeBigInt64BE(BigInt(size), 8)
  trailer.writeBigInt64BE(BigInt(size), 16)
  trailer.writeBigUInt64BE(BigInt(count), 48)
  trailer.writeUInt32BE(ORDINALS[compression], 56)
  trailer.writeBigInt64BE(count === 0 ? -1n : 0n, 64)
  trailer.writeBigInt64BE(BigInt(last), 72)
  // Minor version 1 in the first byte, major version 2 behind it.
  trailer.writeUInt32BE(0x01000002, 208)
  return Buffer.concat([...blocks, fileInfo, trailer])
}

function cellOf(key: Buffer, value: Buffer): Buffer {
  const head = Buffer.alloc(10)
  head.writeInt32BE(2 + key.length + SHOWN.length, 0)
  head.writeInt32BE(value.length, 4)
  head.writeUInt16BE(key.length, 8)
  // HBase's number of its memory store is left out: the file info does not ask for one.
  return Buffer.concat([head, key, SHOWN, value])
}

function blockOf(magic: string, payload: Buffer, compression: 'NONE' | 'GZ'): Buffer {
  const stored = compression === 'GZ' ? gzipSync(payload) : payload
  const checkedSize = HEADER_SIZE + stored.length
  const sums = Buffer.alloc(Math.ceil(checkedSize / CHUNK) * 4)
  const header = Buffer.alloc(HEADER_SIZE)
  header.write(magic, 'latin1')
  header.writeInt32BE(stored.length + sums.length, 8)
  header.writeInt32BE(payload.length, 12)
  header[24] = CRC32
  header.writeInt32BE(CHUNK, 25)
  header.writeInt32BE(checkedSize, 29)
  const checked = Buffer.concat([header, stored])
  for (let from = 0, at = 0; from < checkedSize; from += CHUNK, at += 4) {
    sums.writeUInt32BE(crc32(checked.subarray(from, from + CHUNK)), at)
  }
  return Buffer.concat([checked, sums])
}
