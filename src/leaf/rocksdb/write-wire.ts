/**
 * What data threads and the writer thread send each other: batches of writes, and their acknowledgements. Never leaves
 * the process, so it has no version. Big-endian.
 *
 *     batch   operation*
 *     op      u32 opId | u32 incarnationId | u8 flags | u32 rowPrefixSize | i64 timestamp | u32 entryCount | entry*
 *     entry   u8 stamping | u32 keySize | u32 valueSize | key | value
 *     acks    ack*
 *     ack     u32 opId | u16 status | i64 timestamp | u16 messageSize | message
 *
 * The data thread does all the work that can be done beside the writer: it makes the physical keys and the cell values,
 * with room for the timestamps that only the writer can give. The first `rowPrefixSize` bytes of every key are the row.
 */
import { ERROR_CODES, type ErrorCode, isErrorCode, KVError, type WriteOutcome } from '../../base/errors.js'
import { murmur3Token } from '../../base/hash.js'
import type { ShardMutate } from '../../model/plan.js'
import type { CellTimestamp } from '../../model/row.js'
import {
  cellSize,
  TOMBSTONE_SIZE,
  writeCell,
  writeStamp,
  writeTimestamp,
  writeTombstone,
} from '../cell-codec.js'
import { mutableCellKey, mutableMetaKey } from '../row-codec.js'

/** How the writer fills in an entry's timestamp: not at all; with the stamp; with at most one below the stamp. */
const KEEP = 0
const STAMP = 1
const BELOW_STAMP = 2

const SYNCED = 1
const NEEDS_STAMP = 2

const OP_HEADER_SIZE = 25
const ENTRY_HEADER_SIZE = 9
const ACK_HEADER_SIZE = 16
const INITIAL_SIZE = 16 * 1024
/** Longer rows' ids are this much of the row and a hash of all of it. */
const MAX_PLAIN_ROW_ID = 64
const MAX_TIMESTAMP = 0x7fff_ffff_ffff_ffffn
const MIN_TIMESTAMP = -0x8000_0000_0000_0000n

/** Status of an ack: 0, or the code's number in ERROR_CODES with the outcome in the top bit. */
const OUTCOME_UNKNOWN = 0x8000

const CODES_BY_NUMBER: ReadonlyMap<number, ErrorCode> = new Map(
  Object.entries(ERROR_CODES).flatMap(([name, number]) =>
    isErrorCode(name) ? [[number, name] as const] : [],
  ),
)

/** A data thread's end of the way to the writer thread. */
export interface WriteChannel {
  /** Hands a batch over; the bytes fill a buffer of their own, which may be transferred. */
  send(batch: Uint8Array<ArrayBuffer>): void
  /** Acknowledgements come in any order, each once. */
  onAck(listener: (acks: Uint8Array) => void): void
}

/** Grows; `take` hands its bytes over for good, so that their memory can be transferred to another thread. */
class Output {
  #bytes = Buffer.alloc(0)
  #end = 0

  get size(): number {
    return this.#end
  }

  /** Room for `size` bytes; answers where it starts. The buffer may be another one after each call. */
  reserve(size: number): number {
    const at = this.#end
    this.#end += size
    if (this.#end > this.#bytes.byteLength) {
      const larger = Buffer.from(
        new ArrayBuffer(Math.max(INITIAL_SIZE, this.#end, 2 * this.#bytes.byteLength)),
      )
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
    }
    return at
  }

  get bytes(): Buffer {
    return this.#bytes
  }

  truncate(size: number): void {
    this.#end = size
  }

  take(): Uint8Array<ArrayBuffer> {
    const { buffer } = this.#bytes
    const taken = new Uint8Array(buffer instanceof ArrayBuffer ? buffer : new ArrayBuffer(0), 0, this.#end)
    this.#bytes = Buffer.alloc(0)
    this.#end = 0
    return taken
  }
}

/** Encodes the writes of one loop turn. */
export class WriteEncoder {
  readonly #output = new Output()

  get sizeBytes(): number {
    return this.#output.size
  }

  /**
   * Adds a write, whole or not at all.
   * @throws {KVError} INVALID_ARGUMENT when a key or a TTL is out of range
   */
  add(opId: number, mutate: ShardMutate, nowSeconds: number): void {
    const start = this.#output.size
    try {
      this.#encode(opId, mutate, nowSeconds)
    } catch (error) {
      this.#output.truncate(start)
      throw error
    }
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#output.take()
  }

  #encode(opId: number, mutate: ShardMutate, nowSeconds: number): void {
    const { mutation, rowKey, token, keyOrder } = mutate
    const metaKey = mutableMetaKey(keyOrder, token, rowKey)
    const header = this.#output.reserve(OP_HEADER_SIZE)
    let entryCount = 0
    let newestOwn: CellTimestamp | null = null
    let needsStamp = mutation.timestamp === null && mutation.deletes !== 'NOTHING'
    if (mutation.deletes === 'ROW') {
      const deletion = rowDeletion(mutate)
      if (deletion !== null) {
        this.#tombstone(metaKey, deletion, nowSeconds)
        entryCount++
      }
    } else if (mutation.deletes !== 'NOTHING') {
      const deletion = { timestamp: mutation.timestamp, stamping: mutation.timestamp === null ? STAMP : KEEP }
      const written = new Set(mutation.cells.map((cell) => cell.localKey.toString('latin1')))
      for (const localKey of mutation.deletes) {
        // A cell beside its own deletion wins; at an equal timestamp the deletion would.
        if (written.has(localKey.toString('latin1'))) continue
        this.#tombstone(mutableCellKey(metaKey, localKey), deletion, nowSeconds)
        entryCount++
      }
    }
    for (const cell of mutation.cells) {
      const timestamp = cell.timestamp ?? mutation.timestamp
      if (timestamp === null) needsStamp = true
      else if (newestOwn === null || timestamp > newestOwn) newestOwn = timestamp
      const key = mutableCellKey(metaKey, cell.localKey)
      const stored = { timestamp: timestamp ?? 0n, ttlSeconds: cell.ttlSeconds, value: cell.value }
      const size = cellSize(cell.value.byteLength, cell.ttlSeconds !== null)
      const at = this.#entry(timestamp === null ? STAMP : KEEP, key, size)
      writeCell(this.#output.bytes, at, stored, nowSeconds)
      entryCount++
    }
    const { bytes } = this.#output
    bytes.writeUInt32BE(opId, header)
    bytes.writeUInt32BE(mutate.incarnation.id, header + 4)
    bytes[header + 8] = (mutate.durability === 'LOG_SYNCED' ? SYNCED : 0) | (needsStamp ? NEEDS_STAMP : 0)
    bytes.writeUInt32BE(metaKey.byteLength - 1, header + 9)
    bytes.writeBigInt64BE(mutation.timestamp ?? newestOwn ?? 0n, header + 13)
    bytes.writeUInt32BE(entryCount, header + 21)
  }

  #tombstone(key: Buffer, deletion: Deletion, nowSeconds: number): void {
    const at = this.#entry(deletion.stamping, key, TOMBSTONE_SIZE)
    writeTombstone(this.#output.bytes, at, deletion.timestamp ?? 0n, nowSeconds)
  }

  #entry(stamping: number, key: Buffer, valueSize: number): number {
    const at = this.#output.reserve(ENTRY_HEADER_SIZE + key.byteLength + valueSize)
    const { bytes } = this.#output
    bytes[at] = stamping
    bytes.writeUInt32BE(key.byteLength, at + 1)
    bytes.writeUInt32BE(valueSize, at + 5)
    bytes.set(key, at + ENTRY_HEADER_SIZE)
    return at + ENTRY_HEADER_SIZE + key.byteLength
  }
}

interface Deletion {
  readonly timestamp: CellTimestamp | null
  readonly stamping: number
}

/** A row deletion beside cells lies below the oldest of them, so that the cells win; null: nothing lies below that one. */
function rowDeletion({ mutation }: ShardMutate): Deletion | null {
  const { timestamp, cells } = mutation
  if (cells.length === 0) return { timestamp, stamping: timestamp === null ? STAMP : KEEP }
  let oldest = timestamp ?? MAX_TIMESTAMP
  for (const cell of cells) if (cell.timestamp !== null && cell.timestamp < oldest) oldest = cell.timestamp
  if (oldest === MIN_TIMESTAMP) return null
  return { timestamp: oldest - 1n, stamping: timestamp === null ? BELOW_STAMP : KEEP }
}

/** One write as the writer sees it; its keys and values are views into the batch. */
export class WireWrite {
  readonly opId: number
  readonly incarnationId: number
  readonly isSynced: boolean
  readonly needsStamp: boolean
  /** Bytes of the message that this write took. */
  readonly sizeBytes: number
  readonly entryCount: number
  readonly #bytes: Buffer
  readonly #start: number

  /** @param at where the operation starts in `bytes` */
  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#start = at
    this.opId = bytes.readUInt32BE(at)
    this.incarnationId = bytes.readUInt32BE(at + 4)
    const flags = bytes[at + 8] ?? 0
    this.isSynced = (flags & SYNCED) !== 0
    this.needsStamp = (flags & NEEDS_STAMP) !== 0
    this.entryCount = bytes.readUInt32BE(at + 21)
    let end = at + OP_HEADER_SIZE
    for (let i = 0; i < this.entryCount; i++) end = this.#entryEnd(end)
    this.sizeBytes = end - at
  }

  /**
   * The row as a map key of bounded size: equal for equal rows of one shard. Long rows are told apart by a hash; two that
   * share it share their stamps, which then only rise faster.
   */
  rowId(): string {
    const key = this.#start + OP_HEADER_SIZE + ENTRY_HEADER_SIZE
    const end = key + this.#bytes.readUInt32BE(this.#start + 9)
    if (end - key <= MAX_PLAIN_ROW_ID) return this.#bytes.toString('latin1', key, end)
    const { high, low } = murmur3Token(this.#bytes, key, end)
    return `${this.#bytes.toString('latin1', key, key + MAX_PLAIN_ROW_ID)}#${high}.${low}`
  }

  /** The timestamp that the caller gave, the newest of the cells' own failing that. */
  ownTimestamp(): CellTimestamp {
    return this.#bytes.readBigInt64BE(this.#start + 13)
  }

  /** Fills in the timestamps that were left to the writer. */
  stamp(stamp: number): void {
    const bytes = this.#bytes
    let at = this.#start + OP_HEADER_SIZE
    for (let i = 0; i < this.entryCount; i++) {
      const stamping = bytes[at]
      const valueAt = at + ENTRY_HEADER_SIZE + bytes.readUInt32BE(at + 1)
      if (stamping === STAMP) writeStamp(bytes, valueAt, stamp)
      else if (stamping === BELOW_STAMP) writeBelow(bytes, valueAt, stamp)
      at = this.#entryEnd(at)
    }
  }

  forEachEntry(visit: (key: Buffer, value: Buffer) => void): void {
    const bytes = this.#bytes
    let at = this.#start + OP_HEADER_SIZE
    for (let i = 0; i < this.entryCount; i++) {
      const end = this.#entryEnd(at)
      const valueAt = at + ENTRY_HEADER_SIZE + bytes.readUInt32BE(at + 1)
      visit(bytes.subarray(at + ENTRY_HEADER_SIZE, valueAt), bytes.subarray(valueAt, end))
      at = end
    }
  }

  #entryEnd(at: number): number {
    return at + ENTRY_HEADER_SIZE + this.#bytes.readUInt32BE(at + 1) + this.#bytes.readUInt32BE(at + 5)
  }
}

function writeBelow(bytes: Buffer, at: number, stamp: number): void {
  const below = BigInt(stamp) - 1n
  const own = BigInt.asIntN(64, bytes.readBigUInt64BE(at) ^ 0x8000_0000_0000_0000n)
  writeTimestamp(bytes, at, own < below ? own : below)
}

/** The writes of a batch, in order. */
export function decodeWrites(batch: Uint8Array): WireWrite[] {
  const bytes = Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength)
  const writes: WireWrite[] = []
  for (let at = 0; at < bytes.byteLength;) {
    const write = new WireWrite(bytes, at)
    writes.push(write)
    at += write.sizeBytes
  }
  return writes
}

/** Collects the acknowledgements for one channel. */
export class AckEncoder {
  readonly #output = new Output()

  /** @param timestamp a stamp, or what the caller gave */
  done(opId: number, timestamp: number | CellTimestamp): void {
    const at = this.#header(opId, 0, 0)
    const { bytes } = this.#output
    if (typeof timestamp === 'bigint') {
      bytes.writeBigInt64BE(timestamp, at + 6)
    } else {
      bytes.writeInt32BE(Math.floor(timestamp / 0x1_0000_0000), at + 6)
      bytes.writeInt32BE(timestamp | 0, at + 10)
    }
  }

  failed(opId: number, error: KVError): void {
    const message = Buffer.from(error.message.slice(0, 1_000))
    // A failure that does not say what became of the write must not claim that nothing did.
    const unknown = error.outcome === 'NOT_APPLIED' ? 0 : OUTCOME_UNKNOWN
    const at = this.#header(opId, ERROR_CODES[error.code] | unknown, message.byteLength)
    this.#output.bytes.writeBigInt64BE(0n, at + 6)
    this.#output.bytes.set(message, at + ACK_HEADER_SIZE)
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#output.take()
  }

  #header(opId: number, status: number, messageSize: number): number {
    const at = this.#output.reserve(ACK_HEADER_SIZE + messageSize)
    const { bytes } = this.#output
    bytes.writeUInt32BE(opId, at)
    bytes.writeUInt16BE(status, at + 4)
    bytes.writeUInt16BE(messageSize, at + 14)
    return at
  }
}

/** Calls `visit` for every acknowledgement, in order. */
export function forEachAck(
  acks: Uint8Array,
  visit: (opId: number, outcome: CellTimestamp | KVError) => void,
): void {
  const bytes = Buffer.from(acks.buffer, acks.byteOffset, acks.byteLength)
  for (let at = 0; at < bytes.byteLength;) {
    const status = bytes.readUInt16BE(at + 4)
    const messageSize = bytes.readUInt16BE(at + 14)
    const end = at + ACK_HEADER_SIZE + messageSize
    if (status === 0) {
      visit(bytes.readUInt32BE(at), bytes.readBigInt64BE(at + 6))
    } else {
      const code = CODES_BY_NUMBER.get(status & ~OUTCOME_UNKNOWN) ?? 'INTERNAL'
      const outcome: WriteOutcome = (status & OUTCOME_UNKNOWN) === 0 ? 'NOT_APPLIED' : 'UNKNOWN'
      visit(
        bytes.readUInt32BE(at),
        new KVError(code, bytes.toString('utf8', end - messageSize, end), { outcome }),
      )
    }
    at = end
  }
}
