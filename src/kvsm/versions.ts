/**
 * Which version of a BATCH dataset is served, which one a rollback returns to, and what is deleted. Pure:
 * records in, records out; nothing here writes or knows the time except as an argument.
 *
 *     LOADING -> READY <-> CURRENT        at most one version is CURRENT
 *        |         |
 *        v         v
 *      FAILED -> DELETED                  the files and then the record of a DELETED version go away
 *
 * Ids rise within a dataset for ever: not when the clock goes back, and not when the newest version was
 * deleted.
 *
 * Retention. The versions that count are READY and CURRENT. After each publish the oldest READY ones are
 * DELETED until `retainedVersions` are left; the CURRENT one is never among them. So versions newer than the
 * current one, hidden by a rollback, are kept and can be published again; they go only when they are the
 * oldest that is left to delete. A rollback and a finished load delete nothing: the one must be undoable, and
 * with one retained version the other would have to delete either what is served or what was just loaded.
 */
import { KVError } from '../base/errors.js'
import type { DatasetRecord, VersionRecord, VersionState } from '../model/dataset.js'

/**
 * Failed loads that stay listed; the older ones are deleted when a load begins, so that the record stays
 * small.
 */
const FAILED_VERSIONS_KEPT = 10

/** Versions of one dataset in all states. Beyond it something is not collected or not published. */
const MAX_VERSIONS_LISTED = 100

/** What a change of versions leads to. */
export interface VersionChange {
  /** Newest first. */
  readonly versions: readonly VersionRecord[]
  /** For the audit line. */
  readonly detail: string
}

export function currentVersion(dataset: DatasetRecord): VersionRecord | null {
  return dataset.versions.find((version) => version.state === 'CURRENT') ?? null
}

/** @throws {KVError} VERSION_NOT_FOUND */
export function findVersion(dataset: DatasetRecord, id: number): VersionRecord {
  const found = dataset.versions.find((version) => version.id === id)
  if (found !== undefined) return found
  const known = dataset.versions.slice(0, 10).map((version) => `${version.id} (${version.state})`)
  throw new KVError(
    'VERSION_NOT_FOUND',
    `dataset ${dataset.name} has no version ${id}; it has ${known.join(', ') || 'none yet'}`,
    { dataset: dataset.name },
  )
}

/**
 * Adds a LOADING version in front.
 * @throws {KVError} QUOTA_EXCEEDED when the dataset lists as many versions as it may
 */
export function addVersion(dataset: DatasetRecord, added: VersionRecord): VersionChange {
  const failed = dataset.versions.filter((version) => version.state === 'FAILED')
  const forgotten = new Set(failed.slice(FAILED_VERSIONS_KEPT - 1).map((version) => version.id))
  if (dataset.versions.length >= MAX_VERSIONS_LISTED) {
    throw new KVError(
      'QUOTA_EXCEEDED',
      `dataset ${dataset.name} already lists ${dataset.versions.length} versions, the most it may have: ` +
        'publish one, or delete those that are not needed, then load again',
      { dataset: dataset.name },
    )
  }
  const versions = markDeleted(dataset.versions, forgotten)
  return { versions: [added, ...versions], detail: `version ${added.id} from ${added.source}` }
}

/**
 * Moves one version from one of `from` to `to`, with what else changes about it.
 * @throws {KVError} VERSION_NOT_FOUND, FAILED_PRECONDITION when it is in another state
 */
export function moveVersion(
  dataset: DatasetRecord,
  id: number,
  move: { readonly from: readonly VersionState[]; readonly to: VersionState; readonly figures?: object },
): VersionChange {
  const moved = findVersion(dataset, id)
  requireState(dataset, moved, move.from)
  const versions = dataset.versions.map((version) =>
    version === moved ? { ...version, ...move.figures, state: move.to } : version,
  )
  return { versions, detail: `version ${id} ${moved.state} -> ${move.to}` }
}

/**
 * Makes a READY version CURRENT and the former CURRENT one READY, then applies the retention.
 * @throws {KVError} VERSION_NOT_FOUND, FAILED_PRECONDITION when the version is not READY
 */
export function publishVersion(dataset: DatasetRecord, id: number): VersionChange {
  requireState(dataset, findVersion(dataset, id), ['READY'])
  const { versions, detail } = switchCurrent(dataset, id)
  const expired = expiredVersions(versions, dataset.retainedVersions)
  const note = expired.size === 0 ? '' : `; deleted ${[...expired].join(', ')}`
  return { versions: markDeleted(versions, expired), detail: `${detail}${note}` }
}

/**
 * Makes the newest READY version older than the current one CURRENT.
 * @throws {KVError} FAILED_PRECONDITION when nothing is current or nothing older is READY
 */
export function rollbackVersion(dataset: DatasetRecord): VersionChange {
  const current = currentVersion(dataset)
  if (current === null) {
    throw new KVError(
      'FAILED_PRECONDITION',
      `dataset ${dataset.name} has no current version to roll back from: publish one by its id`,
      { dataset: dataset.name },
    )
  }
  const target = dataset.versions.find((version) => version.state === 'READY' && version.id < current.id)
  if (target === undefined) {
    throw new KVError(
      'FAILED_PRECONDITION',
      `dataset ${dataset.name} has no ready version older than ${current.id}: load or publish another one`,
      { dataset: dataset.name },
    )
  }
  return switchCurrent(dataset, target.id)
}

/** Every LOADING version becomes FAILED. */
export function abandonLoads(dataset: DatasetRecord): VersionChange {
  const abandoned = dataset.versions.filter((version) => version.state === 'LOADING')
  const versions = dataset.versions.map((version): VersionRecord => {
    return version.state === 'LOADING' ? { ...version, state: 'FAILED' } : version
  })
  const ids = abandoned.map((version) => version.id)
  return { versions, detail: `version ${ids.join(', ')} LOADING -> FAILED` }
}

/**
 * Leaves out those of `ids` that are listed; null when none is.
 * @throws {KVError} FAILED_PRECONDITION when one of them is not DELETED
 */
export function dropVersions(dataset: DatasetRecord, ids: readonly number[]): VersionChange | null {
  const dropped = new Set(ids)
  const kept = dataset.versions.filter((version) => !dropped.has(version.id))
  if (kept.length === dataset.versions.length) return null
  for (const version of dataset.versions) {
    if (dropped.has(version.id)) requireState(dataset, version, ['DELETED'])
  }
  return { versions: kept, detail: `forgot ${ids.join(', ')}` }
}

function switchCurrent(dataset: DatasetRecord, id: number): VersionChange {
  const former = currentVersion(dataset)
  const versions = dataset.versions.map((version): VersionRecord => {
    if (version.id === id) return { ...version, state: 'CURRENT' }
    return version === former ? { ...version, state: 'READY' } : version
  })
  return { versions, detail: `version ${id} instead of ${former === null ? 'none' : former.id}` }
}

function expiredVersions(versions: readonly VersionRecord[], retainedVersions: number): Set<number> {
  const kept = versions.filter((version) => version.state === 'READY' || version.state === 'CURRENT')
  const oldestFirst = kept.filter((version) => version.state === 'READY').reverse()
  const excess = Math.max(0, kept.length - retainedVersions)
  return new Set(oldestFirst.slice(0, excess).map((version) => version.id))
}

function markDeleted(versions: readonly VersionRecord[], ids: ReadonlySet<number>): VersionRecord[] {
  return versions.map((version) => (ids.has(version.id) ? { ...version, state: 'DELETED' } : version))
}

function requireState(
  dataset: DatasetRecord,
  version: VersionRecord,
  allowed: readonly VersionState[],
): void {
  if (allowed.includes(version.state)) return
  throw new KVError(
    'FAILED_PRECONDITION',
    `version ${version.id} of dataset ${dataset.name} is ${version.state}; ` +
      `this needs ${allowed.join(' or ')}`,
    { dataset: dataset.name },
  )
}
