/**
 * Versions of history cells that a read comes upon and nobody sees any more: as many newer ones are kept as the dataset
 * keeps, and live as long. They make every read of their row slower until they are gone, so that the writer thread is told
 * of them by the first one that meets enough of them.
 */
import { limits } from '../../../base/limits.js'

/** Fewer are not worth a message; the purge finds them. */
const MIN_VERSIONS = 16

/** Takes what a read has found, as of a moment before its snapshot on the monotonic clock. */
export type DropSuperseded = (keys: readonly Buffer[], asOfMs: number) => void

/** Of one snapshot. */
export class SupersededKeys {
  readonly #asOfMs: number
  readonly #drop: DropSuperseded
  readonly #keys: Buffer[] = []
  #bytes = 0

  /** @param asOfMs before the snapshot is taken */
  constructor(asOfMs: number, drop: DropSuperseded) {
    this.#asOfMs = asOfMs
    this.#drop = drop
  }

  /** Those beyond what one message may have are left for the next read. */
  add(key: Buffer): void {
    if (this.#bytes >= limits.maxSupersededBytes) return
    this.#bytes += key.length
    this.#keys.push(key)
  }

  /** The read is through. */
  finish(): void {
    if (this.#keys.length >= MIN_VERSIONS) this.#drop(this.#keys, this.#asOfMs)
  }
}
