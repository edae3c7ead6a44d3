/** Part of the composition root: TerrapinController, which changes metadata and so is served by the main thread. */
import { type AddressInfo, createServer, type Server } from 'node:net'
import { createTerrapinController } from '../../shims/terrapin/controller.js'
import { FileSetLoads, type FileSetTaker } from '../../shims/terrapin/controller-loads.js'
import { startSystemTimer, systemClock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Logger } from '../base/logger.js'
import type { ThreadMetrics } from '../base/metrics.js'
import { listenAddress } from '../config/checks.js'
import type { Config } from '../config/schema.js'
import type { VersionSet } from '../leaf/version-set.js'
import type { Loads } from '../model/load.js'
import type { Metastore } from '../model/metastore.js'
import type { ListenerStatus } from '../model/operations.js'
import { NUMBERED } from '../loader/numbered-parts.js'
import { createObjectStore } from '../objects/objects.js'
import { ThriftServer } from '../thrift/server.js'

/** Name of its listener. */
export const CONTROLLER_LISTENER = 'terrapinController'
/** Uploaders hold a connection a load; Terrapin's own bound is on requests. */
const MAX_CONNECTIONS = 1_000

export interface ControllerParts {
  readonly config: Config
  readonly metastore: Metastore
  readonly loads: Loads
  readonly versionSet: Pick<VersionSet, 'endLeaving'>
  readonly metrics: ThreadMetrics
  readonly logger: Logger
  /** Of datasets that migrate, file sets go to their origins as well. */
  readonly doubled: (fileSets: FileSetTaker) => FileSetTaker
}

/** Not listening until it is told to; nothing where it is not enabled. */
export class GatewayController {
  readonly #parts: ControllerParts
  readonly #fileSets: FileSetLoads
  readonly #doubled: FileSetTaker
  #server: ThriftServer | null = null
  #listener: Server | null = null

  constructor(parts: ControllerParts) {
    const { config, metastore, loads, versionSet, logger } = parts
    const { owner, cluster } = config.terrapin
    const objects = createObjectStore(config.objects)
    this.#parts = parts
    this.#fileSets = new FileSetLoads({
      metastore,
      loads,
      endLeaving: (fileSet, versionId) => versionSet.endLeaving(fileSet, versionId),
      list: (url) => objects.list(url, NUMBERED),
      clock: systemClock,
      startTimer: startSystemTimer,
      logger,
      owner: owner.name === '' ? null : owner,
      cluster,
    })
    this.#doubled = parts.doubled(this.#fileSets)
  }

  /** Null: it is not enabled. @throws {KVError} UNAVAILABLE when the port is taken */
  async listen(): Promise<ListenerStatus | null> {
    const at = listenAddress(this.#parts.config, CONTROLLER_LISTENER)
    if (at === null) return null
    const server = this.#createServer()
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => server.accept(socket))
    await new Promise<void>((resolve, reject) => {
      listener.once('error', (error) => reject(listenError(at, error)))
      listener.listen(at, resolve)
    })
    const { logger } = this.#parts
    listener.on('error', (error) => logger.error({ err: error }, 'a listening socket failed'))
    this.#server = server
    this.#listener = listener
    // Of a TCP socket it is an object.
    const { address, port } = listener.address() as AddressInfo
    return { name: CONTROLLER_LISTENER, host: address, port }
  }

  /** Calls that wait are answered, and what they have begun goes on with the next start. */
  async close(): Promise<void> {
    this.#fileSets.close()
    this.#listener?.close()
    await this.#server?.drain(systemClock.monotonicMs() + this.#parts.config.limits.drainTimeoutMs)
  }

  #createServer(): ThriftServer {
    const { metrics, logger, config, metastore } = this.#parts
    const labels = { listener: CONTROLLER_LISTENER }
    const connections = metrics.gauge('godwit_connections', labels)
    const service = createTerrapinController(this.#doubled, {
      clock: systemClock,
      startTimer: startSystemTimer,
      logger,
      root: rootOf(config),
      answerMs: limits.terrapinLoadAnswerMs,
      onAnswered: (fileSet, durationMs, code) => {
        // Names that nobody has checked make no series.
        const dataset = metastore.get(fileSet) === null ? '' : fileSet
        metrics.record('terrapin', 'loadFileSet', dataset, durationMs, code)
      },
    })
    const server = new ThriftServer({
      name: CONTROLLER_LISTENER,
      service,
      servesFinagle: true,
      logger,
      clock: systemClock,
      limits: { maxConnections: MAX_CONNECTIONS },
      events: {
        onConnection: () => {
          metrics.counter('godwit_connections_total', labels)()
          connections(server.connectionCount)
        },
        onDisconnect: () => connections(server.connectionCount),
        onRefused: (reason) => metrics.counter('godwit_connections_refused_total', { ...labels, reason })(),
        onMalformed: (reason) => metrics.counter('godwit_malformed_frames_total', { ...labels, reason })(),
        onFault: () => metrics.counter('godwit_request_faults_total', labels)(),
      },
    })
    return server
  }
}

/** Where bare paths lie; null: nowhere. */
function rootOf({ terrapin, objects }: Config): string | null {
  if (terrapin.root !== '') return terrapin.root
  return objects.webhdfs.urls.length === 0 ? null : 'hdfs://'
}

function listenError({ host, port }: { host: string; port: number }, error: Error): KVError {
  return new KVError(
    'UNAVAILABLE',
    `cannot listen on ${host}:${port}: ${error.message}; is another gateway running?`,
    { cause: error },
  )
}
