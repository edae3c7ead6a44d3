/**
 * Loads of a migrating dataset go to both sides. The side that answers reads takes a load first, and its answer is the
 * uploader's; the other side then owes it until it has taken it, too.
 *
 * What is owed is in the dataset's record before the uploader hears of success, so that it outlives this process: it is
 * tried again with growing pauses, now and after a restart, and no migration goes on while something is owed. A newer load
 * that a side took makes the older ones that it owes pointless.
 *
 * | state | first, and answers | then, owed |
 * |---|---|---|
 * | ORIGIN_ONLY, ABORTING | origin | - |
 * | ARMING, VERIFY, RAMP | origin | target |
 * | TARGET_PRIMARY | target | origin |
 * | TARGET_ONLY, RETIRED, no origin | target | - |
 */
import type { Clock, StartTimer } from '../base/clock.js'
import { KVError, toKVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import type { ChangeContext, DatasetRecord } from '../model/dataset.js'
import type { Metastore } from '../model/metastore.js'
import type { MigrationState, OwedLoad, Side } from '../model/migration.js'
import type { MigrationPatch } from '../model/migration-plan.js'
import { migrationOf } from './guard-rules.js'

/** A load as any side takes it. */
export interface ForwardedLoad {
  readonly dataset: string
  /** Null: the target gives it one, and the origin has none. */
  readonly versionId: number | null
  /** What is loaded; the same on both sides. */
  readonly source: string
  /** All that loads it, as JSON. */
  readonly request: string
  readonly actor: string
}

/** Resolves when the side serves the load. Repeating a load that it serves already is nothing. */
export type TakeLoad = (load: ForwardedLoad) => Promise<void>

export interface DoubleLoadOptions {
  readonly metastore: Pick<Metastore, 'get' | 'list' | 'migrate'>
  readonly clock: Clock
  readonly startTimer: StartTimer
  readonly logger: Logger
  /** First pause before an owed load is tried again. */
  readonly owedRetryMs: number
  /** Makes the dataset where there is none. */
  readonly loadTarget: TakeLoad
  /** Null: loads of this dataset's origin cannot be forwarded. */
  readonly originLoader: (record: DatasetRecord) => TakeLoad | null
  /** Whether it says that an origin did not begin a load; whatever else went wrong, it may have taken it all the same. */
  readonly isRefusal: (error: unknown) => boolean
}

interface Order {
  readonly first: Side
  readonly second: Side | null
}

const ORDERS: Readonly<Record<MigrationState, Order>> = {
  ORIGIN_ONLY: { first: 'ORIGIN', second: null },
  ABORTING: { first: 'ORIGIN', second: null },
  ARMING: { first: 'ORIGIN', second: 'TARGET' },
  VERIFY: { first: 'ORIGIN', second: 'TARGET' },
  RAMP: { first: 'ORIGIN', second: 'TARGET' },
  TARGET_PRIMARY: { first: 'TARGET', second: 'ORIGIN' },
  TARGET_ONLY: { first: 'TARGET', second: null },
  RETIRED: { first: 'TARGET', second: null },
}

const OWN_ACTOR = 'godwit'

interface Debt {
  /** When it is tried again; monotonic. */
  dueAtMs: number
  isTrying: boolean
}

export class DoubleLoad {
  readonly #options: DoubleLoadOptions
  /** By dataset and source: calls for the same load join it. */
  readonly #running = new Map<string, Promise<void>>()
  /** By dataset: its newest owed load of a side is tried, one at a time. */
  readonly #debts = new Map<string, Debt>()
  #cancelTimer: () => void = () => undefined
  #isClosed = false

  constructor(options: DoubleLoadOptions) {
    this.#options = options
  }

  /** Goes on with what is owed, now and every so often. */
  start(): void {
    this.#tryDue()
  }

  /** What is under way goes on by itself, or with the next start. */
  close(): void {
    this.#isClosed = true
    this.#cancelTimer()
  }

  /** Whether loads of this dataset go to an origin; otherwise `load` only calls the target. */
  isDoubled(dataset: string): boolean {
    const record = this.#options.metastore.get(dataset)
    if (record === null) return false
    const { first, second } = this.#orderOf(record)
    return first === 'ORIGIN' || second === 'ORIGIN'
  }

  /**
   * Resolves when the side that answers reads serves it.
   * @throws {KVError} what that side refused it with; UNAVAILABLE (no controller), QUOTA_EXCEEDED (owes too much)
   */
  load(load: ForwardedLoad): Promise<void> {
    const key = `${load.dataset}\n${load.source}`
    const running = this.#running.get(key)
    if (running !== undefined) return running
    const begun = this.#load(load).finally(() => this.#running.delete(key))
    this.#running.set(key, begun)
    return begun
  }

  async #load(load: ForwardedLoad): Promise<void> {
    const record = this.#options.metastore.get(load.dataset)
    const { first, second } = record === null ? ORDERS.TARGET_ONLY : this.#orderOf(record)
    await this.#takeKnown(first, load, record)
    if (record === null || record.origin === null) return
    await this.#note(record, load, { first, second })
    if (second !== null) this.#tryDue()
  }

  #orderOf(record: DatasetRecord): Order {
    const order = record.origin === null ? ORDERS.TARGET_ONLY : ORDERS[record.migrationState]
    // Without a controller both sides are loaded by hand; the plan to ARMING says so.
    return this.#options.originLoader(record) === null ? ORDERS.TARGET_ONLY : order
  }

  async #take(side: Side, load: ForwardedLoad, record: DatasetRecord | null): Promise<void> {
    const { loadTarget, originLoader } = this.#options
    if (side === 'TARGET') return loadTarget(load)
    const take = record === null ? null : originLoader(record)
    if (take !== null) return take(load)
    throw new KVError('UNAVAILABLE', `the origin of ${load.dataset} has no controller to load it`, {
      dataset: load.dataset,
    })
  }

  /**
   * As `#take`. An origin swaps before it says so, and a read of several keys may have both sides while they are known to
   * serve one version: before the origin is asked, nobody knows that any more. What it refuses outright changes nothing.
   */
  async #takeKnown(side: Side, load: ForwardedLoad, record: DatasetRecord | null): Promise<void> {
    if (side === 'TARGET' || record === null) return this.#take(side, load, record)
    const before = migrationOf(record).originVersion
    if (before === null || before.versionId === load.versionId) return this.#take(side, load, record)
    const reason = `ORIGIN is asked to load ${load.source}`
    await this.#change(record, reason, () => ({ originVersion: null }))
    try {
      await this.#take(side, load, record)
    } catch (thrown) {
      if (this.#options.isRefusal(thrown)) {
        await this.#change(record, `ORIGIN refused ${load.source}`, (now) =>
          migrationOf(now).originVersion === null ? { originVersion: before } : {},
        )
      }
      throw thrown
    }
  }

  /** The first side has it: what the other one owes is written down before anybody hears of it. */
  async #note(record: DatasetRecord, load: ForwardedLoad, { first, second }: Order): Promise<void> {
    await this.#change(record, `${first} took ${load.source}`, (now) => {
      const taken = this.#afterTaken(now, first, { load, hasOriginTaken: first === 'ORIGIN' })
      if (second === null) return taken
      const owed: OwedLoad = {
        side: second,
        versionId: load.versionId ?? this.#options.clock.nowMs(),
        source: load.source,
        request: load.request,
        attempts: 0,
        error: 'not tried yet',
      }
      const others = (taken.owed ?? []).filter(
        ({ side, source }) => side !== second || source !== load.source,
      )
      return { ...taken, owed: [...withRoom(others, second), owed] }
    })
  }

  /** What a side owes from before a load that it took is owed no more; from then on the origin's version is known. */
  #afterTaken(
    now: DatasetRecord,
    side: Side,
    { load, hasOriginTaken }: { readonly load: ForwardedLoad; readonly hasOriginTaken: boolean },
  ): MigrationPatch {
    const { owed, originVersion } = migrationOf(now)
    const at = owed.findIndex((one) => one.side === side && one.source === load.source)
    // One that is not owed is newer than all that are.
    const left = owed.filter((one, index) => one.side !== side || (at !== -1 && index > at))
    // The state may have changed since the load began: what the target took first, the origin has not.
    const doesOriginHaveIt = hasOriginTaken && (side === 'ORIGIN' || this.#orderOf(now).first === 'ORIGIN')
    if (!doesOriginHaveIt) return { owed: left }
    // The target's version of a source has its id; until there is one, a source without an id leaves the origin's unknown.
    const versionId = now.versions.find(({ source }) => source === load.source)?.id ?? load.versionId
    // It has been there since it took it, and not since the target did.
    if (side === 'TARGET' && versionId !== null && originVersion?.versionId === versionId)
      return { owed: left }
    const takenAtMs = this.#options.clock.nowMs()
    return { owed: left, originVersion: versionId === null ? null : { versionId, takenAtMs } }
  }

  #tryDue(): void {
    if (this.#isClosed) return
    const { metastore, clock, startTimer } = this.#options
    this.#cancelTimer()
    const nowMs = clock.monotonicMs()
    let nextMs: number = limits.maxOwedRetryMs
    const owing = metastore.list().filter((record) => migrationOf(record).owed.length > 0)
    for (const name of this.#debts.keys()) {
      if (!owing.some((record) => record.name === name)) this.#debts.delete(name)
    }
    for (const record of owing) {
      const debt = this.#debts.get(record.name) ?? { dueAtMs: nowMs, isTrying: false }
      this.#debts.set(record.name, debt)
      if (debt.isTrying) continue
      if (debt.dueAtMs <= nowMs) void this.#try(record, debt)
      else nextMs = Math.min(nextMs, debt.dueAtMs - nowMs)
    }
    this.#cancelTimer = startTimer(nextMs, () => this.#tryDue())
  }

  /** Never rejects. The newest of what is owed: the older ones go with it. */
  async #try(record: DatasetRecord, debt: Debt): Promise<void> {
    const { logger, clock, owedRetryMs } = this.#options
    const owed = migrationOf(record).owed.at(-1)
    if (owed === undefined) return
    debt.isTrying = true
    const load: ForwardedLoad = {
      dataset: record.name,
      versionId: owed.versionId,
      source: owed.source,
      request: owed.request,
      actor: OWN_ACTOR,
    }
    const fields = { dataset: record.name, side: owed.side, source: owed.source, version: owed.versionId }
    try {
      await this.#takeKnown(owed.side, load, record)
      await this.#change(record, `${owed.side} took ${owed.source}`, (now) =>
        // What the target owes, the origin has taken before.
        this.#afterTaken(now, owed.side, { load, hasOriginTaken: true }),
      )
      logger.info({ ...fields, attempts: owed.attempts + 1 }, 'an owed load is taken')
      debt.dueAtMs = clock.monotonicMs()
    } catch (thrown) {
      const error = toKVError(thrown, 'loading')
      const pauseMs = Math.min(limits.maxOwedRetryMs, owedRetryMs * 2 ** Math.min(owed.attempts, 30))
      logger.warn(
        { ...fields, attempts: owed.attempts + 1, pauseMs, err: error },
        'an owed load failed again',
      )
      debt.dueAtMs = clock.monotonicMs() + pauseMs
      await this.#noteFailure(record, owed, error)
    } finally {
      debt.isTrying = false
      this.#tryDue()
    }
  }

  async #noteFailure(record: DatasetRecord, owed: OwedLoad, error: KVError): Promise<void> {
    const isIt = (one: OwedLoad): boolean => one.side === owed.side && one.source === owed.source
    try {
      await this.#change(record, 'an owed load failed', (now) => ({
        owed: migrationOf(now).owed.map((one) =>
          isIt(one) ? { ...one, attempts: one.attempts + 1, error: error.message.slice(0, 500) } : one,
        ),
      }))
    } catch (thrown) {
      this.#options.logger.error(
        { dataset: record.name, err: thrown },
        'what an owed load failed with could not be noted',
      )
    }
  }

  /** Of a dataset that is gone meanwhile there is nothing to note, and another one of that name has not taken the load. */
  async #change(
    { name, id }: DatasetRecord,
    reason: string,
    patch: (now: DatasetRecord) => MigrationPatch,
  ): Promise<void> {
    const context: ChangeContext = {
      actor: OWN_ACTOR,
      reason: reason.slice(0, 1_000),
      ifRevision: null,
      isDryRun: false,
    }
    const decide = (now: DatasetRecord): MigrationPatch | null =>
      now.id !== id || now.origin === null ? null : patch(now)
    try {
      if (this.#options.metastore.get(name) !== null)
        await this.#options.metastore.migrate(name, decide, context)
    } catch (error) {
      if (!(error instanceof KVError) || error.code !== 'DATASET_NOT_FOUND') throw error
    }
  }
}

/** Only the newest of what a side owes is tried: the oldest makes room, so that no debt refuses the other side's load. */
function withRoom(owed: readonly OwedLoad[], side: Side): readonly OwedLoad[] {
  if (owed.length < limits.maxOwedLoads) return owed
  const oldest = owed.find((one) => one.side === side)
  return owed.filter((one) => one !== oldest)
}
