/**
 * A backend that may fail, stall or be gone, in one role, with what keeps that from its callers' threads and memory:
 *
 * - a breaker: who fails half of the time, or answers nothing any more, is not asked for a while, by no thread
 *   (failure-row.ts, shared-breakers.ts), until it is found well again (recovery.ts);
 * - fair time: a read goes on until its silence says something about the backend (fair-time.ts), also when its caller leaves
 *   sooner. So a stall is noticed however impatient all callers are, and none of them can blame a backend that is well;
 * - a bulkhead: bounded calls in flight, bounded waiting (bulkhead.ts);
 * - second attempts of reads within a budget, after a failed connection or a delay (hedge.ts, retry-budget.ts).
 *
 * Each role has a guard and connections of its own, so that shadow reads cannot take the callers' share.
 */
import type { Clock, StartTimer } from '../base/clock.js'
import type { Deadline } from '../base/deadline.js'
import { type Done, type ErrorCode, KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import type { Backend } from '../model/backend.js'
import type { BackendRole } from '../model/operations.js'
import type { MutatePlan, ReadPlan, ScanPlan } from '../model/plan.js'
import type { MutateResult, ReadResult } from '../model/request.js'
import type { ScanResult } from '../model/scan.js'
import { Breaker } from './breaker.js'
import { Bulkhead } from './bulkhead.js'
import { FailureRow } from './failure-row.js'
import { FairTime } from './fair-time.js'
import { failureOf, hasAnswered } from './guard-outcomes.js'
import { type Attempt, type AttemptsOptions, type SecondAttempt, inTwoAttempts } from './hedge.js'
import { withDeadline } from './read-parts.js'
import { Recovery } from './recovery.js'
import { RetryBudget } from './retry-budget.js'
import type { SharedBreaker } from './shared-breakers.js'
import { WaitingCaller } from './waiting-caller.js'

/** A store's two guards. */
export interface GuardedPair {
  /** For requests whose answers callers get. */
  readonly primary: GuardedBackend
  /** For what is read to be compared. */
  readonly shadow: GuardedBackend
}

export interface GuardSettings {
  /** Calls of one thread that may wait for answers at the same time. */
  readonly maxInFlight: number
  /** Calls that may wait for those; further ones are OVERLOADED. */
  readonly maxQueued: number
  /** A second attempt of a read begins so long after the first; 0: never. */
  readonly hedgeAfterMs: number
  /** Second attempts, in percent of the reads. */
  readonly retryPercent: number
  /** So long the backend is left alone before it is tried again. */
  readonly breakerResetMs: number
  /** A probe waits so long for its answer. */
  readonly probeTimeoutMs: number
  /** A call waits at most so long for the backend, whatever its caller allows. */
  readonly deadlineMs: number
}

/** What is counted. */
export interface GuardEvents {
  /** A call was answered by the backend; code null: well. */
  onAnswer(durationMs: number, code: ErrorCode | null): void
  onAttempt(kind: SecondAttempt | 'probe'): void
  /** A call was refused without asking the backend. */
  onRefused(reason: 'breaker' | 'bulkhead'): void
}

export interface GuardOptions {
  readonly role: BackendRole
  readonly settings: GuardSettings
  readonly shared: SharedBreaker
  readonly clock: Clock
  readonly startTimer: StartTimer
  readonly logger: Logger
  readonly events: GuardEvents
}

/** A call that is made for a caller. */
interface GuardedCall<T> {
  readonly bytes: number
  readonly deadline: Deadline
  readonly dataset: string
  /** Set for reads, which go on after their caller left, until the deadline that they are asked with. */
  readonly plan: ReadPlan | null
  ask(done: Done<T>, deadline: Deadline): void
}

/** A call that notes when it goes to the backend, and until when it may take. */
interface NotedCall<T> extends Pick<GuardedCall<T>, 'bytes' | 'deadline'> {
  ask(done: Done<T>): void
}

export class GuardedBackend implements Backend {
  readonly name: string
  readonly role: BackendRole
  readonly #inner: Backend
  readonly #options: GuardOptions
  readonly #bulkhead: Bulkhead
  readonly #attempts: AttemptsOptions
  readonly #fair: FairTime
  readonly #recovery: Recovery
  #breaker: Breaker
  #row = new FailureRow()
  /** Of the shared breaker, when `#breaker` was made. */
  #era: number
  /** The era of a call that tries and waits for its turn. */
  #waitingTrial: number | null = null
  #isClosed = false

  constructor(inner: Backend, options: GuardOptions) {
    const { role, settings, clock, startTimer, logger, events, shared } = options
    this.name = inner.name
    this.role = role
    this.#inner = inner
    this.#options = options
    this.#bulkhead = new Bulkhead({
      name: inner.name,
      maxInFlight: settings.maxInFlight,
      maxQueued: settings.maxQueued,
      maxBytes: limits.maxGuardedBytes,
      clock,
      startTimer,
    })
    this.#attempts = {
      budget: new RetryBudget(settings.retryPercent),
      startTimer,
      hedgeAfterMs: settings.hedgeAfterMs,
      onSecond: (why) => events.onAttempt(why),
    }
    this.#fair = new FairTime(settings.deadlineMs)
    this.#recovery = new Recovery(inner, {
      ...{ role, shared, clock, startTimer, logger },
      resetMs: settings.breakerResetMs,
      probeTimeoutMs: settings.probeTimeoutMs,
      onProbe: () => events.onAttempt('probe'),
    })
    this.#breaker = this.#newBreaker()
    this.#era = shared.changes
  }

  /**
   * A call made now would be refused without asking. Looking makes this thread take part in the probing, and refuses what
   * waited for its turn when another thread opened the breaker; but not a call that tries, which would have tried nothing.
   */
  get isOpen(): boolean {
    const { shared } = this.#options
    if (!shared.isOpen || this.#recovery.mayTry) return false
    if (this.#waitingTrial === shared.changes) return true
    this.#recovery.wait()
    this.#bulkhead.refuseWaiting(() => this.#refusal())
    return true
  }

  get isFull(): boolean {
    return this.#bulkhead.isFull
  }

  get inFlight(): number {
    return this.#bulkhead.inFlight
  }

  get queued(): number {
    return this.#bulkhead.queued
  }

  read(plan: ReadPlan, done: Done<ReadResult>): void {
    const { request } = plan.admitted
    const call: GuardedCall<ReadResult> = {
      bytes: bytesOf(request.rowKeys),
      deadline: request.context.deadline,
      dataset: request.dataset,
      plan,
      ask: (answer, deadline) => this.#inner.read(withDeadline(plan, deadline), answer),
    }
    this.#run(call, (attempt, answer) => inTwoAttempts(attempt, this.#attempts, answer), done)
  }

  scan(plan: ScanPlan, done: Done<ScanResult>): void {
    const { request } = plan.admitted
    const call: GuardedCall<ScanResult> = {
      bytes: 0,
      deadline: request.context.deadline,
      dataset: request.dataset,
      plan: null,
      ask: (answer) => this.#inner.scan(plan, answer),
    }
    this.#run(call, (attempt, answer) => inTwoAttempts(attempt, this.#attempts, answer), done)
  }

  mutate(plan: MutatePlan, done: Done<MutateResult>): void {
    const { request } = plan.admitted
    const call: GuardedCall<MutateResult> = {
      bytes: request.rowKey.length,
      deadline: request.context.deadline,
      dataset: request.dataset,
      plan: null,
      ask: (answer) => this.#inner.mutate(plan, answer),
    }
    this.#run(call, once, done)
  }

  close(): Promise<void> {
    this.#isClosed = true
    this.#recovery.close()
    this.#breaker.close()
    this.#bulkhead.close()
    return this.#inner.close()
  }

  #run<T>(
    call: GuardedCall<T>,
    inAttempts: (attempt: Attempt<T>, done: Done<T>) => void,
    done: Done<T>,
  ): void {
    const { clock, events, shared } = this.#options
    if (this.isOpen) {
      events.onRefused('breaker')
      done(this.#refusal(call.dataset))
      return
    }
    this.#recovery.takeTry()
    const era = this.#enterEra()
    if (shared.isOpen) this.#waitingTrial = era
    const endWait = (): void => {
      if (this.#waitingTrial === era) this.#waitingTrial = null
    }
    const startedAtMs = clock.monotonicMs()
    const caller = new WaitingCaller(done)
    let asked: AskedAt | null = null
    const noted: NotedCall<T> = {
      bytes: call.bytes,
      deadline: call.deadline,
      ask: (answer) => {
        endWait()
        asked ??= this.#askedNow(call, caller)
        call.ask(answer, Math.max(call.deadline, asked.untilMs))
      },
    }
    const attempt: Attempt<T> = (answer, isFirst) => this.#pass(noted, isFirst, answer)
    inAttempts(attempt, (outcome) => {
      const nowMs = clock.monotonicMs()
      endWait()
      if (asked !== null) {
        events.onAnswer(nowMs - startedAtMs, outcome instanceof KVError ? outcome.code : null)
        const { atMs, fairMs } = asked
        this.#learn(call.plan, outcome, { era, waitedMs: nowMs - atMs, fairMs })
      } else if (outcome instanceof KVError && outcome.code === 'OVERLOADED') events.onRefused('bulkhead')
      else if (outcome instanceof KVError && outcome.code === 'UNAVAILABLE') events.onRefused('breaker')
      caller.tell(outcome)
    })
  }

  /** A read whose caller leaves before its silence would say anything goes on without it, for that long. */
  #askedNow<T>({ plan, deadline, dataset }: GuardedCall<T>, caller: WaitingCaller<T>): AskedAt {
    const { clock, startTimer } = this.#options
    const atMs = clock.monotonicMs()
    if (plan === null) return { atMs, fairMs: this.#fair.leastMs, untilMs: deadline }
    const fairMs = this.#fair.at(atMs)
    const untilMs = atMs + fairMs
    // Whose time was up before is not worth a call.
    if (deadline <= atMs || deadline >= untilMs) return { atMs, fairMs, untilMs: deadline }
    caller.leaveAfter(deadline - atMs, startTimer, () => {
      const text = `${this.name}: the deadline passed before an answer came`
      return new KVError('DEADLINE_EXCEEDED', text, { backend: this.name, dataset, outcome: 'NOT_APPLIED' })
    })
    return { atMs, fairMs, untilMs }
  }

  /** Through the bulkhead. The first attempt waits for its turn, a second one does not. */
  #pass<T>(call: NotedCall<T>, isFirst: boolean, done: Done<T>): boolean {
    const { bytes, deadline } = call
    const start = (): void => {
      call.ask((outcome) => {
        this.#bulkhead.leave(bytes)
        done(outcome)
      })
    }
    if (isFirst) {
      this.#bulkhead.enter({ bytes, deadline, start, refuse: done })
      return true
    }
    if (this.#options.shared.isOpen || !this.#bulkhead.tryEnter(bytes)) return false
    start()
    return true
  }

  /** @param plan of a read; null: it cannot be repeated */
  #learn(
    plan: ReadPlan | null,
    outcome: unknown,
    { era, waitedMs, fairMs }: { readonly era: number; readonly waitedMs: number; readonly fairMs: number },
  ): void {
    const { shared, clock } = this.#options
    if (plan !== null && !(outcome instanceof KVError)) this.#fair.record(waitedMs, clock.monotonicMs())
    // A call from before the last change says nothing about now.
    if (era !== shared.changes || this.#isClosed) return
    if (shared.isOpen) {
      this.#recovery.endTrial(hasAnswered(outcome))
      return
    }
    const failure = failureOf(outcome, { waitedMs, fairMs })
    if (failure !== null && plan !== null) this.#recovery.keepSample(plan)
    if (this.#row.note(failure !== null, clock.monotonicMs())) this.#breaker.open()
    else this.#breaker.record(failure)
  }

  /** The shared breaker's number; after a change the windows start empty. */
  #enterEra(): number {
    const { changes } = this.#options.shared
    if (changes !== this.#era) {
      this.#era = changes
      this.#breaker.close()
      this.#breaker = this.#newBreaker()
      this.#row = new FailureRow()
    }
    return changes
  }

  #newBreaker(): Breaker {
    const { settings } = this.#options
    return new Breaker(this.#inner.name, {
      resetMs: settings.breakerResetMs,
      onChange: (isOpen) => {
        if (!isOpen) return
        this.#recovery.begin()
        this.#bulkhead.refuseWaiting(() => this.#refusal())
      },
    })
  }

  #refusal(dataset?: string): KVError {
    const { breakerResetMs } = this.#options.settings
    return new KVError('UNAVAILABLE', `${this.name} failed too often and is not asked for a moment`, {
      backend: this.name,
      ...(dataset !== undefined && { dataset }),
      outcome: 'NOT_APPLIED',
      retryAfterMs: breakerResetMs,
    })
  }
}

/** When a call went to the backend, how long is fair to wait for it, and when it is given up. */
interface AskedAt {
  readonly atMs: number
  readonly fairMs: number
  readonly untilMs: Deadline
}

function once<T>(attempt: Attempt<T>, done: Done<T>): void {
  attempt(done, true)
}

/** What a key holds beside its bytes, roughly. */
const BYTES_PER_KEY = 100

function bytesOf(rowKeys: readonly Buffer[]): number {
  let bytes = 0
  for (const { length } of rowKeys) bytes += length + BYTES_PER_KEY
  return bytes
}
