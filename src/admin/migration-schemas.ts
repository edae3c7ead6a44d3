/** What the admin API answers about migrations, as schemas; see schemas.ts. */
import { z } from 'zod'
import type { ShadowFigures } from '../model/difference.js'
import { MIGRATION_STATES, RAMP_BREACHES, WHOLE_SHARE } from '../model/migration.js'
import type {
  Migration,
  MigrationDials,
  MigrationFigures,
  MigrationRamp,
  OwedLoad,
} from '../model/migration.js'
import type { OriginVersion, SideFigures } from '../model/migration.js'
import type { Explanation, Guard, MigrationPlan, MigrationReport } from '../model/migration-plan.js'

const whole = z.int().min(0)
const timeMs = whole.describe('Milliseconds since 1970.')

/** Hundredths of a percent. */
export const shareSchema = z.int().min(0).max(WHOLE_SHARE).describe('In hundredths of a percent.')
export const stateSchema = z.enum(MIGRATION_STATES)
const sideSchema = z.enum(['ORIGIN', 'TARGET'])

const dialsSchema: z.ZodType<MigrationDials> = z.strictObject({
  shadowShare: shareSchema,
  baselineShare: shareSchema,
  splitShare: shareSchema,
  splitCallers: z.array(z.string()),
})

const rampSchema: z.ZodType<MigrationRamp> = z.strictObject({
  toShare: shareSchema,
  stepShare: shareSchema,
  everyMs: whole,
  fromShare: shareSchema.describe('Where a breach takes it back to.'),
  startedAtMs: timeMs,
  lastStepAtMs: timeMs,
  startedBy: z.string(),
  state: z.enum(['RUNNING', 'BREACHED', 'DONE']),
  breach: z
    .enum(RAMP_BREACHES)
    .exactOptional()
    .describe("BREACHED: for the target's data, or for its errors, time or breaker."),
  note: z.string().describe('Why it waits, went back or ended.'),
})

const owedSchema: z.ZodType<OwedLoad> = z.strictObject({
  side: sideSchema.describe('The side that has not taken it.'),
  versionId: whole,
  source: z.string(),
  request: z.string(),
  attempts: whole,
  error: z.string(),
})

const originVersionSchema: z.ZodType<OriginVersion> = z.strictObject({ versionId: whole, takenAtMs: timeMs })

export const migrationSchema: z.ZodType<Migration> = z
  .strictObject({
    dials: dialsSchema,
    ramp: rampSchema.nullable(),
    owed: z.array(owedSchema),
    originVersion: originVersionSchema.nullable().describe('Null: not known.'),
    sinceMs: timeMs,
  })
  .meta({ id: 'Migration' })

const sideFiguresSchema: z.ZodType<SideFigures> = z.strictObject({
  requests: whole,
  errors: whole,
  p50Ms: z.number().nullable(),
  p99Ms: z.number().nullable().describe('Of the last minute; null: too few requests.'),
  isBreakerOpen: z.boolean(),
})

const shadowSchema: z.ZodType<ShadowFigures> = z.strictObject({
  sent: whole,
  matched: whole,
  mismatched: whole,
  tied: whole.describe('Answers of different versions: nothing can be said.'),
  dropped: whole,
  expired: whole,
  failed: whole,
  waiting: z.int().describe('More or less than at the beginning.'),
  unconfirmed: whole.describe(
    'Of those that were lost: differed at first, and could not be looked at again.',
  ),
  baseline: whole,
  unstable: whole,
})

const figuresSchema: z.ZodType<MigrationFigures> = z.strictObject({
  dataset: z.string(),
  origin: sideFiguresSchema,
  target: sideFiguresSchema,
  shadow: shadowSchema,
})

const guardSchema: z.ZodType<Guard> = z
  .strictObject({
    name: z.string(),
    outcome: z.enum(['PASS', 'FAIL', 'TOO_LITTLE']).describe('TOO_LITTLE: evidence for neither.'),
    figure: z.string(),
    bound: z.string(),
    advice: z.string(),
    isForceable: z.boolean(),
  })
  .meta({ id: 'Guard' })

export const planSchema: z.ZodType<MigrationPlan> = z
  .strictObject({
    dataset: z.string(),
    change: z.string(),
    from: stateSchema,
    to: stateSchema,
    movedShare: shareSchema.describe('Of the row keys: answered by another side than before.'),
    movedRequests: z
      .strictObject({
        share: shareSchema.nullable().describe('Null: no request was counted.'),
        requests: whole,
        sinceMs: timeMs,
      })
      .nullable()
      .describe('Of the requests, by who asked until now; null: no caller has a side of its own.'),
    guards: z.array(guardSchema),
    warnings: z.array(z.string()).describe('What is probably not meant so, though nothing forbids it.'),
    isAllowed: z.boolean(),
  })
  .meta({ id: 'MigrationPlan' })

export const reportSchema: z.ZodType<MigrationReport> = z
  .strictObject({
    dataset: z.string(),
    revision: whole,
    state: stateSchema,
    origin: z.string().nullable(),
    currentVersion: whole.nullable(),
    migration: migrationSchema,
    figures: figuresSchema,
    evidenceSinceMs: timeMs,
    plans: z.array(planSchema).describe('Of the moves that there are, the one onwards first.'),
  })
  .meta({ id: 'MigrationReport' })

export const explanationSchema: z.ZodType<Explanation> = z
  .strictObject({
    dataset: z.string(),
    state: stateSchema,
    epoch: whole,
    caller: z.string().nullable(),
    side: sideSchema,
    why: z.string(),
    reason: z.string(),
    bucket: z.int().min(0).max(9_999).nullable(),
    splitShare: shareSchema,
    fallback: sideSchema.nullable().describe('Who answers when that side cannot; null: nobody.'),
    alone: z.string().describe('Why nobody does; empty: somebody does, or the state has one side.'),
    answeredBy: sideSchema.nullable().describe('Who answers at this moment; null: neither side can.'),
    instead: z.string().describe('Why that is not the decided side; empty: it is.'),
    standInAfterMs: whole.describe(
      'The other side is asked as well after so long without an answer; 0: only on a failure.',
    ),
    hedgeAfterMs: whole.describe(
      'The origin is asked a second time after so long without an answer; 0: never.',
    ),
    origin: z.strictObject({ name: z.string(), isBreakerOpen: z.boolean() }).nullable(),
    shadowShare: shareSchema,
    baselineShare: shareSchema,
    version: whole.nullable(),
    isCanary: z.boolean(),
    token: z.string(),
    shard: whole,
    servedBy: z.string(),
  })
  .meta({ id: 'Explanation' })
