/**
 * HBase's first Thrift gateway and Apache HBase itself, asked the same by the same callers: rows by key, batches of rows,
 * and scans. Both servers run on core 0 and take turns; a JVM is warm after some seconds of each load, not after one round.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as wire from '../src/thrift/generated/hbase1.js'
import { HBase } from '../test/interop/hbase-oracle.js'
import { HBaseClient } from '../test/support/hbase.js'
import { pickRows, rowKey, rowValue } from './dataset.js'
import { frameFile } from './frames.js'
import { type Gateway, callAdmin, startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Sample, Series, Variant, Verdict } from './harness.js'
import { alternate, judge, perSecondOf, seriesNamed } from './harness.js'
import { startScanCaller } from './hbase-peer.js'
import { served } from './load-generator.js'
import { pinningProblem } from './processes.js'
import { framesOf } from './terrapin.js'

const TABLE = 'bench'
/** Of Godwit's alone: its writes are synced before they are acknowledged, as of any dataset unless told otherwise. */
const SYNCED_TABLE = 'synced'
const FAMILY = Buffer.from('cf:')
const COLUMNS = ['cf:a', 'cf:b', 'cf:c'].map((name) => Buffer.from(name))
const COLUMN_SIZE = 64
const BATCH_ROWS = 100
/** HBase's server takes as many connections at a time by default. */
const CONNECTIONS = 16
/** Of each load on each server, before the first round. */
const WARM_UP_MS = 10_000
/** Below it too few batches are written for a p99. */
const MIN_MEASURE_MS = 3_000
const BATCHES = 500
/** Batches of the first filling that are under way at a time. */
const FILLERS = 4
/** Room for what HBase keeps of the written rows before it has to write files. */
const HEAP = '-Xmx2g'

const { getRow, mutateRows } = wire.HbaseMethods

export const hbase: Bench = {
  name: 'hbase',
  question: "what do calls of HBase's Thrift gateway cost here, held against Apache HBase 2.5?",
  async run(given) {
    const context = { ...given, measureMs: Math.max(given.measureMs, MIN_MEASURE_MS) }
    const theirs = await startHBase()
    if (typeof theirs === 'string') return { series: [], verdicts: [], notes: [`Not run: ${theirs}.`] }
    try {
      const gateway = await startGateway({
        folder: join(context.folder, 'hbase'),
        dataThreads: 1,
        core: 0,
        servesHBase: true,
        settings: { hbase: { owner: { name: 'bench', contact: 'bench@localhost' } } },
      })
      if (gateway.hbase1Port === null) throw new Error('the gateway does not serve HBase clients')
      const servers = [
        { name: 'HBase', port: theirs.port1, pid: theirs.pid, stop: () => theirs.dispose() },
        { ...gateway, name: 'Godwit', port: gateway.hbase1Port },
      ]
      for (const { port, name } of servers) {
        context.log(`filling ${name}`)
        await fill(port, context.hotRows)
      }
      await makeTable(gateway.hbase1Port, SYNCED_TABLE)
      await writeAsHBase(gateway)
      const series = await measure(context, servers)
      await gateway.stop()
      return {
        series,
        verdicts: [
          ...verdictsOf(series, 'getRow', goals.hbaseGetRow, goals.hbaseGetRowP99),
          ...verdictsOf(series, 'mutateRows(100)', goals.hbaseMutateRows, goals.hbaseMutateRowsP99),
          ...verdictsOf(series, 'scan of 1,000', goals.hbaseScan, goals.hbaseScanP99),
        ],
        notes: [
          `Rows of ${COLUMNS.length} columns of ${COLUMN_SIZE} bytes; ${CONNECTIONS} connections with one call in flight each, framed binary.`,
          'HBase: region server, master, ZooKeeper and Thrift server in one JVM on local files; Godwit: one data thread.',
          'Tables keep three versions, as those do that clients of the first gateway make without saying how many.',
          'HBase acknowledges what is handed to the file system and not forced to disk (hbase.wal.hsync is false unless set).',
          'The table is LOG, which promises the same; `synced` is one of the default, LOG_SYNCED.',
          'A scan opens a scanner, asks once for 1,000 rows and closes it; its times are of all three calls.',
          `Each load ran ${WARM_UP_MS / 1_000} s on each server before the first round.`,
        ],
      }
    } finally {
      await theirs.dispose()
    }
  },
}

interface NamedServer {
  readonly name: string
  readonly port: number
  readonly pid: number
  readonly stop: () => Promise<void>
}

/** A string says why it cannot run here. */
function startHBase(): Promise<HBase | string> {
  const pinned = pinningProblem === null ? ['taskset', '--cpu-list', '0'] : []
  return HBase.start({ heap: HEAP, launcher: pinned })
}

async function measure(context: BenchContext, servers: readonly NamedServer[]): Promise<Series[]> {
  const scanner = await startScanCaller({ table: TABLE, rows: context.hotRows })
  const variants = (during: BenchContext): Variant[] => {
    const load = { context: during, core: 1, connections: CONNECTIONS } as const
    const batch = { ...load, unitsEach: BATCH_ROWS, unit: 'rows' }
    return [
      ...servers.map((server) => served(`${server.name} getRow`, server, gets(during), load)),
      ...servers.map((server) =>
        served(`${server.name} mutateRows(100)`, server, batches(during, TABLE), batch),
      ),
      ...servers
        .filter(({ name }) => name === 'Godwit')
        .map((server) =>
          served(`${server.name} mutateRows(100), synced`, server, batches(during, SYNCED_TABLE), batch),
        ),
      ...servers.map((server) => ({
        name: `${server.name} scan of 1,000`,
        unit: 'rows',
        measure: (): Promise<Sample> => scanner.measure(server, during, CONNECTIONS),
      })),
    ]
  }
  const warmUp = { ...context, warmUpMs: 0, measureMs: WARM_UP_MS }
  for (const variant of variants(warmUp)) {
    context.log(`warming up: ${variant.name}`)
    await variant.measure()
  }
  const series = await alternate(context, variants(context))
  await scanner.stop()
  return series
}

function verdictsOf(
  series: readonly Series[],
  call: string,
  throughput: Verdict['goal'],
  p99: Verdict['goal'],
): Verdict[] {
  const [ours, theirs] = [seriesNamed(series, `Godwit ${call}`), seriesNamed(series, `HBase ${call}`)]
  return [
    judge(throughput, ours, theirs, perSecondOf),
    judge(p99, ours, theirs, ({ p99Us = Number.NaN }) => p99Us),
  ]
}

async function makeTable(port: number, name: string): Promise<void> {
  const client = new HBaseClient({ port1: port, port2: port })
  const columnFamilies = [wire.makeColumnDescriptor({ name: FAMILY })]
  refuse(await client.call(1, 'createTable', { tableName: Buffer.from(name), columnFamilies }))
  await client.close()
}

/** What is acknowledged survives the process, as HBase's does on a file system that takes it, and not a loss of power. */
async function writeAsHBase(gateway: Gateway): Promise<void> {
  const path = `/v1/datasets/${TABLE}`
  // The admin API's answer.
  const { dataset } = (await callAdmin(gateway, 'GET', path)) as { dataset: { revision: number } }
  const headers = { 'if-match': `"${dataset.revision}"` }
  await callAdmin(gateway, 'PATCH', path, { defaultDurability: 'LOG' }, headers)
}

/** Makes the table and writes every row, as a client would. */
async function fill(port: number, rows: number): Promise<void> {
  await makeTable(port, TABLE)
  const client = new HBaseClient({ port1: port, port2: port })
  let next = 0
  const work = async (): Promise<void> => {
    for (let from = next; from < rows; from = next) {
      next += BATCH_ROWS
      const indexes = Array.from({ length: Math.min(BATCH_ROWS, rows - from) }, (_, index) => from + index)
      refuse(await client.call(1, 'mutateRows', { ...batchOf(TABLE, indexes) }))
    }
  }
  await Promise.all(Array.from({ length: FILLERS }, work))
  await client.close()
  // Until the server has seen that the connection is gone, it takes one of those that it serves at a time.
  await sleep(500)
}

/** Calls of these answer null. */
function refuse(answer: unknown): void {
  if (answer !== null) throw new Error(`the table could not be filled: ${JSON.stringify(answer)}`)
}

function batchOf(table: string, rows: readonly number[]): wire.HbaseMutateRowsArgs {
  const rowBatches = rows.map((row) => ({ row: rowKey(row), mutations: mutationsOf(row) }))
  return { tableName: Buffer.from(table), rowBatches, attributes: [] }
}

function mutationsOf(row: number): wire.Mutation[] {
  return COLUMNS.map((column, index) => {
    return wire.makeMutation({ column, value: rowValue(row + index, COLUMN_SIZE) })
  })
}

function gets(context: BenchContext): string {
  const { hotRows } = context
  const tableName = Buffer.from(TABLE)
  return frameFile(context, 'hbase-get-row', () =>
    framesOf(
      getRow,
      pickRows(hotRows, hotRows).map((row) => ({ tableName, row: rowKey(row), attributes: [] })),
    ),
  )
}

function batches(context: BenchContext, table: string): string {
  const { hotRows } = context
  return frameFile(context, `hbase-mutate-rows-${table}`, () => {
    const rows = pickRows(BATCHES * BATCH_ROWS, hotRows)
    const calls = Array.from({ length: BATCHES }, (_, index) =>
      batchOf(table, [...new Set(rows.slice(index * BATCH_ROWS, (index + 1) * BATCH_ROWS))]),
    )
    return framesOf(mutateRows, calls)
  })
}
