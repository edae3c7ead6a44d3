/**
 * What operators and callers wait for while a dataset moves: a dial until it holds everywhere, a breach until the ramp is
 * back, an origin that is gone until the other side answers.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { limits } from '../src/base/limits.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Report } from './harness.js'
import { MigratingDataset, ORIGIN, ORIGIN_DEADLINE_MS, TARGET } from './migrating-dataset.js'
import { markdownTable } from './report.js'
import { type SideAnswer, longestWaitMs, sentAfter, untilAllHave } from './side-answers.js'
import { SideCallers } from './side-callers.js'
import { summarise } from './statistics.js'

const CALLERS = 12
const PAUSE_MS = 4
const DIALS_PER_ROUND = 20
/** A round gathers evidence for seconds. */
const MAX_BREACHES = 3
const WHOLE = 10_000
/** Threads tell their figures once a second: what was counted before has been told, and comparisons have ended. */
const TOLD_MS = 1_500
const TROUBLE_MS = 400

export const migration: Bench = {
  name: 'migration',
  question: 'how long until a dial, a breach or a lost origin takes effect for every caller?',
  run,
}

interface World {
  readonly dataset: MigratingDataset
  readonly callers: SideCallers
}

/** Figures of one kind of event, one list a round. */
interface Times {
  readonly name: string
  readonly rounds: number[][]
}

async function run(context: BenchContext): Promise<Report> {
  const dataset = await MigratingDataset.start(context)
  const { port } = dataset.gateway
  const { keys } = dataset
  const callers = new SideCallers({ port, dataset: 'pins', keys, callers: CALLERS, pauseMs: PAUSE_MS })
  const world = { dataset, callers }
  // At a split of 0 % the target may stand in all the same: it answers a caller that nobody is.
  await dataset.change('PUT', 'dials', { splitCallers: ['nobody'] })
  const dials = await measureDials(world, context)
  const losses = await measureLosses(world, context)
  const breaches = await measureBreaches(world, context)
  await callers.stop()
  await dataset.stop()
  if (callers.failed > 0) throw new Error(`${callers.failed} calls failed: ${callers.faults.join('; ')}`)
  const all = [...dials, ...losses, ...breaches]
  const slowest = (name: string) => summarise(timesNamed(all, name).rounds.map((times) => Math.max(...times)))
  return {
    series: [],
    table: markdownTable(['from ... to', 'events', 'median ms', 'slowest ms'], all.map(rowOf)),
    verdicts: [
      { goal: goals.migrationDial, value: slowest(DIAL_SEEN) },
      { goal: goals.migrationBreach, value: slowest(BREACH) },
      { goal: goals.fallbackKilled, value: slowest(KILL_LONGEST) },
      { goal: goals.fallbackOpen, value: slowest(OPEN_FIRST) },
    ],
    notes: [
      `${callers.answered.toLocaleString('en')} answers to ${CALLERS} callers, each with a connection and ${PAUSE_MS} ms between two ` +
        'calls, over two data threads: 0 errors. No call that was sent after a dial was answered went to the side before.',
      'A change is asked of the admin API; raising a split also probes the origin. Times hold what callers pause and how ' +
        'often figures are told (1 s) and looked at (1 s).',
      `Calls of a stalled origin wait for its standInAfterMs (${limits.originStandInMs} ms), those sent before its breaker opens, which ` +
        `takes deadlines of ${ORIGIN_DEADLINE_MS} ms here. Origin and callers share a process, and the cores with the gateway.`,
    ],
  }
}

const DIAL_SEEN = 'dial of 0 or 100 % to the first answer of the new side on the last connection'
const DIAL_SAID = 'the same to the answer of the admin API'
const DIAL_ADOPTED = 'the same to the adoption by every thread, as that answer says'

async function measureDials(world: World, context: BenchContext): Promise<Times[]> {
  const times = { seen: timesOf(DIAL_SEEN), said: timesOf(DIAL_SAID), adopted: timesOf(DIAL_ADOPTED) }
  for (let round = 0; round <= context.rounds; round += 1) {
    const dials: Dial[] = []
    for (let number = 0; number < DIALS_PER_ROUND; number += 1) {
      dials.push(await turnDial(world, number % 2 === 0))
    }
    logRound(
      context,
      round,
      'dials',
      dials.map((one) => one.seenMs),
    )
    // The first round compiles.
    if (round === 0) continue
    times.seen.rounds.push(dials.map((one) => one.seenMs))
    times.said.rounds.push(dials.map((one) => one.saidMs))
    times.adopted.rounds.push(dials.map((one) => one.adoptedMs))
  }
  return Object.values(times)
}

interface Dial {
  readonly seenMs: number
  readonly saidMs: number
  readonly adoptedMs: number
}

/** @throws when a call that was sent after the dial's answer went to the side before */
async function turnDial({ dataset, callers }: World, toTarget: boolean): Promise<Dial> {
  const revision = await dataset.revision()
  callers.take()
  const sinceMs = performance.now()
  const { adoptedAfterMs } = await dataset.change(
    'PUT',
    'dials',
    { splitShare: toTarget ? WHOLE : 0 },
    revision,
  )
  const saidAtMs = performance.now()
  await callers.turn()
  const answers = callers.take()
  const value = toTarget ? TARGET : ORIGIN
  const stale = sentAfter(answers, saidAtMs).filter((answer) => answer.value !== value)
  if (stale.length > 0) throw new Error(`${stale.length} calls went to another side than the dial said`)
  if (adoptedAfterMs === null) throw new Error('a dial was not adopted by every thread within a second')
  return {
    seenMs: untilAllHave(answers, { value, callers: callers.callers, sinceMs }),
    saidMs: saidAtMs - sinceMs,
    adoptedMs: adoptedAfterMs,
  }
}

const KILL_FIRST = 'origin killed to the first answer of the other side on the last connection'
const KILL_LONGEST = 'the same: longest wait of a call'
const STALL_OPEN = 'origin stalls to its breaker being open'
const STALL_LONGEST = 'the same: longest wait of a call, which the other side answers'
const OPEN_FIRST = 'breaker open to the first answer of the other side to a new call'
const OPEN_LAST = 'the same on the last connection'

/** The origin answers all keys, dies or stalls, and comes back. */
async function measureLosses(world: World, context: BenchContext): Promise<Times[]> {
  const times = {
    ...{ killed: timesOf(KILL_FIRST), longest: timesOf(KILL_LONGEST), open: timesOf(STALL_OPEN) },
    ...{ waited: timesOf(STALL_LONGEST), first: timesOf(OPEN_FIRST), last: timesOf(OPEN_LAST) },
  }
  for (let round = 0; round <= context.rounds; round += 1) {
    const kill = await killOrigin(world)
    const stall = await stallOrigin(world)
    logRound(context, round, 'an origin killed or stalled', [kill.firstMs, stall.lastMs])
    if (round === 0) continue
    times.killed.rounds.push([kill.firstMs])
    times.longest.rounds.push([kill.longestMs])
    times.open.rounds.push([stall.openMs])
    times.waited.rounds.push([stall.longestMs])
    times.first.rounds.push([stall.firstMs])
    times.last.rounds.push([stall.lastMs])
  }
  return Object.values(times)
}

async function killOrigin(world: World): Promise<{ readonly firstMs: number; readonly longestMs: number }> {
  const { origin } = world.dataset
  const { answers, sinceMs } = await loss(world, () => origin.kill())
  await origin.revive()
  await answersAgain(world)
  const firstMs = untilAllHave(answers, { value: TARGET, callers: CALLERS, sinceMs })
  return { firstMs, longestMs: longestWaitMs(answers, sinceMs) }
}

interface Stall {
  /** Until the breaker is open; then until the first and the last connection has the other side's answer to a new call. */
  readonly openMs: number
  readonly longestMs: number
  readonly firstMs: number
  readonly lastMs: number
}

async function stallOrigin(world: World): Promise<Stall> {
  const { origin } = world.dataset
  const { answers, sinceMs } = await loss(world, () => origin.stall())
  const [openAtMs] = world.dataset.takeOpenings()
  if (openAtMs === undefined) throw new Error('the breaker of a stalled origin stays closed')
  origin.resume()
  await answersAgain(world)
  const fresh = sentAfter(answers, openAtMs).filter(({ value }) => value === TARGET)
  return {
    openMs: openAtMs - sinceMs,
    longestMs: longestWaitMs(answers, sinceMs),
    firstMs: Math.min(...fresh.map(({ answeredAtMs }) => answeredAtMs)) - openAtMs,
    lastMs: untilAllHave(fresh, { value: TARGET, callers: CALLERS, sinceMs: openAtMs }),
  }
}

interface Loss {
  readonly sinceMs: number
  readonly answers: readonly SideAnswer[]
}

/** Has it happen and waits until the breaker is open and every caller is answered. */
async function loss({ dataset, callers }: World, happen: () => void | Promise<void>): Promise<Loss> {
  callers.take()
  dataset.takeOpenings()
  const sinceMs = performance.now()
  await happen()
  await dataset.until(({ figures }) => figures.origin.isBreakerOpen, 'an open breaker')
  await callers.turn()
  await pause(TROUBLE_MS)
  return { sinceMs, answers: callers.take() }
}

/** Waits until the origin answers every caller. */
async function answersAgain({ dataset, callers }: World): Promise<void> {
  await dataset.until(({ figures }) => !figures.origin.isBreakerOpen, 'a closed breaker')
  await callers.turn()
  const sinceMs = performance.now()
  await callers.turn()
  if (sentAfter(callers.take(), sinceMs).some(({ value }) => value !== ORIGIN)) {
    throw new Error('the origin is back, and the other side answers')
  }
}

const BREACH = "the origin's rows change behind a ramp at 100 % to its answers on the last connection"

async function measureBreaches({ dataset, callers }: World, context: BenchContext): Promise<Times[]> {
  const back = timesOf(BREACH)
  const { currentVersion: versionId } = await dataset.report()
  for (let round = 1; round <= Math.min(context.rounds, MAX_BREACHES); round += 1) {
    dataset.origin.replace(() => Buffer.from(TARGET))
    await dataset.change('PUT', 'dials', { splitShare: 0, shadowShare: WHOLE })
    await pause(TOLD_MS)
    // Evidence begins anew with each version of a side.
    await dataset.change('PUT', 'originVersion', { versionId: null })
    await dataset.change('PUT', 'originVersion', { versionId })
    await dataset.change('PUT', 'ramp', { toShare: WHOLE, stepShare: WHOLE, everyMs: 1_000 })
    const ramp = await dataset.until(
      ({ migration: { ramp: now } }) => now !== null && now.state !== 'RUNNING',
      'the ramp',
    )
    if (ramp.migration.ramp?.state !== 'DONE') throw new Error(`breached: ${ramp.migration.ramp?.note ?? ''}`)
    callers.take()
    const sinceMs = performance.now()
    dataset.origin.replace(() => Buffer.from(ORIGIN))
    await dataset.until(({ migration: { ramp: now } }) => now?.state === 'BREACHED', 'the breach')
    await callers.turn()
    const backMs = untilAllHave(callers.take(), { value: ORIGIN, callers: callers.callers, sinceMs })
    logRound(context, round, 'a breach', [backMs])
    back.rounds.push([backMs])
  }
  return [back]
}

function timesOf(name: string): Times {
  return { name, rounds: [] }
}

function timesNamed(all: readonly Times[], name: string): Times {
  const found = all.find((times) => times.name === name)
  if (found === undefined) throw new Error(`nothing was measured ${name}`)
  return found
}

function rowOf({ name, rounds }: Times): string[] {
  const times = rounds.flat()
  const { median, max } = summarise(times)
  return [name, String(times.length), median.toFixed(1), max.toFixed(1)]
}

function logRound(context: BenchContext, round: number, what: string, times: readonly number[]): void {
  const { median, max } = summarise(times)
  context.log(`round ${round}: ${what}: median ${median.toFixed(1)} ms, slowest ${max.toFixed(1)} ms`)
}
