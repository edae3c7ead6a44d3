import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import type { Reading } from '../../../src/base/metrics.js'
import { type AskedDatabase, ShardFigures, stallSecondsOf } from '../../../src/leaf/rocksdb/shard-figures.js'
import { databaseDirectory } from '../../../src/leaf/rocksdb/store/shard-files.js'
import type { ClusterMap, Incarnation } from '../../../src/model/cluster-map.js'
import { datasetEntry, incarnation, mapOf } from '../../support/datasets.js'

const PROPERTIES: Readonly<Record<string, number>> = {
  'estimate-num-keys': 100,
  'estimate-table-readers-mem': 1_000,
  'num-running-flushes': 1,
  'num-running-compactions': 2,
  'is-write-stopped': 1,
  'actual-delayed-write-rate': 5_000_000,
  'background-errors': 3,
}

/** Shards that are asked at the same time, at most. */
const AT_ONCE = 16

const DATABASE: AskedDatabase = {
  sequence: 7,
  numberProperty: (name) => PROPERTIES[name] ?? assert.fail(`nobody has ${name}`),
  textProperty: () => 'x\nCumulative stall: 01:02:03.500 H:M:S, 0.4 percent\n',
}

/** Shards with files on disk, a clock that the test moves, and DBs that it opens and closes. */
class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'godwit-figures-'))
  readonly asked: number[] = []
  readonly closed = new Set<number>()
  nowMs = 0
  costMs = 0
  readonly figures = new ShardFigures({
    clock: { nowUs: () => 0n, nowMs: () => 0, monotonicMs: () => this.nowMs },
    databaseOf: (id) => {
      if (this.closed.has(id)) return null
      return {
        ...DATABASE,
        numberProperty: (name) => {
          if (this.asked.at(-1) !== id) {
            this.asked.push(id)
            this.nowMs += this.costMs
          }
          return DATABASE.numberProperty(name)
        },
      }
    },
  })

  shard(id: number, format: Incarnation['format']): Incarnation {
    const directory = join(this.folder, `shard-${id}`)
    mkdirSync(databaseDirectory(directory), { recursive: true })
    for (const [name, size] of [
      ['000001.sst', 10],
      ['000002.sst', 20],
      ['000003.log', 5],
      ['CURRENT', 16],
    ] as const) {
      writeFileSync(join(databaseDirectory(directory), name), Buffer.alloc(size))
    }
    return { ...incarnation(id), format, directory }
  }

  async read(map: ClusterMap, limitMs = 1_000): Promise<Map<string, number>> {
    const readings: readonly Reading[] = await this.figures.read(map, limitMs)
    return new Map(
      readings.map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(' '), value]),
    )
  }
}

let world: World

suite('figures of shards', () => {
  before(() => {
    world = new World()
  })

  after(() => rmSync(world.folder, { recursive: true, force: true }))

  test('are added up by dataset, from files and from what the binding offers for their kind', async () => {
    const map = mapOf(
      datasetEntry({ name: 'live' }, { live: [world.shard(1, 'mutable'), world.shard(2, 'history'), null] }),
      datasetEntry({ name: 'sealed' }, { versions: [{ id: 1, shards: [world.shard(3, 'sealed')] }] }),
    )
    const figures = await world.read(map)
    assert.equal(figures.get('godwit_rocksdb_sst_bytes live'), 60)
    assert.equal(figures.get('godwit_rocksdb_sst_files live'), 4)
    assert.equal(figures.get('godwit_rocksdb_log_bytes live'), 10)
    assert.equal(figures.get('godwit_rocksdb_sequence live'), 14)
    assert.equal(figures.get('godwit_rocksdb_write_stopped live'), 2)
    assert.equal(figures.get('godwit_rocksdb_write_delayed live'), 2)
    assert.equal(figures.get('godwit_rocksdb_stall_seconds live'), 2 * 3_723.5)
    assert.equal(figures.get('godwit_rocksdb_estimated_keys live'), 0)
    assert.equal(figures.get('godwit_rocksdb_estimated_keys sealed'), 100)
    assert.equal(figures.get('godwit_rocksdb_table_readers_bytes sealed'), 1_000)
    assert.equal(figures.get('godwit_rocksdb_write_stopped sealed'), 0)
  })

  test('are renewed in turns when there are more shards than time', async () => {
    const shards = Array.from({ length: 60 }, (_, index) => world.shard(100 + index, 'mutable'))
    const map = mapOf(datasetEntry({ name: 'large' }, { live: shards }))
    world.asked.length = 0
    // The limit is kept by the machine's clock as well, which a busy machine needs more of.
    world.costMs = 200
    const first = await world.read(map, 500)
    const askedFirst = world.asked.length
    assert.ok(askedFirst >= 3 && askedFirst < 30, String(askedFirst))
    assert.equal(first.get('godwit_rocksdb_sst_files large'), 2 * askedFirst)
    world.nowMs += 60_000
    while (world.asked.length < 60 + askedFirst) await world.read(map, 500)
    // Some are asked at the same time: the last of a turn may come behind the first of the next one.
    assert.equal(new Set(world.asked.slice(0, 60 - AT_ONCE)).size, 60 - AT_ONCE)
    assert.equal(new Set(world.asked).size, 60)
    const all = await world.read(map, 0)
    assert.equal(all.get('godwit_rocksdb_sst_files large'), 120)
    assert.ok((all.get('godwit_rocksdb_oldest_sample_seconds') ?? 60) < 60)
    world.costMs = 0
  })

  test('of sealed shards are asked for once', async () => {
    const map = mapOf(
      datasetEntry({ name: 'still' }, { versions: [{ id: 1, shards: [world.shard(50, 'sealed')] }] }),
    )
    world.asked.length = 0
    await world.read(map)
    const again = await world.read(map)
    assert.deepEqual(world.asked, [50])
    assert.equal(again.get('godwit_rocksdb_sst_bytes still'), 30)
  })

  test('leave out what is closed, also where it is closed while it is asked', async () => {
    const map = mapOf(
      datasetEntry({ name: 'going' }, { live: [world.shard(20, 'mutable'), world.shard(21, 'mutable')] }),
    )
    const figures = new ShardFigures({
      clock: { nowUs: () => 0n, nowMs: () => 0, monotonicMs: () => 0 },
      databaseOf: (id) =>
        id === 20
          ? DATABASE
          : {
              ...DATABASE,
              numberProperty: () => {
                throw new KVError('SHARD_NOT_SERVING', 'it is closing')
              },
            },
    })
    const readings = await figures.read(map, 1_000)
    assert.equal(readings.find(({ name }) => name === 'godwit_rocksdb_sst_files')?.value, 2)
    world.closed.add(20).add(21)
    assert.equal((await world.read(map)).has('godwit_rocksdb_sst_files going'), false)
  })

  test('of a shard whose files go away meanwhile are those that were there', async () => {
    const shard = world.shard(30, 'mutable')
    rmSync(shard.directory, { recursive: true })
    const figures = await world.read(mapOf(datasetEntry({ name: 'gone' }, { live: [shard] })))
    assert.equal(figures.get('godwit_rocksdb_sst_bytes gone'), 0)
    assert.equal(figures.get('godwit_rocksdb_sequence gone'), 7)
  })
})

test('the time of stalls is read from RocksDB’s text, and 0 where it has none', () => {
  assert.equal(stallSecondsOf('Cumulative stall: 00:00:0.000 H:M:S, 0.0 percent'), 0)
  assert.equal(stallSecondsOf('a\nCumulative stall: 10:00:1.25 H:M:S, 0.0 percent\n'), 36_001.25)
  assert.equal(stallSecondsOf(''), 0)
})
