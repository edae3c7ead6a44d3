/** A deadline is an absolute instant on the monotonic clock, in milliseconds; NO_DEADLINE never passes. */

export type Deadline = number

export const NO_DEADLINE: Deadline = Number.POSITIVE_INFINITY

/** Milliseconds left, never negative; Infinity without a deadline. */
export function remainingMs(deadline: Deadline, nowMs: number): number {
  return Math.max(0, deadline - nowMs)
}
