/** Versions of BATCH datasets: what is listed, served and deleted. */
import { z } from 'zod'
import type { Metastore } from '../model/metastore.js'
import { CHANGE_QUERY, changeBody, changeContext, changeFields } from './change-context.js'
import { changed, changedDatasetSchema, etag, recordOf } from './dataset-routes.js'
import { param, route, routeWithBody, wholeNumber, type Route, type RouteAbout } from './http.js'
import { versionSchema } from './schemas.js'

const DATASET_PATH = '/v1/datasets/:name'
const VERSION_PATH = `${DATASET_PATH}/versions/:id`
const CHANGE = { query: CHANGE_QUERY, body: changeBody }
const CHANGES = {
  tag: 'versions',
  answer: changedDatasetSchema,
  change: 'revision',
  role: 'operator',
} as const

const LIST: RouteAbout = {
  ...{ id: 'listVersions', tag: 'versions' },
  summary: 'The versions of a dataset, newest first.',
  answer: z.strictObject({ dataset: z.string(), revision: z.int(), versions: z.array(versionSchema) }),
}
const PUBLISH: RouteAbout = {
  ...CHANGES,
  id: 'publishVersion',
  summary: 'Serves a READY version, in one step.',
}
const ROLLBACK: RouteAbout = {
  ...{ ...CHANGES, id: 'rollback' },
  summary: 'Serves the version before the current one; the newer ones are kept.',
}
const ROLL_FORWARD: RouteAbout = {
  ...{ ...CHANGES, id: 'rollForward' },
  summary: 'Serves the version after the current one, which a rollback hid.',
}
const CANARY: RouteAbout = {
  ...{ ...CHANGES, id: 'setCanary' },
  summary: 'Serves a READY version to a share of the keys, beside the current one.',
}
const END_CANARY: RouteAbout = {
  ...CHANGES,
  id: 'endCanary',
  summary: 'Serves the current version to all keys again.',
}
const DELETE: RouteAbout = {
  ...{ ...CHANGES, id: 'deleteVersion', role: 'admin' },
  summary: 'Deletes a version that is not served; a copy in object storage stays.',
}

const canaryBody = z.strictObject({
  ...changeFields,
  versionId: z.int(),
  share: z.int().describe('Of the row keys, in hundredths of a percent: 1 to 9,999.'),
})

export function versionRoutes(metastore: Metastore): readonly Route[] {
  return [
    route('GET', `${DATASET_PATH}/versions`, { about: LIST }, (request) => {
      const record = recordOf(metastore, param(request, 'name'))
      const { name, revision, versions } = record
      return { status: 200, headers: etag(record), body: { dataset: name, revision, versions } }
    }),
    routeWithBody('POST', `${VERSION_PATH}/publish`, { ...CHANGE, about: PUBLISH }, async (request) => {
      const change = changeContext(request, request.body, 'required')
      const version = versionId(param(request, 'id'))
      return changed(await metastore.publish(param(request, 'name'), version, change), change.isDryRun)
    }),
    routeWithBody('POST', `${DATASET_PATH}/rollback`, { ...CHANGE, about: ROLLBACK }, async (request) => {
      const change = changeContext(request, request.body, 'required')
      return changed(await metastore.rollback(param(request, 'name'), change), change.isDryRun)
    }),
    routeWithBody(
      'POST',
      `${DATASET_PATH}/rollforward`,
      { ...CHANGE, about: ROLL_FORWARD },
      async (request) => {
        const change = changeContext(request, request.body, 'required')
        return changed(await metastore.rollForward(param(request, 'name'), change), change.isDryRun)
      },
    ),
    routeWithBody('DELETE', VERSION_PATH, { ...CHANGE, about: DELETE }, async (request) => {
      const change = changeContext(request, request.body, 'required')
      const version = versionId(param(request, 'id'))
      return changed(await metastore.deleteVersion(param(request, 'name'), version, change), change.isDryRun)
    }),
    ...canaryRoutes(metastore),
  ]
}

function canaryRoutes(metastore: Metastore): readonly Route[] {
  const path = `${DATASET_PATH}/canary`
  return [
    routeWithBody('PUT', path, { query: CHANGE_QUERY, body: canaryBody, about: CANARY }, async (request) => {
      const { actor, reason, ...canary } = request.body
      const change = changeContext(request, { actor, reason }, 'required')
      return changed(await metastore.setCanary(param(request, 'name'), canary, change), change.isDryRun)
    }),
    routeWithBody('DELETE', path, { ...CHANGE, about: END_CANARY }, async (request) => {
      const change = changeContext(request, request.body, 'required')
      return changed(await metastore.setCanary(param(request, 'name'), null, change), change.isDryRun)
    }),
  ]
}

function versionId(text: string): number {
  return wholeNumber(text, 'the version', [1, Number.MAX_SAFE_INTEGER])
}
