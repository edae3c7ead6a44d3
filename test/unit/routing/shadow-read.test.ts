import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { unaccounted } from '../../../src/model/difference.js'
import {
  BEFORE,
  type Behaviour,
  TwoSides,
  VERSION,
  type WorldOptions,
  migrating,
  rowOf,
  rowsOf,
} from './two-sides.js'

function verifying(options: WorldOptions = {}): TwoSides {
  return new TwoSides(migrating('VERIFY', { shadowShare: 10_000 }), options)
}

/** Reads, and lets everything that follows happen. */
function readThrough(world: TwoSides, keys: readonly string[] = ['k']): void {
  world.read(keys)
  world.step()
  world.timers.advance(limits.shadowConfirmMs)
}

function verdicts(world: TwoSides): string[] {
  assert.equal(unaccounted(world.shadow), 0)
  const { matched, mismatched, tied, dropped, expired, failed, waiting } = world.shadow
  const counts = { matched, mismatched, tied, dropped, expired, failed, waiting }
  return Object.entries(counts).flatMap(([name, count]) => (count === 0 ? [] : [`${name} ${count}`]))
}

const NEVER: Behaviour = () => null
const FAILS: Behaviour = () => new KVError('UNAVAILABLE', 'gone')

suite('shadow reads', () => {
  test('the caller has its answer before the other side is asked', () => {
    const world = verifying()
    const { answer } = world.read(['k'])
    assert.ok(answer !== undefined && !(answer instanceof KVError))
    assert.deepEqual(world.asked, ['ORIGIN'])
    world.step()
    assert.deepEqual([world.asked, verdicts(world)], [['ORIGIN', 'TARGET'], ['matched 1']])
  })

  test('a side that never answers delays nobody and expires', () => {
    const world = verifying()
    world.behaviours.TARGET = NEVER
    for (let read = 0; read < 10; read += 1) assert.ok(world.read(['k']).answer !== undefined)
    world.step()
    assert.deepEqual(verdicts(world), ['waiting 10'])
    world.timers.advance(limits.shadowTimeoutMs + 50)
    assert.deepEqual([verdicts(world), world.routing.shadow.heldBytes], [['expired 10'], 0])
    assert.equal(world.timers.pendingCount, 0)
  })

  test('what does not fit is dropped: reads, bytes, a thread that is busy', () => {
    const bounds = { maxReads: 3, maxBytes: 1_000_000, maxThreadBytes: 1_000_000 }
    const few = verifying({ bounds })
    few.behaviours.TARGET = NEVER
    for (let read = 0; read < 10; read += 1) few.read(['k'])
    few.step()
    assert.deepEqual(verdicts(few), ['dropped 7', 'waiting 3'])
    const small = verifying({ bounds: { ...bounds, maxBytes: 500 } })
    small.behaviours.TARGET = NEVER
    for (let read = 0; read < 3; read += 1) small.read(['k'])
    small.step()
    assert.deepEqual(verdicts(small), ['dropped 1', 'waiting 2'])
    const busy = verifying()
    busy.isBusy = true
    readThrough(busy)
    assert.deepEqual([verdicts(busy), busy.asked], [['dropped 1'], ['ORIGIN']])
  })

  test('a difference counts when it is there again, and is recorded with digests', () => {
    const world = verifying()
    world.behaviours.TARGET = rowsOf(VERSION, { b: 'wrong', c: null })
    readThrough(world, ['a', 'b', 'c'])
    assert.deepEqual(verdicts(world), ['mismatched 1'])
    const texts = world.differences.map(({ kind, key, column, originDigest, targetDigest, version }) => {
      return [kind, Buffer.from(key, 'base64').toString(), column, originDigest, targetDigest, version]
    })
    assert.deepEqual(texts, [
      ['VALUE', 'b', '', 'digest of value of b', 'digest of wrong', VERSION],
      ['MISSING', 'c', '', 'digest of value of c', null, VERSION],
    ])
  })

  test('only the rows in doubt are read again', () => {
    const world = verifying()
    const asked: string[][] = []
    world.behaviours.TARGET = (plan, side) => {
      asked.push(plan.admitted.request.rowKeys.map(String))
      return rowsOf(VERSION, { b: 'wrong' })(plan, side)
    }
    readThrough(world, ['a', 'b', 'c'])
    assert.deepEqual(asked, [['a', 'b', 'c'], ['b']])
  })

  test('a difference that is gone by then is a match', () => {
    const world = verifying()
    world.behaviours.TARGET = rowsOf(VERSION, { k: 'late' })
    world.read(['k'])
    world.step()
    world.behaviours.TARGET = rowsOf(VERSION)
    world.timers.advance(limits.shadowConfirmMs)
    assert.deepEqual([verdicts(world), world.differences], [['matched 1'], []])
  })

  test('an origin that does not repeat itself is not held against the target, column by column', () => {
    const world = verifying()
    let reads = 0
    world.behaviours.ORIGIN = (plan, side) => {
      reads += 1
      return rowsOf(null, { noise: `random ${reads}` })(plan, side)
    }
    world.behaviours.TARGET = rowsOf(VERSION, { b: 'wrong' })
    readThrough(world, ['noise', 'b'])
    assert.deepEqual(
      world.differences.map(({ kind }) => kind),
      ['VALUE'],
    )
    assert.deepEqual(verdicts(world), ['mismatched 1'])
    readThrough(world, ['noise'])
    assert.deepEqual(verdicts(world), ['mismatched 1', 'tied 1'])
  })

  test('the baseline reads the origin twice and counts where that differs', () => {
    const world = new TwoSides(migrating('VERIFY', { shadowShare: 10_000, baselineShare: 10_000 }))
    readThrough(world)
    assert.deepEqual([world.shadow.baseline, world.shadow.unstable], [1, 0])
    let reads = 0
    world.behaviours.ORIGIN = (plan, side) => {
      reads += 1
      return rowsOf(null, { k: `random ${reads}` })(plan, side)
    }
    readThrough(world)
    assert.deepEqual([world.shadow.baseline, world.shadow.unstable], [2, 1])
    assert.deepEqual([verdicts(world), world.differences], [['matched 1', 'tied 1'], []])
  })

  test('answers of different versions are not compared', () => {
    const world = verifying()
    world.behaviours.ORIGIN = rowsOf(BEFORE, { k: 'of the version before' })
    readThrough(world)
    const unknown = new TwoSides({ ...migrating('VERIFY', { shadowShare: 10_000 }) })
    unknown.entry = withOriginVersion(unknown, null)
    unknown.behaviours.TARGET = rowsOf(VERSION, { k: 'wrong' })
    readThrough(unknown)
    assert.deepEqual([verdicts(world), verdicts(unknown)], [['tied 1'], ['tied 1']])
  })

  test('a version that changes between the two looks ends in a tie', () => {
    const world = verifying()
    world.behaviours.TARGET = rowsOf(VERSION, { k: 'wrong' })
    world.read(['k'])
    world.step()
    world.entry = withOriginVersion(world, { versionId: BEFORE, takenAtMs: 0 })
    world.timers.advance(limits.shadowConfirmMs)
    assert.deepEqual([verdicts(world), world.differences], [['tied 1'], []])
  })

  test('an origin that has just taken a load may still answer from the version before', () => {
    const world = verifying()
    world.entry = withOriginVersion(world, { versionId: VERSION, takenAtMs: world.wallMs - 1_000 })
    world.behaviours.ORIGIN = rowsOf(null, { k: 'old', l: 'wrong in both' })
    world.behaviours.TARGET = (plan, side) => {
      const isBefore = plan.version?.id === BEFORE
      return rowsOf(isBefore ? BEFORE : VERSION, isBefore ? { k: 'old' } : {})(plan, side)
    }
    readThrough(world, ['k'])
    assert.deepEqual([verdicts(world), world.differences.length], [['tied 1'], 0])
    readThrough(world, ['l'])
    assert.deepEqual([verdicts(world), world.differences.length], [['mismatched 1', 'tied 1'], 1])
    world.wallMs += limits.originSwapMs
    readThrough(world, ['k'])
    assert.deepEqual([verdicts(world), world.differences.length], [['mismatched 2', 'tied 1'], 2])
  })

  test('a side that cannot answer is a failure, not a difference; of some keys, the others count', () => {
    const world = verifying()
    world.behaviours.TARGET = FAILS
    readThrough(world)
    assert.deepEqual(verdicts(world), ['failed 1'])
    world.behaviours.TARGET = ({ admitted }) => ({
      rows: admitted.request.rowKeys.map((key) => {
        if (key.toString() === 'a') return new KVError('SHARD_NOT_SERVING', 'closed')
        return rowOf(key.toString(), { b: 'wrong' })
      }),
      datasetVersion: VERSION,
    })
    readThrough(world, ['a', 'b'])
    assert.deepEqual(verdicts(world), ['mismatched 1', 'failed 1'])
    assert.deepEqual(
      world.differences.map(({ key }) => Buffer.from(key, 'base64').toString()),
      ['b'],
    )
  })

  test('a dataset that is made anew or moves on meanwhile ends its shadow reads', () => {
    const world = verifying()
    world.read(['k'])
    world.entry = { ...world.entry, record: { ...world.entry.record, migrationState: 'TARGET_ONLY' } }
    world.step()
    assert.deepEqual([verdicts(world), world.asked], [['dropped 1'], ['ORIGIN']])
  })

  test('an answer that comes after its end changes nothing', () => {
    const world = verifying()
    world.behaviours.TARGET = NEVER
    world.read(['k'])
    world.step()
    world.timers.advance(limits.shadowTimeoutMs + 50)
    assert.equal(world.held.length, 1)
    for (const answer of world.held) answer({ rows: [null], datasetVersion: VERSION })
    world.timers.advance(limits.shadowConfirmMs)
    assert.deepEqual([verdicts(world), world.differences], [['expired 1'], []])
  })
})

function withOriginVersion(
  world: TwoSides,
  originVersion: { readonly versionId: number; readonly takenAtMs: number } | null,
) {
  const { record } = world.entry
  const { migration } = record
  assert.ok(migration !== undefined)
  return { ...world.entry, record: { ...record, migration: { ...migration, originVersion } } }
}
