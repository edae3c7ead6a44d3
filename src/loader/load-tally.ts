/** How far a load is: what its objects gave, how fast, and how long the rest will take. */
import type { Clock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { FileBadLine } from '../model/load.js'
import type { SourcePart } from './load-source.js'
import type { LoadState } from './load-state.js'
import type { BuildProgress, PartFigures } from './messages.js'
import { Pace } from './pace.js'

/** Packed bytes that are written, flushed and read back a second, until it is known how many are. */
const ASSUMED_WRITES_PER_SECOND = 40 * 1024 * 1024

export class LoadTally {
  readonly #parts = new Map<number, PartFigures>()
  readonly #totalBytes: number
  readonly #readPace: Pace
  readonly #rowPace: Pace
  readonly #writePace: Pace
  readonly #rates = { rows: 0, bytes: 0 }
  #writing: { done: number; readonly total: number } | null = null
  duplicateCount = 0
  /** Bytes of rows as they are sorted: in runs, and in memory. */
  packedBytes = 0
  heldBytes = 0

  /** `done` is what earlier processes did. */
  constructor(
    parts: readonly SourcePart[],
    done: Pick<LoadState, 'positions' | 'sealed' | 'runs'>,
    clock: Clock,
  ) {
    this.#totalBytes = parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    this.#readPace = new Pace(clock)
    this.#rowPace = new Pace(clock)
    this.#writePace = new Pace(clock)
    for (const { sizeBytes } of done.runs.values()) this.packedBytes += sizeBytes
    for (const { duplicateCount } of done.sealed.values()) this.duplicateCount += duplicateCount
    for (const { part, rows, end } of done.positions.values()) {
      if (end === null) continue
      const readBytes = parts[part]?.sizeBytes ?? 0
      this.#parts.set(part, { part, rows, readBytes, foreignCellCount: 0, ...end })
    }
  }

  get rows(): number {
    return sum(this.#parts.values(), ({ rows }) => rows)
  }

  /** Bytes and rows of parts that other processes read do not count in the rates: they were there at once. */
  note(figures: PartFigures): void {
    this.#parts.set(figures.part, figures)
    this.#readPace.note(this.#readBytes)
    this.#rowPace.note(this.rows)
    this.#rates.bytes = this.#readPace.perSecond() ?? 0
    this.#rates.rows = this.#rowPace.perSecond() ?? 0
  }

  /** @param total packed bytes that are to be written */
  startWriting(total: number): void {
    this.#writing = { done: 0, total }
  }

  noteWritten(bytes: number): void {
    if (this.#writing === null) return
    this.#writing.done += bytes
    this.#writePace.note(this.#writing.done)
  }

  /** @throws {KVError} INVALID_ARGUMENT when the parts together have more bad lines than allowed */
  checkBadLines(allowed: number): void {
    const count = this.#badLineCount
    if (count <= allowed) return
    const [first] = this.#badLines()
    const example = first === undefined ? '' : `, the first at ${first.file}:${first.line}: ${first.reason}`
    throw new KVError(
      'INVALID_ARGUMENT',
      `${count} bad lines in all files together, ${allowed} allowed${example}; correct the files or allow more`,
    )
  }

  /** For each part that was read, in no order. */
  unseenColumns(): { unseenColumns: readonly string[] }[] {
    return [...this.#parts.values()]
  }

  progress(): BuildProgress {
    return {
      phase: this.#writing === null ? 'READING' : 'WRITING',
      rows: this.rows,
      readBytes: this.#readBytes,
      totalBytes: this.#totalBytes,
      rowsPerSecond: Math.round(this.#rates.rows),
      bytesPerSecond: Math.round(this.#rates.bytes),
      leftMs: this.#leftMs(),
      duplicateCount: this.duplicateCount,
      badLineCount: this.#badLineCount,
      badLines: this.#badLines(),
      foreignCellCount: sum(this.#parts.values(), ({ foreignCellCount }) => foreignCellCount),
    }
  }

  get #readBytes(): number {
    return sum(this.#parts.values(), ({ readBytes }) => readBytes)
  }

  get #badLineCount(): number {
    return sum(this.#parts.values(), ({ badLineCount }) => badLineCount)
  }

  #badLines(): FileBadLine[] {
    const inOrder = [...this.#parts.values()].sort((a, b) => a.part - b.part)
    return inOrder.flatMap(({ badLines }) => badLines).slice(0, limits.maxReportedBadLines)
  }

  #leftMs(): number | null {
    if (this.#writing !== null) {
      const left = this.#writing.total - this.#writing.done
      return rounded(this.#writePace.leftMs(left) ?? assumedWriteMs(left))
    }
    const read = this.#readBytes
    const readMs = this.#readPace.leftMs(this.#totalBytes - read)
    if (readMs === null || read === 0) return null
    // What is still to be read will pack like what was.
    return rounded(readMs + assumedWriteMs(((this.packedBytes + this.heldBytes) * this.#totalBytes) / read))
  }
}

function assumedWriteMs(bytes: number): number {
  return (bytes * 1000) / ASSUMED_WRITES_PER_SECOND
}

function rounded(ms: number): number {
  return Math.max(0, Math.round(ms))
}

function sum<T>(items: Iterable<T>, of: (item: T) => number): number {
  let total = 0
  for (const item of items) total += of(item)
  return total
}
