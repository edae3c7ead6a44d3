/**
 * Is the time left that a load tells right within 20 %? Loads of 20 s and more, watched as `godwit load` watches them. What
 * others' work makes wrong is told apart by somebody who knows all but that (load-noise.ts).
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { callAdmin, createDataset, startGateway, type Gateway } from './gateway.js'
import { goals } from './goals.js'
import type { Bench, BenchContext, Report } from './harness.js'
import { type LoadInput, loadInputs } from './load-inputs.js'
import { childRunning, knowingEstimates, type Moment, readScheduled } from './load-noise.js'
import { markdownTable } from './report.js'
import { summarise } from './statistics.js'

const POLL_MS = 100
/** Rows of a load for each of the run's: about 20 s and more on one of today's cores. */
const ROWS_FACTOR = 6
const LOAD_PROCESS = 'load-main.js'
/** Estimates count from here on, as a share of the whole time. */
const FROM_SHARE = 0.1
const ALLOWED = 0.2
/** The last seconds count as so many: a fifth of a moment says nothing. */
const LEAST_LEFT_MS = 5_000

export const loadEstimate: Bench = {
  name: 'load-estimate',
  question: 'is the time left that a load tells right within 20 %?',
  run,
}

interface LoadAnswer {
  readonly load: {
    readonly id: string
    readonly state: string
    readonly phase: string | null
    readonly leftMs: number | null
    readonly error: unknown
  }
}

interface Seen extends Moment {
  readonly phase: string | null
  readonly leftMs: number | null
}

interface Outcome {
  readonly tookMs: number
  readonly firstAtMs: number
  /** Of the estimates that count. */
  readonly rightShare: number
  /** The largest error, as a share of what was left. */
  readonly worst: number
  /** The same share of what somebody tells who knows all but what others do, and of what was told held against that. */
  readonly knowingShare: number
  readonly agreeingShare: number
}

async function run(context: BenchContext): Promise<Report> {
  const rows = context.rows * ROWS_FACTOR
  const folder = join(context.folder, 'load-estimate')
  const gateway = await startGateway({
    folder,
    dataThreads: 1,
    core: null,
    settings: { loads: { workers: 2 } },
  })
  const outcomes: (Outcome & { readonly name: string })[] = []
  for (const [index, input] of loadInputs.entries()) {
    const files = join(folder, `input-${index}`)
    mkdirSync(files)
    context.log(`writing ${rows} rows: ${input.name}`)
    const from = await input.write(files, rows)
    // Connections that the gateway closed meanwhile must be seen to be closed before one is used again.
    await pause(POLL_MS)
    const seen = await watchedLoad(gateway, `load-${index}`, { ...input, from })
    rmSync(files, { recursive: true })
    const outcome = judged(seen.estimates, seen.tookMs)
    outcomes.push({ name: input.name, ...outcome })
    context.log(traceOf(seen.estimates, seen.tookMs))
  }
  await gateway.stop()
  return {
    series: [],
    verdicts: [{ goal: goals.loadEstimates, value: summarise(outcomes.map(({ rightShare }) => rightShare)) }],
    table: markdownTable(
      ['load', 'took s', 'first told at s', 'right within 20 %', 'worst', 'known work', 'told of that'],
      outcomes.map(({ name, tookMs, firstAtMs, rightShare, worst, knowingShare, agreeingShare }) => [
        name,
        (tookMs / 1000).toFixed(1),
        (firstAtMs / 1000).toFixed(1),
        formatShare(rightShare),
        `${(worst * 100).toFixed(0)} %`,
        formatShare(knowingShare),
        formatShare(agreeingShare),
      ]),
    ),
    notes: [
      `${rows.toLocaleString('en')} rows a load; the time left as it is told every ${POLL_MS} ms from a tenth of the whole time on, held against what was left ` +
        'until the load was published. Of the last 5 s the error is a share of 5 s. Where nothing is told, that counts as wrong.',
      '"known work": how often somebody is right within 20 % who knows how long the load takes where its threads never wait for a core, and takes it that they ' +
        'wait as in the last 20 s. What that misses, others made wrong. "told of that": how often the told time is within 20 % of what such a one tells; what ' +
        'that misses, the estimate itself made wrong. Where nobody else works the first is about 100 % and the second is "right within 20 %".',
    ],
  }
}

/** Loads and publishes; answers what was told meanwhile. */
async function watchedLoad(
  gateway: Gateway,
  name: string,
  { from, request, dataset }: LoadInput & { readonly from: string },
): Promise<{ readonly estimates: readonly Seen[]; readonly tookMs: number }> {
  await createDataset(gateway, name, 'BATCH', dataset)
  const startedAt = performance.now()
  // The admin API's answers to a started and to a running load.
  const body = { from, publish: true, ...request }
  const started = (await callAdmin(gateway, 'POST', `/v1/datasets/${name}/loads`, body)) as LoadAnswer
  const estimates: Seen[] = []
  let pid: number | null = null
  for (;;) {
    const { load } = (await callAdmin(gateway, 'GET', `/v1/loads/${started.load.id}`)) as LoadAnswer
    const atMs = performance.now() - startedAt
    if (load.state === 'DONE') return { estimates, tookMs: atMs }
    if (load.error !== null) throw new Error(`loading ${name} failed: ${JSON.stringify(load.error)}`)
    if (load.state === 'BUILDING') {
      pid ??= childRunning(gateway.pid, LOAD_PROCESS)
      const scheduled = pid === null ? null : readScheduled(pid)
      estimates.push({ atMs, phase: load.phase, leftMs: load.leftMs, scheduled })
    }
    await pause(POLL_MS)
  }
}

function judged(estimates: readonly Seen[], tookMs: number): Outcome {
  const knowing = knowingEstimates(estimates, tookMs)
  const all = estimates.map(({ atMs, leftMs }, index) => {
    const left = tookMs - atMs
    const known = knowing[index] ?? left
    return {
      atMs,
      told: errorOf(leftMs, left),
      knowing: errorOf(known, left),
      between: errorOf(leftMs, known),
    }
  })
  const counting = all.filter(({ atMs }) => atMs >= FROM_SHARE * tookMs)
  const rightOf = (of: (one: (typeof all)[number]) => number): number =>
    counting.filter((one) => of(one) <= ALLOWED).length / counting.length
  return {
    tookMs,
    firstAtMs: estimates.find(({ leftMs }) => leftMs !== null)?.atMs ?? tookMs,
    rightShare: rightOf(({ told }) => told),
    worst: Math.max(...counting.map(({ told }) => told)),
    knowingShare: rightOf(({ knowing: error }) => error),
    agreeingShare: rightOf(({ between }) => between),
  }
}

/** As a share of what was left; 1 where nothing was told. */
function errorOf(toldMs: number | null, leftMs: number): number {
  return toldMs === null ? 1 : Math.abs(toldMs - leftMs) / Math.max(leftMs, LEAST_LEFT_MS)
}

function formatShare(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

/** One estimate a second: told of left. */
function traceOf(estimates: readonly Seen[], tookMs: number): string {
  let second = -1
  const shown = estimates.filter(({ atMs }) => {
    if (Math.floor(atMs / 1000) === second) return false
    second = Math.floor(atMs / 1000)
    return true
  })
  const texts = shown.map(({ atMs, phase, leftMs }) => {
    const told = leftMs === null ? '?' : (leftMs / 1000).toFixed(1)
    return `${phase === 'WRITING' ? 'w' : 'r'}${told}/${((tookMs - atMs) / 1000).toFixed(1)}`
  })
  return `told/left in seconds, reading and writing: ${texts.join(' ')}`
}
