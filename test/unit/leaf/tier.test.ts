import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { systemClock } from '../../../src/base/clock.js'
import { type Done, KVError } from '../../../src/base/errors.js'
import { admitRead } from '../../../src/kvstore/admit.js'
import { LeafTier } from '../../../src/leaf/tier.js'
import type { Incarnation } from '../../../src/model/cluster-map.js'
import type { LeafEngine } from '../../../src/model/leaf-engine.js'
import type { ShardRead } from '../../../src/model/plan.js'
import type { ReadResult } from '../../../src/model/request.js'
import type { RowOutcome } from '../../../src/model/row.js'
import { Router } from '../../../src/routing/router.js'
import { cell, datasetEntry, mapOf, readRequest, servedVersion } from '../../support/datasets.js'

/** An engine whose answers the test gives by hand, in any order. */
class HeldEngine implements LeafEngine {
  readonly name = 'held'
  readonly reads: { read: ShardRead; done: Done<readonly RowOutcome[]> }[] = []

  read(read: ShardRead, done: Done<readonly RowOutcome[]>): void {
    this.reads.push({ read, done })
  }

  scan(): void {
    assert.fail('not used')
  }

  mutate(): void {
    assert.fail('not used')
  }

  /** Answers the shard's keys with themselves. */
  answer(shard: number): void {
    const held = this.reads.find(({ read }) => read.incarnation.shard === shard)
    assert.ok(held)
    held.done(held.read.rowKeys.map((key) => ({ cells: [cell('', key.toString())], next: null })))
  }

  fail(shard: number, error: KVError): void {
    this.reads.find(({ read }) => read.incarnation.shard === shard)?.done(error)
  }
}

class CountedUses {
  readonly counts = new Map<number, number>()
  acquire({ id }: Incarnation): void {
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1)
  }
  release({ id }: Incarnation): void {
    this.counts.set(id, (this.counts.get(id) ?? 0) - 1)
  }
  total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0)
  }
}

function startRead(keys: string[], shardCount: number, closedShard: number | null = null) {
  const engine = new HeldEngine()
  const uses = new CountedUses()
  const tier = new LeafTier(engine, uses)
  const ids = Array.from({ length: shardCount }, (_, i) => i + 1)
  const current = servedVersion(77, ...ids)
  const live = current.shards.map((one) => (one.shard === closedShard ? null : one))
  const serving = closedShard === null ? { versions: [current], current } : { live }
  const mode = closedShard === null ? 'BATCH' : 'READ_WRITE'
  const entry = datasetEntry({ mode, shardCount }, serving)
  const plan = new Router(tier, new Map()).planRead(admitRead(readRequest(keys), mapOf(entry), systemClock))
  const answers: (ReadResult | KVError)[] = []
  tier.read(plan, (outcome) => answers.push(outcome))
  return { engine, uses, answers }
}

const KEYS = Array.from({ length: 20 }, (_, i) => `key-${i}`)

function values(outcome: ReadResult | KVError | undefined): string[] {
  assert.ok(outcome !== undefined && !(outcome instanceof KVError))
  return outcome.rows.map((row) => {
    if (row instanceof KVError) return row.code
    return row === null ? 'absent' : (row.cells[0]?.value.toString() ?? '')
  })
}

suite('leaf tier', () => {
  test('rows of several shards come back in the order of the request, whichever shard answers first', () => {
    const { engine, answers } = startRead(KEYS, 3)
    engine.answer(2)
    engine.answer(0)
    assert.equal(answers.length, 0)
    engine.answer(1)
    assert.deepEqual(values(answers[0]), KEYS)
    assert.equal((answers[0] as ReadResult).datasetVersion, 77)
  })

  test('a shard that fails as a whole fails its own keys only', () => {
    const { engine, answers } = startRead(KEYS, 2)
    engine.fail(0, new KVError('CORRUPT', 'flipped'))
    engine.answer(1)
    const result = values(answers[0])
    assert.ok(result.includes('CORRUPT'))
    assert.ok(result.some((value) => value.startsWith('key-')))
    assert.equal(result.length, KEYS.length)
  })

  test('keys of a shard that is not open fail beside the rows of the others', () => {
    const { engine, answers } = startRead(KEYS, 2, 0)
    engine.answer(1)
    const result = values(answers[0])
    assert.ok(result.includes('SHARD_NOT_SERVING'))
    for (const [index, value] of result.entries())
      assert.ok(value === KEYS[index] || value === 'SHARD_NOT_SERVING')
    assert.ok(result.some((value) => value.startsWith('key-')))
  })

  test('every incarnation of a plan is held until its shard has answered', () => {
    const { engine, uses } = startRead(KEYS, 2)
    assert.equal(uses.total(), 2)
    engine.answer(0)
    assert.equal(uses.total(), 1)
    engine.fail(1, new KVError('UNAVAILABLE', 'gone'))
    assert.equal(uses.total(), 0)
  })
})
