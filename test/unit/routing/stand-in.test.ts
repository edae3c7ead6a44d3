/** A side that stalls while the other one could answer: what callers wait, and whose answer they get. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { type MigrationDials, type MigrationRamp, NO_MIGRATION } from '../../../src/model/migration.js'
import type { ReadRequest } from '../../../src/model/request.js'
import { splitBucket } from '../../../src/routing/traffic-split.js'
import { scanRequest } from '../../support/scans.js'
import { type Answer, type Behaviour, TwoSides, VERSION, entryWith, migrating, rowsOf } from './two-sides.js'

const KEYS = Array.from({ length: 40 }, (_, index) => `key-${index}`)
const OF_TARGET = KEYS.filter((key) => splitBucket(Buffer.from(key)) < 5_000)
const [OF_ORIGIN = ''] = KEYS.filter((key) => !OF_TARGET.includes(key))

const BREACHED: MigrationRamp = {
  ...{ toShare: 10_000, stepShare: 100, everyMs: 1_000, fromShare: 0, startedAtMs: 1, lastStepAtMs: 1 },
  ...{ startedBy: 'ada', state: 'BREACHED', note: 'mismatches' },
}

const STALLS: Behaviour = () => null
const FAILS: Behaviour = () => new KVError('UNAVAILABLE', 'gone')

/** Half of the keys are the target's; the other side is asked after 100 ms. */
function ramping(state: 'RAMP' | 'VERIFY' | 'TARGET_PRIMARY' = 'RAMP'): TwoSides {
  const world = new TwoSides(migrating(state, state === 'RAMP' ? { splitShare: 5_000 } : {}))
  world.standInAfterMs = 100
  world.behaviours.ORIGIN = rowsOf(null, valuesOf('origin'))
  world.behaviours.TARGET = rowsOf(VERSION, valuesOf('target'))
  return world
}

/** In RAMP, with a ramp that went back unless told otherwise. */
function rampedBack(changes: Partial<MigrationRamp>, splitShare: number): TwoSides {
  const world = ramping()
  const { record } = world.entry
  const migration = record.migration ?? NO_MIGRATION
  const dials = { ...migration.dials, splitShare }
  const ramp = { ...BREACHED, ...changes }
  world.entry = { ...world.entry, record: { ...record, migration: { ...migration, dials, ramp } } }
  return world
}

function dialled(dials: Partial<MigrationDials>): TwoSides {
  const world = ramping()
  world.entry = entryWith(migrating('RAMP', dials))
  return world
}

function valuesOf(side: string): Record<string, string> {
  return Object.fromEntries(KEYS.map((key) => [key, side]))
}

function within(world: TwoSides, waitsMs: number): Partial<ReadRequest> {
  return { context: { api: 'test', caller: null, deadline: world.timers.nowMs + waitsMs } }
}

/** The values of an answer, each side's once; a code; nothing yet. */
function textOf(answer: Answer | undefined): string {
  if (answer === undefined) return 'nothing yet'
  if (answer instanceof KVError) return answer.code
  const values = answer.rows.map((row) =>
    row === null || row instanceof KVError ? '-' : String(row.cells[0]?.value),
  )
  return [...new Set(values)].join(' ')
}

suite('the other side stands in', () => {
  test('for an origin that stalls, long before its caller would give up', () => {
    const world = ramping()
    world.behaviours.ORIGIN = STALLS
    const got = world.read([OF_ORIGIN], within(world, 10_000))
    world.timers.advance(99)
    assert.deepEqual([textOf(got.answer), world.asked], ['nothing yet', ['ORIGIN']])
    world.timers.advance(1)
    assert.equal(textOf(got.answer), 'target')
    assert.equal(world.routing.flights.dump(world.wallMs, 1_000)[0]?.hasFallenBack, true)
    world.held[0]?.(new KVError('DEADLINE_EXCEEDED', 'late'))
    assert.equal(textOf(got.answer), 'target')
  })

  test('for a target that stalls', () => {
    for (const world of [ramping(), ramping('TARGET_PRIMARY')]) {
      world.behaviours.TARGET = STALLS
      const got = world.read([OF_TARGET[0] ?? ''], within(world, 10_000))
      world.timers.advance(100)
      assert.equal(textOf(got.answer), 'origin')
    }
  })

  test('at half of the time of a caller who waits shorter', () => {
    const world = ramping()
    world.behaviours.ORIGIN = STALLS
    const got = world.read([OF_ORIGIN], within(world, 30))
    world.timers.advance(15)
    assert.equal(textOf(got.answer), 'target')
  })

  test('until the first side answers after all: the first good answer counts', () => {
    const world = ramping()
    world.behaviours.ORIGIN = STALLS
    world.behaviours.TARGET = STALLS
    const got = world.read([OF_ORIGIN], within(world, 10_000))
    world.timers.advance(100)
    assert.deepEqual(world.asked, ['ORIGIN', 'TARGET'])
    world.held[0]?.({ rows: [{ cells: [], next: null }], datasetVersion: null })
    assert.equal(got.answer instanceof KVError ? null : got.answer?.side, 'ORIGIN')
    world.held[1]?.(new KVError('UNAVAILABLE', 'gone'))
    assert.ok(!(got.answer instanceof KVError))
  })

  test('not where nothing was compared, nor where that is off, nor while the target is behind, untried or found wrong', () => {
    const verifying = ramping('VERIFY')
    const off = ramping()
    off.standInAfterMs = 0
    const owing = ramping()
    const { record } = owing.entry
    const missed = {
      side: 'TARGET',
      versionId: 9,
      source: 's',
      request: '{}',
      attempts: 1,
      error: 'e',
    } as const
    const migration = { ...(record.migration ?? NO_MIGRATION), owed: [missed] }
    owing.entry = { ...owing.entry, record: { ...record, migration } }
    const unsplit = ramping()
    unsplit.entry = entryWith(migrating('RAMP'))
    const breached = ramping()
    breached.entry = {
      ...breached.entry,
      record: { ...record, migration: { ...migration, owed: [], ramp: BREACHED } },
    }
    for (const world of [verifying, off, owing, unsplit, breached]) {
      world.behaviours.ORIGIN = STALLS
      const got = world.read([OF_ORIGIN], within(world, 10_000))
      world.timers.advance(9_000)
      assert.deepEqual([textOf(got.answer), world.asked], ['nothing yet', ['ORIGIN']])
    }
  })

  test('for an origin that fails the target does, but not once it was found to differ, nor at 0 % of the keys', () => {
    const cases: readonly (readonly [TwoSides, string])[] = [
      [ramping(), 'target'],
      [rampedBack({ breach: 'SERVICE' }, 0), 'target'],
      [rampedBack({ breach: 'SERVICE' }, 5_000), 'target'],
      [rampedBack({ breach: 'DATA' }, 0), 'UNAVAILABLE'],
      [rampedBack({ breach: 'DATA' }, 5_000), 'UNAVAILABLE'],
      // Of before it was kept what a ramp went back for.
      [rampedBack({}, 5_000), 'UNAVAILABLE'],
      [rampedBack({ state: 'RUNNING' }, 0), 'UNAVAILABLE'],
      [rampedBack({ state: 'RUNNING' }, 5_000), 'target'],
      [dialled({ splitShare: 0 }), 'UNAVAILABLE'],
      [dialled({ splitCallers: ['maps'] }), 'target'],
    ]
    for (const [number, [world, expected]] of cases.entries()) {
      for (const keys of [[OF_ORIGIN], KEYS]) {
        world.behaviours.ORIGIN = FAILS
        assert.equal(textOf(world.read(keys, within(world, 1_000)).answer), expected, `case ${number}`)
        world.guard.isOpen = true
        assert.equal(textOf(world.read(keys, within(world, 1_000)).answer), expected, `case ${number}, open`)
        world.guard.isOpen = false
      }
    }
  })

  test('for a target that fails the origin does, whatever was found of the target', () => {
    for (const world of [rampedBack({ breach: 'DATA' }, 5_000), rampedBack({ breach: 'SERVICE' }, 5_000)]) {
      world.behaviours.TARGET = FAILS
      assert.equal(textOf(world.read(OF_TARGET, within(world, 1_000)).answer), 'origin')
      assert.equal(textOf(world.read(KEYS, within(world, 1_000)).answer), 'origin')
    }
  })

  test('and when it fails, the first side is still waited for; when both did, the first says why', () => {
    const world = ramping()
    world.behaviours.ORIGIN = STALLS
    world.behaviours.TARGET = FAILS
    const [late, never] = [0, 1].map(() => world.read([OF_ORIGIN], within(world, 10_000)))
    world.timers.advance(200)
    assert.deepEqual([textOf(late?.answer), textOf(never?.answer)], ['nothing yet', 'nothing yet'])
    world.held[0]?.({ rows: [null], datasetVersion: null })
    assert.equal(textOf(late?.answer), '-')
    world.held[1]?.(new KVError('DEADLINE_EXCEEDED', 'late'))
    assert.equal(textOf(never?.answer), 'DEADLINE_EXCEEDED')
  })

  test('but an error of the other side is no answer, whatever it says', () => {
    const world = ramping('TARGET_PRIMARY')
    world.behaviours.TARGET = STALLS
    world.behaviours.ORIGIN = () => new KVError('DATASET_NOT_FOUND', 'removed there long ago')
    const got = world.read([OF_ORIGIN], within(world, 10_000))
    world.timers.advance(150)
    assert.equal(textOf(got.answer), 'nothing yet')
    world.held[0]?.({ rows: [null], datasetVersion: VERSION })
    assert.equal(textOf(got.answer), '-')
  })

  test('for all keys of a read that each have their side', () => {
    for (const [stalls, answers] of [
      ['ORIGIN', 'target'],
      ['TARGET', 'origin'],
    ] as const) {
      const world = ramping()
      world.behaviours[stalls] = (plan, side) =>
        plan.admitted.request.rowKeys.length === KEYS.length ? rowsOf(null, valuesOf(side))(plan, side) : null
      const got = world.read(KEYS, within(world, 10_000))
      assert.equal(textOf(got.answer), 'nothing yet')
      world.timers.advance(100)
      assert.equal(textOf(got.answer), answers)
    }
  })

  test('leaves no timer behind an answer', () => {
    const world = ramping()
    for (const key of KEYS) world.read([key], within(world, 10_000))
    world.read(KEYS, within(world, 10_000))
    assert.equal(world.timers.pendingCount, 0)
  })

  test('the first page of a scan comes from the other side when the first cannot give one', () => {
    const world = ramping()
    const scan = (changes: object): string | undefined => {
      const admitted = { request: scanRequest(changes), entry: world.entry }
      const plan = world.routing.router.planScan(admitted)
      let side: string | undefined
      plan.backend.scan(plan, (answer) => {
        side = answer instanceof KVError ? answer.code : answer.side
      })
      return side
    }
    world.scanFailure = new KVError('UNAVAILABLE', 'gone')
    assert.equal(scan({}), 'TARGET')
    assert.equal(scan({ side: 'ORIGIN' }), 'UNAVAILABLE')
    world.scanFailure = new KVError('UNSUPPORTED', 'no scans here')
    assert.equal(scan({}), 'UNSUPPORTED')
  })
})
