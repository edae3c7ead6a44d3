/**
 * What group commit is worth: 256 callers who each wait until their write is on stable storage, against one sync a write,
 * and what a reader feels of them. Nothing is pinned: data threads, writer thread and generators share the cores.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { putFrames, getFrames } from './frames.js'
import { startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Sample, Series, Variant } from './harness.js'
import { alternate, judge, perSecondOf, seriesNamed } from './harness.js'
import { PIPELINED, served } from './load-generator.js'
import { startRawPeer } from './raw-peer.js'
import { MUTABLE, NARROW, copyOfLoaded, narrowDatabase } from './workspace.js'

const WRITERS = 256
/** A reader whose own load is small, so that its latency is what the others make of it. */
const READS_PER_SECOND = 2_000
const READERS = 16

export const durableWrites: Bench = {
  name: 'durable-writes',
  question: 'what is group commit worth, and what do readers feel of it?',
  async run(context) {
    const gateway = await startGateway({
      folder: await copyOfLoaded(context, 'durable-writes'),
      dataThreads: 2,
      core: null,
    })
    const raw = await startRaw(context)
    const unpinned = { context, core: null }
    const puts = putFrames(context, MUTABLE)
    const write = served('put, 256 x 1', gateway, puts, { ...unpinned, connections: WRITERS })
    const writePipelined = served('put, 16 x 16', gateway, puts, { ...unpinned, ...PIPELINED })
    const read = served('get at 2 k/s, quiet', gateway, getFrames(context, NARROW), {
      ...unpinned,
      connections: READERS,
      depth: WRITERS,
      rate: READS_PER_SECOND,
    })
    const series = await alternate(context, [
      {
        name: 'raw, one sync a write',
        unit: 'rows',
        measure: () => raw.measure({ work: 'writeAndSync', measureMs: context.measureMs }),
      },
      write,
      writePipelined,
      read,
      beside('get at 2 k/s, beside 256 writers', read, write),
    ])
    await Promise.all([gateway.stop(), raw.stop()])
    return { series, verdicts: verdictsOf(series), notes: [] }
  },
}

/** Measures the first while the second runs; the second's own figures are dropped. */
function beside(name: string, measured: Variant, other: Variant): Variant {
  return {
    name,
    unit: measured.unit,
    async measure() {
      const [sample] = await Promise.all([measured.measure(), other.measure()])
      return sample
    },
  }
}

function verdictsOf(series: readonly Series[]) {
  const named = (name: string) => seriesNamed(series, name)
  const p99Of = ({ p99Us }: Sample) => p99Us ?? Number.NaN
  return [
    judge(goals.durableWrites, named('put, 256 x 1'), named('raw, one sync a write'), perSecondOf),
    judge(goals.durableWritesPipelined, named('put, 16 x 16'), named('raw, one sync a write'), perSecondOf),
    judge(
      goals.readsBesideWrites,
      named('get at 2 k/s, beside 256 writers'),
      named('get at 2 k/s, quiet'),
      p99Of,
    ),
  ]
}

async function startRaw(context: BenchContext) {
  const scratch = join(context.folder, 'durable-writes-scratch')
  mkdirSync(scratch)
  const { rows } = context
  return startRawPeer({ directory: await narrowDatabase(context), rows, hotRows: 1_000, scratch }, null)
}
