/**
 * What readers feel of a purge: gets of rows that live on, of a dataset out of which a pass removes all the others. The
 * first pass comes a minute after a shard was opened; the windows before it are the quiet ones. Nothing is pinned.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { rowKey, rowValue } from './dataset.js'
import { frameFile, getFrames, putFrames } from './frames.js'
import { type Gateway, createDataset, startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Sample, Series } from './harness.js'
import { judge } from './harness.js'
import { PIPELINED, generateLoad, served } from './load-generator.js'
import { encodeCalls, types } from './stock-thrift.js'

const DATASET = 'expiring'
const QUIET = 'get at 2 k/s, quiet'
const BESIDE = 'get at 2 k/s, beside the purge'
const READS_PER_SECOND = 2_000
const READERS = 16
/** Behind the last write, until all of them have expired. */
const TTL_SECONDS = 2
/** A pass that has not begun by then does not come. */
const PATIENCE_MS = 120_000
const BIG_LOAD_MS = 12_000

export const purge: Bench = {
  name: 'purge',
  question: 'what do readers feel of a purge of the rows beside theirs?',
  async run(context) {
    const gateway = await startGateway({ folder: `${context.folder}/purge`, dataThreads: 2, core: null })
    await createDataset(gateway, DATASET, 'READ_WRITE', { graceSeconds: 0 })
    await write(context, gateway, putFrames(context, DATASET), context.hotRows / 5_000)
    await write(context, gateway, expiringFrames(context), BIG_LOAD_MS / 1_000)
    const read = served('read', gateway, getFrames(context, DATASET), {
      context,
      core: null,
      connections: READERS,
      depth: 256,
      rate: READS_PER_SECOND,
    })
    const quiet: Sample[] = []
    const beside: Sample[] = []
    const deadlineMs = performance.now() + PATIENCE_MS
    const before = await purgedEntries(gateway)
    let last = before
    while (beside.length < context.rounds && performance.now() < deadlineMs) {
      const sample = await read.measure()
      const purged = await purgedEntries(gateway)
      if (purged === last && beside.length > 0) break
      if (last > before) beside.push(sample)
      else if (purged === last) quiet.push(sample)
      last = purged
      await sleep(purged === before ? context.measureMs : 0)
    }
    await gateway.stop()
    if (beside.length === 0) throw new Error('no purge was seen; were the rows expired?')
    const series: Series[] = [
      { name: QUIET, unit: 'requests', samples: quiet.slice(-beside.length) },
      { name: BESIDE, unit: 'requests', samples: beside.slice(0, quiet.length) },
    ]
    const p99Of = ({ p99Us }: Sample) => p99Us ?? Number.NaN
    const [still, disturbed] = series as [Series, Series]
    return {
      series,
      verdicts: [judge(goals.readsBesidePurge, disturbed, still, p99Of)],
      notes: [`The pass removed ${(last - before).toLocaleString('en')} entries while it was looked at.`],
    }
  },
}

async function write(
  context: BenchContext,
  gateway: Gateway,
  frames: string,
  seconds: number,
): Promise<void> {
  const { port, pid } = gateway
  await generateLoad({ ...PIPELINED, port, pid, frames, warmUpMs: 0, measureMs: seconds * 1_000, core: null })
  context.log(`wrote for ${seconds} s`)
}

/** Puts of rows that nobody reads and that are gone soon. */
function expiringFrames(context: BenchContext): string {
  return frameFile(context, 'expiring', () =>
    encodeCalls(
      'put',
      Array.from(
        { length: context.rows },
        (_, row) =>
          new types.PutRequest({
            dataset: DATASET,
            key: Buffer.concat([Buffer.from('x'), rowKey(row)]),
            value: rowValue(row),
            ttlSeconds: TTL_SECONDS,
          }),
      ),
    ),
  )
}

async function purgedEntries(gateway: Gateway): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text()
  const found = text.matchAll(/^godwit_purged_entries_total\{[^}]*\} (\S+)$/gm)
  return Array.from(found, ([, value]) => Number(value)).reduce((sum, value) => sum + value, 0)
}
