/**
 * Finds out when a backend whose breaker is open is well again. One thread at a time repeats one key of a read that failed,
 * aside: no caller's request is risked, and routing may go elsewhere meanwhile without keeping the backend out for ever. A
 * thread that has no such read leaves its turn to others for a while; where nobody has one, because only writes failed or
 * every repeated key fails for a reason of its own, one call tries.
 */
import type { Clock, StartTimer } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { Backend } from '../model/backend.js'
import type { BackendRole } from '../model/operations.js'
import type { ReadPlan } from '../model/plan.js'
import { hasAnswered } from './guard-outcomes.js'
import { firstKeyOf, withDeadline } from './read-parts.js'
import type { SharedBreaker } from './shared-breakers.js'

export interface RecoveryOptions {
  readonly role: BackendRole
  readonly shared: SharedBreaker
  readonly clock: Clock
  readonly startTimer: StartTimer
  readonly logger: Logger
  /** So long the backend is left alone before it is tried again. */
  readonly resetMs: number
  /** A probe waits so long for its answer. */
  readonly probeTimeoutMs: number
  readonly onProbe: () => void
}

/** Reads that failed and may be repeated. */
const MAX_SAMPLES = 8

/** Turns that a thread without such reads leaves to others. */
const MAX_IDLE_TURNS = 3

export class Recovery {
  readonly #backend: Backend
  readonly #options: RecoveryOptions
  /** First keys of reads that failed; probes repeat them in turn, because one may fail for a reason of its own. */
  #samples: ReadPlan[] = []
  /** Probes in a row that failed for their keys, though the backend answered. */
  #answeredProbes = 0
  /** This thread opened the breaker: it tries with a call where there is no read to repeat. */
  #hasSeenFailures = false
  /** Turns to probe that no thread took, while this one had nothing to probe with. */
  #idleTurns = 0
  /** One call may try, because there is nothing to probe with. */
  #mayTry = false
  #stopTimer: (() => void) | null = null
  /** A probe has no answer yet: one that waits longer than the pause would be joined by a next one, and that by more. */
  #isProbing = false
  #isClosed = false

  constructor(backend: Backend, options: RecoveryOptions) {
    this.#backend = backend
    this.#options = options
  }

  /** Whether the next call goes to the backend though the breaker is open. */
  get mayTry(): boolean {
    return this.#mayTry
  }

  /** A call goes out: no other one tries. */
  takeTry(): void {
    this.#mayTry = false
  }

  keepSample(plan: ReadPlan): void {
    const name = nameOf(plan)
    this.#samples = this.#samples.filter((one) => nameOf(one) !== name)
    this.#samples.push(firstKeyOf(plan))
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift()
  }

  /** This thread's failures opened the breaker. */
  begin(): void {
    const { shared, clock, logger, role } = this.#options
    if (this.#isClosed) return
    this.#hasSeenFailures = true
    if (shared.open(clock.nowMs())) {
      logger.warn(
        { backend: this.#backend.name, role },
        'a backend fails too often and is not asked for a moment',
      )
    }
    this.wait()
  }

  /** Takes part in the turns to probe. */
  wait(): void {
    if (this.#stopTimer !== null || this.#isProbing || this.#isClosed) return
    const { shared, resetMs, startTimer } = this.#options
    const seen = shared.probes
    this.#stopTimer = startTimer(resetMs, () => {
      this.#stopTimer = null
      if (!shared.isOpen) return
      // A thread that saw reads fail can probe without a caller's request: it goes first.
      const hasNothing = this.#samples.length === 0 && !this.#hasSeenFailures
      if (hasNothing && shared.probes === seen && this.#idleTurns < MAX_IDLE_TURNS) {
        this.#idleTurns += 1
        this.wait()
        return
      }
      // Another thread has probed meanwhile: its turn goes on.
      if (shared.claimProbe(seen)) this.#probe()
      else {
        this.#idleTurns = 0
        this.wait()
      }
    })
  }

  /** A call, or a probe, that tried has ended. */
  endTrial(isWell: boolean): void {
    const { shared, clock, logger, role } = this.#options
    if (this.#isClosed || !shared.isOpen) return
    if (!isWell) {
      this.wait()
      return
    }
    this.#hasSeenFailures = false
    this.#samples = []
    this.#answeredProbes = 0
    this.#idleTurns = 0
    if (shared.close(clock.nowMs())) {
      logger.info({ backend: this.#backend.name, role }, 'a backend answers again and is asked again')
    }
  }

  close(): void {
    this.#isClosed = true
    this.#stopTimer?.()
    this.#stopTimer = null
  }

  #probe(): void {
    const { clock, probeTimeoutMs, onProbe } = this.#options
    const sample = this.#samples.shift()
    // It answers, by key, that it cannot: perhaps these keys alone, which is not for them to say.
    const haveAllAnswered = this.#answeredProbes >= this.#samples.length + 1
    if (sample === undefined || haveAllAnswered) {
      if (sample !== undefined) this.#samples.push(sample)
      this.#answeredProbes = 0
      this.#idleTurns = 0
      this.#mayTry = true
      return
    }
    this.#samples.push(sample)
    onProbe()
    this.#isProbing = true
    this.#backend.read(withDeadline(sample, clock.monotonicMs() + probeTimeoutMs), (outcome) => {
      this.#isProbing = false
      this.#answeredProbes = outcome instanceof KVError ? 0 : this.#answeredProbes + 1
      this.endTrial(hasAnswered(outcome))
    })
  }
}

function nameOf({ admitted: { request } }: ReadPlan): string {
  return `${request.dataset}\n${request.rowKeys[0]?.toString('latin1') ?? ''}`
}
