/**
 * What a scanned row costs through the gateway, held against walking the same entries in process. The pages' tokens are
 * taken once by stock client code; the load generator then replays the requests, so that every page is a full one.
 */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { databaseDirectory } from '../src/leaf/rocksdb/store/shard-files.js'
import type { ShardFormat } from '../src/model/cluster-map.js'
import { FramedClient } from './client.js'
import { rowKey, rowValue, wideColumn } from './dataset.js'
import { frameFile } from './frames.js'
import type { Gateway } from './gateway.js'
import { startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Sample, Variant } from './harness.js'
import { alternate, judge, seriesNamed } from './harness.js'
import { served } from './load-generator.js'
import { nextMessage, startChild, stopChild } from './processes.js'
import type { ScanPeerSettings } from './scan-peer.js'
import type { StockScanRequest } from './stock-thrift.js'
import { decodeReply, encodeCalls, types } from './stock-thrift.js'
import {
  MUTABLE,
  NARROW,
  WIDE,
  WIDE_ROWS,
  copyOfLoaded,
  narrowDatabase,
  wideDatabase,
  writableShards,
} from './workspace.js'

const PEER = 'scan-peer.js'
const CONNECTIONS = 4
/** Written through the gateway one by one, which takes its time. */
const MAX_MUTABLE_ROWS = 50_000
const WRITERS = 128
/** A page of 1,000 rows takes a while on a busy machine. */
const MIN_MEASURE_MS = 1_500
/** Different requests that are replayed. */
const MAX_PAGES = 200

const TWO_COLUMNS = { localKeys: [wideColumn(7), wideColumn(22)].map((name) => Buffer.from(name)) }

export const scans: Bench = {
  name: 'scans',
  question: 'what does a scanned row cost, held against RocksDB walking the same entries?',
  async run(given) {
    const context = { ...given, measureMs: Math.max(given.measureMs, MIN_MEASURE_MS) }
    const mutableRows = Math.min(context.rows, MAX_MUTABLE_ROWS)
    const folder = await copyOfLoaded(context, 'scans')
    await fillMutable(folder, mutableRows)
    const raw = [
      await startRaw(context, RAW_MUTABLE, {
        source: mutableDatabase(folder),
        format: 'mutable',
        rows: mutableRows,
      }),
      await startRaw(context, RAW_SEALED, {
        source: await narrowDatabase(context),
        format: 'sealed',
        rows: context.rows,
      }),
      await startRaw(context, RAW_WIDE, {
        source: await wideDatabase(context),
        format: 'sealed',
        rows: WIDE_ROWS,
      }),
    ]
    const gateway = await startGateway({ folder, dataThreads: 1, core: 0 })
    const series = await alternate(context, [
      await scan(context, gateway, MUTABLE_100, { dataset: MUTABLE, pageRows: 100 }),
      await scan(context, gateway, MUTABLE_1000, { dataset: MUTABLE, pageRows: 1_000 }),
      await scan(context, gateway, SEALED_1000, { dataset: NARROW, pageRows: 1_000 }),
      await scan(context, gateway, WIDE_100, { dataset: WIDE, pageRows: 100, cells: TWO_COLUMNS }),
      ...raw.map(({ variant }) => variant),
    ])
    await Promise.all([gateway.stop(), ...raw.map(({ stop }) => stop())])
    const named = (name: string) => seriesNamed(series, name)
    return {
      series,
      verdicts: [
        judge(goals.scanMutableShortPages, named(MUTABLE_100), named(RAW_MUTABLE)),
        judge(goals.scanMutable, named(MUTABLE_1000), named(RAW_MUTABLE)),
        judge(goals.scanSealed, named(SEALED_1000), named(RAW_SEALED)),
        judge(goals.scanProjected, named(WIDE_100), named(RAW_WIDE)),
      ],
      notes: [
        `Rows of one cell of 200 B, ${mutableRows.toLocaleString('en')} of them mutable; wide rows have 30 columns, 64 KB together.`,
        `${CONNECTIONS} connections, one page in flight on each; one data thread. Raw reads every entry, keys and values, 1,000 a step.`,
      ],
    }
  },
}

const MUTABLE_100 = 'mutable, pages of 100'
const MUTABLE_1000 = 'mutable, pages of 1,000'
const SEALED_1000 = 'sealed, pages of 1,000'
const WIDE_100 = 'sealed, 2 of 30 columns, pages of 100'
const RAW_MUTABLE = 'raw, mutable'
const RAW_SEALED = 'raw, sealed'
const RAW_WIDE = 'raw, sealed, wide'

/** Puts every row once, through the API. */
async function fillMutable(folder: string, rows: number): Promise<void> {
  const gateway = await startGateway({ folder, dataThreads: 1, core: null })
  let next = 0
  const write = async () => {
    const client = await FramedClient.connect(gateway.port)
    while (next < rows) {
      const row = next++
      const request = new types.PutRequest({ dataset: MUTABLE, key: rowKey(row), value: rowValue(row) })
      await client.call(encodeCalls('put', [request]))
    }
    client.close()
  }
  await Promise.all(Array.from({ length: WRITERS }, write))
  await gateway.stop()
}

function mutableDatabase(folder: string): string {
  const [directory, ...others] = writableShards(folder)
  if (directory === undefined || others.length > 0) throw new Error(`not one writable shard below ${folder}`)
  return databaseDirectory(directory)
}

interface RawData {
  readonly source: string
  readonly format: ShardFormat
  readonly rows: number
}

async function startRaw(context: BenchContext, name: string, { source, format, rows }: RawData) {
  const directory = join(context.folder, `scans ${name}`)
  cpSync(source, directory, { recursive: true })
  const child = startChild(PEER, 0)
  child.send({ directory, format, rows } satisfies ScanPeerSettings)
  await nextMessage(child, PEER)
  const variant: Variant = {
    name,
    unit: 'rows',
    async measure() {
      child.send(context.measureMs)
      // What scan-peer.ts answers to a request.
      return (await nextMessage(child, PEER)) as Sample
    },
  }
  return { variant, stop: () => stopChild(child) }
}

/** The variant that replays a dataset's pages. */
async function scan(
  context: BenchContext,
  gateway: Gateway,
  name: string,
  page: Partial<StockScanRequest> & Pick<StockScanRequest, 'dataset' | 'pageRows'>,
): Promise<Variant> {
  const requests = await fullPages(gateway.port, page)
  const frames = frameFile(context, `scan-${page.dataset}-${page.pageRows}`, () =>
    encodeCalls('scan', requests),
  )
  return served(name, gateway, frames, {
    context,
    core: 1,
    connections: CONNECTIONS,
    unitsEach: page.pageRows,
    unit: 'rows',
  })
}

/** The requests for a dataset's pages, as one caller makes them; the last page, which may not be full, is left out. */
async function fullPages(port: number, page: Partial<StockScanRequest> & { readonly pageRows: number }) {
  const client = await FramedClient.connect(port)
  const requests: object[] = []
  let request = new types.ScanRequest(page)
  while (requests.length < MAX_PAGES) {
    const { rows, nextPageToken } = decodeReply(await client.call(encodeCalls('scan', [request])), 'scan')
    if (rows.length < page.pageRows) break
    requests.push(request)
    if (nextPageToken === null) break
    request = new types.ScanRequest({ ...page, pageToken: nextPageToken })
  }
  client.close()
  if (requests.length === 0) throw new Error(`no page of ${page.pageRows} rows came`)
  return requests
}
