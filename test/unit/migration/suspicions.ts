/** What is probably not meant so, though nothing forbids it, one at a time: what makes it, what is asked, what is said. */
import type { MigrationState } from '../../../src/model/migration.js'
import type { MigrationPlan } from '../../../src/model/migration-plan.js'
import { CHANGE } from '../kvsm/fixtures.js'
import { DRY, ORIGIN, type World } from './world.js'

export interface Suspicion {
  readonly name: string
  readonly in: MigrationState
  readonly says: RegExp
  readonly make?: (world: World) => unknown
  readonly ask: (world: World) => Promise<MigrationPlan>
}

const BY_DRY_RUN = { change: DRY, isForced: false }

const onwards = async ({ control }: World): Promise<MigrationPlan> =>
  (await control.move('cities', 'switch', BY_DRY_RUN)).plan
const dial =
  (dials: object) =>
  async ({ control }: World): Promise<MigrationPlan> =>
    (await control.dial('cities', dials, BY_DRY_RUN)).plan
const ramp =
  (toShare: number, stepShare: number, everyMs: number) =>
  async ({ control }: World): Promise<MigrationPlan> =>
    (await control.startRamp('cities', { toShare, stepShare, everyMs }, BY_DRY_RUN)).plan

const withTimes = (times: Partial<typeof ORIGIN.settings>) => (world: World) =>
  (world.origin = { ...ORIGIN, settings: { ...ORIGIN.settings, ...times } })

/** Half of the keys are the target's when it happens. */
async function loseOrigin(world: World): Promise<void> {
  await world.metastore.migrate('cities', { dials: { splitShare: 5_000 } }, CHANGE)
  world.origin = { ...ORIGIN, problem: 'ECONNREFUSED at 10.0.0.1:9010' }
}

const MAPS = new Map([['maps-web', 10]])

export const SUSPICIONS: readonly Suspicion[] = [
  {
    name: 'loads reach one side only, and go on doing so',
    in: 'ARMING',
    says: /origins\.west\.controller is not set: load both sides by hand/,
    make: (world) => (world.origin = { ...ORIGIN, controller: null }),
    ask: onwards,
  },
  {
    name: 'the origin does not know the dataset before its migration begins',
    in: 'ORIGIN_ONLY',
    says: /does not answer reads of cities yet: DATASET_NOT_FOUND/,
    make: (world) => (world.origin = { ...ORIGIN, datasetProblem: 'DATASET_NOT_FOUND: no' }),
    ask: onwards,
  },
  {
    name: 'a read would be hedged after it was given up',
    in: 'ARMING',
    says: /no read is hedged: origins\.west\.hedgeAfterMs 2000 is not below deadlineMs 1000/,
    make: withTimes({ hedgeAfterMs: 2_000 }),
    ask: onwards,
  },
  {
    name: 'no read may be sent a second time, and hedging is on',
    in: 'ARMING',
    says: /origins\.west\.retryPercent is 0/,
    make: withTimes({ hedgeAfterMs: 20, retryPercent: 0 }),
    ask: onwards,
  },
  {
    name: 'the other side stands in after reads are given up',
    in: 'VERIFY',
    says: /callers wait 1000 ms for an origin that stalls: .*standInAfterMs is not below deadlineMs/,
    make: withTimes({ standInAfterMs: 1_000 }),
    ask: onwards,
  },
  {
    name: 'the other side never stands in for one that stalls',
    in: 'VERIFY',
    says: /standInAfterMs is off/,
    make: withTimes({ standInAfterMs: 0 }),
    ask: onwards,
  },
  {
    name: 'an address is listed twice',
    in: 'ORIGIN_ONLY',
    says: /origins\.west names 10\.0\.0\.1:9010 twice/,
    make: (world) => (world.origin = { ...ORIGIN, addresses: ['10.0.0.1:9010', '10.0.0.1:9010'] }),
    ask: onwards,
  },
  {
    name: 'the deadline of the origin is near what it takes',
    in: 'VERIFY',
    says: /p99 is 700 ms, and origins\.west\.deadlineMs 1000/,
    make: (world) => (world.figures.origin.p99Ms = 700),
    ask: onwards,
  },
  {
    name: 'the origin is read twice for a share of nothing',
    in: 'VERIFY',
    says: /baseline has no effect without shadow reads/,
    ask: dial({ shadowShare: 0, baselineShare: 100 }),
  },
  {
    name: 'nobody looks before the origin is given up',
    in: 'RAMP',
    says: /soakMs is 0/,
    make: (world) => (world.settings = { ...world.settings, soakMs: 0 }),
    ask: onwards,
  },
  {
    name: 'a caller is misspelt',
    in: 'RAMP',
    says: /caller maps-wbe has asked for nothing since 2023-/,
    make: (world) => (world.usage = { sinceMs: 1_700_000_000_000, requests: 10, byCaller: MAPS }),
    ask: dial({ splitCallers: ['maps-web', 'maps-wbe'] }),
  },
  {
    name: 'callers are listed that have nothing left to move',
    in: 'RAMP',
    says: /split callers have no effect/,
    ask: dial({ splitShare: 10_000, splitCallers: ['maps-web'] }),
  },
  {
    name: 'a ramp takes longer than anybody watches',
    in: 'RAMP',
    says: /takes 69 days: 100 steps/,
    ask: ramp(10_000, 100, 60_000_000),
  },
  {
    name: 'a ramp is faster than breaches show',
    in: 'RAMP',
    says: /a step every 2 s is faster than breaches show, which are looked for in 10 s/,
    ask: ramp(10_000, 1_000, 2_000),
  },
  {
    name: 'a ramp is one step',
    in: 'RAMP',
    says: /the ramp is one step of 100 %/,
    ask: ramp(10_000, 10_000, 60_000),
  },
  {
    name: 'a split goes back to an origin that is gone',
    in: 'RAMP',
    says: /origin west does not answer \(ECONNREFUSED.*\), and after this the target answers nobody/,
    make: loseOrigin,
    ask: dial({ splitShare: 0 }),
  },
  {
    name: 'a migration is given up while its origin is gone',
    in: 'RAMP',
    says: /origin west does not answer/,
    make: loseOrigin,
    ask: async ({ control }) => (await control.move('cities', 'abort', BY_DRY_RUN)).plan,
  },
]
