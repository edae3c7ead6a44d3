/**
 * AND, OR, SKIP and WHILE of HBase's filters. With AND a part sees what those before it let pass, and the greatest
 * step counts;
 * with OR the smallest one, and a part that asked to skip is not asked again before that is over (FilterListWithAND
 * and FilterListWithOR).
 */
import { type FilteredCell, RowFilter, type Verdict } from './filter-rules.js'

/** Greater: further on. */
const STEP: Readonly<Record<Verdict, number>> = {
  INCLUDE: 0,
  SKIP: 1,
  INCLUDE_NEXT_COLUMN: 2,
  NEXT_COLUMN: 3,
  NEXT_FAMILY: 4,
  SEEK: 5,
}

export function isIncluded(verdict: Verdict): boolean {
  return verdict === 'INCLUDE' || verdict === 'INCLUDE_NEXT_COLUMN'
}

export class AllOf extends RowFilter {
  readonly #parts: readonly RowFilter[]

  constructor(parts: readonly RowFilter[]) {
    super()
    this.#parts = parts
  }

  override reset(): void {
    for (const part of this.#parts) part.reset()
  }

  override isDone(): boolean {
    return this.#parts.some((part) => part.isDone())
  }

  /** Every part is asked, because some have state. */
  override dropsKey(rowKey: Buffer): boolean {
    let isDropped = false
    for (const part of this.#parts) if (part.isDone() || part.dropsKey(rowKey)) isDropped = true
    return isDropped
  }

  take(cell: FilteredCell): Verdict {
    let verdict: Verdict = 'INCLUDE'
    this.hint = null
    for (const part of this.#parts) {
      if (part.isDone()) return 'NEXT_FAMILY'
      const one = part.take(cell)
      if (one === 'SEEK' && part.hint !== null && (this.hint?.compare(part.hint) ?? -1) < 0)
        this.hint = part.hint
      verdict = both(verdict, one)
      // What one part leaves out the next ones do not see: they may count.
      if (!isIncluded(one)) break
    }
    return verdict
  }

  override change(cell: FilteredCell): FilteredCell {
    return this.#parts.reduce((changed, part) => part.change(changed), cell)
  }

  override cells(cells: readonly FilteredCell[]): readonly FilteredCell[] {
    return this.#parts.reduce((left, part) => part.cells(left), cells)
  }

  override dropsRow(): boolean {
    return this.#parts.some((part) => part.dropsRow())
  }
}

function both(a: Verdict, b: Verdict): Verdict {
  const [less, more] = STEP[a] < STEP[b] ? [a, b] : [b, a]
  // Leaving the column is what remains of taking a cell along with it.
  return less === 'SKIP' && more === 'INCLUDE_NEXT_COLUMN' ? 'NEXT_COLUMN' : more
}

interface Part {
  readonly filter: RowFilter
  /** What it said last, and of which cell; null: nothing that lasts. */
  last: { readonly verdict: Verdict; readonly cell: FilteredCell } | null
  hasTaken: boolean
}

export class AnyOf extends RowFilter {
  readonly #parts: readonly Part[]

  constructor(parts: readonly RowFilter[]) {
    super()
    this.#parts = parts.map((filter) => ({ filter, last: null, hasTaken: false }))
  }

  override reset(): void {
    for (const part of this.#parts) {
      part.filter.reset()
      part.last = null
      part.hasTaken = false
    }
  }

  override isDone(): boolean {
    return this.#parts.every(({ filter }) => filter.isDone())
  }

  override dropsKey(rowKey: Buffer): boolean {
    let isDropped = true
    for (const { filter } of this.#parts) {
      if (!filter.isDone() && !filter.dropsKey(rowKey)) isDropped = false
    }
    return isDropped
  }

  take(cell: FilteredCell): Verdict {
    let verdict: Verdict | null = null
    for (const part of this.#parts) {
      part.hasTaken = false
      if (part.filter.isDone()) continue
      const one = lasting(part, cell) ?? part.filter.take(cell)
      part.last = one === 'INCLUDE' || one === 'SKIP' ? null : { verdict: one, cell }
      part.hasTaken = isIncluded(one)
      verdict = verdict === null ? one : either(verdict, one)
    }
    // A seek is only followed where all agree, and then it may as well be taken step by step.
    return verdict === null || verdict === 'SEEK' ? 'SKIP' : verdict
  }

  override change(cell: FilteredCell): FilteredCell {
    let changed = cell
    for (const { filter, hasTaken } of this.#parts) if (hasTaken) changed = filter.change(changed)
    return changed
  }

  override cells(cells: readonly FilteredCell[]): readonly FilteredCell[] {
    return this.#parts.reduce((left, { filter }) => filter.cells(left), cells)
  }

  override dropsRow(): boolean {
    return this.#parts.every(({ filter }) => filter.dropsRow())
  }
}

/** What a part said before and still holds; null: ask it. */
function lasting({ filter, last }: Part, { family, qualifier }: FilteredCell): Verdict | null {
  if (last === null || !family.equals(last.cell.family)) return null
  switch (last.verdict) {
    case 'NEXT_FAMILY':
      return 'NEXT_FAMILY'
    case 'NEXT_COLUMN':
    case 'INCLUDE_NEXT_COLUMN':
      return qualifier.equals(last.cell.qualifier) ? 'NEXT_COLUMN' : null
    case 'SEEK':
      return filter.hint !== null && qualifier.compare(filter.hint) < 0 ? 'SEEK' : null
    case 'INCLUDE':
    case 'SKIP':
      return null
  }
}

function either(a: Verdict, b: Verdict): Verdict {
  if (isIncluded(a) || isIncluded(b)) {
    const isOneColumn = [a, b].every((one) => one.endsWith('NEXT_COLUMN') || one === 'NEXT_FAMILY')
    return isOneColumn ? 'INCLUDE_NEXT_COLUMN' : 'INCLUDE'
  }
  if (a === 'SEEK' && b === 'SEEK') return 'SEEK'
  if (a === 'SEEK' || b === 'SEEK') return 'SKIP'
  return STEP[a] < STEP[b] ? a : b
}

/** A row of which one cell does not pass is left out. */
export class Skip extends RowFilter {
  readonly #inner: RowFilter
  #isDropped = false

  constructor(inner: RowFilter) {
    super()
    this.#inner = inner
  }

  override reset(): void {
    this.#inner.reset()
    this.#isDropped = false
  }

  take(cell: FilteredCell): Verdict {
    const verdict = this.#inner.take(cell)
    this.hint = this.#inner.hint
    this.#isDropped ||= verdict !== 'INCLUDE'
    return verdict
  }

  override change(cell: FilteredCell): FilteredCell {
    return this.#inner.change(cell)
  }

  override dropsRow(): boolean {
    return this.#isDropped
  }
}

/** Ends with the first thing that does not pass. */
export class While extends RowFilter {
  readonly #inner: RowFilter
  #isPast = false

  constructor(inner: RowFilter) {
    super()
    this.#inner = inner
  }

  override reset(): void {
    this.#inner.reset()
  }

  override isDone(): boolean {
    return this.#isPast || this.#inner.isDone()
  }

  override dropsKey(rowKey: Buffer): boolean {
    const isDropped = this.#inner.dropsKey(rowKey)
    this.#isPast ||= isDropped
    return isDropped
  }

  take(cell: FilteredCell): Verdict {
    const verdict = this.#inner.take(cell)
    this.hint = this.#inner.hint
    this.#isPast ||= verdict !== 'INCLUDE'
    return verdict
  }

  override change(cell: FilteredCell): FilteredCell {
    return this.#inner.change(cell)
  }

  override dropsRow(): boolean {
    const isDropped = this.#inner.dropsRow()
    this.#isPast ||= isDropped
    return isDropped
  }
}
