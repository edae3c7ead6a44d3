/** What both of HBase's gateways need to serve a call: tables, rows, scanners, and how outcomes become answers. */
import { type Done, KVError, toKVError } from '../../src/base/errors.js'
import type { Clock } from '../../src/base/clock.js'
import { limits } from '../../src/base/limits.js'
import type { KVStore } from '../../src/model/kvstore.js'
import type { MutateRequest, MutateResult, RequestContext } from '../../src/model/request.js'
import type { Cell, CellSelector, RowOutcome } from '../../src/model/row.js'
import type { TableCall } from '../../src/model/table-call.js'
import type { ThriftCall } from '../../src/thrift/protocol.js'
import { withinFamilies } from './hbase-columns.js'
import { batchFault } from './hbase-errors.js'
import type { HBaseRow } from './hbase-ready-rows.js'
import { type Closable, Scanners } from './hbase-scanner-ids.js'
import type { ScannerHost } from './hbase-scanners.js'
import { type Datasets, type Table, Tables } from './hbase-tables.js'
import type { PutTimes } from './hbase-writes.js'

/** What an id stands for. */
export interface OpenScanner extends Closable {
  readonly isSorted: boolean
  /** @throws {KVError} what the table is refused with */
  next(count: number, context: RequestContext, done: Done<readonly HBaseRow[]>): void
}

export interface HBaseOptions {
  readonly clock: Clock
  readonly datasets: Datasets
  /** Changes tables; the main thread's answer. */
  readonly changeTable: (call: TableCall) => Promise<void>
  /** Of this data thread among `threads`. */
  readonly thread: number
  readonly threads: number
  /** Where clients are told that every region is. */
  readonly address: { readonly host: string; readonly port: number }
  /** What getClusterId answers. */
  readonly clusterId: string
}

interface ReadHow {
  readonly context: RequestContext
  readonly done: Done<readonly (readonly Cell[] | null)[]>
  /** Versions beyond those that a family keeps as well: a filter counts behind itself. */
  readonly keepsVersions?: true
}

type AnyCall = Pick<ThriftCall<never, never>, 'connection' | 'method' | 'receivedAtMs'>

export class HBaseHost {
  readonly kvstore: KVStore
  readonly options: HBaseOptions
  readonly tables: Tables
  readonly scanners: Scanners<OpenScanner>
  readonly scannerHost: ScannerHost
  readonly #api: string

  /** @param api its name in metrics */
  constructor(kvstore: KVStore, api: string, options: HBaseOptions) {
    this.kvstore = kvstore
    this.options = options
    this.tables = new Tables(options.datasets)
    this.scanners = new Scanners({ clock: options.clock, first: options.thread, step: options.threads })
    this.scannerHost = { kvstore, clock: options.clock, ready: { bytes: 0 } }
    this.#api = api
  }

  readonly now = (): number => this.options.clock.nowMs()

  /** Of a write that the server gives its time. */
  untimed(ttlMs: bigint | null): PutTimes {
    return { timestamp: null, now: this.now, ttlMs }
  }

  contextOf({ connection, method, receivedAtMs }: AnyCall): RequestContext {
    return {
      api: this.#api,
      method,
      caller: connection.clientName,
      address: connection.remoteAddress,
      deadline: receivedAtMs + limits.hbaseTimeoutMs,
    }
  }

  /** The living cells of each row, null for none. */
  read(
    table: Table,
    rowKeys: readonly Buffer[],
    selectors: CellSelector | null | readonly (CellSelector | null)[],
    how: ReadHow,
  ): void {
    const isByKey = Array.isArray(selectors)
    const request = {
      dataset: table.name,
      rowKeys,
      // Array.isArray does not narrow read-only arrays.
      selector: isByKey ? null : (selectors as CellSelector | null),
      selectorsByKey: isByKey ? (selectors as readonly (CellSelector | null)[]) : null,
      datasetVersion: null,
      withTimestamps: true,
      withTtl: false,
      pageBytes: null,
      position: null,
      context: how.context,
    }
    this.kvstore.read(request, (outcome) => {
      if (outcome instanceof KVError) how.done(outcome)
      else how.done(cellsOfAll(table, outcome.rows, how.keepsVersions === true))
    })
  }

  mutate(request: MutateRequest, done: Done<MutateResult>): void {
    this.kvstore.mutate(request, done)
  }

  /** Each row by itself; when all are done the first failure, or null. Nothing undoes the others, as in HBase. */
  mutateAll(requests: readonly (MutateRequest | KVError)[], done: (failure: KVError | null) => void): void {
    let waiting = requests.length
    let failed = 0
    let first: KVError | null = null
    const finish = (outcome: MutateResult | KVError): void => {
      if (outcome instanceof KVError) {
        failed += 1
        first ??= outcome
      }
      waiting -= 1
      if (waiting === 0) done(first === null ? null : batchFault(failed, first))
    }
    if (waiting === 0) done(null)
    for (const request of requests) {
      if (request instanceof KVError) finish(request)
      else this.kvstore.mutate(request, finish)
    }
  }

  changeTable(call: TableCall, done: (failure: KVError | null) => void): void {
    this.options.changeTable(call).then(
      () => done(null),
      (error: unknown) => done(toKVError(error, call.action)),
    )
  }
}

function cellsOfAll(
  table: Table,
  rows: readonly RowOutcome[],
  keepsVersions: boolean,
): readonly (readonly Cell[] | null)[] | KVError {
  const all: (readonly Cell[] | null)[] = []
  for (const row of rows) {
    if (row instanceof KVError) return row
    const cells = row === null || keepsVersions ? (row?.cells ?? null) : withinFamilies(table, row.cells)
    all.push(cells === null || cells.length === 0 ? null : cells)
  }
  return all
}
