/** A controller whose metastore, loads and directories are in memory, whose time stands still until it is stepped. */
import { setImmediate as tick } from 'node:timers/promises'
import { createTerrapinController } from '../../../shims/terrapin/controller.js'
import { FileSetLoads, type FoundFile } from '../../../shims/terrapin/controller-loads.js'
import { KVError, type ErrorCode } from '../../../src/base/errors.js'
import { silentLogger } from '../../../src/base/logger.js'
import type { DatasetRecord, VersionRecord, VersionState } from '../../../src/model/dataset.js'
import type { LoadRequest, LoadStatus } from '../../../src/model/load.js'
import type { DatasetDraft } from '../../../src/model/metastore.js'
import * as wire from '../../../src/thrift/generated/terrapin.js'
import { datasetRecord } from '../../support/datasets.js'
import { FakeTimers } from '../../support/fake-timers.js'

export const DIRECTORY = '/terrapin/data/fs/1448390400000'
export const VERSION = 1_448_390_400_000
const ROOT = 's3://bucket'
export const ANSWER_MS = 110_000

export function version(id: number, state: VersionState, source: string): VersionRecord {
  const empty = { rows: 0, bytes: 0, checksum: '', archive: null }
  return { id, state, ...empty, source, loadedBy: 'somebody', createdAtMs: id }
}

export class World {
  readonly timers = new FakeTimers()
  readonly records = new Map<string, DatasetRecord>()
  readonly drafts: DatasetDraft[] = []
  readonly loads: LoadStatus[] = []
  readonly steps: string[] = []
  /** Names by directory URL; absent: the listing fails. */
  readonly directories = new Map<string, readonly string[]>()
  /** Of every file. */
  tag = '1'
  /** What the next change of the metastore fails with. */
  changeFailure: KVError | null = null
  /** What loads.start fails with, as long as it is set. */
  startFailure: KVError | null = null
  /** Versions that were told to leave at once. */
  readonly ended: string[] = []
  readonly answered: (ErrorCode | null)[] = []
  readonly fileSets: FileSetLoads
  readonly service

  constructor({ hasOwner = true } = {}) {
    this.directories.set(`${ROOT}${DIRECTORY}/`, ['_SUCCESS', 'part-00000', 'part-00001'])
    const clock = {
      nowUs: () => BigInt(this.timers.nowMs) * 1_000n,
      nowMs: () => this.timers.nowMs,
      monotonicMs: () => this.timers.nowMs,
    }
    const startTimer = this.timers.start
    this.fileSets = new FileSetLoads({
      metastore: this.#metastore(),
      loads: { start: (request) => this.#start(request), list: () => this.loads },
      endLeaving: (fileSet, id) => {
        this.ended.push(`${fileSet} ${id}`)
        return Promise.resolve()
      },
      list: (url) => this.#list(url),
      clock,
      startTimer,
      logger: silentLogger,
      owner: hasOwner ? { name: 'team', contact: 'team@example.org' } : null,
      cluster: 'west',
    })
    this.service = createTerrapinController(this.fileSets, {
      clock,
      startTimer,
      logger: silentLogger,
      root: ROOT,
      answerMs: ANSWER_MS,
      onAnswered: (_fileSet, _durationMs, code) => this.answered.push(code),
    })
  }

  /** `waiting`, `ok`, or the code's name and the message; to be looked at after `settle`. */
  call(given: Partial<wire.TerrapinLoadRequest> = {}): { answer: string } {
    const answers = { answer: 'waiting' }
    const request = wire.makeTerrapinLoadRequest({
      fileSet: 'fs',
      hdfsDirectory: DIRECTORY,
      expectedNumPartitions: 2,
      options: wire.makeOptions({ numVersionsToKeep: 3 }),
      ...given,
    })
    this.service.methods.get('loadFileSet')?.handle(
      { request },
      {
        connection: { id: 1, remoteAddress: '10.0.0.7', clientName: null, isClosed: false },
        method: 'loadFileSet',
        receivedAtMs: this.timers.nowMs,
        reply: () => {
          answers.answer = 'ok'
        },
        fail: (exception) => {
          // What the service fails with is its one declared exception.
          const { errorCode, message } = exception as wire.ControllerException
          answers.answer = `${String(wire.controllerErrorCodeName(errorCode ?? 0))}: ${message}`
        },
        abort: (type, message) => {
          answers.answer = `aborted ${type}: ${message}`
        },
      },
    )
    return answers
  }

  /** Runs what promises have made ready; `ms` later if given. */
  async settle(ms = 0): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await tick()
    this.timers.advance(ms)
    for (let turn = 0; turn < 5; turn++) await tick()
  }

  /** The load that was started last ends; its version with it. */
  async end(
    error: { code: ErrorCode; message: string } | null,
    state: VersionState = 'CURRENT',
  ): Promise<void> {
    const [last] = this.loads
    if (last === undefined) throw new Error('no load was started')
    this.loads[0] = {
      ...last,
      state: error === null ? 'DONE' : 'FAILED',
      error,
      endedAtMs: this.timers.nowMs,
    }
    this.setVersion(
      last.request.dataset,
      version(last.version, error === null ? state : 'FAILED', last.request.from),
    )
    await this.settle(100)
  }

  setVersion(name: string, given: VersionRecord): void {
    const record = this.records.get(name) ?? datasetRecord({ name, mode: 'BATCH' })
    const others = record.versions.filter(({ id }) => id !== given.id)
    this.records.set(name, { ...record, versions: [given, ...others] })
  }

  readonly sourceOf = (directory: string): string => `${ROOT}${directory}/`

  #list(url: string): Promise<readonly FoundFile[]> {
    const names = this.directories.get(url)
    if (names === undefined) return Promise.reject(new KVError('INVALID_ARGUMENT', 'gone'))
    return Promise.resolve(names.map((name) => ({ url: `${url}${name}`, tag: this.tag })))
  }

  #start(request: LoadRequest): Promise<LoadStatus> {
    if (this.startFailure !== null) return Promise.reject(this.startFailure)
    const id = request.fileSet?.versionId ?? 77
    const status = {
      id: `${request.dataset}-${id}`,
      request,
      version: id,
      state: 'BUILDING',
      error: null,
      endedAtMs: null,
    } as unknown as LoadStatus // what the controller looks at
    this.loads.unshift(status)
    this.setVersion(request.dataset, version(id, 'LOADING', request.from))
    return Promise.resolve(status)
  }

  #change(step: string): void {
    this.steps.push(step)
    const failure = this.changeFailure
    this.changeFailure = null
    if (failure !== null) throw failure
  }

  #metastore() {
    const recordOf = (name: string) => this.records.get(name) ?? datasetRecord({ name, mode: 'BATCH' })
    return {
      get: (name: string) => this.records.get(name) ?? null,
      createDataset: async (draft: DatasetDraft) => {
        await tick()
        this.#change(`create ${draft.name}`)
        this.drafts.push(draft)
        this.records.set(draft.name, datasetRecord({ name: draft.name, mode: 'BATCH' }))
        return recordOf(draft.name)
      },
      updateDataset: async (name: string, patch: object) => {
        await tick()
        this.#change(`update ${name} ${JSON.stringify(patch)}`)
        return recordOf(name)
      },
      publish: async (name: string, id: number) => {
        await tick()
        this.#change(`publish ${name} ${id}`)
        const found = recordOf(name).versions.find((one) => one.id === id)
        if (found !== undefined) this.setVersion(name, { ...found, state: 'CURRENT' })
        return recordOf(name)
      },
    }
  }
}
