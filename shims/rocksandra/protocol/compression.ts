/**
 * Compression of frames' bodies, as Cassandra has it: LZ4 blocks behind their unpacked size (4 bytes, big-endian), and
 * Snappy blocks as they are. Each says its unpacked size, which is looked at before anything is unpacked.
 * Source: native_protocol_v4.spec section 5, FrameCompressor.java of Cassandra 3.0.
 */
import { compressSync as lz4Compress, uncompressSync as lz4Uncompress } from 'lz4-napi'
import { compressSync as snappyCompress, uncompressSync as snappyUncompress } from 'snappy'
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import { protocolError } from './body-reader.js'

export type CompressionName = 'lz4' | 'snappy'

export interface BodyCompression {
  readonly name: CompressionName
  compress(body: Buffer): Buffer
  /** @throws {CqlError} PROTOCOL_ERROR when it is damaged, or would be larger than `maxBytes` */
  decompress(packed: Buffer, maxBytes: number): Buffer
}

const SIZE_BYTES = 4
const MAX_VARINT_BYTES = 5

/** The library's blocks have their size in front, too, little-endian. */
const lz4: BodyCompression = {
  name: 'lz4',
  compress: (body) => {
    const packed = lz4Compress(body)
    packed.writeUInt32BE(body.length, 0)
    return packed
  },
  decompress: (packed, maxBytes) => {
    if (packed.length < SIZE_BYTES) throw damaged('lz4')
    const size = packed.readUInt32BE(0)
    checkSize(size, maxBytes)
    // Cassandra packs nothing into one byte of zero, others into none.
    if (size === 0) return EMPTY_BYTES
    const block = Buffer.from(packed)
    block.writeUInt32LE(size, 0)
    return unpack('lz4', size, () => lz4Uncompress(block))
  },
}

const snappy: BodyCompression = {
  name: 'snappy',
  compress: (body) => snappyCompress(body),
  decompress: (packed, maxBytes) => {
    const size = snappySize(packed)
    checkSize(size, maxBytes)
    // The answer is a string only where one is asked for.
    return unpack('snappy', size, () => snappyUncompress(packed, { asBuffer: true }) as Buffer)
  },
}

export const COMPRESSIONS: Readonly<Record<CompressionName, BodyCompression>> = { snappy, lz4 }

export function isCompressionName(name: string): name is CompressionName {
  return Object.hasOwn(COMPRESSIONS, name)
}

/** A varint of at most 32 bits stands in front of a block. */
function snappySize(packed: Buffer): number {
  let size = 0
  for (let index = 0; index < MAX_VARINT_BYTES; index++) {
    const byte = packed[index]
    if (byte === undefined) break
    size += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return size
  }
  throw damaged('snappy')
}

function checkSize(size: number, maxBytes: number): void {
  if (size <= maxBytes) return
  throw protocolError(`A compressed body of ${size} bytes when unpacked exceeds ${maxBytes}`)
}

function unpack(name: CompressionName, size: number, run: () => Buffer): Buffer {
  let body: Buffer
  try {
    body = run()
  } catch {
    throw damaged(name)
  }
  if (body.length !== size) throw damaged(name)
  return body
}

function damaged(name: CompressionName): Error {
  return protocolError(`The body of the frame is no ${name} block`)
}
