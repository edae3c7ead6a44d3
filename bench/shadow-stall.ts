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
import { summarise } from './statistics.js'
import { terrapinGetFrames } from './terrapin.js'
import { NARROW, copyOfLoaded } from './workspace.js'

const RATE = 1_000
const SHARES = [0, WHOLE_SHARE] as const
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
    for (const share of SHARES) {
      const front = await startFront(context, origin.port, share)
      fronts.push(front)
      if (front.terrapinPort === null) throw new Error('the gateway does not serve TerrapinService')
      const frames = terrapinGetFrames(context)
      const server = { ...front, port: front.terrapinPort }
      const variant = served(nameOf(share), server, frames, { context, core: 1, rate: RATE })
      variants.push({ ...variant, measure: () => whileStalled(variant, front, origin) })
    }
    const series = await alternate(context, variants)
    for (const front of fronts) await front.stop()
    await origin.close()
    return {
      series,
      verdicts: [{ goal: goals.shadowStallP99, value: summarise(addedMs(series)) }],
      notes: [
        'The gateways have core 0, load generator and origin the rest; the verdict is a difference, round by round.',
      ],
    }
  },
}

function nameOf(share: number): string {
  return `shadow at ${share / 100} % of a stalled origin, ${RATE.toLocaleString('en')} gets/s`
}

async function startFront(context: BenchContext, port: number, share: number): Promise<Gateway> {
  const folder = await copyOfLoaded(context, `shadow-stall-${share}`)
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

function addedMs(series: readonly Series[]): number[] {
  const [none, all] = SHARES.map((share) => seriesNamed(series, nameOf(share)).samples)
  return (all ?? []).map(
    ({ p99Us = Number.NaN }, round) => (p99Us - (none?.[round]?.p99Us ?? Number.NaN)) / 1_000,
  )
}
