/**
 * Which file sets are to be looked at: each once however often it is named, a few at a time. One that fails is looked at
 * again later, alone and ever more rarely: others need not be compared anew because of it. After the loss of the connection
 * nothing is known any more, and all are.
 */
import type { StartTimer } from '../base/clock.js'

export interface FileSetQueueOptions {
  /** Before all are looked at. */
  readonly prepare: () => Promise<void>
  readonly names: () => Promise<readonly string[]>
  readonly take: (name: string) => Promise<void>
  /** Once, however many fail until they are looked at again. */
  readonly onFailure: (error: unknown) => void
  readonly startTimer: StartTimer
  /** Taken at the same time. */
  readonly lanes: number
  /** After a failure; each further one in a row doubles it, a few times. */
  readonly retryMs: number
}

const MAX_DOUBLINGS = 6

export class FileSetQueue {
  readonly #options: FileSetQueueOptions
  readonly #names = new Set<string>()
  readonly #taken = new Set<string>()
  /** Wait for their next turn. */
  readonly #failed = new Set<string>()
  #failedRounds = 0
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
    this.#failed.clear()
    this.#failedRounds = 0
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
        // There is another look when the connection is back.
        if (this.#isPaused) return false
        // Not the timer's to remember: a name that is added meanwhile, and fails, puts its own in that one's place.
        this.#wantsAll = true
        this.#retryLater(() => this.#run())
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
        this.#failed.clear()
        this.#stopRetry()
        await this.#options.prepare()
        for (const name of await this.#options.names()) this.#names.add(name)
      }
      await Promise.all(Array.from({ length: this.#options.lanes }, () => this.#lane()))
    }
    if (this.#failed.size === 0) this.#failedRounds = 0
    return false
  }

  #retryLater(run: () => void): void {
    this.#stopRetry()
    const delayMs = this.#options.retryMs * 2 ** Math.min(this.#failedRounds, MAX_DOUBLINGS)
    this.#stopRetry = this.#options.startTimer(delayMs, () => {
      // Looks that changes bring about meanwhile are no rounds: many changes would put the next one off for minutes.
      this.#failedRounds++
      run()
    })
  }

  #onFailed(name: string, error: unknown): void {
    const isFirst = this.#failed.size === 0
    this.#failed.add(name)
    if (!isFirst) return
    this.#options.onFailure(error)
    this.#retryLater(() => {
      for (const failed of this.#failed) this.#names.add(failed)
      this.#failed.clear()
      this.#run()
    })
  }

  async #lane(): Promise<void> {
    for (let name = this.#next(); name !== null; name = this.#next()) {
      this.#taken.add(name)
      try {
        await this.#options.take(name)
      } catch (error) {
        // Of a lost connection all are looked at again.
        if (this.#isPaused) throw error
        this.#onFailed(name, error)
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
