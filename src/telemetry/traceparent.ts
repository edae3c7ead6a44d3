/** W3C Trace Context, the header `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`. https://www.w3.org/TR/trace-context/ */

/** A span of another process that ours is a part of. */
export interface RemoteParent {
  readonly traceId: string
  readonly spanId: string
  readonly isSampled: boolean
}

/** Later versions may have more behind the flags. */
const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-|$)/
const SAMPLED = 1

/** Null for what is no traceparent: then the request starts a trace of its own. */
export function parseTraceparent(text: string | null | undefined): RemoteParent | null {
  if (text === null || text === undefined) return null
  const [, version, traceId, spanId, flags, rest] = FORM.exec(text) ?? []
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined)
    return null
  if (version === 'ff' || (version === '00' && rest === '-')) return null
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED }
}
