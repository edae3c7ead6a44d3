/** Builds sealed shards of wide rows with chunks of one size or another, in a process of its own. */
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { SealedShardWriter } from '../src/leaf/rocksdb/sealed/sealed-writer.js'
import type { Cell } from '../src/model/row.js'
import { rowKey } from './dataset.js'
import type { Sample } from './harness.js'
import { answerParent, receiveSettings } from './processes.js'
import { wideCells } from './workspace.js'

export interface BuilderSettings {
  readonly rows: number
}

export interface BuildRequest {
  /** Replaced when it exists. */
  readonly directory: string
  readonly chunkSize: number
}

export interface BuildAnswer extends Sample {
  readonly diskBytes: number
}

// The types are what chunk-sweep.ts sends for this script.
const { rows } = (await receiveSettings()) as BuilderSettings
const data = Array.from({ length: rows }, (_, row) => ({
  key: rowKey(row),
  cells: wideCells(row).map(([name, value]): Cell => ({
    localKey: Buffer.from(name),
    value,
    timestamp: null,
    ttlSeconds: null,
  })),
}))

async function build({ directory, chunkSize }: BuildRequest): Promise<BuildAnswer> {
  rmSync(directory, { recursive: true, force: true })
  const cpuAtStart = process.cpuUsage()
  const start = performance.now()
  const writer = await SealedShardWriter.create(directory, { keyOrder: 'HASHED', nowSeconds: 0, chunkSize })
  for (const { key, cells } of data) writer.add(key, cells)
  await writer.seal()
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpuAtStart)
  return { count: rows, seconds, cpuSeconds: (user + system) / 1e6, diskBytes: sizeOf(directory) }
}

function sizeOf(directory: string): number {
  let bytes = 0
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).size
  }
  return bytes
}

process.on('message', (message) => {
  build(message as BuildRequest).then(answerParent, (thrown: unknown) => {
    process.stderr.write(
      `chunk-builder: ${thrown instanceof Error ? (thrown.stack ?? '') : String(thrown)}\n`,
    )
    process.exit(1)
  })
})
answerParent({ isReady: true })
