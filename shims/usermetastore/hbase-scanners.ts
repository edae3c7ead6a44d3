/**
 * Scanners of HBase's Thrift gateways: a place in a table. A scanner holds no cursor and no snapshot, only where it is, the
 * state of its filter, and rows that were read and not yet asked for, a page at most.
 */
import type { Clock } from '../../src/base/clock.js'
import { type Done, KVError, toKVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { KVStore } from '../../src/model/kvstore.js'
import type { RequestContext } from '../../src/model/request.js'
import {
  ALL_VERSIONS,
  type ByteRange,
  type Cell,
  type CellPosition,
  type CellSelector,
  type Row,
} from '../../src/model/row.js'
import type { RowPosition } from '../../src/model/row-order.js'
import type { ScanResult, ScannedRow } from '../../src/model/scan.js'
import type { BuiltFilter } from './filter-build.js'
import { narrowed } from './filter-columns.js'
import type { FilterTree } from './filter-parse.js'
import { type Job, judging } from './filter-run.js'
import {
  type ColumnCount,
  type ColumnName,
  type Versions,
  selectorOf,
  withinFamilies,
} from './hbase-columns.js'
import { CELL_OVERHEAD, type HBaseRow, ReadyRows, ownCell } from './hbase-ready-rows.js'
import { lateFilter, tooLong, tooMuchReady } from './hbase-scan-faults.js'
import type { Table } from './hbase-tables.js'
import { runInSlices } from './slices.js'

/** A filter as it was asked for, and as it runs, which has state from row to row. */
export interface ScanFilter extends BuiltFilter {
  readonly tree: FilterTree
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
  /** It is asked once: an answer cut short, which a later call would go on behind, is then a failure. */
  readonly isOnce?: true
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
  /** What was read and not asked for, of all of them. */
  readonly ready: { bytes: number }
}

/** A page as far as its rows are not yet ready. */
interface Page extends Pick<ScanResult, 'next'> {
  rows: readonly ScannedRow[]
}

/** A row that a page cut, as far as it was read. */
interface LongRow {
  readonly rowKey: Buffer
  /** Where it goes on. */
  next: CellPosition
  /** Read, and not yet made pieces. */
  cells: Cell[]
  /** What they take in memory. */
  bytes: number
  readonly before: ColumnCount
  /** Everything that was read of it was made pieces: it counts as a row, also where nothing follows. */
  isGiven: boolean
}

/** Before the first cell of a row. It is asked for as later pages are, of which a version that leaves answers still. */
const START: CellPosition = { localKey: null, timestamp: null, columns: 0 }

/** One walk over a table. */
export class Scanner {
  readonly #host: ScannerHost
  readonly #wish: ScanWish
  readonly #ready: ReadyRows
  #selector: CellSelector | null | undefined
  #position: RowPosition | null = null
  /** Who answered the first page, and answers all others. */
  #answerer: Pick<ScanResult, 'datasetVersion' | 'side'> = { datasetVersion: null }
  #page: Page | null = null
  #long: LongRow | null = null
  /** What page and row take in memory as last counted; it is counted with what is ready. */
  #keptBytes = 0
  #isAtEnd = false
  #rows = 0
  /** Rows of the last page that a filter judged. */
  #pageRows = 0
  /** What ended the scan: a filter that failed, or a row that takes too much memory. */
  #broken: KVError | null = null
  /** Calls in the order in which they came; the first is being answered. */
  readonly #calls: NextCall[] = []

  constructor(host: ScannerHost, wish: ScanWish) {
    this.#host = host
    this.#wish = wish
    this.#ready = new ReadyRows(host.ready)
  }

  /** The next rows or pieces; fewer than `count` only at the end, or where they are large. */
  next(count: number, context: RequestContext, done: Done<readonly HBaseRow[]>): void {
    this.#calls.push({ count, context, done })
    if (this.#calls.length === 1) this.#answer()
  }

  /** Nobody asks any more: what is ready is given up, and what is still being read, too. */
  close(): void {
    this.#isAtEnd = true
    this.#long = null
    this.#page = null
    this.#countKept()
    this.#ready.take(this.#ready.length)
  }

  #answer(): void {
    const call = this.#calls[0]
    if (call === undefined) return
    const { length, bytes } = this.#ready
    const isFull = this.#host.ready.bytes > limits.maxScannerReadyBytes
    const isEnough = length >= call.count || bytes >= limits.maxScannerAnswerBytes
    const isCutShort = this.#wish.isOnce !== true && (isFull || this.#broken !== null)
    const isAnswered = isEnough || this.#isAtEnd || (isCutShort && length > 0)
    if (isAnswered) this.#settle(call, this.#ready.take(call.count))
    else if (this.#broken !== null) this.#settle(call, this.#broken)
    else if (this.#page !== null && this.#long === null) this.#takeRows(call, this.#page)
    else if (isFull) this.#refuse(call, this.#long)
    else if (this.#long !== null) this.#readOn(call, this.#long)
    else this.#readPage(call)
  }

  /**
   * Reads no more for now. Half a row makes way, or scanners that hold one each would refuse each other for ever: it is
   * answered where rows come in pieces, a shorter one then, and begun again by the next call where they come whole.
   */
  #refuse(call: NextCall, long: LongRow | null): void {
    const { filter, batch, isOnce } = this.#wish
    if (long === null || long.cells.length === 0) this.#settle(call, tooMuchReady())
    else if (filter === null && batch !== null && isOnce !== true) {
      this.#ready.push({ rowKey: long.rowKey, cells: long.cells, isPartial: true })
      this.#long = { ...long, cells: [], bytes: 0, isGiven: true }
      this.#settle(call, this.#ready.take(call.count))
    } else {
      this.#long = begun(long.rowKey, START)
      this.#settle(call, tooMuchReady())
    }
  }

  /** Every call is answered so from then on, and what was read and is not ready is given up. */
  #break(failure: KVError): void {
    this.#broken = failure
    this.#long = null
    this.#page = null
  }

  #settle(call: NextCall, outcome: readonly HBaseRow[] | KVError): void {
    this.#calls.shift()
    this.#own()
    call.done(outcome)
    if (this.#calls.length > 0) this.#answer()
  }

  /** What stays until the next call, which may come late or never, must not hold a page of which it is a view. */
  #own(): void {
    this.#ready.own()
    if (this.#position !== null)
      this.#position = { ...this.#position, rowKey: Buffer.from(this.#position.rowKey) }
    if (this.#long !== null) ownRow(this.#long)
    this.#countKept()
  }

  #countKept(): void {
    let bytes = this.#long?.bytes ?? 0
    for (const { row } of this.#page?.rows ?? []) bytes += sizeOf(row.cells)
    this.#host.ready.bytes += bytes - this.#keptBytes
    this.#keptBytes = bytes
  }

  #readPage(call: NextCall): void {
    const { range, isReversed } = this.#wish
    const wanted = Math.max(1, Math.min(call.count - this.#ready.length, limits.maxScannerPageRows))
    try {
      this.#selector ??= this.#selectorOf()
    } catch (error) {
      this.#settle(call, toKVError(error, 'scan'))
      return
    }
    if (this.#wish.versions.count < 1 || isEmpty(range)) {
      this.#isAtEnd = true
      this.#answer()
      return
    }
    const request = {
      ...this.#reading(call),
      range,
      selector: this.#selector ?? null,
      where: [],
      limit: null,
      isReversed,
      segment: null,
      pageRows: this.#rowsOfPage(wanted),
      pageBytes: limits.scannerPageBytes,
      position: this.#position,
    }
    this.#host.kvstore.scan(request, (outcome) => {
      if (outcome instanceof KVError) this.#settle(call, outcome)
      else this.#takePage(outcome)
    })
  }

  /** What pages and rows are asked for with. */
  #reading({ context }: NextCall) {
    const { datasetVersion, side } = this.#answerer
    return {
      dataset: this.#wish.table.name,
      datasetVersion,
      ...(side === undefined ? {} : { side }),
      withTimestamps: true,
      withTtl: false,
      context,
    }
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

  #takePage({ rows, next, datasetVersion, side }: ScanResult): void {
    this.#answerer = side === undefined ? { datasetVersion } : { datasetVersion, side }
    if (!this.#isAtEnd) this.#page = { rows, next }
    this.#answer()
  }

  /** All up to the first one that the page cut, which is read on by itself. */
  #takeRows(call: NextCall, page: Page): void {
    const [first] = page.rows
    if (first === undefined) {
      this.#page = null
      this.#position = page.next
      this.#isAtEnd ||= page.next === null
      this.#answer()
      return
    }
    if (first.row.next !== null) {
      const { rowKey, row } = first
      page.rows = page.rows.slice(1)
      this.#long = begun(Buffer.from(rowKey), first.row.next)
      this.#takePart(call, this.#long, row)
      return
    }
    const cut = page.rows.findIndex(({ row }) => row.next !== null)
    this.#addAll(call, cut < 0 ? page.rows : page.rows.slice(0, cut), (count, failure) => {
      page.rows = page.rows.slice(count)
      if (failure === null) this.#answer()
      else this.#settle(call, failure)
    })
  }

  /** Reads more of a row that a page cut. */
  #readOn(call: NextCall, long: LongRow): void {
    const read = {
      ...this.#reading(call),
      rowKeys: [long.rowKey],
      selector: this.#selector ?? null,
      selectorsByKey: null,
      pageBytes: limits.scannerPageBytes,
      position: long.next,
    }
    this.#host.kvstore.read(read, (outcome) => {
      const row = outcome instanceof KVError ? outcome : (outcome.rows[0] ?? null)
      if (row instanceof KVError) this.#settle(call, row)
      else if (this.#long === long) this.#takePart(call, long, row ?? { cells: [], next: null })
      else this.#answer()
    })
  }

  /** With a batch size what is read becomes pieces at once; a row that is answered whole is gathered. */
  #takePart(call: NextCall, long: LongRow, { cells, next }: Row): void {
    const { table, filter } = this.#wish
    const more = filter === null ? withinFamilies(table, cells, long.before) : cells
    for (const cell of more) long.cells.push(cell)
    long.bytes += sizeOf(more)
    if (next !== null) {
      long.next = next
      this.#takePieces(long)
      if (long.bytes > limits.maxScannedRowBytes) this.#break(tooLong(table.name))
      // Here, and not with the answer alone: many scans at once gather rows for many pages.
      this.#countKept()
      this.#answer()
      return
    }
    const rows = [{ rowKey: long.rowKey, row: { cells: long.cells, next: null } }]
    this.#long = null
    if (filter === null) {
      this.#addCells(long.rowKey, long.cells, long.isGiven)
      this.#countKept()
      this.#answer()
      return
    }
    this.#addAll(call, rows, (count, failure) => {
      // One that was not judged in time is judged again by the next call.
      if (count === 0 && this.#page !== null) this.#page.rows = [...rows, ...this.#page.rows]
      this.#countKept()
      if (failure === null) this.#answer()
      else this.#settle(call, failure)
    })
  }

  /** All but the last one, of which it is not known whether it is. */
  #takePieces(long: LongRow): void {
    const { filter, batch } = this.#wish
    if (filter !== null || batch === null) return
    const { rowKey, cells } = long
    if (cells.length <= batch) return
    let from = 0
    for (; cells.length - from > batch; from += batch)
      this.#ready.push({ rowKey, cells: cells.slice(from, from + batch), isPartial: true })
    long.cells = cells.slice(from)
    long.bytes = sizeOf(long.cells)
  }

  /** `done` is told of how many, and why not of all. */
  #addAll(
    call: NextCall,
    rows: readonly ScannedRow[],
    done: (count: number, failure: KVError | null) => void,
  ): void {
    const { table, filter } = this.#wish
    if (filter === null) {
      for (const { rowKey, row } of rows) this.#addCells(rowKey, withinFamilies(table, row.cells))
      done(rows.length, null)
      return
    }
    let count = 0
    const job = this.#judgingAll(filter, rows, () => (count += 1))
    const { deadline } = call.context
    const late = (): KVError => lateFilter(table.name)
    runInSlices(job, { clock: this.#host.clock, deadline, name: 'scan', late }, (outcome) => {
      if (!(outcome instanceof KVError)) done(rows.length, null)
      else {
        if (outcome.code !== 'DEADLINE_EXCEEDED') {
          // Where it stopped within a page is not known to a caller: rows before it are not answered, either.
          this.#ready.take(this.#ready.length)
          this.#break(outcome)
        }
        done(count, outcome)
      }
    })
  }

  *#judgingAll(filter: ScanFilter, rows: readonly ScannedRow[], onJudged: () => void): Job<null> {
    const { table, versions } = this.#wish
    const versionsOf = (family: Buffer): number => table.versionsOf(family, versions.count)
    for (const { rowKey, row } of rows) {
      if (this.#isAtEnd) return null
      const cells = yield* judging(filter, { rowKey, cells: row.cells }, { versionsOf, stores: null })
      this.#addCells(rowKey, cells ?? [])
      onJudged()
    }
    return null
  }

  /** What is answered of a row, or of the rest of one, which may be nothing where pieces of it were answered. */
  #addCells(rowKey: Buffer, cells: readonly Cell[], isGiven = false): void {
    const { filter, limit, batch } = this.#wish
    if (this.#isAtEnd) return
    if (cells.length > 0 || isGiven) {
      this.#rows += 1
      const size = batch ?? cells.length
      for (let from = 0; from < cells.length; from += size) {
        const piece = size >= cells.length ? cells : cells.slice(from, from + size)
        this.#ready.push({ rowKey, cells: piece, isPartial: from + size < cells.length })
      }
    }
    this.#isAtEnd = filter?.judge.isDone() === true || (limit !== null && this.#rows >= limit)
  }
}

/** Families are looked at before: a scan of nothing is refused for one that is not there, as in HBase. */
function isEmpty(range: ByteRange | null): boolean {
  return range !== null && range.to !== null && range.from.compare(range.to) >= 0
}

function begun(rowKey: Buffer, next: CellPosition): LongRow {
  return { rowKey, next, cells: [], bytes: 0, before: { localKey: null, versions: 0 }, isGiven: false }
}

function ownRow(long: LongRow): void {
  const { next, before } = long
  const { localKey } = next
  long.cells = long.cells.map(ownCell)
  long.next = { ...next, localKey: localKey === null ? null : Buffer.from(localKey) }
  before.localKey = before.localKey === null ? null : Buffer.from(before.localKey)
}

function sizeOf(cells: readonly Cell[]): number {
  let size = 0
  for (const { localKey, value } of cells) size += localKey.length + value.length + CELL_OVERHEAD
  return size
}
