/** `godwit load` and `godwit status`. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { Option } from 'commander'
import type { GatewayStatus, LoadStatus } from '../model/operations.js'
import type { AdminClient } from './client.js'
import { wholeNumberOption, withChangeOptions, type CommandHost, type CommandRun } from './context.js'
import { formatBytes, formatCount, formatDuration } from './format.js'
import { CliError, EXIT, type CliIo, type ExitCode } from './io.js'

interface LoadOptions {
  readonly from: string
  readonly format: 'ndjson'
  readonly key: string
  readonly columns?: string
  readonly publish?: boolean
  readonly maxBadLines?: number
}

const POLL_INTERVAL_MS = 250

export function addLoadCommand(program: Command, host: CommandHost): void {
  const load = program
    .command('load <dataset>')
    .description('load a file as a new version of a BATCH dataset')
    .requiredOption(
      '--from <file>',
      "file to load; the gateway reads it, so it must lie on the gateway's machine",
    )
    .addOption(
      new Option('--format <format>', 'format of the file: one JSON object a line')
        .choices(['ndjson'])
        .default('ndjson'),
    )
    .requiredOption('--key <field>', 'field that becomes the row key')
    .option('--columns <names>', 'fields that become columns, with commas between (default: all but the key)')
    .option('--publish', 'serve the version as soon as it is there')
    .addOption(
      wholeNumberOption(
        '--max-bad-lines <count>',
        'wrong lines to leave out before the load fails (default: 0)',
      ),
    )
  withChangeOptions(load).addHelpText(
    'after',
    `
The load goes on in the gateway when this command is interrupted. A load that fails leaves what is served as it is.

Examples:
  godwit load cities --from cities.ndjson --key cityId --publish
  godwit load cities --from cities.ndjson --key cityId --columns name,country --dry-run`,
  )
  host.action(load, (run, args) => runLoad(run, args, load.opts<LoadOptions>()))
}

export function addStatusCommand(program: Command, host: CommandHost): void {
  const status = program
    .command('status')
    .description('print how the gateway is; exit code 1 when it is not ready')
    .addHelpText(
      'after',
      '\nExamples:\n  godwit status\n  godwit status --admin http://127.0.0.1:7480 --json',
    )
  host.action(status, printStatus)
}

async function runLoad(
  run: CommandRun,
  [dataset = '']: readonly string[],
  options: LoadOptions,
): Promise<ExitCode> {
  const { from, format, key, columns, publish = false, maxBadLines = 0 } = options
  const change = run.change(`load of ${from}`)
  const request = {
    dataset,
    path: resolve(run.io.workingDirectory, from),
    format,
    keyField: key,
    columns: columns === undefined ? null : columns.split(','),
    publish,
    maxBadLines,
  }
  const client = run.client()
  const started = await client.startLoad(request, change)
  if (change.isDryRun) {
    return run.result(started, () =>
      run.line(`would load ${formatBytes(started.totalBytes)} as version ${started.version}`),
    )
  }
  const progress = run.isJson || !run.io.stdout.isTerminal ? jsonProgress(run) : terminalProgress(run.io)
  const ended = await followLoad(client, started, { io: run.io, progress })
  for (const { line, reason } of ended.badLines) run.io.stderr.write(`${request.path}:${line}: ${reason}\n`)
  if (ended.state === 'FAILED') throw loadFailure(ended)
  if (run.io.stdout.isTerminal && !run.isJson) run.line(summaryOf(ended))
  return EXIT.OK
}

/** Asks until the load has ended; answers how. */
export async function followLoad(
  client: AdminClient,
  started: LoadStatus,
  { io, progress }: { readonly io: Pick<CliIo, 'sleep'>; readonly progress: (status: LoadStatus) => void },
): Promise<LoadStatus> {
  let status = started
  progress(status)
  while (status.endedAtMs === null) {
    await io.sleep(POLL_INTERVAL_MS)
    status = await client.load(status.id)
    progress(status)
  }
  return status
}

export function loadFailure({ id, error }: LoadStatus): CliError {
  const reason = error === null ? 'for an unknown reason' : `${error.message} (${error.code})`
  return new CliError(EXIT.FAILED, `load ${id} failed: ${reason}`, 'what was served before is still served')
}

/** One line of JSON whenever something changed. */
function jsonProgress(run: CommandRun): (status: LoadStatus) => void {
  let last = ''
  return (status) => {
    const line = JSON.stringify(status)
    if (line !== last) run.line(line)
    last = line
  }
}

/** One line that is written over. */
function terminalProgress({ stdout }: CliIo): (status: LoadStatus) => void {
  return ({ state, rows, readBytes, totalBytes, endedAtMs }) => {
    const share = totalBytes === 0 ? 100 : Math.floor((readBytes / totalBytes) * 100)
    const text = endedAtMs === null ? `${state.toLowerCase()} ${share} %, ${formatCount(rows)} rows` : ''
    // Back to the line's start, and clear it.
    stdout.write(`\r\x1b[2K${text}`)
  }
}

function summaryOf({ request, version, rows, startedAtMs, endedAtMs, badLineCount }: LoadStatus): string {
  const served = request.publish
    ? 'loaded and published'
    : 'loaded, to be published with "godwit versions publish"'
  const leftOut = badLineCount === 0 ? '' : `, ${formatCount(badLineCount)} bad lines left out`
  const time = formatDuration((endedAtMs ?? startedAtMs) - startedAtMs)
  return `version ${version} of ${request.dataset} ${served}: ${formatCount(rows)} rows in ${time}${leftOut}`
}

async function printStatus(run: CommandRun): Promise<ExitCode> {
  const status = await run.client().status()
  run.result(status, () => {
    run.pairs(pairsOf(status))
    if (status.datasets.length === 0) return
    run.line('')
    run.table(
      ['DATASET', 'MODE', 'VERSION', 'STATE'],
      status.datasets.map(({ name, mode, currentVersion, problems }) => [
        name,
        mode,
        mode === 'BATCH' ? String(currentVersion ?? 'none') : '-',
        problems.length === 0 ? 'ok' : problems.join('; '),
      ]),
    )
  })
  return status.readiness.isReady ? EXIT.OK : EXIT.FAILED
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
