/** Bulk loads: start one, see how far it is, end it. */
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import type { Loads } from '../model/load.js'
import { CHANGE_QUERY, changeBody, changeContext, changeFields } from './change-context.js'
import { explodeBody, toExplode } from './explode-body.js'
import { errorAnswer } from './http-errors.js'
import { type HttpAnswer, param, route, type RouteAbout, routeWithBody, type Route } from './http.js'
import { fromField, inputFields, loadSchema } from './load-schemas.js'
import { uploadRoute } from './upload-routes.js'

const startBody = z.strictObject({
  ...changeFields,
  from: fromField,
  ...inputFields,
  explode: explodeBody
    .nullable()
    .optional()
    .describe(
      'Absent: of HFiles what the dataset says of its values; null: nothing of them becomes columns.',
    ),
})

const START: RouteAbout = {
  id: 'startLoad',
  role: 'operator',
  tag: 'loads',
  summary:
    'Loads files that the gateway can read as a new version; answers at once, the rest goes on behind it.',
  answer: z.strictObject({ dryRun: z.boolean(), load: loadSchema }),
  statuses: [200, 202],
  change: 'new',
}
const LIST: RouteAbout = {
  id: 'listLoads',
  tag: 'loads',
  summary: 'Loads, newest first; finished ones are forgotten after a while and at a restart.',
  answer: z.strictObject({ loads: z.array(loadSchema) }),
}
const GET: RouteAbout = {
  id: 'getLoad',
  tag: 'loads',
  summary: 'How far a load is, or how it ended.',
  answer: z.strictObject({ load: loadSchema }),
}
const CANCEL: RouteAbout = {
  id: 'cancelLoad',
  role: 'operator',
  tag: 'loads',
  summary:
    'Ends a load that is uploaded, waits or builds, and removes what it wrote; answers when it has ended.',
  answer: z.strictObject({ dryRun: z.boolean(), load: loadSchema }),
  change: 'new',
}

export function loadRoutes(loads: Loads): readonly Route[] {
  return [
    routeWithBody(
      'POST',
      '/v1/datasets/:name/loads',
      { query: CHANGE_QUERY, body: startBody, about: START },
      async (request) => {
        const { actor, reason, explode, ...input } = request.body
        const change = changeContext(request, { actor, reason }, 'optional')
        const wish = explode === undefined ? {} : { explode: explode === null ? null : toExplode(explode) }
        const load = await loads.start({ dataset: param(request, 'name'), ...input, ...wish }, change)
        return { status: change.isDryRun ? 200 : 202, body: { dryRun: change.isDryRun, load } }
      },
    ),
    uploadRoute(loads),
    route('GET', '/v1/loads', { about: LIST }, () => ({ status: 200, body: { loads: loads.list() } })),
    route('GET', '/v1/loads/:id', { about: GET }, (request) => {
      const id = param(request, 'id')
      const load = loads.get(id)
      return load === null ? unknownLoad(id) : { status: 200, body: { load } }
    }),
    routeWithBody(
      'POST',
      '/v1/loads/:id/cancel',
      { query: CHANGE_QUERY, body: changeBody, about: CANCEL },
      async (request) => {
        const { isDryRun } = changeContext(request, request.body, 'optional')
        const id = param(request, 'id')
        const load = isDryRun ? loads.get(id) : await loads.cancel(id)
        return load === null ? unknownLoad(id) : { status: 200, body: { dryRun: isDryRun, load } }
      },
    ),
  ]
}

function unknownLoad(id: string): HttpAnswer {
  const message = `no load "${id}" is known; finished ones are forgotten after a while and at a restart`
  return errorAnswer(new KVError('INVALID_ARGUMENT', message), 404)
}
