/**
 * A difference is looked at again before it counts: both sides are read once more, a moment later, and what is not there any
 * more was the change of a version or an origin that does not repeat itself. What stays is reported, column by column.
 *
 * An origin that took a load answers from the version before until its own swap, and its wire does not say from which: in
 * that time a row that equals the target's version before says nothing (terrapin.md: compare against both).
 */
import { limits } from '../base/limits.js'
import type { DatasetEntry } from '../model/cluster-map.js'
import type { Difference } from '../model/difference.js'
import type { Side } from '../model/migration.js'
import type { AdmittedRead } from '../model/plan.js'
import { type Finding, nameOfColumn, nameOfFinding } from './compare.js'
import { copyRows, keptBytes } from './kept-rows.js'
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
  readonly findings: readonly RowFinding[]
  /** What the origin answered first. */
  readonly origin: SeenAnswer
  readonly version: number | null
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
    if (!this.#ends.hold(job, keptBytes(doubt.origin.rows))) {
      this.#ends.finish(job, 'dropped')
      return
    }
    job.deadline = Number.POSITIVE_INFINITY
    this.#options.startTimer(limits.shadowConfirmMs, () => this.#readAgain(doubt))
  }

  #readAgain(doubt: Doubt): void {
    const { job } = doubt
    const { sides } = this.#options
    const entry = this.#entryOf(job)
    if (entry === null) {
      this.#ends.finish(job, 'tied')
      return
    }
    const admitted = this.#again(doubt, entry)
    const keys = admitted.request.rowKeys.length
    const seen: Partial<Record<Side, SeenAnswer>> = {}
    const note = (side: Side, answer: SeenAnswer): void => {
      seen[side] = answer
      const { ORIGIN: origin, TARGET: target } = seen
      if (job.isDone || origin === undefined || target === undefined) return
      this.#judge(doubt, origin, target)
    }
    for (const side of ['ORIGIN', 'TARGET'] as const) {
      sides.read(side, 'shadow', admitted, (outcome) => note(side, seenAnswer(entry, outcome, keys)))
    }
  }

  #judge(doubt: Doubt, origin: SeenAnswer, target: SeenAnswer): void {
    const { job, version, findings } = doubt
    const now = this.#entryOf(job)
    if (now === null || sharedVersion(origin, target, now) !== version) {
      const isUnanswered = now !== null && compareAnswers(origin, target, this.#options.viewOf(now)).isPartial
      this.#ends.finish(job, isUnanswered ? 'failed' : 'tied')
      return
    }
    const view = this.#options.viewOf(now)
    const second = compareAnswers(origin, target, view)
    const unstable = columnsOf(compareAnswers(doubt.origin, origin, view).findings)
    const first = new Set(findings.map(nameInRead))
    const confirmed = withoutColumns(second.findings, unstable).filter((one) => first.has(nameInRead(one)))
    if (confirmed.length === 0) {
      if (second.isPartial) this.#ends.finish(job, 'failed')
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
    const again = this.#again(doubt, now)
    const admitted = { ...again, request: { ...again.request, datasetVersion: before } }
    const keys = admitted.request.rowKeys.length
    this.#options.sides.read('TARGET', 'shadow', admitted, (outcome) => {
      if (job.isDone) return
      const view = this.#options.viewOf(now)
      const { findings, isPartial } = compareAnswers(origin, seenAnswer(now, outcome, keys), view)
      if (isPartial) {
        this.#ends.finish(job, 'failed')
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
    return entry?.record.id === watch.datasetId && entry.record.origin !== null ? entry : null
  }

  /** The read of the rows in doubt, with a deadline from now on. */
  #again({ job, admitted }: Doubt, entry: DatasetEntry): AdmittedRead {
    job.deadline = this.#options.clock.monotonicMs() + limits.shadowTimeoutMs
    const { request } = admitted
    const context = { ...request.context, deadline: job.deadline }
    return { ...admitted, entry, request: { ...request, context } }
  }
}

const NO_BYTES = Buffer.alloc(0)

function doubtOf(job: ShadowJob, { origin, findings, version }: Suspicion): Doubt {
  const positions = [...new Set(findings.map(({ position }) => position))]
  const places = new Map(positions.map((position, place) => [position, place]))
  const part = partOfRead({ ...job.admitted, request: job.request }, positions)
  const rows = copyRows(positions.map((position) => origin.rows[position] ?? null))
  return {
    job,
    admitted: part,
    findings: findings.map((one) => ({ ...one, position: places.get(one.position) ?? 0 })),
    origin: { ...origin, rows },
    version,
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
