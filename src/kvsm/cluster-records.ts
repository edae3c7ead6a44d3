/** Cluster records as text in the store, and back. */
import type { ClusterRecord } from '../model/dataset.js'
import type { Checks } from './records.js'
import { damaged, isCount, isObject, isText, parseRecord, wrongField } from './records.js'
import type { ShelfRules } from './shelf.js'
import type { StoredRecord } from './store.js'

/** Rises when older programs would misread a record. Never reuse a number. */
export const CLUSTER_FORMAT = 1

export interface StoredCluster {
  readonly record: ClusterRecord
}

const clusterChecks: Checks<Omit<ClusterRecord, 'revision'>> = {
  name: isText,
  aliases: (value) => Array.isArray(value) && value.every(isText),
  leaves: (value) => Array.isArray(value) && value.every(isLeaf),
  createdAtMs: isCount,
}

function isLeaf(value: unknown): boolean {
  return isObject(value) && isText(value['name']) && isText(value['url'])
}

export const clusterRules: ShelfRules<StoredCluster> = {
  table: 'cluster',
  noun: 'cluster',
  encode: encodeCluster,
  decode: decodeCluster,
  atRevision: ({ record }, revision) => ({ record: frozen({ ...record, revision }) }),
}

export function encodeCluster(stored: StoredCluster): string {
  // An undefined field is not written.
  return JSON.stringify({ format: CLUSTER_FORMAT, record: { ...stored.record, revision: undefined } })
}

/**
 * The result is frozen to the leaves.
 * @throws {KVError} FAILED_PRECONDITION for a newer format, CORRUPT for anything that is not such a record
 */
export function decodeCluster(stored: StoredRecord): StoredCluster {
  const subject = `the record of cluster ${stored.key}`
  const given = parseRecord(stored.value, subject, CLUSTER_FORMAT)['record']
  const fault = wrongField(clusterChecks, given)
  if (fault !== null) throw damaged(subject, `its ${fault}`)
  // Every field was checked by `clusterChecks`, which the compiler keeps complete.
  const record = { ...(given as ClusterRecord), revision: stored.revision }
  if (record.name !== stored.key) throw damaged(subject, `its name ${record.name}`)
  return { record: frozen(record) }
}

function frozen(record: ClusterRecord): ClusterRecord {
  for (const leaf of record.leaves) Object.freeze(leaf)
  Object.freeze(record.leaves)
  Object.freeze(record.aliases)
  return Object.freeze(record)
}
