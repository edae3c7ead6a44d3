import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/logger.js'
import { DoubleLoad, type ForwardedLoad } from '../../../src/migration/double-load.js'
import { NO_MIGRATION, type Side } from '../../../src/model/migration.js'
import { CHANGE, START_MS, batchDraft, kvError } from '../kvsm/fixtures.js'
import { MortalStore } from './mortal-store.js'
import { BY, type World, inState, migrationWorld, settled } from './world.js'

interface Loading {
  readonly world: World
  readonly double: DoubleLoad
  /** What each side was asked for, in order. */
  readonly calls: string[]
  /** Sides that refuse. */
  readonly broken: Set<Side>
  /** Loads of the target wait for it. */
  held: Promise<void>
  /** What the origin says instead of taking a load; and who is told that it is asked. */
  refusal: KVError | null
  onOrigin: () => unknown
  onTarget: () => unknown
  readonly load: (id: number) => Promise<void>
  readonly restart: () => DoubleLoad
}

async function loading(world: World, { hasController = true } = {}): Promise<Loading> {
  const calls: string[] = []
  const broken = new Set<Side>()
  const state: Pick<Loading, 'held' | 'refusal' | 'onOrigin' | 'onTarget'> = {
    held: Promise.resolve(),
    refusal: null,
    onOrigin: () => undefined,
    onTarget: () => undefined,
  }
  const side = (name: Side) => async (load: ForwardedLoad) => {
    calls.push(`${name} ${load.source}`)
    if (name === 'TARGET') {
      await state.onTarget()
      await state.held
    }
    if (broken.has(name)) throw new KVError('UNAVAILABLE', `${name} is down`)
    if (name === 'ORIGIN') {
      await state.onOrigin()
      if (state.refusal !== null) throw state.refusal
      return
    }
    // What is loaded already is not loaded again; what was only begun is.
    const known = world.record().versions.find(({ source }) => source === load.source)
    if (known?.state === 'CURRENT') return
    const wished = load.versionId ?? undefined
    const { id } =
      known?.state === 'READY'
        ? known
        : await world.metastore.beginVersion('cities', load.source, CHANGE, wished)
    if (known?.state !== 'READY')
      await world.metastore.completeVersion('cities', id, { rows: 1, bytes: 1, checksum: 'aa' }, CHANGE)
    await world.metastore.publish('cities', id, CHANGE)
  }
  const make = (): DoubleLoad =>
    new DoubleLoad({
      metastore: world.metastore,
      clock: world.clock,
      startTimer: world.timers.start,
      logger: silentLogger,
      owedRetryMs: 5_000,
      loadTarget: side('TARGET'),
      originLoader: () => (hasController ? side('ORIGIN') : null),
      isRefusal: (error) => error instanceof KVError && error.outcome === 'NOT_APPLIED',
    })
  const double = make()
  double.start()
  const load = (id: number): Promise<void> => {
    world.clock.ms = START_MS + id
    return double.load({
      dataset: 'cities',
      versionId: START_MS + id,
      source: `dir/${id}`,
      request: `{"id":${id}}`,
      actor: 'hdfs-uploader',
    })
  }
  await settled()
  return Object.assign(state, { world, double, calls, broken, load, restart: make })
}

async function inVerify(): Promise<Loading> {
  const world = await migrationWorld()
  await inState(world, 'VERIFY')
  return loading(world)
}

const owed = ({ world }: Loading): string[] =>
  (world.record().migration ?? NO_MIGRATION).owed.map(({ side, source }) => `${side} ${source}`)

test('a load goes to the answering side first and then to the other, and both serve one version', async () => {
  const all = await inVerify()
  await all.load(100)
  await settled()
  assert.deepEqual(all.calls, ['ORIGIN dir/100', 'TARGET dir/100'])
  assert.deepEqual(owed(all), [])
  const { versions, migration } = all.world.record()
  assert.equal(versions.find(({ state }) => state === 'CURRENT')?.id, START_MS + 100)
  assert.equal(migration?.originVersion?.versionId, START_MS + 100)
  const lines = all.world.metastore.audit(10).map(({ detail }) => detail)
  assert.ok(
    lines.some((detail) => /owes TARGET 1700000000100;.*origin version/.test(detail)),
    lines.join('\n'),
  )
  assert.ok(
    lines.some((detail) => /owes TARGET 1700000000100 no more/.test(detail)),
    lines.join('\n'),
  )
})

test('what the answering side refuses the uploader is told, and nothing is owed', async () => {
  const all = await inVerify()
  all.broken.add('ORIGIN')
  await assert.rejects(all.load(100), kvError('UNAVAILABLE', /ORIGIN is down/))
  await settled()
  assert.deepEqual(all.calls, ['ORIGIN dir/100'])
  assert.deepEqual(owed(all), [])
})

test("the other side's failure is owed, blocks every move onwards, and is tried again with growing pauses", async () => {
  const all = await inVerify()
  all.broken.add('TARGET')
  await all.load(100)
  await settled()
  assert.deepEqual(owed(all), ['TARGET dir/100'])
  const [debt] = all.world.record().migration?.owed ?? []
  assert.equal(debt?.error, 'TARGET is down')
  assert.equal(debt.attempts, 1)
  await assert.rejects(
    all.world.control.move('cities', 'switch', BY),
    kvError('FAILED_PRECONDITION', /no load is owed: 1/),
  )
  // 5 s, then 10 s, then 20 s: three more attempts in 36 s.
  await all.world.seconds(36)
  assert.equal(all.calls.filter((call) => call.startsWith('TARGET')).length, 4)
  all.broken.clear()
  await all.world.seconds(40)
  assert.deepEqual(owed(all), [])
  assert.equal(all.world.record().versions.find(({ state }) => state === 'CURRENT')?.source, 'dir/100')
})

test('what is owed is tried again after a restart', async () => {
  const all = await inVerify()
  all.broken.add('TARGET')
  await all.load(100)
  await settled()
  all.double.close()
  all.broken.clear()
  all.calls.length = 0
  const again = all.restart()
  again.start()
  await settled()
  assert.deepEqual(all.calls, ['TARGET dir/100'])
  assert.deepEqual(owed(all), [])
})

test('a newer load that the side took makes the older ones pointless', async () => {
  const all = await inVerify()
  all.broken.add('TARGET')
  await all.load(100)
  await settled()
  await all.load(200)
  await settled()
  assert.deepEqual(owed(all), ['TARGET dir/100', 'TARGET dir/200'])
  all.broken.clear()
  all.calls.length = 0
  await all.world.seconds(30)
  assert.deepEqual(all.calls, ['TARGET dir/200'])
  assert.deepEqual(owed(all), [])
})

test('a load that comes while an older one is tried stays owed until it is taken itself', async () => {
  const all = await inVerify()
  let release = (): void => undefined
  all.held = new Promise((resolve) => (release = resolve))
  await all.load(100)
  await settled()
  await all.load(200)
  all.broken.add('ORIGIN')
  assert.deepEqual(owed(all), ['TARGET dir/100', 'TARGET dir/200'])
  all.held = new Promise(() => undefined)
  release()
  await settled()
  assert.deepEqual(owed(all), ['TARGET dir/200'])
})

test('in TARGET_PRIMARY the target answers and the origin owes', async () => {
  const world = await migrationWorld()
  await inState(world, 'TARGET_PRIMARY')
  const all = await loading(world)
  all.broken.add('ORIGIN')
  await all.load(100)
  await settled()
  assert.deepEqual(all.calls, ['TARGET dir/100', 'ORIGIN dir/100'])
  assert.deepEqual(owed(all), ['ORIGIN dir/100'])
  // Which version the origin serves, nobody knows until it is taken: it failed without saying that it had not begun.
  assert.equal(world.record().migration?.originVersion, null)
  all.broken.clear()
  await world.seconds(10)
  assert.equal(world.record().migration?.originVersion?.versionId, START_MS + 100)
  assert.deepEqual(owed(all), [])
})

test('before a migration the origin alone is loaded, after it the target alone', async () => {
  for (const [state, calls] of [
    ['ORIGIN_ONLY', ['ORIGIN dir/100']],
    ['TARGET_ONLY', ['TARGET dir/100']],
  ] as const) {
    const world = await migrationWorld()
    await inState(world, state)
    const all = await loading(world)
    assert.equal(all.double.isDoubled('cities'), state === 'ORIGIN_ONLY')
    await all.load(100)
    await settled()
    assert.deepEqual(all.calls, calls)
    assert.deepEqual(owed(all), [])
  }
})

test('without a controller both sides are loaded by hand: the target alone takes what comes', async () => {
  const world = await migrationWorld()
  await inState(world, 'VERIFY')
  const all = await loading(world, { hasController: false })
  assert.equal(all.double.isDoubled('cities'), false)
  await all.load(100)
  assert.deepEqual(all.calls, ['TARGET dir/100'])
  assert.equal(world.record().migration?.originVersion?.versionId, START_MS + 1)
})

test('calls for one load at the same time are one load', async () => {
  const all = await inVerify()
  await Promise.all([all.load(100), all.load(100), all.load(100)])
  await settled()
  assert.deepEqual(all.calls, ['ORIGIN dir/100', 'TARGET dir/100'])
})

test('a source without an id has the id of the target’s version of it', async () => {
  const all = await inVerify()
  all.world.clock.ms = START_MS + 900
  await all.double.load({ dataset: 'cities', versionId: null, source: 'dir/x', request: '{}', actor: 'a' })
  await settled()
  const current = all.world.record().versions.find(({ state }) => state === 'CURRENT')
  assert.equal(current?.source, 'dir/x')
  assert.equal(all.world.record().migration?.originVersion?.versionId, current.id)
})

test('the uploader hears of success only when the debt is written down', async () => {
  const all = await inVerify()
  all.world.store.failure = 'before'
  await assert.rejects(all.load(100))
  await settled()
  // The origin is not even asked: a swap that the record does not know of would mix versions in one answer.
  assert.deepEqual(all.calls, [])
})

test('while the origin takes a load, nobody knows its version; what it refuses outright changes nothing', async () => {
  const all = await inVerify()
  const versionOf = (): number | undefined => all.world.record().migration?.originVersion?.versionId
  const seen: (number | undefined)[] = []
  all.onOrigin = () => void seen.push(versionOf())
  all.refusal = new KVError('UNAVAILABLE', 'no connection', { outcome: 'NOT_APPLIED' })
  await assert.rejects(all.load(100))
  assert.equal(versionOf(), START_MS + 1)
  all.refusal = null
  await all.load(200)
  await settled()
  assert.equal(versionOf(), START_MS + 200)
  assert.deepEqual(seen, [undefined, undefined])
})

test('a target that is broken for long does not refuse what the origin takes: the oldest of what is owed makes room', async () => {
  const all = await inVerify()
  all.broken.add('TARGET')
  for (let id = 1; id <= limits.maxOwedLoads + 3; id += 1) await all.load(100 + id)
  await settled()
  assert.equal(owed(all).length, limits.maxOwedLoads)
  assert.equal(owed(all).at(-1), `TARGET dir/${100 + limits.maxOwedLoads + 3}`)
})

test('a load that only the target took does not pass for one that the origin has, though a revert came between', async () => {
  const world = await migrationWorld()
  await inState(world, 'TARGET_PRIMARY')
  const all = await loading(world)
  let release = (): void => undefined
  all.held = new Promise((resolve) => (release = resolve))
  all.broken.add('ORIGIN')
  const begun = all.load(100)
  await settled()
  await world.control.move('cities', 'revert', BY)
  release()
  await begun
  await settled()
  assert.deepEqual(owed(all), ['ORIGIN dir/100'])
  assert.equal(world.record().migration?.originVersion, null)
})

test('a load that was under way when its dataset was removed says nothing about another one of its name', async () => {
  for (const side of ['ORIGIN', 'TARGET'] as const) {
    const all = await inVerify()
    const { metastore } = all.world
    const replace = async (): Promise<void> => {
      await metastore.removeDataset('cities', CHANGE)
      await metastore.createDataset(
        batchDraft('cities', { migrationState: 'ORIGIN_ONLY', origin: 'west' }),
        CHANGE,
      )
      for (const state of ['ARMING', 'VERIFY'] as const) await metastore.migrate('cities', { state }, CHANGE)
    }
    if (side === 'ORIGIN') all.onOrigin = replace
    else all.held = new Promise(() => undefined)
    await all.load(100)
    await settled()
    if (side === 'TARGET') await replace()
    await all.world.seconds(30)
    assert.deepEqual(all.world.record().migration, {
      ...NO_MIGRATION,
      sinceMs: all.world.record().migration?.sinceMs,
    })
    assert.deepEqual(all.calls.length, side === 'ORIGIN' ? 1 : 2)
  }
})

test('a process that dies at any place of a load: its uploader asks again, and both sides serve it, once', async () => {
  let places = 0
  for (let place = 1; place === 1 || place <= places; place += 1) {
    const store = new MortalStore()
    const world = await migrationWorld(store)
    await inState(world, 'VERIFY')
    const dead = await loading(world)
    dead.onOrigin = () => store.pass()
    dead.onTarget = () => store.pass()
    store.passed = 0
    if (places === 0) {
      await dead.load(100)
      await settled()
      places = store.passed
      place = 0
      assert.ok(places >= 10, `${places} places`)
      continue
    }
    store.diesAt = place
    void dead.load(100)
    for (let turn = 0; turn < 10 && !store.isDead; turn += 1) await settled()
    assert.ok(store.isDead, `place ${place}`)
    store.diesAt = Number.POSITIVE_INFINITY

    const next = await loading(await migrationWorld(store))
    const text = `dead at ${place} of ${places}`
    const { migration, versions } = next.world.record()
    const known = migration?.originVersion?.versionId
    // Nobody believes that the origin is where it was, once it may have been asked.
    if (dead.calls.length > 0) assert.notEqual(known, START_MS + 1, text)
    assert.ok(versions.filter(({ state }) => state === 'CURRENT').length === 1, text)
    await next.load(100)
    await next.world.seconds(30)
    assert.deepEqual(owed(next), [], text)
    const record = next.world.record()
    assert.equal(record.migration?.originVersion?.versionId, START_MS + 100, text)
    assert.equal(record.versions.find(({ state }) => state === 'CURRENT')?.source, 'dir/100', text)
  }
})
