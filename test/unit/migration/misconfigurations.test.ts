/**
 * What people get wrong, one at a time, in a migration that is otherwise ready for its next move: the plan of that move
 * names each of them, and only it, with what was found and what to do.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MigrationState } from '../../../src/model/migration.js'
import type { MigrationPlan } from '../../../src/model/migration-plan.js'
import { CHANGE, START_MS, kvError } from '../kvsm/fixtures.js'
import { SUSPICIONS } from './suspicions.js'
import { BY, DRY, ORIGIN, TARGET, type World, inState, migrationWorld } from './world.js'

const OWED = {
  side: 'TARGET',
  versionId: START_MS + 5,
  source: 'hdfs://a/b',
  request: '{}',
  attempts: 3,
  error: 'the disk is full',
} as const

interface Mistake {
  readonly name: string
  readonly in: MigrationState
  readonly move?: 'switch' | 'complete' | 'revert'
  readonly guard: string
  readonly figure: RegExp
  readonly outcome?: 'TOO_LITTLE'
  /** Other guards that the same mistake touches. */
  readonly also?: readonly string[]
  make(world: World): unknown
}

const dials = (world: World, changed: object): Promise<unknown> =>
  world.metastore.migrate('cities', { dials: changed }, CHANGE)

const mistakes: readonly Mistake[] = [
  {
    name: 'the origin is missing from the configuration',
    in: 'ORIGIN_ONLY',
    guard: 'origin is configured',
    figure: /^west$/,
    also: ['origin answers', 'loads reach both sides'],
    make: (world) => (world.origin = null),
  },
  {
    name: "the origin's address is one of the gateway's own listeners",
    in: 'ORIGIN_ONLY',
    guard: 'origin is another process',
    figure: /127\.0\.0\.1:9010/,
    make: (world) => (world.origin = { ...ORIGIN, addresses: ['127.0.0.1:9010'] }),
  },
  {
    name: "the origin's port is wrong",
    in: 'ORIGIN_ONLY',
    guard: 'origin answers',
    figure: /ECONNREFUSED/,
    make: (world) => (world.origin = { ...ORIGIN, problem: 'connect ECONNREFUSED 10.0.0.1:9010' }),
  },
  {
    name: 'no controller is configured to forward loads to',
    in: 'ORIGIN_ONLY',
    guard: 'loads reach both sides',
    figure: /no controller/,
    make: (world) => (world.origin = { ...ORIGIN, controller: null }),
  },
  {
    name: "the controller's address is one of the gateway's own listeners",
    in: 'ORIGIN_ONLY',
    guard: 'controller is another process',
    figure: /127\.0\.0\.1:7300/,
    make: (world) => (world.origin = { ...ORIGIN, controller: '127.0.0.1:7300' }),
  },
  {
    name: "the controller's port is wrong",
    in: 'ORIGIN_ONLY',
    guard: 'controller answers',
    figure: /ECONNREFUSED at 10\.0\.0\.2:9090/,
    make: (world) => (world.origin = { ...ORIGIN, controllerProblem: 'ECONNREFUSED at 10.0.0.2:9090' }),
  },
  {
    name: 'the dataset has another name at the origin',
    in: 'ARMING',
    guard: 'origin has the dataset',
    figure: /DATASET_NOT_FOUND/,
    make: (world) => (world.origin = { ...ORIGIN, datasetProblem: 'DATASET_NOT_FOUND: FILE_SET_NOT_FOUND' }),
  },
  {
    name: 'the clusters of the origin are wrong',
    in: 'ARMING',
    guard: 'origin has the dataset',
    figure: /CLUSTER_NOT_FOUND/,
    make: (world) => (world.origin = { ...ORIGIN, datasetProblem: 'FAILED_PRECONDITION: CLUSTER_NOT_FOUND' }),
  },
  {
    name: 'another wire API listens at the address of the origin',
    in: 'ARMING',
    guard: 'origin has the dataset',
    figure: /UNAVAILABLE: an answer of/,
    make: (world) =>
      (world.origin = { ...ORIGIN, datasetProblem: 'UNAVAILABLE: an answer of 1213486160 bytes' }),
  },
  {
    name: 'the cluster has fewer leaves than the dataset wants replicas',
    in: 'ORIGIN_ONLY',
    guard: 'target cluster takes it',
    figure: /2 replicas need 2 leaves/,
    make: (world) => (world.target = { ...TARGET, clusterProblem: '2 replicas need 2 leaves, east has 1' }),
  },
  {
    name: 'one version alone is retained',
    in: 'ORIGIN_ONLY',
    guard: 'versions are kept to roll back to',
    figure: /^1$/,
    make: (world) => world.metastore.updateDataset('cities', { retainedVersions: 1 }, CHANGE),
  },
  {
    name: 'nothing was loaded into the target',
    in: 'ARMING',
    guard: 'target has a version',
    figure: /none/,
    also: ['version has rows', 'both sides serve one version'],
    make: async (world) => {
      await world.metastore.removeDataset('cities', CHANGE)
      await world.metastore.createDataset(
        {
          name: 'cities',
          mode: 'BATCH',
          owner: { name: 'a', contact: 'b' },
          migrationState: 'ORIGIN_ONLY',
          origin: 'west',
        },
        CHANGE,
      )
      await world.metastore.migrate('cities', { state: 'ARMING' }, CHANGE)
    },
  },
  {
    name: 'what was loaded is empty',
    in: 'ARMING',
    guard: 'version has rows',
    figure: /0 rows/,
    make: async ({ metastore }) => {
      const { id } = await metastore.beginVersion('cities', 'a.hfile', CHANGE)
      await metastore.completeVersion('cities', id, { rows: 0, bytes: 0, checksum: 'aa' }, CHANGE)
      await metastore.publish('cities', id, CHANGE)
      await metastore.migrate('cities', { originVersion: { versionId: id, takenAtMs: 1 } }, CHANGE)
    },
  },
  {
    name: 'the origin serves another version',
    in: 'ARMING',
    guard: 'both sides serve one version',
    figure: /origin 17, target 1700000000001/,
    make: ({ metastore }) =>
      metastore.migrate('cities', { originVersion: { versionId: 17, takenAtMs: 1 } }, CHANGE),
  },
  {
    name: 'nobody knows which version the origin serves',
    in: 'ARMING',
    guard: 'both sides serve one version',
    figure: /origin unknown/,
    make: ({ metastore }) => metastore.migrate('cities', { originVersion: null }, CHANGE),
  },
  {
    name: 'a load reached one side only',
    in: 'ARMING',
    guard: 'no load is owed',
    figure: /1: TARGET misses 1700000000005/,
    make: ({ metastore }) => metastore.migrate('cities', { owed: [OWED] }, CHANGE),
  },
  {
    name: 'a canary serves other data to some keys',
    in: 'ARMING',
    guard: 'no canary',
    figure: /version 1700000000000/,
    make: ({ metastore }) => metastore.setCanary('cities', { versionId: START_MS, share: 100 }, CHANGE),
  },
  {
    name: 'a shard of the target cannot be opened',
    in: 'ARMING',
    guard: 'target serves every shard',
    figure: /shard 3 is damaged/,
    make: (world) => (world.target = { ...TARGET, problems: ['version 17: shard 3 is damaged'] }),
  },
  {
    name: 'a load is still under way',
    in: 'ARMING',
    guard: 'no load is under way',
    figure: /cities-17/,
    make: (world) => (world.target = { ...TARGET, load: 'cities-17' }),
  },
  {
    name: 'nothing is compared',
    in: 'VERIFY',
    guard: 'shadow reads compare',
    figure: /^0 %$/,
    make: (world) => dials(world, { shadowShare: 0 }),
  },
  {
    name: 'the sides differ',
    in: 'VERIFY',
    guard: 'sides agree',
    figure: /50 of 10050 differ/,
    make: ({ figures }) => {
      figures.mismatched(50)
      figures.shadow.baseline = 5_000
    },
  },
  {
    name: 'too little was compared to say anything',
    in: 'VERIFY',
    guard: 'sides agree',
    outcome: 'TOO_LITTLE',
    figure: /0 of 1200 differ/,
    make: ({ figures }) => {
      figures.shadow.matched = 1_200
      figures.shadow.sent = 1_200
    },
  },
  {
    name: 'the other side is too slow to be compared with',
    in: 'VERIFY',
    guard: 'shadow reads end in comparisons',
    figure: /9000 of 19000 without/,
    make: ({ figures }) => {
      figures.shadow.sent += 9_000
      figures.shadow.expired += 9_000
    },
  },
  {
    name: 'what differs is lost before it is found, and what agrees is not',
    in: 'VERIFY',
    guard: 'sides agree',
    outcome: 'TOO_LITTLE',
    figure: /^0 of 10000 differ, 100 more may$/,
    make: ({ figures }) => {
      figures.shadow.sent += 100
      figures.shadow.expired += 100
      figures.shadow.unconfirmed += 100
    },
  },
  {
    name: 'the origin does not even agree with itself',
    in: 'VERIFY',
    guard: 'origin agrees with itself',
    figure: /300 of 5000 differ/,
    make: ({ figures }) => Object.assign(figures.shadow, { baseline: 5_000, unstable: 300 }),
  },
  {
    name: 'shadow reads are lost without being counted',
    in: 'VERIFY',
    guard: 'every shadow read is counted',
    figure: /7 unaccounted for/,
    make: ({ figures }) => (figures.shadow.sent += 7),
  },
  {
    name: 'the switch comes before all keys are over',
    in: 'RAMP',
    guard: 'target answers every key',
    figure: /^40 %$/,
    make: (world) => dials(world, { splitShare: 4_000 }),
  },
  {
    name: 'the target fails more than the origin',
    in: 'RAMP',
    guard: "target's errors",
    figure: /1000 of 21000 failed/,
    make: ({ figures }) => figures.answered(1_000, 1_000),
  },
  {
    name: 'the target is slower than the origin',
    in: 'RAMP',
    guard: "target's p99",
    figure: /40\.0 ms, origin 4\.0 ms/,
    make: ({ figures }) => (figures.target.p99Ms = 40),
  },
  {
    name: 'a ramp breached and nobody looked',
    in: 'RAMP',
    guard: 'no ramp is under way',
    figure: /BREACHED/,
    make: ({ metastore }) =>
      metastore.migrate(
        'cities',
        {
          ramp: {
            toShare: 10_000,
            stepShare: 100,
            everyMs: 60_000,
            fromShare: 0,
            startedAtMs: 1,
            lastStepAtMs: 1,
            startedBy: 'ada',
            state: 'BREACHED',
            note: 'n',
          },
        },
        CHANGE,
      ),
  },
  {
    name: 'the origin is given up before the target has shown itself',
    in: 'TARGET_PRIMARY',
    guard: 'time in this state',
    outcome: 'TOO_LITTLE',
    figure: /0 min/,
    make: (world) => (world.clock.ms -= 7_200_000),
  },
  {
    name: 'no version is left to roll back to',
    in: 'TARGET_PRIMARY',
    guard: 'a version to roll back to',
    figure: /0 kept/,
    make: ({ metastore }) => metastore.deleteVersion('cities', START_MS, CHANGE),
  },
  {
    name: 'somebody still reads from the origin at the end',
    in: 'TARGET_ONLY',
    move: 'complete',
    guard: 'nothing is asked of the origin',
    figure: /3 requests/,
    make: ({ figures }) => (figures.origin.requests += 3),
  },
  {
    name: 'a leaf lacks its copy at the end',
    in: 'TARGET_ONLY',
    move: 'complete',
    guard: 'every copy is there',
    figure: /3 of 4/,
    make: (world) => (world.target = { ...TARGET, wantedCopies: 4, confirmedCopies: 3 }),
  },
  {
    name: 'the origin was not loaded since it was given up',
    in: 'TARGET_ONLY',
    move: 'revert',
    guard: 'origin has the current version',
    figure: /origin 1700000000001, target 1700000000000/,
    make: ({ metastore }) => metastore.publish('cities', START_MS, CHANGE),
  },
]

/** In a state, long enough, with plenty of good evidence. */
async function readyIn(state: MigrationState): Promise<World> {
  const world = await migrationWorld()
  await inState(world, state)
  if (['VERIFY', 'RAMP', 'TARGET_PRIMARY'].includes(state)) await dials(world, { shadowShare: 1_000 })
  if (state === 'RAMP') await dials(world, { splitShare: 10_000 })
  world.clock.ms += 7_200_000
  world.watcher.evidence(world.record())
  world.figures.matched(10_000)
  world.figures.answered(10_000)
  return world
}

async function planOf({ control }: World, move: 'switch' | 'complete' | 'revert'): Promise<MigrationPlan> {
  return (await control.move('cities', move, { change: { ...CHANGE, isDryRun: true }, isForced: false })).plan
}

const ready: readonly (readonly [MigrationState, 'switch' | 'complete' | 'revert'])[] = [
  ['ORIGIN_ONLY', 'switch'],
  ['ARMING', 'switch'],
  ['VERIFY', 'switch'],
  ['RAMP', 'switch'],
  ['TARGET_PRIMARY', 'switch'],
  ['TARGET_ONLY', 'complete'],
  ['TARGET_ONLY', 'revert'],
]
for (const [state, move] of ready) {
  test(`without a mistake ${move} from ${state} is allowed, and done`, async () => {
    const world = await readyIn(state)
    const plan = await planOf(world, move)
    assert.deepEqual(
      plan.guards.filter(({ outcome }) => outcome !== 'PASS'),
      [],
    )
    assert.ok(plan.isAllowed)
    assert.equal(world.record().migrationState, state, 'a dry run changes nothing')
    await world.control.move('cities', move, BY)
    assert.equal(world.record().migrationState, plan.to)
  })
}

function order({ guards }: MigrationPlan, name: string): number {
  return guards.findIndex((guard) => guard.name === name)
}

/** What somebody set, typed or left out wrongly; the other mistakes are what the world does to a migration. */
const OF_SETTINGS: readonly string[] = [
  'origin is configured',
  'origin is another process',
  'origin answers',
  'controller is another process',
  'controller answers',
  'loads reach both sides',
  'origin has the dataset',
  'target cluster takes it',
  'versions are kept to roll back to',
  'target has a version',
  'version has rows',
  'both sides serve one version',
  'no canary',
  'shadow reads compare',
  'target answers every key',
]

test('at least twenty misconfigurations are caught, each of its own name', () => {
  const names = [
    ...mistakes.filter(({ guard }) => OF_SETTINGS.includes(guard)).map(({ name }) => name),
    ...SUSPICIONS.map(({ name }) => name),
  ]
  assert.equal(new Set(names).size, names.length)
  assert.ok(names.length >= 20, `${names.length}`)
  const sought = new Set(mistakes.map(({ guard }) => guard))
  assert.deepEqual(
    OF_SETTINGS.filter((guard) => !sought.has(guard)),
    [],
  )
})

for (const mistake of mistakes) {
  test(`the plan notices that ${mistake.name}`, async () => {
    const world = await readyIn(mistake.in)
    await mistake.make(world)
    const move = mistake.move ?? 'switch'
    // What was seen may be of a version that is not the current one any more: it is shown again.
    world.watcher.evidence(world.record())
    if (mistake.guard !== 'sides agree' && world.figures.shadow.sent === 10_000) {
      world.figures.matched(10_000)
      world.figures.answered(10_000)
    }
    const plan = await planOf(world, move)
    const failed = plan.guards.filter(({ outcome }) => outcome !== 'PASS')
    const found = failed.find(({ name }) => name === mistake.guard)
    assert.ok(found, `${mistake.guard} is not among ${failed.map(({ name }) => name).join(', ')}`)
    assert.match(found.figure, mistake.figure)
    assert.equal(found.outcome, mistake.outcome ?? 'FAIL')
    assert.notEqual(found.advice, '')
    assert.deepEqual(
      failed.map(({ name }) => name),
      [mistake.guard, ...(mistake.also ?? [])].sort((a, b) => order(plan, a) - order(plan, b)),
    )
    assert.equal(plan.isAllowed, false)
    // The move itself is refused by the same words.
    const refusal = kvError('FAILED_PRECONDITION', new RegExp(mistake.guard.replaceAll('.', '\\.')))
    await assert.rejects(world.control.move('cities', move, BY), refusal)
    assert.equal(world.record().migrationState, mistake.in)
  })
}

test('what was asked of the origin as the last state began does not stand in the way for ever', async () => {
  const world = await readyIn('TARGET_ONLY')
  world.figures.origin.requests += 3
  const nameOf = 'nothing is asked of the origin'
  const outcome = async () =>
    (await planOf(world, 'complete')).guards.find(({ name }) => name === nameOf)?.outcome
  assert.equal(await outcome(), 'FAIL')
  for (let second = 0; second < 12; second += 1) {
    world.clock.monotonic += 1_000
    world.watcher.evidence(world.record())
  }
  assert.equal(await outcome(), 'PASS')
})

test('an origin that is lost for good holds no dataset: what it cannot do any more may be forced', async () => {
  const forced = { ...BY, isForced: true }
  const world = await readyIn('RAMP')
  world.origin = { ...ORIGIN, problem: 'ECONNREFUSED at 10.0.0.1:9010' }
  world.figures.origin.isBreakerOpen = true
  await assert.rejects(
    world.control.move('cities', 'switch', BY),
    kvError('FAILED_PRECONDITION', /origin answers/),
  )
  await world.control.move('cities', 'switch', forced)
  // Loads went on; what the origin owes of them it will never take.
  await world.metastore.migrate('cities', { owed: [{ ...OWED, side: 'ORIGIN' }] }, CHANGE)
  await dials(world, { shadowShare: 10_000 })
  await assert.rejects(
    world.control.move('cities', 'switch', BY),
    kvError('FAILED_PRECONDITION', /origin owes no load: 1: ORIGIN misses/),
  )
  for (const move of ['switch', 'complete'] as const) await world.control.move('cities', move, forced)
  assert.deepEqual([world.record().migrationState, world.record().origin], ['RETIRED', null])
  assert.match(
    String(world.metastore.audit(9).find(({ detail }) => detail.includes('RETIRED'))?.detail),
    /forced past: .*origin owes no load/,
  )
})

test('keys are not taken back to an origin that is gone, unless somebody insists; a lower split leaves them a stand-in', async () => {
  const world = await readyIn('RAMP')
  world.origin = { ...ORIGIN, problem: 'ECONNREFUSED at 10.0.0.1:9010' }
  await assert.rejects(
    world.control.move('cities', 'revert', BY),
    kvError('FAILED_PRECONDITION', /origin answers: ECONNREFUSED/),
  )
  await world.control.dial('cities', { splitShare: 100 }, BY)
  await world.control.move('cities', 'revert', { ...BY, isForced: true })
  assert.equal(world.record().migrationState, 'VERIFY')
})

test('what the target owes is never forced past', async () => {
  const world = await readyIn('RAMP')
  await world.metastore.migrate('cities', { owed: [OWED] }, CHANGE)
  await assert.rejects(
    world.control.move('cities', 'switch', { ...BY, isForced: true }),
    kvError('FAILED_PRECONDITION', /no load is owed: 1: TARGET misses/),
  )
})

test('keys are not handed over by hand while the sides are known to differ', async () => {
  const world = await migrationWorld()
  await inState(world, 'RAMP')
  await dials(world, { shadowShare: 1_000 })
  world.watcher.evidence(world.record())
  const plan = async () =>
    (await world.control.dial('cities', { splitShare: 5_000 }, { change: DRY, isForced: false })).plan
  assert.equal((await plan()).isAllowed, true)
  world.figures.mismatched(300)
  assert.equal((await plan()).isAllowed, false)
})
