import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { datasetRecord } from '../../support/datasets.js'
import { random } from '../../support/random.js'
import { ServingWorld, version, worldWith } from './version-set-world.js'

const CORRUPT = new KVError('CORRUPT', 'stored data is damaged')
const DISK_FULL = new KVError('UNAVAILABLE', 'the disk is full')

suite('starting', () => {
  test('opens what is to be served and publishes it in one map', async () => {
    const world = new ServingWorld()
    const versions = [version(5, 'LOADING'), version(4, 'READY'), version(3, 'CURRENT'), version(2, 'FAILED')]
    const batch = datasetRecord({ name: 'b', id: 'b', mode: 'BATCH', shardCount: 2, versions })
    const live = datasetRecord({ name: 'w', id: 'w', shardCount: 3 })
    const elsewhere = datasetRecord({ name: 'o', id: 'o', migrationState: 'ORIGIN_ONLY' })
    for (const record of [batch, live, elsewhere]) world.records.set(record.name, record)
    for (const id of [2, 3, 4, 5]) for (const shard of world.shardsOf('b', id)) world.disk.add(shard)
    await world.finish(world.set.start([batch, live, elsewhere]))
    assert.equal(world.keeper.map.epoch, 1)
    assert.deepEqual(world.versions('b'), [4, 3])
    assert.equal(world.current('b'), 3)
    assert.deepEqual(
      world.entry('w').live.map((incarnation) => incarnation?.shard),
      [0, 1, 2],
    )
    assert.deepEqual(world.entry('o').live, [])
    assert.deepEqual(world.trashed, ['/data/b/2'])
    world.checkSettled()
  })

  test('opens four shards at a time', async () => {
    const world = new ServingWorld()
    let openGate: () => void = () => undefined
    world.store.gate = new Promise<void>((resolve) => (openGate = resolve))
    const started = world.set.start([datasetRecord({ name: 'w', id: 'w', shardCount: 40 })])
    await world.settle()
    assert.equal(world.store.opening, 4)
    openGate()
    await world.settle()
    await started
    assert.equal(world.store.mostOpening, 4)
    assert.equal(world.set.openCount(), 40)
  })

  test('serves the others when one dataset cannot be opened', async () => {
    const world = new ServingWorld()
    const records = ['a', 'b', 'c'].map((name) => datasetRecord({ name, id: name, shardCount: 2 }))
    world.store.failures.set('/data/b/live-1/1', CORRUPT)
    await world.finish(world.set.start(records))
    assert.deepEqual(
      world.entry('b').live.map((incarnation) => incarnation !== null),
      [true, false],
    )
    assert.ok(world.entry('a').live.every((incarnation) => incarnation !== null))
    assert.deepEqual(world.set.degraded(), [{ dataset: 'b', reason: 'live shard 1: stored data is damaged' }])
  })

  test('removes what no record names and leaves alone what may be an only copy', async () => {
    const world = new ServingWorld()
    world.orphans = [
      { path: '/data/b/1', reason: 'its record is gone', isRemovable: true },
      { path: '/data/x', reason: 'no dataset has this id', isRemovable: false },
    ]
    await world.set.start([])
    assert.deepEqual(world.trashed, ['/data/b/1'])
  })
})

suite('a change', () => {
  test('publishes a version in one map, without opening or closing anything', async () => {
    const world = await worldWith(1)
    await world.load('b', 2)
    const { epoch } = world.keeper.map
    const opened = world.store.opened.length
    await world.publish('b', 2)
    assert.equal(world.keeper.map.epoch, epoch + 1)
    assert.equal(world.current('b'), 2)
    assert.deepEqual(world.versions('b'), [2, 1])
    assert.equal(world.store.opened.length, opened)
    world.checkSettled()
  })

  test('is done when every thread has adopted it, not before', async () => {
    const world = await worldWith(1, 2)
    world.isPrompt = false
    let isDone = false
    const done = world.publish('b', 2).then(() => (isDone = true))
    await world.settle()
    world.step(world.thread(0))
    world.step(world.thread(0))
    await world.settle()
    assert.equal(isDone, false)
    world.deliverAll()
    await world.settle()
    assert.equal(isDone, true)
    await done
  })

  test('names a version only when all its shards are open', async () => {
    const world = await worldWith(1)
    world.store.failures.set('/data/b-0-0/2/1', CORRUPT)
    await world.load('b', 2)
    assert.deepEqual(world.versions('b'), [1])
    assert.equal(world.set.isServed('b', 1), true)
    assert.equal(world.set.isServed('b', 2), false)
    assert.deepEqual(world.set.degraded(), [{ dataset: 'b', reason: 'version 2: stored data is damaged' }])
    world.checkSettled()
  })

  test('that publishes what cannot be opened leaves the version before it served', async () => {
    const world = await worldWith(1)
    world.store.failures.set('/data/b-0-0/2/0', CORRUPT)
    await world.load('b', 2)
    await world.publish('b', 2)
    assert.equal(world.current('b'), 1)
    world.store.failures.clear()
    await world.amend('b', { description: 'repaired' })
    assert.equal(world.current('b'), 2)
    assert.deepEqual(world.set.degraded(), [])
  })

  test('deletes a version: out of the map, released, closed, removed, forgotten, in this order', async () => {
    const world = await worldWith(2, 1)
    const { holder } = world.thread(1)
    const [shard] = world.entry('b').versions[1]?.shards ?? []
    assert.ok(shard)
    holder.acquire(shard)
    await world.setState('b', 1, 'DELETED')
    assert.deepEqual(world.versions('b'), [2])
    assert.ok(world.store.open_.has(shard.id))
    assert.deepEqual([world.trashed, world.forgotten], [[], []])

    holder.release(shard)
    await world.settle()
    assert.deepEqual([world.trashed, world.forgotten], [['/data/b-0-0/1'], [1]])
    assert.deepEqual(
      world.record('b').versions.map(({ id }) => id),
      [2],
    )
    world.checkSettled()
  })

  test('removes the files of a failed load and keeps its record', async () => {
    const world = await worldWith(1)
    await world.amend('b', { versions: [version(2, 'LOADING'), ...world.record('b').versions] })
    await world.setState('b', 2, 'FAILED')
    await world.amend('b', { description: 'again' })
    assert.deepEqual(world.trashed, ['/data/b-0-0/2'])
    assert.deepEqual(world.forgotten, [])
  })

  test('creates live data once; when it is missing later, that is an error and no empty dataset', async () => {
    const world = new ServingWorld()
    await world.create('w', { shardCount: 2 })
    assert.deepEqual([...world.disk], ['/data/w-0-0/live-1/0', '/data/w-0-0/live-1/1'])
    await world.amend('w', { migrationState: 'ORIGIN_ONLY' })
    world.disk.clear()
    await world.amend('w', { migrationState: 'TARGET_ONLY' })
    assert.deepEqual(world.entry('w').live, [null, null])
    assert.match(world.set.degraded()[0]?.reason ?? '', /live-1 is missing/)
    assert.equal(world.disk.size, 0)
  })

  test('opens a directory again only when its last incarnation is closed', async () => {
    const world = new ServingWorld()
    await world.create('w')
    const [first] = world.entry('w').live
    assert.ok(first)
    world.thread(0).holder.acquire(first)
    await world.amend('w', { migrationState: 'ORIGIN_ONLY' })
    await world.amend('w', { migrationState: 'TARGET_ONLY' })
    assert.deepEqual(world.entry('w').live, [null])
    world.thread(0).holder.release(first)
    await world.settle()
    const [second] = world.entry('w').live
    assert.ok(second && second.id !== first.id)
    world.checkSettled()
  })

  test('removes a dataset with its files, and a new one of its name starts empty', async () => {
    const world = new ServingWorld()
    await world.create('w', { id: 'old' })
    await world.remove('w')
    assert.deepEqual(world.trashed, ['/data/old'])
    await world.create('w', { id: 'new' })
    assert.deepEqual([...world.disk], ['/data/new/live-1/0'])
    await world.create('w', { id: 'newer' })
    assert.deepEqual(world.trashed, ['/data/old', '/data/new'])
    world.checkSettled()
  })
})

suite('a shard that failed', () => {
  test('leaves the map at once and comes back as another incarnation', async () => {
    const world = new ServingWorld()
    await world.create('w', { shardCount: 2 })
    const [first, other] = world.entry('w').live
    assert.ok(first)
    world.thread(0).holder.acquire(first)
    await world.finish(world.set.shardFailed(first.id))
    assert.deepEqual(world.entry('w').live, [null, other])
    assert.match(world.set.degraded()[0]?.reason ?? '', /live shard 0: failed with an i\/o error/)

    world.thread(0).holder.release(first)
    await world.settle()
    const [second] = world.entry('w').live
    assert.ok(second && second.id > first.id)
    assert.deepEqual(world.set.degraded(), [])
    world.checkSettled()
  })

  test('is read on while the disk is full, and opened anew when there is room', async () => {
    const world = new ServingWorld()
    await world.create('w')
    const [first] = world.entry('w').live
    assert.ok(first)
    world.hasRoom = false
    for (let report = 0; report < 3; report++) await world.finish(world.set.shardFailed(first.id))
    assert.equal(world.timers.pendingCount, 1)
    world.timers.advance(5_000)
    await world.settle()
    assert.deepEqual(world.entry('w').live, [first])
    assert.match(world.set.degraded()[0]?.reason ?? '', /live shard 0: the disk is full, it takes no writes/)

    world.hasRoom = true
    world.timers.advance(1_000)
    await world.settle()
    const [second] = world.entry('w').live
    assert.ok(second && second.id > first.id)
    assert.deepEqual(world.set.degraded(), [])
    world.checkSettled()
  })

  test('is handled once however often it is reported', async () => {
    const world = new ServingWorld()
    await world.create('w')
    const [first] = world.entry('w').live
    assert.ok(first)
    const { epoch } = world.keeper.map
    const reports = [1, 2, 3].map(() => world.set.shardFailed(first.id))
    await world.finish(Promise.all(reports))
    await world.set.shardFailed(first.id)
    assert.equal(world.keeper.map.epoch, epoch + 2)
    world.checkSettled()
  })

  test('takes its whole version with it, never half of one, and not the other versions', async () => {
    const world = await worldWith(2, 1)
    const failing = world.entry('b').current?.shards[1]
    assert.ok(failing)
    world.store.failures.set(failing.directory, DISK_FULL)
    await world.finish(world.set.shardFailed(failing.id))
    assert.deepEqual(world.versions('b'), [1])
    assert.equal(world.current('b'), null, 'an older version does not take its place unasked')

    world.store.failures.clear()
    world.timers.advance(60_000)
    await world.settle()
    assert.equal(world.current('b'), 2)
    world.checkSettled()
  })

  test('is opened again after growing pauses while the disk fails, and at once after a quiet time', async () => {
    const world = new ServingWorld()
    await world.create('w')
    const directory = '/data/w-0-0/live-1/0'
    world.store.failures.set(directory, DISK_FULL)
    const fail = async () => {
      const [live] = world.entry('w').live
      assert.ok(live)
      await world.finish(world.set.shardFailed(live.id))
    }
    await fail()
    const pausesMs: number[] = []
    for (let attempt = 0; attempt < 8; attempt++) {
      const { pendingCount, nowMs } = world.timers
      assert.equal(pendingCount, 1)
      const failure = new KVError('UNAVAILABLE', `attempt ${attempt}`)
      world.store.failures.set(directory, failure)
      while (!world.set.degraded()[0]?.reason.endsWith(failure.message)) {
        world.timers.advance(500)
        await world.settle()
      }
      pausesMs.push(world.timers.nowMs - nowMs)
    }
    assert.deepEqual(pausesMs, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
    world.store.failures.clear()
    world.timers.advance(30_000)
    await world.settle()
    assert.deepEqual(world.set.degraded(), [])
    world.timers.advance(120_000)
    await fail()
    assert.deepEqual(world.set.degraded(), [])
    world.checkSettled()
  })

  test('is not tried again by itself when its data is damaged', async () => {
    const world = new ServingWorld()
    await world.create('w')
    const [live] = world.entry('w').live
    assert.ok(live)
    world.store.failures.set(live.directory, CORRUPT)
    await world.finish(world.set.shardFailed(live.id))
    assert.equal(world.timers.pendingCount, 0)
    world.store.failures.clear()
    await world.amend('w', { description: 'restored' })
    assert.deepEqual(world.set.degraded(), [])
  })
})

suite('closing', () => {
  test('takes everything out of the map and closes it as it is released, without removing anything', async () => {
    const world = await worldWith(2, 1)
    await world.create('w')
    const [live] = world.entry('w').live
    assert.ok(live)
    world.thread(0).holder.acquire(live)
    let isClosed = false
    const closed = world.set.close().then(() => (isClosed = true))
    await world.settle()
    assert.equal(world.keeper.map.datasets.size, 0)
    assert.equal(isClosed, false)
    assert.deepEqual(world.store.directories(), [live.directory])
    world.thread(0).holder.release(live)
    await world.settle()
    await closed
    assert.equal(world.set.openCount(), 0)
    assert.deepEqual(world.trashed, [])
  })

  test('leaves to the next start what was to be removed behind a lease', async () => {
    const world = await worldWith(2, 1)
    const [shard] = world.entry('b').versions[1]?.shards ?? []
    assert.ok(shard)
    world.thread(0).holder.acquire(shard)
    await world.setState('b', 1, 'DELETED')
    const closed = world.set.close()
    world.thread(0).holder.release(shard)
    await world.finish(closed)
    assert.deepEqual([world.trashed, world.forgotten], [[], []])
  })

  test('during a start opens nothing more of what still waits, and says nothing of it', async () => {
    const world = new ServingWorld()
    let openGate: () => void = () => undefined
    world.store.gate = new Promise<void>((resolve) => (openGate = resolve))
    const records = Array.from({ length: 20 }, (_, index) => {
      const id = `b${index}`
      return datasetRecord({ name: id, id, mode: 'BATCH', versions: [version(1, 'CURRENT')] })
    })
    for (const record of records) {
      world.records.set(record.name, record)
      for (const shard of world.shardsOf(record.name, 1)) world.disk.add(shard)
    }
    const started = world.set.start(records)
    await world.settle()
    world.timers.advance(1_000)
    await world.finish(started)
    const closed = world.set.close()
    await world.settle()
    openGate()
    await world.finish(closed)
    assert.equal(world.store.opened.length, 4, 'those that were being opened')
    assert.deepEqual([world.set.openCount(), world.set.degraded()], [0, []])
    assert.equal(world.timers.pendingCount, 0)
  })

  test('ends retries and ignores what is reported afterwards', async () => {
    const world = new ServingWorld()
    world.store.failures.set('/data/w/live-1/0', DISK_FULL)
    await world.create('w', { id: 'w' })
    assert.equal(world.timers.pendingCount, 1)
    await world.finish(world.set.close())
    assert.equal(world.timers.pendingCount, 0)
    await world.set.onChange('w', world.record('w'))
    await world.set.shardFailed(1)
    assert.equal(world.set.openCount(), 0)
  })
})

suite('a storm of changes', () => {
  const NAMES = ['a', 'b', 'c']
  type Choose = (count: number) => number

  /** One change, not waited for. */
  function change(world: ServingWorld, choose: Choose, versionId: number): Promise<void> {
    const name = NAMES[choose(NAMES.length)] ?? 'a'
    const record = world.records.get(name)
    if (record === undefined) {
      const id = `${name}${versionId}`
      return choose(2) === 0 ? world.create(name, { id, shardCount: 2 }) : world.createBatch(name, { id })
    }
    if (choose(25) === 0) return world.remove(name)
    if (record.mode !== 'BATCH') {
      return world.amend(name, { migrationState: choose(3) === 0 ? 'ORIGIN_ONLY' : 'TARGET_ONLY' })
    }
    const ready = record.versions.filter(({ state }) => state === 'READY')
    const one = ready[choose(ready.length + 1)]
    if (one === undefined) return world.load(name, versionId)
    return choose(4) === 0 ? world.setState(name, one.id, 'DELETED') : world.publish(name, one.id)
  }

  function failSomething(world: ServingWorld, choose: Choose): Promise<void> {
    const open = [...world.store.open_.keys()]
    const id = open[choose(open.length)]
    return id === undefined ? Promise.resolve() : world.set.shardFailed(id)
  }

  async function storm(seed: number): Promise<number> {
    const next = random(seed)
    const choose: Choose = (count) => Math.floor(next() * count)
    const world = new ServingWorld(3)
    world.isPrompt = false
    const changes: Promise<void>[] = []
    const uses: (() => void)[] = []
    for (let step = 1; step <= 400; step++) {
      const kind = choose(100)
      const thread = world.thread(choose(3))
      if (kind < 15) changes.push(change(world, choose, step))
      else if (kind < 17) changes.push(failSomething(world, choose))
      else if (kind < 50) world.step(thread)
      else if (kind < 65) uses.push(...acquireSomething(thread, choose))
      else if (kind < 85) uses.splice(choose(uses.length), 1)[0]?.()
      else await new Promise((resolve) => setImmediate(resolve))
    }
    for (const release of uses) release()
    world.isPrompt = true
    for (let pause = 0; pause < 5; pause++) {
      await world.settle()
      world.timers.advance(30_000)
    }
    await world.finish(Promise.all(changes))
    await world.settle()
    world.checkSettled()
    assert.deepEqual(world.set.degraded(), [])
    await world.finish(world.set.close())
    assert.equal(world.store.open_.size, 0)
    return world.closedCount
  }

  function acquireSomething({ holder }: ReturnType<ServingWorld['thread']>, choose: Choose): (() => void)[] {
    const shards = [...holder.map.datasets.values()].flatMap(({ versions, live }) => [
      ...versions.flatMap((served) => served.shards),
      ...live.filter((shard) => shard !== null),
    ])
    const shard = shards[choose(shards.length)]
    if (shard === undefined) return []
    holder.acquire(shard)
    return [() => holder.release(shard)]
  }

  test('never closes what a thread uses or may use, and in the end exactly what the map names is open', async (t) => {
    const first = Number(process.env['GODWIT_TEST_SEED'] ?? Date.now() % 2 ** 31)
    let closedCount = 0
    for (let seed = first; seed < first + 20; seed++) {
      closedCount += await storm(seed).catch((error: unknown) => {
        throw new Error(`seed ${seed}`, { cause: error })
      })
    }
    t.diagnostic(`seeds from ${first}: closed ${closedCount} times`)
    assert.ok(closedCount > 100)
  })
})
