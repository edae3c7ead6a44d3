/**
 * Which rows differ between two versions of a dataset: a walk over both in the order of their keys, shard by shard. Rows
 * that are stored in the same bytes are equal without being decoded; others are compared cell by cell, with times and
 * expiries, because the same cells can be stored in several ways. What is held is bounded whatever differs: counts, the
 * first keys of each kind, and the columns in which they differ.
 */
import type { Cell } from '../model/row.js'

/** A row as it is stored. */
export interface StoredRow {
  /** Orders rows; equal for equal rows of the two versions. */
  readonly key: Buffer
  readonly stored: Buffer
}

/** A shard of a version that nothing else has open. */
export interface ComparedShard {
  /** In order, some at a time. */
  rows(): Iterator<readonly StoredRow[], unknown>
  rowKeyOf(row: StoredRow): Buffer
  /** Whether values of it lie elsewhere. */
  isChunked(row: StoredRow): boolean
  cellsOf(row: StoredRow): readonly Cell[]
}

export interface DiffSample {
  /** Row key, base64. */
  readonly key: string
  /** Local keys of the cells that differ, base64, some of them; empty for rows that were added or removed. */
  readonly columns: readonly string[]
}

export interface ColumnDiff {
  /** Local key, base64. */
  readonly column: string
  /** Of rows that both versions have: rows in which the cell is new, is gone, or is another. */
  readonly added: number
  readonly removed: number
  readonly changed: number
}

export interface VersionDiff {
  readonly before: number
  readonly after: number
  readonly added: number
  readonly removed: number
  readonly changed: number
  readonly equal: number
  readonly samples: {
    readonly added: readonly DiffSample[]
    readonly removed: readonly DiffSample[]
    readonly changed: readonly DiffSample[]
  }
  readonly columns: readonly ColumnDiff[]
  /** Whether further columns differ. */
  readonly hasMoreColumns: boolean
}

/** Columns that are counted one by one, and columns named of one row. */
const MAX_COLUMNS = 200
const MAX_SAMPLE_COLUMNS = 20

/** Bytes of all samples: keys may be 64 KB. */
const MAX_SAMPLE_BYTES = 2 * 1024 * 1024

type Kind = 'added' | 'removed' | 'changed'

interface MutableColumn {
  readonly column: string
  added: number
  removed: number
  changed: number
}

export class VersionComparison {
  readonly #limit: number
  readonly #counts = { added: 0, removed: 0, changed: 0, equal: 0 }
  readonly #samples: Record<Kind, DiffSample[]> = { added: [], removed: [], changed: [] }
  readonly #columns = new Map<string, MutableColumn>()
  #hasMoreColumns = false
  #sampleBytes = 0

  /** @param limit samples of each kind */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Rows of both versions that were looked at. */
  get rows(): number {
    const { added, removed, changed, equal } = this.#counts
    return added + removed + 2 * (changed + equal)
  }

  /** Compares one shard; gives way now and then. */
  *compare(before: ComparedShard, after: ComparedShard): Generator<void> {
    const old = new RowStream(before)
    const young = new RowStream(after)
    for (;;) {
      if (old.row === null && young.row === null) return
      const order = orderOf(old.row, young.row)
      if (order === 0) this.#compareRows(old, young)
      else if (order < 0) this.#only('removed', old)
      else this.#only('added', young)
      const hasRead = [order <= 0 && old.advance(), order >= 0 && young.advance()].includes(true)
      if (hasRead) yield
    }
  }

  result(before: number, after: number): VersionDiff {
    const columns = [...this.#columns.values()].sort((a, b) => differences(b) - differences(a))
    return {
      ...{ before, after },
      ...this.#counts,
      samples: this.#samples,
      columns,
      hasMoreColumns: this.#hasMoreColumns,
    }
  }

  #only(kind: 'added' | 'removed', { shard, row }: RowStream): void {
    this.#counts[kind]++
    if (row !== null) this.#sample(kind, shard.rowKeyOf(row), [])
  }

  #compareRows(old: RowStream, young: RowStream): void {
    const { row: a } = old
    const { row: b } = young
    if (a === null || b === null) return
    if (a.stored.equals(b.stored) && !young.shard.isChunked(b)) {
      this.#counts.equal++
      return
    }
    const differing = this.#compareCells(old.shard.cellsOf(a), young.shard.cellsOf(b))
    if (differing === null) {
      this.#counts.equal++
      return
    }
    this.#counts.changed++
    this.#sample('changed', young.shard.rowKeyOf(b), differing)
  }

  /** Some of the columns that differ; null: none does. Both are in the order of local keys. */
  #compareCells(old: readonly Cell[], young: readonly Cell[]): string[] | null {
    let found: string[] | null = null
    const note = (kind: Kind, localKey: Buffer) => {
      const column = localKey.toString('base64')
      found ??= []
      if (found.length < MAX_SAMPLE_COLUMNS) found.push(column)
      this.#countColumn(kind, column)
    }
    let [i, j] = [0, 0]
    while (i < old.length || j < young.length) {
      const a = old[i]
      const b = young[j]
      const order = a === undefined ? 1 : b === undefined ? -1 : a.localKey.compare(b.localKey)
      if (order === 0 && a !== undefined && b !== undefined && !isSameCell(a, b)) note('changed', b.localKey)
      if (order < 0 && a !== undefined) note('removed', a.localKey)
      if (order > 0 && b !== undefined) note('added', b.localKey)
      if (order <= 0) i++
      if (order >= 0) j++
    }
    return found
  }

  #countColumn(kind: Kind, column: string): void {
    let counted = this.#columns.get(column)
    if (counted === undefined) {
      this.#hasMoreColumns ||= this.#columns.size >= MAX_COLUMNS
      if (this.#columns.size >= MAX_COLUMNS) return
      counted = { column, added: 0, removed: 0, changed: 0 }
      this.#columns.set(column, counted)
    }
    counted[kind]++
  }

  #sample(kind: Kind, rowKey: Buffer, columns: readonly string[]): void {
    const samples = this.#samples[kind]
    if (samples.length >= this.#limit) return
    const sizeBytes = rowKey.length + columns.reduce((sum, { length }) => sum + length, 0)
    if (this.#sampleBytes + sizeBytes > MAX_SAMPLE_BYTES) return
    this.#sampleBytes += sizeBytes
    samples.push({ key: rowKey.toString('base64'), columns })
  }
}

/** One version's rows, one in hand. */
class RowStream {
  readonly shard: ComparedShard
  readonly #batches: Iterator<readonly StoredRow[], unknown>
  #batch: readonly StoredRow[] = []
  #at = 0
  row: StoredRow | null = null

  constructor(shard: ComparedShard) {
    this.shard = shard
    this.#batches = shard.rows()
    this.advance()
  }

  /** Answers whether rows were read for it. */
  advance(): boolean {
    const inHand = this.#batch[this.#at++]
    if (inHand !== undefined) {
      this.row = inHand
      return false
    }
    const next = this.#batches.next()
    this.#batch = next.done === true ? [] : next.value
    this.row = this.#batch[0] ?? null
    this.#at = 1
    return true
  }
}

function orderOf(a: StoredRow | null, b: StoredRow | null): number {
  if (a === null) return 1
  return b === null ? -1 : a.key.compare(b.key)
}

function isSameCell(a: Cell, b: Cell): boolean {
  return a.timestamp === b.timestamp && a.ttlSeconds === b.ttlSeconds && a.value.equals(b.value)
}

function differences({ added, removed, changed }: MutableColumn): number {
  return added + removed + changed
}
