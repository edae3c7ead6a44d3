/**
 * A migration with a real metastore over a store in memory, a clock and timers that are stepped by hand, and figures that
 * the test makes up.
 */
import assert from 'node:assert/strict'
import { silentLogger } from '../../../src/base/logger.js'
import { openMetastore } from '../../../src/kvsm/metastore.js'
import { MigrationControl } from '../../../src/migration/control.js'
import type { CallerUsage, OriginFacts, TargetFacts } from '../../../src/migration/facts.js'
import type { MigrationSettings } from '../../../src/migration/settings.js'
import { MigrationWatcher } from '../../../src/migration/watch.js'
import type { MigrationWorld } from '../../../src/migration/world.js'
import type { ChangeContext, DatasetRecord } from '../../../src/model/dataset.js'
import type { DatasetDraft, Metastore } from '../../../src/model/metastore.js'
import { NO_SHADOWS, type ShadowFigures } from '../../../src/model/difference.js'
import type { MigrationFigures, MigrationState, SideFigures } from '../../../src/model/migration.js'
import { FakeTimers } from '../../support/fake-timers.js'
import { CHANGE, FIGURES, START_MS, batchDraft, manualClock, type ManualClock } from '../kvsm/fixtures.js'
import { MemoryStore } from '../kvsm/memory-store.js'

export const SETTINGS: MigrationSettings = {
  minComparisons: 1_000,
  minRequests: 1_000,
  maxMismatchShare: 0.001,
  maxUnstableShare: 0.001,
  maxLostShare: 0.2,
  maxErrorShare: 0.01,
  maxLatencyRatio: 1.5,
  latencySlackMs: 2,
  soakMs: 3_600_000,
  breachWindowMs: 10_000,
  watchEveryMs: 1_000,
  owedRetryMs: 5_000,
}

export const ORIGIN: OriginFacts = {
  name: 'west',
  api: 'terrapin',
  addresses: ['10.0.0.1:9010'],
  controller: '10.0.0.2:9090',
  problem: null,
  controllerProblem: null,
  datasetProblem: null,
  settings: { deadlineMs: 1_000, hedgeAfterMs: 0, standInAfterMs: 100, retryPercent: 10 },
}

export const TARGET: TargetFacts = {
  clusterProblem: null,
  problems: [],
  wantedCopies: 0,
  confirmedCopies: 0,
  load: null,
  ownAddresses: ['127.0.0.1:9010', '127.0.0.1:7300'],
}

type Counts = { -readonly [Field in keyof ShadowFigures]: number }
type Side = { -readonly [Field in keyof SideFigures]: SideFigures[Field] }

/** What the threads would have counted; tests add to it. */
export class FakeFigures {
  readonly origin: Side = { requests: 0, errors: 0, p50Ms: 1, p99Ms: 4, isBreakerOpen: false }
  readonly target: Side = { requests: 0, errors: 0, p50Ms: 1, p99Ms: 4, isBreakerOpen: false }
  readonly shadow: Counts = { ...NO_SHADOWS }

  matched(count: number): void {
    this.shadow.sent += count
    this.shadow.matched += count
  }

  mismatched(count: number): void {
    this.shadow.sent += count
    this.shadow.mismatched += count
  }

  answered(count: number, failed = 0): void {
    this.target.requests += count
    this.target.errors += failed
  }

  of(dataset: string): MigrationFigures {
    return { dataset, origin: { ...this.origin }, target: { ...this.target }, shadow: { ...this.shadow } }
  }
}

export interface World {
  readonly store: MemoryStore
  readonly clock: SteppedClock
  readonly timers: FakeTimers
  readonly metastore: Metastore
  readonly figures: FakeFigures
  readonly breaches: string[]
  /** Changes that the parts ask for wait for these, by dataset. */
  readonly held: Map<string, Promise<unknown>>
  /** What the parts wait for passes here first. */
  onAwait: (what: string) => Promise<void>
  /** Datasets that the parts asked to change, in order. */
  readonly asked: string[]
  /** The parts, as after a restart: what they remember in memory is gone, and the figures begin anew. */
  readonly control: MigrationControl
  readonly watcher: MigrationWatcher
  origin: OriginFacts | null
  target: TargetFacts
  usage: CallerUsage | null
  settings: MigrationSettings
  record(): DatasetRecord
  /** Steps clock and timers, a second at a time, with `each` before every look. */
  seconds(count: number, each?: () => void): Promise<void>
}

export const BY = { change: CHANGE, isForced: false }
export const DRY: ChangeContext = { ...CHANGE, isDryRun: true }

/** `cities` of origin `west` in ORIGIN_ONLY, with two versions, the newer one current. */
export async function migrationWorld(
  store = new MemoryStore(),
  draft: Partial<DatasetDraft> = {},
): Promise<World> {
  const clock = steppedClock()
  const metastore = await openMetastore(store, clock, silentLogger)
  if (metastore.get('cities') === null) await makeCities(metastore, draft)
  const timers = new FakeTimers()
  const figures = new FakeFigures()
  const breaches: string[] = []
  const held = new Map<string, Promise<unknown>>()
  const asked: string[] = []
  const parts: Pick<World, 'origin' | 'target' | 'usage' | 'settings' | 'onAwait'> = {
    onAwait: () => Promise.resolve(),
    origin: ORIGIN,
    target: TARGET,
    usage: null,
    settings: SETTINGS,
  }
  const world: MigrationWorld = {
    metastore: {
      get: (name) => metastore.get(name),
      list: () => metastore.list(),
      migrate: async (name, patch, change) => {
        asked.push(name)
        await parts.onAwait('change')
        await held.get(name)
        return metastore.migrate(name, patch, change)
      },
    },
    get settings() {
      return parts.settings
    },
    clock,
    startTimer: timers.start,
    logger: silentLogger,
    figures: (dataset) => figures.of(dataset),
    origin: async () => {
      await parts.onAwait('origin')
      return parts.origin
    },
    target: () => parts.target,
    usage: () => Promise.resolve(parts.usage),
    onBreach: (dataset, note) => void breaches.push(`${dataset}: ${note}`),
  }
  const watcher = new MigrationWatcher(world)
  const control = new MigrationControl(world, watcher)
  return Object.assign(parts, {
    store,
    clock,
    timers,
    metastore,
    figures,
    breaches,
    held,
    asked,
    control,
    watcher,
    record: () => metastore.get('cities') ?? assert.fail('cities is gone'),
    seconds: async (count: number, each = (): void => undefined) => {
      for (let second = 0; second < count; second += 1) {
        each()
        clock.ms += 1_000
        clock.monotonic += 1_000
        timers.advance(1_000)
        await settled()
      }
    },
  })
}

async function makeCities(metastore: Metastore, draft: Partial<DatasetDraft>): Promise<void> {
  const whole = batchDraft('cities', { migrationState: 'ORIGIN_ONLY', origin: 'west', ...draft })
  await metastore.createDataset(whole, CHANGE)
  for (const id of [START_MS, START_MS + 1]) {
    await metastore.beginVersion('cities', 'a.hfile', CHANGE)
    await metastore.completeVersion('cities', id, FIGURES, CHANGE)
    await metastore.publish('cities', id, CHANGE)
  }
}

export interface SteppedClock extends ManualClock {
  monotonic: number
}

function steppedClock(): SteppedClock {
  return Object.assign(manualClock(), {
    monotonic: 0,
    monotonicMs(this: { monotonic: number }) {
      return this.monotonic
    },
  })
}

/** Lets everything run that waits for promises alone. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** To that state by records alone, without guards, with the origin on the current version. */
export async function inState(world: World, state: MigrationState): Promise<void> {
  const path: readonly MigrationState[] = ['ARMING', 'VERIFY', 'RAMP', 'TARGET_PRIMARY', 'TARGET_ONLY']
  for (const next of path.slice(0, path.indexOf(state) + 1)) {
    await world.metastore.migrate('cities', { state: next }, CHANGE)
    if (next !== 'ARMING') continue
    const originVersion = { versionId: START_MS + 1, takenAtMs: START_MS }
    await world.metastore.migrate('cities', { originVersion }, CHANGE)
  }
}
