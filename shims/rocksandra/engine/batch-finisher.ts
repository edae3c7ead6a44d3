/**
 * Writes what is left of a batch that was begun (batch-log.ts). Writes carry their times, so that writing one again changes
 * nothing as long as the deletions made since are remembered: parts for a table whose grace is over by then are left out.
 */
import type { Clock } from '../../../src/base/clock.js'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import type { Logger } from '../../../src/base/logger.js'
import type { KVStore } from '../../../src/model/kvstore.js'
import type { Mutation } from '../../../src/model/mutation.js'
import type { MutateRequest, RequestContext } from '../../../src/model/request.js'
import { columnsNamed } from '../../../src/model/row.js'
import type { LoggedBatch, LoggedWrite } from './batch-record.js'

/** What a batch is called in the log's own requests. */
const FINISHING = { api: 'rocksandra', method: 'batchLog', caller: null } as const

export interface BatchFinisherOptions {
  readonly kvstore: KVStore
  readonly clock: Clock
  readonly logger: Logger
  /** Whether the schema has a table of this dataset: one that is there and not open is waited for. */
  readonly isTable: (dataset: string) => boolean
}

export class BatchFinisher {
  readonly #options: BatchFinisherOptions

  constructor(options: BatchFinisherOptions) {
    this.#options = options
  }

  /** Of the batch those writes that are still to be done, what has not been tried first. */
  async finish(key: Buffer, { madeAtMs, writes }: LoggedBatch): Promise<readonly LoggedWrite[]> {
    const failed: LoggedWrite[] = []
    for (const [index, write] of writes.entries()) {
      const outcome = await this.#try(write, key, madeAtMs)
      if (outcome !== 'done') failed.push(write)
      // Whoever waits for this batch does not wait for each of its writes.
      if (outcome === 'too slow') return [...writes.slice(index + 1), ...failed]
    }
    return failed
  }

  async #try(write: LoggedWrite, key: Buffer, madeAtMs: number): Promise<'done' | 'later' | 'too slow'> {
    const { kvstore, clock, logger } = this.#options
    const ageSeconds = Math.floor(Math.max(0, clock.nowMs() - madeAtMs) / 1000)
    const fields = { batch: hex(key), dataset: write.dataset }
    const graceSeconds = this.#graceOf(write)
    if (graceSeconds === 'later') return 'later'
    if (graceSeconds === 'never') return 'done'
    if (ageSeconds >= graceSeconds) {
      logger.warn(fields, 'a part of a begun batch is older than the grace of its table and left out')
      return 'done'
    }
    const mutations = write.mutations.flatMap((mutation) => aged(mutation, ageSeconds))
    const context = finishingContext(clock)
    const failure = await mutated(kvstore, { ...unconditional(write), mutations, context })
    if (failure === null) return 'done'
    if (failure.code === 'DEADLINE_EXCEEDED') return 'too slow'
    if (failure.isRetryable || failure.outcome === 'UNKNOWN') return 'later'
    logger.warn({ ...fields, err: failure }, 'a part of a begun batch is refused and left out')
    return 'done'
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
}

/** Of requests that no client waits for. */
export function finishingContext(clock: Clock): RequestContext {
  return { ...FINISHING, deadline: clock.monotonicMs() + limits.cqlTimeoutMs }
}

export function unconditional({
  dataset,
  rowKey,
  mutations,
}: Pick<MutateRequest, 'dataset' | 'rowKey' | 'mutations'>): Omit<MutateRequest, 'context'> {
  return {
    ...{ dataset, rowKey, mutations, conditions: [], otherwise: [] },
    ...{ returnOnConflict: undefined, returnAfter: undefined, idempotency: null, durability: null },
  }
}

/** As logs name a batch. */
export function hex(key: Buffer): string {
  return key.toString('hex')
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
