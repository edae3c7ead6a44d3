/**
 * Where a request is: messages on diagnostics channels, a hop each, and one each where a request begins and where it is
 * answered. Costs one property read while nobody listens; tests and src/telemetry subscribe. No message holds a key or a
 * value.
 *
 * The hops of one request up to the leaf engine pass in one tick, so that they belong to the request that has begun last;
 * what begins and what is answered is told apart by the request's context object.
 */
import { channel } from 'node:diagnostics_channel'

/** The six hops of ARCHITECTURE.md, in order. */
export type HopName =
  'thrift.server' | 'kvstore.listener' | 'kvstore.admit' | 'routing.router' | 'leaf.tier' | 'leaf.engine'

export const HOP_CHANNEL = 'godwit:hop'
export const REQUEST_CHANNEL = 'godwit:request'
export const ADMIN_CHANNEL = 'godwit:admin'

/** Who asks, as far as a trace tells it; the same object at the beginning and at the answer. */
export interface TracedContext {
  readonly api: string
  /** The caller's, in whatever form; that of W3C's traceparent joins the caller's trace. */
  readonly traceId?: string | null
}

/** `code` is absent where the request begins, null when it succeeded. Rows of one call share a context. */
export interface RequestEvent {
  readonly context: TracedContext
  readonly dataset: string
  readonly operation: string
  readonly code?: string | null
}

/** A request to the admin API that was answered. */
export interface AdminEvent {
  readonly requestId: string
  readonly method: string
  /** The route's path and not the URL, because that holds keys. */
  readonly route: string
  readonly status: number
  readonly durationMs: number
  readonly traceparent: string | null
}

const hops = channel(HOP_CHANNEL)
const requests = channel(REQUEST_CHANNEL)
const admins = channel(ADMIN_CHANNEL)

export function traceHop(name: HopName): void {
  if (hops.hasSubscribers) hops.publish(name)
}

/** Between hops 2 and 3. */
export function traceBegin(context: TracedContext, operation: string, dataset: string): void {
  if (requests.hasSubscribers) requests.publish({ context, operation, dataset } satisfies RequestEvent)
}

/** Before the answer is handed back through hops 2 and 1. `code` null: it succeeded. */
export function traceAnswer(context: TracedContext, operation: string, code: string | null): void {
  if (requests.hasSubscribers) {
    requests.publish({ context, operation, dataset: '', code } satisfies RequestEvent)
  }
}

/** `event` makes the message where somebody listens. */
export function traceAdmin(event: () => AdminEvent): void {
  if (admins.hasSubscribers) admins.publish(event())
}
