/** What operators dial while a dataset moves from an origin to the target, and what was seen meanwhile. Plain data. */
import type { ShadowFigures } from './difference.js'

/**
 * A read-only dataset moves through these in order, and back. ORIGIN_ONLY: the old store answers. ARMING: it does, and
 * every load goes to both sides. VERIFY: shadow reads compare them. RAMP: a share of the keys, or some callers, are
 * answered by the target. TARGET_PRIMARY: all are, the origin is shadow and fallback. TARGET_ONLY: the origin is not asked.
 * RETIRED: it is forgotten, and there is no way back. ABORTING: the origin answers while what was begun is undone.
 */
export const MIGRATION_STATES = [
  'ORIGIN_ONLY',
  'ARMING',
  'VERIFY',
  'RAMP',
  'TARGET_PRIMARY',
  'TARGET_ONLY',
  'RETIRED',
  'ABORTING',
] as const
export type MigrationState = (typeof MIGRATION_STATES)[number]

/** States in which shadow reads compare the sides. */
export const COMPARING_STATES: readonly MigrationState[] = ['VERIFY', 'RAMP', 'TARGET_PRIMARY']

/** Hundredths of a percent in a whole. */
export const WHOLE_SHARE = 10_000

export type Side = 'ORIGIN' | 'TARGET'

/** Whether either side may be asked for rows: in the states between the first and the last ones. */
export function hasTwoSides(state: MigrationState): boolean {
  return state !== 'TARGET_ONLY' && state !== 'ORIGIN_ONLY' && state !== 'RETIRED'
}

/** Shares are in hundredths of a percent: 0 to 10,000. */
export interface MigrationDials {
  /** Of the requests: read from the other side, too, and compared. */
  readonly shadowShare: number
  /** Of the shadowed requests: read from the origin a second time, to tell an unstable origin from a wrong target. */
  readonly baselineShare: number
  /** RAMP: of the row keys, answered by the target. Raising it never moves a key back. */
  readonly splitShare: number
  /** RAMP: callers, as they name themselves, whose requests the target answers whatever their keys. */
  readonly splitCallers: readonly string[]
}

export const NO_DIALS: MigrationDials = { shadowShare: 0, baselineShare: 0, splitShare: 0, splitCallers: [] }

/** What a ramp went back for. `DATA`: the target's answers differ from the origin's. `SERVICE`: it fails or is slow. */
export const RAMP_BREACHES = ['DATA', 'SERVICE'] as const
export type RampBreach = (typeof RAMP_BREACHES)[number]

/** Steps that the gateway takes by itself. Kept with the record, so that it goes on after a restart. */
export interface MigrationRamp {
  readonly toShare: number
  readonly stepShare: number
  readonly everyMs: number
  /** Split share that was in force when it began: where a breach takes it back to. */
  readonly fromShare: number
  readonly startedAtMs: number
  readonly lastStepAtMs: number
  readonly startedBy: string
  /** RUNNING advances; BREACHED went back and waits for an operator; DONE reached its end. */
  readonly state: 'RUNNING' | 'BREACHED' | 'DONE'
  /** Set while it is BREACHED; the worse of two. Absent in records of before it was kept: taken for DATA. */
  readonly breach?: RampBreach
  /** Why it waits, went back or ended; empty: nothing to say. */
  readonly note: string
}

/** A load that the other side did not take, yet. Blocks every forward transition. */
export interface OwedLoad {
  readonly side: Side
  readonly versionId: number
  readonly source: string
  /** All that loads it again, as JSON; only the wire API that took the load reads it. */
  readonly request: string
  readonly attempts: number
  readonly error: string
}

/** The version that the origin took last. The same id as the target's current one: both sides serve the same data. */
export interface OriginVersion {
  readonly versionId: number
  /** It is swapped in some time after it was taken; until then the origin may answer from the one before. */
  readonly takenAtMs: number
}

/** The part of a dataset's record that a migration changes. */
export interface Migration {
  readonly dials: MigrationDials
  readonly ramp: MigrationRamp | null
  /** Oldest first; one a side and version. */
  readonly owed: readonly OwedLoad[]
  /** Null: not known, so that nothing can be compared. */
  readonly originVersion: OriginVersion | null
  /** When the present state was entered. */
  readonly sinceMs: number
}

export const NO_MIGRATION: Migration = {
  dials: NO_DIALS,
  ramp: null,
  owed: [],
  originVersion: null,
  sinceMs: 0,
}

/** Requests that one side answered since the gateway began, all threads together. */
export interface SideFigures {
  readonly requests: number
  readonly errors: number
  /** Milliseconds over the last minute; null: too few requests. */
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly isBreakerOpen: boolean
}

export interface MigrationFigures {
  readonly dataset: string
  readonly origin: SideFigures
  readonly target: SideFigures
  readonly shadow: ShadowFigures
}
