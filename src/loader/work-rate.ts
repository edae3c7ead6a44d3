/** How long a unit of one kind of work takes, from how long such work took of late. */

/** Work done so much working time ago counts a third as much as what is done now: a disk that becomes slower shows. */
const MEMORY_MS = 20_000

export class WorkRate {
  /** The first work, of so long, does not count: code is compiled, files are opened. */
  #warmUpLeftMs: number
  #units = 0
  #ms = 0

  constructor(warmUpMs: number) {
    this.#warmUpLeftMs = warmUpMs
  }

  /** So many units took so long. */
  note(units: number, ms: number): void {
    const warmUpMs = Math.min(this.#warmUpLeftMs, ms)
    this.#warmUpLeftMs -= warmUpMs
    if (warmUpMs === ms && ms > 0) return
    const counted = ms - warmUpMs
    const kept = Math.exp(-counted / MEMORY_MS)
    this.#units = this.#units * kept + (ms > 0 ? (units * counted) / ms : units)
    this.#ms = this.#ms * kept + counted
  }

  /** Null: nothing counted yet. */
  get msPerUnit(): number | null {
    return this.#units === 0 ? null : this.#ms / this.#units
  }
}
