/** Bulk loads: start one, see how far it is. */
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Loads } from '../model/operations.js'
import { CHANGE_QUERY, changeContext, changeFields } from './change-context.js'
import { errorAnswer } from './http-errors.js'
import { param, route, routeWithBody, type Route } from './http.js'

const MAX_BAD_LINES = 1_000_000_000

const startBody = z.strictObject({
  ...changeFields,
  path: z
    .string()
    .max(4_096)
    .refine((path) => isAbsolute(path) && !path.includes('\0'), {
      error: "expected an absolute path on the gateway's machine",
    }),
  format: z.enum(['ndjson']).default('ndjson'),
  keyField: z.string().max(limits.maxLocalKeyBytes),
  columns: z
    .array(z.string().max(limits.maxLocalKeyBytes))
    .min(1)
    .max(limits.maxCellsPerRow)
    .nullable()
    .default(null),
  publish: z.boolean().default(false),
  maxBadLines: z.int().min(0).max(MAX_BAD_LINES).default(0),
})

export function loadRoutes(loads: Loads): readonly Route[] {
  return [
    routeWithBody(
      'POST',
      '/v1/datasets/:name/loads',
      { query: CHANGE_QUERY, body: startBody },
      async (request) => {
        const { actor, reason, ...input } = request.body
        const change = changeContext(request, { actor, reason }, 'optional')
        const load = await loads.start({ dataset: param(request, 'name'), ...input }, change)
        return { status: change.isDryRun ? 200 : 202, body: { dryRun: change.isDryRun, load } }
      },
    ),
    route('GET', '/v1/loads', {}, () => ({ status: 200, body: { loads: loads.list() } })),
    route('GET', '/v1/loads/:id', {}, (request) => {
      const id = param(request, 'id')
      const load = loads.get(id)
      if (load !== null) return { status: 200, body: { load } }
      const message = `no load "${id}" is known; finished ones are forgotten after a while and at a restart`
      return errorAnswer(new KVError('INVALID_ARGUMENT', message), 404)
    }),
  ]
}
