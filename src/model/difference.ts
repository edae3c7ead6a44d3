/** What was seen of two sides: plain data, which travels between threads, to disk and to operators. Never a value. */
import type { Side } from './migration.js'

/**
 * What is wrong with the target, held against the origin. MISSING, EXTRA: a row or column that only the origin, only the
 * target has. EMPTY_FOR_MISSING: an empty value where the origin has none; MISSING_FOR_EMPTY: none where it has an empty
 * one. VALUE, TIMESTAMP, TTL: both have the column. ORDER: the same columns in another order. ERROR_CODE: one side refuses
 * what the other answers, or for another reason.
 */
export const DIFFERENCE_KINDS = [
  'MISSING',
  'EXTRA',
  'EMPTY_FOR_MISSING',
  'MISSING_FOR_EMPTY',
  'VALUE',
  'TIMESTAMP',
  'TTL',
  'ORDER',
  'ERROR_CODE',
] as const
export type DifferenceKind = (typeof DIFFERENCE_KINDS)[number]

/** One column of one row, or a row as a whole. */
export interface Difference {
  readonly dataset: string
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly kind: DifferenceKind
  /** The row key in base64. */
  readonly key: string
  /** The local key in base64; null: the row as a whole. */
  readonly column: string | null
  /** Of what each side answered, keyed, so that nobody can try values; an error's code; null: nothing there. */
  readonly originDigest: string | null
  readonly targetDigest: string | null
  /** The version that both sides serve; null: none is known. */
  readonly version: number | null
  /** Who asked, as it names itself, and by which wire API. */
  readonly caller: string | null
  readonly api: string
  /** Whose answer the caller got. */
  readonly answeredBy: Side
}

/** Differences of one kind and column, together. */
export interface DifferenceGroup {
  readonly kind: DifferenceKind
  readonly column: string | null
  readonly count: number
  /** Distinct ones among those that are kept. */
  readonly keys: number
  readonly firstAtMs: number
  readonly lastAtMs: number
  readonly versions: readonly number[]
  readonly callers: readonly string[]
  /** Of how many the caller got the target's answer: those saw what is wrong. */
  readonly answeredByTarget: number
  /** Row keys in base64, the newest first. */
  readonly sampleKeys: readonly string[]
  readonly suggestedCause: string
}

/** What `godwit diff` shows. */
export interface DifferenceReport {
  readonly dataset: string
  readonly fromMs: number
  readonly toMs: number
  readonly total: number
  /** Records that were too many to keep, or could not be read back, since the gateway began. */
  readonly lost: number
  readonly groups: readonly DifferenceGroup[]
  /** Groups that are smaller than those and not shown. */
  readonly otherGroups: number
}

/** A decision about a request for a dataset that moves, as the flight recorder remembers it. */
export interface FlightRecord {
  /** Milliseconds since 1970, when it was answered. */
  readonly atMs: number
  readonly dataset: string
  readonly api: string
  readonly caller: string | null
  readonly keys: number
  /** The first row key in base64, cut after its first bytes; null: none. */
  readonly key: string | null
  readonly isKeyCut: boolean
  readonly side: Side
  /** One of DECISION_REASONS. */
  readonly why: string
  readonly bucket: number | null
  readonly hasFallenBack: boolean
  readonly isShadowed: boolean
  readonly durationMs: number
  /** Null: it succeeded. */
  readonly code: string | null
}

/** Shadow reads since the gateway began: sent = matched + mismatched + tied + dropped + expired + failed + waiting. */
export interface ShadowFigures {
  readonly sent: number
  readonly matched: number
  readonly mismatched: number
  /** Both sides answered, but of different versions or of one that changed meanwhile: nothing can be said. */
  readonly tied: number
  readonly dropped: number
  readonly expired: number
  readonly failed: number
  readonly waiting: number
  /** Of the dropped, expired and failed ones: differed at first, and could not be looked at again. */
  readonly unconfirmed: number
  /** Second readings of the origin, and those of them that differed from its first. */
  readonly baseline: number
  readonly unstable: number
}

export const NO_SHADOWS: ShadowFigures = {
  sent: 0,
  matched: 0,
  mismatched: 0,
  tied: 0,
  dropped: 0,
  expired: 0,
  failed: 0,
  waiting: 0,
  unconfirmed: 0,
  baseline: 0,
  unstable: 0,
}

/** Must be zero: every shadow read that was sent waits, or ended as exactly one thing. */
export function unaccounted(shadow: ShadowFigures): number {
  const { sent, matched, mismatched, tied, dropped, expired, failed, waiting } = shadow
  return sent - matched - mismatched - tied - dropped - expired - failed - waiting
}
