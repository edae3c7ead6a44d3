/**
 * Bounds what one backend, in one role, may hold of a thread: calls in flight, calls that wait for their turn, and the
 * bytes of both. Beyond it calls are refused as OVERLOADED at once, so that a backend that stalls costs the others nothing.
 * Calls that wait are refused when their time is up, many of them a few at a time.
 */
import type { Clock, StartTimer } from '../base/clock.js'
import type { Deadline } from '../base/deadline.js'
import { KVError } from '../base/errors.js'

export interface BulkheadOptions {
  /** The backend's name, for errors. */
  readonly name: string
  readonly maxInFlight: number
  readonly maxQueued: number
  /** Bytes of requests, those in flight and those that wait. */
  readonly maxBytes: number
  readonly clock: Clock
  readonly startTimer: StartTimer
}

/** A call that wants in. Exactly one of its functions is called, once. */
export interface Entrant {
  readonly bytes: number
  readonly deadline: Deadline
  /** Its turn has come; it calls `leave` with its bytes when it has ended. */
  start(): void
  refuse(error: KVError): void
}

/** Each look for late calls passes over all that wait: of many, each with a deadline of its own, not every millisecond. */
const MANY = 1_000
const PAUSE_OF_MANY_MS = 10

/** Of those that end together: each may be answered elsewhere then, and others are served in between. */
const AT_ONCE = 16

export class Bulkhead {
  readonly #options: BulkheadOptions
  /** In the order of their coming; those that were refused are gone. */
  #queue: Entrant[] = []
  /** Refused, and not told so yet. */
  #refused: { readonly entrant: Entrant; readonly error: KVError }[] = []
  #stopTelling: (() => void) | null = null
  #inFlight = 0
  #bytes = 0
  #isStarting = false
  /** Until the next ones are started. */
  #stopPause: (() => void) | null = null
  #timerAtMs = Number.POSITIVE_INFINITY
  #stopTimer: (() => void) | null = null

  constructor(options: BulkheadOptions) {
    this.#options = options
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get queued(): number {
    return this.#queue.length
  }

  /** A call more would be refused, however few bytes it has. */
  get isFull(): boolean {
    return this.#queue.length >= this.#options.maxQueued || this.#bytes >= this.#options.maxBytes
  }

  enter(entrant: Entrant): void {
    if (this.tryEnter(entrant.bytes)) {
      entrant.start()
      return
    }
    const { name, maxQueued } = this.#options
    if (this.#queue.length >= maxQueued || !this.#hasRoom(entrant.bytes)) {
      const text = `${name}: ${this.#inFlight} calls in flight and ${this.#queue.length} waiting are all it may have`
      entrant.refuse(new KVError('OVERLOADED', text, { backend: name, outcome: 'NOT_APPLIED' }))
      return
    }
    this.#bytes += entrant.bytes
    this.#queue.push(entrant)
    this.#watch(entrant.deadline)
  }

  /** Enters if there is room this moment and nobody waits. */
  tryEnter(bytes: number): boolean {
    if (this.#inFlight >= this.#options.maxInFlight || this.#queue.length > 0) return false
    if (!this.#hasRoom(bytes)) return false
    this.#inFlight += 1
    this.#bytes += bytes
    return true
  }

  leave(bytes: number): void {
    this.#inFlight -= 1
    this.#bytes -= bytes
    this.#startWaiting()
  }

  /** All that wait: their turn would come in vain. */
  refuseWaiting(error: () => KVError): void {
    if (this.#queue.length === 0) return
    const waiting = this.#queue
    this.#queue = []
    this.#refuse(waiting, error())
  }

  close(): void {
    this.#stopTimer?.()
    this.#stopTimer = null
    this.#timerAtMs = Number.POSITIVE_INFINITY
    const { name } = this.#options
    this.refuseWaiting(() => new KVError('UNAVAILABLE', `${name} was closed`, { outcome: 'NOT_APPLIED' }))
    this.#stopPause?.()
    this.#stopPause = null
    this.#stopTelling?.()
    this.#tell(Number.POSITIVE_INFINITY)
  }

  /**
   * One after the other: calls of a backend that is gone end as they start, and each would start the next inside itself. Of
   * those a few at a time, after which its breaker is open.
   */
  #startWaiting(): void {
    if (this.#isStarting || this.#stopPause !== null) return
    this.#isStarting = true
    try {
      for (let started = 0; this.#inFlight < this.#options.maxInFlight; started += 1) {
        if (started === AT_ONCE && this.#queue.length > 0) {
          this.#stopPause = this.#options.startTimer(1, () => {
            this.#stopPause = null
            this.#startWaiting()
          })
          return
        }
        const next = this.#queue.shift()
        if (next === undefined) return
        this.#inFlight += 1
        next.start()
      }
    } finally {
      this.#isStarting = false
    }
  }

  /** A call alone may be as large as it likes: others bound it. */
  #hasRoom(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#options.maxBytes
  }

  /** One timer, at the earliest deadline of those that wait. */
  #watch(deadline: Deadline): void {
    if (deadline >= this.#timerAtMs || deadline === Number.POSITIVE_INFINITY) return
    const { clock, startTimer } = this.#options
    const nowMs = clock.monotonicMs()
    const leastMs = this.#queue.length > MANY ? PAUSE_OF_MANY_MS : 1
    const delayMs = Math.max(leastMs, Math.ceil(deadline - nowMs))
    if (nowMs + delayMs >= this.#timerAtMs) return
    this.#stopTimer?.()
    this.#timerAtMs = nowMs + delayMs
    this.#stopTimer = startTimer(delayMs, () => this.#expire())
  }

  #expire(): void {
    this.#stopTimer = null
    this.#timerAtMs = Number.POSITIVE_INFINITY
    const nowMs = this.#options.clock.monotonicMs()
    const late: Entrant[] = []
    const waiting: Entrant[] = []
    let earliest = Number.POSITIVE_INFINITY
    for (const entrant of this.#queue) {
      if (entrant.deadline <= nowMs) late.push(entrant)
      else {
        waiting.push(entrant)
        earliest = Math.min(earliest, entrant.deadline)
      }
    }
    this.#queue = waiting
    const { name } = this.#options
    const text = `${name}: the deadline passed while others were waited for`
    this.#refuse(late, new KVError('DEADLINE_EXCEEDED', text, { backend: name, outcome: 'NOT_APPLIED' }))
    this.#watch(earliest)
  }

  #refuse(entrants: readonly Entrant[], error: KVError): void {
    for (const entrant of entrants) this.#refused.push({ entrant, error })
    if (this.#stopTelling === null) this.#tell(AT_ONCE)
  }

  #tell(most: number): void {
    this.#stopTelling = null
    for (const { entrant, error } of this.#refused.splice(0, most)) {
      this.#bytes -= entrant.bytes
      entrant.refuse(error)
    }
    if (this.#refused.length === 0) return
    this.#stopTelling ??= this.#options.startTimer(1, () => this.#tell(AT_ONCE))
  }
}
