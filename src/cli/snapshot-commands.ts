/** `godwit snapshot`: live data as files, and files as a new dataset. */
import { Option, type Command } from 'commander'
import { placeUrl } from './archive-commands.js'
import { type CommandHost, type CommandRun, withChangeOptions, wholeNumberOption } from './context.js'
import { formatBytes, formatCount } from './format.js'
import type { ExitCode } from './io.js'
import { followJob } from './job-commands.js'

interface CreateOptions {
  readonly to: string
  readonly format: string
}

interface ImportOptions {
  readonly as: string
  readonly owner: string
  readonly contact: string
  readonly description?: string
  readonly shards?: number
}

export function addSnapshotCommands(program: Command, host: CommandHost): void {
  const snapshot = program
    .command('snapshot')
    .description('export READ_WRITE datasets, and import what was exported')
  const create = withChangeOptions(
    snapshot
      .command('create <dataset>')
      .description('export a READ_WRITE dataset as it is at one point in time')
      .requiredOption('--to <place>', 'file:// or s3:// URL, or a directory, of its own')
      .addOption(
        new Option('--format <format>', 'ndjson: lines of JSON in gzip; parquet: one row a cell')
          .choices(['ndjson', 'parquet'])
          .default('ndjson'),
      ),
  ).addHelpText(
    'after',
    `
Writes go on meanwhile; the snapshot has all that were acknowledged before its moment, and none that were begun after.

Examples:
  godwit snapshot create profiles --to s3://backups/profiles/2026-11-23
  godwit snapshot create profiles --to /backups/profiles --format parquet`,
  )
  host.action(create, (run, args) => createSnapshot(run, args, create.opts<CreateOptions>()))

  const bring = withChangeOptions(
    snapshot
      .command('import <place>')
      .description('make a new dataset of a snapshot')
      .requiredOption('--as <dataset>', 'name of the new dataset')
      .requiredOption('--owner <name>', 'team or service that answers for it')
      .requiredOption('--contact <text>', 'how to reach the owner')
      .option('--description <text>', "what it holds (default: the snapshot's)")
      .addOption(wholeNumberOption('--shards <count>', 'shards of the key space (default: as it was)')),
  ).addHelpText(
    'after',
    `
Example:
  godwit snapshot import s3://backups/profiles/2026-11-23 --as profiles-copy --owner web --contact '#web'`,
  )
  host.action(bring, (run, args) => importSnapshot(run, args, bring.opts<ImportOptions>()))
}

/** What jobs of these kinds answer (snapshot/export.ts, snapshot-jobs.ts). */
interface ExportResult {
  readonly url: string
  readonly rows: number
  readonly cells: number
  readonly bytes: number
}

interface ImportResult {
  readonly rows: number
  readonly cells: number
}

async function createSnapshot(
  run: CommandRun,
  [name = '']: readonly string[],
  { to, format }: CreateOptions,
): Promise<ExitCode> {
  const change = run.change('snapshot taken with the godwit command')
  const started = await run.client().createSnapshot(name, { to: placeUrl(to, run.io), format }, change)
  if (change.isDryRun) return run.result(started, () => run.line(`would export ${name}: ${started.subject}`))
  const job = await followJob(run, started)
  const { rows, cells, bytes, url } = job.result as ExportResult
  return run.result(job, () =>
    run.line(
      `exported ${formatCount(rows)} rows, ${formatCount(cells)} cells, ${formatBytes(bytes)}, to ${url}`,
    ),
  )
}

async function importSnapshot(
  run: CommandRun,
  [place = '']: readonly string[],
  { as: name, owner, contact, description, shards }: ImportOptions,
): Promise<ExitCode> {
  const change = run.change(`import of ${place}`)
  const what = {
    ...{ from: placeUrl(place, run.io), name, owner: { name: owner, contact } },
    ...{ description: description ?? null, shardCount: shards ?? null },
  }
  const started = await run.client().importSnapshot(what, change)
  if (change.isDryRun)
    return run.result(started, () => run.line(`would make dataset ${name} ${started.subject}`))
  const job = await followJob(run, started)
  const { rows, cells } = job.result as ImportResult
  return run.result(job, () =>
    run.line(`dataset ${name} has ${formatCount(rows)} rows, ${formatCount(cells)} cells`),
  )
}
