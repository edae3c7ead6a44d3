/** One writable shard with the writing half alone: a write client, the group writer, and the DB to look into. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../src/base/clock.js'
import { NO_DEADLINE } from '../../src/base/deadline.js'
import type { KVError } from '../../src/base/errors.js'
import { AttachedDatabase } from '../../src/leaf/rocksdb/store/binding.js'
import { optionsOf } from '../../src/leaf/rocksdb/store/shard-files.js'
import { RocksStore } from '../../src/leaf/rocksdb/store/store.js'
import type { ShardRules } from '../../src/leaf/rocksdb/write/writable-shard.js'
import { WriteClient } from '../../src/leaf/rocksdb/write/write-client.js'
import { GroupWriter } from '../../src/leaf/rocksdb/write/writer.js'
import type { Incarnation, WritableFormat } from '../../src/model/cluster-map.js'
import type { ShardMutate } from '../../src/model/plan.js'
import type { MutateRequest, MutateResult } from '../../src/model/request.js'
import { NO_TOKEN } from '../../src/model/row-order.js'

export const RULES: ShardRules = {
  keyOrder: 'ORDERED',
  maxValueBytes: 16 * 1024 * 1024,
  defaultTtlSeconds: null,
  graceSeconds: 100,
  isPurged: true,
}

class SteppedClock implements Clock {
  ms = 1_700_000_000_000
  nowUs = (): bigint => BigInt(this.ms) * 1_000n
  nowMs = (): number => this.ms
  monotonicMs = (): number => this.ms
}

export class WriterShard {
  readonly clock = new SteppedClock()
  readonly writer: GroupWriter
  readonly failed: number[] = []
  readonly purged = new Map<string, number>()
  readonly purgeFailures: KVError[] = []
  readonly root: string
  readonly format: WritableFormat
  readonly maxCellVersions: number
  rules: ShardRules = RULES
  watermarkFailures = 0
  readonly #store = new RocksStore()
  readonly #client: WriteClient
  #incarnation: Incarnation | null = null
  #database: AttachedDatabase | null = null

  private constructor(format: WritableFormat, maxCellVersions: number) {
    this.root = mkdtempSync(join(tmpdir(), 'godwit-writer-'))
    this.format = format
    this.maxCellVersions = maxCellVersions
    this.writer = new GroupWriter({
      clock: this.clock,
      onShardFailed: (id) => this.failed.push(id),
      onWatermarkFailed: () => (this.watermarkFailures += 1),
      onPurged: (what, count) => this.purged.set(what, (this.purged.get(what) ?? 0) + count),
      onPurgeFailed: (_id, error) => this.purgeFailures.push(error),
    })
    let take: (batch: Uint8Array) => void = () => undefined
    const onAck = (listener: (acks: Uint8Array) => void) => (take = this.writer.channel(listener))
    this.#client = new WriteClient({ send: (batch) => take(batch), onAck }, this.clock)
  }

  static async create(format: WritableFormat, maxCellVersions = 1): Promise<WriterShard> {
    const shard = new WriterShard(format, maxCellVersions)
    await shard.#store.createWritable(shard.#directory, format)
    await shard.open()
    return shard
  }

  get #directory(): string {
    return join(this.root, '0')
  }

  get incarnation(): Incarnation {
    if (this.#incarnation === null) throw new Error('the shard is not open')
    return this.#incarnation
  }

  get database(): AttachedDatabase {
    if (this.#database === null) throw new Error('the shard is not open')
    return this.#database
  }

  async open(): Promise<void> {
    const { format, maxCellVersions } = this
    const location = { datasetId: 'd', shard: 0, format, maxCellVersions, directory: this.#directory }
    this.#incarnation = await this.#store.open(location)
    const { handle } = this.#incarnation
    this.#database = new AttachedDatabase(handle, this.#directory, optionsOf(format))
    this.writer.attach(this.#incarnation, 'MICROSECONDS', this.rules)
  }

  async close(): Promise<void> {
    if (this.#incarnation === null) return
    this.#database?.detach()
    await this.writer.detach(this.#incarnation.id)
    await this.#store.close(this.#incarnation.id)
    this.#incarnation = null
  }

  async dispose(): Promise<void> {
    await this.close()
    await this.writer.stop()
    await this.#store.closeAll()
    rmSync(this.root, { recursive: true })
  }

  shardMutate(rowKey: string, request: Partial<MutateRequest>, how: Partial<ShardMutate> = {}): ShardMutate {
    const key = Buffer.from(rowKey, 'latin1')
    return {
      incarnation: this.incarnation,
      keyOrder: 'ORDERED',
      rowKey: key,
      token: NO_TOKEN,
      request: {
        dataset: 'd',
        rowKey: key,
        mutations: [],
        conditions: [],
        otherwise: [],
        returnOnConflict: undefined,
        returnAfter: undefined,
        idempotency: null,
        durability: null,
        context: { api: 'test', caller: null, deadline: NO_DEADLINE },
        ...request,
      },
      durability: 'LOG',
      deadline: NO_DEADLINE,
      ...how,
    }
  }

  /** Without `flush` it is not sent: what is added until then is one batch. */
  add(
    rowKey: string,
    request: Partial<MutateRequest>,
    how: Partial<ShardMutate> = {},
  ): Promise<MutateResult | KVError> {
    const mutate = this.shardMutate(rowKey, request, how)
    return new Promise((resolve) => this.#client.add(mutate, resolve))
  }

  flush(): void {
    this.#client.flush()
  }

  mutate(
    rowKey: string,
    request: Partial<MutateRequest>,
    how: Partial<ShardMutate> = {},
  ): Promise<MutateResult | KVError> {
    const outcome = this.add(rowKey, request, how)
    this.flush()
    return outcome
  }

  /** As a read that found these keys superseded, and that began before `asOfMs`. Without `flush` it is not sent. */
  addSuperseded(keys: readonly Buffer[], asOfMs: number): void {
    this.#client.dropSuperseded(this.incarnation.id, { keys, asOfMs })
  }

  /** Every stored key and value, as hex. */
  entries(): Map<string, string> {
    const found = new Map<string, string>()
    for (const rows of this.database.scan()) {
      for (let i = 0; i + 1 < rows.length; i += 2) {
        found.set(rows[i]?.toString('hex') ?? '', rows[i + 1]?.toString('hex') ?? '')
      }
    }
    return found
  }
}
