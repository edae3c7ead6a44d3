/** The admin API's table of routes. */
import type { AdminDependencies } from './dependencies.js'
import { datasetRoutes } from './dataset-routes.js'
import { livenessAnswer, readinessAnswer } from './health.js'
import { route, wholeNumber, type Route } from './http.js'
import { loadRoutes } from './load-routes.js'
import { rowRoutes } from './row-routes.js'

const DEFAULT_AUDIT_LINES = '100'
const MAX_AUDIT_LINES = 1_000

export function adminRoutes(dependencies: AdminDependencies): readonly Route[] {
  const { metastore } = dependencies
  return [
    route('GET', '/healthz', {}, livenessAnswer),
    route('GET', '/readyz', {}, () => readinessAnswer(dependencies.readiness())),
    route('GET', '/metrics', {}, async () => ({
      status: 200,
      body: await dependencies.renderMetrics(),
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    })),
    route('GET', '/v1/status', {}, () => ({ status: 200, body: dependencies.status() })),
    route('GET', '/v1/audit', { query: ['limit'] }, ({ query }) => {
      const text = query.get('limit') ?? DEFAULT_AUDIT_LINES
      const limit = wholeNumber(text, 'query parameter limit', [1, MAX_AUDIT_LINES])
      return { status: 200, body: { lines: metastore.audit(limit) } }
    }),
    ...datasetRoutes(metastore),
    ...rowRoutes(dependencies.rows),
    ...loadRoutes(dependencies.loads),
  ]
}
