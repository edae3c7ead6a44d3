/**
 * Writes rows in the order of their physical keys to the shards of a version, one shard after the other: shards are
 * ranges of that order. A shard is sealed, and that it is put down for good, before the next one is begun.
 */
import { assert } from '../base/assert.js'
import { KVError } from '../base/errors.js'
import type { KeyOrder } from '../model/dataset.js'
import type { VersionFigures } from '../model/metastore.js'
import type { RowToken } from '../model/row-order.js'
import { shardOfToken } from '../model/sharding.js'
import type { LoadState } from './load-state.js'
import type { LoadTally } from './load-tally.js'
import type { BuildJob } from './messages.js'
import { entryKey, entryRow, entrySize, type PackedRow, tokenOfRow } from './run-entry.js'
import type { DistinctRows } from './run-merge.js'

/** Builds one shard of a version. */
export interface ShardWriter {
  /** Bytes taken so far, as stored. */
  readonly bytes: number
  /** Takes a copy. @throws {KVError} when the disk fails */
  addPacked(rowKey: Buffer, token: RowToken, row: PackedRow): void
  /** Everything is on disk, verified and closed when it resolves. */
  seal(): Promise<VersionFigures>
  /** Closes it as it is; its directory is to be removed. */
  abandon(): Promise<void>
}

export interface ShardPlan {
  /** Does not exist yet. */
  readonly directory: string
  readonly keyOrder: KeyOrder
  /** About so much will come, in order; null: nobody knows. */
  readonly expectedBytes: number | null
}

export type CreateShardWriter = (plan: ShardPlan) => Promise<ShardWriter>

/** Rows between looks at limits and messages. */
const ROWS_AT_ONCE = 2_000

export interface VersionWriterOptions {
  readonly job: BuildJob
  readonly state: LoadState
  readonly tally: LoadTally
  readonly createShardWriter: CreateShardWriter
  /** Of each shard; null: nobody knows. */
  readonly expectedBytes: readonly number[] | null
  /** Between rows, so that messages come and go. */
  readonly pause: () => Promise<void>
}

export class VersionWriter {
  readonly #options: VersionWriterOptions
  #shard: number
  #writer: ShardWriter | null = null
  #duplicates = 0
  #sealedBytes = 0
  /** Packed bytes of the shard that is open, with those of rows that were left out. */
  #writtenBytes = 0
  /** Of these, what was not told yet. */
  #untoldBytes = 0

  /** Goes on behind the shards that are sealed. */
  constructor(options: VersionWriterOptions) {
    this.#options = options
    this.#shard = options.state.sealed.size - 1
    this.#duplicates = options.tally.duplicateCount
    for (const { bytes } of options.state.sealed.values()) this.#sealedBytes += bytes
  }

  /**
   * Writes rows that come behind all those before. With `keepsLast` the last one is left for the next call, as the
   * current one of `rows`.
   * @throws {KVError} QUOTA_EXCEEDED when the version grows too large, INVALID_ARGUMENT for a row key that came twice
   */
  async write(rows: DistinctRows, keepsLast: boolean): Promise<void> {
    const { tally, pause } = this.#options
    let count = 0
    let duplicateBytes = 0
    const before = tally.duplicateCount
    tally.startLap()
    while (rows.next()) {
      tally.duplicateCount = before + rows.duplicateCount
      if (keepsLast && rows.isLast) break
      const shard = this.#shardOf(rows)
      if (shard !== this.#shard) await this.#goTo(shard)
      this.#writer?.addPacked(
        entryKey(rows.bytes, rows.at),
        this.#tokenOf(rows),
        entryRow(rows.bytes, rows.at),
      )
      this.#untoldBytes += entrySize(rows.bytes, rows.at) + rows.duplicateBytes - duplicateBytes
      duplicateBytes = rows.duplicateBytes
      if (++count % ROWS_AT_ONCE !== 0) continue
      this.#tellWritten()
      this.#checkSize()
      await pause()
    }
    this.#tellWritten()
    this.#checkSize()
  }

  #tellWritten(): void {
    this.#options.tally.noteWritten(this.#untoldBytes)
    this.#writtenBytes += this.#untoldBytes
    this.#untoldBytes = 0
  }

  /** Seals what is left; every shard is there then, if empty. */
  async finish(): Promise<void> {
    await this.#goTo(this.#options.job.shardCount)
  }

  /** Gives up the shard that is open. Never rejects. */
  async abandon(): Promise<void> {
    const writer = this.#writer
    this.#writer = null
    // What fails now failed before, and that is what is reported.
    await writer?.abandon().catch(() => undefined)
  }

  #shardOf(row: DistinctRows): number {
    return shardOfToken(this.#tokenOf(row), this.#options.job.shardCount)
  }

  #tokenOf(row: DistinctRows): RowToken {
    return tokenOfRow(this.#options.job.keyOrder, row)
  }

  async #goTo(next: number): Promise<void> {
    const { state, tally, createShardWriter, job, expectedBytes } = this.#options
    assert(next > this.#shard, 'rows come in the order of shards')
    for (;;) {
      await this.#seal()
      this.#shard++
      if (this.#shard === job.shardCount) return
      const directory = state.shardDirectory(this.#shard)
      state.clearShard(this.#shard)
      const expected = expectedBytes?.[this.#shard] ?? null
      tally.startLap()
      this.#writer = await createShardWriter({ directory, keyOrder: job.keyOrder, expectedBytes: expected })
      tally.noteShardMade()
      if (this.#shard === next) return
    }
  }

  async #seal(): Promise<void> {
    const writer = this.#writer
    if (writer === null) return
    this.#writer = null
    const { state, tally } = this.#options
    this.#tellWritten()
    const figures = await writer.seal()
    const duplicateCount = tally.duplicateCount - this.#duplicates
    this.#duplicates = tally.duplicateCount
    this.#sealedBytes += figures.bytes
    state.addSealed({ shard: this.#shard, ...figures, duplicateCount })
    tally.noteSealed(this.#writtenBytes)
    this.#writtenBytes = 0
  }

  #checkSize(): void {
    const { maxVersionBytes } = this.#options.job
    const bytes = this.#sealedBytes + (this.#writer?.bytes ?? 0)
    if (maxVersionBytes === null || bytes <= maxVersionBytes) return
    throw new KVError(
      'QUOTA_EXCEEDED',
      `the version has more than the ${maxVersionBytes} bytes that the dataset allows; load less, or raise maxVersionBytes`,
    )
  }
}
