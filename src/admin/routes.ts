/** The admin API's table of routes. */
import { z } from 'zod'
import { archiveRoutes } from './archive-routes.js'
import type { AdminDependencies } from './dependencies.js'
import { clusterRoutes } from './cluster-routes.js'
import { datasetRoutes } from './dataset-routes.js'
import { differenceRoutes } from './difference-routes.js'
import { livenessAnswer, readinessAnswer } from './health.js'
import { route, wholeNumber, type Route, type RouteAbout } from './http.js'
import { jobRoutes } from './job-routes.js'
import { loadRoutes } from './load-routes.js'
import { migrationRoutes } from './migration-routes.js'
import { openApiDocument } from './openapi.js'
import { rowRoutes } from './row-routes.js'
import { versionRoutes } from './version-routes.js'
import { auditLineSchema, statusSchema } from './schemas.js'
import { snapshotRoutes } from './snapshot-routes.js'
import { usageRoutes } from './usage-routes.js'

const DEFAULT_AUDIT_LINES = '100'
const MAX_AUDIT_LINES = 1_000
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

const LIVENESS: RouteAbout = {
  id: 'getLiveness',
  tag: 'gateway',
  summary: 'Whether the process answers.',
  answer: z.strictObject({ status: z.literal('ok') }),
  isOpen: true,
}
const READINESS: RouteAbout = {
  id: 'getReadiness',
  tag: 'gateway',
  summary: 'Whether requests should be sent here, and what speaks against it.',
  answer: z.strictObject({ status: z.enum(['ready', 'not ready']), reasons: z.array(z.string()) }),
  statuses: [200, 503],
  isOpen: true,
}
const METRICS: RouteAbout = {
  id: 'getMetrics',
  tag: 'gateway',
  summary: "Metrics of all threads, in Prometheus' text format.",
  answer: METRICS_TYPE,
}
const STATUS: RouteAbout = {
  id: 'getStatus',
  tag: 'gateway',
  summary: 'Version, listeners, datasets and what is wrong with them.',
  answer: statusSchema,
}
const AUDIT: RouteAbout = {
  id: 'listAuditLines',
  tag: 'gateway',
  summary: 'Who changed what, when and why, newest first.',
  answer: z.strictObject({ lines: z.array(auditLineSchema) }),
}
const DESCRIPTION: RouteAbout = {
  id: 'getDescription',
  tag: 'gateway',
  summary: 'This description.',
  answer: z.looseObject({ openapi: z.string() }),
}

export function adminRoutes(dependencies: AdminDependencies): readonly Route[] {
  const { metastore } = dependencies
  const routes = [
    ...gatewayRoutes(dependencies),
    route('GET', '/v1/audit', { query: ['limit'], about: AUDIT }, ({ query }) => {
      const text = query.get('limit') ?? DEFAULT_AUDIT_LINES
      const limit = wholeNumber(text, 'query parameter limit', [1, MAX_AUDIT_LINES])
      return { status: 200, body: { lines: metastore.audit(limit) } }
    }),
    ...datasetRoutes(metastore),
    ...versionRoutes(metastore),
    ...migrationRoutes(dependencies.migrations),
    ...clusterRoutes(metastore),
    ...rowRoutes(dependencies.rows),
    ...loadRoutes(dependencies.loads),
    ...archiveRoutes(dependencies.jobs.archives),
    ...snapshotRoutes(dependencies.jobs.snapshots),
    ...jobRoutes(dependencies.jobs.jobs),
    ...usageRoutes(dependencies.usage),
    ...differenceRoutes(dependencies.differences, metastore),
  ]
  return [...routes, descriptionRoute(routes, dependencies)]
}

function gatewayRoutes(dependencies: AdminDependencies): readonly Route[] {
  return [
    route('GET', '/healthz', { about: LIVENESS }, livenessAnswer),
    route('GET', '/readyz', { about: READINESS }, () => readinessAnswer(dependencies.readiness())),
    route('GET', '/metrics', { about: METRICS }, async () => ({
      status: 200,
      body: await dependencies.renderMetrics(),
      headers: { 'content-type': METRICS_TYPE },
    })),
    route('GET', '/v1/status', { about: STATUS }, () => ({ status: 200, body: dependencies.status() })),
  ]
}

/** Made when it is first asked for: most gateways are never asked. */
function descriptionRoute(routes: readonly Route[], dependencies: AdminDependencies): Route {
  let document: object | null = null
  const described: Route = route('GET', '/openapi.json', { about: DESCRIPTION }, () => {
    document ??= openApiDocument([...routes, described], dependencies.status().version)
    return { status: 200, body: document }
  })
  return described
}
