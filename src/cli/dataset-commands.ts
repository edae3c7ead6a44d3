/** `godwit dataset` and `godwit versions`. */
import { Option, type Command } from 'commander'
import type { DatasetMode, DatasetRecord, Durability, KeyOrder, TimestampUnit } from '../model/dataset.js'
import type { DatasetDraft } from '../model/metastore.js'
import { withChangeOptions, wholeNumberOption, type CommandHost, type CommandRun } from './context.js'
import { formatBytes, formatCount, formatTime } from './format.js'
import type { ExitCode } from './io.js'

interface CreateOptions {
  readonly mode: DatasetMode
  readonly owner: string
  readonly contact: string
  readonly description?: string
  readonly keyOrder?: KeyOrder
  readonly timestampUnit?: TimestampUnit
  readonly shards?: number
  readonly retain?: number
  readonly maxValueBytes?: number
  readonly defaultTtlSeconds?: number
  readonly cellVersions?: number
  readonly graceSeconds?: number
  readonly durability?: Durability
}

interface RevisionOptions {
  readonly ifRevision?: number
}

export function addDatasetCommands(program: Command, host: CommandHost): void {
  const dataset = program.command('dataset').description('list, show, create and delete datasets')
  host.action(dataset.command('list').description('list all datasets'), listDatasets)
  host.action(dataset.command('show <dataset>').description('print all about one dataset'), showDataset)
  const create = createCommand(dataset)
  host.action(create, (run, args) => createDataset(run, args, create.opts<CreateOptions>()))
  const remove = changing(
    dataset.command('delete <dataset>').description('delete a dataset and all its data'),
  )
  remove.addHelpText('after', "\nExample:\n  godwit dataset delete scratch --reason 'test is over'")
  host.action(remove, (run, args) => deleteDataset(run, args, remove.opts<RevisionOptions>()))
}

export function addVersionCommands(program: Command, host: CommandHost): void {
  const versions = program.command('versions').description('list, publish, roll back and delete versions')
  host.action(
    versions.command('list <dataset>').description('list the versions of a BATCH dataset'),
    listVersions,
  )

  const publish = changing(versions.command('publish <dataset> <version>').description('serve this version'))
  publish.addHelpText(
    'after',
    "\nExample:\n  godwit versions publish cities 1714550000000 --reason 'May data'",
  )
  host.action(publish, (run, args) => publishVersion(run, args, publish.opts<RevisionOptions>()))

  const rollback = changing(
    versions.command('rollback <dataset>').description('serve the version before the current one'),
  )
  rollback.addHelpText(
    'after',
    "\nExample:\n  godwit versions rollback cities --reason 'May data is incomplete'",
  )
  host.action(rollback, (run, args) => rollbackVersion(run, args, rollback.opts<RevisionOptions>()))

  const remove = versions
    .command('delete <dataset> <version>')
    .description('delete a version that is not served')
  changing(remove)
  host.action(remove, (run, args) => deleteVersion(run, args, remove.opts<RevisionOptions>()))
}

function createCommand(dataset: Command): Command {
  const choice = (flags: string, description: string, choices: readonly string[]): Option =>
    new Option(flags, description).choices(choices)
  const command = dataset
    .command('create <dataset>')
    .description('create a dataset')
    .addOption(
      choice('--mode <mode>', 'BATCH: loaded in versions; READ_WRITE: written to', [
        'BATCH',
        'READ_WRITE',
        'STREAMING',
      ]).makeOptionMandatory(),
    )
    .requiredOption('--owner <name>', 'team or service that answers for it')
    .requiredOption('--contact <text>', 'how to reach the owner')
    .option('--description <text>', 'what it holds')
    .addOption(choice('--key-order <order>', 'order of keys', ['HASHED', 'ORDERED']))
    .addOption(
      choice('--timestamp-unit <unit>', 'unit of timestamps', ['MICROSECONDS', 'MILLISECONDS', 'OPAQUE']),
    )
    .addOption(wholeNumberOption('--shards <count>', 'shards of the key space, fixed from now on'))
    .addOption(wholeNumberOption('--retain <count>', 'BATCH: versions kept'))
    .addOption(wholeNumberOption('--max-value-bytes <bytes>', 'largest value'))
    .addOption(
      wholeNumberOption(
        '--default-ttl-seconds <seconds>',
        'READ_WRITE: life of what is written without its own',
      ),
    )
    .addOption(
      wholeNumberOption(
        '--cell-versions <count>',
        'READ_WRITE: versions of a cell that are kept, fixed from now on',
      ),
    )
    .addOption(
      wholeNumberOption(
        '--grace-seconds <seconds>',
        'READ_WRITE: deletions are kept so long before they are purged',
      ),
    )
    .addOption(
      choice('--durability <level>', 'READ_WRITE: what an acknowledged write survives', [
        'LOG',
        'LOG_SYNCED',
      ]),
    )
  return withChangeOptions(command).addHelpText(
    'after',
    `
Examples:
  godwit dataset create towns --mode BATCH --owner maps --contact maps@example.com
  godwit dataset create sessions --mode READ_WRITE --owner web --contact '#web' --default-ttl-seconds 86400`,
  )
}

function changing(command: Command): Command {
  return withChangeOptions(command).addOption(
    wholeNumberOption(
      '--if-revision <revision>',
      'only if the dataset still has this revision (default: what it has now)',
    ),
  )
}

async function listDatasets(run: CommandRun): Promise<ExitCode> {
  const datasets = await run.client().datasets()
  return run.result(datasets, () => {
    if (datasets.length === 0) run.line('there are no datasets; create one with "godwit dataset create"')
    else run.table(['DATASET', 'MODE', 'OWNER', 'VERSION', 'ROWS'], datasets.map(listRow))
  })
}

function listRow(record: DatasetRecord): string[] {
  const current = record.versions.find(({ state }) => state === 'CURRENT')
  const isBatch = record.mode === 'BATCH'
  return [
    record.name,
    record.mode,
    record.owner.name,
    isBatch ? (current === undefined ? 'none' : String(current.id)) : '-',
    current === undefined ? '-' : formatCount(current.rows),
  ]
}

async function showDataset(run: CommandRun, [name = '']: readonly string[]): Promise<ExitCode> {
  const record = await run.client().dataset(name)
  return run.result(record, () => {
    run.pairs(pairsOf(record))
    if (record.versions.length === 0) return
    run.line('')
    versionTable(run, record)
  })
}

function pairsOf(record: DatasetRecord): (readonly [string, string])[] {
  const isBatch = record.mode === 'BATCH'
  return [
    ['dataset', record.name],
    ['description', record.description === '' ? '-' : record.description],
    ['owner', `${record.owner.name} (${record.owner.contact})`],
    ['mode', record.mode],
    ['key order', record.keyOrder],
    ['shards', String(record.shardCount)],
    ['largest value', formatBytes(record.maxValueBytes)],
    [
      'migration',
      record.origin === null ? record.migrationState : `${record.migrationState}, origin ${record.origin}`,
    ],
    ...(isBatch
      ? [['versions kept', String(record.retainedVersions)] as const]
      : [
          ['timestamps', record.timestampUnit] as const,
          ['durability', record.defaultDurability] as const,
          ['cell versions', String(record.maxCellVersions)] as const,
          ['grace', `${record.graceSeconds} s`] as const,
          [
            'default TTL',
            record.defaultTtlSeconds === null ? 'none' : `${record.defaultTtlSeconds} s`,
          ] as const,
        ]),
    ['created', formatTime(record.createdAtMs)],
    ['revision', String(record.revision)],
    ['id', record.id],
  ]
}

function versionTable(run: CommandRun, { versions }: DatasetRecord): void {
  run.table(
    ['VERSION', 'STATE', 'ROWS', 'SIZE', 'CREATED', 'BY', 'SOURCE'],
    versions.map(({ id, state, rows, bytes, createdAtMs, loadedBy, source }) => [
      String(id),
      state,
      formatCount(rows),
      formatBytes(bytes),
      formatTime(createdAtMs),
      loadedBy,
      source,
    ]),
  )
}

async function createDataset(
  run: CommandRun,
  [name = '']: readonly string[],
  options: CreateOptions,
): Promise<ExitCode> {
  const { mode, owner, contact, description, keyOrder, timestampUnit, shards, retain, durability } = options
  const { maxValueBytes, defaultTtlSeconds, cellVersions, graceSeconds } = options
  const draft: DatasetDraft = {
    name,
    mode,
    owner: { name: owner, contact },
    ...(description !== undefined && { description }),
    ...(keyOrder !== undefined && { keyOrder }),
    ...(timestampUnit !== undefined && { timestampUnit }),
    ...(shards !== undefined && { shardCount: shards }),
    ...(retain !== undefined && { retainedVersions: retain }),
    ...(maxValueBytes !== undefined && { maxValueBytes }),
    ...(defaultTtlSeconds !== undefined && { defaultTtlSeconds }),
    ...(cellVersions !== undefined && { maxCellVersions: cellVersions }),
    ...(graceSeconds !== undefined && { graceSeconds }),
    ...(durability !== undefined && { defaultDurability: durability }),
  }
  const change = run.change('created with the godwit command')
  const record = await run.client().createDataset(draft, change)
  return run.result(record, () =>
    run.line(`${change.isDryRun ? 'would create' : 'created'} dataset ${record.name}`),
  )
}

async function deleteDataset(
  run: CommandRun,
  [name = '']: readonly string[],
  options: RevisionOptions,
): Promise<ExitCode> {
  const change = run.change(null)
  const client = run.client()
  const revision = options.ifRevision ?? (await client.dataset(name)).revision
  await client.deleteDataset(name, revision, change)
  return run.result({ removed: name, dryRun: change.isDryRun }, () =>
    run.line(`${change.isDryRun ? 'would delete' : 'deleted'} dataset ${name}`),
  )
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

async function publishVersion(
  run: CommandRun,
  args: readonly string[],
  options: RevisionOptions,
): Promise<ExitCode> {
  const [name = '', version = ''] = args
  const change = run.change(null)
  const client = run.client()
  const ifRevision = options.ifRevision ?? (await client.dataset(name)).revision
  const record = await client.publish(name, version, { ifRevision, change })
  return run.result(record, () => run.line(serving(record, change.isDryRun)))
}

async function rollbackVersion(
  run: CommandRun,
  [name = '']: readonly string[],
  options: RevisionOptions,
): Promise<ExitCode> {
  const change = run.change(null)
  const client = run.client()
  const ifRevision = options.ifRevision ?? (await client.dataset(name)).revision
  const record = await client.rollback(name, ifRevision, change)
  return run.result(record, () => run.line(serving(record, change.isDryRun)))
}

function serving({ name, versions }: DatasetRecord, isDryRun: boolean): string {
  const current = versions.find(({ state }) => state === 'CURRENT')
  return `dataset ${name} ${isDryRun ? 'would serve' : 'serves'} version ${current === undefined ? 'none' : String(current.id)}`
}

async function deleteVersion(
  run: CommandRun,
  args: readonly string[],
  options: RevisionOptions,
): Promise<ExitCode> {
  const [name = '', version = ''] = args
  const change = run.change(null)
  const client = run.client()
  const ifRevision = options.ifRevision ?? (await client.dataset(name)).revision
  await client.deleteVersion(name, version, { ifRevision, change })
  return run.result({ removed: version, dryRun: change.isDryRun }, () =>
    run.line(`${change.isDryRun ? 'would delete' : 'deleted'} version ${version} of dataset ${name}`),
  )
}
