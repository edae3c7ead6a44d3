import assert from 'node:assert/strict'
import { beforeEach, suite, test } from 'node:test'
import { decideSide } from '../../../src/routing/decide.js'
import { type Flight, FlightRecorder } from '../../../src/routing/flight-recorder.js'
import { unaccounted } from '../../../src/model/difference.js'
import type { Side } from '../../../src/model/migration.js'
import { MigrationReporter } from '../../../src/routing/migration-reporter.js'
import { MigrationTotals } from '../../../src/routing/migration-totals.js'
import { MigrationWatch } from '../../../src/routing/migration-watch.js'
import { SideFigures, sumSides } from '../../../src/routing/side-figures.js'
import { FakeTimers } from '../../support/fake-timers.js'
import { entryWith, migrating } from './two-sides.js'

suite('figures of a side', () => {
  test('percentiles are known to a tenth, over all threads', () => {
    const threads = [new SideFigures(), new SideFigures()]
    for (let ms = 1; ms <= 1_000; ms += 1) threads[ms % 2]?.record(ms, false, 1_000)
    const { requests, errors, p50Ms, p99Ms } = sumSides(threads.map((one) => one.snapshot(1_000)))
    assert.deepEqual([requests, errors], [1_000, 0])
    assert.ok(p50Ms !== null && p50Ms >= 500 && p50Ms <= 550, `median ${p50Ms}`)
    assert.ok(p99Ms !== null && p99Ms >= 990 && p99Ms <= 1_089, `p99 ${p99Ms}`)
  })

  // An open breaker refuses at once: its side looked fast, and a ramp went back from the other one, which looked slow.
  test('what failed is counted and makes a side neither fast nor slow', () => {
    const figures = new SideFigures()
    for (let read = 0; read < 200; read += 1) figures.record(20, false, 0)
    for (let read = 0; read < 10_000; read += 1) figures.record(read % 2 === 0 ? 0.01 : 5_000, true, 0)
    const { requests, errors, p50Ms, p99Ms } = sumSides([figures.snapshot(0)])
    assert.deepEqual([requests, errors], [10_200, 10_000])
    for (const ms of [p50Ms, p99Ms]) assert.ok(ms !== null && ms >= 20 && ms <= 22, `${ms}`)
  })

  test('a minute later latencies are forgotten, counts are not; few say nothing', () => {
    const figures = new SideFigures()
    for (let read = 0; read < 99; read += 1) figures.record(5, false, 10_000)
    const few = sumSides([figures.snapshot(10_000)])
    assert.equal(few.p99Ms, null)
    assert.notEqual(few.p50Ms, null)
    figures.record(5, false, 68_000)
    assert.notEqual(sumSides([figures.snapshot(68_000)]).p99Ms, null)
    const later = sumSides([figures.snapshot(72_000)])
    assert.deepEqual([later.requests, later.p50Ms], [100, null])
  })

  test('latencies beyond all bounds and below all count at the ends', () => {
    const figures = new SideFigures()
    for (const ms of [0, 1e9]) for (let read = 0; read < 100; read += 1) figures.record(ms, false, 0)
    const { p50Ms, p99Ms } = sumSides([figures.snapshot(0)])
    assert.ok(p50Ms !== null && p50Ms < 0.1)
    assert.ok(p99Ms !== null && p99Ms > 5_000)
  })
})

suite('totals of all threads', () => {
  const isOpen = (dataset: string, side: Side): boolean => dataset === 'cities' && side === 'ORIGIN'
  let ids: Map<string, string>

  beforeEach(() => {
    ids = new Map([['cities', 'd1']])
  })

  test('threads are added up, the newest word of each counts, and nothing goes missing', () => {
    const totals = new MigrationTotals(isOpen, (name) => ids.get(name) ?? null)
    const watch = new MigrationWatch()
    const cities = watch.of({ name: 'cities', id: 'd1' })
    cities.shadow.sent = 3
    cities.shadow.matched = 2
    totals.receive('data-0', watch.snapshot(0))
    cities.shadow.waiting = 1
    for (const thread of ['data-0', 'data-1']) totals.receive(thread, watch.snapshot(0))
    const { shadow, origin, target } = totals.figures('cities')
    assert.deepEqual([shadow.sent, shadow.matched, shadow.waiting, unaccounted(shadow)], [6, 4, 2, 0])
    assert.deepEqual([origin.isBreakerOpen, target.isBreakerOpen], [true, false])
    assert.deepEqual(totals.figures('unknown').shadow.sent, 0)
    const named = totals.readings()
    assert.equal(named.find(({ name }) => name === 'godwit_migration_shadow_unaccounted')?.value, 0)
    ids.clear()
    assert.deepEqual(totals.readings(), [])
  })

  test('a dataset that is gone leaves no figures to another one of its name', () => {
    const totals = new MigrationTotals(isOpen, (name) => ids.get(name) ?? null)
    const watch = new MigrationWatch()
    watch.of({ name: 'cities', id: 'd1' }).shadow.sent = 5
    totals.receive('data-0', watch.snapshot(0))
    ids.set('cities', 'd2')
    assert.equal(totals.figures('cities').shadow.sent, 0)
    assert.deepEqual(totals.readings(), [])
    const other = new MigrationWatch()
    other.of({ name: 'cities', id: 'd2' }).shadow.sent = 2
    totals.receive('data-1', other.snapshot(0))
    assert.equal(totals.figures('cities').shadow.sent, 2)
  })

  test('a thread tells once that it has nothing to tell any more', () => {
    const timers = new FakeTimers()
    const watch = new MigrationWatch()
    const told: number[] = []
    new MigrationReporter({
      watch,
      startTimer: timers.start,
      monotonicMs: () => timers.nowMs,
      sendFigures: (figures) => told.push(figures.length),
      sendDifferences: () => undefined,
    })
    timers.advance(1_000)
    watch.of({ name: 'cities', id: 'd1' })
    timers.advance(2_000)
    watch.forget('cities')
    timers.advance(3_000)
    assert.deepEqual(told, [1, 1, 0])
  })

  test('a shadow read that became nothing shows', () => {
    const watch = new MigrationWatch()
    const { shadow } = watch.of({ name: 'cities', id: 'd1' })
    shadow.sent = 5
    shadow.matched = 4
    assert.equal(unaccounted(shadow), 1)
  })

  test('a dataset made anew under the same name begins at zero', () => {
    const watch = new MigrationWatch()
    watch.of({ name: 'cities', id: 'd1' }).shadow.sent = 5
    assert.equal(watch.of({ name: 'cities', id: 'd2' }).shadow.sent, 0)
  })
})

suite('flight recorder', () => {
  const entry = entryWith(migrating('RAMP', { splitShare: 10_000 }))

  function flight(key: string, changes: Partial<Flight> = {}): Flight {
    const bytes = Buffer.from(key)
    return {
      ...{ dataset: 'cities', api: 'test', caller: null, keys: 1, key: bytes, durationMs: 1.5 },
      ...{ decision: decideSide(entry, bytes, null), hasFallenBack: false, isShadowed: false, code: null },
      ...changes,
    }
  }

  test('the last ones are kept, oldest first, as they were', () => {
    const recorder = new FlightRecorder(3)
    for (let at = 1; at <= 5; at += 1) recorder.record(flight(`key-${at}`), at)
    const keys = recorder.dump(5, 10).map(({ key }) => Buffer.from(key ?? '', 'base64').toString())
    assert.deepEqual(keys, ['key-3', 'key-4', 'key-5'])
    recorder.record(flight('x'.repeat(30), { caller: 'maps', code: 'TOO_LARGE', isShadowed: true }), 6)
    const last = recorder.dump(6, 0).at(-1)
    const decision = decideSide(entry, Buffer.from('x'.repeat(30)), null)
    assert.deepEqual(last, {
      ...{ atMs: 6, dataset: 'cities', api: 'test', caller: 'maps', keys: 1, isKeyCut: true },
      ...{ key: Buffer.from('x'.repeat(24)).toString('base64'), side: 'TARGET', why: 'IN_SPLIT' },
      ...{ bucket: decision.bucket, hasFallenBack: false, isShadowed: true, durationMs: 1.5 },
      code: 'TOO_LARGE',
    })
  })

  test('a dump is of a time and of a dataset', () => {
    const recorder = new FlightRecorder(10)
    for (let at = 1; at <= 5; at += 1) {
      recorder.record(flight('k', { dataset: at === 4 ? 'towns' : 'cities', key: null }), at * 1_000)
    }
    assert.deepEqual(
      recorder.dump(5_000, 2_000).map(({ atMs }) => atMs),
      [3_000, 4_000, 5_000],
    )
    assert.deepEqual(
      recorder.dump(5_000, 2_000, 'towns').map(({ atMs, key }) => [atMs, key]),
      [[4_000, null]],
    )
  })
})
