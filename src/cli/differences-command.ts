/** `godwit diff`: what shadow reads found to differ between the two sides of a dataset. */
import type { Command } from 'commander'
import type { DifferenceGroup, DifferenceReport } from '../model/difference.js'
import type { CommandHost, CommandRun } from './context.js'
import { bytesShown } from './diff-command.js'
import { durationOption } from './durations.js'
import { formatCount, formatTime, right } from './format.js'
import { type ExitCode } from './io.js'

interface DiffOptions {
  readonly last?: number
}

export function addDifferencesCommand(program: Command, host: CommandHost): void {
  const diff = program
    .command('diff <dataset>')
    .description(
      'print what differs between origin and target: what, since when, for whom, and a likely cause',
    )
    .addOption(durationOption('--last <duration>', 'only what was found since then, such as 30s, 10m, 1h'))
    .addHelpText(
      'after',
      `
A difference was there both times that the two sides were read. Shadow reads find them: see "godwit migrate". Keys and
columns are printed as text where they are text, as 0x... otherwise; values are not kept. To compare two versions of the
target, see "godwit versions diff".

Examples:
  godwit diff pins
  godwit diff pins --last 1h --json`,
    )
  host.action(diff, (run, [dataset = '']) => printDifferences(run, dataset, diff.opts<DiffOptions>()))
}

async function printDifferences(run: CommandRun, dataset: string, { last }: DiffOptions): Promise<ExitCode> {
  const report = await run.client().differences(dataset, last ?? null)
  return run.result(report, () => print(run, report))
}

function print(run: CommandRun, { dataset, total, lost, groups, otherGroups }: DifferenceReport): void {
  if (total === 0) run.line(`no differences of ${dataset} are recorded`)
  else {
    run.table(
      ['KIND', 'COLUMN', right('COUNT'), right('KEYS'), 'FIRST SEEN', 'LAST SEEN'],
      groups.map(({ kind, column, count, keys, firstAtMs, lastAtMs }) => [
        ...[kind, column === null ? '(row)' : bytesShown(column), formatCount(count), formatCount(keys)],
        ...[formatTime(firstAtMs), formatTime(lastAtMs)],
      ]),
    )
    for (const group of groups) printGroup(run, group)
    if (otherGroups > 0) run.line(`\nand ${formatCount(otherGroups)} smaller groups`)
  }
  if (lost > 0) run.line(`${formatCount(lost)} more were found, of any dataset, and could not be kept`)
}

function printGroup(run: CommandRun, group: DifferenceGroup): void {
  const { kind, column, versions, callers, sampleKeys, answeredByTarget, suggestedCause } = group
  run.line('')
  run.line(column === null || column === '' ? `${kind}:` : `${kind} ${bytesShown(column)}:`)
  run.pairs([
    ['  likely cause', suggestedCause],
    ['  versions', versions.length === 0 ? '-' : versions.join(', ')],
    ['  callers', callers.length === 0 ? '(unnamed)' : callers.join(', ')],
    ['  seen by callers', formatCount(answeredByTarget)],
    ['  keys', sampleKeys.map(bytesShown).join(', ')],
  ])
}
