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
 * - Kept versions are open while there is room (`maxOpenShards`): what is served first, then what may be soon. Others are
 *   opened when a read or a publish asks for them (`open`), and then those that were not used longest are closed
 *   (open-budget.ts). Nothing is refused for want of room.
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
import { LeavingVersions } from './leaving-versions.js'
import { OpenBudget, type RecentUses } from './open-budget.js'
import { PARALLEL_OPENS, PARALLEL_OPENS_UNASKED, PRIORITY, priorityOf } from './open-order.js'
import type { Placement } from './served-dataset.js'
import { type Fault, ServedDataset, type Unit, cannotOpen } from './served-dataset.js'
import { shardName, writableFormatOf } from './served-dataset.js'
import { Slots } from './slots.js'

/** A start waits so long for what is to be open; the rest is opened behind it, and at once where it is asked for. */
const START_PATIENCE_MS = 500

/** A failure so long after the one before it starts a new row of failures. */
const FAULT_MEMORY_MS = 120_000
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 30_000

/** How often a full disk, and too many open DBs, are looked at again. */
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
  /** DBs of versions, and of shards that can be written, that may be open at the same time. */
  readonly maxOpenShards: number
  readonly recentUses: RecentUses
  /** A version that is dropped while it is read stays open so long for those who read it page by page. */
  readonly leavingMs: number
  /** So does the version that another one takes the place of, read or not: for callers who hear of a publish late. */
  readonly keepsFormerCurrent?: boolean
  /** Absent: everything is served here. */
  readonly placement?: Placement
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
  readonly #budget: OpenBudget
  readonly #datasets = new Map<string, ServedDataset>()
  /** The last change of each dataset that has one under way. */
  readonly #turns = new Map<string, Promise<void>>()
  readonly #background = new Set<Promise<void>>()
  /** By directory, of those that left the map and are not closed yet. */
  readonly #closings = new Map<string, Promise<void>>()
  #makingRoom: Promise<void> | null = null
  #cancelRoomTimer: () => void = () => undefined
  readonly #leaving: LeavingVersions
  #isClosed = false

  constructor(store: LeafStore, leases: MapPublisher, options: VersionSetOptions) {
    this.#store = store
    this.#leases = leases
    this.#options = options
    this.#directories = options.directories
    this.#logger = options.logger
    this.#budget = new OpenBudget(options.maxOpenShards, options.recentUses, options.clock)
    this.#leaving = new LeavingVersions(options, (dataset, untilMs) => {
      const ended = this.#inTurn(dataset.name, async () => {
        if (dataset.endLeaving(untilMs)) await this.#publish([dataset])
      })
      this.#inBackground(ended)
    })
  }

  /**
   * Opens what is to be open and publishes it, in one map; what takes longer than START_PATIENCE_MS follows by itself.
   * Before it: no load may run. After it: subscribe `onChange`.
   */
  async start(records: readonly DatasetRecord[]): Promise<void> {
    await this.#removeOrphans(records)
    const datasets = records.map((record) => this.#add(record))
    const idle = new Set(datasets)
    let isPublished = false
    const openAll = (isMeant: (unit: Unit) => boolean) =>
      // In turn: a retry may come while others are still being opened.
      datasets.map((dataset) =>
        this.#inTurn(dataset.name, async () => {
          idle.delete(dataset)
          await this.#openMissing(dataset, isMeant)
          if (isPublished) await this.#publish([dataset])
          else idle.add(dataset)
        }),
      )
    // What clients read comes first for all of them; turns are short, so that a change does not wait for the start.
    const opened = Promise.all(openAll(({ isServing }) => isServing)).then(async () => {
      await Promise.all(openAll(() => true))
    })
    await this.#patiently(opened)
    isPublished = true
    this.#slots.limitFrom(PRIORITY.serving, PARALLEL_OPENS_UNASKED)
    // Of those that are being opened nothing is closed: their turn goes on.
    await this.#publish(datasets, [...idle])
  }

  /** Resolves when every thread has adopted the change. Never rejects because something cannot be opened. */
  readonly onChange: MetastoreListener = (name, record) => {
    const present = this.#datasets.get(name)
    if (present !== undefined) this.#slots.hasten(present)
    return this.#inTurn(name, async () => {
      const known = this.#datasets.get(name)
      if (known !== undefined && known.id !== record?.id) await this.#remove(known)
      if (record === null) return
      const dataset = this.#datasets.get(name) ?? this.#add(record)
      await this.#leaving.keepWhatIsRead(dataset, record)
      dataset.update(record)
      await this.#converge(dataset)
    })
  }

  /**
   * For a restore: whether the files of a version that was released are still here because it is read. They stay then
   * until its record says that it is kept again, or for as long as versions that leave may stay.
   */
  async keepLeaving(name: string, versionId: number): Promise<boolean> {
    let isKept = false
    await this.#inTurn(name, () => {
      const dataset = this.#datasets.get(name)
      isKept = dataset !== undefined && this.#leaving.prolong(dataset, versionId)
      return Promise.resolve()
    })
    return isKept
  }

  /**
   * For a load that takes the place of a version that leaves: who reads that page by page does so no more. Resolves when no
   * map names it; its files go as soon as no thread uses them.
   */
  async endLeaving(name: string, versionId: number): Promise<void> {
    await this.#inTurn(name, async () => {
      const dataset = this.#datasets.get(name)
      if (dataset?.stopLeaving(versionId) === true) await this.#publish([dataset])
    })
  }

  /**
   * Resolves when the newest map serves that version: for reads of a version that is kept and not open, and before one is
   * published. It stays open for a while.
   * @throws {KVError} DATASET_NOT_FOUND, VERSION_NOT_FOUND (not kept), UNAVAILABLE (it cannot be opened)
   */
  async open(name: string, versionId: number): Promise<void> {
    const dataset = this.#datasets.get(name)
    if (dataset === undefined) throw new KVError('DATASET_NOT_FOUND', `no dataset is named ${name}`)
    let unit = dataset.unitOfVersion(versionId)
    while (unit !== null && !this.#isClosed) {
      if (this.#budget.isFull) await this.#makeRoom()
      this.#budget.protect(name, versionId)
      dataset.wake(versionId)
      this.#slots.hasten(dataset)
      await this.#inTurn(name, () => this.#openAsked(dataset, versionId))
      if (this.isServed(name, versionId)) return
      const fault = dataset.faults.get(unit.name)
      if (fault?.isHeld === true) throw cannotOpen(name, unit, fault)
      // It was just put to sleep: its DBs cannot be opened before they are closed.
      await Promise.allSettled(
        unit.shards.map(({ directory }) => this.#closings.get(directory) ?? Promise.resolve()),
      )
      unit = dataset.unitOfVersion(versionId)
    }
    throw new KVError('VERSION_NOT_FOUND', `dataset ${name} keeps no version ${versionId}`, { dataset: name })
  }

  /**
   * After an I/O error: takes the shard out of the map, closes it and opens it again as a new incarnation. While the disk
   * is full that would fail and take its reads away: it stays in the map, refusing writes, until there is room. Resolves
   * when it is out of the map, or is to wait. Repeated reports of one incarnation do nothing.
   */
  async shardFailed(incarnationId: number, cause?: KVError): Promise<void> {
    for (const dataset of this.#datasets.values()) {
      const failed = dataset.unitOf(incarnationId)
      if (failed === null) continue
      if (!this.#directories.hasRoom()) {
        this.#waitForRoom(dataset, failed, { incarnationId, cause })
        return
      }
      await this.#inTurn(dataset.name, async () => {
        const unit = dataset.unitOf(incarnationId)
        if (unit === null) return
        dataset.dropFailed(incarnationId)
        const error = reopeningError(cause)
        this.#fail(dataset, [unit], { error, mayRetryAtOnce: true })
        await this.#publish([dataset])
      })
    }
  }

  #waitForRoom(
    dataset: ServedDataset,
    { name }: Unit,
    { incarnationId, cause }: { readonly incarnationId: number; readonly cause: KVError | undefined },
  ): void {
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
          this.#inBackground(this.shardFailed(incarnationId, cause))
        }
      })
    dataset.full.set(incarnationId, { reason, cancel: look() })
  }

  /** Versions of the dataset are read from other places than before: resolves when every thread does so. */
  async placementChanged(name: string): Promise<void> {
    await this.#inTurn(name, async () => {
      const dataset = this.#datasets.get(name)
      if (dataset === undefined) return
      dataset.update(dataset.record)
      await this.#converge(dataset)
    })
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
    return this.#budget.openCount
  }

  /**
   * Takes everything out of the map and closes it as it is released; the threads must still answer. Resolves when all is
   * closed, which a lease that never ends prevents: race it, then exit without closing, which loses nothing.
   */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelRoomTimer()
    this.#leaving.close()
    await Promise.allSettled(this.#turns.values())
    const datasets = [...this.#datasets.values()]
    for (const dataset of datasets) dataset.stopServing()
    await this.#publish(datasets)
    while (this.#background.size > 0) await Promise.allSettled(this.#background)
  }

  #add(record: DatasetRecord): ServedDataset {
    const dataset = new ServedDataset(record, this.#directories, this.#options.placement)
    this.#datasets.set(record.name, dataset)
    return dataset
  }

  async #remove(dataset: ServedDataset): Promise<void> {
    this.#datasets.delete(dataset.name)
    dataset.remove()
    await this.#publish([dataset])
  }

  /** What clients read is opened before the map changes, which the change waits for, the rest behind it. */
  async #converge(dataset: ServedDataset): Promise<void> {
    await this.#openMissing(dataset, ({ isServing }) => isServing, PRIORITY.asked)
    await this.#publish([dataset])
    if (dataset.missingUnits().length > 0) this.#convergeLater(dataset)
  }

  async #openAsked(dataset: ServedDataset, versionId: number): Promise<void> {
    const unit = dataset.missingUnits().find((one) => one.versionId === versionId)
    if (unit !== undefined) await this.#openUnit(dataset, unit, PRIORITY.asked)
    await this.#publish([dataset])
    if (this.#budget.isExceeded) this.#makeRoomLater()
  }

  /** @param priority default: what each unit has by itself */
  async #openMissing(
    dataset: ServedDataset,
    isMeant: (unit: Unit) => boolean = () => true,
    priority?: number,
  ): Promise<void> {
    const units = this.#withRoom(dataset, dataset.missingUnits().filter(isMeant))
    if (units.some(({ versionId }) => versionId === null)) {
      try {
        await this.#ensureLive(dataset)
      } catch (error) {
        this.#fail(dataset, units, { error, mayRetryAtOnce: false })
        return
      }
    }
    await Promise.all(units.map((unit) => this.#openUnit(dataset, unit, priority ?? priorityOf(unit))))
  }

  /** Those that there is room for; the others sleep until they are asked for. */
  #withRoom(dataset: ServedDataset, units: readonly Unit[]): Unit[] {
    return units.filter((unit) => {
      if (unit.versionId === null || this.#budget.hasRoomFor(unit)) return true
      dataset.sleep(unit.versionId)
      return false
    })
  }

  async #ensureLive(dataset: ServedDataset): Promise<void> {
    const { record } = dataset
    const format = writableFormatOf(record)
    await this.#directories.ensureLive(record.id, record.generation, async (staging) => {
      const shards = Array.from({ length: record.shardCount }, (_, shard) => join(staging, shardName(shard)))
      await Promise.all(
        shards.map((shard) =>
          this.#slots.run(() => this.#store.createWritable(shard, format), {
            owner: dataset,
            priority: PRIORITY.live,
          }),
        ),
      )
    })
  }

  /** A shard that opens beside one that does not is closed again with the next map, which does not name it. */
  async #openUnit(dataset: ServedDataset, unit: Unit, priority: number): Promise<void> {
    const missing = unit.shards.filter((shard) => dataset.isMissing(shard))
    const opened = missing.map((shard) => {
      this.#budget.opening(shard)
      // What still waits for its turn when all ends is not opened any more.
      const open = () => (this.#isClosed ? Promise.reject(closedError()) : this.#store.open(shard))
      return this.#slots.run(open, { owner: dataset, priority })
    })
    const failures: unknown[] = []
    for (const [index, outcome] of (await Promise.allSettled(opened)).entries()) {
      if (outcome.status === 'fulfilled') {
        dataset.open.set(outcome.value.directory, outcome.value)
        this.#budget.opened(outcome.value)
      } else {
        failures.push(outcome.reason)
        const shard = missing[index]
        if (shard !== undefined) this.#budget.notOpened(shard)
      }
    }
    if (failures.length > 0 && this.#isClosed) return
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
  async #publish(datasets: readonly ServedDataset[], closable = datasets): Promise<void> {
    const changed: DatasetEntry[] = []
    const removed: string[] = []
    for (const dataset of datasets) {
      if (!dataset.renew()) continue
      if (dataset.entry === null) removed.push(dataset.name)
      else changed.push(dataset.entry)
    }
    const isChange = changed.length + removed.length > 0
    const adopted = isChange ? this.#leases.publish({ changed, removed }) : Promise.resolve()
    for (const dataset of closable) this.#inBackground(this.#closeUnnamed(dataset))
    await adopted
  }

  async #closeUnnamed(dataset: ServedDataset): Promise<void> {
    const unnamed = dataset.takeUnnamed()
    const released = this.#leases.retire(unnamed.map(({ id }) => id))
    const closings = unnamed.map((incarnation, index) => this.#close(dataset, incarnation, released[index]))
    for (const [index, { directory }] of unnamed.entries()) {
      this.#closings.set(directory, closings[index] ?? Promise.resolve())
    }
    await Promise.all(closings)
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
    this.#budget.closed(incarnation)
    dataset.closing.delete(incarnation.directory)
    this.#closings.delete(incarnation.directory)
  }

  #makeRoomLater(): void {
    if (this.#makingRoom === null && !this.#isClosed) this.#inBackground(this.#makeRoom())
  }

  /** One at a time for all who want it: each asks all threads what they use. */
  #makeRoom(): Promise<void> {
    this.#makingRoom ??= this.#closeUnused().finally(() => {
      this.#makingRoom = null
      // What was protected, or came meanwhile, goes a little later.
      if (!this.#budget.isExceeded || this.#isClosed) return
      this.#cancelRoomTimer()
      this.#cancelRoomTimer = this.#options.startTimer(ROOM_CHECK_MS, () => this.#makeRoomLater())
    })
    return this.#makingRoom
  }

  async #closeUnused(): Promise<void> {
    const chosen = await this.#budget.chooseSleepers([...this.#datasets.values()])
    for (const [dataset, sleepers] of chosen) {
      await this.#inTurn(dataset.name, async () => {
        for (const { versionId, usedAtMs } of sleepers) dataset.sleep(versionId, usedAtMs)
        await this.#publish([dataset])
      })
    }
    if (chosen.size > 0)
      this.#logger.debug({ datasets: chosen.size, open: this.openCount() }, 'closed unused versions')
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
        if (this.#datasets.get(dataset.name) !== dataset) return
        await this.#openMissing(dataset)
        await this.#publish([dataset])
      }),
    )
  }

  async #patiently(work: Promise<void>): Promise<void> {
    let cancel: () => void = () => undefined
    const isOver = new Promise<void>((resolve) => {
      cancel = this.#options.startTimer(START_PATIENCE_MS, resolve)
    })
    this.#inBackground(work)
    await Promise.race([work, isOver])
    cancel()
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

function closedError(): KVError {
  return new KVError('UNAVAILABLE', 'the gateway ends')
}

/** Why a shard is out of the map. */
function reopeningError(cause?: KVError): KVError {
  if (cause?.code !== 'CORRUPT') {
    return new KVError('UNAVAILABLE', 'failed with an i/o error, is being opened again', { cause })
  }
  return new KVError('CORRUPT', `${cause.message}; is being opened again`, { cause })
}
