/**
 * Part of the composition root: what a read of one key would do now, by the functions that reads go through: which side is
 * decided, and who answers at this moment.
 */
import { KVError } from '../base/errors.js'
import { murmur3Token } from '../base/hash.js'
import type { ClusterMap, DatasetEntry, ServedVersion } from '../model/cluster-map.js'
import { NO_DIALS, type Side } from '../model/migration.js'
import type { Explanation } from '../model/migration-plan.js'
import type { RowToken } from '../model/row-order.js'
import { shardOfToken } from '../model/sharding.js'
import { canaryVersion } from '../routing/canary.js'
import {
  REASON_TEXTS,
  type SideDecision,
  decideSide,
  firstAsked,
  otherSide,
  standsInWhenSlow,
  whyTargetIsBarred,
} from '../routing/decide.js'

export interface ExplainedRead {
  readonly dataset: string
  readonly rowKey: Buffer
  readonly caller: string | null
}

/** An origin as reads find it. */
export interface OriginNow {
  readonly isBreakerOpen: boolean
  readonly standInAfterMs: number
  readonly hedgeAfterMs: number
}

/** @param originOf null: it is not configured. @throws {KVError} DATASET_NOT_FOUND */
export function explainRead(
  map: ClusterMap,
  { dataset, rowKey, caller }: ExplainedRead,
  originOf: (origin: string) => OriginNow | null,
): Explanation {
  const entry = map.datasets.get(dataset)
  if (entry === undefined) {
    const text = `dataset "${dataset}" does not exist; list the datasets for its name`
    throw new KVError('DATASET_NOT_FOUND', text, { dataset })
  }
  const { record } = entry
  const decided = decideSide(entry, rowKey, caller)
  const origin = record.origin === null ? null : originOf(record.origin)
  const token: RowToken = record.keyOrder === 'HASHED' ? murmur3Token(rowKey) : { high: 0, low: 0 }
  const shard = shardOfToken(token, record.shardCount)
  const canary = record.canary === null ? null : canaryVersion(entry, [rowKey])
  const version = canary ?? entry.current
  const problems: Problems = {
    ORIGIN: originProblem(record.origin, origin),
    TARGET: targetProblem(entry, version, shard),
  }
  const { answeredBy, instead } = answererOf(decided, problems)
  const isTarget = (answeredBy ?? decided.side) === 'TARGET'
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
    alone: decided.side === 'ORIGIN' ? (whyTargetIsBarred(record) ?? '') : '',
    answeredBy,
    instead,
    standInAfterMs: answeredBy === decided.side && decided.fallback !== null ? standIn(entry, origin) : 0,
    hedgeAfterMs: answeredBy === 'ORIGIN' ? (origin?.hedgeAfterMs ?? 0) : 0,
    origin:
      record.origin === null ? null : { name: record.origin, isBreakerOpen: origin?.isBreakerOpen ?? false },
    shadowShare: decided.shadowShare,
    baselineShare: decided.baselineShare,
    version: isTarget ? (version?.id ?? null) : (record.migration?.originVersion?.versionId ?? null),
    isCanary: isTarget && canary !== null,
    token: tokenText(token),
    shard,
    servedBy: isTarget ? servedBy(entry, version, shard) : `origin ${record.origin ?? '(none)'}`,
  }
}

/** Why a side cannot answer now; null: it can. */
type Problems = Readonly<Record<Side, string | null>>

function answererOf(
  decided: Pick<SideDecision, 'side' | 'fallback'>,
  problems: Problems,
): Pick<Explanation, 'answeredBy' | 'instead'> {
  const { side, fallback } = decided
  const first = firstAsked(decided, (one) => one === 'ORIGIN' && problems.ORIGIN !== null)
  // Whoever is asked first and cannot has the other one asked, where that may stand in.
  const asked = fallback === null ? [first] : [first, otherSide(first)]
  const answeredBy = asked.find((one) => problems[one] === null) ?? null
  if (answeredBy === side) return { answeredBy, instead: '' }
  const reasons = answeredBy === null ? [side, ...asked.filter((one) => one !== side)] : [side]
  return { answeredBy, instead: reasons.flatMap((one) => problems[one] ?? []).join('; ') }
}

function originProblem(name: string | null, origin: OriginNow | null): string | null {
  if (name === null) return 'there is no origin'
  if (origin === null) return `origin ${name} is not configured`
  return origin.isBreakerOpen ? `the breaker of origin ${name} is open` : null
}

function targetProblem(
  { record, live }: DatasetEntry,
  version: ServedVersion | null,
  shard: number,
): string | null {
  if (record.mode === 'BATCH' && version === null) return 'the target has no version online'
  const shards = record.mode === 'BATCH' ? version?.shards : live
  return (shards?.[shard] ?? null) === null ? `shard ${shard} of the target is not open` : null
}

function standIn({ record }: DatasetEntry, origin: OriginNow | null): number {
  return standsInWhenSlow(record) ? (origin?.standInAfterMs ?? 0) : 0
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
