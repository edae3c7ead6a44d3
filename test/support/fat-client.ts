/**
 * How Terrapin's fat client finds the host and the partition of a key, from nodes as they stand in ZooKeeper: written from
 * PartitionerFactory and TerrapinClient of pinterest/terrapin and Hadoop's BytesWritable, independently of src and shims.
 */
import { gunzipSync } from 'node:zlib'

export type Partitioner = 'MODULUS' | 'CASCADING'

export interface Route {
  readonly host: string
  readonly resource: string
  /** As it is sent: in decimal. */
  readonly partition: string
}

/** Of 32 bits, signed, as Java's; bytes are signed, too. */
export function hashOfKey(key: Buffer): number {
  let hash = 1
  for (const byte of new Int8Array(key)) hash = (Math.imul(31, hash) + byte) | 0
  return hash
}

export function partitionOf(key: Buffer, partitions: number, partitioner: Partitioner): number {
  const hash = hashOfKey(key)
  return ((partitioner === 'MODULUS' ? hash : (31 + hash) | 0) & 0x7fffffff) % partitions
}

/** String.hashCode. */
function hashOfText(text: string): number {
  let hash = 0
  for (const letter of text) hash = (Math.imul(31, hash) + letter.charCodeAt(0)) | 0
  return hash
}

interface FileSetInfo {
  readonly servingInfo: {
    readonly helixResource: string
    readonly numPartitions: number
    readonly partitionerType: Partitioner
  }
}

interface ViewInfo {
  readonly partitionMap: Readonly<Record<string, readonly string[]>>
}

/** @throws when the nodes name no host for the key's partition: PARTITION_OFFLINE there */
export function routeOf(key: Buffer, fileSetNode: Buffer, viewOf: (resource: string) => Buffer): Route {
  const { servingInfo } = JSON.parse(fileSetNode.toString()) as FileSetInfo
  const { helixResource: resource, numPartitions, partitionerType } = servingInfo
  const partition = String(partitionOf(key, numPartitions, partitionerType))
  const view = JSON.parse(gunzipSync(viewOf(resource)).toString()) as ViewInfo
  const hosts = view.partitionMap[`${resource}$${partition}`] ?? []
  const host = hosts[hashOfText(partition) % hosts.length]
  if (host === undefined) throw new Error(`partition ${partition} of ${resource} has no host`)
  return { host, resource, partition }
}
