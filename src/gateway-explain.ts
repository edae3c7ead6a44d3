/** Part of the composition root: what a read of one key would do now, by the functions that reads go through. */
import { KVError } from './base/errors.js'
import { murmur3Token } from './base/hash.js'
import type { DatasetEntry, ServedVersion } from './model/cluster-map.js'
import type { ClusterMap } from './model/cluster-map.js'
import type { RowToken } from './model/row-order.js'
import { NO_DIALS } from './model/migration.js'
import type { Explanation } from './model/migration-plan.js'
import { shardOfToken } from './model/sharding.js'
import { canaryVersion } from './routing/canary.js'
import { REASON_TEXTS, decideSide } from './routing/decide.js'

export interface ExplainedRead {
  readonly dataset: string
  readonly rowKey: Buffer
  readonly caller: string | null
}

/** @throws {KVError} DATASET_NOT_FOUND */
export function explainRead(
  map: ClusterMap,
  { dataset, rowKey, caller }: ExplainedRead,
  isBreakerOpen: (origin: string) => boolean,
): Explanation {
  const entry = map.datasets.get(dataset)
  if (entry === undefined) {
    throw new KVError(
      'DATASET_NOT_FOUND',
      `dataset "${dataset}" does not exist; list the datasets for its name`,
      {
        dataset,
      },
    )
  }
  const { record } = entry
  const decided = decideSide(entry, rowKey, caller)
  const token: RowToken = record.keyOrder === 'HASHED' ? murmur3Token(rowKey) : { high: 0, low: 0 }
  const shard = shardOfToken(token, record.shardCount)
  const canary = record.canary === null ? null : canaryVersion(entry, [rowKey])
  const target = canary ?? entry.current
  const isTarget = decided.side === 'TARGET'
  return {
    dataset,
    state: record.migrationState,
    epoch: map.epoch,
    caller,
    side: decided.side,
    why: decided.why,
    reason: REASON_TEXTS[decided.why],
    bucket: decided.bucket,
    splitShare: (record.migration?.dials ?? NO_DIALS).splitShare,
    fallback: decided.fallback,
    origin:
      record.origin === null ? null : { name: record.origin, isBreakerOpen: isBreakerOpen(record.origin) },
    shadowShare: decided.shadowShare,
    baselineShare: decided.baselineShare,
    version: isTarget ? (target?.id ?? null) : (record.migration?.originVersion?.versionId ?? null),
    isCanary: isTarget && canary !== null,
    token: tokenText(token),
    shard,
    servedBy: isTarget ? servedBy(entry, target, shard) : `origin ${record.origin ?? '(none)'}`,
  }
}

function servedBy(entry: DatasetEntry, version: ServedVersion | null, shard: number): string {
  const incarnation = (entry.record.mode === 'BATCH' ? version?.shards : entry.live)?.[shard] ?? null
  if (incarnation === null) return 'nobody: it is not open'
  if (incarnation.remote === undefined) return 'this process'
  return incarnation.remote.leaves.map(({ name }) => `leaf ${name}`).join(' or ')
}

/** Signed, as Cassandra prints tokens. */
function tokenText({ high, low }: RowToken): string {
  return String((BigInt(high) << 32n) | BigInt(low >>> 0))
}
