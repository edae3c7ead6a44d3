/** Traces of one thread, where they are configured. */
import type { Clock } from '../base/clock.js'
import type { ThreadMetrics } from '../base/metrics.js'
import { TraceRecorder } from './recorder.js'

/** As in the configuration. */
export interface TelemetrySettings {
  /** Empty: no traces. */
  readonly otlpUrl: string
  /** Of requests whose caller does not say: 0 to 1. */
  readonly sampleShare: number
}

export interface TelemetryOptions {
  readonly settings: TelemetrySettings
  readonly build: string
  /** Name of the thread. */
  readonly thread: string
  readonly clock: Clock
  readonly metrics: ThreadMetrics
}

/** Answers what ends it: sends what waits. Where no collector is set it does nothing and loads nothing. */
export async function startTelemetry(options: TelemetryOptions): Promise<() => Promise<void>> {
  const { settings, build, thread, clock, metrics } = options
  const { otlpUrl: url, sampleShare } = settings
  if (url === '') return () => Promise.resolve()
  const { SpanExport } = await import('./span-export.js')
  const spans = new SpanExport({
    url,
    build,
    thread,
    onOutcome: (outcome, count) => metrics.counter('godwit_trace_spans_total', { outcome })(count),
  })
  new TraceRecorder({ clock, sampleShare, onTrace: (trace) => spans.add(trace) }).start()
  return () => spans.close()
}
