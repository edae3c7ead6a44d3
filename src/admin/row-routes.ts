/** Single rows, for operators and for trying things out; the KVStore API is for everything else. */
import { z } from 'zod'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { MutateResult } from '../model/request.js'
import type { Cell } from '../model/row.js'
import { bytesSchema, bytesToJson, keyEncodingOf, textToBytes } from './bytes-json.js'
import type { RowAccess } from './dependencies.js'
import { rowToJson } from './row-json.js'
import { scanRoute } from './scan-route.js'
import {
  param,
  route,
  routeWithBody,
  type HttpAnswer,
  type HttpRequest,
  type Route,
  type RouteAbout,
} from './http.js'
import { bytesJsonSchema, rowSchema, timestampTextSchema } from './schemas.js'

const PATH = '/v1/datasets/:name/rows/:key'

/** `value` is the row's unnamed value; `cells` are its columns. */
const putBody = z.strictObject({
  value: bytesSchema.optional(),
  cells: z
    .array(z.strictObject({ column: bytesSchema, value: bytesSchema }))
    .max(limits.maxCellsPerRow)
    .optional(),
})

const writtenSchema = z.strictObject({ timestamp: timestampTextSchema.nullable() })

const GET_ROW: RouteAbout = {
  id: 'getRow',
  tag: 'rows',
  role: 'operator',
  summary: 'A row, or some columns of it; null where there is none.',
  answer: z.strictObject({ dataset: z.string(), key: bytesJsonSchema, row: rowSchema.nullable() }),
}
const PUT_ROW: RouteAbout = {
  id: 'putRow',
  tag: 'rows',
  role: 'operator',
  summary: 'Writes columns of a row and leaves its others as they are.',
  answer: writtenSchema,
}
const DELETE_ROW: RouteAbout = {
  id: 'deleteRow',
  tag: 'rows',
  role: 'operator',
  summary: 'Deletes a row, or some columns of it.',
  answer: writtenSchema,
}

export function rowRoutes(rows: RowAccess): readonly Route[] {
  return [
    scanRoute(rows),
    route('GET', PATH, { query: ['column', 'keyEncoding'], about: GET_ROW }, async (request) => {
      const { dataset, rowKey, columns } = address(request)
      const row = await rows.get(dataset, rowKey, columns)
      return { status: 200, body: { dataset, key: bytesToJson(rowKey), row: row && rowToJson(row) } }
    }),
    routeWithBody(
      'PUT',
      PATH,
      { query: ['keyEncoding'], body: putBody, maxBodyBytes: limits.maxAdminRowBodyBytes, about: PUT_ROW },
      async (request) => {
        const { dataset, rowKey } = address(request)
        return written(await rows.put(dataset, rowKey, cellsOf(request.body)))
      },
    ),
    route('DELETE', PATH, { query: ['column', 'keyEncoding'], about: DELETE_ROW }, async (request) => {
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

function written({ timestamp }: MutateResult): HttpAnswer {
  return { status: 200, body: { timestamp } }
}
