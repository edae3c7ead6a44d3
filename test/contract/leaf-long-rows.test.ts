/**
 * Rows that were removed and still have more stored cells than one write may look at: whether they exist was TOO_LARGE to
 * say until they were purged. A small row never shows it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leafEngines } from '../../src/leaf/registry.js'
import { limits } from '../../src/base/limits.js'
import { bytes, cell, leafHarnesses } from '../support/leaf-engines.js'
import { condition, increment, put, Verbs } from '../support/leaf-suites.js'

const CELLS = 60_000
const ABSENT = [condition('', 'ROW_NOT_EXISTS')]

for (const { name } of leafEngines) {
  for (const format of ['mutable', 'history'] as const) {
    test(`${name}, ${format}: whether a row of many removed cells exists is found, while others are written`, async (t) => {
      const shard = await leafHarnesses[name]('ORDERED')
      t.after(() => shard.dispose())
      await shard.create(format, 3)
      const verbs = new Verbs(() => shard)
      // Slices end by the time that they take.
      shard.clock.monotonicMs = () => performance.now()
      for (let from = 0; from < CELLS; from += limits.maxCellsPerRow) {
        const cells = Array.from({ length: limits.maxCellsPerRow }, (_, i) => cell(`c${from + i}`, 'v'))
        await verbs.put('row', cells)
      }
      await verbs.remove('row')

      const order: string[] = []
      const note = async <T>(what: string, write: Promise<T>): Promise<T> => {
        const result = await write
        order.push(what)
        return result
      }
      const add = put([cell('', 'first')])
      const [first, second, behind] = await Promise.all([
        note('first', verbs.mutate('row', { mutations: [add], conditions: ABSENT })),
        note('second', verbs.mutate('row', { mutations: [add], conditions: ABSENT, otherwise: [increment('n', 5n)] })),
        note('behind', verbs.apply('row', increment('n', 1n))),
        note('other', verbs.put('other', [cell('', 'x')])),
      ]) // prettier-ignore
      assert.deepEqual([first.isApplied, second.isApplied], [true, false])
      assert.deepEqual([...second.counters, ...behind.counters].map(({ value }) => value), [5n, 6n]) // prettier-ignore
      if (name === 'rocksdb') assert.deepEqual(order, ['other', 'first', 'second', 'behind'])
      assert.equal((await verbs.mutate('row', { mutations: [add], conditions: ABSENT })).isApplied, false)

      await verbs.remove('row')
      await verbs.put('row', [cell('zz', 'last', { ttlSeconds: 5 })])
      const exists = [condition('', 'ROW_EXISTS')]
      assert.equal((await verbs.mutate('row', { mutations: [increment('m', 1n)], conditions: exists })).isApplied, true) // prettier-ignore
      await verbs.remove('row')
      const waiting = [
        shard.mutate(bytes('row'), { mutations: [add], conditions: ABSENT }),
        shard.put(bytes('row'), [cell('', 'y')]),
      ]
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
      await shard.closeShard()
      const outcomes = await Promise.all(waiting)
      if (name === 'rocksdb') {
        assert.deepEqual(outcomes.map((one) => 'code' in one && [one.code, one.outcome]), [['SHARD_NOT_SERVING', 'NOT_APPLIED'], ['SHARD_NOT_SERVING', 'NOT_APPLIED']]) // prettier-ignore
      }
    })
  }
}
