/**
 * Long work that an operator starts and asks about later: loads, archives, snapshots, comparisons. A job answers at once;
 * what it does goes on behind it. Loads and other jobs each have so many places; who finds none waits, in the order in
 * which they came. There is one table of all jobs, and one way to end one.
 *
 *     UPLOADING -> QUEUED -> RUNNING -> DONE
 *         |          |          |
 *         v          v          v
 *       FAILED, CANCELLED by an operator; a job that has committed itself can only be DONE or FAILED
 *
 * Whose dataset goes is cancelled, committed or not; a dataset that gets its name is another one, for which nothing waits.
 */
import type { Clock } from './clock.js'
import { KVError, toKVError } from './errors.js'
import type {
  JobBoard,
  JobClaim,
  JobContext,
  JobEnding,
  JobKind,
  JobPlace,
  JobSpec,
  JobState,
  JobStatus,
  JobWork,
  OpenJob,
} from './job.js'
import { limits } from './limits.js'
import type { Logger } from './logger.js'

/** Jobs of one lane share places. */
export type JobLane = 'loads' | 'others'

export interface JobsOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Jobs of a lane at the same time, at least 1. */
  readonly concurrent: Readonly<Record<JobLane, number>>
  /** Whether the dataset that a job is about is gone; absent: none goes. */
  readonly isGone?: (place: JobPlace) => boolean
}

interface Queued {
  readonly work: JobWork
  readonly abandon: () => Promise<void>
}

interface Job {
  status: JobStatus
  readonly spec: JobSpec
  ending: JobEnding | null
  /** What its status says when it is CANCELLED. */
  cancelReason: string
  isStopped: boolean
  isCommitted: boolean
  end: () => void
  /** Null before it is enqueued. */
  queued: Queued | null
  readonly ended: Promise<void>
  readonly setEnded: () => void
}

export class Jobs implements JobBoard {
  readonly #options: JobsOptions
  /** By id, oldest first. */
  readonly #jobs = new Map<string, Job>()
  /** Who has each key: the id of a job, or null before it has one. */
  readonly #holders = new Map<string, string | null>()
  readonly #waiting: Readonly<Record<JobLane, Job[]>> = { loads: [], others: [] }
  readonly #running: Readonly<Record<JobLane, Set<Job>>> = { loads: new Set(), others: new Set() }
  #nextNumber = 1
  #isClosed = false

  constructor(options: JobsOptions) {
    this.#options = options
  }

  /** What `start` would answer, for a dry run. @throws {KVError} as `start` does */
  plan(spec: JobSpec): JobStatus {
    this.#check(spec)
    return this.planned(spec)
  }

  /** The same for who has a claim, and was checked. */
  planned(spec: JobSpec): JobStatus {
    return this.#newStatus(spec, { id: spec.id ?? 'planned', state: 'PLANNED', step: 'planned' })
  }

  /** @throws {KVError} FAILED_PRECONDITION while another job has the key, OVERLOADED, UNAVAILABLE when closing */
  start(spec: JobSpec, work: JobWork): JobStatus {
    this.#check(spec)
    const job = this.open(spec, this.#claim(spec))
    job.enqueue(work)
    return job.status
  }

  /** To be given to `open` or to `release`. @throws {KVError} as `start` does */
  claim(place: JobPlace): JobClaim {
    this.#check(place)
    return this.#claim(place)
  }

  /** A claim that some earlier gateway's job had: nothing is checked. */
  reclaim(place: JobPlace): JobClaim {
    return this.#claim(place)
  }

  /** For a claim that was given to `open` it does nothing. */
  release({ place }: JobClaim): void {
    const key = heldKey(place)
    if (this.#holders.get(key) === null) this.#holders.delete(key)
  }

  /** Lists a job as UPLOADING until it is enqueued; it is to end already when its dataset went since it was claimed. */
  open(spec: JobSpec, { place }: JobClaim): OpenJob {
    const id = spec.id ?? `${spec.kind.toLowerCase()}-${this.#options.clock.nowMs()}-${this.#nextNumber++}`
    const status = this.#newStatus(spec, { id, state: 'UPLOADING', step: 'uploading' })
    const isGone = this.#isGone(spec)
    const job: Job = {
      ...{
        status,
        spec,
        ending: isGone ? 'CANCEL' : null,
        cancelReason: isGone ? DATASET_GONE : ASKED_TO_END,
      },
      ...{ isStopped: false, isCommitted: false, end: noEnd, queued: null, ...settling() },
    }
    this.#holders.set(heldKey(place), id)
    this.#jobs.set(id, job)
    this.#forgetOldest()
    return {
      get status() {
        return job.status
      },
      context: contextOf(job),
      enqueue: (work, abandon = nothing) => this.#enqueue(job, { work, abandon }),
      fail: (error) => this.#settleFailure(job, error),
    }
  }

  list(): readonly JobStatus[] {
    return [...this.#jobs.values()].map(({ status }) => status).reverse()
  }

  get(id: string): JobStatus | null {
    return this.#jobs.get(id)?.status ?? null
  }

  async cancel(id: string): Promise<JobStatus> {
    const job = this.#jobs.get(id)
    if (job === undefined) throw new KVError('INVALID_ARGUMENT', `no job "${id}" is known; list the jobs`)
    if (job.status.endedAtMs !== null)
      throw new KVError('FAILED_PRECONDITION', `job "${id}" is ${job.status.state}: it has ended`)
    if (job.isCommitted) {
      throw new KVError(
        'FAILED_PRECONDITION',
        `job "${id}" is at its last step and cannot be cancelled any more: wait for its end`,
      )
    }
    await this.#cancel(job)
    return job.status
  }

  /**
   * Cancels what is about a dataset that went, also what has committed itself: its last step fails. Only the removal of
   * copies goes on, which is what is left to do. Resolves when all of it has ended.
   */
  async endOf(datasetId: string): Promise<void> {
    const open = [...this.#jobs.values()].filter(
      ({ status, spec }) =>
        status.endedAtMs === null && spec.datasetId === datasetId && spec.kind !== 'PURGE',
    )
    for (const job of open) job.cancelReason = DATASET_GONE
    await Promise.all(open.map((job) => this.#cancel(job)))
  }

  /** Ends everything and waits until it has ended. Nothing starts afterwards; what waits is not touched. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const lane of Object.values(this.#waiting)) lane.length = 0
    const open = [...this.#jobs.values()].filter(({ status }) => status.endedAtMs === null)
    for (const job of open) {
      job.isStopped = true
      endJob(job, 'STOP')
    }
    await Promise.all(open.filter(({ status }) => status.state !== 'QUEUED').map(({ ended }) => ended))
  }

  async #cancel(job: Job): Promise<void> {
    endJob(job, 'CANCEL')
    const waiting = this.#waiting[laneOf(job.spec)]
    const place = waiting.indexOf(job)
    if (place >= 0) {
      waiting.splice(place, 1)
      await job.queued?.abandon()
      this.#settleFailure(job, cancelled())
    }
    await job.ended
  }

  #isGone(place: JobPlace): boolean {
    return this.#options.isGone?.(place) === true
  }

  #check(place: JobPlace): void {
    const { kind, key, dataset } = place
    if (this.#isClosed)
      throw new KVError('UNAVAILABLE', 'the gateway is shutting down; start the job after its restart')
    if (this.#isGone(place))
      throw new KVError('DATASET_NOT_FOUND', `dataset "${dataset}" was removed just now`, { dataset })
    const holder = this.#holders.get(heldKey(place))
    if (holder !== undefined) {
      const which = holder === null ? '' : `, ${holder}`
      throw new KVError(
        'FAILED_PRECONDITION',
        `${key} has a job that waits or runs${which}: see "godwit jobs list", and wait for its end or cancel it`,
        { dataset },
      )
    }
    if (this.#waiting[laneOf({ kind })].length >= limits.maxQueuedJobs)
      throw new KVError('OVERLOADED', `${limits.maxQueuedJobs} jobs are waiting; start this one later`)
  }

  #claim(place: JobPlace): JobClaim {
    this.#holders.set(heldKey(place), null)
    return { place }
  }

  #newStatus(
    { kind, dataset, subject }: JobSpec,
    { id, state, step }: { readonly id: string; readonly state: JobState; readonly step: string },
  ): JobStatus {
    const startedAtMs = this.#options.clock.nowMs()
    const progress = { step, done: 0, total: null, unit: 'bytes' } as const
    const unfinished = { result: null, error: null, startedAtMs, endedAtMs: null }
    return { id, kind, dataset, subject, state, progress, ...unfinished }
  }

  #forgetOldest(): void {
    for (const [id, { status }] of this.#jobs) {
      if (this.#jobs.size <= limits.maxRememberedJobs) return
      if (status.endedAtMs !== null) this.#jobs.delete(id)
    }
  }

  #enqueue(job: Job, queued: Queued): void {
    if (job.ending !== null || this.#isClosed) throw cancelled()
    job.queued = queued
    update(job, { state: 'QUEUED', progress: { ...job.status.progress, step: 'waiting' } })
    const lane = laneOf(job.spec)
    this.#waiting[lane].push(job)
    this.#startWaiting(lane)
  }

  #startWaiting(lane: JobLane): void {
    const running = this.#running[lane]
    while (running.size < this.#options.concurrent[lane]) {
      const job = this.#waiting[lane].shift()
      if (job?.queued == null) return
      running.add(job)
      void this.#run(job, job.queued.work).finally(() => {
        running.delete(job)
        this.#startWaiting(lane)
      })
    }
  }

  /** Never rejects. */
  async #run(job: Job, work: JobWork): Promise<void> {
    const { logger } = this.#options
    const fields = fieldsOf(job)
    logger.info({ ...fields, actor: job.spec.actor }, 'job started')
    update(job, { state: 'RUNNING' })
    try {
      const result = await work(contextOf(job))
      this.#settle(job, { state: 'DONE', result })
      logger.info({ ...fields, durationMs: this.#options.clock.nowMs() - job.status.startedAtMs }, 'job done')
    } catch (error) {
      this.#settleFailure(job, error)
    }
  }

  #settleFailure(job: Job, thrown: unknown): void {
    const { logger } = this.#options
    const { kind, dataset } = job.spec
    const { code, message } = toKVError(thrown, `${kind.toLowerCase()} of ${dataset}`)
    const fields = { ...fieldsOf(job), code, reason: message }
    if (job.ending === 'CANCEL') {
      logger.info(fields, 'job cancelled')
      const error = { code: 'CANCELLED', message: job.cancelReason } as const
      this.#settle(job, { state: 'CANCELLED', error })
      return
    }
    if (job.ending === 'STOP') {
      // Whoever follows it is not told that it failed: a load goes on after the next start.
      logger.info(fields, 'job interrupted by the end of the gateway')
      job.setEnded()
      return
    }
    logger.error({ ...fields, err: thrown }, 'job failed')
    this.#settle(job, { state: 'FAILED', error: { code, message } })
  }

  #settle(job: Job, how: Partial<JobStatus>): void {
    update(job, { ...how, endedAtMs: this.#options.clock.nowMs() })
    this.#holders.delete(heldKey(job.spec))
    job.setEnded()
  }
}

/** Their keys are places and names, which datasets have in common. */
const SHARED_KEYS: ReadonlySet<JobKind> = new Set(['SNAPSHOT', 'IMPORT'])

function heldKey({ kind, key, datasetId }: JobPlace): string {
  return SHARED_KEYS.has(kind) ? key : `${datasetId} ${key}`
}

function laneOf({ kind }: Pick<JobSpec, 'kind'>): JobLane {
  return kind === 'LOAD' ? 'loads' : 'others'
}

function contextOf(job: Job): JobContext {
  return {
    get ending() {
      return job.ending
    },
    report: (progress) => update(job, { progress }),
    onEnding(end) {
      job.end = end
      if (job.ending !== null) end()
    },
    onStop(end) {
      job.end = end
      if (job.isStopped) end()
    },
    commit() {
      if (job.ending !== null) throw cancelled()
      job.isCommitted = true
    },
  }
}

function endJob(job: Job, ending: JobEnding): void {
  job.ending ??= ending
  job.end()
}

function update(job: Job, changes: Partial<JobStatus>): void {
  job.status = { ...job.status, ...changes }
}

function fieldsOf({ status }: Job): object {
  const { id, kind, dataset, subject } = status
  return { job: id, kind, dataset, subject }
}

function settling(): { readonly ended: Promise<void>; readonly setEnded: () => void } {
  let setEnded = noEnd
  const ended = new Promise<void>((resolve) => {
    setEnded = resolve
  })
  return { ended, setEnded }
}

function noEnd(): void {
  // Nothing is under way that could be ended.
}

function nothing(): Promise<void> {
  return Promise.resolve()
}

const ASKED_TO_END = 'the job was cancelled; start it again'
const DATASET_GONE = 'the job was cancelled, because its dataset was removed'

function cancelled(): KVError {
  return new KVError('CANCELLED', ASKED_TO_END)
}
