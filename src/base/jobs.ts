/**
 * Long work that an operator starts and asks about later: archives, snapshots, comparisons. A job answers at once; what it
 * does goes on behind it, a bounded number at a time, the others wait in the order in which they came.
 */
import type { Clock } from './clock.js'
import { type ErrorCode, KVError, toKVError } from './errors.js'
import { limits } from './limits.js'
import type { Logger } from './logger.js'

export type JobKind = 'ARCHIVE' | 'RESTORE' | 'PURGE' | 'DIFF' | 'SNAPSHOT' | 'IMPORT'

/** PLANNED answers a dry run; the others follow each other, FAILED from any but DONE. */
export type JobState = 'PLANNED' | 'QUEUED' | 'RUNNING' | 'DONE' | 'FAILED'

export interface JobProgress {
  /** What it is doing now, in a word or two. */
  readonly step: string
  readonly done: number
  /** Null: not known. */
  readonly total: number | null
  readonly unit: 'bytes' | 'rows'
}

export interface JobStatus {
  readonly id: string
  readonly kind: JobKind
  readonly dataset: string
  /** What it is about: a version, a URL. */
  readonly subject: string
  readonly state: JobState
  readonly progress: JobProgress
  /** What the kind of job answers when it is DONE; null before. */
  readonly result: unknown
  /** Null unless FAILED. */
  readonly error: { readonly code: ErrorCode; readonly message: string } | null
  readonly startedAtMs: number
  /** Null while it waits or runs. */
  readonly endedAtMs: number | null
}

export interface JobSpec {
  readonly kind: JobKind
  readonly dataset: string
  readonly subject: string
  /** No two jobs with the same key wait or run at the same time. */
  readonly key: string
  readonly actor: string
}

/** What a running job is given. */
export interface JobContext {
  report(progress: JobProgress): void
  /** Called when the gateway stops or an operator cancels; at once if that has happened already. */
  onCancel(cancel: () => void): void
}

export type JobWork = (context: JobContext) => Promise<unknown>

/** What the admin API shows of jobs. */
export interface JobBoard {
  /** Newest first; finished ones are forgotten after a while and at a restart. */
  list(): readonly JobStatus[]
  get(id: string): JobStatus | null
  /** Ends it as soon as it can be ended. @throws {KVError} FAILED_PRECONDITION when it has ended, INVALID_ARGUMENT */
  cancel(id: string): JobStatus
}

export interface JobsOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Jobs at the same time, at least 1. */
  readonly concurrent: number
}

interface Job {
  status: JobStatus
  readonly spec: JobSpec
  readonly work: JobWork
  isCancelled: boolean
  cancel: (() => void) | null
}

export class Jobs implements JobBoard {
  readonly #options: JobsOptions
  /** By id, oldest first. */
  readonly #jobs = new Map<string, Job>()
  readonly #busy = new Set<string>()
  readonly #waiting: Job[] = []
  readonly #running = new Set<Promise<void>>()
  #nextNumber = 1
  #isClosed = false

  constructor(options: JobsOptions) {
    this.#options = options
  }

  /** What `start` would answer, for a dry run. @throws {KVError} as `start` does */
  plan(spec: JobSpec): JobStatus {
    this.#check(spec)
    return { ...this.#newStatus(spec), id: 'planned', state: 'PLANNED' }
  }

  /** @throws {KVError} FAILED_PRECONDITION while another job has the key, OVERLOADED, UNAVAILABLE when closing */
  start(spec: JobSpec, work: JobWork): JobStatus {
    this.#check(spec)
    const job: Job = { status: this.#newStatus(spec), spec, work, isCancelled: false, cancel: null }
    this.#nextNumber++
    this.#busy.add(spec.key)
    this.#jobs.set(job.status.id, job)
    for (const [id, { status }] of this.#jobs) {
      if (this.#jobs.size <= limits.maxRememberedLoads) break
      if (status.endedAtMs !== null) this.#jobs.delete(id)
    }
    this.#waiting.push(job)
    this.#startWaiting()
    return job.status
  }

  list(): readonly JobStatus[] {
    return [...this.#jobs.values()].map(({ status }) => status).reverse()
  }

  get(id: string): JobStatus | null {
    return this.#jobs.get(id)?.status ?? null
  }

  cancel(id: string): JobStatus {
    const job = this.#jobs.get(id)
    if (job === undefined) throw new KVError('INVALID_ARGUMENT', `no job "${id}" is known; list the jobs`)
    if (job.status.endedAtMs !== null) throw new KVError('FAILED_PRECONDITION', `job "${id}" has ended`)
    cancelJob(job)
    const place = this.#waiting.indexOf(job)
    if (place >= 0) {
      // One that waits has nothing to end first.
      this.#waiting.splice(place, 1)
      this.#busy.delete(job.spec.key)
      const { code, message } = cancelled()
      update(job, { state: 'FAILED', error: { code, message }, endedAtMs: this.#options.clock.nowMs() })
    }
    return job.status
  }

  /** Cancels everything and waits until it has ended. Nothing starts afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const job of this.#jobs.values()) if (job.status.endedAtMs === null) cancelJob(job)
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #check({ key, dataset }: JobSpec): void {
    if (this.#isClosed)
      throw new KVError('UNAVAILABLE', 'the gateway is shutting down; start the job after its restart')
    if (this.#busy.has(key)) {
      throw new KVError(
        'FAILED_PRECONDITION',
        `${key} has a job that waits or runs: see "godwit jobs list", and wait for its end`,
        { dataset },
      )
    }
    if (this.#waiting.length >= limits.maxQueuedLoads)
      throw new KVError('OVERLOADED', `${limits.maxQueuedLoads} jobs are waiting; start this one later`)
  }

  #newStatus({ kind, dataset, subject }: JobSpec): JobStatus {
    const startedAtMs = this.#options.clock.nowMs()
    return {
      id: `${kind.toLowerCase()}-${startedAtMs}-${this.#nextNumber}`,
      kind,
      dataset,
      subject,
      state: 'QUEUED',
      progress: { step: 'waiting', done: 0, total: null, unit: 'bytes' },
      result: null,
      error: null,
      startedAtMs,
      endedAtMs: null,
    }
  }

  #startWaiting(): void {
    while (this.#running.size < this.#options.concurrent) {
      const job = this.#waiting.shift()
      if (job === undefined) return
      const run = this.#run(job).finally(() => {
        this.#running.delete(run)
        this.#busy.delete(job.spec.key)
        this.#startWaiting()
      })
      this.#running.add(run)
    }
  }

  /** Never rejects. */
  async #run(job: Job): Promise<void> {
    const { logger, clock } = this.#options
    const { kind, dataset, subject, actor } = job.spec
    const fields = { job: job.status.id, kind, dataset, subject, actor }
    logger.info(fields, 'job started')
    try {
      if (job.isCancelled) throw cancelled()
      update(job, { state: 'RUNNING' })
      const result = await job.work({
        report: (progress) => update(job, { progress }),
        onCancel: (cancel) => {
          job.cancel = cancel
          if (job.isCancelled) cancel()
        },
      })
      update(job, { state: 'DONE', result, endedAtMs: clock.nowMs() })
      logger.info({ ...fields, durationMs: clock.nowMs() - job.status.startedAtMs }, 'job done')
    } catch (thrown) {
      const error = job.isCancelled ? cancelled() : toKVError(thrown, `${kind.toLowerCase()} of ${dataset}`)
      const { code, message } = error
      update(job, { state: 'FAILED', error: { code, message }, endedAtMs: clock.nowMs() })
      logger.error({ ...fields, code, reason: message, err: thrown }, 'job failed')
    }
  }
}

function cancelJob(job: Job): void {
  job.isCancelled = true
  job.cancel?.()
}

function update(job: Job, changes: Partial<JobStatus>): void {
  job.status = { ...job.status, ...changes }
}

function cancelled(): KVError {
  return new KVError('CANCELLED', 'the job was cancelled; start it again')
}
