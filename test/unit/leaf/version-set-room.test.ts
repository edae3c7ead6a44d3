/** Which versions are open: as many as may be, and those that are kept no longer while somebody reads them page by page. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { datasetRecord } from '../../support/datasets.js'
import { ServingWorld, version, worldWith } from './version-set-world.js'

const CORRUPT = new KVError('CORRUPT', 'stored data is damaged')

suite('room for open versions', () => {
  /** Dataset `b` with versions 1 to 6 of one shard, the third current. */
  async function sixVersions(maxOpenShards: number): Promise<ServingWorld> {
    const world = new ServingWorld(2, maxOpenShards)
    const versions = [6, 5, 4, 3, 2, 1].map((id) => version(id, id === 3 ? 'CURRENT' : 'READY'))
    const record = datasetRecord({ name: 'b', id: 'b', mode: 'BATCH', retainedVersions: 10, versions })
    world.records.set('b', record)
    for (const { id } of versions) for (const shard of world.shardsOf('b', id)) world.disk.add(shard)
    await world.finish(world.set.start([record]))
    return world
  }

  test('is used for what is served and may be soon: beside the current version, and the newest', async () => {
    const world = await sixVersions(100)
    assert.deepEqual(world.versions('b'), [6, 4, 3, 2])
    assert.equal(world.current('b'), 3)
    assert.deepEqual(world.set.degraded(), [])
    world.checkSettled()
  })

  test('goes to the served version first', async () => {
    const world = await sixVersions(1)
    assert.deepEqual(world.versions('b'), [3])
    await world.finish(world.set.open('b', 3))
    assert.equal(world.set.openCount(), 1)
  })

  test('a version that is asked for is opened; what was not used longest is closed for it, by lease', async () => {
    const world = await sixVersions(4)
    for (const { id, shards } of world.entry('b').versions) world.ages.set(shards[0]?.id ?? 0, id)
    const [sixth] = world.entry('b').versions[0]?.shards ?? []
    assert.ok(sixth)
    world.thread(0).holder.acquire(sixth)
    await world.finish(world.set.open('b', 1))
    assert.equal(world.set.isServed('b', 1), true)
    await world.settle()
    assert.deepEqual(world.versions('b'), [3, 2, 1], 'down to five percent below the bound')
    assert.ok(world.store.open_.has(sixth.id), 'a reader still has it')
    world.thread(0).holder.release(sixth)
    await world.settle()
    world.checkSettled()
    assert.deepEqual(world.trashed, [], 'closed is not removed')
  })

  test('a version that is asked for while it is being closed comes back as another incarnation', async () => {
    const world = await sixVersions(4)
    await world.finish(world.set.open('b', 1))
    await world.settle()
    const asleep = [6, 4, 3, 2].find((id) => !world.versions('b').includes(id)) ?? 0
    assert.ok(asleep > 0)
    const opened = world.store.opened.length
    await world.finish(world.set.open('b', asleep))
    assert.equal(world.store.opened.length, opened + 1)
    await world.settle()
    world.checkSettled()
  })

  test('who asks for what is not kept or does not open is told so', async () => {
    const world = await sixVersions(100)
    await assert.rejects(world.set.open('b', 99), { code: 'VERSION_NOT_FOUND' })
    await assert.rejects(world.set.open('nothing', 1), { code: 'DATASET_NOT_FOUND' })
    world.store.failures.set('/data/b/1/0', CORRUPT)
    await assert.rejects(world.finish(world.set.open('b', 1)), { code: 'UNAVAILABLE', message: /damaged/ })
    assert.deepEqual(world.versions('b'), [6, 4, 3, 2])
  })

  test('a start does not wait for all of it, and a change does not wait for the start', async () => {
    const world = new ServingWorld()
    const records = Array.from({ length: 30 }, (_, index) => {
      const versions = [version(2, 'READY'), version(1, 'CURRENT')]
      return datasetRecord({ name: `b${index}`, id: `b${index}`, mode: 'BATCH', versions })
    })
    for (const record of records) world.records.set(record.name, record)
    for (const { name } of records)
      for (const id of [1, 2]) for (const shard of world.shardsOf(name, id)) world.disk.add(shard)
    let openGate: () => void = () => undefined
    world.store.gate = new Promise<void>((resolve) => (openGate = resolve))
    const started = world.set.start(records)
    await world.settle()
    world.timers.advance(1_000)
    await world.finish(started)
    assert.equal(world.keeper.map.datasets.size, 30)
    assert.equal(world.current('b29'), null)
    const asked = world.set.open('b29', 1)
    openGate()
    world.store.gate = null
    await world.finish(asked)
    const position = world.store.opened.indexOf('/data/b29/1/0')
    assert.ok(position >= 0 && position < 8, `opened as number ${position}`)
    await world.settle()
    assert.equal(world.set.openCount(), 60)
    world.checkSettled()
  })

  test('behind a start one at a time is opened, beside what is asked for and what a change needs', async () => {
    const world = new ServingWorld()
    const records = Array.from({ length: 12 }, (_, index) =>
      datasetRecord({ name: `b${index}`, id: `b${index}`, mode: 'BATCH', versions: [version(1, 'CURRENT')] }),
    )
    for (const record of records) world.records.set(record.name, record)
    for (const { name } of records) for (const shard of world.shardsOf(name, 1)) world.disk.add(shard)
    const gates: (() => void)[] = []
    const newGate = () => {
      world.store.gate = new Promise<void>((resolve) => gates.push(resolve))
    }
    newGate()
    const started = world.set.start(records)
    await world.settle()
    assert.equal(world.store.opening, 4)
    world.timers.advance(1_000)
    await world.finish(started)
    newGate()
    gates[0]?.()
    await world.settle()
    assert.equal(world.store.opening, 1)
    const asked = world.set.open('b11', 1)
    await world.settle()
    assert.equal(world.store.opening, 2)
    // Its turn behind the start waits for its opening.
    const changed = world.amend('b10', { description: 'new' })
    await world.settle()
    assert.equal(world.store.opening, 3)
    world.store.gate = null
    gates[1]?.()
    await world.finish(Promise.all([asked, changed]))
    await world.settle()
    assert.equal(world.set.openCount(), 12)
    world.checkSettled()
  })

  test('files of an archived version go and its record stays; restored, it is served, and can be archived again', async () => {
    const world = await worldWith(2, 1)
    await world.setState('b', 1, 'ARCHIVED')
    await world.settle()
    assert.deepEqual([world.trashed, world.forgotten], [['/data/b-0-0/1'], []])
    for (const shard of world.shardsOf('b', 1)) world.disk.add(shard)
    await world.setState('b', 1, 'READY')
    await world.settle()
    assert.deepEqual(world.versions('b'), [2, 1])
    await world.setState('b', 1, 'ARCHIVED')
    await world.settle()
    assert.equal(world.trashed.length, 2)
  })
})

suite('a version that is dropped', () => {
  async function droppedAfterUse(secondsAgo: number): Promise<ServingWorld> {
    const world = await worldWith(2, 1)
    for (const { id } of world.entry('b').versions.at(-1)?.shards ?? []) world.ages.set(id, secondsAgo)
    await world.finish(world.setState('b', 1, 'DELETED'))
    return world
  }
  /** Version 1 of `b` leaves and is closed, because there is room for five shards and `c` needs two. */
  async function closedWhileLeaving(): Promise<ServingWorld> {
    const world = new ServingWorld(2, 5)
    await world.createBatch('b')
    for (const id of [1, 2]) await world.load('b', id)
    await world.publish('b', 2)
    for (const { id } of world.entry('b').versions.at(-1)?.shards ?? []) world.ages.set(id, 10)
    await world.finish(world.setState('b', 1, 'DELETED'))
    for (const { id } of world.entry('b').versions[0]?.shards ?? []) world.ages.set(id, 0)
    await world.createBatch('c')
    await world.load('c', 9)
    await world.finish(world.set.open('c', 9))
    await world.settle()
    return world
  }
  /** Version 1 of `b` was read so long ago, and is closed because `c` needs the room; it is kept. */
  async function closedWhileKept(secondsAgo: number | null): Promise<ServingWorld> {
    const world = new ServingWorld(2, 5)
    await world.createBatch('b')
    for (const id of [1, 2]) await world.load('b', id)
    await world.publish('b', 2)
    const [second, first] = world.entry('b').versions
    for (const { id } of second?.shards ?? []) world.ages.set(id, 0)
    if (secondsAgo !== null) for (const { id } of first?.shards ?? []) world.ages.set(id, secondsAgo)
    await world.createBatch('c')
    await world.load('c', 9)
    await world.finish(world.set.open('c', 9))
    await world.settle()
    assert.deepEqual(world.versions('b'), [2], 'it was closed')
    return world
  }
  const isLeaving = (world: ServingWorld) =>
    world.entry('b').versions.map((served) => served.isLeaving === true)

  test('and was read a moment ago stays open for five minutes for who reads it page by page', async () => {
    const world = await droppedAfterUse(299)
    assert.deepEqual(world.versions('b'), [2, 1])
    assert.deepEqual(isLeaving(world), [false, true])
    assert.deepEqual(world.trashed, [])
    world.timers.advance(299_999)
    await world.settle()
    assert.deepEqual(world.versions('b'), [2, 1])
    world.timers.advance(1)
    await world.settle()
    assert.deepEqual(world.versions('b'), [2])
    assert.deepEqual(world.trashed, ['/data/b-0-0/1'])
    world.checkSettled()
  })

  test('and is the eleventh that is read makes the first one go', async () => {
    const world = new ServingWorld(2, 100)
    await world.createBatch('b')
    for (let id = 1; id <= 12; id++) {
      await world.load('b', id)
      await world.publish('b', id)
      if (id === 1) continue
      for (const { shards } of world.entry('b').versions)
        for (const shard of shards) world.ages.set(shard.id, 0)
      await world.finish(world.setState('b', id - 1, 'DELETED'))
    }
    assert.deepEqual(world.versions('b'), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2])
    assert.deepEqual(world.trashed, ['/data/b-0-0/1'])
    world.checkSettled()
  })

  test('and was not read lately is closed at once', async () => {
    const world = await droppedAfterUse(300)
    assert.deepEqual(world.versions('b'), [2])
    assert.deepEqual(world.trashed, ['/data/b-0-0/1'])
    assert.equal(world.timers.pendingCount, 0)
  })

  test('and is kept again leaves no more', async () => {
    const world = await droppedAfterUse(1)
    await world.finish(world.setState('b', 1, 'READY'))
    assert.deepEqual(isLeaving(world), [false, false])
    world.timers.advance(300_000)
    await world.settle()
    assert.deepEqual(world.versions('b'), [2, 1])
    world.checkSettled()
  })

  test('and whose id is loaded again goes at once, as its leases end', async () => {
    const world = await droppedAfterUse(1)
    const { holder } = world.thread(0)
    const [used] = world.entry('b').versions.at(-1)?.shards ?? []
    assert.ok(used !== undefined)
    holder.acquire(used)
    await world.finish(world.set.endLeaving('b', 1))
    await world.settle()
    assert.deepEqual([world.versions('b'), world.trashed], [[2], []])
    holder.release(used)
    await world.settle()
    assert.deepEqual([world.trashed, world.forgotten], [['/data/b-0-0/1'], [1]])
    await world.finish(world.set.endLeaving('b', 2))
    await world.finish(world.set.endLeaving('absent', 1))
    assert.deepEqual(world.versions('b'), [2])
    world.timers.advance(300_000)
    await world.settle()
    world.checkSettled()
  })

  test('and is about to be restored keeps its files until its record says so, and not for ever', async () => {
    const world = await droppedAfterUse(1)
    world.timers.advance(200_000)
    assert.equal(await world.set.keepLeaving('b', 1), true)
    world.timers.advance(200_000)
    await world.settle()
    assert.deepEqual([world.versions('b'), world.trashed], [[2, 1], []])
    world.timers.advance(100_000)
    await world.settle()
    assert.deepEqual([world.versions('b'), world.trashed], [[2], ['/data/b-0-0/1']])
    assert.equal(await world.set.keepLeaving('b', 1), false)
    assert.equal(await world.set.keepLeaving('b', 2), false)
    assert.equal(await world.set.keepLeaving('absent', 1), false)
    world.checkSettled()
  })

  test('and is closed for want of room keeps its files, so that a restore can count on them', async () => {
    const world = new ServingWorld(2, 5)
    await world.createBatch('b')
    for (const id of [1, 2]) await world.load('b', id)
    await world.publish('b', 2)
    for (const { id } of world.entry('b').versions.at(-1)?.shards ?? []) world.ages.set(id, 10)
    await world.finish(world.setState('b', 1, 'ARCHIVED'))
    for (const { id } of world.entry('b').versions[0]?.shards ?? []) world.ages.set(id, 0)
    await world.createBatch('c')
    await world.load('c', 9)
    await world.publish('c', 9)
    await world.finish(world.set.open('c', 9))
    await world.settle()
    assert.deepEqual(world.versions('b'), [2], 'it was closed')
    assert.deepEqual(world.trashed, [])
    assert.equal(await world.set.keepLeaving('b', 1), true)
    await world.finish(world.setState('b', 1, 'READY'))
    await world.finish(world.set.open('b', 1))
    assert.equal(world.set.isServed('b', 1), true)
  })

  test('and is closed for want of room is opened again for who reads it page by page', async () => {
    const world = await closedWhileLeaving()
    assert.deepEqual([world.versions('b'), world.entry('b').leaving], [[2], [1]])
    // What was opened on request is not closed for a while.
    world.timers.advance(3_000)
    await world.finish(world.set.open('b', 1))
    await world.settle()
    assert.deepEqual(world.versions('b'), [2, 1])
    assert.deepEqual(isLeaving(world), [false, true])
    world.timers.advance(300_000)
    await world.settle()
    assert.deepEqual([world.versions('b'), world.entry('b').leaving], [[2], undefined])
    assert.deepEqual(world.trashed, ['/data/b-0-0/1'])
    await assert.rejects(world.set.open('b', 1), { code: 'VERSION_NOT_FOUND' })
    world.checkSettled()
  })

  test('and is closed for want of room loses its files when its time is over', async () => {
    const world = await closedWhileLeaving()
    world.timers.advance(300_000)
    await world.settle()
    assert.deepEqual([world.trashed, world.forgotten], [['/data/b-0-0/1'], [1]])
  })

  // Nothing was known of its use any more: who read it page by page lost it, though there was time left.
  test('and was closed for want of room a moment after it was read stays for who reads it page by page', async () => {
    const world = await closedWhileKept(10)
    await world.finish(world.setState('b', 1, 'DELETED'))
    await world.settle()
    assert.deepEqual([world.versions('b'), world.entry('b').leaving, world.trashed], [[2], [1], []])
    world.timers.advance(3_000)
    await world.finish(world.set.open('b', 1))
    assert.deepEqual(isLeaving(world), [false, true])
    world.timers.advance(300_000)
    await world.settle()
    assert.deepEqual([world.versions('b'), world.trashed], [[2], ['/data/b-0-0/1']])
    world.checkSettled()
  })

  test('and was closed for want of room long after it was read goes at once', async () => {
    const early = await closedWhileKept(299)
    early.timers.advance(1_000)
    await early.finish(early.setState('b', 1, 'DELETED'))
    await early.settle()
    assert.deepEqual([early.entry('b').leaving, early.trashed], [undefined, ['/data/b-0-0/1']])
    const unread = await closedWhileKept(null)
    await unread.finish(unread.setState('b', 1, 'DELETED'))
    await unread.settle()
    assert.deepEqual([unread.entry('b').leaving, unread.trashed], [undefined, ['/data/b-0-0/1']])
  })

  test('goes with its dataset', async () => {
    const world = await droppedAfterUse(1)
    await world.finish(world.remove('b'))
    world.timers.advance(300_000)
    await world.settle()
    world.checkSettled()
  })
})
