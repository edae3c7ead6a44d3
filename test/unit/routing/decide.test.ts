import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { MIGRATION_STATES } from '../../../src/model/migration.js'
import { isInCanary } from '../../../src/routing/canary.js'
import { decideRead, decideSide } from '../../../src/routing/decide.js'
import { splitBucket } from '../../../src/routing/traffic-split.js'
import { readRequest } from '../../support/datasets.js'
import { entryWith, migrating } from './two-sides.js'

const KEYS = Array.from({ length: 20_000 }, (_, index) => Buffer.from(`key-${index}`))

function targetKeys(splitShare: number): Set<string> {
  const entry = entryWith(migrating('RAMP', { splitShare }))
  const moved = KEYS.filter((key) => decideSide(entry, key, null).side === 'TARGET')
  return new Set(moved.map(String))
}

suite('decide', () => {
  test('each state has its side, its fallback and its comparisons', () => {
    const seen = MIGRATION_STATES.map((state) => {
      const entry = entryWith(migrating(state, { shadowShare: 7, splitCallers: ['maps'] }))
      const { side, fallback, shadowShare } = decideSide(entry, Buffer.from('k'), null)
      return [state, side, fallback, shadowShare]
    })
    assert.deepEqual(seen, [
      ['ORIGIN_ONLY', 'ORIGIN', null, 0],
      ['ARMING', 'ORIGIN', null, 0],
      ['VERIFY', 'ORIGIN', null, 7],
      ['RAMP', 'ORIGIN', 'TARGET', 7],
      ['TARGET_PRIMARY', 'TARGET', 'ORIGIN', 7],
      ['TARGET_ONLY', 'TARGET', null, 0],
      ['RETIRED', 'TARGET', null, 0],
      ['ABORTING', 'ORIGIN', null, 0],
    ])
  })

  test('raising the split never moves a key back, and its share is that of the keys within three sigma', () => {
    let before = new Set<string>()
    for (const share of [0, 1, 25, 500, 2_500, 5_000, 9_999, 10_000]) {
      const now = targetKeys(share)
      for (const key of before) assert.ok(now.has(key), `${key} moved back at ${share}`)
      const p = share / 10_000
      const sigma = Math.sqrt(KEYS.length * p * (1 - p))
      assert.ok(Math.abs(now.size - KEYS.length * p) <= 3 * sigma, `${now.size} keys at ${share}`)
      before = now
    }
    assert.equal(before.size, KEYS.length)
  })

  test('the places of keys are those that FORMATS.md prints, whatever this code becomes', () => {
    const buckets = ['', 'a', 'cities', '2643743', 'ключ'].map((key) => splitBucket(Buffer.from(key)))
    assert.deepEqual(buckets, VECTORS)
  })

  test('the split is independent of the canary: each takes the same share of the other', () => {
    const inBoth = KEYS.filter((key) => splitBucket(key) < 5_000 && isInCanary(key, 5_000)).length
    assert.ok(Math.abs(inBoth / KEYS.length - 0.25) < 0.01, `${inBoth} of ${KEYS.length}`)
  })

  test('a caller of the split has the target whatever its keys; without a name nobody is one', () => {
    const entry = entryWith(migrating('RAMP', { splitCallers: ['maps'] }))
    for (const key of KEYS.slice(0, 100)) {
      assert.equal(decideSide(entry, key, 'maps').side, 'TARGET')
      assert.equal(decideSide(entry, key, 'ads').side, 'ORIGIN')
      assert.equal(decideSide(entry, key, null).side, 'ORIGIN')
    }
  })

  test('keys of one read have their own sides only while both serve the same version', () => {
    const entry = entryWith(migrating('RAMP', { splitShare: 5_000 }))
    const request = readRequest(KEYS.slice(0, 50))
    const byKey = decideRead(entry, request, () => true)
    const expected = request.rowKeys.flatMap((key, at) => (splitBucket(key) < 5_000 ? [at] : []))
    assert.deepEqual([byKey.why, byKey.targetPositions], ['BY_KEY', expected])
    const mixed = decideRead(entry, request, () => false)
    assert.deepEqual([mixed.why, mixed.side, mixed.targetPositions], ['MIXED_KEYS', 'ORIGIN', null])
    const paged = decideRead(entry, { ...request, pageBytes: 10 }, () => true)
    assert.deepEqual([paged.why, paged.side, paged.targetPositions], ['MIXED_KEYS', 'ORIGIN', null])
  })

  test('keys that have all the same side go there together', () => {
    const entry = entryWith(migrating('RAMP', { splitShare: 5_000 }))
    const inSplit = KEYS.filter((key) => splitBucket(key) < 5_000).slice(0, 20)
    const decision = decideRead(entry, readRequest(inSplit), () => assert.fail('it does not matter'))
    assert.deepEqual([decision.side, decision.targetPositions], ['TARGET', null])
  })

  test('a later page has the side of the first and nobody who stands in', () => {
    const entry = entryWith(migrating('RAMP', { splitShare: 10_000 }))
    const request = readRequest(['k'], { side: 'ORIGIN' })
    const { side, why, fallback } = decideRead(entry, request, () => true)
    assert.deepEqual([side, why, fallback], ['ORIGIN', 'PAGE', null])
  })

  test('scans have the origin until all keys have the target', () => {
    const sideOf = (state: 'RAMP' | 'TARGET_PRIMARY') =>
      decideSide(entryWith(migrating(state, { splitShare: 10_000, splitCallers: ['maps'] })), null, 'maps')
    assert.equal(sideOf('RAMP').side, 'ORIGIN')
    assert.equal(sideOf('TARGET_PRIMARY').side, 'TARGET')
  })
})

/** Of '', 'a', 'cities', '2643743', 'ключ'. Never change. */
const VECTORS: readonly number[] = [8213, 7430, 7365, 6363, 4969]
