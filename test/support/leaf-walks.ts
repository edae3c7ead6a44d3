/** Reads and scans to their end, page by page, as a caller would; each page is held to its bounds. */
import assert from 'node:assert/strict'
import { KVError } from '../../src/base/errors.js'
import type { ShardPage } from '../../src/model/leaf-engine.js'
import type { ShardRead, ShardScan } from '../../src/model/plan.js'
import type { Cell, CellPosition, CellSelector, Row, RowOutcome } from '../../src/model/row.js'
import type { RowBound, RowPosition, RowSpan } from '../../src/model/row-order.js'
import type { ScanRequest } from '../../src/model/scan.js'
import type { LeafHarness } from './leaf-engines.js'

/** Pages that no walk of a test needs: beyond it the walk does not get on. */
const MAX_PAGES = 10_000

/** What a cell counts for beside its key and value. */
const CELL_COST_BYTES = 32

export type WalkedCells = readonly Cell[] | null | KVError

interface PagedRead extends Partial<Omit<ShardRead, 'position' | 'selector'>> {
  readonly pageBytes: number
}

/** The cells of all pages of each row; null: there was none; or its failure. One request begins them all. */
export async function walkRows(
  shard: LeafHarness,
  rowKeys: readonly Buffer[],
  { selectors, ...how }: PagedRead & { readonly selectors: readonly (CellSelector | null)[] },
): Promise<readonly WalkedCells[]> {
  const outcomes = await shard.read(rowKeys, { ...how, selectorsByKey: selectors })
  if (outcomes instanceof KVError) return rowKeys.map(() => outcomes)
  assertSharedPage(outcomes, how.pageBytes)
  const walked: WalkedCells[] = []
  for (const [index, row] of outcomes.entries()) {
    const rowKey = rowKeys[index]
    if (rowKey === undefined || row === null || row instanceof KVError) {
      walked.push(row instanceof KVError ? row : null)
      continue
    }
    const rest =
      row.next === null
        ? null
        : await restOfRow(shard, rowKey, row.next, { ...how, selector: selectors[index] ?? null })
    if (rest instanceof KVError) walked.push(rest)
    else walked.push(row.cells.length === 0 ? rest : [...row.cells, ...(rest ?? [])])
  }
  return walked
}

/** Rows of one request share its page: behind the one that fills it none is read. */
function assertSharedPage(outcomes: readonly RowOutcome[], pageBytes: number): void {
  let left = pageBytes
  for (const row of outcomes) {
    if (row instanceof KVError) continue
    if (left <= 0) {
      const unread = { cells: [], next: { localKey: null, timestamp: null, columns: 0 } }
      assert.deepEqual(row, unread, 'a row behind the end of a page')
      continue
    }
    if (row === null) continue
    assertPage(row, left)
    left -= sizeOf(row.cells)
  }
}

async function restOfRow(
  shard: LeafHarness,
  rowKey: Buffer,
  start: CellPosition | null,
  how: PagedRead & { readonly selector: CellSelector | null },
): Promise<WalkedCells> {
  const cells: Cell[] = []
  let position = start
  for (let page = 0; page < MAX_PAGES; page++) {
    const outcomes = await shard.read([rowKey], { ...how, position })
    if (outcomes instanceof KVError) return outcomes
    const [row = null] = outcomes
    if (row instanceof KVError) return row
    if (row === null) return cells.length === 0 ? null : cells
    assertPage(row, how.pageBytes)
    cells.push(...row.cells)
    if (row.next === null) return cells
    position = row.next
  }
  throw new assert.AssertionError({ message: `a row of more than ${MAX_PAGES} pages` })
}

/** A page that is cut has something, and without its last cell it does not reach the bound. */
function assertPage({ cells, next }: Row, pageBytes: number): void {
  assert.ok(cells.length > 0, 'a page without a cell')
  assert.ok(sizeOf(cells.slice(0, -1)) < pageBytes, `a page of more than ${pageBytes} bytes`)
  if (next === null) return
  assert.ok(sizeOf(cells) >= pageBytes, 'a page that ends before its bound')
  assert.deepEqual(next.localKey, cells.at(-1)?.localKey)
}

function sizeOf(cells: readonly Cell[]): number {
  return cells.reduce(
    (sum, cell) => sum + cell.localKey.byteLength + cell.value.byteLength + CELL_COST_BYTES,
    0,
  )
}

export interface WalkedRow {
  readonly rowKey: Buffer
  readonly cells: readonly Cell[]
}

/** The rows of all pages, those that were cut whole; or the failure. */
export async function walkScan(
  shard: LeafHarness,
  request: Partial<ScanRequest>,
  how: Partial<ShardScan> & { readonly pageRows: number; readonly pageBytes: number },
): Promise<readonly WalkedRow[] | KVError> {
  const rows: WalkedRow[] = []
  let span: RowSpan = how.span ?? { lower: null, upper: null }
  let left = request.limit ?? Infinity
  for (let count = 0; count < MAX_PAGES && left > 0; count++) {
    const limit = left === Infinity ? null : left
    const page = await shard.scan({ ...request, limit }, { ...how, span })
    if (page instanceof KVError) return page
    assert.ok(page.rows.length <= Math.min(how.pageRows, left), 'a page of more rows than asked for')
    assertScanPage(page, how.pageBytes)
    for (const { rowKey, row } of page.rows) {
      const { withTimestamps = false, withTtl = false, selector = null } = request
      const rest =
        row.next === null
          ? []
          : await restOfRow(shard, rowKey, row.next, { withTimestamps, withTtl, selector, pageBytes: 50 })
      if (rest instanceof KVError) return rest
      rows.push({ rowKey, cells: [...row.cells, ...(rest ?? [])] })
    }
    left -= page.rows.length
    if (page.next === null) return rows
    span = spanBehind(page.next, span, request.isReversed === true)
  }
  assert.ok(left <= 0, `a scan of more than ${MAX_PAGES} pages`)
  return rows
}

function assertScanPage({ rows }: ShardPage, pageBytes: number): void {
  const sizes = rows.map(({ row }) => sizeOf(row.cells))
  for (const [index, { row }] of rows.entries()) {
    assert.ok(row.cells.length > 0, 'a row without a cell')
    if (row.next !== null) assert.ok(index === 0 && rows.length === 1, 'a row that is cut beside others')
  }
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (rows.length > 1) assert.ok(total <= pageBytes, `a page of ${total} bytes, at most ${pageBytes}`)
}

/** The span without the rows up to this one, in the direction of the scan. */
export function spanBehind(position: RowPosition, span: RowSpan, isReversed: boolean): RowSpan {
  const bound: RowBound = { ...position, isExclusive: true }
  return isReversed ? { lower: span.lower, upper: bound } : { lower: bound, upper: span.upper }
}
