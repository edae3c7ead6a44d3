/**
 * The range tombstones of one row: columns [from, to) are deleted up to a time. One list a row, kept by the writer thread,
 * which reads it, adds to it and puts it back; the result does not depend on the order in which deletions arrive.
 *
 *     list    u8 format (1) | u16 count | entry*
 *     entry   i64 timestamp | u32 deletedAtSeconds | u8 hasEnd | u32 fromSize | u32 toSize | from | to
 *
 * Big-endian. Entries stand in the order of `from`, then `to`, then timestamp; none lies within another one that is as new
 * and was made as late: what was made later is kept longer (purge.ts).
 */
import { KVError } from '../base/errors.js'
import type { CellTimestamp } from '../model/row.js'

export interface RangeTombstone {
  readonly from: Buffer
  /** Exclusive; null: to the last column. */
  readonly to: Buffer | null
  /** Cells at or before this are deleted. */
  readonly timestamp: CellTimestamp
  /** When it was made, seconds since 1970: the start of its grace period. */
  readonly deletedAtSeconds: number
}

/** Of one row; a removal beyond it is refused. A read of the row compares each cell with the list. */
export const MAX_RANGE_TOMBSTONES = 1_000

/** Of their list, as stored: every read of the row and every removal of a range moves it. */
export const MAX_RANGES_BYTES = 1024 * 1024

const FORMAT = 1
const HEAD_SIZE = 3
const ENTRY_HEAD_SIZE = 21

/** @throws {KVError} CORRUPT */
export function decodeRangeTombstones(stored: Buffer): readonly RangeTombstone[] {
  try {
    return decode(stored)
  } catch (error) {
    throw new KVError('CORRUPT', `list of range tombstones of ${stored.byteLength} bytes is damaged`, {
      cause: error,
    })
  }
}

function decode(stored: Buffer): readonly RangeTombstone[] {
  if (stored[0] !== FORMAT) throw new RangeError(`format ${stored[0]}`)
  const list: RangeTombstone[] = []
  let at = HEAD_SIZE
  for (let left = stored.readUInt16BE(1); left > 0; left--) {
    const fromAt = at + ENTRY_HEAD_SIZE
    const toAt = fromAt + stored.readUInt32BE(at + 13)
    const end = toAt + stored.readUInt32BE(at + 17)
    if (end > stored.byteLength) throw new RangeError('ends early')
    list.push({
      timestamp: stored.readBigInt64BE(at),
      deletedAtSeconds: stored.readUInt32BE(at + 8),
      from: stored.subarray(fromAt, toAt),
      to: stored[at + 12] === 1 ? stored.subarray(toAt, end) : null,
    })
    at = end
  }
  if (at !== stored.byteLength) throw new RangeError('goes on')
  return list
}

export function encodeRangeTombstones(list: readonly RangeTombstone[]): Buffer {
  let size = HEAD_SIZE
  for (const { from, to } of list) size += ENTRY_HEAD_SIZE + from.byteLength + (to?.byteLength ?? 0)
  const stored = Buffer.allocUnsafe(size)
  stored[0] = FORMAT
  stored.writeUInt16BE(list.length, 1)
  let at = HEAD_SIZE
  for (const { from, to, timestamp, deletedAtSeconds } of list) {
    stored.writeBigInt64BE(timestamp, at)
    stored.writeUInt32BE(deletedAtSeconds, at + 8)
    stored[at + 12] = to === null ? 0 : 1
    stored.writeUInt32BE(from.byteLength, at + 13)
    stored.writeUInt32BE(to?.byteLength ?? 0, at + 17)
    at += ENTRY_HEAD_SIZE
    at += from.copy(stored, at)
    at += to?.copy(stored, at) ?? 0
  }
  return stored
}

/**
 * Both together, without what another entry covers, in order. Cheap where `added` are disjoint and newer than the list, as
 * deletions are.
 * @param list as this function answers it
 */
export function addRangeTombstones(
  list: readonly RangeTombstone[],
  added: readonly RangeTombstone[],
): readonly RangeTombstone[] {
  const news = withoutCovered([...added].sort(compareTombstones)).filter(
    (one) => !list.some((other) => covers(other, one)),
  )
  if (news.length === 0) return list
  const gone = new Set<RangeTombstone>()
  for (const one of news) {
    for (let at = firstFrom(list, one.from); at < list.length; at++) {
      const other = list[at]
      if (other === undefined || (one.to !== null && other.from.compare(one.to) >= 0)) break
      if (covers(one, other)) gone.add(other)
    }
  }
  return [...list.filter((other) => !gone.has(other)), ...news].sort(compareTombstones)
}

/** So many columns are compared with a list entry by entry, and any with a short one: that costs less than cutting it. */
const MAX_COMPARED_COLUMNS = 16
const MAX_COMPARED_ENTRIES = 4

/**
 * Up to when columns are deleted by a list. A row of many columns asks for each of them: the list is cut into pieces that do
 * not overlap, in which a column is sought. 1,000 ranges and 10,000 columns took 1.5 s, and take 45 ms (on a busy core).
 */
export class RangeCover {
  readonly #list: readonly RangeTombstone[]
  /** Where pieces begin; each goes to the next one. Null: not cut yet, or not worth it. */
  #starts: readonly Buffer[] | null = null
  #upTo: readonly (CellTimestamp | null)[] = []
  #asked = 0

  /** @param list in order, as it is stored */
  constructor(list: readonly RangeTombstone[]) {
    this.#list = list
  }

  get list(): readonly RangeTombstone[] {
    return this.#list
  }

  get isEmpty(): boolean {
    return this.#list.length === 0
  }

  /** Null: the column is in no range. */
  deletedUpTo(localKey: Buffer): CellTimestamp | null {
    const isCompared = this.#list.length <= MAX_COMPARED_ENTRIES || this.#asked++ < MAX_COMPARED_COLUMNS
    if (isCompared) return newestOver(this.#list, localKey)
    const starts = (this.#starts ??= this.#cut())
    let low = 0
    let high = starts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((starts[middle]?.compare(localKey) ?? 0) <= 0) low = middle + 1
      else high = middle
    }
    return this.#upTo[low - 1] ?? null
  }

  #cut(): readonly Buffer[] {
    const ends = this.#list.flatMap(({ from, to }) => (to === null ? [from] : [from, to]))
    ends.sort((a, b) => a.compare(b))
    const starts = ends.filter((end, i) => i === 0 || ends[i - 1]?.equals(end) !== true)
    const placeOf = new Map(starts.map((start, i) => [start.toString('latin1'), i]))
    const place = (end: Buffer | null) =>
      end === null ? starts.length : (placeOf.get(end.toString('latin1')) ?? starts.length)
    const upTo = new Array<CellTimestamp | null>(starts.length).fill(null)
    // The newest first: pieces that have their time are passed over.
    const next = Array.from({ length: starts.length + 1 }, (_, i) => i)
    const newestFirst = this.#list.toSorted((a, b) => compareTimes(b.timestamp, a.timestamp))
    for (const { from, to, timestamp } of newestFirst) {
      const end = place(to)
      for (let at = firstFree(next, place(from)); at < end; at = firstFree(next, at)) {
        upTo[at] = timestamp
        next[at] = at + 1
      }
    }
    this.#upTo = upTo
    return starts
  }
}

/** The first place from this one on that points to itself; those on the way are made to point further. */
function firstFree(next: number[], from: number): number {
  let at = from
  for (let further = next[at] ?? at; further !== at; further = next[at] ?? at) {
    next[at] = next[further] ?? further
    at = further
  }
  return at
}

function compareTimes(a: CellTimestamp, b: CellTimestamp): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function newestOver(list: readonly RangeTombstone[], localKey: Buffer): CellTimestamp | null {
  let newest: CellTimestamp | null = null
  for (const { from, to, timestamp } of list) {
    if (from.compare(localKey) > 0) break
    if (to !== null && to.compare(localKey) <= 0) continue
    if (newest === null || timestamp > newest) newest = timestamp
  }
  return newest
}

/** What others of them cover is left out; of equal ones the first stays. */
function withoutCovered(sorted: readonly RangeTombstone[]): readonly RangeTombstone[] {
  const areDisjoint = sorted.every((one, index) => {
    const next = sorted[index + 1]
    return next === undefined || (one.to !== null && one.to.compare(next.from) <= 0)
  })
  if (areDisjoint) return sorted
  return sorted.filter(
    (one, index) =>
      !sorted.some((other, at) => at !== index && covers(other, one) && (at < index || !covers(one, other))),
  )
}

/** Index of the first entry whose `from` is not before this one. */
function firstFrom(list: readonly RangeTombstone[], from: Buffer): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((list[middle]?.from.compare(from) ?? 0) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function compareTombstones(a: RangeTombstone, b: RangeTombstone): number {
  const byRange = a.from.compare(b.from) || compareEnds(a.to, b.to)
  if (byRange !== 0) return byRange
  if (a.timestamp !== b.timestamp) return compareTimes(a.timestamp, b.timestamp)
  return a.deletedAtSeconds - b.deletedAtSeconds
}

/** Null is the last. */
function compareEnds(a: Buffer | null, b: Buffer | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
  return a.compare(b)
}

/** Whether everything that one deletes is deleted by the other, and for as long. */
function covers(other: RangeTombstone, one: RangeTombstone): boolean {
  return (
    other.timestamp >= one.timestamp &&
    other.deletedAtSeconds >= one.deletedAtSeconds &&
    other.from.compare(one.from) <= 0 &&
    compareEnds(other.to, one.to) >= 0
  )
}
