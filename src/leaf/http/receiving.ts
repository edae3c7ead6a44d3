/**
 * Copies on their way into a leaf: a list of files, then each file, then the adoption. What has arrived stays, whatever
 * ends in between, so that a copy that broke off goes on with the next file; a file that does not have the size and
 * checksum of its list is no file. Repeating any step is fine.
 *
 * The list says what left the gateway's disk, which may be damaged already: so before it is adopted a copy is read from end
 * to end and held against its seal, and one that fails is thrown away.
 */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { KVError, toKVError } from '../../base/errors.js'
import type { Logger } from '../../base/logger.js'
import { exists, makeDirectories, onDisk, writeFileDurably } from '../disk.js'
import { checkSealed } from '../rocksdb/sealed/sealed-copy.js'
import { readJsonNow, syncFile } from '../rocksdb/store/files.js'
import { type LeafDirectory, targetPath } from './leaf-directory.js'
import {
  type CopiedFile,
  decodeShardFiles,
  doTablesDiffer,
  encodeShardFiles,
  type ShardFiles,
} from './shard-copy.js'
import type { ShardSet } from './shard-set.js'
import type { ShardTarget } from './wire.js'

/** Whose copy a directory holds, beside its files. */
const COPY = 'COPY.json'

/** A step that nothing else may be done beside. */
const ALONE = -1

export class Receiving {
  readonly #directory: LeafDirectory
  readonly #shards: ShardSet
  readonly #logger: Logger
  /** By target: ALONE, or how many files of it are arriving. */
  readonly #busy = new Map<string, number>()

  constructor(directory: LeafDirectory, shards: ShardSet, logger: Logger) {
    this.#directory = directory
    this.#shards = shards
    this.#logger = logger
  }

  /** Opens every copy that is whole; what cannot be opened is removed, and the gateway sends it again. */
  async openAll(): Promise<void> {
    for (const target of await this.#directory.copies()) {
      const path = this.#directory.shardPath(target)
      try {
        this.#checkIsOf(target, path)
        await this.#shards.open(target, path)
      } catch (error) {
        const { code, message } = toKVError(error, `opening ${path}`)
        this.#logger.error({ path, code, reason: message }, 'a copy cannot be served and is removed')
        await this.#directory.discard(target)
      }
    }
  }

  /** Notes what the copy is to consist of; answers the files that are not there yet. */
  async begin(target: ShardTarget, list: ShardFiles): Promise<{ readonly missing: readonly string[] }> {
    if (this.#shards.find(target) !== null) return { missing: [] }
    return this.#alone(target, async () => {
      const staging = this.#directory.stagingPath(target)
      await makeDirectories(join(staging, 'db'))
      const before = this.#listOf(target, staging)
      const same = new Set(before?.files.map(fileName))
      const missing: string[] = []
      for (const file of list.files) {
        const path = join(staging, file.path)
        if (same.has(fileName(file)) && (await exists(path))) continue
        await onDisk('removing', path, () => rm(path, { force: true }))
        missing.push(file.path)
      }
      await this.#dropOthers(before, list, staging)
      await writeFileDurably(join(staging, COPY), copyText(target, list))
      return { missing }
    })
  }

  /** One file of the list. @throws {KVError} FAILED_PRECONDITION when none is listed, CORRUPT when it is another file */
  async receive(target: ShardTarget, path: string, body: Readable): Promise<void> {
    await this.#besideOthers(target, async () => {
      const staging = this.#directory.stagingPath(target)
      const file = this.#listOf(target, staging)?.files.find((listed) => listed.path === path)
      if (file === undefined) {
        throw new KVError(
          'FAILED_PRECONDITION',
          `${path} is not on the list of ${targetPath(target)}: send the list`,
        )
      }
      const partial = join(staging, `${path}.partial`)
      await onDisk('writing', partial, () => writeChecked(partial, file, body))
      await onDisk('moving', partial, () => rename(partial, join(staging, path)))
    })
  }

  /** Every file is there: from here on the copy is served. @throws {KVError} FAILED_PRECONDITION, CORRUPT, UNAVAILABLE */
  async adopt(target: ShardTarget): Promise<void> {
    if (this.#shards.find(target) !== null) return
    await this.#alone(target, async () => {
      const staging = this.#directory.stagingPath(target)
      const list = this.#listOf(target, staging)
      if (list === null) {
        throw new KVError(
          'FAILED_PRECONDITION',
          `nothing of ${targetPath(target)} has arrived: send the list`,
        )
      }
      for (const { path } of list.files) {
        if (await exists(join(staging, path))) continue
        throw new KVError('FAILED_PRECONDITION', `${path} of ${targetPath(target)} has not arrived: send it`)
      }
      try {
        await checkSealed(staging)
        await this.#shards.open(target, await this.#directory.adopt(target))
      } catch (error) {
        await this.#directory.discard(target)
        throw error
      }
      this.#logger.info(
        { copy: targetPath(target), files: list.files.length },
        'a copy arrived and is served',
      )
    })
  }

  /** The copy, what has arrived of it, and nothing of it is served any more. */
  async remove(target: ShardTarget): Promise<void> {
    await this.#alone(target, async () => {
      const failure = await this.#shards.retire(target)
      if (failure !== null) throw failure
      await this.#directory.discard(target)
      this.#logger.info({ copy: targetPath(target) }, 'a copy was removed')
    })
  }

  async #alone<T>(target: ShardTarget, run: () => Promise<T>): Promise<T> {
    const name = targetPath(target)
    if (this.#busy.has(name)) throw isBusy(name)
    this.#busy.set(name, ALONE)
    try {
      return await run()
    } finally {
      this.#busy.delete(name)
    }
  }

  /** @throws {KVError} CORRUPT when a served copy's files are not what came: it must not be copied on */
  checkUnchanged(target: ShardTarget, list: ShardFiles): void {
    const path = this.#directory.shardPath(target)
    if (!doTablesDiffer(this.#checkIsOf(target, path), list)) return
    throw new KVError('CORRUPT', `the files in ${path} are not those that were copied here`)
  }

  /** Other files of the same copy may arrive meanwhile. */
  async #besideOthers(target: ShardTarget, run: () => Promise<void>): Promise<void> {
    const name = targetPath(target)
    const count = this.#busy.get(name) ?? 0
    if (count === ALONE) throw isBusy(name)
    this.#busy.set(name, count + 1)
    try {
      await run()
    } finally {
      const left = (this.#busy.get(name) ?? 1) - 1
      if (left === 0) this.#busy.delete(name)
      else this.#busy.set(name, left)
    }
  }

  /** What a directory is to consist of; null when nothing, or something else, has arrived there. */
  #listOf(target: ShardTarget, directory: string): ShardFiles | null {
    try {
      return this.#checkIsOf(target, directory)
    } catch (error) {
      if (error instanceof KVError && error.code === 'UNAVAILABLE') throw error
      return null
    }
  }

  /** @throws {KVError} CORRUPT when the directory is not this target's */
  #checkIsOf(target: ShardTarget, directory: string): ShardFiles {
    const found = readJsonNow(join(directory, COPY))
    if (found === null || found['copyOf'] !== targetPath(target)) {
      throw new KVError('CORRUPT', `${directory} is not a copy of ${targetPath(target)}, or was moved`)
    }
    return decodeShardFiles(JSON.stringify(found['list']))
  }

  async #dropOthers(before: ShardFiles | null, list: ShardFiles, staging: string): Promise<void> {
    const wanted = new Set(list.files.map(({ path }) => path))
    for (const { path } of before?.files ?? []) {
      if (!wanted.has(path)) await onDisk('removing', join(staging, path), (at) => rm(at, { force: true }))
    }
  }
}

function isBusy(name: string): KVError {
  return new KVError('CONFLICT', `${name} is being copied or removed already`)
}

function fileName({ path, size, sha256 }: CopiedFile): string {
  return `${path} ${size} ${sha256}`
}

function copyText(target: ShardTarget, list: ShardFiles): string {
  const parsed: unknown = JSON.parse(encodeShardFiles(list))
  return `${JSON.stringify({ copyOf: targetPath(target), list: parsed })}\n`
}

/** Synced when it resolves. @throws {KVError} CORRUPT when the body is not the file */
async function writeChecked(
  path: string,
  { size, sha256, path: name }: CopiedFile,
  body: Readable,
): Promise<void> {
  const hash = createHash('sha256')
  let written = 0
  const check = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      written += chunk.length
      if (written > size) throw new KVError('CORRUPT', `${name} is longer than its list says`)
      hash.update(chunk)
      yield chunk
    }
    if (written !== size) throw new KVError('CORRUPT', `${name} ended after ${written} of ${size} bytes`)
    if (hash.digest('hex') !== sha256) throw new KVError('CORRUPT', `${name} is not what its list says`)
  }
  await pipeline(body, check, createWriteStream(path, { mode: 0o600 }))
  await syncFile(path)
}
