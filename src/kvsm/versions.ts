/**
 * Which version of a BATCH dataset is served, which one a rollback returns to, and what is deleted. Pure:
 * records in, records out; nothing here writes or knows the time except as an argument.
 *
 *     LOADING -> READY <-> CURRENT        at most one version is CURRENT
 *        |       |   ^
 *        |       v   v
 *        |       | ARCHIVED               its files lie in object storage alone
 *        v       v   v
 *      FAILED -> DELETED                  the files and then the record of a DELETED version go away
 *
 * Ids rise within a dataset for ever: not when the clock goes back, and not when the newest version was
 * deleted. Only an id that is given (Terrapin's directories are named by theirs) may be lower than others.
 *
 * Retention. The versions that count are READY and CURRENT, those that have files here. After each publish the
 * oldest READY ones go until `retainedVersions` are left; the CURRENT one is never among them. One that has a
 * copy in object storage becomes ARCHIVED, the others DELETED. So versions newer than the
 * current one, hidden by a rollback, are kept and can be published again; they go only when they are the
 * oldest that is left to delete. A rollback, a roll forward and a finished load delete nothing: the first two
 * must be undoable, and with one retained version the third would have to delete either what is served or what
 * was just loaded.
 *
 * A canary is a READY version that a share of the keys is served from. Whatever changes the CURRENT version ends
 * it, and a version that is one cannot go away.
 */
import { KVError } from '../base/errors.js'
import {
  type Canary,
  copiesOf,
  type DatasetRecord,
  type VersionRecord,
  type VersionState,
} from '../model/dataset.js'

/**
 * Failed loads that stay listed; the older ones are deleted when a load begins, so that the record stays
 * small.
 */
const FAILED_VERSIONS_KEPT = 10

/** Versions of one dataset in all states. Beyond it something is not collected or not published. */
const MAX_VERSIONS_LISTED = 100

/** Copies of one version in different places. */
const MAX_COPIES = 8

/** What a change of versions leads to. */
export interface VersionChange {
  /** Newest first. */
  readonly versions: readonly VersionRecord[]
  /** Absent: as it was. */
  readonly canary?: Canary | null
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
 * Adds a LOADING version at its place. A FAILED one with its id, which was never served, makes room.
 * @throws {KVError} QUOTA_EXCEEDED when the dataset lists as many versions as it may; ALREADY_EXISTS,
 * FAILED_PRECONDITION as `checkGivenId` does
 */
export function addVersion(dataset: DatasetRecord, added: VersionRecord): VersionChange {
  const others = dataset.versions.filter((version) => version.id !== added.id)
  if (others.length < dataset.versions.length) checkGivenId(dataset, added.id)
  const failed = others.filter((version) => version.state === 'FAILED')
  const forgotten = new Set(failed.slice(FAILED_VERSIONS_KEPT - 1).map((version) => version.id))
  if (others.length >= MAX_VERSIONS_LISTED) {
    throw new KVError(
      'QUOTA_EXCEEDED',
      `dataset ${dataset.name} already lists ${dataset.versions.length} versions, the most it may have: ` +
        'publish one, or delete those that are not needed, then load again',
      { dataset: dataset.name },
    )
  }
  const kept = markDeleted(others, forgotten)
  const newer = kept.filter((version) => version.id > added.id)
  const versions = [...newer, added, ...kept.slice(newer.length)]
  return { versions, detail: `version ${added.id} from ${added.source}` }
}

/**
 * Whether a version that is listed leaves its id to another one.
 * @throws {KVError} ALREADY_EXISTS, FAILED_PRECONDITION while the files of a DELETED one are being removed
 */
function checkGivenId(dataset: DatasetRecord, id: number): void {
  const { state, source } = findVersion(dataset, id)
  if (state === 'FAILED') return
  const subject = `version ${id} of dataset ${dataset.name}`
  if (state === 'DELETED') {
    throw new KVError('FAILED_PRECONDITION', `${subject} is being removed: load it again in a moment`, {
      dataset: dataset.name,
    })
  }
  throw new KVError(
    'ALREADY_EXISTS',
    `${subject} exists already (${state}, from ${source}): publish or restore that, or delete it first`,
    { dataset: dataset.name },
  )
}

/**
 * Moves one version from one of `from` to `to`, with what else changes about it.
 * @throws {KVError} VERSION_NOT_FOUND, FAILED_PRECONDITION when it is in another state
 */
export function moveVersion(
  dataset: DatasetRecord,
  id: number,
  move: {
    readonly from: readonly VersionState[]
    readonly to: VersionState
    readonly figures?: Partial<VersionRecord>
  },
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
  const hasCopy = ({ id: one, archive }: VersionRecord) => expired.has(one) && archive !== null
  const archived = new Set(versions.filter(hasCopy).map((version) => version.id))
  const deleted = new Set([...expired].filter((one) => !archived.has(one)))
  const notes = [
    ...(deleted.size === 0 ? [] : [`; deleted ${[...deleted].join(', ')}`]),
    ...(archived.size === 0 ? [] : [`; kept as copies ${[...archived].join(', ')}`]),
  ]
  const kept = versions.map((version): VersionRecord => {
    return archived.has(version.id) ? { ...version, state: 'ARCHIVED' } : version
  })
  return { versions: markDeleted(kept, deleted), canary: null, detail: `${detail}${notes.join('')}` }
}

/**
 * Makes the newest READY version older than the current one CURRENT.
 * @throws {KVError} FAILED_PRECONDITION when nothing is current or nothing older is READY
 */
export function rollbackVersion(dataset: DatasetRecord): VersionChange {
  const current = requireCurrent(dataset, 'roll back from')
  const target = dataset.versions.find((version) => version.state === 'READY' && version.id < current.id)
  if (target !== undefined) return switchCurrent(dataset, target.id)
  throw new KVError(
    'FAILED_PRECONDITION',
    `dataset ${dataset.name} has no ready version older than ${current.id}: ` +
      `${archivedHint(dataset, (id) => id < current.id)}load or publish another one`,
    { dataset: dataset.name },
  )
}

/**
 * Makes the oldest READY version newer than the current one CURRENT: what a rollback hid.
 * @throws {KVError} FAILED_PRECONDITION when nothing is current or nothing newer is READY
 */
export function rollForwardVersion(dataset: DatasetRecord): VersionChange {
  const current = requireCurrent(dataset, 'roll forward from')
  const target = dataset.versions.findLast((version) => version.state === 'READY' && version.id > current.id)
  if (target !== undefined) return switchCurrent(dataset, target.id)
  throw new KVError(
    'FAILED_PRECONDITION',
    `dataset ${dataset.name} has no ready version newer than ${current.id}: ` +
      `${archivedHint(dataset, (id) => id > current.id)}load or publish another one`,
    { dataset: dataset.name },
  )
}

/**
 * Serves a READY version to a share of the keys; null ends that.
 * @throws {KVError} VERSION_NOT_FOUND, FAILED_PRECONDITION when it is not READY or there is no current version
 */
export function changeCanary(dataset: DatasetRecord, canary: Canary | null): VersionChange | null {
  const { canary: former, versions } = dataset
  if (canary === null) {
    return former === null
      ? null
      : { versions, canary, detail: `version ${former.versionId} is no canary any more` }
  }
  if (former?.versionId === canary.versionId && former.share === canary.share) return null
  const current = requireCurrent(dataset, 'serve beside a canary')
  requireState(dataset, findVersion(dataset, canary.versionId), ['READY'])
  const share = `${canary.share / 100} % of the keys`
  return { versions, canary, detail: `version ${canary.versionId} beside ${current.id} for ${share}` }
}

/**
 * Notes a complete copy in object storage; `release`: READY -> ARCHIVED.
 * @throws {KVError} VERSION_NOT_FOUND, FAILED_PRECONDITION
 */
export function archivedVersion(
  dataset: DatasetRecord,
  id: number,
  { url, release }: { readonly url: string; readonly release: boolean },
): VersionChange {
  const version = findVersion(dataset, id)
  const figures = { archive: url, ...otherCopies(dataset, version, url) }
  if (release) {
    requireNoCanary(dataset, id)
    const { versions } = moveVersion(dataset, id, { from: ['READY'], to: 'ARCHIVED', figures })
    return { versions, detail: `version ${id} READY -> ARCHIVED, copied to ${url}` }
  }
  const move = { from: ['READY', 'CURRENT'], to: version.state, figures } as const
  return { versions: moveVersion(dataset, id, move).versions, detail: `version ${id} copied to ${url}` }
}

/** @throws {KVError} VERSION_NOT_FOUND, FAILED_PRECONDITION for CURRENT, LOADING, DELETED and the canary */
export function deletedVersion(dataset: DatasetRecord, id: number): VersionChange {
  requireNoCanary(dataset, id)
  const copies = copiesOf(findVersion(dataset, id))
  const move = { from: ['READY', 'ARCHIVED', 'FAILED'], to: 'DELETED' } as const
  const { versions, detail } = moveVersion(dataset, id, move)
  return { versions, detail: copies.length === 0 ? detail : `${detail}, its copy is ${copies.join(' and ')}` }
}

/** What a copy to another place leaves behind stays known, so that it can be removed with the version. */
function otherCopies(
  { name }: DatasetRecord,
  version: VersionRecord,
  url: string,
): Pick<VersionRecord, 'formerArchives'> {
  const formerArchives = copiesOf(version).filter((copy) => copy !== url)
  if (formerArchives.length === 0) return {}
  if (formerArchives.length < MAX_COPIES) return { formerArchives }
  throw new KVError(
    'QUOTA_EXCEEDED',
    `version ${version.id} of dataset ${name} has ${formerArchives.length} copies, the most it may have: ` +
      'copy it to one of their places, or delete it with its copies',
    { dataset: name },
  )
}

/** Every LOADING version, or those of them that `isAbandoned` picks, becomes FAILED. */
export function abandonLoads(
  dataset: DatasetRecord,
  isAbandoned = ({ state }: VersionRecord): boolean => state === 'LOADING',
): VersionChange {
  const abandoned = dataset.versions.filter(isAbandoned)
  const versions = dataset.versions.map((version): VersionRecord => {
    return isAbandoned(version) ? { ...version, state: 'FAILED' } : version
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
  const ended = dataset.canary === null ? '' : `; canary ${dataset.canary.versionId} ended`
  return {
    versions,
    canary: null,
    detail: `version ${id} instead of ${former === null ? 'none' : former.id}${ended}`,
  }
}

function requireCurrent(dataset: DatasetRecord, purpose: string): VersionRecord {
  const current = currentVersion(dataset)
  if (current !== null) return current
  throw new KVError(
    'FAILED_PRECONDITION',
    `dataset ${dataset.name} has no current version to ${purpose}: publish one by its id`,
    { dataset: dataset.name },
  )
}

function requireNoCanary(dataset: DatasetRecord, id: number): void {
  if (dataset.canary?.versionId !== id) return
  throw new KVError(
    'FAILED_PRECONDITION',
    `version ${id} of dataset ${dataset.name} is its canary: end the canary first`,
    { dataset: dataset.name },
  )
}

/** Where only copies lie in the direction that was asked for. */
function archivedHint(dataset: DatasetRecord, isThere: (id: number) => boolean): string {
  const archived = dataset.versions.find(({ id, state }) => state === 'ARCHIVED' && isThere(id))
  return archived === undefined ? '' : `restore ${archived.id}, which is archived, or `
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
