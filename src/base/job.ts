/** What is known of long work that an operator starts and asks about later (jobs.ts), and what such work is given. */
import type { ErrorCode } from './errors.js'

export const JOB_KINDS = ['LOAD', 'ARCHIVE', 'RESTORE', 'PURGE', 'DIFF', 'SNAPSHOT', 'IMPORT'] as const
export type JobKind = (typeof JOB_KINDS)[number]

/** PLANNED answers a dry run; UPLOADING takes its content and no place; the others follow each other. */
export const JOB_STATES = [
  'PLANNED',
  'UPLOADING',
  'QUEUED',
  'RUNNING',
  'DONE',
  'FAILED',
  'CANCELLED',
] as const
export type JobState = (typeof JOB_STATES)[number]

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
  /** Null unless FAILED or CANCELLED. */
  readonly error: { readonly code: ErrorCode; readonly message: string } | null
  readonly startedAtMs: number
  /** Null while it waits or runs. */
  readonly endedAtMs: number | null
}

export interface JobSpec {
  readonly kind: JobKind
  /** Absent: one is made up. */
  readonly id?: string
  readonly dataset: string
  /** Of the dataset that is meant, or will be made: another one may have its name later. */
  readonly datasetId: string
  readonly subject: string
  /**
   * No two jobs with the same key wait or run at the same time; for messages: `version 5 of cities`. Keys of SNAPSHOT and
   * IMPORT are places and names, those of the others are of their dataset alone.
   */
  readonly key: string
  readonly actor: string
}

/** Why a job is to end before its work is done: an operator's wish, or the end of the gateway. */
export type JobEnding = 'CANCEL' | 'STOP'

/** What a job is given. */
export interface JobContext {
  /** Null: it goes on. */
  readonly ending: JobEnding | null
  report(progress: JobProgress): void
  /** Called when it is to end; at once if that has happened already. */
  onEnding(end: () => void): void
  /** For what a cancelled job does at its end: called when the gateway ends; at once if that has happened already. */
  onStop(end: () => void): void
  /** Up to here it could be cancelled, and from here on no more. @throws {KVError} CANCELLED when it is to end already */
  commit(): void
}

export type JobWork = (context: JobContext) => Promise<unknown>

/** A job that is listed and does not wait for a place yet. */
export interface OpenJob {
  readonly status: JobStatus
  readonly context: JobContext
  /**
   * It waits for its place, and then works. `abandon` cleans up after one that is cancelled before; it never rejects.
   * @throws {KVError} CANCELLED when it is to end already
   */
  enqueue(work: JobWork, abandon?: () => Promise<void>): void
  /** It will not work: what it waited for failed. */
  fail(error: unknown): void
}

/** Of whom a job needs what nobody else may have meanwhile. */
export type JobPlace = Pick<JobSpec, 'kind' | 'key' | 'dataset' | 'datasetId'>

/** The right to start the next job of a key, for who must prepare before it can name the job. */
export interface JobClaim {
  readonly place: JobPlace
}

/** What the admin API shows of jobs. */
export interface JobBoard {
  /** Newest first; finished ones are forgotten after a while and at a restart. */
  list(): readonly JobStatus[]
  get(id: string): JobStatus | null
  /**
   * Ends it, and answers when it has ended.
   * @throws {KVError} INVALID_ARGUMENT (no such job), FAILED_PRECONDITION when it has ended or committed itself
   */
  cancel(id: string): Promise<JobStatus>
}
