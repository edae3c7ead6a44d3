/**
 * How many DBs may be open, and which versions give way. An open DB costs about six file descriptors, 200 KB of memory and
 * 6 ms of a processor to open, however small it is, and one large version many more; what is kept may be ten times what is
 * read. State and choice only: version-set.ts opens and closes.
 */
import type { Clock } from '../base/clock.js'
import type { RemoteCopies } from '../model/cluster-map.js'
import type { ServedDataset, Unit } from './served-dataset.js'

/** Seconds since each incarnation was last used by any thread; absent: not since it was opened. */
export type RecentUses = () => Promise<ReadonlyMap<number, number>>

/** A version to put to sleep. */
export interface Sleeper {
  readonly versionId: number
  /** In monotonic ms; -Infinity: not since it was opened. */
  readonly usedAtMs: number
}

/** So much more than needed is closed at once, so that not every opening asks the threads and closes one. */
const SLACK = 0.05

/** What was opened on request is about to be used; later its use speaks for it. */
const PROTECTED_MS = 2_000

/** So much above the bound, room is made before more is opened, and not behind it. */
const HARD_EXCESS = 0.1

/** A shard that leaf processes serve takes nothing here. */
interface Countable {
  readonly remote?: RemoteCopies
}

export class OpenBudget {
  readonly #maxOpen: number
  readonly #recentUses: RecentUses
  readonly #clock: Clock
  /** By `dataset version`: until when. */
  readonly #protectedUntil = new Map<string, number>()
  #openCount = 0
  #openingCount = 0

  constructor(maxOpen: number, recentUses: RecentUses, clock: Clock) {
    this.#maxOpen = maxOpen
    this.#recentUses = recentUses
    this.#clock = clock
  }

  get openCount(): number {
    return this.#openCount
  }

  get isExceeded(): boolean {
    return this.#openCount + this.#openingCount > this.#maxOpen
  }

  /** Opening more has to wait until others are on their way out. */
  get isFull(): boolean {
    return this.#openCount + this.#openingCount > this.#maxOpen * (1 + HARD_EXCESS)
  }

  hasRoomFor({ shards }: Unit): boolean {
    return this.#openCount + this.#openingCount + shards.filter(isCounted).length <= this.#maxOpen
  }

  /** Followed by `opened` or `notOpened`. */
  opening(shard: Countable): void {
    if (isCounted(shard)) this.#openingCount += 1
  }

  opened(shard: Countable): void {
    if (!isCounted(shard)) return
    this.#openingCount -= 1
    this.#openCount += 1
  }

  notOpened(shard: Countable): void {
    if (isCounted(shard)) this.#openingCount -= 1
  }

  closed(shard: Countable): void {
    if (isCounted(shard)) this.#openCount -= 1
  }

  /** For a while it is not put to sleep. */
  protect(dataset: string, versionId: number): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [key, untilMs] of this.#protectedUntil) if (untilMs <= nowMs) this.#protectedUntil.delete(key)
    this.#protectedUntil.set(`${dataset} ${versionId}`, nowMs + PROTECTED_MS)
  }

  /** Versions to put to sleep, by dataset: those that were not used longest, what clients read last of all. */
  async chooseSleepers(datasets: readonly ServedDataset[]): Promise<ReadonlyMap<ServedDataset, Sleeper[]>> {
    const ages = await this.#recentUses()
    const chosen = new Map<ServedDataset, Sleeper[]>()
    let excess = this.#openCount + this.#openingCount - Math.floor(this.#maxOpen * (1 - SLACK))
    if (!this.isExceeded) return chosen
    const nowMs = this.#clock.monotonicMs()
    const candidates = datasets.flatMap((dataset) => {
      return dataset.sleepableUnits().flatMap((unit) => {
        const isProtected = (this.#protectedUntil.get(`${dataset.name} ${unit.versionId}`) ?? 0) > nowMs
        const cost = unit.shards.filter(isCounted).length
        return isProtected || cost === 0 ? [] : [{ dataset, unit, cost, age: ageOf(dataset, unit, ages) }]
      })
    })
    candidates.sort((a, b) => b.age - a.age || Number(a.unit.isServing) - Number(b.unit.isServing))
    for (const { dataset, unit, cost, age } of candidates) {
      if (excess <= 0 || unit.versionId === null) break
      excess -= cost
      const sleeper = { versionId: unit.versionId, usedAtMs: nowMs - age * 1_000 }
      const sleepers = chosen.get(dataset)
      if (sleepers === undefined) chosen.set(dataset, [sleeper])
      else sleepers.push(sleeper)
    }
    return chosen
  }
}

function isCounted({ remote }: Countable): boolean {
  return remote === undefined
}

/** Of the shard that was used last. */
function ageOf(dataset: ServedDataset, { shards }: Unit, ages: ReadonlyMap<number, number>): number {
  let youngest = Number.POSITIVE_INFINITY
  for (const { directory } of shards) {
    const incarnation = dataset.open.get(directory)
    const age = incarnation === undefined ? undefined : ages.get(incarnation.id)
    if (age !== undefined) youngest = Math.min(youngest, age)
  }
  return youngest
}
