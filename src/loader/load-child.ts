/**
 * The load process: parses, routes rows to shards, packs and seals them. A process of its own, because its memory and
 * its crashes are then its own; it leaves nothing behind but the staging directories it was given.
 */
import { createHash } from 'node:crypto'
import { assert } from '../base/assert.js'
import type { Clock } from '../base/clock.js'
import { KVError, toKVError } from '../base/errors.js'
import { murmur3Token } from '../base/hash.js'
import type { KeyOrder } from '../model/dataset.js'
import type { VersionFigures } from '../model/metastore.js'
import type { RowToken } from '../model/row-order.js'
import type { Cell } from '../model/row.js'
import { shardOfToken } from '../model/sharding.js'
import type { BuildJob, BuildMessage, BuildProgress } from './messages.js'
import { NdjsonSource, type SourceRow } from './source.js'

/** Builds one shard of a version. */
export interface ShardWriter {
  /** Cells in local-key order. @throws {KVError} when the row cannot be stored */
  add(rowKey: Buffer, cells: readonly Cell[], token: RowToken): void
  /** Everything is on disk, verified and closed when it resolves. */
  seal(): Promise<VersionFigures>
}

export interface BuildDependencies {
  /** The directory does not exist yet. */
  createShardWriter(directory: string, keyOrder: KeyOrder): Promise<ShardWriter>
  readonly clock: Clock
}

const PROGRESS_INTERVAL_MS = 200

/** Answers the one job that the parent process sends, and ends with it; ends too when the parent is gone. */
export function serveBuildJob(dependencies: BuildDependencies): void {
  process.once('disconnect', () => process.exit(1))
  process.once('message', (message) => {
    // The parent is this same program; it sends nothing else (load-job.ts).
    const job = message as BuildJob
    void buildVersion(job, dependencies, (report) => process.send?.(report)).then((last) =>
      process.send?.(last, () => process.exit(0)),
    )
  })
}

/** Builds every shard; never rejects. Answers what to report last: built or failed. */
export async function buildVersion(
  job: BuildJob,
  dependencies: BuildDependencies,
  report: (message: BuildMessage) => void,
): Promise<BuildMessage> {
  const { path, keyField, columns, maxBadLines } = job.request
  let rows = 0
  let source: NdjsonSource | null = null
  const progress = (): BuildProgress => ({
    rows,
    readBytes: source?.readBytes ?? 0,
    badLineCount: source?.badLineCount ?? 0,
    badLines: source?.badLines ?? [],
  })
  try {
    source = new NdjsonSource(path, { keyField, columns, maxValueBytes: job.maxValueBytes, maxBadLines })
    const writers: ShardWriter[] = []
    for (const directory of job.directories) {
      writers.push(await dependencies.createShardWriter(directory, job.keyOrder))
    }
    let reportedAtMs = dependencies.clock.monotonicMs()
    for await (const batch of source.batches()) {
      for (const row of batch) addRow(row, writers, job)
      rows += batch.length
      if (dependencies.clock.monotonicMs() - reportedAtMs < PROGRESS_INTERVAL_MS) continue
      reportedAtMs = dependencies.clock.monotonicMs()
      report({ kind: 'progress', progress: progress() })
    }
    if (rows === 0)
      throw new KVError('INVALID_ARGUMENT', `${path} holds no row; an empty version is not made`)
    report({ kind: 'progress', progress: progress() })
    const figures = await sealAll(writers)
    return { kind: 'built', progress: progress(), figures }
  } catch (error) {
    const { code, message } = toKVError(error, `the load of ${path} failed`)
    return { kind: 'failed', progress: progress(), code, message }
  }
}

function addRow(row: SourceRow, writers: readonly ShardWriter[], { keyOrder, request }: BuildJob): void {
  const token = keyOrder === 'HASHED' ? murmur3Token(row.rowKey) : NO_TOKEN
  const writer = writers[shardOfToken(token, writers.length)]
  assert(writer !== undefined, 'every token has a shard')
  try {
    writer.add(row.rowKey, row.cells, token)
  } catch (error) {
    const { code, message } = toKVError(error, 'the row could not be stored')
    throw new KVError(code, `${request.path}:${row.line}: ${message}`, { cause: error })
  }
}

const NO_TOKEN: RowToken = { high: 0, low: 0 }

async function sealAll(writers: readonly ShardWriter[]): Promise<VersionFigures> {
  const shards: VersionFigures[] = []
  for (const writer of writers) shards.push(await writer.seal())
  return {
    rows: shards.reduce((sum, { rows }) => sum + rows, 0),
    bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0),
    checksum: combineChecksums(shards.map(({ checksum }) => checksum)),
  }
}

/** The only shard's own; of several, the digest over theirs in shard order. */
function combineChecksums(checksums: readonly string[]): string {
  const [only = '', ...others] = checksums
  return others.length === 0 ? only : createHash('sha256').update(checksums.join('\n')).digest('hex')
}
