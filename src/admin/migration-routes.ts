/** Migrations: how one is, what the next move would need, its dials, moves and ramp; and where a read of one key goes. */
import { z } from 'zod'
import { limits } from '../base/limits.js'
import type { MigrationMove, MigrationOutcome } from '../model/migration-plan.js'
import { keyEncodingOf, textToBytes } from './bytes-json.js'
import { CHANGE_QUERY, changeContext, changeFields } from './change-context.js'
import { etag } from './dataset-routes.js'
import type { CheckedRequest, HttpAnswer, Route, RouteAbout } from './http.js'
import { param, route, routeWithBody } from './http.js'
import type { MigrationAccess, MigrationBy } from './migration-access.js'
import { explanationSchema, planSchema, reportSchema, shareSchema } from './migration-schemas.js'
import { datasetSchema } from './schemas.js'

const PATH = '/v1/datasets/:name/migration'

const forcible = {
  ...changeFields,
  force: z.boolean().exactOptional().describe('Past guards that may be forced; the audit names them.'),
}
const moveBody = z.strictObject(forcible).optional()
const dialsBody = z.strictObject({
  ...forcible,
  shadowShare: shareSchema.exactOptional(),
  baselineShare: shareSchema.exactOptional(),
  splitShare: shareSchema.exactOptional(),
  splitCallers: z
    .array(z.string().min(1).max(limits.maxNameLength))
    .max(limits.maxSplitCallers)
    .exactOptional(),
})
const stepSchema = shareSchema.min(1).describe('In hundredths of a percent, and not nothing.')
const rampBody = z.strictObject({
  ...forcible,
  toShare: stepSchema,
  stepShare: stepSchema,
  everyMs: z.int().min(limits.minRampStepMs).max(limits.maxRampStepMs),
})
const originVersionBody = z.strictObject({
  ...forcible,
  versionId: z.int().min(1).nullable().describe('As the target names it; null: not known any more.'),
})

const outcomeSchema = z.strictObject({
  dryRun: z.boolean(),
  plan: planSchema,
  dataset: datasetSchema,
  adoptedAfterMs: z
    .number()
    .nullable()
    .describe('Until every thread routed by it; null: not changed, or some do not route by it yet.'),
})
const CHANGES = { tag: 'migrations', answer: outcomeSchema, change: 'revision', role: 'operator' } as const

const GET: RouteAbout = {
  ...{ id: 'getMigration', tag: 'migrations' },
  summary: 'How the migration of a dataset is, what was seen, and what each move from here would need.',
  answer: z.strictObject({ migration: reportSchema }),
}
const MOVES: Readonly<Record<Exclude<MigrationMove, 'end'>, RouteAbout>> = {
  switch: { ...CHANGES, id: 'switchMigration', summary: 'Moves the migration on by one state.' },
  revert: { ...CHANGES, id: 'revertMigration', summary: 'Moves the migration back by one state.' },
  abort: {
    ...CHANGES,
    id: 'abortMigration',
    summary: 'Gives the migration up: the origin answers alone again.',
  },
  complete: {
    ...{ ...CHANGES, id: 'completeMigration', role: 'admin' },
    summary: 'Ends the migration: the origin is forgotten, and there is no way back.',
  },
}
const DIAL: RouteAbout = {
  ...CHANGES,
  id: 'dialMigration',
  summary: 'Sets the shares of shadow reads and of keys, and the callers, that the target answers.',
}
const START_RAMP: RouteAbout = {
  ...CHANGES,
  id: 'startRamp',
  summary: 'Raises the split step by step, on evidence, and back by itself on a breach.',
}
const STOP_RAMP: RouteAbout = { ...CHANGES, id: 'stopRamp', summary: 'Ends the ramp where it is.' }
const SET_ORIGIN_VERSION: RouteAbout = {
  ...CHANGES,
  id: 'setOriginVersion',
  summary: 'Says which version the origin serves, where no load through the gateway says so.',
}
const EXPLAIN: RouteAbout = {
  ...{ id: 'explainRead', tag: 'migrations', role: 'operator' },
  summary: 'Where a read of this key goes now, and why.',
  answer: z.strictObject({ explanation: explanationSchema }),
}

export function migrationRoutes(migrations: MigrationAccess): readonly Route[] {
  const moves = Object.entries(MOVES) as [keyof typeof MOVES, RouteAbout][] // its own keys
  return [
    route('GET', PATH, { about: GET }, async (request) => ({
      status: 200,
      body: { migration: await migrations.report(param(request, 'name')) },
    })),
    ...moves.map(([move, about]) =>
      routeWithBody(
        'POST',
        `${PATH}/${move}`,
        { query: CHANGE_QUERY, body: moveBody, about },
        async (request) => changed(request, (by) => migrations.move(param(request, 'name'), move, by)),
      ),
    ),
    routeWithBody(
      'PUT',
      `${PATH}/dials`,
      { query: CHANGE_QUERY, body: dialsBody, about: DIAL },
      (request) => {
        const { shadowShare, baselineShare, splitShare, splitCallers } = request.body
        const dials = {
          ...(shadowShare !== undefined && { shadowShare }),
          ...(baselineShare !== undefined && { baselineShare }),
          ...(splitShare !== undefined && { splitShare }),
          ...(splitCallers !== undefined && { splitCallers }),
        }
        return changed(request, (by) => migrations.dial(param(request, 'name'), dials, by))
      },
    ),
    routeWithBody(
      'PUT',
      `${PATH}/ramp`,
      { query: CHANGE_QUERY, body: rampBody, about: START_RAMP },
      (request) => {
        const { toShare, stepShare, everyMs } = request.body
        const ramp = { toShare, stepShare, everyMs }
        return changed(request, (by) => migrations.startRamp(param(request, 'name'), ramp, by))
      },
    ),
    routeWithBody(
      'DELETE',
      `${PATH}/ramp`,
      { query: CHANGE_QUERY, body: moveBody, about: STOP_RAMP },
      (request) => changed(request, (by) => migrations.stopRamp(param(request, 'name'), by)),
    ),
    routeWithBody(
      'PUT',
      `${PATH}/originVersion`,
      { query: CHANGE_QUERY, body: originVersionBody, about: SET_ORIGIN_VERSION },
      (request) =>
        changed(request, (by) =>
          migrations.setOriginVersion(param(request, 'name'), request.body.versionId, by),
        ),
    ),
    explainRoute(migrations),
  ]
}

function explainRoute(migrations: MigrationAccess): Route {
  const path = '/v1/datasets/:name/explain/:key'
  return route('GET', path, { query: ['caller', 'keyEncoding'], about: EXPLAIN }, (request) => {
    const rowKey = textToBytes(param(request, 'key'), keyEncodingOf(request.query), 'the key')
    const explanation = migrations.explain(param(request, 'name'), rowKey, request.query.get('caller'))
    return { status: 200, body: { explanation } }
  })
}

type ChangeBody = z.infer<typeof moveBody>

async function changed(
  request: CheckedRequest<ChangeBody>,
  act: (by: MigrationBy) => Promise<MigrationOutcome>,
): Promise<HttpAnswer> {
  const change = changeContext(request, request.body, 'required')
  const outcome = await act({ change, isForced: request.body?.force ?? false })
  const headers = change.isDryRun ? {} : etag(outcome.dataset)
  return { status: 200, headers, body: { dryRun: change.isDryRun, ...outcome } }
}
