/** Jobs: see how far they are, end one. */
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import { JOB_KINDS, JOB_STATES, type JobBoard, type JobStatus } from '../base/job.js'
import { CHANGE_QUERY, changeBody, changeContext } from './change-context.js'
import { errorAnswer } from './http-errors.js'
import { type HttpAnswer, param, route, type Route, type RouteAbout, routeWithBody } from './http.js'
import { errorCodeSchema } from './schemas.js'

const whole = z.int().min(0)

export const jobSchema: z.ZodType<JobStatus> = z
  .strictObject({
    id: z.string(),
    kind: z.enum(JOB_KINDS),
    dataset: z.string(),
    subject: z.string().describe('What it is about: a version, a URL.'),
    state: z.enum(JOB_STATES),
    progress: z.strictObject({
      step: z.string(),
      done: whole,
      total: whole.nullable().describe('Null: not known.'),
      unit: z.enum(['bytes', 'rows']),
    }),
    result: z.unknown().describe('What this kind of job answers when it is DONE; null before.'),
    error: z.strictObject({ code: errorCodeSchema, message: z.string() }).nullable(),
    startedAtMs: whole,
    endedAtMs: whole.nullable(),
  })
  .meta({ id: 'Job' })

/** A job that was started, or with a dry run would have been. */
export const startedJobSchema = z.strictObject({ dryRun: z.boolean(), job: jobSchema })

const LIST: RouteAbout = {
  id: 'listJobs',
  tag: 'jobs',
  summary: 'Loads, archives, restores, comparisons and snapshots, newest first.',
  answer: z.strictObject({ jobs: z.array(jobSchema) }),
}
const GET: RouteAbout = {
  id: 'getJob',
  tag: 'jobs',
  summary: 'How far one job is, or how it ended; of a load, GET /v1/loads/:id says more.',
  answer: z.strictObject({ job: jobSchema }),
}
const CANCEL: RouteAbout = {
  id: 'cancelJob',
  role: 'operator',
  tag: 'jobs',
  summary: 'Ends a job, and answers when it has ended; what it was about stays as it was.',
  answer: startedJobSchema,
  change: 'new',
}

export function jobRoutes(jobs: JobBoard): readonly Route[] {
  return [
    route('GET', '/v1/jobs', { about: LIST }, () => ({ status: 200, body: { jobs: jobs.list() } })),
    route('GET', '/v1/jobs/:id', { about: GET }, (request) => {
      const id = param(request, 'id')
      const job = jobs.get(id)
      return job === null ? unknownJob(id) : { status: 200, body: { job } }
    }),
    routeWithBody(
      'POST',
      '/v1/jobs/:id/cancel',
      { query: CHANGE_QUERY, body: changeBody, about: CANCEL },
      async (request) => {
        const { isDryRun: dryRun } = changeContext(request, request.body, 'optional')
        const id = param(request, 'id')
        const known = jobs.get(id)
        if (known === null) return unknownJob(id)
        return { status: 200, body: { dryRun, job: dryRun ? known : await jobs.cancel(id) } }
      },
    ),
  ]
}

export function startedJob(job: JobStatus, isDryRun = false): HttpAnswer {
  return { status: isDryRun ? 200 : 202, body: { dryRun: isDryRun, job } }
}

function unknownJob(id: string): HttpAnswer {
  const message = `no job "${id}" is known; finished ones are forgotten after a while and at a restart`
  return errorAnswer(new KVError('INVALID_ARGUMENT', message), 404)
}
