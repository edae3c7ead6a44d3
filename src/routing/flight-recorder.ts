/**
 * The last decisions of one thread about datasets that move, in a ring: what was asked, which side answered and why, how
 * long it took. All of its memory is taken at the start; recording stores numbers and names that exist already.
 */
import { ERROR_CODES, type ErrorCode, isErrorCode } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { FlightRecord } from '../model/difference.js'
import { DECISION_REASONS, type SideDecision } from './decide.js'

/** Of each key so many bytes are kept, enough to tell keys apart. */
const KEY_BYTES = 24

const IS_TARGET = 1
const HAS_FALLEN_BACK = 2
const IS_SHADOWED = 4
const IS_KEY_CUT = 8

const SUCCEEDED = -1
const NO_BUCKET = -1

/** What is known when a request has been answered. */
export interface Flight {
  readonly dataset: string
  readonly api: string
  readonly caller: string | null
  readonly keys: number
  /** The first one; null: none. */
  readonly key: Uint8Array | null
  readonly decision: SideDecision
  /** The other side answered in the end. */
  readonly hasFallenBack: boolean
  readonly isShadowed: boolean
  readonly durationMs: number
  readonly code: ErrorCode | null
}

/** Codes by their number and back. */
const CODE_NAMES = new Map<number, string>(Object.entries(ERROR_CODES).map(([name, code]) => [code, name]))

export class FlightRecorder {
  readonly #capacity: number
  readonly #times: Float64Array
  readonly #durations: Float32Array
  readonly #codes: Int16Array
  readonly #buckets: Int16Array
  readonly #keyCounts: Uint16Array
  readonly #reasons: Uint8Array
  readonly #flags: Uint8Array
  readonly #keySizes: Uint8Array
  readonly #keys: Buffer
  readonly #datasets: string[]
  readonly #apis: string[]
  readonly #callers: (string | null)[]
  #count = 0

  constructor(capacity: number = limits.maxFlights) {
    this.#capacity = capacity
    this.#times = new Float64Array(capacity)
    this.#durations = new Float32Array(capacity)
    this.#codes = new Int16Array(capacity)
    this.#buckets = new Int16Array(capacity)
    this.#keyCounts = new Uint16Array(capacity)
    this.#reasons = new Uint8Array(capacity)
    this.#flags = new Uint8Array(capacity)
    this.#keySizes = new Uint8Array(capacity)
    this.#keys = Buffer.alloc(capacity * KEY_BYTES)
    this.#datasets = new Array<string>(capacity).fill('')
    this.#apis = new Array<string>(capacity).fill('')
    this.#callers = new Array<string | null>(capacity).fill(null)
  }

  record(flight: Flight, nowMs: number): void {
    const at = this.#count % this.#capacity
    this.#count += 1
    const { decision, key, code } = flight
    this.#times[at] = nowMs
    this.#durations[at] = flight.durationMs
    this.#codes[at] = code === null ? SUCCEEDED : ERROR_CODES[code]
    this.#buckets[at] = decision.bucket ?? NO_BUCKET
    this.#keyCounts[at] = flight.keys
    this.#reasons[at] = DECISION_REASONS.indexOf(decision.why)
    this.#flags[at] =
      (decision.side === 'TARGET' ? IS_TARGET : 0) |
      (flight.hasFallenBack ? HAS_FALLEN_BACK : 0) |
      (flight.isShadowed ? IS_SHADOWED : 0) |
      (key !== null && key.length > KEY_BYTES ? IS_KEY_CUT : 0)
    const size = Math.min(KEY_BYTES, key?.length ?? 0)
    this.#keySizes[at] = key === null ? NO_KEY : size
    for (let index = 0; index < size; index += 1) this.#keys[at * KEY_BYTES + index] = key?.[index] ?? 0
    this.#datasets[at] = flight.dataset
    this.#apis[at] = flight.api
    this.#callers[at] = flight.caller
  }

  /** Those of the last `lastMs`, oldest first. `dataset` null: of all. */
  dump(nowMs: number, lastMs: number, dataset: string | null = null): FlightRecord[] {
    const found: FlightRecord[] = []
    const oldest = Math.max(0, this.#count - this.#capacity)
    for (let number = oldest; number < this.#count; number += 1) {
      const at = number % this.#capacity
      if ((this.#times[at] ?? 0) < nowMs - lastMs) continue
      if (dataset === null || this.#datasets[at] === dataset) found.push(this.#at(at))
    }
    return found
  }

  #at(at: number): FlightRecord {
    const flags = this.#flags[at] ?? 0
    const size = this.#keySizes[at] ?? NO_KEY
    const bucket = this.#buckets[at] ?? NO_BUCKET
    const code = this.#codes[at] ?? SUCCEEDED
    const start = at * KEY_BYTES
    return {
      atMs: this.#times[at] ?? 0,
      dataset: this.#datasets[at] ?? '',
      api: this.#apis[at] ?? '',
      caller: this.#callers[at] ?? null,
      keys: this.#keyCounts[at] ?? 0,
      key: size === NO_KEY ? null : this.#keys.toString('base64', start, start + size),
      isKeyCut: (flags & IS_KEY_CUT) !== 0,
      side: (flags & IS_TARGET) === 0 ? 'ORIGIN' : 'TARGET',
      why: DECISION_REASONS[this.#reasons[at] ?? 0] ?? 'STATE',
      bucket: bucket === NO_BUCKET ? null : bucket,
      hasFallenBack: (flags & HAS_FALLEN_BACK) !== 0,
      isShadowed: (flags & IS_SHADOWED) !== 0,
      durationMs: Math.round((this.#durations[at] ?? 0) * 1_000) / 1_000,
      code: code === SUCCEEDED ? null : codeName(code),
    }
  }
}

const NO_KEY = 255

function codeName(code: number): string {
  const name = CODE_NAMES.get(code) ?? ''
  return isErrorCode(name) ? name : 'INTERNAL'
}
