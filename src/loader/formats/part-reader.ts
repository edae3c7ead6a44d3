/** What the readers of all formats share: counting, bad lines, and when to give up. */
import { KVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { BadLine } from '../../model/load.js'
import type { Cell } from '../../model/row.js'
import { BadLineError } from '../json-text.js'
import type { PartRows, SourceRow } from '../load-source.js'
import type { Exploder, ReadOptions } from './read-options.js'

export type { ReadOptions } from './read-options.js'

/** One pass over one object. */
export abstract class PartReader implements PartRows {
  protected readonly url: string
  protected readonly options: ReadOptions
  readonly #badLines: BadLine[] = []
  readonly #unseen: Set<string>
  #badLineCount = 0
  /** Bytes of the object as it is stored; the readers add to it. */
  readBytes = 0

  constructor(url: string, options: ReadOptions) {
    this.url = url
    this.options = options
    this.#unseen = new Set(options.exploder?.columns ?? options.columns)
  }

  get badLineCount(): number {
    return this.#badLineCount
  }

  get badLines(): readonly BadLine[] {
    return this.#badLines
  }

  /** Of formats whose content is all rows: none. */
  get foreignCellCount(): number {
    return 0
  }

  get unseenColumns(): readonly string[] {
    return [...this.#unseen]
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly SourceRow[]> {
    const { exploder = null } = this.options
    for await (const batch of this.batches()) {
      const rows = exploder === null ? batch : this.#explode(batch, exploder)
      // Reads on past the allowed number, so that the operator sees several faults at once, but not to the end.
      if (this.#badLineCount >= this.options.maxBadLines + limits.maxReportedBadLines) this.#failForBadLines()
      if (rows.length > 0) yield rows
    }
    if (this.#badLineCount > this.options.maxBadLines) this.#failForBadLines()
  }

  /** Often enough that a file of nothing but bad lines is given up soon; a batch may be empty. */
  protected abstract batches(): AsyncIterable<readonly SourceRow[]>

  /** The row that `make` answers, or null when the line is a bad one or no row. */
  protected rowOrNull(line: number, make: () => SourceRow | null): SourceRow | null {
    try {
      return make()
    } catch (error) {
      if (!(error instanceof BadLineError)) throw error
      this.badLine(line, error.message)
      return null
    }
  }

  protected badLine(line: number, reason: string): void {
    this.#badLineCount++
    if (this.#badLines.length < limits.maxReportedBadLines) this.#badLines.push({ line, reason })
  }

  /** To be told of each row's cells. */
  protected noteColumns(cells: readonly Cell[]): void {
    if (this.#unseen.size === 0) return
    for (const { localKey } of cells) this.#unseen.delete(localKey.toString())
  }

  #explode(batch: readonly SourceRow[], exploder: Exploder): readonly SourceRow[] {
    const rows: SourceRow[] = []
    for (const { line, rowKey, cells: whole } of batch) {
      const row = this.rowOrNull(line, () => ({ line, rowKey, cells: exploder.explode(whole) }))
      if (row === null) continue
      this.noteColumns(row.cells)
      rows.push(row)
    }
    return rows
  }

  #failForBadLines(): never {
    const [first] = this.#badLines
    const example = first === undefined ? '' : `, the first at ${this.url}:${first.line}: ${first.reason}`
    const count = this.#badLineCount === 1 ? '1 bad line' : `${this.#badLineCount} bad lines`
    throw new KVError(
      'INVALID_ARGUMENT',
      `${count}, ${this.options.maxBadLines} allowed${example}; correct the file or allow more`,
    )
  }
}
