/**
 * Rows of tables out of the KVStore. A partition is read in chunks, so that a page of a large one costs what it answers; a
 * scan takes partitions page by page and goes on within those that a page cut.
 */
import { EMPTY_BYTES, sortedDistinct } from '../../../src/base/bytes.js'
import { KVError } from '../../../src/base/errors.js'
import { murmur3Token } from '../../../src/base/hash.js'
import type { KVStore } from '../../../src/model/kvstore.js'
import type { RequestContext } from '../../../src/model/request.js'
import { type ByteRange, type Cell, type CellSelector, WHOLE_ROW } from '../../../src/model/row.js'
import type { RowPosition } from '../../../src/model/row-order.js'
import type { ScannedRow } from '../../../src/model/scan.js'
import { STATIC_PREFIX, STATIC_RANGE, columnKey, partsOf } from './mapping.js'
import type { PartitionKey } from './paths.js'
import { rangesBehind } from './ranges.js'
import { type ColumnCells, type Partition, RowAssembler, type TableRow, columnsByLocalName } from './rows.js'
import { type Column, type TableSchema, datasetName } from './schema.js'

/** Of one read of a partition. */
const CHUNK_BYTES = 1024 * 1024
/** Cells of the first chunk beyond those that the wanted rows need. */
const SPARE_ROWS = 2
const MAX_CHUNK_CELLS = 10_000
/** Partitions of one page of a scan. */
const SCAN_PARTITIONS = 200
/** So many columns are named one by one, which is one look-up each; the cells of rows with more are walked over. */
const MAX_NAMED_CELLS = 64

/** What of the cells a statement needs beyond values. */
export interface CellNeeds {
  readonly withTimestamps: boolean
  readonly withTtl: boolean
}

export interface RowsWish {
  readonly ranges: readonly ByteRange[]
  readonly isReversed: boolean
  /** Rows that the caller will probably take. */
  readonly rows: number
}

export interface ScanWish {
  readonly ranges: readonly ByteRange[]
  readonly withStatics: boolean
  /** Behind which place it begins; null: at the start. */
  readonly position: RowPosition | null
}

/** A partition of a scan: its rows, in parts as they are read. */
export interface ScannedPartition {
  readonly partition: Partition
  readonly rows: AsyncIterable<readonly TableRow[]>
}

export class TableReader {
  readonly table: TableSchema
  readonly #kvstore: KVStore
  readonly #context: RequestContext
  readonly #needs: CellNeeds
  readonly #columns: ReadonlyMap<string, Column>

  constructor(
    kvstore: KVStore,
    table: TableSchema,
    how: { readonly context: RequestContext; readonly needs: CellNeeds },
  ) {
    this.table = table
    this.#kvstore = kvstore
    this.#context = how.context
    this.#columns = localNamesOf(table)
    // Whether elements and cells of dropped columns are dead is told by their times.
    const mayHide = table.columns.some(({ isMultiCell, droppedAtUs }) => isMultiCell || droppedAtUs !== null)
    this.#needs = { ...how.needs, withTimestamps: how.needs.withTimestamps || mayHide }
  }

  /** Whether rows can be read by naming their cells. */
  static mayName({ regulars }: TableSchema, rows: number): boolean {
    return rows * (regulars.length + 1) <= MAX_NAMED_CELLS && !regulars.some(({ isMultiCell }) => isMultiCell)
  }

  /** Rows by their prefixes, of several partitions at once: one request. Answers those that are there, in order. */
  named(
    keys: readonly PartitionKey[],
    prefixes: readonly Buffer[],
    done: (outcome: readonly TableRow[] | KVError) => void,
  ): void {
    const { regulars } = this.table
    const localKeys = prefixes.flatMap((prefix) => [
      prefix,
      ...regulars.map((column) => columnKey(prefix, column)),
    ])
    const selector = { ...WHOLE_ROW, localKeys: sortedDistinct(localKeys) }
    this.#kvstore.read(
      this.#request(
        keys.map(({ rowKey }) => rowKey),
        selector,
      ),
      (outcome) => {
        if (outcome instanceof KVError) {
          done(outcome)
          return
        }
        const found: TableRow[] = []
        for (const [index, row] of outcome.rows.entries()) {
          if (row instanceof KVError) {
            done(row)
            return
          }
          const key = keys[index]
          if (row === null || key === undefined) continue
          const partition: Partition = { rowKey: key.rowKey, key: key.parts, statics: null }
          found.push(...this.#assembled(partition, row.cells))
        }
        done(found)
      },
    )
  }

  #assembled(partition: Partition, cells: readonly Cell[]): TableRow[] {
    const assembler = new RowAssembler(this.table, partition, this.#columns)
    const rows = rowsOfCells(assembler, cells)
    const last = assembler.end()
    return last === null ? rows : [...rows, last]
  }

  /** The static cells of a partition; null: there are none. */
  async statics(rowKey: Buffer): Promise<readonly ColumnCells[] | null> {
    const { cells } = await this.#chunk(rowKey, { ...WHOLE_ROW, ranges: [STATIC_RANGE] })
    const [row] = this.#assembled({ rowKey, key: [], statics: null }, cells)
    return row === undefined || row.clustering !== null ? null : row.cells
  }

  /** Chunk by chunk: a promise a row costs more than the row. */
  async *rows(partition: Partition, wish: RowsWish): AsyncGenerator<readonly TableRow[]> {
    const assembler = new RowAssembler(this.table, partition, this.#columns)
    yield* this.#walk(assembler, partition.rowKey, wish)
  }

  async *#walk(assembler: RowAssembler, rowKey: Buffer, wish: RowsWish): AsyncGenerator<readonly TableRow[]> {
    let ranges = wish.ranges
    let limit = this.#cellsOf(wish.rows)
    while (ranges.length > 0) {
      const selector: CellSelector = { ...WHOLE_ROW, ranges, limit, isReversed: wish.isReversed }
      const { cells, isCut } = await this.#chunk(rowKey, selector)
      const rows = rowsOfCells(assembler, cells)
      const last = cells.at(-1)
      if (last === undefined || (!isCut && cells.length < limit)) {
        const row = assembler.end()
        yield row === null ? rows : [...rows, row]
        return
      }
      yield rows
      ranges = rangesBehind(ranges, last.localKey, wish.isReversed)
      limit = Math.min(limit * 2, MAX_CHUNK_CELLS)
    }
    const row = assembler.end()
    if (row !== null) yield [row]
  }

  /** Those that so many rows have, if none of their values is missing. */
  #cellsOf(rows: number): number {
    const wanted = (rows + SPARE_ROWS) * (this.table.regulars.length + 1)
    return Math.max(16, Math.min(wanted, MAX_CHUNK_CELLS))
  }

  #chunk(
    rowKey: Buffer,
    selector: CellSelector,
  ): Promise<{ readonly cells: readonly Cell[]; readonly isCut: boolean }> {
    const request = { ...this.#request([rowKey], selector), pageBytes: CHUNK_BYTES }
    return new Promise((resolve, reject) => {
      this.#kvstore.read(request, (outcome) => {
        const row = outcome instanceof KVError ? outcome : (outcome.rows[0] ?? null)
        if (row instanceof KVError) reject(row)
        else resolve({ cells: row?.cells ?? [], isCut: row?.next != null })
      })
    })
  }

  #request(rowKeys: readonly Buffer[], selector: CellSelector) {
    return {
      dataset: datasetName(this.table),
      ...{ rowKeys, selector, selectorsByKey: null, datasetVersion: null, pageBytes: null, position: null },
      ...this.#needs,
      context: this.#context,
    }
  }

  /** In the order of tokens. */
  async *scan(wish: ScanWish): AsyncGenerator<ScannedPartition> {
    const ranges = wish.withStatics ? [STATIC_RANGE, ...wish.ranges] : wish.ranges
    let { position } = wish
    for (;;) {
      const page = await this.#scanPage(ranges, position)
      for (const scanned of page.rows) {
        const key = partsOf(this.table, scanned.rowKey)
        if (key === null) continue
        const partition: Partition = { rowKey: scanned.rowKey, key, statics: null }
        yield { partition, rows: this.#rowsOf(partition, scanned, ranges) }
      }
      if (page.next === null) return
      position = page.next
    }
  }

  /** What a page of the scan brought of a partition, and what it left out. */
  async *#rowsOf(
    partition: Partition,
    { rowKey, row }: ScannedRow,
    ranges: readonly ByteRange[],
  ): AsyncGenerator<readonly TableRow[]> {
    const assembler = new RowAssembler(this.table, partition, this.#columns)
    const rows = rowsOfCells(assembler, row.cells)
    const last = row.cells.at(-1)
    if (row.next !== null && last !== undefined) {
      yield rows
      const rest = rangesBehind(ranges, last.localKey, false)
      yield* this.#walk(assembler, rowKey, { ranges: rest, isReversed: false, rows: MAX_CHUNK_CELLS })
      return
    }
    const complete = assembler.end()
    yield complete === null ? rows : [...rows, complete]
  }

  #scanPage(
    ranges: readonly ByteRange[],
    position: RowPosition | null,
  ): Promise<{ readonly rows: readonly ScannedRow[]; readonly next: RowPosition | null }> {
    const request = {
      dataset: datasetName(this.table),
      ...{ range: null, where: [], limit: null, isReversed: false, segment: null, datasetVersion: null },
      ...{ selector: { ...WHOLE_ROW, ranges }, pageRows: SCAN_PARTITIONS, pageBytes: CHUNK_BYTES, position },
      ...this.#needs,
      context: this.#context,
    }
    return new Promise((resolve, reject) => {
      this.#kvstore.scan(request, (outcome) => {
        if (outcome instanceof KVError) reject(outcome)
        else resolve(outcome)
      })
    })
  }
}

/** Those that the cells complete; what is left of them is the assembler's. */
function rowsOfCells(assembler: RowAssembler, cells: readonly Cell[]): TableRow[] {
  const rows: TableRow[] = []
  for (const cell of cells) {
    const row = assembler.add(cell)
    if (row !== null) rows.push(row)
  }
  return rows
}

/** Behind a partition, or before what is left of it. */
export function positionOf(rowKey: Buffer, isBefore: boolean): RowPosition {
  return { token: murmur3Token(rowKey), rowKey, isBefore }
}

/** Before all rows of a token. */
export function positionOfToken(token: bigint): RowPosition {
  const high = Number(token >> 32n)
  const low = Number(BigInt.asIntN(32, token))
  return { token: { high, low }, rowKey: EMPTY_BYTES, isBefore: true }
}

/** Of the row alone, whose partition is another read's. */
export function isStaticRow({ prefix }: TableRow): boolean {
  return prefix.equals(STATIC_PREFIX)
}

const known = new WeakMap<TableSchema, ReadonlyMap<string, Column>>()

function localNamesOf(table: TableSchema): ReadonlyMap<string, Column> {
  let names = known.get(table)
  if (names === undefined) {
    names = columnsByLocalName(table)
    known.set(table, names)
  }
  return names
}
