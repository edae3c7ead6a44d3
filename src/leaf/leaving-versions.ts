/**
 * Versions that a record drops and that stay open for a while: those that were read lately, for who reads them page by
 * page, and the former current one, for who hears of a publish late. Called in the turn of their dataset.
 */
import type { Clock, StartTimer } from '../base/clock.js'
import type { DatasetRecord } from '../model/dataset.js'
import type { RecentUses } from './open-budget.js'
import type { ServedDataset } from './served-dataset.js'

export interface LeavingOptions {
  readonly clock: Clock
  readonly startTimer: StartTimer
  readonly recentUses: RecentUses
  /** For so long; 0: not at all. */
  readonly leavingMs: number
  /** Whether the version that another one takes the place of stays, too, read or not. */
  readonly keepsFormerCurrent?: boolean
}

export class LeavingVersions {
  readonly #options: LeavingOptions
  /** The time of some is over: `dataset.endLeaving(untilMs)` drops them. */
  readonly #onOver: (dataset: ServedDataset, untilMs: number) => void
  readonly #timers = new Set<() => void>()

  constructor(options: LeavingOptions, onOver: (dataset: ServedDataset, untilMs: number) => void) {
    this.#options = options
    this.#onOver = onOver
  }

  /** Before the record that drops them comes. */
  async keepWhatIsRead(dataset: ServedDataset, record: DatasetRecord): Promise<void> {
    const { clock, leavingMs, recentUses, keepsFormerCurrent = false } = this.#options
    const dropped = leavingMs === 0 ? [] : dataset.droppedBy(record)
    if (dropped.length === 0) return
    const ages = await recentUses()
    const isRead = (id: number) => (ages.get(id) ?? Number.POSITIVE_INFINITY) * 1_000 < leavingMs
    const former = dataset.record.versions.find(({ state }) => state === 'CURRENT')?.id
    const usedSinceMs = clock.monotonicMs() - leavingMs
    const read = dropped.filter(
      ({ versionId, incarnationIds, usedAtMs }) =>
        (keepsFormerCurrent && versionId === former) || incarnationIds.some(isRead) || usedAtMs > usedSinceMs,
    )
    if (read.length === 0) return
    const untilMs = this.#untilMs()
    for (const { versionId } of read) dataset.leave(versionId, untilMs)
    this.#endLater(dataset, untilMs)
  }

  /** It stays as long again; false: it is not leaving. */
  prolong(dataset: ServedDataset, versionId: number): boolean {
    const untilMs = this.#untilMs()
    const isLeaving = dataset.prolongLeaving(versionId, untilMs)
    if (isLeaving) this.#endLater(dataset, untilMs)
    return isLeaving
  }

  close(): void {
    for (const cancel of this.#timers) cancel()
  }

  #untilMs(): number {
    return this.#options.clock.monotonicMs() + this.#options.leavingMs
  }

  #endLater(dataset: ServedDataset, untilMs: number): void {
    const cancel = this.#options.startTimer(this.#options.leavingMs, () => {
      this.#timers.delete(cancel)
      this.#onOver(dataset, untilMs)
    })
    this.#timers.add(cancel)
  }
}
