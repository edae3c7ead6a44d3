/** What plans say beside their guards: warnings, and the share of the requests where callers have a side of their own. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MigrationDials } from '../../../src/model/migration.js'
import type { MovedRequests } from '../../../src/model/migration-plan.js'
import { CHANGE } from '../kvsm/fixtures.js'
import { SUSPICIONS } from './suspicions.js'
import { DRY, type World, inState, migrationWorld } from './world.js'

for (const { name, in: state, says, make, ask } of SUSPICIONS) {
  test(`the plan says that ${name}, and only that`, async () => {
    const world = await migrationWorld()
    await inState(world, state)
    const unsuspected = await ask(await plainWorld(state))
    await make?.(world)
    const { warnings } = await ask(world)
    assert.equal(warnings.length, 1, warnings.join('\n'))
    assert.match(warnings[0] ?? '', says)
    if (make !== undefined) assert.deepEqual(unsuspected.warnings, [])
  })
}

async function plainWorld(state: (typeof SUSPICIONS)[number]['in']): Promise<World> {
  const world = await migrationWorld()
  await inState(world, state)
  return world
}

const USAGE = {
  sinceMs: 1_700_000_000_000,
  requests: 1_000,
  byCaller: new Map([
    ['maps', 400],
    ['ads', 100],
    [null, 500],
  ]),
}

async function moved(
  dials: Partial<MigrationDials>,
  usage: World['usage'] = USAGE,
): Promise<MovedRequests | null> {
  const world = await migrationWorld()
  await inState(world, 'RAMP')
  await world.metastore.migrate('cities', { dials: { splitShare: 1_000, splitCallers: ['ads'] } }, CHANGE)
  world.usage = usage
  return (await world.control.dial('cities', dials, { change: DRY, isForced: false })).plan.movedRequests
}

test('callers that are handed over move the share of the requests that they make', async () => {
  // 400 of maps', less the tenth that the target has already.
  assert.equal((await moved({ splitCallers: ['ads', 'maps'] }))?.share, 3_600)
  // They go back but for that tenth.
  assert.equal((await moved({ splitCallers: [] }))?.share, 900)
  // Who comes and who goes both move.
  assert.equal((await moved({ splitCallers: ['maps'] }))?.share, 4_500)
  // With the keys of everybody else.
  assert.equal((await moved({ splitShare: 6_000 }))?.share, 4_500)
  // A share that stays moves nobody.
  assert.deepEqual(await moved({ splitShare: 1_000 }), {
    share: 0,
    requests: 1_000,
    sinceMs: 1_700_000_000_000,
  })
})

test('what nobody has counted is said to be unknown', async () => {
  const none = { sinceMs: 7, requests: 0, byCaller: new Map<string, number>() }
  assert.deepEqual(await moved({ splitCallers: ['maps'] }, none), { share: null, requests: 0, sinceMs: 7 })
  assert.deepEqual(await moved({ splitCallers: ['maps'] }, null), { share: null, requests: 0, sinceMs: 0 })
})

test('where no caller has a side of its own, keys say it all', async () => {
  const world = await migrationWorld()
  await inState(world, 'RAMP')
  world.usage = USAGE
  const { plan } = await world.control.dial('cities', { splitShare: 500 }, { change: DRY, isForced: false })
  assert.deepEqual([plan.movedShare, plan.movedRequests], [500, null])
})

test('a move that takes callers their side says so', async () => {
  const world = await migrationWorld()
  await inState(world, 'RAMP')
  await world.metastore.migrate('cities', { dials: { splitCallers: ['maps'] } }, CHANGE)
  world.usage = USAGE
  const { plan } = await world.control.move('cities', 'revert', { change: DRY, isForced: false })
  assert.deepEqual([plan.movedShare, plan.movedRequests?.share], [0, 4_000])
})
