/**
 * Keeps a fault that comes with every request from filling the disk with its line: of one line at most so many a second
 * are logged; the next one says how many were left out. Bounded in memory, too: beyond a number of different lines a
 * second, all further ones share one allowance.
 */

const WINDOW_MS = 1_000
const LINES_PER_WINDOW = 5
const MAX_DIFFERENT_LINES = 64

/** Stands for all lines beyond the bound; no message is empty. */
const OVERFLOW = ''

interface Line {
  windowStartMs: number
  shown: number
  suppressed: number
}

export class RepeatedLines {
  readonly #lines = new Map<string, Line>()
  #total = 0

  /** Lines left out so far. */
  get total(): number {
    return this.#total
  }

  /**
   * Null: leave this line out. Otherwise how many equal ones were left out since the last one that was not.
   * @param nowMs monotonic
   */
  admit(message: string, nowMs: number): number | null {
    const line = this.#lineOf(message, nowMs)
    if (nowMs - line.windowStartMs >= WINDOW_MS) {
      line.windowStartMs = nowMs
      line.shown = 0
    }
    if (line.shown >= LINES_PER_WINDOW) {
      line.suppressed += 1
      this.#total += 1
      return null
    }
    const { suppressed } = line
    line.shown += 1
    line.suppressed = 0
    return suppressed
  }

  #lineOf(message: string, nowMs: number): Line {
    const known = this.#lines.get(message)
    if (known !== undefined) return known
    if (this.#lines.size >= MAX_DIFFERENT_LINES) this.#forgetOld(nowMs)
    const key = this.#lines.size >= MAX_DIFFERENT_LINES ? OVERFLOW : message
    let line = this.#lines.get(key)
    if (line === undefined) {
      line = { windowStartMs: nowMs, shown: 0, suppressed: 0 }
      this.#lines.set(key, line)
    }
    return line
  }

  #forgetOld(nowMs: number): void {
    for (const [message, { windowStartMs }] of this.#lines) {
      if (nowMs - windowStartMs >= WINDOW_MS) this.#lines.delete(message)
    }
  }
}
