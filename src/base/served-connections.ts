/**
 * What the servers of framed protocols share on a data thread: the list of connections that are open, with the bounds on
 * their number, memory and patience, and the list of those that have answers to send.
 */
import type { Clock } from './clock.js'
import { type Deadline, remainingMs } from './deadline.js'

/** What they need of a connection. */
export interface ServedConnection {
  /** Owned by FlushTurns. */
  isDirty: boolean
  /** Bytes of memory held for incomplete requests and unread answers. */
  readonly heldBytes: number
  /** Since when the peer has owed us the rest of a request or the reading of answers; infinite when it owes nothing. */
  readonly owesSinceMs: number
  /** Nothing in flight and no whole request for so long: a silent peer, a trickling one, or one that reads nothing. */
  isIdleSince(instantMs: number): boolean
  /** A request, or what must come before one, began before that and has not ended. */
  isLateSince(instantMs: number): boolean
  /** Hands what was encoded to the socket, then goes on with whatever had to wait for that. */
  flush(): void
  /** Reads no further request; answers what is in flight, then ends. */
  finish(): void
  destroy(): void
}

/**
 * Answers given during one callback (a data event, or an engine that answers a whole batch) leave in one write a
 * connection, when that callback, a turn, is over.
 */
export class FlushTurns {
  readonly #dirty: ServedConnection[] = []
  #depth = 0
  #isScheduled = false

  begin(): void {
    this.#depth++
  }

  end(): void {
    if (--this.#depth === 0) this.#flush()
  }

  /** The connection has answers to send. */
  mark(connection: ServedConnection): void {
    if (connection.isDirty) return
    connection.isDirty = true
    this.#dirty.push(connection)
    if (this.#depth > 0 || this.#isScheduled) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#flush()
    })
  }

  /** Flushing one connection may let it read on and get dirty again, which is why the list may grow meanwhile. */
  #flush(): void {
    const dirty = this.#dirty
    if (dirty.length === 0) return
    this.#depth++
    for (let connection = dirty.pop(); connection !== undefined; connection = dirty.pop()) {
      connection.isDirty = false
      connection.flush()
    }
    this.#depth--
  }
}

/** Why a connection was closed without a fault of its bytes. */
export type RefusalReason = 'connections' | 'draining' | 'memory' | 'slow-request'

export interface ServedConnectionsLimits {
  readonly maxConnections: number
  readonly maxBufferedBytesPerThread: number
  /** From the first byte of a request to its last. */
  readonly frameTimeoutMs: number
  readonly idleConnectionMs: number
}

export interface ServedConnectionsOptions<C extends ServedConnection> {
  readonly limits: ServedConnectionsLimits
  readonly clock: Clock
  /** A connection is cut off or ends by a limit. */
  readonly onRefused: (connection: C, reason: RefusalReason, message: string) => void
}

const [MIN_SWEEP_MS, MAX_SWEEP_MS] = [100, 30_000]

export class ServedConnections<C extends ServedConnection> {
  readonly #options: ServedConnectionsOptions<C>
  readonly #open = new Set<C>()
  readonly #sweep: NodeJS.Timeout
  #heldBytes = 0
  #isDraining = false
  #onEmpty: (() => void) | null = null

  constructor(options: ServedConnectionsOptions<C>) {
    this.#options = options
    const { idleConnectionMs, frameTimeoutMs } = options.limits
    const wishedMs = Math.min(idleConnectionMs, frameTimeoutMs) / 10
    const sweepMs = Math.min(MAX_SWEEP_MS, Math.max(MIN_SWEEP_MS, wishedMs))
    this.#sweep = setInterval(() => this.closeIdle(), sweepMs).unref()
  }

  get size(): number {
    return this.#open.size
  }

  /** Memory held for incomplete requests and unread answers. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  all(): Iterable<C> {
    return this.#open
  }

  /** Why no further connection is taken; null: one is. */
  refusal(): RefusalReason | null {
    if (this.#isDraining) return 'draining'
    return this.#open.size >= this.#options.limits.maxConnections ? 'connections' : null
  }

  add(connection: C): void {
    this.#open.add(connection)
  }

  /** False: it was not there. */
  remove(connection: C): boolean {
    if (!this.#open.delete(connection)) return false
    if (this.#open.size === 0) this.#onEmpty?.()
    return true
  }

  /** May destroy connections when the thread holds too much. */
  adjustHeldBytes(delta: number): void {
    this.#heldBytes += delta
    if (delta > 0) this.#shed()
  }

  /** Closes those that were silent for too long, or too slow with what they began; its own timer calls it, too. */
  closeIdle(): void {
    const { limits, clock, onRefused } = this.#options
    const nowMs = clock.monotonicMs()
    const silentSince = nowMs - limits.idleConnectionMs
    const begunBefore = nowMs - limits.frameTimeoutMs
    for (const connection of this.#open) {
      if (connection.isIdleSince(silentSince)) connection.destroy()
      else if (connection.isLateSince(begunBefore)) {
        onRefused(connection, 'slow-request', 'connection closed: a request did not arrive whole in time')
        // What was asked before is still answered.
        connection.finish()
      }
    }
  }

  /**
   * Takes no new connections and reads no further requests; resolves when every request that was read is answered and
   * every connection is closed, or cut at the deadline.
   */
  async drain(deadline: Deadline): Promise<void> {
    this.#stopTaking()
    for (const connection of this.#open) connection.finish()
    const leftMs = remainingMs(deadline, this.#options.clock.monotonicMs())
    const cut = leftMs === Number.POSITIVE_INFINITY ? null : setTimeout(() => this.#destroyAll(), leftMs)
    await this.#whenEmpty()
    if (cut !== null) clearTimeout(cut)
  }

  /** Cuts every connection. */
  async close(): Promise<void> {
    this.#stopTaking()
    this.#destroyAll()
    await this.#whenEmpty()
  }

  #stopTaking(): void {
    this.#isDraining = true
    clearInterval(this.#sweep)
  }

  /** The thread holds too much: whoever has caused it for longest goes, never whoever came last. */
  #shed(): void {
    const { limits, onRefused } = this.#options
    while (this.#heldBytes > limits.maxBufferedBytesPerThread) {
      const culprit = this.#findCulprit()
      if (culprit === null) return
      const why = 'connection cut: the thread holds too many bytes, and this one has for longest'
      onRefused(culprit, 'memory', why)
      culprit.destroy()
    }
  }

  /**
   * Of the connections that hold more than half an equal share, the one whose peer has owed us something for longest.
   * While the budget is exceeded, the others hold less than half of it, so that a small request is never the culprit.
   */
  #findCulprit(): C | null {
    const large = this.#options.limits.maxBufferedBytesPerThread / this.#open.size / 2
    let culprit: C | null = null
    for (const connection of this.#open) {
      if (connection.heldBytes <= large) continue
      if (culprit === null || connection.owesSinceMs < culprit.owesSinceMs) culprit = connection
    }
    return culprit
  }

  #destroyAll(): void {
    for (const connection of this.#open) connection.destroy()
  }

  #whenEmpty(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const previous = this.#onEmpty
      this.#onEmpty = () => {
        previous?.()
        resolve()
      }
    })
  }
}
