/** How a migration moves: which state follows which, what is asked of it before, and what a change of it would do. */
import type { DatasetRecord } from './dataset.js'
import type { MigrationDials, MigrationFigures, MigrationRamp, MigrationState } from './migration.js'
import type { Migration, OriginVersion, OwedLoad, Side } from './migration.js'

/** What moves a migration: on and back one state, out of it, to its end; `end` the gateway makes once all is undone. */
export type MigrationMove = 'switch' | 'revert' | 'abort' | 'complete' | 'end'

/** Where each move leads; one that is not there is refused. */
export const MIGRATION_MOVES: Readonly<
  Record<MigrationState, Partial<Readonly<Record<MigrationMove, MigrationState>>>>
> = {
  ORIGIN_ONLY: { switch: 'ARMING' },
  ARMING: { switch: 'VERIFY', revert: 'ORIGIN_ONLY', abort: 'ABORTING' },
  VERIFY: { switch: 'RAMP', revert: 'ARMING', abort: 'ABORTING' },
  RAMP: { switch: 'TARGET_PRIMARY', revert: 'VERIFY', abort: 'ABORTING' },
  TARGET_PRIMARY: { switch: 'TARGET_ONLY', revert: 'RAMP' },
  TARGET_ONLY: { revert: 'TARGET_PRIMARY', complete: 'RETIRED' },
  RETIRED: {},
  ABORTING: { end: 'ORIGIN_ONLY' },
}

/** What `Metastore.migrate` may change; what is absent stays. */
export interface MigrationPatch {
  /** By one of MIGRATION_MOVES. Ends a ramp and sets the dials that the new state does not have to 0. */
  readonly state?: MigrationState
  readonly dials?: Partial<MigrationDials>
  readonly ramp?: MigrationRamp | null
  readonly owed?: readonly OwedLoad[]
  readonly originVersion?: OriginVersion | null
  /** Said in the audit line beside what changed. */
  readonly note?: string
}

/** A patch, or what makes one of the newest record when the change has its turn; null: nothing to do. */
export type MigrationDecision = MigrationPatch | ((now: DatasetRecord) => MigrationPatch | null)

/** TOO_LITTLE: what was seen says neither; more of it will. */
export type GuardOutcome = 'PASS' | 'FAIL' | 'TOO_LITTLE'

/** One thing that must hold before a change. */
export interface Guard {
  readonly name: string
  readonly outcome: GuardOutcome
  /** What was found. */
  readonly figure: string
  /** What it must be. */
  readonly bound: string
  /** What to do about it; empty when it passed. */
  readonly advice: string
  /** Whether an operator may go past it. Never where data would be lost or wrong answers given knowingly. */
  readonly isForceable: boolean
}

/** Requests that are answered by another side than before, worked out from who asked until now. */
export interface MovedRequests {
  /** Of all requests, in hundredths of a percent; null: none was counted, so that nobody knows. */
  readonly share: number | null
  /** Counted since then. */
  readonly requests: number
  readonly sinceMs: number
}

/** What a change would do, and whether it may. */
export interface MigrationPlan {
  readonly dataset: string
  /** In a line: `VERIFY -> RAMP`, `split 5 % -> 10 %`. */
  readonly change: string
  readonly from: MigrationState
  readonly to: MigrationState
  /** Of the row keys: answered by another side than before, in hundredths of a percent. */
  readonly movedShare: number
  /** What callers that have a side of their own make of that; null: there are none, before or after. */
  readonly movedRequests: MovedRequests | null
  readonly guards: readonly Guard[]
  /** What is probably not meant so, though nothing forbids it. */
  readonly warnings: readonly string[]
  /** All guards passed, or those that did not were forced. */
  readonly isAllowed: boolean
}

/** What became of a change, or would have. */
export interface MigrationOutcome {
  readonly plan: MigrationPlan
  readonly dataset: DatasetRecord
  /** From the change to the moment in which every thread routed by it; null: not changed, or some have not said so yet. */
  readonly adoptedAfterMs: number | null
}

/** A migration as operators look at it. */
export interface MigrationReport {
  readonly dataset: string
  readonly revision: number
  readonly state: MigrationState
  readonly origin: string | null
  readonly currentVersion: number | null
  readonly migration: Migration
  /** Since `evidenceSinceMs`: the last change of the state or of a side's version, or the start of the gateway. */
  readonly figures: MigrationFigures
  readonly evidenceSinceMs: number
  /** Of the moves that there are from here, the one onwards first. */
  readonly plans: readonly MigrationPlan[]
}

/** Where a read of one key goes, and why: what a request does at this moment. */
export interface Explanation {
  readonly dataset: string
  readonly state: MigrationState
  /** Of the ClusterMap that every thread has adopted. */
  readonly epoch: number
  readonly caller: string | null
  readonly side: Side
  /** A word for programs, a sentence for people. */
  readonly why: string
  readonly reason: string
  /** Place of the key in a split, 0 to 9,999: the target's if it lies below `splitShare`; null: nothing is split by key. */
  readonly bucket: number | null
  readonly splitShare: number
  /** Who answers when that side cannot; null: nobody. */
  readonly fallback: Side | null
  /** Why nobody does, in a state in which the other side may; empty otherwise. */
  readonly alone: string
  /** Who answers at this moment: that side, or who stands in for it; null: neither can. */
  readonly answeredBy: Side | null
  /** Why that is not the side that was decided; empty: it is. */
  readonly instead: string
  /** A side without an answer after so long has the other one asked as well; 0: only when it fails, or there is none. */
  readonly standInAfterMs: number
  /** The origin is asked a second time after so long; 0: never, or it is not asked. */
  readonly hedgeAfterMs: number
  /** Name of the origin and whether its breaker is open; null: there is none. */
  readonly origin: { readonly name: string; readonly isBreakerOpen: boolean } | null
  readonly shadowShare: number
  readonly baselineShare: number
  /** The version of who answers; null: none is online, or the origin's is not known. */
  readonly version: number | null
  readonly isCanary: boolean
  /** Cassandra's Murmur3 of the key, the target's shard of it, and who serves that: `this process`, names of leaves. */
  readonly token: string
  readonly shard: number
  readonly servedBy: string
}
