/** `godwit status` and `godwit audit`. */
import { Option, type Command } from 'commander'
import type { GatewayStatus } from '../model/operations.js'
import type { AuditLine } from '../model/dataset.js'
import { wholeNumberOption, type CommandHost, type CommandRun } from './context.js'
import { formatDuration, formatTime, right, whole } from './format.js'
import { CliError, EXIT, type ExitCode } from './io.js'
import { showLeaves } from './leaf-tables.js'

interface StatusOptions {
  /** Seconds between two looks; true: the default. */
  readonly watch?: number | true
}

interface AuditOptions {
  readonly limit: number
  readonly dataset?: string
}

const DEFAULT_WATCH_SECONDS = 2
const MAX_AUDIT_LINES = 1_000

export function addStatusCommand(program: Command, host: CommandHost): void {
  const watch = new Option(
    '--watch [seconds]',
    `look again every so often (default: ${DEFAULT_WATCH_SECONDS})`,
  )
  const status = program
    .command('status')
    .description('print how the gateway is; exit code 1 when it is not ready')
    .addOption(watch.argParser(watchSeconds))
    .addHelpText(
      'after',
      `
Examples:
  godwit status
  godwit status --watch
  godwit status --server http://127.0.0.1:7480 --json`,
    )
  host.action(status, async (run) => {
    const { watch: seconds } = status.opts<StatusOptions>()
    if (seconds === undefined) return printStatus(run)
    return await watchStatus(run, seconds === true ? DEFAULT_WATCH_SECONDS : seconds)
  })
}

export function addAuditCommand(program: Command, host: CommandHost): void {
  const audit = program
    .command('audit')
    .description('print who changed what, when and why, newest first')
    .addOption(wholeNumberOption('--limit <count>', `lines to print, 1 to ${MAX_AUDIT_LINES}`).default(20))
    .option('--dataset <dataset>', `only changes of this one, among the newest ${MAX_AUDIT_LINES}`)
    .addHelpText('after', '\nExamples:\n  godwit audit\n  godwit audit --dataset cities --limit 5 --json')
  host.action(audit, (run) => printAudit(run, audit.opts<AuditOptions>()))
}

function watchSeconds(text: string): number {
  const seconds = Number(text)
  if (!/^\d{1,4}(\.\d)?$/.test(text) || seconds <= 0) {
    throw new CliError(EXIT.USAGE, `--watch ${text} is no number of seconds`)
  }
  return seconds
}

async function printStatus(run: CommandRun): Promise<ExitCode> {
  const status = await run.client().status()
  run.result(status, () => showStatus(run, status))
  return status.readiness.isReady ? EXIT.OK : EXIT.FAILED
}

function showStatus(run: CommandRun, status: GatewayStatus): void {
  run.pairs(pairsOf(status))
  showDatasets(run, status)
  showLeaves(run, status)
  showBackends(run, status)
}

function showDatasets(run: CommandRun, status: GatewayStatus): void {
  if (status.datasets.length === 0) return
  run.line('')
  run.table(
    ['DATASET', 'MODE', 'VERSION', 'STATE'],
    status.datasets.map(({ name, mode, currentVersion, problems }) => [
      name,
      mode,
      mode === 'BATCH' ? String(currentVersion ?? 'none') : '-',
      problems.length === 0 ? { text: 'ok', tone: 'good' } : { text: problems.join('; '), tone: 'bad' },
    ]),
  )
}

/** Old stores of the configuration: for callers, and for what is only compared. */
function showBackends(run: CommandRun, { backends }: GatewayStatus): void {
  if (backends.length === 0) return
  run.line('')
  run.table(
    ['ORIGIN', 'FOR', 'STATE', 'SINCE', right('OPENED')],
    backends.map(({ name, role, isOpen, openings, sinceMs }) => [
      name,
      role === 'primary' ? 'callers' : 'shadow reads',
      isOpen ? { text: 'not asked', tone: 'bad' } : { text: 'ok', tone: 'good' },
      sinceMs === null ? '-' : formatTime(sinceMs),
      String(openings),
    ]),
  )
}

/** Until it is interrupted; a gateway that is away is waited for. */
async function watchStatus(run: CommandRun, seconds: number): Promise<ExitCode> {
  const isScreen = run.io.stdout.isTerminal && !run.isJson
  for (;;) {
    // To the upper left, and clear what is below.
    if (isScreen) run.io.stdout.write('\x1b[H\x1b[2J')
    try {
      await printStatus(run)
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode === EXIT.USAGE) throw error
      run.io.stderr.write(`godwit: ${error.message}\n`)
    }
    await run.io.sleep(seconds * 1_000)
  }
}

function pairsOf(status: GatewayStatus): (readonly [string, string])[] {
  const { readiness, listeners } = status
  return [
    ['gateway', readiness.isReady ? 'ready' : `not ready: ${readiness.reasons.join('; ')}`],
    ['version', status.version],
    ['process', `${status.processId}, up ${formatDuration(status.uptimeMs)}`],
    ['data', status.dataDirectory],
    ['data threads', String(status.dataThreads)],
    ['map epoch', String(status.epoch)],
    ...listeners.map(({ name, host, port }) => [name, `${host}:${port}`] as const),
  ]
}

async function printAudit(run: CommandRun, { limit, dataset }: AuditOptions): Promise<ExitCode> {
  if (limit < 1 || limit > MAX_AUDIT_LINES) {
    throw new CliError(EXIT.USAGE, `--limit ${limit} is not from 1 to ${MAX_AUDIT_LINES}`)
  }
  const lines = await run.client().audit(dataset === undefined ? limit : MAX_AUDIT_LINES)
  const shown = lines.filter((line) => dataset === undefined || line.dataset === dataset).slice(0, limit)
  return run.result(shown, () => {
    if (shown.length === 0) run.line('nothing was changed yet')
    else run.table([whole('TIME'), 'ACTOR', 'ACTION', 'DATASET', 'REASON', 'DETAIL'], shown.map(auditRow))
  })
}

function auditRow({ atMs, actor, action, dataset, reason, detail }: AuditLine): string[] {
  return [formatTime(atMs), actor, action, dataset, reason, detail]
}
