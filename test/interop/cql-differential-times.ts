/** When generated statements say that they happen. */
import type { Draws } from './cql-differential-values.js'

const TIMES = 6
/** Of the times that values have. */
const DROP_TIMES = [1_500, 3_500, 6_500]
/** All times that were given lie below the next of these. */
const ERA = 10_000

export class Times {
  readonly #draws: Draws
  /** Times are the server's more often than the test's. */
  readonly #isByClock: boolean
  /** That were given to values. */
  readonly #given: number[] = []
  #least = 0
  #hasUsedClock = false
  #isClockOnly = false

  constructor(draws: Draws, isByClock: boolean) {
    this.#draws = draws
    this.#isByClock = isByClock
  }

  get isByClock(): boolean {
    return this.#isByClock || this.#isClockOnly
  }

  get isClockOnly(): boolean {
    return this.#isClockOnly
  }

  /** Whether the time is the server's, the request's or the statement's. */
  how(): 'clock' | 'request' | 'statement' {
    const weights = { clock: this.#isByClock ? 8 : 0.2, request: 4, statement: 4 }
    const how = this.#isClockOnly ? 'clock' : this.#draws.weighted(weights)
    if (how === 'clock') this.#hasUsedClock = true
    return how
  }

  /** Of a batch; null: the server's. */
  ofRequest(isByClock: boolean): number | null {
    const share = this.#isByClock ? 0.9 : 0
    if (!isByClock && !this.#isClockOnly && !this.#draws.chance(share)) return this.value()
    return this.clock()
  }

  clock(): null {
    this.#hasUsedClock = true
    return null
  }

  /**
   * Requests have times of their own, in any order: of two values with one time 3.0 takes the greater one by signed bytes,
   * where we look at when they expire and at unsigned bytes.
   */
  value(): number {
    const time = this.#least + 1000 * (1 + this.#draws.below(TIMES)) + this.#given.length
    this.#given.push(time)
    return time
  }

  /** Often that of a value. */
  deletion(): number {
    const draws = this.#draws
    return this.#given.length > 0 && draws.chance(0.5)
      ? draws.pick(this.#given)
      : this.#least + 1000 * (1 + draws.below(TIMES + 1))
  }

  /** Of DROP; null: the server's. */
  ofDrop(): number | null {
    if (this.#isClockOnly || !this.#draws.chance(0.7)) return this.clock()
    return this.#least + this.#draws.pick(DROP_TIMES)
  }

  /**
   * A column is added: what was deleted before, its rows and a former column of its name, is older than all of its values.
   * Where it is not, Cassandra's answers depend on what it has written to files.
   */
  pass(): void {
    if (this.#hasUsedClock) this.#isClockOnly = true
    else this.#least += ERA
  }
}
