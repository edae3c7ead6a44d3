/**
 * How large chunks of sealed rows should be: projections want them small, whole rows and loads want them large. The same
 * rows are built once with each size and put in place of what a gateway loaded, which readers cannot tell.
 */
import { mkdirSync, rmSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import type { BuildAnswer, BuildRequest, BuilderSettings } from './chunk-builder.js'
import { createDataset, loadDataset, startGateway } from './gateway.js'
import type { Bench, BenchContext, Sample, Series, Variant } from './harness.js'
import { alternate, seriesNamed } from './harness.js'
import { nextMessage, startChild, stopChild } from './processes.js'
import { markdownTable } from './report.js'
import { summarise } from './statistics.js'
import type { WideReader } from './wide-peer.js'
import { startWideReader } from './wide-peer.js'
import { linesFile, sealedShards, wideLine } from './workspace.js'

const BUILDER = 'chunk-builder.js'
const SIZES_KB = [1, 2, 4, 8, 16, 32, 64] as const
const COLUMNS = [2, 10, 30] as const
const ROWS = 500
/** Many variants: each may be short, because they differ by factors. */
const MAX_ROUNDS = 3
const MAX_MEASURE_MS = 500

export const chunkSweep: Bench = {
  name: 'chunk-sweep',
  question: 'how large should the chunks of sealed rows be?',
  async run(full) {
    const context: BenchContext = {
      ...full,
      rounds: Math.min(full.rounds, MAX_ROUNDS),
      warmUpMs: Math.min(full.warmUpMs, 100),
      measureMs: Math.min(full.measureMs, MAX_MEASURE_MS),
    }
    const folder = join(context.folder, 'chunk-sweep')
    const shards = await loadPlaceholders(context, folder)
    const built = await build(context, shards)
    const gateway = await startGateway({ folder, dataThreads: 1, core: 0 })
    const reader = await startWideReader(context, gateway, ROWS)
    const read = await alternate(context, readVariants(reader))
    await Promise.all([gateway.stop(), reader.stop()])
    return {
      series: [],
      verdicts: [],
      table: tableOf(built, read),
      notes: [
        `Rows of 30 columns of 2,160 B, 64 KB together; ${ROWS} of them; median of ${context.rounds} rounds.`,
        'Reading: CPU time of server and callers together (16 callers, one request each in flight), with stock thrift code. Loading: all threads, from rows in memory to the sealed shard.',
        'Rows of at most 24 KB are one head whatever the chunk size is; with chunks of 64 KB these rows are one head too.',
      ],
    }
  },
}

/** One dataset a size, each with a row; answers their shards' directories. No gateway has them open any more. */
async function loadPlaceholders(context: BenchContext, folder: string): Promise<Map<number, string>> {
  const gateway = await startGateway({ folder, dataThreads: 1, core: null })
  const path = linesFile(context, 'chunk-sweep', 1, wideLine)
  const shards = new Map<number, string>()
  for (const size of SIZES_KB) {
    await createDataset(gateway, datasetOf(size), 'BATCH')
    await loadDataset(gateway, datasetOf(size), path)
    const known = new Set(shards.values())
    const fresh = sealedShards(folder).find((directory) => !known.has(directory))
    if (fresh === undefined) throw new Error(`no shard of ${datasetOf(size)} below ${folder}`)
    shards.set(size, fresh)
  }
  await gateway.stop()
  return shards
}

function datasetOf(size: number): string {
  return `chunks-${size}k`
}

interface Built {
  readonly series: readonly Series[]
  readonly diskBytes: ReadonlyMap<number, number>
}

/** Builds each shard once a round and leaves the last in its place. */
async function build(context: BenchContext, shards: ReadonlyMap<number, string>): Promise<Built> {
  const scratch = join(context.folder, 'chunk-sweep-built')
  mkdirSync(scratch)
  const child = startChild(BUILDER, null)
  child.send({ rows: ROWS } satisfies BuilderSettings)
  await nextMessage(child, BUILDER)
  const diskBytes = new Map<number, number>()
  const variants = SIZES_KB.map((size): Variant => ({
    name: loadOf(size),
    unit: 'rows',
    async measure() {
      const directory = join(scratch, datasetOf(size))
      child.send({ directory, chunkSize: size * 1024 } satisfies BuildRequest)
      // What chunk-builder.ts answers to a request.
      const answer = (await nextMessage(child, BUILDER)) as BuildAnswer
      diskBytes.set(size, answer.diskBytes)
      return answer
    },
  }))
  const series = await alternate(context, variants)
  await stopChild(child)
  for (const [size, directory] of shards) {
    rmSync(directory, { recursive: true })
    renameSync(join(scratch, datasetOf(size)), directory)
  }
  return { series, diskBytes }
}

function readVariants(reader: WideReader): Variant[] {
  return COLUMNS.flatMap((columns) =>
    SIZES_KB.map((size): Variant => ({
      name: readOf(size, columns),
      unit: 'rows',
      measure: () => reader.measure({ dataset: datasetOf(size), columns }),
    })),
  )
}

function readOf(size: number, columns: number): string {
  return `${columns} columns, chunks of ${size} KB`
}

function loadOf(size: number): string {
  return `load, chunks of ${size} KB`
}

function tableOf({ series, diskBytes }: Built, read: readonly Series[]): string {
  const rows = SIZES_KB.map((size) => [
    `${size} KB`,
    ...COLUMNS.map((columns) => cpuUs(seriesNamed(read, readOf(size, columns)))),
    cpuUs(seriesNamed(series, loadOf(size))),
    ((diskBytes.get(size) ?? Number.NaN) / ROWS / 1024).toFixed(1),
  ])
  return markdownTable(
    ['chunk', '2 columns, us', '10 columns, us', 'whole row, us', 'load a row, us', 'disk a row, KB'],
    rows,
  )
}

/** CPU time a row. */
function cpuUs({ samples }: Series): string {
  const us = (sample: Sample) => (sample.cpuSeconds / sample.count) * 1e6
  const { median, min, max } = summarise(samples.map(us))
  return `${median.toFixed(0)} (${min.toFixed(0)}..${max.toFixed(0)})`
}
