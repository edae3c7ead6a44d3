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

/** Steps whose copies all fail, as one does whose directory was removed unless told otherwise; and what was logged. */
function setUp(failure = new KVError('UNAVAILABLE', 'reading x failed with ENOENT')) {
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
        fails.push(() => reject(failure))
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

/** Starts again and again, a second apart, and fails what was started. Answers after how many seconds copies began. */
async function beginnings(
  { steps, clock, fails }: ReturnType<typeof setUp>,
  seconds: number,
): Promise<number[]> {
  const at: number[] = []
  for (let second = 0; second < seconds; second++) {
    steps.start()
    for (const fail of fails.splice(0)) {
      at.push(second)
      fail()
    }
    await turn()
    clock.ms += 1_000
  }
  return at
}

test('a damaged copy is tried at once a second time, then ever later up to an hour, and counted', async () => {
  const world = setUp(new KVError('CORRUPT', 'a block is damaged'))
  world.steps.replace('d1', [step])
  assert.deepEqual(
    await beginnings(world, 15_000),
    [0, 1, 61, 181, 421, 901, 1_861, 3_781, 7_381, 10_981, 14_581],
  )
  assert.deepEqual([...world.steps.copyFailures], [['CORRUPT', 11]])
})

test('what fails for another reason is tried each minute', async () => {
  const world = setUp()
  world.steps.replace('d1', [step])
  assert.deepEqual(await beginnings(world, 260), [0, 1, 3, 7, 15, 31, 63, 123, 183, 243])
})

test('a version that was damaged and comes back, restored, is copied at once', async () => {
  const world = setUp(new KVError('CORRUPT', 'a block is damaged'))
  world.steps.replace('d1', [step])
  await beginnings(world, 1_000)
  world.steps.replace('d1', [step])
  assert.deepEqual(await beginnings(world, 1), [], 'a look at the dataset alone is no restore')
  world.steps.replace('d1', [])
  world.steps.replace('d1', [step])
  assert.deepEqual(await beginnings(world, 1), [0])
})
