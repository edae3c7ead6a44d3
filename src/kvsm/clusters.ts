/**
 * What a cluster may be, which datasets may lie on it, and how one is found. Pure: records in, records out.
 *
 * The cluster `local` is the gateway's own process: always there, without leaves. A cluster is found by its name or by
 * one of its aliases; datasets keep the name, so that an alias can be given up at any time.
 */
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { ClusterRecord, DatasetRecord, LeafRecord } from '../model/dataset.js'
import type { ClusterDraft } from '../model/metastore.js'
import { type Given, LOCAL_CLUSTER, isObject, readName, refuse, unknownAmong } from './drafts.js'

const LOCAL: ClusterRecord = Object.freeze({
  name: LOCAL_CLUSTER,
  aliases: Object.freeze([]),
  leaves: Object.freeze([]),
  createdAtMs: 0,
  revision: 0,
})

/** Those that are stored and, where it is not among them, `local`; by name. */
export function allClusters(stored: readonly ClusterRecord[]): readonly ClusterRecord[] {
  if (stored.some(({ name }) => name === LOCAL_CLUSTER)) return stored
  return [...stored, LOCAL].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** By name or alias. */
export function findCluster(clusters: readonly ClusterRecord[], name: string): ClusterRecord | null {
  const named = clusters.find((cluster) => cluster.name === name)
  return named ?? clusters.find(({ aliases }) => aliases.includes(name)) ?? null
}

/**
 * What the draft makes of the cluster; aliases or leaves that it leaves out stay as they are.
 * @throws {KVError} INVALID_ARGUMENT naming every fault of the draft, ALREADY_EXISTS when a name is another cluster's
 */
export function draftToCluster(
  draft: ClusterDraft,
  now: ClusterRecord | null,
  others: readonly ClusterRecord[],
): Omit<ClusterRecord, 'createdAtMs' | 'revision'> {
  // Drafts come from JSON: what the types say of them is a claim, not a fact.
  const given: Given = isObject(draft) ? draft : {}
  const faults = unknownAmong(given, ['name', 'aliases', 'leaves'])
  const name = readName(given, 'name', faults)
  const aliases =
    given['aliases'] === undefined ? (now?.aliases ?? []) : readAliases(given['aliases'], faults)
  const leaves = given['leaves'] === undefined ? (now?.leaves ?? []) : readLeaves(given['leaves'], faults)
  if (aliases.includes(name)) faults.push(`aliases must not repeat the name ${name}`)
  if (name === LOCAL_CLUSTER && leaves.length > 0) {
    faults.push(
      `cluster ${LOCAL_CLUSTER} is the gateway's own process and has no leaves: choose another name`,
    )
  }
  refuse(`cluster ${name || 'draft'} is refused`, faults)
  for (const taken of [name, ...aliases]) checkIsFree(taken, name, others)
  for (const leaf of leaves) checkIsOneLeaf(leaf, name, others)
  return { name, aliases, leaves }
}

/** @throws {KVError} FAILED_PRECONDITION, UNSUPPORTED when the dataset cannot lie there */
export function checkPlacement(dataset: DatasetRecord, cluster: ClusterRecord): void {
  const { name, mode, replicas } = dataset
  const leafCount = cluster.leaves.length
  if (mode !== 'BATCH' && leafCount > 0) {
    throw new KVError(
      'UNSUPPORTED',
      `dataset ${name} is ${mode} and lies in the gateway's own process: cluster ${cluster.name} has leaves, ` +
        'which serve BATCH datasets',
      { dataset: name },
    )
  }
  if (replicas <= Math.max(1, leafCount)) return
  throw new KVError(
    'FAILED_PRECONDITION',
    `dataset ${name} asks for ${replicas} replicas and cluster ${cluster.name} has ${leafCount} leaves: ` +
      'add leaves or ask for fewer replicas',
    { dataset: name },
  )
}

/** @throws {KVError} FAILED_PRECONDITION */
export function requireCluster(clusters: readonly ClusterRecord[], name: string): ClusterRecord {
  const found = findCluster(clusters, name)
  if (found !== null) return found
  const known = clusters.slice(0, 10).map((cluster) => cluster.name)
  throw new KVError(
    'FAILED_PRECONDITION',
    `there is no cluster ${name}: make it, or use one of ${known.join(', ')}`,
  )
}

/** One line for the audit. */
export function describeCluster({ aliases, leaves }: Pick<ClusterRecord, 'aliases' | 'leaves'>): string {
  const leafTexts = leaves.map(({ name, url }) => `${name} ${url}`)
  return `leaves ${leafTexts.join(', ') || 'none'}; aliases ${aliases.join(', ') || 'none'}`
}

function readAliases(value: unknown, faults: string[]): string[] {
  const names = readList(value, 'aliases', limits.maxClusterAliases, faults)
  const aliases = names.map((alias, index) => {
    const field = `aliases[${index}]`
    return readName({ [field]: alias }, field, faults)
  })
  if (new Set(aliases).size < aliases.length) faults.push('aliases must differ from each other')
  return aliases
}

function readLeaves(value: unknown, faults: string[]): LeafRecord[] {
  const leaves = readList(value, 'leaves', limits.maxClusterLeaves, faults).map((leaf, index) =>
    readLeaf(leaf, `leaves[${index}]`, faults),
  )
  for (const field of ['name', 'url'] as const) {
    if (new Set(leaves.map((leaf) => leaf[field])).size < leaves.length) {
      faults.push(`leaves must differ in their ${field}`)
    }
  }
  return leaves
}

function readLeaf(value: unknown, field: string, faults: string[]): LeafRecord {
  if (!isObject(value)) {
    faults.push(`${field} must be { name, url }`)
    return { name: field, url: field }
  }
  faults.push(...unknownAmong(value, ['name', 'url']).map((fault) => `${field}: ${fault}`))
  const nameField = `${field}.name`
  const name = readName({ [nameField]: value['name'] }, nameField, faults)
  const origin = originOf(value['url'])
  if (origin === null) faults.push(`${field}.url must be http://HOST:PORT, without a path`)
  return { name, url: origin ?? field }
}

/** `http://host:port` of a URL that is no more than that; null for everything else. */
function originOf(value: unknown): string | null {
  if (typeof value !== 'string' || !URL.canParse(value)) return null
  const { protocol, port, pathname, search, hash, username, password, host } = new URL(value)
  const isPlain = pathname === '/' && search === '' && hash === '' && username === '' && password === ''
  return protocol === 'http:' && port !== '' && isPlain ? `http://${host}` : null
}

function readList(value: unknown, field: string, maxCount: number, faults: string[]): readonly unknown[] {
  if (Array.isArray(value) && value.length <= maxCount) return value
  faults.push(`${field} must be a list of at most ${maxCount}`)
  return []
}

function checkIsFree(taken: string, name: string, others: readonly ClusterRecord[]): void {
  const owner = findCluster(others, taken)
  if (owner === null) return
  const what = owner.name === taken ? 'is a cluster already' : `is an alias of cluster ${owner.name}`
  throw new KVError(
    'ALREADY_EXISTS',
    `cluster ${name} cannot be called ${taken}, which ${what}: choose another name`,
  )
}

/** A leaf may be of several clusters, under one name and at one place: copies are kept by its name. */
function checkIsOneLeaf({ name, url }: LeafRecord, cluster: string, others: readonly ClusterRecord[]): void {
  for (const other of others) {
    if (other.name === cluster) continue
    const conflict = other.leaves.find((leaf) => (leaf.name === name) !== (leaf.url === url))
    if (conflict === undefined) continue
    throw new KVError(
      'ALREADY_EXISTS',
      `leaf ${name} ${url}: cluster ${other.name} knows ${conflict.name} at ${conflict.url}; ` +
        'a leaf has one name and one URL in all clusters',
    )
  }
}
