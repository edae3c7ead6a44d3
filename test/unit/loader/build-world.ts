/** Builds in this process: files on disk, shards in memory, reading threads as message channels. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import { systemClock } from '../../../src/base/clock.js'
import { type ErrorCode, KVError } from '../../../src/base/errors.js'
import type { BuildDependencies } from '../../../src/loader/load-build.js'
import { buildVersion } from '../../../src/loader/load-child.js'
import { serveReader } from '../../../src/loader/load-reader.js'
import type { LoadSource, SourcePart } from '../../../src/loader/load-source.js'
import {
  type BuildJob,
  type BuildProgress,
  NO_PROGRESS,
  type ReaderMessage,
} from '../../../src/loader/messages.js'
import { openSource } from '../../../src/loader/open-source.js'
import { sourceRequestOf } from '../../../src/loader/source-request.js'
import type { ShardWriter } from '../../../src/loader/version-writer.js'
import type { KeyOrder } from '../../../src/model/dataset.js'
import type { LoadRequest } from '../../../src/model/load.js'
import type { VersionFigures } from '../../../src/model/metastore.js'
import type { Cell } from '../../../src/model/row.js'
import { createObjectStore, type ObjectSettings } from '../../../src/objects/objects.js'
import { requestFor } from './fakes.js'

export const objectSettings: ObjectSettings = {
  roots: [],
  s3: {
    endpoint: '',
    region: 'r',
    pathStyle: false,
    accessKeyId: '',
    secretAccessKey: '',
    connectTimeoutMs: 1,
    stallTimeoutMs: 1,
    attempts: 1,
  },
}

/** `column=value column=value`. */
export function packText(cells: readonly Cell[]): { head: Buffer; chunks: readonly Buffer[] } {
  const columns = cells.map(({ localKey, value }) => `${localKey.toString()}=${value.toString()}`)
  return { head: Buffer.from(columns.join(' ')), chunks: [] }
}

/** How a build ended, and what it reported last. */
export type BuildOutcome =
  | { readonly kind: 'built'; readonly progress: BuildProgress; readonly figures: VersionFigures }
  | {
      readonly kind: 'failed'
      readonly progress: BuildProgress
      readonly code: ErrorCode
      readonly message: string
    }

export class BuildWorld {
  readonly folder: string
  readonly input: string
  readonly staging: string
  /** Sealed shards by their number in the staging directory: lines `key column=value ...` in the order they came. */
  readonly shards = new Map<string, string[]>()
  /** Of shards that were neither sealed nor given up. */
  readonly openWriters = new Set<string>()
  /** Parts whose rows were asked for, in order. */
  readonly readParts: string[] = []
  readonly progress: BuildProgress[] = []
  readonly #job: Omit<BuildJob, 'request'>
  /** Stands between the source and the build. */
  tamper: (source: LoadSource) => LoadSource = (source) => source
  /** Called before a row is taken by a shard. */
  onAdd: (rowKey: string, shard: string) => void = () => undefined
  onProgress: (progress: BuildProgress) => void = () => undefined
  /** Of reading threads, too. */
  dependencies: Partial<BuildDependencies> = {}

  constructor(root: string, changes: Partial<BuildJob> = {}) {
    this.folder = mkdtempSync(join(root, 'build-'))
    this.input = join(this.folder, 'input')
    this.staging = join(this.folder, 'staging')
    mkdirSync(this.input)
    mkdirSync(this.staging)
    this.#job = {
      keyOrder: 'HASHED' satisfies KeyOrder,
      maxValueBytes: 10_000,
      maxVersionBytes: null,
      shardCount: 3,
      staging: this.staging,
      workers: 1,
      sortBytes: 1024 * 1024,
      heapMb: 64,
      objects: objectSettings,
      ...changes,
    }
  }

  write(name: string, content: string): void {
    writeFileSync(join(this.input, name), content)
  }

  /** Files of JSON lines. */
  writeRows(name: string, rows: readonly object[]): void {
    this.write(name, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  }

  async build(changes: Partial<LoadRequest> = {}, jobChanges: Partial<BuildJob> = {}): Promise<BuildOutcome> {
    const job: BuildJob = { ...this.#job, request: requestFor('cities', this.input, changes), ...jobChanges }
    let progress = NO_PROGRESS
    try {
      const figures = await buildVersion(job, this.#dependencies(), (reported) => {
        this.progress.push((progress = reported))
        this.onProgress(reported)
      })
      return { kind: 'built', progress, figures }
    } catch (error) {
      assert.ok(error instanceof KVError)
      return { kind: 'failed', progress, code: error.code, message: error.message }
    }
  }

  /** The version's rows, all shards in order. */
  rows(): string[] {
    return [...this.shards].sort(([a], [b]) => Number(a) - Number(b)).flatMap(([, lines]) => lines)
  }

  #dependencies(): BuildDependencies {
    const openJob = (job: BuildJob): LoadSource => {
      const source = openSource(createObjectStore(job.objects), sourceRequestOf(job))
      const watched = {
        parts: () => source.parts(),
        rows: (part: SourcePart) => {
          this.readParts.push(part.url.split('/').at(-1) ?? '')
          return source.rows(part)
        },
      }
      return this.tamper(watched)
    }
    const shared = {
      clock: systemClock,
      openSource: openJob,
      pack: packText,
      createShardWriter: ({ directory }: { readonly directory: string }) =>
        Promise.resolve(this.#shardWriter(directory)),
      ...this.dependencies,
    }
    return {
      ...shared,
      startReader(setup, on) {
        const { port1, port2 } = new MessageChannel()
        serveReader(port2, setup, shared)
        port1.on('message', (message: ReaderMessage) => on.message(message))
        return {
          send: (order) => port1.postMessage(order),
          end() {
            port1.close()
            return Promise.resolve()
          },
        }
      },
      ...this.dependencies,
    }
  }

  #shardWriter(directory: string): ShardWriter {
    const shard = directory.split('/').at(-1) ?? ''
    const lines: string[] = []
    let bytes = 0
    mkdirSync(directory)
    this.openWriters.add(directory)
    const close = (): void => void this.openWriters.delete(directory)
    return {
      get bytes() {
        return bytes
      },
      addPacked: (rowKey, _token, { head }) => {
        this.onAdd(rowKey.toString(), shard)
        bytes += rowKey.length + head.length
        lines.push(`${rowKey.toString()} ${head.toString()}`)
      },
      seal: () => {
        close()
        this.shards.set(shard, lines)
        return Promise.resolve({ rows: lines.length, bytes, checksum: `sum-${lines.length}` })
      },
      abandon: () => {
        close()
        return Promise.resolve()
      },
    }
  }
}

/** Throws as a disk would that has no room. */
export function diskFull(): never {
  throw new KVError('UNAVAILABLE', 'the disk is full')
}
