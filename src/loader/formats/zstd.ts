/**
 * Zstandard (RFC 8878) through fzstd, piece by piece. fzstd believes the headers that it is given, so the frames are
 * followed here: a window beyond the limit is refused before it is allocated, the end of the data must be the end of a
 * frame, and a frame that carries a checksum must match it, none of which fzstd looks at.
 */
import { Decompress } from 'fzstd'
import { KVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { XxHash64 } from './xxhash64.js'

export const ZSTD_MAGIC = 0xfd2fb528

const FLAGS_AT = 4
const HAS_CHECKSUM = 0x04
const BLOCK_HEADER_BYTES = 3
const CHECKSUM_BYTES = 4
const RLE_BLOCK = 1
const RESERVED_BLOCK = 3
const MAX_BLOCK_BYTES = 128 * 1024
/** By the two bits of the frame header that say how long the field is. */
const DICTIONARY_ID_BYTES = [0, 1, 2, 4]

interface FrameHeader {
  readonly size: number
  readonly hasChecksum: boolean
  /** Null: it does not say. */
  readonly contentBytes: bigint | null
}

/** All frames, one after the other. @throws {KVError} INVALID_ARGUMENT when they are damaged or cut off */
export async function* unpackZstd(url: string, stored: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const stream = new ZstdStream(url)
  for await (const piece of stored) yield* stream.push(piece)
  stream.finish()
}

/** What is in memory whole already, such as a page of a Parquet file. @throws {KVError} as above */
export function unpackZstdWhole(stored: Buffer, maxBytes: number): Buffer {
  const stream = new ZstdStream('the page')
  const made: Buffer[] = []
  let size = 0
  // In pieces, so that what unpacks to too much is stopped.
  for (let at = 0; at < stored.length; at += MAX_BLOCK_BYTES) {
    for (const piece of stream.push(stored.subarray(at, at + MAX_BLOCK_BYTES))) {
      made.push(piece)
      size += piece.length
    }
    if (size > maxBytes) throw new KVError('INVALID_ARGUMENT', `it unpacks to more than ${maxBytes} bytes`)
  }
  stream.finish()
  return Buffer.concat(made)
}

type Step = 'frame' | 'skip' | 'block' | 'checksum'

class ZstdStream {
  readonly #url: string
  #step: Step = 'frame'
  /** Bytes that are there and not yet looked at. */
  #rest: Buffer = Buffer.alloc(0)
  /** Where they begin in the object. */
  #offset = 0
  #leftToSkip = 0
  #header: FrameHeader | null = null
  #decoder = new Decompress()
  #hash = new XxHash64()
  #made: Buffer[] = []
  #frameBytes = 0n

  constructor(url: string) {
    this.#url = url
  }

  /** What the bytes up to here make. */
  push(piece: Buffer): readonly Buffer[] {
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece])
    while (this.#rest.length > 0 && this.#next());
    const made = this.#made
    this.#made = []
    return made
  }

  finish(): void {
    if (this.#rest.length > 0 || this.#step !== 'frame') throw this.#fault('is cut off')
  }

  /** One header, block or checksum further; false: more bytes are needed. */
  #next(): boolean {
    switch (this.#step) {
      case 'frame':
        return this.#passFrameHeader()
      case 'skip':
        return this.#skip()
      case 'block':
        return this.#passBlock()
      case 'checksum':
        return this.#passChecksum()
    }
  }

  #passFrameHeader(): boolean {
    const rest = this.#rest
    if (rest.length < 4) return false
    const magic = rest.readUInt32LE(0)
    if (magic >>> 4 === 0x184d2a5) {
      if (rest.length < 8) return false
      this.#leftToSkip = rest.readUInt32LE(4) + 8
      this.#step = 'skip'
      return true
    }
    if (magic !== ZSTD_MAGIC) throw this.#fault('is damaged: no frame begins there')
    if (rest.length < 6) return false
    const header = this.#parseHeader(rest)
    if (header === null) return false
    this.#header = header
    this.#frameBytes = 0n
    this.#hash = new XxHash64()
    this.#decoder = new Decompress((made) => this.#take(made))
    // Without the flag of the checksum, which fzstd does not check but would wait for.
    const withoutChecksum = Buffer.from(this.#consume(header.size))
    withoutChecksum[FLAGS_AT] = (withoutChecksum[FLAGS_AT] ?? 0) & ~HAS_CHECKSUM
    this.#feed(withoutChecksum, false)
    this.#step = 'block'
    return true
  }

  #skip(): boolean {
    const passed = Math.min(this.#leftToSkip, this.#rest.length)
    this.#consume(passed)
    this.#leftToSkip -= passed
    if (this.#leftToSkip === 0) this.#step = 'frame'
    return true
  }

  #passBlock(): boolean {
    const rest = this.#rest
    if (rest.length < BLOCK_HEADER_BYTES) return false
    const head = rest.readUIntLE(0, BLOCK_HEADER_BYTES)
    const isLast = (head & 1) === 1
    const type = (head >> 1) & 3
    const size = head >> 3
    if (type === RESERVED_BLOCK || size > MAX_BLOCK_BYTES)
      throw this.#fault('is damaged: no block begins there')
    const storedBytes = BLOCK_HEADER_BYTES + (type === RLE_BLOCK ? 1 : size)
    if (rest.length < storedBytes) return false
    this.#feed(this.#consume(storedBytes), isLast)
    if (!isLast) return true
    const { contentBytes, hasChecksum } = this.#frameHeader()
    if (contentBytes !== null && contentBytes !== this.#frameBytes) {
      throw this.#fault('is damaged: its frame is not as long as it says')
    }
    this.#step = hasChecksum ? 'checksum' : 'frame'
    return true
  }

  #passChecksum(): boolean {
    if (this.#rest.length < CHECKSUM_BYTES) return false
    const expected = this.#rest.readUInt32LE(0)
    if (expected !== this.#hash.low32()) throw this.#fault('is damaged: its checksum does not match')
    this.#consume(CHECKSUM_BYTES)
    this.#step = 'frame'
    return true
  }

  #feed(bytes: Buffer, isLast: boolean): void {
    try {
      this.#decoder.push(bytes, isLast)
    } catch (error) {
      throw error instanceof KVError ? error : this.#fault('is damaged', error)
    }
  }

  #take(made: Uint8Array): void {
    if (made.length === 0) return
    const piece = Buffer.from(made.buffer, made.byteOffset, made.length)
    this.#frameBytes += BigInt(piece.length)
    if (this.#frameHeader().hasChecksum) this.#hash.update(piece)
    this.#made.push(piece)
  }

  #parseHeader(bytes: Buffer): FrameHeader | null {
    const flags = bytes[FLAGS_AT] ?? 0
    const isSingleSegment = (flags & 0x20) !== 0
    if ((flags & 0x08) !== 0) throw this.#fault('is of a later version of the format')
    const dictionaryBytes = DICTIONARY_ID_BYTES[flags & 3] ?? 0
    const contentFlag = flags >> 6
    const contentSizeBytes = contentFlag === 0 ? Number(isSingleSegment) : 1 << contentFlag
    const contentAt = 5 + Number(!isSingleSegment) + dictionaryBytes
    const size = contentAt + contentSizeBytes
    if (bytes.length < size) return null
    if (bytes.subarray(contentAt - dictionaryBytes, contentAt).some((byte) => byte !== 0)) {
      throw this.#fault('was packed with a dictionary; pack it without one')
    }
    const contentBytes = contentSizeBytes === 0 ? null : readContentSize(bytes, contentAt, contentSizeBytes)
    const windowBytes = isSingleSegment ? (contentBytes ?? 0n) : windowOf(bytes[5] ?? 0)
    if (windowBytes > BigInt(limits.maxZstdWindowBytes)) {
      throw this.#fault(
        `needs a window of ${windowBytes} bytes, ${limits.maxZstdWindowBytes} are allowed; pack it with --long=27 at most`,
      )
    }
    return { size, hasChecksum: (flags & HAS_CHECKSUM) !== 0, contentBytes }
  }

  #frameHeader(): FrameHeader {
    if (this.#header === null) throw this.#fault('is damaged')
    return this.#header
  }

  #consume(size: number): Buffer {
    const taken = this.#rest.subarray(0, size)
    this.#rest = this.#rest.subarray(size)
    this.#offset += size
    return taken
  }

  #fault(what: string, cause?: unknown): KVError {
    const message = `${this.#url}: its zstd data ${what}, at byte ${this.#offset}; write it anew`
    return new KVError('INVALID_ARGUMENT', message, { cause })
  }
}

function readContentSize(bytes: Buffer, at: number, size: number): bigint {
  if (size === 8) return bytes.readBigUInt64LE(at)
  // Of two bytes it begins at 256, which one byte can say.
  return BigInt(bytes.readUIntLE(at, size) + (size === 2 ? 256 : 0))
}

function windowOf(descriptor: number): bigint {
  const base = 1n << BigInt(10 + (descriptor >> 3))
  return base + (base >> 3n) * BigInt(descriptor & 7)
}
