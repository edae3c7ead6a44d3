/**
 * What callers feel of shadow reads whose other side stalls: gets that the leaf tier answers, with none and all of them read
 * from an origin that answers nothing. Each measurement finds the stall anew: the breaker of the shadow reads is closed, and
 * for a second calls wait for their deadlines.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { WHOLE_SHARE } from '../src/model/migration.js'
import { FakeOrigin } from '../test/support/fake-origin.js'
import { type Gateway, callAdmin, startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Series, Variant } from './harness.js'
import { alternate, seriesNamed } from './harness.js'
import { served } from './load-generator.js'
import { putIntoMigration } from './migrating-record.js'
import { type Summary, summarise } from './statistics.js'
import { terrapinGetFrames } from './terrapin.js'
import { NARROW, copyOfLoaded } from './workspace.js'

const RATE = 1_000
/** Without, with, and without once more: what two that are equal differ by is the machine's doing. */
const FRONTS = [
  { name: 'none', share: 0 },
  { name: 'all', share: WHOLE_SHARE },
  { name: 'none again', share: 0 },
] as const
const BREAKER_RESET_MS = 100
const POLL_MS = 50
const WAIT_MS = 30_000

export const shadowStall: Bench = {
  name: 'shadow-stall',
  question: 'what do callers feel of shadow reads of an origin that answers nothing?',
  async run(context) {
    const origin = await FakeOrigin.start({ values: () => Buffer.from('other') })
    const fronts: Gateway[] = []
    const variants: Variant[] = []
    for (const { name, share } of FRONTS) {
      const front = await startFront(context, origin.port, { name, share })
      fronts.push(front)
      if (front.terrapinPort === null) throw new Error('the gateway does not serve TerrapinService')
      const frames = terrapinGetFrames(context)
      const server = { ...front, port: front.terrapinPort }
      const variant = served(nameOf(name), server, frames, { context, core: 1, rate: RATE })
      variants.push({ ...variant, measure: () => whileStalled(variant, front, origin) })
    }
    const series = await alternate(context, variants)
    for (const front of fronts) await front.stop()
    await origin.close()
    return {
      series,
      verdicts: [{ goal: goals.shadowStallP99, value: summarise(moreMs(series, 'all')) }],
      notes: [
        'The gateways have core 0, load generator and origin the rest; the verdict is a difference, round by round.',
        `Two gateways without shadow reads differ by ${shown(summarise(moreMs(series, 'none again')))}: less than that cannot be told here.`,
      ],
    }
  },
}

function nameOf(front: (typeof FRONTS)[number]['name']): string {
  return `a stalled origin, shadow reads: ${front}, ${RATE.toLocaleString('en')} gets/s`
}

function shown({ median, min, max }: Summary): string {
  return `${median.toFixed(2)} ms (${min.toFixed(2)}..${max.toFixed(2)})`
}

async function startFront(
  context: BenchContext,
  port: number,
  { name, share }: { readonly name: string; readonly share: number },
): Promise<Gateway> {
  const folder = await copyOfLoaded(context, `shadow-stall-${name.replace(' ', '-')}`)
  await putIntoMigration(folder, 'TARGET_PRIMARY', share)
  const west = {
    api: 'terrapin',
    host: '127.0.0.1',
    port,
    clusters: ['local'],
    breakerResetMs: BREAKER_RESET_MS,
  }
  return await startGateway({
    folder,
    dataThreads: 1,
    core: 0,
    servesTerrapin: true,
    settings: { origins: { west }, log: { level: 'error' } },
  })
}

async function whileStalled(
  variant: Variant,
  front: Gateway,
  origin: FakeOrigin,
): ReturnType<Variant['measure']> {
  await untilClosed(front)
  origin.stall()
  try {
    return await variant.measure()
  } finally {
    origin.resume()
  }
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

/** What that one's p99 is beyond that of the first without, round by round. */
function moreMs(series: readonly Series[], front: (typeof FRONTS)[number]['name']): number[] {
  const [none, other] = (['none', front] as const).map((one) => seriesNamed(series, nameOf(one)).samples)
  return (other ?? []).map(
    ({ p99Us = Number.NaN }, round) => (p99Us - (none?.[round]?.p99Us ?? Number.NaN)) / 1_000,
  )
}
