/** `godwit versions`: what is listed, served and deleted. Copies in object storage are in archive-commands.ts. */
import type { Command } from 'commander'
import type { DatasetRecord } from '../model/dataset.js'
import { deleteWithArchive } from './archive-commands.js'
import type { Change } from './client.js'
import { withYesOption, type CommandHost, type CommandRun } from './context.js'
import { formatBytes, formatCount, formatTime, right, whole } from './format.js'
import { CliError, EXIT, type ExitCode } from './io.js'
import { withRevisionOption, type RevisionOptions } from './revision.js'
import { versionId } from './version-id.js'

interface CanaryOptions extends RevisionOptions {
  readonly share?: string
  readonly end?: boolean
}

interface DeleteOptions extends RevisionOptions {
  readonly purgeArchive?: boolean
}

export function addVersionCommands(program: Command, host: CommandHost): void {
  const versions = program
    .command('versions')
    .description('list, publish, try, roll back and forward, and delete versions')
  host.action(
    versions
      .command('list <dataset>')
      .description('list the versions of a BATCH dataset')
      .addHelpText('after', '\nExample:\n  godwit versions list cities'),
    listVersions,
  )
  addServingCommands(versions, host)
  addCanaryCommand(versions, host)
  const remove = versions
    .command('delete <dataset> <version>')
    .description('delete a version that is not served')
    .option('--purge-archive', 'its copy in object storage, too')
  withYesOption(withRevisionOption(remove)).addHelpText(
    'after',
    "\nExample:\n  godwit versions delete cities 1714550000000 --reason 'a bad upload' --yes",
  )
  host.action(remove, (run, args) => {
    const options = remove.opts<DeleteOptions>()
    return options.purgeArchive === true
      ? deleteWithArchive(run, args, options)
      : deleteVersion(run, args, options)
  })
}

function addServingCommands(versions: Command, host: CommandHost): void {
  const publish = withRevisionOption(
    versions.command('publish <dataset> <version>').description('serve this version'),
  ).addHelpText('after', "\nExample:\n  godwit versions publish cities 1714550000000 --reason 'May data'")
  host.action(publish, (run, [name = '', version = '']) => {
    const path = `/versions/${versionId(version)}/publish`
    return serve(run, name, { path, ...publish.opts<RevisionOptions>() })
  })

  const rollback = withRevisionOption(
    versions.command('rollback <dataset>').description('serve the version before the current one'),
  ).addHelpText('after', "\nExample:\n  godwit versions rollback cities --reason 'May data is incomplete'")
  host.action(rollback, (run, [name = '']) =>
    serve(run, name, { path: '/rollback', ...rollback.opts<RevisionOptions>() }),
  )

  const forward = withRevisionOption(
    versions
      .command('rollforward <dataset>')
      .description('serve the version after the current one, which a rollback hid'),
  ).addHelpText('after', "\nExample:\n  godwit versions rollforward cities --reason 'May data was complete'")
  host.action(forward, (run, [name = '']) =>
    serve(run, name, { path: '/rollforward', ...forward.opts<RevisionOptions>() }),
  )
}

function addCanaryCommand(versions: Command, host: CommandHost): void {
  const canary = withRevisionOption(
    versions
      .command('canary <dataset> [version]')
      .description('serve a version to a share of the keys first')
      .option('--share <percent>', 'of the keys, 0.01 to 99.99; raising it moves no key back')
      .option('--end', 'serve the current version to all keys again'),
  ).addHelpText(
    'after',
    `
Publishing any version, a rollback and a roll forward end it as well.

Examples:
  godwit versions canary cities 1714550000000 --share 1 --reason 'May data, a first look'
  godwit versions canary cities --end --reason 'May data is incomplete'`,
  )
  host.action(canary, (run, args) => changeCanary(run, args, canary.opts<CanaryOptions>()))
}

async function listVersions(run: CommandRun, [name = '']: readonly string[]): Promise<ExitCode> {
  const record = await run.client().dataset(name)
  return run.result(record.versions, () => {
    if (record.versions.length > 0) versionTable(run, record)
    else
      run.line(
        `dataset ${name} has no versions${record.mode === 'BATCH' ? '; load one with "godwit load"' : ''}`,
      )
  })
}

/** The state of the canary says for how many keys it is served. */
export function versionTable(run: CommandRun, { versions, canary }: DatasetRecord): void {
  run.table(
    [whole('VERSION'), whole('STATE'), right('ROWS'), right('SIZE'), 'CREATED', 'BY', 'SOURCE'],
    versions.map(({ id, state, rows, bytes, createdAtMs, loadedBy, source }) => [
      String(id),
      canary?.versionId === id ? `${state}, canary ${canary.share / 100} %` : state,
      formatCount(rows),
      formatBytes(bytes),
      formatTime(createdAtMs),
      loadedBy,
      source,
    ]),
  )
}

async function serve(
  run: CommandRun,
  name: string,
  { path, ifRevision }: RevisionOptions & { readonly path: string },
): Promise<ExitCode> {
  const { record, change } = await changed(run, name, { method: 'POST', path, ifRevision })
  const current = record.versions.find(({ state }) => state === 'CURRENT')
  const verb = change.isDryRun ? 'would serve' : 'serves'
  const version = current === undefined ? 'none' : String(current.id)
  return run.result(record, () => run.line(`dataset ${name} ${verb} version ${version}`))
}

async function changeCanary(
  run: CommandRun,
  [name = '', version]: readonly string[],
  { share, end = false, ifRevision }: CanaryOptions,
): Promise<ExitCode> {
  if (end !== (version === undefined) || end !== (share === undefined)) {
    throw new CliError(
      EXIT.USAGE,
      'a canary needs a version and --share, or --end alone',
      'see --help for examples',
    )
  }
  const how = end
    ? ({ method: 'DELETE', path: '/canary', ifRevision } as const)
    : ({
        ...({ method: 'PUT', path: '/canary', ifRevision } as const),
        body: { versionId: versionId(version ?? ''), share: hundredths(share ?? '') },
      } as const)
  const { record, change } = await changed(run, name, how)
  const verb = change.isDryRun ? 'would serve' : 'serves'
  return run.result(record, () => {
    if (record.canary === null) run.line(`dataset ${name} ${verb} its current version to all keys`)
    else
      run.line(
        `dataset ${name} ${verb} version ${record.canary.versionId} to ${record.canary.share / 100} % of its keys`,
      )
  })
}

/** `2.5` percent are 250. */
function hundredths(text: string): number {
  if (!/^\d{1,2}(\.\d{1,2})?$/.test(text)) {
    throw new CliError(
      EXIT.USAGE,
      `--share ${text} is no percentage from 0.01 to 99.99`,
      'two decimals at most: 2.5',
    )
  }
  return Math.round(Number(text) * 100)
}

async function changed(
  run: CommandRun,
  name: string,
  how: {
    readonly method: 'POST' | 'PUT' | 'DELETE'
    readonly path: string
    readonly body?: object
    readonly ifRevision: number | undefined
  },
): Promise<{ readonly record: DatasetRecord; readonly change: Change }> {
  const change = run.change(null)
  const client = run.client()
  const ifRevision = how.ifRevision ?? (await client.dataset(name)).revision
  return { record: await client.changeDataset(name, { ...how, ifRevision, change }), change }
}

async function deleteVersion(
  run: CommandRun,
  args: readonly string[],
  options: RevisionOptions,
): Promise<ExitCode> {
  const [name = '', given = ''] = args
  const version = String(versionId(given))
  const change = run.change(null)
  await run.confirm(`delete version ${version} of dataset ${name}`)
  const client = run.client()
  const ifRevision = options.ifRevision ?? (await client.dataset(name)).revision
  await client.deleteVersion(name, version, { ifRevision, change })
  return run.result({ removed: version, dryRun: change.isDryRun }, () =>
    run.line(`${change.isDryRun ? 'would delete' : 'deleted'} version ${version} of dataset ${name}`),
  )
}
