/** How the contract suite sets up each leaf engine: one shard, its engine, and verbs that the interface does not have. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../src/base/clock.js'
import { NO_DEADLINE } from '../../src/base/deadline.js'
import { KVError } from '../../src/base/errors.js'
import { murmur3Token } from '../../src/base/hash.js'
import { MemoryEngine, MemoryStore } from '../../src/leaf/memory/engine.js'
import type { leafEngines } from '../../src/leaf/registry.js'
import { RocksEngine } from '../../src/leaf/rocksdb/engine.js'
import { SealedShardWriter } from '../../src/leaf/rocksdb/sealed-writer.js'
import { RocksStore } from '../../src/leaf/rocksdb/store.js'
import { GroupWriter } from '../../src/leaf/rocksdb/writer.js'
import type { Incarnation, ShardFormat } from '../../src/model/cluster-map.js'
import type { KeyOrder } from '../../src/model/dataset.js'
import type { LeafEngine, LeafStore } from '../../src/model/leaf-engine.js'
import type { ShardMutate, ShardRead } from '../../src/model/plan.js'
import type { MutateResult, RowMutation } from '../../src/model/request.js'
import type { Cell, RowOutcome } from '../../src/model/row.js'

export class SteppedClock implements Clock {
  ms = 1_700_000_000_000
  nowUs = (): bigint => BigInt(this.ms) * 1_000n
  nowMs = (): number => this.ms
  monotonicMs = (): number => this.ms
}

export type SealedRows = readonly (readonly [rowKey: Buffer, cells: readonly Cell[]])[]

/** One shard of one engine. */
export abstract class LeafHarness {
  readonly clock = new SteppedClock()
  readonly keyOrder: KeyOrder
  protected abstract readonly store: LeafStore
  protected abstract readonly engine: LeafEngine
  #incarnation: Incarnation | null = null

  constructor(keyOrder: KeyOrder) {
    this.keyOrder = keyOrder
  }

  abstract get directory(): string
  abstract loadSealed(rows: SealedRows): Promise<void>
  /** Around the opening and closing of an incarnation. */
  protected abstract attach(incarnation: Incarnation): void
  protected abstract detach(incarnation: Incarnation): Promise<void>

  get incarnation(): Incarnation {
    if (this.#incarnation === null) throw new Error('no shard is open')
    return this.#incarnation
  }

  async createMutable(): Promise<void> {
    await this.store.createMutable(this.directory)
    await this.open('mutable')
  }

  async open(format: ShardFormat): Promise<void> {
    this.#incarnation = await this.store.open({ datasetId: 'd', shard: 0, format, directory: this.directory })
    this.attach(this.#incarnation)
  }

  async closeShard(): Promise<void> {
    if (this.#incarnation === null) return
    const incarnation = this.#incarnation
    this.#incarnation = null
    await this.detach(incarnation)
    await this.store.close(incarnation.id)
  }

  async reopen(): Promise<void> {
    const { format } = this.incarnation
    await this.closeShard()
    await this.open(format)
  }

  async dispose(): Promise<void> {
    await this.closeShard()
    await this.store.closeAll()
  }

  read(rowKeys: readonly Buffer[], how: Partial<ShardRead> = {}): Promise<readonly RowOutcome[] | KVError> {
    const read: ShardRead = {
      incarnation: this.incarnation,
      keyOrder: this.keyOrder,
      rowKeys,
      tokens: rowKeys.map((key) => murmur3Token(key)),
      selector: null,
      selectorsByKey: null,
      withTimestamps: false,
      withTtl: false,
      deadline: NO_DEADLINE,
      positions: null,
      ...how,
    }
    return new Promise((resolve) => this.engine.read(read, resolve))
  }

  mutate(
    rowKey: Buffer,
    mutation: Partial<RowMutation>,
    how: Partial<ShardMutate> = {},
  ): Promise<MutateResult | KVError> {
    const mutate: ShardMutate = {
      incarnation: this.incarnation,
      keyOrder: this.keyOrder,
      rowKey,
      token: murmur3Token(rowKey),
      mutation: { cells: [], deletes: 'NOTHING', timestamp: null, ...mutation },
      durability: 'LOG',
      deadline: NO_DEADLINE,
      ...how,
    }
    return new Promise((resolve) => this.engine.mutate(mutate, resolve))
  }
}

export class MemoryHarness extends LeafHarness {
  protected readonly store = new MemoryStore()
  protected readonly engine = new MemoryEngine(this.store, this.clock)
  readonly directory = 'shard'

  loadSealed(rows: SealedRows): Promise<void> {
    this.store.createSealed(this.directory, rows, this.clock.ms / 1_000)
    return this.open('sealed')
  }

  protected attach(): void {
    // Nothing: the engine finds the incarnation in the store.
  }

  protected detach(): Promise<void> {
    return Promise.resolve()
  }
}

export class RocksHarness extends LeafHarness {
  protected readonly store = new RocksStore()
  protected readonly engine: RocksEngine
  readonly writer: GroupWriter
  readonly failedShards: number[] = []
  readonly root: string

  private constructor(keyOrder: KeyOrder, root: string) {
    super(keyOrder)
    this.root = root
    this.writer = new GroupWriter({
      clock: this.clock,
      onShardFailed: (id) => this.failedShards.push(id),
      onWatermarkFailed: (_id, error) => {
        throw error
      },
    })
    let take: (batch: Uint8Array) => void = () => undefined
    const onAck = (listener: (acks: Uint8Array) => void) => (take = this.writer.channel(listener))
    this.engine = new RocksEngine({ clock: this.clock, channel: { send: (batch) => take(batch), onAck } })
  }

  static async create(keyOrder: KeyOrder): Promise<RocksHarness> {
    return new RocksHarness(keyOrder, await mkdtemp(join(tmpdir(), 'godwit-leaf-')))
  }

  get directory(): string {
    return join(this.root, 'shard')
  }

  async loadSealed(rows: SealedRows): Promise<void> {
    const nowSeconds = this.clock.ms / 1_000
    const writer = await SealedShardWriter.create(this.directory, { keyOrder: this.keyOrder, nowSeconds })
    for (const [rowKey, cells] of rows) writer.add(rowKey, cells)
    await writer.seal()
    await this.open('sealed')
  }

  protected attach(incarnation: Incarnation): void {
    if (incarnation.format === 'mutable') this.writer.attach(incarnation, 'MICROSECONDS')
  }

  protected async detach(incarnation: Incarnation): Promise<void> {
    this.engine.detach(incarnation.id)
    await this.writer.detach(incarnation.id)
  }

  override async dispose(): Promise<void> {
    await super.dispose()
    await this.writer.stop()
    await rm(this.root, { recursive: true, force: true })
  }
}

type EngineName = (typeof leafEngines)[number]['name']

/** Fails to compile when an engine of the registry has no harness. */
export const leafHarnesses: Record<EngineName, (keyOrder: KeyOrder) => Promise<LeafHarness>> = {
  rocksdb: (keyOrder) => RocksHarness.create(keyOrder),
  memory: (keyOrder) => Promise.resolve(new MemoryHarness(keyOrder)),
}

export function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

export function cell(localKey: string | Buffer, value: string | Buffer, more: Partial<Cell> = {}): Cell {
  return {
    localKey: typeof localKey === 'string' ? bytes(localKey) : localKey,
    value: typeof value === 'string' ? bytes(value) : value,
    timestamp: null,
    ttlSeconds: null,
    ...more,
  }
}

/** Outcomes in a form that assert.deepEqual compares and prints well. */
export function plain(outcomes: readonly RowOutcome[] | KVError): unknown {
  if (outcomes instanceof KVError) return outcomes.code
  return outcomes.map((outcome) => {
    if (outcome === null) return null
    if (outcome instanceof KVError) return outcome.code
    return outcome.cells.map(({ localKey, value, timestamp, ttlSeconds }) => {
      const key = localKey.toString('latin1')
      const text =
        value.byteLength > 64 ? `${value.byteLength} bytes of ${value[0] ?? ''}` : value.toString('latin1')
      const extras = [
        timestamp === null ? [] : [`@${timestamp}`],
        ttlSeconds === null ? [] : [`ttl ${ttlSeconds}`],
      ]
      return [key, text, ...extras.flat()]
    })
  })
}
