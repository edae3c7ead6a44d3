/**
 * A load that fails ends its reading threads at once, and one of them may have a RocksDB open that it tries to write to. Had
 * that cost the process, the load would be said to have died, and be begun twice more, instead of telling its bad rows.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

const folder = mkdtempSync(join(tmpdir(), 'godwit-load-threads-'))
after(() => rmSync(folder, { recursive: true, force: true }))

for (const step of ['made', 'sealing'] as const) {
  test(`threads that are ended while a shard that they try is ${step} do not cost the process`, async () => {
    for (let count = 0; count < 8; count++) {
      const staging = mkdtempSync(join(folder, 'staging-'))
      const thread = new Worker(new URL('./load-trial-thread.js', import.meta.url), { workerData: staging })
      // The first two shards hold next to nothing, or are what loads code.
      for (let shard = 0; shard < 2 + (count % 3);) {
        const [said] = (await once(thread, 'message')) as [string]
        if (said === step) shard++
      }
      await pause(2 * count)
      assert.equal(await thread.terminate(), 1)
    }
  })
}
