/** Clusters, and which of them serves a dataset. */
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import type { ClusterRecord } from '../model/dataset.js'
import type { Metastore } from '../model/metastore.js'
import { CHANGE_QUERY, changeBody, changeContext, changeFields } from './change-context.js'
import { changed, changedDatasetSchema } from './dataset-routes.js'
import { errorAnswer } from './http-errors.js'
import { param, route, routeWithBody, type HttpAnswer, type Route, type RouteAbout } from './http.js'
import { clusterSchema } from './schemas.js'

const PATH = '/v1/clusters/:name'
const ONE = z.strictObject({ cluster: clusterSchema })

const LIST: RouteAbout = {
  ...{ id: 'listClusters', tag: 'clusters' },
  summary: 'All clusters with their aliases and leaves.',
  answer: z.strictObject({ clusters: z.array(clusterSchema) }),
}
const GET: RouteAbout = {
  id: 'getCluster',
  tag: 'clusters',
  summary: 'A cluster, by name or alias.',
  answer: ONE,
}
const PUT: RouteAbout = {
  ...{ id: 'putCluster', tag: 'clusters', change: 'either' },
  summary: 'Makes a cluster, or changes its aliases and leaves; those that are left out stay as they are.',
  answer: z.strictObject({ dryRun: z.boolean(), cluster: clusterSchema }),
}
const DELETE: RouteAbout = {
  ...{ id: 'deleteCluster', tag: 'clusters', change: 'revision' },
  summary: 'Removes a cluster that no dataset names.',
  answer: z.strictObject({ dryRun: z.boolean(), removed: z.string() }),
}
const MOVE: RouteAbout = {
  ...{ id: 'moveDataset', tag: 'clusters', change: 'revision' },
  summary: "Sends a dataset's next upload to another cluster; with now its current version, too.",
  answer: changedDatasetSchema,
}

/** Shape only; what the values may be is the metastore's to say. */
const putBody = z.strictObject({
  ...changeFields,
  aliases: z.array(z.string()).exactOptional(),
  leaves: z.array(z.strictObject({ name: z.string(), url: z.string() })).exactOptional(),
})

const moveBody = z.strictObject({ ...changeFields, cluster: z.string(), now: z.boolean().default(false) })

export function clusterRoutes(metastore: Metastore): readonly Route[] {
  return [
    route('GET', '/v1/clusters', { about: LIST }, () => ({
      status: 200,
      body: { clusters: metastore.clusters() },
    })),
    route('GET', PATH, { about: GET }, (request) => {
      const cluster = metastore.cluster(param(request, 'name'))
      if (cluster === null) return unknown(param(request, 'name'))
      return { status: 200, headers: etag(cluster), body: { cluster } }
    }),
    routeWithBody('PUT', PATH, { query: CHANGE_QUERY, body: putBody, about: PUT }, async (request) => {
      const { actor, reason, ...draft } = request.body
      const name = param(request, 'name')
      const revision = metastore.cluster(name) === null ? 'optional' : 'required'
      const change = changeContext(request, { actor, reason }, revision)
      const cluster = await metastore.putCluster({ ...draft, name }, change)
      return { status: 200, headers: etag(cluster), body: { dryRun: change.isDryRun, cluster } }
    }),
    routeWithBody(
      'DELETE',
      PATH,
      { query: CHANGE_QUERY, body: changeBody, about: DELETE },
      async (request) => {
        const change = changeContext(request, request.body, 'required')
        const name = param(request, 'name')
        if (metastore.cluster(name) === null) return unknown(name)
        await metastore.removeCluster(name, change)
        return { status: 200, body: { dryRun: change.isDryRun, removed: name } }
      },
    ),
    routeWithBody(
      'POST',
      '/v1/datasets/:name/move',
      { query: CHANGE_QUERY, body: moveBody, about: MOVE },
      async (request) => {
        const { actor, reason, cluster, now } = request.body
        const change = changeContext(request, { actor, reason }, 'required')
        const to = { cluster, isNow: now }
        return changed(await metastore.moveDataset(param(request, 'name'), to, change), change.isDryRun)
      },
    ),
  ]
}

/** The codes of the APIs know no clusters; HTTP can say it. */
function unknown(name: string): HttpAnswer {
  return errorAnswer(new KVError('INVALID_ARGUMENT', `there is no cluster "${name}"; list the clusters`), 404)
}

function etag({ revision }: ClusterRecord): Record<string, string> {
  return { etag: `"${revision}"` }
}
