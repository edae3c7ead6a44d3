/**
 * The model test of the lease protocol: random interleavings at large, all interleavings in small. Each exploration
 * is also run on holders that are broken on purpose, to show that it would notice.
 */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { type IncarnationId, LeaseHolder, type LeaseHolderHooks } from '../../../src/threads/leases.js'
import { CountedHolder } from '../../support/counted-holder.js'
import { type MakeHolder, type Station, World } from './leases-world.js'

/** Reports a DB as released when the map drops it, whatever is still in use. */
class ReleasesWithoutCounting extends LeaseHolder {
  override acquire(): void {
    // Not counted: that is the fault.
  }
  override release(): void {
    // Nothing was counted.
  }
}

/** Reports a DB as released as soon as its last use ends, though the map still names it. */
class ReleasesWhileNamed extends CountedHolder {
  readonly #hooks: LeaseHolderHooks
  readonly #reported = new Set<number>()
  constructor(hooks: LeaseHolderHooks) {
    const reported = new Set<number>()
    super({
      ...hooks,
      send: (message) => {
        if (message.kind !== 'released' || !reported.has(message.incarnationId)) hooks.send(message)
      },
    })
    this.#hooks = hooks
    this.#reported = reported
  }
  override release(incarnation: IncarnationId): void {
    super.release(incarnation)
    if (this.usesOf(incarnation) > 0 || this.#reported.has(incarnation.id)) return
    this.#reported.add(incarnation.id)
    this.#hooks.send({ kind: 'released', incarnationId: incarnation.id })
  }
}

/** Never says that the last use ended after the map dropped the DB. */
class ForgetsLateReleases extends LeaseHolder {
  constructor(hooks: LeaseHolderHooks) {
    let isReleasing = false
    super({
      ...hooks,
      send: (message) => {
        if (!isReleasing) hooks.send(message)
      },
    })
    this.release = (incarnation: IncarnationId) => {
      isReleasing = true
      super.release(incarnation)
      isReleasing = false
    }
  }
}

const honest: MakeHolder = (hooks) => new LeaseHolder(hooks)

suite('random interleavings', () => {
  const DATASETS = ['a', 'b', 'c']

  type Choice = readonly [kind: number, who: number, what: number]

  /** One step, chosen by three numbers out of what is possible now; ids are never reused. */
  function step(world: World, nextId: () => number, [kind, who, what]: Choice): void {
    const station = world.stations[who % world.stations.length]
    assert.ok(station !== undefined)
    if (kind < 30) world.deliverToHolder(station)
    else if (kind < 60) world.deliverToKeeper(station)
    else if (kind < 75) acquireAny(world, station, what)
    else if (kind < 90) releaseAny(world, station, what)
    else if (kind < 99) publishAny(world, nextId, what)
    else if (world.stations.length < 5) world.addHolder()
  }

  function acquireAny(world: World, station: Station, what: number): void {
    const named = world.namedBy(station)
    const id = named[what % named.length]
    if (id !== undefined) world.acquire(station, id)
  }

  function releaseAny(world: World, station: Station, what: number): void {
    const used = [...station.uses.keys()]
    const id = used[what % used.length]
    if (id !== undefined) world.release(station, id)
  }

  /** Keeps some of a dataset's incarnations, drops the others, adds up to two. */
  function publishAny(world: World, nextId: () => number, what: number): void {
    const dataset = DATASETS[what % DATASETS.length] ?? 'a'
    const before = world.keeper.map.datasets.get(dataset)?.live ?? []
    const kept = before.flatMap((incarnation, index) =>
      incarnation !== null && (what >> (index + 2)) % 2 === 1 ? [incarnation.id] : [],
    )
    const added = Array.from({ length: (what >> 8) % 3 }, nextId)
    world.publish(dataset, [...kept, ...added])
  }

  async function play(holderCount: number, steps: readonly Choice[], make: MakeHolder): Promise<void> {
    const world = new World(holderCount, make)
    let lastId = 0
    for (const chosen of steps) {
      step(world, () => ++lastId, chosen)
      await world.settle()
      world.checkSafety()
    }
    world.drain()
    await world.settle()
    world.checkLiveness()
    assert.deepEqual(world.closed, world.leftOut)
  }

  function property(make: MakeHolder) {
    const choice = fc.tuple(fc.nat(99), fc.nat(4), fc.nat(4095))
    const steps = fc.array(choice, { maxLength: 300, size: 'max' })
    return fc.asyncProperty(fc.integer({ min: 1, max: 4 }), steps, (count, chosen) =>
      play(count, chosen, make),
    )
  }

  test('no incarnation is closable while a holder uses it or could acquire it, and all become so in the end', async (t) => {
    const seed = Number(process.env['GODWIT_TEST_SEED'] ?? Date.now() % 2 ** 31)
    t.diagnostic(`seed ${seed}`)
    await fc.assert(property(honest), { seed, numRuns: 500 })
  })

  const faults: readonly (readonly [string, MakeHolder, RegExp])[] = [
    [
      'releases without counting',
      (hooks) => new ReleasesWithoutCounting(hooks),
      /closable while thread \d uses it/,
    ],
    ['releases what its map names', (hooks) => new ReleasesWhileNamed(hooks), /which it does not hold/],
    ['forgets late releases', (hooks) => new ForgetsLateReleases(hooks), /never became closable/],
  ]
  for (const [fault, make, message] of faults) {
    test(`a holder that ${fault} is found out`, async () => {
      const details = await fc.check(property(make), { seed: 1, numRuns: 300, endOnFailure: true })
      assert.match(String(details.errorInstance), message)
    })
  }
})

suite('all interleavings of two holders and two incarnations', () => {
  /** What main publishes, in this order, after a map with 1 and 2. (Two maps more: half a million steps.) */
  const SCRIPT: readonly (readonly number[])[] = [[2], [3]]
  /** Incarnations that a holder acquires, each at most once. */
  const ACQUIRED: readonly number[] = [1, 2]

  interface Play {
    readonly world: World
    published: number
    readonly acquired: readonly Set<number>[]
  }

  function start(make: MakeHolder): Play {
    const world = new World(2, make)
    world.publish('a', [1, 2])
    world.drain()
    return { world, published: 0, acquired: world.stations.map(() => new Set<number>()) }
  }

  /** Every step that is possible now. The order is the same in every replay of the same steps. */
  function possible(play: Play): ((play: Play) => void)[] {
    const steps: ((play: Play) => void)[] = []
    if (play.published < SCRIPT.length) {
      steps.push((now) => now.world.publish('a', SCRIPT[now.published++] ?? []))
    }
    for (const [index, station] of play.world.stations.entries())
      steps.push(...possibleAt(play, index, station))
    return steps
  }

  function possibleAt(play: Play, index: number, station: Station): ((play: Play) => void)[] {
    const at = (action: (world: World, station: Station) => void) => (now: Play) => {
      const there = now.world.stations[index]
      if (there !== undefined) action(now.world, there)
    }
    const steps: ((play: Play) => void)[] = []
    if (station.toHolder.length > 0) steps.push(at((world, there) => world.deliverToHolder(there)))
    if (station.toKeeper.length > 0) steps.push(at((world, there) => world.deliverToKeeper(there)))
    const named = play.world.namedBy(station)
    for (const id of ACQUIRED) {
      if (station.uses.has(id)) steps.push(at((world, there) => world.release(there, id)))
      else if (named.includes(id) && play.acquired[index]?.has(id) === false) {
        steps.push((now) => {
          now.acquired[index]?.add(id)
          at((world, there) => world.acquire(there, id))(now)
        })
      }
    }
    return steps
  }

  function replay(path: readonly number[], make: MakeHolder): Play {
    const play = start(make)
    for (const choice of path) possible(play)[choice]?.(play)
    return play
  }

  /** What distinguishes two situations: all that was sent, delivered, used and released; not which holder is which. */
  function fingerprint({ world, published, acquired }: Play): string {
    const stations = world.stations.map(({ toHolder, toKeeper, uses, map, retired }, index) =>
      JSON.stringify([
        toHolder.map(({ epoch }) => epoch),
        toKeeper,
        [...uses].sort(),
        map.epoch,
        [...retired].sort(),
        [...(acquired[index] ?? [])].sort(),
      ]),
    )
    return JSON.stringify([published, stations.sort(), [1, 2, 3].map((id) => world.keeper.isReleased(id))])
  }

  /** Visits every situation that can be reached; each is checked, and each in which nothing is left to do as well. */
  function explore(make: MakeHolder): { situations: number; steps: number; ends: number } {
    const seen = new Set([fingerprint(start(make))])
    const open: number[][] = [[]]
    let steps = 0
    let ends = 0
    for (let path = open.pop(); path !== undefined; path = open.pop()) {
      const choices = possible(replay(path, make)).length
      if (choices === 0) ends += 1
      for (let choice = 0; choice < choices; choice++) {
        const next = [...path, choice]
        const play = replay(next, make)
        play.world.checkSafety()
        steps += 1
        if (possible(play).length === 0) play.world.checkLiveness()
        const situation = fingerprint(play)
        if (seen.has(situation)) continue
        seen.add(situation)
        open.push(next)
      }
    }
    return { situations: seen.size, steps, ends }
  }

  test('every situation that can be reached keeps the invariants and ends with everything closable', (t) => {
    const { situations, steps, ends } = explore(honest)
    t.diagnostic(`${situations} situations, ${steps} steps between them, ${ends} ends`)
    assert.ok(situations > 1000)
    assert.ok(ends >= 1)
  })

  /** Every schedule of so many steps, one by one: nothing is taken for the same as something seen before. */
  function countSchedules(path: number[], depth: number, make: MakeHolder): number {
    const play = replay(path, make)
    play.world.checkSafety()
    const choices = depth === 0 ? 0 : possible(play).length
    if (choices === 0) return 1
    let schedules = 0
    for (let choice = 0; choice < choices; choice++) {
      schedules += countSchedules([...path, choice], depth - 1, make)
    }
    return schedules
  }

  test('every schedule of five steps keeps the invariants', (t) => {
    const schedules = countSchedules([], 5, honest)
    t.diagnostic(`${schedules} schedules`)
    assert.ok(schedules > 1000)
  })

  test('a holder that releases without counting is found out', () => {
    assert.throws(
      () => explore((hooks) => new ReleasesWithoutCounting(hooks)),
      /closable while thread \d uses it/,
    )
  })
})
