/**
 * The state of KVSM in memory (shelf.ts) and the one way to change it. Reads never touch the store; changes of a
 * dataset go through a queue, one at a time, and through one for all until they are in memory:
 *
 *     checks against memory -> commit (record and audit line, synced) -> memory -> listeners -> caller
 *
 * - A change that is refused has changed nothing: not the store, not memory, not the audit.
 * - A commit that fails may have been applied. Memory keeps the last state that is certain, and the next
 * change
 *   first reads the store again and tells the listeners what turned out to be different.
 * - Listeners are awaited one after the other, so every listener sees the changes of a dataset in order, and the
 *   next change of that dataset waits for them. Other datasets' changes do not: a disk that stalls under one
 *   dataset keeps no other one where it is. One that fails is logged and the change stands: it is durable, and
 *   undoing it could fail as well. A listener must not await another change of its dataset, which would wait for
 *   this one; it may start one without awaiting it.
 * - The store keeps the newest 100,000 audit lines and memory the newest 10,000. Every change is logged as
 * well.
 */
import type { Clock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { AuditLine, ChangeContext, ClusterRecord, DatasetRecord } from '../model/dataset.js'
import type { MetastoreListener } from '../model/metastore.js'
import type { CqlKeyspace } from '../model/table-call.js'
import { clusterRules } from './cluster-records.js'
import type { StoredCluster } from './cluster-records.js'
import { type StoredKeyspace, keyspaceRules } from './keyspace-records.js'
import { auditKey, datasetRules, decodeAuditLine, encodeAuditLine } from './records.js'
import type { StoredDataset } from './records.js'
import { Shelf, decodeAll } from './shelf.js'
import type { Stored } from './shelf.js'
import type { MetaStoreBackend, RecordWrite } from './store.js'

const AUDIT_LINES_IN_MEMORY = 10_000
const AUDIT_LINES_STORED = 100_000

/** Clusters and keyspaces have the same listeners, and one turn for all. No dataset has this name. */
const ALL_OTHERS = ''

/** Changes that wait for their turn; more are refused as OVERLOADED. */
const MAX_WAITING_CHANGES = 1_000

/** What a change makes of a record, decided from its newest state. */
export interface Decision<S> {
  /** Null: the record is removed. */
  readonly next: S | null
  /** For the audit line; null: this change has none. */
  readonly detail: string | null
}

export interface ChangeRequest<S> {
  /** For the audit line: `publish`, `rollback`, ... */
  readonly action: string
  readonly name: string
  readonly context: ChangeContext
  /** Runs when it is this change's turn; throws to refuse. Null: nothing to do. */
  readonly decide: (now: S | null, nextSequence: number) => Decision<S> | null
}

/** What became of a change in the store and in memory; listeners have not heard of it yet. */
interface Applied<S> {
  readonly state: S | null
  readonly isChanged: boolean
}

export class Ledger {
  readonly #backend: MetaStoreBackend
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #listeners: MetastoreListener[] = []
  readonly #clusterListeners: (() => Promise<void>)[] = []
  readonly #datasets = new Shelf<StoredDataset>(datasetRules)
  readonly #clusters = new Shelf<StoredCluster>(clusterRules)
  readonly #keyspaces = new Shelf<StoredKeyspace>(keyspaceRules)
  /** Oldest first. */
  #audit: AuditLine[] = []
  /** The end of the newest commit. */
  #tail: Promise<unknown> = Promise.resolve()
  /** By dataset, and ALL_OTHERS: the end of its newest change, with all that its listeners do. */
  readonly #turns = new Map<string, Promise<void>>()
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
    return this.#datasets.get(name)
  }

  /** By name. */
  list(): readonly DatasetRecord[] {
    return this.#datasets.list().map(({ record }) => record)
  }

  /** Those that were stored, by name. */
  clusters(): readonly ClusterRecord[] {
    return this.#clusters.list().map(({ record }) => record)
  }

  /** By name. */
  keyspaces(): readonly CqlKeyspace[] {
    return this.#keyspaces.list().map(({ record }) => record)
  }

  /** Newest first, at most 10,000. */
  audit(limit: number): readonly AuditLine[] {
    return limit < 1 ? [] : this.#audit.slice(-limit).reverse()
  }

  subscribe(listener: MetastoreListener): void {
    this.#listeners.push(listener)
  }

  subscribeClusters(listener: () => Promise<void>): void {
    this.#clusterListeners.push(listener)
  }

  /**
   * The record after the change (dry run: as it would be, still at the revision it has); null when it is
   * gone.
   * @throws {KVError} what `decide` throws, CONFLICT, UNAVAILABLE (outcome UNKNOWN: it may have been
   * applied), OVERLOADED
   */
  async change(request: ChangeRequest<StoredDataset>): Promise<DatasetRecord | null> {
    const changed = await this.#inTurn(request.name, () => this.#change(this.#datasets, request))
    return changed?.record ?? null
  }

  /** As `change`, of a cluster. */
  async changeCluster(request: ChangeRequest<StoredCluster>): Promise<ClusterRecord | null> {
    const changed = await this.#inTurn(ALL_OTHERS, () => this.#change(this.#clusters, request))
    return changed?.record ?? null
  }

  /** As `change`, of a keyspace. */
  async changeKeyspace(request: ChangeRequest<StoredKeyspace>): Promise<CqlKeyspace | null> {
    const changed = await this.#inTurn(ALL_OTHERS, () => this.#change(this.#keyspaces, request))
    return changed?.record ?? null
  }

  /** Waits for the changes that were accepted, then closes the store. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await Promise.all(this.#turns.values())
    await this.#backend.close()
  }

  #inTurn<T>(subject: string, run: () => Promise<T>): Promise<T> {
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
    const turn = (this.#turns.get(subject) ?? Promise.resolve()).then(run)
    const done = (): void => {
      this.#waitingCount--
      if (this.#turns.get(subject) === settled) this.#turns.delete(subject)
    }
    const settled: Promise<void> = turn.then(done, done)
    this.#turns.set(subject, settled)
    return turn
  }

  async #change<S extends Stored>(shelf: Shelf<S>, request: ChangeRequest<S>): Promise<S | null> {
    const applying = this.#tail.then(() => this.#apply(shelf, request))
    const done = (): void => undefined
    this.#tail = applying.then(done, done)
    const { state, isChanged } = await applying
    if (isChanged)
      await (shelf.rules.table === 'dataset' ? this.#notify(request.name) : this.#notifyOfClusters())
    return state
  }

  async #apply<S extends Stored>(shelf: Shelf<S>, request: ChangeRequest<S>): Promise<Applied<S>> {
    if (this.#isInDoubt) await this.#readAgain()
    const { name, context } = request
    const now = shelf.get(name)
    const nextSequence = this.#lastSequence() + 1
    // Before the decision, because a stale view explains why it would refuse; after it where there is nothing
    // yet, because "no such dataset" says more than a revision of 0.
    if (now !== null) shelf.checkRevision(name, context.ifRevision)
    const decision = request.decide(now, nextSequence)
    if (now === null) shelf.checkRevision(name, context.ifRevision)
    if (decision === null) return { state: now, isChanged: false }
    const { next, detail } = decision
    if (context.isDryRun) {
      const state = next === null ? null : shelf.rules.atRevision(next, next.record.revision)
      return { state, isChanged: false }
    }
    const line = detail === null ? null : this.#auditLine(shelf, request, { sequence: nextSequence, detail })
    const revision = await this.#commit([shelf.write(name, next)], line)
    const adopted = shelf.adopt(name, next, revision)
    if (line !== null) {
      this.#audit.push(line)
      if (this.#audit.length >= 2 * AUDIT_LINES_IN_MEMORY)
        this.#audit = this.#audit.slice(-AUDIT_LINES_IN_MEMORY)
      this.#logger.info({ ...line, revision }, `${shelf.rules.noun} changed`)
    }
    return { state: adopted, isChanged: true }
  }

  /** Lines about clusters and keyspaces name no dataset: their detail says which one. */
  #auditLine<S extends Stored>(
    { rules }: Shelf<S>,
    { action, name, context }: ChangeRequest<S>,
    { sequence, detail }: { readonly sequence: number; readonly detail: string },
  ): AuditLine {
    const { actor, reason } = context
    const isDataset = rules.table === 'dataset'
    return Object.freeze({
      sequence,
      atMs: this.#clock.nowMs(),
      actor,
      reason,
      action,
      dataset: isDataset ? name : '',
      detail: isDataset ? detail : `${rules.noun} ${name}: ${detail}`,
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

  async #notify(name: string): Promise<void> {
    const record = this.get(name)?.record ?? null
    for (const listener of this.#listeners) await this.#tell({ dataset: name }, () => listener(name, record))
  }

  async #notifyOfClusters(): Promise<void> {
    for (const listener of this.#clusterListeners) await this.#tell({}, listener)
  }

  async #tell(subject: object, tell: () => Promise<void>): Promise<void> {
    try {
      await tell()
    } catch (error) {
      this.#logger.error({ ...subject, err: error }, 'a change of metadata is stored but was not adopted')
    }
  }

  async #readAgain(): Promise<void> {
    const { datasets, hasNewClusters } = await this.#read()
    this.#isInDoubt = false
    for (const name of datasets) await this.#notify(name)
    if (hasNewClusters) await this.#notifyOfClusters()
  }

  /** All or nothing; answers what turned out to be different. */
  async #read(): Promise<{ readonly datasets: readonly string[]; readonly hasNewClusters: boolean }> {
    const lines = await this.#backend.last('audit', AUDIT_LINES_IN_MEMORY)
    const audit = decodeAll(lines, decodeAuditLine).reverse()
    checkAuditGaps(audit, this.#backend.name)
    const datasets = await this.#datasets.load(this.#backend)
    const clusters = await this.#clusters.load(this.#backend)
    const keyspaces = await this.#keyspaces.load(this.#backend)
    this.#audit = audit
    return {
      datasets: this.#datasets.replace(datasets),
      hasNewClusters: this.#clusters.replace(clusters).length + this.#keyspaces.replace(keyspaces).length > 0,
    }
  }

  #lastSequence(): number {
    return this.#audit.at(-1)?.sequence ?? 0
  }
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
