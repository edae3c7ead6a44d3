/**
 * Whether each backend is left alone for a moment, known to all threads at once: a few words of shared memory a guard.
 * What a thread finds out about a backend holds for the others with their next look, without a message.
 */
import type { BackendRole, BackendStatus } from '../model/operations.js'

/** Words of one guard. */
const CHANGES = 0
const PROBES = 1
const SINCE_SECONDS = 2
const WORDS = 3

const ROLES: readonly BackendRole[] = ['primary', 'shadow']

/** All guards of a process. Made by the main thread; each thread has its own object over the same memory. */
export class SharedBreakers {
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #names: readonly string[]

  /** @param names in the same order on every thread */
  constructor(buffer: SharedArrayBuffer, names: readonly string[]) {
    this.#words = new Int32Array(buffer)
    this.#names = names
  }

  /** The first object over new memory, with all closed. */
  static create(names: readonly string[]): SharedBreakers {
    const bytes = names.length * ROLES.length * WORDS * Int32Array.BYTES_PER_ELEMENT
    return new SharedBreakers(new SharedArrayBuffer(bytes), names)
  }

  /** For the other threads' objects. */
  get buffer(): SharedArrayBuffer {
    return this.#words.buffer
  }

  /** @throws {TypeError} when no backend has this name */
  of(name: string, role: BackendRole): SharedBreaker {
    const index = this.#names.indexOf(name)
    if (index < 0) throw new TypeError(`no backend is named ${name}`)
    const start = (index * ROLES.length + ROLES.indexOf(role)) * WORDS
    return new SharedBreaker(this.#words.subarray(start, start + WORDS))
  }

  list(): BackendStatus[] {
    return this.#names.flatMap((name) =>
      ROLES.map((role) => ({ name, role, ...this.of(name, role).status() })),
    )
  }
}

export class SharedBreaker {
  readonly #words: Int32Array<SharedArrayBuffer>

  constructor(words: Int32Array<SharedArrayBuffer>) {
    this.#words = words
  }

  /** Openings and closings so far. What began under one number says nothing about the time after it. */
  get changes(): number {
    return Atomics.load(this.#words, CHANGES)
  }

  get isOpen(): boolean {
    return (this.changes & 1) === 1
  }

  /** Answers whether this call made the change. */
  open(nowMs: number): boolean {
    return this.#change(false, nowMs)
  }

  /** As `open`. */
  close(nowMs: number): boolean {
    return this.#change(true, nowMs)
  }

  /** Probes so far, of all threads. */
  get probes(): number {
    return Atomics.load(this.#words, PROBES)
  }

  /** Whether the caller may probe: nobody has since it saw `seen` probes. */
  claimProbe(seen: number): boolean {
    return Atomics.compareExchange(this.#words, PROBES, seen, seen + 1) === seen
  }

  status(): Pick<BackendStatus, 'isOpen' | 'openings' | 'sinceMs'> {
    const { changes } = this
    const seconds = Atomics.load(this.#words, SINCE_SECONDS) >>> 0
    return {
      isOpen: (changes & 1) === 1,
      openings: (changes + 1) >> 1,
      sinceMs: seconds === 0 ? null : seconds * 1000,
    }
  }

  #change(fromOpen: boolean, nowMs: number): boolean {
    const { changes } = this
    if (((changes & 1) === 1) !== fromOpen) return false
    if (Atomics.compareExchange(this.#words, CHANGES, changes, changes + 1) !== changes) return false
    Atomics.store(this.#words, SINCE_SECONDS, Math.floor(nowMs / 1000))
    return true
  }
}
