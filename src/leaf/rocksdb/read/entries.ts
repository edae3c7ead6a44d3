/**
 * A cursor with entries in hand. Reading one entry at a time costs three native calls' worth of overhead a row, reading
 * many reads too far before a seek or an end; so steps grow while their entries are used up, shrink when a seek leaves
 * some of them, and are no longer than what the reader still expects to need. A seek to what is in hand touches no DB. A
 * glance is a seek aside, to an entry or two: it says nothing of how much is needed elsewhere.
 *
 * Whoever reads looks at `hasNext` first; when it is false, `fill` reads on, and is the only thing here that takes long.
 * Who gives way before that calls `letGo`: many may wait for their turns, each with a step that it has used up.
 */
import type { Cursor } from '../store/binding.js'

/** About 2 ms on a busy core; nearly as fast an entry as 1,000. */
const MAX_STEP = 256
const MIN_STEP = 2

export interface EntriesOptions {
  readonly isReversed: boolean
  readonly firstStep: number
  readonly expected?: () => number
}

export class Entries {
  readonly #cursor: Cursor
  readonly #isReversed: boolean
  readonly #expected: () => number
  #rows: readonly Buffer[] = []
  #at = 0
  #step: number
  /** Where the next step begins; null: behind the one in hand. */
  #boundary: Buffer | null = null
  /** What is in hand begins here, or just behind; null: at the cursor's own start. */
  #floor: Buffer | null = null
  #isFloorIn = true
  /** What is in hand, or read next, was a glance's. */
  #isGlance = false
  /** Entries and bytes read from the DB so far. */
  readCount = 0
  readBytes = 0

  /** `expected`: how many entries the reader will need, as far as it can tell. */
  constructor(cursor: Cursor, { isReversed, firstStep, expected = () => MAX_STEP }: EntriesOptions) {
    this.#cursor = cursor
    this.#isReversed = isReversed
    this.#step = firstStep
    this.#expected = expected
  }

  /** Whether an entry is in hand. */
  get hasNext(): boolean {
    return this.#at < this.#rows.length
  }

  /** Of the entry in hand. */
  get key(): Buffer {
    return this.#rows[this.#at] ?? NONE
  }

  get value(): Buffer {
    return this.#rows[this.#at + 1] ?? NONE
  }

  /** Goes behind the entry in hand. */
  advance(): void {
    this.#at += 2
  }

  /** Gives up what is used up, where it is only read on; a seek back reads it again. */
  letGo(): void {
    const last = this.#rows.at(-2)
    if (this.hasNext || last === undefined) return
    this.#rows = [last, NONE]
    this.#at = this.#rows.length
    this.#floor = last
    this.#isFloorIn = false
  }

  /** Reads on when nothing is in hand; false: there is no more. @throws {KVError} CORRUPT when a block is damaged */
  fill(): boolean {
    if (this.hasNext) return true
    const before = this.#rows.at(-2)
    let step = this.#step
    if (this.#boundary !== null) {
      if (this.#isGlance) step = MIN_STEP
      this.#cursor.seek(this.#boundary)
      this.#floor = this.#boundary
      this.#boundary = null
      this.#isFloorIn = true
    } else if (before !== undefined) {
      if (!this.#isGlance) step = this.#step = Math.min(MAX_STEP, step * 2)
      this.#isGlance = false
      this.#floor = before
      this.#isFloorIn = false
    }
    this.#at = 0
    this.#rows = []
    if (this.#cursor.isDone) return false
    const rows = this.#cursor.next(Math.max(1, Math.min(step, this.#expected())))
    this.#rows = rows
    this.readCount += rows.length >> 1
    for (const bytes of rows) this.readBytes += bytes.length
    return rows.length > 0
  }

  /**
   * Goes to a boundary: the next entry is the first one at or above it, or, reversed, the last one below it.
   * @param wanted entries behind it, where the reader knows; otherwise as many as it used before
   */
  seek(boundary: Buffer, wanted: number | null = null): void {
    this.#goTo(boundary, wanted, false)
  }

  /** The same where little is looked for, on the way to somewhere else. */
  glance(boundary: Buffer): void {
    this.#goTo(boundary, null, true)
  }

  #goTo(boundary: Buffer, wanted: number | null, isGlance: boolean): void {
    const last = this.#rows.length - 2
    if (last >= 0 && this.#boundary === null && this.#isBehindFloor(boundary)) {
      if (this.#isBehind(last >> 1, boundary)) {
        this.#at = this.#find(boundary, last)
        // What is read behind it next is twice as much.
        if (wanted !== null) this.#step = Math.max(this.#step, Math.min(MAX_STEP, wanted) >> 1)
        return
      }
      if (this.#cursor.isDone) {
        this.#at = this.#rows.length
        return
      }
    }
    if (wanted !== null || (!isGlance && !this.#isGlance)) {
      this.#step = Math.max(MIN_STEP, Math.min(MAX_STEP, wanted ?? (this.#at >> 1) + 1))
    }
    this.#isGlance = isGlance
    this.#rows = []
    this.#at = 0
    this.#boundary = boundary
  }

  /** Whether nothing that the boundary would bring lies before what is in hand. */
  #isBehindFloor(boundary: Buffer): boolean {
    if (this.#floor === null) return true
    const order = boundary.compare(this.#floor)
    if (this.#isReversed) return order <= 0
    return this.#isFloorIn ? order >= 0 : order > 0
  }

  /** Index of the first entry in hand that is not before the boundary. Most seeks go a little forward. */
  #find(boundary: Buffer, last: number): number {
    const here = this.#at >> 1
    let low = here > 0 && this.#isBehind(here - 1, boundary) ? 0 : here
    let high = last >> 1
    if (this.#isBehind(low, boundary)) high = low
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#isBehind(middle, boundary)) high = middle
      else low = middle + 1
    }
    return low << 1
  }

  #isBehind(entry: number, boundary: Buffer): boolean {
    const order = this.#rows[entry << 1]?.compare(boundary) ?? 0
    return this.#isReversed ? order < 0 : order >= 0
  }
}

const NONE = Buffer.alloc(0)
