/**
 * What comparing costs: gets of a dataset that its origin answers, with none, one and all of a hundred of them read from the
 * leaf tier, too, and compared. The origin is a Godwit over its leaf tier that answers Terrapin, with the bench's rows; the
 * gateways before it hold the same version.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { callAdmin, startGateway } from './gateway.js'
import type { Gateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Sample, Variant } from './harness.js'
import { alternate, judge, seriesNamed } from './harness.js'
import { served, warmUp } from './load-generator.js'
import { putIntoMigration } from './migrating-record.js'
import { comparedShare, twoReadsToShadowed } from './shadow-share.js'
import { type Summary, summarise } from './statistics.js'
import { terrapinGetFrames } from './terrapin.js'
import { NARROW, copyOfLoaded } from './workspace.js'
import type { ShadowFigures } from '../src/model/difference.js'
import { WHOLE_SHARE } from '../src/model/migration.js'
import type { MigrationReport } from '../src/model/migration-plan.js'

/** Well below what one core can do: what is asked is what a request waits, not how many there can be. */
const RATE = 1_000
const CONNECTIONS = 64
const SHARES = [0, 100, WHOLE_SHARE] as const
/** Threads tell their figures once a second. */
const TOLD_WITHIN_MS = 1_200
const LEAF = 'the leaf tier alone, as many as can be'

export const shadowOverhead: Bench = {
  name: 'shadow-overhead',
  question: 'what do shadow reads at 0, 1 and 100 % cost callers, and what processor time?',
  async run(context) {
    const folder = await copyOfLoaded(context, 'shadow-origin')
    const terrapin = await startGateway({ folder, dataThreads: 1, core: 0, servesTerrapin: true })
    const frames = terrapinGetFrames(context)
    const fronts: Gateway[] = []
    const shares = new Map<Sample, number>()
    const one = { context, core: 1, connections: CONNECTIONS } as const
    const variants: Variant[] = [served(LEAF, { ...terrapin, port: portOf(terrapin) }, frames, one)]
    for (const share of SHARES) {
      const front = await startFront(context, portOf(terrapin), share)
      fronts.push(front)
      const server = { ...front, port: portOf(front) }
      await warmUp(server, frames, 1)
      variants.push(served(rated(share), server, frames, { ...one, rate: RATE }))
      // How much each costs shows at none and all.
      const most = served(unbounded(share), server, frames, one)
      if (share === 0) variants.push(most)
      if (share === WHOLE_SHARE) {
        variants.push({ ...most, measure: () => whileCounted(most, front, shares) })
      }
    }
    const series = await alternate(context, variants)
    for (const gateway of [...fronts, terrapin]) await gateway.stop()
    const samplesOf = (name: string): readonly Sample[] => seriesNamed(series, name).samples
    const all = samplesOf(unbounded(WHOLE_SHARE))
    const compared = all.map((sample) => shares.get(sample) ?? Number.NaN)
    const costs = twoReadsToShadowed({ leaf: samplesOf(LEAF), none: samplesOf(unbounded(0)), all, compared })
    const [never, always] = [seriesNamed(series, rated(0)), seriesNamed(series, rated(WHOLE_SHARE))]
    return {
      series,
      verdicts: [
        judge(goals.shadowP99, always, never, ({ p99Us = Number.NaN }) => p99Us),
        { goal: goals.shadowThroughput, value: summarise(costs) },
      ],
      notes: [
        'Origin and gateways share core 0, the load generator has core 1; CPU seconds are those of the one that is asked.',
        'Two reads: a get of the origin through the gateway, and a get of the leaf tier, its socket included.',
        `Shadow reads that do not fit are dropped: with as many gets as can be ${shown(summarise(compared))} of those at 100 % were compared, and what one costs is taken for each round's share.`,
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

function shown({ median, min, max }: Summary): string {
  const [middle, low, high] = [median, min, max].map((share) => (share * 100).toFixed(1))
  return `${middle} % (${low}..${high})`
}

/** A round, warmed up, and what share of its own shadow reads was compared: other series have other shares. */
async function whileCounted(
  variant: Variant,
  front: Gateway,
  shares: Map<Sample, number>,
): ReturnType<Variant['measure']> {
  const before = await shadowFigures(front)
  const sample = await variant.measure()
  shares.set(sample, comparedShare(before, await shadowFigures(front)))
  return sample
}

async function shadowFigures(front: Gateway): Promise<ShadowFigures> {
  await pause(TOLD_WITHIN_MS)
  const { migration } = (await callAdmin(front, 'GET', `/v1/datasets/${NARROW}/migration`)) as {
    migration: MigrationReport // the admin API's answer
  }
  return migration.figures.shadow
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
