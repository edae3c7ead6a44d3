/**
 * RocksDB's own figures, added up by dataset. A scrape renews as many shards as its time allows, those first whose figures
 * are oldest; the rest keep what they had, and sealed ones are asked once. Main thread only, because it alone has the DBs
 * open as their owner.
 *
 * What the binding offers is less than RocksDB has: figures of a column family only of the default one, where sealed
 * shards have their data and mutable ones have nothing. So of all shards the files and what holds for the whole DB are read;
 * of sealed ones also entries and memory for indexes. Block caches and memtables of mutable shards cannot be asked for:
 * their log files tell about what memtables hold.
 */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.js'
import { KVError } from '../../base/errors.js'
import type { Reading } from '../../base/metrics.js'
import { type ClusterMap, incarnationsOfEntry } from '../../model/cluster-map.js'
import type { Database } from './store/binding.js'
import { databaseDirectory } from './store/shard-files.js'

/** What is known of one shard, and of a dataset as the sum over its shards. */
interface Figures {
  sstBytes: number
  sstFiles: number
  logBytes: number
  sequence: number
  estimatedKeys: number
  tableReadersBytes: number
  runningFlushes: number
  runningCompactions: number
  writeStopped: number
  writeDelayed: number
  stallSeconds: number
  backgroundErrors: number
}

const METRIC_OF = {
  sstBytes: 'godwit_rocksdb_sst_bytes',
  sstFiles: 'godwit_rocksdb_sst_files',
  logBytes: 'godwit_rocksdb_log_bytes',
  sequence: 'godwit_rocksdb_sequence',
  estimatedKeys: 'godwit_rocksdb_estimated_keys',
  tableReadersBytes: 'godwit_rocksdb_table_readers_bytes',
  runningFlushes: 'godwit_rocksdb_running_flushes',
  runningCompactions: 'godwit_rocksdb_running_compactions',
  writeStopped: 'godwit_rocksdb_write_stopped',
  writeDelayed: 'godwit_rocksdb_write_delayed',
  stallSeconds: 'godwit_rocksdb_stall_seconds',
  backgroundErrors: 'godwit_rocksdb_background_errors',
} as const satisfies Readonly<Record<keyof Figures, Reading['name']>>

/** Asking the disk is mostly waiting for a turn. */
const PARALLEL_SAMPLES = 16

// Object.entries widens what the table's type says.
const METRIC_ENTRIES = Object.entries(METRIC_OF) as [keyof Figures, Reading['name']][]

interface Sample {
  readonly figures: Figures
  readonly takenAtMs: number
}

/** A shard of the map that is open here. */
interface OpenShard {
  readonly id: number
  readonly directory: string
  readonly isSealed: boolean
}

/** What is asked of a DB. */
export type AskedDatabase = Pick<Database, 'sequence' | 'numberProperty' | 'textProperty'>

export interface ShardFiguresOptions {
  readonly clock: Clock
  /** As RocksStore has them. */
  readonly databaseOf: (incarnationId: number) => AskedDatabase | null
}

export class ShardFigures {
  readonly #options: ShardFiguresOptions
  #samples = new Map<number, Sample>()
  #pass: Promise<void> | null = null

  constructor(options: ShardFiguresOptions) {
    this.#options = options
  }

  /**
   * The figures of every dataset of the map that has an open shard.
   * @param limitMs how long shards are asked, and how long this takes at most even where the disk does not answer
   */
  async read(map: ClusterMap, limitMs: number): Promise<Reading[]> {
    this.#pass ??= this.#renew(map, limitMs).finally(() => (this.#pass = null))
    await Promise.race([this.#pass, timeLimit(limitMs)])
    return this.#readings(map)
  }

  async #renew(map: ClusterMap, limitMs: number): Promise<void> {
    const { clock } = this.#options
    const untilMs = clock.monotonicMs() + limitMs
    const shards = this.#shardsOf(map)
    const known = this.#samples
    this.#samples = new Map(
      shards.flatMap(({ id }) => {
        const sample = known.get(id)
        return sample === undefined ? [] : [[id, sample] as const]
      }),
    )
    // What is sealed does not change: asked once, it keeps its figures.
    const stale = shards.filter(({ id, isSealed }) => !isSealed || !this.#samples.has(id))
    const ageOf = ({ id }: OpenShard) => this.#samples.get(id)?.takenAtMs ?? Number.NEGATIVE_INFINITY
    stale.sort((a, b) => ageOf(a) - ageOf(b))
    const next = stale.values()
    const renewInTurn = async () => {
      for (const shard of next) {
        if (clock.monotonicMs() >= untilMs) return
        const figures = await this.#sample(shard)
        if (figures !== null) this.#samples.set(shard.id, { figures, takenAtMs: clock.monotonicMs() })
      }
    }
    await Promise.all(Array.from({ length: PARALLEL_SAMPLES }, renewInTurn))
  }

  #shardsOf(map: ClusterMap): OpenShard[] {
    const shards: OpenShard[] = []
    for (const entry of map.datasets.values()) {
      for (const { id, directory, format } of incarnationsOfEntry(entry)) {
        if (this.#options.databaseOf(id) === null) continue
        shards.push({ id, directory, isSealed: format === 'sealed' })
      }
    }
    return shards
  }

  /** Null when the shard is being closed. */
  async #sample({ id, directory, isSealed }: OpenShard): Promise<Figures | null> {
    const files = await filesOf(databaseDirectory(directory))
    // After the files, because it may have been closed meanwhile; in one tick, because it may be closed afterwards.
    const database = this.#options.databaseOf(id)
    if (database === null) return null
    try {
      return { ...files, ...(isSealed ? sealedFigures(database) : mutableFigures(database)) }
    } catch (error) {
      if (error instanceof KVError && error.code === 'SHARD_NOT_SERVING') return null
      throw error
    }
  }

  #readings(map: ClusterMap): Reading[] {
    const readings: Reading[] = []
    let oldestAtMs = Number.POSITIVE_INFINITY
    for (const [dataset, entry] of map.datasets) {
      let sum: Figures | null = null
      for (const { id, format } of incarnationsOfEntry(entry)) {
        const sample = this.#samples.get(id)
        if (sample === undefined) continue
        if (format !== 'sealed') oldestAtMs = Math.min(oldestAtMs, sample.takenAtMs)
        sum = sum === null ? { ...sample.figures } : add(sum, sample.figures)
      }
      if (sum === null) continue
      for (const [figure, name] of METRIC_ENTRIES) {
        readings.push({ name, labels: { dataset }, value: sum[figure] })
      }
    }
    const age = Number.isFinite(oldestAtMs) ? (this.#options.clock.monotonicMs() - oldestAtMs) / 1000 : 0
    readings.push({ name: 'godwit_rocksdb_oldest_sample_seconds', labels: {}, value: age })
    return readings
  }
}

function add(sum: Figures, figures: Figures): Figures {
  for (const [figure] of METRIC_ENTRIES) sum[figure] += figures[figure]
  return sum
}

type DatabaseFigures = Omit<Figures, 'sstBytes' | 'sstFiles' | 'logBytes'>

/** Never written to: nothing of it flushes, compacts or stalls. */
function sealedFigures(database: AskedDatabase): DatabaseFigures {
  return {
    sequence: database.sequence,
    estimatedKeys: database.numberProperty('estimate-num-keys'),
    tableReadersBytes: database.numberProperty('estimate-table-readers-mem'),
    runningFlushes: 0,
    runningCompactions: 0,
    writeStopped: 0,
    writeDelayed: 0,
    stallSeconds: 0,
    backgroundErrors: 0,
  }
}

function mutableFigures(database: AskedDatabase): DatabaseFigures {
  return {
    sequence: database.sequence,
    estimatedKeys: 0,
    tableReadersBytes: 0,
    runningFlushes: database.numberProperty('num-running-flushes'),
    runningCompactions: database.numberProperty('num-running-compactions'),
    writeStopped: database.numberProperty('is-write-stopped'),
    writeDelayed: database.numberProperty('actual-delayed-write-rate') > 0 ? 1 : 0,
    stallSeconds: stallSecondsOf(database.textProperty('dbstats')),
    backgroundErrors: database.numberProperty('background-errors'),
  }
}

/** From RocksDB's text, `Cumulative stall: 00:01:2.500 H:M:S, 0.4 percent`; 0 where it has no such line. */
export function stallSecondsOf(text: string): number {
  const found = /^Cumulative stall: (\d+):(\d+):(\d+(?:\.\d+)?) H:M:S/m.exec(text)
  if (found === null) return 0
  const [, hours, minutes, seconds] = found
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
}

async function filesOf(directory: string): Promise<Pick<Figures, 'sstBytes' | 'sstFiles' | 'logBytes'>> {
  const figures = { sstBytes: 0, sstFiles: 0, logBytes: 0 }
  for (const name of await namesIn(directory)) {
    const isTable = name.endsWith('.sst')
    if (!isTable && !name.endsWith('.log')) continue
    const size = await sizeOf(join(directory, name))
    if (isTable) {
      figures.sstBytes += size
      figures.sstFiles += 1
    } else figures.logBytes += size
  }
  return figures
}

/** Empty when it went away meanwhile: figures are no place to report that. */
async function namesIn(directory: string): Promise<readonly string[]> {
  return await readdir(directory).catch(() => [])
}

/** 0 when it went away meanwhile: RocksDB removes files at any time. */
async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    () => 0,
  )
}

function timeLimit(limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, limitMs).unref()
  })
}
