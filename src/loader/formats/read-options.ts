/** What of a load concerns the reader of one object. */
import { KVError } from '../../base/errors.js'
import type { LoadFormat } from '../../model/load.js'
import type { Cell } from '../../model/row.js'
import type { SourceRequest } from '../load-source.js'
import { ThriftExploder } from './thrift-explode.js'

/** Makes the columns of a row out of its one value. */
export interface Exploder {
  /** Those that are wanted; null: all. */
  readonly columns: readonly string[] | null
  /** @throws {BadLineError} when the value is not what it should be */
  explode(cells: readonly Cell[]): readonly Cell[]
}

export interface ReadOptions extends Omit<SourceRequest, 'from' | 'format' | 'partCount' | 'explode'> {
  /** Absent: values become columns as they are. */
  readonly exploder?: Exploder
}

/** Formats of text, in which bytes stand in base64. */
const TEXT_FORMATS: ReadonlySet<LoadFormat> = new Set(['ndjson', 'csv', 'tsv'])

/**
 * To be made anew for each object: an exploder is for one reader.
 * @throws {KVError} INVALID_ARGUMENT when the wishes of the request contradict each other
 */
export function readOptionsOf(request: SourceRequest): ReadOptions {
  const { format, explode, keyField, columns, header, maxValueBytes, maxBadLines } = request
  if (header !== null && format !== 'csv' && format !== 'tsv') {
    throw new KVError(
      'INVALID_ARGUMENT',
      `names of fields are given, but ${format} names them itself; leave them out`,
    )
  }
  const options = { keyField, columns, header, maxValueBytes, maxBadLines }
  if (explode === undefined) return options
  const { valueField } = explode
  if ((valueField === '') !== (format === 'hfile')) {
    const wish = format === 'hfile' ? 'has no fields, so name none' : 'has fields, so name the one'
    throw new KVError('INVALID_ARGUMENT', `${format} ${wish} that the thrift value stands in`)
  }
  const isBase64 = TEXT_FORMATS.has(format)
  return {
    ...options,
    columns: valueField === '' ? null : [valueField],
    maxValueBytes: isBase64 ? Math.ceil(maxValueBytes / 3) * 4 : maxValueBytes,
    exploder: new ThriftExploder(explode, { columns, isBase64, maxValueBytes }),
  }
}
