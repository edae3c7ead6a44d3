import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ratios, summarise } from '../../../bench/statistics.js'

test('the median of an odd number of rounds is the middle one, whatever their order', () => {
  assert.deepEqual(summarise([9, 1, 5]), { median: 5, min: 1, max: 9 })
})

test('the median of an even number of rounds lies between the middle two', () => {
  assert.deepEqual(summarise([4, 1, 2, 100]), { median: 3, min: 1, max: 100 })
})

test('numbers are ordered as numbers and not as text', () => {
  assert.deepEqual(summarise([10, 9, 100]), { median: 10, min: 9, max: 100 })
})

test('nothing cannot be summarised', () => {
  assert.throws(() => summarise([]), RangeError)
})

test('a summary leaves the rounds in their order', () => {
  const rounds = [3, 1, 2]
  summarise(rounds)
  assert.deepEqual(rounds, [3, 1, 2])
})

test('min, median and max are in order for any rounds', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1 }), (values) => {
      const { median, min, max } = summarise(values)
      return min <= median && median <= max
    }),
  )
})

test('ratios pair the values of the same round', () => {
  assert.deepEqual(ratios([10, 30], [5, 10]), [2, 3])
})

test('rounds that do not pair up have no ratios', () => {
  assert.throws(() => ratios([1, 2], [1]), RangeError)
})
