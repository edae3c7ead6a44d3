/** An OTLP collector over HTTP: keeps the spans that it is sent, decoded from JSON, and can be told to fail. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { type IncomingMessage, type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const WAIT_MS = 20_000

export interface CollectedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | null
  readonly startNs: bigint
  readonly endNs: bigint
  readonly isError: boolean
  readonly attributes: Readonly<Record<string, string>>
  readonly resource: Readonly<Record<string, string>>
}

interface WireValue {
  readonly stringValue?: string
  readonly intValue?: number | string
}

interface WireAttribute {
  readonly key: string
  readonly value: WireValue
}

interface WireBody {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly WireAttribute[] }
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string
        readonly traceId: string
        readonly spanId: string
        readonly parentSpanId?: string
        readonly startTimeUnixNano: string
        readonly endTimeUnixNano: string
        readonly status?: { readonly code?: number }
        readonly attributes: readonly WireAttribute[]
      }[]
    }[]
  }[]
}

export class Collector {
  readonly spans: CollectedSpan[] = []
  /** Everything that was received, as text. */
  text = ''
  /** Status of the answers. */
  status = 200
  readonly #server: Server
  readonly #events = new EventEmitter()

  private constructor() {
    this.#server = createServer((request, response) => {
      void readAll(request).then((text) => {
        this.text += text
        if (this.status === 200) this.#keep(text)
        response.writeHead(this.status, { 'content-type': 'application/json' }).end('{}')
        this.#events.emit('request')
      })
    })
  }

  static async start(): Promise<Collector> {
    const collector = new Collector()
    collector.#server.listen(0, '127.0.0.1')
    await once(collector.#server, 'listening')
    return collector
  }

  get url(): string {
    // A server that listens on TCP has an address of this form.
    const { port } = this.#server.address() as AddressInfo
    return `http://127.0.0.1:${port}/v1/traces`
  }

  /** Waits until `isThere` holds for what was received. */
  async until(isThere: (spans: readonly CollectedSpan[]) => boolean): Promise<void> {
    const signal = AbortSignal.timeout(WAIT_MS)
    while (!isThere(this.spans)) await once(this.#events, 'request', { signal })
  }

  async nextRequest(): Promise<void> {
    await once(this.#events, 'request', { signal: AbortSignal.timeout(WAIT_MS) })
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #keep(text: string): void {
    const body = JSON.parse(text) as WireBody // what the exporter sends; the assertions hold for anything
    assert.ok('resourceSpans' in body, 'no OTLP request')
    for (const { resource, scopeSpans } of body.resourceSpans) {
      for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
        this.spans.push({
          name: span.name,
          traceId: span.traceId,
          spanId: span.spanId,
          parentSpanId: span.parentSpanId ?? null,
          startNs: BigInt(span.startTimeUnixNano),
          endNs: BigInt(span.endTimeUnixNano),
          isError: span.status?.code === 2,
          attributes: plain(span.attributes),
          resource: plain(resource.attributes),
        })
      }
    }
  }
}

function plain(attributes: readonly WireAttribute[]): Record<string, string> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? String(value.intValue ?? '')]),
  )
}

async function readAll(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer) // an undecoded stream gives Buffers
  return Buffer.concat(parts).toString('utf8')
}
