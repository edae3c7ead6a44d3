import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Sample } from '../../../bench/harness.js'
import { comparedShare, twoReadsToShadowed } from '../../../bench/shadow-share.js'

const costing = (cpuSeconds: number): Sample => ({ count: 1, seconds: 1, cpuSeconds })

// Series at a fixed rate, all of whose reads are compared, made the share of the gateway's life too high.
test('the share is that of what ended between the two, whatever came before', () => {
  const before = { sent: 10_000, matched: 10_000, waiting: 0 }
  assert.equal(comparedShare(before, { sent: 11_100, matched: 10_250, waiting: 100 }), 0.25)
  const waited = { sent: 100, matched: 0, waiting: 100 }
  assert.equal(comparedShare(waited, { sent: 300, matched: 150, waiting: 0 }), 0.5)
})

test('where nothing was compared there is no share', () => {
  const counts = { sent: 10, matched: 10, waiting: 0 }
  assert.throws(() => comparedShare(counts, counts), /nothing was compared/)
  assert.throws(() => comparedShare(counts, { ...counts, sent: 50 }), /nothing was compared/)
})

test('each round is taken for its own share', () => {
  // Compared, a get costs 2 more in both rounds; the second time half of them were.
  const rounds = {
    leaf: [costing(1), costing(1)],
    none: [costing(2), costing(2)],
    all: [costing(4), costing(3)],
    compared: [1, 0.5],
  }
  assert.deepEqual(twoReadsToShadowed(rounds), [0.75, 0.75])
})
