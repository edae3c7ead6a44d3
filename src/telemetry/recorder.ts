/**
 * Turns the messages of base/trace.ts into finished traces, in a data thread. Decides which requests are recorded: those
 * whose caller says so, and a share of the others; never more than a number a second, so that callers cannot make tracing
 * a load.
 *
 * Spans: one for each hop that the request passed in its first tick. They nest as the hops do. Those from `kvstore.admit`
 * on end when the outcome is known; `kvstore.listener` and `thrift.server` when the answer is encoded. The further shards
 * of a scan's page are part of its `leaf.tier`.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { Clock } from '../base/clock.js'
import { limits } from '../base/limits.js'
import {
  type AdminEvent,
  ADMIN_CHANNEL,
  HOP_CHANNEL,
  type HopName,
  REQUEST_CHANNEL,
  type RequestEvent,
  type TracedContext,
} from '../base/trace.js'
import { type RemoteParent, parseTraceparent } from './traceparent.js'

/** Times are milliseconds since 1970, with fraction. */
export interface FinishedSpan {
  readonly name: string
  readonly startMs: number
  readonly endMs: number
  /** Index in the trace; null: the first one. */
  readonly parent: number | null
}

export interface FinishedTrace {
  readonly remote: RemoteParent | null
  readonly attributes: Readonly<Record<string, string | number>>
  readonly isFailed: boolean
  /** Parents before children. */
  readonly spans: readonly FinishedSpan[]
}

export interface TraceRecorderOptions {
  readonly clock: Clock
  /** Of requests whose caller does not say: 0 to 1. */
  readonly sampleShare: number
  readonly onTrace: (trace: FinishedTrace) => void
  /** 0 to 1; Math.random by default. */
  readonly random?: () => number
}

interface Hop {
  readonly name: HopName
  readonly startMs: number
}

interface OpenTrace {
  readonly remote: RemoteParent | null
  readonly event: RequestEvent
  readonly hops: Hop[]
  /** Rows of one call that are not answered. */
  waiting: number
  rows: number
  code: string | null
  answeredAtMs: number
  isEnding: boolean
}

const FIRST_HOPS: ReadonlySet<HopName> = new Set<HopName>(['thrift.server', 'kvstore.listener'])

/** Hops that one row of a call adds to its trace: the first rows tell enough. */
const MAX_SPANS = 64

export class TraceRecorder {
  readonly #options: TraceRecorderOptions
  readonly #random: () => number
  readonly #open = new Map<TracedContext, OpenTrace>()
  readonly #budget: Budget
  /** Hops 1 and 2 of the request that has not begun yet. */
  #pending: Hop[] = []
  /** Whose hops these are; null behind the tick, and for requests that are not recorded. */
  #current: OpenTrace | null = null

  constructor(options: TraceRecorderOptions) {
    this.#options = options
    this.#random = options.random ?? Math.random
    this.#budget = new Budget(limits.maxTracesPerSecond)
  }

  /** From now on; there is no end of it, since threads live as long as the process. */
  start(): void {
    // What the channels carry is fixed by base/trace.ts, which alone publishes on them.
    subscribe(HOP_CHANNEL, (name) => this.#onHop(name as HopName))
    subscribe(REQUEST_CHANNEL, (event) => this.#onRequest(event as RequestEvent))
    subscribe(ADMIN_CHANNEL, (event) => this.#onAdmin(event as AdminEvent))
  }

  #onHop(name: HopName): void {
    const hop = { name, startMs: this.#options.clock.monotonicMs() }
    if (name === 'thrift.server') {
      this.#pending = [hop]
      this.#current = null
    } else if (name === 'kvstore.listener') this.#pending.push(hop)
    else if (this.#current !== null && this.#current.hops.length < MAX_SPANS) this.#current.hops.push(hop)
  }

  #onRequest(event: RequestEvent): void {
    if (event.code === undefined) this.#begin(event)
    else this.#answer(event.context, event.code)
  }

  #begin(event: RequestEvent): void {
    const hops = this.#pending
    this.#pending = []
    const known = this.#open.get(event.context)
    if (known !== undefined) {
      known.waiting += 1
      known.rows += 1
      this.#makeCurrent(known)
      return
    }
    this.#current = null
    const remote = parseTraceparent(event.context.traceId)
    if (!this.#isWanted(remote) || this.#open.size >= limits.maxOpenTraces) return
    const trace = { remote, event, hops, waiting: 1, rows: 1, code: null, answeredAtMs: 0, isEnding: false }
    this.#open.set(event.context, trace)
    this.#makeCurrent(trace)
  }

  #isWanted(remote: RemoteParent | null): boolean {
    const isWanted = remote === null ? this.#random() < this.#options.sampleShare : remote.isSampled
    return isWanted && this.#budget.take(this.#options.clock.monotonicMs())
  }

  #makeCurrent(trace: OpenTrace): void {
    this.#current = trace
    // Behind this tick's work other requests' hops follow.
    queueMicrotask(() => {
      if (this.#current === trace) this.#current = null
    })
  }

  #answer(context: TracedContext, code: string | null): void {
    const trace = this.#open.get(context)
    if (trace === undefined) return
    trace.waiting -= 1
    trace.code ??= code
    trace.answeredAtMs = this.#options.clock.monotonicMs()
    if (trace.waiting > 0 || trace.isEnding) return
    trace.isEnding = true
    // Behind the answer's way back through hops 2 and 1; and further rows of the call may begin in this tick.
    queueMicrotask(() => {
      trace.isEnding = false
      if (trace.waiting === 0) this.#end(context, trace)
    })
  }

  #end(context: TracedContext, trace: OpenTrace): void {
    this.#open.delete(context)
    const { clock, onTrace } = this.#options
    const { event, hops, code, answeredAtMs, remote, rows } = trace
    const nowMs = clock.monotonicMs()
    const toWallMs = clock.nowMs() - nowMs
    const { api } = event.context
    onTrace({
      remote,
      attributes: {
        'godwit.api': api,
        'godwit.dataset': event.dataset,
        'godwit.operation': event.operation,
        'godwit.code': code ?? 'OK',
        'godwit.rows': rows,
      },
      isFailed: code !== null,
      spans: hops.map(({ name, startMs }, index) => ({
        name,
        startMs: startMs + toWallMs,
        endMs: (FIRST_HOPS.has(name) ? nowMs : answeredAtMs) + toWallMs,
        parent: parentOf(hops, index),
      })),
    })
  }

  #onAdmin({ requestId, method, route, status, durationMs, traceparent }: AdminEvent): void {
    const remote = parseTraceparent(traceparent)
    if (!this.#isWanted(remote)) return
    const endMs = this.#options.clock.nowMs()
    this.#options.onTrace({
      remote,
      attributes: {
        'http.request.method': method,
        'http.route': route,
        'http.response.status_code': status,
        'godwit.request_id': requestId,
      },
      isFailed: status >= 500,
      spans: [{ name: `${method} ${route}`, startMs: endMs - durationMs, endMs, parent: null }],
    })
  }
}

const ORDER: readonly HopName[] = [
  'thrift.server',
  'kvstore.listener',
  'kvstore.admit',
  'routing.router',
  'leaf.tier',
  'leaf.engine',
]

/** The last span before it of an earlier hop: a call's rows, and a row's shards, are side by side. */
function parentOf(hops: readonly Hop[], index: number): number | null {
  const order = (at: number): number => ORDER.indexOf(hops[at]?.name ?? 'leaf.engine')
  for (let at = index - 1; at >= 0; at -= 1) if (order(at) < order(index)) return at
  return null
}

/** So many a second, and as many at once. */
class Budget {
  readonly #perSecond: number
  #left: number
  #atMs = 0

  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#left = perSecond
  }

  take(nowMs: number): boolean {
    const earned = ((nowMs - this.#atMs) / 1000) * this.#perSecond
    this.#left = Math.min(this.#perSecond, this.#left + earned)
    this.#atMs = nowMs
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}
