/** `godwit load`: start a load and follow it; list, show and cancel loads. */
import { isAbsolute, resolve } from 'node:path'
import { Option, type Command } from 'commander'
import type { DuplicateRule, LoadFormat, LoadRequest, LoadStatus } from '../model/load.js'
import type { AdminClient } from './client.js'
import { wholeNumberOption, withChangeOptions, type CommandHost, type CommandRun } from './context.js'
import { explodeWish, withExplodeOptions, withValueOption, type ExplodeOptions } from './explode-options.js'
import { formatBytes, formatCount, formatDuration, formatTime, right, whole } from './format.js'
import { follow, overwrittenLine } from './follow.js'
import { CliError, EXIT, type CliIo, type ExitCode } from './io.js'
import { progressLine } from './load-progress.js'

interface LoadOptions extends ExplodeOptions {
  readonly from?: string
  readonly format: LoadFormat
  readonly key?: string
  readonly columns?: string
  readonly header?: string
  readonly publish?: boolean
  readonly maxBadLines?: number
  readonly onDuplicate: DuplicateRule
  readonly minRatio: number
  readonly force?: boolean
}

const FORMATS: readonly LoadFormat[] = ['ndjson', 'csv', 'tsv', 'parquet', 'hfile']
const DUPLICATE_RULES: readonly DuplicateRule[] = ['fail', 'first', 'last']

const LOAD_HELP = `
Rows may come in any order. Files may be packed by gzip or zstd. The load goes on in the gateway when this command is
interrupted, and over a restart of the gateway; "godwit load status" shows it. A load that fails or is cancelled leaves
what is served as it is.

Examples:
  godwit load cities --from cities.ndjson --key cityId --publish
  godwit load cities --from cities.csv.gz --format csv --key cityId --columns name,country
  godwit load pins --from /import/1448390400000 --format hfile --publish
  godwit load pins --from /import/1448390400000 --format hfile --explode thrift --idl pin.thrift --struct Pin
  godwit load pins --from hdfs://namenode:8020/terrapin/data/pins/1448390400000/ --format hfile --publish
  godwit load cities --from s3://uploads/cities/2026-11-23/ --format parquet --key cityId --on-duplicate last
  godwit load list`

export function addLoadCommand(program: Command, host: CommandHost): void {
  const load = program
    .command('load')
    .argument('[dataset]', 'BATCH dataset that gets a new version')
    .description('load files as a new version of a BATCH dataset')
    .option(
      '--from <place>',
      "file or directory of the gateway's machine, or s3://bucket/prefix/, hdfs://host:port/path/",
    )
    .addOption(new Option('--format <format>', 'what the files hold').choices(FORMATS).default('ndjson'))
    .option('--key <field>', 'field that becomes the row key (not of hfile, which has none)')
    .option('--columns <names>', 'fields that become columns, with commas between (default: all but the key)')
    .option('--header <names>', 'csv, tsv: names of the fields, for files that do not begin with them')
    .option('--publish', 'serve the version as soon as it is there')
    .addOption(
      wholeNumberOption(
        '--max-bad-lines <count>',
        'wrong lines to leave out before the load fails (default: 0)',
      ),
    )
    .addOption(
      new Option('--on-duplicate <rule>', 'what two rows of one key are')
        .choices(DUPLICATE_RULES)
        .default('fail'),
    )
    .addOption(
      new Option('--min-ratio <share>', "refuse a version with less of the last one's rows or bytes")
        .argParser(shareOf)
        .default(0.5),
    )
    .option('--force', 'take the version however small it is')
  withChangeOptions(withValueOption(withExplodeOptions(load))).addHelpText('after', LOAD_HELP)
  host.action(load, (run, args) => runLoad(run, args, load.opts<LoadOptions>()))
  addSubcommands(load, host)
}

function addSubcommands(load: Command, host: CommandHost): void {
  const list = load.command('list').description('list the loads that wait, run, or ran a while ago')
  list.addHelpText('after', '\nExample:\n  godwit load list')
  host.action(list, listLoads)
  const status = load
    .command('status <load>')
    .description('print how far a load is, or how it ended')
    .option('--follow', 'until it has ended')
    .addHelpText('after', '\nExample:\n  godwit load status cities-1714550000000 --follow')
  host.action(status, (run, [id = '']) =>
    showLoad(run, id, status.opts<{ follow?: boolean }>().follow ?? false),
  )
  const cancel = withChangeOptions(
    load.command('cancel <load>').description('end a load and remove what it wrote; what is served stays'),
  ).addHelpText('after', '\nExample:\n  godwit load cancel cities-1714550000000')
  host.action(cancel, cancelLoad)
}

function shareOf(text: string): number {
  const share = Number(text)
  if (text.trim() !== '' && share >= 0 && share <= 1) return share
  throw new CliError(EXIT.USAGE, `--min-ratio ${text} is not a number from 0 to 1`)
}

async function runLoad(
  run: CommandRun,
  [dataset]: readonly string[],
  options: LoadOptions,
): Promise<ExitCode> {
  const request = requestOf(run.io, dataset, options)
  const explode = explodeWish(run.io, options)
  const change = run.change(`load of ${options.from ?? ''}`)
  const client = run.client()
  const started = await client.startLoad(explode === undefined ? request : { ...request, explode }, change)
  if (change.isDryRun) {
    return run.result(started, () =>
      run.line(`would load ${formatBytes(started.totalBytes)} as version ${started.version}`),
    )
  }
  return showUntilEnded(run, client, started)
}

function requestOf(
  io: CliIo,
  dataset: string | undefined,
  options: LoadOptions,
): Omit<LoadRequest, 'explode'> {
  const { from, format, columns, header, publish = false, maxBadLines = 0 } = options
  const { onDuplicate, minRatio, force = false } = options
  const key = options.key ?? (format === 'hfile' ? '' : undefined)
  const missing = dataset === undefined ? 'a dataset' : from === undefined ? '--from' : '--key'
  if (dataset === undefined || from === undefined || key === undefined) {
    throw new CliError(EXIT.USAGE, `godwit load needs ${missing}`, 'see "godwit load --help"')
  }
  const isUrl = /^[a-z0-9]+:\/\//.test(from)
  return {
    dataset,
    from: isUrl || isAbsolute(from) ? from : resolve(io.workingDirectory, from),
    format,
    keyField: key,
    columns: columns === undefined ? null : columns.split(','),
    header: header === undefined ? null : header.split(','),
    publish,
    maxBadLines,
    onDuplicate,
    minRatio,
    force,
  }
}

/** Shows the load until it has ended. */
async function showUntilEnded(run: CommandRun, client: AdminClient, started: LoadStatus): Promise<ExitCode> {
  const isForPeople = run.io.stdout.isTerminal && !run.isJson
  const show = isForPeople ? overwrittenLine(run.io, progressLine) : jsonProgress(run)
  const ended = await followLoad(client, started, { io: run.io, show })
  for (const { file, line, reason } of ended.badLines) run.io.stderr.write(`${file}:${line}: ${reason}\n`)
  if (ended.state !== 'DONE') throw loadFailure(ended)
  if (isForPeople) run.line(summaryOf(ended))
  return EXIT.OK
}

/** Asks until the load has ended; answers how. */
export function followLoad(
  client: AdminClient,
  started: LoadStatus,
  how: { readonly io: Pick<CliIo, 'sleep'>; readonly show: (status: LoadStatus) => void },
): Promise<LoadStatus> {
  return follow(started, () => client.load(started.id), how)
}

export function loadFailure({ id, state, error }: LoadStatus): CliError {
  const hint = 'what was served before is still served'
  if (state === 'CANCELLED') return new CliError(EXIT.FAILED, `load ${id} was cancelled`, hint)
  const reason = error === null ? 'for an unknown reason' : `${error.message} (${error.code})`
  return new CliError(EXIT.FAILED, `load ${id} failed: ${reason}`, hint)
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

function summaryOf(load: LoadStatus): string {
  const { request, version, figures, rows, startedAtMs, endedAtMs } = load
  const { badLineCount, duplicateCount, foreignCellCount } = load
  const served = request.publish
    ? 'loaded and published'
    : 'loaded, to be published with "godwit versions publish"'
  const leftOut = [
    ...(badLineCount === 0 ? [] : [`, ${formatCount(badLineCount)} bad lines left out`]),
    ...(duplicateCount === 0
      ? []
      : [`, ${formatCount(duplicateCount)} rows of a key that was there left out`]),
    ...(foreignCellCount === 0
      ? []
      : [`, ${formatCount(foreignCellCount)} cells that Terrapin does not show left out`]),
  ]
  const time = formatDuration((endedAtMs ?? startedAtMs) - startedAtMs)
  const count = formatCount(figures?.rows ?? rows)
  return `version ${version} of ${request.dataset} ${served}: ${count} rows in ${time}${leftOut.join('')}`
}

async function listLoads(run: CommandRun): Promise<ExitCode> {
  const loads = await run.client().loads()
  return run.result(loads, () => {
    if (loads.length === 0) {
      run.line('there are no loads')
      return
    }
    run.table(
      [whole('LOAD'), 'STATE', right('ROWS'), 'FROM', 'STARTED', right('TOOK')],
      loads.map(({ id, state, rows, request, startedAtMs, endedAtMs }) => [
        ...[id, state, formatCount(rows), request.from, formatTime(startedAtMs)],
        endedAtMs === null ? '-' : formatDuration(endedAtMs - startedAtMs),
      ]),
    )
  })
}

async function showLoad(run: CommandRun, id: string, isFollowed: boolean): Promise<ExitCode> {
  const client = run.client()
  const load = await client.load(id)
  if (isFollowed) return showUntilEnded(run, client, load)
  return run.result(load, () => run.pairs(pairsOf(load)))
}

function pairsOf(load: LoadStatus): (readonly [string, string])[] {
  const { id, request, version, state, startedAtMs, endedAtMs, error, resumeCount } = load
  const pairs: (readonly [string, string])[] = [
    ['load', id],
    ['dataset', request.dataset],
    ['from', request.from],
    ['version', String(version)],
    ['state', error === null ? state : `${state}: ${error.message} (${error.code})`],
    ['progress', progressLine(load)],
    ['started', formatTime(startedAtMs)],
    ['ended', endedAtMs === null ? '-' : formatTime(endedAtMs)],
  ]
  if (load.foreignCellCount > 0) pairs.push(['foreign cells', formatCount(load.foreignCellCount)])
  if (resumeCount > 0) pairs.push(['resumed', `${resumeCount} times`])
  for (const { file, line, reason } of load.badLines) pairs.push(['bad line', `${file}:${line}: ${reason}`])
  return pairs
}

async function cancelLoad(run: CommandRun, [id = '']: readonly string[]): Promise<ExitCode> {
  const change = run.change(`cancel of load ${id}`)
  const load = await run.client().cancelLoad(id, change)
  return run.result(load, () =>
    run.line(change.isDryRun ? `would cancel load ${id}` : `load ${id} is ${load.state}`),
  )
}
