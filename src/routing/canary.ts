/**
 * Which version answers a read of a BATCH dataset while a new one is tried on a share of the row keys.
 *
 * Whether a key is in the share depends on the key and the share alone, by a hash of its own: the same on every thread and
 * gateway, and raising the share never moves a key back. A read of several keys is answered by the canary only if all of
 * them are in the share: one answer never mixes two versions. Scans and pinned reads take no part.
 */
import { bucketOf, seededHash } from '../base/seeded-hash.js'
import type { DatasetEntry, ServedVersion } from '../model/cluster-map.js'

/** The letters `cana`. Never change. */
const CANARY_SEED = 0x63616e61

/** @param share in hundredths of a percent */
export function isInCanary(rowKey: Uint8Array, share: number): boolean {
  return bucketOf(seededHash(rowKey, CANARY_SEED)) < share
}

/** The canary, where it answers for these keys; null: the current version does, also while the canary is not open. */
export function canaryVersion(
  { record, versions }: DatasetEntry,
  rowKeys: readonly Buffer[],
): ServedVersion | null {
  const { canary } = record
  if (canary === null || rowKeys.length === 0) return null
  for (const rowKey of rowKeys) if (!isInCanary(rowKey, canary.share)) return null
  return versions.find(({ id }) => id === canary.versionId) ?? null
}
