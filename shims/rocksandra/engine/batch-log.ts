/**
 * The log of batches: what a logged batch is about to write to several partitions stands in a row of a dataset of its own
 * before any of it is written, and goes when all of it is. So a batch that was begun is finished, whatever ends the
 * process in between: by its own thread while that lives (batch-retries.ts), else by the next start. What finds no place in
 * a thread's memory stays in the log, which is read again as long as there is such a batch. Cassandra's batchlog
 * (system.batches, BatchlogManager.java of 3.0) is the model.
 *
 * Until it is finished, readers may see a part of a batch; a batch that was answered is whole.
 */
import { randomBytes } from 'node:crypto'
import type { StartTimer } from '../../../src/base/clock.js'
import { EMPTY_BYTES } from '../../../src/base/bytes.js'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import type { KVStore } from '../../../src/model/kvstore.js'
import type { Metastore } from '../../../src/model/metastore.js'
import type { Mutation } from '../../../src/model/mutation.js'
import type { MutateRequest, RequestContext } from '../../../src/model/request.js'
import { WHOLE_ROW } from '../../../src/model/row.js'
import type { RowPosition } from '../../../src/model/row-order.js'
import type { ScannedRow } from '../../../src/model/scan.js'
import { CqlError } from '../cql/errors.js'
import {
  BatchFinisher,
  type BatchFinisherOptions,
  finishingContext,
  hex,
  unconditional,
} from './batch-finisher.js'
import { type LoggedBatch, type LoggedWrite, decodeBatch, encodeBatch } from './batch-record.js'
import { BatchRetries } from './batch-retries.js'

/** Its dataset: as Cassandra's table, which no client of CQL can make. */
export const BATCH_LOG = 'system.batches'

/** A key is what its thread's log begins all of its keys with, and a count. */
const KEY_BYTES = 16
const PREFIX_BYTES = 8
const SCAN_ROWS = 100
const SCAN_BYTES = 4 * 1024 * 1024
/** What stands longer in the log belongs to nobody: gc_grace_seconds of Cassandra, behind which deletions are forgotten. */
const KEPT_SECONDS = 864_000
/**
 * Of the log's own deletions: every one is later than what it deletes, so that nothing needs them, and a start walks over
 * those that the purge, once a minute then, has not taken away.
 */
const GRACE_SECONDS = 60
/** Between two readings of a log that holds more than this thread has room for. */
const ROUND_MS = 3 * limits.cqlTimeoutMs

export interface BatchLogOptions extends BatchFinisherOptions {
  readonly startTimer: StartTimer
}

type BatchDone = (failure: CqlError | KVError | null) => void

export class BatchLog {
  readonly #options: BatchLogOptions
  readonly #finisher: BatchFinisher
  readonly #retries: BatchRetries
  /** Threads share the dataset; what another one refused, and has yet to remove, only that one knows. */
  readonly #prefix = randomBytes(PREFIX_BYTES)
  #begunCount = 0n
  /** Batches that are being written, tried again or removed, by their keys in hex. */
  readonly #held = new Set<string>()
  /** Null: what earlier processes began is another thread's. */
  #startedAtMs: number | null = null
  /** Since the last reading of the log began. */
  #hasLeftOut = false
  #isComingBack = false

  constructor(options: BatchLogOptions) {
    this.#options = options
    const { startTimer, logger } = options
    this.#finisher = new BatchFinisher(options)
    const forget = (key: Buffer): void => this.#forget(key)
    this.#retries = new BatchRetries({ startTimer, logger, finisher: this.#finisher, forget })
  }

  /** Batches that were begun and wait to be finished. */
  get unfinishedCount(): number {
    return this.#retries.unfinishedCount
  }

  /** Logs them, then writes all at the same time. Answers once; throws before it does. @throws {KVError} */
  write(requests: readonly MutateRequest[], context: RequestContext, done: BatchDone): void {
    const { kvstore, clock } = this.#options
    const batch = { madeAtMs: clock.nowMs(), writes: requests.map((request) => this.#logged(request)) }
    const cell = {
      ...{ localKey: EMPTY_BYTES, value: encodeBatch(batch) },
      ...{ timestamp: null, ttlSeconds: KEPT_SECONDS },
    }
    const key = this.#newKey()
    const note: Mutation = { kind: 'PUT', cells: [cell], timestamp: null, replaceRow: false }
    kvstore.mutate(ofLog(key, note, { ...context, method: 'batchLog' }), (outcome) => {
      if (!(outcome instanceof KVError)) {
        this.#writeAll(key, batch, requests, done)
        return
      }
      // It may stand in the log all the same; nothing of it is written, and nothing must be later.
      if (outcome.outcome === 'NOT_APPLIED') this.#held.delete(hex(key))
      else this.#forget(key)
      done(logFailure(outcome))
    })
  }

  #newKey(): Buffer {
    const key = Buffer.alloc(KEY_BYTES)
    this.#prefix.copy(key)
    key.writeBigUInt64BE(this.#begunCount++, PREFIX_BYTES)
    this.#held.add(hex(key))
    return key
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
    else this.#finishLater(key, { ...batch, writes: [...failures.keys()] })
  }

  #finishLater(key: Buffer, batch: LoggedBatch): void {
    if (this.#retries.finishLater(key, batch)) return
    this.#held.delete(hex(key))
    this.#hasLeftOut = true
    this.#comeBack()
  }

  /** Reads the log once more, until no batch is left out any more. */
  #comeBack(): void {
    if (this.#isComingBack) return
    this.#isComingBack = true
    const { startTimer, logger } = this.#options
    logger.warn({ waiting: this.unfinishedCount }, 'begun batches stay in their log: too many wait already')
    startTimer(ROUND_MS, () => {
      this.#hasLeftOut = false
      this.finishOld(this.#startedAtMs)
        .catch((error: unknown) => {
          logger.warn({ err: error }, 'the log of batches cannot be read; it is tried again')
          this.#hasLeftOut = true
        })
        .finally(() => {
          this.#isComingBack = false
          if (this.#hasLeftOut) this.#comeBack()
        })
    })
  }

  /** To be called once a process: finishes what was begun before it started. */
  start(startedAtMs: number): void {
    this.#startedAtMs = startedAtMs
    const { startTimer, logger } = this.#options
    this.finishOld(startedAtMs).catch((error: unknown) => {
      logger.warn({ err: error }, 'the log of batches cannot be read; it is tried again')
      startTimer(limits.cqlTimeoutMs, () => this.start(startedAtMs))
    })
  }

  /**
   * Resolves when all that this log left out, and all that was logged before (null: nothing) and stands there was tried.
   * @throws {KVError} when it cannot be read
   */
  async finishOld(beforeMs: number | null): Promise<void> {
    const { clock, kvstore } = this.#options
    // What is of the future stood there before the clock was put back.
    const isOld = ({ madeAtMs }: LoggedBatch) =>
      beforeMs !== null && (madeAtMs < beforeMs || madeAtMs > clock.nowMs())
    let position: RowPosition | null = null
    do {
      const begunMs = clock.monotonicMs()
      const isLeftOut = this.#leftOut()
      const page = await scanned(kvstore, position, finishingContext(clock))
      const tookMs = clock.monotonicMs() - begunMs
      // Side by side, as in batch-retries.ts: a page has no more of them.
      await Promise.all(
        page.rows.map(async ({ rowKey, row: { cells } }) => {
          const [cell] = cells
          if (cell === undefined || this.#held.has(hex(rowKey))) return
          const isOwn = rowKey.subarray(0, PREFIX_BYTES).equals(this.#prefix)
          if (isOwn && !isLeftOut(rowKey)) return
          const batch = this.#read(rowKey, cell.value)
          if (batch !== null && (isOwn || isOld(batch))) await this.#finishOne(rowKey, batch)
        }),
      )
      position = page.next
      // As long as the page took: half of the thread is others', however much was removed and is walked over.
      if (position !== null) await this.#pause(tookMs)
    } while (position !== null)
  }

  /** As of now: a page may show what was begun, or refused and removed, while it was read. */
  #leftOut(): (ownKey: Buffer) => boolean {
    const held = new Set(this.#held)
    const begunCount = this.#begunCount
    return (key) => key.readBigUInt64BE(PREFIX_BYTES) < begunCount && !held.has(hex(key))
  }

  async #finishOne(key: Buffer, batch: LoggedBatch): Promise<void> {
    this.#held.add(hex(key))
    const writes = await this.#finisher.finish(key, batch)
    if (writes.length > 0) {
      this.#finishLater(key, { ...batch, writes })
      return
    }
    const { logger } = this.#options
    logger.info({ batch: hex(key), partitions: batch.writes.length }, 'a begun batch is finished')
    this.#forget(key)
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#options.startTimer(delayMs, resolve))
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

  /** Where that fails it is tried again: what stands there and is not held would be written once more. */
  #forget(key: Buffer): void {
    const { kvstore, clock } = this.#options
    const context = finishingContext(clock)
    const removal: Mutation = { kind: 'DELETE', selector: null, timestamp: null, scope: 'UP_TO_TIMESTAMP' }
    kvstore.mutate({ ...ofLog(key, removal, context), durability: 'LOG' }, (outcome) => {
      if (outcome instanceof KVError && this.#retries.forgetLater(key)) return
      this.#held.delete(hex(key))
    })
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

const CHANGE = { actor: 'godwit', reason: 'the log of CQL batches', ifRevision: null, isDryRun: false }

/** Makes the log's dataset where there is none. @throws {KVError} where another one has its name */
export async function ensureBatchLog(
  metastore: Pick<Metastore, 'get' | 'createDataset' | 'updateDataset'>,
): Promise<void> {
  const found = metastore.get(BATCH_LOG)
  if (found !== null) {
    if (found.mode === 'READ_WRITE' && found.keyOrder === 'HASHED') {
      // One of an older release has the default.
      if (found.graceSeconds !== GRACE_SECONDS) {
        await metastore.updateDataset(BATCH_LOG, { graceSeconds: GRACE_SECONDS }, CHANGE)
      }
      return
    }
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
    CHANGE,
  )
}
