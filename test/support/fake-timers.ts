/** Timers that fire when the test says so, in the order of their time. */
import type { StartTimer } from '../../src/base/clock.js'

interface Pending {
  readonly atMs: number
  readonly run: () => void
}

export class FakeTimers {
  nowMs = 0
  readonly #pending = new Set<Pending>()

  readonly start: StartTimer = (delayMs, run) => {
    const timer = { atMs: this.nowMs + delayMs, run }
    this.#pending.add(timer)
    return () => void this.#pending.delete(timer)
  }

  get pendingCount(): number {
    return this.#pending.size
  }

  /** Fires what is due within the next `ms`, timers that those start included. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.nowMs = next.atMs
      this.#pending.delete(next)
      next.run()
    }
    this.nowMs = endMs
  }

  #next(endMs: number): Pending | undefined {
    const due = [...this.#pending].filter(({ atMs }) => atMs <= endMs)
    return due.sort((a, b) => a.atMs - b.atMs)[0]
  }
}
