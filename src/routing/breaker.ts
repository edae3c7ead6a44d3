/**
 * Breakers, over opossum: who fails half of the time is not asked for a while, then asked once to see whether it is well
 * again. Its time-outs are off: deadlines are ours. opossum's types and errors end here.
 */
import CircuitBreaker from 'opossum'
import { KVError } from '../base/errors.js'

export interface BreakerOptions {
  /** So long it stays open before one call tries. */
  readonly resetMs: number
  /** Called when it opens and when it closes. */
  readonly onChange?: (isOpen: boolean) => void
}

/** Failures are looked at over so long, in so many steps. */
const WINDOW_MS = 5_000
const WINDOW_STEPS = 5
/** Calls in the window below which nothing is decided. */
const MIN_CALLS = 5
const MAX_FAILED_PERCENT = 50

const RESOLVED = Promise.resolve()

export class Breaker {
  readonly #name: string
  readonly #breaker: CircuitBreaker<[() => Promise<void>], void>

  constructor(name: string, { resetMs, onChange = () => undefined }: BreakerOptions) {
    this.#name = name
    this.#breaker = new CircuitBreaker((call: () => Promise<void>) => call(), {
      name,
      timeout: false,
      resetTimeout: resetMs,
      rollingCountTimeout: WINDOW_MS,
      rollingCountBuckets: WINDOW_STEPS,
      rollingPercentilesEnabled: false,
      volumeThreshold: MIN_CALLS,
      errorThresholdPercentage: MAX_FAILED_PERCENT,
    })
    this.#breaker.on('open', () => onChange(true))
    this.#breaker.on('close', () => onChange(false))
  }

  /** Whether a call would be refused now, but for the one that tries. */
  get isOpen(): boolean {
    return this.#breaker.opened
  }

  /** @throws what `call` throws; {KVError} UNAVAILABLE when it was refused */
  async run(call: () => Promise<void>): Promise<void> {
    const state = { wasCalled: false }
    try {
      await this.#breaker.fire(() => {
        state.wasCalled = true
        return call()
      })
    } catch (error) {
      if (state.wasCalled) throw error
      throw new KVError('UNAVAILABLE', `${this.#name} failed too often and is not asked for a moment`, {
        cause: error,
      })
    }
  }

  /** Counts a call that was made elsewhere. Opens with the next microtask, if this one tips it. */
  record(failure: KVError | null): void {
    const outcome = failure === null ? RESOLVED : Promise.reject(failure)
    // What is refused or rejected here, its caller knows.
    this.#breaker.fire(() => outcome).catch(() => undefined)
    if (failure !== null) outcome.catch(() => undefined)
  }

  /** Opens, whatever was counted. */
  open(): void {
    this.#breaker.open()
  }

  close(): void {
    this.#breaker.shutdown()
  }
}
