import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { test } from 'node:test'
import { ReadPace, type ReadStep } from '../../../src/leaf/rocksdb/read/read-pace.js'

const MEGABYTE = 1024 * 1024

class StoppedClock {
  ms = 0
  nowUs = (): bigint => 0n
  nowMs = (): number => 0
  monotonicMs = (): number => this.ms
}

function makePace(): { pace: ReadPace; clock: StoppedClock; log: string[] } {
  const clock = new StoppedClock()
  return { pace: new ReadPace(clock), clock, log: [] }
}

test('what is short is read in one slice, at once', () => {
  const { pace, log } = makePace()
  for (const name of ['a', 'b', 'c']) pace.addStep(() => log.push(name) === 0)
  pace.run()
  assert.deepEqual(log, ['a', 'b', 'c'])
})

test('a slice ends at its bytes, and others get their turn before the next one', async () => {
  const { pace, log } = makePace()
  const step: ReadStep = (slice) => {
    slice.bytes += MEGABYTE
    return log.push('read') === 0
  }
  for (let i = 0; i < 10; i++) pace.addStep(step)
  pace.run()
  // A second call in the same turn does not read a second slice.
  pace.run()
  assert.equal(log.length, 4)
  setImmediate(() => log.push('other'))
  while (log.filter((what) => what === 'read').length < 10) await nextTurn()
  assert.ok(log.indexOf('other') <= 8, log.join())
})

test('a slice ends when its time is over', async () => {
  const { pace, clock, log } = makePace()
  for (let i = 0; i < 6; i++) {
    pace.addStep(() => {
      clock.ms += 2
      return log.push('read') === 0
    })
  }
  pace.run()
  assert.equal(log.length, 2)
  await nextTurn()
  assert.equal(log.length, 4)
  await nextTurn()
  assert.equal(log.length, 6)
})

test('a step that is not done comes again before those behind it, in whatever turn', async () => {
  const { pace, log } = makePace()
  let parts = 0
  pace.addStep((slice) => {
    slice.bytes += 3 * MEGABYTE
    log.push(`long ${++parts}`)
    return parts < 3
  })
  pace.addStep(() => log.push('short') === 0)
  pace.run()
  await nextTurn()
  assert.deepEqual(log, ['long 1', 'long 2', 'long 3', 'short'])
  pace.addStep(() => log.push('later') === 0)
  pace.run()
  assert.equal(log.at(-1), 'later')
})

/** A step that takes 5 ms in each of so many slices. */
function slowRow(
  { clock, log }: { clock: StoppedClock; log: string[] },
  name: string,
  slices: number,
): ReadStep {
  let left = slices
  return () => {
    clock.ms += 5
    log.push(name)
    return --left > 0
  }
}

test('a row that takes long lets other requests go on, and takes turns with scans', async () => {
  const world = makePace()
  const { pace, log } = world
  const request = { heldBytes: 1_000 }
  pace.addStep(slowRow(world, 'long', 60), request)
  pace.addStep(slowRow(world, 'short', 1))
  pace.addStep(slowRow(world, 'of the same', 1), request)
  pace.addScan(slowRow(world, 'scan', 3))
  pace.run()
  while (!log.includes('of the same')) await nextTurn()
  assert.ok(log.indexOf('short') < 10, log.join())
  assert.equal(log.filter((name) => name === 'scan').length, 3)
  // Rows of one request stay in their order: they share what it may hold.
  assert.equal(log.lastIndexOf('long'), log.indexOf('of the same') - 1)
  assert.equal(log.filter((name) => name === 'long').length, 60)
})

test('a request of many rows lets others go on though none of its rows takes long', async () => {
  const world = makePace()
  const { pace, log } = world
  const request = { heldBytes: 1_000 }
  for (let i = 0; i < 50; i++) pace.addStep(slowRow(world, `row ${i}`, 1 + (i % 3)), request)
  for (const name of ['short', 'shorter']) pace.addStep(slowRow(world, name, 1))
  pace.run()
  while (!log.includes('shorter')) await nextTurn()
  assert.ok(log.length < 10, log.join())
  while (!log.includes('row 49')) await nextTurn()
  const rows = log.filter((name) => name.startsWith('row'))
  assert.deepEqual(
    [...new Set(rows)],
    Array.from({ length: 50 }, (_, i) => `row ${i}`),
  )
})

test('requests of one short row each are read in their order, however many there are', async () => {
  const world = makePace()
  const { pace, log } = world
  const names = Array.from({ length: 50 }, (_, i) => `row ${i}`)
  // Beside a scan: what is set aside would have its turn behind another row's.
  pace.addScan(slowRow(world, 'scan', 500))
  for (const name of names) pace.addStep(slowRow(world, name, 3), { heldBytes: 0 })
  pace.run()
  const rows = () => log.filter((name) => name !== 'scan')
  while (rows().length < 150) await nextTurn()
  assert.deepEqual([...new Set(rows())], names)
  assert.deepEqual(
    rows(),
    rows().toSorted((a, b) => names.indexOf(a) - names.indexOf(b)),
  )
})

test('of rows that take long any number lets others go on, and all of them go round', async () => {
  const world = makePace()
  const { pace, log } = world
  for (let i = 0; i < 20; i++) pace.addStep(slowRow(world, `long ${i}`, 30))
  pace.addStep(slowRow(world, 'short', 1))
  pace.run()
  while (!log.includes('short')) await nextTurn()
  assert.ok(log.length < 20 * 10, `${log.length} slices`)
  const from = log.length
  while (log.length < 1 + 20 * 30) await nextTurn()
  assert.equal(new Set(log.slice(from, from + 20)).size, 20)
})

test('requests that were set aside and hold much by now go on one at a time', async () => {
  const world = makePace()
  const { pace, log } = world
  const requests = ['a', 'b', 'c'].map((name) => ({ name, heldBytes: MEGABYTE }))
  for (const request of requests) pace.addStep(slowRow(world, request.name, 60), request)
  pace.addStep(slowRow(world, 'short', 1))
  pace.run()
  while (!log.includes('short')) await nextTurn()
  for (const request of requests) request.heldBytes = 40 * MEGABYTE
  const from = log.length
  while (log.length < from + 20) await nextTurn()
  assert.equal(new Set(log.slice(from, from + 20)).size, 1)
})

test('requests that hold much keep those behind them waiting rather than be held beside others', async () => {
  const world = makePace()
  const { pace, log } = world
  for (const name of ['a', 'b', 'c', 'd']) {
    pace.addStep(slowRow(world, name, 30), { heldBytes: 24 * MEGABYTE })
  }
  pace.addStep(slowRow(world, 'short', 1))
  pace.run()
  while (!log.includes('short')) await nextTurn()
  // Two of them are set aside, a third is not before one of these is through.
  const third = log.slice(0, log.indexOf('d')).filter((name) => name === 'c').length
  assert.ok(third > 10, log.join())
  while (log.length < 4 * 30 + 1) await nextTurn()
})

test('a request that takes long and holds little is set aside whatever the others hold', async () => {
  const world = makePace()
  const { pace, log } = world
  const requests = ['a', 'b'].map((name) => ({ name, heldBytes: MEGABYTE }))
  for (const request of requests) pace.addStep(slowRow(world, request.name, 400), request)
  pace.addStep(slowRow(world, 'short', 1))
  pace.run()
  while (!log.includes('short')) await nextTurn()
  for (const request of requests) request.heldBytes = 40 * MEGABYTE
  for (let i = 0; i < 5; i++) pace.addStep(slowRow(world, `long ${i}`, 200), { heldBytes: 1_000 })
  pace.addStep(slowRow(world, 'behind', 1))
  const from = log.length
  while (!log.includes('behind')) await nextTurn()
  assert.ok(log.length - from < 60, log.slice(from).join())
  while (log.length < 2 * 400 + 5 * 200 + 2) await nextTurn()
})

test('a row that takes long and has none behind it goes on as it is', async () => {
  const world = makePace()
  const { pace, log } = world
  pace.addStep(slowRow(world, 'long', 30))
  pace.run()
  while (log.length < 30) await nextTurn()
  pace.addStep(() => log.push('next') === 0)
  pace.run()
  assert.equal(log.at(-1), 'next')
})

test('only so many reads are on the pool, and those that continue a request go first', () => {
  const { pace, log } = makePace()
  const releases: (() => void)[] = []
  const add = (name: string, isContinued: boolean) => {
    pace.addPoolRead((release) => {
      log.push(name)
      releases.push(release)
    }, isContinued)
  }
  for (let i = 0; i < 10; i++) add(`begun ${i}`, false)
  assert.equal(log.length, 8)
  add('continued', true)
  assert.equal(log.length, 8)
  for (let i = 0; i < 8; i++) releases[i]?.()
  assert.deepEqual(log.slice(8), ['continued', 'begun 8', 'begun 9'])
})

test('reads that are answered while they begin make room for those that wait', () => {
  const { pace } = makePace()
  const releases: (() => void)[] = []
  let begun = 0
  for (let i = 0; i < 8; i++) pace.addPoolRead((release) => releases.push(release), false)
  for (let i = 0; i < 20_000; i++) {
    pace.addPoolRead((release) => {
      begun++
      release()
    }, false)
  }
  assert.equal(begun, 0)
  releases[0]?.()
  assert.equal(begun, 20_000)
})

test('rows and scans have slices in turns', async () => {
  const { pace, clock, log } = makePace()
  const slow = (name: string, times: number): ReadStep => {
    let left = times
    return () => {
      clock.ms += 5
      log.push(name)
      return --left > 0
    }
  }
  pace.addScan(slow('scan', 3))
  pace.addStep(slow('row', 3))
  pace.run()
  while (log.length < 6) await nextTurn()
  assert.deepEqual(log, ['row', 'scan', 'row', 'scan', 'row', 'scan'])
})

test('four scans take turns, those behind them wait, and a short one is not held up by a long one', async () => {
  const { pace, clock, log } = makePace()
  const scan = (name: string, times: number): ReadStep => {
    let left = times
    return () => {
      clock.ms += 5
      log.push(name)
      return --left > 0
    }
  }
  pace.addScan(scan('long', 4))
  for (const name of ['a', 'b', 'c', 'd']) pace.addScan(scan(name, 1))
  pace.run()
  while (log.length < 8) await nextTurn()
  assert.ok(log.indexOf('a') <= 2 && log.indexOf('b') <= 3 && log.indexOf('c') <= 4, log.join())
  assert.ok(log.indexOf('d') < 7, log.join())
})

test('pages that come upon long rows keep no other scan waiting', async () => {
  const world = makePace()
  const { pace, log } = world
  for (let i = 0; i < 6; i++) pace.addScan(slowRow(world, `stuck ${i}`, 500))
  pace.addScan(slowRow(world, 'page', 3))
  pace.run()
  while (log.filter((name) => name === 'page').length < 3) await nextTurn()
  assert.ok(log.length < 500, `${log.length} slices`)
  while (log.length < 6 * 500 + 3) await nextTurn()
  pace.addScan(slowRow(world, 'next', 1))
  pace.run()
  assert.equal(log.at(-1), 'next')
})

test('of requests that are set aside none waits for others to end', async () => {
  const world = makePace()
  const { pace, log } = world
  for (let i = 0; i < 6; i++) pace.addStep(slowRow(world, `stuck ${i}`, 500))
  pace.addStep(slowRow(world, 'row', 8))
  pace.addStep(slowRow(world, 'last', 1))
  pace.run()
  while (log.filter((name) => name === 'row').length < 8) await nextTurn()
  assert.ok(log.length < 150, `${log.length} slices`)
  while (log.length < 6 * 500 + 9) await nextTurn()
})

test('pages that come upon long rows leave room for rows to be set aside', async () => {
  const world = makePace()
  const { pace, log } = world
  for (let i = 0; i < 80; i++) pace.addScan(slowRow(world, `stuck ${i}`, 1_000))
  pace.run()
  // Long enough for all of them to be set aside, if there were room for all: each has 64 slices before, in turns with those.
  while (log.length < 80 * 160) await nextTurn()
  const before = log.length
  pace.addStep(slowRow(world, 'long row', 1_000))
  pace.addStep(slowRow(world, 'row', 1))
  pace.run()
  while (!log.includes('row')) await nextTurn()
  assert.ok(log.length - before < 100, `${log.length - before} slices`)
})

/** Pages of one slice each: as soon as one is answered the next is asked for. */
function askForPages(world: { pace: ReadPace; clock: StoppedClock; log: string[] }, callers: number): void {
  const { pace, clock, log } = world
  const ask = (): void => {
    pace.addScan(() => {
      clock.ms += 5
      if (log.push('page') < 2_000) ask()
      return false
    })
  }
  for (let i = 0; i < callers; i++) ask()
}

for (const callers of [1, 4, 8]) {
  test(`requests that are set aside have their turns while ${callers} callers ask for page after page`, async () => {
    const world = makePace()
    const { pace, log } = world
    pace.addStep(slowRow(world, 'long', 100))
    pace.addStep(slowRow(world, 'row', 1))
    pace.run()
    while (!log.includes('row')) await nextTurn()
    askForPages(world, callers)
    const from = log.length
    while (log.slice(from).filter((name) => name === 'long').length < 90) await nextTurn()
    assert.ok(log.length - from < 90 * 6, `${log.length - from} slices`)
  })
}

test('a long scan has its turns while others ask for page after page', async () => {
  const world = makePace()
  const { pace, log } = world
  pace.addScan(slowRow(world, 'long', 60))
  askForPages(world, 8)
  pace.run()
  while (log.filter((name) => name === 'long').length < 60) await nextTurn()
  assert.ok(log.length <= 60 * 5, `${log.length} slices`)
})

test('a long scan that no other waits for keeps its turns beside requests that were set aside', async () => {
  const world = makePace()
  const { pace, log } = world
  for (let i = 0; i < 12; i++) pace.addStep(slowRow(world, `long ${i}`, 1_000))
  pace.addStep(slowRow(world, 'row', 1))
  pace.run()
  while (!log.includes('row')) await nextTurn()
  pace.addScan(slowRow(world, 'scan', 300))
  const from = log.length
  while (log.slice(from).filter((name) => name === 'scan').length < 300) await nextTurn()
  assert.ok(log.length - from < 300 * 6, `${log.length - from} slices`)
})

test('of pages that come upon long rows and hold much only a few are begun at a time', async () => {
  const world = makePace()
  const { pace, log } = world
  for (let i = 0; i < 8; i++) pace.addScan(slowRow(world, `stuck ${i}`, 200), { heldBytes: 40 * MEGABYTE })
  pace.run()
  while (log.length < 4 * 180) await nextTurn()
  assert.ok(new Set(log).size <= 5, [...new Set(log)].join())
  while (log.length < 8 * 200) await nextTurn()
})

test('a slice always has a step, however late the thread is', async () => {
  const { pace, clock, log } = makePace()
  Object.assign(clock, { monotonicMs: () => (clock.ms += 100) })
  for (let i = 0; i < 3; i++) pace.addStep(() => log.push('row') === 0)
  pace.addScan(() => log.push('scan') === 0)
  pace.run()
  while (log.length < 4) await nextTurn()
})
