/**
 * Builds a shard that can be written out of cells that were written elsewhere: their times and the seconds in which they
 * expire stay. In a child process; the gateway only renames and opens what it left. A directory without FORMAT.json is not
 * a shard, and FORMAT.json is written last.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { KVError } from '../../../base/errors.js'
import type { WritableFormat } from '../../../model/cluster-map.js'
import type { KeyOrder } from '../../../model/dataset.js'
import type { CellTimestamp } from '../../../model/row.js'
import type { RowToken } from '../../../model/row-order.js'
import { cellSize, writeCell } from '../../cell-codec.js'
import { HISTORY_KINDS, historyCellKey, mutableCellKey, mutableMetaKey } from '../../row-codec.js'
import { OwnedDatabase, type WriteBatch } from '../store/binding.js'
import { makeNewDirectory, syncDirectory, syncFile } from '../store/files.js'
import { databaseDirectory, optionsOf, writeFormat, writeWatermark } from '../store/shard-files.js'

const BATCH_SIZE_BYTES = 4 * 1024 * 1024
const CELLS_PER_BATCH = 2_000

/** Cells of other stores carry no stamp of an arrival: any write that arrives here wins against them. */
const NO_ARRIVAL = 0n

/** A cell that is written as it was. */
export interface WrittenCell {
  readonly localKey: Buffer
  readonly value: Buffer
  readonly timestamp: CellTimestamp
  /** Second since 1970 in which it expires; null: it does not. */
  readonly expiresAt: number | null
}

export interface LiveShardOptions {
  readonly format: WritableFormat
  readonly keyOrder: KeyOrder
  /** Seconds since 1970 from which the TTLs of expiring cells count. */
  readonly nowSeconds: number
}

export class LiveShardBuilder {
  readonly #directory: string
  readonly #options: LiveShardOptions
  /** Null: closed for now. */
  #database: OwnedDatabase | null = null
  #batch: WriteBatch | null = null

  private constructor(directory: string, options: LiveShardOptions) {
    this.#directory = directory
    this.#options = options
  }

  /** @throws {KVError} ALREADY_EXISTS when the directory exists, UNAVAILABLE when the disk fails */
  static async create(directory: string, options: LiveShardOptions): Promise<LiveShardBuilder> {
    await makeNewDirectory(directory)
    await makeNewDirectory(databaseDirectory(directory))
    const database = await OwnedDatabase.create(databaseDirectory(directory), optionsOf(options.format))
    await database.close()
    return new LiveShardBuilder(directory, options)
  }

  /** Opens it for writing; again is nothing. @throws {KVError} UNAVAILABLE */
  async resume(): Promise<void> {
    if (this.#database !== null) return
    const options = optionsOf(this.#options.format)
    this.#database = await OwnedDatabase.open(databaseDirectory(this.#directory), options)
    this.#batch = this.#database.newBatch()
  }

  /** Writes and closes it, so that it holds no memory; again is nothing. @throws {KVError} UNAVAILABLE */
  async suspend(): Promise<void> {
    const database = this.#database
    if (database === null) return
    this.#flush()
    this.#database = null
    this.#batch = null
    await database.close()
  }

  /** Between `resume` and `suspend`. Of a cell that comes twice the greater one stays, as if both had been written. */
  add(token: RowToken, rowKey: Buffer, cells: readonly WrittenCell[]): void {
    const { keyOrder, format } = this.#options
    const batch = this.#batch
    if (batch === null) throw new KVError('INTERNAL', `${this.#directory} is not open for writing`)
    const metaKey = mutableMetaKey(keyOrder, token, rowKey)
    for (const cell of cells) {
      const { localKey, timestamp } = cell
      const key =
        format === 'history'
          ? historyCellKey(metaKey, localKey, timestamp, HISTORY_KINDS.PUT)
          : mutableCellKey(metaKey, localKey)
      batch.merge(key, this.#stored(cell))
      if (batch.count >= CELLS_PER_BATCH || batch.sizeBytes >= BATCH_SIZE_BYTES) this.#flush()
    }
  }

  #stored({ value, timestamp, expiresAt }: WrittenCell): Buffer {
    const { format, nowSeconds } = this.#options
    // One that has expired is written all the same: it hides older versions as it did.
    const from = expiresAt === null ? nowSeconds : Math.min(nowSeconds, expiresAt - 1)
    const ttlSeconds = expiresAt === null ? null : expiresAt - from
    const stored = Buffer.allocUnsafe(cellSize(value.byteLength, ttlSeconds !== null))
    const written = { timestamp: format === 'history' ? NO_ARRIVAL : timestamp, ttlSeconds, value }
    writeCell(stored, 0, written, from)
    return stored
  }

  #flush(): void {
    if (this.#batch !== null && this.#batch.count > 0) this.#database?.write(this.#batch, false)
  }

  /**
   * Makes the shard complete and durable, and closes it.
   * @param stamp what it stamps later lies behind this
   */
  async seal(stamp: number): Promise<void> {
    // A close and an open are the only flush there is: the gateway need not replay the log.
    await this.suspend()
    const options = optionsOf(this.#options.format)
    const database = await OwnedDatabase.open(databaseDirectory(this.#directory), options)
    const { sequence } = database
    await database.close()
    const directory = databaseDirectory(this.#directory)
    for (const name of await readdir(directory)) await syncFile(join(directory, name))
    await syncDirectory(directory)
    await writeWatermark(this.#directory, { sequence, stamp })
    await writeFormat(this.#directory, this.#options.format)
  }
}
