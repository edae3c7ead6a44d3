/**
 * What operators do with migrations: look, plan, dial, move, ramp. Guards are checked on the record that the change is then
 * made of, by its revision, so that nothing can come between; a change counts as done when every thread routes by it.
 */
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { ChangeContext, DatasetRecord } from '../model/dataset.js'
import {
  type MigrationDials,
  type MigrationRamp,
  type OriginVersion,
  WHOLE_SHARE,
} from '../model/migration.js'
import { MIGRATION_MOVES } from '../model/migration-plan.js'
import type {
  MigrationMove,
  MigrationOutcome,
  MigrationPatch,
  MigrationPlan,
  MigrationReport,
} from '../model/migration-plan.js'
import type { MigrationFacts } from './facts.js'
import { migrationOf } from './guard-rules.js'
import { forcedNames, planAll, planDials, planMove, planOriginVersion, planRamp } from './plan.js'
import { requireAllowed } from './plan.js'
import type { MigrationWatcher } from './watch.js'
import type { MigrationWorld } from './world.js'

/** Moves that operators make; the gateway itself makes the others. */
export type OperatorMove = Exclude<MigrationMove, 'end'>

export interface RampWish {
  readonly toShare: number
  readonly stepShare: number
  readonly everyMs: number
}

interface Step {
  readonly plan: MigrationPlan
  readonly patch: MigrationPatch
  readonly change: ChangeContext
}

export class MigrationControl {
  readonly #world: MigrationWorld
  readonly #watcher: MigrationWatcher

  constructor(world: MigrationWorld, watcher: MigrationWatcher) {
    this.#world = world
    this.#watcher = watcher
  }

  /** @throws {KVError} DATASET_NOT_FOUND */
  async report(name: string): Promise<MigrationReport> {
    const facts = await this.#facts(this.#record(name))
    const { record, evidence } = facts
    const migration = migrationOf(record)
    const waiting = this.#watcher.waitingFor(name)
    const ramp =
      migration.ramp === null || waiting === '' ? migration.ramp : { ...migration.ramp, note: waiting }
    return {
      dataset: name,
      revision: record.revision,
      state: record.migrationState,
      origin: record.origin,
      currentVersion: record.versions.find(({ state }) => state === 'CURRENT')?.id ?? null,
      migration: { ...migration, ramp },
      figures: evidence.figures,
      evidenceSinceMs: evidence.sinceMs,
      plans: planAll(facts),
    }
  }

  /** @throws {KVError} DATASET_NOT_FOUND, FAILED_PRECONDITION (no such move, a guard failed), CONFLICT */
  async move(name: string, move: OperatorMove, by: Forced): Promise<MigrationOutcome> {
    const facts = await this.#facts(this.#record(name))
    const plan = planMove(move, facts, by.isForced)
    const state = MIGRATION_MOVES[plan.from][move]
    return this.#take({ plan, patch: state === undefined ? {} : { state }, change: by.change }, facts.record)
  }

  /** @throws {KVError} as `move` does; INVALID_ARGUMENT */
  async dial(name: string, dials: Partial<MigrationDials>, by: Forced): Promise<MigrationOutcome> {
    const record = this.#record(name)
    if (Object.keys(dials).length === 0) {
      throw new KVError('INVALID_ARGUMENT', `no dial of ${name} is named: say which share is to change`, {
        dataset: name,
      })
    }
    const facts = await this.#facts(record)
    return this.#take(
      { plan: planDials(facts, dials, by.isForced), patch: { dials }, change: by.change },
      facts.record,
    )
  }

  /** @throws {KVError} as `move` does; INVALID_ARGUMENT */
  async startRamp(name: string, wish: RampWish, by: Forced): Promise<MigrationOutcome> {
    const facts = await this.#facts(this.#record(name))
    const { record, nowMs } = facts
    const { splitShare } = migrationOf(record).dials
    if (record.migrationState !== 'RAMP') {
      throw new KVError(
        'FAILED_PRECONDITION',
        `dataset ${name} is ${record.migrationState}: a ramp runs in RAMP, so switch there first`,
        { dataset: name },
      )
    }
    if (wish.toShare <= splitShare || wish.toShare > WHOLE_SHARE) {
      throw new KVError(
        'INVALID_ARGUMENT',
        `the ramp of ${name} must lead from ${splitShare / 100} % upwards, to 100 % at most: dial it back with split`,
        { dataset: name },
      )
    }
    const ramp: MigrationRamp = {
      ...wish,
      fromShare: splitShare,
      startedAtMs: nowMs,
      lastStepAtMs: nowMs,
      startedBy: by.change.actor,
      state: 'RUNNING',
      note: '',
    }
    return this.#take(
      { plan: planRamp(facts, ramp, by.isForced), patch: { ramp }, change: by.change },
      record,
    )
  }

  /** The split stays where it is. @throws {KVError} FAILED_PRECONDITION when there is no ramp */
  async stopRamp(name: string, by: Forced): Promise<MigrationOutcome> {
    const facts = await this.#facts(this.#record(name))
    const { ramp } = migrationOf(facts.record)
    if (ramp === null) {
      throw new KVError('FAILED_PRECONDITION', `dataset ${name} has no ramp to end`, { dataset: name })
    }
    const plan = { ...planDials(facts, {}, by.isForced), change: 'the ramp ends, the split stays' }
    return this.#take({ plan, patch: { ramp: null }, change: by.change }, facts.record)
  }

  /** What the origin serves, where no load through the gateway says so; null: not known. */
  async setOriginVersion(name: string, versionId: number | null, by: Forced): Promise<MigrationOutcome> {
    const facts = await this.#facts(this.#record(name))
    const { migrationState: state } = facts.record
    if (state === 'ORIGIN_ONLY' || state === 'ABORTING') {
      throw new KVError(
        'FAILED_PRECONDITION',
        `the origin's version of ${name} has no effect in ${state}: ${state === 'ABORTING' ? 'wait until that has ended, then ' : ''}switch to ARMING first`,
        { dataset: name },
      )
    }
    // Who says that it serves it, says that no swap is under way.
    const originVersion: OriginVersion | null = versionId === null ? null : { versionId, takenAtMs: 0 }
    const plan = planOriginVersion(facts, versionId, by.isForced)
    return this.#take({ plan, patch: { originVersion }, change: by.change }, facts.record)
  }

  async #take({ plan, patch, change }: Step, record: DatasetRecord): Promise<MigrationOutcome> {
    if (!change.isDryRun) requireAllowed(plan)
    const forced = forcedNames(plan)
    const noted = forced.length === 0 ? patch : { ...patch, note: `forced past: ${forced.join(', ')}` }
    // The guards were checked on that revision; whoever asked for another one is told so.
    const ifRevision = change.ifRevision ?? record.revision
    const begunMs = this.#world.clock.monotonicMs()
    const changing = this.#world.metastore.migrate(record.name, noted, { ...change, ifRevision })
    if (change.isDryRun) return { plan, dataset: await changing, adoptedAfterMs: null }
    const dataset = await this.#adopted(changing, record)
    if (dataset !== null) {
      return { plan, dataset, adoptedAfterMs: this.#world.clock.monotonicMs() - begunMs }
    }
    this.#world.logger.error(
      { dataset: record.name, change: plan.change },
      'a change of a migration is stored, and some threads do not route by it yet',
    )
    return { plan, dataset: this.#record(record.name), adoptedAfterMs: null }
  }

  /** Null: stored, but not adopted by every thread in time. @throws {KVError} what the change was refused with */
  async #adopted(
    changing: Promise<DatasetRecord>,
    { name, revision }: DatasetRecord,
  ): Promise<DatasetRecord | null> {
    let cancel = (): void => undefined
    const late = new Promise<null>((resolve) => {
      cancel = this.#world.startTimer(limits.migrationAdoptionMs, () => {
        resolve(null)
      })
    })
    try {
      const dataset = await Promise.race([changing, late])
      if (dataset !== null) return dataset
    } finally {
      cancel()
    }
    // One that still waits for its turn may yet be refused.
    return this.#record(name).revision === revision ? await changing : null
  }

  async #facts(record: DatasetRecord): Promise<MigrationFacts> {
    const { settings, clock } = this.#world
    const [origin, usage] = await Promise.all([this.#world.origin(record), this.#world.usage(record.name)])
    return {
      record,
      origin,
      usage,
      target: this.#world.target(record),
      evidence: this.#watcher.evidence(record),
      settings,
      nowMs: clock.nowMs(),
    }
  }

  #record(name: string): DatasetRecord {
    const record = this.#world.metastore.get(name)
    if (record !== null) return record
    throw new KVError('DATASET_NOT_FOUND', `there is no dataset ${name}: list the datasets for its name`, {
      dataset: name,
    })
  }
}

/** Who asks for a change, and whether past guards that may be forced. */
export interface Forced {
  readonly change: ChangeContext
  readonly isForced: boolean
}
