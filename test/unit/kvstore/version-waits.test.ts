import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { VersionWaits, versionToWaitFor } from '../../../src/kvstore/version-waits.js'
import type { DatasetEntry } from '../../../src/model/cluster-map.js'
import { datasetEntry, servedVersion } from '../../support/datasets.js'
import { FakeTimers } from '../../support/fake-timers.js'
import { version } from '../leaf/version-set-world.js'

const VERSIONS = [version(3, 'READY'), version(2, 'CURRENT'), version(1, 'ARCHIVED')]
const CLOSED = datasetEntry({ mode: 'BATCH', versions: VERSIONS })
const OPEN = datasetEntry(
  { mode: 'BATCH', versions: VERSIONS },
  { versions: [servedVersion(2, 1)], current: servedVersion(2, 1) },
)

class World {
  readonly timers = new FakeTimers()
  readonly asked: string[] = []
  readonly events: string[] = []
  readonly waits = new VersionWaits({
    clock: { nowMs: () => 0, nowUs: () => 0n, monotonicMs: () => this.timers.nowMs },
    startTimer: this.timers.start,
    askToOpen: (dataset, id) => void this.asked.push(`${dataset} ${id}`),
  })

  wait(name: string, versionId = 2, deadline = 1_000): void {
    this.waits.add('cities', versionId, {
      deadline,
      retry: () => void this.events.push(`${name} again`),
      refuse: ({ code }) => void this.events.push(`${name} ${code}`),
    })
  }

  map(entry: DatasetEntry | undefined): void {
    this.waits.mapChanged(() => entry)
  }
}

function refusal(act: () => void): string | null {
  try {
    act()
    return null
  } catch (error) {
    return error instanceof KVError ? error.code : 'none'
  }
}

suite('reads that wait for a version', () => {
  test('wait for the pinned or the current one where it is kept and not open, and for nothing else', () => {
    assert.deepEqual(
      [null, 3, 2, 1, 9].map((pinned) => versionToWaitFor(CLOSED, pinned)),
      [2, 3, 2, null, null],
    )
    assert.deepEqual(
      [null, 2, 3].map((pinned) => versionToWaitFor(OPEN, pinned)),
      [null, null, 3],
    )
    assert.equal(versionToWaitFor(datasetEntry({}), null), null)
    assert.equal(
      versionToWaitFor(datasetEntry({ mode: 'BATCH', versions: [version(1, 'READY')] }), null),
      null,
    )
  })

  test('wait for one that leaves when they began on it before, and not when they begin now', () => {
    const leaving = { ...OPEN, leaving: [1] }
    assert.equal(versionToWaitFor(leaving, 1), null)
    assert.equal(versionToWaitFor(leaving, 1, true), 1)
    assert.equal(versionToWaitFor(OPEN, 1, true), null)
    const world = new World()
    world.wait('page', 1)
    world.map(leaving)
    assert.deepEqual(world.events, [])
    world.map({ ...leaving, versions: [...OPEN.versions, servedVersion(1, 1)] })
    assert.deepEqual(world.events, ['page again'])
  })

  test('ask once for a version, and go on with the map that names it', () => {
    const world = new World()
    world.wait('a')
    world.wait('b')
    world.wait('c', 3)
    assert.deepEqual(world.asked, ['cities 2', 'cities 3'])
    world.map(CLOSED)
    assert.deepEqual(world.events, [])
    world.map(OPEN)
    assert.deepEqual(world.events, ['a again', 'b again'])
    assert.equal(world.waits.isEmpty, false)
    world.map(undefined)
    assert.deepEqual(
      world.events,
      ['a again', 'b again', 'c again'],
      'without its dataset a read says so itself',
    )
    assert.equal(world.waits.isEmpty, true)
  })

  test('end with their deadline, each with its own', () => {
    const world = new World()
    world.wait('a', 2, 50)
    world.wait('b', 2, 200)
    world.timers.advance(60)
    assert.deepEqual(world.events, ['a DEADLINE_EXCEEDED'])
    world.map(OPEN)
    assert.deepEqual(world.events, ['a DEADLINE_EXCEEDED', 'b again'])
    world.timers.advance(1_000)
    assert.equal(world.timers.pendingCount, 0)
  })

  test('are refused with what the version cannot be opened for, and so are those of the next moment, unasked', () => {
    const world = new World()
    world.wait('a')
    world.waits.refuse('cities', 2, new KVError('UNAVAILABLE', 'damaged'))
    assert.deepEqual(world.events, ['a UNAVAILABLE'])
    assert.equal(
      refusal(() => world.wait('b')),
      'UNAVAILABLE',
    )
    assert.equal(world.asked.length, 1)
    world.timers.advance(300)
    world.wait('c')
    assert.equal(world.asked.length, 2)
  })

  test('are bounded in number', () => {
    const world = new World()
    for (let index = 0; index < limits.maxReadsWaitingForVersions; index++) world.wait('one')
    assert.equal(
      refusal(() => world.wait('too many')),
      'OVERLOADED',
    )
  })
})
