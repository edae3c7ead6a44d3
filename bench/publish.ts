/** Publishing and rolling back under reads, among 500 datasets of 10 versions: how long, and is every answer clean? */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { catalogueDataset, catalogueVersion, makeCatalogue } from './catalogue.js'
import { callAdmin, startGateway, type Gateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Report } from './harness.js'
import { nextMessage, startChild, stopChild } from './processes.js'
import { markdownTable } from './report.js'
import { summarise, type Summary } from './statistics.js'
import type { VersionReaderReport, VersionReaderSettings } from './version-reader.js'

const SIZE = { datasets: 500, versions: 10 } as const
const CALLERS = 8
const PAUSE_MS = 4
const CHANGES_PER_ROUND = 50
const SETTLE_TIMEOUT_MS = 60_000

interface DatasetAnswer {
  readonly dataset: { readonly revision: number }
}

type Change = (gateway: Gateway, index: number) => Promise<number>

export const publish: Bench = {
  name: 'publish',
  question: 'how long until a published version is served, 500 datasets of 10 versions, under reads?',
  run,
}

async function run(context: BenchContext): Promise<Report> {
  const folder = join(context.folder, 'catalogue')
  context.log(`making ${SIZE.datasets} datasets of ${SIZE.versions} versions`)
  await makeCatalogue(folder, SIZE)
  const gateway = await startGateway({ folder, dataThreads: 2, core: null })
  const { reader, newest } = await startReader(gateway.port)
  await settled(gateway, context)
  const neighbours = await rounds(context, 'back and forward', (round) =>
    changeOf(gateway, round, backAndForward),
  )
  const any = await rounds(context, 'any version', (round) => changeOf(gateway, round, publishAny))
  await nextMessage(reader, 'version-reader.js')
  const { answers, failed, mixed, faults, slowestMs } = newest()
  await stopChild(reader)
  await gateway.stop()
  if (failed + mixed > 0) throw new Error(`${failed} failed and ${mixed} mixed answers: ${faults.join('; ')}`)
  return {
    series: [],
    verdicts: [
      { goal: goals.publishOpen, value: worstOf(neighbours) },
      { goal: goals.publishAny, value: worstOf(any) },
    ],
    table: markdownTable(
      ['change', 'changes', 'median ms', 'slowest ms'],
      [rowOf('roll back and forward', neighbours.flat()), rowOf('publish any of the ten', any.flat())],
    ),
    notes: [
      `${answers.toLocaleString('en')} answers of 20 rows from ${CALLERS} callers meanwhile, from the start on: 0 failed, ` +
        `0 mixed, slowest ${slowestMs.toFixed(0)} ms.`,
      'Measured at the admin API, whose answer comes when every thread serves the version. A version that is not open is opened first.',
    ],
  }
}

interface RunningReader {
  readonly reader: ChildProcess
  /** What it reported last. */
  readonly newest: () => VersionReaderReport
}

async function startReader(port: number): Promise<RunningReader> {
  const reader = startChild('version-reader.js', null)
  const settings: VersionReaderSettings = {
    port,
    datasets: SIZE.datasets,
    callers: CALLERS,
    pauseMs: PAUSE_MS,
  }
  reader.send(settings)
  await nextMessage(reader, 'version-reader.js')
  let newest: VersionReaderReport = { answers: 0, failed: 0, mixed: 0, faults: [], slowestMs: 0 }
  reader.on('message', (message) => {
    // version-reader.ts sends nothing else from here on.
    newest = message as VersionReaderReport
  })
  return { reader, newest: () => newest }
}

/** What a start opens behind itself is open: the number of DBs does not change any more. */
async function settled(gateway: Gateway, context: BenchContext): Promise<void> {
  const until = performance.now() + SETTLE_TIMEOUT_MS
  let before = -1
  while (performance.now() < until) {
    const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text()
    const open = Number(/^godwit_open_dbs (\d+)/m.exec(text)?.[1])
    if (open === before) {
      context.log(`${open} DBs are open`)
      return
    }
    before = open
    await pause(1_000)
  }
}

async function rounds(
  context: BenchContext,
  name: string,
  measure: (round: number) => Promise<number[]>,
): Promise<number[][]> {
  const all: number[][] = []
  for (let round = 0; round <= context.rounds; round++) {
    const durations = await measure(round)
    const { median, max } = summarise(durations)
    context.log(
      `round ${round}/${context.rounds}: ${name}: median ${median.toFixed(1)} ms, slowest ${max.toFixed(1)} ms`,
    )
    // The first one compiles.
    if (round > 0) all.push(durations)
  }
  return all
}

async function changeOf(gateway: Gateway, round: number, change: Change): Promise<number[]> {
  const durations: number[] = []
  for (let index = 0; index < CHANGES_PER_ROUND; index++) {
    durations.push(await change(gateway, (round * CHANGES_PER_ROUND + index) % SIZE.datasets))
  }
  return durations
}

async function backAndForward(gateway: Gateway, index: number): Promise<number> {
  const back = await timed(gateway, index, () => '/rollback')
  const forward = await timed(gateway, index, () => '/rollforward')
  return Math.max(back, forward)
}

/** One that is neither current nor beside it. */
function publishAny(gateway: Gateway, index: number): Promise<number> {
  return timed(gateway, index, () => `/versions/${catalogueVersion(index % (SIZE.versions - 4))}/publish`)
}

async function timed(gateway: Gateway, index: number, pathOf: () => string): Promise<number> {
  const path = `/v1/datasets/${catalogueDataset(index)}`
  // The admin API's answer.
  const { dataset } = (await callAdmin(gateway, 'GET', path)) as DatasetAnswer
  const startedAt = performance.now()
  await callAdmin(gateway, 'POST', path + pathOf(), {}, { 'if-match': `"${dataset.revision}"` })
  return performance.now() - startedAt
}

/** Of each round its slowest. */
function worstOf(all: readonly (readonly number[])[]): Summary {
  return summarise(all.map((durations) => Math.max(...durations)))
}

function rowOf(name: string, durations: readonly number[]): string[] {
  const { median, max } = summarise(durations)
  return [name, String(durations.length), median.toFixed(1), max.toFixed(1)]
}
