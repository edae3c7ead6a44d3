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
  /** Of all objects as they are stored. */
  readonly totalBytes: number
  /** Asked once, when as many bytes of rows are in memory as are to be tried (trial-shard.ts); false: another one does. */
  readonly takesTrial: () => boolean
  readonly onTrialSize: (rows: RunSorter, size: TrialSize) => Promise<void>
}

/** The part that is being read: its rows up to `line`, `rows` in number, are in memory or in runs. */
interface OpenPart {
  readonly part: SourcePart
  readonly content: PartRows
  line: number
  rows: number
  /** As in PartFigures. */
  skippedBytes: number
  skippedMs: number
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
  #isTried = false

  constructor(options: PartSorterOptions) {
    this.#options = options
    this.rows = new RunSorter(options.job.keyOrder, options.job.sortBytes)
  }

  /** Reads a part to its end; its last rows stay in memory. Rows up to `afterLine` are in runs already. */
  async read(part: SourcePart, afterLine: number): Promise<PartFigures> {
    const { onProgress, source } = this.#options
    const nothing = { rows: 0, skippedBytes: 0, skippedMs: 0, packedBytes: 0, readMs: 0 }
    const open: OpenPart = { part, content: source.rows(part), line: afterLine, ...nothing }
    this.#open = open
    try {
      await this.#readRows(open)
    } finally {
      this.#open = null
      onProgress(figuresOf(open))
    }
    const figures = figuresOf(open)
    const { badLineCount, badLines, foreignCellCount, unseenColumns } = figures
    const end = { badLineCount, badLines, foreignCellCount, unseenColumns }
    this.#ended.push({ ...positionOf(open), end })
    return figures
  }

  async #readRows(open: OpenPart): Promise<void> {
    const { clock, onProgress } = this.#options
    const afterLine = open.line
    let reportedAtMs = clock.monotonicMs()
    let beganMs = reportedAtMs
    for await (const batch of open.content) {
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
      if (!this.#isTried) awayMs += await this.#try(open)
      const nowMs = clock.monotonicMs()
      if (afterLine > 0 && open.line === afterLine) skip(open, nowMs - beganMs)
      else open.readMs += nowMs - beganMs - awayMs
      beganMs = nowMs
      if (nowMs - reportedAtMs < PROGRESS_INTERVAL_MS) continue
      reportedAtMs = nowMs
      onProgress(figuresOf(open))
    }
    open.readMs += clock.monotonicMs() - beganMs
  }

  /** Tries how long writing takes when there is enough to try it with; answers how long that took. */
  async #try({ content, packedBytes, skippedBytes }: OpenPart): Promise<number> {
    const { clock, job, totalBytes, takesTrial, onTrialSize } = this.#options
    const readBytes = content.readBytes - skippedBytes
    if (readBytes === 0) return 0
    const { usedBytes, isInOrder } = this.rows
    const { sortBytes, shardCount } = job
    const size = trialSizeOf((totalBytes * packedBytes) / readBytes, { sortBytes, shardCount, isInOrder })
    if (size === null || usedBytes < size.bytes) return 0
    this.#isTried = true
    if (!takesTrial()) return 0
    const beganMs = clock.monotonicMs()
    await onTrialSize(this.rows, size)
    return clock.monotonicMs() - beganMs
  }

  /** Writes what is in memory as a run; null when there is nothing to write down. */
  writeRun(folder: string, name: string): RunRecord | null {
    if (this.rows.count === 0 && this.#ended.length === 0) return null
    const { clock } = this.#options
    const beganMs = clock.monotonicMs()
    const { shardCount } = this.#options.job
    const figures = writeRun(this.rows.sorted(), { folder, name: `${name}-${this.#runCount++}`, shardCount })
    const positions = this.#ended.splice(0)
    if (this.#open !== null) positions.push({ ...positionOf(this.#open), end: null })
    this.rows.clear()
    return { ...figures, positions, ms: Math.round(clock.monotonicMs() - beganMs) }
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

function skip(open: OpenPart, ms: number): void {
  open.skippedBytes = open.content.readBytes
  open.skippedMs += ms
}

function positionOf({
  part,
  content,
  line,
  rows,
  skippedBytes,
  readMs,
}: OpenPart): Omit<PartPosition, 'end'> {
  const { readBytes } = content
  // What was skipped took as long when it was read.
  const allMs = readBytes > skippedBytes ? (readMs * readBytes) / (readBytes - skippedBytes) : 0
  return { part: part.index, line, rows, readBytes, readMs: Math.round(allMs) }
}

function figuresOf(open: OpenPart): PartFigures {
  const { part, content, rows, skippedBytes, skippedMs, packedBytes, readMs } = open
  const { readBytes, badLineCount, badLines, foreignCellCount, unseenColumns } = content
  const withFile = badLines.map((badLine) => ({ ...badLine, file: part.url }))
  const known = { badLineCount, badLines: withFile, foreignCellCount, unseenColumns }
  return { part: part.index, rows, readBytes, skippedBytes, skippedMs, packedBytes, readMs, ...known }
}
