/** A request and an answer of the admin API, free of the HTTP library, and how a route is written down. */
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'

export type HttpMethod = 'GET' | 'PUT' | 'POST' | 'DELETE'

export interface HttpRequest {
  /** Percent-decoded parts of the path, by name. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown
}

export interface HttpAnswer {
  readonly status: number
  /** Text is sent as it is, everything else as JSON with 64-bit integers as strings. */
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface Route {
  readonly method: HttpMethod
  /** `/v1/datasets/:name`. */
  readonly path: string
  /** Names that may stand in the query; any other is refused, so that a misspelt dryRun changes nothing. */
  readonly query: readonly string[]
  readonly maxBodyBytes: number
  handle(request: HttpRequest): Promise<HttpAnswer>
}

export interface RouteOptions<Body> {
  readonly query?: readonly string[]
  readonly body?: z.ZodType<Body>
  readonly maxBodyBytes?: number
}

/** A request whose query names and body were checked. */
export interface CheckedRequest<Body> extends HttpRequest {
  readonly body: Body
}

const noBody = z.undefined()

/** A route without a body. */
export function route(
  method: HttpMethod,
  path: string,
  options: { readonly query?: readonly string[] },
  handle: (request: CheckedRequest<undefined>) => HttpAnswer | Promise<HttpAnswer>,
): Route {
  return routeWithBody(method, path, { ...options, body: noBody }, handle)
}

/** A route whose body is checked before its handler sees it. */
export function routeWithBody<Body>(
  method: HttpMethod,
  path: string,
  options: RouteOptions<Body> & { readonly body: z.ZodType<Body> },
  handle: (request: CheckedRequest<Body>) => HttpAnswer | Promise<HttpAnswer>,
): Route {
  const query = options.query ?? []
  return {
    method,
    path,
    query,
    maxBodyBytes: options.maxBodyBytes ?? limits.maxAdminBodyBytes,
    async handle(request) {
      checkQuery(request.query, query)
      return handle({ ...request, body: checkBody(options.body, request.body) })
    },
  }
}

function checkQuery(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys()) {
    if (known.includes(name)) continue
    const allowed = known.length === 0 ? 'none is allowed here' : `allowed: ${known.join(', ')}`
    throw new KVError('INVALID_ARGUMENT', `unknown query parameter "${name}"; ${allowed}`)
  }
}

function checkBody<Body>(schema: z.ZodType<Body>, body: unknown): Body {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map(
    ({ path, message }) => `${path.length === 0 ? 'body' : path.map(String).join('.')}: ${message}`,
  )
  throw new KVError(
    'INVALID_ARGUMENT',
    `the request's body is not what is expected here: ${faults.join('; ')}`,
  )
}

/** `true` or `false`; absent is false. */
export function queryFlag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name)
  if (text === null || text === 'false') return false
  if (text === 'true') return true
  throw new KVError('INVALID_ARGUMENT', `query parameter ${name} is neither true nor false`)
}

/** A whole number from `min` to `max`. */
export function wholeNumber(text: string, name: string, [min, max]: readonly [number, number]): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN
  if (!(value >= min && value <= max)) {
    throw new KVError('INVALID_ARGUMENT', `${name} is not a whole number from ${min} to ${max}`)
  }
  return value
}

/** Route parameters exist by the route's path; a missing one is a fault of the table. */
export function param(request: HttpRequest, name: string): string {
  const value = request.params[name]
  if (value === undefined) throw new TypeError(`the route has no parameter ${name}`)
  return value
}
