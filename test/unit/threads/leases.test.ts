import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { AssertionError } from '../../../src/base/assert.js'
import type { ClusterMapDelta, DatasetEntry } from '../../../src/model/cluster-map.js'
import { LeaseHolder, LeaseKeeper, type LeaseMessage, type Overdue } from '../../../src/threads/leases.js'
import { datasetEntry, incarnation } from '../../support/datasets.js'
import { FakeTimers } from '../../support/fake-timers.js'

const one = incarnation(1)

function entry(name: string, ...ids: number[]): DatasetEntry {
  return datasetEntry({ name }, { live: ids.map((id) => incarnation(id)) })
}

function delta(epoch: number, changed: DatasetEntry[], removed: string[] = []): ClusterMapDelta {
  return { epoch, changed, removed }
}

function makeHolder() {
  const log: (LeaseMessage | string)[] = []
  const violations: AssertionError[] = []
  const holder = new LeaseHolder({
    send: (message) => void log.push(message),
    onRetire: (id) => void log.push(`retire ${id}`),
    onViolation: (error) => void violations.push(error),
  })
  return { holder, log, violations }
}

suite('a lease holder', () => {
  test('adopts a map whole and acknowledges its epoch', () => {
    const { holder, log } = makeHolder()
    holder.adopt(delta(7, [entry('a', 1), entry('b', 2)]))
    assert.deepEqual([...holder.map.datasets.keys()], ['a', 'b'])
    assert.equal(holder.map.epoch, 7)
    assert.deepEqual(log, [{ kind: 'adopted', epoch: 7 }])
  })

  test('gives up an unused incarnation at once, its own objects first', () => {
    const { holder, log } = makeHolder()
    holder.adopt(delta(1, [entry('a', 1, 2)]))
    log.length = 0
    holder.adopt(delta(2, [entry('a', 2)]))
    assert.deepEqual(log, [{ kind: 'adopted', epoch: 2 }, 'retire 1', { kind: 'released', incarnationId: 1 }])
  })

  test('gives up a used incarnation when its last use ends, once', () => {
    const { holder, log } = makeHolder()
    holder.adopt(delta(1, [entry('a', 1)]))
    holder.acquire(one)
    holder.acquire(one)
    holder.adopt(delta(2, [], ['a']))
    log.length = 0
    holder.release(one)
    assert.deepEqual(log, [])
    holder.release(one)
    assert.deepEqual(log, ['retire 1', { kind: 'released', incarnationId: 1 }])
  })

  test('keeps an incarnation whose last use ended while the map names it', () => {
    const { holder, log } = makeHolder()
    holder.adopt(delta(1, [entry('a', 1)]))
    log.length = 0
    holder.acquire(one)
    holder.release(one)
    holder.acquire(one)
    assert.deepEqual(log, [])
  })

  test('keeps what moves from one name to another within one map', () => {
    const { holder, log } = makeHolder()
    holder.adopt(delta(1, [entry('a', 1)]))
    log.length = 0
    holder.adopt(delta(2, [entry('renamed', 1)], ['a']))
    assert.deepEqual(log, [{ kind: 'adopted', epoch: 2 }])
    holder.acquire(one)
  })

  const faults: readonly (readonly [string, (holder: LeaseHolder) => void, RegExp])[] = [
    [
      'acquiring what no map named',
      (holder) => holder.acquire({ id: 9 }),
      /9 was acquired and is not in map 1/,
    ],
    ['releasing more than was acquired', (holder) => holder.release(one), /1 was released more often/],
    ['releasing what was never known', (holder) => holder.release({ id: 9 }), /9 was released more often/],
    ['missing an epoch', (holder) => holder.adopt(delta(3, [])), /epoch 3 arrived after 1/],
    ['adopting an epoch twice', (holder) => holder.adopt(delta(1, [])), /epoch 1 arrived after 1/],
    [
      'acquiring what the map left out while a use of it lasts',
      (holder) => {
        holder.acquire(one)
        holder.adopt(delta(2, [], ['a']))
        holder.acquire(one)
      },
      /1 was acquired and is not in map 2/,
    ],
    [
      'naming again what a map left out',
      (holder) => {
        holder.acquire(one)
        holder.adopt(delta(2, [], ['a']))
        holder.adopt(delta(3, [entry('a', 1)]))
      },
      /1 is named again/,
    ],
  ]
  for (const [fault, run, message] of faults) {
    test(`reports ${fault} before it throws`, () => {
      const { holder, violations } = makeHolder()
      holder.adopt(delta(1, [entry('a', 1)]))
      assert.throws(() => run(holder), message)
      assert.match(violations[0]?.message ?? '', message)
    })
  }
})

/** A keeper whose holders answer when the test delivers. */
function makeKeeper(...names: string[]) {
  const timers = new FakeTimers()
  const overdue: Overdue[] = []
  const died: string[] = []
  const keeper = new LeaseKeeper(
    { onOverdue: (late) => void overdue.push(late), onHolderDied: (name) => void died.push(name) },
    { startTimer: timers.start, timeoutMs: 30_000 },
  )
  const inboxes = new Map<string, ClusterMapDelta[]>()
  const addHolder = (name: string) => {
    const inbox: ClusterMapDelta[] = []
    inboxes.set(name, inbox)
    return keeper.addHolder(name, (sent) => void inbox.push(sent))
  }
  for (const name of names) void addHolder(name)
  return { keeper, timers, overdue, died, inboxes, addHolder }
}

/** Whether a promise has resolved by now. */
async function isDone(promise: Promise<void>): Promise<boolean> {
  const pending = Symbol('pending')
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending
}

suite('the lease keeper', () => {
  test('says that a map is adopted when every holder acknowledged it, not before', async () => {
    const { keeper } = makeKeeper('t0', 't1')
    const adopted = keeper.publish({ changed: [entry('a', 1)], removed: [] })
    keeper.receive('t0', { kind: 'adopted', epoch: 1 })
    assert.equal(await isDone(adopted), false)
    keeper.receive('t1', { kind: 'adopted', epoch: 0 })
    assert.equal(await isDone(adopted), false)
    keeper.receive('t1', { kind: 'adopted', epoch: 1 })
    assert.equal(await isDone(adopted), true)
    assert.equal(keeper.figures().adoptedEpoch, 1)
  })

  test('frees an incarnation when every holder that could have known it gave it up', async () => {
    const { keeper } = makeKeeper('t0', 't1')
    void keeper.publish({ changed: [entry('a', 1)], removed: [] })
    void keeper.publish({ changed: [], removed: ['a'] })
    const [released] = keeper.retire([1])
    assert.ok(released)
    keeper.receive('t0', { kind: 'released', incarnationId: 1 })
    assert.equal(await isDone(released), false)
    keeper.receive('t1', { kind: 'released', incarnationId: 1 })
    assert.equal(await isDone(released), true)
  })

  test('does not wait for a thread that came after the incarnation had left the map', async () => {
    const { keeper, addHolder, inboxes } = makeKeeper('t0')
    void keeper.publish({ changed: [entry('a', 1)], removed: [] })
    void keeper.publish({ changed: [entry('b', 2)], removed: ['a'] })
    const added = addHolder('late')
    assert.deepEqual(inboxes.get('late')?.[0], { ...delta(2, [entry('b', 2)]), clusterNames: [] })
    const [released] = keeper.retire([1])
    assert.ok(released)
    keeper.receive('t0', { kind: 'released', incarnationId: 1 })
    assert.equal(await isDone(released), true)
    keeper.receive('t0', { kind: 'adopted', epoch: 2 })
    assert.equal(await isDone(added), false)
    keeper.receive('late', { kind: 'adopted', epoch: 2 })
    assert.equal(await isDone(added), true)
  })

  test('frees at once what no map ever named', async () => {
    const { keeper } = makeKeeper('t0')
    const [released] = keeper.retire([5])
    assert.ok(released)
    assert.equal(await isDone(released), true)
  })

  test('reports a late release once and keeps waiting: time alone never frees anything', async () => {
    const { keeper, timers, overdue } = makeKeeper('t0', 't1')
    void keeper.publish({ changed: [entry('a', 1)], removed: [] })
    void keeper.publish({ changed: [], removed: ['a'] })
    for (const name of ['t0', 't1']) keeper.receive(name, { kind: 'adopted', epoch: 2 })
    keeper.receive('t0', { kind: 'released', incarnationId: 1 })
    const [released] = keeper.retire([1])
    assert.ok(released)
    timers.advance(29_999)
    assert.deepEqual(overdue, [])
    timers.advance(3_600_000)
    assert.deepEqual(overdue, [{ kind: 'release', incarnationId: 1, holders: ['t1'] }])
    assert.equal(await isDone(released), false)
    assert.deepEqual(keeper.figures(), { adoptedEpoch: 2, retiring: 1, overdue: 1 })

    keeper.receive('t1', { kind: 'released', incarnationId: 1 })
    assert.equal(await isDone(released), true)
    assert.deepEqual(keeper.figures(), { adoptedEpoch: 2, retiring: 0, overdue: 0 })
  })

  test('reports a map that a thread does not adopt', () => {
    const { keeper, timers, overdue } = makeKeeper('t0', 't1')
    for (const name of ['t0', 't1']) keeper.receive(name, { kind: 'adopted', epoch: 0 })
    void keeper.publish({ changed: [entry('a', 1)], removed: [] })
    keeper.receive('t0', { kind: 'adopted', epoch: 1 })
    timers.advance(30_000)
    assert.deepEqual(overdue, [{ kind: 'adoption', epoch: 1, holders: ['t1'] }])
  })

  test('leaves no timer behind when all is adopted and released', () => {
    const { keeper, timers } = makeKeeper('t0')
    void keeper.publish({ changed: [entry('a', 1)], removed: [] })
    void keeper.publish({ changed: [], removed: ['a'] })
    assert.ok(timers.pendingCount > 0)
    keeper.receive('t0', { kind: 'adopted', epoch: 2 })
    keeper.receive('t0', { kind: 'released', incarnationId: 1 })
    assert.equal(timers.pendingCount, 0)
  })

  test('works with a holder in its own thread, which answers within the call', async () => {
    const { keeper } = makeKeeper()
    const holder: LeaseHolder = new LeaseHolder({
      send: (message) => keeper.receive('main', message),
      onRetire: () => undefined,
      onViolation: () => undefined,
    })
    await keeper.addHolder('main', (sent) => holder.adopt(sent))
    await keeper.publish({ changed: [entry('a', 1)], removed: [] })
    await keeper.publish({ changed: [], removed: ['a'] })
    await Promise.all(keeper.retire([1]))
  })

  test('tells that a holder died and frees nothing of it', async () => {
    const { keeper, died } = makeKeeper('t0')
    void keeper.publish({ changed: [entry('a', 1)], removed: [] })
    void keeper.publish({ changed: [], removed: ['a'] })
    const [released] = keeper.retire([1])
    assert.ok(released)
    keeper.holderDied('t0')
    assert.deepEqual(died, ['t0'])
    assert.equal(await isDone(released), false)
  })

  type Fault = readonly [string, (keeper: LeaseKeeper) => void, RegExp]
  const faults: readonly Fault[] = [
    [
      'retiring what the map names',
      (keeper) => void keeper.retire([1]),
      /1 is to be retired and map 1 names it/,
    ],
    [
      'publishing again what a map left out',
      (keeper) => {
        void keeper.publish({ changed: [], removed: ['a'] })
        void keeper.publish({ changed: [entry('a', 1)], removed: [] })
      },
      /1 is published again/,
    ],
    [
      'a release of what the holder does not hold',
      (keeper) => keeper.receive('t0', { kind: 'released', incarnationId: 1 }),
      /t0 released incarnation 1, which it does not hold/,
    ],
    [
      'an acknowledgement of the future',
      (keeper) => keeper.receive('t0', { kind: 'adopted', epoch: 2 }),
      /adopted epoch 2/,
    ],
    [
      'an unknown holder',
      (keeper) => keeper.receive('x', { kind: 'adopted', epoch: 1 }),
      /unknown lease holder x/,
    ],
  ]
  for (const [fault, run, message] of faults) {
    test(`does not accept ${fault}`, () => {
      const { keeper } = makeKeeper('t0')
      void keeper.publish({ changed: [entry('a', 1)], removed: [] })
      assert.throws(() => run(keeper), message)
    })
  }
})
