/**
 * One page of a scan: walks the shards of its plan one after the other, in the order of the scan, until the page is full,
 * the plan is through, or it took long. Part of hop 5.
 *
 * - Every incarnation of the plan is leased in the tick of the plan, and given up as soon as its shard is behind.
 * - A page that ends inside a shard goes on where that shard says; one that ends between two goes on where the next
 *   shard's span begins, so that nothing is looked at twice and no row is left out.
 * - A shard that cannot be read ends the page before it if the page holds rows already: what was read is answered, and
 *   the next page meets the failure.
 */
import type { Clock } from '../base/clock.js'
import { type Done, KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Incarnation } from '../model/cluster-map.js'
import type { LeafEngine, ShardPage } from '../model/leaf-engine.js'
import type { ScanPlan, ShardScan } from '../model/plan.js'
import { type RowPosition, entryOf } from '../model/row-order.js'
import type { ScanResult, ScannedRow } from '../model/scan.js'

/** What a cell counts for in a page beside its bytes; the same for a row. */
const COST_BYTES = 32

interface Uses {
  acquire(incarnation: Incarnation): void
  release(incarnation: Incarnation): void
}

export class PageWalk {
  readonly #plan: ScanPlan
  readonly #engine: LeafEngine
  readonly #uses: Uses
  readonly #clock: Clock
  readonly #done: Done<ScanResult>
  readonly #endsAtMs: number
  readonly #rows: ScannedRow[] = []
  #bytes = 0
  /** Index of the shard scan that is under way or next. */
  #index = 0
  #isAnswered = false

  constructor(
    plan: ScanPlan,
    engine: LeafEngine,
    uses: Uses,
    { clock, done }: { readonly clock: Clock; readonly done: Done<ScanResult> },
  ) {
    this.#plan = plan
    this.#engine = engine
    this.#uses = uses
    this.#clock = clock
    this.#done = done
    const nowMs = clock.monotonicMs()
    // Half of the caller's time, so that the page is on its way back before it ends.
    const halfTime = (plan.admitted.request.context.deadline - nowMs) / 2
    this.#endsAtMs = nowMs + Math.min(limits.scanPageTimeMs, halfTime)
  }

  start(): void {
    for (const { incarnation } of this.#plan.shardScans) this.#uses.acquire(incarnation)
    this.#next()
  }

  /** A loop and not a recursion where shards answer at once: there may be a thousand of them. */
  #next(): void {
    while (!this.#isAnswered) {
      const scan = this.#plan.shardScans[this.#index]
      if (scan === undefined) {
        this.#finish()
        return
      }
      const call = { isLoop: true, hasAnswered: false }
      this.#engine.scan(this.#remaining(scan), (outcome) => {
        call.hasAnswered = true
        this.#take(scan, outcome)
        if (!call.isLoop) this.#next()
      })
      call.isLoop = false
      if (!call.hasAnswered) return
    }
  }

  #remaining(scan: ShardScan): ShardScan {
    if (this.#rows.length === 0) return scan
    return {
      ...scan,
      pageRows: scan.pageRows - this.#rows.length,
      pageBytes: Math.max(1, scan.pageBytes - this.#bytes),
    }
  }

  /** Takes what a shard answered; answers the page when that was its end. */
  #take(scan: ShardScan, outcome: ShardPage | KVError): void {
    const hasRows = this.#rows.length > 0
    if (outcome instanceof KVError) {
      this.#answer(hasRows ? this.#entryOf(scan) : outcome)
      return
    }
    const isFirstCut = outcome.rows[0] !== undefined && outcome.rows[0].row.next !== null
    if (isFirstCut && hasRows) {
      // It was cut for what earlier shards took of the page; the next page may hold it whole.
      this.#answer(this.#entryOf(scan))
      return
    }
    for (const row of outcome.rows) this.#add(row)
    if (outcome.next !== null) {
      this.#answer(outcome.next)
      return
    }
    this.#uses.release(scan.incarnation)
    this.#index += 1
    if (this.#isOver(scan)) this.#finishEarly()
  }

  #isOver({ pageRows, pageBytes }: ShardScan): boolean {
    if (this.#rows.length >= pageRows || this.#bytes >= pageBytes) return true
    return this.#clock.monotonicMs() >= this.#endsAtMs
  }

  #add(scanned: ScannedRow): void {
    this.#rows.push(scanned)
    for (const { localKey, value } of scanned.row.cells) {
      this.#bytes += localKey.length + value.length + COST_BYTES
    }
  }

  /** The page is over between two shards. */
  #finishEarly(): void {
    const following = this.#plan.shardScans[this.#index]
    if (following === undefined) this.#finish()
    else this.#answer(this.#entryOf(following))
  }

  /** The plan is through: that is the end of the scan, unless a shard behind it is not open. */
  #finish(): void {
    const { blocked } = this.#plan
    if (blocked === undefined) this.#answer(null)
    else this.#answer(this.#rows.length > 0 ? blocked.at : blocked.error)
  }

  #entryOf({ span }: ShardScan): RowPosition {
    return entryOf(span, this.#plan.admitted.request.isReversed)
  }

  #answer(end: RowPosition | KVError | null): void {
    this.#isAnswered = true
    for (const { incarnation } of this.#plan.shardScans.slice(this.#index)) this.#uses.release(incarnation)
    if (end instanceof KVError) {
      this.#done(end)
      return
    }
    const { version } = this.#plan
    this.#done({ rows: this.#rows, next: end, datasetVersion: version === null ? null : version.id })
  }
}
