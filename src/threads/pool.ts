/**
 * The threads of the data plane as the main thread sees them: started together, asked together, and never restarted. A
 * thread that ends by itself takes the process with it: its leases can no longer be released, and a native call of its
 * may still be running.
 *
 * All data threads accept on one socket, by its descriptor number. A thread that ends closes that number, and whatever
 * got the same number since would be closed with the next thread's end. So no thread ends before every DB is closed,
 * and a process that loses a thread is killed at once, without any clean-up.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { KVError } from '../base/errors.js'
import type { Logger, SharedLogLevel } from '../base/logger.js'
import type { MetricsSnapshot } from '../base/metrics.js'
import type { DataListener } from '../config/listeners.js'
import type { Config } from '../config/schema.js'
import type { FrozenShard } from '../leaf/rocksdb/write/writer.js'
import type { Difference, FlightRecord } from '../model/difference.js'
import type { MutateRequest, MutateResult, ReadRequest } from '../model/request.js'
import type { RowOutcome } from '../model/row.js'
import type { ScanRequest, ScanResult } from '../model/scan.js'
import type { CqlAnswer, CqlCall, TableCall } from '../model/table-call.js'
import type { Observations } from '../base/usage.js'
import type { WatchSnapshot } from '../routing/migration-watch.js'
import {
  type DataThreadSetup,
  type FromThread,
  type ListenAnswer,
  type Portable,
  ThreadLink,
  type VersionQuestion,
  type WriterThreadSetup,
  errorToPortable,
  portableToError,
  withBuffers,
} from './bus.js'
import type { LeaseKeeper } from './leases.js'

export interface ThreadPoolOptions {
  readonly config: Config
  readonly build: string
  /** As in Metastore. */
  readonly tokenKey: Buffer
  /** As in DataThreadSetup. */
  readonly breakers: SharedArrayBuffer
  readonly logger: Logger
  readonly logLevel: SharedLogLevel
  readonly keeper: LeaseKeeper
  onShardFailed(incarnationId: number, error: KVError): void
  /** Reads of a thread wait for this version. Resolves when a map names it; what it rejects with refuses the reads. */
  onVersionWanted(dataset: string, versionId: number): Promise<void>
  /** The same of reads that no leaf answered: the version is to be open in this process. */
  onReadHere(dataset: string, versionId: number): Promise<void>
  onMigrationFigures(thread: string, figures: readonly WatchSnapshot[]): void
  onDifferences(differences: readonly Difference[], lost: number): void
  /** A thread's breaker of a leaf process opened or closed. */
  onLeafBreaker(thread: string, leaf: string, isOpen: boolean): void
  /** A client of a data thread changes a table. */
  onTableCall(call: TableCall): Promise<void>
  onCqlCall(call: CqlCall): Promise<CqlAnswer>
}

export class ThreadPool {
  readonly #options: ThreadPoolOptions
  readonly #dataLinks: ThreadLink[] = []
  #writerLink: ThreadLink | null = null
  #nextLink = 0

  private constructor(options: ThreadPoolOptions) {
    this.#options = options
  }

  /** Starts the writer and all data threads; resolves when each has the current map. */
  static async start(options: ThreadPoolOptions): Promise<ThreadPool> {
    const pool = new ThreadPool(options)
    const { config, build, tokenKey, breakers, logLevel } = options
    const channels = Array.from({ length: config.threads.data }, () => new MessageChannel())
    const writerSetup: WriterThreadSetup = {
      name: 'writer',
      config,
      logLevel,
      ports: channels.map(({ port1 }) => port1),
    }
    const adoptions: Promise<void>[] = []
    pool.#writerLink = pool.#startThread('writer-thread.js', writerSetup, writerSetup.ports, adoptions)
    for (const [index, { port2 }] of channels.entries()) {
      const setup: DataThreadSetup = {
        name: `data-${index}`,
        config,
        logLevel,
        build,
        tokenKey,
        breakers,
        writerPort: port2,
      }
      pool.#dataLinks.push(pool.#startThread('data-thread.js', setup, [port2], adoptions))
    }
    await Promise.all(adoptions)
    return pool
  }

  get dataThreadCount(): number {
    return this.#dataLinks.length
  }

  /** The first thread binds the port, the others share its socket. @throws {KVError} when it is taken */
  async listen(listener: DataListener, host: string, port: number): Promise<ListenAnswer> {
    const [first, ...others] = this.#dataLinks
    if (first === undefined) throw new KVError('INTERNAL', 'no data thread is there to listen')
    const answer = await first.ask<'listen'>({ kind: 'listen', listener, target: { host, port } })
    const shared = { fd: answer.fd }
    await Promise.all(others.map((link) => link.ask<'listen'>({ kind: 'listen', listener, target: shared })))
    return answer
  }

  async snapshots(): Promise<MetricsSnapshot[]> {
    const links = [...this.#dataLinks, ...(this.#writerLink === null ? [] : [this.#writerLink])]
    return await Promise.all(links.map((link) => link.ask<'metrics'>({ kind: 'metrics' })))
  }

  /** What the data threads noted of their requests since they were asked last. */
  async observations(): Promise<readonly Observations[]> {
    return await Promise.all(
      this.#dataLinks.map((link) => link.ask<'observations'>({ kind: 'observations' })),
    )
  }

  /** Through the same admission and routing as every client's read. @throws {KVError} when the call as a whole fails */
  async read(request: Portable<ReadRequest>, timeoutMs: number): Promise<readonly RowOutcome[]> {
    const rows = await this.#someLink().ask<'read'>({ kind: 'read', request, timeoutMs })
    return withBuffers(rows).map((row) =>
      row !== null && 'isPortableError' in row ? portableToError(row) : row,
    )
  }

  async mutate(request: Portable<MutateRequest>, timeoutMs: number): Promise<MutateResult> {
    return await this.#someLink().ask<'mutate'>({ kind: 'mutate', request, timeoutMs })
  }

  async scan(request: Portable<ScanRequest>, timeoutMs: number): Promise<ScanResult> {
    return withBuffers(await this.#someLink().ask<'scan'>({ kind: 'scan', request, timeoutMs }))
  }

  /**
   * Links the files of shards that can be written, all at one point in time; answers the greatest stamp given until then.
   * @throws {KVError} SHARD_NOT_SERVING, UNAVAILABLE: remove what was linked and try again
   */
  async freeze(shards: readonly FrozenShard[]): Promise<number> {
    if (this.#writerLink === null) throw new KVError('INTERNAL', 'no writer thread is there to ask')
    return await this.#writerLink.ask<'freeze'>({ kind: 'freeze', shards })
  }

  /** New connections get the certificates of now. @throws {KVError} INVALID_ARGUMENT: they are wrong, those before stay */
  async reloadTls(): Promise<void> {
    await Promise.all(this.#dataLinks.map((link) => link.ask<'reloadTls'>({ kind: 'reloadTls' })))
  }

  /** Answers what is in flight and closes the clients' connections. The threads stay, and their listening sockets. */
  async drain(timeoutMs: number): Promise<void> {
    await Promise.all(this.#dataLinks.map((link) => link.ask<'drain'>({ kind: 'drain', timeoutMs })))
  }

  /** Ends the reads that nobody waits for any more; to be called before the DBs are closed. */
  async endReads(): Promise<void> {
    await Promise.all(this.#dataLinks.map((link) => link.ask<'endReads'>({ kind: 'endReads' })))
  }

  /** The last decisions of all data threads about datasets that move, oldest first. */
  async flights(lastMs: number, dataset: string | null): Promise<FlightRecord[]> {
    const ask = { kind: 'flights', lastMs, dataset } as const
    const answers = await Promise.all(this.#dataLinks.map((link) => link.ask<'flights'>(ask)))
    return answers.flat().sort((a, b) => a.atMs - b.atMs)
  }

  /** Seconds since each incarnation was last used by a data thread; absent: never. */
  async recentUses(): Promise<ReadonlyMap<number, number>> {
    const youngest = new Map<number, number>()
    const answers = await Promise.all(
      this.#dataLinks.map((link) => link.ask<'recentUses'>({ kind: 'recentUses' })),
    )
    for (const [id, seconds] of answers.flat()) {
      youngest.set(id, Math.min(seconds, youngest.get(id) ?? Number.POSITIVE_INFINITY))
    }
    return youngest
  }

  #someLink(): ThreadLink {
    const link = this.#dataLinks[this.#nextLink++ % this.#dataLinks.length]
    if (link === undefined) throw new KVError('INTERNAL', 'no data thread is there to ask')
    return link
  }

  #startThread(
    file: string,
    setup: DataThreadSetup | WriterThreadSetup,
    ports: readonly MessagePort[],
    adoptions: Promise<void>[],
  ): ThreadLink {
    const { keeper } = this.#options
    const worker = new Worker(new URL(file, import.meta.url), {
      name: setup.name,
      workerData: setup,
      transferList: [...ports],
    })
    const link = new ThreadLink((message) => {
      worker.postMessage(message)
    })
    worker.on('message', (message: FromThread) => {
      this.#receive(setup.name, link, message)
    })
    worker.on('error', (error) => {
      this.#die(setup.name, error)
    })
    worker.on('exit', (code) => {
      this.#die(setup.name, new Error(`exit code ${code}`))
    })
    adoptions.push(
      keeper.addHolder(setup.name, (delta) => {
        link.sendMap(delta)
      }),
    )
    return link
  }

  #receive(name: string, link: ThreadLink, message: FromThread): void {
    switch (message.kind) {
      case 'lease':
        this.#options.keeper.receive(name, message.message)
        break
      case 'shardFailed':
        this.#options.onShardFailed(message.incarnationId, portableToError(message.error))
        break
      case 'version':
        void this.#answerWish(message).catch((error: unknown) => link.refuseVersion(message, error))
        break
      case 'migrationFigures':
        this.#options.onMigrationFigures(name, message.figures)
        break
      case 'differences':
        this.#options.onDifferences(message.differences, message.lost)
        break
      case 'leafBreaker':
        this.#options.onLeafBreaker(name, message.leaf, message.isOpen)
        break
      case 'tableCall':
        this.#options.onTableCall(message.call).then(
          () => link.answerTable(message.id, null),
          (error: unknown) => link.answerTable(message.id, error),
        )
        break
      case 'cqlCall':
        this.#options.onCqlCall(message.call).then(
          (answer) => link.answerCql(message.id, answer),
          (error: unknown) => link.answerCql(message.id, errorToPortable(error)),
        )
        break
      case 'answer':
      case 'refusal':
        link.settle(message)
        break
    }
  }

  #answerWish({ wish, dataset, versionId }: VersionQuestion): Promise<void> {
    return wish === 'openVersion'
      ? this.#options.onVersionWanted(dataset, versionId)
      : this.#options.onReadHere(dataset, versionId)
  }

  #die(name: string, error: Error): void {
    this.#options.logger.error({ thread: name, err: error }, 'a data-plane thread ended; so does the process')
    this.#options.keeper.holderDied(name)
  }
}
