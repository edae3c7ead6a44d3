import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Clock, systemClock } from '../../../src/base/clock.js'
import { type Done, KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { admitScan } from '../../../src/kvstore/admit.js'
import { LeafTier } from '../../../src/leaf/tier.js'
import type { Incarnation } from '../../../src/model/cluster-map.js'
import type { LeafEngine, ShardPage } from '../../../src/model/leaf-engine.js'
import type { ShardScan } from '../../../src/model/plan.js'
import { entryOf } from '../../../src/model/row-order.js'
import type { ScanRequest, ScanResult, ScannedRow } from '../../../src/model/scan.js'
import { Router } from '../../../src/routing/router.js'
import { cell, datasetEntry, incarnation, mapOf } from '../../support/datasets.js'
import { scanRequest } from '../../support/scans.js'

/** An engine whose pages the test gives by hand; with `answers`, at once. */
class HeldEngine implements LeafEngine {
  readonly name = 'held'
  readonly scans: { scan: ShardScan; done: Done<ShardPage> }[] = []
  answers: ((scan: ShardScan) => ShardPage | KVError) | null = null

  read(): void {
    assert.fail('not used')
  }

  mutate(): void {
    assert.fail('not used')
  }

  scan(scan: ShardScan, done: Done<ShardPage>): void {
    this.scans.push({ scan, done })
    if (this.answers !== null) done(this.answers(scan))
  }

  /** Answers the newest call. */
  answer(rows: readonly ScannedRow[], next: ShardPage['next'] = null): void {
    this.scans.at(-1)?.done({ rows, next })
  }
}

const row = (name: string, value = 'v'): ScannedRow => {
  return { rowKey: Buffer.from(name), row: { cells: [cell('', value)], next: null } }
}
const at = (name: string) => ({ token: { high: 1, low: 1 }, rowKey: Buffer.from(name) })
const END = { rows: [], next: null }

class World {
  readonly engine = new HeldEngine()
  readonly leased: number[] = []
  readonly answers: (ScanResult | KVError)[] = []
  nowMs = 0

  start(live: readonly (Incarnation | null)[], changes: Partial<ScanRequest> = {}): void {
    const clock: Clock = { ...systemClock, monotonicMs: () => this.nowMs }
    const uses = {
      acquire: ({ shard }: Incarnation) => void this.leased.push(shard),
      release: ({ shard }: Incarnation) => {
        assert.ok(this.leased.includes(shard), `shard ${shard} was given up and not leased`)
        this.leased.splice(this.leased.indexOf(shard), 1)
      },
    }
    const tier = new LeafTier(this.engine, uses, clock)
    const entry = datasetEntry({ shardCount: live.length }, { live })
    const plan = new Router(tier, new Map()).planScan(admitScan(scanRequest(changes), mapOf(entry), clock))
    tier.scan(plan, (outcome) => this.answers.push(outcome))
  }

  get page(): ScanResult {
    const [answer] = this.answers
    assert.ok(answer !== undefined && !(answer instanceof KVError))
    assert.equal(this.answers.length, 1)
    assert.deepEqual(this.leased, [], 'leases are left over')
    return answer
  }

  get keys(): string[] {
    return this.page.rows.map(({ rowKey }) => rowKey.toString())
  }
}

function shards(count: number): Incarnation[] {
  return Array.from({ length: count }, (_, shard) => incarnation(shard + 1, { shard }))
}

suite('a page over several shards', () => {
  test('takes the shards one after the other and gives up the lease of each behind it', () => {
    const world = new World()
    world.start(shards(3))
    assert.deepEqual(world.leased, [0, 1, 2])
    world.engine.answer([row('a')])
    assert.deepEqual(world.leased, [1, 2])
    world.engine.answer([])
    world.engine.answer([row('b')])
    assert.deepEqual([world.keys, world.page.next], [['a', 'b'], null])
  })

  test('asks each shard for what is left of the page', () => {
    const world = new World()
    world.start(shards(2), { pageRows: 5, pageBytes: 1_000 })
    world.engine.answer([row('a', 'x'.repeat(68)), row('b', 'x'.repeat(68))])
    const { pageRows, pageBytes } = world.engine.scans[1]?.scan ?? {}
    assert.deepEqual([pageRows, pageBytes], [3, 800])
  })

  test('that ends inside a shard goes on where that shard says', () => {
    const world = new World()
    world.start(shards(2))
    world.engine.answer([row('a')], at('q'))
    assert.deepEqual([world.keys, world.page.next], [['a'], at('q')])
    assert.equal(world.engine.scans.length, 1)
  })

  for (const isReversed of [false, true]) {
    test(`that is full between two shards goes on where the next begins${isReversed ? ', backwards too' : ''}`, () => {
      const world = new World()
      world.start(shards(2), { pageRows: 1, isReversed })
      world.engine.answer([row('a')])
      const { next } = world.page
      assert.ok(next !== null)
      const rest = new World()
      rest.start(shards(2), { position: next, isReversed })
      assert.equal(rest.engine.scans[0]?.scan.incarnation.shard, isReversed ? 0 : 1)
      rest.engine.answer([row('b')])
      assert.deepEqual([rest.keys, rest.page.next], [['b'], null])
    })
  }

  test('that is full with the last row of the last shard is the last page', () => {
    const world = new World()
    world.start(shards(1), { pageRows: 1 })
    world.engine.answer([row('a')])
    assert.equal(world.page.next, null)
  })

  test('that found nothing for long comes back empty, and goes on with the next shard', () => {
    const world = new World()
    world.start(shards(3))
    world.nowMs = limits.scanPageTimeMs
    world.engine.answer([])
    assert.deepEqual([world.keys, world.page.next?.isBefore], [[], true])
  })

  test('comes back before its deadline', () => {
    const world = new World()
    world.start(shards(3), { context: { api: 'test', caller: null, deadline: 100 } })
    world.nowMs = 51
    world.engine.answer([row('a')])
    assert.deepEqual(world.keys, ['a'])
  })

  test('a row cut for what earlier shards took is left to the next page, where it may fit', () => {
    const world = new World()
    world.start(shards(2))
    world.engine.answer([row('a')])
    const [, second] = [0, world.engine.scans[1]?.scan]
    const cut = {
      ...row('large'),
      row: { cells: [cell('', 'v')], next: { localKey: null, timestamp: null, columns: 1 } },
    }
    world.engine.answer([cut], at('large'))
    assert.ok(second !== undefined)
    assert.deepEqual([world.keys, world.page.next], [['a'], entryOf(second.span, false)])
  })

  test('a row cut at the start of a page is answered', () => {
    const world = new World()
    world.start(shards(2))
    const cut = {
      ...row('large'),
      row: { cells: [cell('', 'v')], next: { localKey: null, timestamp: null, columns: 1 } },
    }
    world.engine.answer([cut], at('large'))
    assert.deepEqual([world.keys, world.page.next], [['large'], at('large')])
  })

  test('a shard that fails ends the page before it; the next page meets the failure', () => {
    const world = new World()
    world.start(shards(2))
    world.engine.answer([row('a')])
    world.engine.scans[1]?.done(new KVError('CORRUPT', 'flipped'))
    assert.deepEqual(world.keys, ['a'])
    const next = new World()
    next.start(shards(2), { position: world.page.next })
    next.engine.scans[0]?.done(new KVError('CORRUPT', 'flipped'))
    assert.ok(next.answers[0] instanceof KVError)
    assert.deepEqual(next.leased, [])
  })

  test('ends before a shard that is not open', () => {
    const [first = null, , third = null] = shards(3)
    const world = new World()
    world.start([first, null, third])
    world.engine.answer([row('a')])
    assert.deepEqual([world.keys, world.page.next?.isBefore], [['a'], true])
    const empty = new World()
    empty.start([first, null, third])
    empty.engine.answer([])
    assert.equal(empty.answers[0] instanceof KVError && empty.answers[0].code, 'SHARD_NOT_SERVING')
  })

  test('a thousand shards that answer at once are no deeper than one', () => {
    const world = new World()
    world.engine.answers = () => END
    world.start(shards(1_024))
    assert.deepEqual([world.keys, world.page.next, world.engine.scans.length], [[], null, 1_024])
  })

  test('of nothing asks nobody', () => {
    const world = new World()
    world.start(shards(1), {
      segment: { index: 0, count: 2 },
      position: { token: { high: 5, low: 0 }, rowKey: Buffer.from('k') },
    })
    assert.deepEqual([world.keys, world.engine.scans.length], [[], 0])
  })
})
