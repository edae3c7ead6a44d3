/** What two sides answered to one read, held against each other: pure. Only answers of the same version are compared. */
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import type { ReadResult } from '../model/request.js'
import type { RowOutcome } from '../model/row.js'
import { type Finding, type WireView, compareOutcomes, isUnanswered } from './compare.js'

/** An answer and the entry that it was asked for with. */
export interface SeenAnswer {
  readonly entry: DatasetEntry
  /** One a key; a failure of the whole is every key's. */
  readonly rows: readonly RowOutcome[]
  /** As the side itself says; null: it does not. */
  readonly version: number | null
}

export function seenAnswer(entry: DatasetEntry, outcome: ReadResult | KVError, keys: number): SeenAnswer {
  if (outcome instanceof KVError) {
    return { entry, rows: new Array<RowOutcome>(keys).fill(outcome), version: null }
  }
  return { entry, rows: outcome.rows, version: outcome.datasetVersion }
}

/** `NONE`: nothing can be said; null: the dataset has no versions. */
export type SharedVersion = number | null | 'NONE'

/**
 * The version that both answers are of. What an origin's wire does not say of itself the record does, from the loads that
 * went through the gateway: the same at every look, or it changed meanwhile.
 */
export function sharedVersion(origin: SeenAnswer, target: SeenAnswer, now: DatasetEntry): SharedVersion {
  if (now.record.mode !== 'BATCH') return null
  const ofTarget = target.version ?? target.entry.current?.id ?? null
  let ofOrigin = origin.version
  if (ofOrigin === null) {
    ofOrigin = declaredVersion(origin.entry)
    if (declaredVersion(now) !== ofOrigin || declaredVersion(target.entry) !== ofOrigin) return 'NONE'
  }
  return ofTarget !== null && ofTarget === ofOrigin ? ofTarget : 'NONE'
}

export function declaredVersion({ record }: DatasetEntry): number | null {
  return record.migration?.originVersion?.versionId ?? null
}

/**
 * Whether both sides are known to serve the same version now, so that keys of one read can be answered by either. Not while
 * a canary is out: it answers some keys by another one.
 */
export function servesSameVersion({ record, current }: DatasetEntry, nowMs: number): boolean {
  const declared = record.migration?.originVersion ?? null
  if (record.canary !== null || declared === null || declared.versionId !== current?.id) return false
  // Just taken: some of an origin's servers may still answer from the version before.
  return nowMs - declared.takenAtMs >= limits.originSwapMs
}

export interface RowFinding {
  /** Of the row's key in the read. */
  readonly position: number
  readonly finding: Finding
}

export interface Comparison {
  readonly findings: readonly RowFinding[]
  /** A side could not answer some key; nothing was compared there. */
  readonly isPartial: boolean
}

export function compareAnswers(origin: SeenAnswer, target: SeenAnswer, view: WireView): Comparison {
  const findings: RowFinding[] = []
  let isPartial = false
  for (const [position, before] of origin.rows.entries()) {
    const after = target.rows[position] ?? null
    if (isUnanswered(before) || isUnanswered(after)) isPartial = true
    else {
      for (const finding of compareOutcomes(before, after, view)) findings.push({ position, finding })
    }
  }
  return { findings, isPartial }
}

/** The version that the target served before this one and still has open; null: none. */
export function versionBefore({ versions }: DatasetEntry, version: number): number | null {
  let before: number | null = null
  for (const { id } of versions) if (id < version && (before === null || id > before)) before = id
  return before
}
