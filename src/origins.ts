/** The configured origins of a data thread: for each a guard for callers' requests and one for shadow reads. */
import { TerrapinOrigin } from '../shims/terrapin/origin.js'
import type { Clock, StartTimer } from './base/clock.js'
import type { ErrorCode } from './base/errors.js'
import { parseAddress } from './base/hosts.js'
import type { Logger } from './base/logger.js'
import type { ThreadMetrics } from './base/metrics.js'
import type { Config, OriginConfig } from './config/schema.js'
import { KVStoreOrigin } from './kvstore/origin.js'
import type { Backend } from './model/backend.js'
import type { BackendRole } from './model/operations.js'
import {
  type GuardEvents,
  GuardedBackend,
  type GuardedPair,
  type GuardSettings,
} from './routing/guarded-backend.js'
import { SharedBreakers } from './routing/shared-breakers.js'

export interface OriginsOptions {
  /** The memory of SharedBreakers for the origins' names, in the configuration's order. */
  readonly breakers: SharedArrayBuffer
  readonly clock: Clock
  readonly startTimer: StartTimer
  readonly logger: Logger
  readonly metrics: ThreadMetrics
}

export type Origins = ReadonlyMap<string, GuardedPair>

/** What shadow reads get of what callers' requests get. */
const SHADOW_CONNECTIONS = 1 / 2
const SHADOW_IN_FLIGHT = 1 / 4

const QUEUED_PER_IN_FLIGHT = 4

/** A probe reads one row; who takes longer for that than callers wait for a page of them is not well. */
const MAX_PROBE_MS = 2_000

const PIPELINED_CONNECTIONS = 2
const SERIAL_CONNECTIONS = 16

/** Connects with the first request. */
export function connectOrigins(config: Config['origins'], options: OriginsOptions): Origins {
  const breakers = new SharedBreakers(options.breakers, Object.keys(config))
  const guard = (name: string, role: BackendRole, origin: OriginConfig): GuardedBackend => {
    const { clock, startTimer, logger, metrics } = options
    const guarded = new GuardedBackend(connect(name, origin, { role, clock, logger }), {
      role,
      settings: guardSettings(role, origin),
      shared: breakers.of(name, role),
      clock,
      startTimer,
      logger,
      events: countedEvents(metrics, name, role),
    })
    const labels = { backend: name, role }
    const setInFlight = metrics.gauge('godwit_backend_requests_in_flight', labels)
    const setQueued = metrics.gauge('godwit_backend_requests_queued', labels)
    metrics.onSnapshot(() => {
      setInFlight(guarded.inFlight)
      setQueued(guarded.queued)
    })
    return guarded
  }
  return new Map(
    Object.entries(config).map(([name, origin]) => [
      name,
      { primary: guard(name, 'primary', origin), shadow: guard(name, 'shadow', origin) },
    ]),
  )
}

export async function closeOrigins(origins: Origins): Promise<void> {
  const guards = Array.from(origins.values(), ({ primary, shadow }) => [primary, shadow]).flat()
  await Promise.all(guards.map((guard) => guard.close()))
}

function connect(
  name: string,
  origin: OriginConfig,
  { role, clock, logger }: Pick<OriginsOptions, 'clock' | 'logger'> & { readonly role: BackendRole },
): Backend {
  const { api, host, port, clusters, deadlineMs } = origin
  const otherAddresses = origin.otherAddresses.flatMap((text) => parseAddress(text) ?? [])
  const isPipelined = isPipelining(origin)
  const connections = connectionsOf(role, origin)
  const settings = { host, port, otherAddresses, connections, isPipelined, deadlineMs }
  switch (api) {
    case 'kvstore':
      return new KVStoreOrigin(name, settings, { clock, logger })
    case 'terrapin':
      return new TerrapinOrigin(name, { ...settings, clusters }, { clock, logger })
  }
}

function isPipelining({ api, pipelining }: OriginConfig): boolean {
  return pipelining === 'auto' ? api !== 'terrapin' : pipelining === 'on'
}

function connectionsOf(role: BackendRole, origin: OriginConfig): number {
  const usual = isPipelining(origin) ? PIPELINED_CONNECTIONS : SERIAL_CONNECTIONS
  const connections = origin.connections === 0 ? usual : origin.connections
  return role === 'primary' ? connections : Math.max(1, Math.ceil(connections * SHADOW_CONNECTIONS))
}

/** Where calls are not pipelined, those beyond the connections wait here and not in the client, which refuses them. */
function guardSettings(role: BackendRole, origin: OriginConfig): GuardSettings {
  const { maxInFlight, hedgeAfterMs, retryPercent, breakerResetMs, deadlineMs } = origin
  const allowed = role === 'primary' ? maxInFlight : Math.max(1, Math.ceil(maxInFlight * SHADOW_IN_FLIGHT))
  return {
    maxInFlight: isPipelining(origin) ? allowed : Math.min(allowed, connectionsOf(role, origin)),
    maxQueued: allowed * QUEUED_PER_IN_FLIGHT,
    // Nobody waits for a shadow read.
    hedgeAfterMs: role === 'primary' ? hedgeAfterMs : 0,
    retryPercent,
    breakerResetMs,
    probeTimeoutMs: Math.min(deadlineMs, MAX_PROBE_MS),
    deadlineMs,
  }
}

function countedEvents(metrics: ThreadMetrics, backend: string, role: BackendRole): GuardEvents {
  const labels = { backend, role }
  const observe = metrics.histogram('godwit_backend_request_duration_seconds', labels)
  const answers = new Map<ErrorCode | null, () => void>()
  const attempts = (kind: string) => metrics.counter('godwit_backend_attempts_total', { ...labels, kind })
  const refused = (reason: string) => metrics.counter('godwit_backend_refused_total', { ...labels, reason })
  const byKind = { retry: attempts('retry'), hedge: attempts('hedge'), probe: attempts('probe') }
  const byReason = { breaker: refused('breaker'), bulkhead: refused('bulkhead') }
  return {
    onAnswer(durationMs, code) {
      observe(durationMs / 1000)
      let count = answers.get(code)
      if (count === undefined) {
        count = metrics.counter('godwit_backend_requests_total', { ...labels, code: code ?? '' })
        answers.set(code, count)
      }
      count()
    },
    onAttempt: (kind) => byKind[kind](),
    onRefused: (reason) => byReason[reason](),
  }
}
