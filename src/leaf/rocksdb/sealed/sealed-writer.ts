/**
 * Builds a sealed shard: takes rows, packs them, seals and verifies. Runs in the loader's child process; the gateway only
 * renames and opens what it left.
 *
 * Invariants: a directory without SEALED.json is not a shard, and SEALED.json is written last, after everything was read
 * back from disk: every block by RocksDB, which checks its checksum, every key, which is counted, and a sample of the
 * rows, which are compared with what was put. The content's checksum is the sum, modulo 2^64, of one 64-bit number per
 * entry that was put, so that it does not depend on the order of loading. Rows that come in the order of their physical
 * keys load three times as fast.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { KVError } from '../../../base/errors.js'
import { murmur3Token } from '../../../base/hash.js'
import type { KeyOrder } from '../../../model/dataset.js'
import type { RowToken } from '../../../model/row-order.js'
import type { Cell } from '../../../model/row.js'
import { isSealedHeadKey, SEALED_KEY_BYTES, sealedChunkKey, sealedHeadKey } from '../../row-codec.js'
import { Scratch } from '../../scratch.js'
import {
  CHUNK_SIZE,
  checkCrc,
  type EncodedSealedRow,
  encodeSealedRow,
  type SealedRowOptions,
  storedCrc,
} from '../../sealed-row.js'
import { shortCrc32 } from '../../short-crc.js'
import { OwnedDatabase, type WriteBatch } from '../store/binding.js'
import { makeNewDirectory, syncDirectory, syncFile } from '../store/files.js'
import { type DatabaseOptions, SEALED_OPTIONS, sealedInOrderOptions } from '../store/options.js'
import { databaseDirectory, writeFormat, writeSeal } from '../store/shard-files.js'

/** Rows of one batch; more gains nothing (facts: 100, 1,000 and 10,000 load alike). */
const ROWS_PER_BATCH = 1_000

/** A batch is written earlier when it holds so much, so that rows of megabytes do not pile up. */
const BATCH_SIZE_BYTES = 4 * 1024 * 1024

/** How long the seal waits for background compaction; what is left then goes on when the shard is opened. */
const MAX_SETTLE_MS = 60_000

export interface SealedShardOptions {
  readonly keyOrder: KeyOrder
  /** Seconds since 1970 from which TTLs count. */
  readonly nowSeconds: number
  /** CHUNK_SIZE unless given, which is for benches. */
  readonly chunkSize?: number
  /** Rows will come in the order of their physical keys, about so many bytes of them. */
  readonly expectedBytes?: number
}

/** Memtables of a larger shard would take too much memory; what a seal reads again of its log is a small share by then. */
const MAX_SMALL_SHARD_BYTES = 192 * 1024 * 1024

export interface SealedShardFigures {
  readonly rows: number
  readonly bytes: number
  readonly checksum: string
}

export class SealedShardWriter {
  readonly #directory: string
  readonly #databaseOptions: DatabaseOptions
  readonly #keyOrder: KeyOrder
  readonly #rowOptions: SealedRowOptions
  readonly #batch: WriteBatch
  // The batch copies what is put into it.
  readonly #headScratch = new Scratch()
  readonly #keyScratch = new Scratch()
  readonly #sum = new ContentSum()
  readonly #sample = new EntrySample()
  #database: OwnedDatabase
  #rowsInBatch = 0
  #rows = 0
  #chunks = 0
  #bytes = 0

  private constructor(directory: string, options: SealedShardOptions, database: OwnedDatabase) {
    this.#directory = directory
    this.#databaseOptions = databaseOptionsOf(options)
    this.#keyOrder = options.keyOrder
    this.#rowOptions = { nowSeconds: options.nowSeconds, chunkSize: options.chunkSize ?? CHUNK_SIZE }
    this.#database = database
    this.#batch = database.newBatch()
  }

  /** @throws {KVError} ALREADY_EXISTS when the directory exists, UNAVAILABLE when the disk fails */
  static async create(directory: string, options: SealedShardOptions): Promise<SealedShardWriter> {
    await makeNewDirectory(directory)
    await makeNewDirectory(databaseDirectory(directory))
    const database = await OwnedDatabase.create(databaseDirectory(directory), databaseOptionsOf(options))
    return new SealedShardWriter(directory, options, database)
  }

  /** Rows taken so far. */
  get rows(): number {
    return this.#rows
  }

  /** Bytes of keys and values taken so far, as stored. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Takes a row; nothing of the arguments is kept. A key that comes twice is found by `seal`.
   * @param token the row key's own, if the caller has it already
   * @throws {KVError} INVALID_ARGUMENT or TOO_LARGE when the row cannot be stored (the writer goes on being usable);
   * UNAVAILABLE when the disk fails (it does not)
   */
  add(rowKey: Buffer, cells: readonly Cell[], token = this.#tokenOf(rowKey)): void {
    this.addPacked(rowKey, token, encodeSealedRow(cells, this.#rowOptions, this.#headScratch))
  }

  /** The same for a row that is packed already. */
  addPacked(rowKey: Buffer, token: RowToken, { head, chunks }: EncodedSealedRow): void {
    const keyOrder = this.#keyOrder
    this.#put(sealedHeadKey(keyOrder, token, rowKey, this.#keyScratch.view), head)
    for (let index = 0; index < chunks.length; index++) {
      const chunk = chunks[index]
      if (chunk !== undefined) this.#put(sealedChunkKey(keyOrder, token, rowKey, index), chunk)
    }
    this.#rows++
    this.#chunks += chunks.length
    this.#rowsInBatch++
    if (this.#rowsInBatch >= ROWS_PER_BATCH || this.#batch.sizeBytes >= BATCH_SIZE_BYTES) this.#flush()
  }

  #tokenOf(rowKey: Buffer): RowToken {
    return this.#keyOrder === 'HASHED' ? murmur3Token(rowKey) : NO_TOKEN
  }

  #put(key: Buffer, value: Buffer): void {
    this.#batch.put(key, value)
    this.#bytes += key.length + value.length
    const crc = storedCrc(value)
    this.#sum.add(key, crc)
    this.#sample.add(key, crc)
  }

  #flush(): void {
    if (this.#rowsInBatch > 0) this.#database.write(this.#batch, false)
    this.#rowsInBatch = 0
  }

  /**
   * Makes the shard complete and durable, and closes it. Reads everything back first.
   * @throws {KVError} INVALID_ARGUMENT when a row key came twice, CORRUPT when what was read is not what was written
   */
  async seal(): Promise<SealedShardFigures> {
    this.#flush()
    // A close and an open are the only flush there is; after them every row lies in a checksummed file.
    await this.#database.close()
    this.#database = await OwnedDatabase.open(databaseDirectory(this.#directory), this.#databaseOptions)
    await this.#verify()
    await settle(this.#database)
    const { sequence } = this.#database
    await this.#database.close()
    await syncFiles(databaseDirectory(this.#directory))
    await writeFormat(this.#directory, 'sealed')
    const figures = { rows: this.#rows, bytes: this.#bytes, checksum: this.#sum.hex() }
    await writeSeal(this.#directory, { ...figures, sequence })
    return figures
  }

  /** Closes without sealing; the directory is for the caller to remove. */
  async abandon(): Promise<void> {
    await this.#database.close()
  }

  async #verify(): Promise<void> {
    const { HEAD, CHUNK } = SEALED_KEY_BYTES
    const [heads = 0, chunks = 0, others = 0] = await this.#database.countKeys([HEAD, CHUNK])
    if (heads < this.#rows) {
      throw new KVError(
        'INVALID_ARGUMENT',
        `${this.#rows - heads} of ${this.#rows} rows have a key that came before: row keys must be unique`,
      )
    }
    if (heads !== this.#rows || chunks !== this.#chunks || others !== 0) {
      throw new KVError(
        'CORRUPT',
        `${this.#directory} reads back ${heads} rows and ${chunks} chunks, written were ${this.#rows} and ${this.#chunks}`,
      )
    }
    this.#sample.check(this.#database)
  }
}

function databaseOptionsOf({ expectedBytes = Infinity }: SealedShardOptions): DatabaseOptions {
  return expectedBytes <= MAX_SMALL_SHARD_BYTES ? sealedInOrderOptions(expectedBytes) : SEALED_OPTIONS
}

/** Entries kept to be compared; the first one is always among them. */
const MAX_SAMPLES = 512

/** Every n-th entry that was put, where n doubles whenever there are too many: a few hundred of any number. */
class EntrySample {
  #entries: { readonly key: Buffer; readonly crc: number }[] = []
  #stride = 1
  #untilNext = 1

  add(key: Buffer, crc: number): void {
    if (--this.#untilNext > 0) return
    this.#untilNext = this.#stride
    this.#entries.push({ key: Buffer.from(key), crc })
    if (this.#entries.length < MAX_SAMPLES) return
    this.#entries = this.#entries.filter((_, index) => index % 2 === 0)
    this.#stride *= 2
  }

  /** @throws {KVError} CORRUPT when one of them is not what was put */
  check(database: OwnedDatabase): void {
    for (const { key, crc } of this.#entries) {
      const [value] = database.getMany([key])
      if (value == null) throw new KVError('CORRUPT', `${database.directory} lacks a row that was written`)
      checkCrc(value, isSealedHeadKey(key) ? 'head' : 'chunk')
      if (storedCrc(value) === crc) continue
      throw new KVError('CORRUPT', `${database.directory} reads back another row than was written`)
    }
  }
}

const NO_TOKEN: RowToken = { high: 0, low: 0 }

/** Sum modulo 2^64 over entries of `crc32(key continued from the value's crc) * 2^32 + the value's crc`. */
export class ContentSum {
  #high = 0
  #low = 0

  add(key: Buffer, valueCrc: number): void {
    const low = this.#low + valueCrc
    this.#low = low >>> 0
    this.#high = (this.#high + shortCrc32(key, valueCrc) + (low > 0xffff_ffff ? 1 : 0)) >>> 0
  }

  hex(): string {
    return this.#high.toString(16).padStart(8, '0') + this.#low.toString(16).padStart(8, '0')
  }
}

/** Waits until nothing is compacted any more, so that serving does not begin with work left over from loading. */
async function settle(database: OwnedDatabase): Promise<void> {
  const end = performance.now() + MAX_SETTLE_MS
  while (performance.now() < end) {
    const running =
      database.numberProperty('num-running-compactions') + database.numberProperty('num-running-flushes')
    if (running === 0 && database.numberProperty('compaction-pending') === 0) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function syncFiles(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await syncFile(join(directory, name))
  await syncDirectory(directory)
}
