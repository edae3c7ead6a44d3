import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { systemClock } from '../../../src/base/clock.js'
import { KVError } from '../../../src/base/errors.js'
import { admitMutate, admitRead, admitScan } from '../../../src/kvstore/admit.js'
import type { Backend } from '../../../src/model/backend.js'
import type { DatasetEntry } from '../../../src/model/cluster-map.js'
import type { ReadRequest } from '../../../src/model/request.js'
import type { ScanRequest } from '../../../src/model/scan.js'
import { firstTokenOfShard, shardOfToken } from '../../../src/model/sharding.js'
import { Router } from '../../../src/routing/router.js'
import {
  datasetEntry,
  incarnation,
  mapOf,
  putRequest,
  readRequest,
  servedVersion,
} from '../../support/datasets.js'
import { scanRequest } from '../../support/scans.js'
import { guardedRoles } from './two-sides.js'

function backend(name: string): Backend {
  return {
    name,
    read: () => assert.fail('a router does not read'),
    scan: () => assert.fail('a router does not scan'),
    mutate: () => assert.fail('a router does not write'),
    close: () => Promise.resolve(),
  }
}

const leaf = backend('leaf')
const west = backend('west')
const westRoles = guardedRoles(west)
const router = new Router(leaf, new Map([['west', westRoles]]))

function plan(entry: DatasetEntry, keys: string[], changes: Partial<ReadRequest> = {}) {
  return router.planRead(admitRead(readRequest(keys, changes), mapOf(entry), systemClock))
}

function planRead(entry: DatasetEntry, keys: string[], datasetVersion: number | null = null) {
  return plan(entry, keys, { datasetVersion })
}

function planScan(entry: DatasetEntry, changes: Partial<ScanRequest> = {}) {
  return router.planScan(admitScan(scanRequest(changes), mapOf(entry), systemClock))
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

  test('a version that is leaving is there for later pages only', () => {
    const versions = [servedVersion(2000, 2), { ...servedVersion(1000, 1), isLeaving: true as const }]
    const entry = datasetEntry({ mode: 'BATCH' }, { versions, current: versions[0] ?? null })
    const refused = () => planRead(entry, ['a'], 1000)
    assert.equal(codeOf(refused), 'VERSION_NOT_FOUND')
    const position = { localKey: null, timestamp: null, columns: 0 }
    assert.equal(plan(entry, ['a'], { datasetVersion: 1000, position }).shardReads[0]?.incarnation.id, 1)
    assert.equal(
      codeOf(() => planScan(entry, { datasetVersion: 1000 })),
      'VERSION_NOT_FOUND',
    )
    const later = { datasetVersion: 1000, position: { token: { high: 0, low: 0 }, rowKey: Buffer.from('a') } }
    assert.equal(planScan(entry, later).version?.id, 1000)
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

  test('a shard that is not open fails its own keys while others are answered', () => {
    const entry = datasetEntry({ shardCount: 2 }, { live: [null, incarnation(1, { shard: 1 })] })
    const keys = Array.from({ length: 50 }, (_, i) => `key-${i}`)
    const plan = planRead(entry, keys)
    assert.deepEqual(
      plan.shardReads.map((read) => read.incarnation.shard),
      [1],
    )
    const [failed] = plan.unserved ?? []
    assert.equal(failed?.error.code, 'SHARD_NOT_SERVING')
    const places = [...(plan.shardReads[0]?.positions ?? []), ...failed.positions]
    assert.deepEqual(
      places.sort((a, b) => a - b),
      keys.map((_, index) => index),
    )
  })

  test('a page is divided among the shards as their keys are, and each gets something', () => {
    const current = servedVersion(1, 0, 1)
    const entry = datasetEntry({ mode: 'BATCH', shardCount: 2 }, { versions: [current], current })
    const pages = (keys: string[], pageBytes: number) =>
      plan(entry, keys, { pageBytes }).shardReads.map((read) => [read.rowKeys.length, read.pageBytes])
    const keys = Array.from({ length: 100 }, (_, i) => `key-${i}`)
    for (const [count, bytes] of pages(keys, 10_000)) assert.equal(bytes, (count ?? 0) * 100)
    assert.deepEqual(
      pages(keys, 1).map(([, bytes]) => bytes),
      [1, 1],
    )
    assert.deepEqual(pages(['same'], 7), [[1, 7]])
  })

  test('a dataset on its origin goes to that origin, reads and writes', () => {
    const entry = datasetEntry({ migrationState: 'ORIGIN_ONLY', origin: 'west' })
    assert.equal(planRead(entry, ['a']).backend, westRoles.primary)
    const admitted = admitMutate(putRequest('a', 'b'), mapOf(entry), systemClock)
    assert.equal(router.planMutate(admitted).backend, westRoles.primary)
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

suite('the plan of a scan', () => {
  const three = [0, 1, 2].map((shard) => incarnation(shard, { shard }))
  const shardsOf = (entry: DatasetEntry, changes: Partial<ScanRequest> = {}) =>
    planScan(entry, changes).shardScans.map((scan) => scan.incarnation.shard)

  test('walks the shards in the order of tokens, or back', () => {
    const entry = datasetEntry({ shardCount: 3 }, { live: three })
    assert.deepEqual(shardsOf(entry), [0, 1, 2])
    assert.deepEqual(shardsOf(entry, { isReversed: true }), [2, 1, 0])
  })

  test('begins in the shard of its position', () => {
    const entry = datasetEntry({ shardCount: 3 }, { live: three })
    const position = { token: { high: 0, low: 0 }, rowKey: Buffer.from('k') }
    assert.deepEqual(shardsOf(entry, { position }), [1, 2])
    assert.deepEqual(shardsOf(entry, { position, isReversed: true }), [1, 0])
    const [first] = planScan(entry, { position }).shardScans
    assert.deepEqual(first?.span.lower, { ...position, isExclusive: true })
  })

  test('a page is no longer than what is left of the limit', () => {
    const entry = datasetEntry({}, { live: three })
    assert.equal(planScan(entry, { limit: 3, pageRows: 10 }).shardScans[0]?.pageRows, 3)
    assert.equal(planScan(entry, { limit: 30, pageRows: 10 }).shardScans[0]?.pageRows, 10)
  })

  test('ends before a shard that is not open, and fails when it begins there', () => {
    const entry = datasetEntry({ shardCount: 3 }, { live: [three[0] ?? null, null, three[2] ?? null] })
    const { shardScans, blocked } = planScan(entry)
    assert.equal(shardScans.length, 1)
    assert.equal(blocked?.error.code, 'SHARD_NOT_SERVING')
    assert.deepEqual(blocked.at, { token: firstTokenOfShard(1, 3), rowKey: Buffer.alloc(0), isBefore: true })
    assert.equal(
      codeOf(() => planScan(entry, { position: blocked.at })),
      'SHARD_NOT_SERVING',
    )
  })

  test('reads one version, the current or the pinned one', () => {
    const versions = [servedVersion(2000, 2), servedVersion(1000, 1)]
    const entry = datasetEntry({ mode: 'BATCH' }, { versions, current: versions[0] ?? null })
    assert.equal(planScan(entry).version?.id, 2000)
    assert.equal(planScan(entry, { datasetVersion: 1000 }).shardScans[0]?.incarnation.id, 1)
    assert.equal(
      codeOf(() => planScan(entry, { datasetVersion: 5 })),
      'VERSION_NOT_FOUND',
    )
  })

  test('goes to the origin whole', () => {
    const entry = datasetEntry({ migrationState: 'ORIGIN_ONLY', origin: 'west' })
    const { backend: chosen, shardScans } = planScan(entry)
    assert.deepEqual([chosen, shardScans], [westRoles.primary, []])
  })
})

suite('shardOfToken', () => {
  test('a shard begins at its first token, not one before', () => {
    for (const count of [1, 2, 3, 7, 1000, 1024]) {
      for (let shard = 0; shard < count; shard += 1) {
        const { high } = firstTokenOfShard(shard, count)
        assert.equal(shardOfToken({ high, low: 0 }, count), shard)
        if (shard > 0) assert.equal(shardOfToken({ high: high - 1, low: -1 }, count), shard - 1)
      }
    }
  })

  test('ranges are contiguous in signed token order and cover every shard', () => {
    const high = [-2_147_483_648, -1_073_741_825, -1_073_741_824, -1, 0, 1_073_741_824, 2_147_483_647]
    assert.deepEqual(
      high.map((one) => shardOfToken({ high: one, low: 0 }, 4)),
      [0, 0, 1, 1, 2, 3, 3],
    )
  })
})
