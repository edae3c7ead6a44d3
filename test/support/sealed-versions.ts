/** Versions of sealed shards made for a test, and object stores that fail at a chosen step. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ShardFormatAccess } from '../../src/archive/copies.js'
import { versionChecksum } from '../../src/base/version-checksum.js'
import { KVError } from '../../src/base/errors.js'
import { murmur3Token } from '../../src/base/hash.js'
import {
  filesOfSealed,
  SEALED_FORMAT_NUMBER,
  SealedCopy,
  syncShard,
} from '../../src/leaf/rocksdb/sealed/sealed-copy.js'
import { SealedShardWriter } from '../../src/leaf/rocksdb/sealed/sealed-writer.js'
import type { VersionFigures } from '../../src/model/metastore.js'
import type { Cell } from '../../src/model/row.js'
import { shardOfToken } from '../../src/model/sharding.js'
import type { ObjectStore, StoredObject } from '../../src/objects/object-store.js'

export const NOW_SECONDS = 1_700_000_000

export const SEALED: ShardFormatAccess = {
  sealedFormat: SEALED_FORMAT_NUMBER,
  open: (directory, keyOrder) => SealedCopy.open(directory, keyOrder),
  files: filesOfSealed,
  sync: syncShard,
}

export function cellOf(name: string, value: string | Buffer, more: Partial<Cell> = {}): Cell {
  return {
    localKey: Buffer.from(name),
    value: Buffer.from(value),
    timestamp: null,
    ttlSeconds: null,
    ...more,
  }
}

export type Rows = ReadonlyMap<string, readonly Cell[]>

/** Seals the rows into shards below a directory that does not exist; answers the version's figures. */
export async function sealVersion(
  directory: string,
  rows: Rows,
  shardCount: number,
): Promise<VersionFigures> {
  mkdirSync(directory)
  const writers: SealedShardWriter[] = []
  for (let shard = 0; shard < shardCount; shard++) {
    const options = { keyOrder: 'HASHED', nowSeconds: NOW_SECONDS } as const
    writers.push(await SealedShardWriter.create(join(directory, String(shard)), options))
  }
  for (const [key, cells] of rows) {
    const rowKey = Buffer.from(key)
    writers[shardOfToken(murmur3Token(rowKey), shardCount)]?.add(rowKey, cells)
  }
  const figures: VersionFigures[] = []
  for (const writer of writers) figures.push(await writer.seal())
  const sum = (what: 'rows' | 'bytes') => figures.reduce((total, shard) => total + shard[what], 0)
  return {
    rows: sum('rows'),
    bytes: sum('bytes'),
    checksum: versionChecksum(figures.map(({ checksum }) => checksum)),
  }
}

export function shardsBelow(directory: string, shardCount: number): string[] {
  return Array.from({ length: shardCount }, (_, shard) => join(directory, String(shard)))
}

/** Passes everything on until the n-th call that writes or reads content, which fails half-way. */
export class FailingObjects implements ObjectStore {
  readonly #objects: ObjectStore
  readonly #failAt: number
  /** Of reads or writes, whichever fail. */
  calls = 0
  readonly #what: 'read' | 'write'

  constructor(objects: ObjectStore, what: 'read' | 'write', failAt: number) {
    this.#objects = objects
    this.#what = what
    this.#failAt = failAt
  }

  list(url: string): Promise<readonly StoredObject[]> {
    return this.#objects.list(url)
  }

  stat(url: string): Promise<StoredObject> {
    return this.#objects.stat(url)
  }

  async *read(object: StoredObject, offset?: number, length?: number): AsyncGenerator<Buffer> {
    const isFailing = this.#what === 'read' && ++this.calls === this.#failAt
    for await (const piece of this.#objects.read(object, offset, length)) {
      if (isFailing) {
        yield piece.subarray(0, piece.length >> 1)
        throw stalled(object.url)
      }
      yield piece
    }
  }

  async write(url: string, content: AsyncIterable<Buffer>): Promise<StoredObject> {
    if (this.#what !== 'write' || ++this.calls !== this.#failAt)
      return await this.#objects.write(url, content)
    const half = async function* () {
      for await (const piece of content) {
        yield piece.subarray(0, piece.length >> 1)
        throw stalled(url)
      }
    }
    return await this.#objects.write(url, half())
  }

  remove(url: string): Promise<void> {
    return this.#objects.remove(url)
  }
}

function stalled(url: string): KVError {
  return new KVError('UNAVAILABLE', `${url} stalled`)
}
