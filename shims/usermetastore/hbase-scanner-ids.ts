/**
 * Ids of scanners. One that was not used for two minutes is forgotten, as HBase 2 does.
 *
 * Each data thread has its own, with ids that no other thread gives, so that one which is used on a connection of another
 * thread is unknown there and never somebody else's.
 */
import type { Clock } from '../../src/base/clock.js'
import { KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { HBaseFault } from './hbase-errors.js'

export interface ScannersOptions {
  readonly clock: Clock
  /** Of this thread among `step`. */
  readonly first: number
  readonly step: number
}

/** What an id may stand for. */
export interface Closable {
  /** Bytes of what it was opened with, roughly: keys, columns, a filter. */
  readonly heldBytes: number
  close(): void
}

/** All scanners of a thread by id. */
export class Scanners<T extends Closable> {
  readonly #clock: Clock
  readonly #step: number
  /** In the order of their last use. */
  readonly #byId = new Map<number, { readonly value: T; usedAtMs: number }>()
  #nextId: number
  #heldBytes = 0

  constructor({ clock, first, step }: ScannersOptions) {
    this.#clock = clock
    this.#nextId = first
    this.#step = step
  }

  get size(): number {
    return this.#byId.size
  }

  /** @throws {KVError} OVERLOADED when too many are open, or what they hold is too much */
  open(value: T): number {
    this.#forgetOld()
    if (this.#byId.size >= limits.maxScannersPerThread) throw tooMany(`${this.#byId.size} scanners are open`)
    if (this.#heldBytes + value.heldBytes > limits.maxScannerHeldBytes)
      throw tooMany(`${this.#byId.size} open scanners hold columns and filters of ${this.#heldBytes} bytes`)
    const id = this.#nextId
    // Ids are 31 bits; they begin again long after the first ones were forgotten.
    this.#nextId = id + this.#step > 0x7fff_ffff ? id % this.#step : id + this.#step
    this.#byId.set(id, { value, usedAtMs: this.#clock.monotonicMs() })
    this.#heldBytes += value.heldBytes
    return id
  }

  /** Its time begins anew. @throws {KVError} for one that is not open */
  use(id: number): T {
    this.#forgetOld()
    const found = this.#byId.get(id)
    if (found === undefined) throw noScanner()
    this.#byId.delete(id)
    found.usedAtMs = this.#clock.monotonicMs()
    this.#byId.set(id, found)
    return found.value
  }

  /** @throws {KVError} for one that is not open */
  close(id: number): void {
    this.#forgetOld()
    const found = this.#byId.get(id)
    if (found === undefined) throw noScanner()
    this.#forget(id, found.value)
  }

  #forgetOld(): void {
    const since = this.#clock.monotonicMs() - limits.scannerIdleMs
    for (const [id, { value, usedAtMs }] of this.#byId) {
      if (usedAtMs > since) break
      this.#forget(id, value)
    }
  }

  #forget(id: number, value: T): void {
    this.#byId.delete(id)
    this.#heldBytes -= value.heldBytes
    value.close()
  }
}

function tooMany(what: string): KVError {
  return new KVError('OVERLOADED', `${what}: close those that are not needed any more`, {
    retryAfterMs: 1_000,
  })
}

function noScanner(): HBaseFault {
  return new HBaseFault('scanner', '', 'scanner ID is invalid')
}
