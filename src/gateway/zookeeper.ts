/** Publishes what this gateway serves where Terrapin's fat clients look for it, if a quorum is configured. */
import { createHash } from 'node:crypto'
import {
  fileSetNode,
  hostsOfView,
  isWholeView,
  leaderNode,
  viewNode,
} from '../../shims/terrapin/zookeeper-nodes.js'
import { resourceName } from '../../shims/terrapin/translate.js'
import { startSystemTimer } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { ThreadMetrics } from '../base/metrics.js'
import type { Config } from '../config/schema.js'
import type { DatasetRecord } from '../model/dataset.js'
import type { Metastore } from '../model/metastore.js'
import type { NodeContents, Publication } from '../zookeeper/file-set-plan.js'
import { Publisher } from '../zookeeper/publisher.js'
import { ZooKeeperSession } from '../zookeeper/session.js'

type ServedRecords = Pick<Metastore, 'list' | 'subscribe'>

export interface ZooKeeperParts {
  readonly config: Config
  readonly metastore: ServedRecords & Pick<Metastore, 'tokenKey'>
  readonly metrics: Pick<ThreadMetrics, 'gauge' | 'counter' | 'onSnapshot'>
  readonly logger: Logger
  /** Port of the controller; null: it does not listen. */
  readonly controllerPort: () => number | null
}

const CONTENTS: NodeContents = {
  fileSet: fileSetNode,
  view: viewNode,
  hostsOfView,
  isWholeView,
  viewName: (fileSet, version) => resourceName({ fileSet, version }),
}

/** Follows the metastore from now on; connects when it is told that requests may come. */
export class GatewayZooKeeper {
  readonly #session: ZooKeeperSession | null
  readonly #publisher: Publisher | null

  constructor({ config, metastore, metrics, logger: parent, controllerPort }: ZooKeeperParts) {
    const { quorum, clusters, advertisedHost, sessionTimeoutMs } = config.terrapin.zookeeper
    if (quorum.length === 0) {
      this.#session = null
      this.#publisher = null
      return
    }
    const logger = parent.child({ part: 'zookeeper' })
    const connected = metrics.gauge('godwit_zookeeper_connected')
    const served = new ServedFileSets(metastore)
    const session = new ZooKeeperSession({
      servers: quorum.map(serverOf),
      timeoutMs: sessionTimeoutMs,
      startTimer: startSystemTimer,
      logger,
      events: {
        onUp: () => {
          connected(1)
          publisher.up()
        },
        onDown: () => {
          connected(0)
          publisher.down()
        },
        onChanged: () => publisher.nodeChanged(),
      },
    })
    const publisher = new Publisher({
      session,
      clusters,
      host: advertisedHost,
      store: storeName(metastore.tokenKey),
      leader: () => {
        const port = controllerPort()
        return port === null ? null : leaderNode(advertisedHost, port)
      },
      contents: CONTENTS,
      served,
      startTimer: startSystemTimer,
      logger,
      onFailure: metrics.counter('godwit_zookeeper_failures_total'),
    })
    const published = metrics.gauge('godwit_zookeeper_file_sets', { state: 'published' })
    const foreign = metrics.gauge('godwit_zookeeper_file_sets', { state: 'foreign' })
    metrics.onSnapshot(() => {
      const figures = publisher.figures()
      published(figures.published)
      foreign(figures.foreign)
    })
    served.follow((name) => publisher.changed(name))
    this.#session = session
    this.#publisher = publisher
  }

  start(): void {
    this.#session?.start()
  }

  /** Other gateways hear of it; the nodes stay as they are. */
  async close(): Promise<void> {
    this.#publisher?.close()
    await this.#session?.close()
  }
}

/**
 * What the data threads have adopted, which the metastore tells after those who bring it there. Its own records are ahead:
 * clients that a look at all file sets led to a version that is still being opened would not find it.
 */
class ServedFileSets {
  readonly #metastore: ServedRecords
  readonly #byName = new Map<string, Publication>()

  constructor(metastore: ServedRecords) {
    this.#metastore = metastore
    for (const record of metastore.list()) this.#adopt(record.name, record)
  }

  get(name: string): Publication | null {
    return this.#byName.get(name) ?? null
  }

  names(): readonly string[] {
    return [...this.#byName.keys()]
  }

  follow(onChange: (name: string) => void): void {
    this.#metastore.subscribe((name, record) => {
      this.#adopt(name, record)
      onChange(name)
      return Promise.resolve()
    })
  }

  #adopt(name: string, record: DatasetRecord | null): void {
    const publication = publicationOf(record)
    if (publication === null) this.#byName.delete(name)
    else this.#byName.set(name, publication)
  }
}

/** Only what can be read by a version's name: datasets of versions, once one is served. */
function publicationOf(record: DatasetRecord | null): Publication | null {
  if (record?.mode !== 'BATCH') return null
  const current = record.versions.find(({ state }) => state === 'CURRENT')
  if (current === undefined) return null
  const kept = record.versions.filter(({ state }) => state === 'CURRENT' || state === 'READY')
  return {
    name: record.name,
    current: current.id,
    kept: kept.map(({ id }) => id),
    retainedVersions: record.retainedVersions,
  }
}

/** The key is made once for a metastore and is a secret; its digest names the metastore. */
function storeName(tokenKey: Buffer): string {
  return createHash('sha256').update('godwit zookeeper ').update(tokenKey).digest('hex').slice(0, 32)
}

/** `host:port`, as the configuration was checked for. */
function serverOf(text: string): { readonly host: string; readonly port: number } {
  const at = text.lastIndexOf(':')
  return { host: text.slice(0, at), port: Number(text.slice(at + 1)) }
}
