/** `godwit versions archive` and `restore`, and the copy's end with `versions delete --purge-archive`. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Command } from 'commander'
import type { JobStatus } from '../base/job.js'
import { type CommandHost, type CommandRun, withChangeOptions, wholeNumberOption } from './context.js'
import { formatBytes, formatCount } from './format.js'
import { CliError, EXIT, type CliIo, type ExitCode } from './io.js'
import { followJob } from './job-commands.js'
import { versionId } from './version-id.js'

interface RevisionOptions {
  readonly ifRevision?: number
}

interface ArchiveOptions extends RevisionOptions {
  readonly to?: string
  readonly release?: boolean
}

/** Behind addVersionCommands. */
export function addArchiveCommands(program: Command, host: CommandHost): void {
  const versions = versionsCommand(program)
  const archive = changing(
    versions
      .command('archive <dataset> <version>')
      .description('copy a version to object storage')
      .option('--to <place>', 'file:// or s3:// URL, or a directory (default: what archive.url says)')
      .option('--release', 'remove the local files when the copy is complete'),
  ).addHelpText(
    'after',
    `
The copy goes on in the gateway when this command is interrupted. A copy in another place does not replace the earlier ones:
"versions delete --purge-archive" removes all of them.

Examples:
  godwit versions archive cities 1714550000000 --to s3://backups/godwit --reason 'end of May'
  godwit versions archive cities 1714550000000 --release --reason 'room for June'`,
  )
  host.action(archive, (run, args) => archiveVersion(run, args, archive.opts<ArchiveOptions>()))

  const restore = changing(
    versions
      .command('restore <dataset> <version>')
      .description('put an archived version back, to be published'),
  ).addHelpText(
    'after',
    "\nExample:\n  godwit versions restore cities 1714550000000 --reason 'May is needed again'",
  )
  host.action(restore, (run, args) => restoreVersion(run, args, restore.opts<RevisionOptions>()))
}

/** Where other files add commands about versions. */
export function versionsCommand(program: Command): Command {
  const found = program.commands.find((command) => command.name() === 'versions')
  if (found === undefined) throw new CliError(EXIT.FAILED, 'the commands of versions are missing')
  return found
}

/** A URL as it is; a path as the URL of the gateway's file. */
export function placeUrl(place: string, { workingDirectory }: Pick<CliIo, 'workingDirectory'>): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(place) ? place : pathToFileURL(resolve(workingDirectory, place)).href
}

/** The copy, then the version; what `versions delete --purge-archive` does. */
export async function deleteWithArchive(
  run: CommandRun,
  [name = '', given = '']: readonly string[],
  { ifRevision }: RevisionOptions,
): Promise<ExitCode> {
  const version = String(versionId(given))
  const change = run.change(null)
  await run.confirm(`delete version ${version} of ${name} and its copy`)
  const client = run.client()
  const at = { ifRevision: ifRevision ?? (await client.dataset(name)).revision, change }
  const started = await client.deleteVersionWithArchive(name, version, at)
  return followDeletion(run, started, change.isDryRun)
}

/** What a deletion with copies shows, of a version or of a dataset. */
export async function followDeletion(
  run: CommandRun,
  started: JobStatus,
  isDryRun: boolean,
): Promise<ExitCode> {
  if (isDryRun) return run.result(started, () => run.line(`would delete ${started.subject}`))
  const job = await followJob(run, started)
  return run.result(job, () => run.line(`deleted ${job.subject} of dataset ${job.dataset}`))
}

function changing(command: Command): Command {
  return withChangeOptions(command).addOption(
    wholeNumberOption(
      '--if-revision <revision>',
      'only if the dataset still has this revision (default: what it has now)',
    ),
  )
}

interface CopyResult {
  readonly url: string
  readonly files: number
  readonly bytes: number
}

async function archiveVersion(
  run: CommandRun,
  [name = '', given = '']: readonly string[],
  { to, release = false, ifRevision }: ArchiveOptions,
): Promise<ExitCode> {
  const version = String(versionId(given))
  const change = run.change(null)
  const client = run.client()
  const at = { ifRevision: ifRevision ?? (await client.dataset(name)).revision, change }
  const how = { to: to === undefined ? null : placeUrl(to, run.io), release, ...at }
  const started = await client.archiveVersion(name, version, how)
  if (change.isDryRun) return run.result(started, () => run.line(`would copy ${started.subject}`))
  const job = await followJob(run, started)
  // What a job of this kind answers (archive/copy-out.ts).
  const { url, files, bytes } = job.result as CopyResult
  return run.result(job, () =>
    run.line(
      `copied ${formatCount(files)} files, ${formatBytes(bytes)}, to ${url}${release ? '; local files go' : ''}`,
    ),
  )
}

async function restoreVersion(
  run: CommandRun,
  [name = '', given = '']: readonly string[],
  { ifRevision }: RevisionOptions,
): Promise<ExitCode> {
  const version = String(versionId(given))
  const change = run.change(null)
  const client = run.client()
  const at = { ifRevision: ifRevision ?? (await client.dataset(name)).revision, change }
  const started = await client.restoreVersion(name, version, at)
  if (change.isDryRun) return run.result(started, () => run.line(`would put back ${started.subject}`))
  const job = await followJob(run, started)
  return run.result(job, () =>
    run.line(
      `version ${version} of ${name} is READY; serve it with "godwit versions publish ${name} ${version}"`,
    ),
  )
}
