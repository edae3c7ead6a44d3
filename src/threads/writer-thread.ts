/**
 * Composition root of the writer thread: all writes of the leaf, because the binding's writes block their thread, and
 * because one thread that decides needs no locks. Holds one use of every mutable shard from the map that names it until
 * its queue is committed and its watermark recorded; only then may main close it.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../base/clock.js'
import { KVError, toKVError } from '../base/errors.js'
import { createLogger } from '../base/logger.js'
import { ThreadMetrics } from '../base/metrics.js'
import { watchThread } from '../base/thread-health.js'
import { rulesOf } from '../leaf/rocksdb/write/writable-shard.js'
import { GroupWriter } from '../leaf/rocksdb/write/writer.js'
import type { ClusterMapDelta, DatasetEntry, Incarnation } from '../model/cluster-map.js'
import { type Ask, type FromThread, type ToThread, type WriterThreadSetup, errorToPortable } from './bus.js'
import { killProcess } from './kill-process.js'
import { LeaseHolder } from './leases.js'

// Both are there in every worker that pool.ts starts; the setup is what it passes.
const mainPort = parentPort as NonNullable<typeof parentPort>
const setup = workerData as WriterThreadSetup

const logger = createLogger(setup.logLevel, { thread: setup.name })
const metrics = new ThreadMetrics()
const attached = new Map<number, Incarnation>()
const leases = new LeaseHolder({
  send: (message) => send({ kind: 'lease', message }),
  onRetire: () => undefined,
  onViolation: (error) => {
    logger.error({ err: error }, 'a lease rule is broken: the process ends before a closed DB is touched')
    killProcess()
  },
})
const observeOperations = metrics.histogram('godwit_group_commit_operations')
const observeDuration = metrics.histogram('godwit_group_commit_duration_seconds')
const setQueue = metrics.gauge('godwit_writer_queue_operations')
const writer = new GroupWriter({
  clock: systemClock,
  onShardFailed: (incarnationId, error) => {
    logger.error({ incarnationId, err: error }, 'a write failed: the shard is opened anew')
    send({ kind: 'shardFailed', incarnationId, error: errorToPortable(error) })
  },
  onWatermarkFailed: (incarnationId, error) => {
    logger.warn({ incarnationId, err: error }, 'a watermark could not be recorded')
  },
  onPurged: (kind, count) => metrics.counter('godwit_purged_entries_total', { kind })(count),
  onPurgeFailed: (incarnationId, error) => {
    const { code } = error
    metrics.counter('godwit_purge_failures_total', { code })(1)
    logger.warn(
      { incarnationId, code, err: error },
      'a shard was not purged everywhere: it is tried again later',
    )
  },
  onGroup: (operations, durationMs) => {
    observeOperations(operations)
    observeDuration(durationMs / 1000)
  },
})

watchThread(metrics, setup.name)
metrics.onSnapshot(() => setQueue(writer.queueLength))

for (const port of setup.ports) {
  const receive = writer.channel((acks) => port.postMessage(acks, [acks.buffer]))
  port.on('message', receive)
}

mainPort.on('message', (message: ToThread) => {
  if (message.kind === 'map') adopt(message.delta)
  else if (message.kind === 'ask') answer(message.id, message.ask)
})

function send(message: FromThread): void {
  mainPort.postMessage(message)
}

function adopt(delta: ClusterMapDelta): void {
  leases.adopt(delta)
  for (const entry of delta.changed) attachShards(entry)
  for (const [id, incarnation] of attached) if (!leases.isNamed(id)) void letGo(incarnation)
}

function attachShards({ record, live }: DatasetEntry): void {
  for (const incarnation of live) {
    if (incarnation === null) continue
    try {
      writer.attach(incarnation, record.timestampUnit, rulesOf(record))
      if (attached.has(incarnation.id)) continue
      leases.acquire(incarnation)
      attached.set(incarnation.id, incarnation)
    } catch (error) {
      const { dataset, code, message } = toKVError(error, `attaching ${incarnation.directory}`)
      logger.error({ dataset, code, directory: incarnation.directory, err: error }, message)
      send({ kind: 'shardFailed', incarnationId: incarnation.id, error: errorToPortable(error) })
    }
  }
}

async function letGo(incarnation: Incarnation): Promise<void> {
  attached.delete(incarnation.id)
  await writer.detach(incarnation.id)
  leases.release(incarnation)
}

function answer(id: number, ask: Ask): void {
  const refuse = (error: unknown) => send({ kind: 'refusal', id, error: errorToPortable(error) })
  const reply = (value: unknown) => send({ kind: 'answer', id, value })
  switch (ask.kind) {
    case 'metrics':
      metrics.snapshot().then(reply, refuse)
      break
    case 'freeze':
      try {
        reply(writer.freeze(ask.shards))
      } catch (error) {
        refuse(error)
      }
      break
    case 'observations':
    case 'flights':
    case 'recentUses':
    case 'listen':
    case 'reloadTls':
    case 'read':
    case 'mutate':
    case 'scan':
    case 'drain':
    case 'endReads':
      refuse(new KVError('INTERNAL', `${ask.kind} is a question for a data thread`))
  }
}
