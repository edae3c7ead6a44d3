/** A dataset with two sides in memory, with timers and steps of the event loop that pass when the test says so. */
import { KVError } from '../../../src/base/errors.js'
import { admitRead } from '../../../src/kvstore/admit.js'
import type { Backend } from '../../../src/model/backend.js'
import type { DatasetEntry } from '../../../src/model/cluster-map.js'
import type { DatasetRecord } from '../../../src/model/dataset.js'
import type { Difference } from '../../../src/model/difference.js'
import { NO_DIALS, NO_MIGRATION, type MigrationDials, type Side } from '../../../src/model/migration.js'
import type { ReadPlan } from '../../../src/model/plan.js'
import type { ReadRequest, ReadResult } from '../../../src/model/request.js'
import type { RowOutcome } from '../../../src/model/row.js'
import { WHOLE_VIEW, type WireView } from '../../../src/routing/compare.js'
import { type Routing, createRouting } from '../../../src/routing/routing.js'
import type { ShadowBounds } from '../../../src/routing/shadow-read.js'
import type { GuardedRoles, GuardedSide } from '../../../src/routing/sides.js'
import { cell, datasetEntry, mapOf, readRequest, servedVersion } from '../../support/datasets.js'
import { FakeTimers } from '../../support/fake-timers.js'

export const VERSION = 2_000
export const BEFORE = 1_000

/** The same backend in both roles; its breaker is open, and its bulkhead full, while `state` says so. */
export function guardedRoles(backend: Backend, state: GuardState = CLOSED): GuardedRoles {
  const side: GuardedSide = {
    get isOpen() {
      return state.isOpen
    },
    get isFull() {
      return state.isFull
    },
    name: backend.name,
    read: (plan, done) => backend.read(plan, done),
    scan: (plan, done) => backend.scan(plan, done),
    mutate: (plan, done) => backend.mutate(plan, done),
    close: () => backend.close(),
  }
  return { primary: side, shadow: side }
}

type GuardState = Pick<GuardedSide, 'isOpen' | 'isFull'>

const CLOSED = { isOpen: false, isFull: false }

export type Answer = ReadResult | KVError

/** What a side does with a read; null: never answers. */
export type Behaviour = (plan: ReadPlan, side: Side) => Answer | null

export interface WorldOptions {
  readonly view?: WireView
  readonly bounds?: ShadowBounds
}

/** Both sides answer `value of <key>` until told otherwise. */
export class TwoSides {
  readonly timers = new FakeTimers()
  readonly differences: Difference[] = []
  readonly asked: Side[] = []
  /** Answers the reads that nothing was answered to. */
  readonly held: ((answer: Answer) => void)[] = []
  readonly guard = { isOpen: false, isFull: false }
  readonly routing: Routing
  isBusy = false
  standInAfterMs = 0
  /** What the origin answers scans with; null: well. */
  scanFailure: KVError | null = null
  draws = 0
  wallMs = 1_000_000
  entry: DatasetEntry
  behaviours: Record<Side, Behaviour> = { ORIGIN: rowsOf(null), TARGET: rowsOf(VERSION) }
  #deferred: (() => void)[] = []

  constructor(record: Partial<DatasetRecord>, options: WorldOptions = {}) {
    this.entry = entryWith(record)
    const clock = {
      nowUs: () => BigInt(this.wallMs) * 1_000n,
      nowMs: () => this.wallMs,
      monotonicMs: () => this.timers.nowMs,
    }
    this.routing = createRouting({
      clock,
      startTimer: this.timers.start,
      leafTier: this.#backend('TARGET'),
      origins: new Map([['west', guardedRoles(this.#backend('ORIGIN'), this.guard)]]),
      entryOf: (name) => (name === this.entry.record.name ? this.entry : undefined),
      viewOf: () => options.view ?? WHOLE_VIEW,
      digest: (value) => `digest of ${value.toString()}`,
      report: (difference) => this.differences.push(difference),
      isBusy: () => this.isBusy,
      standInAfterMs: () => this.standInAfterMs,
      defer: (run) => this.#deferred.push(run),
      draw: () => this.draws,
      ...(options.bounds !== undefined && { shadowBounds: options.bounds }),
    })
  }

  /** Reads as hop 3 would; undefined while nothing was answered. */
  read(keys: readonly string[], changes: Partial<ReadRequest> = {}): { answer: Answer | undefined } {
    const clock = {
      nowUs: () => 0n,
      nowMs: () => this.wallMs,
      monotonicMs: () => this.timers.nowMs,
    }
    const admitted = admitRead(readRequest(keys, changes), mapOf(this.entry), clock)
    const plan = this.routing.router.planRead(admitted)
    const got: { answer: Answer | undefined } = { answer: undefined }
    plan.backend.read(plan, (answer) => (got.answer = answer))
    return got
  }

  /** The next step of the event loop. */
  step(): void {
    const deferred = this.#deferred
    this.#deferred = []
    for (const run of deferred) run()
  }

  get shadow() {
    return this.routing.watch.of(this.entry.record).shadow
  }

  #backend(side: Side): Backend {
    return {
      name: side,
      read: (plan, done) => {
        this.asked.push(side)
        const answer = this.behaviours[side](plan, side)
        if (answer !== null) done(answer)
        else this.held.push(done)
      },
      scan: (plan, done) => {
        this.asked.push(side)
        if (side === 'ORIGIN' && this.scanFailure !== null) done(this.scanFailure)
        else done({ rows: [], next: null, datasetVersion: plan.version?.id ?? null })
      },
      mutate: (_plan, done) => done(new KVError('READ_ONLY', 'no writes here')),
      close: () => Promise.resolve(),
    }
  }
}

/** Answers each key with its value, or with what `others` says: null for a missing row. */
export function rowsOf(version: number | null, others: Record<string, string | null> = {}): Behaviour {
  return ({ admitted }) => ({
    rows: admitted.request.rowKeys.map((key) => rowOf(key.toString(), others)),
    datasetVersion: version,
  })
}

export function rowOf(key: string, others: Record<string, string | null> = {}): RowOutcome {
  const value = key in others ? others[key] : `value of ${key}`
  return value == null ? null : { cells: [cell('', value)], next: null }
}

export function entryWith(record: Partial<DatasetRecord>): DatasetEntry {
  const versions = [servedVersion(VERSION, 1), servedVersion(BEFORE, 2)]
  return datasetEntry(
    { mode: 'BATCH', origin: 'west', ...record },
    { versions, current: versions[0] ?? null },
  )
}

/** Both sides serve VERSION, and have for long. */
export function migrating(
  migrationState: DatasetRecord['migrationState'],
  dials: Partial<MigrationDials> = {},
): Partial<DatasetRecord> {
  const migration = {
    ...NO_MIGRATION,
    dials: { ...NO_DIALS, ...dials },
    originVersion: { versionId: VERSION, takenAtMs: 0 },
  }
  return { migrationState, migration }
}
