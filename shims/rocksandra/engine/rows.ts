/**
 * Cells of a partition -> rows of a table. Cells come in the order of their local keys, in either direction, cut anywhere
 * between two reads; a row is complete when a cell of the next one comes, or none.
 *
 * What is dead by CQL's rules and not by the store's is left out here: elements that an overwritten collection had before,
 * and cells of a dropped column of the same name.
 */
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import type { Cell } from '../../../src/model/row.js'
import { packEntries, packItems } from '../cql/values/collections.js'
import { keyOfPath, rowOfKey } from './mapping.js'
import type { Column, TableSchema } from './schema.js'

/** One element of a collection that is not frozen. */
export interface Element {
  readonly path: Buffer
  readonly cell: Cell
}

/** What a row has in a column: one cell, elements, or nothing. */
export type ColumnCells = Cell | readonly Element[] | undefined

export interface Partition {
  readonly rowKey: Buffer
  readonly key: readonly Buffer[]
  /** By index of the column; null: they were not read. */
  statics: readonly ColumnCells[] | null
}

export interface TableRow {
  readonly partition: Partition
  /** Null: only the partition's static cells are there. */
  readonly clustering: readonly Buffer[] | null
  /** What its local keys begin with. */
  readonly prefix: Buffer
  /** By index of the column; those of key columns are never set. */
  readonly cells: readonly ColumnCells[]
  /** Its own marker: what INSERT wrote. */
  readonly marker: Cell | null
}

/** A row is one if it was inserted, or has a value. */
export function isRow({ marker, cells }: TableRow): boolean {
  return marker !== null || cells.some((one) => one !== undefined)
}

/** Is told of cells that stand in the store and are no values of their rows: of former columns, and marks of collections. */
export type NoteUnseen = (cell: Cell) => void

export class RowAssembler {
  readonly #table: TableSchema
  readonly #partition: Partition
  readonly #columns: ReadonlyMap<string, Column>
  readonly #noteUnseen: NoteUnseen | null
  readonly #hasCollections: boolean
  #prefix: Buffer | null = null
  #clustering: readonly Buffer[] = []
  #isStatic = false
  #marker: Cell | null = null
  /** Of the columns, the one whose cell comes next if none is missing and they come forward. */
  #next = 0
  #simple: (Cell | undefined)[] = []
  #elements = new Map<number, Element[]>()

  constructor(
    table: TableSchema,
    partition: Partition,
    how: { readonly columns: ReadonlyMap<string, Column>; readonly noteUnseen: NoteUnseen | null },
  ) {
    this.#table = table
    this.#partition = partition
    this.#columns = how.columns
    this.#noteUnseen = how.noteUnseen
    this.#hasCollections = table.columns.some(({ isMultiCell }) => isMultiCell)
  }

  /** Answers the row that this cell is behind; null: the cell belongs to the row that is being read. */
  add(cell: Cell): TableRow | null {
    const { localKey } = cell
    const prefix = this.#prefix
    let complete: TableRow | null = null
    if (prefix === null || !beginsWith(localKey, prefix)) {
      const row = rowOfKey(this.#table, localKey)
      if (row === null) return null
      complete = this.end()
      this.#begin(localKey.subarray(0, row.end), row.clustering, row.isStatic)
    }
    this.#take(cell)
    return complete
  }

  /** The row that was being read; null: there is none. */
  end(): TableRow | null {
    const prefix = this.#prefix
    if (prefix === null) return null
    this.#prefix = null
    const row: TableRow = {
      partition: this.#partition,
      clustering: this.#isStatic ? null : this.#clustering,
      prefix,
      cells: this.#cells(),
      marker: this.#marker,
    }
    return isRow(row) ? row : null
  }

  #begin(prefix: Buffer, clustering: readonly Buffer[], isStatic: boolean): void {
    this.#prefix = prefix
    this.#clustering = clustering
    this.#isStatic = isStatic
    this.#marker = null
    this.#next = 0
    this.#simple = []
    if (this.#elements.size > 0) this.#elements = new Map()
  }

  #take(cell: Cell): void {
    const { localKey } = cell
    const start = this.#prefix?.length ?? 0
    if (localKey.length === start) {
      this.#marker = cell
      return
    }
    const expected = this.#table.regulars[this.#next]
    if (expected !== undefined && isNamed(localKey, start, expected)) {
      this.#next++
      this.#keep(expected, cell)
      return
    }
    const zero = localKey.indexOf(0, start)
    const column = this.#columns.get(localKey.toString('latin1', start, zero < 0 ? localKey.length : zero))
    if (column === undefined) return
    if (zero < 0) {
      this.#keep(column, cell)
      return
    }
    if (isOfDropped(column, cell)) return
    const element = { path: localKey.subarray(zero + 1), cell }
    const elements = this.#elements.get(column.index)
    if (elements === undefined) this.#elements.set(column.index, [element])
    else elements.push(element)
  }

  #keep(column: Column, cell: Cell): void {
    const isGone = isOfDropped(column, cell)
    if (!isGone) this.#simple[column.index] = cell
    if (isGone || column.isMultiCell) this.#noteUnseen?.(cell)
  }

  #cells(): readonly ColumnCells[] {
    if (!this.#hasCollections && this.#elements.size === 0) return this.#simple
    const cells: ColumnCells[] = []
    for (const [index, cell] of this.#simple.entries()) {
      if (cell !== undefined && this.#table.columns[index]?.isMultiCell === false) cells[index] = cell
    }
    for (const [index, elements] of this.#elements) {
      if (this.#table.columns[index]?.isMultiCell !== true) continue
      const upTo = this.#simple[index]?.timestamp ?? null
      const living = upTo === null ? elements : elements.filter(({ cell }) => (cell.timestamp ?? 0n) > upTo)
      living.sort((a, b) => a.path.compare(b.path))
      if (living.length > 0) cells[index] = living
    }
    return cells
  }
}

/** Rows beside each other differ at the ends of their prefixes; these are short, and a native call costs more. */
function beginsWith(bytes: Buffer, prefix: Buffer): boolean {
  if (bytes.length < prefix.length) return false
  for (let index = prefix.length - 1; index >= 0; index--) {
    if (bytes[index] !== prefix[index]) return false
  }
  return true
}

/** Whether a column's name is all that follows in a local key. Names are short, too. */
export function isNamed(localKey: Buffer, from: number, { localName }: Column): boolean {
  if (localKey.length !== from + localName.length) return false
  for (let index = 0; index < localName.length; index++) {
    if (localKey[from + index] !== localName[index]) return false
  }
  return true
}

/** Whether a cell is one of a former column of the name. */
export function isOfDropped({ droppedAtUs }: Column, { timestamp }: Cell): boolean {
  return droppedAtUs !== null && timestamp !== null && timestamp <= droppedAtUs
}

/** Columns by the name that local keys have. */
export function columnsByLocalName({ statics, regulars }: TableSchema): ReadonlyMap<string, Column> {
  return new Map([...statics, ...regulars].map((column) => [column.localName.toString('latin1'), column]))
}

/** As CQL serialises it; null: the row has none. */
export function valueOf(row: TableRow, column: Column): Buffer | null {
  switch (column.kind) {
    case 'partition_key':
      return row.partition.key[column.position] ?? null
    case 'clustering':
      return row.clustering?.[column.position] ?? null
    case 'static':
      return valueOfCells(row.partition.statics?.[column.index], column)
    case 'regular':
      return valueOfCells(row.cells[column.index], column)
  }
}

export function cellsOf(row: TableRow, column: Column): ColumnCells {
  return column.kind === 'static' ? row.partition.statics?.[column.index] : row.cells[column.index]
}

function valueOfCells(cells: ColumnCells, column: Column): Buffer | null {
  if (cells === undefined) return null
  return isElements(cells) ? collectionOf(cells, column) : cells.value
}

/** Array.isArray does not narrow read-only arrays. */
export function isElements(cells: Cell | readonly Element[]): cells is readonly Element[] {
  return Array.isArray(cells)
}

function collectionOf(elements: readonly Element[], column: Column): Buffer {
  switch (column.type.kind) {
    case 'set':
      return packItems(elements.map(({ path }) => keyOfPath(column, path)))
    case 'map':
      return packEntries(elements.flatMap(({ path, cell }) => [keyOfPath(column, path), cell.value]))
    case 'list':
      return packItems(elements.map(({ cell }) => cell.value))
    case 'native':
    case 'tuple':
    case 'user':
    case 'custom':
      return EMPTY_BYTES
  }
}
