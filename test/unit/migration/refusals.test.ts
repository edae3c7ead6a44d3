/** What operators hear of changes that cannot be made, or only by insisting: what is wrong, and what may be done. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CHANGE, START_MS, kvError } from '../kvsm/fixtures.js'
import { BY, DRY, ORIGIN, type World, inState, migrationWorld } from './world.js'

const FORCED = { ...BY, isForced: true }
const PLANNED = { change: DRY, isForced: false }
const RAMP = { toShare: 10_000, stepShare: 100, everyMs: 60_000 }
const LOST = { ...ORIGIN, problem: 'ECONNREFUSED at 10.0.0.1:9010' }

async function worldIn(state: Parameters<typeof inState>[1]): Promise<World> {
  const world = await migrationWorld()
  await inState(world, state)
  return world
}

/** Every change that an operator can ask for. */
const CHANGES: readonly ((world: World, name: string) => Promise<unknown>)[] = [
  ...(['switch', 'revert', 'abort', 'complete'] as const).map(
    (move) => (world: World, name: string) => world.control.move(name, move, FORCED),
  ),
  ({ control }, name) => control.dial(name, { splitShare: 5 }, FORCED),
  ({ control }, name) => control.startRamp(name, RAMP, FORCED),
  ({ control }, name) => control.stopRamp(name, FORCED),
  ({ control }, name) => control.setOriginVersion(name, START_MS, FORCED),
]

test('going back to an origin that is gone is refused with what insisting would do, and done for who insists', async () => {
  const world = await worldIn('RAMP')
  await world.control.dial('cities', { splitShare: 5_000 }, FORCED)
  world.origin = LOST
  await assert.rejects(
    world.control.move('cities', 'revert', BY),
    kvError(
      'FAILED_PRECONDITION',
      /^RAMP -> VERIFY .*ECONNREFUSED.*forced, its reads fail until it does.*may be forced \("force" in the request, --force of the command\)$/,
    ),
  )
  assert.equal(world.record().migrationState, 'RAMP')
  const { plan } = await world.control.move('cities', 'revert', FORCED)
  assert.match(plan.warnings.join(), /the target answers nobody in its place/)
  assert.equal(world.record().migrationState, 'VERIFY')
  const [line] = world.metastore.audit(1)
  assert.match(String(line?.detail), /RAMP -> VERIFY.*forced past: origin answers/)
  assert.deepEqual([line?.actor, line?.reason], [CHANGE.actor, CHANGE.reason])
})

test('a refusal names what no force helps against', async () => {
  const world = await worldIn('VERIFY')
  world.origin = LOST
  for (const by of [BY, FORCED]) {
    await assert.rejects(
      world.control.move('cities', 'switch', by),
      kvError(
        'FAILED_PRECONDITION',
        /; forcing it \("force" in the request, .*\) does not help against: shadow reads compare/,
      ),
    )
  }
})

test('a dataset that is not there is not found, whatever is asked of it', async () => {
  const world = await worldIn('RAMP')
  for (const change of CHANGES) {
    await assert.rejects(change(world, 'towns'), kvError('DATASET_NOT_FOUND', /towns/))
  }
  await assert.rejects(world.control.report('towns'), kvError('DATASET_NOT_FOUND', /towns/))
})

test('what has come to its end, or never had an origin, refuses every change', async () => {
  const world = await worldIn('TARGET_ONLY')
  await world.metastore.migrate('cities', { state: 'RETIRED' }, CHANGE)
  for (const change of CHANGES) {
    await assert.rejects(change(world, 'cities'), kvError('FAILED_PRECONDITION', /cities/))
  }
  assert.equal(world.record().migrationState, 'RETIRED')
})

test('a ramp is for RAMP alone, and a dial that is not named is no change', async () => {
  for (const state of ['ARMING', 'VERIFY', 'TARGET_PRIMARY', 'TARGET_ONLY'] as const) {
    const world = await worldIn(state)
    await assert.rejects(
      world.control.startRamp('cities', RAMP, FORCED),
      kvError('FAILED_PRECONDITION', new RegExp(`is ${state}`)),
    )
    await assert.rejects(
      world.control.dial('cities', {}, FORCED),
      kvError('INVALID_ARGUMENT', /no dial of cities is named/),
    )
    assert.equal(world.record().migration?.ramp, null)
  }
})

test("the origin's version is refused where it has no effect", async () => {
  const world = await migrationWorld()
  await assert.rejects(
    world.control.setOriginVersion('cities', START_MS, FORCED),
    kvError('FAILED_PRECONDITION', /no effect in ORIGIN_ONLY/),
  )
  await inState(world, 'RAMP')
  await world.metastore.migrate('cities', { state: 'ABORTING' }, CHANGE)
  await assert.rejects(
    world.control.setOriginVersion('cities', START_MS, FORCED),
    kvError(
      'FAILED_PRECONDITION',
      /no effect in ABORTING: wait until that has ended, then switch to ARMING first/,
    ),
  )
})

test("an origin's version that is not the target's is taken, and the plan says what that means", async () => {
  const world = await worldIn('RAMP')
  const notesOf = async (versionId: number | null): Promise<readonly string[]> =>
    (await world.control.setOriginVersion('cities', versionId, PLANNED)).plan.warnings
  assert.deepEqual(await notesOf(START_MS + 1), [])
  assert.deepEqual(await notesOf(null), [])
  const note = `the target serves ${START_MS + 1}: nothing is compared until both sides serve one version`
  for (const other of [START_MS, 5]) assert.deepEqual(await notesOf(other), [note])
})
