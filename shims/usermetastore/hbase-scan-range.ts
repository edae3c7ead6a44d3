/** Between which row keys a scan goes. */
import type { ByteRange } from '../../src/model/row.js'

/**
 * Rows from `start` on, or back from it, before `stop`; empty: from the first, to the last. The same one as both is that
 * row, as in HBase 2. The keys are copied, because a scanner keeps them for long.
 */
export function rangeOf(first: Buffer, end: Buffer, isReversed: boolean): ByteRange | null {
  const start = Buffer.from(first)
  const stop = Buffer.from(end)
  if (start.length === 0 && stop.length === 0) return null
  const behind = (key: Buffer): Buffer => Buffer.concat([key, ZERO])
  if (start.equals(stop)) return { from: start, to: behind(start) }
  if (!isReversed) return { from: start, to: stop.length === 0 ? null : stop }
  return {
    from: stop.length === 0 ? stop : behind(stop),
    to: start.length === 0 ? null : behind(start),
  }
}

const ZERO = Buffer.alloc(1)
