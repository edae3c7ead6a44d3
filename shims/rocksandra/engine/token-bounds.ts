/** WHERE token(..) of a SELECT as the first and the last token that it means. */
import { type PartitionKey, partitionKeys } from './paths.js'
import { positionOf } from './reader.js'
import type { SelectPlan } from './select.js'
import type { Bindings } from './terms.js'

const MIN_TOKEN = -(2n ** 63n)
const MAX_TOKEN = 2n ** 63n - 1n

/** Inclusive; null at one end: none. Null: nothing lies between them. */
export function tokenBounds(
  { where }: SelectPlan,
  bindings: Bindings,
): { readonly from: bigint | null; readonly to: bigint | null } | null {
  let from = MIN_TOKEN
  let to = MAX_TOKEN
  for (const { operator, valueOf: tokenValue } of where.tokens) {
    const token = tokenValue(bindings)
    const least = operator === '>' ? token + 1n : token
    // The least token is nobody's: as an upper bound, of = too, it means the end of the ring (TokenRestriction.java).
    const greatest = token === MIN_TOKEN ? MAX_TOKEN : operator === '<' ? token - 1n : token
    if (operator !== '<' && operator !== '<=' && least > from) from = least
    if (operator !== '>' && operator !== '>=' && greatest < to) to = greatest
  }
  if (from > to) return null
  return { from: from === MIN_TOKEN ? null : from, to: to === MAX_TOKEN ? null : to }
}

/** The keys that are named, of those that token() leaves. */
export function keysWithinTokens(plan: SelectPlan, bindings: Bindings): readonly PartitionKey[] {
  const keys = partitionKeys(plan.table, plan.where, bindings)
  if (plan.where.tokens.length === 0) return keys
  const bounds = tokenBounds(plan, bindings)
  if (bounds === null) return []
  const { from, to } = bounds
  return keys.filter(({ rowKey }) => {
    const token = tokenOf(rowKey)
    return (from === null || token >= from) && (to === null || token <= to)
  })
}

export function tokenOf(rowKey: Buffer): bigint {
  const { token } = positionOf(rowKey, true)
  return (BigInt(token.high) << 32n) | BigInt(token.low >>> 0)
}
