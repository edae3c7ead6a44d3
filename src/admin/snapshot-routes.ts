/** Snapshots of live data: take one, make a dataset of one. */
import { z } from 'zod'
import { CHANGE_QUERY, changeContext, changeFields } from './change-context.js'
import { param, routeWithBody, type Route, type RouteAbout } from './http.js'
import type { Snapshots } from './job-access.js'
import { startedJob, startedJobSchema } from './job-routes.js'

const JOB = { tag: 'snapshots', answer: startedJobSchema, statuses: [200, 202], change: 'new' } as const

const CREATE: RouteAbout = {
  ...{ ...JOB, id: 'createSnapshot', role: 'operator' },
  summary: 'Exports a READ_WRITE dataset as it is at one point in time.',
}
const IMPORT: RouteAbout = {
  ...{ ...JOB, id: 'importSnapshot' },
  summary: 'Makes a new READ_WRITE dataset of a snapshot.',
}

const createBody = z.strictObject({
  ...changeFields,
  to: z.string().min(1).max(4_096),
  format: z.enum(['ndjson', 'parquet']).default('ndjson'),
})

const importBody = z.strictObject({
  ...changeFields,
  from: z.string().min(1).max(4_096),
  name: z.string(),
  owner: z.strictObject({ name: z.string(), contact: z.string() }),
  description: z.string().nullable().default(null),
  shardCount: z.int().min(1).max(1_024).nullable().default(null),
})

export function snapshotRoutes(snapshots: Snapshots): readonly Route[] {
  return [
    routeWithBody(
      'POST',
      '/v1/datasets/:name/snapshots',
      { query: CHANGE_QUERY, body: createBody, about: CREATE },
      (request) => {
        const { actor, reason, ...input } = request.body
        const change = changeContext(request, { actor, reason }, 'optional')
        const job = snapshots.create({ dataset: param(request, 'name'), ...input }, change)
        return startedJob(job, change.isDryRun)
      },
    ),
    routeWithBody(
      'POST',
      '/v1/imports',
      { query: CHANGE_QUERY, body: importBody, about: IMPORT },
      async (request) => {
        const { actor, reason, ...input } = request.body
        const change = changeContext(request, { actor, reason }, 'optional')
        return startedJob(await snapshots.import(input, change), change.isDryRun)
      },
    ),
  ]
}
