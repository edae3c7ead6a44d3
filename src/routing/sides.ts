/**
 * Both sides of a dataset that moves, asked in the same way: plans with the map of this tick (an older one may name DBs that
 * are closed by now), answers once, never throws, and notes how the side did.
 */
import type { Clock } from '../base/clock.js'
import { type Done, type ErrorCode, KVError, toKVError } from '../base/errors.js'
import type { Backend } from '../model/backend.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import type { Side } from '../model/migration.js'
import type { BackendRole } from '../model/operations.js'
import type { AdmittedRead, AdmittedScan, ReadPlan, ScanPlan } from '../model/plan.js'
import type { ReadResult } from '../model/request.js'
import type { RowOutcome } from '../model/row.js'
import type { ScanResult } from '../model/scan.js'
import type { MigrationWatch } from './migration-watch.js'

/** A backend whose guard can be looked at. */
export interface GuardedSide extends Backend {
  /** Its breaker is. */
  readonly isOpen: boolean
  /** As many calls wait as may: one more would be refused. */
  readonly isFull: boolean
}

export type GuardedRoles = Readonly<Record<BackendRole, GuardedSide>>

export interface SidesOptions {
  readonly clock: Clock
  readonly watch: MigrationWatch
  /** @throws {KVError} as Router.planRead for a dataset that the leaf tier serves */
  planTarget(admitted: AdmittedRead): ReadPlan
  planTargetScan(admitted: AdmittedScan): ScanPlan
  /** @throws {KVError} UNAVAILABLE when the dataset's origin is not configured */
  originOf(entry: DatasetEntry): GuardedRoles
}

export class Sides {
  readonly #options: SidesOptions

  constructor(options: SidesOptions) {
    this.#options = options
  }

  /** `admitted` is of the map of this tick. */
  read(side: Side, role: BackendRole, admitted: AdmittedRead, done: Done<ReadResult>): void {
    const { clock, watch } = this.#options
    const figures = watch.of(admitted.entry.record).sides[side]
    const startedAtMs = clock.monotonicMs()
    const finish: Done<ReadResult> = (outcome) => {
      const nowMs = clock.monotonicMs()
      if (!wasGivenUp(outcome)) figures.record(nowMs - startedAtMs, hasFailed(outcome), nowMs)
      done(outcome)
    }
    let plan: ReadPlan
    try {
      plan = side === 'TARGET' ? this.#options.planTarget(admitted) : this.#planOrigin(admitted, role)
    } catch (error) {
      finish(toKVError(error, `read of dataset ${admitted.request.dataset}`))
      return
    }
    plan.backend.read(plan, finish)
  }

  /** As `read`, for what callers get. */
  scan(side: Side, admitted: AdmittedScan, done: Done<ScanResult>): void {
    const { clock, watch } = this.#options
    const figures = watch.of(admitted.entry.record).sides[side]
    const startedAtMs = clock.monotonicMs()
    const finish: Done<ScanResult> = (outcome) => {
      const nowMs = clock.monotonicMs()
      const error = outcome instanceof KVError ? outcome : null
      if (error === null || !wasGivenUp(error)) {
        figures.record(nowMs - startedAtMs, error !== null && isSideFailure(error), nowMs)
      }
      done(outcome instanceof KVError ? outcome : { ...outcome, side })
    }
    let plan: ScanPlan
    try {
      if (side === 'TARGET') plan = this.#options.planTargetScan(admitted)
      else {
        const backend = this.#options.originOf(admitted.entry).primary
        plan = { admitted, backend, version: null, shardScans: [] }
      }
    } catch (error) {
      finish(toKVError(error, `scan of dataset ${admitted.request.dataset}`))
      return
    }
    plan.backend.scan(plan, finish)
  }

  /** Whether asking it now would be refused without a try. Without settings it cannot be asked either. */
  isOpen(side: Side, entry: DatasetEntry, role: BackendRole = 'primary'): boolean {
    return side === 'ORIGIN' && (this.#originGuard(entry, role)?.isOpen ?? true)
  }

  /** Whether so many calls wait for it that one more would be refused. */
  isFull(side: Side, entry: DatasetEntry, role: BackendRole): boolean {
    return side === 'ORIGIN' && this.#originGuard(entry, role)?.isFull === true
  }

  #originGuard(entry: DatasetEntry, role: BackendRole): GuardedSide | null {
    try {
      return this.#options.originOf(entry)[role]
    } catch {
      return null
    }
  }

  #planOrigin(admitted: AdmittedRead, role: BackendRole): ReadPlan {
    return { admitted, backend: this.#options.originOf(admitted.entry)[role], version: null, shardReads: [] }
  }
}

/** Whether the side could not answer, wholly or in part; that a request is wrong is no failure of a side. */
export function hasFailed(outcome: ReadResult | KVError): boolean {
  if (outcome instanceof KVError) return isSideFailure(outcome)
  for (const row of outcome.rows) if (isSideFailure(row)) return true
  return false
}

/** Its caller left before it was read to its end, in whole or in part: that says nothing of the side, nor of its data. */
export function wasGivenUp(outcome: ReadResult | KVError): boolean {
  if (outcome instanceof KVError) return outcome.code === 'CANCELLED'
  for (const row of outcome.rows) if (row instanceof KVError && row.code === 'CANCELLED') return true
  return false
}

/** Whether the other side may be able to answer what failed so. */
export function isSideFailure(outcome: RowOutcome): boolean {
  if (!(outcome instanceof KVError)) return false
  const { code, kind } = outcome
  return (kind === 'AVAILABILITY' && code !== 'CANCELLED') || OTHER_FAILURES.has(code)
}

const OTHER_FAILURES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'NO_VERSION_ONLINE',
  'OVERLOADED',
  'CORRUPT',
])
