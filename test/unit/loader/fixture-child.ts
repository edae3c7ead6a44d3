/** A load process for tests: shards are text files, and some keys make it end badly. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../../src/base/clock.js'
import type { BuildDependencies } from '../../../src/loader/load-build.js'
import { serveBuildJob } from '../../../src/loader/load-child.js'
import { serveReader } from '../../../src/loader/load-reader.js'
import { readerThreads } from '../../../src/loader/load-threads.js'
import type { ReaderSetup } from '../../../src/loader/messages.js'
import { openSource } from '../../../src/loader/open-source.js'
import { sourceRequestOf } from '../../../src/loader/source-request.js'
import type { Cell } from '../../../src/model/row.js'
import { createObjectStore } from '../../../src/objects/objects.js'
import { packText } from './build-world.js'

const misbehaviour: Readonly<Record<string, () => void>> = {
  crash: () => process.abort(),
  exit: () => {
    process.stderr.write('gone\n')
    process.exit(3)
  },
  hoard: () => {
    const hoard: string[][] = []
    for (;;) hoard.push(Array.from({ length: 10_000 }, (_, index) => `${hoard.length}-${index}`))
  },
  wait: () => {
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  },
}

const dependencies: BuildDependencies = {
  clock: systemClock,
  openSource: (job) => openSource(createObjectStore(job.objects), sourceRequestOf(job)),
  pack(cells: readonly Cell[]) {
    misbehaviour[cells[0]?.value.toString() ?? '']?.()
    return packText(cells)
  },
  createShardWriter({ directory }) {
    const rows: string[] = []
    mkdirSync(directory)
    return Promise.resolve({
      bytes: 0,
      addPacked: (rowKey, _token, { head }) => void rows.push(`${rowKey.toString()} ${head.toString()}`),
      seal() {
        writeFileSync(join(directory, 'rows'), rows.map((row) => `${row}\n`).join(''))
        return Promise.resolve({ rows: rows.length, bytes: 0, checksum: 'x' })
      },
      abandon: () => Promise.resolve(),
    })
  },
  startReader: readerThreads(new URL(import.meta.url)),
}

if (isMainThread) serveBuildJob(dependencies)
// The load process gives its threads nothing else.
else if (parentPort !== null) serveReader(parentPort, workerData as ReaderSetup, dependencies)
