/** What `godwit status` says of leaf processes: a line a leaf, and a line a version that is not yet where it belongs. */
import type { DatasetStatus, GatewayStatus, LeafStatus, PlacementStatus } from '../model/operations.js'
import type { CommandRun } from './context.js'
import { formatDuration, right, type TableCell } from './format.js'

/** Nothing where no cluster has leaves. */
export function showLeaves(run: CommandRun, { leaves, datasets, dataThreads }: GatewayStatus): void {
  if (leaves.length === 0) return
  run.line('')
  run.table(
    ['CLUSTER', 'LEAF', 'STATE', 'BREAKER', right('SHARDS'), right('COPYING')],
    leaves.map((leaf) => leafRow(leaf, dataThreads)),
  )
  for (const { cluster, name, problem } of leaves) {
    if (problem !== null) run.line(`leaf ${name} of ${cluster}: ${problem}`)
  }
  const behind = datasets.flatMap((dataset) =>
    dataset.placement.filter((one) => isBehind(dataset, one)).map((one) => ({ dataset, one })),
  )
  if (behind.length === 0) return
  run.line('')
  run.table(
    ['BEHIND', 'VERSION', 'CLUSTER', 'REPLICAS', 'READ FROM'],
    behind.map(({ dataset, one }) => behindRow(dataset, one)),
  )
  for (const { dataset, one } of behind) {
    if (one.leavesFailedForMs === null) continue
    run.line(
      `dataset ${dataset.name}, version ${one.version}: its leaves failed reads, ` +
        `they are asked again in ${formatDuration(one.leavesFailedForMs)}`,
    )
  }
}

function leafRow(
  { cluster, name, problem, openBreakers, held, wanted, copying }: LeafStatus,
  dataThreads: number,
): TableCell[] {
  const state: TableCell = problem === null ? { text: 'ok', tone: 'good' } : { text: 'not used', tone: 'bad' }
  const breaker: TableCell =
    openBreakers === 0
      ? { text: 'closed', tone: 'good' }
      : { text: `open in ${openBreakers} of ${dataThreads} threads`, tone: 'bad' }
  return [cluster, name, state, breaker, `${held}/${wanted}`, String(copying)]
}

/** A kept version that nobody reads need not be read from its leaves. */
function isBehind({ currentVersion }: DatasetStatus, one: PlacementStatus): boolean {
  if (one.wholeShards < one.shards || one.leavesFailedForMs !== null) return true
  return one.version === currentVersion && !one.isReadFromLeaves
}

function behindRow({ name }: DatasetStatus, one: PlacementStatus): TableCell[] {
  const { version, cluster, wholeShards, shards, replicas, isReadFromLeaves } = one
  return [
    name,
    String(version),
    cluster,
    `${wholeShards} of ${shards} shards have ${replicas}`,
    isReadFromLeaves ? 'leaves' : 'gateway',
  ]
}
