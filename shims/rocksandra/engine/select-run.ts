/**
 * SELECT, run. A read of few rows by their whole keys is one request without a promise; everything else draws rows from
 * partitions one by one until the page is full, and looks one row further, so that `has more` is true.
 */
import { KVError } from '../../../src/base/errors.js'
import type { KVStore } from '../../../src/model/kvstore.js'
import type { RequestContext } from '../../../src/model/request.js'
import type { ByteRange } from '../../../src/model/row.js'
import type { RowPosition } from '../../../src/model/row-order.js'
import { comparatorOf } from '../cql/compare.js'
import { CqlError, invalid } from '../cql/errors.js'
import type { CqlDone, RowsResult } from './contract.js'
import type { FunctionContext } from './functions.js'
import { PageBytes, type PagePosition, decodePaging, encodePaging, pageSource } from './paging.js'
import { type PartitionKey, type RowTest, partitionKeys, rowPrefixes, rowRanges, rowTest } from './paths.js'
import { rangesBehindPrefix } from './ranges.js'
import {
  type BegunRows,
  type ScannedPartition,
  TableReader,
  isStaticRow,
  positionOf,
  positionOfToken,
} from './reader.js'
import { type Partition, type TableRow, valueOf } from './rows.js'
import type { SelectPlan } from './select.js'
import type { Bindings } from './terms.js'
import { keysWithinTokens, tokenBounds, tokenOf } from './token-bounds.js'
import { virtualRows } from './virtual.js'

export interface SelectRequest {
  readonly plan: SelectPlan
  readonly bindings: Bindings
  readonly pageSize: number | null
  readonly paging: Buffer | null
}

export interface Store {
  readonly kvstore: KVStore
  readonly context: RequestContext
}

/** Answers once; never throws. */
export function runSelect(request: SelectRequest, store: Store, done: CqlDone): void {
  try {
    if (!runNamed(request, store, done)) new SelectRun(request, store).start(done)
  } catch (error) {
    done(errorOf(error))
  }
}

export function errorOf(error: unknown): CqlError | KVError {
  // The schema has the table, so that its data is being opened: after TRUNCATE, or for a moment before it is dropped.
  if (error instanceof KVError && error.code === 'DATASET_NOT_FOUND') {
    return new KVError('UNAVAILABLE', `${error.message}: it is being opened or removed, try again`, {
      ...(error.outcome === undefined ? {} : { outcome: error.outcome }),
    })
  }
  if (error instanceof CqlError || error instanceof KVError) return error
  return new KVError(
    'INTERNAL',
    `a CQL statement failed: ${error instanceof Error ? error.message : String(error)}`,
    {
      cause: error,
    },
  )
}

/** Rows by their whole keys, when one request answers them; false: it is not such a SELECT. */
function runNamed({ plan, bindings, pageSize, paging }: SelectRequest, store: Store, done: CqlDone): boolean {
  const { table, selection, where, paths } = plan
  if (where.tokens.length > 0) return false
  if (!plan.hasKeys || !paths.isExact || plan.needsStatics || plan.isDistinct || paging !== null) return false
  if (table.virtual !== null || plan.sortBy.length > 0 || plan.isReversed || selection.isAggregate)
    return false
  if (!TableReader.mayName(table, 1)) return false
  const [limit, perPartition] = [plan.limit(bindings), plan.perPartitionLimit(bindings)]
  const keys = partitionKeys(table, where, bindings)
  const prefixes = rowPrefixes(table, paths, bindings)
  const most = keys.length * prefixes.length
  if (!TableReader.mayName(table, most) || most > (limit ?? most)) return false
  if (most > (pageSize ?? most) || prefixes.length > (perPartition ?? prefixes.length)) return false
  const test = rowTest(paths, where.filters, bindings)
  const reader = new TableReader(store.kvstore, table, { context: store.context, needs: selection })
  reader.named({ keys, prefixes, columns: plan.looksAt }, (outcome) => {
    if (outcome instanceof KVError) {
      done(errorOf(outcome))
      return
    }
    try {
      const rows = test === null ? outcome : outcome.filter(test)
      done(
        rowsResult(
          plan,
          rows.map((row) => selection.row(row, bindings)),
          null,
        ),
      )
    } catch (error) {
      done(errorOf(error))
    }
  })
  return true
}

function rowsResult({ selection }: SelectPlan, rows: RowsResult['rows'], paging: Buffer | null): RowsResult {
  return { kind: 'rows', columns: selection.columns, rows, paging, isConditional: false }
}

const NO_LIMIT = 0x7fff_ffff

class SelectRun {
  readonly #plan: SelectPlan
  readonly #bindings: Bindings
  readonly #reader: TableReader
  readonly #ranges: readonly ByteRange[]
  readonly #test: RowTest | null
  readonly #position: PagePosition | null
  readonly #pageSize: number
  /** Asked for by the request; an aggregate has one row all the same. */
  readonly #hasPages: boolean
  readonly #isPaged: boolean
  readonly #perPartition: number
  readonly #context: FunctionContext
  #remaining: number

  constructor({ plan, bindings, pageSize, paging }: SelectRequest, store: Store) {
    const { table, selection, where, paths, sortBy } = plan
    this.#plan = plan
    this.#bindings = bindings
    this.#context = bindings
    this.#reader = new TableReader(store.kvstore, table, { context: store.context, needs: selection })
    this.#ranges = table.virtual === null ? rowRanges(table, paths, bindings) : []
    this.#test = rowTest(paths, where.filters, bindings)
    const selectsNothing = table.virtual === null && this.#ranges.length === 0 && !plan.needsStatics
    // Whatever the limit: it is applied behind the order.
    if (sortBy.length > 0 && pageSize !== null && !selection.isAggregate && !selectsNothing) {
      partitionKeys(table, where, bindings)
      throw invalid(
        'Cannot page queries with both ORDER BY and a IN restriction on the partition key; you must either remove the ' +
          'ORDER BY or the IN and sort client side, or disable paging for this query',
      )
    }
    this.#hasPages = pageSize !== null
    this.#isPaged = this.#hasPages && !selection.isAggregate
    this.#pageSize = this.#isPaged ? (pageSize ?? NO_LIMIT) : NO_LIMIT
    this.#position =
      paging === null || !this.#isPaged ? null : decodePaging(paging, pageSource(table, plan.isReversed))
    this.#remaining = this.#position?.remaining ?? plan.limit(bindings) ?? NO_LIMIT
    this.#perPartition = plan.isDistinct ? 1 : (plan.perPartitionLimit(bindings) ?? NO_LIMIT)
  }

  /** Answers once. Throws before it does. */
  start(done: CqlDone): void {
    const { table, hasKeys, needsStatics, sortBy, selection } = this.#plan
    const isPlain = hasKeys && table.virtual === null && !needsStatics && !selection.isAggregate
    const keys = isPlain ? keysWithinTokens(this.#plan, this.#bindings) : []
    const [key] = keys
    if (key === undefined || keys.length > 1 || sortBy.length > 0 || this.#position !== null) {
      this.#runTo(done)
      return
    }
    const partition: Partition = { rowKey: key.rowKey, key: key.parts, statics: null }
    const wish = { ranges: this.#ranges, isReversed: this.#plan.isReversed, rows: this.#wantedRows() }
    this.#reader.begin(partition, wish, (outcome) => {
      if (outcome instanceof KVError) done(errorOf(outcome))
      else this.#finishOrGoOn(outcome, done)
    })
  }

  #runTo(done: CqlDone): void {
    this.run().then(done, (error: unknown) => done(errorOf(error)))
  }

  /** Most slices end within one chunk: they need no promise. */
  #finishOrGoOn(begun: BegunRows, done: CqlDone): void {
    let result: RowsResult | null
    try {
      result = this.#resultOf(begun)
    } catch (error) {
      done(errorOf(error))
      return
    }
    if (result !== null) {
      done(result)
      return
    }
    this.#begun = begun
    this.#runTo(done)
  }

  /** As `run` would answer; null: the chunk is not enough for it. */
  #resultOf({ rows, walk }: BegunRows): RowsResult | null {
    const { selection } = this.#plan
    const values: (Buffer | null)[][] = []
    const page = new PageBytes()
    const wanted = Math.min(this.#pageSize, this.#remaining)
    let last: TableRow | null = null
    for (const row of rows) {
      if (this.#test?.(row) === false) continue
      if (values.length === wanted) {
        const hasMore = this.#remaining > wanted
        const paging = hasMore ? this.#pagingAfter(last, { rows: wanted, inPartition: wanted }) : null
        return rowsResult(this.#plan, values, paging)
      }
      const one = selection.row(row, this.#context)
      values.push(one)
      page.add(one)
      last = row
      if (values.length === this.#perPartition) return rowsResult(this.#plan, values, null)
      if (this.#isPaged && page.isFull) return null
    }
    const isEnough = walk.isDone || values.length === this.#remaining
    return isEnough ? rowsResult(this.#plan, values, null) : null
  }

  async run(): Promise<RowsResult> {
    if (this.#plan.selection.isAggregate) return this.#aggregate()
    if (this.#plan.sortBy.length > 0) return this.#sorted()
    const { selection } = this.#plan
    const rows: (Buffer | null)[][] = []
    const wanted = Math.min(this.#pageSize, this.#remaining)
    const page = new PageBytes()
    let last: TableRow | null = null
    let inPartition = 0
    for await (const chunk of this.#rows()) {
      for (const row of chunk) {
        if (rows.length === wanted || (this.#isPaged && page.isFull)) {
          const hasMore = this.#remaining > rows.length
          const paging = hasMore ? this.#pagingAfter(last, { rows: rows.length, inPartition }) : null
          return rowsResult(this.#plan, rows, paging)
        }
        const { partition } = row
        const isSame =
          last?.partition === partition || last?.partition.rowKey.equals(partition.rowKey) === true
        inPartition = isSame ? inPartition + 1 : 1
        const values = selection.row(row, this.#context)
        rows.push(values)
        page.add(values)
        last = row
      }
    }
    return rowsResult(this.#plan, rows, null)
  }

  #pagingAfter(
    last: TableRow | null,
    { rows, inPartition }: { readonly rows: number; readonly inPartition: number },
  ): Buffer | null {
    if (last === null) return null
    const before = this.#position
    const { partition, prefix, clustering } = last
    const isSame = before?.rowKey.equals(partition.rowKey) === true && before.mark !== null
    const left = (isSame ? before.remainingInPartition : this.#perPartition) - inPartition
    const isThrough = left <= 0 || prefix.length === 0 || clustering === null
    const position = {
      remaining: this.#remaining - rows,
      remainingInPartition: left,
      offset: (before?.offset ?? 0) + rows,
      rowKey: partition.rowKey,
      mark: isThrough ? null : prefix,
    }
    return encodePaging(position, pageSource(this.#plan.table, this.#plan.isReversed))
  }

  async #aggregate(): Promise<RowsResult> {
    const aggregate = this.#plan.selection.aggregate(this.#context)
    for await (const chunk of this.#rows()) for (const row of chunk) aggregate.add(row)
    const result = rowsResult(this.#plan, [aggregate.result()], null)
    const warning = this.#hasPages && this.#readsAnything() ? aggregateWarning(this.#plan) : null
    return warning === null ? result : { ...result, warnings: [warning] }
  }

  /** Whether there can be rows: what selects none is not read, and not warned of (SelectStatement.getQuery). */
  #readsAnything(): boolean {
    const { table, hasKeys, needsStatics, isDistinct } = this.#plan
    if (table.virtual !== null) return true
    if (this.#ranges.length === 0 && !needsStatics && !isDistinct) return false
    return hasKeys
      ? keysWithinTokens(this.#plan, this.#bindings).length > 0
      : tokenBounds(this.#plan, this.#bindings) !== null
  }

  async #sorted(): Promise<RowsResult> {
    const { selection, sortBy } = this.#plan
    const page = new PageBytes()
    const rows: { readonly row: TableRow; readonly values: (Buffer | null)[] }[] = []
    for await (const chunk of this.#rows()) {
      for (const row of chunk) {
        const values = selection.row(row, this.#context)
        page.add(values)
        rows.push({ row, values })
      }
    }
    rows.sort((a, b) => {
      for (const { column, isDescending } of sortBy) {
        const [left, right] = [valueOf(a.row, column), valueOf(b.row, column)]
        if (left === null || right === null) continue
        const order = comparatorOf(column.type)(left, right)
        if (order !== 0) return isDescending ? -order : order
      }
      return 0
    })
    const values = rows.map((one) => one.values)
    return rowsResult(this.#plan, values.slice(0, this.#remaining), null)
  }

  /** Those that pass, from where the last page ended. */
  async *#rows(): AsyncGenerator<readonly TableRow[]> {
    const { table, hasKeys } = this.#plan
    if (table.virtual !== null) {
      yield [...virtualRows(this.#plan, this.#bindings, this.#position?.offset ?? 0)]
    } else if (hasKeys) {
      for (const key of keysWithinTokens(this.#plan, this.#bindings)) yield* this.#rowsOfKey(key)
    } else yield* this.#scanned()
  }

  #isDone = false
  /** The first chunk of the only partition, if it was read before. */
  #begun: BegunRows | null = null

  async *#rowsOfKey({ rowKey, parts }: PartitionKey): AsyncGenerator<readonly TableRow[]> {
    const position = this.#position
    if (position !== null && !this.#isDone) {
      // Partitions before the last page's are through, and so is its own unless it has a mark.
      if (!position.rowKey.equals(rowKey)) return
      this.#isDone = true
      if (position.mark === null) return
    }
    const begun = this.#begun
    if (begun !== null) {
      yield* this.#passing({ partition: begun.partition, rows: this.#reader.goOn(begun) }, false)
      return
    }
    const partition: Partition = { rowKey, key: parts, statics: null }
    if (this.#plan.needsStatics) partition.statics = await this.#reader.statics(rowKey)
    const isResumed = position?.mark != null && position.rowKey.equals(rowKey)
    const ranges = isResumed
      ? rangesBehindPrefix(this.#ranges, position.mark, this.#plan.isReversed)
      : this.#ranges
    const wish = { ranges, isReversed: this.#plan.isReversed, rows: this.#wantedRows() }
    yield* this.#passing({ partition, rows: this.#reader.rows(partition, wish) }, isResumed)
  }

  /** Behind a page it is looked whether there is another row; behind a limit it is not. */
  #wantedRows(): number {
    const most = Math.min(this.#remaining, this.#perPartition)
    return this.#pageSize < most ? this.#pageSize + 1 : most
  }

  /** Rows of one partition that pass, at most as many as it may answer; its static cells alone if it has no rows. */
  async *#passing(
    { partition, rows }: ScannedPartition,
    isResumed: boolean,
  ): AsyncGenerator<readonly TableRow[]> {
    const most = isResumed ? (this.#position?.remainingInPartition ?? 0) : this.#perPartition
    let answered = 0
    let hasRows = isResumed
    if (most > 0) {
      for await (const chunk of rows) {
        const passed: TableRow[] = []
        for (const row of chunk) {
          if (isStaticRow(row) && row.clustering === null) {
            partition.statics = row.cells
            continue
          }
          hasRows = true
          if (answered === most || this.#test?.(row) === false) continue
          passed.push(row)
          answered++
        }
        yield passed
        if (answered === most) return
      }
    }
    const { where } = this.#plan
    if (hasRows || partition.statics === null || where.choices.length > 0 || where.limits.length > 0) return
    const row: TableRow = { partition, clustering: null, prefix: Buffer.alloc(0), cells: [], marker: null }
    if (this.#test?.(row) !== false) yield [row]
  }

  async *#scanned(): AsyncGenerator<readonly TableRow[]> {
    const bounds = tokenBounds(this.#plan, this.#bindings)
    if (bounds === null) return
    let position: RowPosition | null = bounds.from === null ? null : positionOfToken(bounds.from)
    let resumed: PagePosition | null = null
    if (this.#position !== null) {
      resumed = this.#position.mark === null ? null : this.#position
      position = positionOf(this.#position.rowKey, resumed !== null)
    }
    const wish = { ranges: this.#ranges, withStatics: this.#plan.needsStatics, position }
    for await (const scanned of this.#reader.scan(wish)) {
      const { partition } = scanned
      if (bounds.to !== null && tokenOf(partition.rowKey) > bounds.to) return
      if (resumed?.mark != null && resumed.rowKey.equals(partition.rowKey)) {
        if (this.#plan.needsStatics) partition.statics = await this.#reader.statics(partition.rowKey)
        const ranges = rangesBehindPrefix(this.#ranges, resumed.mark, false)
        const rows = this.#reader.rows(partition, { ranges, isReversed: false, rows: this.#wantedRows() })
        yield* this.#passing({ partition, rows }, true)
      } else yield* this.#passing(scanned, false)
    }
  }
}

/** In SelectStatement.java's words. */
function aggregateWarning({ where: { partition, tokens } }: SelectPlan): string | null {
  if (partition.length + tokens.length === 0) return 'Aggregation query used without partition key'
  const isIn = partition.some((choice) => choice.isIn)
  return isIn ? 'Aggregation query used on multiple partition keys (IN restriction)' : null
}
