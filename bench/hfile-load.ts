/**
 * What loading HFiles costs, in megabytes of the files: against reading the same bytes and nothing else, and against taking
 * their rows out and nothing else. Once more with each value taken apart into 30 columns.
 */
import { join } from 'node:path'
import { createDataset, loadDataset, startGateway } from './gateway.js'
import type { Gateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, Sample, Variant } from './harness.js'
import { alternate, judge, seriesNamed } from './harness.js'
import type { HFileSettings, HFileWork } from './hfile-worker.js'
import { parseCpuSecondsWithChildren, readStat } from './proc.js'
import { nextMessage, startChild, stopChild } from './processes.js'
import { STRUCT_EXPLODE, type StructFiles, writeStructFiles } from './struct-data.js'

const WORKER = 'hfile-worker.js'
/** Structs of 1 KB, in so many files: what a partition of Terrapin's has, in small. */
const FIELD_SIZE = 28
const PARTS = 4
const MAX_ROWS = 100_000
const MEGABYTE = 1_000_000

export const hfileLoad: Bench = {
  name: 'hfile-load',
  question: 'what does loading HFiles cost, held against reading the files and decoding them only?',
  async run(context) {
    const rows = Math.min(Math.ceil(context.rows / 5), MAX_ROWS)
    const files = writeStructFiles(join(context.folder, 'hfiles'), {
      rows,
      fieldSize: FIELD_SIZE,
      parts: PARTS,
    })
    const gateway = await startGateway({
      folder: join(context.folder, 'hfile-load'),
      dataThreads: 1,
      core: null,
    })
    const worker = await startWorker(files, rows)
    const series = await alternate(context, [
      worker.variant('reading the files', 'read'),
      worker.variant('decoding alone', 'decode'),
      worker.variant('decoding and taking structs apart', 'explode'),
      load(gateway, files, 'HFile load, end to end', {}),
      load(gateway, files, 'the same with 30 columns a row', { explode: STRUCT_EXPLODE }),
    ])
    await Promise.all([gateway.stop(), worker.stop()])
    const named = (name: string) => seriesNamed(series, name)
    return {
      series,
      verdicts: [
        judge(goals.hfileDecode, named('decoding alone'), named('reading the files')),
        judge(goals.hfileLoad, named('HFile load, end to end'), named('decoding alone')),
        judge(goals.explodedLoad, named('the same with 30 columns a row'), named('HFile load, end to end')),
      ],
      notes: [
        `${rows.toLocaleString('en')} rows, ${(files.bytes / MEGABYTE).toFixed(0)} MB in ${PARTS} files, not compressed and in the page cache; checksums are verified by all but the first.`,
        'Of the loads also the start of their process counts; the CPU time is of all threads and that process.',
      ],
    }
  },
}

async function startWorker({ folder, bytes }: StructFiles, rows: number) {
  const child = startChild(WORKER, null)
  child.send({ folder, bytes, rows } satisfies HFileSettings)
  await nextMessage(child, WORKER)
  return {
    variant: (name: string, work: HFileWork): Variant => ({
      name,
      unit: 'MB',
      async measure() {
        child.send(work)
        // What hfile-worker.ts answers to a request.
        return (await nextMessage(child, WORKER)) as Sample
      },
    }),
    stop: () => stopChild(child),
  }
}

/** A dataset of its own each round, so that every round does the same. */
function load(gateway: Gateway, { folder, bytes }: StructFiles, name: string, wish: object): Variant {
  let round = 0
  return {
    name,
    unit: 'MB',
    async measure() {
      const dataset = `load-${'explode' in wish ? 'columns' : 'whole'}-${round++}`
      await createDataset(gateway, dataset, 'BATCH')
      const cpuAtStart = parseCpuSecondsWithChildren(readStat(gateway.pid))
      const start = performance.now()
      await loadDataset(gateway, dataset, folder, { format: 'hfile', keyField: '', ...wish })
      const seconds = (performance.now() - start) / 1000
      const cpuSeconds = parseCpuSecondsWithChildren(readStat(gateway.pid)) - cpuAtStart
      return { count: bytes / MEGABYTE, seconds, cpuSeconds }
    },
  }
}
