/**
 * The place of a row key in a split between two sides. It depends on the key alone, by a hash of its own: the same on
 * every thread and gateway; a share of n takes the keys of the places below n, so that raising it never moves a key back.
 */
import { bucketOf, seededHash } from '../base/seeded-hash.js'

/** The letters `spli`. Never change. */
const SPLIT_SEED = 0x73706c69

/** 0 to 9,999. */
export function splitBucket(rowKey: Uint8Array): number {
  return bucketOf(seededHash(rowKey, SPLIT_SEED))
}
