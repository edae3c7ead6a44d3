/**
 * At most so many works at once; the others wait: the most urgent first, of equals in the order in which they came. Work
 * that nobody waits for can be held to a part of the places, so that whoever is waited for finds one, and a processor.
 */

export interface Turn {
  /** Whose work it is, for `hasten`. */
  readonly owner: object
  /** 0 or more; 0 is the most urgent. */
  readonly priority: number
}

interface Waiting extends Turn {
  /** Gets the priority that it has by then. */
  readonly start: (priority: number) => void
}

export class Slots {
  readonly #count: number
  /** Works of this priority, or less urgent ones, have `#limit` of the places. */
  #limitedFrom = Number.POSITIVE_INFINITY
  #limit = 0
  /** Priorities of what runs. */
  readonly #running: number[] = []
  #waiting: Waiting[] = []

  constructor(count: number) {
    this.#count = count
  }

  /** From here on at most so many, at least 1, of this priority and less urgent ones start at once; what runs goes on. */
  limitFrom(priority: number, count: number): void {
    this.#limitedFrom = priority
    this.#limit = count
  }

  async run<T>(work: () => Promise<T>, turn: Turn): Promise<T> {
    const priority = await this.#begin(turn)
    try {
      return await work()
    } finally {
      this.#running.splice(this.#running.indexOf(priority), 1)
      this.#startWaiting()
    }
  }

  /** What waits for this owner comes before everything else, and under no limit. */
  hasten(owner: object): void {
    if (this.#waiting.length === 0) return
    const [hastened, others] = [[] as Waiting[], [] as Waiting[]]
    for (const one of this.#waiting) (one.owner === owner ? hastened : others).push(one)
    this.#waiting = [...hastened.map((one) => ({ ...one, priority: 0 })), ...others]
    this.#startWaiting()
  }

  #begin(turn: Turn): Promise<number> {
    return new Promise((start) => {
      // Behind the last one that is as urgent.
      const index = this.#waiting.findLastIndex(({ priority }) => priority <= turn.priority)
      this.#waiting.splice(index + 1, 0, { ...turn, start })
      this.#startWaiting()
    })
  }

  /** The first one decides: those behind it are no more urgent. */
  #startWaiting(): void {
    for (;;) {
      const [first] = this.#waiting
      if (first === undefined || this.#running.length >= this.#count || this.#isHeldBack(first)) return
      this.#waiting.shift()
      this.#running.push(first.priority)
      first.start(first.priority)
    }
  }

  #isHeldBack({ priority }: Waiting): boolean {
    if (priority < this.#limitedFrom) return false
    return this.#running.filter((running) => running >= this.#limitedFrom).length >= this.#limit
  }
}
