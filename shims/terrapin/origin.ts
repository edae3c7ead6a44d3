/**
 * A real Terrapin as a Backend: a dataset that still lives there is served from there, under every wire API. Asks
 * TerrapinService as Terrapin's own thin clients do, Finagle's headers included, with one call at a time on a connection
 * unless told that the server takes more.
 *
 * What its wire cannot show is refused by name (docs/COMPATIBILITY.md has the list). An answer that is no answer to what was
 * asked fails the call: a key that is left out means "not stored", so that a mix-up must not pass for that.
 */
import type { Clock } from '../../src/base/clock.js'
import { type Done, KVError } from '../../src/base/errors.js'
import type { Backend } from '../../src/model/backend.js'
import type { MutatePlan, ReadPlan, ScanPlan } from '../../src/model/plan.js'
import type { MutateResult, ReadRequest, ReadResult } from '../../src/model/request.js'
import type { RowOutcome } from '../../src/model/row.js'
import type { ScanResult } from '../../src/model/scan.js'
import type { ThriftClient } from '../../src/thrift/client.js'
import * as wire from '../../src/thrift/generated/terrapin.js'
import { type OriginParts, type OriginSettings, originClient } from '../../src/thrift/origin-client.js'
import { TerrapinError } from './origin-errors.js'
import { type KeyAnswer, answersByKey, rowOf } from './origin-rows.js'
import { MAX_KEY_BYTES, distinctKeys } from './translate.js'

const { multiGet } = wire.TerrapinServiceMethods

/** What Finagle's servers count the gateway's calls under. */
const CLIENT_ID = 'godwit'

export interface TerrapinOriginSettings extends OriginSettings {
  /** Sent with every call; the server looks at the first two. */
  readonly clusters: readonly string[]
}

export class TerrapinOrigin implements Backend {
  readonly name: string
  readonly #client: ThriftClient
  readonly #clock: Clock
  readonly #settings: TerrapinOriginSettings

  constructor(name: string, settings: TerrapinOriginSettings, parts: OriginParts) {
    this.name = name
    this.#clock = parts.clock
    this.#settings = settings
    this.#client = originClient(name, settings, { ...parts, finagleClient: CLIENT_ID })
  }

  read({ admitted: { request } }: ReadPlan, done: Done<ReadResult>): void {
    const refused = refusalOf(request)
    if (refused !== null) {
      done(this.#unsupported(refused, request.dataset))
      return
    }
    const { clusters, deadlineMs } = this.#settings
    const keyList = distinctKeys(request.rowKeys).filter((key) => key.length <= MAX_KEY_BYTES)
    const args = {
      request: wire.makeTerrapinMultiGetRequest({ clusterList: clusters, fileSet: request.dataset, keyList }),
    }
    const deadline = Math.min(request.context.deadline, this.#clock.monotonicMs() + deadlineMs)
    this.#client.call(multiGet, args, deadline, (outcome) => {
      if (outcome instanceof KVError) done(outcome)
      else if (outcome.exception !== null)
        done(TerrapinError.ofCall(outcome.exception, this.#as(request.dataset)))
      else done(this.#toResult(request, keyList, outcome.value))
    })
  }

  scan({ admitted: { request } }: ScanPlan, done: Done<ScanResult>): void {
    done(this.#unsupported('scans', request.dataset))
  }

  mutate({ admitted: { request } }: MutatePlan, done: Done<MutateResult>): void {
    done(this.#unsupported('writes', request.dataset))
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  #toResult(
    request: ReadRequest,
    asked: readonly Buffer[],
    response: wire.TerrapinResponse | null,
  ): ReadResult | KVError {
    const answers = answersByKey(asked, response?.responseMap ?? [])
    if (answers === null)
      return this.#fault('answered keys that were not asked for, or one twice', request.dataset)
    const rows = request.rowKeys.map((key, index) => this.#toOutcome(request, { key, index, answers }))
    // Which version answered, its wire does not say.
    return { rows, datasetVersion: null }
  }

  #toOutcome(
    request: ReadRequest,
    { key, index, answers }: { readonly key: Buffer; readonly index: number; readonly answers: KeyAnswer },
  ): RowOutcome {
    const { dataset } = request
    if (key.length > MAX_KEY_BYTES) {
      const text = `a key of ${key.length} bytes: terrapin's have at most ${MAX_KEY_BYTES}`
      return new KVError('TOO_LARGE', text, this.#as(dataset))
    }
    const answer = answers(key)
    if (answer === null) return null
    if (answer.errorCode !== null) return TerrapinError.ofKey(answer.errorCode, this.#as(dataset))
    if (answer.value === null) return this.#fault('answered a key with neither a value nor a code', dataset)
    const selector =
      request.selectorsByKey === null ? request.selector : (request.selectorsByKey[index] ?? null)
    return rowOf(answer.value, selector)
  }

  #as(dataset: string): { readonly backend: string; readonly dataset: string } {
    return { backend: this.name, dataset }
  }

  #fault(what: string, dataset: string): KVError {
    return new KVError('INTERNAL', `origin ${this.name} ${what}`, this.#as(dataset))
  }

  #unsupported(what: string, dataset: string): KVError {
    const text = `${what} are not offered while dataset ${dataset} is on origin ${this.name}: terrapin has none`
    return new KVError('UNSUPPORTED', text, { ...this.#as(dataset), outcome: 'NOT_APPLIED' })
  }
}

/** What of a read the wire has no place for. */
function refusalOf({ datasetVersion, position }: ReadRequest): string | null {
  if (datasetVersion !== null) return 'pinned versions'
  return position === null ? null : 'pages of one row'
}
