import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MigrationRamp } from '../../../src/model/migration.js'
import { CHANGE, batchDraft, kvError } from '../kvsm/fixtures.js'
import { BY, type World, inState, migrationWorld, settled } from './world.js'

const MINUTE = 60_000

/** In RAMP with everything compared, and a ramp to 100 % by 25 % every minute under way. */
async function ramping(): Promise<World> {
  const world = await migrationWorld()
  await inState(world, 'RAMP')
  await world.metastore.migrate('cities', { dials: { shadowShare: 10_000 } }, CHANGE)
  world.watcher.start()
  await settled()
  await world.control.startRamp('cities', { toShare: 10_000, stepShare: 2_500, everyMs: MINUTE }, BY)
  return world
}

function split(world: World): number {
  return world.record().migration?.dials.splitShare ?? -1
}

function rampOf(world: World): MigrationRamp {
  const ramp = world.record().migration?.ramp
  assert.ok(ramp)
  return ramp
}

/** A second of good traffic: enough for a step within a minute. */
const well = (world: World) => (): void => {
  world.figures.matched(200)
  if (split(world) > 0) world.figures.answered(200)
}

test('a ramp under good traffic makes its steps on time, ends at its share, and stays there', async () => {
  const world = await ramping()
  const seen: number[] = []
  await world.seconds(300, () => {
    well(world)()
    if (seen.at(-1) !== split(world)) seen.push(split(world))
  })
  assert.deepEqual(seen, [0, 2_500, 5_000, 7_500, 10_000])
  assert.equal(rampOf(world).state, 'DONE')
  assert.deepEqual(world.breaches, [])
  const steps = world.metastore.audit(20).filter(({ actor }) => actor === 'godwit')
  assert.equal(steps.length, 4)
  assert.match(String(steps.at(-1)?.detail), /split 0 % -> 25 %/)
  await world.watcher.close()
})

test('a ramp without traffic neither advances nor goes back, and says what it waits for', async () => {
  const world = await ramping()
  await world.seconds(3_600)
  assert.equal(split(world), 0)
  assert.equal(rampOf(world).state, 'RUNNING')
  assert.match(world.watcher.waitingFor('cities'), /too little evidence: comparisons 0 of 0/)
  assert.match(String((await world.control.report('cities')).migration.ramp?.note), /too little evidence/)
  // It stayed armed: what comes now counts.
  await world.seconds(25, well(world))
  assert.equal(split(world), 2_500)
  await world.watcher.close()
})

const breaches: readonly {
  readonly name: string
  readonly says: RegExp
  readonly bring: (world: World) => void
}[] = [
  {
    name: 'mismatches',
    says: /mismatches: \d+ of \d+ differ/,
    bring: ({ figures }) => figures.mismatched(20),
  },
  {
    name: 'errors',
    says: /target's errors: \d+ of \d+ failed/,
    bring: ({ figures }) => figures.answered(50, 50),
  },
  {
    name: 'latency',
    says: /target's p99: 90\.0 ms/,
    bring: ({ figures }) => void (figures.target.p99Ms = 90),
  },
  {
    name: 'an open breaker',
    says: /breaker is open/,
    bring: ({ figures }) => void (figures.target.isBreakerOpen = true),
  },
]
for (const { name, says, bring } of breaches) {
  test(`a ramp goes back within five seconds of a breach by ${name}, between two steps`, async () => {
    const world = await ramping()
    await world.seconds(90, well(world))
    assert.equal(split(world), 5_000)
    let seconds = 0
    while (split(world) !== 0 && seconds < 60) {
      await world.seconds(1, () => bring(world))
      seconds += 1
    }
    assert.ok(seconds <= 5, `${seconds} seconds`)
    assert.equal(rampOf(world).state, 'BREACHED')
    assert.match(rampOf(world).note, says)
    assert.equal(rampOf(world).breach, name === 'mismatches' ? 'DATA' : 'SERVICE')
    assert.equal(world.breaches.length, 1)
    // Nothing starts it again but an operator.
    await world.seconds(200, well(world))
    assert.equal(split(world), 0)
    await world.watcher.close()
  })
}

test('a long good time before a breach does not hide it', async () => {
  const world = await ramping()
  await world.seconds(21, well(world))
  await world.seconds(30, () => {
    world.figures.matched(10_000)
    world.figures.answered(10_000)
  })
  assert.equal(split(world), 2_500)
  let seconds = 0
  while (split(world) !== 0 && seconds < 60) {
    // Of 310,000 since the step, but of few in the last seconds.
    await world.seconds(1, () => world.figures.answered(400, 200))
    seconds += 1
  }
  assert.ok(seconds >= 1 && seconds <= 5, `${seconds} seconds`)
  await world.watcher.close()
})

test('a ramp that is done goes back all the same, while it waits for the switch', async () => {
  const world = await ramping()
  await world.seconds(300, well(world))
  assert.equal(rampOf(world).state, 'DONE')
  await world.seconds(3, () => world.figures.mismatched(100))
  assert.equal(split(world), 0)
  assert.equal(rampOf(world).state, 'BREACHED')
  await world.watcher.close()
})

/** In RAMP with 25 % of the keys given by hand, and a ramp from there. */
async function rampingFrom(splitShare: number): Promise<World> {
  const world = await migrationWorld()
  await inState(world, 'RAMP')
  await world.metastore.migrate('cities', { dials: { shadowShare: 10_000, splitShare } }, CHANGE)
  world.watcher.start()
  await settled()
  await world.control.startRamp('cities', { toShare: 10_000, stepShare: 2_500, everyMs: MINUTE }, BY)
  return world
}

/** Seconds until the split is at that share, while every second brings the same; 60: never. */
async function secondsUntil(world: World, share: number, each: () => void): Promise<number> {
  for (let seconds = 0; seconds < 60; seconds += 1) {
    if (split(world) === share) return seconds
    await world.seconds(1, each)
  }
  return 60
}

for (const { name, says, bring } of breaches) {
  test(`a breach by ${name} at the share that a ramp began with takes all keys back`, async () => {
    const world = await rampingFrom(2_500)
    await world.seconds(2, well(world))
    const seconds = await secondsUntil(world, 0, () => bring(world))
    assert.ok(seconds <= 5, `${seconds} seconds`)
    assert.equal(rampOf(world).state, 'BREACHED')
    assert.match(rampOf(world).note, says)
    await world.watcher.close()
  })
}

test('what breaches on after the step back takes the rest of the keys back, too', async () => {
  const world = await rampingFrom(2_500)
  await world.seconds(90, well(world))
  assert.equal(split(world), 7_500)
  const failing = (): void => world.figures.answered(50, 50)
  assert.ok((await secondsUntil(world, 2_500, failing)) <= 5)
  assert.equal(rampOf(world).state, 'BREACHED')
  const seconds = await secondsUntil(world, 0, failing)
  assert.ok(seconds >= 3 && seconds <= 8, `${seconds} seconds`)
  assert.equal(world.breaches.length, 2)
  await world.seconds(30, failing)
  assert.equal(world.breaches.length, 2)
  await world.watcher.close()
})

test('of several things that are wrong mismatches are what it goes back for', async () => {
  const world = await ramping()
  await world.seconds(90, well(world))
  await world.seconds(3, () => {
    world.figures.target.isBreakerOpen = true
    world.figures.mismatched(20)
  })
  assert.deepEqual([split(world), rampOf(world).breach], [0, 'DATA'])
  // And stay so, whatever else is seen.
  await world.seconds(10, () => world.figures.answered(50, 50))
  assert.equal(rampOf(world).breach, 'DATA')
  await world.watcher.close()
})

test('mismatches that are found when it has gone back for errors are noted: the target is to stand in for nobody', async () => {
  const world = await ramping()
  await world.seconds(90, well(world))
  await world.seconds(3, () => world.figures.answered(50, 50))
  assert.deepEqual([split(world), rampOf(world).breach], [0, 'SERVICE'])
  await world.seconds(10, () => world.figures.answered(50, 50))
  assert.deepEqual([rampOf(world).breach, world.breaches.length], ['SERVICE', 1])
  await world.seconds(3, () => world.figures.mismatched(20))
  assert.deepEqual([split(world), rampOf(world).breach, world.breaches.length], [0, 'DATA', 2])
  assert.match(String(world.metastore.audit(1)[0]?.detail), /ramp BREACHED -> BREACHED: mismatches/)
  await world.seconds(10, () => world.figures.mismatched(20))
  assert.equal(world.breaches.length, 2)
  await world.watcher.close()
})

// It went back to an origin that was gone, because the target was slower beside all that it answered in its place.
test('while the origin is gone a ramp goes back for wrong answers alone', async () => {
  const world = await ramping()
  await world.seconds(90, well(world))
  assert.equal(split(world), 5_000)
  world.figures.origin.isBreakerOpen = true
  world.figures.target.p99Ms = 90
  await world.seconds(30, () => world.figures.answered(50, 50))
  assert.deepEqual([split(world), rampOf(world).state], [5_000, 'RUNNING'])
  await world.seconds(3, () => world.figures.mismatched(20))
  assert.deepEqual([split(world), rampOf(world).breach], [0, 'DATA'])
  await world.watcher.close()
})

test('what was seen before the step back says nothing about the share that it began with', async () => {
  const world = await rampingFrom(2_500)
  await world.seconds(90, well(world))
  assert.ok((await secondsUntil(world, 2_500, () => world.figures.answered(50, 50))) <= 5)
  // What threads tell late, and a percentile of the last minute, are of before.
  world.figures.answered(30, 30)
  world.figures.target.p99Ms = 90
  await world.seconds(50, well(world))
  assert.equal(split(world), 2_500)
  world.figures.target.p99Ms = 4
  await world.seconds(100, well(world))
  assert.equal(split(world), 2_500)
  await world.watcher.close()
})

test('a change that hangs for one dataset does not hold up the step back of another one', async () => {
  const world = await ramping()
  const draft = batchDraft('towns', { migrationState: 'ORIGIN_ONLY', origin: 'west' })
  await world.metastore.createDataset(draft, CHANGE)
  await world.seconds(90, well(world))
  assert.equal(split(world), 5_000)
  let release = (): void => undefined
  world.held.set('towns', new Promise<void>((resolve) => (release = resolve)))
  for (const state of ['ARMING', 'ABORTING'] as const)
    await world.metastore.migrate('towns', { state }, CHANGE)
  await world.seconds(3)
  const endings = (): number => world.asked.filter((name) => name === 'towns').length
  assert.equal(endings(), 1)
  const seconds = await secondsUntil(world, 0, () => world.figures.mismatched(20))
  assert.ok(seconds <= 5, `${seconds} seconds`)
  assert.equal(endings(), 1, 'it is not begun again while it hangs')
  release()
  await world.seconds(1)
  assert.equal(world.metastore.get('towns')?.migrationState, 'ORIGIN_ONLY')
  await world.watcher.close()
})

// Changes of all datasets waited for each other, with all that each opens before it is adopted.
test('a disk that stalls under one dataset holds up the step back of no other one, and of a hundred none', async () => {
  const world = await ramping()
  const names = Array.from({ length: 99 }, (_, number) => `towns-${number}`)
  for (const name of names) {
    const draft = batchDraft(name, { migrationState: 'ORIGIN_ONLY', origin: 'west' })
    await world.metastore.createDataset(draft, CHANGE)
    for (const state of ['ARMING', 'VERIFY', 'RAMP'] as const) {
      await world.metastore.migrate(name, { state }, CHANGE)
    }
    const dials = { shadowShare: 10_000, splitShare: 500 }
    await world.metastore.migrate(name, { dials, ramp: rampOf(world) }, CHANGE)
  }
  await world.seconds(90, well(world))
  let release = (): void => undefined
  const stalled = new Promise<void>((resolve) => (release = resolve))
  world.metastore.subscribe(async (name) => {
    if (name === 'towns-0') await stalled
  })
  const stuck = world.metastore.updateDataset('towns-0', { retainedVersions: 5 }, CHANGE)
  let seconds = 0
  const others = (): string[] => ['cities', ...names.slice(1)]
  const isBack = (name: string): boolean => world.metastore.get(name)?.migration?.ramp?.state === 'BREACHED'
  while (!others().every(isBack) && seconds < 60) {
    await world.seconds(1, () => world.figures.mismatched(20))
    seconds += 1
  }
  assert.ok(seconds <= 5, `${seconds} seconds`)
  assert.equal(isBack('towns-0'), false)
  release()
  await stuck
  await world.seconds(2)
  assert.ok(isBack('towns-0'))
  await world.watcher.close()
})

// Each try dumped the last decisions: after ten of them nothing was left of what had led to the breach.
test('a step back that cannot be stored is tried until it can, and what led to it is kept once', async () => {
  const world = await ramping()
  await world.seconds(90, well(world))
  world.onAwait = (what) => (what === 'change' ? Promise.reject(new Error('disk full')) : Promise.resolve())
  await world.seconds(20, () => world.figures.mismatched(20))
  assert.deepEqual([split(world), world.breaches.length], [5_000, 1])
  world.onAwait = () => Promise.resolve()
  assert.ok((await secondsUntil(world, 0, () => undefined)) <= 2)
  assert.equal(world.breaches.length, 1)
  await world.watcher.close()
})

test('one or two failures are no breach, however few the others are', async () => {
  const world = await ramping()
  await world.seconds(25, well(world))
  assert.equal(split(world), 2_500)
  await world.seconds(30, () => undefined)
  world.figures.answered(2, 2)
  await world.seconds(5)
  assert.equal(split(world), 2_500)
  await world.watcher.close()
})

test('a ramp goes on after a restart, on evidence of its own', async () => {
  const world = await ramping()
  await world.seconds(90, well(world))
  assert.equal(split(world), 5_000)
  await world.watcher.close()

  const again = await migrationWorld(world.store)
  again.clock.ms = world.clock.ms + MINUTE
  again.watcher.start()
  await settled()
  // Its time has come, but nothing was seen yet.
  await again.seconds(2)
  assert.equal(split(again), 5_000)
  await again.seconds(60, well(again))
  assert.equal(split(again), 7_500)
  await again.watcher.close()
})

test('a clock that was put back does not stop a ramp', async () => {
  const world = await ramping()
  await world.seconds(25, well(world))
  assert.equal(split(world), 2_500)
  world.clock.ms -= 86_400_000
  await world.seconds(120, well(world))
  assert.ok(split(world) > 2_500, `${split(world)}`)
  await world.watcher.close()
})

// The breach window was as long as the ramp was old by the clock: of nothing, until the clock had caught up.
test('a clock that was put back hides no breach behind a long good time', async () => {
  const world = await ramping()
  await world.seconds(25, well(world))
  world.clock.ms -= 86_400_000
  await world.seconds(30, () => {
    world.figures.matched(10_000)
    world.figures.answered(10_000)
  })
  const before = split(world)
  assert.ok(before > 0)
  assert.ok((await secondsUntil(world, 0, () => world.figures.answered(400, 200))) <= 5)
  await world.watcher.close()
})

// The time since the last step was taken from the clock: a step came at once, on evidence of the step before.
test('a clock that was put forward makes no step before its time', async () => {
  const world = await ramping()
  await world.seconds(25, well(world))
  assert.equal(split(world), 2_500)
  await world.seconds(5, well(world))
  world.clock.ms += 86_400_000
  await world.seconds(40, well(world))
  assert.equal(split(world), 2_500)
  await world.seconds(20, well(world))
  assert.equal(split(world), 5_000)
  await world.watcher.close()
})

test('a ramp whose last step lies in the future of a clock goes on with the next start', async () => {
  const world = await ramping()
  await world.seconds(90, well(world))
  assert.equal(split(world), 5_000)
  await world.watcher.close()
  const again = await migrationWorld(world.store)
  again.clock.ms = world.clock.ms - 86_400_000
  again.watcher.start()
  await settled()
  await again.seconds(70, well(again))
  assert.equal(split(again), 7_500)
  await again.watcher.close()
})

test('a split that is dialled by hand ends the ramp', async () => {
  const world = await ramping()
  await world.control.dial('cities', { splitShare: 300 }, BY)
  assert.equal(world.record().migration?.ramp, null)
  await world.seconds(200, well(world))
  assert.equal(split(world), 300)
  await world.watcher.close()
})

test('a ramp is stopped where it is, and only where there is one', async () => {
  const world = await ramping()
  await world.seconds(25, well(world))
  await world.control.stopRamp('cities', BY)
  await world.seconds(200, well(world))
  assert.equal(split(world), 2_500)
  await assert.rejects(world.control.stopRamp('cities', BY), kvError('FAILED_PRECONDITION', /no ramp/))
  await world.watcher.close()
})

test('a ramp that leads nowhere, or runs in another state, is refused', async () => {
  const world = await migrationWorld()
  await inState(world, 'VERIFY')
  const wish = { toShare: 10_000, stepShare: 100, everyMs: MINUTE }
  await assert.rejects(world.control.startRamp('cities', wish, BY), kvError('FAILED_PRECONDITION', /VERIFY/))
  await world.metastore.migrate('cities', { state: 'RAMP' }, CHANGE)
  await assert.rejects(
    world.control.startRamp('cities', { ...wish, toShare: 0 }, BY),
    kvError('INVALID_ARGUMENT', /upwards/),
  )
  await world.metastore.migrate('cities', { dials: { shadowShare: 100 } }, CHANGE)
  await assert.rejects(
    world.control.startRamp('cities', { ...wish, everyMs: 10 }, BY),
    kvError('INVALID_ARGUMENT', /everyMs/),
  )
})
