/**
 * The living rows of a shard that nobody writes to, in order and in pieces. Read as any scan is, so that what is visible is
 * decided in one place; pages cannot be of different moments, because nothing changes.
 */
import type { Clock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import type { Incarnation } from '../model/cluster-map.js'
import type { KeyOrder } from '../model/dataset.js'
import type { LeafEngine, ShardPage } from '../model/leaf-engine.js'
import { ALL_VERSIONS, type Cell, type CellPosition, type CellSelector, WHOLE_ROW } from '../model/row.js'
import type { RowBound, RowToken } from '../model/row-order.js'
import type { RowPiece, SnapshotCell } from './pieces.js'

export interface FrozenShard {
  readonly engine: Pick<LeafEngine, 'scan' | 'read'>
  readonly incarnation: Incarnation
  readonly keyOrder: KeyOrder
  /** The engine's clock: its wall time stands still, so that all of the snapshot is of one second. */
  readonly clock: Clock
  /** The token of a row key, where the key order needs it. */
  readonly tokenOf: (rowKey: Buffer) => RowToken
}

/** Bytes of a page, and so, roughly, of a piece. */
const PAGE_BYTES = 4 * 1024 * 1024
const PAGE_ROWS = 2_000

/** A page takes a fraction of a second unless the machine is stuck. */
const PAGE_TIMEOUT_MS = 120_000

const EVERYTHING: CellSelector = { ...WHOLE_ROW, maxVersions: ALL_VERSIONS }

/** @throws {KVError} CORRUPT when a block is damaged, DEADLINE_EXCEEDED */
export async function* frozenRows(shard: FrozenShard): AsyncGenerator<readonly RowPiece[]> {
  const nowSeconds = Math.floor(shard.clock.nowMs() / 1_000)
  let lower: RowBound | null = null
  do {
    const page: ShardPage = await scanPage(shard, lower)
    const whole: RowPiece[] = []
    for (const { rowKey, row } of page.rows) {
      if (row.cells.length > 0) whole.push({ rowKey, cells: toSnapshot(row.cells, nowSeconds) })
      if (row.next === null) continue
      yield whole.splice(0)
      yield* restOfRow(shard, rowKey, row.next)
    }
    if (whole.length > 0) yield whole
    lower = page.next === null ? null : { ...page.next, isExclusive: page.next.isBefore !== true }
  } while (lower !== null)
}

async function* restOfRow(
  shard: FrozenShard,
  rowKey: Buffer,
  from: CellPosition,
): AsyncGenerator<readonly RowPiece[]> {
  const nowSeconds = Math.floor(shard.clock.nowMs() / 1_000)
  let position: CellPosition | null = from
  while (position !== null) {
    const row = await readPage(shard, rowKey, position)
    if (row.cells.length > 0) yield [{ rowKey, cells: toSnapshot(row.cells, nowSeconds) }]
    position = row.next
  }
}

function scanPage(shard: FrozenShard, lower: RowBound | null): Promise<ShardPage> {
  const { engine, incarnation, keyOrder, clock } = shard
  const deadline = clock.monotonicMs() + PAGE_TIMEOUT_MS
  const request = {
    ...{ dataset: '', range: null, selector: EVERYTHING, where: [], limit: null, isReversed: false },
    ...{ segment: null, pageRows: PAGE_ROWS, pageBytes: PAGE_BYTES, position: null, datasetVersion: null },
    ...{ withTimestamps: true, withTtl: true, context: { api: 'snapshot', caller: null, deadline } },
  }
  const span = { lower, upper: null }
  const scan = { incarnation, keyOrder, span, request, pageRows: PAGE_ROWS, pageBytes: PAGE_BYTES, deadline }
  return new Promise((resolve, reject) => {
    engine.scan(scan, (outcome) => {
      if (outcome instanceof KVError) reject(outcome)
      else resolve(outcome)
    })
  })
}

function readPage(
  shard: FrozenShard,
  rowKey: Buffer,
  position: CellPosition,
): Promise<{ readonly cells: readonly Cell[]; readonly next: CellPosition | null }> {
  const { engine, incarnation, keyOrder, clock, tokenOf } = shard
  const read = {
    ...{ incarnation, keyOrder, rowKeys: [rowKey], tokens: [tokenOf(rowKey)], selector: EVERYTHING },
    ...{ selectorsByKey: null, withTimestamps: true, withTtl: true, pageBytes: PAGE_BYTES, position },
    ...{ deadline: clock.monotonicMs() + PAGE_TIMEOUT_MS, positions: null },
  }
  return new Promise((resolve, reject) => {
    engine.read(read, (outcome) => {
      const row = outcome instanceof KVError ? outcome : (outcome[0] ?? NOTHING_LEFT)
      if (row instanceof KVError) reject(row)
      else resolve(row)
    })
  })
}

const NOTHING_LEFT = { cells: [], next: null }

function toSnapshot(cells: readonly Cell[], nowSeconds: number): SnapshotCell[] {
  return cells.map(({ localKey, value, timestamp, ttlSeconds }) => {
    if (timestamp === null) throw new KVError('INTERNAL', 'a cell came without its timestamp')
    return { localKey, value, timestamp, expiresAt: ttlSeconds === null ? null : nowSeconds + ttlSeconds }
  })
}
