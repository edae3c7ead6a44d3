/**
 * Scanners of HBase's Thrift gateways: an id that stands for a place in a table. A scanner holds no cursor and no
 * snapshot, only
 * where it is, the state of its filter, and rows that were read and not yet asked for, a page at most. An id that was
 * not used
 * for two minutes is forgotten, as HBase 2 does.
 *
 * Each data thread has its own, with ids that no other thread gives, so that one which is used on a connection of another
 * thread is unknown there and never somebody else's.
 */
import type { Clock } from '../../src/base/clock.js'
import { type Done, KVError, toKVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { KVStore } from '../../src/model/kvstore.js'
import type { RequestContext } from '../../src/model/request.js'
import { ALL_VERSIONS, type ByteRange, type Cell, type CellSelector } from '../../src/model/row.js'
import type { RowPosition } from '../../src/model/row-order.js'
import type { ScanResult, ScannedRow } from '../../src/model/scan.js'
import type { RowFilter } from './filter-rules.js'
import { filterRow } from './filter-run.js'
import { type ColumnName, type Versions, selectorOf, withinFamilies } from './hbase-columns.js'
import { HBaseFault } from './hbase-errors.js'
import type { Table } from './hbase-tables.js'

/** A row, or with a batch size a piece of one. */
export interface HBaseRow {
  readonly rowKey: Buffer
  readonly cells: readonly Cell[]
  /** Further pieces of it follow. */
  readonly isPartial: boolean
}

/** What a scan was opened with. */
export interface ScanWish {
  readonly table: Table
  readonly columns: readonly ColumnName[]
  readonly versions: Versions
  /** Null: all rows. */
  readonly range: ByteRange | null
  readonly isReversed: boolean
  readonly filter: RowFilter | null
  /** Cells of a piece of a row; null: rows are answered whole. */
  readonly batch: number | null
  /** Rows; null: all. */
  readonly limit: number | null
}

interface NextCall {
  readonly count: number
  readonly context: RequestContext
  readonly done: Done<readonly HBaseRow[]>
}

/** One walk over a table. */
export class Scanner {
  readonly #kvstore: KVStore
  readonly #wish: ScanWish
  #selector: CellSelector | null | undefined
  #position: RowPosition | null = null
  /** Read, and not asked for. */
  #ready: HBaseRow[] = []
  #isAtEnd: boolean
  #rows = 0
  /** Calls in the order in which they came; the first is being answered. */
  readonly #calls: NextCall[] = []

  constructor(kvstore: KVStore, wish: ScanWish) {
    const { range } = wish
    this.#kvstore = kvstore
    this.#wish = wish
    this.#isAtEnd = range !== null && range.to !== null && range.from.compare(range.to) >= 0
  }

  /** The next rows or pieces; fewer than `count` only at the end, or where they are large. */
  next(count: number, context: RequestContext, done: Done<readonly HBaseRow[]>): void {
    this.#calls.push({ count, context, done })
    if (this.#calls.length === 1) this.#answer()
  }

  #answer(): void {
    const call = this.#calls[0]
    if (call === undefined) return
    const isEnough = this.#ready.length >= call.count || sizeOf(this.#ready) >= limits.maxScannerAnswerBytes
    if (isEnough || this.#isAtEnd) this.#settle(call, this.#ready.splice(0, call.count))
    else this.#readPage(call)
  }

  #settle(call: NextCall, outcome: readonly HBaseRow[] | KVError): void {
    this.#calls.shift()
    call.done(outcome)
    if (this.#calls.length > 0) this.#answer()
  }

  #readPage(call: NextCall): void {
    const { table, range, isReversed } = this.#wish
    const wanted = Math.max(1, Math.min(call.count - this.#ready.length, limits.maxScannerPageRows))
    try {
      this.#selector ??= this.#selectorOf()
    } catch (error) {
      this.#settle(call, toKVError(error, 'scan'))
      return
    }
    const request = {
      dataset: table.name,
      range,
      selector: this.#selector ?? null,
      where: [],
      limit: null,
      isReversed,
      segment: null,
      // With a filter most rows may be read in vain.
      pageRows: this.#wish.filter === null ? wanted : limits.maxScannerPageRows,
      pageBytes: limits.scannerPageBytes,
      position: this.#position,
      datasetVersion: null,
      withTimestamps: true,
      withTtl: false,
      context: call.context,
    }
    this.#kvstore.scan(request, (outcome) => {
      if (outcome instanceof KVError) this.#settle(call, outcome)
      else this.#take(call, outcome)
    })
  }

  /** A filter sees every version that is kept; how many are answered counts behind it. */
  #selectorOf(): CellSelector | null {
    const { table, columns, versions, filter } = this.#wish
    const count = filter === null ? versions.count : ALL_VERSIONS
    return selectorOf(table, columns, { ...versions, count })
  }

  #take(call: NextCall, { rows, next }: ScanResult): void {
    const cut = rows.findIndex(({ row }) => row.next !== null)
    const whole = cut < 0 ? rows : rows.slice(0, cut)
    for (const one of whole) this.#add(one)
    if (cut < 0) {
      this.#position = next
      this.#isAtEnd ||= next === null
      this.#answer()
      return
    }
    const long = rows[cut]
    if (long === undefined) return
    this.#readWhole(call, long.rowKey)
  }

  /** A row that a page cut: it is read once more, whole, and the scan goes on behind it. */
  #readWhole(call: NextCall, rowKey: Buffer): void {
    const read = {
      dataset: this.#wish.table.name,
      rowKeys: [rowKey],
      selector: this.#selector ?? null,
      selectorsByKey: null,
      datasetVersion: null,
      withTimestamps: true,
      withTtl: false,
      pageBytes: null,
      position: null,
      context: call.context,
    }
    this.#kvstore.read(read, (outcome) => {
      const row = outcome instanceof KVError ? outcome : (outcome.rows[0] ?? null)
      if (row instanceof KVError) {
        this.#settle(call, row)
        return
      }
      if (row !== null) this.#add({ rowKey, row })
      this.#position = { token: { high: 0, low: 0 }, rowKey }
      this.#answer()
    })
  }

  #add({ rowKey, row }: ScannedRow): void {
    const { table, filter, versions, limit, batch } = this.#wish
    if (this.#isAtEnd) return
    const kept = withinFamilies(table, row.cells)
    const cells = filter === null ? kept : filterRow(filter, rowKey, kept, versions.count)
    if (cells !== null && cells.length > 0) {
      this.#rows += 1
      pushPieces(this.#ready, rowKey, cells, batch)
    }
    this.#isAtEnd = filter?.isDone() === true || (limit !== null && this.#rows >= limit)
  }
}

function pushPieces(into: HBaseRow[], rowKey: Buffer, cells: readonly Cell[], batch: number | null): void {
  const size = batch ?? cells.length
  for (let from = 0; from < cells.length; from += size) {
    const isPartial = from + size < cells.length
    into.push({ rowKey, cells: cells.slice(from, from + size), isPartial })
  }
}

function sizeOf(rows: readonly HBaseRow[]): number {
  let size = 0
  for (const { cells } of rows)
    for (const { localKey, value } of cells) size += localKey.length + value.length
  return size
}

/**
 * Rows from `start` on, or back from it, before `stop`; empty: from the first, to the last. The same one as both is
 * that row,
 * as in HBase 2. The keys are copied, because a scanner keeps them for long.
 */
export function rangeOf(first: Buffer, end: Buffer, isReversed: boolean): ByteRange | null {
  const start = Buffer.from(first)
  const stop = Buffer.from(end)
  if (start.length === 0 && stop.length === 0) return null
  const behind = (key: Buffer): Buffer => Buffer.concat([key, ZERO])
  if (start.equals(stop)) return { from: start, to: behind(start) }
  if (!isReversed) return { from: start, to: stop.length === 0 ? null : stop }
  return {
    from: stop.length === 0 ? stop : behind(stop),
    to: start.length === 0 ? null : behind(start),
  }
}

const ZERO = Buffer.alloc(1)

export interface ScannersOptions {
  readonly clock: Clock
  /** Of this thread among `step`. */
  readonly first: number
  readonly step: number
}

/** All scanners of a thread by id. */
export class Scanners<T> {
  readonly #clock: Clock
  readonly #step: number
  /** In the order of their last use. */
  readonly #byId = new Map<number, { readonly value: T; usedAtMs: number }>()
  #nextId: number

  constructor({ clock, first, step }: ScannersOptions) {
    this.#clock = clock
    this.#nextId = first
    this.#step = step
  }

  get size(): number {
    return this.#byId.size
  }

  /** @throws {KVError} OVERLOADED when too many are open */
  open(value: T): number {
    this.#forgetOld()
    if (this.#byId.size >= limits.maxScannersPerThread) {
      throw new KVError(
        'OVERLOADED',
        `${this.#byId.size} scanners are open: close those that are not needed any more`,
        { retryAfterMs: 1_000 },
      )
    }
    const id = this.#nextId
    // Ids are 31 bits; they begin again long after the first ones were forgotten.
    this.#nextId = id + this.#step > 0x7fff_ffff ? id % this.#step : id + this.#step
    this.#byId.set(id, { value, usedAtMs: this.#clock.monotonicMs() })
    return id
  }

  /** Its time begins anew. @throws {KVError} for one that is not open */
  use(id: number): T {
    this.#forgetOld()
    const found = this.#byId.get(id)
    if (found === undefined) throw noScanner()
    this.#byId.delete(id)
    found.usedAtMs = this.#clock.monotonicMs()
    this.#byId.set(id, found)
    return found.value
  }

  /** @throws {KVError} for one that is not open */
  close(id: number): void {
    this.#forgetOld()
    if (!this.#byId.delete(id)) throw noScanner()
  }

  #forgetOld(): void {
    const since = this.#clock.monotonicMs() - limits.scannerIdleMs
    for (const [id, { usedAtMs }] of this.#byId) {
      if (usedAtMs > since) break
      this.#byId.delete(id)
    }
  }
}

function noScanner(): HBaseFault {
  return new HBaseFault('scanner', '', 'scanner ID is invalid')
}
