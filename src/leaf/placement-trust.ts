/**
 * Versions whose leaves failed reads although they say that they have them: hung processes, copies that cannot be read. Such
 * a version is read from the gateway's own copy for a while, longer each time. State only; placement-keeper.ts acts on it.
 */

const FIRST_MS = 5_000
const LAST_MS = 300_000
/** Failures so long apart have nothing to do with each other. */
const MEMORY_MS = 600_000
/** So long the gateway's own copy is not tried again after it could not be opened. */
const UNFIT_MS = 60_000
/** Versions that are remembered. */
const MAX_VERSIONS = 10_000

interface Doubt {
  failures: number
  untilMs: number
  isOver: boolean
}

export class PlacementTrust {
  /** By `datasetId/versionId`. */
  readonly #doubts = new Map<string, Doubt>()
  /** Until when the own copy is not tried. */
  readonly #unfit = new Map<string, number>()

  isDoubted(key: string): boolean {
    return this.#doubts.get(key)?.isOver === false
  }

  /** Its leaves failed. Nothing while they are in doubt already. */
  doubt(key: string, nowMs: number): void {
    const before = this.#doubts.get(key)
    if (before?.isOver === false) return
    const isRow = before !== undefined && nowMs - before.untilMs < MEMORY_MS
    const failures = isRow ? before.failures + 1 : 1
    const untilMs = nowMs + Math.min(LAST_MS, FIRST_MS * 2 ** (failures - 1))
    this.#doubts.delete(key)
    this.#doubts.set(key, { failures, untilMs, isOver: false })
    for (const old of this.#doubts.keys()) {
      if (this.#doubts.size <= MAX_VERSIONS) break
      this.#doubts.delete(old)
    }
  }

  /** Its leaves are read again; what is remembered is that they failed. */
  trust(key: string): void {
    const doubt = this.#doubts.get(key)
    if (doubt !== undefined) doubt.isOver = true
  }

  /** Those whose time is up. */
  due(nowMs: number): string[] {
    return [...this.#doubts]
      .filter(([, { isOver, untilMs }]) => !isOver && untilMs <= nowMs)
      .map(([key]) => key)
  }

  /** Of what is in doubt: how long still; negative when it is due. */
  remainingMs(key: string, nowMs: number): number {
    return (this.#doubts.get(key)?.untilMs ?? nowMs) - nowMs
  }

  /** The gateway's own copy could not be opened. */
  noteUnfit(key: string, nowMs: number): void {
    for (const [old, untilMs] of this.#unfit) if (untilMs <= nowMs) this.#unfit.delete(old)
    this.#unfit.set(key, nowMs + UNFIT_MS)
  }

  isUnfit(key: string, nowMs: number): boolean {
    return (this.#unfit.get(key) ?? 0) > nowMs
  }

  forget(key: string): void {
    this.#doubts.delete(key)
    this.#unfit.delete(key)
  }
}
