/** Whether a version that was built may be served: one that lost most of its rows is more likely a fault than news. */
import { KVError } from '../base/errors.js'
import type { DatasetRecord, VersionRecord } from '../model/dataset.js'
import type { LoadRequest } from '../model/load.js'
import type { VersionFigures } from '../model/metastore.js'

/**
 * @throws {KVError} FAILED_PRECONDITION when it has far fewer rows or bytes than the last one, QUOTA_EXCEEDED when it is
 * larger than the dataset allows
 */
export function checkFigures(
  record: DatasetRecord,
  { minRatio, force }: Pick<LoadRequest, 'minRatio' | 'force'>,
  figures: VersionFigures,
): void {
  const { maxVersionBytes, name } = record
  if (maxVersionBytes !== null && figures.bytes > maxVersionBytes) {
    throw new KVError(
      'QUOTA_EXCEEDED',
      `the version has ${figures.bytes} bytes, dataset ${name} allows ${maxVersionBytes}; raise maxVersionBytes or load less`,
    )
  }
  const last = lastVersion(record)
  if (force || last === null) return
  for (const what of ['rows', 'bytes'] as const) {
    if (figures[what] >= last[what] * minRatio) continue
    const share = `${figures[what]} ${what}, version ${last.id} has ${last[what]}`
    throw new KVError(
      'FAILED_PRECONDITION',
      `the version of dataset ${name} is far smaller than the last one: ${share}, and at least ` +
        `${Math.round(minRatio * 1000) / 10} % are expected; look at the input, then load with force or a lower minRatio (--force, --min-ratio)`,
    )
  }
}

/** The served one; without one, the newest that could be. */
function lastVersion({ versions }: DatasetRecord): VersionRecord | null {
  const current = versions.find(({ state }) => state === 'CURRENT')
  return current ?? versions.find(({ state }) => state === 'READY') ?? null
}
