/**
 * Callers of scans, in a process of their own: each opens a scanner, asks once for 1,000 rows, closes it, and begins again
 * elsewhere. Rows are counted and not decoded, so that the callers and not the server have time to spare.
 */
import * as wire from '../src/thrift/generated/hbase1.js'
import { BinaryReader } from '../src/thrift/binary-reader.js'
import { ThriftType } from '../src/thrift/protocol.js'
import { FramedClient } from './client.js'
import { rowKey } from './dataset.js'
import { answerParent, receiveSettings } from './processes.js'
import { framesOf } from './terrapin.js'

export const SCANNED_ROWS = 1_000

export interface ScanSettings {
  readonly table: string
  readonly rows: number
}

export interface ScanLoad {
  readonly port: number
  readonly connections: number
  readonly measureMs: number
}

export interface ScanAnswer {
  readonly scans: number
  readonly seconds: number
  /** The callers' own. */
  readonly cpuSeconds: number
  /** Of the three calls of a scan together. */
  readonly p50Us: number
  readonly p99Us: number
}

const HEADER_SIZE = 4
/** Message header before and behind the method's name. */
const MESSAGE_SIZE = 12
/** Different scans that are repeated. */
const MAX_STARTS = 500

const { scannerOpenWithScan, scannerGetList, scannerClose } = wire.HbaseMethods

/** Frames that open scanners, spread over the table, each with as many rows behind it as are asked for. */
export function openFrames({ table, rows }: ScanSettings): Buffer[] {
  const keys = Array.from({ length: rows }, (_, row) => rowKey(row)).sort((a, b) => a.compare(b))
  const last = Math.max(0, rows - SCANNED_ROWS)
  const count = Math.min(MAX_STARTS, last + 1)
  return Array.from({ length: count }, (_, index) => {
    const startRow = keys[Math.floor((index * last) / Math.max(1, count - 1))] ?? null
    const scan = wire.makeTScan({ startRow, caching: SCANNED_ROWS, sortColumns: false, reversed: false })
    return framesOf(scannerOpenWithScan, [{ tableName: Buffer.from(table), scan, attributes: [] }])
  })
}

/** Rows of an answer, by the head of its list. @throws when it is no answer with rows */
export function rowsIn(answer: Buffer): number {
  const at = HEADER_SIZE + MESSAGE_SIZE + answer.readUInt32BE(HEADER_SIZE + 4)
  const isList = answer[at] === ThriftType.LIST && answer.readUInt16BE(at + 1) === 0
  if (!isList) throw new Error(`the scan answered ${answer.toString('latin1', HEADER_SIZE, 300)}`)
  return answer.readUInt32BE(at + 4)
}

function scannerIn(answer: Buffer): number {
  const reader = new BinaryReader()
  reader.reset(answer, HEADER_SIZE, answer.length)
  reader.readMessageBegin()
  const { value, exception } = scannerOpenWithScan.readResult(reader)
  if (value === null) throw new Error(`no scanner was opened: ${exception?.message ?? 'no reason given'}`)
  return value
}

async function scan(client: FramedClient, open: Buffer): Promise<void> {
  const id = scannerIn(await client.call(open))
  const rows = rowsIn(await client.call(framesOf(scannerGetList, [{ id, nbRows: SCANNED_ROWS }])))
  if (rows !== SCANNED_ROWS) throw new Error(`${rows} rows came where ${SCANNED_ROWS} were asked for`)
  await client.call(framesOf(scannerClose, [{ id }]))
}

async function measure(opens: readonly Buffer[], load: ScanLoad): Promise<ScanAnswer> {
  const clients = await Promise.all(
    Array.from({ length: load.connections }, () => FramedClient.connect(load.port)),
  )
  const cpuAtStart = process.cpuUsage()
  const start = performance.now()
  const times: number[] = []
  let next = 0
  const work = async (client: FramedClient): Promise<void> => {
    for (let begun = performance.now(); begun - start < load.measureMs; begun = performance.now()) {
      await scan(client, opens[next++ % opens.length] ?? Buffer.alloc(0))
      times.push((performance.now() - begun) * 1_000)
    }
  }
  await Promise.all(clients.map(work))
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(cpuAtStart)
  for (const client of clients) client.close()
  times.sort((a, b) => a - b)
  const quantile = (share: number): number => times[Math.floor(times.length * share)] ?? Number.NaN
  return {
    scans: times.length,
    seconds,
    cpuSeconds: (user + system) / 1e6,
    p50Us: quantile(0.5),
    p99Us: quantile(0.99),
  }
}

/** The process's work, where this file is the one that was started. */
async function serve(): Promise<void> {
  // The types are what hbase-peer.ts sends for this script.
  const opens = openFrames((await receiveSettings()) as ScanSettings)
  process.on('message', (message) => {
    measure(opens, message as ScanLoad).then(answerParent, (thrown: unknown) => {
      process.stderr.write(`hbase-caller: ${String(thrown)}\n`)
      process.exit(1)
    })
  })
  answerParent({ isReady: true })
}

if (process.argv[1] === import.meta.filename) await serve()
