/** Jobs: see how far they are, end one. */
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import type { JobBoard, JobStatus } from '../base/jobs.js'
import { errorAnswer } from './http-errors.js'
import { type HttpAnswer, param, route, type Route, type RouteAbout } from './http.js'
import { errorCodeSchema } from './schemas.js'

const whole = z.int().min(0)

export const jobSchema: z.ZodType<JobStatus> = z
  .strictObject({
    id: z.string(),
    kind: z.enum(['ARCHIVE', 'RESTORE', 'PURGE', 'DIFF', 'SNAPSHOT', 'IMPORT']),
    dataset: z.string(),
    subject: z.string().describe('What it is about: a version, a URL.'),
    state: z.enum(['PLANNED', 'QUEUED', 'RUNNING', 'DONE', 'FAILED']),
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
  tag: 'snapshots',
  summary: 'Archives, restores, comparisons and snapshots, newest first.',
  answer: z.strictObject({ jobs: z.array(jobSchema) }),
}
const GET: RouteAbout = {
  id: 'getJob',
  tag: 'snapshots',
  summary: 'How far one job is.',
  answer: z.strictObject({ job: jobSchema }),
}
const CANCEL: RouteAbout = {
  id: 'cancelJob',
  role: 'operator',
  tag: 'snapshots',
  summary: 'Ends a job; what it was about stays as it was.',
  answer: z.strictObject({ job: jobSchema }),
  statuses: [202],
}

export function jobRoutes(jobs: JobBoard): readonly Route[] {
  return [
    route('GET', '/v1/jobs', { about: LIST }, () => ({ status: 200, body: { jobs: jobs.list() } })),
    route('GET', '/v1/jobs/:id', { about: GET }, (request) => {
      const id = param(request, 'id')
      const job = jobs.get(id)
      return job === null ? unknownJob(id) : { status: 200, body: { job } }
    }),
    route('DELETE', '/v1/jobs/:id', { about: CANCEL }, (request) => {
      const id = param(request, 'id')
      return jobs.get(id) === null ? unknownJob(id) : { status: 202, body: { job: jobs.cancel(id) } }
    }),
  ]
}

export function startedJob(job: JobStatus, isDryRun = false): HttpAnswer {
  return { status: isDryRun ? 200 : 202, body: { dryRun: isDryRun, job } }
}

function unknownJob(id: string): HttpAnswer {
  const message = `no job "${id}" is known; finished ones are forgotten after a while and at a restart`
  return errorAnswer(new KVError('INVALID_ARGUMENT', message), 404)
}
