/** At most so many works at once; the others wait: the most urgent first, of equals in the order in which they came. */

export interface Turn {
  /** Whose work it is, for `hasten`. */
  readonly owner: object
  /** 0 or more; 0 is the most urgent. */
  readonly priority: number
}

interface Waiting extends Turn {
  readonly start: () => void
}

export class Slots {
  #free: number
  #waiting: Waiting[] = []

  constructor(count: number) {
    this.#free = count
  }

  async run<T>(work: () => Promise<T>, turn: Turn): Promise<T> {
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>((start) => this.#enqueue({ ...turn, start }))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free += 1
      else next.start()
    }
  }

  /** What waits for this owner comes before everything else. */
  hasten(owner: object): void {
    const [first] = this.#waiting
    if (first === undefined) return
    const [hastened, others] = [[] as Waiting[], [] as Waiting[]]
    for (const one of this.#waiting) (one.owner === owner ? hastened : others).push(one)
    this.#waiting = [...hastened.map((one) => ({ ...one, priority: 0 })), ...others]
  }

  /** Behind the last one that is as urgent. */
  #enqueue(one: Waiting): void {
    const index = this.#waiting.findLastIndex(({ priority }) => priority <= one.priority)
    this.#waiting.splice(index + 1, 0, one)
  }
}
