/** Answers of a dataset whose two sides differ, as callers saw them: how long a change took to reach all of them. Pure. */

export interface SideAnswer {
  /** Number of the caller, from 0. Each has a connection of its own, hence a data thread. */
  readonly caller: number
  readonly sentAtMs: number
  readonly answeredAtMs: number
  /** What the row holds, which says which side answered; null: an error. */
  readonly value: string | null
}

/** Milliseconds from `sinceMs` until every caller had an answer of that value; Infinity: one never had. */
export function untilAllHave(
  answers: readonly SideAnswer[],
  { value, callers, sinceMs }: { readonly value: string; readonly callers: number; readonly sinceMs: number },
): number {
  const first = new Array<number>(callers).fill(Number.POSITIVE_INFINITY)
  for (const { caller, answeredAtMs, value: seen } of answers) {
    if (seen !== value || answeredAtMs < sinceMs) continue
    first[caller] = Math.min(first[caller] ?? Number.POSITIVE_INFINITY, answeredAtMs - sinceMs)
  }
  return Math.max(...first)
}

/** Answers to calls that were sent after `sinceMs`. */
export function sentAfter(answers: readonly SideAnswer[], sinceMs: number): SideAnswer[] {
  return answers.filter(({ sentAtMs }) => sentAtMs >= sinceMs)
}

/** The longest that a caller waited for an answer that came after `sinceMs`; 0: there was none. */
export function longestWaitMs(answers: readonly SideAnswer[], sinceMs: number): number {
  const waits = answers
    .filter(({ answeredAtMs }) => answeredAtMs >= sinceMs)
    .map(({ sentAtMs, answeredAtMs }) => answeredAtMs - sentAtMs)
  return Math.max(0, ...waits)
}
