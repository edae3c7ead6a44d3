/**
 * What comparing costs: gets of a dataset that its origin answers, with none, one and all of a hundred of them read from the
 * leaf tier, too, and compared. The origin is a Godwit over its leaf tier that answers Terrapin, with the bench's rows; the
 * gateways before it hold the same version.
 */
import { startGateway } from './gateway.js'
import type { Gateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Sample, Series, Variant } from './harness.js'
import { alternate, judge, seriesNamed } from './harness.js'
import { served } from './load-generator.js'
import { putIntoMigration } from './migrating-record.js'
import { summarise } from './statistics.js'
import { terrapinGetFrames } from './terrapin.js'
import { copyOfLoaded } from './workspace.js'
import { WHOLE_SHARE } from '../src/model/migration.js'

/** Well below what one core can do: what is asked is what a request waits, not how many there can be. */
const RATE = 1_000
const CONNECTIONS = 64
const SHARES = [0, 100, WHOLE_SHARE] as const
const LEAF = 'the leaf tier alone, as many as can be'

export const shadowOverhead: Bench = {
  name: 'shadow-overhead',
  question: 'what do shadow reads at 0, 1 and 100 % cost callers, and what processor time?',
  async run(context) {
    const folder = await copyOfLoaded(context, 'shadow-origin')
    const terrapin = await startGateway({ folder, dataThreads: 1, core: 0, servesTerrapin: true })
    const frames = terrapinGetFrames(context)
    const fronts: Gateway[] = []
    const one = { context, core: 1, connections: CONNECTIONS } as const
    const variants: Variant[] = [served(LEAF, { ...terrapin, port: portOf(terrapin) }, frames, one)]
    for (const share of SHARES) {
      const front = await startFront(context, portOf(terrapin), share)
      fronts.push(front)
      const server = { ...front, port: portOf(front) }
      variants.push(served(rated(share), server, frames, { ...one, rate: RATE }))
      // How much each costs shows at none and all.
      if (share === 0 || share === WHOLE_SHARE) variants.push(served(unbounded(share), server, frames, one))
    }
    const series = await alternate(context, variants)
    for (const gateway of [...fronts, terrapin]) await gateway.stop()
    const [none, all] = [rated(0), rated(WHOLE_SHARE)].map((name) => seriesNamed(series, name))
    if (none === undefined || all === undefined) throw new Error('a series is missing')
    return {
      series,
      verdicts: [
        judge(goals.shadowP99, all, none, ({ p99Us = Number.NaN }) => p99Us),
        { goal: goals.shadowThroughput, value: summarise(twoReadsToShadowed(series)) },
      ],
      notes: [
        'Origin and gateways share core 0, the load generator has core 1; CPU seconds are those of the one that is asked.',
        'Two reads: a get of the origin through the gateway, and a get of the leaf tier, its socket included.',
        'Shadow reads that do not fit are dropped: with as many gets as can be, most of those at 100 % are compared or dropped.',
      ],
    }
  },
}

function percentOf(share: number): string {
  return `shadow at ${share / 100} %`
}

function rated(share: number): string {
  return `${percentOf(share)}, ${RATE.toLocaleString('en')} gets/s`
}

function unbounded(share: number): string {
  return `${percentOf(share)}, as many as can be`
}

/** Processor time of two reads, each at its own cost, for that of one which is compared. */
function twoReadsToShadowed(series: readonly Series[]): number[] {
  const cost = ({ cpuSeconds, count }: Sample): number => cpuSeconds / count
  const costs = (name: string): number[] => seriesNamed(series, name).samples.map(cost)
  const leaf = costs(LEAF)
  const none = costs(unbounded(0))
  const all = costs(unbounded(WHOLE_SHARE))
  return all.map((shadowed, round) => ((leaf[round] ?? Number.NaN) + (none[round] ?? Number.NaN)) / shadowed)
}

async function startFront(context: BenchContext, port: number, shadowShare: number): Promise<Gateway> {
  const folder = await copyOfLoaded(context, `shadow-${shadowShare}`)
  await putIntoMigration(folder, 'VERIFY', shadowShare)
  const west = { api: 'terrapin', host: '127.0.0.1', port, clusters: ['local'] }
  return await startGateway({
    folder,
    dataThreads: 1,
    core: 0,
    servesTerrapin: true,
    settings: { origins: { west } },
  })
}

function portOf({ terrapinPort }: Gateway): number {
  if (terrapinPort === null) throw new Error('the gateway does not serve TerrapinService')
  return terrapinPort
}
