/**
 * Where elements of lists stand: paths that rise with time for those that are appended, and fall for those that are put
 * before. Cassandra has time-based UUIDs there, which no CQL client sees.
 *
 *     u64 microseconds since 1970, negative ones before, biased by 2^63 | u32 counter | u32 of this source
 */
import { randomBytes } from 'node:crypto'

const BIAS = 2n ** 63n
const MAX_COUNTER = 0xffff_ffff

export class ListPaths {
  readonly #nowMs: () => number
  readonly #source = randomBytes(4)
  #counter = 0

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Behind all that were given by now. */
  next(): Buffer {
    return this.#path(BigInt(this.#nowMs()) * 1000n, this.#count())
  }

  /** Before all that were given by now. */
  before(): Buffer {
    return this.#path(-BigInt(this.#nowMs()) * 1000n, MAX_COUNTER - this.#count())
  }

  #count(): number {
    this.#counter = this.#counter === MAX_COUNTER ? 0 : this.#counter + 1
    return this.#counter
  }

  #path(time: bigint, counter: number): Buffer {
    const path = Buffer.allocUnsafe(16)
    path.writeBigUInt64BE(time + BIAS, 0)
    path.writeUInt32BE(counter, 8)
    this.#source.copy(path, 12)
    return path
  }
}
