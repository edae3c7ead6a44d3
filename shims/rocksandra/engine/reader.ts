/**
 * Rows of tables out of the KVStore. A partition is read in chunks, so that a page of a large one costs what it answers; a
 * scan takes partitions page by page and goes on within those that a page cut.
 */
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import { KVError } from '../../../src/base/errors.js'
import { murmur3Token } from '../../../src/base/hash.js'
import type { KVStore } from '../../../src/model/kvstore.js'
import type { ReadRequest, RequestContext } from '../../../src/model/request.js'
import {
  type ByteRange,
  type Cell,
  type CellSelector,
  type RowOutcome,
  WHOLE_ROW,
} from '../../../src/model/row.js'
import type { RowPosition } from '../../../src/model/row-order.js'
import type { ScannedRow } from '../../../src/model/scan.js'
import { STATIC_PREFIX, STATIC_RANGE, partsOf } from './mapping.js'
import { type NamedCells, localKeysOf, rowOfNamed } from './named-cells.js'
import { type Chunk, MAX_CHUNK_CELLS, PartitionWalk, type RowsWish, rowsOfCells } from './partition-walk.js'
import type { PartitionKey } from './paths.js'
import { rangesBehind } from './ranges.js'
import {
  type ColumnCells,
  type NoteUnseen,
  type Partition,
  RowAssembler,
  type TableRow,
  columnsByLocalName,
} from './rows.js'
import { type Column, type TableSchema, datasetName } from './schema.js'

/** Of one read of a partition. */
const CHUNK_BYTES = 1024 * 1024
/** Partitions of one page of a scan. */
const SCAN_PARTITIONS = 200
/** So many columns are named one by one, which is one look-up each; the cells of rows with more are walked over. */
const MAX_NAMED_CELLS = 64

/** What of the cells a statement needs beyond values. */
export interface CellNeeds {
  readonly withTimestamps: boolean
  readonly withTtl: boolean
}

export interface ScanWish {
  readonly ranges: readonly ByteRange[]
  readonly withStatics: boolean
  /** Behind which place it begins; null: at the start. */
  readonly position: RowPosition | null
}

/** Rows of which the whole keys are known. */
export interface NamedRows {
  readonly keys: readonly PartitionKey[]
  /** Of each partition, in the order of bytes, each once. */
  readonly prefixes: readonly Buffer[]
  /** Those that are looked at. */
  readonly columns: readonly Column[]
}

type RowsDone = (outcome: readonly TableRow[] | KVError) => void

/** The first chunk of a partition, and how to go on. */
export interface BegunRows {
  readonly partition: Partition
  readonly rows: readonly TableRow[]
  readonly walk: PartitionWalk
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
  readonly #noteUnseen: NoteUnseen | null

  constructor(
    kvstore: KVStore,
    table: TableSchema,
    how: {
      readonly context: RequestContext
      readonly needs: CellNeeds
      readonly noteUnseen?: NoteUnseen
    },
  ) {
    this.table = table
    this.#kvstore = kvstore
    this.#context = how.context
    this.#columns = localNamesOf(table)
    this.#noteUnseen = how.noteUnseen ?? null
    // Whether elements and cells of dropped columns are dead is told by their times.
    const mayHide = table.columns.some(({ isMultiCell, droppedAtUs }) => isMultiCell || droppedAtUs !== null)
    const { withTimestamps, withTtl } = how.needs
    this.#needs = { withTimestamps: withTimestamps || mayHide, withTtl }
  }

  /** Whether rows can be read by naming their cells. */
  static mayName({ regulars }: TableSchema, rows: number): boolean {
    return rows * (regulars.length + 1) <= MAX_NAMED_CELLS && !regulars.some(({ isMultiCell }) => isMultiCell)
  }

  /**
   * Rows by their prefixes, of several partitions at once: one request. Answers those that are there, in order, with the
   * wanted columns at least. A row that has one of these is there; where one has none, all are read again with whatever
   * else may make it a row. (A key of a MultiGet costs a third of a point read, and most rows that are asked for are there.)
   */
  named(wish: NamedRows, done: RowsDone): void {
    const { regulars } = this.table
    const { keys, prefixes, columns } = wish
    const all = { columns: regulars, withMarker: true }
    if (columns.length === 0) {
      this.#readNamed(wish, all, done)
      return
    }
    this.#readNamed(wish, { columns, withMarker: false }, (outcome) => {
      if (outcome instanceof KVError || outcome.length === keys.length * prefixes.length) done(outcome)
      else this.#readNamed(wish, all, done)
    })
  }

  #readNamed(wish: NamedRows, cells: NamedCells, done: RowsDone): void {
    const rowKeys = wish.keys.map(({ rowKey }) => rowKey)
    const selector = { ...WHOLE_ROW, localKeys: localKeysOf(wish.prefixes, cells) }
    this.#kvstore.read(this.#request(rowKeys, selector, null), (outcome) => {
      done(outcome instanceof KVError ? outcome : this.#namedRows(wish, outcome.rows))
    })
  }

  #namedRows({ keys, prefixes }: NamedRows, outcomes: readonly RowOutcome[]): readonly TableRow[] | KVError {
    const [prefix = EMPTY_BYTES] = prefixes
    const found: TableRow[] = []
    for (let index = 0; index < outcomes.length; index++) {
      const [row = null, key] = [outcomes[index], keys[index]]
      if (row instanceof KVError) return row
      if (row === null || key === undefined) continue
      const partition: Partition = { rowKey: key.rowKey, key: key.parts, statics: null }
      if (prefixes.length > 1) found.push(...this.#assembled(partition, row.cells))
      else {
        const one = rowOfNamed(this.table, { partition, prefix }, row.cells)
        if (one !== null) found.push(one)
      }
    }
    return found
  }

  #assembled(partition: Partition, cells: readonly Cell[]): TableRow[] {
    const assembler = this.#assembler(partition)
    const rows = rowsOfCells(assembler, cells)
    const last = assembler.end()
    return last === null ? rows : [...rows, last]
  }

  /** The static cells of a partition; null: there are none. */
  async statics(rowKey: Buffer): Promise<readonly ColumnCells[] | null> {
    // Collections among them may take several chunks.
    const wish = { ranges: [STATIC_RANGE], isReversed: false, rows: MAX_CHUNK_CELLS }
    for await (const [row] of this.rows({ rowKey, key: [], statics: null }, wish)) {
      if (row !== undefined) return row.clustering === null ? row.cells : null
    }
    return null
  }

  /** Chunk by chunk: a promise a row costs more than the row. */
  rows(partition: Partition, wish: RowsWish): AsyncGenerator<readonly TableRow[]> {
    const assembler = this.#assembler(partition)
    return this.#walk(partition.rowKey, this.#walkOf(assembler, wish))
  }

  /** The first chunk of a partition alone, without a promise. */
  begin(partition: Partition, wish: RowsWish, done: (outcome: BegunRows | KVError) => void): void {
    const assembler = this.#assembler(partition)
    const walk = this.#walkOf(assembler, wish)
    if (walk.isDone) {
      done({ partition, rows: [], walk })
      return
    }
    this.#read(partition.rowKey, walk.selector(), (outcome) => {
      done(outcome instanceof KVError ? outcome : { partition, rows: walk.take(outcome), walk })
    })
  }

  /** What was begun, from its first chunk on. */
  async *goOn({ partition, rows, walk }: BegunRows): AsyncGenerator<readonly TableRow[]> {
    yield rows
    yield* this.#walk(partition.rowKey, walk)
  }

  #assembler(partition: Partition): RowAssembler {
    return new RowAssembler(this.table, partition, { columns: this.#columns, noteUnseen: this.#noteUnseen })
  }

  #walkOf(assembler: RowAssembler, wish: RowsWish): PartitionWalk {
    return new PartitionWalk(assembler, wish, this.table.regulars.length + 1)
  }

  async *#walk(rowKey: Buffer, walk: PartitionWalk): AsyncGenerator<readonly TableRow[]> {
    while (!walk.isDone) yield walk.take(await this.#chunk(rowKey, walk.selector()))
  }

  #chunk(rowKey: Buffer, selector: CellSelector): Promise<Chunk> {
    return new Promise((resolve, reject) => {
      this.#read(rowKey, selector, (outcome) => {
        if (outcome instanceof KVError) reject(outcome)
        else resolve(outcome)
      })
    })
  }

  #read(rowKey: Buffer, selector: CellSelector, done: (outcome: Chunk | KVError) => void): void {
    this.#kvstore.read(this.#request([rowKey], selector, CHUNK_BYTES), (outcome) => {
      const row = outcome instanceof KVError ? outcome : (outcome.rows[0] ?? null)
      done(row instanceof KVError ? row : { cells: row?.cells ?? [], isCut: row?.next != null })
    })
  }

  #request(rowKeys: readonly Buffer[], selector: CellSelector, pageBytes: number | null): ReadRequest {
    const { withTimestamps, withTtl } = this.#needs
    return {
      dataset: datasetName(this.table),
      rowKeys,
      selector,
      selectorsByKey: null,
      datasetVersion: null,
      withTimestamps,
      withTtl,
      pageBytes,
      position: null,
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
    const assembler = this.#assembler(partition)
    const rows = rowsOfCells(assembler, row.cells)
    const last = row.cells.at(-1)
    const rest = row.next === null || last === undefined ? [] : rangesBehind(ranges, last.localKey, false)
    if (rest.length > 0) {
      yield rows
      const wish = { ranges: rest, isReversed: false, rows: MAX_CHUNK_CELLS }
      yield* this.#walk(rowKey, this.#walkOf(assembler, wish))
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
