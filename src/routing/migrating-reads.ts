/**
 * Reads of datasets that have two sides, as a Backend: decides the side (decide.ts), asks it, lets the other one stand in
 * where that is allowed, notes the decision, and offers what was answered to the shadow reads. Datasets that do not move
 * never come here.
 *
 * An answer is one side's, or, key by key, of both while they serve the same version. Where the origin's answer then says
 * that it does not, all keys are read from the origin.
 */
import type { Clock } from '../base/clock.js'
import { type Done, KVError } from '../base/errors.js'
import type { Backend } from '../model/backend.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import { type Side, WHOLE_SHARE } from '../model/migration.js'
import type { AdmittedRead, MutatePlan, ReadPlan, ScanPlan } from '../model/plan.js'
import type { MutateResult, ReadResult } from '../model/request.js'
import type { RowOutcome } from '../model/row.js'
import type { ScanResult } from '../model/scan.js'
import { type ReadDecision, decideRead, decideSide } from './decide.js'
import type { FlightRecorder } from './flight-recorder.js'
import type { MigrationWatch } from './migration-watch.js'
import { partOfRead } from './read-parts.js'
import { servesSameVersion } from './shadow-answers.js'
import type { ShadowReads } from './shadow-read.js'
import { type Sides, hasFailed } from './sides.js'

export interface MigratingReadsOptions {
  readonly clock: Clock
  readonly sides: Sides
  readonly watch: MigrationWatch
  readonly shadow: ShadowReads
  readonly flights: FlightRecorder
  /** Of the newest map. */
  readonly entryOf: (dataset: string) => DatasetEntry | undefined
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
    const { side, fallback } = decideSide(entry, null, request.context.caller)
    const isFirst = request.side === undefined && request.position === null
    const hasFallenBack = isFirst && fallback !== null && sides.isOpen(side, entry)
    sides.scan(request.side ?? (hasFallenBack ? fallback : side), admitted, done)
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
    if (fallback !== null && sides.isOpen(side, admitted.entry)) {
      this.#readFallback(read, fallback, null)
      return
    }
    sides.read(side, 'primary', admitted, (outcome) => {
      if (fallback !== null && hasFailed(outcome) && !this.#isLate(admitted)) {
        this.#readFallback(read, fallback, outcome)
        return
      }
      this.#answer(read, outcome, side)
      if (read.isShadowed) this.#offer(admitted, side, outcome, decision)
    })
  }

  /** @param failed what the first side answered; null: it was not asked */
  #readFallback(read: Read, fallback: Side, failed: ReadResult | KVError | null): void {
    const { admitted } = read
    const entry = this.#options.entryOf(admitted.request.dataset)
    if (entry?.record.id !== admitted.entry.record.id) {
      this.#answer(read, failed ?? gone(admitted), read.decision.side)
      return
    }
    this.#options.sides.read(fallback, 'primary', { ...admitted, entry }, (outcome) => {
      // What the first side could answer of some keys is better than two failures.
      if (failed !== null && outcome instanceof KVError) this.#answer(read, failed, read.decision.side)
      else this.#answer(read, outcome, fallback)
    })
  }

  #readByKey(read: Read, targetPositions: readonly number[]): void {
    const { admitted } = read
    const isTarget = new Set(targetPositions)
    const originPositions = [...admitted.request.rowKeys.keys()].filter((one) => !isTarget.has(one))
    const parts = { TARGET: targetPositions, ORIGIN: originPositions } as const
    const outcomes: Partial<Record<Side, ReadResult | KVError>> = {}
    for (const side of ['TARGET', 'ORIGIN'] as const) {
      const part = partOfRead(admitted, parts[side])
      this.#options.sides.read(side, 'primary', part, (outcome) => {
        outcomes[side] = outcome
        const { TARGET: target, ORIGIN: origin } = outcomes
        if (target === undefined || origin === undefined) return
        this.#gather(read, { target, origin }, { ...parts })
      })
    }
  }

  #gather(
    read: Read,
    { target, origin }: { readonly target: ReadResult | KVError; readonly origin: ReadResult | KVError },
    parts: Readonly<Record<Side, readonly number[]>>,
  ): void {
    const { admitted, decision } = read
    // One side for all keys: the one that can answer.
    if (hasFailed(origin) && !hasFailed(target)) {
      this.#readFallback(read, 'TARGET', allFailed(admitted, origin))
      return
    }
    if (hasFailed(target) || differ(origin, target)) {
      this.#readFallback(read, 'ORIGIN', allFailed(admitted, target))
      return
    }
    if (origin instanceof KVError || target instanceof KVError) {
      this.#answer(read, origin instanceof KVError ? origin : target, decision.side)
      return
    }
    const rows = new Array<RowOutcome>(admitted.request.rowKeys.length).fill(null)
    for (const [place, position] of parts.ORIGIN.entries()) rows[position] = origin.rows[place] ?? null
    for (const [place, position] of parts.TARGET.entries()) rows[position] = target.rows[place] ?? null
    this.#answer(read, { rows, datasetVersion: target.datasetVersion }, decision.side)
    if (!read.isShadowed) return
    this.#offer(partOfRead(admitted, parts.ORIGIN), 'ORIGIN', origin, decision)
    this.#offer(partOfRead(admitted, parts.TARGET), 'TARGET', target, decision)
  }

  #answer(read: Read, outcome: ReadResult | KVError, side: Side): void {
    const { admitted, decision, startedAtMs, isShadowed, done } = read
    const { clock, flights } = this.#options
    const { dataset, rowKeys, context } = admitted.request
    if (outcome instanceof KVError) done(outcome)
    else done({ rows: outcome.rows, datasetVersion: outcome.datasetVersion, side })
    const flight = {
      ...{ dataset, api: context.api, caller: context.caller, decision, isShadowed },
      keys: rowKeys.length,
      key: rowKeys[0] ?? null,
      hasFallenBack: side !== decision.side,
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
    // Nobody's data is wrong because a side could not answer; the figures of the side say so.
    if (hasFailed(outcome)) return
    const { watch, shadow, draw } = this.#options
    const isBaseline = baselineShare > 0 && draw() * WHOLE_SHARE < baselineShare
    shadow.offer({ watch: watch.of(admitted.entry.record), admitted, answeredBy, outcome, isBaseline })
  }

  /** Pinned reads and later pages take no part: the other side has no such version, or no such page. */
  #isDrawn({ shadowShare }: ReadDecision, { request }: AdmittedRead): boolean {
    if (shadowShare === 0 || request.datasetVersion !== null || request.position !== null) return false
    return shadowShare >= WHOLE_SHARE || this.#options.draw() * WHOLE_SHARE < shadowShare
  }

  #isLate({ request }: AdmittedRead): boolean {
    return request.context.deadline <= this.#options.clock.monotonicMs()
  }
}

/** Whether the origin's answer says that it is of another version. Most origins say nothing. */
function differ(origin: ReadResult | KVError, target: ReadResult | KVError): boolean {
  if (origin instanceof KVError || target instanceof KVError || origin.datasetVersion === null) return false
  return origin.datasetVersion !== target.datasetVersion
}

/** What is answered where the other side cannot answer all keys either. */
function allFailed({ request }: AdmittedRead, outcome: ReadResult | KVError): KVError {
  if (outcome instanceof KVError) return outcome
  for (const row of outcome.rows) if (row instanceof KVError) return row
  return new KVError('UNAVAILABLE', `the sides of dataset ${request.dataset} serve different versions`, {
    dataset: request.dataset,
  })
}

function gone({ request }: AdmittedRead): KVError {
  return new KVError('DATASET_NOT_FOUND', `dataset ${request.dataset} was removed while it was read`)
}
