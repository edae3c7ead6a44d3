/** Snapshots and imports on a disk that is full: they fail with the reason, leave nothing, and requests go on. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Gateway } from '../support/gateway.js'
import { doneJob, failedJob } from '../support/jobs.js'

const dataset = 'ledger'

test('a snapshot and an import that find the disk full leave no snapshot and no dataset', async (t) => {
  const disk = mkdtempSync(join(tmpdir(), 'godwit-disk-'))
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'tmpfs', disk]).status === 0
  const gateway = new Gateway({ dataDirectory: join(disk, 'data') })
  try {
    if (!isMounted) {
      t.skip('this user may not mount a file system')
      return
    }
    await gateway.start()
    await gateway.createDataset(dataset)
    const client = await gateway.connect()
    // What cannot be compressed.
    const value = Buffer.from(Array.from({ length: 200_000 }, () => Math.floor(Math.random() * 256)))
    for (let i = 0; i < 60; i++) await client.put({ dataset, key: `row ${i}`, value })
    const elsewhere = pathToFileURL(join(gateway.folder, 'snapshot')).href
    await doneJob(gateway, `/v1/datasets/${dataset}/snapshots`, { body: { to: elsewhere } })
    const { bavail, bsize } = statfsSync(disk)
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(bavail * bsize - 4 * 1024 * 1024))
    const here = pathToFileURL(join(disk, 'snapshot')).href
    const failed = await failedJob(gateway, `/v1/datasets/${dataset}/snapshots`, { body: { to: here } })
    assert.equal(failed.code, 'UNAVAILABLE', failed.message)
    assert.equal(existsSync(join(disk, 'snapshot', 'snapshot.json')), false)
    const owner = { name: 'tests', contact: 'tests@example.org' }
    const body = { from: elsewhere, name: 'copy', owner }
    const notImported = await failedJob(gateway, '/v1/imports', { body })
    assert.equal(notImported.code, 'UNAVAILABLE', notImported.message)
    assert.equal((await gateway.admin('GET', '/v1/datasets/copy')).status, 404)
    assert.deepEqual(readdirSync(join(disk, 'data', 'data', '.staging')), [])
    assert.ok((await client.get({ dataset, key: 'row 5' })).value?.equals(value))
    rmSync(join(disk, 'ballast'))
    await doneJob(gateway, '/v1/imports', { body })
    assert.ok((await client.get({ dataset: 'copy', key: 'row 5' })).value?.equals(value))
    client.close()
  } finally {
    await gateway.dispose()
    if (isMounted) spawnSync('umount', ['-l', disk])
    rmSync(disk, { recursive: true, force: true })
  }
})
