import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { unaccounted } from '../../../src/model/difference.js'
import { cell } from '../../support/datasets.js'
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

const MEGABYTE = 1024 * 1024
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

  test('a burst expires a part at a time, and no read in doubt keeps others from it', () => {
    const world = verifying()
    world.behaviours = { ORIGIN: rowsOf(null, { wrong: 'right' }), TARGET: NEVER }
    world.read(['wrong'])
    for (let read = 0; read < 200; read += 1) world.read(['k'])
    world.step()
    world.held.shift()?.({ rows: [rowOf('wrong', { wrong: 'wrong' })], datasetVersion: VERSION })
    world.behaviours.ORIGIN = NEVER
    const counts: number[] = []
    world.timers.advance(limits.shadowTimeoutMs - 1)
    for (let ms = 0; ms < 60; ms += 1) {
      world.timers.advance(1)
      counts.push(world.shadow.expired)
    }
    assert.deepEqual(verdicts(world), ['expired 200', 'waiting 1'])
    const most = Math.max(...counts.map((count, at) => count - (counts[at - 1] ?? 0)))
    assert.ok(most < 100, `${most} at once`)
  })

  test('what does not fit is dropped: reads, bytes, a thread that is busy', () => {
    const bounds = { maxReads: 3, maxBytes: 1_000_000, maxThreadBytes: 1_000_000 }
    const few = verifying({ bounds })
    few.behaviours.TARGET = NEVER
    for (let read = 0; read < 10; read += 1) few.read(['k'])
    few.step()
    assert.deepEqual(verdicts(few), ['dropped 7', 'waiting 3'])
    const small = verifying({ bounds: { ...bounds, maxBytes: 700 } })
    small.behaviours.TARGET = NEVER
    for (let read = 0; read < 3; read += 1) small.read(['k'])
    small.step()
    assert.deepEqual(verdicts(small), ['dropped 1', 'waiting 2'])
    const busy = verifying()
    busy.isBusy = true
    readThrough(busy)
    assert.deepEqual([verdicts(busy), busy.asked], [['dropped 1'], ['ORIGIN']])
  })

  test('while the breaker of the other side is open nothing is asked, copied or kept for it', () => {
    const world = new TwoSides(migrating('TARGET_PRIMARY', { shadowShare: 10_000 }))
    world.guard.isOpen = true
    world.read(['k'])
    assert.deepEqual([verdicts(world), world.asked], [['failed 1'], ['TARGET']])
    assert.equal(world.timers.pendingCount, 0)
    world.guard.isOpen = false
    world.read(['k'])
    world.step()
    assert.deepEqual(
      [verdicts(world), world.asked],
      [
        ['matched 1', 'failed 1'],
        ['TARGET', 'TARGET', 'ORIGIN'],
      ],
    )
  })

  // What was refused in the end had been copied, and counted as an error of the origin, beside which the target may err.
  test('while as many wait for the other side as may, nothing is asked, copied or held against it', () => {
    const world = new TwoSides(migrating('TARGET_PRIMARY', { shadowShare: 10_000 }))
    world.guard.isFull = true
    const read = world.read(['k'])
    world.step()
    assert.ok(read.answer !== undefined && !(read.answer instanceof KVError))
    assert.deepEqual([verdicts(world), world.asked], [['dropped 1'], ['TARGET']])
    assert.deepEqual([world.routing.shadow.heldBytes, world.timers.pendingCount], [0, 0])
    const { requests, errors } = world.routing.watch.of(world.entry.record).sides.ORIGIN
    assert.deepEqual([requests, errors], [0, 0])
    world.guard.isFull = false
    readThrough(world)
    assert.deepEqual(verdicts(world), ['matched 1', 'dropped 1'])
  })

  // Rows that are not there hold next to nothing, and their keys may be as long as a frame.
  test('keys count as what is held, too: also of rows that are not there', () => {
    const bounds = { maxReads: 10, maxBytes: 150_000, maxThreadBytes: 1_000_000 }
    const world = verifying({ bounds })
    world.behaviours = { ORIGIN: () => ({ rows: [null], datasetVersion: null }), TARGET: NEVER }
    for (let read = 0; read < 4; read += 1) world.read(['k'.repeat(60_000)])
    world.step()
    assert.deepEqual(verdicts(world), ['dropped 2', 'waiting 2'])
    assert.ok(world.routing.shadow.heldBytes >= 120_000)
    world.timers.advance(limits.shadowTimeoutMs + 50)
    assert.equal(world.routing.shadow.heldBytes, 0)
  })

  // The rows that agreed stayed in memory as long as the one in doubt, and counted for nothing.
  test('while a row is in doubt the others of its answer are let go', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void // V8's own function, there by the flag
    const held = (): number => {
      // What the first has found is freed by the time the second begins.
      collect()
      collect()
      return process.memoryUsage().arrayBuffers
    }
    const value = Buffer.alloc(4 * MEGABYTE)
    const large = { cells: [{ ...cell('', ''), value }], next: null }
    const [right, wrong] = ['right', 'wrong'].map((text) => [large, rowOf('k', { k: text })])
    assert.ok(right !== undefined && wrong !== undefined)
    const world = verifying()
    world.behaviours = { ORIGIN: () => ({ rows: right, datasetVersion: null }), TARGET: NEVER }
    const before = held()
    world.read(['large', 'k'])
    world.step()
    assert.ok(held() - before >= value.length)
    assert.ok(world.routing.shadow.heldBytes >= value.length)
    world.held.pop()?.({ rows: wrong, datasetVersion: VERSION })
    assert.deepEqual(verdicts(world), ['waiting 1'])
    const grown = held() - before
    assert.ok(grown < MEGABYTE, `${grown} bytes more`)
    assert.ok(world.routing.shadow.heldBytes < 1_000, `${world.routing.shadow.heldBytes} bytes count`)
    world.behaviours = { ORIGIN: rowsOf(null, { k: 'right' }), TARGET: rowsOf(VERSION, { k: 'wrong' }) }
    world.timers.advance(limits.shadowConfirmMs)
    assert.deepEqual([verdicts(world), world.routing.shadow.heldBytes], [['mismatched 1'], 0])
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

  // Each look after the first was the last one: on a machine that was busy 19 of 400 differences came to nothing.
  test('a difference whose second look nobody answers is looked at again, and found', () => {
    const world = verifying()
    const wrong = rowsOf(VERSION, { k: 'wrong' })
    const looks: Behaviour[] = [wrong, NEVER, FAILS, wrong]
    world.behaviours.TARGET = (plan, side) => (looks.shift() ?? wrong)(plan, side)
    world.read(['k'])
    world.step()
    world.timers.advance(limits.shadowConfirmMs)
    world.timers.advance(limits.shadowTimeoutMs)
    // What comes after its time is the answer to no look.
    for (const answer of world.held) answer({ rows: [null], datasetVersion: VERSION })
    assert.deepEqual(verdicts(world), ['waiting 1'])
    world.timers.advance(2 * limits.shadowConfirmMs)
    assert.deepEqual(verdicts(world), ['waiting 1'])
    world.timers.advance(4 * limits.shadowConfirmMs)
    assert.deepEqual([verdicts(world), world.shadow.unconfirmed], [['mismatched 1'], 0])
    assert.deepEqual(
      world.differences.map(({ kind }) => kind),
      ['VALUE'],
    )
    world.timers.advance(50)
    assert.deepEqual([world.timers.pendingCount, world.routing.shadow.heldBytes], [0, 0])
  })

  test('what differed at first and cannot be looked at again, however often, is counted apart', () => {
    const world = verifying()
    const { maxShadowLooks, shadowConfirmMs, shadowTimeoutMs } = limits
    for (const [silent, verdict] of [
      [NEVER, 'expired'],
      [FAILS, 'failed'],
    ] as const) {
      let looks = 0
      world.behaviours.TARGET = (plan, side) => {
        looks += 1
        return (looks === 1 ? rowsOf(VERSION, { k: 'wrong' }) : silent)(plan, side)
      }
      const before = world.shadow[verdict]
      world.read(['k'])
      world.step()
      world.timers.advance(shadowConfirmMs * 2 ** maxShadowLooks + shadowTimeoutMs * maxShadowLooks)
      assert.deepEqual([world.shadow[verdict] - before, looks], [1, 1 + maxShadowLooks])
    }
    assert.deepEqual([verdicts(world), world.shadow.unconfirmed], [['expired 1', 'failed 1'], 2])
    assert.deepEqual([world.differences, world.timers.pendingCount], [[], 0])
    assert.equal(world.routing.shadow.heldBytes, 0)
  })

  test('what is looked at when its migration ends asks the origin nothing more', () => {
    const world = verifying()
    world.behaviours.TARGET = rowsOf(VERSION, { k: 'wrong' })
    world.read(['k'])
    world.step()
    world.entry = { ...world.entry, record: { ...world.entry.record, migrationState: 'TARGET_ONLY' } }
    world.timers.advance(limits.shadowConfirmMs)
    assert.deepEqual([verdicts(world), world.asked], [['tied 1'], ['ORIGIN', 'TARGET']])
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
