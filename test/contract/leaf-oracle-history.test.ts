/** Shards of format history against the oracle: test/support/leaf-oracle.ts says how to run more of it. */
import { leafEngines } from '../../src/leaf/registry.js'
import { testHistories } from '../support/leaf-oracle.js'

for (const { name } of leafEngines) {
  if (name === 'memory') continue
  testHistories(name, 'history')
}
