/** What operators see and start beyond datasets: loads, readiness, status. Plain data, as the admin API answers it. */
import type { ErrorCode } from '../base/errors.js'
import type { ChangeContext, DatasetMode, VersionRecord } from './dataset.js'
import type { VersionFigures } from './metastore.js'

/** The only input format so far: one JSON object a line, UTF-8. */
export type LoadFormat = 'ndjson'

/** A new version of a BATCH dataset from a file that the gateway's machine can read. */
export interface LoadRequest {
  readonly dataset: string
  /** Absolute path on the gateway's machine. */
  readonly path: string
  readonly format: LoadFormat
  /** The field that becomes the row key. */
  readonly keyField: string
  /** The fields that become columns; null: every field but the key. */
  readonly columns: readonly string[] | null
  /** Publish the version as soon as it is there. */
  readonly publish: boolean
  /** Lines that may be wrong, and are left out, before the load fails. */
  readonly maxBadLines: number
}

/** PLANNED answers a dry run; the others follow each other, FAILED from any but DONE. */
export type LoadState = 'PLANNED' | 'QUEUED' | 'BUILDING' | 'ADOPTING' | 'PUBLISHING' | 'DONE' | 'FAILED'

/** A line of the input that did not become a row. Never holds what the line says. */
export interface BadLine {
  /** From 1. */
  readonly line: number
  readonly reason: string
}

export interface LoadStatus {
  /** `<dataset>-<version>`: unique, and the same for whoever asks. */
  readonly id: string
  readonly request: LoadRequest
  readonly version: VersionRecord['id']
  readonly state: LoadState
  readonly rows: number
  readonly readBytes: number
  readonly totalBytes: number
  readonly badLineCount: number
  /** The first of them. */
  readonly badLines: readonly BadLine[]
  /** Null until the version is built. */
  readonly figures: VersionFigures | null
  /** Null unless FAILED. */
  readonly error: LoadFailure | null
  readonly startedAtMs: number
  /** Null while it runs. */
  readonly endedAtMs: number | null
}

export interface LoadFailure {
  readonly code: ErrorCode
  readonly message: string
}

/** What the loader offers to the admin API. */
export interface Loads {
  /**
   * Answers as soon as the version is reserved; the rest goes on behind it.
   * @throws {KVError} INVALID_ARGUMENT, DATASET_NOT_FOUND, CONFLICT, FAILED_PRECONDITION (another load of the dataset
   * runs), OVERLOADED (too many wait)
   */
  start(request: LoadRequest, change: ChangeContext): Promise<LoadStatus>
  /** Newest first; finished ones are forgotten after a while and at a restart. */
  list(): readonly LoadStatus[]
  get(id: string): LoadStatus | null
}

/** Whether the gateway should be sent requests, and what keeps it from that. */
export interface Readiness {
  readonly isReady: boolean
  /** Empty when ready. */
  readonly reasons: readonly string[]
}

export interface ListenerStatus {
  readonly name: string
  readonly host: string
  readonly port: number
}

export interface DatasetStatus {
  readonly name: string
  readonly mode: DatasetMode
  /** BATCH: the served version, null: none. READ_WRITE: null. */
  readonly currentVersion: number | null
  /** What keeps it, or a part of it, from being served; empty when all is well. */
  readonly problems: readonly string[]
}

export interface GatewayStatus {
  readonly version: string
  readonly processId: number
  readonly startedAtMs: number
  readonly uptimeMs: number
  readonly readiness: Readiness
  /** Epoch of the ClusterMap that every thread has adopted. */
  readonly epoch: number
  readonly dataThreads: number
  readonly dataDirectory: string
  readonly listeners: readonly ListenerStatus[]
  readonly datasets: readonly DatasetStatus[]
}
