/**
 * One dataset as the leaf serves it: which shards its record asks for, which of them are open, and the ClusterMap entry
 * that follows. State and rules only; opening, publishing and closing is version-set.ts.
 *
 * A *unit* is what is served or not served as one: a whole version of a BATCH dataset (a multi-get never mixes what is
 * there with what is not), a single shard of live data.
 *
 * Live shards are always to be open. Of versions, those that are *awake*: the current one and the canary, what a rollback
 * or a roll forward would return to, what was loaded last, and what was asked for, until they are put to sleep because
 * others need the room. An open DB costs descriptors and memory, and most kept versions are never read.
 *
 * A version that is dropped while it is read is *leaving*: it stays for a while, here or on its leaves, for sequences of
 * pages that began on it; put to sleep meanwhile, it is opened again for them.
 */
import { dirname, join } from 'node:path'
import type {
  DatasetEntry,
  Incarnation,
  RemoteCopies,
  ServedVersion,
  WritableFormat,
} from '../model/cluster-map.js'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { incarnationsOfEntry } from '../model/cluster-map.js'
import type { DatasetRecord, LeafRecord, VersionRecord, VersionState } from '../model/dataset.js'
import type { ShardLocation } from '../model/leaf-engine.js'
import type { DataDirectory } from './data-directory.js'

export interface Unit {
  /** For logs and operators: `version 1700000000000`, `live shard 3`. */
  readonly name: string
  /** Null: a shard of live data. */
  readonly versionId: number | null
  readonly shards: readonly ShardLocation[]
  /** Clients read it now; false: they may soon, or asked for it once. */
  readonly isServing: boolean
}

/** Why a unit is not served, or was not a while ago: a unit that fails again soon is tried again later. */
export interface Fault {
  readonly reason: string
  /** In a row, with less than FAULT_MEMORY_MS between them. */
  readonly failures: number
  readonly atMs: number
  /** Not to be tried until the timer fires or the record changes. */
  isHeld: boolean
  /** Null: no timer runs. */
  cancelRetry: (() => void) | null
}

type Paths = Pick<DataDirectory, 'versionPath' | 'livePath'>

/** A version that a record does not keep any more. */
export interface DroppedVersion {
  readonly versionId: number
  /** Those that are open. */
  readonly incarnationIds: readonly number[]
  /** When it was put to sleep: its last use before, in monotonic ms; -Infinity: none is known. */
  readonly usedAtMs: number
}

/** Which versions leaf processes serve, and where. */
export interface Placement {
  /** The leaves that each shard is read from; null: it is opened here. */
  copiesOf(record: DatasetRecord, versionId: number): readonly (readonly LeafRecord[])[] | null
  /** Whether its files are here as well. */
  hasOwnCopy(record: DatasetRecord, versionId: number): boolean
}

/** Where units lie. */
interface Places {
  readonly paths: Paths
  readonly placement: Placement
  readonly leaving: ReadonlyMap<number, number>
}

export const ALL_HERE: Placement = { copiesOf: () => null, hasOwnCopy: () => true }

export class ServedDataset {
  readonly id: string
  readonly name: string
  /** What the newest published map says; null: nothing. */
  entry: DatasetEntry | null = null
  /** By directory. All of them are in `entry`, but for the moment between opening and publishing. */
  readonly open = new Map<string, Incarnation>()
  /** Out of the map, not yet released and closed; by directory. Such a directory cannot be opened. */
  readonly closing = new Map<string, Incarnation>()
  readonly faults = new Map<string, Fault>()
  /** Failed incarnations that are read on while the disk is full, and how to stop looking for room. */
  readonly full = new Map<number, { readonly reason: string; readonly cancel: () => void }>()
  /** Versions whose files are gone. */
  readonly collected = new Set<number>()
  readonly #paths: Paths
  readonly #placement: Placement
  readonly #failed: Incarnation[] = []
  #record: DatasetRecord
  #units: readonly Unit[]
  /** Versions that are to be open. */
  #awake: Set<number>
  /** Versions that were put to sleep, and when they were used before; only those of which that is known. */
  readonly #usedAtMs = new Map<number, number>()
  /** Versions that are kept no longer, and when they cease to be served, in monotonic ms. */
  readonly #leaving = new Map<number, number>()
  #isServed = true
  #isRemoved = false

  constructor(record: DatasetRecord, paths: Paths, placement: Placement = ALL_HERE) {
    this.id = record.id
    this.name = record.name
    this.#paths = paths
    this.#placement = placement
    this.#record = record
    this.#units = unitsOf(record, { paths, placement, leaving: this.#leaving })
    this.#awake = new Set(versionsToOpen(record))
  }

  get record(): DatasetRecord {
    return this.#record
  }

  /** Its record is gone: its files go when nothing of it is open. */
  get isRemoved(): boolean {
    return this.#isRemoved
  }

  /** A changed record is a reason to try again what failed for good. */
  update(record: DatasetRecord): void {
    const before = new Set(versionsToOpen(this.#record))
    this.#record = record
    for (const id of this.#leaving.keys()) {
      if (!record.versions.some((version) => version.id === id && isOver(version.state)))
        this.#leaving.delete(id)
    }
    this.#units = this.#wantedUnits()
    // What was put to sleep stays so, until it is asked for or plays another part.
    for (const id of versionsToOpen(record)) if (!before.has(id)) this.#awake.add(id)
    this.#awake = new Set([...this.#awake].filter((id) => this.unitOfVersion(id) !== null))
    for (const id of this.#usedAtMs.keys()) if (this.unitOfVersion(id) === null) this.#usedAtMs.delete(id)
    for (const { id, state } of record.versions) if (!isOver(state)) this.collected.delete(id)
    const wanted = new Set(this.#units.map(({ name }) => name))
    for (const [name, fault] of this.faults) {
      if (!wanted.has(name)) this.#forgetFault(name, fault)
      else if (fault.cancelRetry === null) fault.isHeld = false
    }
  }

  /** Versions that are open here, or were a while ago, and that this record does not keep any more. */
  droppedBy(record: DatasetRecord): DroppedVersion[] {
    if (record.id !== this.id) return []
    const open = new Set(this.sleepableUnits())
    return this.#units.flatMap((unit) => {
      const { versionId, shards } = unit
      const state = record.versions.find(({ id }) => id === versionId)?.state
      if (versionId === null || state === undefined || !isOver(state) || this.#leaving.has(versionId))
        return []
      const usedAtMs = this.#usedAtMs.get(versionId) ?? Number.NEGATIVE_INFINITY
      // What is to be open and is not cannot be read.
      if (!open.has(unit)) return this.isAwake(unit) ? [] : [{ versionId, incarnationIds: [], usedAtMs }]
      const incarnationIds = shards.flatMap(({ directory }) => this.open.get(directory)?.id ?? [])
      return [{ versionId, incarnationIds, usedAtMs }]
    })
  }

  /** Before the record that drops it comes: it is served until then all the same. */
  leave(versionId: number, untilMs: number): void {
    this.#leaving.set(versionId, untilMs)
    for (const id of this.#leaving.keys()) {
      if (this.#leaving.size <= limits.maxLeavingVersions) break
      this.#leaving.delete(id)
    }
  }

  /** It stays longer, for who is about to make it one that is kept; false: it is not leaving. */
  prolongLeaving(versionId: number, untilMs: number): boolean {
    if (!this.#leaving.has(versionId)) return false
    this.#leaving.set(versionId, untilMs)
    return true
  }

  /** Drops those whose time is over; answers whether there were any. */
  endLeaving(nowMs: number): boolean {
    const over = [...this.#leaving].filter(([, untilMs]) => untilMs <= nowMs)
    for (const [id] of over) this.#leaving.delete(id)
    this.#units = this.#isServed ? this.#wantedUnits() : []
    return over.length > 0
  }

  /** Drops one whose time is not over; false: it is not leaving. */
  stopLeaving(versionId: number): boolean {
    const wasLeaving = this.#leaving.delete(versionId)
    this.#units = this.#isServed ? this.#wantedUnits() : []
    return wasLeaving
  }

  /** The next entry is none, and nothing is opened any more. */
  stopServing(): void {
    this.#isServed = false
    this.#units = []
    for (const [name, fault] of this.faults) this.#forgetFault(name, fault)
    for (const { cancel } of this.full.values()) cancel()
    this.full.clear()
  }

  remove(): void {
    this.stopServing()
    this.#isRemoved = true
  }

  /** Units to open now: awake, not open, not known to fail, and no directory of theirs is still being closed. */
  missingUnits(): Unit[] {
    return this.#units.filter((unit) => {
      if (this.faults.get(unit.name)?.isHeld === true || !this.isAwake(unit)) return false
      return !this.isOpen(unit) && !this.isClosing(unit)
    })
  }

  isAwake({ versionId }: Unit): boolean {
    return versionId === null || this.#awake.has(versionId)
  }

  isClosing({ shards }: Unit): boolean {
    return shards.some(({ directory }) => this.closing.has(directory))
  }

  isOpen({ shards }: Unit): boolean {
    return shards.every(({ directory }) => this.open.has(directory))
  }

  /** Null unless the version is kept. */
  unitOfVersion(versionId: number): Unit | null {
    return this.#units.find((unit) => unit.versionId === versionId) ?? null
  }

  /** Units that are open and can be put to sleep. */
  sleepableUnits(): Unit[] {
    return this.#units.filter((unit) => unit.versionId !== null && this.isAwake(unit) && this.isOpen(unit))
  }

  wake(versionId: number): void {
    this.#awake.add(versionId)
  }

  /** The next entry leaves it out. @param usedAtMs when it was used, as far as is known */
  sleep(versionId: number, usedAtMs = Number.NEGATIVE_INFINITY): void {
    this.#awake.delete(versionId)
    if (usedAtMs > (this.#usedAtMs.get(versionId) ?? Number.NEGATIVE_INFINITY)) {
      this.#usedAtMs.set(versionId, usedAtMs)
    }
  }

  isMissing({ directory }: ShardLocation): boolean {
    return !this.open.has(directory)
  }

  /** The open incarnation's unit; null when it is not open (any more). */
  unitOf(incarnationId: number): Unit | null {
    for (const incarnation of this.open.values()) {
      if (incarnation.id !== incarnationId) continue
      const isOfIt = ({ directory }: ShardLocation) => directory === incarnation.directory
      return this.#units.find(({ shards }) => shards.some(isOfIt)) ?? null
    }
    return null
  }

  /** The next entry leaves it out; what else cannot be served without it follows. */
  dropFailed(incarnationId: number): void {
    for (const [directory, incarnation] of this.open) {
      if (incarnation.id !== incarnationId) continue
      this.open.delete(directory)
      this.#failed.push(incarnation)
    }
  }

  /** Sets `entry` to what can be served now. Answers whether a map has to say so. */
  renew(): boolean {
    const before = this.entry
    this.entry = this.#isServed ? this.#makeEntry() : null
    return !isSameEntry(before, this.entry)
  }

  /** Moves what `entry` does not name from `open` to `closing`, and answers it. */
  takeUnnamed(): Incarnation[] {
    const named = new Set<number>()
    for (const { id } of this.entry === null ? [] : incarnationsOfEntry(this.entry)) named.add(id)
    const unnamed = [...this.#failed.splice(0), ...[...this.open.values()].filter(({ id }) => !named.has(id))]
    for (const incarnation of unnamed) {
      this.open.delete(incarnation.directory)
      this.closing.set(incarnation.directory, incarnation)
    }
    return unnamed
  }

  /** Versions whose files should go and can go now. */
  collectable(): VersionRecord[] {
    return this.#record.versions.filter(({ id, state }) => {
      if (!isOver(state) || this.collected.has(id)) return false
      // Asleep for want of room, or failed: who restores it counts on its files all the same.
      if (this.#leaving.has(id)) return false
      const path = this.#paths.versionPath(this.id, id)
      return ![...this.open.keys(), ...this.closing.keys()].some((shard) => dirname(shard) === path)
    })
  }

  /** One line a unit that cannot be served, or takes no writes. */
  problems(): string[] {
    const failed = this.#units.flatMap((unit) => {
      const fault = this.isOpen(unit) ? undefined : this.faults.get(unit.name)
      return fault === undefined ? [] : [`${unit.name}: ${fault.reason}`]
    })
    return [...failed, ...Array.from(this.full.values(), ({ reason }) => reason)]
  }

  #wantedUnits(): readonly Unit[] {
    return unitsOf(this.#record, { paths: this.#paths, placement: this.#placement, leaving: this.#leaving })
  }

  #makeEntry(): DatasetEntry {
    const record = this.#record
    const incarnations = (unit: Unit) => unit.shards.map(({ directory }) => this.open.get(directory) ?? null)
    if (record.mode !== 'BATCH') {
      return { record, versions: [], current: null, live: this.#units.flatMap(incarnations) }
    }
    const versions: ServedVersion[] = []
    for (const unit of this.#units) {
      if (!this.isAwake(unit)) continue
      const shards = incarnations(unit).filter((incarnation) => incarnation !== null)
      if (shards.length === unit.shards.length && unit.versionId !== null) {
        const version = { id: unit.versionId, shards }
        versions.push(this.#leaving.has(unit.versionId) ? { ...version, isLeaving: true } : version)
      }
    }
    const entry = { record, versions, current: this.#chooseCurrent(versions), live: [] }
    return this.#leaving.size === 0 ? entry : { ...entry, leaving: [...this.#leaving.keys()] }
  }

  /**
   * What the record calls CURRENT. When that is not open: the one served until now, if it still is, so that publishing
   * what turns out not to open takes nothing away. Never one that was not served before: that would be a rollback.
   */
  #chooseCurrent(versions: readonly ServedVersion[]): ServedVersion | null {
    const wanted = this.#record.versions.find(({ state }) => state === 'CURRENT')
    if (wanted === undefined) return null
    const byId = (id: number | undefined) => versions.find((version) => version.id === id)
    return byId(wanted.id) ?? byId(this.entry?.current?.id) ?? null
  }

  #forgetFault(unitName: string, fault: Fault): void {
    fault.cancelRetry?.()
    this.faults.delete(unitName)
  }
}

/** Its files are not needed any more. */
function isOver(state: VersionState): boolean {
  return state === 'DELETED' || state === 'FAILED' || state === 'ARCHIVED'
}

/** Versions that are opened unasked. */
function versionsToOpen({ versions, canary }: DatasetRecord): number[] {
  const current = versions.find(({ state }) => state === 'CURRENT')
  const ready = versions.filter(({ state }) => state === 'READY')
  const older = ready.find(({ id }) => current !== undefined && id < current.id)
  const newer = ready.findLast(({ id }) => current !== undefined && id > current.id)
  const wanted = [current, older, newer, ready[0]].flatMap((version) =>
    version === undefined ? [] : [version.id],
  )
  return [...new Set(canary === null ? wanted : [...wanted, canary.versionId])]
}

/** Newest version first, as in the record. */
function unitsOf(record: DatasetRecord, { paths, placement, leaving }: Places): Unit[] {
  if (record.mode === 'BATCH') {
    const served = record.versions.filter(
      ({ id, state }) => state === 'READY' || state === 'CURRENT' || leaving.has(id),
    )
    return served.map(({ id, state }) => {
      const path = paths.versionPath(record.id, id)
      const copies = placement.copiesOf(record, id)
      const hasOwnCopy = copies !== null && placement.hasOwnCopy(record, id)
      const shards = Array.from({ length: record.shardCount }, (_, shard) => {
        const leaves = copies?.[shard]
        const here = shardAt(record, { path, shard })
        return leaves === undefined
          ? here
          : onLeaves(here, { dataset: record.name, versionId: id, leaves, hasOwnCopy })
      })
      const isServing = state === 'CURRENT' || record.canary?.versionId === id
      return { name: `version ${id}`, versionId: id, shards, isServing }
    })
  }
  if (record.migrationState === 'ORIGIN_ONLY') return []
  const path = paths.livePath(record.id, record.generation)
  return Array.from({ length: record.shardCount }, (_, shard) => {
    const shards = [shardAt(record, { path, shard })]
    return { name: `live shard ${shard}`, versionId: null, shards, isServing: true }
  })
}

/** Shard directories are named by their number. */
export function shardName(shard: number): string {
  return String(shard)
}

function shardAt(
  record: DatasetRecord,
  at: { readonly path: string; readonly shard: number },
): ShardLocation {
  const isBatch = record.mode === 'BATCH'
  return {
    datasetId: record.id,
    shard: at.shard,
    format: isBatch ? 'sealed' : writableFormatOf(record),
    maxCellVersions: isBatch ? 1 : record.maxCellVersions,
    directory: join(at.path, shardName(at.shard)),
  }
}

/** Named by its leaves, so that other leaves make it another shard to open. */
function onLeaves(here: ShardLocation, remote: RemoteCopies): ShardLocation {
  const names = remote.leaves.map(({ name, url }) => `${name}=${url}`).join(',')
  return { ...here, directory: `leaves:${names}:${here.directory}`, remote }
}

export function cannotOpen(name: string, unit: Unit, { reason }: Fault): KVError {
  return new KVError('UNAVAILABLE', `${unit.name} of dataset ${name} cannot be opened: ${reason}`, {
    dataset: name,
  })
}

/** Of a dataset that is written in place. */
export function writableFormatOf({ maxCellVersions }: DatasetRecord): WritableFormat {
  return maxCellVersions > 1 ? 'history' : 'mutable'
}

function isSameEntry(a: DatasetEntry | null, b: DatasetEntry | null): boolean {
  if (a === null || b === null) return a === b
  if (a.record !== b.record || a.current?.id !== b.current?.id) return false
  if (a.leaving?.join() !== b.leaving?.join()) return false
  const idsOf = ({ versions, live }: DatasetEntry) =>
    [...versions.flatMap(({ shards }) => shards), ...live].map((incarnation) => incarnation?.id ?? 0)
  const [idsA, idsB] = [idsOf(a), idsOf(b)]
  return idsA.length === idsB.length && idsA.every((id, index) => id === idsB[index])
}
