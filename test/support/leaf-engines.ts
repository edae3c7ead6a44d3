/** How the contract suite sets up each leaf engine: one shard, its engine, and verbs that the interface does not have. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../src/base/clock.js'
import { NO_DEADLINE } from '../../src/base/deadline.js'
import { KVError } from '../../src/base/errors.js'
import { murmur3Token } from '../../src/base/hash.js'
import { limits } from '../../src/base/limits.js'
import { MemoryEngine } from '../../src/leaf/memory/engine.js'
import { MemoryStore } from '../../src/leaf/memory/store.js'
import type { leafEngines } from '../../src/leaf/registry.js'
import { RocksEngine } from '../../src/leaf/rocksdb/engine.js'
import { SealedShardWriter } from '../../src/leaf/rocksdb/sealed/sealed-writer.js'
import { RocksStore } from '../../src/leaf/rocksdb/store/store.js'
import type { ShardRules } from '../../src/leaf/rocksdb/write/writable-shard.js'
import { GroupWriter } from '../../src/leaf/rocksdb/write/writer.js'
import type { Incarnation, ShardFormat, WritableFormat } from '../../src/model/cluster-map.js'
import type { KeyOrder } from '../../src/model/dataset.js'
import type { LeafEngine, LeafStore, ShardPage } from '../../src/model/leaf-engine.js'
import type { DeleteMutation, PutMutation } from '../../src/model/mutation.js'
import type { ShardMutate, ShardRead, ShardScan } from '../../src/model/plan.js'
import type { MutateRequest, MutateResult, RequestContext } from '../../src/model/request.js'
import type { Cell, RowOutcome } from '../../src/model/row.js'
import { NO_TOKEN, type RowToken } from '../../src/model/row-order.js'
import type { ScanRequest } from '../../src/model/scan.js'

export class SteppedClock implements Clock {
  ms = 1_700_000_000_000
  nowUs = (): bigint => BigInt(this.ms) * 1_000n
  nowMs = (): number => this.ms
  monotonicMs = (): number => this.ms
}

export type SealedRows = readonly (readonly [rowKey: Buffer, cells: readonly Cell[]])[]

const CONTEXT: RequestContext = { api: 'test', caller: null, deadline: NO_DEADLINE }

/** One shard of one engine. */
export abstract class LeafHarness {
  readonly clock = new SteppedClock()
  readonly keyOrder: KeyOrder
  /** The dataset's. */
  readonly defaultTtlSeconds: number | null
  protected abstract readonly store: LeafStore
  protected abstract readonly engine: LeafEngine
  #incarnation: Incarnation | null = null

  constructor(keyOrder: KeyOrder, defaultTtlSeconds: number | null = null) {
    this.keyOrder = keyOrder
    this.defaultTtlSeconds = defaultTtlSeconds
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

  /** An empty shard that can be written, open. */
  async create(format: WritableFormat, maxCellVersions: number): Promise<void> {
    await this.store.createWritable(this.directory, format)
    await this.open(format, maxCellVersions)
  }

  createMutable(): Promise<void> {
    return this.create('mutable', 1)
  }

  async open(format: ShardFormat, maxCellVersions = 1): Promise<void> {
    const { directory } = this
    const location = { datasetId: 'd', shard: 0, format, maxCellVersions, directory }
    this.#incarnation = await this.store.open(location)
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
    const { format, maxCellVersions } = this.incarnation
    await this.closeShard()
    await this.open(format, maxCellVersions)
  }

  /** Removes for good what no read can see; deletions, if ever, when they are older than the grace period. */
  abstract purge(graceSeconds: number): Promise<void>

  async dispose(): Promise<void> {
    await this.closeShard()
    await this.store.closeAll()
  }

  tokenOf(rowKey: Buffer): RowToken {
    return this.keyOrder === 'HASHED' ? murmur3Token(rowKey) : NO_TOKEN
  }

  read(rowKeys: readonly Buffer[], how: Partial<ShardRead> = {}): Promise<readonly RowOutcome[] | KVError> {
    const read: ShardRead = {
      incarnation: this.incarnation,
      keyOrder: this.keyOrder,
      rowKeys,
      tokens: rowKeys.map((key) => this.tokenOf(key)),
      selector: null,
      selectorsByKey: null,
      withTimestamps: false,
      withTtl: false,
      pageBytes: null,
      position: null,
      deadline: NO_DEADLINE,
      positions: null,
      ...how,
    }
    return new Promise((resolve) => this.engine.read(read, resolve))
  }

  /** One page; by default of everything. */
  scan(request: Partial<ScanRequest> = {}, how: Partial<ShardScan> = {}): Promise<ShardPage | KVError> {
    const scan: ShardScan = {
      incarnation: this.incarnation,
      keyOrder: this.keyOrder,
      span: { lower: null, upper: null },
      request: {
        dataset: 'd',
        range: null,
        selector: null,
        where: [],
        limit: null,
        isReversed: false,
        segment: null,
        pageRows: 1_000,
        pageBytes: 1024 * 1024,
        position: null,
        datasetVersion: null,
        withTimestamps: false,
        withTtl: false,
        context: CONTEXT,
        ...request,
      },
      pageRows: 1_000,
      pageBytes: 1024 * 1024,
      deadline: NO_DEADLINE,
      ...how,
    }
    return new Promise((resolve) => this.engine.scan(scan, resolve))
  }

  mutate(
    rowKey: Buffer,
    request: Partial<MutateRequest>,
    how: Partial<ShardMutate> = {},
  ): Promise<MutateResult | KVError> {
    const mutate: ShardMutate = {
      incarnation: this.incarnation,
      keyOrder: this.keyOrder,
      rowKey,
      token: this.tokenOf(rowKey),
      request: {
        dataset: 'd',
        rowKey,
        mutations: [],
        conditions: [],
        otherwise: [],
        returnOnConflict: undefined,
        returnAfter: undefined,
        idempotency: null,
        durability: null,
        context: CONTEXT,
        ...request,
      },
      durability: 'LOG',
      deadline: NO_DEADLINE,
      ...how,
    }
    return new Promise((resolve) => this.engine.mutate(mutate, resolve))
  }

  put(
    rowKey: Buffer,
    cells: readonly Cell[],
    more: Partial<PutMutation> = {},
    how: Partial<ShardMutate> = {},
  ): Promise<MutateResult | KVError> {
    return this.mutate(rowKey, { mutations: [put(cells, more)] }, how)
  }

  /** By default the whole row, now. */
  remove(
    rowKey: Buffer,
    more: Partial<DeleteMutation> = {},
    how: Partial<ShardMutate> = {},
  ): Promise<MutateResult | KVError> {
    return this.mutate(rowKey, { mutations: [remove(more)] }, how)
  }
}

export function put(cells: readonly Cell[], more: Partial<PutMutation> = {}): PutMutation {
  return { kind: 'PUT', cells, timestamp: null, replaceRow: false, ...more }
}

export function remove(more: Partial<DeleteMutation> = {}): DeleteMutation {
  return { kind: 'DELETE', selector: null, timestamp: null, scope: 'UP_TO_TIMESTAMP', ...more }
}

export class MemoryHarness extends LeafHarness {
  protected readonly store = new MemoryStore()
  protected readonly engine = new MemoryEngine(this.store, this.clock, this.defaultTtlSeconds)
  readonly directory = 'shard'

  loadSealed(rows: SealedRows): Promise<void> {
    this.store.createSealed(this.directory, rows, {
      keyOrder: this.keyOrder,
      nowSeconds: this.clock.ms / 1_000,
    })
    return this.open('sealed')
  }

  purge(): Promise<void> {
    this.store.purge(this.incarnation)
    return Promise.resolve()
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

  private constructor(keyOrder: KeyOrder, defaultTtlSeconds: number | null, root: string) {
    super(keyOrder, defaultTtlSeconds)
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

  static async create(keyOrder: KeyOrder, defaultTtlSeconds: number | null = null): Promise<RocksHarness> {
    return new RocksHarness(keyOrder, defaultTtlSeconds, await mkdtemp(join(tmpdir(), 'godwit-leaf-')))
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
    if (incarnation.format !== 'sealed') this.writer.attach(incarnation, 'MICROSECONDS', this.#rules(null))
  }

  async purge(graceSeconds: number): Promise<void> {
    this.writer.attach(this.incarnation, 'MICROSECONDS', this.#rules(graceSeconds))
    await this.writer.purge(this.incarnation.id)
    this.writer.attach(this.incarnation, 'MICROSECONDS', this.#rules(null))
  }

  /** Only purged when a test says so. */
  #rules(graceSeconds: number | null): ShardRules {
    return {
      keyOrder: this.keyOrder,
      maxValueBytes: limits.maxValueBytes,
      defaultTtlSeconds: this.defaultTtlSeconds,
      graceSeconds: graceSeconds ?? 0,
      isPurged: graceSeconds !== null,
    }
  }

  endReads(): void {
    this.engine.endReads()
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
export const leafHarnesses: Record<EngineName, (...dataset: DatasetShape) => Promise<LeafHarness>> = {
  rocksdb: (...dataset) => RocksHarness.create(...dataset),
  memory: (...dataset) => Promise.resolve(new MemoryHarness(...dataset)),
}

type DatasetShape = readonly [keyOrder: KeyOrder, defaultTtlSeconds?: number | null]

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
  return outcomes instanceof KVError ? outcomes.code : outcomes.map(plainRow)
}

export function plainRow(outcome: RowOutcome): unknown {
  if (outcome === null) return null
  if (outcome instanceof KVError) return outcome.code
  const cells = outcome.cells.map(plainCell)
  return outcome.next === null ? cells : [...cells, 'goes on']
}

export function plainCell({ localKey, value, timestamp, ttlSeconds }: Cell): string[] {
  const key = localKey.toString('latin1')
  const text =
    value.byteLength > 64 ? `${value.byteLength} bytes of ${value[0] ?? ''}` : value.toString('latin1')
  return [
    key,
    text,
    ...(timestamp === null ? [] : [`@${timestamp}`]),
    ...(ttlSeconds === null ? [] : [`ttl ${ttlSeconds}`]),
  ]
}
