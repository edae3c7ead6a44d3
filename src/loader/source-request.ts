/** What of a load concerns its source. */
import type { SourceRequest } from './load-source.js'
import type { BuildJob } from './messages.js'

export function sourceRequestOf({ request, maxValueBytes }: BuildJob): SourceRequest {
  const { from, format, keyField, columns, header, maxBadLines, fileSet, explode } = request
  const partCount = fileSet === undefined ? {} : { partCount: fileSet.partCount }
  const wishes = { ...partCount, ...(explode !== undefined && explode !== null && { explode }) }
  return { from, format, keyField, columns, header, maxBadLines, maxValueBytes, ...wishes }
}
