/** A request and an answer of the admin API, free of the HTTP library, and how a route is written down. */
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Principal, Role } from './access.js'

export type HttpMethod = 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE'

export interface HttpRequest {
  /** Names the request in its answer and in log lines. */
  readonly id: string
  /** Percent-decoded parts of the path, by name. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Whose token it carries; null: this gateway knows no tokens. */
  readonly principal: Principal | null
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown
}

export interface HttpAnswer {
  readonly status: number
  /**
   * Text is sent as it is, a stream as fast as it is read, everything else as JSON with 64-bit integers as strings. A
   * stream that fails cuts the connection, so that nobody takes a part for the whole.
   */
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
  /** Content types of a body that is handed on as it arrives; null: the body is JSON, or there is none. */
  readonly streams: readonly string[] | null
  /** What the JSON body must be; null: there is none. */
  readonly bodySchema: z.ZodType | null
  readonly about: RouteAbout
  handle(request: HttpRequest): Promise<HttpAnswer>
}

export const ROUTE_TAGS = [
  'gateway',
  'datasets',
  'versions',
  'migrations',
  'clusters',
  'loads',
  'jobs',
  'snapshots',
  'rows',
] as const
export type RouteTag = (typeof ROUTE_TAGS)[number]

/** What the API's description says of a route beyond its path, query and body. */
export interface RouteAbout {
  /** Unique name of the operation: `publishVersion`. */
  readonly id: string
  readonly tag: RouteTag
  /** One sentence. */
  readonly summary: string
  /** What a success answers: the JSON's schema, or the content type of what is no JSON. */
  readonly answer: z.ZodType | string
  /** Statuses of a success; default: 200. */
  readonly statuses?: readonly number[]
  /**
   * What it does to metadata. `new`: makes something, `revision`: changes a record, so that If-Match is required,
   * `either`: whichever it is; all take an actor and a reason. Default: nothing.
   */
  readonly change?: 'new' | 'revision' | 'either'
  /** Who may, where tokens are known. Default: viewers what only looks, admins everything else. */
  readonly role?: Role
  /** Supervisors ask it, who have no token. */
  readonly isOpen?: boolean
}

/** Who may use a route, where tokens are known. */
export function roleOf({ method, about }: Route): Role {
  return about.role ?? (method === 'GET' ? 'viewer' : 'admin')
}

export interface RouteOptions<Body> {
  readonly query?: readonly string[]
  readonly body?: z.ZodType<Body>
  readonly maxBodyBytes?: number
  readonly about: RouteAbout
}

/** A request whose query names and body were checked. */
export interface CheckedRequest<Body> extends HttpRequest {
  readonly body: Body
}

/** A route without a body. */
export function route(
  method: HttpMethod,
  path: string,
  options: { readonly query?: readonly string[]; readonly about: RouteAbout },
  handle: (request: CheckedRequest<undefined>) => HttpAnswer | Promise<HttpAnswer>,
): Route {
  const made = routeWithBody(method, path, { ...options, body: noBody }, handle)
  return { ...made, bodySchema: null }
}

const noBody = z.undefined()

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
    streams: null,
    bodySchema: options.body,
    about: options.about,
    async handle(request) {
      checkQuery(request.query, query)
      return handle({ ...request, body: checkBody(options.body, request.body) })
    },
  }
}

/** Bytes of a body as they arrive; rejects with a KVError when they stop, are too many or the client is gone. */
export type BodyStream = AsyncIterable<Buffer>

export interface StreamOptions {
  readonly query?: readonly string[]
  /** None that a page of another origin may send without asking: text/plain and forms. */
  readonly contentTypes: readonly string[]
  readonly maxBodyBytes: number
  readonly about: RouteAbout
}

/** A route whose body is handed on as it arrives, for bodies that are larger than memory. */
export function routeWithStream(
  method: 'PUT' | 'POST',
  path: string,
  options: StreamOptions,
  handle: (request: CheckedRequest<BodyStream>) => Promise<HttpAnswer>,
): Route {
  const query = options.query ?? []
  return {
    method,
    path,
    query,
    maxBodyBytes: options.maxBodyBytes,
    streams: options.contentTypes,
    bodySchema: null,
    about: options.about,
    async handle(request) {
      checkQuery(request.query, query)
      // The server makes it one for every route with content types.
      return handle({ ...request, body: request.body as BodyStream })
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
  const [text = null, ...others] = query.getAll(name)
  if (others.length > 0) throw new KVError('INVALID_ARGUMENT', `query parameter ${name} stands there twice`)
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
