/** Row key -> shard. Pure and fixed: changing it is a format break (vectors stand in FORMATS.md). */
import type { RowToken } from './row-order.js'

/**
 * The shard of a token: contiguous, equally wide token ranges in token order, decided by the token's upper 32 bits.
 * `shardCount` is 1 to 1,024; the product stays below 2^53, so the division is exact.
 */
export function shardOfToken(token: RowToken, shardCount: number): number {
  // Flipping the sign bit turns the token's signed order into an unsigned one that starts at 0.
  const unsignedHigh = (token.high ^ 0x80000000) >>> 0
  return Math.floor((unsignedHigh * shardCount) / 4_294_967_296)
}

/** The first token of a shard, as shardOfToken divides them. */
export function firstTokenOfShard(shard: number, shardCount: number): RowToken {
  // Below 2^43, so that the quotient rounds up to a whole number only where it should.
  const unsignedHigh = Math.ceil((shard * 4_294_967_296) / shardCount)
  return { high: (unsignedHigh ^ 0x80000000) | 0, low: 0 }
}
