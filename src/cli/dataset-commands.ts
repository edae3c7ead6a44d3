/** `godwit dataset`. */
import { Option, type Command } from 'commander'
import type { DatasetMode, DatasetRecord, Durability, KeyOrder, TimestampUnit } from '../model/dataset.js'
import type { DatasetDraft, DatasetPatch } from '../model/metastore.js'
import { followDeletion } from './archive-commands.js'
import { withChangeOptions, withYesOption, wholeNumberOption } from './context.js'
import { withRevisionOption, type RevisionOptions } from './revision.js'
import type { CommandHost, CommandRun } from './context.js'
import { formatBytes, formatCount, formatTime, right } from './format.js'
import type { CliIo, ExitCode } from './io.js'
import { addMoveCommand } from './cluster-commands.js'
import { explodeWish, withExplodeOptions, type ExplodeOptions } from './explode-options.js'
import { CliError, EXIT } from './io.js'
import { versionTable } from './version-commands.js'

interface CreateOptions {
  readonly mode: DatasetMode
  readonly owner: string
  readonly contact: string
  readonly description?: string
  readonly keyOrder?: KeyOrder
  readonly timestampUnit?: TimestampUnit
  readonly shards?: number
  readonly cluster?: string
  readonly origin?: string
  readonly replicas?: number
  readonly maxVersionBytes?: number
  readonly retain?: number
  readonly maxValueBytes?: number
  readonly defaultTtlSeconds?: number
  readonly cellVersions?: number
  readonly graceSeconds?: number
  readonly durability?: Durability
}

interface DeleteOptions extends RevisionOptions {
  readonly withArchives?: boolean
}

interface UpdateOptions extends RevisionOptions, Omit<ExplodeOptions, 'value'> {
  readonly columns?: string
  readonly owner?: string
  readonly contact?: string
  readonly description?: string
  readonly cluster?: string
  readonly replicas?: number
  readonly retain?: number
  readonly maxVersionBytes?: number
  readonly maxValueBytes?: number
  readonly defaultTtlSeconds?: number
  readonly graceSeconds?: number
  readonly durability?: Durability
}

export function addDatasetCommands(program: Command, host: CommandHost): void {
  const dataset = program
    .command('dataset')
    .description('list, show, create, change, move and delete datasets')
  const list = dataset.command('list').description('list all datasets')
  host.action(list.addHelpText('after', '\nExample:\n  godwit dataset list'), listDatasets)
  const show = dataset.command('show <dataset>').description('print all about one dataset')
  host.action(show.addHelpText('after', '\nExample:\n  godwit dataset show cities --json'), showDataset)
  const create = createCommand(dataset)
  host.action(create, (run, args) => createDataset(run, args, create.opts<CreateOptions>()))
  const update = updateCommand(dataset)
  host.action(update, (run, args) => updateDataset(run, args, update.opts<UpdateOptions>()))
  addMoveCommand(dataset, host)
  const remove = withRevisionOption(
    dataset
      .command('delete <dataset>')
      .description('delete a dataset and all its data')
      .option('--with-archives', 'the copies of its versions in object storage, too'),
  )
  withYesOption(remove).addHelpText(
    'after',
    "\nExample:\n  godwit dataset delete scratch --reason 'test is over' --yes",
  )
  host.action(remove, (run, args) => deleteDataset(run, args, remove.opts<DeleteOptions>()))
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
    .option('--cluster <name>', "cluster that serves it (default: local, the gateway's own process)")
    .option(
      '--origin <name>',
      'configured old store that answers for it, until "godwit migrate" says otherwise',
    )
    .addOption(wholeNumberOption('--replicas <count>', 'BATCH: leaves that hold each shard'))
    .addOption(wholeNumberOption('--retain <count>', 'BATCH: versions kept'))
    .addOption(wholeNumberOption('--max-version-bytes <bytes>', 'BATCH: largest version'))
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

/** 0 stands for no limit, and for cells that live for ever. */
function updateCommand(dataset: Command): Command {
  const command = dataset
    .command('update <dataset>')
    .description('change settings of a dataset; those that are not given stay')
    .option('--owner <name>', 'team or service that answers for it')
    .option('--contact <text>', 'how to reach the owner')
    .option('--description <text>', 'what it holds')
    .option('--cluster <name>', 'cluster of the next upload')
    .addOption(wholeNumberOption('--replicas <count>', 'BATCH: leaves that hold each shard'))
    .addOption(wholeNumberOption('--retain <count>', 'BATCH: versions kept, from the next publish on'))
    .addOption(wholeNumberOption('--max-version-bytes <bytes>', 'BATCH: largest version; 0: no limit'))
    .addOption(wholeNumberOption('--max-value-bytes <bytes>', 'largest value'))
    .addOption(
      wholeNumberOption(
        '--default-ttl-seconds <seconds>',
        'READ_WRITE: life of what is written without its own; 0: for ever',
      ),
    )
    .addOption(wholeNumberOption('--grace-seconds <seconds>', 'READ_WRITE: deletions are kept so long'))
    .addOption(
      new Option('--durability <level>', 'READ_WRITE: what an acknowledged write survives').choices([
        'LOG',
        'LOG_SYNCED',
      ]),
    )
  withExplodeOptions(command).option(
    '--columns <names>',
    'with --explode: fields that become columns, with commas between (default: all)',
  )
  return withRevisionOption(command).addHelpText(
    'after',
    `
--explode says what the values of HFiles are, in all loads that do not say it themselves: those of loadFileSet, too.

Examples:
  godwit dataset update towns --owner geo --contact '#geo' --reason 'the team was renamed'
  godwit dataset update pins --explode thrift --idl pin.thrift --struct Pin --reason 'fields as columns'`,
  )
}

async function listDatasets(run: CommandRun): Promise<ExitCode> {
  const datasets = await run.client().datasets()
  return run.result(datasets, () => {
    if (datasets.length === 0) run.line('there are no datasets; create one with "godwit dataset create"')
    else run.table(['DATASET', 'MODE', 'OWNER', 'VERSION', right('ROWS')], datasets.map(listRow))
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
    ['cluster', record.replicas === 1 ? record.cluster : `${record.cluster}, ${record.replicas} replicas`],
    ['largest value', formatBytes(record.maxValueBytes)],
    [
      'migration',
      record.origin === null ? record.migrationState : `${record.migrationState}, origin ${record.origin}`,
    ],
    ...(isBatch
      ? [
          ['versions kept', String(record.retainedVersions)] as const,
          [
            'largest version',
            record.maxVersionBytes === null ? 'any' : formatBytes(record.maxVersionBytes),
          ] as const,
          ['canary', canaryText(record)] as const,
          ['exploded', layoutText(record)] as const,
        ]
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

function layoutText({ explode }: DatasetRecord): string {
  if (explode === undefined) return 'no'
  const { struct, protocol, columns } = explode
  return `${struct} in thrift's ${protocol} protocol, ${columns === null ? 'all fields' : columns.join(', ')}`
}

function canaryText({ canary }: DatasetRecord): string {
  return canary === null ? 'none' : `version ${canary.versionId} for ${canary.share / 100} % of the keys`
}

async function createDataset(
  run: CommandRun,
  [name = '']: readonly string[],
  options: CreateOptions,
): Promise<ExitCode> {
  const { mode, owner, contact, description, keyOrder, timestampUnit, shards, retain, durability } = options
  const { maxValueBytes, defaultTtlSeconds, cellVersions, graceSeconds } = options
  const { cluster, replicas, maxVersionBytes } = options
  const draft: DatasetDraft = {
    name,
    mode,
    owner: { name: owner, contact },
    ...(description !== undefined && { description }),
    ...(keyOrder !== undefined && { keyOrder }),
    ...(timestampUnit !== undefined && { timestampUnit }),
    ...(shards !== undefined && { shardCount: shards }),
    ...(cluster !== undefined && { cluster }),
    ...(options.origin !== undefined && { migrationState: 'ORIGIN_ONLY', origin: options.origin }),
    ...(replicas !== undefined && { replicas }),
    ...(retain !== undefined && { retainedVersions: retain }),
    ...(maxVersionBytes !== undefined && { maxVersionBytes }),
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

async function updateDataset(
  run: CommandRun,
  [name = '']: readonly string[],
  options: UpdateOptions,
): Promise<ExitCode> {
  const change = run.change(null)
  const client = run.client()
  const record = await client.dataset(name)
  const patch = { ...patchOf(options, record), ...layoutPatch(run.io, options) }
  if (Object.keys(patch).length === 0) {
    throw new CliError(
      EXIT.USAGE,
      'there is nothing to change',
      'give settings: see "godwit dataset update --help"',
    )
  }
  const ifRevision = options.ifRevision ?? record.revision
  const changed = await client.changeDataset(name, { method: 'PATCH', body: patch, ifRevision, change })
  return run.result(changed, () =>
    run.line(`${change.isDryRun ? 'would change' : 'changed'} dataset ${name}`),
  )
}

/** With the IDL, where answers have what was read from it. */
function layoutPatch(io: CliIo, options: UpdateOptions): object {
  const wish = explodeWish(io, options)
  if (wish === undefined || wish === null) {
    if (options.columns !== undefined)
      throw new CliError(EXIT.USAGE, '--columns is for --explode thrift', 'see the help of the command')
    return wish === undefined ? {} : { explode: null }
  }
  const { protocol, struct, idl } = wish
  return { explode: { protocol, struct, idl, columns: options.columns?.split(',') ?? null } }
}

/** The parts of an owner that are not given stay. */
function patchOf(options: UpdateOptions, record: DatasetRecord): DatasetPatch {
  const { owner, contact, retain, durability, maxVersionBytes, defaultTtlSeconds } = options
  const { description, cluster, replicas, maxValueBytes, graceSeconds } = options
  const isOwnerGiven = owner !== undefined || contact !== undefined
  return {
    ...(isOwnerGiven && {
      owner: { name: owner ?? record.owner.name, contact: contact ?? record.owner.contact },
    }),
    ...(description !== undefined && { description }),
    ...(cluster !== undefined && { cluster }),
    ...(replicas !== undefined && { replicas }),
    ...(retain !== undefined && { retainedVersions: retain }),
    ...(maxVersionBytes !== undefined && { maxVersionBytes: maxVersionBytes === 0 ? null : maxVersionBytes }),
    ...(maxValueBytes !== undefined && { maxValueBytes }),
    ...(defaultTtlSeconds !== undefined && {
      defaultTtlSeconds: defaultTtlSeconds === 0 ? null : defaultTtlSeconds,
    }),
    ...(graceSeconds !== undefined && { graceSeconds }),
    ...(durability !== undefined && { defaultDurability: durability }),
  }
}

async function deleteDataset(
  run: CommandRun,
  [name = '']: readonly string[],
  { ifRevision, withArchives = false }: DeleteOptions,
): Promise<ExitCode> {
  const change = run.change(null)
  await run.confirm(`delete dataset ${name} and all its data${withArchives ? ' and copies' : ''}`)
  const client = run.client()
  const revision = ifRevision ?? (await client.dataset(name)).revision
  if (withArchives) {
    return followDeletion(
      run,
      await client.deleteDatasetWithArchives(name, revision, change),
      change.isDryRun,
    )
  }
  const archives = await client.deleteDataset(name, revision, change)
  return run.result({ removed: name, dryRun: change.isDryRun, archives }, () => {
    run.line(`${change.isDryRun ? 'would delete' : 'deleted'} dataset ${name}`)
    for (const url of archives)
      run.line(
        `the copy ${url} ${change.isDryRun ? 'would stay' : 'stays'}: remove it by hand if it is not needed`,
      )
  })
}
