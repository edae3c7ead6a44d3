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
  trial: null,
}

const MB = 1024 * 1024

function figures(readBytes: number, changes: Partial<PartFigures> = {}): PartFigures {
  const nothingElse = { badLineCount: 0, badLines: [], foreignCellCount: 0, unseenColumns: [] }
  const nothingTook = { skippedBytes: 0, skippedMs: 0, packedBytes: 0, readMs: 0 }
  return { part: 0, rows: readBytes / 100, readBytes, ...nothingTook, ...nothingElse, ...changes }
}

function runOf(sizeBytes: number, ms: number) {
  return { name: 'r', sizeBytes, entries: 1, shardEnds: [], positions: [], ms }
}

/** A load whose work takes what it says here, and what its tally tells while time goes by. */
class FakeLoad {
  /** Of a megabyte as it is read, and packed; of any shard. */
  readMs = 25
  sortMs = 8
  writeMs = 18
  sealMs = 10
  emptySealMs = 40
  /** Packed bytes of a byte as it is read. */
  packing = 1
  readonly tally: LoadTally
  readonly seen: { readonly atMs: number; readonly leftMs: number | null; readonly phase: string }[] = []
  readonly #time = steppedClock()
  readonly #totalMb: number
  readonly #job: { readonly workers: number; readonly sortBytes: number; readonly shardCount: number }
  #inMemory = 0

  constructor(totalMb: number, job: { shardCount?: number; sortMb?: number } = {}) {
    this.#totalMb = totalMb
    this.#job = { workers: 1, sortBytes: (job.sortMb ?? 64) * MB, shardCount: job.shardCount ?? 1 }
    const parts = [{ index: 0, url: 'u', sizeBytes: totalMb * MB, tag: 't' }]
    this.tally = new LoadTally(this.#job, { parts, done: nothingDone, clock: this.#time.clock })
  }

  get nowMs(): number {
    return this.#time.now()
  }

  #look(): void {
    const { leftMs, phase, countsDown } = this.tally.progress()
    assert.equal(countsDown, phase === 'WRITING')
    this.seen.push({ atMs: this.#time.now(), leftMs, phase })
  }

  /** Reads megabyte by megabyte; memory that is full goes to `empty`. */
  read(empty: (packedMb: number) => void): void {
    let isTried = false
    let readMs = 0
    for (let mb = 1; mb <= this.#totalMb; mb++) {
      this.#time.step(this.readMs)
      readMs += this.readMs
      this.#inMemory += this.packing
      const packedBytes = mb * this.packing * MB
      this.tally.note(figures(mb * MB, { packedBytes, readMs }))
      if (!isTried && this.#inMemory >= 16) {
        isTried = true
        this.#try()
      }
      this.#look()
      if (this.#inMemory * MB >= this.#job.sortBytes) {
        empty(this.#inMemory)
        this.#inMemory = 0
      }
    }
  }

  #try(): void {
    const bytes = 16 * MB
    this.#time.step(16 * (this.writeMs + this.sealMs) + 3 * this.emptySealMs)
    const sealMs = 16 * this.sealMs + this.emptySealMs
    this.tally.noteTrial({ bytes, writeMs: 16 * this.writeMs, sealMs, emptySealMs: this.emptySealMs })
  }

  writeRun(packedMb: number): void {
    this.#time.step(packedMb * this.sortMs)
    this.tally.noteRun(runOf(packedMb * MB, packedMb * this.sortMs))
  }

  /** Shards one after the other. */
  writeAll(): void {
    const totalMb = this.#totalMb * this.packing
    this.tally.startWriting({ bytes: totalMb * MB, toMerge: 0 })
    const shards = this.#job.shardCount
    for (let shard = 0; shard < shards; shard++) {
      this.tally.startLap()
      this.tally.noteShardMade()
      this.write(totalMb / shards)
      this.seal(totalMb / shards)
    }
  }

  write(mb: number): void {
    this.tally.startLap()
    for (let done = 0; done < mb; done++) {
      this.#time.step(this.writeMs)
      this.tally.noteWritten(MB)
      if (this.tally.progress().phase === 'WRITING') this.#look()
    }
  }

  seal(mb: number): void {
    this.#time.step(this.emptySealMs + mb * this.sealMs)
    this.tally.noteSealed(mb * MB)
  }

  /** Everything that is told from `fromMs` on. */
  assertRight(fromMs: number): void {
    const end = this.#time.now()
    const counting = this.seen.filter(({ atMs }) => atMs >= fromMs)
    assert.ok(counting.length > 50)
    for (const { atMs, leftMs, phase } of counting) {
      const left = end - atMs
      const isRight = leftMs !== null && Math.abs(leftMs - left) <= 0.2 * Math.max(left, 5_000)
      assert.ok(isRight, `at ${atMs} of ${end}, ${phase}: ${leftMs} told, ${left} left`)
    }
  }
}

const machines: readonly { readonly name: string; readonly rates: Partial<FakeLoad> }[] = [
  { name: 'a quiet machine', rates: {} },
  { name: 'a slow disk', rates: { writeMs: 90, sortMs: 40, sealMs: 50, emptySealMs: 900 } },
  { name: 'a slow source', rates: { readMs: 400 } },
  { name: 'input that packs to five times its size', rates: { readMs: 120, packing: 5 } },
]
for (const { name, rates } of machines) {
  for (const shardCount of [1, 16]) {
    test(`${name}, ${shardCount} shards: the time left is right within 20 % from the trial on`, () => {
      const load = Object.assign(new FakeLoad(800, { shardCount }), rates)
      let triedAtMs = 0
      load.read((mb) => {
        // The first run is written: nothing is guessed any more.
        load.writeRun(mb)
        triedAtMs ||= load.nowMs
      })
      load.writeAll()
      load.assertRight(triedAtMs)
      assert.ok(triedAtMs < 0.2 * load.nowMs)
    })
  }
}

test('input in order is not taken to be sorted, even before the first of it is written', () => {
  const load = Object.assign(new FakeLoad(1_280, { sortMb: 640 }), { readMs: 10, writeMs: 8, sealMs: 4 })
  load.tally.isInOrder = true
  load.tally.startLap()
  load.read((mb) => load.write(mb))
  load.tally.startWriting({ bytes: 0, toMerge: 0 })
  load.seal(1_280)
  load.assertRight(2_000)
})

for (const shardCount of [1, 5]) {
  test(`input in order that goes straight to ${shardCount} shards: the time left is right within 20 %`, () => {
    const load = new FakeLoad(1_280, { shardCount })
    const perShard = 1_280 / shardCount
    let inShard = 0
    load.tally.startLap()
    load.read((mb) => {
      load.write(mb)
      inShard += mb
      if (inShard < perShard) return
      load.seal(perShard)
      inShard = 0
    })
    load.tally.startWriting({ bytes: 0, toMerge: 0 })
    if (inShard > 0) load.seal(perShard)
    load.assertRight(4_000)
  })
}

test('writing that turns out slower, or faster, than it was tried shows within seconds', () => {
  for (const factor of [0.5, 2]) {
    const load = new FakeLoad(2_000, { shardCount: 10 })
    load.read((mb) => load.writeRun(mb))
    load.writeMs *= factor
    load.sealMs *= factor
    const fromMs = load.nowMs + 8_000
    load.writeAll()
    load.assertRight(fromMs)
  }
})

test('a source that becomes slower shows', () => {
  const load = new FakeLoad(3_000)
  load.readMs = 10
  let changedAtMs = 0
  load.read((mb) => {
    load.writeRun(mb)
    if (load.readMs === 10 && load.nowMs > 10_000) {
      load.readMs = 100
      changedAtMs = load.nowMs
    }
  })
  load.writeAll()
  // Three times as long as it remembers.
  load.assertRight(changedAtMs + 60_000)
})

test('several threads: the time left is that of the thread that has most to read', () => {
  const { clock, step } = steppedClock()
  const parts = [0, 1, 2].map((index) => ({ index, url: 'u', sizeBytes: 1_000 * MB, tag: 't' }))
  const tally = new LoadTally(
    { workers: 2, sortBytes: 64 * MB, shardCount: 1 },
    { parts, done: nothingDone, clock },
  )
  step(10_000)
  for (const part of [0, 1]) tally.note(figures(500 * MB, { part, packedBytes: MB, readMs: 10_000 }))
  // Two objects are half read, after 10 s. One thread has another 10 s to go, the other one 10 s and then 20 s.
  const { leftMs } = tally.progress()
  assert.ok(leftMs !== null && Math.abs(leftMs - 30_000) < 1_000, String(leftMs))
})

test('nothing is told before there is something to go by', () => {
  const { clock, step } = steppedClock()
  const parts = [{ index: 0, url: 'u', sizeBytes: 1_000 * MB, tag: 't' }]
  const job = { workers: 1, sortBytes: 64 * MB, shardCount: 1 }
  const tally = new LoadTally(job, { parts, done: nothingDone, clock })
  assert.equal(tally.progress().leftMs, null)
  step(500)
  tally.note(figures(5 * MB, { packedBytes: 5 * MB, readMs: 500 }))
  assert.deepEqual([tally.progress().leftMs, tally.progress().bytesPerSecond], [null, 0])
  step(500)
  tally.note(figures(20 * MB, { packedBytes: 20 * MB, readMs: 1_000 }))
  assert.equal(tally.progress().leftMs, null)
  step(1_000)
  tally.note(figures(60 * MB, { packedBytes: 60 * MB, readMs: 2_000 }))
  // How long reading takes is known. Half a minute of writing is too much to be guessed.
  assert.equal(tally.progress().leftMs, null)
  tally.noteTrial({ bytes: 16 * MB, writeMs: 160, sealMs: 120, emptySealMs: 40 })
  assert.ok(Math.abs((tally.progress().leftMs ?? 0) - 45_800) < 2_000, String(tally.progress().leftMs))
})

test('a small load is told from a guess of how long writing takes, into however many shards', () => {
  for (const [shardCount, from, to] of [
    [2, 1_500, 2_500],
    [50, 4_000, 5_500],
  ] as const) {
    const { clock, step } = steppedClock()
    const parts = [{ index: 0, url: 'u', sizeBytes: 30 * MB, tag: 't' }]
    const job = { workers: 1, sortBytes: 64 * MB, shardCount }
    const tally = new LoadTally(job, { parts, done: nothingDone, clock })
    for (const seconds of [1, 2]) {
      step(1_000)
      tally.note(figures(seconds * 10 * MB, { packedBytes: seconds * 10 * MB, readMs: seconds * 1_000 }))
    }
    const { leftMs } = tally.progress()
    assert.ok(leftMs !== null && leftMs > from && leftMs < to, String(leftMs))
  }
})

test('where an earlier process did not say how long reading took, nothing is told until it is seen', () => {
  const { clock, step } = steppedClock()
  const parts = [{ index: 0, url: 'u', sizeBytes: 1_000 * MB, tag: 't' }]
  const job = { workers: 1, sortBytes: 64 * MB, shardCount: 1 }
  const trial = { bytes: 16 * MB, writeMs: 160, sealMs: 120, emptySealMs: 40 }
  for (const times of [{}, { readBytes: 900 * MB, readMs: 0 }]) {
    const positions = new Map([[0, { part: 0, line: 1, rows: 1, end: null, ...times }]])
    const runs = new Map([['r', { ...runOf(900 * MB, 1), name: 'r' }]])
    const tally = new LoadTally(job, { parts, done: { ...nothingDone, positions, runs, trial }, clock })
    assert.equal(tally.progress().leftMs, null)
    step(9_000)
    const skipped = { skippedBytes: 900 * MB, skippedMs: 9_000 }
    tally.note(figures(900 * MB, skipped))
    assert.equal(tally.progress().leftMs, null)
    step(2_000)
    tally.note(figures(920 * MB, { ...skipped, packedBytes: 20 * MB, readMs: 2_000 }))
    // 80 MB at 100 ms, and 1,000 MB at 10 and 5 to be written and sealed.
    const { leftMs } = tally.progress()
    assert.ok(leftMs !== null && Math.abs(leftMs - 23_000) < 1_000, String(leftMs))
  }
})

test('what earlier processes sealed is not to be done again', () => {
  const { clock } = steppedClock()
  const sealed = new Map([[0, { shard: 0, rows: 1, bytes: 1, checksum: '', duplicateCount: 3 }]])
  const job = { workers: 1, sortBytes: 64 * MB, shardCount: 2 }
  const tally = new LoadTally(job, { parts: [], done: { ...nothingDone, sealed }, clock })
  tally.noteTrial({ bytes: 16 * MB, writeMs: 160, sealMs: 1_000, emptySealMs: 1_000 })
  tally.startWriting({ bytes: 16 * MB, toMerge: 0 })
  assert.deepEqual([tally.progress().leftMs, tally.duplicateCount], [1_160, 3])
})

test('rates are those of the last seconds, and 0 until there are some', () => {
  const { clock, step } = steppedClock()
  const pace = new Pace(clock)
  let done = 0
  for (let count = 0; count < 600; count++, step(100)) pace.note((done += 100))
  for (let count = 0; count < 250; count++, step(100)) pace.note((done += 10))
  assert.ok(Math.abs((pace.perSecond() ?? 0) - 100) < 10)
  assert.equal(new Pace(clock).perSecond(), null)
})
