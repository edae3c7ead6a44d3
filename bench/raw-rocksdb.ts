/**
 * What RocksDB itself gives through the binding, in process, without sockets, protocol or row format: the calls that a
 * gateway cannot do without. One child process, so that its CPU time is its own.
 */
import { join } from 'node:path'
import { KEYS_PER_MULTI_GET, pickRows, rowKey, rowValue } from './dataset.js'
import type { Sample } from './harness.js'
import type { PeerStoreSettings } from './peer-store.js'
import { physicalKey } from './peer-store.js'
import { answerParent, receiveSettings } from './processes.js'
import { RawDatabase } from './rocksdb.js'

export interface RawSettings extends PeerStoreSettings {
  readonly rows: number
  readonly hotRows: number
  /** A folder that exists, for a DB that is written. */
  readonly scratch: string
}

export type RawWork = 'get' | 'multiGet' | 'writeAndSync'

export interface RawRequest {
  readonly work: RawWork
  readonly measureMs: number
}

/** Calls `step`, which answers how many units it did, until the time is over. */
function measure(measureMs: number, step: () => number): Sample {
  const cpuAtStart = process.cpuUsage()
  const start = performance.now()
  let count = 0
  let now = start
  while (now - start < measureMs) {
    for (let calls = 0; calls < 16; calls++) count += step()
    now = performance.now()
  }
  const cpu = process.cpuUsage(cpuAtStart)
  return { count, seconds: (now - start) / 1000, cpuSeconds: (cpu.user + cpu.system) / 1e6 }
}

async function prepare(settings: RawSettings): Promise<Record<RawWork, () => number>> {
  const db = await RawDatabase.open(settings.directory, false)
  const hot = pickRows(settings.hotRows, settings.rows).map((row) => physicalKey(rowKey(row)))
  const batches = Array.from({ length: Math.floor(hot.length / KEYS_PER_MULTI_GET) }, (_, index) =>
    hot.slice(index * KEYS_PER_MULTI_GET, (index + 1) * KEYS_PER_MULTI_GET),
  )
  const singles = hot.map((key) => [key])
  const read = (keySets: readonly Buffer[][]) => {
    let next = 0
    return () => {
      const keys = keySets[next++ % keySets.length] ?? []
      return db.getMany(keys).length
    }
  }
  const scratch = await RawDatabase.open(join(settings.scratch, 'write-and-sync'), true)
  let written = 0
  const writeAndSync = () => {
    scratch.put(rowKey(written), rowValue(written++))
    scratch.write(true)
    return 1
  }
  return { get: read(singles), multiGet: read(batches), writeAndSync }
}

// The types are what raw-peer.ts sends for this script.
const works = await prepare((await receiveSettings()) as RawSettings)
process.on('message', (message) => {
  const { work, measureMs } = message as RawRequest
  answerParent(measure(measureMs, works[work]))
})
answerParent({ isReady: true })
