/** Loading without the gateway, in a process of its own: the sealed writer, raw batches, and JSON.parse alone. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { EMPTY_BYTES } from '../src/base/bytes.js'
import { murmur3Token } from '../src/base/hash.js'
import { OwnedDatabase } from '../src/leaf/rocksdb/store/binding.js'
import { SEALED_OPTIONS } from '../src/leaf/rocksdb/store/options.js'
import { SealedShardWriter } from '../src/leaf/rocksdb/sealed/sealed-writer.js'
import type { RowToken } from '../src/model/row-order.js'
import type { Cell } from '../src/model/row.js'
import { rowKey, rowValue } from './dataset.js'
import type { Sample } from './harness.js'
import { physicalKey } from './peer-store.js'
import { answerParent, receiveSettings } from './processes.js'
import { RawDatabase } from './rocksdb.js'
import { narrowLine } from './workspace.js'

export interface BulkSettings {
  readonly rows: number
  /** A folder that exists; emptied after every load. */
  readonly scratch: string
}

export type BulkWork = 'rawBatches' | 'rawReadBack' | 'sealedWriter' | 'jsonParse'

const ROWS_PER_BATCH = 1_000

interface Row {
  readonly rowKey: Buffer
  readonly token: RowToken
  readonly physicalKey: Buffer
  readonly value: Buffer
  readonly cells: readonly Cell[]
}

/** In the order of their physical keys. */
function makeRows(count: number): Row[] {
  const rows = Array.from({ length: count }, (_, index): Row => {
    const key = rowKey(index)
    const value = rowValue(index)
    const cells = [{ localKey: EMPTY_BYTES, value, timestamp: null, ttlSeconds: null }]
    return { rowKey: key, token: murmur3Token(key), physicalKey: physicalKey(key), value, cells }
  })
  return rows.sort((a, b) => Buffer.compare(a.physicalKey, b.physicalKey))
}

async function rawBatches(rows: readonly Row[], directory: string): Promise<void> {
  mkdirSync(directory)
  const database = await RawDatabase.open(directory, true)
  for (const [index, { physicalKey: key, value }] of rows.entries()) {
    database.put(key, value)
    if (index % ROWS_PER_BATCH === ROWS_PER_BATCH - 1) database.write(false)
  }
  database.write(false)
  await database.close()
}

/** Raw batches that end as a sealed shard must: in tables, by the only flush there is, and read once. */
async function rawReadBack(rows: readonly Row[], directory: string): Promise<void> {
  await rawBatches(rows, directory)
  const database = await OwnedDatabase.open(directory, SEALED_OPTIONS)
  let entries = 0
  for (const step of database.scan()) entries += step.length / 2
  await database.close()
  if (entries !== rows.length) throw new Error(`${entries} rows came back`)
}

async function sealedWriter(rows: readonly Row[], directory: string): Promise<void> {
  // As a load has it: in order, of a size that is known.
  const expectedBytes = rows.reduce((sum, row) => sum + row.physicalKey.length + row.value.length, 0)
  const writer = await SealedShardWriter.create(directory, {
    keyOrder: 'HASHED',
    nowSeconds: 0,
    expectedBytes,
  })
  for (const { rowKey: key, cells, token } of rows) writer.add(key, cells, token)
  await writer.seal()
}

function jsonParse(lines: readonly string[]): void {
  let parsed = 0
  for (const line of lines) if (JSON.parse(line) !== null) parsed++
  if (parsed !== lines.length) throw new Error('a line is null')
}

// The type is what bulk-load.ts sends for this script.
const settings = (await receiveSettings()) as BulkSettings
const rows = makeRows(settings.rows)
const lines = Array.from({ length: settings.rows }, (_, row) => narrowLine(row))
const works: Record<BulkWork, (directory: string) => Promise<void> | void> = {
  rawBatches: (directory) => rawBatches(rows, directory),
  rawReadBack: (directory) => rawReadBack(rows, directory),
  sealedWriter: (directory) => sealedWriter(rows, directory),
  jsonParse: () => jsonParse(lines),
}

async function measure(work: BulkWork): Promise<Sample> {
  const directory = join(settings.scratch, work)
  const cpuAtStart = process.cpuUsage()
  const start = performance.now()
  await works[work](directory)
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpuAtStart)
  rmSync(directory, { recursive: true, force: true })
  return { count: settings.rows, seconds, cpuSeconds: (user + system) / 1e6 }
}

process.on('message', (message) => {
  measure(message as BulkWork).then(answerParent, (thrown: unknown) => {
    process.stderr.write(
      `bulk-worker: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`,
    )
    process.exit(1)
  })
})
answerParent({ isReady: true })
