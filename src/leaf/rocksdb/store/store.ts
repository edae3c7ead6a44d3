/**
 * Control side of the RocksDB engine: creates, opens and closes shards, on the main thread alone. What it opens, other
 * threads reach by the handle in the incarnation; when it may close, the lease protocol decides, not this file.
 */
import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { KVError } from '../../../base/errors.js'
import type { Incarnation, ShardFormat, WritableFormat } from '../../../model/cluster-map.js'
import type { LeafStore, ShardLocation } from '../../../model/leaf-engine.js'
import { OwnedDatabase } from './binding.js'
import { makeNewDirectory, syncDirectory } from './files.js'
import { checkFormat, databaseDirectory, optionsOf, RANGE_TOMBSTONES_KEY } from './shard-files.js'
import { readSeal, readWatermark, writeFormat, writeWatermark } from './shard-files.js'

export const ROCKSDB_ENGINE = 'rocksdb'

export class RocksStore implements LeafStore {
  readonly name = ROCKSDB_ENGINE
  readonly #nextId: () => number
  readonly #open = new Map<number, OwnedDatabase>()

  /** @param nextId gives ids that are unique within the process; the default counts from 1 */
  constructor(nextId: () => number = countFrom(1)) {
    this.#nextId = nextId
  }

  /** Complete or absent: it is built beside and renamed into place. */
  async createWritable(directory: string, format: WritableFormat): Promise<void> {
    const staging = `${directory}.new`
    await rm(staging, { recursive: true, force: true })
    if (existsSync(directory)) throw new KVError('ALREADY_EXISTS', `${directory} exists already`)
    await makeNewDirectory(staging)
    await makeNewDirectory(databaseDirectory(staging))
    const database = await OwnedDatabase.create(databaseDirectory(staging), optionsOf(format))
    const { sequence } = database
    await database.close()
    await writeWatermark(staging, { sequence, stamp: 0 })
    await writeFormat(staging, format)
    await rename(staging, directory)
    await syncDirectory(dirname(directory))
  }

  async open(shard: ShardLocation): Promise<Incarnation> {
    const { directory, format, datasetId, maxCellVersions } = shard
    checkFormat(directory, format)
    // Read before the DB is opened: opening replays the log and cannot be undone.
    const expected = format === 'sealed' ? readSeal(directory) : readWatermark(directory)
    const database = await OwnedDatabase.open(databaseDirectory(directory), optionsOf(format))
    const { sequence } = database
    if (format === 'sealed' ? sequence !== expected.sequence : sequence < expected.sequence) {
      await database.close()
      throw new KVError(
        'CORRUPT',
        `${directory} lost writes: its sequence is ${sequence}, recorded is ${expected.sequence}; restore it`,
      )
    }
    let hasRangeTombstones: SharedArrayBuffer
    try {
      hasRangeTombstones = rangeTombstoneFlag(database, format)
    } catch (error) {
      await database.close()
      throw error
    }
    const id = this.#nextId()
    this.#open.set(id, database)
    const { handle } = database
    return {
      id,
      datasetId,
      shard: shard.shard,
      format,
      maxCellVersions,
      engine: this.name,
      handle,
      hasRangeTombstones,
      directory,
    }
  }

  async close(incarnationId: number): Promise<void> {
    const database = this.#open.get(incarnationId)
    if (database === undefined) return
    await database.close()
    this.#open.delete(incarnationId)
  }

  /** The open DB of an incarnation, for its figures; null when it is closed, or was never open here. */
  databaseOf(incarnationId: number): OwnedDatabase | null {
    return this.#open.get(incarnationId) ?? null
  }

  async closeAll(): Promise<void> {
    const failures: unknown[] = []
    for (const id of [...this.#open.keys()]) {
      await this.close(id).catch((error: unknown) => failures.push(error))
    }
    if (failures.length > 0) throw failures[0]
  }
}

/** As in Incarnation; set where the shard has recorded that it may hold range tombstones. */
function rangeTombstoneFlag(database: OwnedDatabase, format: ShardFormat): SharedArrayBuffer {
  const flag = new SharedArrayBuffer(4)
  const [recorded] = format === 'sealed' ? [] : database.getMany([RANGE_TOMBSTONES_KEY])
  if (recorded !== undefined) Atomics.store(new Int32Array(flag), 0, 1)
  return flag
}

function countFrom(first: number): () => number {
  let next = first
  return () => next++
}
