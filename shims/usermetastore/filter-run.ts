/** Runs a filter over rows, cell by cell, as a region does. */
import type { Cell } from '../../src/model/row.js'
import type { BuiltFilter } from './filter-build.js'
import { isIncluded } from './filter-lists.js'
import type { FilteredCell } from './filter-rules.js'
import type { StoreLimits } from './hbase-store-limits.js'
import { toColumn } from './mapping.js'

/** How many versions of a family's columns are answered; 0: it is no family of the table, and not looked at. */
export type VersionsOf = (family: Buffer) => number

export interface FilteredRow {
  readonly rowKey: Buffer
  /** All versions that are kept, newest first. */
  readonly cells: readonly Cell[]
}

/** What of the cells that pass is answered. */
export interface Answered {
  readonly versionsOf: VersionsOf
  /** Of each family; null: all. */
  readonly stores: StoreLimits | null
}

/** A job that stops where it may have taken long, and is asked to go on. */
export type Job<T> = Generator<undefined, T, undefined>

/**
 * What is answered of a row, null for nothing. Of the cells that pass as many a column are taken as its family may show.
 * @throws {KVError} where the filter cannot judge what it met
 */
export function filterRow(
  filter: BuiltFilter,
  row: FilteredRow,
  versionsOf: VersionsOf,
): readonly Cell[] | null {
  const job = judging(filter, row, { versionsOf, stores: null })
  for (;;) {
    const { done, value } = job.next()
    if (done === true) return value
  }
}

/** The same in pieces. */
export function* judging(
  filter: BuiltFilter,
  { rowKey, cells }: FilteredRow,
  answered: Answered,
): Job<readonly Cell[] | null> {
  const { judge, work, questions, families } = filter
  // Rows may be dropped by their keys, one after the other.
  if (work.takeLook()) yield
  judge.reset()
  work.beginCell(questions)
  if (judge.isDone() || judge.dropsKey(rowKey)) return null
  const taking = new Taking(filter, answered)
  function* takeAll(): Job<readonly FilteredCell[]> {
    for (const cell of cells) {
      if (work.takeLook()) yield
      work.beginCell(questions)
      if (!taking.take(cell)) break
    }
    return taking.taken
  }
  const taken = yield* takeAll()
  if (taken.length === 0) return null
  // What is left of the cells may be none, and then the row itself is not asked for.
  const left = judge.cells(taken)
  if (left.length > 0 && judge.dropsRow()) return null
  if (families === null) return left.length === 0 ? null : left.map(({ cell }) => cell)
  taking.beginOthers()
  const all = [...left, ...(yield* takeAll())].sort((a, b) => a.family.compare(b.family))
  return all.length === 0 ? null : all.map(({ cell }) => cell)
}

/** One row's cells on their way through a filter. */
class Taking {
  taken: FilteredCell[] = []
  readonly #judge: BuiltFilter['judge']
  readonly #families: BuiltFilter['families']
  readonly #answered: Answered
  #previous: FilteredCell | null = null
  #skip: Skipped = null
  /** Of the column so far. */
  #count = 0
  #family: Buffer | null = null
  #versions = 0
  /** Of the family so far. */
  #ofFamily = 0
  /** Of the families that the filter does not need; else of those that it does. */
  #isOfOthers = false

  constructor({ judge, families }: BuiltFilter, answered: Answered) {
    this.#judge = judge
    this.#families = families
    this.#answered = answered
  }

  /** The same cells come again, for the families that the filter does not need. */
  beginOthers(): void {
    this.taken = []
    this.#family = null
    this.#isOfOthers = true
  }

  /** False: nothing behind it passes. */
  take(cell: Cell): boolean {
    const one: FilteredCell = { ...toColumn(cell.localKey), cell }
    if (this.#family === null || !this.#family.equals(one.family)) {
      this.#family = one.family
      this.#versions = this.#isRead(one.family) ? this.#answered.versionsOf(one.family) : 0
      this.#ofFamily = 0
    }
    if (this.#versions === 0) return true
    const previous = this.#previous
    if (previous?.cell.localKey.equals(cell.localKey) !== true) this.#count = 0
    if (this.#skip !== null && previous !== null && isSkipped(this.#skip, one, previous)) return true
    this.#skip = null
    this.#previous = one
    if (this.#judge.isDone()) return false
    this.#judged(one)
    return true
  }

  #isRead(family: Buffer): boolean {
    return this.#families === null || this.#families.has(family.toString('latin1')) !== this.#isOfOthers
  }

  #judged(one: FilteredCell): void {
    const verdict = this.#judge.take(one)
    if (isIncluded(verdict)) {
      this.#count += 1
      // One cell more than is answered is shown to the filter before the column is left: some remember what they saw.
      if (this.#count > this.#versions) {
        this.#skip = 'column'
        return
      }
      this.#ofFamily += 1
      const place = this.#answered.stores?.placeOf(this.#ofFamily) ?? 'WITHIN'
      if (place === 'BEHIND') {
        this.#skip = 'family'
        return
      }
      if (place === 'WITHIN') this.taken.push(this.#judge.change(one))
    }
    if (verdict === 'SEEK') this.#skip = this.#judge.hint === null ? null : { until: this.#judge.hint }
    else if (verdict === 'NEXT_FAMILY') this.#skip = 'family'
    else if (verdict === 'NEXT_COLUMN' || verdict === 'INCLUDE_NEXT_COLUMN') this.#skip = 'column'
  }
}

type Skipped = 'column' | 'family' | { readonly until: Buffer } | null

function isSkipped(skip: NonNullable<Skipped>, one: FilteredCell, previous: FilteredCell): boolean {
  if (!one.family.equals(previous.family)) return false
  if (skip === 'family') return true
  if (skip === 'column') return one.qualifier.equals(previous.qualifier)
  return one.qualifier.compare(skip.until) < 0
}
