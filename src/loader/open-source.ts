/** Where a load's rows come from: objects of a store, in a fixed order, read by the reader of their format. */
import { KVError } from '../base/errors.js'
import type { LoadFormat } from '../model/load.js'
import type { ObjectStore, StoredObject } from '../objects/object-store.js'
import { toObjectUrl } from '../objects/object-url.js'
import { withoutByteOrderMark } from './formats/bytes.js'
import { DelimitedReader } from './formats/delimited.js'
import { HFileReader } from './formats/hfile.js'
import { NdjsonReader } from './formats/ndjson.js'
import { ParquetReader } from './formats/parquet.js'
import type { PartReader } from './formats/part-reader.js'
import { readOptionsOf, type ReadOptions } from './formats/read-options.js'
import { unpack } from './formats/unpack.js'
import type { LoadSource, PartRows, SourcePart, SourceRequest } from './load-source.js'
import { NUMBERED, numberedParts } from './numbered-parts.js'

/**
 * A directory or prefix stands for the objects below it, in the order of their URLs, without those whose name, or the
 * name of a directory on the way, begins with `.` or `_`: that is how other programs mark what is no data.
 */
export function openSource(objects: ObjectStore, request: SourceRequest): LoadSource {
  const { from, format, partCount } = request
  readOptionsOf(request) // Checks what is asked for before anything is read.
  return {
    parts: async () => {
      const found = await objects.list(toObjectUrl(from), partCount === undefined ? undefined : NUMBERED)
      return partsOf(from, partCount === undefined ? found : numberedParts(from, found, partCount))
    },
    rows: (part) => readerOf(objects, part, format, readOptionsOf(request)),
  }
}

/**
 * To be called when every part was read to its end.
 * @throws {KVError} INVALID_ARGUMENT when a named column has a value in no row of any part
 */
export function requireSeenColumns(
  request: SourceRequest,
  parts: readonly Pick<PartRows, 'unseenColumns'>[],
): void {
  const unseen = request.columns?.find((name) =>
    parts.every(({ unseenColumns }) => unseenColumns.includes(name)),
  )
  if (unseen === undefined) return
  throw new KVError(
    'INVALID_ARGUMENT',
    `column "${unseen.slice(0, 60)}" has a value in no line of ${request.from}; correct its name or leave it out`,
  )
}

function partsOf(from: string, found: readonly StoredObject[]): readonly SourcePart[] {
  const url = toObjectUrl(from)
  const folder = url.endsWith('/') ? url : `${url}/`
  // An object that is named itself is meant, whatever its name.
  const parts = found.filter((one) => one.url === url || !isHidden(one.url.slice(folder.length)))
  if (parts.length === 0) {
    throw new KVError(
      'INVALID_ARGUMENT',
      `there is nothing to load at ${from}; names that begin with . or _ do not count`,
    )
  }
  return parts.map(({ url: place, sizeBytes, tag }, index) => ({ index, url: place, sizeBytes, tag }))
}

/** Of the path below the folder. What ends in a slash is how S3 tools mark an empty directory. */
function isHidden(path: string): boolean {
  return path === '' || path.endsWith('/') || path.split('/').some((name) => /^[._]/.test(name))
}

function readerOf(
  objects: ObjectStore,
  part: SourcePart,
  format: LoadFormat,
  options: ReadOptions,
): PartReader {
  const { url } = part
  if (format === 'hfile') return new HFileReader(part, objects, options)
  if (format === 'parquet') return new ParquetReader(part, objects, options)
  const progress: Progress = { reader: null }
  const content = withoutByteOrderMark(unpack(url, counted(objects.read(part), progress)))
  progress.reader =
    format === 'ndjson'
      ? new NdjsonReader(url, content, options)
      : new DelimitedReader(url, content, format === 'csv' ? ',' : '\t', options)
  return progress.reader
}

/** Null until the reader is made, before which nothing is read. */
interface Progress {
  reader: PartReader | null
}

async function* counted(content: AsyncIterable<Buffer>, progress: Progress): AsyncGenerator<Buffer> {
  for await (const piece of content) {
    if (progress.reader !== null) progress.reader.readBytes += piece.length
    yield piece
  }
}
