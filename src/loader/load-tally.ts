/** How far a load is: what its objects gave, how fast, and how long the rest will take. */
import type { Clock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { FileBadLine } from '../model/load.js'
import type { SourcePart } from './load-source.js'
import type { LoadState } from './load-state.js'
import type { BuildProgress, PartFigures } from './messages.js'
import { Pace } from './pace.js'

/**
 * Writing a packed byte to a shard, sealing not counted, takes so many times as long as packing it did, until it is known
 * how long it takes. So on a quiet machine, fast or slow; where others use its disk and processors it takes longer.
 */
const WRITING_TO_PACKING = 2
/** Packed bytes that are written a second, where nothing was packed to go by. */
const ASSUMED_WRITES_PER_SECOND = 60 * 1024 * 1024

/** What sealing a shard (flushing it, reading it back, counting) takes, as a share of writing it. */
const SEALING_SHARE = 0.75

export class LoadTally {
  readonly #parts = new Map<number, PartFigures>()
  readonly #totalBytes: number
  readonly #readPace: Pace
  readonly #rowPace: Pace
  readonly #writePace: Pace
  readonly #rates = { rows: 0, bytes: 0 }
  #writing: { done: number; readonly total: number } | null = null
  duplicateCount = 0
  /** Packed bytes in runs that earlier processes wrote. */
  #formerBytes = 0
  /** Packed bytes of rows that came in order and went to shards while others were still read. */
  #streamedBytes = 0

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
    for (const { sizeBytes } of done.runs.values()) this.#formerBytes += sizeBytes
    for (const { duplicateCount } of done.sealed.values()) this.duplicateCount += duplicateCount
    for (const { part, rows, end } of done.positions.values()) {
      if (end === null) continue
      const readBytes = parts[part]?.sizeBytes ?? 0
      const here = { packedBytes: 0, packMs: 0 }
      this.#parts.set(part, { part, rows, readBytes, ...here, foreignCellCount: 0, ...end })
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
    this.#writing = { done: 0, total: total * (1 + SEALING_SHARE) }
  }

  /** A shard is sealed to which so much was written. */
  noteSealed(bytes: number): void {
    this.noteWritten(bytes * SEALING_SHARE)
  }

  noteWritten(bytes: number): void {
    if (this.#writing === null) {
      this.#streamedBytes += bytes
      return
    }
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
      return rounded(this.#writePace.leftMs(left) ?? this.#assumedWriteMs(left))
    }
    const read = this.#readBytes
    const readMs = this.#readPace.leftMs(this.#totalBytes - read)
    if (readMs === null || read === 0) return null
    // What is still to be read will pack like what was.
    return rounded(readMs + this.#assumedWriteMs(this.#bytesToWrite(read) * (1 + SEALING_SHARE)))
  }

  /** When all is read. */
  #bytesToWrite(read: number): number {
    const packed = this.#packedBytes + this.#formerBytes
    // What comes in order goes on to: what is in memory is left.
    return this.#streamedBytes > 0 ? packed - this.#streamedBytes : (packed * this.#totalBytes) / read
  }

  #assumedWriteMs(work: number): number {
    const packed = this.#packedBytes
    if (packed === 0) return (work * 1000) / ASSUMED_WRITES_PER_SECOND
    const packMs = sum(this.#parts.values(), (part) => part.packMs)
    return (work * WRITING_TO_PACKING * packMs) / packed
  }

  get #packedBytes(): number {
    return sum(this.#parts.values(), ({ packedBytes }) => packedBytes)
  }
}

function rounded(ms: number): number {
  return Math.max(0, Math.round(ms))
}

function sum<T>(items: Iterable<T>, of: (item: T) => number): number {
  let total = 0
  for (const item of items) total += of(item)
  return total
}
