/**
 * Makes a history that fails short. Steps do not depend on each other's shape, so leaving them out in chunks, then
 * one by one, finds in some hundred runs what the values' own shrinking does not in thousands.
 */
import type { HistoryStep } from './leaf-histories.js'

/** Runs that one shrinking may take. */
const MAX_RUNS = 2_000

/** The least of the steps that still fails, as far as it was found. */
export async function shrunk<T>(
  steps: readonly T[],
  fails: (steps: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let least = steps
  let runs = 0
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = least.length - size; at > -size && runs < MAX_RUNS; at -= size) {
      const without = [...least.slice(0, Math.max(0, at)), ...least.slice(Math.max(0, at + size))]
      runs++
      if (without.length > 0 && (await fails(without))) least = without
    }
  }
  return least
}

/** Writes that were sent together as steps of their own, and what each does without its mutations one by one. */
export async function shrunkWrites(
  steps: readonly HistoryStep[],
  fails: (steps: readonly HistoryStep[]) => Promise<boolean>,
): Promise<readonly HistoryStep[]> {
  let least = steps
  for (let at = least.length - 1; at >= 0; at--) {
    for (const simpler of simplerThan(least[at])) {
      const candidate = [...least.slice(0, at), ...simpler, ...least.slice(at + 1)]
      if (!(await fails(candidate))) continue
      least = candidate
      at += simpler.length
      break
    }
  }
  return least
}

function* simplerThan(step: HistoryStep | undefined): Generator<readonly HistoryStep[]> {
  if (step?.kind !== 'write') return
  const { writes } = step
  if (writes.length > 1) {
    for (const write of writes) yield [{ ...step, writes: writes.filter((other) => other !== write) }]
    return
  }
  for (const [index, write] of writes.entries()) {
    const { mutations = [], conditions = [], otherwise = [] } = write.request
    const changed = (request: Partial<typeof write.request>): readonly HistoryStep[] => [
      { ...step, writes: writes.with(index, { ...write, request: { ...write.request, ...request } }) },
    ]
    if (conditions.length > 0) yield changed({ conditions: [] })
    if (otherwise.length > 0) yield changed({ otherwise: [] })
    for (const one of mutations) {
      if (mutations.length > 1) yield changed({ mutations: mutations.filter((other) => other !== one) })
    }
  }
}
