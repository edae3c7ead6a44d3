/**
 * Keeps the nodes by which fat clients find this gateway right: after each change of what is served, when gateways come or
 * go, when the session with ZooKeeper is there again, and now and then anyway. Nothing waits for it: while ZooKeeper is
 * away serving goes on, and what has changed meanwhile is put right when it is back.
 *
 * One file set at a time is looked at, planned (file-set-plan.ts) and written in one transaction, which is refused when
 * somebody else wrote meanwhile; then it is looked at again.
 */
import type { StartTimer } from '../base/clock.js'
import { KVError, toKVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import { type ClaimedPair, readPair } from './claims.js'
import { ClusterTree } from './cluster-tree.js'
import {
  type FileSetPlan,
  type NodeContents,
  type Publication,
  type PublishedFileSet,
  planFileSet,
} from './file-set-plan.js'
import { FileSetQueue } from './file-set-queue.js'
import type { ZooKeeperSession } from './session.js'

export interface PublisherOptions {
  readonly session: Pick<ZooKeeperSession, 'id' | 'isUp' | 'children' | 'get' | 'transact'>
  /** Names of Terrapin clusters: nodes at the top of the tree. */
  readonly clusters: readonly string[]
  /** Where clients find this gateway, by name or address. */
  readonly host: string
  /** Names this gateway's metastore. */
  readonly store: string
  /** What uploaders read to find this gateway's controller; null: it has none. */
  readonly leader: () => Buffer | null
  readonly contents: NodeContents
  /** What is served now. */
  readonly served: {
    get(name: string): Publication | null
    names(): readonly string[]
  }
  readonly startTimer: StartTimer
  readonly logger: Logger
  readonly onFailure: () => void
}

export interface PublisherFigures {
  readonly published: number
  /** File sets that another program's nodes keep us from publishing. */
  readonly foreign: number
}

export class Publisher {
  readonly #options: PublisherOptions
  readonly #trees: readonly ClusterTree[]
  readonly #queue: FileSetQueue
  /** The current version as it was last looked at, by cluster and file set. */
  readonly #announced = new Map<string, number>()
  readonly #foreign = new Set<string>()
  /** Views that are over: clients that have not heard of a publish yet look for them a moment longer. */
  readonly #expired = new Map<string, Set<number>>()
  #stopSweep: () => void = () => undefined

  constructor(options: PublisherOptions) {
    this.#options = options
    const { session, host, store, leader, logger } = options
    this.#trees = options.clusters.map(
      (cluster) => new ClusterTree({ session, cluster, host, store, leader, logger }),
    )
    this.#queue = new FileSetQueue({
      lanes: limits.zooKeeperLanes,
      retryMs: limits.zooKeeperRepublishMs,
      prepare: () => this.#prepare(),
      names: () => this.#allNames(),
      take: (name) => this.#sync(name),
      onFailure: (error) => this.#onFailure(error),
      startTimer: options.startTimer,
    })
  }

  /** What is served under this name has changed. */
  changed(name: string): void {
    this.#queue.add(name)
  }

  /** The session is there, again or for the first time. */
  up(): void {
    this.#queue.resume()
    this.#sweepLater()
  }

  down(): void {
    this.#queue.pause()
    this.#stopSweep()
  }

  /** A watched node's children have changed: gateways came or went. */
  nodeChanged(): void {
    this.#queue.addAll()
  }

  /** Resolves when there is nothing to do. */
  idle(): Promise<void> {
    return this.#queue.idle()
  }

  close(): void {
    this.#queue.close()
    this.#stopSweep()
  }

  figures(): PublisherFigures {
    return { published: this.#announced.size, foreign: this.#foreign.size }
  }

  #sweepLater(): void {
    this.#stopSweep()
    this.#stopSweep = this.#options.startTimer(limits.zooKeeperSweepMs, () => {
      this.#queue.addAll()
      this.#sweepLater()
    })
  }

  async #prepare(): Promise<void> {
    for (const tree of this.#trees) await tree.prepare()
  }

  /** Served ones, and those that stand in a tree. */
  async #allNames(): Promise<readonly string[]> {
    const names = new Set(this.#options.served.names())
    for (const tree of this.#trees) for (const name of await tree.claimedFileSets()) names.add(name)
    return [...names]
  }

  async #sync(name: string): Promise<void> {
    for (const tree of this.#trees) await this.#syncIn(tree, name)
  }

  async #syncIn(tree: ClusterTree, name: string): Promise<void> {
    const { served, session } = this.#options
    for (let attempt = 1; ; attempt++) {
      const wanted = served.get(name)
      const plan = this.#plan(tree.fileSetPath(name), {
        tree,
        wanted,
        found: await this.#read(tree, name, wanted),
      })
      try {
        if (plan.now.length > 0) await session.transact(plan.now)
      } catch (error) {
        if (attempt < MAX_ATTEMPTS && isRace(error)) continue
        throw error
      }
      this.#note(tree.fileSetPath(name), { name, wanted, plan })
      return
    }
  }

  async #read(tree: ClusterTree, name: string, wanted: Publication | null): Promise<PublishedFileSet> {
    const { session, contents } = this.#options
    const [pair, claimed] = await Promise.all([
      readPair(session, tree.fileSetPath(name), tree.claimPath(name)),
      session.children(tree.claimPath(name)),
    ])
    const versions = new Set([
      ...(claimed ?? []).map(Number).filter(Number.isSafeInteger),
      ...(wanted?.kept ?? []),
    ])
    const views = await Promise.all(
      Array.from(versions, async (version): Promise<[number, ClaimedPair]> => {
        const view = contents.viewName(name, version)
        return [version, await readPair(session, tree.viewPath(view), tree.claimPath(name, version))]
      }),
    )
    return { pair, views: new Map(views) }
  }

  #plan(key: string, { tree, wanted, found }: Looked): FileSetPlan {
    const announced = this.#announced.get(key)
    const { host, store, contents } = this.#options
    return planFileSet({
      wanted,
      found,
      publishers: { host, store, live: tree.live },
      contents,
      hasChanged: announced !== undefined && announced !== wanted?.current,
      expired: this.#expired.get(key) ?? NONE,
    })
  }

  #note(key: string, { name, wanted, plan: { later, isForeign } }: Written): void {
    if (wanted === null || isForeign) this.#announced.delete(key)
    else this.#announced.set(key, wanted.current)
    this.#expired.delete(key)
    if (isForeign && !this.#foreign.has(key)) {
      this.#options.logger.warn(
        { path: key },
        'a node of another program stands where a file set would be published; it is left alone',
      )
    }
    if (isForeign) this.#foreign.add(key)
    else this.#foreign.delete(key)
    if (later.length === 0) return
    this.#options.startTimer(limits.zooKeeperViewLingerMs, () => {
      this.#expired.set(key, new Set(later))
      this.#queue.add(name)
    })
  }

  #onFailure(thrown: unknown): void {
    const error = toKVError(thrown, 'publishing to zookeeper')
    this.#options.onFailure()
    // Of a lost connection the session says so itself.
    if (this.#options.session.isUp) {
      this.#options.logger.warn({ err: error }, 'publishing to zookeeper failed; it is tried again')
    }
  }
}

const MAX_ATTEMPTS = 5
const NONE: ReadonlySet<number> = new Set()

interface Looked {
  readonly tree: ClusterTree
  readonly wanted: Publication | null
  readonly found: PublishedFileSet
}

interface Written {
  readonly name: string
  readonly wanted: Publication | null
  readonly plan: FileSetPlan
}

/** Another gateway wrote between our look and our transaction. */
function isRace(error: unknown): boolean {
  return (
    error instanceof KVError &&
    (error.code === 'CONFLICT' || error.code === 'ALREADY_EXISTS' || error.code === 'FAILED_PRECONDITION')
  )
}
