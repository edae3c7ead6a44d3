/** What guards look at: the record, what was seen, and what the parts of the gateway say of themselves. Plain data. */
import type { DatasetRecord } from '../model/dataset.js'
import type { RecentEvidence } from './evidence.js'
import type { MigrationSettings } from './settings.js'

/** The configured origin of a dataset. */
export interface OriginFacts {
  readonly name: string
  /** `terrapin`, `kvstore`. */
  readonly api: string
  /** Host and port of each address. */
  readonly addresses: readonly string[]
  /** Where loads are forwarded to; null: nowhere, so that both sides must be loaded by hand. */
  readonly controller: string | null
  /** Why it could not be reached just now; null: it could. */
  readonly problem: string | null
  /** Why the controller could not be; null: it could, or there is none. */
  readonly controllerProblem: string | null
  /** What a read of the dataset failed with there; null: it did not, or it was not tried, because others may answer. */
  readonly datasetProblem: string | null
  readonly settings: OriginTimes
}

/** Of the configuration; milliseconds, 0: never. */
export interface OriginTimes {
  readonly deadlineMs: number
  readonly hedgeAfterMs: number
  readonly standInAfterMs: number
  /** Reads that may be sent a second time, of all. */
  readonly retryPercent: number
}

/** Requests of the dataset by caller, as `godwit usage` counts them. */
export interface CallerUsage {
  readonly sinceMs: number
  readonly requests: number
  /** Null: callers that do not name themselves. */
  readonly byCaller: ReadonlyMap<string | null, number>
}

/** The target's side of a dataset. */
export interface TargetFacts {
  /** Why the dataset's cluster cannot take it; null: it can. */
  readonly clusterProblem: string | null
  /** What keeps it, or a part of it, from being served; empty when all is well. */
  readonly problems: readonly string[]
  /** Copies of the current version that there should be on leaves, and that there are. */
  readonly wantedCopies: number
  readonly confirmedCopies: number
  /** Id of a load that waits or runs; null: none. */
  readonly load: string | null
  /** Host and port of this gateway's own listeners. */
  readonly ownAddresses: readonly string[]
}

export interface MigrationFacts {
  readonly record: DatasetRecord
  /** Null: it is not configured. */
  readonly origin: OriginFacts | null
  readonly target: TargetFacts
  /** Null: not known. */
  readonly usage: CallerUsage | null
  readonly evidence: RecentEvidence
  readonly settings: MigrationSettings
  readonly nowMs: number
}
