/** Shards of format history against the oracle: test/support/leaf-oracle.ts says how to run more of it. */
import { test } from 'node:test'
import { leafEngines } from '../../src/leaf/registry.js'
import { compareHistories } from '../support/leaf-oracle.js'

for (const { name } of leafEngines) {
  if (name === 'memory') continue

  test(`history shards of ${name} answer every history of writes, clock steps, reopenings and purges as the oracle does`, () =>
    compareHistories(name, 'history'))
}
