/**
 * A sorted run on disk: blocks of `u32 size | u32 crc32 | entries`, each of whole entries of one shard. It is synced
 * before anybody hears of it, so that whoever knows of a run finds it whole after a crash, or an error.
 *
 * Synchronous throughout: this is a process of its own with nothing else to do.
 */
import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { KVError } from '../base/errors.js'
import { onLoadDisk } from './load-disk.js'
import type { RunRecord } from './load-state.js'
import { entryHigh, entryLow, entrySize, type EntryCursor, tokenOfOrder } from './run-entry.js'
import { shardOfToken } from '../model/sharding.js'

/** Of a block; large enough for the disk, small enough that a merge holds one of each run. */
const BLOCK_SIZE = 256 * 1024
const BLOCK_HEADER_SIZE = 8

export interface RunOptions {
  readonly folder: string
  readonly name: string
  readonly shardCount: number
}

/** Where a run lies and what is in it, but for where its rows come from. */
export type RunFigures = Omit<RunRecord, 'positions'>

/** Writes all that is left of the cursor. @throws {KVError} UNAVAILABLE when the disk is full or fails */
export function writeRun(cursor: EntryCursor, { folder, name, shardCount }: RunOptions): RunFigures {
  const path = join(folder, name)
  return onLoadDisk('writing', path, () => {
    const writer = new RunWriter(openSync(path, 'w', 0o600), shardCount)
    try {
      while (cursor.next()) writer.add(cursor)
      return { name, ...writer.finish() }
    } finally {
      writer.close()
    }
  })
}

class RunWriter {
  readonly #file: number
  readonly #shardCount: number
  readonly #shardEnds: number[] = []
  #block = Buffer.allocUnsafeSlow(BLOCK_SIZE)
  #used = BLOCK_HEADER_SIZE
  #written = 0
  #entries = 0

  constructor(file: number, shardCount: number) {
    this.#file = file
    this.#shardCount = shardCount
  }

  add(cursor: EntryCursor): void {
    const size = entrySize(cursor.bytes, cursor.at)
    const shard = shardOfEntry(cursor, this.#shardCount)
    if (shard !== this.#shardEnds.length) this.#endShards(shard)
    if (this.#used + size > this.#block.length) this.#makeRoom(size)
    this.#block.set(cursor.bytes.subarray(cursor.at, cursor.at + size), this.#used)
    this.#used += size
    this.#entries++
  }

  finish(): Pick<RunFigures, 'sizeBytes' | 'entries' | 'shardEnds'> {
    this.#endShards(this.#shardCount)
    fdatasyncSync(this.#file)
    return { sizeBytes: this.#written, entries: this.#entries, shardEnds: this.#shardEnds }
  }

  close(): void {
    closeSync(this.#file)
  }

  /** Entries of this shard come next; those before it end here. */
  #endShards(next: number): void {
    this.#flush()
    while (this.#shardEnds.length < next) this.#shardEnds.push(this.#written)
  }

  #makeRoom(size: number): void {
    this.#flush()
    const needed = Math.max(BLOCK_SIZE, BLOCK_HEADER_SIZE + size)
    if (needed !== this.#block.length) this.#block = Buffer.allocUnsafeSlow(needed)
  }

  #flush(): void {
    if (this.#used === BLOCK_HEADER_SIZE) return
    const block = this.#block
    block.writeUInt32BE(this.#used - BLOCK_HEADER_SIZE, 0)
    block.writeUInt32BE(crc32(block.subarray(BLOCK_HEADER_SIZE, this.#used)), 4)
    for (let from = 0; from < this.#used;) from += writeSync(this.#file, block, from, this.#used - from)
    this.#written += this.#used
    this.#used = BLOCK_HEADER_SIZE
  }
}

function shardOfEntry({ high, low }: EntryCursor, shardCount: number): number {
  return shardCount === 1 ? 0 : shardOfToken(tokenOfOrder(high, low), shardCount)
}

/** Walks the entries of a run from one shard on. Two blocks in turn, so that the entry before the current one stays. */
export class RunCursor implements EntryCursor {
  bytes: Buffer = NO_BYTES
  at = 0
  high = 0
  low = 0
  readonly #path: string
  readonly #file: number
  readonly #end: number
  readonly #header = Buffer.allocUnsafe(BLOCK_HEADER_SIZE)
  #spare: Buffer = NO_BYTES
  #position: number
  #next = 0
  #blockEnd = 0
  #isClosed = false

  /** @throws {KVError} UNAVAILABLE, CORRUPT */
  constructor(folder: string, { name, sizeBytes, shardEnds }: RunRecord, fromShard: number) {
    this.#path = join(folder, name)
    this.#file = onLoadDisk('opening', this.#path, (path) => openSync(path, 'r'))
    this.#position = fromShard === 0 ? 0 : (shardEnds[fromShard - 1] ?? 0)
    this.#end = sizeBytes
  }

  next(): boolean {
    if (this.#next === this.#blockEnd && !this.#readBlock()) return false
    const at = this.#next
    const size = entrySize(this.bytes, at)
    if (size === 0 || at + size > this.#blockEnd) throw this.#damaged('an entry ends behind its block')
    this.#next = at + size
    this.at = at
    this.high = entryHigh(this.bytes, at)
    this.low = entryLow(this.bytes, at)
    return true
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    closeSync(this.#file)
  }

  #readBlock(): boolean {
    if (this.#position >= this.#end) return false
    this.#fill(this.#header, BLOCK_HEADER_SIZE)
    const size = this.#header.readUInt32BE(0)
    if (size === 0 || this.#position + size > this.#end) throw this.#damaged('a block ends behind it')
    const block =
      this.#spare.length >= size ? this.#spare : Buffer.allocUnsafeSlow(Math.max(size, BLOCK_SIZE))
    this.#spare = this.bytes
    this.#fill(block, size)
    if (crc32(block.subarray(0, size)) !== this.#header.readUInt32BE(4))
      throw this.#damaged('a checksum is wrong')
    this.bytes = block
    this.#next = 0
    this.#blockEnd = size
    return true
  }

  #fill(target: Buffer, size: number): void {
    for (let from = 0; from < size;) {
      const count = onLoadDisk('reading', this.#path, () =>
        readSync(this.#file, target, from, size - from, this.#position),
      )
      if (count === 0) throw this.#damaged('it is cut off')
      from += count
      this.#position += count
    }
  }

  #damaged(why: string): KVError {
    return new KVError('CORRUPT', `${this.#path}, a sorted run of this load, is damaged: ${why}; load again`)
  }
}

const NO_BYTES = Buffer.alloc(0)
