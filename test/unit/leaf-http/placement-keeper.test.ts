import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { KVError } from '../../../src/base/errors.js'
import type { Inventory } from '../../../src/leaf/http/leaf-agent.js'
import { targetPath } from '../../../src/leaf/http/leaf-directory.js'
import type { ShardTarget } from '../../../src/leaf/http/wire.js'
import { PlacementKeeper } from '../../../src/leaf/placement-keeper.js'
import type { Agent } from '../../../src/leaf/placement-leaves.js'
import type { ClusterRecord, DatasetRecord, LeafRecord } from '../../../src/model/dataset.js'
import { FakeTimers } from '../../support/fake-timers.js'

/** A leaf process, behind as many names as a test likes. */
class Process {
  readonly copies = new Set<string>()
  readonly log: string[] = []
  readonly id: string
  isHung = false
  /** Of the next copies. */
  failure: KVError | null = null

  constructor(id: string) {
    this.id = id
  }

  inventory(known: Inventory | null): Promise<Inventory> {
    if (this.isHung) return Promise.reject(new KVError('DEADLINE_EXCEEDED', 'hung'))
    const tag = [...this.copies].sort().join()
    if (known?.tag === tag) return Promise.resolve(known)
    const { id } = this
    return Promise.resolve({ id, gateway: 'g', copies: new Set(this.copies), arriving: new Set(), tag })
  }
}

const clusterOf = (name: string, leaves: readonly string[], createdAtMs = 0): ClusterRecord => ({
  name,
  aliases: [],
  leaves: leaves.map((leaf): LeafRecord => ({ name: leaf, url: `http://${leaf}:1` })),
  createdAtMs,
  revision: 1,
})

function datasetOf(id: number, cluster = 'west', versions = 1, shardCount = 2): DatasetRecord {
  const kept = Array.from({ length: versions }, (_, index) => ({
    id: versions - index,
    state: index === 0 ? 'CURRENT' : 'READY',
    cluster,
    checksum: 'ab',
  }))
  // What placement looks at; the rest of a record is the metastore's.
  return {
    id: `d${id}-00`,
    name: `set-${id}`,
    shardCount,
    replicas: 1,
    versions: kept,
  } as unknown as DatasetRecord
}

class World {
  readonly timers = new FakeTimers()
  readonly told: string[] = []
  readonly used = new Set<string>()
  clusters: readonly ClusterRecord[]
  records: DatasetRecord[]
  hasOwnCopies = true
  /** A directory. */
  ownShard = '/nowhere'
  ownChecksum = 'ab'
  readonly keeper: PlacementKeeper

  constructor(
    clusters: readonly ClusterRecord[],
    records: DatasetRecord[],
    processOf: Readonly<Record<string, Process>>,
  ) {
    this.clusters = clusters
    this.records = records
    const { timers } = this
    this.keeper = new PlacementKeeper({
      gatewayId: 'g',
      records: { list: () => this.records, clusters: () => this.clusters },
      connect: (leaf) => this.#agent(leaf, processOf[leaf.name] ?? new Process(leaf.name)),
      localShard: () => (this.hasOwnCopies ? this.ownShard : null),
      localChecksum: () => this.ownChecksum,
      clock: { monotonicMs: () => timers.nowMs, nowMs: () => timers.nowMs, nowUs: () => 0n },
      startTimer: timers.start,
      logger: SILENT,
    })
  }

  async start(): Promise<void> {
    await this.keeper.start()
    this.keeper.serve({
      placementChanged: (name) => Promise.resolve(void this.told.push(name)),
      isUsed: (leaf, target) => this.used.has(`${leaf} ${targetPath(target)}`),
    })
    await this.settle()
  }

  /** Rounds, and what follows from them. */
  async settle(rounds = 1): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      this.timers.advance(1_000)
      for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  change(record: DatasetRecord): void {
    this.records = this.records.map((one) => (one.name === record.name ? record : one))
    this.keeper.recordChanged(record.name, record)
  }

  leaf(name: string) {
    const found = this.keeper.health().find((one) => one.name === name)
    assert.ok(found)
    return found
  }

  #agent(leaf: LeafRecord, process: Process): Agent {
    return {
      leaf,
      inventory: (_timeoutMs, known) => process.inventory(known),
      copy: (target: ShardTarget) => {
        if (process.failure !== null) return Promise.reject(process.failure)
        process.copies.add(targetPath(target))
        process.log.push(`${leaf.name} + ${targetPath(target)}`)
        return Promise.resolve()
      },
      remove: (target: ShardTarget) => {
        process.copies.delete(targetPath(target))
        process.log.push(`${leaf.name} - ${targetPath(target)}`)
        return Promise.resolve()
      },
      source: () => SOURCE,
      close: () => Promise.resolve(),
    }
  }
}

const SOURCE = { describe: () => Promise.resolve({ files: [] }), read: () => Promise.reject(new Error()) }
const nothing = () => undefined
// What the keeper calls of a logger.
const SILENT = { info: nothing, warn: nothing, error: nothing, debug: nothing } as never

test('a leaf gets its copies, and its cluster is read from once they are all there', async () => {
  const process = new Process('one')
  const donor = new Process('donor')
  donor.copies.add('d1-00/1/0').add('d1-00/1/1')
  const clusters = [clusterOf('west', ['a']), clusterOf('east', ['d'])]
  const world = new World(clusters, [datasetOf(1)], { a: process, d: donor })
  // The agents of this test read no file.
  world.hasOwnCopies = false
  await world.start()
  await world.settle(3)
  assert.deepEqual([...process.copies].sort(), ['d1-00/1/0', 'd1-00/1/1'])
  const [record] = world.records
  assert.ok(record)
  assert.deepEqual(
    world.keeper.copiesOf(record, 1)?.map((leaves) => leaves.map(({ name }) => name)),
    [['a'], ['a']],
  )
  assert.deepEqual(donor.log, ['d - d1-00/1/0', 'd - d1-00/1/1'])
  const { wanted, held, copying } = world.leaf('a')
  assert.deepEqual({ wanted, held, copying }, { wanted: 2, held: 2, copying: 0 })
  await world.keeper.close()
})

// A process under two names was sent what one name was to have and relieved of it for the other, without end.
test('the second name of a process is refused: nothing is sent to it, nothing is removed for it', async () => {
  const process = new Process('one')
  process.copies.add('d1-00/1/0').add('d1-00/1/1').add('d2-00/1/0').add('d2-00/1/1')
  const clusters = [clusterOf('west', ['a'], 1), clusterOf('east', ['z'], 2)]
  const world = new World(clusters, [datasetOf(1), datasetOf(2)], { a: process, z: process })
  await world.start()
  await world.settle(5)
  assert.deepEqual(process.log, [])
  assert.equal(world.leaf('a').problem, null)
  assert.match(world.leaf('z').problem ?? '', /it is leaf a \(http:\/\/a:1\) under a second name/)
  // The first name goes: the second one is the leaf from then on.
  world.clusters = [clusterOf('west', [], 1), clusterOf('east', ['z'], 2)]
  world.keeper.clustersChanged()
  await world.settle(2)
  assert.equal(world.leaf('z').problem, null)
  await world.keeper.close()
})

test('two processes are two leaves', async () => {
  const [one, other] = [new Process('one'), new Process('other')]
  const clusters = [clusterOf('west', ['a', 'b'])]
  const world = new World(clusters, [], { a: one, b: other })
  await world.start()
  assert.deepEqual([world.leaf('a').problem, world.leaf('b').problem], [null, null])
  await world.keeper.close()
})

// Each change had all versions of all datasets looked at: a third of a second of the main thread with 10,000 of them.
test('a change of one dataset looks at no other', async () => {
  const process = new Process('one')
  const counts = { reads: 0 }
  const records = Array.from({ length: 50 }, (_, index) => {
    const record = datasetOf(index + 1, 'west', 10)
    for (const { id } of record.versions) {
      process.copies.add(`${record.id}/${id}/0`).add(`${record.id}/${id}/1`)
    }
    const { versions } = record
    return Object.defineProperty(record, 'versions', { get: () => ((counts.reads += 1), versions) })
  })
  const world = new World([clusterOf('west', ['a'])], records, { a: process })
  await world.start()
  await world.settle(2)
  assert.equal(world.told.length, 50)
  const [first] = world.records
  assert.ok(first)
  counts.reads = 0
  world.change({ ...first, name: 'set-1' })
  counts.reads = 0
  await world.settle()
  assert.equal(counts.reads, 0, 'other records were read')
  // A round in which nothing changed looks at none either.
  await world.settle(3)
  assert.equal(counts.reads, 0)
  await world.keeper.close()
})

test('a version whose leaves fail is read here for a while, longer each time, and then from its leaves again', async () => {
  const process = new Process('one')
  process.copies.add('d1-00/1/0').add('d1-00/1/1')
  const world = new World([clusterOf('west', ['a'])], [datasetOf(1)], { a: process })
  await world.start()
  const [record] = world.records
  assert.ok(record)
  const isHere = () => world.keeper.copiesOf(record, 1) === null
  assert.equal(isHere(), false)
  world.keeper.doubt(record, 1)
  world.keeper.doubt(record, 1)
  await world.settle()
  assert.equal(isHere(), true)
  assert.deepEqual(world.told, ['set-1', 'set-1'])
  assert.ok((world.keeper.doubtedForMs(record, 1) ?? 0) > 3_000)
  await world.settle(5)
  assert.equal(isHere(), false)
  world.keeper.doubt(record, 1)
  process.isHung = true
  await world.settle(2)
  process.isHung = false
  await world.settle(5)
  assert.equal(isHere(), true, 'the second time is longer')
  await world.settle(5)
  assert.equal(isHere(), false)
  await world.keeper.close()
})

test('what cannot be read here is not asked for here', async () => {
  const process = new Process('one')
  process.copies.add('d1-00/1/0').add('d1-00/1/1')
  const world = new World([clusterOf('west', ['a'])], [datasetOf(1)], { a: process })
  await world.start()
  const [record] = world.records
  assert.ok(record)
  world.keeper.doubt(record, 1)
  world.keeper.refuseOwnCopy(record, 1)
  assert.notEqual(world.keeper.copiesOf(record, 1), null)
  assert.equal(world.keeper.hasOwnCopy(record, 1), false)
  assert.throws(() => world.keeper.doubt(record, 1), /no copy of version 1 of dataset set-1 that can be read/)
  await world.settle(61)
  assert.equal(world.keeper.hasOwnCopy(record, 1), true)
  await world.keeper.close()
})

test('a copy is removed when no read may use it any more, and not before', async () => {
  const [west, east] = [new Process('west'), new Process('east')]
  for (const process of [west, east]) process.copies.add('d1-00/1/0').add('d1-00/1/1')
  const world = new World([clusterOf('west', ['a']), clusterOf('east', ['b'])], [datasetOf(1)], {
    a: west,
    b: east,
  })
  world.used.add('b d1-00/1/0')
  await world.start()
  await world.settle(2)
  assert.deepEqual(east.log, ['b - d1-00/1/1'])
  world.used.clear()
  await world.settle()
  assert.deepEqual(east.log, ['b - d1-00/1/1', 'b - d1-00/1/0'])
  assert.deepEqual(west.log, [])
  await world.keeper.close()
})

test('a copy that failed is tried again, later each time', async () => {
  const [west, donor] = [new Process('west'), new Process('donor')]
  donor.copies.add('d1-00/1/0')
  west.failure = new KVError('UNAVAILABLE', 'the disk is full')
  const world = new World(
    [clusterOf('west', ['a']), clusterOf('east', ['d'])],
    [datasetOf(1, 'west', 1, 1)],
    {
      a: west,
      d: donor,
    },
  )
  world.hasOwnCopies = false
  await world.start()
  west.failure = null
  await world.settle(3)
  assert.deepEqual([...west.copies], ['d1-00/1/0'])
  await world.keeper.close()
})

// The leaf's list was the same as before the copy, so that it was taken for what is known, with the copy added to it.
test('a copy that a leaf lost again is found missing, although its list is what it was before the copy', async () => {
  const [west, donor] = [new Process('west'), new Process('donor')]
  donor.copies.add('d1-00/1/0')
  const clusters = [clusterOf('west', ['a']), clusterOf('east', ['d'])]
  const world = new World(clusters, [datasetOf(1, 'west', 1, 1)], { a: west, d: donor })
  world.hasOwnCopies = false
  world.used.add('d d1-00/1/0')
  await world.start()
  assert.deepEqual(west.log, ['a + d1-00/1/0'])
  west.copies.clear()
  await world.settle(3)
  assert.deepEqual(west.log, ['a + d1-00/1/0', 'a + d1-00/1/0'])
  await world.keeper.close()
})

// What lay damaged on the gateway's disk was copied with the checksums of the damage.
test('files that are not what was loaded are sent to no leaf', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-placement-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'SEALED.json'), '{}')
  const process = new Process('one')
  const world = new World([clusterOf('west', ['a'])], [datasetOf(1)], { a: process })
  world.ownShard = folder
  world.ownChecksum = 'ba'
  await world.start()
  await world.settle(3)
  assert.deepEqual([...process.copies], [])
  const [record] = world.records
  assert.ok(record)
  assert.equal(world.keeper.copiesOf(record, 1), null, 'it is read here as before')
  assert.match(world.keeper.damageOf(record).join(), /^version 1: .* shards 0, 1 are damaged \(the files of/)
  assert.equal(world.keeper.damagedCopyCount, 2)
  assert.deepEqual([...world.keeper.copyFailures], [['CORRUPT', 4]])
  world.ownChecksum = 'ab'
  // The next try is a minute away, and then files are read.
  const damagedCount = () => world.keeper.damagedCopyCount
  for (let round = 0; round < 300 && damagedCount() > 0; round++) {
    await world.settle()
    await pause(5)
  }
  assert.deepEqual([...process.copies].sort(), ['d1-00/1/0', 'd1-00/1/1'])
  assert.deepEqual([world.keeper.damageOf(record), world.keeper.damagedCopyCount], [[], 0])
  await world.keeper.close()
})

test('a copy that a leaf refuses as damaged counts from the second time on, and not when its version goes', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-placement-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'SEALED.json'), '{}')
  const process = new Process('one')
  process.failure = new KVError('CORRUPT', 'its rows are not what its seal says')
  const world = new World([clusterOf('west', ['a'])], [datasetOf(1, 'west', 1, 1)], { a: process })
  world.ownShard = folder
  await world.keeper.start()
  world.keeper.serve({ placementChanged: () => Promise.resolve(), isUsed: () => false })
  const [record] = world.records
  assert.ok(record)
  const untilFailed = async (times: number): Promise<void> => {
    for (let round = 0; (world.keeper.copyFailures.get('CORRUPT') ?? 0) < times; round++) {
      assert.ok(round < 20, 'no copy was tried')
      await world.settle()
      await pause(5)
    }
  }
  await untilFailed(1)
  assert.equal(world.keeper.damagedCopyCount, 0)
  await untilFailed(2)
  assert.match(world.keeper.damageOf(record).join(), /shard 0 is damaged \(its rows are not/)
  world.change({ ...record, versions: [] })
  await world.settle()
  assert.equal(world.keeper.damagedCopyCount, 0)
  await world.keeper.close()
})
