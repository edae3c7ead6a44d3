/** An HTTP proxy in front of one server that holds back requests of a method until a test lets them go. */
import {
  createServer,
  request as startRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const WAIT_MS = 30_000

export class HoldingProxy {
  readonly #server: Server
  readonly #target: URL
  #method = ''
  /** So many of the method pass first. */
  #passing = 0
  readonly #held: (() => void)[] = []

  private constructor(target: string) {
    this.#target = new URL(target)
    this.#server = createServer((request, response) => this.#serve(request, response))
  }

  static async start(target: string): Promise<HoldingProxy> {
    const proxy = new HoldingProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo // a TCP server's address is an object
    return `http://127.0.0.1:${port}`
  }

  hold(method: string, passing = 0): void {
    this.#method = method
    this.#passing = passing
  }

  async untilHeld(): Promise<void> {
    const untilMs = performance.now() + WAIT_MS
    while (this.#held.length === 0) {
      if (performance.now() > untilMs) throw new Error(`no ${this.#method} came`)
      await pause(5)
    }
  }

  release(): void {
    this.#method = ''
    for (const go of this.#held.splice(0)) go()
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    if (request.method === this.#method && --this.#passing < 0) {
      this.#held.push(() => this.#forward(request, response))
    } else this.#forward(request, response)
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    // Who asked may be gone.
    if (request.destroyed) return
    const { method, url, headers } = request
    const { hostname, port } = this.#target
    const onward = startRequest({ hostname, port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    request.on('error', () => onward.destroy())
    request.pipe(onward)
  }
}
