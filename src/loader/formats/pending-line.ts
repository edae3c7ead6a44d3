/** The part of a line that earlier pieces of the input held. */
import { limits } from '../../base/limits.js'

/** A line over the limit is dropped as it comes, not gathered. */
export class PendingLine {
  #parts: Buffer[] = []
  #size = 0

  get isEmpty(): boolean {
    return this.#size === 0
  }

  add(part: Buffer): void {
    this.#size += part.length
    if (this.#size > limits.maxLoadLineBytes) this.#parts = []
    else if (part.length > 0) this.#parts.push(part)
  }

  /** The whole line, or null when it was too long. */
  finish(last: Buffer): Buffer | null {
    if (this.#size === 0 && last.length <= limits.maxLoadLineBytes) return last
    this.add(last)
    const line = this.#size > limits.maxLoadLineBytes ? null : Buffer.concat(this.#parts)
    this.#parts = []
    this.#size = 0
    return line
  }
}
