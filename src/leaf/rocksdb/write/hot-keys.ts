/**
 * Which keys have been merged so often that the next write of them should fold: read what is there and put the greater
 * value. Every read walks a key's merge operands until it meets a put, and only a flush folds them otherwise: a key written
 * 100,000 times took 13 ms to read.
 *
 * Counts by a hash of the key, in a table of fixed size that is cleared now and then. Keys that share a place are folded a
 * little too early, which costs a read; and a key that the clearing keeps from being folded is written so rarely among
 * others that their writes flush the memtable before it gathers many operands.
 */

/** Operands at which a key is folded: they cost a read about as much as the look-up itself. */
const FOLD_AT = 32

/** A power of two. */
const PLACES = 65_536

/** Merges after which all counts begin anew: 8 a place, so that keys that are not hot rarely meet at FOLD_AT. */
const CLEAR_AFTER = 8 * PLACES

/** Bytes of a key that count, its last ones. */
const HASHED_BYTES = 64

export class HotKeys {
  readonly #counts = new Uint8Array(PLACES)
  #total = 0

  /** Counts a merge of the key; answers whether it is to be folded instead. Until it is, the answer stays true. */
  count(key: Buffer): boolean {
    if (++this.#total > CLEAR_AFTER) {
      this.#total = 0
      this.#counts.fill(0)
    }
    const place = placeOf(key)
    const merges = this.#counts[place] ?? 0
    if (merges >= FOLD_AT) return true
    this.#counts[place] = merges + 1
    return false
  }

  /** The key was put. */
  folded(key: Buffer): void {
    this.#counts[placeOf(key)] = 0
  }
}

/** FNV-1a. */
function placeOf(key: Buffer): number {
  let hash = 0x811c9dc5
  const size = key.byteLength
  for (let i = Math.max(0, size - HASHED_BYTES); i < size; i++) {
    hash = Math.imul(hash ^ (key[i] ?? 0), 0x01000193)
  }
  return (hash ^ (hash >>> 16)) & (PLACES - 1)
}
