/** Reads of the second gateway: gets of rows, each with a filter of its own. */
import { type Done, KVError, toKVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { ALL_VERSIONS, type Cell, type CellSelector } from '../../src/model/row.js'
import type * as wire from '../../src/thrift/generated/hbase2.js'
import type { ThriftCall } from '../../src/thrift/protocol.js'
import { type BuiltFilter, buildFilter } from './filter-build.js'
import { narrowed } from './filter-columns.js'
import { type Job, judging } from './filter-run.js'
import { FilterWork } from './filter-work.js'
import { checkedRow, selectorOf, withinFamilies } from './hbase-columns.js'
import { batchFault, runtime } from './hbase-errors.js'
import type { HBaseHost } from './hbase-host.js'
import { lateFilters } from './hbase-scan-faults.js'
import { storeLimitsOf } from './hbase-store-limits.js'
import { Results, answer, existing, serve, toResult } from './hbase-thrift2-answers.js'
import { type GetWish, toWishOfGet, treeOf } from './hbase-thrift2-translate.js'
import type { Table } from './hbase-tables.js'
import { runInSlices } from './slices.js'

type Handlers<K extends keyof wire.THBaseServiceHandler> = Pick<wire.THBaseServiceHandler, K>

export function readCalls(host: HBaseHost): Handlers<'exists' | 'existsAll' | 'get' | 'getMultiple'> {
  const all = <R>(
    call: ThriftCall<R, wire.TIOError>,
    name: Buffer | null,
    gets: readonly (wire.TGet | null)[],
    reply: (found: readonly (readonly Cell[] | null)[]) => R,
  ): void => {
    serve(call, () => {
      const table = host.tables.open(name)
      readGets(host, call, { table, gets: gets.map(given), done: answer(call, reply) })
    })
  }
  return {
    exists: ({ table, tget }, call) => all(call, table, [tget], ([found]) => found != null),
    existsAll: ({ table, tgets }, call) =>
      all(call, table, tgets ?? [], (found) => found.map((cells) => cells !== null)),
    get: ({ table, tget }, call) =>
      all(call, table, [tget], ([found]) => toResult(tget?.row ?? null, found ?? null)),
    getMultiple: ({ table, tgets }, call) =>
      all(call, table, tgets ?? [], (found) => {
        const results = new Results()
        return found.map((cells, index) => results.of(tgets?.[index]?.row ?? null, cells))
      }),
  }
}

/** @throws {KVError} as a required argument that is absent */
export function given<T>(value: T | null): T {
  if (value === null) throw runtime('a required argument is absent')
  return value
}

const ANSWERS_CELLS: ReadonlySet<string> = new Set(['get', 'getMultiple'])

/** A get as it is read, and what is made of what was found. */
interface OneGet {
  readonly get: wire.TGet
  readonly row: Buffer
  readonly wish: GetWish
  readonly filter: BuiltFilter | null
}

interface Reading {
  readonly table: Table
  readonly gets: readonly wire.TGet[]
  readonly done: Done<readonly (readonly Cell[] | null)[]>
}

/** What is found for each of the gets, null for nothing. @throws {KVError} for gets that are none */
function readGets(host: HBaseHost, call: ThriftCall<never, never>, { table, gets, done }: Reading): void {
  if (gets.length === 0) {
    done([])
    return
  }
  const all: OneGet[] = []
  const selectors: (CellSelector | null)[] = []
  const failures: KVError[] = []
  const work = new FilterWork()
  let filterBytes = 0
  for (const get of gets) {
    filterBytes += (get.filterString?.length ?? 0) + (get.filterBytes?.length ?? 0)
    if (filterBytes > limits.maxFilterBytesPerCall)
      throw runtime(`filters of ${filterBytes} bytes in one call, at most ${limits.maxFilterBytesPerCall}`)
    const [row, wish, tree] = [checkedRow(get.row), toWishOfGet(get), treeOf(get)]
    all.push({ get, row, wish, filter: tree === null ? null : buildFilter(tree, false, work) })
    const { columns, versions } = wish
    try {
      const selector = selectorOf(
        table,
        columns,
        tree === null ? versions : { ...versions, count: ALL_VERSIONS },
      )
      selectors.push(tree === null ? selector : narrowed(table, selector, tree))
    } catch (error) {
      failures.push(toKVError(error, call.method))
    }
  }
  const [failure] = failures
  if (failure !== undefined) throw gets.length === 1 ? failure : batchFault(failures.length, failure)
  // With it a region answers no cells, over which ThriftUtilities.resultFromHBase falls.
  if (ANSWERS_CELLS.has(call.method) && gets.some(({ existence_only: isAsked }) => isAsked === true))
    throw runtime('existence_only answers no cells: ask exists or existsAll')
  const only = selectors.length === 1 ? (selectors[0] ?? null) : selectors
  const rows = all.map(({ row }) => row)
  const context = host.contextOf(call)
  host.read(table, rows, only, {
    context,
    keepsVersions: true,
    done: (outcome) => {
      if (outcome instanceof KVError) {
        done(outcome)
        return
      }
      const late = (): KVError => lateFilters(table.name)
      const { clock } = host.options
      const slices = { clock, deadline: context.deadline, name: call.method, late }
      runInSlices(judgingAll(table, all, outcome), slices, done)
    },
  })
}

function* judgingAll(
  table: Table,
  gets: readonly OneGet[],
  found: readonly (readonly Cell[] | null)[],
): Job<readonly (readonly Cell[] | null)[]> {
  const answers: (readonly Cell[] | null)[] = []
  for (const [index, { get, row, wish, filter }] of gets.entries()) {
    const cells = found[index] ?? null
    const stores = storeLimitsOf(get)
    let passed = cells
    if (cells !== null && filter === null) {
      passed = withinFamilies(table, cells)
      if (stores !== null) passed = stores.cellsOf(passed)
    } else if (cells !== null && filter !== null) {
      const versionsOf = (family: Buffer): number => table.versionsOf(family, wish.versions.count)
      passed = yield* judging(filter, { rowKey: row, cells }, { versionsOf, stores })
    }
    answers.push(passed === null ? null : existing(passed))
  }
  return answers
}
