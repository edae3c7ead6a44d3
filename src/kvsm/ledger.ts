/**
 * The state of KVSM in memory and the one way to change it. Reads never touch the store; changes go through a
 * queue, one at a time:
 *
 *     checks against memory -> commit (record and audit line, synced) -> memory -> listeners -> caller
 *
 * - A change that is refused has changed nothing: not the store, not memory, not the audit.
 * - A commit that fails may have been applied. Memory keeps the last state that is certain, and the next
 * change
 *   first reads the store again and tells the listeners what turned out to be different.
 * - Listeners are awaited one after the other, so every listener sees every change in order. One that fails
 * is
 *   logged and the change stands: it is durable, and undoing it could fail as well. A listener must not await
 *   another change, which would wait for this one; it may start one without awaiting it.
 * - The store keeps the newest 100,000 audit lines and memory the newest 10,000. Every change is logged as
 * well.
 */
import type { Clock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { AuditLine, ChangeContext, DatasetRecord } from '../model/dataset.js'
import type { MetastoreListener } from '../model/metastore.js'
import {
  auditKey,
  decodeAuditLine,
  decodeDataset,
  encodeAuditLine,
  encodeDataset,
  freezeRecord,
} from './records.js'
import type { StoredDataset } from './records.js'
import type { MetaStoreBackend, RecordWrite } from './store.js'

const AUDIT_LINES_IN_MEMORY = 10_000
const AUDIT_LINES_STORED = 100_000

/** Changes that wait for their turn; more are refused as OVERLOADED. */
const MAX_WAITING_CHANGES = 1_000

/** What a change makes of a dataset, decided from its newest state. */
export interface Decision {
  /** Null: the dataset is removed. */
  readonly next: StoredDataset | null
  /** For the audit line; null: this change has none. */
  readonly detail: string | null
}

export interface ChangeRequest {
  /** For the audit line: `publish`, `rollback`, ... */
  readonly action: string
  readonly name: string
  readonly context: ChangeContext
  /** Runs when it is this change's turn; throws to refuse. Null: nothing to do. */
  readonly decide: (now: StoredDataset | null, nextSequence: number) => Decision | null
}

export class Ledger {
  readonly #backend: MetaStoreBackend
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #listeners: MetastoreListener[] = []
  #datasets = new Map<string, StoredDataset>()
  /** Oldest first. */
  #audit: AuditLine[] = []
  #tail: Promise<unknown> = Promise.resolve()
  #waitingCount = 0
  #isInDoubt = false
  #isClosed = false

  private constructor(backend: MetaStoreBackend, clock: Clock, logger: Logger) {
    this.#backend = backend
    this.#clock = clock
    this.#logger = logger
  }

  /** @throws {KVError} CORRUPT or FAILED_PRECONDITION naming the records that cannot be read, UNAVAILABLE */
  static async open(backend: MetaStoreBackend, clock: Clock, logger: Logger): Promise<Ledger> {
    const ledger = new Ledger(backend, clock, logger)
    await ledger.#read()
    return ledger
  }

  get(name: string): StoredDataset | null {
    return this.#datasets.get(name) ?? null
  }

  /** By name. */
  list(): readonly DatasetRecord[] {
    const records = [...this.#datasets.values()].map((stored) => stored.record)
    return records.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Newest first, at most 10,000. */
  audit(limit: number): readonly AuditLine[] {
    return limit < 1 ? [] : this.#audit.slice(-limit).reverse()
  }

  subscribe(listener: MetastoreListener): void {
    this.#listeners.push(listener)
  }

  /**
   * The record after the change (dry run: as it would be, still at the revision it has); null when it is
   * gone.
   * @throws {KVError} what `decide` throws, CONFLICT, UNAVAILABLE (outcome UNKNOWN: it may have been
   * applied), OVERLOADED
   */
  change(request: ChangeRequest): Promise<DatasetRecord | null> {
    if (this.#isClosed) {
      throw new KVError('UNAVAILABLE', 'the metastore is closed: repeat the change when godwit runs again')
    }
    if (this.#waitingCount >= MAX_WAITING_CHANGES) {
      throw new KVError(
        'OVERLOADED',
        `${this.#waitingCount} changes of metadata wait already: repeat it later`,
      )
    }
    this.#waitingCount++
    const turn = this.#tail.then(() => this.#apply(request))
    const done = (): void => {
      this.#waitingCount--
    }
    this.#tail = turn.then(done, done)
    return turn
  }

  /** Waits for the changes that were accepted, then closes the store. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#tail
    await this.#backend.close()
  }

  async #apply(request: ChangeRequest): Promise<DatasetRecord | null> {
    if (this.#isInDoubt) await this.#readAgain()
    const { name, context } = request
    const now = this.get(name)
    const nextSequence = this.#lastSequence() + 1
    // Before the decision, because a stale view explains why it would refuse; after it where there is nothing
    // yet, because "no such dataset" says more than a revision of 0.
    if (now !== null) checkRevision(name, now.record.revision, context.ifRevision)
    const decision = request.decide(now, nextSequence)
    if (now === null) checkRevision(name, 0, context.ifRevision)
    if (decision === null) return now?.record ?? null
    if (context.isDryRun) return decision.next === null ? null : freezeRecord(decision.next.record)
    const line = decision.detail === null ? null : this.#auditLine(request, nextSequence, decision.detail)
    const revision = await this.#commit(recordWrites(name, now, decision.next), line)
    const record = this.#adopt(name, decision.next, revision)
    if (line !== null) {
      this.#audit.push(line)
      if (this.#audit.length >= 2 * AUDIT_LINES_IN_MEMORY)
        this.#audit = this.#audit.slice(-AUDIT_LINES_IN_MEMORY)
      this.#logger.info({ ...line, revision }, 'dataset changed')
    }
    await this.#notify(name, record)
    return record
  }

  #auditLine(request: ChangeRequest, sequence: number, detail: string): AuditLine {
    const { actor, reason } = request.context
    const atMs = this.#clock.nowMs()
    return Object.freeze({
      sequence,
      atMs,
      actor,
      reason,
      action: request.action,
      dataset: request.name,
      detail,
    })
  }

  async #commit(writes: RecordWrite[], line: AuditLine | null): Promise<number> {
    if (line !== null) {
      const key = auditKey(line.sequence)
      writes.push({ table: 'audit', key, value: encodeAuditLine(line), expectedRevision: 0 })
      const expired = line.sequence - AUDIT_LINES_STORED
      if (expired > 0) {
        writes.push({ table: 'audit', key: auditKey(expired), value: null, expectedRevision: null })
      }
    }
    try {
      return await this.#backend.commit(writes)
    } catch (error) {
      this.#isInDoubt = true
      throw error
    }
  }

  #adopt(name: string, next: StoredDataset | null, revision: number): DatasetRecord | null {
    if (next === null) {
      this.#datasets.delete(name)
      return null
    }
    const record = freezeRecord({ ...next.record, revision })
    this.#datasets.set(name, { ...next, record })
    return record
  }

  async #notify(name: string, record: DatasetRecord | null): Promise<void> {
    for (const listener of this.#listeners) {
      try {
        await listener(name, record)
      } catch (error) {
        this.#logger.error(
          { dataset: name, err: error },
          'a change of metadata is stored but was not adopted',
        )
      }
    }
  }

  async #readAgain(): Promise<void> {
    const before = this.#datasets
    await this.#read()
    this.#isInDoubt = false
    for (const name of before.keys()) {
      if (!this.#datasets.has(name)) await this.#notify(name, null)
    }
    for (const [name, { record }] of this.#datasets) {
      if (before.get(name)?.record.revision !== record.revision) await this.#notify(name, record)
    }
  }

  async #read(): Promise<void> {
    const records = await this.#backend.list('dataset')
    const lines = await this.#backend.last('audit', AUDIT_LINES_IN_MEMORY)
    this.#audit = decodeAll(lines, decodeAuditLine).reverse()
    checkAuditGaps(this.#audit, this.#backend.name)
    this.#datasets = new Map(decodeAll(records, decodeDataset).map((stored) => [stored.record.name, stored]))
  }

  #lastSequence(): number {
    return this.#audit.at(-1)?.sequence ?? 0
  }
}

function recordWrites(name: string, now: StoredDataset | null, next: StoredDataset | null): RecordWrite[] {
  const value = next === null ? null : encodeDataset(next)
  return [{ table: 'dataset', key: name, value, expectedRevision: now?.record.revision ?? 0 }]
}

function checkRevision(name: string, revision: number, expected: number | null): void {
  if (expected === null || expected === revision) return
  throw new KVError(
    'CONFLICT',
    `dataset ${name} is at revision ${revision} and the change expects ${expected}: ` +
      'read it again, then repeat',
    { dataset: name, outcome: 'NOT_APPLIED' },
  )
}

/** All records, or one error that names the first ten that cannot be read. */
function decodeAll<Stored, T>(stored: readonly Stored[], decode: (one: Stored) => T): T[] {
  const decoded: T[] = []
  const faults: KVError[] = []
  for (const one of stored) {
    try {
      decoded.push(decode(one))
    } catch (error) {
      if (!(error instanceof KVError)) throw error
      faults.push(error)
    }
  }
  const [first] = faults
  if (first === undefined) return decoded
  const named = faults.slice(0, 10).map((fault) => fault.message)
  const more = faults.length > named.length ? `; and ${faults.length - named.length} more` : ''
  // A newer format explains damage that an older program believes to see, so it is the answer when both
  // occur.
  const code = faults.some((fault) => fault.code === 'FAILED_PRECONDITION')
    ? 'FAILED_PRECONDITION'
    : first.code
  throw new KVError(code, `${named.join('; ')}${more}`, { cause: first })
}

function checkAuditGaps(lines: readonly AuditLine[], storeName: string): void {
  lines.forEach((line, index) => {
    const previous = lines[index - 1]
    if (previous !== undefined && line.sequence !== previous.sequence + 1) {
      throw new KVError(
        'CORRUPT',
        `${storeName} lost the audit lines between ${previous.sequence} and ${line.sequence}: ` +
          'restore it from a backup',
      )
    }
  })
}
