/**
 * What callers feel of shadow reads whose other side stalls: gets that the leaf tier answers, with none and all of them read
 * from an origin that answers nothing. Each window finds the stall anew: the breaker of the shadow reads is closed, for a
 * second calls wait for their deadlines, these pass, the breaker opens, and probes find out that nothing has changed.
 *
 * One gateway is asked at a time: two on one core would be measured waiting for each other. A pause of the machine falls on
 * some of many short windows, which their median leaves out; a third gateway, which is the first one once more, tells what
 * is left of it.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { WHOLE_SHARE } from '../src/model/migration.js'
import { FakeOrigin } from '../test/support/fake-origin.js'
import { type Gateway, callAdmin, startGateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Sample, Variant } from './harness.js'
import { served, warmUp } from './load-generator.js'
import { putIntoMigration } from './migrating-record.js'
import { startServer } from './processes.js'
import { stalledTurnsUs } from './stalled-turns.js'
import { type Summary, summarise } from './statistics.js'
import { terrapinGetFrames } from './terrapin.js'
import { NARROW, copyOfLoaded } from './workspace.js'

const RATE = 1_000
/** Without, with, and without once more: what two that are equal differ by is the machine's doing. */
const FRONTS = { none: 0, all: WHOLE_SHARE, 'none again': 0 } as const
type FrontName = keyof typeof FRONTS
const NAMES: readonly FrontName[] = ['none', 'all', 'none again']
/** Of one window: longer than calls wait for their deadlines, and until that has opened the breaker. */
const STALL_MS = 2_000
/** Of each front in a round. */
const WINDOWS = 6
const BREAKER_RESET_MS = 100
const POLL_MS = 50
const WAIT_MS = 30_000

export const shadowStall: Bench = {
  name: 'shadow-stall',
  question: 'what do callers feel of shadow reads of an origin that answers nothing?',
  async run(context) {
    const origin = await FakeOrigin.start({ values: () => Buffer.from('other') })
    const fronts: Front[] = []
    for (const name of NAMES) fronts.push(await startFront(context, origin.port, name))
    const silent = await startServer('silent-server.js', { core: null, set: {} })
    const [rounds, turns]: [Round[], Turns[]] = [[], []]
    for (let round = 0; round <= context.rounds; round += 1) {
      const [ofTurns, samples] = [await measureTurns(silent.port), await measureRound(fronts, origin)]
      // The first one compiles what no warm-up runs through.
      if (round > 0) {
        rounds.push(samples)
        turns.push(ofTurns)
      }
      context.log(
        `round ${round}/${context.rounds}: ${NAMES.map((name) => told(name, samples, ofTurns)).join(', ')}`,
      )
    }
    for (const { gateway } of fronts) await gateway.stop()
    await Promise.all([silent.stop(), origin.close()])
    const p99Ms = rounds.map((round) => each((name) => medianP99Ms(round[name])))
    const turnMs = turns.map((round) => each((name) => summarise(round[name]).median))
    return {
      series: fronts.map(({ name, gets }) => ({ ...gets, samples: rounds.flatMap((round) => round[name]) })),
      verdicts: [
        { goal: goals.shadowStallTurn, value: moreThanNone(turnMs, 'all') },
        ...(canTell(p99Ms) ? [{ goal: goals.shadowStallP99, value: moreThanNone(p99Ms, 'all') }] : []),
      ],
      notes: [
        `Of processor time, two without shadow reads differ by ${shown(moreThanNone(turnMs, 'none again'))}; other work on the machine hardly shows in it.`,
        ...(canTell(p99Ms)
          ? []
          : [
              `What clients wait cannot be told here: p99 ${shown(moreThanNone(p99Ms, 'all'))} beyond that without, as two without differ by more than the bound.`,
            ]),
        `Gateways on core 0, one at a time, load generator and origin on the rest; of each round the median p99 of ${WINDOWS} windows of ${STALL_MS / 1_000} s, and of two of these the difference.`,
        `At p99 two gateways without shadow reads differ by ${shown(moreThanNone(p99Ms, 'none again'))}: less than that cannot be told here.`,
      ],
    }
  },
}

type Round = Readonly<Record<FrontName, readonly Sample[]>>

/** Forth and back, so that each of the two without follows the one with as often as the other. */
async function measureRound(fronts: readonly Front[], origin: FakeOrigin): Promise<Round> {
  const samples: Record<FrontName, Sample[]> = { none: [], all: [], 'none again': [] }
  for (let window = 0; window < WINDOWS; window += 1) {
    for (const front of window % 2 === 0 ? fronts : fronts.toReversed()) {
      await untilClosed(front.gateway)
      origin.stall()
      try {
        samples[front.name].push(await front.gets.measure())
      } finally {
        origin.resume()
      }
    }
  }
  return samples
}

function medianP99Ms(samples: readonly Sample[]): number {
  return summarise(samples.map(({ p99Us = Number.NaN }) => p99Us / 1_000)).median
}

/** Of each window, the processor time of all turns but a hundredth. */
type Turns = Readonly<Record<FrontName, readonly number[]>>

async function measureTurns(port: number): Promise<Turns> {
  const turns: Record<FrontName, number[]> = { none: [], all: [], 'none again': [] }
  for (let window = 0; window < WINDOWS; window += 1) {
    for (const name of window % 2 === 0 ? NAMES : NAMES.toReversed()) {
      const sorted = (await stalledTurnsUs(port, FRONTS[name])).sort((a, b) => a - b)
      turns[name].push((sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN) / 1_000)
    }
  }
  return turns
}

/** Milliseconds of one round. */
type Figures = Readonly<Record<FrontName, number>>

function each(figureOf: (name: FrontName) => number): Figures {
  return { none: figureOf('none'), all: figureOf('all'), 'none again': figureOf('none again') }
}

function moreThanNone(rounds: readonly Figures[], name: FrontName): Summary {
  return summarise(rounds.map((round) => round[name] - round.none))
}

/** Whether two that are equal are found to be: otherwise a difference is the machine's, and so is none. */
function canTell(rounds: readonly Figures[]): boolean {
  const { min, max } = moreThanNone(rounds, 'none again')
  return Math.max(-min, max) <= goals.shadowStallP99.floor
}

function told(name: FrontName, round: Round, turns: Turns): string {
  return `${name} p99 ${medianP99Ms(round[name]).toFixed(2)} ms, CPU ${summarise(turns[name]).median.toFixed(3)} ms`
}

/** A gateway and the gets that it is asked. */
interface Front {
  readonly name: FrontName
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
  return {
    name,
    gateway,
    gets: served(nameOf(name), server, frames, { context: stalled, core: 1, rate: RATE }),
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
