/**
 * Keeps leaves as the metastore says: asks each what it has, sends it what it lacks, removes what is over, and tells the
 * version set where versions are read from. Nothing is remembered: after a restart, a lost leaf or a lost disk the next
 * round finds what is left to do, so that a move that a crash cut short goes on by itself. Main thread.
 *
 *     every second, and after each change:  ask all leaves -> say where versions are read -> copy and remove
 *
 * A leaf that does not answer for DOWN_AFTER rounds is not read from; one that answers again is, with what it has.
 */
import type { Clock, StartTimer } from '../base/clock.js'
import { KVError, toKVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { ClusterRecord, DatasetRecord, LeafRecord, VersionRecord } from '../model/dataset.js'
import { type CopySource, type Inventory, localSource } from './http/leaf-agent.js'
import { parseTarget, targetPath } from './http/leaf-directory.js'
import type { ShardFiles } from './http/shard-copy.js'
import type { ShardTarget } from './http/wire.js'
import { type Copies, type CopyStep, type LeafView, PlacementPlan, isKept } from './placement-plan.js'

const ROUND_MS = 1_000
const ASK_TIMEOUT_MS = 2_000
/** Rounds in a row that a leaf may miss. */
const DOWN_AFTER = 3
/** Copies at the same time: each takes a disk and a connection at both ends. */
const PARALLEL_COPIES = 6
const PARALLEL_COPIES_OF_LEAF = 2
/** Of a copy that failed; twice as long after each further failure. */
const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 60_000
/** Failed steps that are remembered. */
const MAX_RETRIES = 10_000

/** What the keeper needs of a leaf; http/leaf-agent.ts. */
export interface Agent {
  readonly leaf: LeafRecord
  inventory(timeoutMs: number): Promise<Inventory>
  copy(target: ShardTarget, source: CopySource, list: ShardFiles): Promise<void>
  remove(target: ShardTarget): Promise<void>
  source(target: ShardTarget): CopySource
  close(): Promise<void>
}

export interface PlacementKeeperOptions {
  readonly gatewayId: string
  readonly records: {
    list(): readonly DatasetRecord[]
    clusters(): readonly ClusterRecord[]
  }
  readonly connect: (leaf: LeafRecord) => Agent
  /** The directory of the gateway's own copy of a shard; null when there is none. */
  readonly localShard: (target: ShardTarget) => string | null
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

export interface LeafHealth {
  readonly cluster: string
  readonly name: string
  readonly url: string
  /** Null: it answers and is ours. */
  readonly problem: string | null
  readonly copies: number
}

interface KnownLeaf {
  readonly agent: Agent
  inventory: Inventory | null
  /** Rounds in a row without an answer. */
  missed: number
  problem: string | null
}

interface Retry {
  failures: number
  notBeforeMs: number
}

const NOTHING: ReadonlySet<string> = new Set()

export class PlacementKeeper {
  readonly #options: PlacementKeeperOptions
  #reader: PlacementReader | null = null
  readonly #leaves = new Map<string, KnownLeaf>()
  #plan = new PlacementPlan({ datasets: [], clusters: [], leaves: new Map() })
  /** `datasetId/versionId` of versions that are read from their cluster. */
  readonly #placed = new Set<string>()
  /** What the reader was told last, by version; absent: its own copy. */
  readonly #told = new Map<string, string>()
  /** By leaf and target. */
  readonly #running = new Map<string, Promise<void>>()
  readonly #retries = new Map<string, Retry>()
  #round: Promise<void> | null = null
  #isRoundDue = false
  #cancelTimer: () => void = () => undefined
  #isClosed = false

  constructor(options: PlacementKeeperOptions) {
    this.#options = options
  }

  /** Asks every leaf once, so that the first map says where versions are read from. */
  async start(): Promise<void> {
    await this.#askAll()
  }

  /** From here on rounds follow each other. */
  serve(reader: PlacementReader): void {
    this.#reader = reader
    this.kick()
  }

  /** A round soon: something has changed. */
  kick(): void {
    this.#isRoundDue = true
    if (this.#round !== null || this.#isClosed || this.#reader === null) return
    this.#cancelTimer()
    this.#isRoundDue = false
    this.#round = this.#runRound(this.#reader).finally(() => {
      this.#round = null
      if (this.#isRoundDue) this.kick()
      else if (!this.#isClosed) this.#cancelTimer = this.#options.startTimer(ROUND_MS, () => this.kick())
    })
  }

  /** Leaves that each shard of a version is read from; null: this process's own copy. */
  copiesOf(record: DatasetRecord, versionId: number): Copies | null {
    const version = record.versions.find(({ id }) => id === versionId)
    if (version === undefined) return null
    const key = `${record.id}/${versionId}`
    const { copies, isPlaced } = this.#plan.copiesOf(record, version, this.#placed.has(key))
    if (isPlaced) this.#placed.add(key)
    else this.#placed.delete(key)
    return copies
  }

  /** Copies of a version on its cluster; null: it belongs to the gateway itself. */
  stateOf(record: DatasetRecord, version: VersionRecord) {
    return this.#plan.stateOf(record, version)
  }

  health(): LeafHealth[] {
    return this.#options.records.clusters().flatMap((cluster) =>
      cluster.leaves.map(({ name, url }) => {
        const known = this.#leaves.get(name)
        const copies = known?.inventory?.copies.size ?? 0
        return {
          cluster: cluster.name,
          name,
          url,
          problem: known === undefined ? 'not asked yet' : known.problem,
          copies,
        }
      }),
    )
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer()
    await Promise.all(Array.from(this.#leaves.values(), ({ agent }) => agent.close()))
    await this.#round
    await Promise.allSettled(this.#running.values())
  }

  async #runRound(reader: PlacementReader): Promise<void> {
    try {
      await this.#askAll()
      await this.#tell(reader)
      if (this.#isClosed) return
      this.#startCopies()
      this.#startRemovals(reader)
    } catch (error) {
      this.#options.logger.error({ err: error }, 'a round of placement failed; the next one goes on')
    }
  }

  async #askAll(): Promise<void> {
    const { records } = this.#options
    this.#connect(records.clusters())
    await Promise.all(Array.from(this.#leaves.values(), (known) => this.#ask(known)))
    this.#renewPlan()
  }

  #renewPlan(): void {
    const { records } = this.#options
    const views = Array.from(this.#leaves.values(), (known): [string, LeafView] => [
      known.agent.leaf.name,
      {
        leaf: known.agent.leaf,
        isUsable: known.problem === null && known.inventory !== null,
        copies: known.inventory?.copies ?? NOTHING,
        arriving: known.inventory?.arriving ?? NOTHING,
      },
    ])
    this.#plan = new PlacementPlan({
      datasets: records.list(),
      clusters: records.clusters(),
      leaves: new Map(views),
    })
  }

  /** Agents for the leaves that clusters name now. */
  #connect(clusters: readonly ClusterRecord[]): void {
    const named = new Map(clusters.flatMap(({ leaves }) => leaves.map((leaf) => [leaf.name, leaf])))
    for (const [name, { agent }] of this.#leaves) {
      if (named.get(name)?.url === agent.leaf.url) continue
      this.#leaves.delete(name)
      this.#inBackground(`closing ${name}`, agent.close())
    }
    for (const [name, leaf] of named) {
      if (this.#leaves.has(name)) continue
      this.#leaves.set(name, {
        agent: this.#options.connect(leaf),
        inventory: null,
        missed: 0,
        problem: 'not asked yet',
      })
    }
  }

  async #ask(known: KnownLeaf): Promise<void> {
    const { gatewayId, logger } = this.#options
    const { name } = known.agent.leaf
    const before = known.problem
    try {
      const inventory = await known.agent.inventory(ASK_TIMEOUT_MS)
      known.missed = 0
      const isForeign = inventory.gateway !== null && inventory.gateway !== gatewayId
      known.inventory = inventory
      known.problem = isForeign ? `it holds copies of another gateway, ${inventory.gateway}` : null
    } catch (error) {
      known.missed += 1
      const isNew = known.inventory === null
      if (isNew || known.missed >= DOWN_AFTER) known.problem = toKVError(error, `asking leaf ${name}`).message
    }
    if (known.problem === before || this.#isClosed) return
    if (known.problem === null) logger.info({ leaf: name, id: known.inventory?.id }, 'a leaf answers')
    else logger.warn({ leaf: name, reason: known.problem }, 'a leaf is not read from')
  }

  /** Which datasets are read from elsewhere than the reader was told. */
  async #tell(reader: PlacementReader): Promise<void> {
    const seen = new Set<string>()
    const changed: string[] = []
    for (const record of this.#options.records.list()) {
      let isChanged = false
      for (const version of record.versions) {
        if (!isKept(version)) continue
        const key = `${record.id}/${version.id}`
        const copies = this.copiesOf(record, version.id)
        const text =
          copies === null
            ? ''
            : copies.map((leaves) => leaves.map(({ name, url }) => `${name} ${url}`)).join(';')
        seen.add(key)
        if ((this.#told.get(key) ?? '') === text) continue
        this.#told.set(key, text)
        isChanged = true
      }
      if (isChanged) changed.push(record.name)
    }
    for (const key of this.#told.keys()) if (!seen.has(key)) this.#told.delete(key)
    for (const key of this.#placed) if (!seen.has(key)) this.#placed.delete(key)
    await Promise.all(changed.map((name) => reader.placementChanged(name)))
  }

  #startCopies(): void {
    const busy = new Map<string, number>()
    const count = (leaf: string) => busy.set(leaf, (busy.get(leaf) ?? 0) + 1)
    for (const key of this.#running.keys()) count(key.split(' ')[0] ?? '')
    for (const step of this.#plan.missing()) {
      if (this.#running.size >= PARALLEL_COPIES) return
      const key = stepKey(step.leaf, step.target)
      if ((busy.get(step.leaf.name) ?? 0) >= PARALLEL_COPIES_OF_LEAF) continue
      if (this.#running.has(key) || !this.#isDue(key)) continue
      count(step.leaf.name)
      this.#run(key, this.#copy(step))
    }
  }

  async #copy({ leaf, target, dataset }: CopyStep): Promise<void> {
    const known = this.#leaves.get(leaf.name)
    const source = this.#sourceOf(target, leaf)
    if (known === undefined) return
    if (source === null)
      throw new KVError('UNAVAILABLE', `no copy of ${targetPath(target)} is left to copy from`)
    const startedAtMs = this.#options.clock.monotonicMs()
    const list = await source.describe()
    await known.agent.copy(target, source, list)
    const { inventory } = known
    // A round that asked before must not copy it again.
    if (inventory !== null) {
      known.inventory = { ...inventory, copies: new Set([...inventory.copies, targetPath(target)]) }
    }
    const durationMs = Math.round(this.#options.clock.monotonicMs() - startedAtMs)
    this.#options.logger.info(
      { dataset, leaf: leaf.name, copy: targetPath(target), durationMs },
      'a leaf has a copy',
    )
  }

  /** The gateway's own copy, or else that of another leaf. */
  #sourceOf(target: ShardTarget, { name }: LeafRecord): CopySource | null {
    const directory = this.#options.localShard(target)
    if (directory !== null) return localSource(directory)
    for (const { agent, inventory, problem } of this.#leaves.values()) {
      if (agent.leaf.name === name || problem !== null) continue
      if (inventory?.copies.has(targetPath(target)) === true) return agent.source(target)
    }
    return null
  }

  #startRemovals(reader: PlacementReader): void {
    for (const [leaf, names] of this.#plan.surplus((dataset, version) => this.#isSafe(dataset, version))) {
      const known = this.#leaves.get(leaf.name)
      for (const name of names) {
        const [datasetId = '', version = '', shard = ''] = name.split('/')
        const target = parseTarget(datasetId, version, shard)
        if (known === undefined || target === null || reader.isUsed(leaf.name, target)) continue
        const key = stepKey(leaf, target)
        if (this.#running.has(key) || !this.#isDue(key)) continue
        this.#run(key, known.agent.remove(target))
      }
    }
  }

  /** All copies of a version are where they belong. */
  #isSafe(dataset: DatasetRecord, version: VersionRecord): boolean {
    const state = this.#plan.stateOf(dataset, version)
    if (state !== null) return state.confirmed === state.wanted
    const shards = Array.from({ length: dataset.shardCount }, (_, shard) => shard)
    return shards.every((shard) => {
      return this.#options.localShard({ datasetId: dataset.id, versionId: version.id, shard }) !== null
    })
  }

  #isDue(key: string): boolean {
    return (this.#retries.get(key)?.notBeforeMs ?? 0) <= this.#options.clock.monotonicMs()
  }

  /** Never rejects; what failed is tried again later. */
  #run(key: string, work: Promise<void>): void {
    const running = work
      .then(
        () => {
          this.#retries.delete(key)
        },
        (error: unknown) => this.#noteFailure(key, error),
      )
      .finally(() => {
        this.#running.delete(key)
        this.kick()
      })
    this.#running.set(key, running)
  }

  #noteFailure(key: string, error: unknown): void {
    const failures = (this.#retries.get(key)?.failures ?? 0) + 1
    const delayMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1))
    this.#retries.set(key, { failures, notBeforeMs: this.#options.clock.monotonicMs() + delayMs })
    for (const old of this.#retries.keys()) if (this.#retries.size > MAX_RETRIES) this.#retries.delete(old)
    if (this.#isClosed) return
    const { code, message } = toKVError(error, 'copying')
    this.#options.logger.warn(
      { copy: key, code, reason: message, failures, delayMs },
      'a copy failed, it is tried again',
    )
  }

  #inBackground(what: string, work: Promise<void>): void {
    work.catch((error: unknown) => this.#options.logger.warn({ err: error }, `${what} failed`))
  }
}

function stepKey(leaf: LeafRecord, target: ShardTarget): string {
  return `${leaf.name} ${targetPath(target)}`
}
