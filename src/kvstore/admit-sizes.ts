/** Part of hop 3: sizes of keys and selectors, and the errors that name the dataset they are refused for. */
import { type ErrorCode, KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import type { CellSelector } from '../model/row.js'

export function checkSelector({ localKeys, ranges }: CellSelector, entry: DatasetEntry): void {
  const parts = localKeys.length + ranges.length
  if (parts > limits.maxSelectorParts) {
    throw refuse(
      entry,
      'TOO_LARGE',
      `${parts} local keys and ranges in one selector, at most ${limits.maxSelectorParts}`,
    )
  }
  for (const localKey of localKeys) checkLocalKey(localKey, entry)
  for (const { from, to } of ranges) {
    checkLocalKey(from, entry)
    if (to !== null) checkLocalKey(to, entry)
  }
}

export function checkLocalKey(localKey: Buffer, entry: DatasetEntry): void {
  if (localKey.length > limits.maxLocalKeyBytes) {
    throw refuse(
      entry,
      'TOO_LARGE',
      `a local key of ${localKey.length} bytes, at most ${limits.maxLocalKeyBytes}`,
    )
  }
}

/** Refused before any work. */
export function refuse(entry: DatasetEntry, code: ErrorCode, what: string): KVError {
  const { name } = entry.record
  return new KVError(code, `dataset ${name}: ${what}`, { dataset: name, outcome: 'NOT_APPLIED' })
}
