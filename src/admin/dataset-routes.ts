/** Datasets: what is listed, made, changed and removed. */
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import { copiesOf, type DatasetRecord } from '../model/dataset.js'
import type { Metastore } from '../model/metastore.js'
import { CHANGE_QUERY, changeBody, changeContext, changeFields } from './change-context.js'
import { param, route, routeWithBody, type HttpAnswer, type Route, type RouteAbout } from './http.js'
import { layoutBody, toLayout } from './explode-body.js'
import { datasetSchema } from './schemas.js'

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
  cluster: z.string().exactOptional(),
  replicas: z.int().exactOptional(),
  retainedVersions: z.int().exactOptional(),
  maxVersionBytes: z.int().nullable().exactOptional(),
  maxValueBytes: z.int().exactOptional(),
  maxCellVersions: z.int().exactOptional(),
  graceSeconds: z.int().exactOptional(),
  defaultTtlSeconds: z.int().nullable().exactOptional(),
  defaultDurability: z.enum(['LOG', 'LOG_SYNCED']).exactOptional(),
  migrationState: z.enum(['ORIGIN_ONLY', 'TARGET_ONLY']).exactOptional(),
  origin: z.string().nullable().exactOptional(),
})

/** What may be changed later, as above. */
const updateBody = z.strictObject({
  ...changeFields,
  ...createBody.pick({
    description: true,
    cluster: true,
    replicas: true,
    retainedVersions: true,
    maxVersionBytes: true,
    maxValueBytes: true,
    graceSeconds: true,
    defaultTtlSeconds: true,
    defaultDurability: true,
  }).shape,
  owner: createBody.shape.owner.exactOptional(),
  explode: layoutBody.nullable().exactOptional(),
})

const PATH = '/v1/datasets/:name'
const CHANGE = { query: CHANGE_QUERY, body: changeBody }

export const changedDatasetSchema = z.strictObject({ dryRun: z.boolean(), dataset: datasetSchema })

const LIST: RouteAbout = {
  ...{ id: 'listDatasets', tag: 'datasets' },
  summary: 'All datasets, by name.',
  answer: z.strictObject({ datasets: z.array(datasetSchema) }),
}
const CREATE: RouteAbout = {
  ...{ id: 'createDataset', tag: 'datasets', change: 'new' },
  summary: 'Makes a dataset; it needs an owner.',
  answer: changedDatasetSchema,
  statuses: [200, 201],
}
const GET: RouteAbout = {
  ...{ id: 'getDataset', tag: 'datasets' },
  summary: 'All about one dataset.',
  answer: z.strictObject({ dataset: datasetSchema }),
}
const UPDATE: RouteAbout = {
  ...{ id: 'updateDataset', tag: 'datasets', change: 'revision' },
  summary: 'Changes the settings that are given; the others stay.',
  answer: changedDatasetSchema,
}
const DELETE: RouteAbout = {
  ...{ id: 'deleteDataset', tag: 'datasets', change: 'revision' },
  summary: 'Removes a dataset with all its data; copies of its versions stay, and the answer names them.',
  answer: z.strictObject({
    dryRun: z.boolean(),
    removed: z.string(),
    archives: z.array(z.string()).describe('URLs of copies that stay, of which nothing is known any more.'),
  }),
}

export function datasetRoutes(metastore: Metastore): readonly Route[] {
  return [
    route('GET', '/v1/datasets', { about: LIST }, () => ({
      status: 200,
      body: { datasets: metastore.list() },
    })),
    routeWithBody(
      'POST',
      '/v1/datasets',
      { query: CHANGE_QUERY, body: createBody, about: CREATE },
      async (request) => {
        const { actor, reason, ...draft } = request.body
        const change = changeContext(request, { actor, reason }, 'optional')
        const record = await metastore.createDataset(draft, change)
        return changed(record, change.isDryRun, 201)
      },
    ),
    route('GET', PATH, { about: GET }, (request) => {
      const record = recordOf(metastore, param(request, 'name'))
      return { status: 200, headers: etag(record), body: { dataset: record } }
    }),
    routeWithBody(
      'PATCH',
      PATH,
      { query: CHANGE_QUERY, body: updateBody, about: UPDATE },
      async (request) => {
        const { actor, reason, explode, ...settings } = request.body
        const layout = explode === undefined ? {} : { explode: explode === null ? null : toLayout(explode) }
        const patch = { ...settings, ...layout }
        const change = changeContext(request, { actor, reason }, 'required')
        return changed(await metastore.updateDataset(param(request, 'name'), patch, change), change.isDryRun)
      },
    ),
    routeWithBody('DELETE', PATH, { ...CHANGE, about: DELETE }, async (request) => {
      const change = changeContext(request, request.body, 'required')
      const name = param(request, 'name')
      const archives = metastore.get(name)?.versions.flatMap(copiesOf) ?? []
      await metastore.removeDataset(name, change)
      return { status: 200, body: { dryRun: change.isDryRun, removed: name, archives } }
    }),
  ]
}

/** @throws {KVError} DATASET_NOT_FOUND */
export function recordOf(metastore: Metastore, name: string): DatasetRecord {
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
export function changed(record: DatasetRecord, isDryRun: boolean, status = 200): HttpAnswer {
  return isDryRun
    ? { status: 200, body: { dryRun: true, dataset: record } }
    : { status, headers: etag(record), body: { dryRun: false, dataset: record } }
}

export function etag(record: DatasetRecord): Record<string, string> {
  return { etag: `"${record.revision}"` }
}
