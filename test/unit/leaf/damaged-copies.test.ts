import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DamagedCopies } from '../../../src/leaf/damaged-copies.js'

const target = (versionId: number, shard: number, datasetId = 'd1') => ({ datasetId, versionId, shard })

test('what was found once may be a copy that was disturbed; twice, or for certain, it is damage', () => {
  const damaged = new DamagedCopies()
  assert.equal(damaged.note(target(7, 0), 'flipped', false), false)
  assert.deepEqual([damaged.count, damaged.problemsOf('d1')], [0, []])
  assert.equal(damaged.note(target(7, 0), 'flipped', false), true)
  assert.equal(damaged.note(target(7, 0), 'flipped', false), false, 'that is known already')
  assert.equal(damaged.note(target(8, 1), 'other seals', true), true)
  assert.equal(damaged.count, 2)
  const [seven = '', eight = ''] = damaged.problemsOf('d1')
  assert.match(seven, /^version 7: .* shard 0 is damaged \(flipped\): restore .* or load it again$/)
  assert.match(eight, /^version 8: .* shard 1 is damaged \(other seals\)/)
})

test('a copy that a leaf took whole is not damaged, and the next finding counts anew', () => {
  const damaged = new DamagedCopies()
  damaged.note(target(7, 0), 'flipped', false)
  damaged.forget(target(7, 0))
  assert.equal(damaged.note(target(7, 0), 'flipped', false), false)
  damaged.note(target(7, 0), 'flipped', true)
  damaged.forget(target(7, 0))
  assert.deepEqual([damaged.count, damaged.problemsOf('d1')], [0, []])
})

test('versions that are not kept any more are forgotten, those of other datasets are not', () => {
  const damaged = new DamagedCopies()
  for (const one of [target(7, 0), target(8, 0), target(7, 0, 'd2')]) damaged.note(one, 'flipped', true)
  damaged.keepOnly('d1', new Set([8]))
  assert.deepEqual([damaged.problemsOf('d1').length, damaged.problemsOf('d2').length], [1, 1])
  damaged.keepOnly('d1', new Set())
  damaged.keepOnly('d3', new Set([7]))
  assert.equal(damaged.count, 1)
})

test('a line names a few shards and counts the others; more copies than are remembered are not noted', () => {
  const damaged = new DamagedCopies()
  for (let shard = 0; shard < 10_005; shard++) damaged.note(target(7, shard), 'flipped', true)
  assert.equal(damaged.count, 10_000)
  assert.match(
    damaged.problemsOf('d1')[0] ?? '',
    /shards 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 9990 more are damaged/,
  )
  damaged.keepOnly('d1', new Set())
  assert.equal(damaged.note(target(8, 0), 'flipped', true), true)
})
