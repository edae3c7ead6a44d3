/** Callers of exploded structs, in a process of their own: two fields by name, or the whole value, decoded by npm thrift. */
import { FramedClient } from './client.js'
import { rowKey } from './dataset.js'
import { answerParent, receiveSettings } from './processes.js'
import { decodeReply, decodeStruct, encodeCalls, types } from './stock-thrift.js'
import { StructRecord, structField } from './struct-data.js'

export interface ExplodeSettings {
  readonly port: number
  readonly rows: number
}

export interface ExplodeRequest {
  readonly dataset: string
  readonly kind: 'columns' | 'whole'
  readonly measureMs: number
}

export interface ExplodeAnswer {
  readonly count: number
  readonly seconds: number
  /** The caller's own. */
  readonly cpuSeconds: number
  readonly bytesEach: number
}

const CALLERS = 16
/** Fields that do not lie together. */
const WANTED = [7, 22]
const LOCAL_KEYS = {
  columns: WANTED.map((field) => Buffer.from(structField(field))),
  whole: [Buffer.alloc(0)],
}

/** Takes the wanted values out of an answer. @throws when one is not there */
function read(frame: Buffer, kind: ExplodeRequest['kind']): void {
  const { cells, value } = decodeReply(frame)
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

// The types are what explode.ts sends for this script.
const { port, rows } = (await receiveSettings()) as ExplodeSettings
const clients = await Promise.all(Array.from({ length: CALLERS }, () => FramedClient.connect(port)))
const framesByRequest = new Map<string, Buffer[]>()

function framesOf({ dataset, kind }: ExplodeRequest): Buffer[] {
  const known = framesByRequest.get(`${dataset} ${kind}`)
  if (known !== undefined) return known
  const cells = new types.CellSelector({ localKeys: LOCAL_KEYS[kind] })
  const frames = Array.from({ length: rows }, (_, row) =>
    encodeCalls('get', [new types.GetRequest({ dataset, key: rowKey(row), cells })]),
  )
  framesByRequest.set(`${dataset} ${kind}`, frames)
  return frames
}

async function measure(request: ExplodeRequest): Promise<ExplodeAnswer> {
  const frames = framesOf(request)
  const cpuAtStart = process.cpuUsage()
  const start = performance.now()
  let count = 0
  let bytes = 0
  const ask = async (client: FramedClient) => {
    while (performance.now() - start < request.measureMs) {
      const answer = await client.call(frames[count++ % rows] ?? Buffer.alloc(0))
      read(answer, request.kind)
      bytes += answer.length
    }
  }
  await Promise.all(clients.map(ask))
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpuAtStart)
  return { count, seconds, cpuSeconds: (user + system) / 1e6, bytesEach: Math.round(bytes / count) }
}

process.on('message', (message) => {
  measure(message as ExplodeRequest).then(answerParent, (thrown: unknown) => {
    process.stderr.write(`explode-caller: ${String(thrown)}\n`)
    process.exit(1)
  })
})
answerParent({ isReady: true })
