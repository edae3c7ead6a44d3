/** Callers of wide rows, in a process of their own: each asks, waits, decodes with stock thrift code, asks again. */
import { FramedClient } from './client.js'
import { WIDE_COLUMNS, rowKey, wideColumn } from './dataset.js'
import { answerParent, receiveSettings } from './processes.js'
import { decodeReply, decodeStruct, encodeCalls, types } from './stock-thrift.js'
import { BLOB, WIDE, WIDE_ROWS } from './workspace.js'

export interface WideSettings {
  readonly port: number
}

export interface WideRequest {
  readonly what: 'columns' | 'blob'
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

/** Two columns that do not lie together. */
const SELECTED = [wideColumn(7), wideColumn(22)].map((name) => Buffer.from(name))

function encodeGets(dataset: string, localKeys: readonly Buffer[] | null): Buffer[] {
  const cells = localKeys === null ? null : new types.CellSelector({ localKeys })
  return Array.from({ length: WIDE_ROWS }, (_, row) =>
    encodeCalls('get', [new types.GetRequest({ dataset, key: rowKey(row), cells })]),
  )
}

/** Decodes an answer and the blob inside it. @throws when it does not hold as many columns as it should */
const readers: Record<WideRequest['what'], (frame: Buffer) => void> = {
  columns(frame) {
    const { cells } = decodeReply(frame)
    if (cells?.length !== SELECTED.length) throw new Error('the answer does not hold the columns')
  },
  blob(frame) {
    const { value } = decodeReply(frame)
    const { cells } = decodeStruct(new types.RowResult(), value ?? Buffer.alloc(0))
    if (cells?.length !== WIDE_COLUMNS) throw new Error('the blob does not hold the columns')
  },
}

// The types are what wide-column.ts sends for this script.
const { port } = (await receiveSettings()) as WideSettings
const clients = await Promise.all(Array.from({ length: CALLERS }, () => FramedClient.connect(port)))
const requests = { columns: encodeGets(WIDE, SELECTED), blob: encodeGets(BLOB, null) }

async function measure({ what, measureMs }: WideRequest): Promise<WideAnswer> {
  const frames = requests[what]
  const read = readers[what]
  const cpuAtStart = process.cpuUsage()
  const start = performance.now()
  let count = 0
  let bytes = 0
  const ask = async (client: FramedClient) => {
    while (performance.now() - start < measureMs) {
      const answer = await client.call(frames[count++ % WIDE_ROWS] ?? Buffer.alloc(0))
      read(answer)
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
