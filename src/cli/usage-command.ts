/** `godwit usage`: who still calls what. */
import { Option, type Command } from 'commander'
import type { UsageReport, UsageRow } from '../base/usage.js'
import type { CommandHost, CommandRun } from './context.js'
import { formatCount, formatTime, right } from './format.js'
import { type ExitCode } from './io.js'

interface UsageOptions {
  readonly api?: string
}

export function addUsageCommand(program: Command, host: CommandHost): void {
  const usage = program
    .command('usage')
    .argument('[dataset]', 'only calls for this dataset')
    .description('print who calls which API and method, from where, how often and when last')
    .addOption(new Option('--api <name>', 'only calls of this API: kvstore, usermetastore, terrapin'))
    .addHelpText(
      'after',
      `
Counts are kept over restarts of the gateway; callers that were not seen for 90 days are left out. A caller is what it names
itself: RequestContext.caller of KVStore, the client id of Finagle.

Examples:
  godwit usage
  godwit usage pins --api terrapin
  godwit usage --json`,
    )
  host.action(usage, (run, [dataset]) => printUsage(run, dataset ?? null, usage.opts<UsageOptions>()))
}

async function printUsage(run: CommandRun, dataset: string | null, { api }: UsageOptions): Promise<ExitCode> {
  const report = await run.client().usage(dataset)
  const rows = report.rows.filter((row) => api === undefined || row.api === api)
  return run.result({ ...report, rows }, () => showUsage(run, { ...report, rows }))
}

function showUsage(run: CommandRun, { sinceMs, rows, forgottenRows }: UsageReport): void {
  if (rows.length === 0) run.line(`nobody called since ${formatTime(sinceMs)}`)
  else {
    run.table(
      ['API', 'METHOD', 'DATASET', 'CALLER', 'ADDRESS', right('CALLS'), 'LAST SEEN'],
      rows.map(usageRow),
    )
  }
  if (forgottenRows > 0)
    run.line(`${formatCount(forgottenRows)} more were left out: there are too many callers`)
}

function usageRow({ api, method, dataset, caller, address, count, lastSeenAtMs }: UsageRow): string[] {
  const from = [caller ?? '(unnamed)', address === '' ? '-' : address]
  return [
    api,
    method,
    dataset === '' ? '(unknown)' : dataset,
    ...from,
    formatCount(count),
    formatTime(lastSeenAtMs),
  ]
}
