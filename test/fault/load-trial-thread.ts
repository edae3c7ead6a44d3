/** A reading thread that does nothing but try how long writing takes, on RocksDB, and says which step it is in. */
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../src/base/clock.js'
import { murmur3Token } from '../../src/base/hash.js'
import { SealedShardWriter } from '../../src/leaf/rocksdb/sealed/sealed-writer.js'
import { Scratch } from '../../src/leaf/scratch.js'
import { CHUNK_SIZE, encodeSealedRow } from '../../src/leaf/sealed-row.js'
import { RunSorter } from '../../src/loader/run-sorter.js'
import { tryWriting } from '../../src/loader/trial-shard.js'
import type { CreateShardWriter } from '../../src/loader/version-writer.js'

const ROWS = 10_000
const tell = (step: 'made' | 'sealing'): void => parentPort?.postMessage(step)

const scratch = new Scratch()
const rows = new RunSorter('HASHED', 8 * 1024 * 1024)
for (let line = 1; line <= ROWS; line++) {
  const rowKey = Buffer.from(String(line))
  const cell = {
    localKey: Buffer.from('a'),
    value: Buffer.alloc(300, line),
    timestamp: null,
    ttlSeconds: null,
  }
  const packed = encodeSealedRow([cell], { nowSeconds: 1, chunkSize: CHUNK_SIZE }, scratch)
  rows.add({ token: murmur3Token(rowKey), rowKey, ...packed, part: 0, line })
}

const createShardWriter: CreateShardWriter = async ({ directory, keyOrder, expectedBytes }) => {
  const size = expectedBytes === null ? {} : { expectedBytes }
  const writer = await SealedShardWriter.create(directory, { keyOrder, nowSeconds: 1, ...size })
  tell('made')
  return {
    bytes: 0,
    addPacked: (rowKey, token, row) => writer.addPacked(rowKey, token, row),
    seal() {
      tell('sealing')
      return writer.seal()
    },
    abandon: () => writer.abandon(),
  }
}

const options = {
  staging: workerData as string,
  keyOrder: 'HASHED',
  clock: systemClock,
  createShardWriter,
} as const
const size = { bytes: rows.usedBytes, expectedBytes: rows.usedBytes }
while ((await tryWriting(rows, size, options)) !== null);
