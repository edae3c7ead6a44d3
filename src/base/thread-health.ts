/**
 * How well a thread is: delay and use of its event loop, pauses of the garbage collector, heap, log lines left out. One in
 * every thread, started once and never stopped. Costs 20 timer calls a second and a callback a collection.
 */
import { PerformanceObserver, constants, performance } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import { suppressedLineCount } from './logger.js'
import type { ThreadMetrics } from './metrics.js'

/** Delays are sampled: a stall of d milliseconds is seen with a chance of d in 50. */
const SAMPLE_INTERVAL_MS = 50

const KINDS: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weak'],
])

export function watchThread(metrics: ThreadMetrics, thread: string): void {
  watchDelay(metrics, thread)
  watchCollections(metrics, thread)
  watchUse(metrics, thread)
}

function watchDelay(metrics: ThreadMetrics, thread: string): void {
  const observe = metrics.histogram('godwit_event_loop_delay_seconds', { thread })
  let dueAtMs = performance.now() + SAMPLE_INTERVAL_MS
  const timer = setInterval(() => {
    const nowMs = performance.now()
    observe(Math.max(0, nowMs - dueAtMs) / 1000)
    dueAtMs = nowMs + SAMPLE_INTERVAL_MS
  }, SAMPLE_INTERVAL_MS)
  timer.unref()
}

function watchCollections(metrics: ThreadMetrics, thread: string): void {
  const observers = new Map<string, (seconds: number) => void>()
  for (const kind of KINDS.values()) {
    observers.set(kind, metrics.histogram('godwit_gc_pause_seconds', { thread, kind }))
  }
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) observers.get(kindOf(entry))?.(entry.duration / 1000)
  })
  observer.observe({ entryTypes: ['gc'] })
}

/** Entries of collections say in `detail` what kind they were; the type of entries in general does not know it. */
function kindOf(entry: object): string {
  const detail: unknown = Reflect.get(entry, 'detail')
  if (typeof detail !== 'object' || detail === null || !('kind' in detail)) return ''
  return KINDS.get(Number(detail.kind)) ?? ''
}

/** Totals since the thread's start, so that any number of scrapers see the same rates. */
function watchUse(metrics: ThreadMetrics, thread: string): void {
  const addActive = metrics.counter('godwit_event_loop_active_seconds_total', { thread })
  const addIdle = metrics.counter('godwit_event_loop_idle_seconds_total', { thread })
  const setUsed = metrics.gauge('godwit_heap_used_bytes', { thread })
  const setLimit = metrics.gauge('godwit_heap_limit_bytes', { thread })
  const setExternal = metrics.gauge('godwit_external_bytes', { thread })
  const addSuppressed = metrics.counter('godwit_log_lines_suppressed_total', { thread })
  let suppressedBefore = 0
  let before = performance.eventLoopUtilization()
  metrics.onSnapshot(() => {
    const now = performance.eventLoopUtilization()
    const { active, idle } = performance.eventLoopUtilization(now, before)
    before = now
    addActive(Math.max(0, active) / 1000)
    addIdle(Math.max(0, idle) / 1000)
    const { used_heap_size: used, heap_size_limit: limit, external_memory: external } = getHeapStatistics()
    setUsed(used)
    setLimit(limit)
    setExternal(external)
    const suppressed = suppressedLineCount()
    addSuppressed(suppressed - suppressedBefore)
    suppressedBefore = suppressed
  })
}
