/**
 * HBase's filters of rows and cells, with the order of questions that a region asks: is anything left (`isDone`), does the
 * row's key drop it (`dropsKey`), what about each cell (`take`), the cells that remained (`cells`), and the row at its end
 * (`dropsRow`). They have state from row to row. Source: org.apache.hadoop.hbase.filter of HBase 2.5.
 */
import type { Cell } from '../../src/model/row.js'
import type { ByteTest } from './filter-compare.js'

/**
 * What becomes of a cell and what is looked at next. NEXT_COLUMN: past all versions of the column; NEXT_FAMILY: past
 * the rest
 * of the family, for which HBase says NEXT_ROW; SEEK: past all qualifiers of the family before `hint`.
 */
export type Verdict = 'INCLUDE' | 'INCLUDE_NEXT_COLUMN' | 'SKIP' | 'NEXT_COLUMN' | 'NEXT_FAMILY' | 'SEEK'

/** A cell in HBase's words. */
export interface FilteredCell {
  readonly family: Buffer
  readonly qualifier: Buffer
  readonly cell: Cell
}

const dropsNone: (rowKey: Buffer) => boolean = () => false

/** A filter that lets everything pass; others replace what they are about. */
export abstract class RowFilter {
  /** Where a SEEK goes on: a qualifier of the same family. */
  hint: Buffer | null = null

  /** Before each row. */
  reset(): void {
    this.hint = null
  }

  /** Nothing behind this passes. */
  isDone(): boolean {
    return false
  }

  dropsKey(rowKey: Buffer): boolean {
    return dropsNone(rowKey)
  }

  abstract take(cell: FilteredCell): Verdict

  /** A cell that passed, as it is answered. */
  change(cell: FilteredCell): FilteredCell {
    return cell
  }

  /** What stays of the cells that passed. */
  cells(cells: readonly FilteredCell[]): readonly FilteredCell[] {
    return cells
  }

  /** Asked of rows with cells that passed. */
  dropsRow(): boolean {
    return false
  }
}

export class KeyOnly extends RowFilter {
  readonly #isLengthKept: boolean

  constructor(isLengthKept: boolean) {
    super()
    this.#isLengthKept = isLengthKept
  }

  take(): Verdict {
    return 'INCLUDE'
  }

  override change(one: FilteredCell): FilteredCell {
    const value = Buffer.alloc(this.#isLengthKept ? 4 : 0)
    if (this.#isLengthKept) value.writeInt32BE(one.cell.value.length)
    return { ...one, cell: { ...one.cell, value } }
  }
}

export class FirstKeyOnly extends RowFilter {
  #isFound = false

  override reset(): void {
    this.#isFound = false
  }

  take(): Verdict {
    if (this.#isFound) return 'NEXT_FAMILY'
    this.#isFound = true
    return 'INCLUDE'
  }
}

export class Prefix extends RowFilter {
  readonly #prefix: Buffer
  readonly #isReversed: boolean
  #isPast = false
  /** Until the key was asked about, which SKIP never does. */
  #isDropped = true

  constructor(prefix: Buffer, isReversed: boolean) {
    super()
    this.#prefix = prefix
    this.#isReversed = isReversed
  }

  override reset(): void {
    this.#isDropped = true
  }

  override isDone(): boolean {
    return this.#isPast
  }

  override dropsKey(rowKey: Buffer): boolean {
    if (this.#isPast || rowKey.length < this.#prefix.length) return true
    const order = rowKey.subarray(0, this.#prefix.length).compare(this.#prefix)
    if (this.#isReversed ? order < 0 : order > 0) this.#isPast = true
    this.#isDropped = order !== 0
    return this.#isDropped
  }

  take(): Verdict {
    return this.#isDropped ? 'NEXT_FAMILY' : 'INCLUDE'
  }

  override dropsRow(): boolean {
    return this.#isDropped
  }
}

export class InclusiveStop extends RowFilter {
  readonly #stop: Buffer
  readonly #isReversed: boolean
  #isPast = false

  constructor(stop: Buffer, isReversed: boolean) {
    super()
    this.#stop = stop
    this.#isReversed = isReversed
  }

  override isDone(): boolean {
    return this.#isPast
  }

  override dropsKey(rowKey: Buffer): boolean {
    const order = rowKey.compare(this.#stop)
    this.#isPast ||= this.#isReversed ? order < 0 : order > 0
    return this.#isPast
  }

  take(): Verdict {
    return this.#isPast ? 'NEXT_FAMILY' : 'INCLUDE'
  }
}

export class KeyTest extends RowFilter {
  readonly #passes: ByteTest
  #isDropped = false

  constructor(passes: ByteTest) {
    super()
    this.#passes = passes
  }

  override reset(): void {
    this.#isDropped = false
  }

  override dropsKey(rowKey: Buffer): boolean {
    this.#isDropped = !this.#passes(rowKey)
    return this.#isDropped
  }

  take(): Verdict {
    return this.#isDropped ? 'NEXT_FAMILY' : 'INCLUDE'
  }

  override dropsRow(): boolean {
    return this.#isDropped
  }
}

export class Page extends RowFilter {
  readonly #rows: number
  #accepted = 0

  constructor(rows: number) {
    super()
    this.#rows = rows
  }

  override isDone(): boolean {
    return this.#accepted >= this.#rows
  }

  take(): Verdict {
    return 'INCLUDE'
  }

  override dropsRow(): boolean {
    this.#accepted += 1
    return this.#accepted > this.#rows
  }
}

/** Filters without state of their own: one question a cell. */
export class CellTest extends RowFilter {
  readonly #judge: (cell: FilteredCell) => Verdict

  constructor(judge: (cell: FilteredCell) => Verdict) {
    super()
    this.#judge = judge
  }

  take(cell: FilteredCell): Verdict {
    return this.#judge(cell)
  }
}

export class ColumnPrefixes extends RowFilter {
  readonly #prefixes: readonly Buffer[]

  /** In byte order. */
  constructor(prefixes: readonly Buffer[]) {
    super()
    this.#prefixes = prefixes
  }

  take({ qualifier }: FilteredCell): Verdict {
    for (const prefix of this.#prefixes) {
      const order = qualifier.subarray(0, prefix.length).compare(prefix)
      if (order === 0) return 'INCLUDE'
      if (order < 0) {
        this.hint = prefix
        return 'SEEK'
      }
    }
    return 'NEXT_FAMILY'
  }
}

export interface QualifierRange {
  readonly min: Buffer | null
  readonly isMinIncluded: boolean
  readonly max: Buffer | null
  readonly isMaxIncluded: boolean
}

export class ColumnRange extends RowFilter {
  readonly #range: QualifierRange

  constructor(range: QualifierRange) {
    super()
    this.#range = range
  }

  take({ qualifier }: FilteredCell): Verdict {
    const { min, isMinIncluded, max, isMaxIncluded } = this.#range
    const fromMin = min === null ? 1 : qualifier.compare(min)
    if (fromMin < 0) {
      this.hint = min
      return 'SEEK'
    }
    if (fromMin === 0 && !isMinIncluded) return 'NEXT_COLUMN'
    const toMax = max === null ? -1 : qualifier.compare(max)
    return toMax < 0 || (toMax === 0 && isMaxIncluded) ? 'INCLUDE' : 'NEXT_FAMILY'
  }
}

/** The first columns of each row, beginning behind `offset` of them or at the qualifier `from`. */
export class ColumnPage extends RowFilter {
  readonly #limit: number
  readonly #offset: number
  readonly #from: Buffer | null
  #count = 0

  constructor(limit: number, offset: number, from: Buffer | null) {
    super()
    this.#limit = limit
    this.#offset = offset
    this.#from = from
  }

  override reset(): void {
    this.#count = 0
  }

  take({ qualifier }: FilteredCell): Verdict {
    if (this.#count >= this.#offset + this.#limit) return 'NEXT_FAMILY'
    if (this.#from !== null && this.#count === 0 && qualifier.compare(this.#from) < 0) {
      this.hint = this.#from
      return 'SEEK'
    }
    this.#count += 1
    return this.#count <= this.#offset ? 'NEXT_COLUMN' : 'INCLUDE_NEXT_COLUMN'
  }
}

export interface NamedColumn {
  readonly family: Buffer
  readonly qualifier: Buffer
}

function isColumn({ family, qualifier }: FilteredCell, wanted: NamedColumn): boolean {
  return qualifier.equals(wanted.qualifier) && family.equals(wanted.family)
}

/** The cells of one column whose value passes. */
export class ColumnCell extends RowFilter {
  readonly #column: NamedColumn
  readonly #passes: ByteTest
  #isFound = false

  constructor(column: NamedColumn, passes: ByteTest) {
    super()
    this.#column = column
    this.#passes = passes
  }

  override reset(): void {
    this.#isFound = false
  }

  take(one: FilteredCell): Verdict {
    if (!isColumn(one, this.#column)) return this.#isFound ? 'NEXT_FAMILY' : 'NEXT_COLUMN'
    this.#isFound = true
    return this.#passes(one.cell.value) ? 'INCLUDE' : 'SKIP'
  }
}

/** Rows by the value of one of their columns. */
export class ColumnValue extends RowFilter {
  readonly #column: NamedColumn
  readonly #passes: ByteTest
  readonly #options: ColumnValueOptions
  #isFound = false
  #isMatched = false

  constructor(column: NamedColumn, passes: ByteTest, options: ColumnValueOptions) {
    super()
    this.#column = column
    this.#passes = passes
    this.#options = options
  }

  override reset(): void {
    this.#isFound = false
    this.#isMatched = false
  }

  take(one: FilteredCell): Verdict {
    if (this.#isMatched) return 'INCLUDE'
    const { latestVersionOnly } = this.#options
    if (latestVersionOnly && this.#isFound) return 'NEXT_FAMILY'
    if (!isColumn(one, this.#column)) return 'INCLUDE'
    this.#isFound = true
    if (!this.#passes(one.cell.value)) return latestVersionOnly ? 'NEXT_FAMILY' : 'INCLUDE'
    this.#isMatched = true
    return 'INCLUDE'
  }

  override cells(cells: readonly FilteredCell[]): readonly FilteredCell[] {
    return this.#options.isExcluded ? cells.filter((one) => !isColumn(one, this.#column)) : cells
  }

  override dropsRow(): boolean {
    return this.#isFound ? !this.#isMatched : this.#options.filterIfMissing
  }
}

export interface ColumnValueOptions {
  readonly filterIfMissing: boolean
  readonly latestVersionOnly: boolean
  /** The column itself is left out of what is answered. */
  readonly isExcluded: boolean
}

/** Cells that have a time in common with a column. */
export class DependentColumn extends RowFilter {
  readonly #column: NamedColumn
  readonly #isDropped: boolean
  readonly #passes: ByteTest | null
  readonly #stamps = new Set<bigint | null>()

  constructor(column: NamedColumn, isDropped: boolean, passes: ByteTest | null) {
    super()
    this.#column = column
    this.#isDropped = isDropped
    this.#passes = passes
  }

  override reset(): void {
    this.#stamps.clear()
  }

  take(one: FilteredCell): Verdict {
    if (!isColumn(one, this.#column)) return 'INCLUDE'
    if (this.#passes !== null && !this.#passes(one.cell.value)) return 'SKIP'
    this.#stamps.add(one.cell.timestamp)
    return this.#isDropped ? 'SKIP' : 'INCLUDE'
  }

  override cells(cells: readonly FilteredCell[]): readonly FilteredCell[] {
    return cells.filter(({ cell }) => this.#stamps.has(cell.timestamp))
  }
}
