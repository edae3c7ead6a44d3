/**
 * Hop 6, the reading half: all reads of one incarnation in one data thread. The reads of a loop turn are gathered into as
 * few MultiGets as possible (1.5 times the throughput of one call a read). Guarantees:
 *
 * - every row is read in one snapshot: a MultiGet is never cut inside a row, and a row that is walked has one cursor. The
 *   chunks of a sealed row come later, and cannot have changed;
 * - the rows of one request hold at most MAX_READ_BYTES (read-job.ts), and what is read at a time is bounded over all
 *   requests of the thread (read-pace.ts);
 * - a damaged block fails the rows that lie in it and no others: when a MultiGet fails, its rows are read one by one;
 * - a request that has passed its deadline, or that nobody waits for, is answered without reading (read-gate.ts);
 * - values are copies made by the binding, rows hold views of them.
 *
 * Small gatherings are read on this thread while the data is hot; large or cold ones in parts on libuv's pool, where
 * four misses wait side by side instead of one after the other (cold: 3.7 times the throughput). Rows of shards that can be
 * written of which more is wanted than some columns by name (row-read.ts), and rows that a MultiGet left out, are read on
 * this thread one by one, a slice of them a loop turn.
 */
import type { Clock } from '../../../base/clock.js'
import { type Done, KVError, toKVError } from '../../../base/errors.js'
import { limits } from '../../../base/limits.js'
import type { Incarnation, ShardFormat } from '../../../model/cluster-map.js'
import type { ShardRead, ShardScan } from '../../../model/plan.js'
import type { ShardPage } from '../../../model/leaf-engine.js'
import type { Row, RowOutcome } from '../../../model/row.js'
import { sealedChunkKey, sealedHeadKey, mutableCellKey, mutableMetaKey, rangesKey } from '../../row-codec.js'
import { checkCrc, SealedHead } from '../../sealed-row.js'
import { pickCells, type SealedPick } from '../../sealed-selection.js'
import type { AttachedDatabase, Values } from '../store/binding.js'
import { ColdDetector, type FetchedBytes } from './cold-detector.js'
import { PAGE_BYTES_PER_CELL, tooLarge } from './held-bytes.js'
import { readSelectedCells } from './mutable-row.js'
import type { ReadGate } from './read-gate.js'
import { ReadJob } from './read-job.js'
import type { ReadPace } from './read-pace.js'
import { NOT_READ } from './read-pages.js'
import { MAX_POINT_COLUMNS, RowRead } from './row-read.js'
import { ScanRun } from '../scan/scan-run.js'
import { type DropSuperseded, SupersededKeys } from './superseded.js'

/**
 * Hot gatherings up to this size are read on the spot: 512 keys take 2 to 4 ms. The way over the pool costs a hot key a
 * third more CPU (bench read-path: multiGet(20) of 16 callers is a gathering of 320).
 */
const MAX_SYNC_KEYS = 512

/** While cold, every so many gatherings a few keys are read on the spot, to notice that the data has become hot. */
const PROBE_EVERY = 8
const MAX_PROBE_KEYS = 8

/** Parts that a gathering is cut into, unless they would be too large. */
const PARTS = 4

/** Keys of a part that reads chunks, which are up to 16 KB each and rarely more. */
const MAX_CHUNKS_PER_PART = 1_024

/** One row to read by known keys: a run of the gathering's keys. */
interface RowTask {
  readonly job: ReadJob
  readonly index: number
  readonly from: number
  readonly to: number
  /** Sealed rows of more than one chunk come back for their chunks: the head, checked, and which chunks are meant. */
  readonly head: SealedHead | null
  readonly chunks: readonly number[]
  /** Sealed rows of which not just some columns by name are wanted: which cells. */
  readonly pick: SealedPick | null
  /** Whether the row's range tombstones are among its keys. */
  readonly withRanges: boolean
}

/** What a row's chunks are read for. */
interface ChunkWish {
  readonly head: SealedHead
  readonly chunks: readonly number[]
  readonly pick: SealedPick | null
}

class Gathering {
  readonly keys: Buffer[] = []
  readonly tasks: RowTask[] = []
  /** Whether its rows were begun: it holds chunks of rows whose heads were read. */
  readonly isContinued: boolean

  constructor(isContinued: boolean) {
    this.isContinued = isContinued
  }

  /** @throws {KVError} TOO_LARGE when the request's budget does not hold the keys; nothing is added then */
  pushChunks({ job, index }: RowTask, { head, chunks, pick }: ChunkWish): void {
    const { keyOrder, rowKeys, tokens } = job.read
    const rowKey = rowKeys[index]
    const token = tokens[index]
    if (rowKey === undefined || token === undefined) return
    const from = this.keys.length
    if (chunks.length > limits.maxKeysPerMultiGet) throw tooLarge()
    job.chargeKeys(chunks.length * (rowKey.byteLength + CHUNK_KEY_BYTES))
    for (const chunk of chunks) this.keys.push(sealedChunkKey(keyOrder, token, rowKey, chunk))
    this.tasks.push({ job, index, from, to: this.keys.length, head, chunks, pick, withRanges: false })
  }
}

/** Some of a gathering's tasks, and just their keys. */
interface KeyRun {
  readonly keys: readonly Buffer[]
  readonly tasks: readonly RowTask[]
}

/** What one MultiGet answered; `offset` is the gathering's index of its first key. */
interface Part {
  readonly keys: readonly Buffer[]
  readonly values: Values | KVError
  readonly offset: number
}

/** A row's values in what a MultiGet answered. */
interface FoundValues {
  readonly values: Values
  readonly at: number
  readonly nowSeconds: number
}

const NO_CHUNKS: readonly number[] = []

/** What a chunk's key has beside the row key. */
const CHUNK_KEY_BYTES = 15

export interface ShardReaderOptions {
  readonly clock: Clock
  readonly fetchedBytes: FetchedBytes
  readonly pace: ReadPace
  readonly gate: ReadGate
  /** Where to tell of versions that nobody sees any more; null: not now. */
  readonly dropSuperseded?: () => DropSuperseded | null
}

export class ShardReader {
  readonly database: AttachedDatabase
  readonly #format: ShardFormat
  readonly #maxCellVersions: number
  readonly #rangeFlag: Int32Array
  readonly #clock: Clock
  readonly #pace: ReadPace
  readonly #gate: ReadGate
  readonly #dropSuperseded: () => DropSuperseded | null
  #jobs: ReadJob[] = []
  readonly #detector: ColdDetector
  #gatherings = 0

  constructor(
    database: AttachedDatabase,
    { format, maxCellVersions, hasRangeTombstones }: Incarnation,
    options: ShardReaderOptions,
  ) {
    this.database = database
    this.#format = format
    this.#maxCellVersions = maxCellVersions
    this.#rangeFlag = new Int32Array(hasRangeTombstones)
    this.#clock = options.clock
    this.#pace = options.pace
    this.#gate = options.gate
    this.#dropSuperseded = options.dropSuperseded ?? (() => null)
    this.#detector = new ColdDetector(options.clock, options.fetchedBytes)
  }

  add(read: ShardRead, done: Done<readonly RowOutcome[]>): void {
    this.#jobs.push(new ReadJob(read, done))
  }

  /** Begins a scan when its turn comes; `done` is called once. */
  scan(scan: ShardScan, done: Done<ShardPage>): void {
    const superseded = (): SupersededKeys | undefined => this.#superseded()
    const run = new ScanRun(this.database, scan, { clock: this.#clock, gate: this.#gate, superseded, done })
    this.#pace.addScan((slice) => run.step(slice), run)
  }

  /** Reads what was added since the last time, and gives the pace what takes steps; called once a loop turn. */
  flush(): void {
    const jobs = this.#jobs
    this.#jobs = []
    const nowMs = this.#clock.monotonicMs()
    const nowSeconds = Math.floor(this.#clock.nowMs() / 1_000)
    const gathering = new Gathering(false)
    for (const job of jobs) {
      const refusal = this.#refusal(job, nowMs)
      if (refusal !== null) job.answer(refusal)
      else if (job.isEmpty) job.answer()
      else this.#gather(job, gathering, nowSeconds)
    }
    this.#fetch(gathering, nowSeconds)
  }

  #gather(job: ReadJob, gathering: Gathering, nowSeconds: number): void {
    const { rowKeys } = job.read
    const withRanges = this.#hasRanges
    for (let index = 0; index < rowKeys.length; index++) {
      const from = gathering.keys.length
      try {
        if (this.#isWalked(job, index)) {
          this.#addWalk(job, index, nowSeconds)
          continue
        }
        this.#pushKeys(job, index, gathering.keys)
        gathering.tasks.push({
          job,
          index,
          from,
          to: gathering.keys.length,
          head: null,
          chunks: NO_CHUNKS,
          pick: null,
          withRanges,
        })
      } catch (error) {
        gathering.keys.length = from
        job.settle(index, toKVError(error, 'encoding a key'))
      }
    }
  }

  get #hasRanges(): boolean {
    return this.#format === 'mutable' && Atomics.load(this.#rangeFlag, 0) !== 0
  }

  /** Whether a row cannot be read by known keys. */
  #isWalked(job: ReadJob, index: number): boolean {
    if (this.#format !== 'mutable') return this.#format === 'history'
    const selector = job.selectorOf(index)
    return selector === null || selector.localKeys.length > MAX_POINT_COLUMNS || !job.isSimple(index)
  }

  #pushKeys(job: ReadJob, index: number, keys: Buffer[]): void {
    const { keyOrder, rowKeys, tokens } = job.read
    const rowKey = rowKeys[index]
    const token = tokens[index]
    if (rowKey === undefined || token === undefined) throw tooFewTokens()
    if (this.#format === 'sealed') {
      keys.push(sealedHeadKey(keyOrder, token, rowKey))
      return
    }
    const metaKey = mutableMetaKey(keyOrder, token, rowKey)
    keys.push(metaKey)
    if (this.#hasRanges) keys.push(rangesKey(metaKey))
    for (const localKey of job.selectorOf(index)?.localKeys ?? []) {
      const key = mutableCellKey(metaKey, localKey)
      // A request that names each long row key and each long local key once has both many times here.
      job.chargeKeys(key.byteLength)
      keys.push(key)
    }
  }

  #fetch(gathering: Gathering, nowSeconds: number): void {
    const count = gathering.keys.length
    if (count === 0) return
    this.#gatherings++
    if (!this.#detector.isCold && count <= MAX_SYNC_KEYS) this.#fetchSync(gathering, nowSeconds)
    else this.#fetchAsync(gathering, nowSeconds)
  }

  #fetchSync({ keys, tasks }: KeyRun, nowSeconds: number): void {
    const offset = tasks[0]?.from ?? 0
    this.#detector.begin()
    const values = this.#getMany(keys)
    this.#detector.end(keys.length)
    this.#finish(tasks, { keys, values, offset }, nowSeconds)
  }

  #fetchAsync({ keys, tasks, isContinued }: Gathering, nowSeconds: number): void {
    const quarter = Math.ceil(keys.length / PARTS)
    const partSize = isContinued ? Math.min(quarter, MAX_CHUNKS_PER_PART) : quarter
    const isProbing = this.#detector.isCold && this.#gatherings % PROBE_EVERY === 0
    for (let first = 0; first < tasks.length;) {
      const isProbe = isProbing && first === 0
      const last = endOfPart(tasks, first, isProbe ? MAX_PROBE_KEYS : partSize)
      const part = tasks.slice(first, last)
      const offset = part[0]?.from ?? 0
      const partKeys = keys.slice(offset, part.at(-1)?.to)
      first = last
      if (isProbe) this.#fetchSync({ keys: partKeys, tasks: part }, nowSeconds)
      else this.#fetchPart({ keys: partKeys, tasks: part }, { isContinued, nowSeconds })
    }
  }

  /** On the pool, when its turn comes. By then the requests may have got all that they may hold. */
  #fetchPart(
    { keys, tasks }: KeyRun,
    { isContinued, nowSeconds }: { readonly isContinued: boolean; readonly nowSeconds: number },
  ): void {
    const offset = tasks[0]?.from ?? 0
    this.#pace.addPoolRead((release) => {
      const nowMs = this.#clock.monotonicMs()
      if (tasks.every(({ job }) => this.#refusal(job, nowMs) !== null)) {
        for (const { job, index } of tasks) job.settle(index, this.#refusal(job, nowMs))
        release()
        return
      }
      this.#getManyAsync(keys, (values) => {
        this.#finish(tasks, { keys, values, offset }, nowSeconds)
        release()
        this.#pace.run()
      })
    }, isContinued)
  }

  #getMany(keys: readonly Buffer[]): Values | KVError {
    try {
      return this.database.getMany(keys)
    } catch (error) {
      return toKVError(error, 'reading')
    }
  }

  #getManyAsync(keys: readonly Buffer[], done: (values: Values | KVError) => void): void {
    try {
      this.database.getManyAsync(keys, done)
    } catch (error) {
      done(toKVError(error, 'reading'))
    }
  }

  #finish(tasks: readonly RowTask[], part: Part, nowSeconds: number): void {
    const again = new Gathering(true)
    for (const task of tasks) {
      const outcome = attempt(() => this.#outcome(task, part, nowSeconds, again))
      if (outcome !== undefined) task.job.settle(task.index, outcome)
    }
    this.#fetch(again, nowSeconds)
  }

  /** The row; undefined when it takes another reading: of its chunks, added to `again`, or of this row alone. */
  #outcome(task: RowTask, part: Part, nowSeconds: number, again: Gathering): RowOutcome | undefined {
    const { job } = task
    const { values } = part
    const at = task.from - part.offset
    const to = task.to - part.offset
    if (job.isSpent) throw tooLarge()
    if (values instanceof KVError || hasUnread(values, at, to)) {
      // A MultiGet that failed, or stopped at its size, says nothing of one row, unless it was about no other.
      if (at !== 0 || to !== part.keys.length) this.#addAlone(task, part.keys.slice(at, to), nowSeconds)
      else if (values instanceof KVError) throw values
      else this.#addLarge(task, nowSeconds)
      return undefined
    }
    if (!task.withRanges && this.#hasRanges) {
      // The first range tombstone came while this was read, and may be one of this row.
      this.#addWalk(job, task.index, nowSeconds)
      return undefined
    }
    job.charge(sizeOf(values, at, to))
    const row = this.#row(task, { values, at, nowSeconds }, again)
    if (row !== null && row !== undefined) job.charge(0, row.cells.length)
    return row
  }

  #row(task: RowTask, { values, at, nowSeconds }: FoundValues, again: Gathering): Row | null | undefined {
    const { job, index, withRanges } = task
    const { withTimestamps } = job
    const { withTtl } = job.read
    const selector = job.selectorOf(index)
    if (this.#format === 'mutable')
      return readSelectedCells({ selector, withRanges, withTimestamps, withTtl, nowSeconds }, values, at)
    const options = { withTimestamps, withTtl, nowSeconds }
    if (task.head !== null) {
      const chunks = chunksOf(task, values, at)
      if (task.pick === null) return task.head.row(selector, options, chunks)
      return pickedRow(task.head, task.pick, { ...options, keysOnly: false }, chunks)
    }
    const stored = values[at]
    if (stored === undefined || stored === null) return null
    const head = new SealedHead(stored)
    if (!job.isSimple(index) || job.isPaged) return this.#pickedRow(task, head, nowSeconds, again)
    const chunks = head.chunksFor(selector)
    if (chunks.length === 0) return head.row(selector, options)
    again.pushChunks(task, { head, chunks, pick: null })
    return undefined
  }

  #pickedRow(task: RowTask, head: SealedHead, nowSeconds: number, again: Gathering): Row | null | undefined {
    const { job, index } = task
    const room = job.roomFor(index)
    if (room <= 0) return NOT_READ
    const selection = job.selectionOf(index)
    const pick = pickCells(head, selection, { nowSeconds, room, bytesPerCell: PAGE_BYTES_PER_CELL })
    const { keysOnly } = selection
    const chunks = keysOnly ? NO_CHUNKS : head.chunksAt(pick.indexes)
    if (chunks.length === 0) {
      const { withTimestamps } = job
      return pickedRow(head, pick, { withTimestamps, withTtl: job.read.withTtl, nowSeconds, keysOnly })
    }
    again.pushChunks(task, { head, chunks, pick })
    return undefined
  }

  /** A row that is more than a MultiGet holds can still be read page by page. */
  #addLarge({ job, index }: RowTask, nowSeconds: number): void {
    if (!job.isPaged || this.#format !== 'mutable') throw tooLarge()
    this.#addWalk(job, index, nowSeconds)
  }

  /** This row's keys by themselves, so that only it can fail. */
  #addAlone(task: RowTask, keys: readonly Buffer[], nowSeconds: number): void {
    if (this.#detector.isCold) {
      this.#fetchPart({ keys, tasks: [task] }, { isContinued: true, nowSeconds })
      return
    }
    const { job } = task
    this.#pace.addStep((slice) => {
      const values = attempt(() => {
        this.#checkMayRead(job)
        return this.database.getMany(keys)
      })
      if (!(values instanceof KVError)) slice.bytes += sizeOf(values, 0, values.length)
      this.#finish([task], { keys, values, offset: task.from }, nowSeconds)
      return false
    }, job)
  }

  #addWalk(job: ReadJob, index: number, nowSeconds: number): void {
    let row: RowRead | null = null
    let readBytes = 0
    this.#pace.addStep((slice) => {
      const outcome = attempt(() => {
        this.#checkMayRead(job)
        if (row === null) {
          const room = job.roomFor(index)
          if (room <= 0) return NOT_READ
          row = this.#beginWalk(job, { index, room, nowSeconds })
        }
        return row.next()
      })
      if (row !== null) {
        slice.bytes += row.readBytes - readBytes
        ;({ readBytes } = row)
      }
      if (outcome === undefined) return true
      row?.close()
      job.settle(index, outcome)
      return false
    }, job)
  }

  #beginWalk(
    job: ReadJob,
    {
      index,
      room,
      nowSeconds,
    }: { readonly index: number; readonly room: number; readonly nowSeconds: number },
  ): RowRead {
    const { keyOrder, rowKeys, tokens, withTtl } = job.read
    const rowKey = rowKeys[index]
    const token = tokens[index]
    if (rowKey === undefined || token === undefined) throw tooFewTokens()
    return new RowRead(this.database, {
      format: this.#format === 'history' ? 'history' : 'mutable',
      metaKey: mutableMetaKey(keyOrder, token, rowKey),
      wish: {
        selection: job.selectionOf(index),
        maxCellVersions: this.#maxCellVersions,
        withTimestamps: job.withTimestampsOf(index),
        withTtl,
        nowSeconds,
        superseded: this.#superseded(),
      },
      bounds: { held: job, room },
    })
  }

  /** For a read that begins; undefined: nobody wants to know of them now. */
  #superseded(): SupersededKeys | undefined {
    if (this.#format !== 'history') return undefined
    const drop = this.#dropSuperseded()
    return drop === null ? undefined : new SupersededKeys(this.#clock.monotonicMs(), drop)
  }

  #checkMayRead(job: ReadJob): void {
    const refusal = this.#refusal(job, this.#clock.monotonicMs())
    if (refusal !== null) throw refusal
  }

  /** Why nothing more is read for it; null: something may be. */
  #refusal(job: ReadJob, nowMs: number): KVError | null {
    return this.#gate.refusal(job.read, nowMs) ?? (job.isSpent ? tooLarge() : null)
  }
}

/** Index behind the last task of a part: at least one row, and as many as it takes to fill the part. */
function endOfPart(tasks: readonly RowTask[], first: number, partSize: number): number {
  const from = tasks[first]?.from ?? 0
  let last = first + 1
  let to = tasks[first]?.to ?? 0
  while (last < tasks.length && to - from < partSize) {
    const next = tasks[last]?.to ?? 0
    if (next - from > limits.maxKeysPerMultiGet) break
    to = next
    last++
  }
  return last
}

function tooFewTokens(): KVError {
  return new KVError('INTERNAL', 'read with fewer tokens than keys')
}

function pickedRow(
  head: SealedHead,
  { indexes, next }: SealedPick,
  options: Parameters<SealedHead['cellsAt']>[1],
  chunks?: ReadonlyMap<number, Buffer>,
): Row | null {
  return indexes.length === 0 ? null : { cells: head.cellsAt(indexes, options, chunks), next }
}

function attempt<T>(read: () => T): T | KVError {
  try {
    return read()
  } catch (error) {
    return toKVError(error, 'reading a row')
  }
}

function hasUnread(values: Values, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (values[i] === null) return true
  return false
}

function chunksOf(task: RowTask, values: Values, at: number): ReadonlyMap<number, Buffer> {
  const found = new Map<number, Buffer>()
  for (const [i, chunk] of task.chunks.entries()) {
    const value = values[at + i]
    if (value === undefined || value === null) continue
    checkCrc(value, 'chunk')
    found.set(chunk, value)
  }
  return found
}

function sizeOf(values: Values, from: number, to: number): number {
  let bytes = 0
  for (let i = from; i < to; i++) bytes += values[i]?.length ?? 0
  return bytes
}
