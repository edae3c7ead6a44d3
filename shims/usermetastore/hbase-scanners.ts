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
import { narrowed } from './filter-columns.js'
import type { FilterTree } from './filter-parse.js'
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

/** A filter as it was asked for, and as it runs, which has state from row to row. */
export interface ScanFilter {
  readonly tree: FilterTree
  readonly judge: RowFilter
}

/** What a scan was opened with. */
export interface ScanWish {
  readonly table: Table
  readonly columns: readonly ColumnName[]
  readonly versions: Versions
  /** Null: all rows. */
  readonly range: ByteRange | null
  readonly isReversed: boolean
  readonly filter: ScanFilter | null
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

/** What all scanners of a thread need and share. */
export interface ScannerHost {
  readonly kvstore: KVStore
  readonly clock: Clock
  /** Bytes that were read and not asked for, of all of them. */
  readonly ready: { bytes: number }
}

/** One walk over a table. */
export class Scanner {
  readonly #host: ScannerHost
  readonly #wish: ScanWish
  #selector: CellSelector | null | undefined
  #position: RowPosition | null = null
  /** Read, and not asked for. */
  readonly #ready: HBaseRow[] = []
  #readyBytes = 0
  #isAtEnd: boolean
  #rows = 0
  /** Rows of the last page that a filter judged. */
  #pageRows = 0
  /** What the filter failed with: where it stopped within a page is not known to a caller. */
  #broken: KVError | null = null
  /** Calls in the order in which they came; the first is being answered. */
  readonly #calls: NextCall[] = []

  constructor(host: ScannerHost, wish: ScanWish) {
    const { range } = wish
    this.#host = host
    this.#wish = wish
    this.#isAtEnd = range !== null && range.to !== null && range.from.compare(range.to) >= 0
  }

  /** The next rows or pieces; fewer than `count` only at the end, or where they are large. */
  next(count: number, context: RequestContext, done: Done<readonly HBaseRow[]>): void {
    this.#calls.push({ count, context, done })
    if (this.#calls.length === 1) this.#answer()
  }

  /** Nobody asks any more: what is ready is given up, and what is still being read, too. */
  close(): void {
    this.#isAtEnd = true
    this.#take(this.#ready.length)
  }

  #answer(): void {
    const call = this.#calls[0]
    if (call === undefined) return
    const isFull = this.#host.ready.bytes > limits.maxScannerReadyBytes
    const isEnough = this.#ready.length >= call.count || this.#readyBytes >= limits.maxScannerAnswerBytes
    const isAnswered = isEnough || this.#isAtEnd || (isFull && this.#ready.length > 0)
    if (this.#broken !== null) this.#settle(call, this.#broken)
    else if (isAnswered) this.#settle(call, this.#take(call.count))
    else if (isFull) this.#settle(call, tooMuchReady())
    else this.#readPage(call)
  }

  #take(count: number): HBaseRow[] {
    const taken = this.#ready.splice(0, count)
    this.#count(-sizeOf(taken))
    return taken
  }

  #count(bytes: number): void {
    this.#readyBytes += bytes
    this.#host.ready.bytes += bytes
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
      pageRows: this.#rowsOfPage(wanted),
      pageBytes: limits.scannerPageBytes,
      position: this.#position,
      datasetVersion: null,
      withTimestamps: true,
      withTtl: false,
      context: call.context,
    }
    this.#host.kvstore.scan(request, (outcome) => {
      if (outcome instanceof KVError) this.#settle(call, outcome)
      else this.#takePage(call, outcome)
    })
  }

  /** A filter may leave most rows out: pages grow until it has what is wanted. */
  #rowsOfPage(wanted: number): number {
    if (this.#wish.filter === null) return wanted
    this.#pageRows = Math.min(limits.maxScannerPageRows, Math.max(wanted, this.#pageRows * 2))
    return this.#pageRows
  }

  /** A filter sees every version that is kept; how many are answered counts behind it. */
  #selectorOf(): CellSelector | null {
    const { table, columns, versions, filter } = this.#wish
    if (filter === null) return selectorOf(table, columns, versions)
    return narrowed(table, selectorOf(table, columns, { ...versions, count: ALL_VERSIONS }), filter.tree)
  }

  #takePage(call: NextCall, { rows, next }: ScanResult): void {
    const cut = rows.findIndex(({ row }) => row.next !== null)
    const whole = cut < 0 ? rows : rows.slice(0, cut)
    this.#addAll(call, whole, () => {
      const long = rows[cut]
      if (long !== undefined) {
        this.#readWhole(call, long.rowKey)
        return
      }
      this.#position = next
      this.#isAtEnd ||= next === null
      this.#answer()
    })
  }

  /** In slices, because a filter may take long over a page and other callers wait for the thread. */
  #addAll(call: NextCall, rows: readonly ScannedRow[], done: () => void): void {
    if (this.#wish.filter === null) {
      for (const row of rows) this.#add(row)
      done()
      return
    }
    const { clock } = this.#host
    const begunMs = clock.monotonicMs()
    for (const [index, row] of rows.entries()) {
      if (!this.#tryAdd(call, row)) return
      const nowMs = clock.monotonicMs()
      if (nowMs - begunMs < limits.filterSliceMs) continue
      const rest = rows.slice(index + 1)
      if (rest.length === 0) break
      if (nowMs >= call.context.deadline) {
        this.#position = behindRow(row.rowKey)
        this.#settle(call, lateFilter(this.#wish.table))
      } else setImmediate(() => this.#addAll(call, rest, done))
      return
    }
    done()
  }

  /** False: the filter cannot judge what it met, and the call is answered so. */
  #tryAdd(call: NextCall, row: ScannedRow): boolean {
    try {
      this.#add(row)
      return true
    } catch (error) {
      this.#broken = toKVError(error, 'scan')
      this.#settle(call, this.#broken)
      return false
    }
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
    this.#host.kvstore.read(read, (outcome) => {
      const row = outcome instanceof KVError ? outcome : (outcome.rows[0] ?? null)
      if (row instanceof KVError) {
        this.#settle(call, row)
        return
      }
      if (row !== null && !this.#tryAdd(call, { rowKey, row })) return
      this.#position = behindRow(rowKey)
      this.#answer()
    })
  }

  #add({ rowKey, row }: ScannedRow): void {
    const { table, filter, versions, limit, batch } = this.#wish
    if (this.#isAtEnd) return
    const cells =
      filter === null
        ? withinFamilies(table, row.cells)
        : filterRow(filter.judge, { rowKey, cells: row.cells }, (family) =>
            table.versionsOf(family, versions.count),
          )
    if (cells !== null && cells.length > 0) {
      this.#rows += 1
      const pieces = piecesOf(rowKey, cells, batch)
      this.#ready.push(...pieces)
      this.#count(sizeOf(pieces))
    }
    this.#isAtEnd = filter?.judge.isDone() === true || (limit !== null && this.#rows >= limit)
  }
}

/** Tables of HBase's callers are ordered by their keys alone. */
function behindRow(rowKey: Buffer): RowPosition {
  return { token: { high: 0, low: 0 }, rowKey }
}

function lateFilter({ name }: Table): KVError {
  return new KVError(
    'DEADLINE_EXCEEDED',
    `the filter of a scan of ${name} took until the deadline: the next call goes on where this one ended`,
    { dataset: name },
  )
}

function tooMuchReady(): KVError {
  return new KVError(
    'OVERLOADED',
    'the scanners of this thread have read more than is asked for: ask for what is ready, or close some',
    { retryAfterMs: 1_000 },
  )
}

function piecesOf(rowKey: Buffer, cells: readonly Cell[], batch: number | null): HBaseRow[] {
  const pieces: HBaseRow[] = []
  const size = batch ?? cells.length
  for (let from = 0; from < cells.length; from += size) {
    const isPartial = from + size < cells.length
    pieces.push({ rowKey, cells: size >= cells.length ? cells : cells.slice(from, from + size), isPartial })
  }
  return pieces
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
export class Scanners<T extends { close(): void }> {
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
    const found = this.#byId.get(id)
    if (found === undefined) throw noScanner()
    this.#byId.delete(id)
    found.value.close()
  }

  #forgetOld(): void {
    const since = this.#clock.monotonicMs() - limits.scannerIdleMs
    for (const [id, { value, usedAtMs }] of this.#byId) {
      if (usedAtMs > since) break
      this.#byId.delete(id)
      value.close()
    }
  }
}

function noScanner(): HBaseFault {
  return new HBaseFault('scanner', '', 'scanner ID is invalid')
}
