/** A load whose input is the request's body, for jobs that have no place in common with the gateway. */
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import type { Loads, UploadRequest } from '../model/load.js'
import { CHANGE_QUERY, changeContext } from './change-context.js'
import {
  type CheckedRequest,
  type BodyStream,
  param,
  queryFlag,
  type Route,
  type RouteAbout,
} from './http.js'
import { routeWithStream } from './http.js'
import { inputFields, loadSchema } from './load-schemas.js'

const QUERY = [
  ...CHANGE_QUERY,
  'format',
  'keyField',
  'column',
  'header',
  'publish',
  'maxBadLines',
  'onDuplicate',
  'minRatio',
  'force',
] as const

const CONTENT_TYPES = [
  'application/octet-stream',
  'application/x-ndjson',
  'text/csv',
  'text/tab-separated-values',
  'application/vnd.apache.parquet',
  'application/gzip',
  'application/zstd',
]

/** Files are recognised by their first bytes, so that content can be kept as it came. */
const ENCODINGS: ReadonlySet<string> = new Set(['identity', 'gzip', 'zstd'])

const UPLOAD: RouteAbout = {
  id: 'uploadLoad',
  role: 'operator',
  tag: 'loads',
  summary: 'Loads the body as a new version; answers when the body is on disk, the rest goes on behind it.',
  answer: z.strictObject({ dryRun: z.boolean(), load: loadSchema }),
  statuses: [200, 202],
  change: 'new',
}

const inputSchema = z.strictObject(inputFields)

export function uploadRoute(loads: Loads): Route {
  return routeWithStream(
    'POST',
    '/v1/datasets/:name/uploads',
    // How much is too much is the loader's to say.
    { query: QUERY, contentTypes: CONTENT_TYPES, maxBodyBytes: Number.MAX_SAFE_INTEGER, about: UPLOAD },
    async (request) => {
      const change = changeContext(request, undefined, 'optional')
      checkEncoding(request.headers['content-encoding'])
      const content = { bytes: request.body, sizeBytes: sizeOf(request.headers['content-length']) }
      const load = await loads.upload(uploadOf(request), content, change)
      return { status: change.isDryRun ? 200 : 202, body: { dryRun: change.isDryRun, load } }
    },
  )
}

function uploadOf(request: CheckedRequest<BodyStream>): UploadRequest {
  const { query } = request
  const names = (name: string): string[] | null => (query.has(name) ? query.getAll(name) : null)
  const given = {
    format: query.get('format') ?? undefined,
    keyField: query.get('keyField') ?? undefined,
    columns: names('column'),
    header: names('header'),
    publish: queryFlag(query, 'publish'),
    force: queryFlag(query, 'force'),
    onDuplicate: query.get('onDuplicate') ?? undefined,
    maxBadLines: numberOf(query.get('maxBadLines')),
    minRatio: numberOf(query.get('minRatio')),
  }
  const parsed = inputSchema.safeParse(given)
  if (parsed.success) return { dataset: param(request, 'name'), ...parsed.data }
  const faults = parsed.error.issues.map(({ path, message }) => `${path.map(String).join('.')}: ${message}`)
  throw new KVError('INVALID_ARGUMENT', `the query is not what is expected here: ${faults.join('; ')}`)
}

/** NaN, which no schema takes, for what is no number. */
function numberOf(text: string | null): number | undefined {
  return text === null ? undefined : text.trim() === '' ? NaN : Number(text)
}

function checkEncoding(encoding = 'identity'): void {
  if (ENCODINGS.has(encoding.toLowerCase())) return
  throw new KVError(
    'INVALID_ARGUMENT',
    `content-encoding ${encoding.slice(0, 60)} is not known; send the content as it is, or in gzip or zstd`,
  )
}

function sizeOf(header: string | undefined): number | null {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : null
}
