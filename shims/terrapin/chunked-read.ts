/**
 * One read of any number of keys: Terrapin sets no limit, a ReadRequest has one. The parts go out in one tick and, when
 * they are several, to one version, so that an answer never mixes two.
 */
import type { Done } from '../../src/base/errors.js'
import { KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { DatasetEntry } from '../../src/model/cluster-map.js'
import type { KVStore } from '../../src/model/kvstore.js'
import type { ReadRequest } from '../../src/model/request.js'
import type { RowOutcome } from '../../src/model/row.js'

/** Answers once, one outcome a key; a failure of the whole read, or of any part, is the call's. */
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
  let failure: KVError | null = null
  for (let part = 0; part < count; part++) {
    const some = rowKeys.slice(part * partSize, (part + 1) * partSize)
    kvstore.read({ ...request, datasetVersion, rowKeys: some }, (outcome) => {
      if (outcome instanceof KVError) failure ??= outcome
      else parts[part] = outcome.rows
      waiting--
      if (waiting === 0) done(failure ?? parts.flat())
    })
  }
}

/** An origin knows no versions of ours, and while it may answer it is not for the caller to say which side does. */
function versionToPin({ record, current }: DatasetEntry): number | null {
  const isOnTarget = record.migrationState === 'TARGET_ONLY' || record.migrationState === 'RETIRED'
  return isOnTarget ? (current?.id ?? null) : null
}
