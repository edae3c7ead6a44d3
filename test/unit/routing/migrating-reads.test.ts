import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import type { ScanRequest } from '../../../src/model/scan.js'
import { splitBucket } from '../../../src/routing/traffic-split.js'
import { scanRequest } from '../../support/scans.js'
import {
  type Answer,
  BEFORE,
  type Behaviour,
  TwoSides,
  VERSION,
  entryWith,
  migrating,
  rowOf,
  rowsOf,
} from './two-sides.js'

const FAILS: Behaviour = () => new KVError('UNAVAILABLE', 'gone')

const KEYS = Array.from({ length: 40 }, (_, index) => `key-${index}`)
const IN_SPLIT = KEYS.filter((key) => splitBucket(Buffer.from(key)) < 5_000)
const NOT_IN_SPLIT = KEYS.filter((key) => !IN_SPLIT.includes(key))

/** Half of the keys are the target's; what a side answers says whose it is. */
function ramping(): TwoSides {
  const world = new TwoSides(migrating('RAMP', { splitShare: 5_000 }))
  world.behaviours.ORIGIN = sidedRows('origin', null)
  world.behaviours.TARGET = sidedRows('target', VERSION)
  return world
}

function sidedRows(side: string, version: number | null): Behaviour {
  const values = Object.fromEntries(KEYS.map((key) => [key, `${side} ${key}`]))
  return rowsOf(version, values)
}

function valuesOf(answer: Answer | undefined): (string | null)[] {
  if (answer instanceof KVError) throw answer
  assert.ok(answer !== undefined, 'nothing was answered')
  return answer.rows.map((row) => {
    if (row instanceof KVError) throw row
    return row?.cells[0]?.value.toString() ?? null
  })
}

function codeOf(answer: Answer | undefined): string {
  return answer instanceof KVError ? answer.code : 'none'
}

/** The side that answered, or the error's code. */
function scan(world: TwoSides, changes: Partial<ScanRequest> = {}): string | undefined {
  const plan = world.routing.router.planScan({ request: scanRequest(changes), entry: world.entry })
  let side: string | undefined
  plan.backend.scan(plan, (answer) => {
    side = answer instanceof KVError ? answer.code : answer.side
  })
  return side
}

suite('reads of a dataset with two sides', () => {
  test('each key has its side, and the answer says which', () => {
    const world = ramping()
    for (const key of KEYS) {
      const { answer } = world.read([key])
      const isTarget = IN_SPLIT.includes(key)
      assert.deepEqual(valuesOf(answer), [`${isTarget ? 'target' : 'origin'} ${key}`])
      assert.equal(answer instanceof KVError ? null : answer?.side, isTarget ? 'TARGET' : 'ORIGIN')
    }
  })

  test('a read of several keys is answered key by key, in its order, while both serve one version', () => {
    const world = ramping()
    const expected = KEYS.map((key) => `${IN_SPLIT.includes(key) ? 'target' : 'origin'} ${key}`)
    assert.deepEqual(valuesOf(world.read(KEYS).answer), expected)
  })

  test('while the versions differ or are not known, all keys are read from the origin', () => {
    const world = ramping()
    const { record } = world.entry
    const { migration } = record
    assert.ok(migration !== undefined)
    for (const originVersion of [null, { versionId: BEFORE, takenAtMs: 0 }]) {
      world.entry = { ...world.entry, record: { ...record, migration: { ...migration, originVersion } } }
      assert.deepEqual(
        valuesOf(world.read(KEYS).answer),
        KEYS.map((key) => `origin ${key}`),
      )
    }
  })

  test('an origin that says that it is of another version answers all keys', () => {
    const world = ramping()
    world.behaviours.ORIGIN = sidedRows('origin', BEFORE)
    assert.deepEqual(
      valuesOf(world.read(KEYS).answer),
      KEYS.map((key) => `origin ${key}`),
    )
  })

  // The origin's wire does not say which version answered: only that nobody is sure of it any more does.
  test('an origin that was asked to load while a read of several keys was under way answers all keys', () => {
    const world = ramping()
    world.behaviours.ORIGIN = () => null
    const got = world.read(KEYS)
    assert.deepEqual([got.answer, world.asked], [undefined, ['TARGET', 'ORIGIN']])
    const { record } = world.entry
    assert.ok(record.migration !== undefined)
    world.entry = {
      ...world.entry,
      record: { ...record, migration: { ...record.migration, originVersion: null } },
    }
    world.behaviours.ORIGIN = sidedRows('newer', null)
    const rows = NOT_IN_SPLIT.map((key) => rowOf(key, { [key]: `newer ${key}` }))
    world.held[0]?.({ rows, datasetVersion: null })
    assert.deepEqual(
      valuesOf(got.answer),
      KEYS.map((key) => `newer ${key}`),
    )
  })

  test('the other side stands in when one cannot answer: a key, some keys, all keys', () => {
    const world = ramping()
    world.behaviours.ORIGIN = FAILS
    assert.deepEqual(
      valuesOf(world.read(NOT_IN_SPLIT).answer),
      NOT_IN_SPLIT.map((key) => `target ${key}`),
    )
    assert.deepEqual(
      valuesOf(world.read(KEYS).answer),
      KEYS.map((key) => `target ${key}`),
    )
    world.behaviours.ORIGIN = sidedRows('origin', null)
    world.behaviours.TARGET = FAILS
    assert.deepEqual(
      valuesOf(world.read(IN_SPLIT).answer),
      IN_SPLIT.map((key) => `origin ${key}`),
    )
    assert.deepEqual(
      valuesOf(world.read(KEYS).answer),
      KEYS.map((key) => `origin ${key}`),
    )
  })

  test('a row alone that a side cannot answer is reason enough', () => {
    const world = ramping()
    world.behaviours.ORIGIN = (plan, side) => {
      const answer = sidedRows('origin', null)(plan, side)
      if (answer === null || answer instanceof KVError) return answer
      return { ...answer, rows: [new KVError('UNAVAILABLE', 'read error'), ...answer.rows.slice(1)] }
    }
    const keys = NOT_IN_SPLIT.slice(0, 3)
    assert.deepEqual(
      valuesOf(world.read(keys).answer),
      keys.map((key) => `target ${key}`),
    )
  })

  test('an origin whose breaker is open is not asked', () => {
    const world = ramping()
    world.guard.isOpen = true
    const [key = ''] = NOT_IN_SPLIT
    assert.deepEqual(valuesOf(world.read([key]).answer), [`target ${key}`])
    assert.deepEqual(world.asked, ['TARGET'])
  })

  test('before anything was compared nobody stands in', () => {
    for (const state of ['ARMING', 'VERIFY', 'ABORTING'] as const) {
      const world = new TwoSides(migrating(state))
      world.behaviours.ORIGIN = FAILS
      assert.equal(codeOf(world.read(['k']).answer), 'UNAVAILABLE', state)
      assert.deepEqual(world.asked, ['ORIGIN'], state)
    }
  })

  test('nobody stands in for a request that is wrong, nor when the time is up', () => {
    const world = ramping()
    world.behaviours.ORIGIN = () => new KVError('TOO_LARGE', 'too large')
    const [key = ''] = NOT_IN_SPLIT
    assert.equal(codeOf(world.read([key]).answer), 'TOO_LARGE')
    world.behaviours.ORIGIN = () => {
      world.timers.advance(100)
      return new KVError('DEADLINE_EXCEEDED', 'late')
    }
    const context = { api: 'test', caller: null, deadline: world.timers.nowMs + 100 }
    assert.equal(codeOf(world.read([key], { context }).answer), 'DEADLINE_EXCEEDED')
  })

  test('what the first side answered stands when the other cannot do better', () => {
    const world = ramping()
    world.behaviours.ORIGIN = () => new KVError('UNAVAILABLE', 'the origin is gone')
    world.behaviours.TARGET = () => new KVError('SHARD_NOT_SERVING', 'closed')
    const { answer } = world.read([NOT_IN_SPLIT[0] ?? ''])
    assert.equal(codeOf(answer), 'UNAVAILABLE')
  })

  test('a map that changed while the first side was asked is used for the other', () => {
    const world = ramping()
    world.behaviours.ORIGIN = () => null
    const [key = ''] = NOT_IN_SPLIT
    const got = world.read([key])
    const versions: unknown[] = []
    world.behaviours.TARGET = (plan, side) => {
      versions.push(plan.version)
      return sidedRows('target', VERSION)(plan, side)
    }
    world.entry = entryWith(migrating('RAMP', { splitShare: 5_000 }))
    for (const answer of world.held) answer(new KVError('UNAVAILABLE', 'gone'))
    assert.deepEqual(valuesOf(got.answer), [`target ${key}`])
    assert.equal(versions[0], world.entry.current)
  })

  test('what each side did is counted, and the last decisions are remembered', () => {
    const world = ramping()
    for (const key of KEYS) world.read([key])
    world.behaviours.ORIGIN = FAILS
    world.read([NOT_IN_SPLIT[0] ?? ''], { context: { api: 'test', caller: 'maps', deadline: 1e9 } })
    const { ORIGIN, TARGET } = world.routing.watch.of(world.entry.record).sides
    assert.deepEqual([ORIGIN.requests, ORIGIN.errors], [NOT_IN_SPLIT.length + 1, 1])
    assert.deepEqual([TARGET.requests, TARGET.errors], [IN_SPLIT.length + 1, 0])
    const flights = world.routing.flights.dump(world.wallMs, 1_000)
    assert.equal(flights.length, KEYS.length + 1)
    const last = flights.at(-1)
    assert.deepEqual(
      [last?.side, last?.why, last?.hasFallenBack, last?.caller, last?.code],
      ['ORIGIN', 'NOT_IN_SPLIT', true, 'maps', null],
    )
  })

  test('only the share that is dialled is compared; pinned reads and later pages never are', () => {
    const world = new TwoSides(migrating('VERIFY', { shadowShare: 100 }))
    world.draws = 0.0101
    world.read(['k'])
    assert.equal(world.shadow.sent, 0)
    world.draws = 0.0099
    world.read(['k'])
    world.read(['k'], { datasetVersion: VERSION })
    world.read(['k'], { position: { localKey: null, timestamp: null, columns: 1 }, side: 'ORIGIN' })
    assert.equal(world.shadow.sent, 1)
  })

  test('keys that each have their own side are each compared with the other one', () => {
    const world = new TwoSides(migrating('RAMP', { splitShare: 5_000, shadowShare: 10_000 }))
    world.read(KEYS)
    world.step()
    assert.deepEqual([world.shadow.sent, world.shadow.matched], [2, 2])
    assert.deepEqual(world.asked, ['TARGET', 'ORIGIN', 'TARGET', 'ORIGIN'])
  })

  // The target answers so once the connection that asked is closed: each was compared with a read of the origin.
  test('a read whose caller left says nothing of a side, and is not compared', () => {
    const world = new TwoSides(migrating('TARGET_PRIMARY', { shadowShare: 10_000 }))
    const context = { api: 'test', caller: null, deadline: 1e9, connection: { isClosed: true } }
    const left = new KVError('CANCELLED', 'the connection that asked was closed')
    const { sides } = world.routing.watch.of(world.entry.record)
    world.behaviours.TARGET = () => left
    assert.equal(codeOf(world.read(['k'], { context }).answer), 'CANCELLED')
    world.behaviours.TARGET = () => ({ rows: [rowOf('k'), left], datasetVersion: VERSION })
    world.read(['k', 'l'], { context })
    world.step()
    const { sent, failed } = world.shadow
    assert.deepEqual([sent, failed, sides.TARGET.requests, sides.ORIGIN.requests], [0, 0, 0, 0])
    world.scanFailure = left
    assert.deepEqual([scan(world, { side: 'ORIGIN' }), sides.ORIGIN.requests], ['CANCELLED', 0])
  })

  test('of keys that each have their own side those are compared that were read to their end', () => {
    const world = new TwoSides(migrating('RAMP', { splitShare: 5_000, shadowShare: 10_000 }))
    world.behaviours.TARGET = (plan, side) => {
      world.behaviours.TARGET = rowsOf(VERSION)
      return plan.admitted.request.context.isBatch === true
        ? rowsOf(VERSION)(plan, side)
        : new KVError('CANCELLED', 'the connection that asked was closed')
    }
    assert.equal(codeOf(world.read(KEYS).answer), 'CANCELLED')
    world.step()
    assert.deepEqual([world.shadow.sent, world.shadow.matched, world.shadow.failed], [1, 1, 0])
  })

  test('a scan names its side; later pages keep it; the first one may come from the other', () => {
    const world = ramping()
    assert.equal(scan(world), 'ORIGIN')
    assert.equal(scan(world, { side: 'TARGET' }), 'TARGET')
    world.guard.isOpen = true
    assert.equal(scan(world), 'TARGET')
    assert.equal(scan(world, { side: 'ORIGIN' }), 'ORIGIN')
  })
})
