/**
 * A keeper, holders and the messages under way between them, moved one step at a time, so that a test decides every
 * interleaving. The world keeps books of its own (who uses what, which maps each holder has and will get) and checks
 * the lease invariants against them, never against the holders' own counters.
 */
import assert from 'node:assert/strict'
import {
  type ClusterMap,
  type ClusterMapDelta,
  type DatasetEntry,
  EMPTY_CLUSTER_MAP,
  applyDelta,
  incarnationsOf,
  incarnationsOfEntry,
} from '../../../src/model/cluster-map.js'
import {
  LeaseHolder,
  type LeaseHolderHooks,
  LeaseKeeper,
  type LeaseMessage,
} from '../../../src/threads/leases.js'
import { datasetEntry, incarnation } from '../../support/datasets.js'

export type MakeHolder = (hooks: LeaseHolderHooks) => LeaseHolder

export interface Station {
  readonly name: string
  readonly holder: LeaseHolder
  readonly toHolder: ClusterMapDelta[]
  readonly toKeeper: LeaseMessage[]
  /** Uses by incarnation, as this test counts them. */
  readonly uses: Map<number, number>
  readonly retired: number[]
  /** The map that the delivered deltas make. */
  map: ClusterMap
}

export class World {
  readonly keeper = new LeaseKeeper(
    { onOverdue: () => undefined, onHolderDied: () => undefined },
    { startTimer: () => () => undefined },
  )
  readonly stations: Station[] = []
  readonly leftOut = new Set<number>()
  /** Those that the keeper's promises gave free: what main would have closed. */
  readonly closed = new Set<number>()
  readonly #makeHolder: MakeHolder

  constructor(holderCount: number, makeHolder: MakeHolder = (hooks) => new LeaseHolder(hooks)) {
    this.#makeHolder = makeHolder
    for (let index = 0; index < holderCount; index++) this.addHolder()
  }

  addHolder(): void {
    const toHolder: ClusterMapDelta[] = []
    const toKeeper: LeaseMessage[] = []
    const retired: number[] = []
    const holder = this.#makeHolder({
      send: (message) => void toKeeper.push(message),
      onRetire: (id) => void retired.push(id),
      onViolation: () => undefined,
    })
    const name = `thread ${this.stations.length}`
    this.stations.push({
      name,
      holder,
      toHolder,
      toKeeper,
      uses: new Map(),
      retired,
      map: EMPTY_CLUSTER_MAP,
    })
    void this.keeper.addHolder(name, (delta) => void toHolder.push(delta))
  }

  /** Publishes one dataset with exactly these incarnations; none: removes it. */
  publish(dataset: string, ids: readonly number[]): void {
    const before = this.keeper.map.datasets.get(dataset)
    const leftOut: number[] = []
    for (const { id } of before === undefined ? [] : incarnationsOfEntry(before)) {
      if (!ids.includes(id)) leftOut.push(id)
    }
    const entry = datasetEntry({ name: dataset }, { live: ids.map((id) => incarnation(id)) })
    void this.keeper.publish(
      ids.length === 0 ? { changed: [], removed: [dataset] } : { changed: [entry], removed: [] },
    )
    for (const [index, released] of this.keeper.retire(leftOut).entries()) {
      const id = leftOut[index] ?? 0
      this.leftOut.add(id)
      void released.then(() => this.closed.add(id))
    }
  }

  deliverToHolder(station: Station): void {
    const delta = station.toHolder.shift()
    if (delta === undefined) return
    station.map = applyDelta(station.map, delta)
    station.holder.adopt(delta)
  }

  deliverToKeeper(station: Station): void {
    const message = station.toKeeper.shift()
    if (message !== undefined) this.keeper.receive(station.name, message)
  }

  acquire(station: Station, id: number): void {
    station.holder.acquire({ id })
    station.uses.set(id, (station.uses.get(id) ?? 0) + 1)
  }

  release(station: Station, id: number): void {
    const uses = station.uses.get(id) ?? 0
    if (uses === 1) station.uses.delete(id)
    else station.uses.set(id, uses - 1)
    station.holder.release({ id })
  }

  namedBy(station: Station): number[] {
    return [...incarnationsOf(station.map).keys()]
  }

  /** Lets the promises that are resolved call back. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  }

  /** Ends all uses and delivers all messages. */
  drain(): void {
    for (const station of this.stations) {
      for (const [id, uses] of [...station.uses]) {
        for (let use = 0; use < uses; use++) this.release(station, id)
      }
      while (station.toHolder.length > 0) this.deliverToHolder(station)
      while (station.toKeeper.length > 0) this.deliverToKeeper(station)
      this.checkSafety()
    }
  }

  /** An incarnation that may be closed is used by nobody and is in no map that anybody has or is about to get. */
  checkSafety(): void {
    for (const id of this.leftOut) {
      if (!this.keeper.isReleased(id) && !this.closed.has(id)) continue
      for (const { name, uses, map, toHolder } of this.stations) {
        if (uses.has(id)) assert.fail(`${id} is closable while ${name} uses it`)
        if (isNamed(map.datasets.values(), id)) assert.fail(`${id} is closable while ${name} may acquire it`)
        const willCome = toHolder.some(({ changed }) => isNamed(changed, id))
        if (willCome) assert.fail(`${id} is closable while a map with it is on its way to ${name}`)
      }
    }
    for (const { name, holder, map } of this.stations) {
      if (holder.map.epoch !== map.epoch) assert.fail(`${name} is at another epoch`)
    }
  }

  /** When nothing is under way or used, everything that was left out is closable and each holder let go of it once. */
  checkLiveness(): void {
    for (const id of this.leftOut) assert.ok(this.keeper.isReleased(id), `${id} never became closable`)
    for (const { retired, name } of this.stations) {
      assert.equal(new Set(retired).size, retired.length, `${name} retired an incarnation twice`)
    }
    assert.equal(this.keeper.figures().retiring, 0)
    assert.equal(this.keeper.figures().adoptedEpoch, this.keeper.map.epoch)
  }
}

function isNamed(entries: Iterable<DatasetEntry>, id: number): boolean {
  for (const entry of entries) {
    for (const named of incarnationsOfEntry(entry)) if (named.id === id) return true
  }
  return false
}
