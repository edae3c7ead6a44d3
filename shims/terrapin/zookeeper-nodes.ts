/**
 * What Terrapin's fat clients read in ZooKeeper, as bytes: a node a file set, in JSON, and a node a version ("view"), in
 * gzipped JSON, which names the hosts to ask. Pure.
 *
 * Their parser (Jackson 1) refuses names that it does not know, and one file set that it cannot read ends the whole client:
 * so these have exactly the fields of FileSetInfo and ViewInfo of pinterest/terrapin, in their order, and none of ours.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { PARTITIONS, resourceName } from './translate.js'

const PARTITIONER = 'MODULUS'
/** A view of 1,000 hosts with long names has less. */
const MAX_VIEW_BYTES = 16 * 1024 * 1024

export interface ServedFileSet {
  readonly name: string
  /** The version that is served. */
  readonly current: number
  /** All that can be read, the current one among them. */
  readonly kept: readonly number[]
  /** How many versions are kept at most. */
  readonly retainedVersions: number
}

/** FileSetInfo.toJson. Old versions: those before the current one, newest first, as loads leave them. */
export function fileSetNode({ name, current, kept, retainedVersions }: ServedFileSet): Buffer {
  const older = kept.filter((version) => version < current).sort((one, other) => other - one)
  return json({
    fileSetName: name,
    numVersionsToKeep: retainedVersions,
    servingInfo: servingInfo(name, current),
    oldServingInfoList: older
      .slice(0, Math.max(0, retainedVersions - 1))
      .map((version) => servingInfo(name, version)),
    valid: true,
    deleted: false,
  })
}

/**
 * The record (ZNRecord of Apache Helix) in which Terrapin's uploaders find their controller: `id` is its host and port with
 * `_` between them, at which they split it.
 */
export function leaderNode(host: string, port: number): Buffer {
  return json({ id: `${host}_${port}`, simpleFields: {}, mapFields: {}, listFields: {} })
}

/** The path's slashes are the resource's dollars (TerrapinUtil.hdfsDirToHelixResource). */
function servingInfo(fileSet: string, version: number): object {
  return {
    hdfsPath: `/terrapin/data/${fileSet}/${version}`,
    helixResource: resourceName({ fileSet, version }),
    numPartitions: PARTITIONS.length,
    partitionerType: PARTITIONER,
  }
}

/** ViewInfo.toCompressedJson. Hosts stand in alphabetical order, each once, and all of them at each partition. */
export function viewNode(fileSet: string, version: number, hosts: readonly string[]): Buffer {
  const resource = resourceName({ fileSet, version })
  const inOrder = [...new Set(hosts)].sort()
  const partitionMap = Object.fromEntries(PARTITIONS.map((name) => [`${resource}$${name}`, inOrder]))
  return gzipSync(json({ resource, partitionMap }))
}

/** The hosts that a view names, whatever its partitions are; none where it is no view. */
export function hostsOfView(data: Buffer): readonly string[] {
  const hosts = partitionsOf(data).flat()
  return [...new Set(hosts.filter((host) => typeof host === 'string'))].sort()
}

/** Whether a view has as many partitions as clients are told of; one that an earlier release wrote has one. */
export function isWholeView(data: Buffer): boolean {
  return partitionsOf(data).length === PARTITIONS.length
}

/** The list of hosts of each; none where it is no view. */
function partitionsOf(data: Buffer): unknown[] {
  try {
    const view: unknown = JSON.parse(gunzipSync(data, { maxOutputLength: MAX_VIEW_BYTES }).toString())
    return isRecord(view) && isRecord(view['partitionMap']) ? Object.values(view['partitionMap']) : []
  } catch {
    return []
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}
