/** A dataset's rows, page by page, for operators and for trying things out. */
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import type { ByteRange } from '../model/row.js'
import type { RowPosition } from '../model/row-order.js'
import { bytesToJson, keyEncodingOf, textToBytes, type KeyEncoding } from './bytes-json.js'
import type { RowAccess } from './dependencies.js'
import { param, route, wholeNumber, type Route, type RouteAbout } from './http.js'
import { rowToJson } from './row-json.js'
import { bytesJsonSchema, rowSchema } from './schemas.js'

const DEFAULT_ROWS = '100'
const MAX_ROWS = 1_000

const SCAN: RouteAbout = {
  id: 'scanRows',
  tag: 'rows',
  role: 'operator',
  summary: 'A page of the rows; `next` is the `page` of the following one, null behind the last.',
  answer: z.strictObject({
    dataset: z.string(),
    rows: z.array(z.strictObject({ key: bytesJsonSchema, row: rowSchema })),
    next: z.string().nullable(),
  }),
}

export function scanRoute(rows: RowAccess): Route {
  const query = ['limit', 'page', 'column', 'from', 'to', 'keyEncoding']
  return route('GET', '/v1/datasets/:name/rows', { query, about: SCAN }, async (request) => {
    const dataset = param(request, 'name')
    const encoding = keyEncodingOf(request.query)
    const columns = request.query.getAll('column').map((text) => textToBytes(text, encoding, 'a column'))
    const page = request.query.get('page')
    const result = await rows.scan(dataset, {
      ...(page === null ? FIRST_PAGE : textToPage(page)),
      localKeys: columns.length === 0 ? null : columns,
      range: rangeOf(request.query, encoding),
      maxRows: wholeNumber(request.query.get('limit') ?? DEFAULT_ROWS, 'query parameter limit', [
        1,
        MAX_ROWS,
      ]),
    })
    const found = result.rows.map(({ rowKey, row }) => ({ key: bytesToJson(rowKey), row: rowToJson(row) }))
    const next = result.next === null ? null : pageToText(result.next, result.datasetVersion)
    return { status: 200, body: { dataset, rows: found, next } }
  })
}

function rangeOf(query: URLSearchParams, encoding: KeyEncoding): ByteRange | null {
  const [from, to] = [query.get('from'), query.get('to')]
  if (from === null && to === null) return null
  return {
    from: textToBytes(from ?? '', encoding, 'from'),
    to: to === null ? null : textToBytes(to, encoding, 'to'),
  }
}

interface Page {
  readonly position: RowPosition | null
  readonly datasetVersion: number | null
}

const FIRST_PAGE: Page = { position: null, datasetVersion: null }

const half = z
  .int()
  .min(-(2 ** 31))
  .max(2 ** 31 - 1)
const pageSchema = z.strictObject({
  token: z.tuple([half, half]),
  key: z.string(),
  before: z.boolean(),
  origin: z.string().nullable(),
  version: z.int().min(0).nullable(),
})

/** Not authenticated, unlike the page tokens of the KVStore API: whoever may ask here may read every row. */
function pageToText({ token, rowKey, isBefore, originToken }: RowPosition, version: number | null): string {
  const page: z.infer<typeof pageSchema> = {
    token: [token.high | 0, token.low | 0],
    key: rowKey.toString('base64url'),
    before: isBefore ?? false,
    origin: originToken?.toString('base64url') ?? null,
    version,
  }
  return Buffer.from(JSON.stringify(page)).toString('base64url')
}

function textToPage(text: string): Page {
  const { token, key, before, origin, version } = parsedPage(text)
  const position = {
    token: { high: token[0], low: token[1] },
    rowKey: Buffer.from(key, 'base64url'),
    isBefore: before,
    ...(origin !== null && { originToken: Buffer.from(origin, 'base64url') }),
  }
  return { position, datasetVersion: version }
}

function parsedPage(text: string): z.infer<typeof pageSchema> {
  try {
    return pageSchema.parse(JSON.parse(Buffer.from(text, 'base64url').toString()))
  } catch (error) {
    throw new KVError('BAD_PAGE_TOKEN', 'page is not the "next" of an earlier answer', { cause: error })
  }
}
