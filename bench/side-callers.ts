/**
 * Callers of one dataset in the bench's own process, each on a connection of its own, one call at a time with a short pause
 * between two: often enough to see a change within milliseconds, and far from all that the machine can do.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { KVError } from '../src/base/errors.js'
import { ThriftClient } from '../src/thrift/client.js'
import * as wire from '../src/thrift/generated/kvstore.js'
import type { SideAnswer } from './side-answers.js'

export interface SideCallersOptions {
  readonly port: number
  readonly dataset: string
  readonly keys: readonly Buffer[]
  readonly callers: number
  /** Between an answer and the caller's next call. */
  readonly pauseMs: number
}

const DEADLINE_MS = 5_000
const POLL_MS = 2

export class SideCallers {
  readonly callers: number
  readonly #options: SideCallersOptions
  readonly #clients: readonly ThriftClient[]
  readonly #ended: Promise<unknown>
  #answers: SideAnswer[] = []
  #isStopped = false
  /** Answers, and errors among them, since the start. */
  answered = 0
  failed = 0
  /** What the first errors said. */
  readonly faults: string[] = []

  constructor(options: SideCallersOptions) {
    const { port, callers } = options
    this.#options = options
    this.callers = callers
    this.#clients = Array.from(
      { length: callers },
      () => new ThriftClient({ name: 'caller', host: '127.0.0.1', port, connections: 1 }),
    )
    this.#ended = Promise.all(this.#clients.map((client, caller) => this.#callOn(client, caller)))
  }

  /** All since the last look. */
  take(): SideAnswer[] {
    const answers = this.#answers
    this.#answers = []
    return answers
  }

  /** Waits until every caller had an answer to a call that began from now on. @throws when one waits too long */
  async turn(): Promise<void> {
    const sinceMs = performance.now()
    const heard = new Set<number>()
    let at = this.#answers.length
    while (heard.size < this.callers) {
      await pause(POLL_MS)
      for (; at < this.#answers.length; at += 1) {
        const answer = this.#answers[at]
        if (answer !== undefined && answer.sentAtMs >= sinceMs) heard.add(answer.caller)
      }
      if (performance.now() - sinceMs > 2 * DEADLINE_MS) throw new Error('a caller hears nothing any more')
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#ended
    for (const client of this.#clients) await client.close()
  }

  async #callOn(client: ThriftClient, caller: number): Promise<void> {
    const { keys, callers, pauseMs } = this.#options
    for (let at = caller; !this.#isStopped; at += callers) {
      const sentAtMs = performance.now()
      const value = await this.#get(client, keys[at % keys.length] ?? Buffer.alloc(0))
      this.answered += 1
      this.#answers.push({ caller, sentAtMs, answeredAtMs: performance.now(), value })
      await pause(pauseMs)
    }
  }

  #get(client: ThriftClient, key: Buffer): Promise<string | null> {
    const request = wire.makeGetRequest({ dataset: this.#options.dataset, key })
    return new Promise((resolve) => {
      client.call(wire.KVStoreMethods.get, { request }, performance.now() + DEADLINE_MS, (outcome) => {
        if (outcome instanceof KVError) resolve(this.#fail(outcome.message))
        else if (outcome.value === null) resolve(this.#fail(outcome.exception?.error?.message ?? 'nothing'))
        else resolve(outcome.value.value?.toString() ?? this.#fail('no such row'))
      })
    })
  }

  #fail(text: string): null {
    this.failed += 1
    if (this.faults.length < 5) this.faults.push(text)
    return null
  }
}
