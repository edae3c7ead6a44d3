/**
 * A data directory on a small file system of its own that fills up under writes: writes are refused with their outcome,
 * reads go on, and once there is room again the shard takes writes, with everything acknowledged in place.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Gateway } from '../support/gateway.js'
import { type StockClient, type StockException, isStockException } from '../support/stock-client.js'

const dataset = 'ledger'
const VALUE = Buffer.alloc(64 * 1024, 'v')
const UNAVAILABLE = 401
/** While the shard is opened anew; the caller is told to try again. */
const SHARD_NOT_SERVING = 404
const NOT_APPLIED = 1
const RECOVERY_TIMEOUT_MS = 60_000

/** A file system of so many bytes; null where this user may not mount one. */
function smallDisk(t: TestContext, sizeMb: number): string | null {
  const path = mkdtempSync(join(tmpdir(), 'godwit-disk-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'tmpfs', path]).status === 0
  t.after(() => {
    if (mounted) spawnSync('umount', ['-l', path])
    rmSync(path, { recursive: true, force: true })
  })
  return mounted ? path : null
}

/** Fills the disk but for `leaveMb`; answers how to give the room back. */
function fill(disk: string, leaveMb: number): () => void {
  const { bavail, bsize } = statfsSync(disk)
  const ballast = join(disk, 'ballast')
  writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - leaveMb * 1024 * 1024)))
  return () => rmSync(ballast)
}

/** Writes rows until one is refused; answers how many were acknowledged, and why the next was not. */
async function writeUntilRefused(client: StockClient): Promise<{ count: number; refusal: StockException }> {
  for (let count = 0; ; count++) {
    try {
      await client.put({ dataset, key: `row ${count}`, value: VALUE })
    } catch (refusal) {
      if (isStockException(refusal)) return { count, refusal }
      throw refusal
    }
  }
}

async function assertAllThere(client: StockClient, count: number): Promise<void> {
  for (let row = 0; row < count; row++) {
    const { value } = await client.get({ dataset, key: `row ${row}` })
    assert.ok(value?.equals(VALUE), `row ${row} of ${count} is not what was acknowledged`)
  }
}

async function putInTime(client: StockClient, key: string): Promise<void> {
  const until = performance.now() + RECOVERY_TIMEOUT_MS
  for (;;) {
    try {
      await client.put({ dataset, key, value: VALUE })
      return
    } catch (error) {
      const mayRetry = isStockException(error) && [UNAVAILABLE, SHARD_NOT_SERVING].includes(error.error.code)
      if (!mayRetry || performance.now() > until) throw error
      await pause(100)
    }
  }
}

test('a full disk refuses writes with their outcome, is read on, and takes writes again when there is room', async (t) => {
  const disk = smallDisk(t, 256)
  if (disk === null) {
    t.skip('this user may not mount a file system')
    return
  }
  const gateway = await Gateway.start({ dataDirectory: join(disk, 'data') })
  t.after(() => gateway.dispose())
  await gateway.createDataset(dataset)
  const client = await gateway.connect()
  t.after(() => client.close())
  const giveRoom = fill(disk, 6)

  const { count, refusal } = await writeUntilRefused(client)
  assert.ok(count > 10, `${count} rows fitted`)
  assert.equal(refusal.error.code, UNAVAILABLE, refusal.message)
  assert.ok(refusal.error.outcome !== null, 'a refused write says what became of it')
  await assert.rejects(client.put({ dataset, key: 'another', value: VALUE }), (error: unknown) => {
    assert.ok(isStockException(error))
    assert.deepEqual([error.error.code, error.error.outcome], [UNAVAILABLE, NOT_APPLIED])
    return true
  })
  await assertAllThere(client, count)
  const status = await gateway.admin('GET', '/v1/status')
  assert.match(status.text, /the disk is full/)

  giveRoom()
  await putInTime(client, 'after')
  await assertAllThere(client, count)
  assert.equal((await client.get({ dataset, key: 'another' })).value, null)
  await gateway.restart()
  const again = await gateway.connect()
  t.after(() => again.close())
  await assertAllThere(again, count)
  assert.ok((await again.get({ dataset, key: 'after' })).value?.equals(VALUE))
})
