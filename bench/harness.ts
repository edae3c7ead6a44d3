/**
 * Measures variants in alternation (A B C A B C ...), so that a slow spell of the machine falls on all of them, and
 * turns the rounds into medians, spreads and ratios. The main unit is work per second of the server's CPU time: wall
 * time on a shared machine says more about its other users.
 */
import type { Goal } from './goals.js'
import type { Summary } from './statistics.js'
import { ratios, summarise } from './statistics.js'

/** One round of one variant. */
export interface Sample {
  /** Units of work (requests, keys, rows) done. */
  readonly count: number
  readonly seconds: number
  /** User and system time of all threads of the process that did the work. */
  readonly cpuSeconds: number
  readonly p50Us?: number
  readonly p99Us?: number
  /** The measuring side was busy for more than nine tenths of the window: it, not the server, set the wall figure. */
  readonly isGeneratorBound?: boolean
}

export interface Variant {
  readonly name: string
  /** What is counted: 'requests', 'keys', 'rows'. */
  readonly unit: string
  measure(): Promise<Sample>
}

/** All rounds of a variant. */
export interface Series {
  readonly name: string
  readonly unit: string
  readonly samples: readonly Sample[]
}

/** A line of the report's table: a goal with what was measured for it. */
export interface Verdict {
  readonly goal: Goal
  readonly value: Summary
}

/** What a bench answers. */
export interface Report {
  readonly series: readonly Series[]
  readonly verdicts: readonly Verdict[]
  /** Figures that the common table has no place for, as Markdown. */
  readonly table?: string
  /** Sentences that the figures need to be read rightly. */
  readonly notes: readonly string[]
}

export interface Bench {
  readonly name: string
  /** The one question it answers. */
  readonly question: string
  run(context: BenchContext): Promise<Report>
}

export interface BenchContext {
  readonly rounds: number
  readonly warmUpMs: number
  readonly measureMs: number
  /** Rows of the dataset that reads go to. */
  readonly rows: number
  /** Of these, how many are read: few enough to be warm after a second. */
  readonly hotRows: number
  /** Emptied and removed when the process ends. */
  readonly folder: string
  readonly log: (line: string) => void
}

/**
 * Every variant once a round, after one that is not counted: it compiles the servers' hot code and warms their data,
 * which a warm-up of fixed time does not where the machine is busy. The first failing measurement ends the bench.
 */
export async function alternate(context: BenchContext, variants: readonly Variant[]): Promise<Series[]> {
  const samples = variants.map((): Sample[] => [])
  for (let round = 0; round <= context.rounds; round++) {
    for (const [index, variant] of variants.entries()) {
      const sample = await variant.measure()
      if (round > 0) samples[index]?.push(sample)
      const perCpuSecond = Math.round(perCpuSecondOf(sample)).toLocaleString('en')
      context.log(`round ${round}/${context.rounds}: ${variant.name}: ${perCpuSecond} ${variant.unit}/CPU-s`)
    }
  }
  return variants.map(({ name, unit }, index) => ({ name, unit, samples: samples[index] ?? [] }))
}

export function perCpuSecondOf(sample: Sample): number {
  return sample.count / sample.cpuSeconds
}

export function perSecondOf(sample: Sample): number {
  return sample.count / sample.seconds
}

export function seriesNamed(series: readonly Series[], name: string): Series {
  const found = series.find((one) => one.name === name)
  if (found === undefined) throw new Error(`no series is called ${name}`)
  return found
}

/** Compares two series round by round in a unit of choice and holds the quotient against the goal. */
export function judge(
  goal: Goal,
  of: Series,
  to: Series,
  measureOf: (sample: Sample) => number = perCpuSecondOf,
): Verdict {
  return { goal, value: summarise(ratios(of.samples.map(measureOf), to.samples.map(measureOf))) }
}
