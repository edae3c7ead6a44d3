/**
 * Tells whether reads of a shard come from memory or from the disk, which decides where they are made (shard-reader.ts).
 *
 * Not by their duration: a thread whose core is busy with others is slow as well, and sending hot reads to the pool then
 * costs a third more CPU of which there is none. Linux counts, per thread, the bytes that were fetched from storage; a
 * sampled read on this thread that fetched none was hot, however long it took. Where that count cannot be read,
 * duration has to do.
 */
import { openSync, readSync } from 'node:fs'
import type { Clock } from '../../../base/clock.js'

/** Misses a key above which data is cold: at 5 % reads in parallel gain what the pool costs (66 k against 60 k/s). */
const COLD_MISS_SHARE = 0.05

/** A miss fetches a block of 4 KB, and with the kernel's read-ahead often several. */
const BYTES_PER_MISS = 16 * 1024

/** Reads on this thread of which one is sampled; the count takes about 5 us to read. */
const SAMPLE_EVERY = 32

/** A read slower than this a key has the next one sampled: a hot key takes 4 to 10 us. */
const SLOW_US_PER_KEY = 25

/** Share of a sample in the average. */
const WEIGHT = 1 / 4

/** Bytes that this thread has fetched from storage so far; null when the system does not say. */
export type FetchedBytes = () => number | null

/** For the calling thread, and only to be called on it. */
export function threadFetchedBytes(): FetchedBytes {
  let file: number
  try {
    file = openSync('/proc/thread-self/io', 'r')
  } catch {
    return () => null
  }
  const text = Buffer.alloc(512)
  return () => {
    const size = readSync(file, text, 0, text.length, 0)
    const found = /^read_bytes: (\d+)$/m.exec(text.toString('latin1', 0, size))
    return found === null ? null : Number(found[1])
  }
}

/** One a shard and thread. */
export class ColdDetector {
  readonly #clock: Clock
  readonly #fetchedBytes: FetchedBytes
  #missShare = 0
  #untilSample = 0
  #startMs = 0
  #startBytes: number | null = null

  constructor(clock: Clock, fetchedBytes: FetchedBytes) {
    this.#clock = clock
    this.#fetchedBytes = fetchedBytes
  }

  get isCold(): boolean {
    return this.#missShare > COLD_MISS_SHARE
  }

  /** Reads on this thread are rare while cold, and each is a probe. */
  get #isDue(): boolean {
    return this.isCold || this.#untilSample === 0
  }

  /** Before a read on this thread. */
  begin(): void {
    this.#startBytes = this.#isDue ? this.#fetchedBytes() : null
    this.#startMs = this.#clock.monotonicMs()
  }

  /** Behind it. `keyCount` is at least 1. */
  end(keyCount: number): void {
    const isSlow = (this.#clock.monotonicMs() - this.#startMs) * 1_000 > SLOW_US_PER_KEY * keyCount
    if (this.#startBytes === null) {
      const isDue = this.#isDue
      // Due, but the system does not say: only slowness is left to go by.
      if (isDue) this.#learn(isSlow ? 1 : 0)
      this.#untilSample = isSlow ? 0 : isDue ? SAMPLE_EVERY : this.#untilSample - 1
      return
    }
    const fetched = (this.#fetchedBytes() ?? this.#startBytes) - this.#startBytes
    this.#learn(Math.min(1, fetched / BYTES_PER_MISS / keyCount))
    this.#untilSample = SAMPLE_EVERY
  }

  #learn(missShare: number): void {
    this.#missShare += (missShare - this.#missShare) * WEIGHT
  }
}
