/** Plans of whatever facts there may be: every one is made, says what it found, and keeps the rules that make it safe. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { MigrationFacts } from '../../../src/migration/facts.js'
import { planAll, planDials, planRamp } from '../../../src/migration/plan.js'
import type { DatasetRecord } from '../../../src/model/dataset.js'
import { NO_SHADOWS, type ShadowFigures } from '../../../src/model/difference.js'
import {
  MIGRATION_STATES,
  type MigrationFigures,
  type MigrationRamp,
  NO_MIGRATION,
} from '../../../src/model/migration.js'
import type { MigrationPlan } from '../../../src/model/migration-plan.js'
import { ORIGIN, SETTINGS, TARGET, migrationWorld } from './world.js'

const RUNS = 2_000

const count = fc.integer({ min: 0, max: 50_000 })
const share = fc.integer({ min: 0, max: 10_000 })
const time = fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }))
const text = fc.string({ unit: 'binary', maxLength: 20 })
const problem = fc.option(text)
const dials = fc.record({
  shadowShare: share,
  baselineShare: share,
  splitShare: share,
  splitCallers: fc.array(text, { maxLength: 5 }),
})
const ramp: fc.Arbitrary<MigrationRamp> = fc.record({
  ...{ toShare: share, stepShare: fc.integer({ min: -5, max: 10_000 }), everyMs: fc.integer() },
  ...{ fromShare: share, startedAtMs: count, lastStepAtMs: count, startedBy: text, note: text },
  state: fc.constantFrom('RUNNING', 'BREACHED', 'DONE'),
})
const side = fc.record({
  ...{ requests: count, errors: count, p50Ms: time, p99Ms: time, isBreakerOpen: fc.boolean() },
})
/** Its keys are those of ShadowFigures. */
const shadow = fc.record(
  Object.fromEntries(Object.keys(NO_SHADOWS).map((name) => [name, count])),
) as fc.Arbitrary<ShadowFigures>
const figures: fc.Arbitrary<MigrationFigures> = fc.record({
  ...{ dataset: text, origin: side, target: side, shadow },
})
const origin = fc.record({
  addresses: fc.array(fc.constantFrom('127.0.0.1:9010', '10.0.0.1:1'), { minLength: 1, maxLength: 3 }),
  ...{ controller: fc.option(text), problem, controllerProblem: problem, datasetProblem: problem },
})

function factsOf(record: DatasetRecord): fc.Arbitrary<MigrationFacts> {
  const changed = fc.record({
    migrationState: fc.constantFrom(...MIGRATION_STATES),
    mode: fc.constantFrom('BATCH' as const, 'READ_WRITE' as const),
    versions: fc.subarray([...record.versions]),
    retainedVersions: fc.integer({ min: 1, max: 10 }),
    canary: fc.option(fc.record({ versionId: count, share })),
    migration: fc.record({
      ...{ dials, ramp: fc.option(ramp), sinceMs: count, owed: fc.constant(NO_MIGRATION.owed) },
      originVersion: fc.option(fc.record({ versionId: count, takenAtMs: count })),
    }),
  })
  return fc.record({
    record: changed.map((parts) => ({ ...record, ...parts })),
    origin: fc.option(origin.map((parts) => ({ ...ORIGIN, ...parts }))),
    target: fc
      .record({ clusterProblem: problem, problems: fc.array(text), load: problem, wantedCopies: count })
      .map((parts) => ({ ...TARGET, ...parts })),
    usage: fc.option(
      fc.record({ sinceMs: count, requests: count, byCaller: fc.constant(new Map([['maps', 5]])) }),
    ),
    evidence: fc.record({ sinceMs: count, figures, recent: figures, originP99Ms: time }),
    settings: fc.constant(SETTINGS),
    nowMs: count,
  })
}

function check(plan: MigrationPlan): void {
  for (const { name, outcome, figure, bound, advice } of plan.guards) {
    assert.ok(name !== '' && bound !== '' && !figure.includes('undefined'), name)
    assert.ok(!/NaN|undefined/.test(figure + bound), `${name}: ${figure}, ${bound}`)
    assert.equal(advice === '', outcome === 'PASS', name)
  }
  assert.ok(plan.movedShare >= 0 && plan.movedShare <= 10_000)
  const standing = plan.guards.filter(({ outcome }) => outcome !== 'PASS')
  if (plan.isAllowed) assert.ok(standing.every(({ isForceable }) => isForceable))
}

test('whatever is found, a plan of it is made, and none that fails what may not be forced is allowed', async () => {
  const world = await migrationWorld()
  const wish = fc.record({ dials, ramp, isForced: fc.boolean() })
  fc.assert(
    fc.property(factsOf(world.record()), wish, (facts, { dials: wished, ramp: begun, isForced }) => {
      for (const plan of planAll(facts)) {
        check(plan)
        assert.equal(
          plan.isAllowed,
          plan.guards.every(({ outcome }) => outcome === 'PASS'),
        )
      }
      check(planDials(facts, wished, isForced))
      check(planRamp(facts, begun, isForced))
    }),
    { numRuns: RUNS },
  )
})

test('what a move needs grows with what it gives away: nothing but that the origin is there to go back', async () => {
  const world = await migrationWorld()
  fc.assert(
    fc.property(factsOf(world.record()), (facts) => {
      for (const { to, from, guards } of planAll(facts)) {
        if (to === 'ABORTING') assert.deepEqual(guards, [])
        const isBack = MIGRATION_STATES.indexOf(to) < MIGRATION_STATES.indexOf(from)
        if (isBack) assert.ok(guards.every(({ name }) => name.startsWith('origin ')))
      }
    }),
    { numRuns: RUNS },
  )
})
