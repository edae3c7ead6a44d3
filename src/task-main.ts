/**
 * Composition root of the process that archives, restores and compares versions and takes and imports snapshots
 * (base/child-task.ts forks it). It works on links and staging directories; what is served it never opens.
 */
import { copyIn } from './archive/copy-in.js'
import { copyOut } from './archive/copy-out.js'
import type { OnProgress, ShardFormatAccess } from './archive/copies.js'
import { purge } from './archive/purge.js'
import type { ArchiveTask, DiffTask } from './archive/tasks.js'
import { VersionComparison, type VersionDiff } from './archive/version-diff.js'
import { serveTask, toTaskError } from './base/child-task.js'
import { type Clock, systemClock } from './base/clock.js'
import { KVError } from './base/errors.js'
import { murmur3Token } from './base/hash.js'
import type { StaleLinks } from './base/linked-task.js'
import { RocksEngine } from './leaf/rocksdb/engine.js'
import { LiveShardBuilder } from './leaf/rocksdb/sealed/live-builder.js'
import {
  filesOfSealed,
  SEALED_FORMAT_NUMBER,
  SealedCopy,
  syncShard,
} from './leaf/rocksdb/sealed/sealed-copy.js'
import { finishLinks } from './leaf/rocksdb/store/shard-links.js'
import { RocksStore } from './leaf/rocksdb/store/store.js'
import type { ShardLocation } from './model/leaf-engine.js'
import { NO_TOKEN } from './model/row-order.js'
import type { ObjectStore } from './objects/object-store.js'
import { createObjectStore, type ObjectSettings } from './objects/objects.js'
import { clearPlace, exportSnapshot, type OpenFrozenShard, type SnapshotExport } from './snapshot/export.js'
import { importSnapshot, type SnapshotImport } from './snapshot/import.js'
import type { SnapshotTask } from './snapshot/tasks.js'

type Task = ArchiveTask | SnapshotTask

interface Received {
  readonly objects: ObjectSettings
  readonly task: Task
}

const REPORT_INTERVAL_MS = 200

const SEALED_SHARDS: ShardFormatAccess = {
  sealedFormat: SEALED_FORMAT_NUMBER,
  open: (directory, keyOrder) => SealedCopy.open(directory, keyOrder),
  files: filesOfSealed,
  sync: syncShard,
}

serveTask((received, report) => {
  // The parent is this same program; it sends nothing else (gateway/jobs.ts).
  const { objects, task } = received as Received
  return runTask(task, createObjectStore(objects), paced(report))
})

/** Not more often than anybody looks. */
function paced(report: (message: unknown) => void): OnProgress {
  let reportedAtMs = Number.NEGATIVE_INFINITY
  let lastStep = ''
  return (step, done, total) => {
    const nowMs = systemClock.monotonicMs()
    if (step === lastStep && nowMs - reportedAtMs < REPORT_INTERVAL_MS) return
    reportedAtMs = nowMs
    lastStep = step
    report({ step, done, total })
  }
}

async function runTask(task: Task, objects: ObjectStore, onProgress: OnProgress): Promise<unknown> {
  const access = { objects, shards: SEALED_SHARDS, onProgress }
  switch (task.kind) {
    case 'ARCHIVE': {
      const stale = await openAll(task.directories, (path) => openSealed(path))
      return stale ?? (await copyOut(task, access))
    }
    case 'RESTORE':
      return await copyIn(task, access)
    case 'PURGE':
      return await purge(objects, task)
    case 'DIFF':
      return await compareVersions(task, onProgress)
    case 'SNAPSHOT':
      return await takeSnapshot(task, objects, onProgress)
    case 'CLEAR':
      await clearPlace(objects, task.url)
      return null
    case 'IMPORT':
      return await importRows(task, objects, onProgress)
  }
}

/** Opens and closes each of some links, which also makes them quiet; what does not open is to be linked again. */
async function openAll(
  directories: readonly string[],
  openOne: (directory: string) => Promise<{ close(): Promise<void> }>,
): Promise<StaleLinks | null> {
  try {
    for (const directory of directories) {
      await finishLinks(directory)
      await (await openOne(directory)).close()
    }
    return null
  } catch (error) {
    const { code, message } = toTaskError(error)
    return { isStale: true, code, message }
  }
}

function openSealed(directory: string): Promise<SealedCopy> {
  // Which order does not matter to what is not read.
  return SealedCopy.open(directory, 'HASHED')
}

async function compareVersions(task: DiffTask, onProgress: OnProgress): Promise<VersionDiff | StaleLinks> {
  const { before, after, keyOrder, limit, rows } = task
  const stale = await openAll([...before.directories, ...after.directories], openSealed)
  if (stale !== null) return stale
  const comparison = new VersionComparison(limit)
  for (const [shard, directory] of before.directories.entries()) {
    const old = await SealedCopy.open(directory, keyOrder)
    const young = await SealedCopy.open(after.directories[shard] ?? '', keyOrder)
    const steps = comparison.compare(old, young)
    while (steps.next().done !== true) {
      onProgress('comparing', comparison.rows, rows)
      // So that reports leave.
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    await old.close()
    await young.close()
  }
  return comparison.result(before.id, after.id)
}

async function takeSnapshot(
  task: SnapshotExport,
  objects: ObjectStore,
  onProgress: OnProgress,
): Promise<unknown> {
  const frozen = new FrozenShards(task)
  const stale = await openAll(task.directories, (directory) => frozen.open(directory, 0))
  if (stale !== null) return stale
  return await exportSnapshot(task, {
    objects,
    open: (directory, shard) => frozen.open(directory, shard),
    onProgress: (rows) => onProgress('exporting', rows, null),
  })
}

/** Opens links of live shards, and reads them as of the moment of the snapshot. */
class FrozenShards {
  readonly #store = new RocksStore()
  readonly #engine: RocksEngine
  readonly #clock: Clock
  readonly #task: SnapshotExport

  constructor(task: SnapshotExport) {
    const { takenAtMs } = task
    this.#task = task
    this.#clock = {
      nowUs: () => BigInt(takenAtMs) * 1_000n,
      nowMs: () => takenAtMs,
      monotonicMs: () => systemClock.monotonicMs(),
    }
    this.#engine = new RocksEngine({ clock: this.#clock, channel: NO_WRITER })
  }

  async open(directory: string, shard: number): Promise<OpenFrozenShard> {
    const { id: datasetId, keyOrder, maxCellVersions } = this.#task.dataset
    const format = maxCellVersions > 1 ? 'history' : 'mutable'
    const location: ShardLocation = { datasetId, shard, format, maxCellVersions, directory }
    const incarnation = await this.#store.open(location)
    return {
      engine: this.#engine,
      incarnation,
      keyOrder,
      clock: this.#clock,
      tokenOf: (rowKey) => (keyOrder === 'HASHED' ? murmur3Token(rowKey) : NO_TOKEN),
      close: async () => {
        this.#engine.detach(incarnation.id)
        await this.#store.close(incarnation.id)
      },
    }
  }
}

const NO_WRITER = {
  send: () => {
    throw new KVError('INTERNAL', 'nothing is written in this process')
  },
  onAck: () => undefined,
}

async function importRows(
  task: SnapshotImport,
  objects: ObjectStore,
  onProgress: OnProgress,
): Promise<unknown> {
  const nowSeconds = Math.floor(systemClock.nowMs() / 1_000)
  return await importSnapshot(task, {
    objects,
    create: (directory, of) => LiveShardBuilder.create(directory, { ...of, nowSeconds }),
    tokenOf: murmur3Token,
    onProgress: (rows, total) => onProgress('importing', rows, total),
  })
}
