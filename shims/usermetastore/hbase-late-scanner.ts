/**
 * A scanner whose table is looked for when rows are asked for, as in HBase: opening one does not fail for want of a
 * table.
 */
import type { Done } from '../../src/base/errors.js'
import type { RequestContext } from '../../src/model/request.js'
import type { ByteRange } from '../../src/model/row.js'
import { buildFilter } from './filter-build.js'
import type { FilterArgument, FilterTree } from './filter-parse.js'
import { overlap, rowRangeOf } from './filter-range.js'
import type { HBaseHost } from './hbase-host.js'
import type { HBaseRow } from './hbase-ready-rows.js'
import { Scanner, type ScanWish } from './hbase-scanners.js'

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
  const filter = { tree, ...buildFilter(tree, isReversed) }
  const narrowed = rowRangeOf(tree)
  return {
    filter,
    range: narrowed === null || range === null ? (narrowed ?? range) : overlap(range, narrowed),
  }
}

/** Opens its table with the first rows. */
export class LateScanner {
  readonly isSorted: boolean
  readonly heldBytes: number
  readonly #host: HBaseHost
  readonly #name: Buffer | null
  readonly #wish: LateWish
  #scanner: Scanner | null = null

  constructor(host: HBaseHost, name: Buffer | null, wish: LateWish, isSorted: boolean) {
    this.#host = host
    this.#name = name === null ? null : Buffer.from(name)
    this.#wish = wish
    this.isSorted = isSorted
    this.heldBytes = heldBytesOf(wish)
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

/** Of a scanner without anything; of one more column, part of a filter, or state of its regular expressions. */
const SCANNER_BYTES = 1_000
const COLUMN_BYTES = 300
const QUESTION_BYTES = 400
const STATE_BYTES = 150

function heldBytesOf({ columns, range, filter }: LateWish): number {
  let bytes = SCANNER_BYTES + (range?.from.length ?? 0) + (range?.to?.length ?? 0)
  for (const { family, qualifier } of columns)
    bytes += family.length + (qualifier?.length ?? 0) + COLUMN_BYTES
  if (filter === null) return bytes
  return (
    bytes + filter.questions * QUESTION_BYTES + filter.work.states * STATE_BYTES + textBytesOf(filter.tree)
  )
}

/** Of a filter's arguments, which it may keep twice. */
function textBytesOf(tree: FilterTree): number {
  switch (tree.kind) {
    case 'and':
    case 'or':
      return tree.parts.reduce((sum, part) => sum + textBytesOf(part), 0)
    case 'skip':
    case 'while':
      return textBytesOf(tree.inner)
    case 'keys':
      return 0
    case 'call':
      return tree.args.reduce((sum, argument) => sum + 2 * lengthOf(argument), 0)
  }
}

function lengthOf({ kind, value }: FilterArgument): number {
  return kind === 'comparator' ? value.value.length : value.length
}
