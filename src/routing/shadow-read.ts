/**
 * Shadow reads: what one side answered a caller is read from the other side, too, and compared. Off the critical path: it
 * begins in a later step of the event loop than the answer, with a deadline of its own, and nothing of it comes back.
 *
 * Bounded in number and bytes, per dataset and thread; what does not fit is dropped and counted. Every shadow read that is
 * sent ends as exactly one of matched, mismatched, tied, dropped, expired, failed (`godwit_migration_shadow_unaccounted`).
 *
 * A difference counts only if it is there again when both sides are read once more (shadow-confirm.ts).
 */
import type { Clock, StartTimer } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import type { Difference } from '../model/difference.js'
import { type Side, hasTwoSides } from '../model/migration.js'
import type { AdmittedRead } from '../model/plan.js'
import type { ReadRequest, ReadResult } from '../model/request.js'
import type { WireView } from './compare.js'
import { otherSide } from './decide.js'
import { copyRequest, copyRows, keptBytes, keptRequestBytes } from './kept-rows.js'
import type { DatasetWatch, ShadowVerdict } from './migration-watch.js'
import { type SeenAnswer, compareAnswers, seenAnswer, sharedVersion } from './shadow-answers.js'
import { ShadowConfirm, columnsOf, withoutColumns } from './shadow-confirm.js'
import type { Sides } from './sides.js'

/** How often deadlines are looked at while anything waits. */
const LOOK_MS = 50
/** Those of a burst expire together: a part of them, and requests in between. */
const EXPIRED_AT_ONCE = 64

export interface ShadowBounds {
  readonly maxReads: number
  readonly maxBytes: number
  readonly maxThreadBytes: number
}

export interface ShadowReadsOptions {
  readonly clock: Clock
  readonly startTimer: StartTimer
  /** Runs it in a later step of the event loop. */
  readonly defer: (run: () => void) => void
  readonly sides: Sides
  /** Of the newest map; undefined: there is no such dataset any more. */
  readonly entryOf: (dataset: string) => DatasetEntry | undefined
  readonly viewOf: (entry: DatasetEntry) => WireView
  /** A keyed digest that stands for a value in a record. */
  readonly digest: (value: Buffer) => string
  readonly report: (difference: Difference) => void
  /** More requests wait on this thread than it should take jobs beside. */
  readonly isBusy: () => boolean
  readonly bounds?: ShadowBounds
}

/** A read that was answered. */
export interface AnsweredRead {
  readonly watch: DatasetWatch
  readonly admitted: AdmittedRead
  readonly answeredBy: Side
  readonly outcome: ReadResult | KVError
  /** The origin is read twice. */
  readonly isBaseline: boolean
}

/** One shadow read on its way. */
export interface ShadowJob {
  readonly watch: DatasetWatch
  readonly request: ReadRequest
  /** The same, admitted. */
  readonly admitted: AdmittedRead
  readonly answeredBy: Side
  readonly isBaseline: boolean
  /** A copy of what the caller got; null: it was compared, and is let go. */
  answer: SeenAnswer | null
  bytes: number
  readonly deadline: number
  /** It differed at the first look. */
  isDoubted: boolean
  isDone: boolean
}

const BOUNDS: ShadowBounds = {
  maxReads: limits.maxShadowReads,
  maxBytes: limits.maxShadowBytes,
  maxThreadBytes: limits.maxShadowBytesPerThread,
}

export class ShadowReads {
  readonly #options: ShadowReadsOptions
  readonly #bounds: ShadowBounds
  readonly #confirm: ShadowConfirm
  /** Whose answers are waited for, in the order of their coming. */
  readonly #jobs = new Set<ShadowJob>()
  #begun: AnsweredRead[] = []
  #heldBytes = 0
  #isDeferred = false
  #isLooking = false

  constructor(options: ShadowReadsOptions) {
    this.#options = options
    this.#bounds = options.bounds ?? BOUNDS
    this.#confirm = new ShadowConfirm(options, {
      finish: (job, verdict) => this.#finish(job, verdict),
      hold: (job, bytes) => this.#hold(job, bytes),
    })
  }

  /** After the caller has its answer. Never throws. */
  offer(read: AnsweredRead): void {
    const { shadow } = read.watch
    shadow.sent += 1
    // Refused without a try, and known before anything is copied for it.
    if (this.#options.sides.isOpen(otherSide(read.answeredBy), read.admitted.entry, 'shadow')) {
      shadow.failed += 1
      return
    }
    if (shadow.waiting >= this.#bounds.maxReads || this.#options.isBusy()) {
      shadow.dropped += 1
      return
    }
    shadow.waiting += 1
    this.#begun.push(read)
    if (this.#isDeferred) return
    this.#isDeferred = true
    this.#options.defer(() => {
      this.#isDeferred = false
      const begun = this.#begun
      this.#begun = []
      for (const one of begun) this.#begin(one)
    })
  }

  /** Bytes of answers that wait to be compared. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  #begin({ watch, admitted, answeredBy, outcome, isBaseline }: AnsweredRead): void {
    const { clock, sides, entryOf } = this.#options
    const { request } = admitted
    const entry = entryOf(request.dataset)
    const keys = request.rowKeys.length
    const rows = outcome instanceof KVError ? [] : outcome.rows
    const bytes = keptBytes(rows) + keptRequestBytes(request)
    if (
      !this.#hasRoom(watch, bytes) ||
      entry?.record.id !== watch.datasetId ||
      !hasTwoSides(entry.record.migrationState) ||
      sides.isFull(otherSide(answeredBy), entry, 'shadow')
    ) {
      watch.shadow.waiting -= 1
      watch.shadow.dropped += 1
      return
    }
    const copied =
      outcome instanceof KVError ? outcome : { rows: copyRows(rows), datasetVersion: outcome.datasetVersion }
    const deadline = clock.monotonicMs() + limits.shadowTimeoutMs
    const shadowed = shadowRequest(request, deadline)
    const asked: AdmittedRead = { request: shadowed, entry, tokens: admitted.tokens }
    const answer = seenAnswer(admitted.entry, copied, keys)
    const job: ShadowJob = {
      watch,
      request: shadowed,
      admitted: asked,
      answeredBy,
      isBaseline,
      answer,
      bytes: 0,
      deadline,
      isDoubted: false,
      isDone: false,
    }
    this.#jobs.add(job)
    this.#hold(job, bytes)
    this.#lookLater()
    let other: SeenAnswer | null = null
    let again: SeenAnswer | null = null
    const next = (): void => {
      if (job.isDone || other === null || (isBaseline && again === null)) return
      this.#compare(job, other, again)
    }
    sides.read(otherSide(answeredBy), 'shadow', asked, (result) => {
      other = seenAnswer(entry, result, keys)
      next()
    })
    if (!isBaseline) return
    sides.read('ORIGIN', 'shadow', asked, (result) => {
      again = seenAnswer(entry, result, keys)
      next()
    })
  }

  #compare(job: ShadowJob, other: SeenAnswer, again: SeenAnswer | null): void {
    const { entryOf, viewOf } = this.#options
    const { watch, request, answeredBy, answer } = job
    if (answer === null) return
    const now = entryOf(request.dataset)
    if (now?.record.id !== watch.datasetId) {
      this.#finish(job, 'tied')
      return
    }
    const [origin, target] = answeredBy === 'ORIGIN' ? [answer, other] : [other, answer]
    const version = sharedVersion(origin, target, now)
    const view = viewOf(now)
    const unstable = again === null ? NO_COLUMNS : this.#baseline(job, { origin, again, view })
    if (version === 'NONE') {
      const isUnanswered = compareAnswers(origin, target, view).isPartial
      this.#finish(job, isUnanswered ? 'failed' : 'tied')
      return
    }
    const { findings, isPartial } = compareAnswers(origin, target, view)
    const blamed = withoutColumns(findings, unstable)
    if (blamed.length > 0) {
      // Its looks have times of their own.
      this.#jobs.delete(job)
      this.#confirm.later(job, { origin, findings: blamed, version })
    } else if (isPartial) this.#finish(job, 'failed')
    else this.#finish(job, findings.length > 0 ? 'tied' : 'matched')
  }

  /** The columns that the origin answers differently from one read to the next. */
  #baseline(
    { watch }: ShadowJob,
    {
      origin,
      again,
      view,
    }: { readonly origin: SeenAnswer; readonly again: SeenAnswer; readonly view: WireView },
  ): ReadonlySet<string> {
    const { findings, isPartial } = compareAnswers(origin, again, view)
    if (!isPartial) {
      watch.shadow.baseline += 1
      if (findings.length > 0) watch.shadow.unstable += 1
    }
    return columnsOf(findings)
  }

  #hasRoom(watch: DatasetWatch, bytes: number): boolean {
    return (
      watch.heldBytes + bytes <= this.#bounds.maxBytes &&
      this.#heldBytes + bytes <= this.#bounds.maxThreadBytes
    )
  }

  /** Counts so many bytes for the job in place of what it had; false: there is no room for them. */
  #hold(job: ShadowJob, bytes: number): boolean {
    const more = bytes - job.bytes
    if (more > 0 && !this.#hasRoom(job.watch, more)) return false
    job.bytes = bytes
    job.watch.heldBytes += more
    this.#heldBytes += more
    return true
  }

  #finish(job: ShadowJob, verdict: ShadowVerdict): void {
    if (job.isDone) return
    job.isDone = true
    job.answer = null
    this.#hold(job, 0)
    this.#jobs.delete(job)
    job.watch.shadow.waiting -= 1
    job.watch.shadow[verdict] += 1
    if (job.isDoubted && LOST.has(verdict)) job.watch.shadow.unconfirmed += 1
  }

  #lookLater(afterMs = LOOK_MS): void {
    if (this.#isLooking) return
    this.#isLooking = true
    this.#options.startTimer(afterMs, () => {
      this.#isLooking = false
      const nowMs = this.#options.clock.monotonicMs()
      let expired = 0
      // In the order of their deadlines, which are all as far off as each other when they begin.
      for (const job of this.#jobs) {
        if (job.deadline > nowMs || expired === EXPIRED_AT_ONCE) break
        this.#finish(job, 'expired')
        expired += 1
      }
      if (this.#jobs.size > 0) this.#lookLater(expired === EXPIRED_AT_ONCE ? 1 : LOOK_MS)
    })
  }
}

const NO_COLUMNS: ReadonlySet<string> = new Set()

/** Nothing was learnt. */
const LOST: ReadonlySet<ShadowVerdict> = new Set<ShadowVerdict>(['dropped', 'expired', 'failed'])

/** What is asked of the other side, in bytes of its own; nobody waits for it. */
function shadowRequest(request: ReadRequest, deadline: number): ReadRequest {
  const { api, method, caller } = request.context
  const isBatch = true
  const context =
    method === undefined ? { api, caller, deadline, isBatch } : { api, method, caller, deadline, isBatch }
  return { ...copyRequest(request), context }
}
