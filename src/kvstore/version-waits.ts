/**
 * Reads that wait until the version they are for is open. Not every version that is kept is open: the main thread opens
 * one when a thread asks for it, and the next map names it. Nothing waits on the way of other requests.
 *
 * Bounded in number; a wait ends with its request's deadline at the latest. A version that cannot be opened refuses what
 * waits for it, and what comes within a moment after, so that a damaged one is not asked for by every read.
 */
import type { Clock, StartTimer } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import type { MigrationState } from '../model/migration.js'

/** How often deadlines are looked at while anything waits. */
const LOOK_MS = 20

/** So long a refusal is repeated without asking again. */
const REFUSAL_MS = 250

export interface VersionWaitsOptions {
  readonly clock: Clock
  readonly startTimer: StartTimer
  /** Asks the main thread to open it; answered by a map that names it, or by `refuse`. */
  readonly askToOpen: (dataset: string, versionId: number) => void
  /** Whether a read of the version has to wait; absent: while it is kept and not open. */
  readonly mustWait?: (entry: DatasetEntry, versionId: number) => boolean
}

/** A request that waits. */
export interface WaitingRead {
  readonly deadline: number
  /** Plans it again, with the newest map. */
  retry(): void
  refuse(error: KVError): void
}

interface Wait {
  readonly dataset: string
  readonly versionId: number
  readonly reads: WaitingRead[]
}

export class VersionWaits {
  readonly #options: VersionWaitsOptions
  readonly #waits = new Map<string, Wait>()
  readonly #refusals = new Map<string, { readonly error: KVError; readonly untilMs: number }>()
  #count = 0
  #isLooking = false

  constructor(options: VersionWaitsOptions) {
    this.#options = options
  }

  /** Whether anything waits. */
  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** @throws {KVError} OVERLOADED, or what the version was refused with a moment ago */
  add(dataset: string, versionId: number, read: WaitingRead): void {
    const key = keyOf(dataset, versionId)
    const refusal = this.#refusals.get(key)
    if (refusal !== undefined && refusal.untilMs > this.#options.clock.monotonicMs()) throw refusal.error
    if (this.#count >= limits.maxReadsWaitingForVersions) {
      throw new KVError('OVERLOADED', `${this.#count} reads wait for versions to be opened: try again`, {
        dataset,
        retryAfterMs: REFUSAL_MS,
      })
    }
    this.#count += 1
    const wait = this.#waits.get(key)
    if (wait !== undefined) wait.reads.push(read)
    else {
      this.#waits.set(key, { dataset, versionId, reads: [read] })
      this.#options.askToOpen(dataset, versionId)
    }
    this.#lookLater()
  }

  /** After a new map: plans again what waits for nothing any more. */
  mapChanged(entryOf: (dataset: string) => DatasetEntry | undefined): void {
    const { mustWait = isKeptAndClosed } = this.#options
    for (const [key, wait] of this.#waits) {
      const entry = entryOf(wait.dataset)
      if (entry !== undefined && mustWait(entry, wait.versionId)) continue
      for (const read of this.#take(key)) read.retry()
    }
  }

  refuse(dataset: string, versionId: number, error: KVError): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const [key, { untilMs }] of this.#refusals) if (untilMs <= nowMs) this.#refusals.delete(key)
    const key = keyOf(dataset, versionId)
    this.#refusals.set(key, { error, untilMs: nowMs + REFUSAL_MS })
    for (const read of this.#take(key)) read.refuse(error)
  }

  #take(key: string): readonly WaitingRead[] {
    const reads = this.#waits.get(key)?.reads ?? []
    this.#waits.delete(key)
    this.#count -= reads.length
    return reads
  }

  #lookLater(): void {
    if (this.#isLooking) return
    this.#isLooking = true
    this.#options.startTimer(LOOK_MS, () => {
      this.#isLooking = false
      this.#endLate()
      if (!this.isEmpty) this.#lookLater()
    })
  }

  #endLate(): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const wait of this.#waits.values()) {
      const late = wait.reads.filter(({ deadline }) => deadline <= nowMs)
      if (late.length === 0) continue
      const others = wait.reads.filter(({ deadline }) => deadline > nowMs)
      wait.reads.splice(0, wait.reads.length, ...others)
      this.#count -= late.length
      const { dataset, versionId } = wait
      const error = new KVError(
        'DEADLINE_EXCEEDED',
        `version ${versionId} of dataset ${dataset} was still being opened when the deadline passed`,
        { dataset },
      )
      for (const read of late) read.refuse(error)
    }
  }
}

/**
 * The version that a read of a BATCH dataset has to wait for: the pinned one, else the current one, where it is kept and
 * not open. Null: none. While what was served until now still is, reads of the current one do not wait.
 * @param goesOn it began before: what leaves is waited for, too
 */
export function versionToWaitFor(
  { record, versions, current, leaving }: DatasetEntry,
  pinned: number | null,
  goesOn = false,
): number | null {
  if (record.mode !== 'BATCH' || !TARGET_ANSWERS.has(record.migrationState)) return null
  if (pinned === null) {
    if (current !== null) return null
    return record.versions.find(({ state }) => state === 'CURRENT')?.id ?? null
  }
  if (versions.some(({ id }) => id === pinned)) return null
  if (goesOn && leaving?.includes(pinned) === true) return pinned
  const kept = record.versions.find(({ id }) => id === pinned)
  return kept?.state === 'READY' || kept?.state === 'CURRENT' ? pinned : null
}

/** States in which the target answers what no page token says otherwise of. */
const TARGET_ANSWERS: ReadonlySet<MigrationState> = new Set(['TARGET_PRIMARY', 'TARGET_ONLY', 'RETIRED'])

function isKeptAndClosed(entry: DatasetEntry, versionId: number): boolean {
  return versionToWaitFor(entry, versionId, true) !== null
}

function keyOf(dataset: string, versionId: number): string {
  return `${versionId} ${dataset}`
}
