/**
 * Where a request is: one message a hop on a diagnostics channel. Costs one property read while nobody listens; tests
 * and tracing subscribe.
 */
import { channel } from 'node:diagnostics_channel'

/** The six hops of ARCHITECTURE.md, in order. */
export type HopName =
  'thrift.server' | 'kvstore.listener' | 'kvstore.admit' | 'routing.router' | 'leaf.tier' | 'leaf.engine'

export const HOP_CHANNEL = 'godwit:hop'

const hops = channel(HOP_CHANNEL)

export function traceHop(name: HopName): void {
  if (hops.hasSubscribers) hops.publish(name)
}
