/**
 * From what the metastore says to what is served: opens the shards that records ask for, publishes maps that name them,
 * and closes and removes what no map names any more. Main thread only.
 *
 *     record changed -> open what is missing -> one delta -> every thread adopted it -> the change is done
 *                                                   \-> behind it: leases released -> close -> remove files -> forget
 *
 * - A map names a version only when all its shards are open; a dataset's change is one delta, so that its current
 *   version switches in one step.
 * - Nothing is closed before the lease keeper has said so, and no directory is opened before its last incarnation is
 *   closed.
 * - Changes of one dataset follow each other; datasets do not wait for each other.
 * - What cannot be opened is left out, logged, listed in `degraded`, and tried again: after a pause when that can help,
 *   and with the next change of its record in any case. It never stops anything else.
 * - Files go last: a crash at any point leaves at worst files that the next start removes.
 */
import { join } from 'node:path'
import type { Clock, StartTimer } from '../base/clock.js'
import { KVError, toKVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { ClusterMapDelta, DatasetEntry, Incarnation } from '../model/cluster-map.js'
import type { DatasetRecord } from '../model/dataset.js'
import type { LeafStore } from '../model/leaf-engine.js'
import type { MetastoreListener } from '../model/metastore.js'
import type { DataDirectory } from './data-directory.js'
import { type Fault, ServedDataset, type Unit, shardName, writableFormatOf } from './served-dataset.js'

/** Opening waits for the disk more than for the processor; more at once only makes each slower. */
const PARALLEL_OPENS = 8

/** A failure so long after the one before it starts a new row of failures. */
const FAULT_MEMORY_MS = 120_000
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 30_000

/** How often a full disk is looked at again. */
const ROOM_CHECK_MS = 1_000

/** What is needed of the lease keeper (threads/leases.ts). */
export interface MapPublisher {
  /** Makes the next map; resolves when every thread has adopted it. */
  publish(change: Omit<ClusterMapDelta, 'epoch'>): Promise<void>
  /** One promise an incarnation that no published map names: resolves when it may be closed. */
  retire(incarnationIds: readonly number[]): readonly Promise<void>[]
}

export type ShardDirectories = Pick<
  DataDirectory,
  'versionPath' | 'livePath' | 'ensureLive' | 'trash' | 'trashDataset' | 'findOrphans' | 'hasRoom'
>

export interface VersionSetOptions {
  readonly directories: ShardDirectories
  readonly logger: Logger
  readonly clock: Clock
  readonly startTimer: StartTimer
  /** Told which DELETED versions have no files any more. No change waits for it. */
  readonly forgetVersions: (dataset: string, versionIds: readonly number[]) => Promise<void>
}

/** Something that should be served and is not. */
export interface Degraded {
  readonly dataset: string
  readonly reason: string
}

export class VersionSet {
  readonly #store: LeafStore
  readonly #leases: MapPublisher
  readonly #directories: ShardDirectories
  readonly #options: VersionSetOptions
  readonly #logger: Logger
  readonly #slots = new Slots(PARALLEL_OPENS)
  readonly #datasets = new Map<string, ServedDataset>()
  /** The last change of each dataset that has one under way. */
  readonly #turns = new Map<string, Promise<void>>()
  readonly #background = new Set<Promise<void>>()
  #openCount = 0
  #isClosed = false

  constructor(store: LeafStore, leases: MapPublisher, options: VersionSetOptions) {
    this.#store = store
    this.#leases = leases
    this.#options = options
    this.#directories = options.directories
    this.#logger = options.logger
  }

  /** Opens and publishes everything, in one map. Before it: no load may run. After it: subscribe `onChange`. */
  async start(records: readonly DatasetRecord[]): Promise<void> {
    await this.#removeOrphans(records)
    const datasets = records.map((record) => this.#add(record))
    // In turn: a retry may come while others are still being opened.
    const opened = datasets.map((dataset) => this.#inTurn(dataset.name, () => this.#openMissing(dataset)))
    await Promise.all(opened)
    await this.#publish(datasets)
  }

  /** Resolves when every thread has adopted the change. Never rejects because something cannot be opened. */
  readonly onChange: MetastoreListener = (name, record) =>
    this.#inTurn(name, async () => {
      const known = this.#datasets.get(name)
      if (known !== undefined && known.id !== record?.id) await this.#remove(known)
      if (record === null) return
      const dataset = this.#datasets.get(name) ?? this.#add(record)
      dataset.update(record)
      await this.#converge(dataset)
    })

  /**
   * After an I/O error: takes the shard out of the map, closes it and opens it again as a new incarnation. While the disk
   * is full that would fail and take its reads away: it stays in the map, refusing writes, until there is room. Resolves
   * when it is out of the map, or is to wait. Repeated reports of one incarnation do nothing.
   */
  async shardFailed(incarnationId: number): Promise<void> {
    for (const dataset of this.#datasets.values()) {
      const failed = dataset.unitOf(incarnationId)
      if (failed === null) continue
      if (!this.#directories.hasRoom()) {
        this.#waitForRoom(dataset, failed, incarnationId)
        return
      }
      await this.#inTurn(dataset.name, async () => {
        const unit = dataset.unitOf(incarnationId)
        if (unit === null) return
        dataset.dropFailed(incarnationId)
        const error = new KVError('UNAVAILABLE', 'failed with an i/o error, is being opened again')
        this.#fail(dataset, [unit], { error, mayRetryAtOnce: true })
        await this.#publish([dataset])
      })
    }
  }

  #waitForRoom(dataset: ServedDataset, { name }: Unit, incarnationId: number): void {
    if (dataset.full.has(incarnationId)) return
    const reason = `${name}: the disk is full, it takes no writes: free space`
    this.#logger.error(
      { dataset: dataset.name, unit: name },
      'the disk is full: a shard takes no writes until there is room',
    )
    const look = () =>
      this.#options.startTimer(ROOM_CHECK_MS, () => {
        if (dataset.unitOf(incarnationId) === null || this.#isClosed) dataset.full.delete(incarnationId)
        else if (!this.#directories.hasRoom()) dataset.full.set(incarnationId, { reason, cancel: look() })
        else {
          dataset.full.delete(incarnationId)
          this.#inBackground(this.shardFailed(incarnationId))
        }
      })
    dataset.full.set(incarnationId, { reason, cancel: look() })
  }

  /** Whether the newest map serves this version: what may be published without taking the dataset off line. */
  isServed(name: string, versionId: number): boolean {
    return this.#datasets.get(name)?.entry?.versions.some(({ id }) => id === versionId) === true
  }

  degraded(): Degraded[] {
    return [...this.#datasets.values()].flatMap((dataset) =>
      dataset.problems().map((reason) => ({ dataset: dataset.name, reason })),
    )
  }

  /** DBs that are open, those included that wait for a lease to end. */
  openCount(): number {
    return this.#openCount
  }

  /**
   * Takes everything out of the map and closes it as it is released; the threads must still answer. Resolves when all is
   * closed, which a lease that never ends prevents: race it, then exit without closing, which loses nothing.
   */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled(this.#turns.values())
    const datasets = [...this.#datasets.values()]
    for (const dataset of datasets) dataset.stopServing()
    await this.#publish(datasets)
    while (this.#background.size > 0) await Promise.allSettled(this.#background)
  }

  #add(record: DatasetRecord): ServedDataset {
    const dataset = new ServedDataset(record, this.#directories)
    this.#datasets.set(record.name, dataset)
    return dataset
  }

  async #remove(dataset: ServedDataset): Promise<void> {
    this.#datasets.delete(dataset.name)
    dataset.remove()
    await this.#publish([dataset])
  }

  async #converge(dataset: ServedDataset): Promise<void> {
    await this.#openMissing(dataset)
    await this.#publish([dataset])
  }

  async #openMissing(dataset: ServedDataset): Promise<void> {
    const units = dataset.missingUnits()
    if (units.some(({ versionId }) => versionId === null)) {
      try {
        await this.#ensureLive(dataset)
      } catch (error) {
        this.#fail(dataset, units, { error, mayRetryAtOnce: false })
        return
      }
    }
    await Promise.all(units.map((unit) => this.#openUnit(dataset, unit)))
  }

  async #ensureLive({ record }: ServedDataset): Promise<void> {
    const format = writableFormatOf(record)
    await this.#directories.ensureLive(record.id, record.generation, async (staging) => {
      const shards = Array.from({ length: record.shardCount }, (_, shard) => join(staging, shardName(shard)))
      await Promise.all(
        shards.map((shard) => this.#slots.run(() => this.#store.createWritable(shard, format))),
      )
    })
  }

  /** A shard that opens beside one that does not is closed again with the next map, which does not name it. */
  async #openUnit(dataset: ServedDataset, unit: Unit): Promise<void> {
    const missing = unit.shards.filter((shard) => dataset.isMissing(shard))
    const opened = missing.map((shard) => this.#slots.run(() => this.#store.open(shard)))
    const failures: unknown[] = []
    for (const outcome of await Promise.allSettled(opened)) {
      if (outcome.status === 'rejected') failures.push(outcome.reason)
      else {
        dataset.open.set(outcome.value.directory, outcome.value)
        this.#openCount += 1
      }
    }
    if (failures.length > 0) this.#fail(dataset, [unit], { error: failures[0], mayRetryAtOnce: false })
    else if (dataset.faults.has(unit.name)) {
      this.#logger.info({ dataset: dataset.name, unit: unit.name }, 'opened again')
    }
  }

  /** Notes why the units are not served, and when to try again; one line in the log for all of them. */
  #fail(
    dataset: ServedDataset,
    units: readonly Unit[],
    how: { readonly error: unknown; readonly mayRetryAtOnce: boolean },
  ): void {
    const names = units.map(({ name }) => name)
    const error = toKVError(how.error, `opening ${names.join(', ')}`)
    for (const name of names) this.#noteFault(dataset, name, { error, mayRetryAtOnce: how.mayRetryAtOnce })
    this.#logger.error({ dataset: dataset.name, units: names, code: error.code, err: error }, 'not served')
  }

  #noteFault(
    dataset: ServedDataset,
    unitName: string,
    { error, mayRetryAtOnce }: { readonly error: KVError; readonly mayRetryAtOnce: boolean },
  ): void {
    const atMs = this.#options.clock.monotonicMs()
    const before = dataset.faults.get(unitName)
    const isRow = before !== undefined && atMs - before.atMs < FAULT_MEMORY_MS
    const failures = isRow ? before.failures + 1 : 1
    const isHeld = failures > 1 || !mayRetryAtOnce
    const fault: Fault = { reason: error.message, failures, atMs, isHeld, cancelRetry: null }
    dataset.faults.set(unitName, fault)
    if (!isHeld || !error.isRetryable) return
    const delayMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1))
    fault.cancelRetry = this.#options.startTimer(delayMs, () => {
      fault.isHeld = false
      fault.cancelRetry = null
      this.#convergeLater(dataset)
    })
  }

  /** One delta for all of them; then, behind it, the end of what it left out. */
  async #publish(datasets: readonly ServedDataset[]): Promise<void> {
    const changed: DatasetEntry[] = []
    const removed: string[] = []
    for (const dataset of datasets) {
      if (!dataset.renew()) continue
      if (dataset.entry === null) removed.push(dataset.name)
      else changed.push(dataset.entry)
    }
    const isChange = changed.length + removed.length > 0
    const adopted = isChange ? this.#leases.publish({ changed, removed }) : Promise.resolve()
    for (const dataset of datasets) this.#inBackground(this.#closeUnnamed(dataset))
    await adopted
  }

  async #closeUnnamed(dataset: ServedDataset): Promise<void> {
    const unnamed = dataset.takeUnnamed()
    const released = this.#leases.retire(unnamed.map(({ id }) => id))
    await Promise.all(unnamed.map((incarnation, index) => this.#close(dataset, incarnation, released[index])))
    await this.#collect(dataset)
    if (unnamed.length > 0 && dataset.missingUnits().length > 0) this.#convergeLater(dataset)
  }

  async #close(
    dataset: ServedDataset,
    incarnation: Incarnation,
    released: Promise<void> | undefined,
  ): Promise<void> {
    await released
    try {
      await this.#store.close(incarnation.id)
    } catch (error) {
      const { id, directory } = incarnation
      this.#logger.error({ dataset: dataset.name, incarnation: id, directory, err: error }, 'closing failed')
    }
    this.#openCount -= 1
    dataset.closing.delete(incarnation.directory)
  }

  /** Removes the files of what is over, once per version; what fails is tried again at the next start. */
  async #collect(dataset: ServedDataset): Promise<void> {
    try {
      if (dataset.isRemoved) {
        // Also while closing: once the record is gone, nothing tells the next start that these files may go.
        if (dataset.closing.size === 0) await this.#directories.trashDataset(dataset.id)
        return
      }
      if (this.#isClosed) return
      const versions = dataset.collectable()
      for (const { id } of versions) dataset.collected.add(id)
      for (const { id } of versions) {
        await this.#directories.trash(this.#directories.versionPath(dataset.id, id))
      }
      const forgotten = versions.filter(({ state }) => state === 'DELETED').map(({ id }) => id)
      if (forgotten.length > 0) await this.#options.forgetVersions(dataset.name, forgotten)
    } catch (error) {
      this.#logger.warn({ dataset: dataset.name, err: error }, 'files of what is over could not be removed')
    }
  }

  async #removeOrphans(records: readonly DatasetRecord[]): Promise<void> {
    try {
      for (const { path, reason, isRemovable } of await this.#directories.findOrphans(records)) {
        if (isRemovable) await this.#directories.trash(path)
        if (isRemovable) this.#logger.info({ path, reason }, 'removed a directory that no record names')
        else
          this.#logger.warn(
            { path, reason },
            'a directory that no record names: remove it by hand if it is not needed',
          )
      }
    } catch (error) {
      this.#logger.warn({ err: error }, 'directories that no record names could not be removed')
    }
  }

  #convergeLater(dataset: ServedDataset): void {
    this.#inBackground(
      this.#inTurn(dataset.name, async () => {
        if (this.#datasets.get(dataset.name) === dataset) await this.#converge(dataset)
      }),
    )
  }

  /** After the changes of this dataset that came before. Nothing once it is closed. */
  #inTurn(name: string, run: () => Promise<void>): Promise<void> {
    const before = this.#turns.get(name) ?? Promise.resolve()
    const turn = before.then(() => (this.#isClosed ? undefined : run()))
    const settled: Promise<void> = turn
      .catch(() => undefined)
      .then(() => {
        if (this.#turns.get(name) === settled) this.#turns.delete(name)
      })
    this.#turns.set(name, settled)
    return turn
  }

  /** What rejects here is a fault of ours, and is left unhandled on purpose: it ends the process. */
  #inBackground(work: Promise<void>): void {
    this.#background.add(work)
    void work.finally(() => this.#background.delete(work))
  }
}

/** At most so many at once; the others wait in the order in which they came. */
class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free += 1
      else next()
    }
  }
}
