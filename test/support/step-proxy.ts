/**
 * Stands between a gateway and a leaf process and knows the steps of copies that pass: a test can have something happen just
 * before the leaf hears of a step, or just after it has done it and before the gateway hears of that.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

export type CopyStepName = 'list' | 'file' | 'adopt' | 'remove'

export interface StepTrap {
  readonly step: CopyStepName
  readonly when: 'before' | 'after'
  /** What happens; the step goes on, or its answer gets lost, when it has. */
  readonly spring: () => Promise<unknown>
}

export class StepProxy {
  readonly #server: Server
  readonly #leafPort: () => number
  #trap: StepTrap | null = null

  private constructor(leafPort: () => number) {
    this.#leafPort = leafPort
    this.#server = createServer((incoming, response) => {
      this.#serve(incoming, response).catch(() => response.destroy())
    })
  }

  static async start(leafPort: () => number): Promise<StepProxy> {
    const proxy = new StepProxy(leafPort)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}` // a TCP server's address is an object
  }

  /** The next such step springs it, once. */
  set(trap: StepTrap): void {
    this.#trap = trap
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const step = stepOf(incoming)
    const trap = this.#trap !== null && this.#trap.step === step ? this.#trap : null
    if (trap !== null) this.#trap = null
    if (trap?.when === 'before') await trap.spring()
    const answer = await this.#forward(incoming)
    if (trap?.when === 'after') await trap.spring()
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  }

  #forward(incoming: IncomingMessage): Promise<IncomingMessage> {
    const { method, url, headers } = incoming
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { host: '127.0.0.1', port: this.#leafPort(), method, path: url, headers },
        resolve,
      )
      outgoing.once('error', reject)
      incoming.pipe(outgoing)
    })
  }
}

function stepOf({ method, url = '' }: IncomingMessage): CopyStepName | null {
  const { pathname } = new URL(url, 'http://leaf')
  if (!pathname.startsWith('/v1/copies/')) return null
  if (method === 'DELETE') return 'remove'
  if (method === 'PUT') return 'file'
  if (method === 'POST') return pathname.endsWith('/adopt') ? 'adopt' : 'list'
  return null
}
