/**
 * A VersionSet with everything around it in memory: a store and directories that know what is open where, a metastore's
 * records, and the real lease keeper with holders whose messages the test delivers. The store and the directories
 * refuse what would be fatal in production: closing under a holder, opening twice, removing what is open.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { KVError } from '../../../src/base/errors.js'
import { silentLogger } from '../../../src/base/logger.js'
import type { Orphan } from '../../../src/leaf/data-directory.js'
import { type ShardDirectories, VersionSet } from '../../../src/leaf/version-set.js'
import {
  type ClusterMapDelta,
  type DatasetEntry,
  type Incarnation,
  incarnationsOf,
} from '../../../src/model/cluster-map.js'
import type { DatasetRecord, VersionRecord, VersionState } from '../../../src/model/dataset.js'
import type { LeafStore, ShardLocation } from '../../../src/model/leaf-engine.js'
import { LeaseKeeper, type LeaseMessage } from '../../../src/threads/leases.js'
import { CountedHolder } from '../../support/counted-holder.js'
import { datasetRecord } from '../../support/datasets.js'
import { FakeTimers } from '../../support/fake-timers.js'

/** Opens what exists, once; closes what nobody can use. */
class FakeStore implements LeafStore {
  readonly name = 'fake'
  readonly open_ = new Map<number, Incarnation>()
  readonly failures = new Map<string, KVError>()
  readonly opened: string[] = []
  /** Directories being opened, and the most there were at once. */
  opening = 0
  mostOpening = 0
  /** While set, opening waits for it. */
  gate: Promise<void> | null = null
  #nextId = 1
  readonly #disk: Set<string>
  readonly #checkClosable: (incarnation: Incarnation) => void
  readonly #report: (fault: string) => void

  constructor(
    disk: Set<string>,
    checkClosable: (incarnation: Incarnation) => void,
    report: (fault: string) => void,
  ) {
    this.#disk = disk
    this.#checkClosable = checkClosable
    this.#report = report
  }

  createWritable(directory: string): Promise<void> {
    this.#disk.add(directory)
    return Promise.resolve()
  }

  async open({ datasetId, shard, format, maxCellVersions, directory }: ShardLocation): Promise<Incarnation> {
    this.opening += 1
    this.mostOpening = Math.max(this.mostOpening, this.opening)
    await (this.gate ?? Promise.resolve())
    this.opening -= 1
    const failure = this.failures.get(directory)
    if (failure !== undefined) throw failure
    if (!this.#disk.has(directory)) throw new KVError('FAILED_PRECONDITION', `${directory} is not a shard`)
    if (this.directories().includes(directory)) this.#report(`${directory} is opened twice`)
    const incarnation = {
      id: this.#nextId++,
      datasetId,
      shard,
      format,
      maxCellVersions,
      hasRangeTombstones: new SharedArrayBuffer(4),
      engine: 'fake',
      handle: 0n,
      directory,
    }
    this.open_.set(incarnation.id, incarnation)
    this.opened.push(directory)
    return incarnation
  }

  close(incarnationId: number): Promise<void> {
    const incarnation = this.open_.get(incarnationId)
    if (incarnation === undefined) this.#report(`${incarnationId} is closed and not open`)
    else this.#checkClosable(incarnation)
    this.open_.delete(incarnationId)
    return Promise.resolve()
  }

  closeAll(): Promise<void> {
    this.#report('closeAll does not ask the lease keeper')
    return Promise.resolve()
  }

  directories(): string[] {
    return [...this.open_.values()].map(({ directory }) => directory)
  }
}

interface Thread {
  readonly name: string
  readonly holder: CountedHolder
  readonly inbox: ClusterMapDelta[]
  readonly outbox: LeaseMessage[]
}

export class ServingWorld {
  readonly timers = new FakeTimers()
  readonly records = new Map<string, DatasetRecord>()
  /** Shard directories that exist. */
  readonly disk = new Set<string>()
  readonly markers = new Set<string>()
  readonly trashed: string[] = []
  readonly forgotten: number[] = []
  /** What must never happen. Kept here, because what the store throws is an I/O error to the set. */
  readonly faults: unknown[] = []
  orphans: Orphan[] = []
  closedCount = 0
  /** Seconds since an incarnation was used, as the threads say. */
  readonly ages = new Map<number, number>()
  hasRoom = true
  readonly threads: Thread[] = []
  readonly keeper: LeaseKeeper
  readonly store: FakeStore
  readonly set: VersionSet
  /** Deliver each message at once; false: only `step` and `deliverAll` deliver. */
  isPrompt = true

  constructor(threadCount = 2, maxOpenShards = 1_000) {
    const startTimer = this.timers.start
    this.keeper = new LeaseKeeper(
      { onOverdue: () => undefined, onHolderDied: () => undefined },
      { startTimer },
    )
    this.store = new FakeStore(
      this.disk,
      (incarnation) => this.#checkClosable(incarnation),
      (fault) => this.#report(fault),
    )
    const clock = { nowUs: () => 0n, nowMs: () => 0, monotonicMs: () => this.timers.nowMs }
    this.set = new VersionSet(this.store, this.keeper, {
      directories: this.#directories(),
      logger: silentLogger,
      clock,
      startTimer,
      maxOpenShards,
      leavingMs: 300_000,
      recentUses: () => Promise.resolve(this.ages),
      forgetVersions: (name, ids) => this.#forget(name, ids),
    })
    for (let index = 0; index < threadCount; index++) this.#addThread(`thread ${index}`)
  }

  // The metastore's verbs. Each changes the record and answers what the listener answers.

  create(name: string, changes: Partial<DatasetRecord> = {}): Promise<void> {
    const id = changes.id ?? `${name}-${this.records.size}-${this.trashed.length}`
    return this.#change(datasetRecord({ name, id, revision: 0, ...changes }))
  }

  createBatch(name: string, changes: Partial<DatasetRecord> = {}): Promise<void> {
    return this.create(name, { mode: 'BATCH', shardCount: 2, ...changes })
  }

  remove(name: string): Promise<void> {
    this.records.delete(name)
    return this.#announce(name, null)
  }

  /** Its files appear, then it is READY. */
  load(name: string, id: number): Promise<void> {
    const record = this.record(name)
    for (const shard of this.shardsOf(name, id)) this.disk.add(shard)
    return this.#change({ ...record, versions: [version(id, 'READY'), ...record.versions] })
  }

  /** As the metastore does it: what is beyond the retention is DELETED in the same change. */
  publish(name: string, id: number): Promise<void> {
    const record = this.record(name)
    const versions = record.versions.map((one): VersionRecord => {
      if (one.id === id) return { ...one, state: 'CURRENT' }
      return one.state === 'CURRENT' ? { ...one, state: 'READY' } : one
    })
    const ready = versions.filter(({ state }) => state === 'READY').map((one) => one.id)
    const expired = new Set(ready.slice(Math.max(0, record.retainedVersions - 1)))
    return this.#change({
      ...record,
      versions: versions.map((one) => (expired.has(one.id) ? { ...one, state: 'DELETED' } : one)),
    })
  }

  setState(name: string, id: number, state: VersionState): Promise<void> {
    const record = this.record(name)
    const versions = record.versions.map((one) => (one.id === id ? { ...one, state } : one))
    return this.#change({ ...record, versions })
  }

  amend(name: string, changes: Partial<DatasetRecord>): Promise<void> {
    return this.#change({ ...this.record(name), ...changes })
  }

  record(name: string): DatasetRecord {
    return this.records.get(name) ?? assert.fail(`there is no dataset ${name}`)
  }

  shardsOf(name: string, versionId: number): string[] {
    const { id, shardCount } = this.record(name)
    return Array.from({ length: shardCount }, (_, shard) =>
      join('/data', id, String(versionId), String(shard)),
    )
  }

  // What is served.

  entry(name: string): DatasetEntry {
    return this.keeper.map.datasets.get(name) ?? assert.fail(`no map names ${name}`)
  }

  versions(name: string): number[] {
    return this.entry(name).versions.map(({ id }) => id)
  }

  current(name: string): number | null {
    return this.entry(name).current?.id ?? null
  }

  // The threads.

  thread(index: number): Thread {
    return this.threads[index % this.threads.length] ?? assert.fail('no threads')
  }

  step(thread: Thread): void {
    const delta = thread.inbox.shift()
    if (delta !== undefined) thread.holder.adopt(delta)
    const message = thread.outbox.shift()
    if (message !== undefined) this.keeper.receive(thread.name, message)
  }

  deliverAll(): void {
    for (const thread of this.threads) {
      while (thread.inbox.length + thread.outbox.length > 0) this.step(thread)
    }
  }

  /** Lets everything happen that can happen without a timer or, unless prompt, a delivery. */
  async settle(): Promise<void> {
    for (let round = 0; round < 20; round++) {
      if (this.isPrompt) this.deliverAll()
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (this.faults.length > 0) throw this.faults[0]
  }

  /** Settles until it is done. */
  async finish<T>(work: Promise<T>): Promise<T> {
    const state = { isDone: false }
    const ends = () => void (state.isDone = true)
    work.then(ends, ends)
    for (let attempt = 0; attempt < 100 && !state.isDone; attempt++) await this.settle()
    assert.ok(state.isDone, 'it waits for something that does not come')
    return work
  }

  /** What has to hold when nothing is under way any more. */
  checkSettled(): void {
    const named = [...incarnationsOf(this.keeper.map).keys()].sort((a, b) => a - b)
    const open = [...this.store.open_.keys()].sort((a, b) => a - b)
    assert.deepEqual(open, named, 'open is what the map names')
    assert.equal(this.set.openCount(), open.length)
    assert.deepEqual([...this.keeper.map.datasets.keys()].sort(), [...this.records.keys()].sort())
    for (const [name, record] of this.records) assert.equal(this.entry(name).record, record)
  }

  #checkClosable({ id, directory }: Incarnation): void {
    const what = `${directory} (incarnation ${id}) is closed while`
    if (incarnationsOf(this.keeper.map).has(id)) this.#report(`${what} the newest map names it`)
    for (const { name, holder, inbox } of this.threads) {
      if (holder.usesOf({ id }) > 0) this.#report(`${what} ${name} uses it`)
      if (incarnationsOf(holder.map).has(id)) this.#report(`${what} ${name} may acquire it`)
      for (const { changed } of inbox) {
        const datasets = new Map(changed.map((entry) => [entry.record.name, entry]))
        if (incarnationsOf({ epoch: 0, datasets, clusterNames: new Set() }).has(id))
          this.#report(`${what} ${name} is about to see it`)
      }
    }
    this.closedCount += 1
  }

  #report(fault: string): void {
    this.faults.push(new Error(fault))
  }

  #addThread(name: string): void {
    const inbox: ClusterMapDelta[] = []
    const outbox: LeaseMessage[] = []
    const holder = new CountedHolder({
      send: (message) => void outbox.push(message),
      onRetire: () => undefined,
      onViolation: (error) => void this.faults.push(error),
    })
    this.threads.push({ name, holder, inbox, outbox })
    void this.keeper.addHolder(name, (delta) => void inbox.push(delta))
  }

  #change(record: DatasetRecord): Promise<void> {
    const changed = { ...record, revision: record.revision + 1 }
    this.records.set(record.name, changed)
    return this.#announce(record.name, changed)
  }

  async #announce(name: string, record: DatasetRecord | null): Promise<void> {
    const done = this.set.onChange(name, record)
    await (this.isPrompt ? this.finish(done) : done)
  }

  async #forget(name: string, ids: readonly number[]): Promise<void> {
    this.forgotten.push(...ids)
    const record = this.records.get(name)
    if (record === undefined) return
    await this.#change({ ...record, versions: record.versions.filter(({ id }) => !ids.includes(id)) })
  }

  #directories(): ShardDirectories {
    const versionPath = (datasetId: string, versionId: number) => join('/data', datasetId, String(versionId))
    const livePath = (datasetId: string, generation: number) => join('/data', datasetId, `live-${generation}`)
    return {
      versionPath,
      livePath,
      ensureLive: async (datasetId, generation, build) => {
        const path = livePath(datasetId, generation)
        const isThere = [...this.disk].some((shard) => shard.startsWith(`${path}/`))
        if (!isThere && this.markers.has(path)) throw new KVError('CORRUPT', `${path} is missing`)
        if (!isThere) await build(path)
        this.markers.add(path)
        return path
      },
      trash: (path) => this.#trash(path),
      trashDataset: (datasetId) => this.#trash(join('/data', datasetId)),
      findOrphans: () => Promise.resolve(this.orphans),
      hasRoom: () => this.hasRoom,
    }
  }

  async #trash(path: string): Promise<void> {
    const open = this.store.directories().find((directory) => directory.startsWith(`${path}/`))
    if (open !== undefined) this.#report(`${path} is removed while ${open} is open`)
    for (const shard of [...this.disk]) if (shard.startsWith(`${path}/`)) this.disk.delete(shard)
    this.trashed.push(path)
    await Promise.resolve()
  }
}

/** A BATCH dataset `b` with these versions, the first of them CURRENT. */
export async function worldWith(...ids: number[]): Promise<ServingWorld> {
  const world = new ServingWorld()
  await world.createBatch('b')
  for (const id of [...ids].sort((a, b) => a - b)) await world.load('b', id)
  if (ids[0] !== undefined) await world.publish('b', ids[0])
  return world
}

export function version(id: number, state: VersionState): VersionRecord {
  const about = { source: '', loadedBy: '', createdAtMs: 0, archive: null }
  return { id, state, rows: 0, bytes: 0, checksum: '', ...about }
}
