/**
 * A difference is looked at again before it counts: both sides are read once more, a moment later, and what is not there any
 * more was the change of a version or an origin that does not repeat itself. What stays is reported, column by column.
 *
 * A look that a side did not answer says nothing, and is repeated a few times: what differs is rare and worth more than what
 * agrees, and a busy machine must not lose the one and keep the other. What is lost all the same is counted apart, so that
 * guards do not take it for agreement.
 *
 * An origin that took a load answers from the version before until its own swap, and its wire does not say from which: in
 * that time a row that equals the target's version before says nothing (terrapin.md: compare against both).
 */
import { limits } from '../base/limits.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import type { Difference } from '../model/difference.js'
import { type Side, hasTwoSides } from '../model/migration.js'
import type { AdmittedRead } from '../model/plan.js'
import { type Finding, nameOfColumn, nameOfFinding } from './compare.js'
import { copyRows, keptBytes, keptNameBytes, keptRequestBytes } from './kept-rows.js'
import type { ShadowVerdict } from './migration-watch.js'
import { partOfRead } from './read-parts.js'
import {
  type RowFinding,
  type SeenAnswer,
  compareAnswers,
  seenAnswer,
  sharedVersion,
  versionBefore,
} from './shadow-answers.js'
import type { ShadowJob, ShadowReadsOptions } from './shadow-read.js'

/** What its keeper does for it. */
export interface ConfirmEnds {
  finish(job: ShadowJob, verdict: ShadowVerdict): void
  /** False: there is no room for so many bytes. */
  hold(job: ShadowJob, bytes: number): boolean
}

interface Suspicion {
  readonly origin: SeenAnswer
  readonly findings: readonly RowFinding[]
  readonly version: number | null
}

/** The rows that differed, alone. */
interface Doubt {
  readonly job: ShadowJob
  readonly admitted: AdmittedRead
  /** Of what differed first, without the values: those are views into whole answers. */
  readonly names: ReadonlySet<string>
  /** What the origin answered first. */
  readonly origin: SeenAnswer
  readonly version: number | null
  looks: number
}

/** Reads that belong together; what comes after its end changes nothing. */
interface Look {
  readonly admitted: AdmittedRead
  isOver: boolean
  /** All answers came in time. */
  end(): void
}

interface SecondLook {
  readonly origin: SeenAnswer
  readonly target: SeenAnswer
  readonly now: DatasetEntry
}

export class ShadowConfirm {
  readonly #options: ShadowReadsOptions
  readonly #ends: ConfirmEnds

  constructor(options: ShadowReadsOptions, ends: ConfirmEnds) {
    this.#options = options
    this.#ends = ends
  }

  later(job: ShadowJob, suspicion: Suspicion): void {
    const doubt = doubtOf(job, suspicion)
    job.isDoubted = true
    // The rows that agree are let go, and count no longer.
    job.answer = null
    const bytes = keptBytes(doubt.origin.rows) + keptRequestBytes(job.request) + keptNameBytes(doubt.names)
    if (!this.#ends.hold(job, bytes)) {
      this.#ends.finish(job, 'dropped')
      return
    }
    this.#lookLater(doubt)
  }

  #lookLater(doubt: Doubt): void {
    const pauseMs = limits.shadowConfirmMs * 2 ** doubt.looks
    doubt.looks += 1
    this.#options.startTimer(pauseMs, () => this.#lookAgain(doubt))
  }

  #lookAgain(doubt: Doubt): void {
    const { job } = doubt
    const { sides } = this.#options
    const entry = this.#entryOf(job)
    if (entry === null) {
      this.#ends.finish(job, 'tied')
      return
    }
    const look = this.#begin(doubt, entry)
    const keys = look.admitted.request.rowKeys.length
    const seen: Partial<Record<Side, SeenAnswer>> = {}
    const note = (side: Side, answer: SeenAnswer): void => {
      seen[side] = answer
      const { ORIGIN: origin, TARGET: target } = seen
      if (look.isOver || origin === undefined || target === undefined) return
      look.end()
      this.#judge(doubt, origin, target)
    }
    for (const side of ['ORIGIN', 'TARGET'] as const) {
      sides.read(side, 'shadow', look.admitted, (outcome) => note(side, seenAnswer(entry, outcome, keys)))
    }
  }

  /** The rows in doubt are read once more, with a deadline from now on. */
  #begin(doubt: Doubt, entry: DatasetEntry): Look {
    const { clock, startTimer } = this.#options
    const { request } = doubt.admitted
    const context = { ...request.context, deadline: clock.monotonicMs() + limits.shadowTimeoutMs }
    const admitted = { ...doubt.admitted, entry, request: { ...request, context } }
    const stopTimer = startTimer(limits.shadowTimeoutMs, () => {
      look.isOver = true
      this.#miss(doubt, 'expired')
    })
    const look: Look = {
      admitted,
      isOver: false,
      end: () => {
        look.isOver = true
        stopTimer()
      },
    }
    return look
  }

  /** A look that no side, or one alone, answered. */
  #miss(doubt: Doubt, verdict: 'expired' | 'failed'): void {
    if (doubt.looks < limits.maxShadowLooks) this.#lookLater(doubt)
    else this.#ends.finish(doubt.job, verdict)
  }

  #judge(doubt: Doubt, origin: SeenAnswer, target: SeenAnswer): void {
    const { job, version, names } = doubt
    const now = this.#entryOf(job)
    if (now === null || sharedVersion(origin, target, now) !== version) {
      const isUnanswered = now !== null && compareAnswers(origin, target, this.#options.viewOf(now)).isPartial
      if (isUnanswered) this.#miss(doubt, 'failed')
      else this.#ends.finish(job, 'tied')
      return
    }
    const view = this.#options.viewOf(now)
    const second = compareAnswers(origin, target, view)
    const unstable = columnsOf(compareAnswers(doubt.origin, origin, view).findings)
    const confirmed = withoutColumns(second.findings, unstable).filter((one) => names.has(nameInRead(one)))
    if (confirmed.length === 0) {
      if (second.isPartial) this.#miss(doubt, 'failed')
      else this.#ends.finish(job, second.findings.length === 0 && unstable.size === 0 ? 'matched' : 'tied')
      return
    }
    if (version !== null && this.#mayBeSwapping(origin, now)) {
      this.#compareWithBefore(doubt, { origin, target, now }, { confirmed, version })
    } else this.#report(doubt, confirmed)
  }

  #mayBeSwapping(origin: SeenAnswer, { record }: DatasetEntry): boolean {
    const taken = record.migration?.originVersion ?? null
    if (origin.version !== null || taken === null) return false
    return this.#options.clock.nowMs() - taken.takenAtMs < limits.originSwapMs
  }

  #compareWithBefore(
    doubt: Doubt,
    { origin, now }: SecondLook,
    { confirmed, version }: { readonly confirmed: readonly RowFinding[]; readonly version: number },
  ): void {
    const { job } = doubt
    const before = versionBefore(now, version)
    if (before === null) {
      this.#ends.finish(job, 'tied')
      return
    }
    const look = this.#begin(doubt, now)
    const { request } = look.admitted
    const admitted = { ...look.admitted, request: { ...request, datasetVersion: before } }
    this.#options.sides.read('TARGET', 'shadow', admitted, (outcome) => {
      if (look.isOver) return
      look.end()
      const view = this.#options.viewOf(now)
      const seen = seenAnswer(now, outcome, request.rowKeys.length)
      const { findings, isPartial } = compareAnswers(origin, seen, view)
      if (isPartial) {
        this.#miss(doubt, 'failed')
        return
      }
      const differing = new Set(findings.map(({ position }) => position))
      const left = confirmed.filter(({ position }) => differing.has(position))
      if (left.length > 0) this.#report(doubt, left)
      else this.#ends.finish(job, 'tied')
    })
  }

  #report(doubt: Doubt, confirmed: readonly RowFinding[]): void {
    const { job } = doubt
    for (const one of confirmed.slice(0, limits.maxDifferencesPerRead)) {
      this.#options.report(this.#differenceOf(doubt, one))
    }
    this.#ends.finish(job, 'mismatched')
  }

  #differenceOf({ job, admitted, version }: Doubt, { position, finding }: RowFinding): Difference {
    const { request, answeredBy } = job
    return {
      dataset: request.dataset,
      atMs: this.#options.clock.nowMs(),
      kind: finding.kind,
      key: (admitted.request.rowKeys[position] ?? NO_BYTES).toString('base64'),
      column: finding.localKey === null ? null : finding.localKey.toString('base64'),
      originDigest: this.#digestOf(finding.origin),
      targetDigest: this.#digestOf(finding.target),
      version,
      caller: request.context.caller,
      api: request.context.api,
      answeredBy,
    }
  }

  #digestOf(side: Finding['origin']): string | null {
    return typeof side === 'string' || side === null ? side : this.#options.digest(side)
  }

  #entryOf({ watch, request }: ShadowJob): DatasetEntry | null {
    const entry = this.#options.entryOf(request.dataset)
    if (entry?.record.id !== watch.datasetId || entry.record.origin === null) return null
    return hasTwoSides(entry.record.migrationState) ? entry : null
  }
}

const NO_BYTES = Buffer.alloc(0)

function doubtOf(job: ShadowJob, { origin, findings, version }: Suspicion): Doubt {
  const positions = [...new Set(findings.map(({ position }) => position))]
  const places = new Map(positions.map((position, place) => [position, place]))
  const part = partOfRead(job.admitted, positions)
  const rows = copyRows(positions.map((position) => origin.rows[position] ?? null))
  return {
    job,
    admitted: part,
    names: new Set(
      findings.map(({ position, finding }) => nameInRead({ position: places.get(position) ?? 0, finding })),
    ),
    origin: { ...origin, rows },
    version,
    looks: 0,
  }
}

function nameInRead({ position, finding }: RowFinding): string {
  return `${position} ${nameOfFinding(finding)}`
}

/** Columns of rows, by name. */
export function columnsOf(findings: readonly RowFinding[]): ReadonlySet<string> {
  return new Set(findings.map(columnInRead))
}

export function withoutColumns(
  findings: readonly RowFinding[],
  columns: ReadonlySet<string>,
): readonly RowFinding[] {
  return columns.size === 0 ? findings : findings.filter((one) => !columns.has(columnInRead(one)))
}

function columnInRead({ position, finding }: RowFinding): string {
  return `${position} ${nameOfColumn(finding.localKey)}`
}
