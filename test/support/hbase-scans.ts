/** Scanners of HBase's gateways over stores that answer from memory, pages of two rows and rows of many pages. */
import { type FilteredCell, RowFilter, type Verdict } from '../../shims/usermetastore/filter-rules.js'
import { FilterWork } from '../../shims/usermetastore/filter-work.js'
import { NEWEST } from '../../shims/usermetastore/hbase-columns.js'
import type { HBaseRow } from '../../shims/usermetastore/hbase-ready-rows.js'
import { type ScanWish, Scanner, type ScannerHost } from '../../shims/usermetastore/hbase-scanners.js'
import { Table } from '../../shims/usermetastore/hbase-tables.js'
import { type Done, KVError } from '../../src/base/errors.js'
import type { DatasetRecord } from '../../src/model/dataset.js'
import type { KVStore } from '../../src/model/kvstore.js'
import type { ReadRequest, ReadResult, RequestContext } from '../../src/model/request.js'
import type { Cell } from '../../src/model/row.js'
import type { ScanRequest, ScanResult, ScannedRow } from '../../src/model/scan.js'

export const CONTEXT: RequestContext = { api: 'hbase1', caller: null, deadline: Number.POSITIVE_INFINITY }
// A table looks at these fields of its record alone.
const TABLE = new Table({ name: 't', maxCellVersions: 1 } as DatasetRecord)
/** A table that an HBase client made, with these families. */
export function tableWith(table: { readonly families: readonly object[] }, maxCellVersions = 1): Table {
  // A table looks at these fields of its record alone.
  return new Table({ name: 't', maxCellVersions, table } as unknown as DatasetRecord)
}

export const bytes = (text: string): Buffer => Buffer.from(text)

export function cellsOf(count: number): Cell[] {
  return Array.from({ length: count }, (_, index) => ({
    localKey: bytes(`a\0${index}`),
    value: bytes('v'),
    timestamp: 1n,
    ttlSeconds: null,
  }))
}

/** Rows r0, r1, ... of three cells; a page has two at most, and looks at one in vain in between. */
export class Rows {
  readonly requests: ScanRequest[] = []
  readonly #count: number
  readonly #cutRow: number

  constructor(count: number, cutRow = -1) {
    this.#count = count
    this.#cutRow = cutRow
  }

  scan(request: ScanRequest, done: Done<ScanResult>): void {
    this.requests.push(request)
    const from = request.position === null ? 0 : Number(request.position.rowKey.toString().slice(1)) + 1
    const keys = Array.from({ length: this.#count }, (_, index) => index).slice(
      from,
      from + Math.min(2, request.pageRows),
    )
    const rows = keys.map((key) => {
      const isCut = key === this.#cutRow
      const next = isCut ? { localKey: bytes('a\x000'), timestamp: null, columns: 1 } : null
      return { rowKey: bytes(`r${key}`), row: { cells: cellsOf(isCut ? 1 : 3), next } }
    })
    const last = keys.at(-1)
    const next =
      last === undefined || last === this.#count - 1
        ? null
        : { token: { high: 0, low: 0 }, rowKey: bytes(`r${last}`) }
    queueMicrotask(() => done({ rows, next, datasetVersion: null }))
  }

  read(request: ReadRequest, done: Done<ReadResult>): void {
    const behind = request.position?.localKey ?? bytes('')
    const cells = cellsOf(3).filter(({ localKey }) => localKey.compare(behind) > 0)
    const rows = request.rowKeys.map(() => ({ cells, next: null }))
    queueMicrotask(() => done({ rows, datasetVersion: null }))
  }
}

/** The time goes on by a millisecond with every look at it. */
export function hostOver(rows: Rows): ScannerHost {
  let now = 0
  const clock = { nowMs: () => now, nowUs: () => 0n, monotonicMs: () => (now += 1) }
  return { kvstore: rows as unknown as KVStore, clock, ready: { bytes: 0 } }
}

const WISH = {
  table: TABLE,
  columns: [],
  versions: NEWEST,
  range: null,
  isReversed: false,
  filter: null,
  batch: null,
  limit: null,
} as const

export function scannerOver(rows: Rows, wish: Partial<ScanWish> = {}, host = hostOver(rows)): Scanner {
  return new Scanner(host, { ...WISH, ...wish })
}

/** What every row passes, and what is told of each. */
export class Everything extends RowFilter {
  readonly #see: (cell: FilteredCell) => void

  constructor(see: (cell: FilteredCell) => void = () => undefined) {
    super()
    this.#see = see
  }

  take(cell: FilteredCell): Verdict {
    this.#see(cell)
    return 'INCLUDE'
  }
}

export function filteredBy(judge: RowFilter, work = new FilterWork()): Pick<ScanWish, 'filter'> {
  return { filter: { tree: { kind: 'and', parts: [] }, judge, work, questions: 1, families: null } }
}

export function next(scanner: Scanner, count: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    scanner.next(count, CONTEXT, (outcome: readonly HBaseRow[] | KVError) => {
      if (outcome instanceof KVError) reject(outcome)
      else
        resolve(
          outcome.map(
            ({ rowKey, cells, isPartial }) => `${rowKey.toString()}/${cells.length}${isPartial ? '+' : ''}`,
          ),
        )
    })
  })
}

/** One row of many cells, 100 a page, behind those that are given. */
export class Long extends Rows {
  readonly reads: ReadRequest[] = []
  readonly #cells: readonly Cell[]
  readonly #before: readonly ScannedRow[]

  constructor(count: number, valueBytes = 1, before: readonly ScannedRow[] = []) {
    super(2)
    this.#before = before
    const value = Buffer.alloc(valueBytes, 'v')
    this.#cells = Array.from({ length: count }, (_, index) => ({
      localKey: bytes(`a\0${String(index).padStart(6, '0')}`),
      value,
      timestamp: 1n,
      ttlSeconds: null,
    }))
  }

  override scan(request: ScanRequest, done: Done<ScanResult>): void {
    this.requests.push(request)
    const isFirst = request.position === null
    const rows = isFirst ? [...this.#before, { rowKey: bytes('r0'), row: this.#part(0) }] : []
    const next = isFirst ? { token: { high: 0, low: 0 }, rowKey: bytes('r0') } : null
    queueMicrotask(() => done({ rows, next, datasetVersion: 7, side: 'TARGET' }))
  }

  override read(request: ReadRequest, done: Done<ReadResult>): void {
    this.reads.push(request)
    const { localKey } = request.position ?? { localKey: null }
    const at = localKey === null ? 0 : Number(localKey.toString().slice(2)) + 1
    queueMicrotask(() => done({ rows: [this.#part(at)], datasetVersion: 7, side: 'TARGET' }))
  }

  #part(from: number) {
    const cells = this.#cells.slice(from, from + 100)
    const last = cells.at(-1)
    if (last === undefined || from + 100 >= this.#cells.length) return { cells, next: null }
    return { cells, next: { localKey: last.localKey, timestamp: 1n, columns: from + 100 } }
  }
}
