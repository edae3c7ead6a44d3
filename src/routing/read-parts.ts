/** Parts of a read as reads of their own, pure: some of its keys, or all of them with another deadline. */
import type { Deadline } from '../base/deadline.js'
import type { AdmittedRead, ReadPlan } from '../model/plan.js'
import { copyRequest } from './kept-rows.js'

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

/** Its first key alone, for nobody. It may be kept: its bytes are copies, and not views into all that came with them. */
export function firstKeyOf(plan: ReadPlan): ReadPlan {
  const admitted = partOfRead(plan.admitted, [0])
  const request = copyRequest(admitted.request)
  const context = { ...request.context, caller: null, connection: null, traceId: null }
  return { ...plan, admitted: { ...admitted, request: { ...request, context } } }
}

export function withDeadline(plan: ReadPlan, deadline: Deadline): ReadPlan {
  const { admitted } = plan
  const { request } = admitted
  if (request.context.deadline === deadline) return plan
  const context = { ...request.context, deadline }
  return { ...plan, admitted: { ...admitted, request: { ...request, context } } }
}
