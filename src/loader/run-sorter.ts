/**
 * Rows of one reading thread in bounded memory: entries are appended to one buffer and put in order when it is full.
 *
 * The sort is one of numbers, which the engine does natively: the upper half of what orders an entry times 2^21 plus its
 * index, exact in a double. Entries with the same upper half, neighbours then, are sorted by comparing: few where tokens
 * order, and where keys do, the four bytes behind what all keys begin with are taken instead.
 */
import { assert } from '../base/assert.js'
import type { KeyOrder } from '../model/dataset.js'
import {
  compareKeys,
  comparePlaces,
  type EntryCursor,
  entryHigh,
  entryKey,
  entryLow,
  entryPlace,
  type EntryToWrite,
  orderHigh,
  orderLow,
  sizeOfEntry,
  writeEntry,
} from './run-entry.js'

/** Entries in memory: their indexes share a double with 32 bits of order. */
const MAX_ENTRIES = 2 ** 21
const INDEX_SPAN = 2 ** 21

export class RunSorter {
  readonly #keyOrder: KeyOrder
  readonly #sizeBytes: number
  #arena: Buffer
  #offsets = new Uint32Array(1024)
  #usedBytes = 0
  #count = 0
  #isInOrder = true
  #lastHigh = 0
  #lastLow = 0

  constructor(keyOrder: KeyOrder, sizeBytes: number) {
    this.#keyOrder = keyOrder
    this.#sizeBytes = sizeBytes
    this.#arena = Buffer.allocUnsafeSlow(sizeBytes)
  }

  get count(): number {
    return this.#count
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Whether the rows came in the order of their physical keys. */
  get isInOrder(): boolean {
    return this.#isInOrder
  }

  /** Takes a copy of the row; false: there is no room, and nothing was taken. A row larger than all room fits alone. */
  add(entry: EntryToWrite): boolean {
    const size = sizeOfEntry(entry)
    if (!this.#hasRoom(size)) return false
    const high = orderHigh(this.#keyOrder, entry)
    const low = orderLow(this.#keyOrder, entry)
    writeEntry(this.#arena, this.#usedBytes, { entry, size, high, low })
    this.#append(size, high, low)
    return true
  }

  /** The first row again, as it stood in a sorter before. */
  addCopy(bytes: Buffer): void {
    assert(this.#count === 0 && this.#hasRoom(bytes.length), 'a kept row comes first')
    this.#arena.set(bytes, 0)
    this.#append(bytes.length, entryHigh(bytes, 0), entryLow(bytes, 0))
  }

  #hasRoom(size: number): boolean {
    if (this.#usedBytes + size <= this.#arena.length && this.#count < MAX_ENTRIES) return true
    if (this.#count > 0) return false
    this.#arena = Buffer.allocUnsafeSlow(size)
    return true
  }

  #append(size: number, high: number, low: number): void {
    const at = this.#usedBytes
    if (this.#count === this.#offsets.length) this.#growOffsets()
    if (this.#isInOrder && this.#count > 0) this.#isInOrder = this.#isBehindLast(at, high, low)
    this.#offsets[this.#count++] = at
    this.#usedBytes = at + size
    this.#lastHigh = high
    this.#lastLow = low
  }

  #isBehindLast(at: number, high: number, low: number): boolean {
    if (high !== this.#lastHigh) return high > this.#lastHigh
    if (low !== this.#lastLow) return low > this.#lastLow
    const last = { bytes: this.#arena, at: this.#offsets[this.#count - 1] ?? 0 }
    return compareKeys(this.#arena, at, last) >= 0
  }

  #growOffsets(): void {
    const grown = new Uint32Array(this.#offsets.length * 2)
    grown.set(this.#offsets)
    this.#offsets = grown
  }

  /** The rows in order; for use until `clear`. */
  sorted(): EntryCursor {
    return new ArenaCursor(
      this.#arena,
      this.#isInOrder ? this.#offsets.subarray(0, this.#count) : this.#sort(),
    )
  }

  clear(): void {
    if (this.#arena.length !== this.#sizeBytes) this.#arena = Buffer.allocUnsafeSlow(this.#sizeBytes)
    this.#usedBytes = 0
    this.#count = 0
    this.#isInOrder = true
  }

  /** Offsets of the entries in order. */
  #sort(): Uint32Array {
    const arena = this.#arena
    const firstOrders = this.#firstOrders()
    const numbers = new Float64Array(this.#count)
    for (let index = 0; index < this.#count; index++)
      numbers[index] = (firstOrders[index] ?? 0) * INDEX_SPAN + index
    numbers.sort()
    const sorted = new Uint32Array(this.#count)
    let groupStart = 0
    let groupOrder = -1
    for (let place = 0; place < this.#count; place++) {
      const number = numbers[place] ?? 0
      const order = Math.floor(number / INDEX_SPAN)
      sorted[place] = this.#offsets[number - order * INDEX_SPAN] ?? 0
      if (order === groupOrder) continue
      if (place - groupStart > 1) sortGroup(arena, sorted.subarray(groupStart, place))
      groupStart = place
      groupOrder = order
    }
    if (this.#count - groupStart > 1) sortGroup(arena, sorted.subarray(groupStart))
    return sorted
  }

  /** 32 bits of each entry that come first in the order. */
  #firstOrders(): Uint32Array {
    const arena = this.#arena
    const orders = new Uint32Array(this.#count)
    const skipped = this.#keyOrder === 'HASHED' ? 0 : this.#commonKeySize()
    for (let index = 0; index < this.#count; index++) {
      const at = this.#offsets[index] ?? 0
      if (skipped === 0) orders[index] = entryHigh(arena, at)
      else {
        const key = entryKey(arena, at)
        const [a = 0, b = 0, c = 0, d = 0] = [
          key[skipped],
          key[skipped + 1],
          key[skipped + 2],
          key[skipped + 3],
        ]
        orders[index] = (a << 24) | (b << 16) | (c << 8) | d
      }
    }
    return orders
  }

  /** Bytes that all keys begin with. */
  #commonKeySize(): number {
    const first = entryKey(this.#arena, this.#offsets[0] ?? 0)
    let common = first.length
    for (let index = 1; index < this.#count && common > 0; index++) {
      const key = entryKey(this.#arena, this.#offsets[index] ?? 0)
      let same = 0
      while (same < common && key[same] === first[same]) same++
      common = same
    }
    return common
  }
}

/** By order, key, and where the row comes from. */
function sortGroup(arena: Buffer, offsets: Uint32Array): void {
  offsets.sort((a, b) => {
    const order =
      entryHigh(arena, a) - entryHigh(arena, b) ||
      entryLow(arena, a) - entryLow(arena, b) ||
      compareKeys(arena, a, { bytes: arena, at: b })
    return order === 0 ? comparePlaces(entryPlace(arena, a), entryPlace(arena, b)) : order
  })
}

class ArenaCursor implements EntryCursor {
  readonly bytes: Buffer
  at = 0
  high = 0
  low = 0
  readonly #offsets: Uint32Array
  #next = 0

  constructor(arena: Buffer, offsets: Uint32Array) {
    this.bytes = arena
    this.#offsets = offsets
  }

  next(): boolean {
    const at = this.#offsets[this.#next]
    if (at === undefined) return false
    this.#next++
    this.at = at
    this.high = entryHigh(this.bytes, at)
    this.low = entryLow(this.bytes, at)
    return true
  }
}
