/**
 * Composition root of the load process (base/child-task.ts forks it) and of its reading threads: rows of files into
 * sealed shards.
 */
import { constants, setPriority } from 'node:os'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { systemClock } from './base/clock.js'
import { SealedShardWriter } from './leaf/rocksdb/sealed/sealed-writer.js'
import { Scratch } from './leaf/scratch.js'
import { CHUNK_SIZE, encodeSealedRow } from './leaf/sealed-row.js'
import type { BuildDependencies } from './loader/load-build.js'
import { serveBuildJob } from './loader/load-child.js'
import { serveReader } from './loader/load-reader.js'
import { readerThreads } from './loader/load-threads.js'
import type { ReaderSetup } from './loader/messages.js'
import { openSource } from './loader/open-source.js'
import { sourceRequestOf } from './loader/source-request.js'
import { createObjectStore } from './objects/objects.js'

const scratch = new Scratch()
// No row of a load has a TTL yet; were one to have, it would count from here.
const rowOptions = { nowSeconds: Math.floor(systemClock.nowMs() / 1000), chunkSize: CHUNK_SIZE }

const dependencies: BuildDependencies = {
  clock: systemClock,
  openSource: (job) => openSource(createObjectStore(job.objects), sourceRequestOf(job)),
  pack: (cells) => encodeSealedRow(cells, rowOptions, scratch),
  createShardWriter: ({ directory, keyOrder, expectedBytes }) =>
    SealedShardWriter.create(directory, {
      keyOrder,
      nowSeconds: rowOptions.nowSeconds,
      ...(expectedBytes !== null && { expectedBytes }),
    }),
  startReader: readerThreads(new URL(import.meta.url)),
}

if (isMainThread) serveBuildJob(dependencies)
else if (parentPort !== null) {
  // As the load process itself: Linux gives each thread a priority of its own.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  // The load process gives its threads nothing else (load-threads.ts).
  serveReader(parentPort, workerData as ReaderSetup, dependencies)
}
