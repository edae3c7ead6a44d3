/**
 * The log of batches: what a logged batch is about to write to several partitions stands in a row of a dataset of its own
 * before any of it is written, and goes when all of it is. So a batch that was begun is finished, whatever ends the
 * process in between: by its own thread while that lives, else by the next start. Writes carry their times, so that
 * finishing one again changes nothing as long as the deletions made since are remembered: parts for a table whose grace is
 * over by then are left out. Cassandra's batchlog (system.batches, BatchlogManager.java of 3.0) is the model.
 *
 * Until it is finished, readers may see a part of a batch; a batch that was answered is whole.
 */
import { randomBytes } from 'node:crypto'
import type { Clock, StartTimer } from '../../../src/base/clock.js'
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import type { Logger } from '../../../src/base/logger.js'
import type { KVStore } from '../../../src/model/kvstore.js'
import type { Metastore } from '../../../src/model/metastore.js'
import type { Mutation } from '../../../src/model/mutation.js'
import type { MutateRequest, RequestContext } from '../../../src/model/request.js'
import { WHOLE_ROW, columnsNamed } from '../../../src/model/row.js'
import type { RowPosition } from '../../../src/model/row-order.js'
import type { ScannedRow } from '../../../src/model/scan.js'
import { CqlError } from '../cql/errors.js'
import { type LoggedBatch, type LoggedWrite, decodeBatch, encodeBatch } from './batch-record.js'

/** Its dataset: as Cassandra's table, which no client of CQL can make. */
export const BATCH_LOG = 'system.batches'

const KEY_BYTES = 16
const SCAN_ROWS = 100
const SCAN_BYTES = 4 * 1024 * 1024
/** What stands longer in the log belongs to nobody: gc_grace_seconds of Cassandra, behind which deletions are forgotten. */
const KEPT_SECONDS = 864_000
/** Of the log's own deletions, which nothing is repaired by. */
const GRACE_SECONDS = 3_600
const FINISHING = { api: 'rocksandra', method: 'batchLog', caller: null } as const

export interface BatchLogOptions {
  readonly kvstore: KVStore
  readonly clock: Clock
  readonly startTimer: StartTimer
  readonly logger: Logger
  /** Whether the schema has a table of this dataset: one that is there and not open is waited for. */
  readonly isTable: (dataset: string) => boolean
}

interface Unfinished {
  readonly key: Buffer
  readonly madeAtMs: number
  /** Those that are still to be done. */
  writes: readonly LoggedWrite[]
  /** Of memory. */
  bytes: number
}

type BatchDone = (failure: CqlError | KVError | null) => void

export class BatchLog {
  readonly #options: BatchLogOptions
  #unfinished: Unfinished[] = []
  #unfinishedBytes = 0
  /** Keys of batches that are over, and whose removal from the log failed. */
  #unforgotten: Buffer[] = []
  #isWaiting = false

  constructor(options: BatchLogOptions) {
    this.#options = options
  }

  /** Batches that were begun and wait to be finished. */
  get unfinishedCount(): number {
    return this.#unfinished.length
  }

  /** Logs them, then writes all at the same time. Answers once; throws before it does. @throws {KVError} */
  write(requests: readonly MutateRequest[], context: RequestContext, done: BatchDone): void {
    const { kvstore, clock } = this.#options
    const batch = { madeAtMs: clock.nowMs(), writes: requests.map((request) => this.#logged(request)) }
    const key = randomBytes(KEY_BYTES)
    const cell = {
      ...{ localKey: EMPTY_BYTES, value: encodeBatch(batch) },
      ...{ timestamp: null, ttlSeconds: KEPT_SECONDS },
    }
    const note: Mutation = { kind: 'PUT', cells: [cell], timestamp: null, replaceRow: false }
    kvstore.mutate(ofLog(key, note, { ...context, method: 'batchLog' }), (outcome) => {
      if (!(outcome instanceof KVError)) {
        this.#writeAll(key, batch, requests, done)
        return
      }
      // It may stand in the log all the same; nothing of it is written, and nothing must be later.
      if (outcome.outcome !== 'NOT_APPLIED') this.#forget(key)
      done(logFailure(outcome))
    })
  }

  #logged({ dataset, rowKey, mutations }: MutateRequest): LoggedWrite {
    const { record } = this.#options.kvstore.describeDataset(dataset)
    return { datasetId: record.id, dataset, rowKey, mutations }
  }

  #writeAll(key: Buffer, batch: LoggedBatch, requests: readonly MutateRequest[], done: BatchDone): void {
    const failures = new Map<LoggedWrite, KVError>()
    let waiting = requests.length
    for (const [index, request] of requests.entries()) {
      this.#options.kvstore.mutate(request, (outcome) => {
        const write = batch.writes[index]
        if (outcome instanceof KVError && write !== undefined) failures.set(write, outcome)
        if (--waiting > 0) return
        const [failure = null] = failures.values()
        if (failure !== null) this.#keepOrForget(key, batch, failures)
        else this.#forget(key)
        done(failure)
      })
    }
  }

  /** What was refused as a whole did not happen; what was begun will. */
  #keepOrForget(key: Buffer, batch: LoggedBatch, failures: ReadonlyMap<LoggedWrite, KVError>): void {
    const isRefused = [...failures.values()].every(({ outcome }) => outcome === 'NOT_APPLIED')
    if (isRefused && failures.size === batch.writes.length) this.#forget(key)
    else this.#keep(key, { ...batch, writes: [...failures.keys()] })
  }

  #keep(key: Buffer, batch: LoggedBatch): void {
    // Where the log is read again after a failure.
    if (this.#unfinished.some((one) => one.key.equals(key))) return
    const copy = encodeBatch(batch)
    const isFull =
      this.#unfinished.length >= limits.maxUnfinishedCqlBatches ||
      this.#unfinishedBytes + copy.length > limits.maxUnfinishedCqlBatchBytes
    if (isFull) {
      const { logger } = this.#options
      logger.warn({ batch: hex(key) }, 'a begun batch waits for the next start: too many wait before it')
      return
    }
    // Its own bytes: what came with a request is a part of that request's frame.
    this.#unfinished.push({ key, ...decodeBatch(copy), bytes: copy.length })
    this.#unfinishedBytes += copy.length
    this.#waitForTurn()
  }

  #waitForTurn(): void {
    if (this.#isWaiting || (this.#unfinished.length === 0 && this.#unforgotten.length === 0)) return
    this.#isWaiting = true
    const { startTimer, logger } = this.#options
    startTimer(limits.cqlTimeoutMs, () => {
      this.#finishAll()
        .catch((error: unknown) => logger.error({ err: error }, 'begun batches could not be finished'))
        .finally(() => {
          this.#isWaiting = false
          this.#waitForTurn()
        })
    })
  }

  async #finishAll(): Promise<void> {
    for (const key of this.#unforgotten.splice(0)) this.#forget(key)
    // Side by side: a shard that answers nothing holds up its own batches only.
    await Promise.all(
      this.#unfinished.map(async (batch) => {
        batch.writes = await this.#stillToDo(batch)
        if (batch.writes.length > 0) return
        this.#unfinished.splice(this.#unfinished.indexOf(batch), 1)
        this.#unfinishedBytes -= batch.bytes
        this.#forget(batch.key)
      }),
    )
  }

  /** Those that failed once more, and may do better later. */
  async #stillToDo(batch: Pick<Unfinished, 'key' | 'madeAtMs' | 'writes'>): Promise<readonly LoggedWrite[]> {
    const left: LoggedWrite[] = []
    for (const write of batch.writes) {
      if (!(await this.#isDone(write, batch.key, batch.madeAtMs))) left.push(write)
    }
    return left
  }

  async #isDone(write: LoggedWrite, key: Buffer, madeAtMs: number): Promise<boolean> {
    const { kvstore, clock, logger } = this.#options
    const ageSeconds = Math.floor(Math.max(0, clock.nowMs() - madeAtMs) / 1000)
    const fields = { batch: hex(key), dataset: write.dataset }
    const graceSeconds = this.#graceOf(write)
    if (graceSeconds === 'later') return false
    if (graceSeconds === 'never') return true
    if (ageSeconds >= graceSeconds) {
      logger.warn(fields, 'a part of a begun batch is older than the grace of its table and left out')
      return true
    }
    const context = { ...FINISHING, deadline: clock.monotonicMs() + limits.cqlTimeoutMs }
    const mutations = write.mutations.flatMap((mutation) => aged(mutation, ageSeconds))
    const failure = await mutated(kvstore, { ...unconditional(write), mutations, context })
    if (failure === null) return true
    if (failure.isRetryable || failure.outcome === 'UNKNOWN') return false
    logger.warn({ ...fields, err: failure }, 'a part of a begun batch is refused and left out')
    return true
  }

  /** For how long deletions in its table are remembered; 'never': nothing is to be written there any more. */
  #graceOf({ dataset, datasetId }: LoggedWrite): number | 'later' | 'never' {
    const { kvstore, isTable } = this.#options
    try {
      const { record } = kvstore.describeDataset(dataset)
      // Another dataset of that name: the table was emptied or made anew, and what was written before is gone.
      return record.id === datasetId ? record.graceSeconds : 'never'
    } catch (error) {
      const isGone = error instanceof KVError && error.code === 'DATASET_NOT_FOUND' && !isTable(dataset)
      return isGone ? 'never' : 'later'
    }
  }

  /** To be called once a process: finishes what was begun before it started. */
  start(startedAtMs: number): void {
    const { startTimer, logger } = this.#options
    this.finishOld(startedAtMs).catch((error: unknown) => {
      logger.warn({ err: error }, 'the log of batches cannot be read; it is tried again')
      startTimer(limits.cqlTimeoutMs, () => this.start(startedAtMs))
    })
  }

  /** Resolves when all that stands in the log was tried. @throws {KVError} when it cannot be read */
  async finishOld(startedAtMs: number): Promise<void> {
    const { clock, kvstore, logger } = this.#options
    // What this process is about to write itself; what is of the future stood there before the clock was put back.
    const isOurs = ({ madeAtMs }: LoggedBatch) => madeAtMs >= startedAtMs && madeAtMs <= clock.nowMs()
    let position: RowPosition | null = null
    do {
      const context: RequestContext = { ...FINISHING, deadline: clock.monotonicMs() + limits.cqlTimeoutMs }
      const page = await scanned(kvstore, position, context)
      for (const { rowKey, row } of page.rows) {
        const [cell] = row.cells
        const batch = cell === undefined ? null : this.#read(rowKey, cell.value)
        if (batch === null || isOurs(batch)) continue
        logger.info({ batch: hex(rowKey), partitions: batch.writes.length }, 'a begun batch is finished')
        const writes = await this.#stillToDo({ key: rowKey, ...batch })
        if (writes.length === 0) this.#forget(rowKey)
        else this.#keep(rowKey, { ...batch, writes })
      }
      position = page.next
    } while (position !== null)
  }

  /** Null: it cannot be read, and is left for whoever can. */
  #read(rowKey: Buffer, value: Buffer): LoggedBatch | null {
    try {
      return decodeBatch(value)
    } catch (error) {
      this.#options.logger.warn({ batch: hex(rowKey), err: error }, 'a begun batch is left unfinished')
      return null
    }
  }

  /** Where that fails it is tried again: what stands there is written once more by the next start. */
  #forget(key: Buffer): void {
    const { kvstore, clock } = this.#options
    const context = { ...FINISHING, deadline: clock.monotonicMs() + limits.cqlTimeoutMs }
    const removal: Mutation = { kind: 'DELETE', selector: null, timestamp: null, scope: 'UP_TO_TIMESTAMP' }
    kvstore.mutate({ ...ofLog(key, removal, context), durability: 'LOG' }, (outcome) => {
      const isLost = outcome instanceof KVError && this.#unforgotten.length < limits.maxUnforgottenCqlBatches
      if (!isLost) return
      this.#unforgotten.push(key)
      this.#waitForTurn()
    })
  }
}

function hex(key: Buffer): string {
  return key.toString('hex')
}

function unconditional({
  dataset,
  rowKey,
  mutations,
}: Pick<MutateRequest, 'dataset' | 'rowKey' | 'mutations'>) {
  return {
    ...{ dataset, rowKey, mutations, conditions: [], otherwise: [] },
    ...{ returnOnConflict: undefined, returnAfter: undefined, idempotency: null, durability: null },
  }
}

function ofLog(rowKey: Buffer, mutation: Mutation, context: RequestContext): MutateRequest {
  return { ...unconditional({ dataset: BATCH_LOG, rowKey, mutations: [mutation] }), context }
}

/** Drivers try again by themselves what failed before it was begun: writeType BATCH_LOG. */
function logFailure(error: KVError): CqlError | KVError {
  if (error.code !== 'DEADLINE_EXCEEDED') return error
  return new CqlError('WRITE_TIMEOUT', error.message, { received: 0, required: 1, writeType: 'BATCH_LOG' })
}

/** Times to live go on while a batch waits; what is over hides what is older all the same. */
function aged(mutation: Mutation, seconds: number): readonly Mutation[] {
  if (mutation.kind !== 'PUT' || seconds === 0) return [mutation]
  const over: Mutation[] = []
  const cells = mutation.cells.flatMap((cell) => {
    if (cell.ttlSeconds === null || cell.ttlSeconds === 0) return [cell]
    if (cell.ttlSeconds > seconds) return [{ ...cell, ttlSeconds: cell.ttlSeconds - seconds }]
    const { localKey, timestamp } = cell
    over.push({
      ...{ kind: 'DELETE', selector: columnsNamed([localKey]), scope: 'UP_TO_TIMESTAMP' },
      timestamp: timestamp ?? mutation.timestamp,
    })
    return []
  })
  return cells.length === 0 ? over : [{ ...mutation, cells }, ...over]
}

function mutated(kvstore: KVStore, request: MutateRequest): Promise<KVError | null> {
  return new Promise((resolve) => {
    kvstore.mutate(request, (outcome) => resolve(outcome instanceof KVError ? outcome : null))
  })
}

function scanned(
  kvstore: KVStore,
  position: RowPosition | null,
  context: RequestContext,
): Promise<{ readonly rows: readonly ScannedRow[]; readonly next: RowPosition | null }> {
  const request = {
    ...{ dataset: BATCH_LOG, range: null, where: [], limit: null, isReversed: false, segment: null },
    ...{ selector: WHOLE_ROW, datasetVersion: null, pageRows: SCAN_ROWS, pageBytes: SCAN_BYTES, position },
    ...{ withTimestamps: false, withTtl: false, context },
  }
  return new Promise((resolve, reject) => {
    kvstore.scan(request, (outcome) => {
      if (outcome instanceof KVError) reject(outcome)
      else resolve(outcome)
    })
  })
}

/** Makes the log's dataset where there is none. @throws {KVError} where another one has its name */
export async function ensureBatchLog(metastore: Pick<Metastore, 'get' | 'createDataset'>): Promise<void> {
  const found = metastore.get(BATCH_LOG)
  if (found !== null) {
    if (found.mode === 'READ_WRITE' && found.keyOrder === 'HASHED') return
    throw new KVError(
      'INVALID_ARGUMENT',
      `the dataset ${BATCH_LOG} is ${found.keyOrder} and ${found.mode}, so it is not the log of CQL's batches, which needs its ` +
        'name: copy what is in it to a dataset of another name and delete it, or disable listeners.rocksandra',
    )
  }
  await metastore.createDataset(
    {
      ...{ name: BATCH_LOG, mode: 'READ_WRITE', keyOrder: 'HASHED', timestampUnit: 'MICROSECONDS' },
      owner: { name: 'godwit', contact: 'the operator of this gateway' },
      maxValueBytes: limits.maxValueBytes,
      graceSeconds: GRACE_SECONDS,
    },
    { actor: 'godwit', reason: 'the log of CQL batches', ifRevision: null, isDryRun: false },
  )
}
