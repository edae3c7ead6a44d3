/** Reads objects into a sorter, and says when it is full: what every reading thread does, and the load process itself. */
import type { Clock } from '../base/clock.js'
import { assert } from '../base/assert.js'
import { KVError, toKVError } from '../base/errors.js'
import { murmur3Token } from '../base/hash.js'
import type { Cell } from '../model/row.js'
import { NO_TOKEN } from '../model/row-order.js'
import type { LoadSource, PartRows, SourcePart, SourceRow } from './load-source.js'
import type { PartPosition, RunRecord } from './load-state.js'
import type { BuildJob, PartFigures } from './messages.js'
import { type EntryToWrite, type PackedRow, sizeOfEntry } from './run-entry.js'
import { writeRun } from './run-file.js'
import { RunSorter } from './run-sorter.js'
import { trialSizeOf, type TrialSize } from './trial-shard.js'

/** Rows and bytes change in between, but nobody wants to hear of it more often. */
const PROGRESS_INTERVAL_MS = 200

export interface PartSorterOptions {
  readonly job: BuildJob
  readonly source: LoadSource
  readonly clock: Clock
  /** Makes a row what will be stored; valid until the next call. @throws {KVError} when it cannot be stored */
  readonly pack: (cells: readonly Cell[]) => PackedRow
  readonly onProgress: (figures: PartFigures) => void
  /** The sorter takes no more; it must be empty afterwards. */
  readonly onFull: (sorter: PartSorter) => Promise<void> | void
  /** Of all objects as they are stored; null: nothing is tried. */
  readonly triesForBytes: number | null
  /** Called once, when as many bytes of rows are in memory as are to be tried (trial-shard.ts). */
  readonly onTrialSize: (rows: RunSorter, size: TrialSize) => Promise<void>
}

/** A run that was written, and how long that took. */
export interface WrittenRun {
  readonly run: RunRecord
  readonly ms: number
}

/** The part that is being read: its rows up to `line`, `rows` in number, are in memory or in runs. */
interface OpenPart {
  readonly part: SourcePart
  line: number
  rows: number
  /** As in PartFigures. */
  packedBytes: number
  readMs: number
}

export class PartSorter {
  readonly rows: RunSorter
  readonly #options: PartSorterOptions
  /** Of parts that were read to their end and whose last rows are in memory. */
  readonly #ended: PartPosition[] = []
  #open: OpenPart | null = null
  #runCount = 0
  #isTried: boolean

  constructor(options: PartSorterOptions) {
    this.#options = options
    this.rows = new RunSorter(options.job.keyOrder, options.job.sortBytes)
    this.#isTried = options.triesForBytes === null
  }

  /** Reads a part to its end; its last rows stay in memory. Rows up to `afterLine` are in runs already. */
  async read(part: SourcePart, afterLine: number): Promise<PartFigures> {
    const { onProgress } = this.#options
    const rows = this.#options.source.rows(part)
    const open: OpenPart = { part, line: afterLine, rows: 0, packedBytes: 0, readMs: 0 }
    this.#open = open
    try {
      await this.#readRows(rows, open)
    } finally {
      this.#open = null
      onProgress(figuresOf(open, rows))
    }
    const figures = figuresOf(open, rows)
    const { badLineCount, badLines, foreignCellCount, unseenColumns } = figures
    const end = { badLineCount, badLines, foreignCellCount, unseenColumns }
    this.#ended.push({ ...positionOf(open), end })
    return figures
  }

  async #readRows(rows: PartRows, open: OpenPart): Promise<void> {
    const { clock, onProgress } = this.#options
    const afterLine = open.line
    let reportedAtMs = clock.monotonicMs()
    let beganMs = reportedAtMs
    for await (const batch of rows) {
      let awayMs = 0
      for (const row of batch) {
        if (row.line > afterLine) {
          // A promise a row would cost more than the row.
          const entry = this.#entryOf(row, open.part)
          open.packedBytes += sizeOfEntry(entry)
          if (!this.rows.add(entry)) awayMs += await this.#addToEmptied(entry)
          open.line = row.line
        }
        open.rows++
      }
      if (!this.#isTried) awayMs += await this.#try(open, rows)
      const nowMs = clock.monotonicMs()
      open.readMs += nowMs - beganMs - awayMs
      beganMs = nowMs
      if (nowMs - reportedAtMs < PROGRESS_INTERVAL_MS) continue
      reportedAtMs = nowMs
      onProgress(figuresOf(open, rows))
    }
    open.readMs += clock.monotonicMs() - beganMs
  }

  /** Tries how long writing takes when there is enough to try it with; answers how long that took. */
  async #try({ packedBytes }: OpenPart, { readBytes }: PartRows): Promise<number> {
    const { clock, job, triesForBytes, onTrialSize } = this.#options
    if (triesForBytes === null || readBytes === 0) return 0
    const { usedBytes, isInOrder } = this.rows
    const { sortBytes, shardCount } = job
    const size = trialSizeOf((triesForBytes * packedBytes) / readBytes, { sortBytes, shardCount, isInOrder })
    if (size === null || usedBytes < size.bytes) return 0
    this.#isTried = true
    const beganMs = clock.monotonicMs()
    await onTrialSize(this.rows, size)
    return clock.monotonicMs() - beganMs
  }

  /** Writes what is in memory as a run; null when there is nothing to write down. */
  writeRun(folder: string, name: string): WrittenRun | null {
    if (this.rows.count === 0 && this.#ended.length === 0) return null
    const { clock } = this.#options
    const beganMs = clock.monotonicMs()
    const { shardCount } = this.#options.job
    const figures = writeRun(this.rows.sorted(), { folder, name: `${name}-${this.#runCount++}`, shardCount })
    const positions = this.#ended.splice(0)
    if (this.#open !== null) positions.push({ ...positionOf(this.#open), end: null })
    this.rows.clear()
    return { run: { ...figures, positions }, ms: clock.monotonicMs() - beganMs }
  }

  #entryOf(row: SourceRow, part: SourcePart): EntryToWrite {
    const { keyOrder } = this.#options.job
    const token = keyOrder === 'HASHED' ? murmur3Token(row.rowKey) : NO_TOKEN
    const { head, chunks } = this.#pack(row, part)
    return { token, rowKey: row.rowKey, head, chunks, part: part.index, line: row.line }
  }

  /** Answers how long it took. */
  async #addToEmptied(entry: EntryToWrite): Promise<number> {
    const { clock, onFull } = this.#options
    const beganMs = clock.monotonicMs()
    // What was packed lies in memory that the next row takes; nothing is packed meanwhile.
    await onFull(this)
    assert(this.rows.add(entry), 'an emptied sorter has room for any row')
    return clock.monotonicMs() - beganMs
  }

  #pack({ cells, line }: SourceRow, { url }: SourcePart): PackedRow {
    try {
      return this.#options.pack(cells)
    } catch (error) {
      const { code, message } = toKVError(error, 'the row could not be stored')
      throw new KVError(code, `${url}:${line}: ${message}`, { cause: error })
    }
  }
}

function positionOf({ part, line, rows }: OpenPart): Omit<PartPosition, 'end'> {
  return { part: part.index, line, rows }
}

function figuresOf({ part, rows: count, packedBytes, readMs }: OpenPart, rows: PartRows): PartFigures {
  const { readBytes, badLineCount, badLines, foreignCellCount, unseenColumns } = rows
  const withFile = badLines.map((badLine) => ({ ...badLine, file: part.url }))
  const known = { badLineCount, badLines: withFile, foreignCellCount, unseenColumns }
  return { part: part.index, rows: count, readBytes, packedBytes, readMs, ...known }
}
