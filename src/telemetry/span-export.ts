/**
 * Finished traces to a collector, by OTLP over HTTP with JSON bodies. The one place that knows OpenTelemetry's packages;
 * loaded only where `telemetry.otlpUrl` is set.
 *
 * Bounded and harmless: at most limits.maxQueuedSpans wait, one batch is under way at a time, and what finds no room or
 * cannot be delivered is dropped and counted. No request ever waits for it.
 */
import { ROOT_CONTEXT, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { AlwaysOnSampler, BasicTracerProvider } from '@opentelemetry/sdk-trace-node'
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-node'
import { limits } from '../base/limits.js'
import type { FinishedTrace } from './recorder.js'

const FLUSH_INTERVAL_MS = 500
const BATCH_SPANS = 512
const EXPORT_TIMEOUT_MS = 5_000
/** ExportResultCode.SUCCESS of OpenTelemetry's core, which only its packages depend on. */
const EXPORT_SUCCESS = 0
/** At the end of the process what waits is sent, but not for long. */
const LAST_FLUSH_MS = 2_000

export type SpanOutcome = 'exported' | 'dropped' | 'failed'

export interface SpanExportOptions {
  /** Whole URL of the collector's traces, for instance http://127.0.0.1:4318/v1/traces. */
  readonly url: string
  readonly build: string
  /** Name of the thread. */
  readonly thread: string
  readonly onOutcome: (outcome: SpanOutcome, count: number) => void
  /** How long the end waits for what is left. */
  readonly lastFlushMs?: number
}

export class SpanExport {
  readonly #queue: SpanQueue
  readonly #provider: BasicTracerProvider
  readonly #build: string

  constructor(options: SpanExportOptions) {
    const { url, build, thread } = options
    this.#build = build
    this.#queue = new SpanQueue(new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS }), options)
    this.#provider = new BasicTracerProvider({
      sampler: new AlwaysOnSampler(),
      resource: resourceFromAttributes({
        'service.name': 'godwit',
        'service.version': build,
        'process.pid': process.pid,
        'thread.name': thread,
      }),
      spanProcessors: [this.#queue],
    })
  }

  add({ remote, attributes, isFailed, spans }: FinishedTrace): void {
    const tracer = this.#provider.getTracer('godwit', this.#build)
    const outermost =
      remote === null
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, {
            traceId: remote.traceId,
            spanId: remote.spanId,
            traceFlags: TraceFlags.SAMPLED,
            isRemote: true,
          })
    const contexts: (typeof ROOT_CONTEXT)[] = []
    for (const { name, startMs, endMs, parent } of spans) {
      const within = parent === null ? (contexts[0] ?? outermost) : (contexts[parent] ?? outermost)
      const span = tracer.startSpan(name, { startTime: highResolution(startMs), attributes }, within)
      if (isFailed) span.setStatus({ code: SpanStatusCode.ERROR })
      contexts.push(trace.setSpan(within, span))
      span.end(highResolution(endMs))
    }
  }

  /** Sends what waits, but not for long, and lets go of the collector. */
  async close(): Promise<void> {
    await this.#provider.shutdown()
  }
}

/** Seconds and nanoseconds; a plain number would lose the fraction or be taken for a monotonic one. */
function highResolution(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)]
}

class SpanQueue implements SpanProcessor {
  readonly #exporter: OTLPTraceExporter
  readonly #onOutcome: SpanExportOptions['onOutcome']
  readonly #lastFlushMs: number
  readonly #timer: NodeJS.Timeout
  #waiting: ReadableSpan[] = []
  #underWay: Promise<void> | null = null

  constructor(exporter: OTLPTraceExporter, { onOutcome, lastFlushMs = LAST_FLUSH_MS }: SpanExportOptions) {
    this.#exporter = exporter
    this.#onOutcome = onOutcome
    this.#lastFlushMs = lastFlushMs
    this.#timer = setInterval(() => this.#send(), FLUSH_INTERVAL_MS).unref()
  }

  onStart(): void {
    // Spans are of interest when they have ended.
  }

  onEnd(span: ReadableSpan): void {
    if (this.#waiting.length >= limits.maxQueuedSpans) {
      this.#onOutcome('dropped', 1)
      return
    }
    this.#waiting.push(span)
    if (this.#waiting.length === BATCH_SPANS) this.#send()
  }

  async forceFlush(): Promise<void> {
    while (this.#waiting.length > 0 || this.#underWay !== null) {
      this.#send()
      await this.#underWay
    }
  }

  async shutdown(): Promise<void> {
    clearInterval(this.#timer)
    let cancel: () => void = () => undefined
    const limit = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#lastFlushMs)
      cancel = () => clearTimeout(timer)
    })
    await Promise.race([this.forceFlush(), limit])
    cancel()
    if (this.#waiting.length > 0) this.#onOutcome('dropped', this.#waiting.length)
    this.#waiting = []
  }

  #send(): void {
    if (this.#underWay !== null || this.#waiting.length === 0) return
    const batch = this.#waiting.splice(0, BATCH_SPANS)
    this.#underWay = this.#export(batch).then((outcome) => {
      this.#underWay = null
      this.#onOutcome(outcome, batch.length)
      if (outcome === 'exported' && this.#waiting.length >= BATCH_SPANS) this.#send()
    })
  }

  #export(batch: ReadableSpan[]): Promise<SpanOutcome> {
    return new Promise((resolve) => {
      this.#exporter.export(batch, ({ code }: { readonly code: number }) => {
        resolve(code === EXPORT_SUCCESS ? 'exported' : 'failed')
      })
    })
  }
}
