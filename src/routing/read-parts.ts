/** Some keys of a read, as a read of their own. */
import type { AdmittedRead } from '../model/plan.js'

/** @param positions of the keys in the read */
export function partOfRead(admitted: AdmittedRead, positions: readonly number[]): AdmittedRead {
  const { request, tokens } = admitted
  const { rowKeys, selectorsByKey } = request
  return {
    ...admitted,
    tokens: pick(tokens, positions),
    request: {
      ...request,
      rowKeys: pick(rowKeys, positions),
      selectorsByKey: selectorsByKey === null ? null : pick(selectorsByKey, positions),
    },
  }
}

export function pick<T>(items: readonly T[], positions: readonly number[]): T[] {
  const picked: T[] = []
  for (const position of positions) {
    const item = items[position]
    if (item !== undefined) picked.push(item)
  }
  return picked
}
