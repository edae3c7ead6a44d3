/**
 * Hop 6, the reading half: all reads of one incarnation in one data thread. The reads of a loop turn are gathered into as
 * few MultiGets as possible (1.5 times the throughput of one call a read). Guarantees:
 *
 * - every row is read in one snapshot: a MultiGet is never cut inside a row;
 * - a damaged block fails the rows that lie in it and no others: when a MultiGet fails, its rows are read one by one;
 * - a request that has passed its deadline is answered without reading;
 * - values are copies made by the binding, rows hold views of them.
 *
 * Small gatherings are read on this thread while the data is hot; large or cold ones in at most four parts on libuv's
 * pool, where four misses wait side by side instead of one after the other (cold: 3.7 times the throughput).
 */
import type { Clock } from '../../base/clock.js'
import { type Done, KVError, toKVError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { ShardFormat } from '../../model/cluster-map.js'
import type { ShardRead } from '../../model/plan.js'
import type { CellSelector, RowOutcome } from '../../model/row.js'
import { sealedChunkKey, sealedHeadKey, mutableCellKey, mutableMetaKey } from '../row-codec.js'
import { checkCrc, SealedHead } from '../sealed-row.js'
import { type AttachedDatabase, MAX_READ_BYTES, type Values } from './binding.js'
import { ColdDetector, type FetchedBytes } from './cold-detector.js'
import { readSelectedCells, readWholeRow } from './mutable-row.js'

/**
 * Hot gatherings up to this size are read on the spot: 512 keys take 2 to 4 ms. The way over the pool costs a hot key a
 * third more CPU (bench read-path: multiGet(20) of 16 callers is a gathering of 320).
 */
const MAX_SYNC_KEYS = 512

/** While cold, every so many gatherings a few keys are read on the spot, to notice that the data has become hot. */
const PROBE_EVERY = 8
const MAX_PROBE_KEYS = 8

const MAX_PARTS = 4

/** Selecting more columns than this reads the row whole and filters: a MultiGet may not outgrow its bound. */
const MAX_POINT_COLUMNS = 1_000

interface ReadJob {
  readonly read: ShardRead
  readonly done: Done<readonly RowOutcome[]>
  readonly rows: RowOutcome[]
  remaining: number
  /** Bytes that were read row by row, against MAX_READ_BYTES. */
  retriedBytes: number
}

/** One row to read by known keys: a run of the gathering's keys. */
interface RowTask {
  readonly job: ReadJob
  readonly index: number
  readonly from: number
  readonly to: number
  /** Sealed rows of more than one chunk come back for their chunks: the head, checked, and which chunks are meant. */
  readonly head: SealedHead | null
  readonly chunks: readonly number[]
}

class Gathering {
  readonly keys: Buffer[] = []
  readonly tasks: RowTask[] = []

  pushChunks({ job, index }: RowTask, head: SealedHead, chunks: readonly number[]): void {
    const { keyOrder, rowKeys, tokens } = job.read
    const rowKey = rowKeys[index]
    const token = tokens[index]
    if (rowKey === undefined || token === undefined) return
    const from = this.keys.length
    for (const chunk of chunks) this.keys.push(sealedChunkKey(keyOrder, token, rowKey, chunk))
    this.tasks.push({ job, index, from, to: this.keys.length, head, chunks })
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

const NO_CHUNKS: readonly number[] = []

export class ShardReader {
  readonly database: AttachedDatabase
  readonly #format: ShardFormat
  readonly #clock: Clock
  #jobs: ReadJob[] = []
  readonly #detector: ColdDetector
  #gatherings = 0

  constructor(
    database: AttachedDatabase,
    format: ShardFormat,
    options: { readonly clock: Clock; readonly fetchedBytes: FetchedBytes },
  ) {
    this.database = database
    this.#format = format
    this.#clock = options.clock
    this.#detector = new ColdDetector(options.clock, options.fetchedBytes)
  }

  add(read: ShardRead, done: Done<readonly RowOutcome[]>): void {
    const count = read.rowKeys.length
    this.#jobs.push({
      read,
      done,
      rows: new Array<RowOutcome>(count).fill(null),
      remaining: count,
      retriedBytes: 0,
    })
  }

  /** Reads everything that was added since the last time; called once a loop turn. */
  flush(): void {
    const jobs = this.#jobs
    this.#jobs = []
    const nowMs = this.#clock.monotonicMs()
    const nowSeconds = Math.floor(this.#clock.nowMs() / 1_000)
    const gathering = new Gathering()
    const whole: RowTask[] = []
    for (const job of jobs) {
      if (job.read.deadline <= nowMs)
        answer(job, new KVError('DEADLINE_EXCEEDED', 'deadline passed before the read began'))
      else if (job.remaining === 0) answer(job, job.rows)
      else this.#gather(job, gathering, whole)
    }
    this.#fetch(gathering, nowSeconds)
    for (const task of whole) this.#readWhole(task, nowSeconds)
  }

  #gather(job: ReadJob, gathering: Gathering, whole: RowTask[]): void {
    const { rowKeys } = job.read
    for (let index = 0; index < rowKeys.length; index++) {
      const from = gathering.keys.length
      try {
        const isWhole = this.#pushKeys(job.read, index, gathering.keys)
        const task = { job, index, from, to: gathering.keys.length, head: null, chunks: NO_CHUNKS }
        if (isWhole) whole.push(task)
        else gathering.tasks.push(task)
      } catch (error) {
        gathering.keys.length = from
        settle({ job, index }, toKVError(error, 'encoding a key'))
      }
    }
  }

  /** Adds the keys of a row; answers true, adding none, when it must be read as a range. */
  #pushKeys(read: ShardRead, index: number, keys: Buffer[]): boolean {
    const { keyOrder, rowKeys, tokens } = read
    const rowKey = rowKeys[index]
    const token = tokens[index]
    if (rowKey === undefined || token === undefined)
      throw new KVError('INTERNAL', 'read with fewer tokens than keys')
    if (this.#format === 'sealed') {
      keys.push(sealedHeadKey(keyOrder, token, rowKey))
      return false
    }
    const selector = selectorOf(read, index)
    if (selector === null || selector.localKeys.length > MAX_POINT_COLUMNS) return true
    const metaKey = mutableMetaKey(keyOrder, token, rowKey)
    keys.push(metaKey)
    for (const localKey of selector.localKeys) keys.push(mutableCellKey(metaKey, localKey))
    return false
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

  #fetchAsync({ keys, tasks }: Gathering, nowSeconds: number): void {
    const partSize = Math.ceil(keys.length / MAX_PARTS)
    const isProbing = this.#detector.isCold && this.#gatherings % PROBE_EVERY === 0
    for (let first = 0; first < tasks.length;) {
      const isProbe = isProbing && first === 0
      const last = endOfPart(tasks, first, isProbe ? MAX_PROBE_KEYS : partSize)
      const part = tasks.slice(first, last)
      const offset = part[0]?.from ?? 0
      const partKeys = keys.slice(offset, part.at(-1)?.to)
      first = last
      if (isProbe) this.#fetchSync({ keys: partKeys, tasks: part }, nowSeconds)
      else
        this.#getManyAsync(partKeys, (values) =>
          this.#finish(part, { keys: partKeys, values, offset }, nowSeconds),
        )
    }
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
    const again = new Gathering()
    for (const task of tasks) {
      const outcome = attempt(() => this.#outcome(task, part, nowSeconds, again))
      if (outcome !== undefined) settle(task, outcome)
    }
    this.#fetch(again, nowSeconds)
  }

  /** The row; undefined when its chunks have been added to `again`. */
  #outcome(task: RowTask, part: Part, nowSeconds: number, again: Gathering): RowOutcome | undefined {
    let at = task.from - part.offset
    let { values } = part
    if (values instanceof KVError || hasUnread(values, at, task.to - part.offset)) {
      values = this.#readAlone(task.job, part.keys.slice(at, task.to - part.offset))
      at = 0
    }
    const { read } = task.job
    const selector = selectorOf(read, task.index)
    if (this.#format === 'mutable') return readSelectedCells({ read, selector, nowSeconds }, values, at)
    const options = { withTimestamps: read.withTimestamps, withTtl: read.withTtl, nowSeconds }
    if (task.head !== null) return task.head.row(selector, options, chunksOf(task, values, at))
    const stored = values[at]
    if (stored === undefined || stored === null) return null
    const head = new SealedHead(stored)
    const chunks = head.chunksFor(selector)
    if (chunks.length === 0) return head.row(selector, options)
    again.pushChunks(task, head, chunks)
    return undefined
  }

  /** After a MultiGet failed, or stopped at its size: this row's keys by themselves, so that only it can fail. */
  #readAlone(job: ReadJob, keys: readonly Buffer[]): Values {
    if (job.retriedBytes > MAX_READ_BYTES) throw tooLarge()
    const values = this.database.getMany(keys)
    for (const value of values) {
      if (value === null) throw tooLarge()
      job.retriedBytes += value?.byteLength ?? 0
    }
    return values
  }

  #readWhole(task: RowTask, nowSeconds: number): void {
    const { read } = task.job
    const selector = selectorOf(read, task.index)
    settle(
      task,
      attempt(() => readWholeRow(this.database, { read, selector, nowSeconds }, task.index)),
    )
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

function settle(
  { job, index }: { readonly job: ReadJob; readonly index: number },
  outcome: RowOutcome,
): void {
  job.rows[index] = outcome
  job.remaining--
  if (job.remaining === 0) answer(job, job.rows)
}

/** A callback that throws must not keep the others from being answered; its error surfaces by itself. */
function answer(job: ReadJob, outcome: readonly RowOutcome[] | KVError): void {
  try {
    job.done(outcome)
  } catch (error) {
    setImmediate(() => {
      throw error
    })
  }
}

function attempt<T>(read: () => T): T | KVError {
  try {
    return read()
  } catch (error) {
    return toKVError(error, 'reading a row')
  }
}

function selectorOf(read: ShardRead, index: number): CellSelector | null {
  return read.selectorsByKey === null ? read.selector : (read.selectorsByKey[index] ?? null)
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

function tooLarge(): KVError {
  return new KVError(
    'TOO_LARGE',
    `the rows asked for hold more than ${MAX_READ_BYTES} bytes: ask for fewer, or for less of them`,
  )
}
