import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { KVError } from '../../../src/base/errors.js'
import type { Logger } from '../../../src/base/logger.js'
import { PlacementSteps } from '../../../src/leaf/placement-steps.js'
import type { CopyStep } from '../../../src/leaf/placement-plan.js'

const step = {
  leaf: { name: 'a', url: 'http://127.0.0.1:1' },
  target: { datasetId: 'd1', versionId: 7, shard: 0 },
  isUrgent: false,
} as unknown as CopyStep // what these tests need of one

/** Steps whose copies all fail as one does whose directory was removed, and what was logged. */
function setUp() {
  const logged: string[] = []
  const note = (level: string) => () => void logged.push(level)
  const logger = { info: note('info'), warn: note('warn'), error: note('error') } as unknown as Logger // see above
  const clock = { ms: 0, nowMs: () => 0, nowUs: () => 0n, monotonicMs: () => clock.ms }
  const fails: (() => void)[] = []
  const steps = new PlacementSteps({
    clock,
    logger,
    copy: () =>
      new Promise((_resolve, reject) => {
        fails.push(() => reject(new KVError('UNAVAILABLE', 'reading x failed with ENOENT')))
      }),
    remove: () => Promise.resolve(),
    mayRemove: () => true,
    onEnd: () => undefined,
  })
  return { steps, logged, clock, fails }
}

test('a copy whose version is removed meanwhile fails without a word', async () => {
  const { steps, logged, fails } = setUp()
  steps.replace('d1', [step])
  steps.start()
  steps.replace('d1', [])
  fails[0]?.()
  await turn()
  assert.deepEqual(logged, [])
})

test('a copy that fails is no alarm until it fails again, because its version may just go away', async () => {
  const { steps, logged, clock, fails } = setUp()
  steps.replace('d1', [step])
  for (const count of [1, 2]) {
    steps.start()
    fails[count - 1]?.()
    await turn()
    clock.ms += 60_000
  }
  assert.deepEqual(logged, ['info', 'warn'])
})
