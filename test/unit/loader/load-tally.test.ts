import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LoadTally } from '../../../src/loader/load-tally.js'
import type { PartFigures } from '../../../src/loader/messages.js'
import { Pace } from '../../../src/loader/pace.js'

function steppedClock() {
  let nowMs = 0
  const clock = { nowMs: () => nowMs, nowUs: () => BigInt(nowMs) * 1_000n, monotonicMs: () => nowMs }
  return { clock, step: (ms: number) => (nowMs += ms), now: () => nowMs }
}

const nothingDone = {
  positions: new Map<number, never>(),
  sealed: new Map<number, never>(),
  runs: new Map<string, never>(),
}

function figures(readBytes: number): PartFigures {
  const nothingElse = { badLineCount: 0, badLines: [], foreignCellCount: 0, unseenColumns: [] }
  const packed = { packedBytes: 0, packMs: 0 }
  return { part: 0, rows: readBytes / 100, readBytes, ...packed, ...nothingElse }
}

const paces: readonly { name: string; bytesPerSecond: (atMs: number) => number }[] = [
  { name: 'steady', bytesPerSecond: () => 50_000 },
  { name: 'in bursts', bytesPerSecond: (atMs) => (Math.floor(atMs / 1_000) % 2 === 0 ? 90_000 : 10_000) },
  { name: 'a little uneven', bytesPerSecond: (atMs) => 50_000 + 10_000 * Math.sin(atMs / 700) },
]
for (const { name, bytesPerSecond } of paces) {
  test(`the time left of a source that comes ${name} is right within 20 % after it has warmed up`, () => {
    const total = 5_000_000
    const { clock, step, now } = steppedClock()
    const tally = new LoadTally([{ index: 0, url: 'u', sizeBytes: total, tag: 't' }], nothingDone, clock)
    const seen: { atMs: number; leftMs: number }[] = []
    let read = 0
    while (read < total) {
      tally.note(figures(read))
      const { leftMs } = tally.progress()
      if (leftMs !== null && now() > 10_000) seen.push({ atMs: now(), leftMs })
      read += bytesPerSecond(now()) * 0.05
      step(50)
    }
    const end = now()
    assert.ok(seen.length > 500)
    for (const { atMs, leftMs } of seen) {
      // Of the last moments a share says nothing.
      const isRight = Math.abs(leftMs - (end - atMs)) <= Math.max(0.2 * (end - atMs), 1_000)
      assert.ok(isRight, `at ${atMs}: ${leftMs} said, ${end - atMs} were left`)
    }
  })
}

test('no time is told before there is something to go by, and none while nothing comes', () => {
  const { clock, step } = steppedClock()
  const tally = new LoadTally([{ index: 0, url: 'u', sizeBytes: 1_000, tag: 't' }], nothingDone, clock)
  tally.note(figures(100))
  assert.equal(tally.progress().leftMs, null)
  step(500)
  tally.note(figures(200))
  assert.deepEqual([tally.progress().leftMs, tally.progress().bytesPerSecond], [null, 0])
  const pace = new Pace(clock)
  for (let count = 0; count < 300; count++, step(100)) pace.note(7)
  assert.deepEqual([pace.perSecond(), pace.leftMs(10)], [0, null])
})

test('a source that becomes slower shows within its window', () => {
  const { clock, step } = steppedClock()
  const pace = new Pace(clock)
  let done = 0
  for (let count = 0; count < 600; count++, step(100)) pace.note((done += 100))
  for (let count = 0; count < 250; count++, step(100)) pace.note((done += 10))
  assert.ok(Math.abs((pace.perSecond() ?? 0) - 100) < 10)
})

test('while shards are written the time is told by what is left to write', () => {
  const { clock, step } = steppedClock()
  const tally = new LoadTally([{ index: 0, url: 'u', sizeBytes: 1_000, tag: 't' }], nothingDone, clock)
  tally.note(figures(1_000))
  tally.startWriting(100_000)
  for (let count = 0; count < 20; count++, step(100)) tally.noteWritten(1_000)
  const { phase, leftMs, rows } = tally.progress()
  assert.deepEqual([phase, rows], ['WRITING', 10])
  // 8 s of writing, and 0.75 of all of it to seal.
  assert.ok(leftMs !== null && Math.abs(leftMs - 15_500) < 1_500, String(leftMs))
})

/** One shard after the other; sealing takes so much beside writing. */
const writings = [
  { shards: 1, sealing: 0.75, isAsAssumed: true },
  { shards: 1, sealing: 0.65, isAsAssumed: true },
  { shards: 4, sealing: 0.75, isAsAssumed: true },
  { shards: 8, sealing: 1.1, isAsAssumed: false },
  { shards: 8, sealing: 0.4, isAsAssumed: false },
]
for (const { shards, sealing, isAsAssumed } of writings) {
  test(`the time left to write ${shards} shards, sealing ${sealing} of that, is right within 20 %`, () => {
    const { clock, step, now } = steppedClock()
    const tally = new LoadTally([{ index: 0, url: 'u', sizeBytes: 1_000, tag: 't' }], nothingDone, clock)
    tally.note(figures(1_000))
    const perShard = 80_000
    tally.startWriting(shards * perShard)
    const seen: { readonly atMs: number; readonly leftMs: number }[] = []
    for (let shard = 0; shard < shards; shard++) {
      for (let written = 0; written < perShard; written += 1_000) {
        step(50)
        tally.noteWritten(1_000)
        const { leftMs } = tally.progress()
        // Otherwise it is learnt from the shards before, and of the last one half is still assumed.
        const isKnown = isAsAssumed || (shard > 0 && shard < shards - 1)
        if (leftMs !== null && now() > 2_000 && isKnown) seen.push({ atMs: now(), leftMs })
      }
      step(perShard * 0.05 * sealing)
      tally.noteSealed(perShard)
    }
    const end = now()
    assert.ok(seen.length > 30)
    for (const { atMs, leftMs } of seen) {
      const isRight = Math.abs(leftMs - (end - atMs)) <= Math.max(0.2 * (end - atMs), 500)
      assert.ok(isRight, `at ${atMs}: ${leftMs} said, ${end - atMs} were left`)
    }
  })
}

test('while it is read, the time to write is told by how long packing takes, on whatever machine', () => {
  for (const msPerRow of [1, 4]) {
    const { clock, step } = steppedClock()
    const tally = new LoadTally([{ index: 0, url: 'u', sizeBytes: 20_000, tag: 't' }], nothingDone, clock)
    const half = (rows: number): PartFigures => {
      return { ...figures(rows * 100), packedBytes: rows * 50, packMs: rows * msPerRow }
    }
    // Reading a row takes 20 times as long as packing it.
    for (let rows = 0; rows <= 100; rows++, step(20 * msPerRow)) tally.note(half(rows))
    const { leftMs } = tally.progress()
    const reading = 100 * 20 * msPerRow
    const writingAndSealing = 200 * msPerRow * 2 * 1.75
    const expected = reading + writingAndSealing
    assert.ok(leftMs !== null && Math.abs(leftMs - expected) < 0.1 * expected, `${leftMs} of ${expected}`)
  }
})
