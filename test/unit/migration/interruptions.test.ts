/**
 * Everything that moves a migration, interrupted at each place where it waits: the process dies there and another one goes
 * on from the store, or the dataset is removed there and another one has its name.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import type { DatasetRecord } from '../../../src/model/dataset.js'
import { NO_DIALS, NO_MIGRATION } from '../../../src/model/migration.js'
import type { MigrationRamp, MigrationState } from '../../../src/model/migration.js'
import { CHANGE, START_MS, batchDraft } from '../kvsm/fixtures.js'
import { MortalStore } from './mortal-store.js'
import { type World, inState, migrationWorld, settled } from './world.js'

const FORCED = { change: CHANGE, isForced: true }

const RAMP: MigrationRamp = {
  ...{ toShare: 10_000, stepShare: 2_500, everyMs: 1_000, fromShare: 0, startedAtMs: START_MS },
  ...{ lastStepAtMs: START_MS, startedBy: 'ada', state: 'RUNNING', note: '' },
}

interface Operation {
  readonly name: string
  readonly in: MigrationState
  /** Beside the state: what there must be. */
  readonly prepare?: (world: World) => Promise<unknown>
  readonly act: (world: World) => Promise<unknown>
  /** What is so when it was done, and was not before. */
  readonly isDone: (record: DatasetRecord) => boolean
}

const move =
  (what: 'switch' | 'revert' | 'abort' | 'complete') =>
  ({ control }: World) =>
    control.move('cities', what, FORCED)
const reached = (state: MigrationState) => (record: DatasetRecord) => record.migrationState === state
const dialled = (dials: object) => (world: World) => world.metastore.migrate('cities', { dials }, CHANGE)
const ramped = (ramp: MigrationRamp, dials: object) => (world: World) =>
  world.metastore.migrate('cities', { ramp, dials: { shadowShare: 10_000, ...dials } }, CHANGE)

/** The watcher's looks, with what makes it act. */
const watched = (each: (world: World) => void) => async (world: World) => {
  world.watcher.start()
  await world.seconds(4, () => each(world))
}

const SHADOWED = dialled({ shadowShare: 1_000 })

const OPERATIONS: readonly Operation[] = [
  { name: 'switch to ARMING', in: 'ORIGIN_ONLY', act: move('switch'), isDone: reached('ARMING') },
  { name: 'switch to VERIFY', in: 'ARMING', act: move('switch'), isDone: reached('VERIFY') },
  { name: 'switch to RAMP', in: 'VERIFY', prepare: SHADOWED, act: move('switch'), isDone: reached('RAMP') },
  {
    ...{
      name: 'switch to TARGET_PRIMARY',
      in: 'RAMP',
      prepare: dialled({ shadowShare: 1, splitShare: 10_000 }),
    },
    ...{ act: move('switch'), isDone: reached('TARGET_PRIMARY') },
  },
  {
    ...{ name: 'switch to TARGET_ONLY', in: 'TARGET_PRIMARY', prepare: SHADOWED },
    ...{ act: move('switch'), isDone: reached('TARGET_ONLY') },
  },
  { name: 'complete', in: 'TARGET_ONLY', act: move('complete'), isDone: reached('RETIRED') },
  { name: 'revert to ORIGIN_ONLY', in: 'ARMING', act: move('revert'), isDone: reached('ORIGIN_ONLY') },
  { name: 'revert to ARMING', in: 'VERIFY', act: move('revert'), isDone: reached('ARMING') },
  { name: 'revert to VERIFY', in: 'RAMP', act: move('revert'), isDone: reached('VERIFY') },
  { name: 'revert to RAMP', in: 'TARGET_PRIMARY', act: move('revert'), isDone: reached('RAMP') },
  {
    name: 'revert to TARGET_PRIMARY',
    in: 'TARGET_ONLY',
    act: move('revert'),
    isDone: reached('TARGET_PRIMARY'),
  },
  ...(['ARMING', 'VERIFY', 'RAMP'] as const).map((state) => ({
    ...{ name: `abort of ${state}`, in: state, act: move('abort'), isDone: reached('ABORTING') },
  })),
  {
    ...{ name: 'a split', in: 'RAMP' },
    act: ({ control }) => control.dial('cities', { splitShare: 500, splitCallers: ['maps'] }, FORCED),
    isDone: ({ migration }) => migration?.dials.splitShare === 500,
  },
  {
    ...{ name: 'the start of a ramp', in: 'RAMP', prepare: SHADOWED },
    act: ({ control }) =>
      control.startRamp('cities', { toShare: 10_000, stepShare: 100, everyMs: 60_000 }, FORCED),
    isDone: ({ migration }) => migration?.ramp?.state === 'RUNNING',
  },
  {
    ...{ name: 'the end of a ramp', in: 'RAMP', prepare: ramped(RAMP, { splitShare: 2_500 }) },
    act: ({ control }) => control.stopRamp('cities', FORCED),
    isDone: ({ migration }) => migration?.ramp === null,
  },
  {
    ...{ name: "the origin's version", in: 'RAMP' },
    act: ({ control }) => control.setOriginVersion('cities', 17, FORCED),
    isDone: ({ migration }) => migration?.originVersion?.versionId === 17,
  },
  {
    ...{ name: 'a step of a ramp', in: 'RAMP', prepare: ramped({ ...RAMP, toShare: 2_500 }, {}) },
    act: watched(({ figures }) => figures.matched(2_000)),
    isDone: ({ migration }) => migration?.ramp?.state === 'DONE' && migration.dials.splitShare === 2_500,
  },
  {
    ...{ name: 'the step back of a ramp', in: 'RAMP', prepare: ramped(RAMP, { splitShare: 5_000 }) },
    act: watched(({ figures }) => figures.mismatched(20)),
    isDone: ({ migration }) => migration?.ramp?.state === 'BREACHED' && migration.dials.splitShare === 0,
  },
  {
    ...{
      name: 'the end of an abort',
      in: 'RAMP',
      prepare: ({ metastore }) => metastore.migrate('cities', { state: 'ABORTING' }, CHANGE),
    },
    act: watched(() => undefined),
    isDone: reached('ORIGIN_ONLY'),
  },
]

/** Before the operation, in a process that passes the store's places. */
async function ready({ in: state, prepare }: Operation, store: MortalStore): Promise<World> {
  const world = await migrationWorld(store)
  await inState(world, state)
  await prepare?.(world)
  // Every thread adopts a change before it counts as done.
  world.metastore.subscribe(() => store.pass())
  world.onAwait = () => store.pass()
  store.passed = 0
  return world
}

/** Another dataset of the same name, on its way as well. */
async function makeAnew({ metastore }: World): Promise<void> {
  await metastore.createDataset(
    batchDraft('cities', { migrationState: 'ORIGIN_ONLY', origin: 'west' }),
    CHANGE,
  )
  for (const state of ['ARMING', 'VERIFY', 'RAMP'] as const)
    await metastore.migrate('cities', { state }, CHANGE)
}

/** What is left of a record when times and revisions do not matter. */
function lasting({ migration, migrationState, origin, versions }: DatasetRecord): object {
  const { dials, owed, originVersion, ramp } = migration ?? {}
  const { state, toShare, stepShare, note } = ramp ?? {}
  return {
    migrationState,
    origin,
    versions,
    dials,
    owed,
    version: originVersion?.versionId,
    state,
    toShare,
    stepShare,
    note,
  }
}

/** Audit lines of the migration, those of the preparation included. */
function linesOf({ metastore }: World): string[] {
  return metastore
    .audit(1_000)
    .filter(({ action }) => action === 'migrate')
    .map(({ detail }) => detail)
}

for (const operation of OPERATIONS) {
  const { name, act, isDone } = operation

  test(`${name}: a process that dies at any place leaves what the next one goes on from`, async () => {
    const undying = new MortalStore()
    const whole = await ready(operation, undying)
    assert.equal(isDone(whole.record()), false)
    await act(whole)
    const places = undying.passed
    assert.ok(places >= 3, `${places} places`)
    assert.ok(isDone(whole.record()))
    for (let place = 1; place <= places; place += 1) {
      const store = new MortalStore()
      const dead = await ready(operation, store)
      store.diesAt = place
      void act(dead).catch(() => undefined)
      for (let turn = 0; turn < 10 && !store.isDead; turn += 1) await settled()
      assert.ok(store.isDead)
      store.diesAt = Number.POSITIVE_INFINITY
      const next = await migrationWorld(store)
      next.clock.ms = dead.clock.ms
      const text = `dead at ${place} of ${places}`
      if (!isDone(next.record())) await act(next)
      assert.deepEqual(lasting(next.record()), lasting(whole.record()), text)
      assert.deepEqual(linesOf(next), linesOf(whole), `${text}: nothing is done twice`)
      await next.watcher.close()
    }
    await whole.watcher.close()
  })

  test(`${name}: a dataset that is removed at any place takes the migration with it`, async () => {
    const whole = await ready(operation, new MortalStore())
    await act(whole)
    const waits = whole.asked.length
    for (const isMadeAnew of [false, true]) {
      for (const what of ['origin', 'change']) {
        const world = await ready(operation, new MortalStore())
        const removed: string[] = []
        world.onAwait = async (one) => {
          if (one !== what || removed.length > 0) return
          removed.push(one)
          await world.metastore.removeDataset('cities', CHANGE)
          if (isMadeAnew) await makeAnew(world)
        }
        const outcome = await act(world).then(
          () => 'done',
          (error: unknown) => (error instanceof KVError ? error.code : String(error)),
        )
        if (removed.length === 0) continue
        assert.ok(['done', 'CONFLICT', 'DATASET_NOT_FOUND'].includes(outcome), outcome)
        const left = world.metastore.get('cities')
        assert.equal(left?.migrationState, isMadeAnew ? 'RAMP' : undefined)
        // What was meant for the one before has not touched it.
        const { dials, ramp, owed, originVersion } = left?.migration ?? NO_MIGRATION
        assert.deepEqual([dials, ramp, owed, originVersion], [NO_DIALS, null, [], null])
        assert.equal(world.watcher.waitingFor('cities'), '')
        await world.watcher.close()
      }
    }
    assert.ok(waits >= 1)
    await whole.watcher.close()
  })
}
