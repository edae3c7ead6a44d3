/**
 * Checks of passwords take turns: a hash takes some ten milliseconds of a core and of libuv's pool, which reads of cold
 * data need as well, so that one runs at a time in a thread. Addresses take turns too, so that one that guesses waits for
 * itself and not everybody for it. Bounded: what does not fit is refused at once.
 */
import { KVError } from '../../src/base/errors.js'

export interface LoginLimits {
  readonly maxWaitingCqlLogins: number
  /** Of one address. */
  readonly maxWaitingCqlLoginsPerAddress: number
}

type Start = () => void

export class LoginTurns {
  readonly #limits: LoginLimits
  /** By address; the first address has the next turn, then goes behind the others. */
  readonly #waiting = new Map<string, Start[]>()
  #waitingCount = 0
  #isBusy = false

  constructor(limits: LoginLimits) {
    this.#limits = limits
  }

  get waitingCount(): number {
    return this.#waitingCount
  }

  /** Answers what `check` answers, when its turn has come. @throws {KVError} OVERLOADED when too many wait */
  async run<T>(address: string, check: () => Promise<T>): Promise<T> {
    if (this.#isBusy) await this.#turnOf(address)
    this.#isBusy = true
    try {
      return await check()
    } finally {
      this.#next()
    }
  }

  #turnOf(address: string): Promise<void> {
    const { maxWaitingCqlLogins, maxWaitingCqlLoginsPerAddress } = this.#limits
    const queue = this.#waiting.get(address) ?? []
    if (this.#waitingCount >= maxWaitingCqlLogins || queue.length >= maxWaitingCqlLoginsPerAddress) {
      throw new KVError('OVERLOADED', 'too many clients log in at the same time: try again in a moment')
    }
    this.#waiting.set(address, queue)
    this.#waitingCount++
    return new Promise((resolve) => queue.push(resolve))
  }

  /** The turn goes from one to the next without a moment in which a newcomer could take it. */
  #next(): void {
    const [first] = this.#waiting
    if (first === undefined) {
      this.#isBusy = false
      return
    }
    const [address, queue] = first
    const start = queue.shift()
    this.#waiting.delete(address)
    if (queue.length > 0) this.#waiting.set(address, queue)
    this.#waitingCount--
    start?.()
  }
}
