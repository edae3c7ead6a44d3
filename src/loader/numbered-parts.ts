/** The files of a directory that a file set of Terrapin's consists of: `part-00000`, `part-00001`, ... and no others. */
import { KVError } from '../base/errors.js'
import type { DirectOnly, StoredObject } from '../objects/object-store.js'

const DIGITS = 5

/** What their directory is asked for: whatever else stands in it, below it or comes and goes there does not matter. */
export const NUMBERED: DirectOnly = { namesBegin: 'part-' }

/**
 * The first `count` of them, in their order.
 * @throws {KVError} INVALID_ARGUMENT naming the first that is not there
 */
export function numberedParts(
  from: string,
  found: readonly StoredObject[],
  count: number,
): readonly StoredObject[] {
  const folder = from.endsWith('/') ? from : `${from}/`
  const byName = new Map(found.map((one) => [one.url.slice(folder.length), one]))
  return Array.from({ length: count }, (_, part) => {
    const name = `part-${String(part).padStart(DIGITS, '0')}`
    const object = byName.get(name)
    if (object !== undefined) return object
    throw new KVError('INVALID_ARGUMENT', `${folder}${name} is not there: it was removed, or never written`)
  })
}
