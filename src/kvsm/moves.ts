/**
 * Moves of a dataset to another cluster. Pure. A move is a change of the record and nothing else: where a version is read
 * from follows by itself when its copies are there, however often the gateway is started anew meanwhile.
 */
import { KVError } from '../base/errors.js'
import type { DatasetRecord, VersionRecord } from '../model/dataset.js'
import { LOCAL_CLUSTER } from './drafts.js'
import { currentVersion } from './versions.js'

/** What a version's record says of its cluster; the gateway's own process is not named. */
export function clusterField(cluster: string): { readonly cluster?: string } {
  return cluster === LOCAL_CLUSTER ? {} : { cluster }
}

/**
 * The dataset's next upload goes to `cluster`; with `isNow` its current version does, too. Versions beside it stay where
 * they are.
 * @throws {KVError} UNSUPPORTED for datasets without versions
 */
export function movedDataset(
  record: DatasetRecord,
  cluster: string,
  isNow: boolean,
): { readonly record: DatasetRecord; readonly detail: string } | null {
  const { name, mode } = record
  if (mode !== 'BATCH') {
    throw new KVError(
      'UNSUPPORTED',
      `dataset ${name} is ${mode}: only BATCH datasets move between clusters`,
      {
        dataset: name,
      },
    )
  }
  const current = isNow ? currentVersion(record) : null
  const versions = record.versions.map((version) => {
    if (version !== current) return version
    const fields = Object.entries(version).filter(([field]) => field !== 'cluster')
    // All of a version's fields but the optional one.
    return { ...(Object.fromEntries(fields) as unknown as VersionRecord), ...clusterField(cluster) }
  })
  const isMoving = current !== null && (current.cluster ?? LOCAL_CLUSTER) !== cluster
  if (record.cluster === cluster && !isMoving) return null
  const also = isMoving ? `, version ${current.id} now` : ''
  return {
    record: { ...record, cluster, versions },
    detail: `cluster ${record.cluster} -> ${cluster}${also}`,
  }
}
