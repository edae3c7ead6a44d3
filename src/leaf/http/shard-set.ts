/**
 * The copies that a leaf process has open. One thread opens, reads and closes them, so a count of uses takes the place
 * of the gateway's leases: a copy is closed when it is no longer found and its last read has answered.
 */
import type { KVError } from '../../base/errors.js'
import { toKVError } from '../../base/errors.js'
import type { Incarnation } from '../../model/cluster-map.js'
import type { LeafStore } from '../../model/leaf-engine.js'
import type { DetachingEngine } from '../split-engine.js'
import { ByteWriter } from './bytes.js'
import { targetPath } from './leaf-directory.js'
import { encodeTarget, type ShardTarget } from './wire.js'

export interface OpenCopy {
  readonly target: ShardTarget
  readonly incarnation: Incarnation
  /** The target as answers name it. */
  readonly identity: Buffer
}

interface Held extends OpenCopy {
  uses: number
  /** Called when it is retired and its last use ends. */
  onIdle: (() => void) | null
}

export class ShardSet {
  readonly #store: LeafStore
  readonly #engine: DetachingEngine
  readonly #open = new Map<string, Held>()

  constructor(store: LeafStore, engine: DetachingEngine) {
    this.#store = store
    this.#engine = engine
  }

  get count(): number {
    return this.#open.size
  }

  /** Of all copies, as targetPath makes them. */
  names(): string[] {
    return [...this.#open.keys()]
  }

  targets(): ShardTarget[] {
    return Array.from(this.#open.values(), ({ target }) => target)
  }

  /** @throws {KVError} as LeafStore.open */
  async open(target: ShardTarget, directory: string): Promise<void> {
    const { datasetId, shard } = target
    const location = { datasetId, shard, format: 'sealed', maxCellVersions: 1, directory } as const
    const incarnation = await this.#store.open(location)
    const identity = new ByteWriter()
    encodeTarget(identity, target)
    const held = { target, incarnation, identity: identity.take(), uses: 0, onIdle: null }
    this.#open.set(targetPath(target), held)
  }

  find(target: ShardTarget): OpenCopy | null {
    return this.#open.get(targetPath(target)) ?? null
  }

  acquire(copy: OpenCopy): void {
    ;(copy as Held).uses += 1 // All copies are made by `open`.
  }

  release(copy: OpenCopy): void {
    const held = copy as Held
    held.uses -= 1
    if (held.uses === 0) held.onIdle?.()
  }

  /** No longer found from here on; resolves when it is closed. Nothing when it is not open. */
  async retire(target: ShardTarget): Promise<KVError | null> {
    const held = this.#open.get(targetPath(target))
    if (held === undefined) return null
    this.#open.delete(targetPath(target))
    if (held.uses > 0) await new Promise<void>((resolve) => (held.onIdle = resolve))
    try {
      this.#engine.detach(held.incarnation.id)
      await this.#store.close(held.incarnation.id)
      return null
    } catch (error) {
      return toKVError(error, `closing ${targetPath(target)}`)
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.targets().map((target) => this.retire(target)))
  }
}
