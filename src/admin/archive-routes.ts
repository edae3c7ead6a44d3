/** Copies of versions in object storage, and what differs between two versions. */
import { z } from 'zod'
import { limits } from '../base/limits.js'
import { CHANGE_QUERY, changeBody, changeContext, changeFields } from './change-context.js'
import { type HttpRequest, param, routeWithBody, wholeNumber, type Route, type RouteAbout } from './http.js'
import type { VersionCopies, VersionName } from './job-access.js'
import { startedJob, startedJobSchema } from './job-routes.js'

const VERSION_PATH = '/v1/datasets/:name/versions/:id'
const JOB = { tag: 'versions', role: 'operator', answer: startedJobSchema, statuses: [200, 202] } as const

const ARCHIVE: RouteAbout = {
  ...{ ...JOB, id: 'archiveVersion', change: 'revision' },
  summary: 'Copies a version to object storage; with release its local files go.',
}
const RESTORE: RouteAbout = {
  ...{ ...JOB, id: 'restoreVersion', change: 'revision' },
  summary: 'Puts an archived version back, so that it can be published.',
}
const PURGE: RouteAbout = {
  ...{ ...JOB, id: 'deleteVersionWithArchive', change: 'revision', role: 'admin' },
  summary: 'Removes a version and then all its copies.',
}
const PURGE_DATASET: RouteAbout = {
  ...{ ...JOB, id: 'deleteDatasetWithArchives', change: 'revision', role: 'admin' },
  summary: 'Removes a dataset with all its data and then the copies of its versions.',
}
const DIFF: RouteAbout = {
  ...{ ...JOB, id: 'diffVersions', statuses: [202] },
  summary: 'Counts the rows that differ between two versions, and names the first of them.',
}

const archiveBody = z.strictObject({
  ...changeFields,
  to: z.string().min(1).max(4_096).nullable().default(null),
  release: z.boolean().default(false),
})

const diffBody = z.strictObject({
  before: z.int().min(1),
  after: z.int().min(1),
  limit: z.int().min(0).max(limits.maxDiffSamples).default(10),
})

export function archiveRoutes(archives: VersionCopies): readonly Route[] {
  return [
    routeWithBody(
      'POST',
      `${VERSION_PATH}/archive`,
      { query: CHANGE_QUERY, body: archiveBody, about: ARCHIVE },
      async (request) => {
        const { actor, reason, ...how } = request.body
        const change = changeContext(request, { actor, reason }, 'required')
        return startedJob(await archives.archive(versionOf(request), how, change), change.isDryRun)
      },
    ),
    routeWithBody(
      'POST',
      `${VERSION_PATH}/restore`,
      { query: CHANGE_QUERY, body: changeBody, about: RESTORE },
      async (request) => {
        const change = changeContext(request, request.body, 'required')
        return startedJob(await archives.restore(versionOf(request), change), change.isDryRun)
      },
    ),
    routeWithBody(
      'DELETE',
      `${VERSION_PATH}/archive`,
      { query: CHANGE_QUERY, body: changeBody, about: PURGE },
      async (request) => {
        const change = changeContext(request, request.body, 'required')
        return startedJob(await archives.deleteWithArchive(versionOf(request), change), change.isDryRun)
      },
    ),
    routeWithBody(
      'DELETE',
      '/v1/datasets/:name/archives',
      { query: CHANGE_QUERY, body: changeBody, about: PURGE_DATASET },
      async (request) => {
        const change = changeContext(request, request.body, 'required')
        const job = await archives.deleteDatasetWithArchives(param(request, 'name'), change)
        return startedJob(job, change.isDryRun)
      },
    ),
    routeWithBody('POST', '/v1/datasets/:name/diffs', { body: diffBody, about: DIFF }, (request) => {
      const { before, after, limit } = request.body
      return startedJob(archives.diff(param(request, 'name'), { before, after }, limit))
    }),
  ]
}

function versionOf(request: HttpRequest): VersionName {
  const version = wholeNumber(param(request, 'id'), 'the version', [1, Number.MAX_SAFE_INTEGER])
  return { dataset: param(request, 'name'), version }
}
