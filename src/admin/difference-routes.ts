/** What was seen of datasets that move: differences between their sides, and the last decisions. */
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import { DIFFERENCE_KINDS, type DifferenceReport, type FlightRecord } from '../model/difference.js'
import type { Metastore } from '../model/metastore.js'
import type { DifferenceAccess } from './difference-access.js'
import { param, route, wholeNumber, type Route, type RouteAbout } from './http.js'

/** As long as any record may be kept. */
const MAX_LAST_MS = Number.MAX_SAFE_INTEGER

const DEFAULT_FLIGHTS_MS = '10000'

const whole = z.int().min(0)

const groupSchema = z.strictObject({
  kind: z.enum(DIFFERENCE_KINDS),
  column: z.string().nullable().describe('Local key in base64; null: the row as a whole.'),
  count: whole,
  keys: whole.describe('Distinct row keys among them.'),
  firstAtMs: whole,
  lastAtMs: whole,
  versions: z.array(whole),
  callers: z.array(z.string()),
  answeredByTarget: whole.describe("Of how many the caller got the target's answer."),
  sampleKeys: z.array(z.string()).describe('Row keys in base64, the newest first.'),
  suggestedCause: z.string(),
})

const reportSchema: z.ZodType<DifferenceReport> = z.strictObject({
  dataset: z.string(),
  fromMs: whole,
  toMs: whole,
  total: whole,
  lost: whole.describe('Found and not recorded, or not readable, of all datasets since the gateway began.'),
  groups: z.array(groupSchema).describe('The largest first.'),
  otherGroups: whole.describe('Smaller groups, which are not shown.'),
})

const flightSchema: z.ZodType<FlightRecord> = z.strictObject({
  atMs: z.number(),
  dataset: z.string(),
  api: z.string(),
  caller: z.string().nullable(),
  keys: whole,
  key: z.string().nullable().describe('The first row key in base64, cut after its first bytes.'),
  isKeyCut: z.boolean(),
  side: z.enum(['ORIGIN', 'TARGET']),
  why: z.string(),
  bucket: whole.nullable(),
  hasFallenBack: z.boolean().describe('The other side answered in the end.'),
  isShadowed: z.boolean(),
  durationMs: z.number(),
  code: z.string().nullable(),
})

const DIFFERENCES: RouteAbout = {
  id: 'getDifferences',
  tag: 'migrations',
  summary: 'What shadow reads found to differ between the sides of a dataset, in groups.',
  answer: reportSchema,
}
const FLIGHTS: RouteAbout = {
  id: 'listFlights',
  tag: 'migrations',
  summary: 'The last decisions about requests for datasets that move, oldest first.',
  answer: z.strictObject({ flights: z.array(flightSchema) }),
}

export function differenceRoutes(
  access: DifferenceAccess,
  metastore: Pick<Metastore, 'get'>,
): readonly Route[] {
  return [
    route(
      'GET',
      '/v1/datasets/:name/differences',
      { query: ['lastMs'], about: DIFFERENCES },
      async (request) => {
        const name = param(request, 'name')
        checkDataset(metastore, name)
        const text = request.query.get('lastMs') ?? String(MAX_LAST_MS)
        const lastMs = wholeNumber(text, 'query parameter lastMs', [1, MAX_LAST_MS])
        return { status: 200, body: await access.differences(name, lastMs) }
      },
    ),
    route('GET', '/v1/flights', { query: ['dataset', 'lastMs'], about: FLIGHTS }, async ({ query }) => {
      const dataset = query.get('dataset')
      if (dataset !== null) checkDataset(metastore, dataset)
      const text = query.get('lastMs') ?? DEFAULT_FLIGHTS_MS
      const lastMs = wholeNumber(text, 'query parameter lastMs', [1, MAX_LAST_MS])
      return { status: 200, body: { flights: await access.flights(lastMs, dataset) } }
    }),
  ]
}

function checkDataset(metastore: Pick<Metastore, 'get'>, name: string): void {
  if (metastore.get(name) !== null) return
  throw new KVError('DATASET_NOT_FOUND', `no dataset is named ${name}: see dataset list`, { dataset: name })
}
