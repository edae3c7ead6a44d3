/**
 * A scanner whose table is looked for when rows are asked for, as in HBase: opening one does not fail for want of a
 * table.
 */
import type { Done } from '../../src/base/errors.js'
import type { RequestContext } from '../../src/model/request.js'
import type { ByteRange } from '../../src/model/row.js'
import { buildFilter } from './filter-build.js'
import type { FilterTree } from './filter-parse.js'
import { overlap, rowRangeOf } from './filter-range.js'
import type { HBaseHost } from './hbase-host.js'
import { type HBaseRow, Scanner, type ScanWish } from './hbase-scanners.js'

/** What an opened scanner needs to find its table when rows are asked for. */
export type LateWish = Omit<ScanWish, 'table'>

/** A filter and what it leaves of the range; null: there is none. */
export function filterOf(
  tree: FilterTree | null,
  range: ByteRange | null,
  isReversed: boolean,
): Pick<ScanWish, 'filter' | 'range'> {
  if (tree === null) return { filter: null, range }
  // Building checks the arguments that the range is made of.
  const filter = { tree, judge: buildFilter(tree, isReversed) }
  const narrowed = rowRangeOf(tree)
  return {
    filter,
    range: narrowed === null || range === null ? (narrowed ?? range) : overlap(range, narrowed),
  }
}

/** Opens its table with the first rows. */
export class LateScanner {
  readonly isSorted: boolean
  readonly #host: HBaseHost
  readonly #name: Buffer | null
  readonly #wish: LateWish
  #scanner: Scanner | null = null

  constructor(host: HBaseHost, name: Buffer | null, wish: LateWish, isSorted: boolean) {
    this.#host = host
    this.#name = name === null ? null : Buffer.from(name)
    this.#wish = wish
    this.isSorted = isSorted
  }

  /** @throws {KVError} TableNotFoundException, TableNotEnabledException */
  next(count: number, context: RequestContext, done: Done<readonly HBaseRow[]>): void {
    const table = this.#host.tables.open(this.#name)
    this.#scanner ??= new Scanner(this.#host.scannerHost, { ...this.#wish, table })
    this.#scanner.next(count, context, done)
  }

  close(): void {
    this.#scanner?.close()
  }
}
