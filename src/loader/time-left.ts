/**
 * How long the rest of a load takes, from what each kind of its work takes in this load: reading (with unpacking, parsing
 * and packing), putting rows down as sorted runs, writing shards, sealing them. What the last two take is tried out on the
 * first rows (trial-shard.ts), because a load that sorts begins them when it is half done.
 */
import { WorkRate } from './work-rate.js'

/** Work that is left to do. Bytes are those of packed rows unless they say otherwise. */
export interface WorkLeft {
  /** Objects that are not read to their end, in the order in which they are begun. */
  readonly unread: readonly UnreadPart[]
  /** Threads that read. */
  readonly readers: number
  /** Packed bytes that a byte as it is stored becomes. */
  readonly packedPerRead: number
  /** In memory; will go to runs like what is still to be read, unless `sorts` is false. */
  readonly inMemory: number
  /** What is read goes to runs first. */
  readonly sorts: boolean
  /** To be written once more because there are too many runs. */
  readonly toMerge: number
  readonly toWrite: number
  readonly toSeal: number
  readonly shardsToSeal: number
}

/** Bytes as they are stored. */
export interface UnreadPart {
  readonly bytes: number
  /** Of these, what is only passed over because its rows are in runs. */
  readonly toSkip: number
}

/** What writing and sealing a few rows took. */
export interface Trial {
  readonly bytes: number
  readonly writeMs: number
  /** Making and sealing the shard of these bytes. */
  readonly sealMs: number
  /** The same for a shard of next to nothing. */
  readonly emptySealMs: number
}

/** Of one thread: each compiles code of its own. */
const READING_WARM_UP_MS = 1_000
/** First guesses, where nothing was measured: a packed byte that goes to a run, or to a shard; a sealed byte, a shard. */
const GUESSED_SORTING = 1_000 / (150 * 1024 * 1024)
const GUESSED_WRITING = 1_000 / (60 * 1024 * 1024)
const SEALING_TO_WRITING = 0.75
const GUESSED_EMPTY_SEAL_MS = 60
/** Merging runs into a longer one takes less than into shards. */
const MERGING_TO_WRITING = 0.5
/** More than so much is not guessed: nothing is told then. */
const MAX_GUESSED_MS = 2_000

export class TimeLeft {
  readonly #reading: WorkRate
  readonly #skipping = new WorkRate(0)
  readonly #sorting = new WorkRate(0)
  readonly #writing = new WorkRate(0)
  /** What sealing takes beyond what it does for a shard of next to nothing. */
  readonly #sealing = new WorkRate(0)
  #emptySealMs = GUESSED_EMPTY_SEAL_MS

  constructor(readers: number) {
    this.#reading = new WorkRate(READING_WARM_UP_MS * readers)
  }

  /** @param bytes as they are stored; of one thread */
  noteRead(bytes: number, ms: number): void {
    this.#reading.note(bytes, ms)
  }

  /** Bytes were passed over because their rows are in runs. */
  noteSkipped(bytes: number, ms: number): void {
    this.#skipping.note(bytes, ms)
  }

  /** Rows of a thread went to a run. */
  noteSorted(bytes: number, ms: number): void {
    this.#sorting.note(bytes, ms)
  }

  noteWritten(bytes: number, ms: number): void {
    this.#writing.note(bytes, ms)
  }

  /** A shard was made and sealed. */
  noteSealed(bytes: number, ms: number): void {
    this.#sealing.note(bytes, Math.max(0, ms - this.#emptySealMs))
  }

  noteTrial({ bytes, writeMs, sealMs, emptySealMs }: Trial): void {
    this.#emptySealMs = Math.min(emptySealMs, sealMs)
    this.noteWritten(bytes, writeMs)
    this.noteSealed(bytes, sealMs)
  }

  /** Null: there is too little to go by. */
  ms(left: WorkLeft): number | null {
    const reading = this.#readingMs(left)
    const writing = this.#writingMs(left)
    return reading === null || writing === null ? null : Math.max(0, Math.round(reading + writing))
  }

  #readingMs({ unread, readers, packedPerRead, inMemory, sorts }: WorkLeft): number | null {
    const reading = this.#reading.msPerUnit
    if (unread.length > 0 && reading === null) return null
    const sorting = sorts ? (this.#sorting.msPerUnit ?? GUESSED_SORTING) : 0
    const perByte = (reading ?? 0) + packedPerRead * sorting
    const perSkipped = this.#skipping.msPerUnit ?? reading ?? 0
    const times = unread.map(({ bytes, toSkip }) => (bytes - toSkip) * perByte + toSkip * perSkipped)
    return longestShare(times, readers) + (inMemory / readers) * sorting
  }

  #writingMs({ toMerge, toWrite, toSeal, shardsToSeal }: WorkLeft): number | null {
    const known = this.#writing.msPerUnit
    const perByte = known ?? GUESSED_WRITING
    const perSealed = this.#sealing.msPerUnit ?? perByte * SEALING_TO_WRITING
    const ofBytes = (toWrite + toMerge * MERGING_TO_WRITING) * perByte + toSeal * perSealed
    return known === null && ofBytes > MAX_GUESSED_MS ? null : ofBytes + shardsToSeal * this.#emptySealMs
  }
}

/** Of the thread that has most to do, when each takes the next object as soon as it has none. */
function longestShare(times: readonly number[], readers: number): number {
  const shares = Array.from({ length: Math.max(1, Math.min(readers, times.length)) }, () => 0)
  for (const ms of times) {
    let least = 0
    for (let index = 1; index < shares.length; index++) {
      if ((shares[index] ?? 0) < (shares[least] ?? 0)) least = index
    }
    shares[least] = (shares[least] ?? 0) + ms
  }
  return Math.max(...shares)
}
