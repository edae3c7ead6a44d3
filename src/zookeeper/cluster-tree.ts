/**
 * One Terrapin cluster's part of ZooKeeper's tree: its paths, which gateways publish to it, and which controller uploaders
 * are to ask: CONTROLLER/LEADER is made where nobody has it, and goes with the session that made it. Uploaders make the
 * locks of their own; nothing here looks at them.
 */
import { KVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { Operation, ZooKeeperNode } from './protocol.js'
import type { ZooKeeperSession } from './session.js'

const OWN_FOLDER = 'godwit'

export interface ClusterTreeOptions {
  readonly session: Pick<ZooKeeperSession, 'id' | 'children' | 'get' | 'transact'>
  readonly cluster: string
  readonly host: string
  readonly store: string
  /** What uploaders read to find this gateway's controller; null: it has none. */
  readonly leader: () => Buffer | null
  readonly logger: Logger
}

export class ClusterTree {
  readonly #options: ClusterTreeOptions
  #live: ReadonlyMap<string, string> = new Map()
  /** The session in which our node was made. */
  #thereAs = 0n
  #isRivalSaid = false

  constructor(options: ClusterTreeOptions) {
    this.#options = options
  }

  /** Hosts of the gateways that were there at the last look, this one among them, with their metastores. */
  get live(): ReadonlyMap<string, string> {
    return this.#live
  }

  fileSetPath(name: string): string {
    return `/${this.#options.cluster}/filesets/${name}`
  }

  viewPath(view: string): string {
    return `/${this.#options.cluster}/views/${view}`
  }

  claimPath(name: string, version: number | null = null): string {
    const path = `/${this.#options.cluster}/${OWN_FOLDER}/filesets/${name}`
    return version === null ? path : `${path}/${version}`
  }

  /** Makes the folders that are missing, says that this gateway is there, and looks who else is. */
  async prepare(): Promise<void> {
    const { cluster, session, host, store } = this.#options
    for (const folder of [
      '',
      '/filesets',
      '/views',
      '/locks',
      ...['', '/filesets', '/gateways'].map(below),
    ]) {
      await this.#ensureFolder(`/${cluster}${folder}`)
    }
    await this.#beThere()
    await this.#lead()
    const gateways = `/${cluster}${below('/gateways')}`
    const hosts = (await session.children(gateways, true)) ?? []
    const nodes = await Promise.all(
      hosts.map(async (one): Promise<[string, ZooKeeperNode | null]> => {
        return [one, await session.get(`${gateways}/${one}`)]
      }),
    )
    const before = this.#live
    const stores = nodes.map(([one, node]): [string, string] => [one, node?.data.toString() ?? ''])
    this.#live = new Map([...stores, [host, store]])
    for (const [one, node] of nodes) {
      if (node !== null && before.size > 0 && !before.has(one)) await this.#wake(`${gateways}/${one}`, node)
    }
  }

  /** All that some gateway has published and not withdrawn. */
  async claimedFileSets(): Promise<readonly string[]> {
    return (await this.#options.session.children(`/${this.#options.cluster}${below('/filesets')}`)) ?? []
  }

  /** Folders that exist are left as they are: the cluster's own holds what its uploaders need to know. */
  async #ensureFolder(path: string): Promise<void> {
    const { session } = this.#options
    if ((await session.children(path)) !== null) return
    try {
      await session.transact([{ kind: 'create', path, data: NO_BYTES }])
    } catch (error) {
      if (!isTaken(error)) throw error
    }
  }

  /**
   * Terrapin's own controller, or another gateway, keeps its place as long as it lives, and so does this one's node of a
   * session before a crash: its end is watched, because nothing else would tell of it.
   */
  async #lead(): Promise<void> {
    const { cluster, session, leader } = this.#options
    const data = leader()
    if (data === null) return
    await this.#ensureFolder(`/${cluster}/CONTROLLER`)
    const path = `/${cluster}/CONTROLLER/LEADER`
    if ((await session.get(path, true)) !== null) return
    try {
      await session.transact([{ kind: 'create', path, data, isEphemeral: true }])
    } catch (error) {
      if (!isTaken(error)) throw error
    }
  }

  /**
   * A node that goes with the session. One of an earlier session of ours, before a crash, may still be there. Of another
   * gateway's we wait for the end: to take turns in removing each other's would never end.
   */
  async #beThere(): Promise<void> {
    const { cluster, session, host, store, logger } = this.#options
    const path = `/${cluster}${below('/gateways')}/${host}`
    const node = await session.get(path, true)
    if (node?.stat.session === session.id) return
    const isRival = node !== null && (node.data.toString() !== store || this.#thereAs === session.id)
    if (isRival) {
      if (!this.#isRivalSaid) {
        const message =
          'another gateway publishes under this advertisedHost; each gateway needs one of its own'
        logger.warn({ path }, message)
      }
      this.#isRivalSaid = true
      return
    }
    const removal: Operation[] = node === null ? [] : [{ kind: 'delete', path, version: node.stat.version }]
    await session.transact([
      ...removal,
      { kind: 'create', path, data: Buffer.from(store), isEphemeral: true },
    ])
    this.#thereAs = session.id
    this.#isRivalSaid = false
    // Watched before what is published is looked at, so that no call to look again is missed.
    await session.get(path, true)
  }

  /**
   * Tells a gateway that has come back to look at everything again, which it does when its node changes: until now it
   * counted as gone here, and may have been taken out of lists after it had looked at them.
   */
  async #wake(path: string, { data, stat }: ZooKeeperNode): Promise<void> {
    try {
      await this.#options.session.transact([{ kind: 'set', path, data, version: stat.version }])
    } catch (error) {
      if (!isOutdated(error)) throw error
    }
  }
}

/** Whether the node has changed meanwhile, or gone. */
function isOutdated(error: unknown): boolean {
  return error instanceof KVError && (error.code === 'CONFLICT' || error.code === 'FAILED_PRECONDITION')
}

/** Whether a transaction came too late: another has made the node. */
function isTaken(error: unknown): boolean {
  return error instanceof KVError && error.code === 'ALREADY_EXISTS'
}

function below(folder: string): string {
  return `/${OWN_FOLDER}${folder}`
}

const NO_BYTES = Buffer.alloc(0)
