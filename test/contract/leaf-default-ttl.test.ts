/** The dataset's default TTL where the leaf makes a cell of nothing, on every engine. What is put has it at admission. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leafEngines } from '../../src/leaf/registry.js'
import { bytes, cell, leafHarnesses } from '../support/leaf-engines.js'
import { append, increment, touch, Verbs } from '../support/leaf-suites.js'

for (const { name } of leafEngines) {
  for (const format of ['mutable', 'history'] as const) {
    test(`${name}, ${format}: a cell that an increment or an append makes has the default TTL, one that it changes keeps its own`, async (t) => {
      const shard = await leafHarnesses[name]('HASHED', 30)
      t.after(() => shard.dispose())
      await shard.create(format, 3)
      const verbs = new Verbs(() => shard)
      const ttls = async () =>
        (await verbs.row('k', { withTtl: true }))?.cells.map(({ localKey, ttlSeconds }) => [
          localKey.toString(),
          ttlSeconds,
        ])

      await verbs.apply('k', increment('n', 1n), append(cell('s', 'a')), increment('own', 1n, 5))
      assert.deepEqual(await ttls(), [['n', 30], ['own', 5], ['s', 30]]) // prettier-ignore
      shard.clock.ms += 2_000
      await verbs.apply('k', increment('n', 1n), append(cell('s', 'b')), increment('own', 1n))
      assert.deepEqual(await ttls(), [['n', 28], ['own', 3], ['s', 28]]) // prettier-ignore
      await verbs.apply('k', touch(null), increment('n', 1n), append(cell('s', 'c')))
      assert.deepEqual(await ttls(), [['n', null], ['own', null], ['s', null]]) // prettier-ignore
      const { counters } = await verbs.apply('k', increment('n', 1n))
      assert.deepEqual(counters, [{ localKey: bytes('n'), value: 4n }])
    })
  }
}
