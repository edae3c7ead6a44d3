/**
 * What is known of the leaves that clusters name: asks each who it is and what it has. A leaf that does not answer for
 * DOWN_AFTER rounds is not used; one that answers again is, with what it has.
 *
 * A leaf process has an identity, that of its data directory. The name that first answered with it is the leaf; any other
 * name for the same process is refused, because what one name is to have is over for the other, so that the process would
 * be sent and relieved of the same copies without end.
 */
import { toKVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { ClusterRecord, LeafRecord } from '../model/dataset.js'
import type { CopySource, Inventory } from './http/leaf-agent.js'
import { targetPath } from './http/leaf-directory.js'
import type { ShardFiles } from './http/shard-copy.js'
import type { ShardTarget } from './http/wire.js'
import { Holdings } from './placement-holdings.js'
import type { LeafView } from './placement-plan.js'

const ASK_TIMEOUT_MS = 2_000
/** Rounds in a row that a leaf may miss. */
const DOWN_AFTER = 3

const NOT_ASKED = 'not asked yet'

/** What the keeper needs of a leaf; http/leaf-agent.ts. */
export interface Agent {
  readonly leaf: LeafRecord
  /** The same object as `known` when nothing has changed. */
  inventory(timeoutMs: number, known: Inventory | null): Promise<Inventory>
  copy(target: ShardTarget, source: CopySource, list: ShardFiles): Promise<void>
  remove(target: ShardTarget): Promise<void>
  source(target: ShardTarget): CopySource
  close(): Promise<void>
}

export interface PlacementLeavesOptions {
  readonly gatewayId: string
  readonly connect: (leaf: LeafRecord) => Agent
  readonly logger: Logger
}

/** What a round of questions brought. */
export interface LeafChanges {
  /** A leaf can be used now that could not, or cannot any more: every dataset may be concerned. */
  readonly isAnyTurned: boolean
  /** Ids of datasets of which a leaf has other copies than before. */
  readonly datasets: ReadonlySet<string>
}

interface KnownLeaf extends LeafView {
  readonly agent: Agent
  isUsable: boolean
  copies: Holdings
  arriving: Holdings
  inventory: Inventory | null
  /** Of the last question; null: it was answered. */
  failure: string | null
  /** Rounds in a row without an answer. */
  missed: number
  problem: string | null
  /** Steps that ended here: what was asked before one of them ended is no longer so. */
  steps: number
  /** Of these, those that had ended when `inventory` was asked for. */
  stepsInInventory: number
}

export class PlacementLeaves {
  readonly #options: PlacementLeavesOptions
  /** In the order in which they came to be known. */
  readonly #known = new Map<string, KnownLeaf>()
  /** Of each process: the name under which it is used. */
  readonly #nameOf = new Map<string, string>()
  #isClosed = false

  constructor(options: PlacementLeavesOptions) {
    this.#options = options
  }

  /** By name; always as it is now. */
  get views(): ReadonlyMap<string, LeafView> {
    return this.#known
  }

  /** Agents for the leaves that clusters name now; older clusters' first, so that a restart finds the same order. */
  connect(clusters: readonly ClusterRecord[]): void {
    const inOrder = [...clusters].sort((a, b) => a.createdAtMs - b.createdAtMs)
    const named = new Map(inOrder.flatMap(({ leaves }) => leaves.map((leaf) => [leaf.name, leaf])))
    for (const [name, { agent }] of this.#known) {
      if (named.get(name)?.url === agent.leaf.url) continue
      this.#known.delete(name)
      this.#closeLater(agent)
    }
    for (const [name, leaf] of named) {
      if (this.#known.has(name)) continue
      this.#known.set(name, {
        agent: this.#options.connect(leaf),
        leaf,
        isUsable: false,
        copies: new Holdings(),
        arriving: new Holdings(),
        inventory: null,
        failure: null,
        missed: 0,
        problem: NOT_ASKED,
        steps: 0,
        stepsInInventory: 0,
      })
    }
  }

  /** Asks each of them once. */
  async ask(): Promise<LeafChanges> {
    const datasets = new Set<string>()
    const all = [...this.#known.values()]
    await Promise.all(all.map((known) => this.#ask(known, datasets)))
    this.#nameProcesses()
    let isAnyTurned = false
    for (const known of this.#known.values()) isAnyTurned = this.#judge(known) || isAnyTurned
    return { isAnyTurned, datasets }
  }

  agentOf(name: string): Agent | null {
    return this.#known.get(name)?.agent ?? null
  }

  /** Why it is not used; null: it is. */
  problemOf(name: string): string | null {
    const known = this.#known.get(name)
    return known === undefined ? NOT_ASKED : known.problem
  }

  /** Whether it answered when it was last asked. */
  hasAnswered(name: string): boolean {
    const known = this.#known.get(name)
    return known !== undefined && known.missed === 0 && known.problem === null
  }

  copyCountOf(name: string): number {
    return this.#known.get(name)?.copies.size ?? 0
  }

  /** Known at once: the next round need not find it out. */
  noteCopied({ name }: LeafRecord, target: ShardTarget): void {
    const known = this.#known.get(name)
    if (known === undefined) return
    known.steps += 1
    known.copies.add(targetPath(target))
    known.arriving.delete(targetPath(target))
  }

  noteRemoved({ name }: LeafRecord, target: ShardTarget): void {
    const known = this.#known.get(name)
    if (known === undefined) return
    known.steps += 1
    known.copies.delete(targetPath(target))
    known.arriving.delete(targetPath(target))
  }

  /** Another leaf that has it. */
  sourceOf(target: ShardTarget, notFrom: LeafRecord): CopySource | null {
    for (const { agent, leaf, copies, isUsable } of this.#known.values()) {
      if (leaf.name === notFrom.name || !isUsable) continue
      if (copies.of(target.datasetId).has(targetPath(target))) return agent.source(target)
    }
    return null
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(Array.from(this.#known.values(), ({ agent }) => agent.close()))
  }

  async #ask(known: KnownLeaf, datasets: Set<string>): Promise<void> {
    const { steps } = known
    // After a step our own note of it is to be held against what the leaf says, even if that is what it said before.
    const before = steps === known.stepsInInventory ? known.inventory : null
    try {
      const inventory = await known.agent.inventory(ASK_TIMEOUT_MS, before)
      known.missed = 0
      known.failure = null
      if (inventory === before || known.steps !== steps) return
      known.stepsInInventory = steps
      const copies = new Holdings(inventory.copies)
      const arriving = new Holdings(inventory.arriving)
      for (const id of copies.differencesTo(known.copies)) datasets.add(id)
      for (const id of arriving.differencesTo(known.arriving)) datasets.add(id)
      known.copies = copies
      known.arriving = arriving
      known.inventory = inventory
    } catch (error) {
      known.missed += 1
      known.failure = toKVError(error, `asking leaf ${known.leaf.name}`).message
    }
  }

  /** A process keeps its name as long as a cluster has it and it is that process. */
  #nameProcesses(): void {
    for (const [id, name] of this.#nameOf) {
      if (this.#known.get(name)?.inventory?.id !== id) this.#nameOf.delete(id)
    }
    for (const { inventory, leaf } of this.#known.values()) {
      if (inventory !== null && !this.#nameOf.has(inventory.id)) this.#nameOf.set(inventory.id, leaf.name)
    }
  }

  /** Answers whether it can be used and could not before, or the other way round. */
  #judge(known: KnownLeaf): boolean {
    const before = known.problem
    known.problem = this.#findProblem(known)
    if (known.problem !== before && !this.#isClosed) {
      const { name } = known.leaf
      const { logger } = this.#options
      if (known.problem === null) logger.info({ leaf: name, id: known.inventory?.id }, 'a leaf answers')
      else logger.warn({ leaf: name, reason: known.problem }, 'a leaf is not read from')
    }
    const wasUsable = known.isUsable
    known.isUsable = known.problem === null
    return known.isUsable !== wasUsable
  }

  #findProblem({ inventory, missed, failure, leaf }: KnownLeaf): string | null {
    if (inventory === null || missed >= DOWN_AFTER) return failure ?? NOT_ASKED
    const { id, gateway } = inventory
    if (gateway !== null && gateway !== this.#options.gatewayId)
      return `it holds copies of another gateway, ${gateway}`
    const name = this.#nameOf.get(id) ?? leaf.name
    if (name === leaf.name) return null
    const url = this.#known.get(name)?.leaf.url ?? ''
    return `it is leaf ${name} (${url}) under a second name, or has a copy of its data directory ${id}: take one of them out of its cluster, or empty the copied directory`
  }

  #closeLater(agent: Agent): void {
    agent.close().catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, `closing ${agent.leaf.name} failed`)
    })
  }
}
