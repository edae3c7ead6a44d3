/** Composition root of the load process (loader/load-process.ts forks it): rows from a file into sealed shards. */
import { constants, setPriority } from 'node:os'
import { systemClock } from './base/clock.js'
import { SealedShardWriter } from './leaf/rocksdb/sealed-writer.js'
import { serveBuildJob } from './loader/load-child.js'

// Requests come first: a load takes what the serving threads leave.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL)

serveBuildJob({
  clock: systemClock,
  createShardWriter: (directory, keyOrder) =>
    SealedShardWriter.create(directory, { keyOrder, nowSeconds: Math.floor(systemClock.nowMs() / 1000) }),
})
