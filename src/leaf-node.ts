/**
 * Composition root of a leaf process: a data directory of its own, the copies in it, and the HTTP listener through which
 * gateways read them and put them there. One thread does all of it: a batch is a few microseconds a read, and what is
 * cold is read on libuv's pool. No metastore, no admin API, no loads.
 */
import { systemClock } from './base/clock.js'
import { KVError } from './base/errors.js'
import type { Logger } from './base/logger.js'
import { MetricsPage, ThreadMetrics } from './base/metrics.js'
import { processReadings } from './base/process-figures.js'
import { watchThread } from './base/thread-health.js'
import { listenAddress } from './config/checks.js'
import type { Config } from './config/schema.js'
import { LeafDirectory } from './leaf/http/leaf-directory.js'
import { Receiving } from './leaf/http/receiving.js'
import { LeafServer } from './leaf/http/server.js'
import { ShardSet } from './leaf/http/shard-set.js'
import { acquireDirectoryLock } from './leaf/rocksdb/store/directory-lock.js'
import { RocksEngine } from './leaf/rocksdb/engine.js'
import { RocksStore } from './leaf/rocksdb/store/store.js'
import type { ListenerStatus } from './model/operations.js'

export interface LeafNodeOptions {
  readonly logger: Logger
  /** Version of the program. */
  readonly build: string
}

/** A running leaf process. */
export interface LeafNode {
  readonly listeners: readonly ListenerStatus[]
  stop(): Promise<void>
}

/**
 * Opens the data directory and every copy in it, then listens, until `stop`.
 * @throws {KVError} when the directory is locked, foreign or damaged, when the port is taken, or the listener disabled
 */
export async function startLeafNode(config: Config, { logger, build }: LeafNodeOptions): Promise<LeafNode> {
  const at = listenAddress(config, 'leaf')
  if (at === null)
    throw new KVError('INVALID_ARGUMENT', 'listeners.leaf is disabled: a leaf without it serves nobody')
  const directory = await LeafDirectory.open(config.data.directory, {
    lock: acquireDirectoryLock,
    clock: systemClock,
    logger,
  })
  const engine = new RocksEngine({ clock: systemClock, channel: NO_WRITER })
  const shards = new ShardSet(new RocksStore(), engine)
  const receiving = new Receiving(directory, shards, logger)
  await receiving.openAll()
  const metrics = new ThreadMetrics()
  watchThread(metrics, 'main')
  const page = new MetricsPage()
  const server = new LeafServer({
    directory,
    shards,
    receiving,
    engine,
    clock: systemClock,
    logger,
    build,
    allowedHosts: config.listeners.leaf.allowedHosts,
    events: {
      onBatch: metrics.counter('godwit_leaf_served_batches_total'),
      onRefused: metrics.counter('godwit_leaf_refused_reads_total'),
      onMalformed: metrics.counter('godwit_malformed_frames_total', { listener: 'leaf', reason: 'request' }),
    },
    renderMetrics: async () => {
      metrics.gauge('godwit_open_dbs')(shards.count)
      return await page.render([await metrics.snapshot()], await processReadings(build))
    },
  })
  const bound = await server.listen(at.host, at.port)
  logger.info({ ...bound, directory: directory.path, id: directory.id, copies: shards.count }, 'leaf serves')
  let stopping: Promise<void> | null = null
  const stop = async () => {
    await server.close(config.limits.drainTimeoutMs)
    engine.endReads()
    await shards.close()
    await directory.close()
  }
  return { listeners: [{ name: 'leaf', ...bound }], stop: () => (stopping ??= stop()) }
}

/** Nothing of a leaf process is written in place. */
const NO_WRITER = {
  send: () => {
    throw new KVError('READ_ONLY', 'a leaf process takes no writes')
  },
  onAck: () => undefined,
}
