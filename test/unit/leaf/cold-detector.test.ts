import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { systemClock } from '../../../src/base/clock.js'
import { ColdDetector, threadFetchedBytes } from '../../../src/leaf/rocksdb/read/cold-detector.js'

/** A disk and a clock that the test moves: each read takes `us` a key and fetches `bytes`. */
function bench(counts = true) {
  let nowMs = 0
  let fetched = 0
  const detector = new ColdDetector({ ...systemClock, monotonicMs: () => nowMs }, () =>
    counts ? fetched : null,
  )
  const read = (times: number, { us = 6, bytes = 0, keys = 1 } = {}) => {
    for (let i = 0; i < times; i++) {
      detector.begin()
      nowMs += (us * keys) / 1_000
      fetched += bytes
      detector.end(keys)
    }
  }
  return { detector, read }
}

suite('cold detector', () => {
  test('reads that fetch from storage are cold within a sampling interval, and hot again when they stop', () => {
    const { detector, read } = bench()
    read(100)
    assert.equal(detector.isCold, false)
    read(40, { us: 100, bytes: 16_384 })
    assert.equal(detector.isCold, true)
    read(20)
    assert.equal(detector.isCold, false)
  })

  // A moving average of durations sent every read to the pool as soon as other processes used the cores.
  test('slow reads that fetch nothing are hot: the core was busy, not the disk', () => {
    const { detector, read } = bench()
    read(500, { us: 400 })
    assert.equal(detector.isCold, false)
  })

  test('a few misses among many hot keys do not make a shard cold', () => {
    const { detector, read } = bench()
    read(500, { keys: 64, bytes: 4_096 })
    assert.equal(detector.isCold, false)
  })

  test('a slow read has the next one sampled', () => {
    const { detector, read } = bench()
    read(1)
    read(2, { us: 100, bytes: 16_384 })
    assert.equal(detector.isCold, true)
  })

  test('without the system’s count, slowness decides', () => {
    const { detector, read } = bench(false)
    read(100)
    assert.equal(detector.isCold, false)
    read(40, { us: 100 })
    assert.equal(detector.isCold, true)
    read(100)
    assert.equal(detector.isCold, false)
  })

  test('the system counts for a thread, or says that it does not', () => {
    const fetched = threadFetchedBytes()()
    assert.ok(fetched === null || (Number.isSafeInteger(fetched) && fetched >= 0))
  })
})
