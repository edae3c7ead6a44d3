/**
 * Keeps leaves as the metastore says: asks each what it has, sends it what it lacks, removes what is over, and tells the
 * version set where versions are read from. Nothing is remembered: after a restart, a lost leaf or a lost disk the next
 * round finds what is left to do, so that a move that a crash cut short goes on by itself. Main thread.
 *
 *     every second:                      ask all leaves -> datasets of which something changed
 *     a record, a leaf, a step changed:  -> look at those datasets -> say where they are read -> copy and remove
 *
 * What concerns one dataset costs what that one has, however many there are; where all are concerned, they are looked at
 * in slices between which the main thread does its other work.
 */
import type { Clock, StartTimer } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { ClusterRecord, DatasetRecord, LeafRecord, VersionRecord } from '../model/dataset.js'
import type { LeafStatus } from '../model/operations.js'
import { DamagedCopies } from './damaged-copies.js'
import { targetPath } from './http/leaf-directory.js'
import type { ShardTarget } from './http/wire.js'
import { type Agent, PlacementLeaves } from './placement-leaves.js'
import {
  type Copies,
  type CopyStep,
  type LeafShare,
  PlacementPlan,
  type PlacementState,
  type RemovalStep,
  isKept,
  shareKey,
} from './placement-plan.js'
import { PlacementSources } from './placement-sources.js'
import { PlacementSteps } from './placement-steps.js'
import { PlacementTrust } from './placement-trust.js'

const ROUND_MS = 1_000
/** So long datasets are looked at before the loop gets its turn. */
const SLICE_MS = 10

export interface PlacementKeeperOptions {
  readonly gatewayId: string
  readonly records: {
    list(): readonly DatasetRecord[]
    clusters(): readonly ClusterRecord[]
  }
  readonly connect: (leaf: LeafRecord) => Agent
  /** The directory of the gateway's own copy of a shard; null when there is none. */
  readonly localShard: (target: ShardTarget) => string | null
  /** Checksum over the seals of all shards of the gateway's own copy. @throws {KVError} CORRUPT when one cannot be read */
  readonly localChecksum: (record: DatasetRecord, versionId: number) => string
  readonly clock: Clock
  readonly startTimer: StartTimer
  readonly logger: Logger
}

/** What the keeper tells, and asks before it removes. */
export interface PlacementReader {
  /** Versions of the dataset are read from elsewhere now. */
  placementChanged(dataset: string): Promise<void>
  /** Whether a read may still go to a leaf for a shard. */
  isUsed(leaf: string, target: ShardTarget): boolean
}

/** What the reader was told of a dataset, and what status says of it. */
interface Known {
  readonly told: string
  readonly shares: ReadonlyMap<string, LeafShare>
}

export class PlacementKeeper {
  readonly #options: PlacementKeeperOptions
  readonly #leaves: PlacementLeaves
  readonly #steps: PlacementSteps
  readonly #trust = new PlacementTrust()
  readonly #damaged = new DamagedCopies()
  readonly #sources: PlacementSources
  #plan: PlacementPlan
  #reader: PlacementReader | null = null
  /** By id. */
  readonly #records = new Map<string, DatasetRecord>()
  readonly #idOf = new Map<string, string>()
  /** By id; absent: nothing was told, it is read here. */
  readonly #known = new Map<string, Known>()
  /** Versions that are read from their cluster, by dataset. */
  readonly #placed = new Map<string, Set<number>>()
  /** Ids of datasets that are to be looked at. */
  readonly #dirty = new Set<string>()
  #settling: Promise<void> | null = null
  #round: Promise<void> | null = null
  #isRoundDue = false
  #cancelTimer: () => void = () => undefined
  #isClosed = false

  constructor(options: PlacementKeeperOptions) {
    this.#options = options
    this.#leaves = new PlacementLeaves(options)
    this.#sources = new PlacementSources({
      ...options,
      damaged: this.#damaged,
      other: (target, leaf) => this.#leaves.sourceOf(target, leaf),
      onDamaged: ({ datasetId, versionId }) =>
        this.#trust.noteUnfit(`${datasetId}/${versionId}`, options.clock.monotonicMs()),
    })
    this.#plan = this.#makePlan()
    this.#steps = new PlacementSteps({
      clock: options.clock,
      logger: options.logger,
      copy: (step) => this.#copy(step),
      remove: (step) => this.#remove(step),
      // What is still to be looked at may turn out to be needed.
      mayRemove: ({ leaf, target }) =>
        !this.#dirty.has(target.datasetId) && this.#reader?.isUsed(leaf.name, target) === false,
      onEnd: (datasetId) => this.#look([datasetId]),
    })
  }

  /** Asks every leaf once, so that the first map says where versions are read from. */
  async start(): Promise<void> {
    this.#leaves.connect(this.#options.records.clusters())
    for (const record of this.#options.records.list()) this.#note(record.name, record)
    await this.#leaves.ask()
  }

  /** From here on rounds follow each other. */
  serve(reader: PlacementReader): void {
    this.#reader = reader
    this.#lookAtAll()
    this.#startRound()
  }

  /** After a change of a dataset; null: it is gone. */
  recordChanged(name: string, record: DatasetRecord | null): void {
    this.#look(this.#note(name, record))
  }

  /** After a change of the clusters: other leaves may be named. */
  clustersChanged(): void {
    this.#leaves.connect(this.#options.records.clusters())
    this.#plan = this.#makePlan()
    this.#lookAtAll()
    this.#startRound()
  }

  /** Leaves that each shard of a version is read from; null: this process's own copy. */
  copiesOf(record: DatasetRecord, versionId: number): Copies | null {
    const version = record.versions.find(({ id }) => id === versionId)
    if (version === undefined || this.#trust.isDoubted(versionKey(record, versionId))) return null
    const { copies, isPlaced } = this.#plan.copiesOf(record, version, this.#isPlaced(record.id, versionId))
    this.#notePlaced(record.id, versionId, isPlaced)
    return copies
  }

  /** Whether all files of the version are here, and can be opened as far as is known. */
  hasOwnCopy(record: DatasetRecord, versionId: number): boolean {
    if (this.#trust.isUnfit(versionKey(record, versionId), this.#options.clock.monotonicMs())) return false
    const shards = Array.from({ length: record.shardCount }, (_, shard) => shard)
    return shards.every(
      (shard) => this.#options.localShard({ datasetId: record.id, versionId, shard }) !== null,
    )
  }

  /**
   * Its leaves fail reads although they say that they have it: for a while it is read here.
   * @throws {KVError} UNAVAILABLE when there is nothing to read here
   */
  doubt(record: DatasetRecord, versionId: number): void {
    const key = versionKey(record, versionId)
    if (this.#trust.isDoubted(key)) return
    if (!this.hasOwnCopy(record, versionId)) {
      throw new KVError(
        'UNAVAILABLE',
        `the gateway has no copy of version ${versionId} of dataset ${record.name} that can be read`,
        { dataset: record.name },
      )
    }
    this.#trust.doubt(key, this.#options.clock.monotonicMs())
    this.#options.logger.warn(
      { dataset: record.name, version: versionId },
      "leaves fail reads of a version, it is read from the gateway's own copy for a while",
    )
    this.#look([record.id])
  }

  /** The gateway's own copy cannot be opened: its leaves are all there is. */
  refuseOwnCopy(record: DatasetRecord, versionId: number): void {
    const key = versionKey(record, versionId)
    this.#trust.noteUnfit(key, this.#options.clock.monotonicMs())
    this.#trust.trust(key)
    this.#look([record.id])
  }

  /** For how long its leaves are not asked; null: they are. */
  doubtedForMs(record: DatasetRecord, versionId: number): number | null {
    const key = versionKey(record, versionId)
    if (!this.#trust.isDoubted(key)) return null
    return Math.max(0, this.#trust.remainingMs(key, this.#options.clock.monotonicMs()))
  }

  /** Copies of a version on its cluster; null: it belongs to the gateway itself. */
  stateOf(record: DatasetRecord, version: VersionRecord): PlacementState | null {
    return this.#plan.stateOf(record, version)
  }

  /** What is wrong with the gateway's own copies of a dataset's versions; one line a version. */
  damageOf({ id }: DatasetRecord): string[] {
    return this.#damaged.problemsOf(id)
  }

  /** Shards whose own copy is damaged. */
  get damagedCopyCount(): number {
    return this.#damaged.count
  }

  /** Copies that failed since the start, by code. */
  get copyFailures(): ReadonlyMap<string, number> {
    return this.#steps.copyFailures
  }

  health(): Omit<LeafStatus, 'openBreakers'>[] {
    const shares = new Map<string, LeafShare>()
    for (const known of this.#known.values()) {
      for (const [key, { wanted, held }] of known.shares) {
        const sum = shares.get(key)
        if (sum === undefined) shares.set(key, { wanted, held })
        else {
          sum.wanted += wanted
          sum.held += held
        }
      }
    }
    return this.#options.records.clusters().flatMap((cluster) =>
      cluster.leaves.map(({ name, url }) => ({
        cluster: cluster.name,
        name,
        url,
        problem: this.#leaves.problemOf(name),
        copies: this.#leaves.copyCountOf(name),
        ...(shares.get(shareKey(cluster.name, name)) ?? { wanted: 0, held: 0 }),
        copying: this.#steps.copyingTo(name),
      })),
    )
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer()
    await this.#leaves.close()
    await this.#round
    await this.#settling
    await this.#steps.close()
  }

  #makePlan(): PlacementPlan {
    return new PlacementPlan({
      clusters: this.#options.records.clusters(),
      leaves: this.#leaves.views,
    })
  }

  #startRound(): void {
    this.#isRoundDue = true
    if (this.#round !== null || this.#isClosed || this.#reader === null) return
    this.#cancelTimer()
    this.#isRoundDue = false
    this.#round = this.#runRound().finally(() => {
      this.#round = null
      if (this.#isRoundDue) this.#startRound()
      else if (!this.#isClosed)
        this.#cancelTimer = this.#options.startTimer(ROUND_MS, () => this.#startRound())
    })
  }

  async #runRound(): Promise<void> {
    try {
      const { isAnyTurned, datasets } = await this.#leaves.ask()
      if (isAnyTurned) this.#lookAtAll()
      this.#endDoubts()
      // Without any, what failed or was still in use is tried again.
      this.#look(datasets)
    } catch (error) {
      this.#options.logger.error({ err: error }, 'a round of placement failed; the next one goes on')
    }
  }

  /** Leaves that answered just now are read again when their time is up. */
  #endDoubts(): void {
    for (const key of this.#trust.due(this.#options.clock.monotonicMs())) {
      const [id = '', versionId = ''] = key.split('/')
      const record = this.#records.get(id)
      const version = record?.versions.find((one) => one.id === Number(versionId))
      if (record === undefined || version === undefined) {
        this.#trust.forget(key)
        continue
      }
      const leaves = this.#plan.wanted(record, version)?.flat() ?? []
      if (
        !leaves.every(({ name }) => this.#leaves.hasAnswered(name) || this.#leaves.problemOf(name) !== null)
      )
        continue
      this.#trust.trust(key)
      this.#look([id])
    }
  }

  /** Answers the ids that are concerned: also that of a dataset that had the name before. */
  #note(name: string, record: DatasetRecord | null): string[] {
    const before = this.#idOf.get(name)
    if (before !== undefined && before !== record?.id) this.#records.delete(before)
    if (record === null) this.#idOf.delete(name)
    else {
      this.#idOf.set(name, record.id)
      this.#records.set(record.id, record)
    }
    return [before, record?.id].filter((id) => id !== undefined)
  }

  #lookAtAll(): void {
    const ids = new Set(this.#records.keys())
    for (const { copies, arriving } of this.#leaves.views.values()) {
      for (const id of copies.datasets()) ids.add(id)
      for (const id of arriving.datasets()) ids.add(id)
    }
    for (const id of this.#known.keys()) ids.add(id)
    this.#look(ids)
  }

  #look(datasetIds: Iterable<string>): void {
    for (const id of datasetIds) this.#dirty.add(id)
    if (this.#settling !== null || this.#isClosed || this.#reader === null) return
    this.#settling = this.#settle(this.#reader)
      .catch((error: unknown) => {
        this.#options.logger.error({ err: error }, 'looking at placement failed; the next round goes on')
      })
      .finally(() => {
        this.#settling = null
        if (this.#dirty.size > 0) this.#look([])
      })
  }

  async #settle(reader: PlacementReader): Promise<void> {
    do {
      // Whoever changed something goes on first.
      await new Promise((resolve) => setImmediate(resolve))
      if (this.#isClosed) return
      const endMs = this.#options.clock.monotonicMs() + SLICE_MS
      const changed: string[] = []
      for (const id of this.#dirty) {
        this.#dirty.delete(id)
        const name = this.#lookAt(id)
        if (name !== null) changed.push(name)
        if (this.#options.clock.monotonicMs() >= endMs) break
      }
      await Promise.all(changed.map((name) => reader.placementChanged(name)))
      this.#steps.start()
    } while (this.#dirty.size > 0)
  }

  /** Answers the name of the dataset when it is read from elsewhere than the reader was told. */
  #lookAt(id: string): string | null {
    const record = this.#records.get(id) ?? null
    this.#damaged.keepOnly(id, new Set(record?.versions.filter(isKept).map((version) => version.id)))
    const removals = this.#plan.surplus(id, record, this.#safety(record))
    if (record === null) {
      this.#steps.replace(id, removals)
      this.#known.delete(id)
      this.#placed.delete(id)
      return null
    }
    this.#steps.replace(id, [...this.#plan.missing(record), ...removals])
    const before = this.#known.get(id)?.told ?? ''
    const told = this.#placesOf(record)
    this.#known.set(id, { told, shares: this.#plan.sharesOf(record) })
    return told === before ? null : record.name
  }

  /** Where all its versions are read, as text that is the same only when they are. */
  #placesOf(record: DatasetRecord): string {
    const kept = record.versions.filter(isKept)
    const ids = new Set(kept.map(({ id }) => id))
    for (const id of this.#placed.get(record.id) ?? [])
      if (!ids.has(id)) this.#notePlaced(record.id, id, false)
    const places = kept.flatMap(({ id }) => {
      const copies = this.copiesOf(record, id)
      if (copies === null) return []
      const leaves = copies.map((ofShard) => ofShard.map(({ name, url }) => `${name} ${url}`).join())
      return [`${id} ${leaves.join(';')}`]
    })
    return places.join('\n')
  }

  /** Whether all copies of a version are where they belong; each is looked at once. */
  #safety(record: DatasetRecord | null): (version: VersionRecord) => boolean {
    const known = new Map<number, boolean>()
    return (version) => {
      if (record === null) return true
      let isSafe = known.get(version.id)
      if (isSafe === undefined) {
        const state = this.#plan.stateOf(record, version)
        isSafe = state === null ? this.hasOwnCopy(record, version.id) : state.confirmed === state.wanted
        known.set(version.id, isSafe)
      }
      return isSafe
    }
  }

  #isPlaced(datasetId: string, versionId: number): boolean {
    return this.#placed.get(datasetId)?.has(versionId) === true
  }

  #notePlaced(datasetId: string, versionId: number, isPlaced: boolean): void {
    const versions = this.#placed.get(datasetId)
    if (!isPlaced) versions?.delete(versionId)
    else if (versions === undefined) this.#placed.set(datasetId, new Set([versionId]))
    else versions.add(versionId)
  }

  async #copy({ leaf, target, dataset }: CopyStep): Promise<void> {
    const agent = this.#leaves.agentOf(leaf.name)
    if (agent === null) return
    const startedAtMs = this.#options.clock.monotonicMs()
    const record = this.#records.get(target.datasetId) ?? null
    const { source, list, isLocal } = await this.#sources.of(target, record, leaf)
    try {
      await agent.copy(target, source, list)
    } catch (error) {
      if (isLocal && error instanceof KVError && error.code === 'CORRUPT')
        this.#sources.noteDamage(target, error)
      throw error
    }
    this.#leaves.noteCopied(leaf, target)
    if (isLocal) this.#damaged.forget(target)
    const durationMs = Math.round(this.#options.clock.monotonicMs() - startedAtMs)
    this.#options.logger.info(
      { dataset, leaf: leaf.name, copy: targetPath(target), durationMs },
      'a leaf has a copy',
    )
  }

  async #remove({ leaf, target }: RemovalStep): Promise<void> {
    await this.#leaves.agentOf(leaf.name)?.remove(target)
    this.#leaves.noteRemoved(leaf, target)
  }
}

function versionKey({ id }: DatasetRecord, versionId: number): string {
  return `${id}/${versionId}`
}
