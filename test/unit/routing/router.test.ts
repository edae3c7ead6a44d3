import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { systemClock } from '../../../src/base/clock.js'
import { KVError } from '../../../src/base/errors.js'
import { admitMutate, admitRead } from '../../../src/kvstore/admit.js'
import type { Backend } from '../../../src/model/backend.js'
import type { DatasetEntry } from '../../../src/model/cluster-map.js'
import { shardOfToken } from '../../../src/model/sharding.js'
import { Router } from '../../../src/routing/router.js'
import {
  datasetEntry,
  incarnation,
  mapOf,
  putRequest,
  readRequest,
  servedVersion,
} from '../../support/datasets.js'

function backend(name: string): Backend {
  return {
    name,
    read: () => assert.fail('a router does not read'),
    mutate: () => assert.fail('a router does not write'),
    close: () => Promise.resolve(),
  }
}

const leaf = backend('leaf')
const west = backend('west')
const router = new Router(leaf, new Map([['west', west]]))

function planRead(entry: DatasetEntry, keys: string[], datasetVersion: number | null = null) {
  return router.planRead(admitRead(readRequest(keys, { datasetVersion }), mapOf(entry), systemClock))
}

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof KVError) return error.code
    throw error
  }
  return 'none'
}

suite('router', () => {
  test('a BATCH read is answered by the current version, all keys by the same one', () => {
    const versions = [servedVersion(2000, 21, 22), servedVersion(1000, 11, 12)]
    const entry = datasetEntry({ mode: 'BATCH', shardCount: 2 }, { versions, current: versions[1] ?? null })
    const plan = planRead(
      entry,
      Array.from({ length: 50 }, (_, i) => `key-${i}`),
    )
    assert.equal(plan.version?.id, 1000)
    assert.deepEqual(plan.shardReads.map((read) => read.incarnation.id).sort(), [11, 12])
  })

  test('every key of a read lies in exactly one shard read, with its position', () => {
    const current = servedVersion(1, 0, 1, 2)
    const entry = datasetEntry({ mode: 'BATCH', shardCount: 3 }, { versions: [current], current })
    const keys = Array.from({ length: 200 }, (_, i) => `key-${i}`)
    const plan = planRead(entry, keys)
    const seen: string[] = []
    for (const read of plan.shardReads) {
      for (const [index, position] of (read.positions ?? []).entries()) {
        const token = read.tokens[index]
        assert.ok(token !== undefined)
        assert.equal(shardOfToken(token, 3), read.incarnation.shard)
        seen[position] = read.rowKeys[index]?.toString() ?? ''
      }
    }
    assert.deepEqual(seen, keys)
  })

  test('keys that all lie in one shard of several are read as one part without positions', () => {
    const current = servedVersion(1, 0, 1)
    const entry = datasetEntry({ mode: 'BATCH', shardCount: 2 }, { versions: [current], current })
    const plan = planRead(entry, ['same', 'same', 'same'])
    assert.equal(plan.shardReads.length, 1)
    assert.equal(plan.shardReads[0]?.positions, null)
  })

  test('a pinned version is served while it is kept', () => {
    const versions = [servedVersion(2000, 2), servedVersion(1000, 1)]
    const entry = datasetEntry({ mode: 'BATCH' }, { versions, current: versions[0] ?? null })
    assert.equal(planRead(entry, ['a'], 1000).shardReads[0]?.incarnation.id, 1)
    assert.equal(
      codeOf(() => planRead(entry, ['a'], 999)),
      'VERSION_NOT_FOUND',
    )
  })

  test('a BATCH dataset without a published version says so', () => {
    assert.equal(
      codeOf(() => planRead(datasetEntry({ mode: 'BATCH' }), ['a'])),
      'NO_VERSION_ONLINE',
    )
  })

  test('a shard that is not open refuses its keys by name', () => {
    const entry = datasetEntry({}, { live: [null] })
    assert.equal(
      codeOf(() => planRead(entry, ['a'])),
      'SHARD_NOT_SERVING',
    )
    const admitted = admitMutate(putRequest('a', 'b'), mapOf(entry), systemClock)
    assert.equal(
      codeOf(() => router.planMutate(admitted)),
      'SHARD_NOT_SERVING',
    )
  })

  test('a dataset on its origin goes to that origin, reads and writes', () => {
    const entry = datasetEntry({ migrationState: 'ORIGIN_ONLY', origin: 'west' })
    assert.equal(planRead(entry, ['a']).backend, west)
    const admitted = admitMutate(putRequest('a', 'b'), mapOf(entry), systemClock)
    assert.equal(router.planMutate(admitted).backend, west)
  })

  test('an origin without connection settings is refused and told how to add it', () => {
    const entry = datasetEntry({ migrationState: 'ORIGIN_ONLY', origin: 'east' })
    assert.equal(
      codeOf(() => planRead(entry, ['a'])),
      'UNAVAILABLE',
    )
  })

  test('a write goes to the shard of its key', () => {
    const live = [incarnation(0, { shard: 0 }), incarnation(1, { shard: 1 }), incarnation(2, { shard: 2 })]
    const entry = datasetEntry({ shardCount: 3 }, { live })
    for (let i = 0; i < 100; i++) {
      const admitted = admitMutate(putRequest(`key-${i}`, 'v'), mapOf(entry), systemClock)
      const plan = router.planMutate(admitted)
      assert.equal(plan.shardMutate?.incarnation.id, shardOfToken(admitted.token, 3))
    }
  })
})

suite('shardOfToken', () => {
  test('ranges are contiguous in signed token order and cover every shard', () => {
    const high = [-2_147_483_648, -1_073_741_825, -1_073_741_824, -1, 0, 1_073_741_824, 2_147_483_647]
    assert.deepEqual(
      high.map((one) => shardOfToken({ high: one, low: 0 }, 4)),
      [0, 0, 1, 1, 2, 3, 3],
    )
  })
})
