/** Datasets and their versions. */
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import type { DatasetRecord } from '../model/dataset.js'
import type { Metastore } from '../model/metastore.js'
import { CHANGE_QUERY, changeBody, changeContext, changeFields } from './change-context.js'
import { param, route, routeWithBody, wholeNumber, type HttpAnswer, type Route } from './http.js'

/** Shape only; what the values may be is the metastore's to say. */
const createBody = z.strictObject({
  ...changeFields,
  name: z.string(),
  owner: z.strictObject({ name: z.string(), contact: z.string() }),
  mode: z.enum(['BATCH', 'READ_WRITE', 'STREAMING']),
  description: z.string().exactOptional(),
  keyOrder: z.enum(['HASHED', 'ORDERED']).exactOptional(),
  timestampUnit: z.enum(['MICROSECONDS', 'MILLISECONDS', 'OPAQUE']).exactOptional(),
  shardCount: z.int().exactOptional(),
  retainedVersions: z.int().exactOptional(),
  maxValueBytes: z.int().exactOptional(),
  maxCellVersions: z.int().exactOptional(),
  graceSeconds: z.int().exactOptional(),
  defaultTtlSeconds: z.int().nullable().exactOptional(),
  defaultDurability: z.enum(['LOG', 'LOG_SYNCED']).exactOptional(),
  migrationState: z.enum(['ORIGIN_ONLY', 'TARGET_ONLY']).exactOptional(),
  origin: z.string().nullable().exactOptional(),
})

const VERSION_PATH = '/v1/datasets/:name/versions/:id'
const CHANGE = { query: CHANGE_QUERY, body: changeBody }

export function datasetRoutes(metastore: Metastore): readonly Route[] {
  return [
    route('GET', '/v1/datasets', {}, () => ({ status: 200, body: { datasets: metastore.list() } })),
    routeWithBody('POST', '/v1/datasets', { query: CHANGE_QUERY, body: createBody }, async (request) => {
      const { actor, reason, ...draft } = request.body
      const change = changeContext(request, { actor, reason }, 'optional')
      const record = await metastore.createDataset(draft, change)
      return changed(record, change.isDryRun, 201)
    }),
    route('GET', '/v1/datasets/:name', {}, (request) => {
      const record = recordOf(metastore, param(request, 'name'))
      return { status: 200, headers: etag(record), body: { dataset: record } }
    }),
    routeWithBody('DELETE', '/v1/datasets/:name', CHANGE, async (request) => {
      const change = changeContext(request, request.body, 'required')
      const name = param(request, 'name')
      await metastore.removeDataset(name, change)
      return { status: 200, body: { dryRun: change.isDryRun, removed: name } }
    }),
    ...versionRoutes(metastore),
  ]
}

function versionRoutes(metastore: Metastore): readonly Route[] {
  return [
    route('GET', '/v1/datasets/:name/versions', {}, (request) => {
      const record = recordOf(metastore, param(request, 'name'))
      const { name, revision, versions } = record
      return { status: 200, headers: etag(record), body: { dataset: name, revision, versions } }
    }),
    routeWithBody('POST', `${VERSION_PATH}/publish`, CHANGE, async (request) => {
      const change = changeContext(request, request.body, 'required')
      const version = versionId(param(request, 'id'))
      return changed(await metastore.publish(param(request, 'name'), version, change), change.isDryRun)
    }),
    routeWithBody('POST', '/v1/datasets/:name/rollback', CHANGE, async (request) => {
      const change = changeContext(request, request.body, 'required')
      return changed(await metastore.rollback(param(request, 'name'), change), change.isDryRun)
    }),
    routeWithBody('DELETE', VERSION_PATH, CHANGE, async (request) => {
      const change = changeContext(request, request.body, 'required')
      const version = versionId(param(request, 'id'))
      return changed(await metastore.deleteVersion(param(request, 'name'), version, change), change.isDryRun)
    }),
  ]
}

function recordOf(metastore: Metastore, name: string): DatasetRecord {
  const record = metastore.get(name)
  if (record === null) {
    throw new KVError(
      'DATASET_NOT_FOUND',
      `dataset "${name}" does not exist; list the datasets for its name`,
      {
        dataset: name,
      },
    )
  }
  return record
}

/** What a change left behind, or would have with a dry run. */
function changed(record: DatasetRecord, isDryRun: boolean, status = 200): HttpAnswer {
  return isDryRun
    ? { status: 200, body: { dryRun: true, dataset: record } }
    : { status, headers: etag(record), body: { dryRun: false, dataset: record } }
}

function etag(record: DatasetRecord): Record<string, string> {
  return { etag: `"${record.revision}"` }
}

function versionId(text: string): number {
  return wholeNumber(text, 'the version', [1, Number.MAX_SAFE_INTEGER])
}
