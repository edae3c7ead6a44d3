import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { systemClock } from '../../../src/base/clock.js'
import { murmur3Token } from '../../../src/base/hash.js'
import { bucketOf, seededHash } from '../../../src/base/seeded-hash.js'
import { admitRead, admitScan } from '../../../src/kvstore/admit.js'
import type { Backend } from '../../../src/model/backend.js'
import type { DatasetEntry } from '../../../src/model/cluster-map.js'
import { isInCanary } from '../../../src/routing/canary.js'
import { Router } from '../../../src/routing/router.js'
import { datasetEntry, mapOf, readRequest, servedVersion } from '../../support/datasets.js'
import { scanRequest } from '../../support/scans.js'

const router = new Router({} as Backend, new Map()) // plans only
const [CANARY, CURRENT] = [servedVersion(2000, 2), servedVersion(1000, 1)]
const KEYS = Array.from({ length: 2_000 }, (_, index) => `key-${index}`)

function entryWith(share: number, versions = [CANARY, CURRENT]): DatasetEntry {
  return datasetEntry({ mode: 'BATCH', canary: { versionId: 2000, share } }, { versions, current: CURRENT })
}

function versionOf(
  entry: DatasetEntry,
  keys: readonly string[],
  datasetVersion: number | null = null,
): number | undefined {
  return router.planRead(admitRead(readRequest(keys, { datasetVersion }), mapOf(entry), systemClock)).version
    ?.id
}

/** Key as hex, hash, bucket. Also in docs/FORMATS.md. */
const VECTORS: readonly (readonly [hex: string, hash: number, bucket: number])[] = [
  ['', 2016648540, 4695],
  ['00', 4178222824, 9728],
  ['80', 4139525564, 9638],
  ['313233', 558008900, 1299],
  ['74657374', 1047936779, 2439],
  ['68656c6c6f', 79224969, 184],
  ['32363433373433', 3801899266, 8851],
  ['6772c3b6c39f65', 3426370564, 7977],
  ['30313233343536373839616263646566', 2572948538, 5990],
]

suite('canary', () => {
  test('a key lies in the share by its bucket, which never changes', () => {
    for (const [hex, hash, bucket] of VECTORS) {
      const key = Buffer.from(hex, 'hex')
      assert.equal(seededHash(key, 0x63616e61), hash)
      assert.equal(bucketOf(hash), bucket)
      assert.deepEqual([isInCanary(key, bucket), isInCanary(key, bucket + 1)], [false, true], hex)
    }
  })

  test('a get is answered by the canary for its share of the keys, and raising the share moves no key back', () => {
    let before = new Set<string>()
    for (const share of [1, 100, 1_000, 2_500, 5_000, 9_999]) {
      const inShare = new Set(KEYS.filter((key) => versionOf(entryWith(share), [key]) === 2000))
      for (const key of before) assert.ok(inShare.has(key), `${key} went back at ${share}`)
      assert.ok(
        Math.abs(inShare.size / KEYS.length - share / 10_000) < 0.03,
        `${inShare.size} keys at ${share}`,
      )
      before = inShare
    }
  })

  test('the share has nothing to do with where a key lies', () => {
    const inShare = KEYS.filter((key) => isInCanary(Buffer.from(key), 5_000))
    const lower = inShare.filter((key) => murmur3Token(Buffer.from(key)).high < 0)
    assert.ok(Math.abs(lower.length / inShare.length - 0.5) < 0.05)
  })

  test('several keys are answered by the canary only together: one answer never mixes versions', () => {
    const entry = entryWith(5_000)
    const inShare = KEYS.filter((key) => versionOf(entry, [key]) === 2000)
    const others = KEYS.filter((key) => versionOf(entry, [key]) === 1000)
    assert.equal(versionOf(entry, inShare.slice(0, 20)), 2000)
    assert.equal(versionOf(entry, [...inShare.slice(0, 20), others[0] ?? '']), 1000)
    assert.equal(versionOf(entry, []), 1000)
  })

  test('pinned reads, scans, and reads while the canary is not open take no part', () => {
    const entry = entryWith(9_999)
    const key = KEYS.find((one) => versionOf(entry, [one]) === 2000) ?? ''
    assert.equal(versionOf(entry, [key], 1000), 1000)
    assert.equal(router.planScan(admitScan(scanRequest(), mapOf(entry), systemClock)).version?.id, 1000)
    assert.equal(versionOf(entryWith(9_999, [CURRENT]), [key]), 1000)
  })
})
