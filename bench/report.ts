/** Reports as Markdown: aligned, so that the same text is read in a terminal and in RESULTS.md. */
import type { Goal } from './goals.js'
import { outcomeOf } from './goals.js'
import type { Bench, Report, Sample, Series, Verdict } from './harness.js'
import { perCpuSecondOf, perSecondOf } from './harness.js'
import { whyMissed } from './misses.js'
import { summarise } from './statistics.js'

/** A Markdown table with padded columns; every column but the first is aligned to the right. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => pad(cells[column] ?? '', width, column)).join(' | ')} |`
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}

function pad(text: string, width: number, column: number): string {
  return column === 0 ? text.padEnd(width) : text.padStart(width)
}

/** Three significant digits, thousands as k, millions as M: 1.37 M, 74.2 k, 612. */
export function formatRate(value: number): string {
  if (value >= 999_500) return `${(value / 1e6).toPrecision(3)} M`
  if (value >= 999.5) return `${(value / 1e3).toPrecision(3)} k`
  return value.toPrecision(3)
}

export function formatRatio(value: number, form: Goal['form']): string {
  if (form === 'rate') return formatRate(value)
  if (form === 'ms') return `${value < 100 ? value.toPrecision(3) : value.toFixed(0)} ms`
  return form === 'percent' ? `${(value * 100).toFixed(0)} %` : `${value.toPrecision(value < 10 ? 2 : 3)}x`
}

/** `median (min..max)` in the given notation. */
function formatSpread(values: readonly number[], format: (value: number) => string): string {
  const { median, min, max } = summarise(values)
  return `${format(median)} (${format(min)}..${format(max)})`
}

function formatLatency(samples: readonly Sample[], of: (sample: Sample) => number | undefined): string {
  const values = samples.map(of).filter((value) => value !== undefined)
  return values.length === 0 ? '-' : summarise(values).median.toFixed(0)
}

export function formatSeries(series: readonly Series[]): string {
  const rows = series.map(({ name, unit, samples }) => [
    name + (samples.some((sample) => sample.isGeneratorBound) ? ' [1]' : ''),
    unit,
    formatSpread(samples.map(perCpuSecondOf), formatRate),
    formatRate(summarise(samples.map(perSecondOf)).median),
    formatLatency(samples, (sample) => sample.p50Us),
    formatLatency(samples, (sample) => sample.p99Us),
  ])
  return markdownTable(['variant', 'unit', 'per CPU-second', 'per second', 'p50 us', 'p99 us'], rows)
}

export function formatVerdicts(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ goal, value }) => {
    const format = (ratio: number) => formatRatio(ratio, goal.form)
    const spread = `${format(value.median)} (${format(value.min)}..${format(value.max)})`
    const bound = goal.direction === 'atLeast' ? 'at least' : 'at most'
    return [
      goal.what,
      spread,
      `${bound} ${format(goal.floor)}`,
      format(goal.aim),
      outcomeOf(goal, value.median),
    ]
  })
  return markdownTable(['what', 'measured (spread)', 'floor', 'aim', 'outcome'], rows)
}

/** A line for each missed goal; goals that share a reason share the line. */
function formatMisses(verdicts: readonly Verdict[]): string {
  const whats = new Map<string, string[]>()
  for (const { goal, value } of verdicts) {
    if (outcomeOf(goal, value.median) !== 'MISSED') continue
    const why = whyMissed(goal) ?? 'nobody has looked into it yet.'
    const same = whats.get(why) ?? []
    whats.set(why, [...same, goal.what])
  }
  return [...whats].map(([why, missed]) => `- Missed: ${missed.join('; ')}. ${why}`).join('\n')
}

/** One bench's section: question, figures, verdicts, notes. */
export function formatReport(bench: Bench, report: Report): string {
  const parts = [`## ${bench.name}: ${bench.question}`]
  if (report.series.length > 0) parts.push(formatSeries(report.series))
  if (report.series.some(({ samples }) => samples.some((sample) => sample.isGeneratorBound))) {
    parts.push(
      '[1] The load generator was busy for over nine tenths of the window: the figure per second is a lower bound.',
    )
  }
  if (report.table !== undefined) parts.push(report.table)
  if (report.verdicts.length > 0) parts.push(formatVerdicts(report.verdicts))
  const misses = formatMisses(report.verdicts)
  if (misses !== '') parts.push(misses)
  if (report.notes.length > 0) parts.push(report.notes.map((note) => `- ${note}`).join('\n'))
  return parts.join('\n\n')
}
