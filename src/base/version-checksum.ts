/** Checksum of a version from those of its shards, in their order; loads make it, restores compare it. */
import { createHash } from 'node:crypto'

/** The only shard's own; of several, the digest over theirs. */
export function versionChecksum(shardChecksums: readonly string[]): string {
  const [only = '', ...others] = shardChecksums
  return others.length === 0 ? only : createHash('sha256').update(shardChecksums.join('\n')).digest('hex')
}
