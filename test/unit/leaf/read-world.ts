/** A shard of any format that is filled by its codecs, read through the engine, and a model that says what must be read. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../../src/base/clock.js'
import { NO_DEADLINE } from '../../../src/base/deadline.js'
import { KVError } from '../../../src/base/errors.js'
import { murmur3Token } from '../../../src/base/hash.js'
import { AttachedDatabase, OwnedDatabase } from '../../../src/leaf/rocksdb/store/binding.js'
import { RocksEngine } from '../../../src/leaf/rocksdb/engine.js'
import { SealedShardWriter } from '../../../src/leaf/rocksdb/sealed/sealed-writer.js'
import { databaseDirectory, optionsOf } from '../../../src/leaf/rocksdb/store/shard-files.js'
import type { Incarnation, ShardFormat } from '../../../src/model/cluster-map.js'
import type { KeyOrder } from '../../../src/model/dataset.js'
import type { ShardPage } from '../../../src/model/leaf-engine.js'
import type { ShardRead, ShardScan } from '../../../src/model/plan.js'
import { NO_TOKEN, type RowPosition, type RowToken } from '../../../src/model/row-order.js'
import { type Cell, type Row, type RowOutcome, WHOLE_ROW } from '../../../src/model/row.js'
import type { ScanRequest } from '../../../src/model/scan.js'

export class SteppedClock implements Clock {
  ms = 1_700_000_000_000
  nowUs = (): bigint => BigInt(this.ms) * 1_000n
  nowMs = (): number => this.ms
  monotonicMs = (): number => this.ms
}

/** Seconds at which the world stands still. */
export const NOW = 1_700_000_000

export interface WorldOptions {
  readonly format: ShardFormat
  readonly keyOrder?: KeyOrder
  readonly maxCellVersions?: number
}

export type Entry = readonly [key: Buffer, value: Buffer]
export type LoadedRow = readonly [rowKey: Buffer, cells: readonly Cell[]]

let nextId = 1

export class ReadWorld {
  readonly clock = new SteppedClock()
  readonly engine: RocksEngine
  readonly incarnation: Incarnation
  readonly keyOrder: KeyOrder
  readonly #database: OwnedDatabase
  readonly #root: string
  readonly #attached: AttachedDatabase[] = []

  private constructor(root: string, database: OwnedDatabase, options: WorldOptions) {
    this.#root = root
    this.#database = database
    this.keyOrder = options.keyOrder ?? 'HASHED'
    this.engine = new RocksEngine({
      clock: this.clock,
      channel: { send: () => undefined, onAck: () => undefined },
    })
    this.incarnation = {
      id: nextId++,
      datasetId: 'd',
      shard: 0,
      format: options.format,
      maxCellVersions: options.maxCellVersions ?? 1,
      engine: 'rocksdb',
      handle: database.handle,
      hasRangeTombstones: new SharedArrayBuffer(4),
      directory: root,
    }
  }

  static async writable(options: WorldOptions): Promise<ReadWorld> {
    const root = mkdtempSync(join(tmpdir(), 'godwit-read-'))
    return new ReadWorld(root, await OwnedDatabase.create(root, optionsOf(options.format)), options)
  }

  static async sealed(rows: readonly LoadedRow[], keyOrder: KeyOrder = 'HASHED'): Promise<ReadWorld> {
    const root = mkdtempSync(join(tmpdir(), 'godwit-read-'))
    const shard = join(root, 'shard')
    const writer = await SealedShardWriter.create(shard, { keyOrder, nowSeconds: NOW })
    for (const [rowKey, cells] of rows) writer.add(rowKey, cells)
    await writer.seal()
    const database = await OwnedDatabase.open(databaseDirectory(shard), optionsOf('sealed'))
    return new ReadWorld(root, database, { format: 'sealed', keyOrder })
  }

  get database(): OwnedDatabase {
    return this.#database
  }

  tokenOf(rowKey: Buffer): RowToken {
    return this.keyOrder === 'HASHED' ? murmur3Token(rowKey) : NO_TOKEN
  }

  positionOf(rowKey: Buffer): RowPosition {
    return { token: this.tokenOf(rowKey), rowKey }
  }

  /** Merges, as the writer does. */
  write(entries: readonly Entry[]): void {
    const batch = this.#database.newBatch()
    for (const [key, value] of entries) batch.merge(key, value)
    this.#database.write(batch, false)
  }

  /** Puts, whatever was there. */
  overwrite([key, value]: Entry): void {
    const batch = this.#database.newBatch()
    batch.put(key, value)
    this.#database.write(batch, false)
  }

  setRangeFlag(value: number): void {
    Atomics.store(new Int32Array(this.incarnation.hasRangeTombstones), 0, value)
  }

  read(rowKeys: readonly Buffer[], how: Partial<ShardRead> = {}): Promise<readonly RowOutcome[] | KVError> {
    const read: ShardRead = {
      incarnation: this.incarnation,
      keyOrder: this.keyOrder,
      rowKeys,
      tokens: rowKeys.map((key) => this.tokenOf(key)),
      selector: null,
      selectorsByKey: null,
      withTimestamps: true,
      withTtl: true,
      pageBytes: null,
      position: null,
      deadline: NO_DEADLINE,
      positions: null,
      ...how,
    }
    return new Promise((resolve) => this.engine.read(read, resolve))
  }

  scan(
    how: Partial<ScanRequest> = {},
    page: Partial<Pick<ShardScan, 'span' | 'pageRows' | 'pageBytes' | 'deadline'>> = {},
  ): Promise<ShardPage | KVError> {
    const deadline = page.deadline ?? NO_DEADLINE
    const request: ScanRequest = {
      dataset: 'd',
      range: null,
      selector: null,
      where: [],
      limit: null,
      isReversed: false,
      segment: null,
      pageRows: 1_000,
      pageBytes: 1_000_000,
      position: null,
      datasetVersion: null,
      withTimestamps: true,
      withTtl: true,
      context: { api: 'test', caller: null, deadline },
      ...how,
    }
    const scan: ShardScan = {
      incarnation: this.incarnation,
      keyOrder: this.keyOrder,
      span: { lower: null, upper: null },
      request,
      pageRows: 1_000,
      pageBytes: 1_000_000,
      deadline,
      ...page,
    }
    return new Promise((resolve) => this.engine.scan(scan, resolve))
  }

  /** Fails when anything still holds the DB. */
  async dispose(): Promise<void> {
    this.engine.detach(this.incarnation.id)
    for (const attached of this.#attached) attached.detach()
    await this.#database.close()
    rmSync(this.#root, { recursive: true, force: true })
  }

  /** Another instance on the same DB, as the writer thread has one. */
  attach(): AttachedDatabase {
    const { handle, format } = this.incarnation
    const attached = new AttachedDatabase(handle, this.#root, optionsOf(format))
    this.#attached.push(attached)
    return attached
  }
}

/** What is answered, or a failed test. */
export function answered<T>(outcome: T | KVError | undefined): T {
  if (outcome === undefined) throw new Error('no answer')
  if (outcome instanceof KVError) throw outcome
  return outcome
}

export function rowOf(outcome: RowOutcome | undefined): Row {
  const row = answered(outcome)
  if (row === null) throw new Error('no row')
  return row
}

export function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** Cells in a form that assert prints well. */
export function plain(cells: readonly Cell[]): readonly string[] {
  return cells.map(({ localKey, value, timestamp, ttlSeconds }) => {
    const ttl = ttlSeconds === null ? '' : ` ttl ${ttlSeconds}`
    return `${localKey.toString('latin1')}=${value.toString('latin1')}@${timestamp}${ttl}`
  })
}

export const selector = (how: Partial<typeof WHOLE_ROW>): typeof WHOLE_ROW => ({ ...WHOLE_ROW, ...how })
