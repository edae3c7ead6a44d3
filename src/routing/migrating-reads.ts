/**
 * Reads of datasets that have two sides, as a Backend: decides the side (decide.ts), asks it, lets the other one stand in
 * where that is allowed, notes the decision, and offers what was answered to the shadow reads. Datasets that do not move
 * never come here.
 *
 * An answer is one side's, or, key by key, of both while they serve the same version. Where the origin's answer then says
 * that it does not, or a load was begun there meanwhile, all keys are read from the origin.
 */
import type { Clock, StartTimer } from '../base/clock.js'
import { type Done, KVError } from '../base/errors.js'
import type { Backend } from '../model/backend.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import { type Side, WHOLE_SHARE } from '../model/migration.js'
import type { AdmittedRead, AdmittedScan, MutatePlan, ReadPlan, ScanPlan } from '../model/plan.js'
import type { MutateResult, ReadRequest, ReadResult } from '../model/request.js'
import type { RowOutcome } from '../model/row.js'
import type { ScanResult } from '../model/scan.js'
import { type ReadDecision, decideRead, decideSide, firstAsked, standsInWhenSlow } from './decide.js'
import type { Flight, FlightRecorder } from './flight-recorder.js'
import type { MigrationWatch } from './migration-watch.js'
import { partOfRead } from './read-parts.js'
import { declaredVersion, servesSameVersion } from './shadow-answers.js'
import type { ShadowReads } from './shadow-read.js'
import { type Sides, hasFailed, isSideFailure, wasGivenUp } from './sides.js'
import { type AskSide, type ReadOutcome, type StandInOptions, readWithStandIn } from './stand-in.js'

export interface MigratingReadsOptions {
  readonly clock: Clock
  readonly startTimer: StartTimer
  readonly sides: Sides
  readonly watch: MigrationWatch
  readonly shadow: ShadowReads
  readonly flights: FlightRecorder
  /** Of the newest map. */
  readonly entryOf: (dataset: string) => DatasetEntry | undefined
  /** A side that has not answered after so long has the other one asked as well; 0: only when it fails. */
  readonly standInAfterMs: (entry: DatasetEntry) => number
  /** 0 to 1, the next one of a sequence. */
  readonly draw: () => number
}

/** A read on its way. */
interface Read {
  readonly admitted: AdmittedRead
  readonly decision: ReadDecision
  readonly startedAtMs: number
  readonly isShadowed: boolean
  readonly done: Done<ReadResult>
}

export class MigratingReads implements Backend {
  readonly name = 'migration'
  readonly #options: MigratingReadsOptions

  constructor(options: MigratingReadsOptions) {
    this.#options = options
  }

  read({ admitted }: ReadPlan, done: Done<ReadResult>): void {
    const { entry, request } = admitted
    const decision = decideRead(entry, request, () => servesSameVersion(entry, this.#options.clock.nowMs()))
    const read: Read = {
      admitted,
      decision,
      startedAtMs: this.#options.clock.monotonicMs(),
      isShadowed: this.#isDrawn(decision, admitted),
      done,
    }
    if (decision.targetPositions !== null) this.#readByKey(read, decision.targetPositions)
    else this.#readSide(read)
  }

  /** One side for all pages: the token of each names it. The first page may come from the other one. */
  scan({ admitted }: ScanPlan, done: Done<ScanResult>): void {
    const { entry, request } = admitted
    const { sides } = this.#options
    const decision = decideSide(entry, null, request.context.caller)
    const { fallback } = decision
    const isFirst = request.side === undefined && request.position === null
    const side = isFirst ? firstAsked(decision, (one) => sides.isOpen(one, entry)) : request.side
    sides.scan(side ?? decision.side, admitted, (outcome) => {
      const hasFailedHere = outcome instanceof KVError && isSideFailure(outcome)
      if (!isFirst || !hasFailedHere || fallback === null || side === fallback || this.#isLate(request)) {
        done(outcome)
        return
      }
      this.#scanOther(admitted, fallback, (other) => done(other instanceof KVError ? outcome : other))
    })
  }

  mutate(plan: MutatePlan, done: Done<MutateResult>): void {
    const what = `a write to dataset ${plan.admitted.request.dataset} was planned as a read`
    done(new KVError('INTERNAL', what, { outcome: 'NOT_APPLIED' }))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #readSide(read: Read): void {
    const { admitted, decision } = read
    const { side, fallback } = decision
    const { sides } = this.#options
    const first: AskSide = (answer) => sides.read(side, 'primary', admitted, answer)
    const finish = (outcome: ReadOutcome, answeredBy: Side): void => {
      this.#answer(read, outcome, answeredBy)
      if (read.isShadowed && answeredBy === side) this.#offer(admitted, side, outcome, decision)
    }
    if (fallback === null) first((outcome) => finish(outcome, side))
    else if (firstAsked(decision, (one) => sides.isOpen(one, admitted.entry)) === fallback) {
      this.#askOther(admitted, fallback, (outcome) => this.#answer(read, outcome, fallback))
    } else {
      const other: AskSide = (answer) => this.#askOther(admitted, fallback, answer)
      this.#readWithStandIn(admitted, { first, other, mayAsk: () => true }, (outcome, isOther) => {
        finish(outcome, isOther ? fallback : side)
      })
    }
  }

  #readWithStandIn(
    { entry, request }: AdmittedRead,
    { first, other, mayAsk }: Pick<StandInOptions, 'first' | 'other' | 'mayAsk'>,
    done: (outcome: ReadOutcome, isOther: boolean) => void,
  ): void {
    const { startTimer, clock } = this.#options
    const afterMs = this.#options.standInAfterMs(entry)
    // Who waits shorter than twice that has half of its time left when the other side is asked.
    const leftMs = request.context.deadline - clock.monotonicMs()
    const isNever = afterMs === 0 || leftMs <= 0 || !standsInWhenSlow(entry.record)
    const options: StandInOptions = {
      first,
      other,
      startTimer,
      afterMs: isNever ? null : Math.min(afterMs, leftMs / 2),
      mayAsk: () => !this.#isLate(request) && mayAsk(),
    }
    readWithStandIn(options, done)
  }

  /** With the newest map: the one that the read began with may name DBs that are closed. */
  #askOther(admitted: AdmittedRead, side: Side, done: (outcome: ReadOutcome) => void): void {
    const entry = this.#options.entryOf(admitted.request.dataset)
    if (entry?.record.id !== admitted.entry.record.id) done(gone(admitted.request))
    else this.#options.sides.read(side, 'primary', { ...admitted, entry }, done)
  }

  #scanOther(admitted: AdmittedScan, side: Side, done: Done<ScanResult>): void {
    const entry = this.#options.entryOf(admitted.request.dataset)
    if (entry?.record.id !== admitted.entry.record.id) done(gone(admitted.request))
    else this.#options.sides.scan(side, { ...admitted, entry }, done)
  }

  /** Each side is asked for its keys; where that is no answer, or none in time, one side is asked for all of them. */
  #readByKey(read: Read, targetPositions: readonly number[]): void {
    const { admitted, decision } = read
    const isTarget = new Set(targetPositions)
    const originPositions = [...admitted.request.rowKeys.keys()].filter((one) => !isTarget.has(one))
    const parts: PartPositions = { TARGET: targetPositions, ORIGIN: originPositions }
    const outcomes: PartOutcomes = {}
    let whole: Side = 'ORIGIN'
    const first: AskSide = (answer) => {
      for (const side of ['TARGET', 'ORIGIN'] as const) {
        const part = partOfRead(admitted, parts[side])
        this.#options.sides.read(side, 'primary', part, (outcome) => {
          outcomes[side] = outcome
          if (outcomes.ORIGIN === undefined || outcomes.TARGET === undefined) return
          answer(
            this.#mayHaveSwapped(admitted)
              ? differentVersions(admitted.request)
              : gathered(admitted.request, outcomes.ORIGIN, outcomes.TARGET, parts),
          )
        })
      }
    }
    const other: AskSide = (answer) => {
      whole = wholeSide(outcomes)
      this.#askOther(admitted, whole, answer)
    }
    // What the origin could not answer is the target's to answer only where that may stand in.
    const mayAsk = (): boolean => decision.fallback !== null || wholeSide(outcomes) === 'ORIGIN'
    this.#readWithStandIn(admitted, { first, other, mayAsk }, (outcome, isOther) => {
      this.#answer(read, outcome, isOther ? whole : decision.side)
      const { ORIGIN: origin, TARGET: target } = outcomes
      if (isOther || !read.isShadowed || origin === undefined || target === undefined) return
      this.#offer(partOfRead(admitted, parts.ORIGIN), 'ORIGIN', origin, decision)
      this.#offer(partOfRead(admitted, parts.TARGET), 'TARGET', target, decision)
    })
  }

  /** Before an origin is asked to load, its version is unknown on every thread: its answers until then are of that one. */
  #mayHaveSwapped({ entry, request }: AdmittedRead): boolean {
    const now = this.#options.entryOf(request.dataset)
    return now === undefined || declaredVersion(now) !== declaredVersion(entry)
  }

  #answer(read: Read, outcome: ReadResult | KVError, side: Side): void {
    const { admitted, decision, startedAtMs, isShadowed, done } = read
    const { clock, flights } = this.#options
    const { dataset, rowKeys, context } = admitted.request
    if (outcome instanceof KVError) done(outcome)
    else done({ rows: outcome.rows, datasetVersion: outcome.datasetVersion, side })
    const flight: Flight = {
      dataset,
      api: context.api,
      caller: context.caller,
      keys: rowKeys.length,
      key: rowKeys[0] ?? null,
      decision,
      hasFallenBack: side !== decision.side,
      isShadowed,
      durationMs: clock.monotonicMs() - startedAtMs,
      code: outcome instanceof KVError ? outcome.code : null,
    }
    flights.record(flight, clock.nowMs())
  }

  #offer(
    admitted: AdmittedRead,
    answeredBy: Side,
    outcome: ReadResult | KVError,
    { baselineShare }: ReadDecision,
  ): void {
    // Nobody's data is wrong because a side could not answer; the figures of the side say so. Nor because a caller left.
    if (hasFailed(outcome) || wasGivenUp(outcome)) return
    const { watch, shadow, draw } = this.#options
    const isBaseline = baselineShare > 0 && draw() * WHOLE_SHARE < baselineShare
    shadow.offer({ watch: watch.of(admitted.entry.record), admitted, answeredBy, outcome, isBaseline })
  }

  /** Pinned reads and later pages take no part: the other side has no such version, or no such page. */
  #isDrawn({ shadowShare }: ReadDecision, { request }: AdmittedRead): boolean {
    if (shadowShare === 0 || request.datasetVersion !== null || request.position !== null) return false
    return shadowShare >= WHOLE_SHARE || this.#options.draw() * WHOLE_SHARE < shadowShare
  }

  #isLate({ context }: Pick<ReadRequest, 'context'>): boolean {
    return context.deadline <= this.#options.clock.monotonicMs()
  }
}

/** Where the keys of each side stand in the read. */
type PartPositions = Readonly<Record<Side, readonly number[]>>
/** What each side answered so far. */
type PartOutcomes = Partial<Record<Side, ReadOutcome>>

/** Both parts as one answer, or why they are none. */
function gathered(
  request: ReadRequest,
  origin: ReadOutcome,
  target: ReadOutcome,
  parts: PartPositions,
): ReadOutcome {
  for (const outcome of [target, origin]) if (hasFailed(outcome)) return failureIn(request, outcome)
  if (origin instanceof KVError) return origin
  if (target instanceof KVError) return target
  if (differ(origin, target)) return differentVersions(request)
  const rows = new Array<RowOutcome>(request.rowKeys.length).fill(null)
  for (const [place, position] of parts.ORIGIN.entries()) rows[position] = origin.rows[place] ?? null
  for (const [place, position] of parts.TARGET.entries()) rows[position] = target.rows[place] ?? null
  return { rows, datasetVersion: target.datasetVersion }
}

/** The side that is asked for all keys: the target if it alone answered well, otherwise the origin. */
function wholeSide({ ORIGIN: origin, TARGET: target }: PartOutcomes): Side {
  const isWell = (outcome: ReadOutcome | undefined): boolean => outcome !== undefined && !hasFailed(outcome)
  return isWell(target) && !isWell(origin) ? 'TARGET' : 'ORIGIN'
}

function differentVersions({ dataset }: ReadRequest): KVError {
  return new KVError('UNAVAILABLE', `the sides of dataset ${dataset} serve different versions`, { dataset })
}

/** Whether the origin's answer says that it is of another version. Most origins say nothing. */
function differ(origin: ReadResult, target: ReadResult): boolean {
  return origin.datasetVersion !== null && origin.datasetVersion !== target.datasetVersion
}

/** A failure of some keys as one of the whole. */
function failureIn({ dataset }: ReadRequest, outcome: ReadOutcome): KVError {
  if (outcome instanceof KVError) return outcome
  for (const row of outcome.rows) if (row instanceof KVError && isSideFailure(row)) return row
  return new KVError('INTERNAL', `a side of dataset ${dataset} failed without a reason`, { dataset })
}

function gone({ dataset }: { readonly dataset: string }): KVError {
  return new KVError('DATASET_NOT_FOUND', `dataset ${dataset} was removed while it was read`, { dataset })
}
