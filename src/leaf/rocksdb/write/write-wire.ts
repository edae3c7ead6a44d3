/**
 * What data threads and the writer thread send each other: batches of writes, and their acknowledgements. Never leaves
 * the process, so it has no version. Big-endian.
 *
 *     batch   operation*
 *     op      u32 opId | u32 incarnationId | u8 flags | u32 rowPrefixSize | i64 timestamp | f64 deadline
 *             | u32 bodySize | body
 *     body    entry*, of a write that only has to be stored; or a row program (program-wire.ts); or, of versions that
 *             nobody sees any more, entry* without values, and the deadline is the moment as of which that is so
 *     entry   u8 stamping | u32 keySize | u32 valueSize | key | value
 *     acks    ack*
 *     ack     u32 opId | u16 status | i64 timestamp | u32 messageSize | message
 *
 * The data thread does all the work that can be done beside the writer: it makes the physical keys and the cell values,
 * with room for the timestamps that only the writer can give. The first `rowPrefixSize` bytes of every key are the row.
 * A deadline is on the monotonic clock, which is one for all threads of a process.
 */
import { ERROR_CODES, type ErrorCode, isErrorCode, KVError, type WriteOutcome } from '../../../base/errors.js'
import type { Deadline } from '../../../base/deadline.js'
import { murmur3Token } from '../../../base/hash.js'
import { type DeleteMutation, isBlind, type PutMutation } from '../../../model/mutation.js'
import type { ShardMutate } from '../../../model/plan.js'
import type { MutateRequest } from '../../../model/request.js'
import type { CellTimestamp } from '../../../model/row.js'
import { cellSize, TOMBSTONE_SIZE, writeCell, writeStamp, writeTombstone } from '../../cell-codec.js'
import {
  HISTORY_KINDS,
  HISTORY_VERSION_SIZE,
  historyCellKey,
  mutableCellKey,
  mutableMetaKey,
  writeInvertedStamp,
} from '../../row-codec.js'
import { decodeProgram, encodeProgram, type RowProgram } from './program-wire.js'
import { WireOutput } from './wire-bytes.js'

/** What the writer fills in of an entry: its value's time; the same, one below; its key's; its arrival. */
const STAMP = 1
const BELOW_STAMP = 2
const STAMP_KEY = 4
const ARRIVAL = 8

const SYNCED = 1
const NEEDS_STAMP = 2
const PROGRAM = 4
const SUPERSEDED = 8
/** A put after which what was not seen before is not seen either. */
const ADDS = 16

const OP_HEADER_SIZE = 33
const ENTRY_HEADER_SIZE = 9
/** A program's body begins with the size of its row's key. */
const PROGRAM_KEY_AT = 4
const ACK_HEADER_SIZE = 18
/** Longer rows' ids are this much of the row and a hash of all of it. */
const MAX_PLAIN_ROW_ID = 64
const MIN_TIMESTAMP = -0x8000_0000_0000_0000n

/** Status of an ack: 0; a result; or the code's number in ERROR_CODES with the outcome in the top bit. */
const RESULT = 0x4000
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

/** The one mutation of a request that can be stored without reading anything; null: the request is a program. */
export function blindMutation(request: MutateRequest): PutMutation | DeleteMutation | null {
  const [mutation] = request.mutations
  if (mutation === undefined || request.mutations.length > 1 || request.conditions.length > 0) return null
  if (request.returnAfter !== undefined || request.idempotency !== null || !isBlind(mutation)) return null
  // isBlind holds for these two kinds alone. Without conditions the rest of a request has no effect.
  return mutation.kind === 'PUT' || mutation.kind === 'DELETE' ? mutation : null
}

/** Versions of a history shard that as many newer ones hide as are kept, which live as long as they. */
export interface SupersededVersions {
  /** As they are stored. */
  readonly keys: readonly Buffer[]
  /** A moment before the snapshot in which they were read, on the monotonic clock. */
  readonly asOfMs: number
}

/** Encodes the writes of one loop turn. */
export class WriteEncoder {
  readonly #output = new WireOutput()

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

  /** Adds the removal of versions that are not seen any more. */
  addSuperseded(opId: number, incarnationId: number, { keys, asOfMs }: SupersededVersions): void {
    const header = this.#output.reserve(OP_HEADER_SIZE)
    for (const key of keys) {
      const at = this.#output.reserve(ENTRY_HEADER_SIZE + key.length)
      const { bytes } = this.#output
      bytes[at] = 0
      bytes.writeUInt32BE(key.length, at + 1)
      bytes.writeUInt32BE(0, at + 5)
      bytes.set(key, at + ENTRY_HEADER_SIZE)
    }
    this.#writeHeader(header, {
      opId,
      incarnationId,
      flags: SUPERSEDED,
      prefixSize: 0,
      timestamp: 0n,
      deadline: asOfMs,
    })
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#output.take()
  }

  #encode(opId: number, mutate: ShardMutate, nowSeconds: number): void {
    const { request, rowKey, token, keyOrder } = mutate
    const metaKey = mutableMetaKey(keyOrder, token, rowKey)
    const header = this.#output.reserve(OP_HEADER_SIZE)
    const mutation = blindMutation(request)
    let flags = mutate.durability === 'LOG_SYNCED' ? SYNCED : 0
    let timestamp: CellTimestamp = 0n
    if (mutation === null) {
      flags |= PROGRAM
      encodeProgram(this.#output, metaKey, request)
    } else {
      const isHistory = mutate.incarnation.format === 'history'
      const own = mutation.kind === 'PUT' ? newestOwn(mutation) : mutation.timestamp
      if (mutation.kind === 'PUT' && onlyAdds(mutation)) flags |= ADDS
      if (own === null) flags |= NEEDS_STAMP
      else timestamp = own
      const entries = new EntryEncoder(this.#output, { metaKey, isHistory, nowSeconds })
      if (mutation.kind === 'PUT') entries.put(mutation)
      else entries.remove(mutation)
    }
    this.#writeHeader(header, {
      opId,
      incarnationId: mutate.incarnation.id,
      flags,
      prefixSize: metaKey.length - 1,
      timestamp,
      deadline: mutate.deadline,
    })
  }

  /** Of an operation whose body is through. */
  #writeHeader(header: number, op: OperationHeader): void {
    const { bytes, size } = this.#output
    bytes.writeUInt32BE(op.opId, header)
    bytes.writeUInt32BE(op.incarnationId, header + 4)
    bytes[header + 8] = op.flags
    bytes.writeUInt32BE(op.prefixSize, header + 9)
    bytes.writeBigInt64BE(op.timestamp, header + 13)
    bytes.writeDoubleBE(op.deadline, header + 21)
    bytes.writeUInt32BE(size - header - OP_HEADER_SIZE, header + 29)
  }
}

interface OperationHeader {
  readonly opId: number
  readonly incarnationId: number
  readonly flags: number
  readonly prefixSize: number
  readonly timestamp: CellTimestamp
  readonly deadline: Deadline
}

interface EntryTarget {
  readonly metaKey: Buffer
  readonly isHistory: boolean
  readonly nowSeconds: number
}

/** Makes the entries of writes that only have to be stored. */
class EntryEncoder {
  readonly #output: WireOutput
  readonly #target: EntryTarget

  constructor(output: WireOutput, target: EntryTarget) {
    this.#output = output
    this.#target = target
  }

  put(mutation: PutMutation): void {
    const { metaKey, isHistory, nowSeconds } = this.#target
    const deletion = mutation.replaceRow ? replacedUpTo(mutation) : null
    if (deletion !== null) this.#tombstone(metaKey, deletion.stamping, deletion.timestamp)
    for (const { localKey, value, ttlSeconds, timestamp: own } of mutation.cells) {
      const timestamp = own ?? mutation.timestamp
      const size = cellSize(value.byteLength, ttlSeconds !== null)
      const stored = { timestamp: timestamp ?? 0n, ttlSeconds, value }
      const at = isHistory
        ? this.#version(localKey, timestamp, HISTORY_KINDS.PUT, size)
        : this.#entry(timestamp === null ? STAMP : 0, mutableCellKey(metaKey, localKey), size)
      writeCell(this.#output.bytes, at, stored, nowSeconds)
    }
  }

  remove({ selector, timestamp }: DeleteMutation): void {
    const { metaKey, isHistory, nowSeconds } = this.#target
    const stamping = timestamp === null ? STAMP : 0
    if (selector === null) {
      this.#tombstone(metaKey, stamping, timestamp)
      return
    }
    for (const localKey of selector.localKeys) {
      if (isHistory) {
        const at = this.#version(localKey, timestamp, HISTORY_KINDS.DELETE_UP_TO, TOMBSTONE_SIZE)
        writeTombstone(this.#output.bytes, at, 0n, nowSeconds)
      } else {
        this.#tombstone(mutableCellKey(metaKey, localKey), stamping, timestamp)
      }
    }
  }

  #tombstone(key: Buffer, stamping: number, timestamp: CellTimestamp | null): void {
    const at = this.#entry(stamping, key, TOMBSTONE_SIZE)
    writeTombstone(this.#output.bytes, at, timestamp ?? 0n, this.#target.nowSeconds)
  }

  /** A version of a cell of a history shard: its value begins with the stamp of its arrival. */
  #version(localKey: Buffer, timestamp: CellTimestamp | null, kind: number, valueSize: number): number {
    const key = historyCellKey(this.#target.metaKey, localKey, timestamp ?? 0n, kind)
    return this.#entry(timestamp === null ? ARRIVAL | STAMP_KEY : ARRIVAL, key, valueSize)
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

/** The newest time that the caller gave; null: something of it is left to the writer. */
function newestOwn({ cells, timestamp, replaceRow }: PutMutation): CellTimestamp | null {
  if (timestamp !== null) return timestamp
  if (replaceRow) return null
  let newest = MIN_TIMESTAMP
  for (const cell of cells) {
    if (cell.timestamp === null) return null
    if (cell.timestamp > newest) newest = cell.timestamp
  }
  return newest
}

/** It removes nothing, and gives no version that may stand there already an end: a caller may have given a stamp's time. */
function onlyAdds({ cells, replaceRow }: PutMutation): boolean {
  if (replaceRow) return false
  for (const { ttlSeconds } of cells) if (ttlSeconds !== null) return false
  return true
}

interface Deletion {
  readonly timestamp: CellTimestamp | null
  readonly stamping: number
}

/** The removal of a whole row lies below the cells that replace it; null: nothing lies below them. */
function replacedUpTo({ timestamp, cells }: PutMutation): Deletion | null {
  if (cells.length === 0) return { timestamp, stamping: timestamp === null ? STAMP : 0 }
  if (timestamp === null) return { timestamp, stamping: BELOW_STAMP }
  return timestamp === MIN_TIMESTAMP ? null : { timestamp: timestamp - 1n, stamping: 0 }
}

/** One write as the writer sees it; its keys and values are views into the batch. */
export class WireWrite {
  readonly opId: number
  readonly incarnationId: number
  readonly deadline: Deadline
  /** Bytes of the message that this write took. */
  readonly sizeBytes: number
  readonly #flags: number
  readonly #bytes: Buffer
  readonly #start: number

  /** @param at where the operation starts in `bytes` */
  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#start = at
    this.opId = bytes.readUInt32BE(at)
    this.incarnationId = bytes.readUInt32BE(at + 4)
    this.#flags = bytes[at + 8] ?? 0
    this.deadline = bytes.readDoubleBE(at + 21)
    this.sizeBytes = OP_HEADER_SIZE + bytes.readUInt32BE(at + 29)
  }

  get isSynced(): boolean {
    return (this.#flags & SYNCED) !== 0
  }

  /** Whether it is to be decided by the writer; otherwise it has only to be stamped and stored. */
  get isProgram(): boolean {
    return (this.#flags & PROGRAM) !== 0
  }

  /** Whether it removes versions that were not seen any more as of `deadline`; its entries have no values. */
  get isOfSuperseded(): boolean {
    return (this.#flags & SUPERSEDED) !== 0
  }

  /** Whether no version of a history shard that was hidden is seen behind it. */
  get onlyAdds(): boolean {
    return (this.#flags & ADDS) !== 0
  }

  /** Whether a time is left to the writer; then the stamp is the time that it took effect at. */
  get needsStamp(): boolean {
    return (this.#flags & NEEDS_STAMP) !== 0
  }

  /**
   * The row as a map key of bounded size: equal for equal rows of one shard. Long rows are told apart by a hash; two that
   * share it share their stamps, which then only rise faster.
   */
  rowId(): string {
    const key = this.#rowStart()
    const end = key + this.#bytes.readUInt32BE(this.#start + 9)
    if (end - key <= MAX_PLAIN_ROW_ID) return this.#bytes.toString('latin1', key, end)
    const { high, low } = murmur3Token(this.#bytes, key, end)
    return `${this.#bytes.toString('latin1', key, key + MAX_PLAIN_ROW_ID)}#${high}.${low}`
  }

  /** Whether it is of the row that has this meta key. */
  isOfRow(metaKey: Buffer): boolean {
    const key = this.#rowStart()
    const size = this.#bytes.readUInt32BE(this.#start + 9)
    if (size !== metaKey.byteLength - 1) return false
    return metaKey.compare(this.#bytes, key, key + size, 0, size) === 0
  }

  /** The timestamp that the caller gave, the newest of the cells' own failing that. */
  ownTimestamp(): CellTimestamp {
    return this.#bytes.readBigInt64BE(this.#start + 13)
  }

  /** @throws {KVError} INTERNAL when it is damaged */
  program(): RowProgram {
    const body = this.#start + OP_HEADER_SIZE
    return decodeProgram(this.#bytes, body, this.#start + this.sizeBytes)
  }

  /** Fills in the times that were left to the writer. @param arrival for versions of history shards */
  stamp(stamp: number | null, arrival: number | null): void {
    if (stamp === null && arrival === null) return
    const bytes = this.#bytes
    const end = this.#start + this.sizeBytes
    for (let at = this.#start + OP_HEADER_SIZE; at < end; at = this.#entryEnd(at)) {
      const stamping = bytes[at] ?? 0
      if (stamping === 0) continue
      const valueAt = at + ENTRY_HEADER_SIZE + bytes.readUInt32BE(at + 1)
      if (arrival !== null && (stamping & ARRIVAL) !== 0) writeStamp(bytes, valueAt, arrival)
      if (stamp === null) continue
      if ((stamping & STAMP) !== 0) writeStamp(bytes, valueAt, stamp)
      if ((stamping & BELOW_STAMP) !== 0) writeStamp(bytes, valueAt, stamp - 1)
      if ((stamping & STAMP_KEY) !== 0) writeInvertedStamp(bytes, valueAt - HISTORY_VERSION_SIZE, stamp)
    }
  }

  /** @param visit `isVersion`: of a history shard, whose arrival is later than that of all that is stored under its key */
  forEachEntry(visit: (key: Buffer, value: Buffer, isVersion: boolean) => void): void {
    const bytes = this.#bytes
    const last = this.#start + this.sizeBytes
    for (let at = this.#start + OP_HEADER_SIZE; at < last;) {
      const end = this.#entryEnd(at)
      const valueAt = at + ENTRY_HEADER_SIZE + bytes.readUInt32BE(at + 1)
      const isVersion = ((bytes[at] ?? 0) & ARRIVAL) !== 0
      visit(bytes.subarray(at + ENTRY_HEADER_SIZE, valueAt), bytes.subarray(valueAt, end), isVersion)
      at = end
    }
  }

  #rowStart(): number {
    return this.#start + OP_HEADER_SIZE + (this.isProgram ? PROGRAM_KEY_AT : ENTRY_HEADER_SIZE)
  }

  #entryEnd(at: number): number {
    return at + ENTRY_HEADER_SIZE + this.#bytes.readUInt32BE(at + 1) + this.#bytes.readUInt32BE(at + 5)
  }
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
  readonly #output = new WireOutput()

  get sizeBytes(): number {
    return this.#output.size
  }

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

  /** @param result of a program, encoded */
  answered(opId: number, result: Uint8Array): void {
    const at = this.#header(opId, RESULT, result.byteLength)
    this.#output.bytes.writeBigInt64BE(0n, at + 6)
    this.#output.bytes.set(result, at + ACK_HEADER_SIZE)
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
    bytes.writeUInt32BE(messageSize, at + 14)
    return at
  }
}

/** Calls `visit` for every acknowledgement, in order: with a time, a program's encoded result (a view), or a failure. */
export function forEachAck(
  acks: Uint8Array,
  visit: (opId: number, outcome: CellTimestamp | Buffer | KVError) => void,
): void {
  const bytes = Buffer.from(acks.buffer, acks.byteOffset, acks.byteLength)
  for (let at = 0; at < bytes.byteLength;) {
    const status = bytes.readUInt16BE(at + 4)
    const messageSize = bytes.readUInt32BE(at + 14)
    const end = at + ACK_HEADER_SIZE + messageSize
    if (status === 0) {
      visit(bytes.readUInt32BE(at), bytes.readBigInt64BE(at + 6))
    } else if (status === RESULT) {
      visit(bytes.readUInt32BE(at), bytes.subarray(end - messageSize, end))
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
