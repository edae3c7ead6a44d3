/** Walks a whole DB in process, 1,000 entries a step: what scans are held against. A process of its own for its CPU time. */
import { OwnedDatabase } from '../src/leaf/rocksdb/store/binding.js'
import { optionsOf } from '../src/leaf/rocksdb/store/shard-files.js'
import type { ShardFormat } from '../src/model/cluster-map.js'
import type { Sample } from './harness.js'
import { answerParent, receiveSettings } from './processes.js'

export interface ScanPeerSettings {
  /** A DB that no gateway has open. */
  readonly directory: string
  readonly format: ShardFormat
  /** How many rows lie in it: their entries may be more. */
  readonly rows: number
}

// The types are what scans.ts sends for this script.
const { directory, format, rows } = (await receiveSettings()) as ScanPeerSettings
const database = await OwnedDatabase.open(directory, optionsOf(format))

/** Whole walks, until the time is over. */
function measure(measureMs: number): Sample {
  const cpuAtStart = process.cpuUsage()
  const start = performance.now()
  let count = 0
  do {
    let entries = 0
    for (const step of database.scan()) entries += step.length / 2
    if (entries < rows) throw new Error(`${directory} holds ${entries} entries, expected ${rows} rows`)
    count += rows
  } while (performance.now() - start < measureMs)
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpuAtStart)
  return { count, seconds, cpuSeconds: (user + system) / 1e6 }
}

process.on('message', (message) => answerParent(measure(message as number)))
answerParent({ isReady: true })
