/** The main thread's part in remote leaves: which versions leaf processes serve, and the copies that they are sent. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { startSystemTimer, systemClock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { Reading } from '../base/metrics.js'
import { versionChecksum } from '../base/version-checksum.js'
import type { DataDirectory } from '../leaf/data-directory.js'
import { LeafAgent } from '../leaf/http/leaf-agent.js'
import { PlacedStore } from '../leaf/placed-store.js'
import { PlacementKeeper } from '../leaf/placement-keeper.js'
import { isKept } from '../leaf/placement-plan.js'
import { readSeal } from '../leaf/rocksdb/store/shard-files.js'
import { RocksStore } from '../leaf/rocksdb/store/store.js'
import { shardName } from '../leaf/served-dataset.js'
import type { VersionSet } from '../leaf/version-set.js'
import type { ClusterMap } from '../model/cluster-map.js'
import type { ClusterRecord, DatasetRecord } from '../model/dataset.js'
import type { LeafStore } from '../model/leaf-engine.js'
import type { Metastore } from '../model/metastore.js'
import type { LeafStatus, PlacementStatus } from '../model/operations.js'

export interface PlacementParts {
  readonly metastore: Metastore
  readonly directory: DataDirectory
  readonly logger: Logger
}

export class GatewayPlacement {
  /** Of shards that are open here. */
  readonly localStore: RocksStore
  /** The same, and of shards that leaf processes serve. */
  readonly store: LeafStore
  readonly keeper: PlacementKeeper
  readonly #placed: PlacedStore
  readonly #metastore: Metastore
  readonly #logger: Logger
  #versionSet: VersionSet | null = null
  /** By leaf: data threads that do not ask it, because it failed too often. */
  readonly #openBreakers = new Map<string, Set<string>>()

  private constructor({ metastore, directory, logger }: PlacementParts) {
    this.#metastore = metastore
    this.#logger = logger
    let lastId = 0
    const nextId = () => (lastId += 1)
    this.localStore = new RocksStore(nextId)
    this.#placed = new PlacedStore(this.localStore, nextId)
    this.store = this.#placed
    this.keeper = new PlacementKeeper({
      gatewayId: directory.id,
      records: metastore,
      connect: (leaf) => new LeafAgent(leaf, directory.id),
      localShard: ({ datasetId, versionId, shard }) => {
        const path = join(directory.versionPath(datasetId, versionId), shardName(shard))
        return existsSync(path) ? path : null
      },
      localChecksum: ({ id, shardCount }, versionId) => {
        const path = directory.versionPath(id, versionId)
        const shards = Array.from({ length: shardCount }, (_, shard) =>
          readSeal(join(path, shardName(shard))),
        )
        return versionChecksum(shards.map(({ checksum }) => checksum))
      },
      clock: systemClock,
      startTimer: startSystemTimer,
      logger,
    })
  }

  /** Knows what every leaf has that answers now. */
  static async start(parts: PlacementParts): Promise<GatewayPlacement> {
    const placement = new GatewayPlacement(parts)
    await placement.keeper.start()
    return placement
  }

  /** After `versionSet` follows the metastore. */
  follow(metastore: Metastore, versionSet: VersionSet): void {
    this.#versionSet = versionSet
    this.keeper.serve({
      placementChanged: (dataset) => versionSet.placementChanged(dataset),
      isUsed: (leaf, target) => this.#placed.isUsed(leaf, target),
    })
    metastore.subscribe((name, record) => {
      this.keeper.recordChanged(name, record)
      return Promise.resolve()
    })
    metastore.subscribeClusters(() => {
      this.keeper.clustersChanged()
      return Promise.resolve()
    })
  }

  /**
   * Its leaves fail reads: resolves when the newest map has it open in this process, where it is read for a while.
   * @throws {KVError} DATASET_NOT_FOUND, VERSION_NOT_FOUND, UNAVAILABLE when there is no copy here that can be read
   */
  async readHere(name: string, versionId: number): Promise<void> {
    const record = this.#metastore.get(name)
    const versionSet = this.#versionSet
    if (record === null || versionSet === null) {
      throw new KVError('DATASET_NOT_FOUND', `no dataset is named ${name}`, { dataset: name })
    }
    this.keeper.doubt(record, versionId)
    await versionSet.placementChanged(name)
    try {
      await versionSet.open(name, versionId)
    } catch (error) {
      this.#logger.error(
        { dataset: name, version: versionId, err: error },
        "leaves fail reads of a version, and the gateway's own copy cannot be opened",
      )
      this.keeper.refuseOwnCopy(record, versionId)
      throw error
    }
  }

  /** Whether any thread does not ask one of its leaves. */
  isBreakerOpen(cluster: ClusterRecord | null): boolean {
    return cluster !== null && cluster.leaves.some(({ name }) => this.#openBreakers.has(name))
  }

  noteBreaker(thread: string, leaf: string, isOpen: boolean): void {
    const threads = this.#openBreakers.get(leaf) ?? new Set()
    if (isOpen) this.#openBreakers.set(leaf, threads.add(thread))
    else if (threads.delete(thread) && threads.size === 0) this.#openBreakers.delete(leaf)
  }

  leaves(): LeafStatus[] {
    return this.keeper.health().map((leaf) => ({
      ...leaf,
      openBreakers: this.#openBreakers.get(leaf.name)?.size ?? 0,
    }))
  }

  /** Of versions that belong to a cluster with leaves, newest first. */
  versionsOf(record: DatasetRecord, map: ClusterMap): PlacementStatus[] {
    const served = map.datasets.get(record.name)?.versions ?? []
    const { replicas } = record
    return record.versions.flatMap((version) => {
      const state = isKept(version) ? this.keeper.stateOf(record, version) : null
      if (state === null) return []
      const { cluster = '' } = version
      const shards = served.find(({ id }) => id === version.id)?.shards ?? []
      const isReadFromLeaves = shards.length > 0 && shards.every(({ remote }) => remote !== undefined)
      const leavesFailedForMs = this.keeper.doubtedForMs(record, version.id)
      return [{ version: version.id, cluster, replicas, ...state, isReadFromLeaves, leavesFailedForMs }]
    })
  }

  /** What is wrong with copies of a dataset that is served all the same; one line a version. */
  problemsOf(record: DatasetRecord): readonly string[] {
    return this.keeper.damageOf(record)
  }

  /** Names of the datasets of which that says something. */
  damagedDatasets(): string[] {
    return this.#metastore
      .list()
      .flatMap((record) => (this.problemsOf(record).length > 0 ? [record.name] : []))
  }

  readings(): Reading[] {
    const ofLeaves = this.keeper.health().flatMap(({ name, problem, copies }): Reading[] => [
      { name: 'godwit_leaf_up', labels: { leaf: name }, value: problem === null ? 1 : 0 },
      { name: 'godwit_leaf_copies', labels: { leaf: name }, value: copies },
    ])
    const failures = Array.from(this.keeper.copyFailures, ([code, value]): Reading => {
      return { name: 'godwit_leaf_copy_failures_total', labels: { code }, value }
    })
    const damaged: Reading = {
      name: 'godwit_damaged_copies',
      labels: {},
      value: this.keeper.damagedCopyCount,
    }
    return [...ofLeaves, ...failures, damaged]
  }

  close(): Promise<void> {
    return this.keeper.close()
  }
}
