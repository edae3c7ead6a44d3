/**
 * The data directory of a leaf process: copies of shards that a gateway put there, and nothing that is nowhere else.
 *
 *     LEAF.json                                      {format, id, createdAt}; written last: the rest was made
 *     OWNER.json                                     {gateway}: id of the data directory whose gateway uses this leaf
 *     lock/                                          held by the process that uses the directory
 *     shards/<datasetId>/<versionId>/<shard>/        a copy, whole, with COPY.json: whose copy it is, and its files
 *     staging/<datasetId>.<versionId>.<shard>/       a copy that is arriving; outlives a restart, so that it goes on
 *     trash/<uuid>/                                  being removed
 *
 * A copy appears by a rename, after every file of its list was there with the right checksum and synced. What is not as
 * COPY.json says (moved by hand, damaged) is not served: a wrong copy is worse than none, and the gateway sends another.
 */
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Clock } from '../../base/clock.js'
import { KVError } from '../../base/errors.js'
import type { Logger } from '../../base/logger.js'
import {
  exists,
  list,
  listOrNull,
  makeDirectories,
  makeDirectory,
  move,
  onDisk,
  writeFileDurably,
} from '../disk.js'
import type { HeldLock } from '../data-directory.js'
import { readJsonNow, syncDirectory, writeJsonDurably } from '../rocksdb/store/files.js'
import type { ShardTarget } from './wire.js'

/** Never renumber. */
const FORMAT = 1
const DESCRIPTION = 'LEAF.json'
const OWNER = 'OWNER.json'
const PARTS = ['lock', 'shards', 'staging', 'trash'] as const

const DATASET_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/

export interface LeafDirectoryOptions {
  readonly lock: (path: string) => Promise<HeldLock>
  readonly clock: Clock
  readonly logger: Logger
}

/** `d1-0a/1700000000000/3`: the path of a copy, and its name in maps. */
export function targetPath({ datasetId, versionId, shard }: ShardTarget): string {
  return `${datasetId}/${versionId}/${shard}`
}

/** Null: the parts are none of a target. */
export function parseTarget(datasetId: string, versionId: string, shard: string): ShardTarget | null {
  const isNumber = (text: string) => /^(0|[1-9]\d{0,15})$/.test(text)
  if (!DATASET_ID.test(datasetId) || !isNumber(versionId) || !isNumber(shard)) return null
  const target = { datasetId, versionId: Number(versionId), shard: Number(shard) }
  return Number.isSafeInteger(target.versionId) && target.shard < 65_536 ? target : null
}

export class LeafDirectory {
  readonly path: string
  /** Another one after the directory was lost: the gateway sees that its copies are gone. */
  readonly id: string
  readonly #lock: HeldLock
  readonly #logger: Logger
  #owner: string | null
  #claiming: Promise<void> = Promise.resolve()
  #removal: Promise<void> = Promise.resolve()
  #isClosed = false

  private constructor(
    path: string,
    id: string,
    held: { lock: HeldLock; logger: Logger; owner: string | null },
  ) {
    this.path = path
    this.id = id
    this.#lock = held.lock
    this.#logger = held.logger
    this.#owner = held.owner
  }

  /** @throws {KVError} FAILED_PRECONDITION when it is foreign or newer, CORRUPT, UNAVAILABLE when it is locked */
  static async open(path: string, { lock, clock, logger }: LeafDirectoryOptions): Promise<LeafDirectory> {
    const root = resolve(path)
    await checkIsOurs(root)
    await makeDirectories(root)
    for (const part of PARTS) await makeDirectory(join(root, part))
    const held = await lock(join(root, 'lock'))
    try {
      const id = readId(root) ?? (await createDescription(root, clock))
      const owner = readJsonNow(join(root, OWNER))?.['gateway']
      const directory = new LeafDirectory(root, id, {
        lock: held,
        logger,
        owner: typeof owner === 'string' ? owner : null,
      })
      for (const name of await list(join(root, 'trash'))) directory.#removeLater(join(root, 'trash', name))
      return directory
    } catch (error) {
      await held.release()
      throw error
    }
  }

  /**
   * The first gateway that changes something here is its owner from then on: two that did not know of each other would
   * remove each other's copies.
   * @throws {KVError} FAILED_PRECONDITION when another is
   */
  async claim(gateway: string): Promise<void> {
    if (this.#owner === null) {
      // One after the other: the first one's name stands there before the next one looks.
      this.#claiming = this.#claiming.catch(() => undefined).then(() => this.#take(gateway))
      await this.#claiming
    }
    if (this.#owner === gateway) return
    throw new KVError(
      'FAILED_PRECONDITION',
      `this leaf holds copies of gateway ${this.#owner}, not of ${gateway}: give each gateway leaves of its own`,
    )
  }

  async #take(gateway: string): Promise<void> {
    if (this.#owner !== null) return
    await onDisk('writing', join(this.path, OWNER), (path) => writeJsonDurably(path, { gateway }))
    this.#owner = gateway
  }

  get owner(): string | null {
    return this.#owner
  }

  shardPath(target: ShardTarget): string {
    return join(this.path, 'shards', targetPath(target))
  }

  stagingPath({ datasetId, versionId, shard }: ShardTarget): string {
    return join(this.path, 'staging', `${datasetId}.${versionId}.${shard}`)
  }

  /** Every copy that there is, whole or not as it should be. */
  async copies(): Promise<ShardTarget[]> {
    const found: ShardTarget[] = []
    const root = join(this.path, 'shards')
    for (const datasetId of await list(root)) {
      for (const version of (await listOrNull(join(root, datasetId))) ?? []) {
        for (const shard of (await listOrNull(join(root, datasetId, version))) ?? []) {
          const target = parseTarget(datasetId, version, shard)
          if (target !== null) found.push(target)
        }
      }
    }
    return found
  }

  /** Copies that have begun to arrive. */
  async stagings(): Promise<ShardTarget[]> {
    return (await list(join(this.path, 'staging'))).flatMap((name) => {
      const target = parseTarget(...splitInThree(name))
      return target === null ? [] : [target]
    })
  }

  /** Makes the staged copy a copy. @throws {KVError} ALREADY_EXISTS, UNAVAILABLE */
  async adopt(target: ShardTarget): Promise<string> {
    const staging = this.stagingPath(target)
    const path = this.shardPath(target)
    if (await exists(path)) throw new KVError('ALREADY_EXISTS', `${path} exists already: remove it first`)
    await onDisk('syncing', join(staging, 'db'), syncDirectory)
    await onDisk('syncing', staging, syncDirectory)
    await makeDirectories(dirname(path))
    await onDisk('syncing', dirname(dirname(path)), syncDirectory)
    await onDisk('syncing', join(this.path, 'shards'), syncDirectory)
    await move(staging, path)
    return path
  }

  /** A copy and what has arrived of it; nobody may have it open. Absent is fine. */
  async discard(target: ShardTarget): Promise<void> {
    for (const path of [this.shardPath(target), this.stagingPath(target)]) {
      if (!(await exists(path))) continue
      const trashed = join(this.path, 'trash', randomUUID())
      await move(path, trashed)
      this.#removeLater(trashed)
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#removal
    await this.#lock.release()
  }

  #removeLater(path: string): void {
    this.#removal = this.#removal.then(async () => {
      if (this.#isClosed) return
      try {
        await rm(path, { recursive: true, force: true })
      } catch (error) {
        this.#logger.warn(
          { path, err: error },
          'could not remove a discarded copy, the next start tries again',
        )
      }
    })
  }
}

function splitInThree(name: string): [string, string, string] {
  const [first = '', second = '', third = '', ...more] = name.split('.')
  return more.length > 0 ? ['', '', ''] : [first, second, third]
}

/** @throws {KVError} FAILED_PRECONDITION unless it is absent, empty, half made, or one of ours */
async function checkIsOurs(root: string): Promise<void> {
  const names = await listOrNull(root)
  if (names === null || names.includes(DESCRIPTION)) return
  const known: readonly string[] = [...PARTS, 'lost+found']
  if (names.every((name) => known.includes(name) || name.startsWith(`${DESCRIPTION}.`))) return
  throw new KVError(
    'FAILED_PRECONDITION',
    `${root} is not the data directory of a leaf (it has no ${DESCRIPTION}) and not empty: name another directory`,
  )
}

function readId(root: string): string | null {
  const path = join(root, DESCRIPTION)
  const found = readJsonNow(path)
  if (found === null) return null
  const { format, id } = found
  if (typeof format === 'number' && format > FORMAT) {
    throw new KVError(
      'FAILED_PRECONDITION',
      `${root} is of format ${format}, this godwit reads format ${FORMAT}: start the newer godwit that wrote it`,
    )
  }
  if (format === FORMAT && typeof id === 'string' && id !== '') return id
  throw new KVError('CORRUPT', `${path} is damaged: empty the directory, the gateway fills it again`)
}

async function createDescription(root: string, clock: Clock): Promise<string> {
  const id = randomUUID()
  const createdAt = new Date(clock.nowMs()).toISOString()
  const text = `${JSON.stringify({ format: FORMAT, id, createdAt }, null, 2)}\n`
  await writeFileDurably(join(root, `${DESCRIPTION}.new`), text)
  await move(join(root, `${DESCRIPTION}.new`), join(root, DESCRIPTION))
  return id
}
