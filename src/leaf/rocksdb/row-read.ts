/**
 * Reads of one row of a shard that can be written, in one snapshot however many steps they take: RowRead gives way between
 * its steps, readRowSync does not. Both answer what row-collector.ts makes of the entries.
 */
import type { WritableFormat } from '../../model/cluster-map.js'
import type { KeyOrder } from '../../model/dataset.js'
import { type CellSelector, isPlain, type Row } from '../../model/row.js'
import type { RowToken } from '../../model/row-order.js'
import { mutableCellKey, mutableMetaKey, mutableRowEnd, rangesKey } from '../row-codec.js'
import { selectionOf } from '../selection.js'
import type { Cursor, Database } from './binding.js'
import { Entries } from './entries.js'
import { HeldBytes, tooLarge } from './held-bytes.js'
import { historyCollector } from './history-row.js'
import { MutableCollector, readSelectedCells } from './mutable-row.js'
import type { RowBounds, RowCollector, RowWish } from './row-collector.js'
import { firstStepOf, RowWalk } from './row-walk.js'

/** Selecting more columns than this walks the row: a MultiGet may not outgrow its bound. */
export const MAX_POINT_COLUMNS = 1_000

export interface SyncRowRead {
  readonly format: WritableFormat
  /** As in Incarnation. */
  readonly maxCellVersions: number
  readonly keyOrder: KeyOrder
  readonly token: RowToken
  readonly rowKey: Buffer
  /** Null: the newest version of every column. */
  readonly selector: CellSelector | null
  readonly nowSeconds: number
  /** Whether the shard may hold range tombstones, as the calling thread knows. */
  readonly hasRangeTombstones: boolean
  /** Of the cells with what they are found in. */
  readonly maxBytes: number
}

/**
 * The selected living cells, with timestamps and TTLs; null: none. Reads on the calling thread and in one go, whatever it
 * takes: about 7 us a stored cell.
 * @throws {KVError} TOO_LARGE, CORRUPT, SHARD_NOT_SERVING
 */
export function readRowSync(database: Database, read: SyncRowRead): Row | null {
  const { selector, format } = read
  if (format === 'mutable' && selector !== null && selector.localKeys.length <= MAX_POINT_COLUMNS) {
    if (isPlain(selector)) return readColumnsSync(database, read, selector)
  }
  const rowRead = new RowRead(database, {
    format,
    metaKey: mutableMetaKey(read.keyOrder, read.token, read.rowKey),
    wish: { ...read, selection: selectionOf(selector, null), withTimestamps: true, withTtl: true },
    bounds: { held: new HeldBytes(read.maxBytes), room: Number.POSITIVE_INFINITY },
  })
  try {
    for (;;) {
      const row = rowRead.next()
      if (row !== undefined) return row
    }
  } finally {
    rowRead.close()
  }
}

function readColumnsSync(database: Database, read: SyncRowRead, selector: CellSelector): Row | null {
  const metaKey = mutableMetaKey(read.keyOrder, read.token, read.rowKey)
  const keys = read.hasRangeTombstones ? [metaKey, rangesKey(metaKey)] : [metaKey]
  for (const localKey of selector.localKeys) keys.push(mutableCellKey(metaKey, localKey))
  const values = database.getMany(keys)
  const held = new HeldBytes(read.maxBytes)
  for (const value of values) {
    if (value === null) throw tooLarge()
    if (value !== undefined) held.charge(value.byteLength, 1)
  }
  const { hasRangeTombstones: withRanges, nowSeconds } = read
  const how = { selector, withRanges, withTimestamps: true, withTtl: true, nowSeconds }
  return readSelectedCells(how, values, 0)
}

export interface RowReadOptions {
  readonly format: WritableFormat
  readonly metaKey: Buffer
  readonly wish: RowWish
  readonly bounds: RowBounds
}

/** One row that is read step by step. Holds a cursor until it is closed, which the caller must do. */
export class RowRead {
  readonly #cursor: Cursor
  readonly #entries: Entries
  readonly #collector: RowCollector
  readonly #steps: Generator<void, void>

  constructor(database: Database, { format, metaKey, wish, bounds }: RowReadOptions) {
    const { selection } = wish
    const { isReversed } = selection
    this.#collector = collectorOf(format, wish, bounds)
    this.#cursor = database.openCursor({
      from: metaKey,
      to: mutableRowEnd(metaKey),
      isReversed,
      fillsCache: true,
    })
    this.#entries = new Entries(this.#cursor, isReversed, firstStepOf(selection))
    this.#steps = new RowWalk(this.#entries, this.#collector, { format, selection }).run(metaKey)
    this.#steps.next()
  }

  /** Bytes read so far, of what is answered and of what is not. */
  get readBytes(): number {
    return this.#entries.readBytes
  }

  /**
   * Reads the next step, of at most 256 entries and 1 MiB or one entry: the row, null when there is none; undefined while
   * there is more to read.
   * @throws {KVError} TOO_LARGE, CORRUPT, SHARD_NOT_SERVING
   */
  next(): Row | null | undefined {
    return this.#steps.next().done === true ? this.#collector.found.row : undefined
  }

  close(): void {
    this.#cursor.close()
  }
}

export function collectorOf(format: WritableFormat, wish: RowWish, bounds: RowBounds): RowCollector {
  return format === 'history' ? historyCollector(wish, bounds) : new MutableCollector(wish, bounds)
}
