/** The rows that benches read and load: the same in every process and every run, made from their number alone. */

export const VALUE_SIZE = 200
/** Keys of one multiGet, here and in RocksDB. */
export const KEYS_PER_MULTI_GET = 20
export const WIDE_COLUMNS = 30
/** 30 columns of this size are a row of 64 KB. Both bytes of it are below 0x80: see workspace.ts. */
export const WIDE_COLUMN_SIZE = 2160

const SEED = 0x60d817n
const MASK = (1n << 64n) - 1n
const POOL_SIZE = 1 << 20

/** 16 bytes, all of them hex digits, so that a key is the same in JSON, on the wire and on disk. */
export function rowKey(index: number): Buffer {
  let mixed = ((BigInt(index) + SEED) * 0x9e3779b97f4a7c15n) & MASK
  mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK
  mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & MASK
  return Buffer.from((mixed ^ (mixed >> 31n)).toString(16).padStart(16, '0'), 'latin1')
}

/** Letters and digits in no order; values are slices of it, which costs nothing and does not compress well. */
const pool = makePool()

function makePool(): Buffer {
  const letters = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', 'latin1')
  const bytes = Buffer.allocUnsafe(POOL_SIZE)
  let state = 0x2545f491
  for (let at = 0; at < POOL_SIZE; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[at] = letters[state & 63] ?? 0
  }
  return bytes
}

/** A view that must not be changed. */
export function rowValue(index: number, size: number = VALUE_SIZE): Buffer {
  const at = (index * 7919) % (POOL_SIZE - size)
  return pool.subarray(at, at + size)
}

/** `c00` to `c29`. */
export function wideColumn(column: number): string {
  return `c${String(column).padStart(2, '0')}`
}

/** `count` numbers below `below`, spread over the range and in no order; the same every time. */
export function pickRows(count: number, below: number): number[] {
  let state = 0x1f123bb5
  return Array.from({ length: count }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  })
}
