/** Which file sets are to be looked at: each once however often it is named, a few at a time, again after a failure. */
import type { StartTimer } from '../base/clock.js'

export interface FileSetQueueOptions {
  /** Before all are looked at. */
  readonly prepare: () => Promise<void>
  readonly names: () => Promise<readonly string[]>
  readonly take: (name: string) => Promise<void>
  readonly onFailure: (error: unknown) => void
  readonly startTimer: StartTimer
  /** Taken at the same time. */
  readonly lanes: number
  /** After a failure all are looked at again, so long afterwards. */
  readonly retryMs: number
}

export class FileSetQueue {
  readonly #options: FileSetQueueOptions
  readonly #names = new Set<string>()
  readonly #taken = new Set<string>()
  #wantsAll = true
  #isPaused = true
  #running: Promise<void> | null = null
  #stopRetry: () => void = () => undefined

  constructor(options: FileSetQueueOptions) {
    this.#options = options
  }

  add(name: string): void {
    // A look at all of them is to come, which the name need not wait in memory for.
    if (this.#wantsAll && this.#isPaused) return
    this.#names.add(name)
    this.#run()
  }

  addAll(): void {
    this.#wantsAll = true
    this.#run()
  }

  /** There is a connection, and nothing is known of what happened before it. */
  resume(): void {
    this.#isPaused = false
    this.addAll()
  }

  pause(): void {
    this.#isPaused = true
    this.#wantsAll = true
    this.#names.clear()
    this.#stopRetry()
  }

  close(): void {
    this.pause()
  }

  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running
  }

  #run(): void {
    if (this.#isPaused || this.#running !== null) return
    this.#running = this.#work()
      .catch((error: unknown) => {
        this.#options.onFailure(error)
        this.#stopRetry()
        this.#stopRetry = this.#options.startTimer(this.#options.retryMs, () => this.addAll())
        return true
      })
      .then((hasFailed) => {
        this.#running = null
        if (!hasFailed && this.#hasWork()) this.#run()
      })
  }

  /** Answers whether it failed. */
  async #work(): Promise<boolean> {
    while (this.#hasWork()) {
      if (this.#wantsAll) {
        this.#wantsAll = false
        await this.#options.prepare()
        for (const name of await this.#options.names()) this.#names.add(name)
      }
      await Promise.all(Array.from({ length: this.#options.lanes }, () => this.#lane()))
    }
    return false
  }

  async #lane(): Promise<void> {
    for (let name = this.#next(); name !== null; name = this.#next()) {
      this.#taken.add(name)
      try {
        await this.#options.take(name)
      } finally {
        this.#taken.delete(name)
      }
    }
  }

  /** One that no other lane has. */
  #next(): string | null {
    if (this.#isPaused) return null
    for (const name of this.#names) {
      if (this.#taken.has(name)) continue
      this.#names.delete(name)
      return name
    }
    return null
  }

  #hasWork(): boolean {
    return !this.#isPaused && (this.#wantsAll || this.#names.size > 0)
  }
}
