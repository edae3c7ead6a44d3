/** Callers of exploded structs: two fields by name, or the whole value, decoded by npm thrift. */
import { type RowCallRequest, serveRowCalls } from './row-callers.js'
import { decodeReply, decodeStruct, type StockRow } from './stock-thrift.js'
import { StructRecord, structField } from './struct-data.js'

export interface ExplodeRequest extends RowCallRequest {
  readonly kind: 'columns' | 'whole'
}

/** Fields that do not lie together. */
const WANTED = [7, 22]
const LOCAL_KEYS = {
  columns: WANTED.map((field) => Buffer.from(structField(field))),
  whole: [Buffer.alloc(0)],
}

function read(frame: Buffer, request: ExplodeRequest): void {
  const { rowsEach = 1 } = request
  const rows = rowsEach === 1 ? [decodeReply(frame)] : decodeReply(frame, 'multiGet').rows
  if (rows.length !== rowsEach) throw new Error(`the answer has ${rows.length} rows, not ${rowsEach}`)
  for (const row of rows) readRow(row, request)
}

function readRow({ cells, value }: StockRow, { kind }: ExplodeRequest): void {
  const found =
    kind === 'whole'
      ? WANTED.map((field) => decoded(value).fields[field] ?? null)
      : LOCAL_KEYS.columns.map((name) =>
          cells?.find(({ localKey }) => localKey !== null && name.equals(localKey)),
        )
  if (found.some((one) => one === null || one === undefined)) throw new Error('the answer lacks a field')
}

let lastValue: Buffer | null = null
let lastRecord = new StructRecord()

/** Once a value, however many fields are taken. */
function decoded(value: Buffer | null): StructRecord {
  if (value === null) throw new Error('the answer has no value')
  if (value !== lastValue) lastRecord = decodeStruct(new StructRecord(), value)
  lastValue = value
  return lastRecord
}

await serveRowCalls<ExplodeRequest>('explode-caller', { columnsOf: ({ kind }) => LOCAL_KEYS[kind], read })
