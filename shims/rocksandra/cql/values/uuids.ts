/** UUIDs: as text, and the time-based ones with the time in them (UUIDGen.java of Cassandra 3.0). */

const PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Null for what is none. */
export function parseUuid(text: string): Buffer | null {
  return PATTERN.test(text) ? Buffer.from(text.replaceAll('-', ''), 'hex') : null
}

export function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** 1582-10-15, from which on time-based UUIDs count, in milliseconds since 1970. */
const START_MS = -12_219_292_800_000n
const TICKS_PER_MS = 10_000n

/** The time in a time-based UUID in milliseconds since 1970, rounded down. */
export function timeuuidMs(bytes: Buffer): bigint {
  const high = BigInt(bytes.readUInt16BE(6) & 0x0fff)
  const ticks = (high << 48n) | (BigInt(bytes.readUInt16BE(4)) << 32n) | BigInt(bytes.readUInt32BE(0))
  return ticks / TICKS_PER_MS + START_MS
}

/** A time-based UUID of a time in units of 100 ns since 1582, and of eight bytes of clock and node. */
function timeuuid(ticks: bigint, clockAndNode: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(16)
  bytes.writeUInt32BE(Number(ticks & 0xffff_ffffn), 0)
  bytes.writeUInt16BE(Number((ticks >> 32n) & 0xffffn), 4)
  bytes.writeUInt16BE(Number((ticks >> 48n) & 0x0fffn) | 0x1000, 6)
  clockAndNode.copy(bytes, 8)
  return bytes
}

/** `ticks` of 100 ns into the millisecond. */
function timeuuidAt(ms: bigint, ticks: number, clockAndNode: Buffer): Buffer {
  return timeuuid((ms - START_MS) * TICKS_PER_MS + BigInt(ticks), clockAndNode)
}

/** The bytes behind the time are compared as signed ones: these are the least and the greatest. */
const LEAST = Buffer.alloc(8, 0x80)
const GREATEST = Buffer.alloc(8, 0x7f)

/** Not greater than any of that millisecond. */
export function minTimeuuid(ms: bigint): Buffer {
  return timeuuid((ms - START_MS) * TICKS_PER_MS, LEAST)
}

/** Not less than any of that millisecond. */
export function maxTimeuuid(ms: bigint): Buffer {
  return timeuuid((ms + 1n - START_MS) * TICKS_PER_MS - 1n, GREATEST)
}

/** Makes time-based UUIDs that rise and never repeat. */
export class TimeuuidSource {
  readonly #nowMs: () => number
  readonly #clockAndNode: Buffer
  #lastMs = 0n
  #ticks = 0

  /** `clockAndNode`: eight random bytes, which tell two sources apart. */
  constructor(nowMs: () => number, clockAndNode: Buffer) {
    this.#nowMs = nowMs
    this.#clockAndNode = Buffer.from(clockAndNode)
    // The variant of RFC 4122, and a node that is no real one.
    this.#clockAndNode[0] = ((this.#clockAndNode[0] ?? 0) & 0x3f) | 0x80
    this.#clockAndNode[2] = (this.#clockAndNode[2] ?? 0) | 0x01
  }

  next(): Buffer {
    const now = BigInt(this.#nowMs())
    if (now > this.#lastMs) {
      this.#lastMs = now
      this.#ticks = 0
    } else if (++this.#ticks === Number(TICKS_PER_MS)) {
      this.#lastMs++
      this.#ticks = 0
    }
    return timeuuidAt(this.#lastMs, this.#ticks, this.#clockAndNode)
  }
}
