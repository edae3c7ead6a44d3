import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTraceparent } from '../../../src/telemetry/traceparent.js'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

test('a traceparent names the caller’s trace and span, and whether they are recorded', () => {
  assert.deepEqual(parseTraceparent(`00-${TRACE}-${SPAN}-01`), {
    traceId: TRACE,
    spanId: SPAN,
    isSampled: true,
  })
  assert.equal(parseTraceparent(`00-${TRACE}-${SPAN}-00`)?.isSampled, false)
  assert.equal(parseTraceparent(`00-${TRACE}-${SPAN}-03`)?.isSampled, true)
})

test('a later version may have more behind the flags', () => {
  assert.equal(parseTraceparent(`01-${TRACE}-${SPAN}-01-more`)?.traceId, TRACE)
})

test('what is no traceparent starts no trace of somebody else', () => {
  const others = [
    null,
    undefined,
    '',
    'my-own-trace-id',
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE}-${SPAN}-0g`,
    `00-${TRACE}-${SPAN}-01\n`,
    '00-'.repeat(100_000),
  ]
  for (const text of others) assert.equal(parseTraceparent(text), null, String(text).slice(0, 80))
})
