/** Reading a source to its end, and its rows as text. */
import assert from 'node:assert/strict'
import { KVError } from '../../../src/base/errors.js'
import type { PartRows, SourceRequest, SourceRow } from '../../../src/loader/load-source.js'
import { openSource } from '../../../src/loader/open-source.js'
import { MemoryObjects } from '../../support/memory-objects.js'

export interface Content {
  readonly bytes: string | Buffer
  /** In which it arrives. */
  readonly pieceBytes?: number
}

export type RequestChanges = Partial<SourceRequest>

const URL = 'file:///in/rows'

/** The only part of a source with this content. */
export async function open(
  content: Content | string | Buffer,
  changes: RequestChanges = {},
): Promise<PartRows> {
  const { bytes, pieceBytes } = isContent(content) ? content : { bytes: content }
  const objects = new MemoryObjects(pieceBytes).put(URL, bytes)
  const source = openSource(objects, requestOf(changes))
  const [part] = await source.parts()
  assert.ok(part !== undefined)
  return source.rows(part)
}

export function requestOf(changes: RequestChanges = {}): SourceRequest {
  return {
    from: URL,
    format: 'ndjson',
    keyField: 'id',
    columns: null,
    header: null,
    maxValueBytes: 1_000,
    maxBadLines: 0,
    ...changes,
  }
}

function isContent(content: Content | string | Buffer): content is Content {
  return typeof content === 'object' && 'bytes' in content
}

export async function readAll(rows: PartRows): Promise<SourceRow[]> {
  const all: SourceRow[] = []
  for await (const batch of rows) all.push(...batch)
  return all
}

/** Rows as text: key -> column -> value. */
export type TextRow = readonly [rowKey: string, columns: Readonly<Record<string, string>>]

export function asText(rows: readonly SourceRow[]): TextRow[] {
  return rows.map(({ rowKey, cells }) => [
    rowKey.toString(),
    Object.fromEntries(cells.map(({ localKey, value }) => [localKey.toString(), value.toString()])),
  ])
}

export async function rowsOf(
  content: Content | string | Buffer,
  changes?: RequestChanges,
): Promise<TextRow[]> {
  return asText(await readAll(await open(content, changes)))
}

/** The error that reading ends with. */
export async function failureOf(
  content: Content | string | Buffer,
  changes?: RequestChanges,
): Promise<KVError> {
  try {
    await readAll(await open(content, changes))
  } catch (error) {
    assert.ok(error instanceof KVError, String(error))
    return error
  }
  assert.fail('it was read to its end')
}
