/**
 * Which leaves of a cluster hold a shard: rendezvous hashing over the leaves' names. Pure and fixed (FORMATS.md has
 * vectors): every gateway finds the same leaves, versions of a dataset lie on the same ones, and a leaf that comes or goes
 * moves only the shards that it gets or had.
 */
import { murmur3Token } from '../base/hash.js'
import type { LeafRecord } from '../model/dataset.js'

/** The `replicas` leaves with the highest scores, highest first; all of them when there are not more. */
export function leavesOfShard(
  leaves: readonly LeafRecord[],
  replicas: number,
  at: { readonly datasetId: string; readonly shard: number },
): readonly LeafRecord[] {
  const scored = leaves.map((leaf) => {
    const { high, low } = murmur3Token(Buffer.from(`${leaf.name}\n${at.datasetId}\n${at.shard}`))
    return { leaf, high, low: low >>> 0 }
  })
  scored.sort((a, b) => b.high - a.high || b.low - a.low || (a.leaf.name < b.leaf.name ? -1 : 1))
  return scored.slice(0, replicas).map(({ leaf }) => leaf)
}
