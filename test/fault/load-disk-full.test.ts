/**
 * A load on a small file system of its own that fills up in each step: it fails with a reason, what was served is served on,
 * what it wrote is removed, and with room it goes through.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { LoadStatus } from '../../src/model/load.js'
import { Gateway } from '../support/gateway.js'

const DATASET = 'towns'
const MEGABYTE = 1024 * 1024
const TIMEOUT_MS = 60_000

/** A file system of so many bytes; null where this user may not mount one. */
function smallDisk(t: TestContext, sizeMb: number): string | null {
  const path = mkdtempSync(join(tmpdir(), 'godwit-load-disk-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'tmpfs', path]).status === 0
  t.after(() => {
    if (mounted) spawnSync('umount', ['-l', path])
    rmSync(path, { recursive: true, force: true })
  })
  return mounted ? path : null
}

/** Fills the disk but for so much; answers how to give the room back. */
function fill(disk: string, leaveBytes: number): () => void {
  const { bavail, bsize } = statfsSync(disk)
  const ballast = join(disk, 'ballast')
  writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - leaveBytes)))
  return () => rmSync(ballast)
}

async function load(gateway: Gateway, from: string): Promise<LoadStatus> {
  const body = { from, keyField: 'id', publish: true, force: true }
  const started = await gateway.admin('POST', `/v1/datasets/${DATASET}/loads`, body)
  assert.equal(started.status, 202, started.text)
  // The admin API's answers to a started and to a running load.
  const { id } = (started.body as { load: LoadStatus }).load
  const until = performance.now() + TIMEOUT_MS
  for (;;) {
    const { load: status } = (await gateway.admin('GET', `/v1/loads/${id}`)).body as { load: LoadStatus }
    if (status.endedAtMs !== null) return status
    assert.ok(performance.now() < until, 'the load does not end')
    await pause(20)
  }
}

async function served(gateway: Gateway): Promise<string> {
  const { text } = await gateway.admin('GET', `/v1/datasets/${DATASET}/rows/row-5?column=says`)
  return /"value":\{"utf8":"(\w+)"\}/.exec(text)?.[1] ?? text
}

test('a disk that is full in any step fails the load with a reason and leaves what is served, and nothing else', async (t) => {
  const disk = smallDisk(t, 128)
  if (disk === null) {
    t.skip('this user may not mount a file system')
    return
  }
  const gateway = await Gateway.start({ dataDirectory: join(disk, 'data'), config: 'loads: { sortMb: 1 }\n' })
  t.after(() => gateway.dispose())
  await gateway.createDataset(DATASET, { mode: 'BATCH', shardCount: 2 })
  const write = (says: string): string => {
    const path = join(gateway.folder, `${says}.ndjson`)
    const filler = 'x'.repeat(400)
    const rows = Array.from(
      { length: 12_000 },
      (_, index) => `{"id":"row-${(index * 7) % 12_000}","says":"${says}","f":"${filler}"}\n`,
    )
    writeFileSync(path, rows.join(''))
    return path
  }
  const before = await load(gateway, write('old'))
  assert.equal(before.state, 'DONE', JSON.stringify(before.error))
  const from = write('new')
  const staging = join(gateway.dataDirectory, 'data', '.staging')
  // In runs of 6 MB together, in the shards, and close to their end.
  for (const leftMb of [1, 4, 8, 11]) {
    const giveRoom = fill(disk, leftMb * MEGABYTE)
    const { state, error } = await load(gateway, from)
    assert.deepEqual(
      [state, error?.code],
      ['FAILED', 'UNAVAILABLE'],
      `${leftMb} MB: ${JSON.stringify(error)}`,
    )
    assert.match(error?.message ?? '', /full|space|disk|ENOSPC/i)
    assert.equal(await served(gateway), 'old')
    assert.deepEqual(readdirSync(staging), [])
    giveRoom()
  }
  const after = await load(gateway, from)
  assert.equal(after.state, 'DONE', JSON.stringify(after.error))
  assert.equal(await served(gateway), 'new')
})

test('an upload without room on the disk is refused before it is sent, and leaves nothing', async (t) => {
  const disk = smallDisk(t, 64)
  if (disk === null) {
    t.skip('this user may not mount a file system')
    return
  }
  const gateway = await Gateway.start({ dataDirectory: join(disk, 'data') })
  t.after(() => gateway.dispose())
  await gateway.createDataset(DATASET, { mode: 'BATCH' })
  const url = `http://127.0.0.1:${gateway.port('admin')}/v1/datasets/${DATASET}/uploads?keyField=id`
  const headers = { 'x-godwit-actor': 't', 'x-godwit-reason': 'r', 'content-type': 'application/x-ndjson' }
  const answer = await fetch(url, { method: 'POST', headers, body: '{"id":1,"a":2}\n' })
  assert.equal(answer.status, 503)
  assert.match(await answer.text(), /bytes free, too few for this upload/)
  assert.deepEqual(readdirSync(join(gateway.dataDirectory, 'data', '.staging')), [])
})
