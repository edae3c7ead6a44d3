/**
 * What a gateway before an old store costs its callers: gets asked of a Terrapin directly, and through a Godwit whose
 * dataset lives there. The Terrapin is a Godwit as well, over its leaf tier, with the bench's rows.
 */
import { join } from 'node:path'
import { createDataset, startGateway } from './gateway.js'
import type { Gateway } from './gateway.js'
import { type Goal, goals } from './goals.js'
import type { Bench, BenchContext, Sample, Series, Variant, Verdict } from './harness.js'
import { alternate, seriesNamed } from './harness.js'
import { served, warmUp } from './load-generator.js'
import { summarise } from './statistics.js'
import { terrapinGetFrames } from './terrapin.js'
import { NARROW, copyOfLoaded } from './workspace.js'

/** Well below what two gateways on one core can do: what is asked is what a request waits, not how many there can be. */
const RATE = 1_000
const CONNECTIONS = 64
const LONE = 'a lone get'
const LOADED = `${RATE.toLocaleString('en')} gets/s`
const WAYS = ['direct', 'through Godwit', 'through Godwit, pipelined'] as const

export const origin: Bench = {
  name: 'origin',
  question: 'what does a Godwit before an old store add to what its callers wait?',
  async run(context) {
    const folder = await copyOfLoaded(context, 'origin')
    const terrapin = await startGateway({ folder, dataThreads: 1, core: 0, servesTerrapin: true })
    const port = portOf(terrapin)
    const fronts = [await startFront(context, port, 'off'), await startFront(context, port, 'on')]
    const servers = [terrapin, ...fronts].map((gateway) => ({ ...gateway, port: portOf(gateway) }))
    const frames = terrapinGetFrames(context)
    for (const server of servers) await warmUp(server, frames, 1)
    const variants = servers.flatMap((server, index): Variant[] => {
      const way = WAYS[index] ?? ''
      const one = { context, core: 1 } as const
      return [
        served(`${way}, ${LONE}`, server, frames, { ...one, connections: 1 }),
        served(`${way}, ${LOADED}`, server, frames, { ...one, connections: CONNECTIONS, rate: RATE }),
      ]
    })
    const series = await alternate(context, variants)
    for (const gateway of [...fronts, terrapin]) await gateway.stop()
    return {
      series,
      verdicts: [
        added(goals.originLoneP50, series, LONE, ({ p50Us }) => p50Us),
        added(goals.originLoneP99, series, LONE, ({ p99Us }) => p99Us),
        added(goals.originLoadedP50, series, LOADED, ({ p50Us }) => p50Us),
        added(goals.originLoadedP99, series, LOADED, ({ p99Us }) => p99Us),
      ],
      notes: [
        'Terrapin and Godwit share core 0, the load generator has core 1; CPU seconds are those of the one that is asked.',
        'Verdicts are differences, round by round, for connections that take one call at a time, as a real Terrapin does.',
      ],
    }
  },
}

async function startFront(context: BenchContext, port: number, pipelining: 'on' | 'off'): Promise<Gateway> {
  const west = { api: 'terrapin', host: '127.0.0.1', port, clusters: ['local'], pipelining }
  const front = await startGateway({
    folder: join(context.folder, `front-${pipelining}`),
    dataThreads: 1,
    core: 0,
    servesTerrapin: true,
    settings: { origins: { west } },
  })
  await createDataset(front, NARROW, 'BATCH', { migrationState: 'ORIGIN_ONLY', origin: 'west' })
  return front
}

function portOf({ terrapinPort }: Gateway): number {
  if (terrapinPort === null) throw new Error('the gateway does not serve TerrapinService')
  return terrapinPort
}

/** Milliseconds that the way through a Godwit takes longer. */
function added(
  goal: Goal,
  series: readonly Series[],
  what: string,
  timeOf: (sample: Sample) => number | undefined,
): Verdict {
  const [direct, through] = [WAYS[0], WAYS[1]].map((way) => seriesNamed(series, `${way}, ${what}`).samples)
  const times = (direct ?? []).map((sample, round) => {
    const other = through?.[round]
    return ((other === undefined ? undefined : timeOf(other)) ?? Number.NaN) - (timeOf(sample) ?? Number.NaN)
  })
  return { goal, value: summarise(times.map((us) => us / 1_000)) }
}
