/**
 * Which side answers a read of a dataset that moves from its origin to the leaf tier. Pure: requests and `explain` call
 * the same functions. A request has one side, but for the keys of a read while both sides serve the same version.
 *
 * The target stands in for the origin only where it answers some of the callers already, and not once it was found to
 * differ: an error is better than a wrong answer.
 */
import type { DatasetEntry } from '../model/cluster-map.js'
import type { DatasetRecord } from '../model/dataset.js'
import { type MigrationState, NO_DIALS, NO_MIGRATION, type Side } from '../model/migration.js'
import type { ReadRequest } from '../model/request.js'
import { splitBucket } from './traffic-split.js'

interface StateRule {
  readonly side: Side
  /** Some keys or callers have the other side. */
  readonly isSplit: boolean
  /** The other side may answer what this one cannot. */
  readonly hasFallback: boolean
  readonly isShadowed: boolean
}

const RULES: Readonly<Record<MigrationState, StateRule>> = {
  ORIGIN_ONLY: { side: 'ORIGIN', isSplit: false, hasFallback: false, isShadowed: false },
  ARMING: { side: 'ORIGIN', isSplit: false, hasFallback: false, isShadowed: false },
  VERIFY: { side: 'ORIGIN', isSplit: false, hasFallback: false, isShadowed: true },
  RAMP: { side: 'ORIGIN', isSplit: true, hasFallback: true, isShadowed: true },
  TARGET_PRIMARY: { side: 'TARGET', isSplit: false, hasFallback: true, isShadowed: true },
  TARGET_ONLY: { side: 'TARGET', isSplit: false, hasFallback: false, isShadowed: false },
  RETIRED: { side: 'TARGET', isSplit: false, hasFallback: false, isShadowed: false },
  ABORTING: { side: 'ORIGIN', isSplit: false, hasFallback: false, isShadowed: false },
}

/** Why a side answers. Numbered by their place in records of flights: append only. */
export const DECISION_REASONS = [
  'STATE',
  'CALLER',
  'IN_SPLIT',
  'NOT_IN_SPLIT',
  'PAGE',
  'SCAN',
  'MIXED_KEYS',
  'BY_KEY',
] as const
export type DecisionReason = (typeof DECISION_REASONS)[number]

/** For people: what each reason says. */
export const REASON_TEXTS: Readonly<Record<DecisionReason, string>> = {
  STATE: 'the state of the migration has one side for all',
  CALLER: 'the caller is one of those that the target answers',
  IN_SPLIT: "the key's place lies below the split's share",
  NOT_IN_SPLIT: "the key's place does not lie below the split's share",
  PAGE: 'an earlier page came from there',
  SCAN: 'scans have the side that answers most keys of the state',
  MIXED_KEYS: 'the keys have different sides, and these are not known to serve the same version',
  BY_KEY: 'each key has its own side: both serve the same version',
}

export interface SideDecision {
  readonly side: Side
  readonly why: DecisionReason
  /** 0 to 9,999, of one key in a state that splits by key; null otherwise. */
  readonly bucket: number | null
  /** Who answers instead when that side cannot; null: nobody. */
  readonly fallback: Side | null
  /** Of the requests so decided, in hundredths of a percent: compared with the other side. */
  readonly shadowShare: number
  /** Of the compared ones: the origin is read twice. */
  readonly baselineShare: number
}

/** Reads with several keys; `targetPositions` are those that the target answers while the origin answers the others. */
export interface ReadDecision extends SideDecision {
  /** Null: one side answers all keys. */
  readonly targetPositions: readonly number[] | null
}

export function otherSide(side: Side): Side {
  return side === 'ORIGIN' ? 'TARGET' : 'ORIGIN'
}

/** @param rowKey null: a request that is not about one key, as a scan is */
export function decideSide(
  { record }: DatasetEntry,
  rowKey: Uint8Array | null,
  caller: string | null,
): SideDecision {
  const rule = RULES[record.migrationState]
  if (!rule.isSplit) return decision(record, rule.side, rowKey === null ? 'SCAN' : 'STATE')
  // A scan shows the rows of one side: it does not move before all keys have.
  if (rowKey === null) return decision(record, rule.side, 'SCAN')
  const { splitCallers, splitShare } = record.migration?.dials ?? NO_DIALS
  const bucket = splitBucket(rowKey)
  if (isListed(splitCallers, caller)) return decision(record, 'TARGET', 'CALLER', bucket)
  if (bucket < splitShare) return decision(record, 'TARGET', 'IN_SPLIT', bucket)
  return decision(record, 'ORIGIN', 'NOT_IN_SPLIT', bucket)
}

/** @param isSameVersion whether both sides are known to serve the same version now; asked only when it matters */
export function decideRead(
  entry: DatasetEntry,
  request: ReadRequest,
  isSameVersion: () => boolean,
): ReadDecision {
  const { rowKeys, context, side } = request
  const { record } = entry
  if (side !== undefined) return { ...decision(record, side, 'PAGE'), fallback: null, targetPositions: null }
  const [first] = rowKeys
  const one = decideSide(entry, first ?? NO_KEY, context.caller)
  if (rowKeys.length < 2 || one.why === 'STATE' || one.why === 'CALLER') return onOneSide(one, one.bucket)
  const { splitShare } = record.migration?.dials ?? NO_DIALS
  const targetPositions: number[] = []
  for (let position = 0; position < rowKeys.length; position += 1) {
    if (splitBucket(rowKeys[position] ?? NO_KEY) < splitShare) targetPositions.push(position)
  }
  if (targetPositions.length === 0 || targetPositions.length === rowKeys.length) {
    return onOneSide(one, null)
  }
  // Rows that were cut at a page go on by tokens, which name one side.
  if (request.pageBytes === null && isSameVersion()) {
    return { ...decision(record, 'ORIGIN', 'BY_KEY'), targetPositions }
  }
  return { ...decision(record, 'ORIGIN', 'MIXED_KEYS'), targetPositions: null }
}

/** Made for every read: field by field, because a spread costs more than the decision. */
function onOneSide(
  { side, why, fallback, shadowShare, baselineShare }: SideDecision,
  bucket: number | null,
): ReadDecision {
  return { side, why, bucket, fallback, shadowShare, baselineShare, targetPositions: null }
}

/** Who is asked first now: the side that was decided, or, while that one's breaker is open, who stands in for it. */
export function firstAsked(
  { side, fallback }: Pick<SideDecision, 'side' | 'fallback'>,
  isOpen: (side: Side) => boolean,
): Side {
  return fallback !== null && isOpen(side) ? fallback : side
}

/**
 * Why the target may not answer what the origin cannot, though the state has both; null: it may. One that a ramp left
 * because it failed or was slow has the right data, and an answer of it is better than none.
 */
export function whyTargetIsBarred({ migrationState, migration }: DatasetRecord): string | null {
  if (!RULES[migrationState].isSplit) return null
  const { dials, ramp } = migration ?? NO_MIGRATION
  if (ramp?.state === 'BREACHED') {
    return ramp.breach === 'SERVICE' ? null : 'the target was found to differ, and the ramp went back'
  }
  if (dials.splitShare > 0 || dials.splitCallers.length > 0) return null
  return 'by the dials the target answers nobody'
}

/**
 * Whether the other side may also answer for one that is merely slow. Late is better than old or wrong: not while a side
 * owes a load, nor after a breach took keys from the target, whatever it was.
 */
export function standsInWhenSlow(record: DatasetRecord): boolean {
  const { migrationState, migration } = record
  if (!RULES[migrationState].hasFallback || migration === undefined) return false
  const { owed, ramp } = migration
  return owed.length === 0 && ramp?.state !== 'BREACHED' && whyTargetIsBarred(record) === null
}

const NO_KEY = new Uint8Array(0)

function isListed(callers: readonly string[], caller: string | null): boolean {
  return caller !== null && callers.length > 0 && callers.includes(caller)
}

function decision(
  record: DatasetRecord,
  side: Side,
  why: DecisionReason,
  bucket: number | null = null,
): SideDecision {
  const { hasFallback, isShadowed } = RULES[record.migrationState]
  const dials = record.migration?.dials ?? NO_DIALS
  // The origin may always: what it answers is what the target is compared with.
  const hasOther = hasFallback && (side === 'TARGET' || whyTargetIsBarred(record) === null)
  return {
    side,
    why,
    bucket,
    fallback: hasOther ? otherSide(side) : null,
    shadowShare: isShadowed ? dials.shadowShare : 0,
    baselineShare: isShadowed ? dials.baselineShare : 0,
  }
}
