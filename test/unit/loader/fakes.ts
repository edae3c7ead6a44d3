/** A metastore that knows versions, and files that remember what was done to them. */
import { KVError } from '../../../src/base/errors.js'
import type { VersionFiles } from '../../../src/loader/load-job.js'
import type { RunningBuild, StartBuild } from '../../../src/loader/load-process.js'
import type { BuildJob, BuildMessage } from '../../../src/loader/messages.js'
import type { ChangeContext, DatasetRecord, VersionRecord, VersionState } from '../../../src/model/dataset.js'
import type { Metastore, VersionFigures } from '../../../src/model/metastore.js'
import type { LoadRequest } from '../../../src/model/operations.js'

export const figures: VersionFigures = { rows: 2, bytes: 20, checksum: 'ab' }
export const progress = { rows: 2, readBytes: 40, badLineCount: 0, badLines: [] }
export const built: BuildMessage = { kind: 'built', progress, figures }
export const change: ChangeContext = { actor: 'ann', reason: 'new data', ifRevision: null, isDryRun: false }

export function requestFor(dataset: string, path: string, publish = true): LoadRequest {
  return { dataset, path, format: 'ndjson', keyField: 'id', columns: null, publish, maxBadLines: 0 }
}

export class FakeMetastore implements Metastore {
  readonly records = new Map<string, DatasetRecord>()
  readonly steps: string[] = []
  readonly tokenKey = Buffer.alloc(32)
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

  #step(what: string, name: string): DatasetRecord {
    this.steps.push(what)
    if (this.failingStep === what) throw new KVError('UNAVAILABLE', `${what} is out of order`)
    const record = this.records.get(name)
    if (record === undefined) throw new KVError('DATASET_NOT_FOUND', `no ${name}`)
    return record
  }

  #set(name: string, id: number, state: VersionState): DatasetRecord {
    const record = this.#step(state, name)
    const versions = record.versions.map((version) => (version.id === id ? { ...version, state } : version))
    const changed = { ...record, versions }
    this.records.set(name, changed)
    return changed
  }

  get(name: string): DatasetRecord | null {
    return this.records.get(name) ?? null
  }
  list(): readonly DatasetRecord[] {
    return [...this.records.values()]
  }
  beginVersion(name: string, source: string, { actor, isDryRun }: ChangeContext): Promise<VersionRecord> {
    const record = this.#step('LOADING', name)
    const id = this.#nextVersion++
    const version: VersionRecord = {
      id,
      state: 'LOADING',
      rows: 0,
      bytes: 0,
      checksum: '',
      source,
      loadedBy: actor,
      createdAtMs: id,
    }
    if (!isDryRun) this.records.set(name, { ...record, versions: [version, ...record.versions] })
    return Promise.resolve(version)
  }
  async completeVersion(name: string, id: number) {
    await Promise.resolve()
    return this.#set(name, id, 'READY')
  }
  async failVersion(name: string, id: number) {
    await Promise.resolve()
    return this.#set(name, id, 'FAILED')
  }
  async publish(name: string, id: number) {
    await Promise.resolve()
    return this.#set(name, id, 'CURRENT')
  }
  audit(): readonly [] {
    return []
  }
  createDataset(): Promise<never> {
    return Promise.reject(new Error('not expected here'))
  }
  removeDataset(): Promise<never> {
    return Promise.reject(new Error('not expected here'))
  }
  rollback(): Promise<never> {
    return Promise.reject(new Error('not expected here'))
  }
  deleteVersion(): Promise<never> {
    return Promise.reject(new Error('not expected here'))
  }
  forgetVersions(): Promise<void> {
    return Promise.resolve()
  }
  guardPublish(): void {
    // Nothing here asks for it.
  }

  subscribe(): void {
    return
  }
  close(): Promise<void> {
    return Promise.resolve()
  }
}

export class FakeFiles implements VersionFiles {
  readonly adopted: string[] = []
  readonly trashed: string[] = []
  isBroken = false

  newStaging(): Promise<string> {
    return Promise.resolve('/staging')
  }
  adoptVersion(datasetId: string, version: number, stagingDirectory: string): Promise<void> {
    if (this.isBroken) return Promise.reject(new KVError('UNAVAILABLE', 'the disk is full'))
    this.adopted.push(`${stagingDirectory} -> ${datasetId}/${version}`)
    return Promise.resolve()
  }
  versionPath(datasetId: string, version: number): string {
    return `/data/${datasetId}/${version}`
  }
  trashStaging(path: string): Promise<void> {
    return this.trash(path)
  }
  trash(path: string): Promise<void> {
    this.trashed.push(path)
    return Promise.resolve()
  }
}

export interface FakeBuild extends RunningBuild {
  readonly job: BuildJob
  readonly report: (message: BuildMessage) => void
  end(message: BuildMessage): void
}

/** Load processes that end when the test says so. */
export function fakeBuilds(): { readonly startBuild: StartBuild; readonly builds: FakeBuild[] } {
  const builds: FakeBuild[] = []
  return {
    builds,
    startBuild(job, report) {
      const { promise, resolve } = withResolvers()
      const kill = (): void =>
        resolve({ kind: 'failed', progress, code: 'INTERNAL', message: 'it died of SIGKILL' })
      builds.push({ job, report, ended: promise, end: resolve, kill })
      return { ended: promise, kill }
    },
  }
}

function withResolvers() {
  let resolve: (message: BuildMessage) => void = () => undefined
  const promise = new Promise<BuildMessage>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
