import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SIZE_BOUNDS, ValueSizes } from '../../../src/base/value-sizes.js'

/** The upper bound of the only bucket that has a count. */
function boundOf(bytes: number): number | undefined {
  const sizes = new ValueSizes()
  sizes.record('get', 'pins', bytes)
  const [series] = sizes.snapshot()
  return SIZE_BOUNDS[series?.counts.indexOf(1) ?? -1]
}

test('a size stands in the bucket whose bound is the next below a power of two', () => {
  for (const [bytes, bound] of [
    [0, 0],
    [1, 1],
    [2, 3],
    [3, 3],
    [4, 7],
    [1_023, 1_023],
    [1_024, 2_047],
    [2 ** 31, 2 ** 32 - 1],
    [2 ** 32 - 1, 2 ** 32 - 1],
  ] as const)
    assert.equal(boundOf(bytes), bound, `${bytes} bytes`)
})

test('datasets beyond the bound count as others, until one is forgotten', () => {
  const sizes = new ValueSizes(2)
  for (const dataset of ['a', 'b', 'c', 'd', 'c']) sizes.record('get', dataset, 10)
  sizes.record('multiGet', 'a', 30)
  const shown = () =>
    sizes.snapshot().map(({ operation, dataset, sumBytes }) => [operation, dataset, sumBytes])
  assert.deepEqual(shown(), [
    ['get', 'a', 10],
    ['multiGet', 'a', 30],
    ['get', 'b', 10],
    ['get', '(other)', 30],
  ])
  sizes.forget('a')
  assert.deepEqual(shown(), [
    ['get', 'b', 10],
    ['get', '(other)', 30],
  ])
})
