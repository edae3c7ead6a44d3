/** Callers of wide rows, in a process of their own: each asks, waits, decodes with stock thrift code, asks again. */
import { FramedClient } from './client.js'
import { WIDE_COLUMNS, rowKey, wideColumn } from './dataset.js'
import { answerParent, receiveSettings } from './processes.js'
import type { StockCell } from './stock-thrift.js'
import { decodeReply, decodeStruct, encodeCalls, types } from './stock-thrift.js'

export interface WideSettings {
  readonly port: number
  /** Every dataset that is read has these rows. */
  readonly rows: number
}

export interface WideRequest {
  readonly dataset: string
  /** How many columns are selected, all of them without a selector; blob: the row is one value, to be decoded. */
  readonly columns: 2 | 10 | 30 | 'blob'
  readonly measureMs: number
}

export interface WideAnswer {
  readonly count: number
  readonly seconds: number
  /** The caller's own. */
  readonly cpuSeconds: number
  readonly bytesEach: number
}

/** So many ask at the same time: with one, the figures are those of waking processes up. */
const CALLERS = 16

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

/** Decodes an answer, the blob inside it too, and takes the values that are wanted. @throws when one is not there */
function read(frame: Buffer, columns: WideRequest['columns']): void {
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

// The types are what wide-peer.ts sends for this script.
const { port, rows } = (await receiveSettings()) as WideSettings
const clients = await Promise.all(Array.from({ length: CALLERS }, () => FramedClient.connect(port)))
const framesByRequest = new Map<string, Buffer[]>()

function framesOf({ dataset, columns }: WideRequest): Buffer[] {
  const known = framesByRequest.get(`${dataset} ${columns}`)
  if (known !== undefined) return known
  const cells =
    columns === 2 || columns === 10 ? new types.CellSelector({ localKeys: SELECTED[columns] }) : null
  const frames = Array.from({ length: rows }, (_, row) =>
    encodeCalls('get', [new types.GetRequest({ dataset, key: rowKey(row), cells })]),
  )
  framesByRequest.set(`${dataset} ${columns}`, frames)
  return frames
}

async function measure(request: WideRequest): Promise<WideAnswer> {
  const frames = framesOf(request)
  const cpuAtStart = process.cpuUsage()
  const start = performance.now()
  let count = 0
  let bytes = 0
  const ask = async (client: FramedClient) => {
    while (performance.now() - start < request.measureMs) {
      const answer = await client.call(frames[count++ % rows] ?? Buffer.alloc(0))
      read(answer, request.columns)
      bytes += answer.length
    }
  }
  await Promise.all(clients.map(ask))
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpuAtStart)
  return { count, seconds, cpuSeconds: (user + system) / 1e6, bytesEach: Math.round(bytes / count) }
}

process.on('message', (message) => {
  measure(message as WideRequest).then(answerParent, (thrown: unknown) => {
    process.stderr.write(`wide-caller: ${String(thrown)}\n`)
    process.exit(1)
  })
})
answerParent({ isReady: true })
