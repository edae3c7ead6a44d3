/**
 * What is to be written so that one file set stands in one cluster's tree as this gateway serves it. Pure.
 *
 * Several gateways may publish to one tree. Each sees to its own host in the lists of hosts, and leaves out those of
 * gateways that are gone as long as one is left. What a file set serves is kept right by those gateways whose metastore
 * wrote it last; another one writes it when its own current version changes, or when none of those is left.
 */
import { type ClaimedPair, removePair, writePair } from './claims.js'
import type { Operation } from './protocol.js'

/** A file set as this gateway serves it. */
export interface Publication {
  readonly name: string
  /** The version that is served. */
  readonly current: number
  /** All that can be read, the current one among them. */
  readonly kept: readonly number[]
  readonly retainedVersions: number
}

/** How nodes are written and read; what they hold is the wire API's matter. */
export interface NodeContents {
  fileSet(publication: Publication): Buffer
  view(fileSet: string, version: number, hosts: readonly string[]): Buffer
  hostsOfView(data: Buffer): readonly string[]
  /** Whether a view says all that `view` writes. Another release's may not, and its hosts count all the same. */
  isWholeView(data: Buffer): boolean
  /** Name of a version's view. */
  viewName(fileSet: string, version: number): string
}

/** Who publishes, and who else does. */
export interface Publishers {
  /** This gateway's name in lists of hosts. */
  readonly host: string
  /** Names this gateway's metastore. */
  readonly store: string
  /** Hosts of all gateways that are there, with their metastores. */
  readonly live: ReadonlyMap<string, string>
}

/** What stands in the tree. */
export interface PublishedFileSet {
  readonly pair: ClaimedPair
  /** By version. */
  readonly views: ReadonlyMap<number, ClaimedPair>
}

export interface FileSetPlan {
  /** In one transaction. */
  readonly now: readonly Operation[]
  /** Versions whose views clients may still be led to for a moment; they go a while later. */
  readonly later: readonly number[]
  /** Another program has a node where ours would be. */
  readonly isForeign: boolean
}

export interface PlanInput {
  /** Null: this gateway does not serve it. */
  readonly wanted: Publication | null
  readonly found: PublishedFileSet
  readonly publishers: Publishers
  readonly contents: NodeContents
  /** The current version is another one than when this gateway last looked. */
  readonly hasChanged: boolean
  /** Views that were found to be over a while ago. */
  readonly expired: ReadonlySet<number>
}

export function planFileSet(input: PlanInput): FileSetPlan {
  const { wanted, found, publishers } = input
  const { pair } = found
  const isForeign = pair.state === 'FOREIGN'
  if (wanted === null || isForeign)
    return { now: withdraw(input), later: [], isForeign: isForeign && wanted !== null }
  const writer = pair.claim?.data.toString() ?? ''
  const isWriter =
    pair.state === 'ABSENT' ||
    input.hasChanged ||
    writer === publishers.store ||
    ![...publishers.live.values()].includes(writer)
  const now = wanted.kept.flatMap((version) => ensureView(input, wanted.name, version))
  const content = input.contents.fileSet(wanted)
  if (isWriter && (writer !== publishers.store || pair.node?.data.equals(content) !== true)) {
    const [claim, node] = writePair(pair, content, storeBytes(publishers))
    // Clients hear of changes in their order: of a view before the file set that leads to it. Claims of views stand below
    // the file set's.
    now.unshift(claim)
    now.push(node)
  }
  const over = [...found.views.keys()].filter((version) => !wanted.kept.includes(version))
  const later: number[] = []
  for (const version of over) {
    if (input.expired.has(version)) now.push(...leaveView(input, wanted.name, version))
    else later.push(version)
  }
  return { now, later, isForeign: false }
}

/** This gateway is in the list; gateways that are gone are not. */
function ensureView({ found, publishers, contents }: PlanInput, name: string, version: number): Operation[] {
  const pair = found.views.get(version)
  if (pair === undefined || pair.state === 'FOREIGN') return []
  const { state, node } = pair
  const before = node === null ? [] : contents.hostsOfView(node.data)
  const hosts = [...new Set([publishers.host, ...before.filter((host) => publishers.live.has(host))])].sort()
  const isNamed = state === 'OURS' && before.join() === hosts.join()
  if (isNamed && node !== null && contents.isWholeView(node.data)) return []
  return writePair(pair, contents.view(name, version, hosts), storeBytes(publishers))
}

/** This gateway is in the list no more; without another one the view goes. */
function leaveView({ found, publishers, contents }: PlanInput, name: string, version: number): Operation[] {
  const pair = found.views.get(version)
  if (pair === undefined) return []
  if (pair.state !== 'OURS' || pair.node === null) return removePair(pair)
  const before = contents.hostsOfView(pair.node.data)
  const hosts = before.filter((host) => host !== publishers.host)
  if (hosts.length === before.length) return []
  if (hosts.length === 0) return removePair(pair)
  return writePair(pair, contents.view(name, version, hosts), storeBytes(publishers))
}

/**
 * Everything of this gateway goes; the file set itself only where its metastore wrote it and nobody else has it. What
 * another metastore wrote is left to its gateways, which may come back.
 */
function withdraw(input: PlanInput): Operation[] {
  const { found, publishers, contents } = input
  const { pair, views } = found
  const hasOthers = ({ state, node }: ClaimedPair): boolean =>
    state === 'OURS' &&
    node !== null &&
    contents.hostsOfView(node.data).some((host) => host !== publishers.host && publishers.live.has(host))
  const isOwn = pair.claim?.data.toString() === publishers.store
  if (pair.state === 'FOREIGN' || (isOwn && ![...views.values()].some(hasOthers))) {
    // The claims of views stand below the file set's.
    return [...Array.from(views.values(), removePair).flat(), ...removePair(pair)]
  }
  const name = pair.path.slice(pair.path.lastIndexOf('/') + 1)
  const left = [...views].filter(([, view]) => isOwn || hasOthers(view))
  return left.flatMap(([version]) => leaveView(input, name, version))
}

function storeBytes({ store }: Publishers): Buffer {
  return Buffer.from(store)
}
