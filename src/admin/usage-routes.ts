/** Who calls what, and which columns are asked for. */
import { z } from 'zod'
import type { AdviceReport, Estimate, UsageReport } from '../base/usage.js'
import { param, route, type Route, type RouteAbout } from './http.js'
import type { UsageAccess } from './usage-access.js'

const whole = z.int().min(0)
const caller = z.string().nullable().describe('As it names itself; null: it does not.')

const usageSchema: z.ZodType<UsageReport> = z.strictObject({
  sinceMs: whole.describe('Since when calls are counted; kept over restarts.'),
  rows: z
    .array(
      z.strictObject({
        api: z.string(),
        method: z.string(),
        dataset: z.string().describe('Empty: one that does not exist.'),
        caller,
        address: z.string().describe('Empty: not known.'),
        count: whole,
        lastSeenAtMs: whole,
      }),
    )
    .describe('Last seen first.'),
  forgottenRows: whole.describe('Left out because there were too many, those that were seen longest ago.'),
})

const estimate: z.ZodType<Estimate> = z
  .strictObject({ mean: z.number(), low: z.number(), high: z.number() })
  .describe('A mean, and the interval that holds it with a certainty of 95 %.')
  .meta({ id: 'Estimate' })

const adviceSchema: z.ZodType<AdviceReport> = z.strictObject({
  dataset: z.string(),
  sinceMs: whole.describe('Since when requests are sampled: the start of the gateway.'),
  sampledRequests: whole,
  rows: whole.describe('Stored rows that were looked at for the sizes of columns.'),
  areRowsRandom: z.boolean().describe('False: they are the first ones of an ordered dataset.'),
  columns: z.array(
    z.strictObject({
      column: z.string(),
      presence: z.number().describe('Share of the looked-at rows that have it.'),
      bytes: estimate.describe('Of name and value in a row.'),
      requests: whole.describe('Sampled requests that named it.'),
      shareAtMost: z.number().describe('No greater share of requests names it, with a certainty of 95 %.'),
      readers: z.array(z.string()),
    }),
  ),
  readers: z.array(
    z.strictObject({
      api: z.string(),
      caller,
      requests: whole.describe('Sampled ones.'),
      whole: whole.describe('Of them, those for all columns or ranges of them.'),
      unnamed: whole.describe('Of them, those for the unnamed value alone.'),
      columns: z.array(z.string()).describe('That the others name.'),
      bytesNow: estimate.nullable().describe('Of a row, in requests that name no columns.'),
      bytesProjected: estimate
        .nullable()
        .describe('The same, were only those columns read that any caller names; null: none is named.'),
      saved: estimate.nullable(),
    }),
  ),
})

const USAGE: RouteAbout = {
  id: 'getUsage',
  tag: 'gateway',
  summary: 'Who called which API and method, on which dataset, from where, how often, and when last.',
  answer: usageSchema,
}
const ADVICE: RouteAbout = {
  id: 'getAdvice',
  tag: 'datasets',
  summary: 'Which columns sampled requests ask for, and what reading only those would save.',
  answer: adviceSchema,
}

export function usageRoutes(access: UsageAccess): readonly Route[] {
  return [
    route('GET', '/v1/usage', { query: ['dataset'], about: USAGE }, async ({ query }) => ({
      status: 200,
      body: await access.usage(query.get('dataset')),
    })),
    route('GET', '/v1/datasets/:name/advice', { about: ADVICE }, async (request) => ({
      status: 200,
      body: await access.advice(param(request, 'name')),
    })),
  ]
}
