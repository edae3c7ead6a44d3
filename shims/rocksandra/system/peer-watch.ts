/**
 * Whether the gateways that drivers are shown as peers serve CQL. Nodes of Cassandra tell each other; a gateway asks its
 * peers, so that drivers hear of one that went or came back as they do from a node.
 *
 * A peer is taken to serve until it has failed twice in a row, and again from its first answer on.
 */
import { type Socket, connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { StartTimer } from '../../../src/base/clock.js'
import { HEADER_SIZE, IS_RESPONSE, MAX_VERSION, OPCODES } from '../protocol/constants.js'

export interface PeerWatchOptions {
  readonly peers: readonly string[]
  /** From the end of one round to the beginning of the next. */
  readonly intervalMs: number
  readonly startTimer: StartTimer
  /** Whether it serves. Never rejects. */
  readonly probe: (address: string) => Promise<boolean>
  readonly onChange: (address: string, isUp: boolean) => void
}

const FAILURES_BEFORE_DOWN = 2

export class PeerWatch {
  readonly #options: PeerWatchOptions
  /** In a row, of each peer. */
  readonly #failures = new Map<string, number>()

  constructor(options: PeerWatchOptions) {
    this.#options = options
  }

  /** Asks all of them now, and then again and again; no more than one round runs at a time. */
  start(): void {
    const { peers, startTimer, intervalMs } = this.#options
    void Promise.all(peers.map((peer) => this.#ask(peer))).finally(() => {
      startTimer(intervalMs, () => this.start())
    })
  }

  async #ask(peer: string): Promise<void> {
    const isServing = await this.#options.probe(peer)
    const before = this.#failures.get(peer) ?? 0
    const now = isServing ? 0 : before + 1
    this.#failures.set(peer, now)
    if (now === FAILURES_BEFORE_DOWN) this.#options.onChange(peer, false)
    if (isServing && before >= FAILURES_BEFORE_DOWN) this.#options.onChange(peer, true)
  }
}

export interface ProbeOptions {
  readonly port: number
  readonly hasTls: boolean
  readonly timeoutMs: number
}

/** OPTIONS, which every node answers before anybody has logged in. */
const QUESTION = Buffer.of(MAX_VERSION, 0, 0, 0, OPCODES.OPTIONS, 0, 0, 0, 0)

/** Whether a node of CQL answers there. Never rejects. */
export function probePeer(host: string, { port, hasTls, timeoutMs }: ProbeOptions): Promise<boolean> {
  return new Promise((resolve) => {
    // Nothing is told and nothing believed but that somebody is there: whose certificate it is matters to clients.
    const socket: Socket = hasTls
      ? connectTls({ host, port, rejectUnauthorized: false })
      : connect({ host, port })
    const end = (isServing: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(isServing)
    }
    const timer = setTimeout(() => end(false), timeoutMs)
    let received = Buffer.alloc(0)
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < HEADER_SIZE) return
      end(received[0] === (MAX_VERSION | IS_RESPONSE) && received[4] === OPCODES.SUPPORTED)
    })
    socket.write(QUESTION)
  })
}
