/**
 * A leaf engine that keeps everything in maps of this thread: the oracle that the other engines are tested against, and a
 * gateway without a disk. It shares no encoding with them: rows and cells are objects, and the conflict rule
 * is written out as comparisons, as kvstore.thrift words it.
 */
import type { Clock } from '../../base/clock.js'
import { type Done, KVError } from '../../base/errors.js'
import type { Incarnation } from '../../model/cluster-map.js'
import type { LeafEngine, LeafStore, ShardLocation } from '../../model/leaf-engine.js'
import type { ShardMutate, ShardRead } from '../../model/plan.js'
import type { MutateResult } from '../../model/request.js'
import type { Cell, CellSelector, CellTimestamp, Row, RowOutcome } from '../../model/row.js'

export const MEMORY_ENGINE = 'memory'

/** A cell, or the mark that one was deleted. */
interface StoredCell {
  /** Null: a sealed cell that was loaded without one. */
  readonly timestamp: CellTimestamp | null
  readonly kind: 'LIVE' | 'EXPIRING' | 'TOMBSTONE'
  /** EXPIRING: dies then; TOMBSTONE: was deleted then. Seconds since 1970. */
  readonly atSeconds: number
  readonly ttlSeconds: number
  readonly value: Buffer
}

interface StoredRow {
  tombstone: CellTimestamp | null
  lastStamp: CellTimestamp
  /** By local key as hex, whose order is byte order. */
  readonly cells: Map<string, StoredCell>
}

/** Rows by row key as hex. */
type Shard = Map<string, StoredRow>

/** "Disk" and control side: shards by directory. They outlive being closed, and end with this object. */
export class MemoryStore implements LeafStore {
  readonly name = MEMORY_ENGINE
  readonly #shards = new Map<string, Shard>()
  readonly #open = new Map<number, Shard>()
  #nextId = 1

  createMutable(directory: string): Promise<void> {
    if (this.#shards.has(directory)) {
      return Promise.reject(new KVError('ALREADY_EXISTS', `${directory} exists already`))
    }
    this.#shards.set(directory, new Map())
    return Promise.resolve()
  }

  /** Makes a sealed shard of these rows. */
  createSealed(
    directory: string,
    rows: Iterable<readonly [rowKey: Buffer, cells: readonly Cell[]]>,
    nowSeconds: number,
  ): void {
    const shard: Shard = new Map()
    for (const [rowKey, cells] of rows) {
      const row = newRow()
      for (const cell of cells)
        row.cells.set(hex(cell.localKey), storedCell(cell, cell.timestamp, nowSeconds))
      shard.set(hex(rowKey), row)
    }
    this.#shards.set(directory, shard)
  }

  open(location: ShardLocation): Promise<Incarnation> {
    const shard = this.#shards.get(location.directory)
    if (shard === undefined) {
      return Promise.reject(new KVError('FAILED_PRECONDITION', `${location.directory} is not a shard`))
    }
    const id = this.#nextId++
    this.#open.set(id, shard)
    return Promise.resolve({ ...location, id, engine: this.name, handle: 0n })
  }

  close(incarnationId: number): Promise<void> {
    this.#open.delete(incarnationId)
    return Promise.resolve()
  }

  closeAll(): Promise<void> {
    this.#open.clear()
    return Promise.resolve()
  }

  shardOf({ id, directory }: Incarnation): Shard {
    const shard = this.#open.get(id)
    if (shard === undefined)
      throw new KVError('SHARD_NOT_SERVING', `${directory} is not open`, { outcome: 'NOT_APPLIED' })
    return shard
  }
}

export class MemoryEngine implements LeafEngine {
  readonly name = MEMORY_ENGINE
  readonly #store: MemoryStore
  readonly #clock: Clock

  constructor(store: MemoryStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  read(read: ShardRead, done: Done<readonly RowOutcome[]>): void {
    done(answerOf(() => this.#read(read)))
  }

  mutate(mutate: ShardMutate, done: Done<MutateResult>): void {
    done(answerOf(() => this.#mutate(mutate)))
  }

  #read(read: ShardRead): readonly RowOutcome[] {
    if (read.deadline <= this.#clock.monotonicMs()) {
      throw new KVError('DEADLINE_EXCEEDED', 'deadline passed before the read began')
    }
    const shard = this.#store.shardOf(read.incarnation)
    return read.rowKeys.map((rowKey, index) => {
      const row = shard.get(hex(rowKey))
      const selector = read.selectorsByKey === null ? read.selector : (read.selectorsByKey[index] ?? null)
      return row === undefined ? null : this.#select(row, selector, read)
    })
  }

  #select(row: StoredRow, selector: CellSelector | null, read: ShardRead): Row | null {
    const nowSeconds = Math.floor(this.#clock.nowMs() / 1_000)
    const wanted = selector === null ? null : new Set(selector.localKeys.map(hex))
    const cells = [...row.cells]
      .filter(([localKey]) => wanted === null || wanted.has(localKey))
      .filter(([, cell]) => isAlive(cell, row.tombstone, nowSeconds))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([localKey, cell]) => ({
        localKey: Buffer.from(localKey, 'hex'),
        value: cell.value,
        timestamp: read.withTimestamps ? cell.timestamp : null,
        ttlSeconds: read.withTtl && cell.kind === 'EXPIRING' ? cell.atSeconds - nowSeconds : null,
      }))
    return cells.length === 0 ? null : { cells }
  }

  #mutate({ incarnation, rowKey, mutation, deadline }: ShardMutate): MutateResult {
    if (deadline <= this.#clock.monotonicMs()) {
      throw new KVError('DEADLINE_EXCEEDED', 'deadline passed before the write began', {
        outcome: 'NOT_APPLIED',
      })
    }
    if (incarnation.format !== 'mutable') {
      throw new KVError('READ_ONLY', 'sealed data takes no writes', { outcome: 'NOT_APPLIED' })
    }
    const { cells, deletes } = mutation
    if (cells.length === 0 && (deletes === 'NOTHING' || deletes.length === 0)) {
      throw new KVError('INVALID_ARGUMENT', 'write without a cell or a deletion', { outcome: 'NOT_APPLIED' })
    }
    const shard = this.#store.shardOf(incarnation)
    const row = shard.get(hex(rowKey)) ?? newRow()
    const needsStamp =
      mutation.timestamp === null && (deletes !== 'NOTHING' || cells.some((cell) => cell.timestamp === null))
    const stamp = needsStamp ? this.#stamp(row) : null
    const general = mutation.timestamp ?? stamp
    const nowSeconds = Math.floor(this.#clock.nowMs() / 1_000)
    const written = cells.map((cell) => storedCell(cell, cell.timestamp ?? general, nowSeconds))
    shard.set(hex(rowKey), row)
    if (general !== null) applyDeletes(row, mutation.deletes, { cells, written, at: general, nowSeconds })
    for (const [i, cell] of written.entries()) merge(row, cells[i]?.localKey, cell)
    return { timestamp: general ?? greatest(written) }
  }

  #stamp(row: StoredRow): CellTimestamp {
    const now = this.#clock.nowUs()
    row.lastStamp = now > row.lastStamp ? now : row.lastStamp + 1n
    return row.lastStamp
  }
}

interface Deletion {
  readonly cells: readonly Cell[]
  readonly written: readonly StoredCell[]
  readonly at: CellTimestamp
  readonly nowSeconds: number
}

/** Cells win over the deletion beside them: a row's lies below the oldest of them, a column's is left out. */
function applyDeletes(
  row: StoredRow,
  deletes: 'NOTHING' | 'ROW' | readonly Buffer[],
  deletion: Deletion,
): void {
  const { cells, written, at, nowSeconds } = deletion
  if (deletes === 'NOTHING') return
  if (deletes === 'ROW') {
    let tombstone = at
    for (const { timestamp } of written) {
      if (timestamp !== null && timestamp <= tombstone) tombstone = timestamp - 1n
    }
    if (written.length > 0 && tombstone === at) tombstone = at - 1n
    if (row.tombstone === null || tombstone > row.tombstone) row.tombstone = tombstone
    return
  }
  for (const localKey of deletes) {
    if (cells.some((cell) => cell.localKey.equals(localKey))) continue
    const value = Buffer.alloc(0)
    merge(row, localKey, { timestamp: at, kind: 'TOMBSTONE', atSeconds: nowSeconds, ttlSeconds: 0, value })
  }
}

function merge(row: StoredRow, localKey: Buffer | undefined, cell: StoredCell): void {
  if (localKey === undefined) return
  const other = row.cells.get(hex(localKey))
  if (other === undefined || winsOver(cell, other)) row.cells.set(hex(localKey), cell)
}

const KIND_RANK = { LIVE: 0, EXPIRING: 1, TOMBSTONE: 2 }

/**
 * LAST_WRITE_WINS: highest timestamp; at equal timestamps deletion over value, expiring over lasting, later expiry, longer
 * ttl, then the greater bytes.
 */
function winsOver(a: StoredCell, b: StoredCell): boolean {
  if (a.timestamp !== b.timestamp) return (a.timestamp ?? 0n) > (b.timestamp ?? 0n)
  if (a.kind !== b.kind) return KIND_RANK[a.kind] > KIND_RANK[b.kind]
  if (a.atSeconds !== b.atSeconds) return a.atSeconds > b.atSeconds
  if (a.ttlSeconds !== b.ttlSeconds) return a.ttlSeconds > b.ttlSeconds
  return Buffer.compare(a.value, b.value) > 0
}

function isAlive(cell: StoredCell, rowTombstone: CellTimestamp | null, nowSeconds: number): boolean {
  if (cell.kind === 'TOMBSTONE') return false
  if (cell.kind === 'EXPIRING' && cell.atSeconds <= nowSeconds) return false
  return rowTombstone === null || cell.timestamp === null || cell.timestamp > rowTombstone
}

function storedCell(cell: Cell, timestamp: CellTimestamp | null, nowSeconds: number): StoredCell {
  const { ttlSeconds } = cell
  if (
    ttlSeconds !== null &&
    (!Number.isInteger(ttlSeconds) || ttlSeconds <= 0 || nowSeconds + ttlSeconds > 0xffff_ffff)
  ) {
    throw new KVError('INVALID_ARGUMENT', `ttl of ${ttlSeconds} s is not possible`, {
      outcome: 'NOT_APPLIED',
    })
  }
  return {
    timestamp,
    kind: ttlSeconds === null ? 'LIVE' : 'EXPIRING',
    atSeconds: ttlSeconds === null ? 0 : nowSeconds + ttlSeconds,
    ttlSeconds: ttlSeconds ?? 0,
    value: Buffer.from(cell.value),
  }
}

function greatest(cells: readonly StoredCell[]): CellTimestamp {
  return cells.reduce(
    (best, { timestamp }) => (timestamp !== null && timestamp > best ? timestamp : best),
    -(2n ** 63n),
  )
}

function newRow(): StoredRow {
  return { tombstone: null, lastStamp: 0n, cells: new Map() }
}

function hex(bytes: Buffer): string {
  return bytes.toString('hex')
}

function answerOf<T>(answer: () => T): T | KVError {
  try {
    return answer()
  } catch (error) {
    if (error instanceof KVError) return error
    throw error
  }
}
