/**
 * One read of any number of keys: Terrapin sets no limit, a ReadRequest has one. The parts go out in one tick and, when
 * they are several, to one version, so that an answer never mixes two. A part that cannot be read fails its own keys.
 */
import type { Done } from '../../src/base/errors.js'
import { KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { DatasetEntry } from '../../src/model/cluster-map.js'
import type { KVStore } from '../../src/model/kvstore.js'
import type { ReadRequest } from '../../src/model/request.js'
import type { RowOutcome } from '../../src/model/row.js'
import { isAnsweredByKey } from './translate.js'

/** Answers once, one outcome a key; what fails all parts, or would not be said of a key, is the call's. */
export function readAll(kvstore: KVStore, request: ReadRequest, done: Done<readonly RowOutcome[]>): void {
  const { rowKeys } = request
  const partSize = limits.maxBatchRows
  if (rowKeys.length <= partSize) {
    kvstore.read(request, (outcome) => done(outcome instanceof KVError ? outcome : outcome.rows))
    return
  }
  let datasetVersion: number | null
  try {
    datasetVersion = request.datasetVersion ?? versionToPin(kvstore.describeDataset(request.dataset))
  } catch (error) {
    if (!(error instanceof KVError)) throw error
    done(error)
    return
  }
  const parts: (readonly RowOutcome[])[] = []
  const count = Math.ceil(rowKeys.length / partSize)
  let waiting = count
  const failures: KVError[] = []
  for (let part = 0; part < count; part++) {
    const some = rowKeys.slice(part * partSize, (part + 1) * partSize)
    kvstore.read({ ...request, datasetVersion, rowKeys: some }, (outcome) => {
      if (outcome instanceof KVError) failures.push(outcome)
      parts[part] = outcome instanceof KVError ? some.map(() => outcome) : outcome.rows
      waiting--
      if (waiting > 0) return
      const ofCall =
        failures.length === count ? failures[0] : failures.find((error) => !isAnsweredByKey(error))
      done(ofCall ?? parts.flat())
    })
  }
}

/** An origin knows no versions of ours, and while it may answer it is not for the caller to say which side does. */
function versionToPin({ record, current }: DatasetEntry): number | null {
  const isOnTarget = record.migrationState === 'TARGET_ONLY' || record.migrationState === 'RETIRED'
  return isOnTarget ? (current?.id ?? null) : null
}
