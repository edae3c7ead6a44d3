/**
 * One page of a scan of one shard: one cursor, hence one snapshot, read in steps that the pace gives turns to. A page ends
 * early, with what it has and the last row that it looked at, when it took long or looked at much: a filter that nothing
 * passes must not hold the caller. Always at least one row is looked at, so that a sequence of pages comes to its end.
 *
 * The cursor never outlives the answer, whatever it is. A scan that has not begun when its shard is let go answers
 * SHARD_NOT_SERVING.
 */
import type { Clock } from '../../../base/clock.js'
import { type Done, type KVError, toKVError } from '../../../base/errors.js'
import type { ShardPage } from '../../../model/leaf-engine.js'
import type { ShardScan } from '../../../model/plan.js'
import type { Database } from '../store/binding.js'
import type { GatedRead, ReadGate } from '../read/read-gate.js'
import type { PacedRequest, Slice } from '../read/read-pace.js'
import type { SupersededKeys } from '../read/superseded.js'
import { RowScan } from './row-scan.js'
import { ScanPage, type RowSource } from './scan-page.js'
import { SealedScan } from './sealed-scan.js'

/** A page looks at so many stored entries, or so long; then it is answered as it is. */
const MAX_ENTRIES = 100_000
const MAX_MS = 250

export interface ScanRunOptions {
  readonly clock: Clock
  readonly gate: ReadGate
  readonly done: Done<ShardPage>
  /** For the page's snapshot; undefined: nobody wants to know of them. */
  readonly superseded?: () => SupersededKeys | undefined
}

export class ScanRun implements PacedRequest {
  readonly #database: Database
  readonly #scan: ShardScan
  readonly #clock: Clock
  readonly #gate: ReadGate
  readonly #asked: GatedRead
  readonly #done: Done<ShardPage>
  readonly #page: ScanPage
  readonly #takeSuperseded: () => SupersededKeys | undefined
  #superseded: SupersededKeys | undefined
  #source: RowSource | null = null
  #endMs = 0

  constructor(database: Database, scan: ShardScan, { clock, gate, superseded, done }: ScanRunOptions) {
    this.#database = database
    this.#scan = scan
    this.#clock = clock
    this.#gate = gate
    this.#asked = { deadline: scan.deadline, connection: scan.request.context.connection ?? null }
    this.#done = done
    this.#takeSuperseded = superseded ?? (() => undefined)
    this.#page = new ScanPage(scan)
  }

  /** Of its page, so far, and of what the row in hand is tested by. */
  get heldBytes(): number {
    return this.#page.heldBytes
  }

  /** Reads a little; answers whether there is more to do. */
  step(slice: Slice): boolean {
    let outcome: ShardPage | KVError | null
    try {
      outcome = this.#next(slice)
    } catch (error) {
      outcome = this.#failed(toKVError(error, 'scanning'))
    }
    if (outcome === null) return true
    this.#source?.close()
    this.#superseded?.finish()
    this.#answer(outcome)
    return false
  }

  /** The answer; null: there is more to read. */
  #next(slice: Slice): ShardPage | null {
    const nowMs = this.#clock.monotonicMs()
    const refusal = this.#gate.refusal(this.#asked, nowMs)
    if (refusal !== null) throw refusal
    if (this.#source === null) {
      // A page that comes late is of no use: half of the time is for what comes behind.
      this.#endMs = nowMs + Math.min(MAX_MS, (this.#scan.deadline - nowMs) / 2)
      this.#source = this.#begin()
    }
    const source = this.#source
    const before = source.readBytes
    const isThrough = source.steps.next().done === true
    slice.bytes += source.readBytes - before
    if (isThrough) return this.#shardPage()
    const isLong = source.readCount >= MAX_ENTRIES || nowMs >= this.#endMs
    if (!isLong || this.#page.last === null) return null
    this.#page.end()
    return this.#shardPage()
  }

  #begin(): RowSource {
    const { incarnation } = this.#scan
    const nowSeconds = Math.floor(this.#clock.nowMs() / 1_000)
    const target = { scan: this.#scan, page: this.#page, nowSeconds }
    if (incarnation.format === 'sealed') return new SealedScan(this.#database, target)
    this.#superseded = this.#takeSuperseded()
    return new RowScan(this.#database, incarnation.format, { ...target, superseded: this.#superseded })
  }

  #shardPage(): ShardPage {
    return { rows: this.#page.rows, next: this.#page.next }
  }

  /** Rows before one that cannot be read are answered; the next page begins with it, and fails. */
  #failed(error: KVError): ShardPage | KVError {
    if (error.code !== 'CORRUPT' && error.code !== 'TOO_LARGE') return error
    if (this.#page.last === null) return error
    this.#page.end()
    return this.#shardPage()
  }

  /** A callback that throws must not keep the other scans from their turns; its error surfaces by itself. */
  #answer(outcome: ShardPage | KVError): void {
    try {
      this.#done(outcome)
    } catch (error) {
      setImmediate(() => {
        throw error
      })
    }
  }
}
