/** Single rows, for operators and for trying things out; the KVStore API is for everything else. */
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { MutateResult } from '../model/request.js'
import type { Cell, Row } from '../model/row.js'
import { bytesSchema, bytesToJson, keyEncodingOf, textToBytes } from './bytes-json.js'
import type { RowAccess } from './dependencies.js'
import { param, route, routeWithBody, type HttpAnswer, type HttpRequest, type Route } from './http.js'

const PATH = '/v1/datasets/:name/rows/:key'

/** `value` is the row's unnamed value; `cells` are its columns. */
const putBody = z.strictObject({
  value: bytesSchema.optional(),
  cells: z
    .array(z.strictObject({ column: bytesSchema, value: bytesSchema }))
    .max(limits.maxCellsPerRow)
    .optional(),
})

export function rowRoutes(rows: RowAccess): readonly Route[] {
  return [
    route('GET', PATH, { query: ['column', 'keyEncoding'] }, async (request) => {
      const { dataset, rowKey, columns } = address(request)
      const row = await rows.get(dataset, rowKey, columns)
      return { status: 200, body: { dataset, key: bytesToJson(rowKey), row: row && rowToJson(row) } }
    }),
    routeWithBody(
      'PUT',
      PATH,
      { query: ['keyEncoding'], body: putBody, maxBodyBytes: limits.maxAdminRowBodyBytes },
      async (request) => {
        const { dataset, rowKey } = address(request)
        return written(await rows.put(dataset, rowKey, cellsOf(request.body)))
      },
    ),
    route('DELETE', PATH, { query: ['column', 'keyEncoding'] }, async (request) => {
      const { dataset, rowKey, columns } = address(request)
      return written(await rows.remove(dataset, rowKey, columns))
    }),
  ]
}

function address(request: HttpRequest) {
  const encoding = keyEncodingOf(request.query)
  const columns = request.query.getAll('column').map((text) => textToBytes(text, encoding, 'a column'))
  return {
    dataset: param(request, 'name'),
    rowKey: textToBytes(param(request, 'key'), encoding, 'the key'),
    columns: columns.length === 0 ? null : columns,
  }
}

function cellsOf({ value, cells = [] }: z.infer<typeof putBody>): Cell[] {
  const pairs = cells.map(({ column, value: cellValue }) => cell(column, cellValue))
  if (value !== undefined) pairs.push(cell(Buffer.alloc(0), value))
  if (pairs.length === 0) {
    throw new KVError('INVALID_ARGUMENT', 'there is nothing to write; send "value", "cells" or both')
  }
  return pairs
}

function cell(localKey: Buffer, value: Buffer): Cell {
  return { localKey, value, timestamp: null, ttlSeconds: null }
}

function rowToJson({ cells }: Row) {
  return {
    cells: cells.map(({ localKey, value, timestamp, ttlSeconds }) => ({
      column: bytesToJson(localKey),
      value: bytesToJson(value),
      ...(timestamp !== null && { timestamp }),
      ...(ttlSeconds !== null && { ttlSeconds }),
    })),
  }
}

function written({ timestamp }: MutateResult): HttpAnswer {
  return { status: 200, body: { timestamp } }
}
