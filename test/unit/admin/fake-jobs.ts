/** Loads and jobs for tests of the admin API: they remember what was asked, nothing runs. */
import type { JobKind, JobStatus } from '../../../src/base/job.js'
import type { JobAccess } from '../../../src/admin/job-access.js'
import type { ChangeContext } from '../../../src/model/dataset.js'
import type { Loads, LoadRequest, LoadStatus, UploadRequest } from '../../../src/model/load.js'

export const someLoad: LoadStatus = {
  id: 'cities-1700000000000',
  request: {
    dataset: 'cities',
    from: '/data/cities.ndjson',
    format: 'ndjson',
    keyField: 'id',
    columns: null,
    header: null,
    publish: true,
    maxBadLines: 0,
    onDuplicate: 'fail',
    minRatio: 0.5,
    force: false,
  },
  version: 1_700_000_000_000,
  state: 'DONE',
  phase: null,
  rows: 2,
  readBytes: 10,
  totalBytes: 10,
  rowsPerSecond: 1,
  bytesPerSecond: 5,
  leftMs: null,
  duplicateCount: 0,
  badLineCount: 0,
  badLines: [],
  foreignCellCount: 0,
  resumeCount: 0,
  figures: { rows: 2, bytes: 99, checksum: 'aa' },
  error: null,
  startedAtMs: 1,
  endedAtMs: 2,
}

export interface StartedLoad {
  readonly request: LoadRequest
  readonly change: ChangeContext
}

export interface Upload {
  readonly request: UploadRequest
  readonly bytes: Buffer
  readonly change: ChangeContext
}

export class FakeLoads implements Loads {
  readonly started: StartedLoad[] = []
  readonly uploads: Upload[] = []
  readonly cancelled: string[] = []

  start(request: LoadRequest, change: ChangeContext): Promise<LoadStatus> {
    this.started.push({ request, change })
    return Promise.resolve({ ...someLoad, request, state: 'QUEUED', endedAtMs: null })
  }

  async upload(
    request: UploadRequest,
    content: { readonly bytes: AsyncIterable<Buffer>; readonly sizeBytes: number | null },
    change: ChangeContext,
  ): Promise<LoadStatus> {
    const pieces: Buffer[] = []
    for await (const piece of content.bytes) pieces.push(piece)
    this.uploads.push({ request, bytes: Buffer.concat(pieces), change })
    return { ...someLoad, state: 'QUEUED', endedAtMs: null }
  }

  list(): readonly LoadStatus[] {
    return [someLoad]
  }

  get(id: string): LoadStatus | null {
    return id === someLoad.id ? someLoad : null
  }

  cancel(id: string): Promise<LoadStatus | null> {
    this.cancelled.push(id)
    return Promise.resolve(this.get(id))
  }
}

export const someJob: JobStatus = {
  id: 'archive-1',
  kind: 'ARCHIVE',
  dataset: 'cities',
  subject: 'version 1700000000000',
  state: 'RUNNING',
  progress: { step: 'copying', done: 1, total: null, unit: 'bytes' },
  result: null,
  error: null,
  startedAtMs: 1,
  endedAtMs: null,
}

export interface AskedJob {
  readonly kind: JobKind
  readonly args: readonly unknown[]
}

export class FakeJobs implements JobAccess {
  readonly asked: AskedJob[] = []

  #asked(kind: JobKind, ...args: readonly unknown[]): JobStatus {
    this.asked.push({ kind, args })
    return { ...someJob, kind }
  }

  readonly jobs: JobAccess['jobs'] = {
    list: () => [someJob],
    get: (id) => (id === someJob.id ? someJob : null),
    cancel: () => Promise.resolve(someJob),
  }

  readonly archives: JobAccess['archives'] = {
    archive: (...args) => Promise.resolve(this.#asked('ARCHIVE', ...args)),
    restore: (...args) => Promise.resolve(this.#asked('RESTORE', ...args)),
    deleteWithArchive: (...args) => Promise.resolve(this.#asked('PURGE', ...args)),
    deleteDatasetWithArchives: (...args) => Promise.resolve(this.#asked('PURGE', ...args)),
    diff: (...args) => this.#asked('DIFF', ...args),
  }

  readonly snapshots: JobAccess['snapshots'] = {
    create: (...args) => this.#asked('SNAPSHOT', ...args),
    import: (...args) => Promise.resolve(this.#asked('IMPORT', ...args)),
  }
}
