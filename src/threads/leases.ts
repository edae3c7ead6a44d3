/**
 * Leases: who may still touch an open DB, and when it may be closed. A close under a reader kills the process, and DBs
 * are opened and closed all the time (publish, retention, eviction, reopening after an I/O error), so this is a
 * protocol and not a convention. Two state machines without I/O that exchange messages; the transport is given.
 *
 *   LeaseKeeper (main)                         LeaseHolder (every data thread, the writer thread)
 *   publish a delta to every holder      --->  adopt: from here on only the new map's incarnations can be acquired
 *                                        <---  adopted(epoch)
 *   one that the delta left out: wait    <---  released(id), once: left out of the map here and without uses here
 *   all holders released it: closable
 *
 * Invariants (test/unit/threads/leases-model.test.ts explores them):
 * - An incarnation is closable only when no holder has a use of it and none has, or will get, a map that names it.
 * - An incarnation that a map left out is never named again; opening its directory again gives a new one.
 * - Epochs rise by one; a holder that misses one stops the process, it does not go on with half a map.
 * - Nothing is ever closable because time passed: the time-out reports, and the keeper waits on.
 *
 * Needs of the transport: messages of one direction between main and one holder arrive once and in order. Nothing is
 * assumed across holders.
 */
import { AssertionError, assert } from '../base/assert.js'
import type { StartTimer } from '../base/clock.js'
import { limits } from '../base/limits.js'
import {
  type ClusterMap,
  type ClusterMapDelta,
  type DatasetEntry,
  EMPTY_CLUSTER_MAP,
  applyDelta,
  incarnationsOfEntry,
} from '../model/cluster-map.js'

/** What a holder tells the keeper. Plain data. */
export type LeaseMessage =
  | { readonly kind: 'adopted'; readonly epoch: number }
  | { readonly kind: 'released'; readonly incarnationId: number }

/** The part of an Incarnation that a lease is about. */
export interface IncarnationId {
  readonly id: number
}

export interface LeaseHolderHooks {
  /** To the keeper, in order. */
  send(message: LeaseMessage): void
  /**
   * Called once per incarnation, just before `released` is sent: whatever this thread keeps of it (a native handle's
   * object) has to go now, main may close the DB at once.
   */
  onRetire(incarnationId: number): void
  /** A broken lease rule; the error is thrown as well. Memory safety is gone: end the process, do not answer. */
  onViolation(error: AssertionError): void
}

interface Lease {
  uses: number
  /** By the holder's clock; negative: never. */
  usedAtSeconds: number
  /** Whether the current map names it; false: only the uses that exist may end. */
  isNamed: boolean
}

/** One in every thread that touches DBs: the thread's current map and its uses per incarnation. */
export class LeaseHolder {
  readonly #hooks: LeaseHolderHooks
  readonly #leases = new Map<number, Lease>()
  #map = EMPTY_CLUSTER_MAP
  #hasMap = false
  #nowSeconds = 0

  constructor(hooks: LeaseHolderHooks) {
    this.#hooks = hooks
  }

  /** Whether the current map names it. */
  isNamed(incarnationId: number): boolean {
    return this.#leases.get(incarnationId)?.isNamed === true
  }

  /** To be called about once a second; asking a clock with each use would cost more than the use. */
  tick(): void {
    this.#nowSeconds += 1
  }

  /** Seconds since its last use, for every incarnation that was used and can still be. */
  recentUses(): [incarnationId: number, seconds: number][] {
    const used = [...this.#leases].filter(([, lease]) => lease.usedAtSeconds >= 0)
    return used.map(([id, lease]) => [id, lease.uses > 0 ? 0 : this.#nowSeconds - lease.usedAtSeconds])
  }

  /** The map to plan with. Acquire in the same tick what is taken from it: the next message may bring another map. */
  get map(): ClusterMap {
    return this.#map
  }

  /** The first delta brings the whole map, whatever its epoch; each later one the next epoch. */
  adopt(delta: ClusterMapDelta): void {
    if (this.#hasMap && delta.epoch !== this.#map.epoch + 1) {
      this.#violate(`cluster map epoch ${delta.epoch} arrived after ${this.#map.epoch}`)
    }
    const leftOut = incarnationsLeftOut(this.#map, delta)
    for (const entry of delta.changed) this.#name(entry)
    this.#map = applyDelta(this.#map, delta)
    this.#hasMap = true
    this.#hooks.send({ kind: 'adopted', epoch: delta.epoch })
    for (const id of leftOut) this.#leaveOut(id)
  }

  /** Counts one use. Per call, asynchronous read, iterator and cursor. O(1), allocates nothing. */
  acquire(incarnation: IncarnationId): void {
    const lease = this.#leases.get(incarnation.id)
    if (lease === undefined || !lease.isNamed) {
      this.#violate(`incarnation ${incarnation.id} was acquired and is not in map ${this.#map.epoch}`)
    }
    lease.uses += 1
    lease.usedAtSeconds = this.#nowSeconds
  }

  /** Ends one use, at the latest when the native call that it covers has answered, never before. */
  release(incarnation: IncarnationId): void {
    const lease = this.#leases.get(incarnation.id)
    if (lease === undefined || lease.uses === 0) {
      this.#violate(`incarnation ${incarnation.id} was released more often than acquired`)
    }
    lease.uses -= 1
    if (lease.uses === 0 && !lease.isNamed) this.#retire(incarnation.id)
  }

  #name(entry: DatasetEntry): void {
    for (const { id } of incarnationsOfEntry(entry)) {
      const lease = this.#leases.get(id)
      if (lease === undefined) this.#leases.set(id, { uses: 0, usedAtSeconds: -1, isNamed: true })
      else if (!lease.isNamed) this.#violate(`incarnation ${id} is named again after a map left it out`)
    }
  }

  #leaveOut(id: number): void {
    const lease = this.#leases.get(id)
    if (lease === undefined) this.#violate(`incarnation ${id} was in the map without a lease`)
    lease.isNamed = false
    if (lease.uses === 0) this.#retire(id)
  }

  #retire(id: number): void {
    this.#leases.delete(id)
    this.#hooks.onRetire(id)
    this.#hooks.send({ kind: 'released', incarnationId: id })
  }

  #violate(message: string): never {
    const error = new AssertionError(message)
    this.#hooks.onViolation(error)
    throw error
  }
}

/** What changes from one map to the next; the keeper gives it its epoch. */
export type MapChange = Omit<ClusterMapDelta, 'epoch'>

/** What is not settled after the time-out, and the holders that it waits for. */
export type Overdue =
  | { readonly kind: 'release'; readonly incarnationId: number; readonly holders: readonly string[] }
  | { readonly kind: 'adoption'; readonly epoch: number; readonly holders: readonly string[] }

export interface LeaseKeeperHooks {
  /** Once for each thing that is late. For the log and a metric; nothing may be closed because of it. */
  onOverdue(overdue: Overdue): void
  /** A thread that held leases is gone and cannot release them any more: the process has to end. */
  onHolderDied(name: string): void
}

export interface LeaseKeeperOptions {
  readonly startTimer: StartTimer
  /** Default: limits.leaseTimeoutMs. */
  readonly timeoutMs?: number
}

export interface LeaseFigures {
  /** Newest epoch that every holder adopted. */
  readonly adoptedEpoch: number
  /** Incarnations that a map left out and a holder still uses. */
  readonly retiring: number
  /** Those of them that are late. */
  readonly overdue: number
}

interface Holder {
  readonly name: string
  readonly send: (delta: ClusterMapDelta) => void
  adoptedEpoch: number
}

interface Adoption {
  readonly epoch: number
  readonly settle: () => void
}

interface Retirement {
  /** Every holder that got a map with it and did not report it released. */
  readonly awaiting: Set<Holder>
  readonly released: Promise<void>
  readonly settle: () => void
  isOverdue: boolean
}

/** The main thread's side: the map, who has adopted it, and which incarnations may be closed. */
export class LeaseKeeper {
  readonly #hooks: LeaseKeeperHooks
  readonly #startTimer: StartTimer
  readonly #timeoutMs: number
  readonly #holders = new Map<string, Holder>()
  /** By incarnation id, from the map that left it out until it is released and asked for. */
  readonly #retirements = new Map<number, Retirement>()
  readonly #named = new Set<number>()
  readonly #adoptions = new Set<Adoption>()
  #map = EMPTY_CLUSTER_MAP

  constructor(hooks: LeaseKeeperHooks, options: LeaseKeeperOptions) {
    this.#hooks = hooks
    this.#startTimer = options.startTimer
    this.#timeoutMs = options.timeoutMs ?? limits.leaseTimeoutMs
  }

  /** The newest published map, which holders may not have adopted yet. */
  get map(): ClusterMap {
    return this.#map
  }

  /** Sends the newest map to a new holder; resolves when every holder, this one included, has adopted it. */
  addHolder(name: string, send: (delta: ClusterMapDelta) => void): Promise<void> {
    assert(!this.#holders.has(name), `lease holder ${name} exists`)
    const holder: Holder = { name, send, adoptedEpoch: -1 }
    this.#holders.set(name, holder)
    const adopted = this.#whenAdopted(this.#map.epoch)
    const { epoch, datasets, clusterNames, cql } = this.#map
    send({
      ...{ epoch, changed: [...datasets.values()], removed: [], clusterNames: [...clusterNames] },
      ...(cql === undefined ? {} : { cql }),
    })
    return adopted
  }

  /** Makes the next map and sends the change to every holder; resolves when all of them have adopted it. */
  publish(change: MapChange): Promise<void> {
    const delta = { ...change, epoch: this.#map.epoch + 1 }
    const leftOut = incarnationsLeftOut(this.#map, delta)
    for (const entry of delta.changed) this.#name(entry)
    this.#map = applyDelta(this.#map, delta)
    // All is in its place before the first message leaves: a holder in the same thread answers at once.
    for (const id of leftOut) this.#leaveOut(id)
    const adopted = this.#whenAdopted(delta.epoch)
    for (const holder of this.#holders.values()) holder.send(delta)
    return adopted
  }

  /**
   * One promise an incarnation, in order: resolves when it may be closed, which can be never. Each must have been left
   * out by a published map, or never have been in one. Ask once, and close it then.
   */
  retire(incarnationIds: readonly number[]): Promise<void>[] {
    return incarnationIds.map((id) => {
      assert(!this.#named.has(id), `incarnation ${id} is to be retired and map ${this.#map.epoch} names it`)
      const retirement = this.#retirements.get(id)
      if (retirement === undefined) return Promise.resolve()
      return retirement.released.then(() => void this.#retirements.delete(id))
    })
  }

  /** Whether it may be closed: no map that a holder has or will get names it, and no holder uses it. */
  isReleased(incarnationId: number): boolean {
    const retirement = this.#retirements.get(incarnationId)
    return retirement === undefined ? !this.#named.has(incarnationId) : retirement.awaiting.size === 0
  }

  receive(name: string, message: LeaseMessage): void {
    const holder = this.#holders.get(name)
    assert(holder !== undefined, `unknown lease holder ${name}`)
    if (message.kind === 'adopted') this.#onAdopted(holder, message.epoch)
    else this.#onReleased(holder, message.incarnationId)
  }

  /** Its leases stay: nobody knows what it was doing with them. */
  holderDied(name: string): void {
    this.#hooks.onHolderDied(name)
  }

  figures(): LeaseFigures {
    const retirements = [...this.#retirements.values()].filter(({ awaiting }) => awaiting.size > 0)
    return {
      adoptedEpoch: this.#adoptedEpoch(),
      retiring: retirements.length,
      overdue: retirements.filter(({ isOverdue }) => isOverdue).length,
    }
  }

  #name(entry: DatasetEntry): void {
    for (const { id } of incarnationsOfEntry(entry)) {
      assert(!this.#retirements.has(id), `incarnation ${id} is published again after a map left it out`)
      this.#named.add(id)
    }
  }

  #leaveOut(incarnationId: number): void {
    this.#named.delete(incarnationId)
    // Exactly the holders that know it: each got the map that named it, as a delta or as its first map.
    const awaiting = new Set(this.#holders.values())
    const { promise: released, settle } = this.#startWaiting(() => {
      retirement.isOverdue = true
      const holders = [...awaiting].map(({ name }) => name)
      this.#hooks.onOverdue({ kind: 'release', incarnationId, holders })
    })
    const retirement: Retirement = { awaiting, released, settle, isOverdue: false }
    this.#retirements.set(incarnationId, retirement)
    if (awaiting.size === 0) settle()
  }

  #onReleased(holder: Holder, incarnationId: number): void {
    const retirement = this.#retirements.get(incarnationId)
    const isAwaited = retirement?.awaiting.delete(holder) === true
    assert(isAwaited, `${holder.name} released incarnation ${incarnationId}, which it does not hold`)
    if (retirement.awaiting.size === 0) retirement.settle()
  }

  #onAdopted(holder: Holder, epoch: number): void {
    const isNext = epoch > holder.adoptedEpoch && epoch <= this.#map.epoch
    assert(isNext, `${holder.name} adopted epoch ${epoch} after ${holder.adoptedEpoch} of ${this.#map.epoch}`)
    holder.adoptedEpoch = epoch
    this.#settleAdoptions()
  }

  #whenAdopted(epoch: number): Promise<void> {
    const { promise, settle } = this.#startWaiting(() => {
      const late = [...this.#holders.values()].filter(({ adoptedEpoch }) => adoptedEpoch < epoch)
      this.#hooks.onOverdue({ kind: 'adoption', epoch, holders: late.map(({ name }) => name) })
    })
    this.#adoptions.add({ epoch, settle })
    this.#settleAdoptions()
    return promise
  }

  #settleAdoptions(): void {
    const adoptedEpoch = this.#adoptedEpoch()
    for (const adoption of this.#adoptions) {
      if (adoption.epoch > adoptedEpoch) continue
      this.#adoptions.delete(adoption)
      adoption.settle()
    }
  }

  #adoptedEpoch(): number {
    let oldest = this.#map.epoch
    for (const { adoptedEpoch } of this.#holders.values()) oldest = Math.min(oldest, adoptedEpoch)
    return oldest
  }

  /** A promise that only `settle` resolves, and a timer that reports when that takes too long. */
  #startWaiting(onLate: () => void): { promise: Promise<void>; settle: () => void } {
    const cancelTimer = this.#startTimer(this.#timeoutMs, onLate)
    let resolvePromise: () => void = () => undefined
    const promise = new Promise<void>((resolve) => (resolvePromise = resolve))
    const settle = () => {
      cancelTimer()
      resolvePromise()
    }
    return { promise, settle }
  }
}

/** Ids that `map` names and the map after `delta` does not. */
function incarnationsLeftOut(map: ClusterMap, delta: ClusterMapDelta): Set<number> {
  const leftOut = new Set<number>()
  for (const name of [...delta.removed, ...delta.changed.map(({ record }) => record.name)]) {
    const entry = map.datasets.get(name)
    if (entry === undefined) continue
    for (const { id } of incarnationsOfEntry(entry)) leftOut.add(id)
  }
  for (const entry of delta.changed) for (const { id } of incarnationsOfEntry(entry)) leftOut.delete(id)
  return leftOut
}
