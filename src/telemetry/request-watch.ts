/** What a data thread notes of its requests: who called what, and of some which columns they asked for. */
import type { Clock } from '../base/clock.js'
import type { MutateRequest, ReadRequest } from '../model/request.js'
import type { ScanRequest } from '../model/scan.js'
import type { Observations } from '../base/usage.js'
import { AdviseSampler } from './advise-sampler.js'
import { UsageCounter } from './usage-counter.js'

/** RequestObserver of the front end. */
export class RequestWatch {
  readonly #clock: Clock
  readonly #usage = new UsageCounter()
  readonly #sampler = new AdviseSampler()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(
    request: ReadRequest | ScanRequest | MutateRequest,
    method: string,
    dataset: string,
    atMs: number,
  ): void {
    // What operators do themselves is in the audit log, and no use that a migration must wait for.
    if (request.context.api === 'admin') return
    this.#usage.note(request.context, method, dataset, atMs)
    if ('selector' in request) this.#sampler.note(request, dataset, atMs)
  }

  /** What was noted since it was taken last. */
  take(): Observations {
    const wallOffsetMs = this.#clock.nowMs() - this.#clock.monotonicMs()
    return { usage: this.#usage.take(wallOffsetMs), samples: this.#sampler.take() }
  }
}
