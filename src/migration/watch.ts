/**
 * What the gateway does about migrations by itself: it takes figures down, moves ramps on and back, and ends what is being
 * aborted. Everything follows from the records, so that it goes on after a restart wherever it was.
 *
 * A step back is one change of one record, which every thread has adopted when it resolves. With figures that are a second
 * old at most and a look a second, a breach is answered within three seconds. Datasets are looked at each for itself: one
 * whose change takes long is not looked at again before that has ended, and holds up no other one.
 */
import { KVError, toKVError } from '../base/errors.js'
import type { ChangeContext, DatasetRecord } from '../model/dataset.js'
import type { MigrationRamp } from '../model/migration.js'
import type { MigrationPatch } from '../model/migration-plan.js'
import { EvidenceBook, type RecentEvidence } from './evidence.js'
import { migrationOf } from './guard-rules.js'
import { type RampDecision, SETTLE_MS, decideRamp } from './ramp.js'
import type { MigrationWorld } from './world.js'

/** States of which figures are kept. */
const WATCHED: readonly DatasetRecord['migrationState'][] = [
  'VERIFY',
  'RAMP',
  'TARGET_PRIMARY',
  'TARGET_ONLY',
]

const OWN_ACTOR = 'godwit'

/** A step of a ramp as it was first seen: how old it was, and when that was by a clock that nobody sets. */
interface SeenStep {
  readonly step: string
  readonly ageMs: number
  readonly atMs: number
  /** What led to the step back from it is kept. */
  isDumped: boolean
}

export class MigrationWatcher {
  readonly #world: MigrationWorld
  readonly #book: EvidenceBook
  /** What a ramp waits for, by dataset; changes too often to be stored. */
  readonly #waiting = new Map<string, string>()
  readonly #failed = new Map<string, string>()
  #cancelTimer: () => void = () => undefined
  /** The last step of each ramp, by dataset. */
  readonly #steps = new Map<string, SeenStep>()
  /** Looks that are under way, by dataset. */
  readonly #looking = new Map<string, Promise<void>>()

  constructor(world: MigrationWorld) {
    this.#world = world
    this.#book = new EvidenceBook(world.clock)
  }

  /** Looks at once, and then every so often until `close`. */
  start(): void {
    this.#look()
  }

  /** Waits for the looks that are under way. */
  async close(): Promise<void> {
    this.#cancelTimer()
    await Promise.all(this.#looking.values())
  }

  /** All evidence until now. */
  evidence(record: DatasetRecord): RecentEvidence {
    const evidence = this.#book.note(record, this.#world.figures(record.name))
    return { ...evidence, recent: this.#book.recent(record.name, this.#world.settings.breachWindowMs) }
  }

  /** Empty: it waits for nothing but its time, or there is no ramp. */
  waitingFor(dataset: string): string {
    return this.#waiting.get(dataset) ?? ''
  }

  #look(): void {
    const { metastore, settings, startTimer } = this.#world
    const records = metastore.list()
    const watched = records.filter(({ migrationState }) => WATCHED.includes(migrationState))
    this.#book.keepOnly(new Set(watched.map(({ name }) => name)))
    const names = new Set(records.map(({ name }) => name))
    for (const notes of [this.#waiting, this.#failed, this.#steps]) {
      for (const name of notes.keys()) if (!names.has(name)) notes.delete(name)
    }
    for (const record of watched) this.#begin(record.name, () => this.#lookAt(record))
    for (const record of records) {
      if (record.migrationState === 'ABORTING') this.#begin(record.name, () => this.#endAbort(record))
    }
    this.#cancelTimer = startTimer(settings.watchEveryMs, () => this.#look())
  }

  /** Not while the last one of this dataset is under way: its change would be refused, or made twice. */
  #begin(name: string, act: () => Promise<void>): void {
    if (this.#looking.has(name)) return
    const look = this.#safely(name, act).finally(() => this.#looking.delete(name))
    this.#looking.set(name, look)
  }

  async #lookAt(record: DatasetRecord): Promise<void> {
    const evidence = this.evidence(record)
    const { ramp, dials } = migrationOf(record)
    if (record.migrationState !== 'RAMP' || ramp === null) {
      this.#waiting.delete(record.name)
      return
    }
    const { settings } = this.#world
    const waitedMs = this.#sinceLastStep(record, ramp)
    const hasGoneBack = ramp.state === 'BREACHED'
    // After a step back the figures of the first moments are those of before it.
    const sinceMs = hasGoneBack ? Math.max(0, waitedMs - SETTLE_MS) : waitedMs
    const ageMs = hasGoneBack ? sinceMs : waitedMs + Math.max(0, ramp.lastStepAtMs - ramp.startedAtMs)
    const decision = decideRamp({
      ramp,
      waitedMs,
      splitShare: dials.splitShare,
      shadowShare: dials.shadowShare,
      recent: this.#book.recent(record.name, Math.min(settings.breachWindowMs, ageMs)),
      sinceStep: this.#book.recent(record.name, sinceMs),
      originP99Ms: evidence.originP99Ms,
      settings,
    })
    await this.#act(record, ramp, decision)
  }

  /** By the wall only until it was seen here: who sets the clock neither stops a ramp nor makes its steps. */
  #sinceLastStep(record: DatasetRecord, ramp: MigrationRamp): number {
    const { ageMs, atMs } = this.#seenStep(record, ramp)
    return ageMs + this.#world.clock.monotonicMs() - atMs
  }

  #seenStep({ name, id }: DatasetRecord, { startedAtMs, lastStepAtMs }: MigrationRamp): SeenStep {
    const { clock } = this.#world
    const step = `${id} ${startedAtMs} ${lastStepAtMs}`
    const known = this.#steps.get(name)
    if (known?.step === step) return known
    const ageMs = Math.max(0, clock.nowMs() - lastStepAtMs)
    const seen = { step, ageMs, atMs: clock.monotonicMs(), isDumped: false }
    this.#steps.set(name, seen)
    return seen
  }

  async #act(record: DatasetRecord, ramp: MigrationRamp, decision: RampDecision): Promise<void> {
    const { logger, clock } = this.#world
    const { name } = record
    if (decision.kind === 'WAIT') {
      this.#waiting.set(name, decision.note)
      return
    }
    this.#waiting.delete(name)
    if (decision.kind === 'STEP') {
      const { splitShare, isLast } = decision
      const next: MigrationRamp = {
        ...ramp,
        lastStepAtMs: clock.nowMs(),
        state: isLast ? 'DONE' : 'RUNNING',
        note: isLast ? 'every step is made; switch on when all is well' : '',
      }
      await this.#change(
        record,
        { dials: { splitShare }, ramp: next },
        'the evidence since the last step passed',
      )
      return
    }
    const { splitShare, breach, note } = decision
    const next: MigrationRamp = { ...ramp, state: 'BREACHED', breach, note, lastStepAtMs: clock.nowMs() }
    const step = this.#seenStep(record, ramp)
    // Where the change cannot be stored it is tried again with each look; what led to it lies before the first.
    if (!step.isDumped) {
      step.isDumped = true
      logger.error({ dataset: name, note, splitShare }, 'a ramp goes back')
      this.#world.onBreach(name, note)
    }
    await this.#change(record, { dials: { splitShare }, ramp: next }, note)
  }

  /** Threads route to the origin alone since the abort; what is left to undo is what the record says. */
  async #endAbort(record: DatasetRecord): Promise<void> {
    await this.#change(record, { state: 'ORIGIN_ONLY' }, 'all that the migration began is undone')
  }

  /** Only while the record is as it was looked at: an operator's change in between is looked at first. */
  async #change(record: DatasetRecord, patch: MigrationPatch, reason: string): Promise<void> {
    const context: ChangeContext = {
      actor: OWN_ACTOR,
      reason: reason.slice(0, 1_000),
      ifRevision: record.revision,
      isDryRun: false,
    }
    try {
      await this.#world.metastore.migrate(record.name, patch, context)
    } catch (error) {
      if (error instanceof KVError && (error.code === 'CONFLICT' || error.code === 'DATASET_NOT_FOUND'))
        return
      throw error
    }
  }

  /** A failure is tried again with the next look, and logged once. */
  async #safely(name: string, act: () => Promise<void>): Promise<void> {
    try {
      await act()
      this.#failed.delete(name)
    } catch (thrown) {
      const error = toKVError(thrown, `looking at the migration of ${name}`)
      if (this.#failed.get(name) === error.message) return
      this.#failed.set(name, error.message)
      this.#world.logger.error(
        { dataset: name, err: error },
        'a migration could not be looked at; it is tried again',
      )
    }
  }
}
