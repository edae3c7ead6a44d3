/**
 * The data directory: one process's files, and the only code that makes, moves and removes directories in it.
 *
 *     GODWIT.json                                  {format, id, createdAt}; written last, so its presence says that the
 *                                                  rest was made
 *     lock/                                        held by the process that uses the directory
 *     kvsm/                                        the metastore
 *     created/<datasetId>-live-<generation>        empty file: that live data was made; missing data is a loss then
 *     created/<datasetId>-import                   empty file: an import of that live data began; the dataset has data then
 *     created/kvsm                                 empty file: the metastore was made; an empty kvsm/ is a loss then
 *     differences/, dumps/                         what was seen of datasets that move (routing/difference-log.ts)
 *     purges/<uuid>.json                           copies that are being removed (archive/purge-notes.ts)
 *     data/<datasetId>/<versionId>/<shard>/        one upload of a BATCH dataset
 *     data/<datasetId>/live-<generation>/<shard>/  READ_WRITE data
 *     data/.staging/<uuid>/, data/.trash/<uuid>/   built here and renamed in; renamed out and removed
 *     data/.staging/load-<datasetId>-<versionId>/  a load; the next start goes on with it if LOAD.json is in it
 *
 * - A version or live directory appears whole or not at all: it is built in .staging and renamed.
 * - Live data is never made a second time. Its marker stands outside data/, so that a data/ that is gone (a volume
 *   that is not mounted) is an error and not an empty dataset. Nothing is written to live data before its marker.
 * - Removal is a rename to .trash first; what a crash leaves there, and in .staging but for loads, goes at the next
 *   start.
 * - What nobody knows is reported and left alone.
 *
 * Everything is renamed within one file system: data/ may be a mount point, its subdirectories may not.
 */
import { randomUUID } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { assert } from '../base/assert.js'
import type { Clock } from '../base/clock.js'
import { KVError } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import type { DatasetRecord } from '../model/dataset.js'
import {
  MOUNT_POINT_FOLDER,
  checkIsOurs,
  checkIsWhole,
  createLayout,
  readDescription,
} from './data-description.js'
import {
  exists,
  freeBytesOf,
  hasFreeBytes,
  list,
  listOrNull,
  makeDirectories,
  makeDirectory,
  move,
  onDisk,
  writeFileDurably,
} from './disk.js'
import { syncDirectory } from './rocksdb/store/files.js'

const METASTORE_MARKER = 'kvsm'
const LOAD_NAME = /^load-.+-\d+$/
/** Written by a load when everything is there that it needs to be gone on with (loader/load-staging.ts). */
const LOAD_RECORD = 'LOAD.json'
const DATASET_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/

/** Held by the one process that uses the directory. */
export interface HeldLock {
  release(): Promise<void>
}

export interface DataDirectoryOptions {
  /** Locks the given directory, making it if it is missing. @throws {KVError} UNAVAILABLE when another holds it */
  readonly lock: (path: string) => Promise<HeldLock>
  readonly clock: Clock
  readonly logger: Logger
}

/** A directory below data/ that no record names. */
export interface Orphan {
  readonly path: string
  readonly reason: string
  /** False: it may be somebody's only copy; only an operator may remove it. */
  readonly isRemovable: boolean
}

/** A log holds at most a memtable, which is this large. On small disks a quarter of the disk does. */
const ROOM_BYTES = 64 * 1024 * 1024

/** Directories of datasets that are listed at once when a start looks for orphans: each waits for the disk. */
const PARALLEL_LISTS = 32

export class DataDirectory {
  readonly path: string
  /** Names this directory for good, wherever it is moved. */
  readonly id: string
  readonly #lock: HeldLock
  readonly #logger: Logger
  #removal: Promise<void> = Promise.resolve()
  #isClosed = false

  private constructor(path: string, id: string, held: { lock: HeldLock; logger: Logger }) {
    this.path = path
    this.id = id
    this.#lock = held.lock
    this.#logger = held.logger
  }

  /**
   * Opens the directory, after making it when it is absent or empty, and takes its lock.
   * @throws {KVError} FAILED_PRECONDITION when it is foreign or of a newer format, CORRUPT when it is damaged,
   * UNAVAILABLE when it is locked or the disk fails
   */
  static async open(path: string, options: DataDirectoryOptions): Promise<DataDirectory> {
    const root = resolve(path)
    // Before the lock, because that writes: nothing is written to a directory that is not ours.
    await checkIsOurs(root)
    await makeDirectories(root)
    await makeDirectory(join(root, 'lock'))
    const lock = await options.lock(join(root, 'lock'))
    try {
      const known = readDescription(root)
      const id = known ?? (await createLayout(root, options.clock))
      if (known !== null) await checkIsWhole(root)
      const directory = new DataDirectory(root, id, { lock, logger: options.logger })
      await directory.#clean()
      return directory
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  get metastorePath(): string {
    return join(this.path, 'kvsm')
  }

  /** Whether nothing was ever made here, so that an empty kvsm/ is a new metastore's place and not a loss. */
  async mayMakeMetastore(): Promise<boolean> {
    const markers = await list(this.#markersPath)
    return markers.every((name) => name === MOUNT_POINT_FOLDER)
  }

  /** Called when the metastore is there: from now on an empty kvsm/ is a loss. */
  async markMetastoreMade(): Promise<void> {
    const marker = join(this.#markersPath, METASTORE_MARKER)
    if (!(await exists(marker))) await writeFileDurably(marker, '')
  }

  /** Whether a shard that failed can be expected to open again: opening writes what its log holds. */
  hasRoom(): boolean {
    return hasFreeBytes(this.path, ROOM_BYTES)
  }

  versionPath(datasetId: string, versionId: number): string {
    assert(Number.isSafeInteger(versionId) && versionId > 0, `${versionId} is not a version id`)
    return join(this.#datasetPath(datasetId), String(versionId))
  }

  livePath(datasetId: string, generation: number): string {
    return join(this.#datasetPath(datasetId), liveName(generation))
  }

  /** An empty directory to build in; adoptVersion moves it away, the next start removes it otherwise. */
  async newStaging(): Promise<string> {
    const path = join(this.#stagingPath, randomUUID())
    await makeDirectory(path)
    return path
  }

  /** The directory of the load of a version, made unless it is there; once LOAD.json is in it, the next start keeps it. */
  async loadStaging(datasetId: string, versionId: number): Promise<string> {
    assert(DATASET_ID.test(datasetId), `${datasetId} is not a dataset id`)
    const path = join(this.#stagingPath, loadName(datasetId, versionId))
    await makeDirectory(path)
    return path
  }

  /** Directories of loads that an earlier process began and no one has finished. */
  async unfinishedLoads(): Promise<readonly string[]> {
    const names = (await list(this.#stagingPath)).filter((name) => LOAD_NAME.test(name))
    return names.sort().map((name) => join(this.#stagingPath, name))
  }

  /** Whether a version's load can be gone on with, for whoever looks at versions before loads are. */
  async loadsToResume(): Promise<(datasetId: string, versionId: number) => boolean> {
    const paths = new Set(await this.unfinishedLoads())
    return (datasetId, versionId) => paths.has(join(this.#stagingPath, loadName(datasetId, versionId)))
  }

  async hasVersion(datasetId: string, versionId: number): Promise<boolean> {
    return exists(this.versionPath(datasetId, versionId))
  }

  /** Of the disk; null: it cannot say. */
  freeBytes(): number | null {
    return freeBytesOf(this.#dataPath)
  }

  /**
   * Moves a staging directory or a directory in one, one finished subdirectory a shard, to its place. Answers the place.
   * @throws {KVError} ALREADY_EXISTS, UNAVAILABLE
   */
  async adoptVersion(datasetId: string, versionId: number, stagingDirectory: string): Promise<string> {
    const path = this.versionPath(datasetId, versionId)
    await this.#adopt(stagingDirectory, path)
    return path
  }

  /**
   * Answers the directory of live data, which is made by `build` (shards into the staging directory that it gets) the
   * first time ever, and never again.
   * @throws {KVError} CORRUPT when it was made once and is gone, UNAVAILABLE, and what `build` throws
   */
  async ensureLive(
    datasetId: string,
    generation: number,
    build: (stagingDirectory: string) => Promise<void>,
  ): Promise<string> {
    const path = this.livePath(datasetId, generation)
    const marker = this.#markerPath(datasetId, generation)
    const importMarker = this.#importMarkerPath(datasetId)
    const isMarked = await exists(marker)
    const isImported = await exists(importMarker)
    if (!(await exists(path))) {
      if (isMarked) {
        throw new KVError(
          'CORRUPT',
          `${path} is missing, which held live data: mount its volume, or restore it from a backup`,
        )
      }
      if (isImported) {
        throw new KVError(
          'CORRUPT',
          `${path} is missing, which was imported from a snapshot: mount its volume, or delete the dataset and import it again`,
        )
      }
      const staging = await this.newStaging()
      await build(staging)
      await this.#adopt(staging, path)
    }
    if (!isMarked) await writeFileDurably(marker, '')
    // Behind the marker that takes its place.
    if (isImported) await onDisk('removing', importMarker, (path) => rm(path, { force: true }))
    return path
  }

  /**
   * Moves a staging directory, one finished subdirectory a shard, to where a dataset of this id, which is not there yet,
   * will look for its live data. From before the move until the dataset is served a marker says that it is not a new
   * one: should its record survive what its data does not, it must not come back empty.
   * @throws {KVError} ALREADY_EXISTS, UNAVAILABLE
   */
  async adoptLive(datasetId: string, stagingDirectory: string): Promise<void> {
    await writeFileDurably(this.#importMarkerPath(datasetId), '')
    await this.#adopt(stagingDirectory, this.livePath(datasetId, 0))
  }

  /** Moves a version's or a generation's directory out of the way, then removes it in the background. */
  async trash(path: string): Promise<void> {
    assert(dirname(dirname(path)) === this.#dataPath, `${path} is not a version's directory`)
    await this.#discard(path)
  }

  /** What newStaging gave and nobody adopted. */
  async trashStaging(path: string): Promise<void> {
    assert(dirname(path) === this.#stagingPath, `${path} is not a staging directory`)
    await this.#discard(path)
  }

  /** Durable when it resolves; answers the note's name. */
  async notePurge(text: string): Promise<string> {
    await makeDirectory(this.#purgesPath)
    const name = `${randomUUID()}.json`
    const written = join(this.#purgesPath, `${name}.new`)
    await writeFileDurably(written, text)
    await move(written, join(this.#purgesPath, name))
    return name
  }

  /** Notes that nobody has ended, by name. */
  async purgeNotes(): Promise<ReadonlyMap<string, string>> {
    const notes = new Map<string, string>()
    for (const name of (await listOrNull(this.#purgesPath)) ?? []) {
      const path = join(this.#purgesPath, name)
      if (name.endsWith('.json')) notes.set(name, await onDisk('reading', path, () => readFile(path, 'utf8')))
      // What a crash left half written was not begun.
      else if (name.endsWith('.new')) await this.endPurge(name)
    }
    return notes
  }

  /** Again is fine. */
  async endPurge(name: string): Promise<void> {
    assert(!name.includes('/'), `${name} is not a note`)
    await onDisk('removing', join(this.#purgesPath, name), (path) => rm(path, { force: true }))
  }

  /** The directory of a dataset that was removed, unless something is in it. */
  async trashEmptyDataset(datasetId: string): Promise<void> {
    const path = this.#datasetPath(datasetId)
    if ((await exists(path)) && (await list(path)).length === 0) await this.#discard(path)
  }

  /** Everything of a dataset that was removed. */
  async trashDataset(datasetId: string): Promise<void> {
    await this.#discard(this.#datasetPath(datasetId))
    // Markers last: a crash in between leaves markers of an id that never comes again, which hurt nobody.
    for (const marker of await list(this.#markersPath)) {
      if (markerDatasetId(marker) === datasetId)
        await onDisk('removing', join(this.#markersPath, marker), (path) => rm(path))
    }
  }

  /** What stands below data/ and no record asks for. LOADING versions are asked for. */
  async findOrphans(records: readonly DatasetRecord[]): Promise<Orphan[]> {
    const recordById = new Map(records.map((record) => [record.id, record]))
    const names = (await list(this.#dataPath)).filter(
      (name) => !name.startsWith('.') && name !== MOUNT_POINT_FOLDER,
    )
    const orphans: Orphan[] = []
    for (let at = 0; at < names.length; at += PARALLEL_LISTS) {
      const some = names.slice(at, at + PARALLEL_LISTS)
      const found = await Promise.all(some.map((id) => this.#orphansOf(id, recordById.get(id) ?? null)))
      orphans.push(...found.flat())
    }
    await this.#removeStaleImports(recordById)
    return orphans
  }

  /** Waits for the removal under way, then gives the lock back. What is left in .trash goes at the next start. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#removal
    await this.#lock.release()
  }

  get #dataPath(): string {
    return join(this.path, 'data')
  }

  get #markersPath(): string {
    return join(this.path, 'created')
  }

  get #purgesPath(): string {
    return join(this.path, 'purges')
  }

  get #stagingPath(): string {
    return join(this.#dataPath, '.staging')
  }

  get #trashPath(): string {
    return join(this.#dataPath, '.trash')
  }

  #datasetPath(datasetId: string): string {
    assert(DATASET_ID.test(datasetId), `${datasetId} is not a dataset id`)
    return join(this.#dataPath, datasetId)
  }

  #markerPath(datasetId: string, generation: number): string {
    return join(this.#markersPath, `${datasetId}-${liveName(generation)}`)
  }

  #importMarkerPath(datasetId: string): string {
    return join(this.#markersPath, `${datasetId}-import`)
  }

  /** @param record null: no dataset has this id */
  async #orphansOf(datasetId: string, record: DatasetRecord | null): Promise<Orphan[]> {
    const path = join(this.#dataPath, datasetId)
    if (record === null) {
      if (!(await this.#isUnfinishedImport(datasetId)))
        return [{ path, reason: 'no dataset has this id', isRemovable: false }]
      await this.trashDataset(datasetId)
      this.#logger.info({ path }, 'removed what an import left that did not finish')
      return []
    }
    return (await list(path)).flatMap((name) => {
      const orphan = orphanOf(record, name)
      return orphan === null ? [] : [{ path: join(path, name), ...orphan }]
    })
  }

  /** Markers of imports that ended before they had data or a record. */
  async #removeStaleImports(records: ReadonlyMap<string, DatasetRecord>): Promise<void> {
    for (const marker of await list(this.#markersPath)) {
      const datasetId = /^(.+)-import$/.exec(marker)?.[1]
      if (datasetId === undefined || records.has(datasetId) || (await exists(this.#datasetPath(datasetId))))
        continue
      await onDisk('removing', join(this.#markersPath, marker), (path) => rm(path, { force: true }))
    }
  }

  /** Live data that no dataset was ever made of: that of a dataset has a marker before anything is written to it. */
  async #isUnfinishedImport(datasetId: string): Promise<boolean> {
    const names = await list(join(this.#dataPath, datasetId))
    return names.every((name) => name === liveName(0)) && !(await exists(this.#markerPath(datasetId, 0)))
  }

  async #adopt(stagingDirectory: string, path: string): Promise<void> {
    const isInStaging = [dirname(stagingDirectory), dirname(dirname(stagingDirectory))].includes(
      this.#stagingPath,
    )
    assert(isInStaging, `${stagingDirectory} is not a staging directory`)
    // A rename replaces an empty directory without a word.
    if (await exists(path)) throw new KVError('ALREADY_EXISTS', `${path} exists already: trash it first`)
    for (const shard of await list(stagingDirectory)) {
      await onDisk('syncing', join(stagingDirectory, shard), syncDirectory)
    }
    await onDisk('syncing', stagingDirectory, syncDirectory)
    await makeDirectory(dirname(path))
    await onDisk('syncing', this.#dataPath, syncDirectory)
    await move(stagingDirectory, path)
  }

  /** Absent is fine: a crash may have come between an earlier attempt and its record. */
  async #discard(path: string): Promise<void> {
    if (!(await exists(path))) return
    const trashed = join(this.#trashPath, randomUUID())
    await move(path, trashed)
    this.#removal = this.#removal.then(() => this.#remove(trashed))
  }

  /** Never rejects: what could not be removed is tried again at the next start. */
  async #remove(path: string): Promise<void> {
    if (this.#isClosed) return
    try {
      await rm(path, { recursive: true, force: true })
    } catch (error) {
      this.#logger.warn(
        { path, err: error },
        'could not remove a discarded directory, the next start tries again',
      )
    }
  }

  async #clean(): Promise<void> {
    await makeDirectory(this.#stagingPath)
    await makeDirectory(this.#trashPath)
    for (const name of await list(this.#trashPath)) {
      this.#removal = this.#removal.then(() => this.#remove(join(this.#trashPath, name)))
    }
    for (const name of await list(this.#stagingPath)) {
      const path = join(this.#stagingPath, name)
      const isResumed = LOAD_NAME.test(name) && (await exists(join(path, LOAD_RECORD)))
      if (!isResumed) await this.#discard(path)
    }
  }
}

function loadName(datasetId: string, versionId: number): string {
  return `load-${datasetId}-${versionId}`
}

function liveName(generation: number): string {
  assert(Number.isSafeInteger(generation) && generation >= 0, `${generation} is not a generation`)
  return `live-${generation}`
}

/** Undefined for the metastore's marker. */
function markerDatasetId(marker: string): string | undefined {
  return /^(.+)-(?:live-\d+|import)$/.exec(marker)?.[1]
}

/** Why no record asks for a directory of a dataset; null: one does. */
function orphanOf(record: DatasetRecord, name: string): Omit<Orphan, 'path'> | null {
  if (/^[1-9]\d*$/.test(name) && record.mode === 'BATCH') {
    const version = record.versions.find(({ id }) => String(id) === name)
    if (version === undefined) return { reason: 'its record is gone', isRemovable: true }
    const isOver = ['FAILED', 'DELETED', 'ARCHIVED'].includes(version.state)
    return isOver ? { reason: `the version is ${version.state}`, isRemovable: true } : null
  }
  const live = /^live-(0|[1-9]\d*)$/.exec(name)
  if (live !== null && record.mode !== 'BATCH') {
    // An older one may still be read from elsewhere, a newer one may hold what a restored metastore forgot.
    return Number(live[1]) === record.generation ? null : { reason: 'another generation', isRemovable: false }
  }
  return { reason: `nothing of a ${record.mode} dataset has this name`, isRemovable: false }
}
