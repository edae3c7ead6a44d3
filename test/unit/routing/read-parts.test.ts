import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CellSelector } from '../../../src/model/row.js'
import { WHOLE_ROW } from '../../../src/model/row.js'
import type { ReadPlan } from '../../../src/model/plan.js'
import { firstKeyOf } from '../../../src/routing/read-parts.js'
import { readPlan } from './guard-world.js'

/** A request's frame, of which everything is a view. */
const frame = Buffer.from('key local from to token '.repeat(1_000))

const view = (at: number, length: number): Buffer => frame.subarray(at, at + length)

function planOfViews(bySelector: 'one for all' | 'one a key'): ReadPlan {
  const plan = readPlan('a', 'b')
  const { admitted } = plan
  const selector: CellSelector = {
    ...WHOLE_ROW,
    localKeys: [view(4, 5)],
    ranges: [
      { from: view(10, 4), to: view(15, 2) },
      { from: view(18, 5), to: null },
    ],
  }
  const request = {
    ...admitted.request,
    context: { ...admitted.request.context, connection: { isClosed: false } },
    rowKeys: [view(0, 3), view(24, 3)],
    selector: bySelector === 'one for all' ? selector : null,
    selectorsByKey: bySelector === 'one for all' ? null : [selector, null],
    position: { localKey: view(4, 5), timestamp: 7n, columns: 1, originToken: view(18, 5) },
  }
  return { ...plan, admitted: { ...admitted, request } }
}

/** All there are, however deep. */
function buffersIn(value: unknown): Buffer[] {
  if (Buffer.isBuffer(value)) return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(buffersIn)
}

for (const bySelector of ['one for all', 'one a key'] as const) {
  // Of a frame of megabytes that one key was kept from, the selector's columns kept all.
  test(`a first key that is kept asks for the same and keeps nothing of its frame: ${bySelector}`, () => {
    const plan = planOfViews(bySelector)
    const { request } = plan.admitted
    const kept = firstKeyOf(plan).admitted.request
    const selectorsByKey = request.selectorsByKey?.slice(0, 1) ?? null
    const asked = { ...request, rowKeys: request.rowKeys.slice(0, 1), selectorsByKey }
    assert.deepEqual(kept, {
      ...asked,
      context: { ...request.context, caller: null, connection: null, traceId: null },
    })
    const buffers = buffersIn(kept)
    assert.equal(buffers.length, 7)
    for (const buffer of buffers) assert.notEqual(buffer.buffer, frame.buffer)
  })
}
