/**
 * Brings file sets' directories online, whoever asks and however often: one task a file set and directory, which every
 * call for it joins, which goes on when its callers have given up, and which does only what is not done yet. So a call
 * that is repeated, also after a restart of the gateway, finds the load that an earlier one began.
 *
 * The steps are those of TerrapinControllerServiceImpl.loadFileSet: list, compare the count, make the resource, wait until
 * it is loaded, switch. Here the load itself publishes when it is done (model/load.ts), so that no caller is needed for it.
 */
import type { Clock, StartTimer } from '../../src/base/clock.js'
import { KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { Logger } from '../../src/base/logger.js'
import type { ChangeContext, DatasetRecord, Owner, VersionRecord } from '../../src/model/dataset.js'
import type { LoadRequest, Loads, LoadStatus } from '../../src/model/load.js'
import type { Metastore } from '../../src/model/metastore.js'
import { ControllerErrorCode } from '../../src/thrift/generated/terrapin.js'
import { ControllerError, listingFailed, loadFailure, resourceFailed } from './controller-errors.js'
import { countPartitions, resourceOf, type FileSetDirectory } from './controller-directory.js'

export interface FileSetLoadsOptions {
  readonly metastore: Pick<Metastore, 'get' | 'createDataset' | 'updateDataset' | 'publish'>
  readonly loads: Pick<Loads, 'start' | 'list'>
  /** Of a version that is dropped and still read for a while: it goes at once. */
  readonly endLeaving: (fileSet: string, versionId: number) => Promise<void>
  /** What stands below a directory. */
  readonly list: (url: string) => Promise<readonly FoundFile[]>
  readonly clock: Clock
  readonly startTimer: StartTimer
  readonly logger: Logger
  /** Of datasets that are made; null: none is made. */
  readonly owner: Owner | null
  /** Of datasets that are made: name or alias. */
  readonly cluster: string
}

export interface FoundFile {
  readonly url: string
  readonly tag: string
}

/** A request that was checked. */
export interface FileSetRequest {
  readonly fileSet: string
  readonly directory: FileSetDirectory
  readonly expectedPartitions: number
  /** 1 to 10. */
  readonly versionsToKeep: number
  /** As it was asked for; only an origin that the load is forwarded to needs it. Default: MODULUS. */
  readonly partitioner?: number
  /** Who asks, for audit lines. */
  readonly actor: string
}

/** What takes file sets. */
export type FileSetTaker = Pick<FileSetLoads, 'load'>

interface Caller {
  isGone: boolean
  leave: () => void
}

interface Task {
  readonly waiters: Set<(failure: unknown) => void>
}

interface Untold {
  readonly failure: unknown
  /** Which it failed for. */
  readonly files: readonly FoundFile[]
  readonly atMs: number
}

const POLL_MS = 50
/** While another load of the dataset, or the removal of a version, is in the way. */
const BUSY_PAUSE_MS = 500
/** What is in the way for so long is no passing thing. */
const MAX_BUSY_MS = 600_000
/** A failure that nobody was there to hear of is told to a call that comes so soon after it: uploaders repeat after 10 s. */
const UNTOLD_MS = 60_000

export class FileSetLoads {
  readonly #options: FileSetLoadsOptions
  readonly #tasks = new Map<string, Task>()
  readonly #untold = new Map<string, Untold>()
  #isClosed = false

  constructor(options: FileSetLoadsOptions) {
    this.#options = options
  }

  /**
   * Checks the directory, then joins the task for it. `done` is called once, with null or with what failed, unless the
   * answered function was called before.
   */
  load(request: FileSetRequest, done: (failure: unknown) => void): () => void {
    const caller: Caller = { isGone: false, leave: () => undefined }
    this.#check(request).then(
      (files) => {
        if (caller.isGone) return
        if (files === null) done(null)
        else caller.leave = this.#join(request, files, done)
      },
      (error: unknown) => {
        if (!caller.isGone) done(error)
      },
    )
    return () => {
      caller.isGone = true
      caller.leave()
    }
  }

  /** Tasks end; loads that they have begun go on with the next start. */
  close(): void {
    this.#isClosed = true
  }

  /** The files of the directory; null: it is served already, which is not looked into. @throws {ControllerError} */
  async #check({
    fileSet,
    directory,
    expectedPartitions,
  }: FileSetRequest): Promise<readonly FoundFile[] | null> {
    if (this.#versionOf(fileSet, directory, 'CURRENT') !== null) return null
    const { asked } = directory
    const files = await this.#list(directory)
    const { found, fault } = this.#count(files, directory)
    if (found !== expectedPartitions) {
      throw new ControllerError(
        ControllerErrorCode.INVALID_DATA_SET,
        `Partition count mismatch for hdfs dir ${asked} FOUND : ${found} EXPECTED : ${expectedPartitions}`,
      )
    }
    if (fault !== null) throw new ControllerError(ControllerErrorCode.INVALID_DATA_SET, `${asked}: ${fault}`)
    return files
  }

  async #list(directory: FileSetDirectory): Promise<readonly FoundFile[]> {
    try {
      return await this.#options.list(directory.url)
    } catch (error) {
      throw listingFailed(directory.asked, error)
    }
  }

  #count(files: readonly FoundFile[], { url, asked }: FileSetDirectory) {
    const names = files.map((file) => file.url.slice(url.length)).filter((name) => !name.includes('/'))
    try {
      return countPartitions(names)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new ControllerError(ControllerErrorCode.OTHER, `${asked}: ${reason}`)
    }
  }

  #join(request: FileSetRequest, files: readonly FoundFile[], done: (failure: unknown) => void): () => void {
    const key = `${request.directory.url}\n${request.fileSet}`
    const untold = this.#untold.get(key)
    this.#untold.delete(key)
    const isFresh = untold !== undefined && this.#options.clock.monotonicMs() - untold.atMs < UNTOLD_MS
    if (isFresh && haveStayed(untold.files, files)) {
      done(untold.failure)
      return () => undefined
    }
    let task = this.#tasks.get(key)
    if (task === undefined) {
      if (this.#tasks.size >= limits.maxFileSetLoads) {
        done(new KVError('OVERLOADED', `${this.#tasks.size} file sets are being loaded; load this one later`))
        return () => undefined
      }
      task = { waiters: new Set() }
      this.#tasks.set(key, task)
      this.#run(key, task, { request, files })
    }
    const { waiters } = task
    waiters.add(done)
    return () => void waiters.delete(done)
  }

  #run(
    key: string,
    task: Task,
    { request, files }: { readonly request: FileSetRequest; readonly files: readonly FoundFile[] },
  ): void {
    const { fileSet, directory } = request
    const { logger, clock } = this.#options
    const fields = { dataset: fileSet, directory: directory.asked, actor: request.actor }
    const finish = (failure: unknown): void => {
      this.#tasks.delete(key)
      if (failure !== null) logger.warn({ ...fields, err: failure }, 'loadFileSet failed')
      else logger.info(fields, 'loadFileSet done')
      if (failure !== null && task.waiters.size === 0)
        this.#keep(key, { failure, files, atMs: clock.monotonicMs() })
      for (const told of task.waiters) told(failure)
    }
    this.#bringOnline(request, files).then(
      () => finish(null),
      (error: unknown) => finish(error),
    )
  }

  #keep(key: string, untold: Untold): void {
    this.#untold.set(key, untold)
    const [oldest] = this.#untold.keys()
    if (this.#untold.size > limits.maxFileSetLoads && oldest !== undefined) this.#untold.delete(oldest)
  }

  /** Resolves when the directory's version is CURRENT, or was when its load published it. */
  async #bringOnline(request: FileSetRequest, files: readonly FoundFile[]): Promise<void> {
    const { fileSet, directory } = request
    await this.#makeDataset(request)
    const giveUpAtMs = this.#options.clock.monotonicMs() + MAX_BUSY_MS
    let wasForgotten = false
    for (;;) {
      if (this.#versionOf(fileSet, directory, 'CURRENT') !== null) return
      const ready = this.#versionOf(fileSet, directory, 'READY')
      if (ready !== null) {
        await this.#publish(request, ready.id)
        return
      }
      const status = await this.#startOrFind(request, giveUpAtMs)
      if (status === null) continue
      const ended = await this.#ended(status)
      if (ended === null && wasForgotten) {
        // Loaded over and over, a directory that fails would never be told why.
        const message = `how the load of ${directory.url} into ${fileSet} ended is not known any more: ask again`
        throw new KVError('UNAVAILABLE', message, { dataset: fileSet })
      }
      wasForgotten ||= ended === null
      if (ended?.request.from !== directory.url) continue
      if (ended.error !== null) {
        const { code, message } = ended.error
        throw loadFailure(code, message, await this.#isUnchanged(directory, files))
      }
      if (ended.request.publish) return
    }
  }

  /** The load that runs for the dataset, or a new one of this directory; null: something else is in the way, for now. */
  async #startOrFind(request: FileSetRequest, giveUpAtMs: number): Promise<LoadStatus | null> {
    const { loads, clock } = this.#options
    const running = loads
      .list()
      .find(({ request: { dataset }, endedAtMs }) => dataset === request.fileSet && endedAtMs === null)
    if (running !== undefined) return running
    try {
      return await loads.start(toLoadRequest(request), changeOf(request))
    } catch (error) {
      const isBusy = error instanceof KVError && error.code === 'FAILED_PRECONDITION'
      if (!isBusy || clock.monotonicMs() >= giveUpAtMs) throw error
      await this.#makeWay(request)
      await this.#pause(BUSY_PAUSE_MS)
      return null
    }
  }

  /** A former version of the directory's id that was dropped would be read for minutes yet. */
  async #makeWay({ fileSet, directory: { versionId } }: FileSetRequest): Promise<void> {
    const versions = this.#options.metastore.get(fileSet)?.versions ?? []
    if (versionId === null || !versions.some(({ id, state }) => id === versionId && state === 'DELETED'))
      return
    await this.#options.endLeaving(fileSet, versionId)
  }

  /** Null: it was forgotten before it was seen to end, so that what became of it stands in the dataset's record alone. */
  async #ended(status: LoadStatus): Promise<LoadStatus | null> {
    for (;;) {
      const now = this.#options.loads.list().find(({ id }) => id === status.id)
      if (now === undefined) return null
      if (now.endedAtMs !== null) return now
      await this.#pause(POLL_MS)
    }
  }

  async #isUnchanged(directory: FileSetDirectory, files: readonly FoundFile[]): Promise<boolean> {
    try {
      return haveStayed(files, await this.#options.list(directory.url))
    } catch {
      return false
    }
  }

  async #makeDataset(request: FileSetRequest): Promise<void> {
    const { metastore, owner, cluster } = this.#options
    const { fileSet, versionsToKeep } = request
    const present = metastore.get(fileSet)
    if (present !== null) {
      requireBatch(present)
      return
    }
    if (owner === null) {
      throw new ControllerError(
        ControllerErrorCode.INVALID_REQUEST,
        `file set ${fileSet} is not there and is not made, because every dataset has an owner and none is configured: ` +
          'set terrapin.owner, or create the dataset first',
      )
    }
    const draft = {
      name: fileSet,
      owner,
      mode: 'BATCH',
      description: 'made by loadFileSet',
      cluster,
      retainedVersions: versionsToKeep,
      maxValueBytes: limits.maxValueBytes,
    } as const
    try {
      await metastore.createDataset(draft, changeOf(request))
    } catch (error) {
      // Another call may have made it meanwhile.
      if (error instanceof KVError && error.code === 'ALREADY_EXISTS') return
      throw resourceFailed(resourceOf(request.directory), error)
    }
  }

  /** A directory that was served before and is kept: Terrapin, too, only switches. */
  async #publish(request: FileSetRequest, versionId: number): Promise<void> {
    const { metastore } = this.#options
    const { fileSet, versionsToKeep: retainedVersions, directory } = request
    try {
      await metastore.updateDataset(fileSet, { retainedVersions }, changeOf(request))
      await metastore.publish(fileSet, versionId, changeOf(request))
    } catch (error) {
      throw resourceFailed(resourceOf(directory), error)
    }
  }

  #versionOf(fileSet: string, { url }: FileSetDirectory, wanted: 'CURRENT' | 'READY'): VersionRecord | null {
    const versions = this.#options.metastore.get(fileSet)?.versions ?? []
    return versions.find(({ source, state }) => source === url && state === wanted) ?? null
  }

  /** @throws {KVError} UNAVAILABLE when the gateway ends */
  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => void this.#options.startTimer(ms, resolve))
    if (this.#isClosed)
      throw new KVError('UNAVAILABLE', 'the gateway is shutting down; ask again after its restart')
  }
}

/** Whether all of the files are there as they were. */
function haveStayed(files: readonly FoundFile[], now: readonly FoundFile[]): boolean {
  const tags = new Map(now.map(({ url, tag }) => [url, tag]))
  return files.every(({ url, tag }) => tags.get(url) === tag)
}

function requireBatch({ name, mode }: DatasetRecord): void {
  if (mode === 'BATCH') return
  throw new ControllerError(
    ControllerErrorCode.INVALID_REQUEST,
    `dataset ${name} is ${mode}: only BATCH datasets are file sets`,
  )
}

/**
 * Terrapin compares nothing with the version before, so the guard against shrinking is off; and of equal keys in one file
 * the first counts, which the format's reader sees to. A key in two files is a fault: one of them never held it.
 */
function toLoadRequest({
  fileSet,
  directory,
  expectedPartitions,
  versionsToKeep,
}: FileSetRequest): LoadRequest {
  return {
    dataset: fileSet,
    from: directory.url,
    format: 'hfile',
    keyField: '',
    columns: null,
    header: null,
    publish: true,
    maxBadLines: 0,
    onDuplicate: 'fail',
    minRatio: 0,
    force: true,
    fileSet: {
      versionId: directory.versionId,
      partCount: expectedPartitions,
      retainedVersions: versionsToKeep,
    },
  }
}

function changeOf({ actor, directory }: FileSetRequest): ChangeContext {
  return { actor, reason: `loadFileSet of ${directory.asked}`, ifRevision: null, isDryRun: false }
}
