/** `godwit cluster`, and `godwit dataset move`. */
import type { Command } from 'commander'
import type { ClusterRecord, LeafRecord } from '../model/dataset.js'
import { collect, withYesOption, type CommandHost, type CommandRun } from './context.js'
import { formatTime } from './format.js'
import { CliError, EXIT, type ExitCode } from './io.js'
import { withRevisionOption, type RevisionOptions } from './revision.js'

interface PutOptions extends RevisionOptions {
  readonly leaf: readonly string[]
  readonly alias: readonly string[]
  /** False: --no-leaves, --no-aliases. */
  readonly leaves: boolean
  readonly aliases: boolean
}

interface MoveOptions extends RevisionOptions {
  readonly to: string
  readonly now?: boolean
}

export function addClusterCommands(program: Command, host: CommandHost): void {
  const cluster = program.command('cluster').description('list, show, make and delete clusters of leaves')
  const list = cluster.command('list').description('list all clusters')
  host.action(list.addHelpText('after', '\nExample:\n  godwit cluster list'), listClusters)
  const show = cluster.command('show <cluster>').description('print all about one cluster, by name or alias')
  host.action(show.addHelpText('after', '\nExample:\n  godwit cluster show west'), showCluster)

  const put = withRevisionOption(
    cluster
      .command('put <cluster>')
      .description('make a cluster, or replace its leaves or aliases; what is not given stays')
      .option('--leaf <name=url>', 'a leaf process, may be repeated: all that there are', collect, [])
      .option('--alias <name>', 'a former name, may be repeated: all that there are', collect, [])
      .option('--no-leaves', 'take all leaves away')
      .option('--no-aliases', 'take all aliases away'),
  ).addHelpText(
    'after',
    `
Example:
  godwit cluster put west --leaf a=http://10.0.0.1:7390 --leaf b=http://10.0.0.2:7390 --reason 'new machines'`,
  )
  host.action(put, (run, args) => putCluster(run, args, put.opts<PutOptions>()))

  const remove = withRevisionOption(
    cluster.command('delete <cluster>').description('delete a cluster that serves no dataset'),
  )
  withYesOption(remove).addHelpText(
    'after',
    "\nExample:\n  godwit cluster delete west --reason 'machines are gone' --yes",
  )
  host.action(remove, (run, args) => deleteCluster(run, args, remove.opts<RevisionOptions>()))
}

export function addMoveCommand(dataset: Command, host: CommandHost): void {
  const move = withRevisionOption(
    dataset
      .command('move <dataset>')
      .description('serve the next upload from another cluster')
      .requiredOption('--to <cluster>', 'cluster, by name or alias')
      .option('--now', 'copy the current version there and serve it, too'),
  ).addHelpText(
    'after',
    "\nExample:\n  godwit dataset move towns --to west --now --reason 'machines of the east go'",
  )
  host.action(move, (run, args) => moveDataset(run, args, move.opts<MoveOptions>()))
}

async function listClusters(run: CommandRun): Promise<ExitCode> {
  const clusters = await run.client().clusters()
  return run.result(clusters, () => {
    run.table(
      ['CLUSTER', 'ALIASES', 'LEAVES'],
      clusters.map(({ name, aliases, leaves }) => [name, aliases.join(', ') || '-', leafNames(leaves)]),
    )
  })
}

function leafNames(leaves: readonly LeafRecord[]): string {
  return leaves.length === 0 ? "none: the gateway's own process" : leaves.map(({ name }) => name).join(', ')
}

async function showCluster(run: CommandRun, [name = '']: readonly string[]): Promise<ExitCode> {
  const cluster = await run.client().cluster(name)
  return run.result(cluster, () => {
    run.pairs(pairsOf(cluster))
    if (cluster.leaves.length === 0) return
    run.line('')
    run.table(
      ['LEAF', 'URL'],
      cluster.leaves.map((leaf) => [leaf.name, leaf.url]),
    )
  })
}

function pairsOf({
  name,
  aliases,
  leaves,
  createdAtMs,
  revision,
}: ClusterRecord): (readonly [string, string])[] {
  return [
    ['cluster', name],
    ['aliases', aliases.join(', ') || 'none'],
    ['leaves', leafNames(leaves)],
    ['created', createdAtMs === 0 ? 'always there' : formatTime(createdAtMs)],
    ['revision', String(revision)],
  ]
}

async function putCluster(
  run: CommandRun,
  [name = '']: readonly string[],
  options: PutOptions,
): Promise<ExitCode> {
  const change = run.change(null)
  const { leaf, alias, leaves, aliases, ifRevision } = options
  const draft = {
    name,
    ...((leaf.length > 0 || !leaves) && { leaves: leaf.map(parseLeaf) }),
    ...((alias.length > 0 || !aliases) && { aliases: alias }),
  }
  const client = run.client()
  const known = (await client.clusters()).find((one) => one.name === name || one.aliases.includes(name))
  const seen = ifRevision ?? known?.revision
  const cluster = await client.putCluster(draft, { change, ...(seen !== undefined && { ifRevision: seen }) })
  return run.result(cluster, () => run.line(`${change.isDryRun ? 'would set' : 'set'} cluster ${name}`))
}

function parseLeaf(text: string): LeafRecord {
  const [, name, url] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (name !== undefined && url !== undefined) return { name, url }
  throw new CliError(
    EXIT.USAGE,
    `--leaf ${text} is not NAME=URL`,
    'for example --leaf a=http://10.0.0.1:7390',
  )
}

async function deleteCluster(
  run: CommandRun,
  [name = '']: readonly string[],
  options: RevisionOptions,
): Promise<ExitCode> {
  const change = run.change(null)
  await run.confirm(`delete cluster ${name}`)
  const client = run.client()
  const ifRevision = options.ifRevision ?? (await client.cluster(name)).revision
  await client.deleteCluster(name, { ifRevision, change })
  return run.result({ removed: name, dryRun: change.isDryRun }, () =>
    run.line(`${change.isDryRun ? 'would delete' : 'deleted'} cluster ${name}`),
  )
}

async function moveDataset(
  run: CommandRun,
  [name = '']: readonly string[],
  { to, now = false, ifRevision }: MoveOptions,
): Promise<ExitCode> {
  const change = run.change(null)
  const client = run.client()
  const at = { ifRevision: ifRevision ?? (await client.dataset(name)).revision, change }
  const body = { cluster: to, now }
  const record = await client.changeDataset(name, { method: 'POST', path: '/move', body, ...at })
  const what = now ? 'its current version and its next upload' : 'its next upload'
  const verb = change.isDryRun ? 'would serve' : 'serves'
  return run.result(record, () => run.line(`cluster ${record.cluster} ${verb} ${what} of dataset ${name}`))
}
