import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { isElsewhere, OwnCopies, ownShardOf } from '../../../src/leaf/own-copies.js'
import type { ClusterMap, DatasetEntry, Incarnation } from '../../../src/model/cluster-map.js'
import type { ShardRead } from '../../../src/model/plan.js'

const VERSION = 17

function incarnation(id: number, isRemote: boolean): Incarnation {
  const remote = { dataset: 'towns', versionId: VERSION, leaves: [], hasOwnCopy: true }
  // What a look-up compares; the rest is the engine's.
  return { id, datasetId: 'd1', shard: 0, ...(isRemote && { remote }) } as unknown as Incarnation
}

function entryOf(shards: readonly Incarnation[] | null, state = 'CURRENT'): DatasetEntry {
  const versions = shards === null ? [] : [{ id: VERSION, shards }]
  // As above.
  return { record: { id: 'd1', versions: [{ id: VERSION, state }] }, versions } as unknown as DatasetEntry
}

const mapOf = (entry: DatasetEntry): ClusterMap => ({
  epoch: 1,
  datasets: new Map([['towns', entry]]),
  clusterNames: new Set(),
})

const REMOTE = incarnation(1, true)
const OWN = incarnation(2, false)

class World {
  map = mapOf(entryOf([REMOTE]))
  readonly log: string[] = []
  readonly waiting: { retry(): void; refuse(error: KVError): void }[] = []
  waitError: KVError | null = null
  readonly copies = new OwnCopies({
    engine: {
      read: ({ incarnation: { id } }, done) => {
        this.log.push(`read ${id}`)
        done([])
      },
      scan: () => undefined,
    },
    uses: {
      acquire: ({ id }) => void this.log.push(`acquire ${id}`),
      release: ({ id }) => void this.log.push(`release ${id}`),
    },
    find: (one) => ownShardOf(this.map, one),
    wait: (_dataset, _versionId, read) => {
      if (this.waitError !== null) throw this.waitError
      this.waiting.push(read)
    },
    onRead: () => undefined,
  })

  read(): void {
    // What it hands on.
    const read = { incarnation: REMOTE, rowKeys: [] } as unknown as ShardRead
    this.copies.read(read, 1_000, (outcome) => {
      this.log.push(outcome instanceof KVError ? outcome.code : 'answer')
    })
  }
}

const WHOLE = ['acquire 2', 'read 2', 'release 2', 'answer']

test('a read waits until the map has the shard here, and holds a lease on it from there to its answer', () => {
  const world = new World()
  world.read()
  assert.deepEqual(world.log, [])
  world.map = mapOf(entryOf([OWN]))
  for (const read of world.waiting) read.retry()
  assert.deepEqual(world.log, WHOLE)
})

test('what is open here already is read at once', () => {
  const world = new World()
  world.map = mapOf(entryOf([OWN]))
  world.read()
  assert.deepEqual(world.log, WHOLE)
  assert.equal(world.waiting.length, 0)
})

test('what cannot be opened, waited for or found again is an error, and no lease is taken', () => {
  const world = new World()
  world.read()
  for (const read of world.waiting) read.refuse(new KVError('CORRUPT', 'damaged'))
  for (const read of world.waiting) read.retry()
  world.waitError = new KVError('OVERLOADED', 'too many wait')
  world.read()
  assert.deepEqual(world.log, ['CORRUPT', 'UNAVAILABLE', 'OVERLOADED'])
})

test('a shard of another dataset of the same name is not the same shard', () => {
  const entry = entryOf([OWN])
  const other = { ...entry, record: { ...entry.record, id: 'd2' } }
  assert.equal(ownShardOf(mapOf(other), REMOTE), null)
  assert.equal(ownShardOf(mapOf(entry), REMOTE), OWN)
})

test('a kept version is elsewhere unless all of its shards are open here', () => {
  assert.equal(isElsewhere(entryOf([OWN, OWN]), VERSION), false)
  assert.equal(isElsewhere(entryOf([OWN, REMOTE]), VERSION), true)
  assert.equal(isElsewhere(entryOf(null), VERSION), true)
  // One that is over is waited for by who began on it before, and by nobody else.
  assert.equal(isElsewhere(entryOf(null, 'DELETED'), VERSION), false)
  assert.equal(isElsewhere({ ...entryOf([REMOTE], 'DELETED'), leaving: [VERSION] }, VERSION), true)
})
