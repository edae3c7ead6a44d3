/** Callers of wide rows: some columns by name, all of them, or one value that is decoded, by stock thrift code. */
import { WIDE_COLUMNS, wideColumn } from './dataset.js'
import { type RowCallRequest, serveRowCalls } from './row-callers.js'
import type { StockCell } from './stock-thrift.js'
import { decodeReply, decodeStruct, types } from './stock-thrift.js'

export interface WideRequest extends RowCallRequest {
  /** How many columns are selected, all of them without a selector; blob: the row is one value, to be decoded. */
  readonly columns: 2 | 10 | 30 | 'blob'
}

/** Columns that do not lie together. */
const SELECTED: Readonly<Record<WideRequest['columns'], readonly Buffer[]>> = {
  2: named([7, 22]),
  10: named(Array.from({ length: 10 }, (_, index) => index * 3)),
  30: named(Array.from({ length: WIDE_COLUMNS }, (_, index) => index)),
  blob: named([7, 22]),
}

function named(columns: readonly number[]): Buffer[] {
  return columns.map((column) => Buffer.from(wideColumn(column)))
}

/** The blob inside the answer is decoded, too. */
function read(frame: Buffer, { columns }: WideRequest): void {
  const { cells, value } = decodeReply(frame)
  const found =
    columns === 'blob' ? decodeStruct(new types.RowResult(), value ?? Buffer.alloc(0)).cells : (cells ?? [])
  for (const name of SELECTED[columns]) {
    if (valueOf(found ?? [], name) === null)
      throw new Error(`the answer does not hold column ${name.toString()}`)
  }
}

function valueOf(cells: readonly StockCell[], name: Buffer): Buffer | null {
  for (const { localKey, value } of cells) if (localKey !== null && name.equals(localKey)) return value
  return null
}

await serveRowCalls<WideRequest>('wide-caller', {
  columnsOf: ({ columns }) => (columns === 2 || columns === 10 ? SELECTED[columns] : null),
  read,
})
