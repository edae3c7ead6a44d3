/**
 * Hop 6: the data side of the RocksDB engine, one a data thread. It gathers what a loop turn brings and hands it over
 * once: reads to one ShardReader an incarnation, writes to the writer thread. A read may be answered many turns later, as
 * scans are (read-pace.ts). The caller holds a lease on every incarnation that it names, from the call until `done`;
 * `detach` comes from the lease protocol, before the DB is closed.
 */
import type { Clock } from '../../base/clock.js'
import { type Done, KVError, toKVError } from '../../base/errors.js'
import { traceHop } from '../../base/trace.js'
import type { Incarnation } from '../../model/cluster-map.js'
import type { LeafEngine, ShardPage } from '../../model/leaf-engine.js'
import type { ShardMutate, ShardRead, ShardScan } from '../../model/plan.js'
import type { MutateResult } from '../../model/request.js'
import type { RowOutcome } from '../../model/row.js'
import { AttachedDatabase } from './store/binding.js'
import { threadFetchedBytes } from './read/cold-detector.js'
import { ReadGate } from './read/read-gate.js'
import { ReadPace } from './read/read-pace.js'
import { optionsOf } from './store/shard-files.js'
import { ShardReader } from './read/shard-reader.js'
import type { DropSuperseded } from './read/superseded.js'
import { ROCKSDB_ENGINE } from './store/store.js'
import { WriteClient } from './write/write-client.js'
import type { WriteChannel } from './write/write-wire.js'

export interface RocksEngineOptions {
  readonly clock: Clock
  /** To the writer thread. */
  readonly channel: WriteChannel
}

export class RocksEngine implements LeafEngine {
  readonly name = ROCKSDB_ENGINE
  readonly #clock: Clock
  readonly #fetchedBytes = threadFetchedBytes()
  readonly #pace: ReadPace
  readonly #gate = new ReadGate()
  readonly #writes: WriteClient
  readonly #readers = new Map<number, ShardReader>()
  #waiting = new Set<ShardReader>()
  #isScheduled = false

  constructor({ clock, channel }: RocksEngineOptions) {
    this.#clock = clock
    this.#pace = new ReadPace(clock)
    this.#writes = new WriteClient(channel, clock)
  }

  /** Bytes of writes that the writer thread has not acknowledged. */
  get unacknowledgedBytes(): number {
    return this.#writes.queuedBytes
  }

  read(read: ShardRead, done: Done<readonly RowOutcome[]>): void {
    traceHop('leaf.engine')
    const reader = this.#readerOf(read.incarnation)
    if (reader instanceof KVError) {
      done(reader)
      return
    }
    reader.add(read, done)
    this.#waiting.add(reader)
    this.#schedule()
  }

  scan(scan: ShardScan, done: Done<ShardPage>): void {
    traceHop('leaf.engine')
    const reader = this.#readerOf(scan.incarnation)
    if (reader instanceof KVError) {
      done(reader)
      return
    }
    reader.scan(scan, done)
    this.#schedule()
  }

  mutate(mutate: ShardMutate, done: Done<MutateResult>): void {
    traceHop('leaf.engine')
    this.#writes.add(mutate, done)
    this.#schedule()
  }

  /** Answers all reads in a few turns, those under way and those that come, as UNAVAILABLE: for the process's end. */
  endReads(): void {
    this.#gate.shut()
  }

  /**
   * Lets go of an incarnation, so that its DB can be closed.
   * @throws {KVError} FAILED_PRECONDITION while it is being read: asynchronously, or in steps that have begun. Rows and
   * scans that wait for their first slice touch the DB no more: they answer SHARD_NOT_SERVING
   */
  detach(incarnationId: number): void {
    this.#readers.get(incarnationId)?.database.detach()
    this.#readers.delete(incarnationId)
  }

  #readerOf(incarnation: Incarnation): ShardReader | KVError {
    const reader = this.#readers.get(incarnation.id)
    if (reader !== undefined) return reader
    try {
      return this.#attach(incarnation)
    } catch (error) {
      return toKVError(error, 'attaching to a shard')
    }
  }

  #attach(incarnation: Incarnation): ShardReader {
    const { id, handle, directory, format } = incarnation
    const database = new AttachedDatabase(handle, directory, optionsOf(format))
    const drop: DropSuperseded = (keys, asOfMs) => {
      if (!this.#writes.mayDropSuperseded(id)) return
      this.#writes.dropSuperseded(id, { keys, asOfMs })
      this.#schedule()
    }
    const reader = new ShardReader(database, incarnation, {
      clock: this.#clock,
      fetchedBytes: this.#fetchedBytes,
      pace: this.#pace,
      gate: this.#gate,
      dropSuperseded: () => (this.#writes.mayDropSuperseded(id) ? drop : null),
    })
    this.#readers.set(id, reader)
    return reader
  }

  /** After this turn's sockets were read: everything that they brought is in one gathering. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#isScheduled = false
    const waiting = this.#waiting
    this.#waiting = new Set()
    this.#writes.flush()
    for (const reader of waiting) reader.flush()
    this.#pace.run()
  }
}
