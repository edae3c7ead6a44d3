/**
 * What callers feel of shadow reads whose other side stalls: gets that the leaf tier answers, with none and all of them read
 * from an origin that answers nothing. Each measurement finds the stall anew: the breaker of the shadow reads is closed, for
 * a second calls wait for their deadlines, these pass, the breaker opens, and probes find out that nothing has changed.
 *
 * Two gateways are asked at the same time and held against each other: a pause of the machine, which is many times what is
 * to be told, falls on both.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { WHOLE_SHARE } from '../src/model/migration.js'
import { FakeOrigin } from '../test/support/fake-origin.js'
import { type Gateway, callAdmin, startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Sample, Series, Variant } from './harness.js'
import { alternate, seriesNamed } from './harness.js'
import { served, warmUp } from './load-generator.js'
import { putIntoMigration } from './migrating-record.js'
import { type Summary, summarise } from './statistics.js'
import { terrapinGetFrames } from './terrapin.js'
import { NARROW, copyOfLoaded } from './workspace.js'

const RATE = 1_000
/** Without, with, and without once more: what two that are equal differ by is the machine's doing. */
const FRONTS = { none: 0, all: WHOLE_SHARE, 'none again': 0 } as const
type FrontName = keyof typeof FRONTS
/** Of one measurement: longer than calls wait for their deadlines, and until that has opened the breaker. */
const STALL_MS = 5_000
const BREAKER_RESET_MS = 100
const POLL_MS = 50
const WAIT_MS = 30_000

export const shadowStall: Bench = {
  name: 'shadow-stall',
  question: 'what do callers feel of shadow reads of an origin that answers nothing?',
  async run(context) {
    const origin = await FakeOrigin.start({ values: () => Buffer.from('other') })
    const fronts = new Map<FrontName, Front>()
    for (const name of ['none', 'all', 'none again'] as const) {
      fronts.set(name, await startFront(context, origin.port, name))
    }
    const beside = new Map<Sample, Sample>()
    const paired = (name: FrontName): Variant => besideNone({ name, fronts, origin, beside })
    const series = await alternate(context, [paired('all'), paired('none again')])
    for (const { gateway } of fronts.values()) await gateway.stop()
    await origin.close()
    const moreMs = (name: FrontName): Summary => summarise(differencesMs(series, name, beside))
    const none = seriesNamed(series, nameOf('all')).samples.flatMap((sample) => beside.get(sample) ?? [])
    return {
      series: [{ name: nameOf('none'), unit: 'requests', samples: none }, ...series],
      verdicts: [{ goal: goals.shadowStallP99, value: moreMs('all') }],
      notes: [
        'Two gateways at a time, both on core 0, load generators and origin on the rest; the verdict is the difference of the two, round by round.',
        `Two gateways without shadow reads differ by ${shown(moreMs('none again'))}: less than that cannot be told here.`,
      ],
    }
  },
}

/** A gateway and the gets that it is asked. */
interface Front {
  readonly gateway: Gateway
  readonly gets: Variant
}

function nameOf(front: FrontName): string {
  return `a stalled origin, shadow reads: ${front}, ${RATE.toLocaleString('en')} gets/s`
}

function shown({ median, min, max }: Summary): string {
  return `${median.toFixed(2)} ms (${min.toFixed(2)}..${max.toFixed(2)})`
}

async function startFront(context: BenchContext, port: number, name: FrontName): Promise<Front> {
  const folder = await copyOfLoaded(context, `shadow-stall-${name.replace(' ', '-')}`)
  await putIntoMigration(folder, 'TARGET_PRIMARY', FRONTS[name])
  const west = {
    api: 'terrapin',
    host: '127.0.0.1',
    port,
    clusters: ['local'],
    breakerResetMs: BREAKER_RESET_MS,
  }
  const gateway = await startGateway({
    folder,
    dataThreads: 1,
    core: 0,
    servesTerrapin: true,
    settings: { origins: { west }, log: { level: 'error' } },
  })
  if (gateway.terrapinPort === null) throw new Error('the gateway does not serve TerrapinService')
  const server = { ...gateway, port: gateway.terrapinPort }
  const frames = terrapinGetFrames(context)
  await warmUp(server, frames, 1)
  const stalled = { ...context, warmUpMs: 0, measureMs: STALL_MS }
  return { gateway, gets: served(nameOf(name), server, frames, { context: stalled, core: 1, rate: RATE }) }
}

interface Pair {
  readonly name: FrontName
  readonly fronts: ReadonlyMap<FrontName, Front>
  readonly origin: FakeOrigin
  /** Is given what was measured of the one without shadow reads at the same time. */
  readonly beside: Map<Sample, Sample>
}

function besideNone({ name, fronts, origin, beside }: Pair): Variant {
  const [front, none] = [fronts.get(name), fronts.get('none')]
  if (front === undefined || none === undefined) throw new Error(`there is no gateway ${name}`)
  const measure = async (): Promise<Sample> => {
    await untilClosed(front.gateway)
    origin.stall()
    try {
      const [sample, other] = await Promise.all([front.gets.measure(), none.gets.measure()])
      beside.set(sample, other)
      return sample
    } finally {
      origin.resume()
    }
  }
  return { ...front.gets, measure }
}

/** Its backends, as the admin API tells them. */
interface Status {
  readonly backends: readonly { readonly isOpen: boolean }[]
}

async function untilClosed(front: Gateway): Promise<void> {
  const untilMs = performance.now() + WAIT_MS
  for (;;) {
    const { backends } = (await callAdmin(front, 'GET', '/v1/status')) as Status
    if (backends.every(({ isOpen }) => !isOpen)) return
    if (performance.now() > untilMs) throw new Error(`the origin of ${NARROW} is not asked again`)
    await pause(POLL_MS)
  }
}

/** What that one's p99 is beyond that of the one without, at the same time. */
function differencesMs(
  series: readonly Series[],
  front: FrontName,
  beside: ReadonlyMap<Sample, Sample>,
): number[] {
  return seriesNamed(series, nameOf(front)).samples.map((sample) => {
    const { p99Us: without = Number.NaN } = beside.get(sample) ?? {}
    return ((sample.p99Us ?? Number.NaN) - without) / 1_000
  })
}
