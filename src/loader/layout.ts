/**
 * What a dataset knows of its values, and what a load makes of it: HFiles have no fields, so that a load of them, the one of
 * a loadFileSet above all, says nothing of columns. Its values are then taken apart as those of the load before. Pure.
 */
import { isDeepStrictEqual } from 'node:util'
import type { ValueLayout } from '../base/thrift-layout.js'
import type { DatasetRecord } from '../model/dataset.js'
import type { LoadRequest } from '../model/load.js'

/** The request with what the dataset adds to it. */
export function withLayout(request: LoadRequest, { explode: layout }: DatasetRecord): LoadRequest {
  if (request.format !== 'hfile' || request.explode !== undefined || layout === undefined) return request
  const { protocol, struct, columns, fields } = layout
  return {
    ...request,
    columns: request.columns ?? columns,
    explode: { protocol, struct, valueField: '', fields },
  }
}

/** What the dataset is to know when the version is there; null: nothing any more; undefined: what it knows. */
export function layoutToKeep(
  { explode, columns }: LoadRequest,
  record: DatasetRecord,
): ValueLayout | null | undefined {
  if (explode === undefined) return undefined
  const known = record.explode ?? null
  const layout =
    explode === null
      ? null
      : { protocol: explode.protocol, struct: explode.struct, columns, fields: explode.fields }
  return isDeepStrictEqual(layout, known) ? undefined : layout
}
