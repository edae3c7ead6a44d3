/** Differences put together so that an operator sees what is wrong, since when, for whom, and where to look. Pure. */
import { groupBy } from '../base/group-by.js'
import { limits } from '../base/limits.js'
import type { Difference, DifferenceGroup, DifferenceKind, DifferenceReport } from '../model/difference.js'

/** Callers and versions that a group names. */
const MAX_NAMES = 10

/** Of a group's differences in one version only: that version's load is the first suspect. */
const MANY = 3

export interface GroupingOf {
  readonly dataset: string
  readonly fromMs: number
  readonly toMs: number
  readonly lost: number
}

/** The largest group first. */
export function groupDifferences(differences: readonly Difference[], about: GroupingOf): DifferenceReport {
  const groups = [...groupBy(differences, ({ kind, column }) => `${kind} ${column ?? ''}`).values()]
  groups.sort((a, b) => b.length - a.length)
  const shown = groups.slice(0, limits.maxDifferenceGroups)
  return {
    ...about,
    total: differences.length,
    groups: shown.map(groupOf),
    otherGroups: groups.length - shown.length,
  }
}

function groupOf(differences: readonly [Difference, ...Difference[]]): DifferenceGroup {
  const times = differences.map(({ atMs }) => atMs)
  const [{ kind, column }] = differences
  const versions = distinct(differences.map(({ version }) => version))
  const newest = [...differences].reverse()
  const keys = distinct(newest.map(({ key }) => key))
  return {
    kind,
    column,
    count: differences.length,
    keys: keys.length,
    firstAtMs: times.reduce((a, b) => Math.min(a, b)),
    lastAtMs: times.reduce((a, b) => Math.max(a, b)),
    versions: versions.slice(0, MAX_NAMES),
    callers: distinct(newest.map(({ caller }) => caller)).slice(0, MAX_NAMES),
    answeredByTarget: differences.filter(({ answeredBy }) => answeredBy === 'TARGET').length,
    sampleKeys: keys.slice(0, limits.maxDifferenceSamples),
    suggestedCause: causeOf(kind, differences, versions),
  }
}

const CAUSES: Readonly<Record<DifferenceKind, string>> = {
  MISSING:
    'rows or columns did not reach the target: look for refused rows and for files that its load did not read',
  EXTRA: 'the target has what the origin has not: it was loaded from more, or from other, files',
  EMPTY_FOR_MISSING: 'the load writes an empty value where there is none: look at how it reads absent fields',
  MISSING_FOR_EMPTY: 'the load leaves out empty values: look at how it reads empty fields',
  VALUE:
    'the values differ: another source, another encoding, or two rows of the same key of which the sides keep different ones',
  TIMESTAMP: 'timestamps differ: they were set anew by the load, or are in another unit',
  TTL: 'times to live differ: the load did not carry them over, or in another unit',
  ORDER: 'the same columns in another order: the sides sort local keys differently',
  ERROR_CODE: 'one side refuses the request: compare limits, names and access of both',
}

/** A guess, from what the differences have in common. */
function causeOf(
  kind: DifferenceKind,
  differences: readonly Difference[],
  versions: readonly number[],
): string {
  const hints: string[] = []
  const [only] = versions
  if (versions.length === 1 && only !== undefined && differences.length >= MANY) {
    hints.push(`all in version ${only}`)
  }
  const digests = distinct(differences.map(({ targetDigest }) => targetDigest))
  if (kind === 'VALUE' && differences.length >= MANY && digests.length === 1) {
    hints.push('the target has the same value everywhere')
  }
  return hints.length === 0 ? CAUSES[kind] : `${CAUSES[kind]} (${hints.join('; ')})`
}

/** Without null, in the order of their first appearance. */
function distinct<T>(items: readonly (T | null)[]): T[] {
  return [...new Set(items.filter((item): item is T => item !== null))]
}
