/** How far a load is: what its objects gave, how fast, and how long the rest will take. */
import type { Clock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { FileBadLine } from '../model/load.js'
import type { SourcePart } from './load-source.js'
import type { LoadState, RunRecord } from './load-state.js'
import type { BuildJob, BuildProgress, PartFigures } from './messages.js'
import { Pace } from './pace.js'
import { bytesToMerge } from './run-merge.js'
import { TimeLeft, type Trial, type UnreadPart, type WorkLeft } from './time-left.js'

export interface TallyOptions {
  readonly parts: readonly SourcePart[]
  /** By earlier processes. */
  readonly done: Pick<LoadState, 'positions' | 'sealed' | 'runs' | 'trial'>
  readonly clock: Clock
}

/** Packed bytes that are to be written to shards, and of runs that are to be merged before. */
export interface WritingAhead {
  readonly bytes: number
  readonly toMerge: number
}

type TallyJob = Pick<BuildJob, 'workers' | 'sortBytes' | 'shardCount'>

export class LoadTally {
  /** Of all objects as they are stored. */
  readonly totalBytes: number
  readonly #job: TallyJob
  readonly #sources: readonly SourcePart[]
  readonly #clock: Clock
  readonly #parts = new Map<number, PartFigures>()
  readonly #readPace: Pace
  readonly #rowPace: Pace
  readonly #readers: number
  readonly #timeLeft: TimeLeft
  readonly #rates = { rows: 0, bytes: 0 }
  /** What is to be written in all, now that everything is read; null until then. */
  #ahead: WritingAhead | null = null
  duplicateCount = 0
  /** What was read comes in the order of physical keys so far, and would go straight to the shards. */
  isInOrder = false
  /** Bytes of each object, as they are stored, that earlier processes read; packed bytes in runs that these wrote. */
  readonly #formerReadBytes = new Map<number, number>()
  #formerBytes = 0
  /** Packed bytes in runs. */
  #runBytes = 0
  /** Packed bytes that went to shards, and to shards that are sealed. */
  #writtenBytes = 0
  #sealedBytes = 0
  #sealedShards: number
  /** Writing that is being measured began then; the shard was made in so long. */
  #lapMs: number
  #makingMs = 0
  #isWriting = false

  constructor(job: TallyJob, { parts, done, clock }: TallyOptions) {
    this.#job = job
    this.#sources = parts
    this.#clock = clock
    this.#lapMs = clock.monotonicMs()
    this.#sealedShards = done.sealed.size
    this.totalBytes = parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    this.#readPace = new Pace(clock)
    this.#rowPace = new Pace(clock)
    this.#readers = Math.max(1, Math.min(job.workers, parts.length))
    this.#timeLeft = new TimeLeft(this.#readers)
    this.#takeUp(done)
  }

  /** What earlier processes did, and how long that took. */
  #takeUp({ runs, sealed, positions, trial }: TallyOptions['done']): void {
    for (const run of runs.values()) this.noteRun(run)
    this.#formerBytes = this.#runBytes
    if (trial !== null) this.noteTrial(trial)
    for (const { duplicateCount } of sealed.values()) this.duplicateCount += duplicateCount
    for (const { part, rows, readBytes = 0, readMs = 0, end } of positions.values()) {
      // Of what was written in the moment in which it was read, nobody knows how long that took.
      if (readMs > 0) this.#timeLeft.noteRead(readBytes, readMs)
      this.#formerReadBytes.set(part, readBytes)
      if (end === null) continue
      const sizeBytes = this.#sources[part]?.sizeBytes ?? 0
      this.#formerReadBytes.set(part, sizeBytes)
      this.#parts.set(part, { ...UNREAD, part, rows, readBytes: sizeBytes, skippedBytes: sizeBytes, ...end })
    }
  }

  get rows(): number {
    return sum(this.#parts.values(), ({ rows }) => rows)
  }

  /** Bytes and rows of parts that other processes read do not count in the rates: they were there at once. */
  note(figures: PartFigures): void {
    const before = this.#parts.get(figures.part) ?? UNREAD
    const { skippedBytes, skippedMs, readMs } = figures
    this.#timeLeft.noteSkipped(skippedBytes - before.skippedBytes, skippedMs - before.skippedMs)
    this.#timeLeft.noteRead(newBytes(figures) - newBytes(before), readMs - before.readMs)
    this.#parts.set(figures.part, figures)
    this.#isWriting = false
    this.#readPace.note(this.#readBytes)
    this.#rowPace.note(this.rows)
    this.#rates.bytes = this.#readPace.perSecond() ?? 0
    this.#rates.rows = this.#rowPace.perSecond() ?? 0
  }

  /** Rows of a thread were written as a run. */
  noteRun({ sizeBytes, ms }: RunRecord): void {
    this.#runBytes += sizeBytes
    if (ms !== undefined) this.#timeLeft.noteSorted(sizeBytes, ms)
  }

  noteTrial(trial: Trial): void {
    this.#timeLeft.noteTrial(trial)
  }

  /** Everything is read, and in order. */
  startWriting({ bytes, toMerge }: WritingAhead): void {
    // What came in order went on while the rest was read.
    this.#ahead = { bytes: this.#writtenBytes + bytes, toMerge }
    this.#isWriting = true
  }

  /** A shard is made, or written, from now on. */
  startLap(): void {
    this.#lapMs = this.#clock.monotonicMs()
    this.#isWriting = true
  }

  noteShardMade(): void {
    this.#makingMs = this.#endLap()
  }

  noteWritten(bytes: number): void {
    this.#writtenBytes += bytes
    this.#timeLeft.noteWritten(bytes, this.#endLap())
  }

  /** A shard is sealed to which so much was written. */
  noteSealed(bytes: number): void {
    this.#sealedBytes += bytes
    this.#sealedShards++
    this.#timeLeft.noteSealed(bytes, this.#makingMs + this.#endLap())
    this.#makingMs = 0
  }

  #endLap(): number {
    const beganMs = this.#lapMs
    this.#lapMs = this.#clock.monotonicMs()
    return this.#lapMs - beganMs
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
      phase: this.#ahead === null ? 'READING' : 'WRITING',
      rows: this.rows,
      readBytes: this.#readBytes,
      totalBytes: this.totalBytes,
      rowsPerSecond: Math.round(this.#rates.rows),
      bytesPerSecond: Math.round(this.#rates.bytes),
      leftMs: this.#leftMs(),
      countsDown: this.#isWriting,
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
    const shardsToSeal = this.#job.shardCount - this.#sealedShards
    if (this.#ahead !== null) {
      const { bytes, toMerge } = this.#ahead
      const [toWrite, toSeal] = [bytes - this.#writtenBytes, bytes - this.#sealedBytes]
      return this.#timeLeft.ms({ ...NOTHING_UNREAD, toMerge, toWrite, toSeal, shardsToSeal })
    }
    const packed = this.#packedBytes + this.#formerBytes
    const packedFrom = this.#packedFromBytes
    if (packedFrom === 0) return null
    // What is still to be read will pack like what was.
    const packedPerRead = packed / packedFrom
    const total = packedPerRead * this.totalBytes
    const { sortBytes } = this.#job
    const readers = this.#readers
    const goesStraight = this.isInOrder || this.#writtenBytes > 0
    const sorts = !goesStraight && (readers > 1 || this.#runBytes > 0 || total > sortBytes)
    return this.#timeLeft.ms({
      unread: this.#unread(),
      readers,
      packedPerRead,
      inMemory: Math.max(0, packed - this.#runBytes - this.#writtenBytes),
      sorts,
      toMerge: sorts ? bytesToMerge(total, sortBytes) : 0,
      toWrite: total - this.#writtenBytes,
      toSeal: total - this.#sealedBytes,
      shardsToSeal,
    })
  }

  /** Of each object that is not read to its end, those that are begun first. */
  #unread(): readonly UnreadPart[] {
    const begun: UnreadPart[] = []
    const waiting: UnreadPart[] = []
    for (const { index, sizeBytes } of this.#sources) {
      const figures = this.#parts.get(index)
      const readBytes = figures?.readBytes ?? 0
      const bytes = sizeBytes - readBytes
      const toSkip = Math.max(0, (this.#formerReadBytes.get(index) ?? 0) - readBytes)
      if (bytes > 0) (figures === undefined ? waiting : begun).push({ bytes, toSkip })
    }
    return [...begun, ...waiting]
  }

  /** Bytes as they are stored whose rows are packed, by this process or before. */
  get #packedFromBytes(): number {
    return sum(this.#sources, ({ index }) => {
      const figures = this.#parts.get(index) ?? UNREAD
      return Math.max(this.#formerReadBytes.get(index) ?? 0, figures.skippedBytes) + newBytes(figures)
    })
  }

  get #packedBytes(): number {
    return sum(this.#parts.values(), ({ packedBytes }) => packedBytes)
  }
}

/** Without those that were passed over. */
function newBytes({ readBytes, skippedBytes }: Pick<PartFigures, 'readBytes' | 'skippedBytes'>): number {
  return readBytes - skippedBytes
}

const UNREAD = { readBytes: 0, skippedBytes: 0, skippedMs: 0, packedBytes: 0, readMs: 0, foreignCellCount: 0 }

const NOTHING_UNREAD = {
  unread: [],
  readers: 1,
  packedPerRead: 0,
  inMemory: 0,
  sorts: false,
} satisfies Partial<WorkLeft>

function sum<T>(items: Iterable<T>, of: (item: T) => number): number {
  let total = 0
  for (const item of items) total += of(item)
  return total
}
