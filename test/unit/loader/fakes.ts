/** A metastore that knows versions, and files that remember what was done to them. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type RunningTask, type StartTask, TaskDiedError } from '../../../src/base/child-task.js'
import { KVError } from '../../../src/base/errors.js'
import type { VersionFiles, VersionRecords } from '../../../src/loader/load-run.js'
import { type BuildJob, type BuildProgress, NO_PROGRESS } from '../../../src/loader/messages.js'
import type { ChangeContext, DatasetRecord, VersionRecord, VersionState } from '../../../src/model/dataset.js'
import type { LoadRequest } from '../../../src/model/load.js'
import type { DatasetPatch, VersionFigures } from '../../../src/model/metastore.js'

export const figures: VersionFigures = { rows: 2, bytes: 20, checksum: 'ab' }
export const progress: BuildProgress = { ...NO_PROGRESS, rows: 2, readBytes: 40, totalBytes: 40 }
export const change: ChangeContext = { actor: 'ann', reason: 'new data', ifRevision: null, isDryRun: false }

export function requestFor(dataset: string, from: string, changes: Partial<LoadRequest> = {}): LoadRequest {
  return {
    dataset,
    from,
    format: 'ndjson',
    keyField: 'id',
    columns: null,
    header: null,
    publish: true,
    maxBadLines: 0,
    onDuplicate: 'fail',
    minRatio: 0.5,
    force: false,
    ...changes,
  }
}

export class FakeMetastore implements VersionRecords {
  readonly records = new Map<string, DatasetRecord>()
  readonly steps: string[] = []
  /** Name of the step that fails next. */
  failingStep = ''
  #nextVersion = 1_000

  add(name: string, changes: Partial<DatasetRecord> = {}): void {
    this.records.set(name, {
      id: `id-${name}`,
      name,
      owner: { name: 'o', contact: 'c' },
      description: '',
      mode: 'BATCH',
      keyOrder: 'HASHED',
      timestampUnit: 'MICROSECONDS',
      shardCount: 2,
      cluster: 'local',
      replicas: 1,
      canary: null,
      maxVersionBytes: null,
      retainedVersions: 3,
      maxValueBytes: 1_000,
      maxCellVersions: 1,
      graceSeconds: 864_000,
      defaultTtlSeconds: null,
      defaultDurability: 'LOG_SYNCED',
      migrationState: 'TARGET_ONLY',
      origin: null,
      generation: 0,
      versions: [],
      createdAtMs: 0,
      revision: 1,
      ...changes,
    })
  }

  version(name: string, id: number): VersionRecord | undefined {
    return this.records.get(name)?.versions.find((version) => version.id === id)
  }

  /** @param meant id of the dataset that the change is about */
  #step(what: string, name: string, meant?: string): DatasetRecord {
    this.steps.push(what)
    if (this.failingStep === what) throw new KVError('UNAVAILABLE', `${what} is out of order`)
    const record = this.records.get(name)
    if (record === undefined || (meant !== undefined && meant !== record.id))
      throw new KVError('DATASET_NOT_FOUND', `no ${name}`)
    return record
  }

  #set(
    name: string,
    { id, state, meant }: { id: number; state: VersionState; meant?: string | undefined },
    figures: Partial<VersionFigures> = {},
  ): DatasetRecord {
    const record = this.#step(state, name, meant)
    const versions = record.versions.map((version) =>
      version.id === id ? { ...version, ...figures, state } : version,
    )
    const changed = { ...record, versions }
    this.records.set(name, changed)
    return changed
  }

  get(name: string): DatasetRecord | null {
    return this.records.get(name) ?? null
  }
  beginVersion(
    name: string,
    source: string,
    { actor, isDryRun }: ChangeContext,
    givenId?: number,
  ): Promise<VersionRecord> {
    const record = this.#step('LOADING', name)
    const id = givenId ?? this.#nextVersion++
    const version: VersionRecord = {
      id,
      state: 'LOADING',
      rows: 0,
      bytes: 0,
      checksum: '',
      source,
      loadedBy: actor,
      createdAtMs: id,
      archive: null,
    }
    const others = record.versions.filter((one) => one.id !== id)
    if (!isDryRun) this.records.set(name, { ...record, versions: [version, ...others] })
    return Promise.resolve(version)
  }
  async updateDataset(name: string, { retainedVersions, explode }: DatasetPatch) {
    await Promise.resolve()
    const what =
      explode === undefined ? `retained ${retainedVersions}` : `explode ${explode?.struct ?? 'none'}`
    const settings = {
      ...(retainedVersions !== undefined && { retainedVersions }),
      ...(explode !== undefined && { explode: explode ?? undefined }),
    }
    // An undefined layout is as good as an absent one to who reads it.
    const changed = { ...this.#step(what, name), ...settings } as DatasetRecord
    this.records.set(name, changed)
    return changed
  }
  async completeVersion(name: string, id: number, complete?: VersionFigures, change?: ChangeContext) {
    await Promise.resolve()
    return this.#set(name, { id, state: 'READY', meant: change?.datasetId }, complete)
  }
  async failVersion(name: string, id: number, change?: ChangeContext) {
    await Promise.resolve()
    return this.#set(name, { id, state: 'FAILED', meant: change?.datasetId })
  }
  async publish(name: string, id: number, change?: ChangeContext) {
    await Promise.resolve()
    return this.#set(name, { id, state: 'CURRENT', meant: change?.datasetId })
  }
}

/** Staging directories are real ones below `folder`; versions are only names. */
export class FakeFiles implements VersionFiles {
  readonly adopted: string[] = []
  readonly trashed: string[] = []
  readonly #folder: string
  isBroken = false
  free: number | null = null

  constructor(folder: string) {
    this.#folder = folder
  }

  newStaging(): Promise<string> {
    return Promise.resolve(mkdtempSync(join(this.#folder, 'staging-')))
  }
  loadStaging(datasetId: string, version: number): Promise<string> {
    const path = join(this.#folder, `load-${datasetId}-${version}`)
    mkdirSync(path, { recursive: true })
    return Promise.resolve(path)
  }
  unfinishedLoads(): Promise<readonly string[]> {
    const names = readdirSync(this.#folder).filter((name) => name.startsWith('load-'))
    return Promise.resolve(names.sort().map((name) => join(this.#folder, name)))
  }
  adoptVersion(datasetId: string, version: number, builtDirectory: string): Promise<void> {
    if (this.isBroken) return Promise.reject(new KVError('UNAVAILABLE', 'the disk is full'))
    this.adopted.push(`${this.#short(builtDirectory)} -> ${datasetId}/${version}`)
    return Promise.resolve()
  }
  hasVersion(datasetId: string, version: number): Promise<boolean> {
    return Promise.resolve(this.adopted.some((move) => move.endsWith(`-> ${datasetId}/${version}`)))
  }
  versionPath(datasetId: string, version: number): string {
    return `/data/${datasetId}/${version}`
  }
  freeBytes(): number | null {
    return this.free
  }
  trashStaging(path: string): Promise<void> {
    if (existsSync(path)) this.trashed.push(this.#short(path))
    rmSync(path, { recursive: true, force: true })
    return Promise.resolve()
  }
  trash(path: string): Promise<void> {
    this.trashed.push(path)
    return Promise.resolve()
  }
  trashEmptyDataset(datasetId: string): Promise<void> {
    this.trashed.push(`empty ${datasetId}`)
    return Promise.resolve()
  }

  #short(path: string): string {
    return path.slice(this.#folder.length + 1)
  }
}

export const killed = new TaskDiedError('INTERNAL', 'it died of SIGKILL')

export interface FakeBuild extends RunningTask {
  readonly job: BuildJob
  readonly report: (progress: BuildProgress) => void
  /** With what it made, or with what it failed. */
  end(outcome: VersionFigures | KVError): void
}

/** Load processes that end when the test says so. */
export function fakeBuilds(): { readonly startTask: StartTask; readonly builds: FakeBuild[] } {
  const builds: FakeBuild[] = []
  return {
    builds,
    startTask(job, report) {
      let end: FakeBuild['end'] = () => undefined
      const ended = new Promise<VersionFigures>((resolve, reject) => {
        end = (outcome) => (outcome instanceof KVError ? reject(outcome) : resolve(outcome))
      })
      const kill = (): void => end(killed)
      builds.push({ job: job as BuildJob, report, ended, end, kill })
      return { ended, kill }
    },
  }
}
