/** What loading costs beyond the bytes: packing, checksums and the seal against raw batches; all of it against parsing. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { BulkWork } from './bulk-worker.js'
import type { Gateway } from './gateway.js'
import { createDataset, loadDataset, startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Sample, Variant } from './harness.js'
import { alternate, judge, seriesNamed } from './harness.js'
import { parseCpuSecondsWithChildren, readStat } from './proc.js'
import { nextMessage, startChild, stopChild } from './processes.js'
import { narrowFile } from './workspace.js'

const WORKER = 'bulk-worker.js'
/** Enough that starting a load process does not count; few enough for the whole bench to take a minute. */
const MAX_ROWS = 200_000

export const bulkLoad: Bench = {
  name: 'bulk-load',
  question: 'what does loading cost, held against raw RocksDB batches and JSON.parse?',
  async run(context) {
    const rows = Math.min(Math.ceil(context.rows / 2), MAX_ROWS)
    const file = narrowFile(context, rows)
    const gateway = await startGateway({
      folder: join(context.folder, 'bulk-load'),
      dataThreads: 1,
      core: null,
    })
    const worker = await startWorker(context, rows)
    const series = await alternate(context, [
      worker.variant('raw batches of 1,000, sorted', 'rawBatches'),
      worker.variant('the same, flushed and read back', 'rawReadBack'),
      worker.variant('sealed writer, sorted', 'sealedWriter'),
      worker.variant('JSON.parse alone', 'jsonParse'),
      ndjsonLoad(gateway, file, rows),
    ])
    await Promise.all([gateway.stop(), worker.stop()])
    const named = (name: string) => seriesNamed(series, name)
    return {
      series,
      verdicts: [
        judge(goals.sealedWriter, named('sealed writer, sorted'), named('raw batches of 1,000, sorted')),
        judge(
          goals.sealedWriterAgainstReadBack,
          named('sealed writer, sorted'),
          named('the same, flushed and read back'),
        ),
        judge(goals.ndjsonLoad, named('NDJSON load, end to end'), named('JSON.parse alone')),
      ],
      notes: [
        `${rows.toLocaleString('en')} rows; the CPU time is of all threads, compaction included; nothing is pinned.`,
        'The sealed writer and the load also pack, make tables, read every block and count every key; raw batches end with a close, their rows in the log and not in tables.',
        'The file of the load is in no order: its rows are sorted in memory first. Of the load also the start of its process counts.',
      ],
    }
  },
}

async function startWorker(context: BenchContext, rows: number) {
  const scratch = join(context.folder, 'bulk-worker')
  mkdirSync(scratch)
  const child = startChild(WORKER, null)
  child.send({ rows, scratch })
  await nextMessage(child, WORKER)
  return {
    variant: (name: string, work: BulkWork): Variant => ({
      name,
      unit: 'rows',
      async measure() {
        child.send(work)
        // What bulk-worker.ts answers to a request.
        return (await nextMessage(child, WORKER)) as Sample
      },
    }),
    stop: () => stopChild(child),
  }
}

/** A dataset of its own each round, so that every round does the same. */
function ndjsonLoad(gateway: Gateway, file: string, rows: number): Variant {
  let round = 0
  return {
    name: 'NDJSON load, end to end',
    unit: 'rows',
    async measure() {
      const name = `load-${round++}`
      await createDataset(gateway, name, 'BATCH')
      const cpuAtStart = parseCpuSecondsWithChildren(readStat(gateway.pid))
      const start = performance.now()
      await loadDataset(gateway, name, file)
      const seconds = (performance.now() - start) / 1000
      const cpuSeconds = parseCpuSecondsWithChildren(readStat(gateway.pid)) - cpuAtStart
      return { count: rows, seconds, cpuSeconds }
    },
  }
}
