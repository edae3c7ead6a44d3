/** Snapshots of a whole gateway's live data: one point in time under writes, there and back, and killed on the way. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { decodeLine } from '../../src/snapshot/ndjson.js'
import type { SnapshotManifest } from '../../src/snapshot/manifest.js'
import { Gateway } from '../support/gateway.js'
import { doneJob, endOf, failedJob, startJob } from '../support/jobs.js'
import { bigintOf, int64 } from '../support/stock-client.js'

const OWNER = { name: 'tests', contact: 'tests@example.org' }
const root = mkdtempSync(join(tmpdir(), 'godwit-snapshots-'))
after(() => rmSync(root, { recursive: true }))

let next = 0

function newPlace(): { readonly path: string; readonly url: string } {
  const path = join(root, `place ${next++}`)
  return { path, url: pathToFileURL(path).href }
}

/** `key column@timestamp[+]` -> value, of every cell of a snapshot of lines. */
function cellsOf(path: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const name of readdirSync(path).filter((one) => one.endsWith('.gz'))) {
    const lines = gunzipSync(readFileSync(join(path, name)))
      .toString()
      .split('\n')
    for (const line of lines.filter((one) => one !== '')) {
      const { rowKey, cells } = decodeLine(line, name)
      for (const { localKey, value, timestamp, expiresAt } of cells) {
        const mark = expiresAt === null ? '' : '+'
        found.set(`${rowKey.toString()} ${localKey.toString()}@${timestamp}${mark}`, value.toString('latin1'))
      }
    }
  }
  return found
}

function manifestOf(path: string): SnapshotManifest {
  return JSON.parse(readFileSync(join(path, 'snapshot.json'), 'utf8')) as SnapshotManifest // just written
}

function stagingOf(gateway: Gateway): string[] {
  return readdirSync(join(gateway.dataDirectory, 'data', '.staging'))
}

describe('a gateway', () => {
  let gateway: Gateway

  before(async () => {
    gateway = await Gateway.start()
  })

  after(() => gateway.dispose())

  test('takes snapshots that are one point in time over all shards, under writes', async () => {
    await gateway.createDataset('counters', { shardCount: 4 })
    const rows = Array.from({ length: 8 }, (_, i) => `row ${i}`)
    const state = { isDone: false, acknowledged: 0 }
    const writing = (async () => {
      const client = await gateway.connect()
      for (let n = 1; !state.isDone; n++) {
        for (const key of rows) await client.put({ dataset: 'counters', key, value: String(n) })
        state.acknowledged = n
      }
      client.close()
    })()
    try {
      for (let round = 0; round < 2; round++) {
        const { path, url } = newPlace()
        await pause(100)
        const { acknowledged } = state
        await doneJob(gateway, '/v1/datasets/counters/snapshots', { body: { to: url } })
        const found = [...cellsOf(path)]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([, value]) => Number(value))
        assert.ok(found.length === rows.length || acknowledged === 0, String(found))
        // Rows are written in turn, each acknowledged before the next is sent: a torn snapshot would have a rise.
        assert.ok(
          found.every((count, i) => i === 0 || count <= (found[i - 1] ?? 0)),
          String(found),
        )
        assert.ok((found[0] ?? 0) - (found.at(-1) ?? 0) <= 1, String(found))
        assert.ok((found.at(-1) ?? 0) >= acknowledged, `${String(found)}, acknowledged were ${acknowledged}`)
      }
    } finally {
      state.isDone = true
      await writing
    }
    assert.deepEqual(stagingOf(gateway), [])
  })

  for (const [format, maxCellVersions] of [
    ['ndjson', 1],
    ['parquet', 3],
  ] as const) {
    test(`brings a dataset of ${maxCellVersions} versions back through ${format}, times and TTLs as they were`, async () => {
      const name = `whole-${format}-${maxCellVersions}`
      await gateway.createDataset(name, { shardCount: 3, maxCellVersions })
      const client = await gateway.connect()
      const binary = Buffer.from([0xff, 0x00, 0xfe])
      for (let i = 0; i < 60; i++) {
        const cells = [
          { localKey: 'a', value: `value ${i}`, timestamp: int64(BigInt(i + 1)) },
          { localKey: binary, value: binary, timestamp: int64(2n ** 62n) },
          { localKey: 't', value: 'dies', timestamp: int64(5n), ttlSeconds: 86_400 },
        ]
        await client.put({ dataset: name, key: `row ${i}`, cells })
        const newer = [{ localKey: 'a', value: `newer ${i}`, timestamp: int64(BigInt(i + 100)) }]
        await client.put({ dataset: name, key: `row ${i}`, cells: newer })
      }
      await client.remove({ dataset: name, key: 'row 7', timestamp: int64(2n ** 62n + 1n) })
      const [first, lines, second] = [newPlace(), newPlace(), newPlace()]
      await doneJob(gateway, `/v1/datasets/${name}/snapshots`, { body: { to: first.url, format } })
      await doneJob(gateway, `/v1/datasets/${name}/snapshots`, { body: { to: lines.url } })
      const copy = `${name}-copy`
      const body = { from: first.url, name: copy, owner: OWNER, shardCount: 2 }
      const result = await doneJob(gateway, '/v1/imports', { body })
      const { rows, cells, takenAtMs } = manifestOf(first.path)
      assert.deepEqual(result, { dataset: copy, rows, cells, takenAtMs })
      assert.deepEqual([rows, cells], [59, 59 * (maxCellVersions === 1 ? 3 : 4)])
      await doneJob(gateway, `/v1/datasets/${copy}/snapshots`, { body: { to: second.url } })
      assert.deepEqual(cellsOf(second.path), cellsOf(lines.path))
      const read = { dataset: copy, key: 'row 8', options: { withTimestamps: true, withTtl: true } }
      const row = await client.get(read)
      const times = (row.cells ?? []).map((cell) => [
        bigintOf(cell.timestamp),
        (cell.ttlSeconds ?? 0) > 86_000,
      ])
      assert.deepEqual(times, [
        [108n, false],
        [5n, true],
        [2n ** 62n, false],
      ])
      // A write of now wins against what was imported.
      await client.put({ dataset: copy, key: 'row 8', cells: [{ localKey: 'a', value: 'now' }] })
      const [now] = (await client.get({ ...read, cells: { localKeys: ['a'] } })).cells ?? []
      assert.equal(now?.value.toString(), 'now')
      client.close()
    })
  }

  test('writes a row that is larger than a page, and reads it back', async () => {
    await gateway.createDataset('wide', { maxValueBytes: 8 * 1024 * 1024 })
    const client = await gateway.connect()
    for (let i = 0; i < 6; i++) {
      const cells = [{ localKey: `column ${i}`, value: Buffer.alloc(3 * 1024 * 1024, i) }]
      await client.put({ dataset: 'wide', key: 'wide', cells })
    }
    client.close()
    for (const format of ['ndjson', 'parquet']) {
      const { path, url } = newPlace()
      await doneJob(gateway, '/v1/datasets/wide/snapshots', { body: { to: url, format } })
      const { rows, cells } = manifestOf(path)
      assert.deepEqual([rows, cells], [1, 6])
      const body = { from: url, name: `wide-${format}`, owner: OWNER }
      await doneJob(gateway, '/v1/imports', { body })
    }
  })

  test('refuses a place that holds something, a BATCH dataset, a name that is taken, and leaves no dataset', async () => {
    await gateway.createDataset('small')
    const { path, url } = newPlace()
    await doneJob(gateway, '/v1/datasets/small/snapshots', { body: { to: url } })
    const again = await failedJob(gateway, '/v1/datasets/small/snapshots', { body: { to: url } })
    assert.equal(again.code, 'ALREADY_EXISTS')
    const taken = await gateway.admin('POST', '/v1/imports', { from: url, name: 'small', owner: OWNER })
    assert.equal(taken.status, 409, taken.text)
    await gateway.createDataset('batch', { mode: 'BATCH' })
    const batch = await gateway.admin('POST', '/v1/datasets/batch/snapshots', { to: newPlace().url })
    assert.equal(batch.status, 409, batch.text)
    rmSync(join(path, 'snapshot.json'))
    const body = { from: url, name: 'nothing', owner: OWNER }
    assert.equal((await failedJob(gateway, '/v1/imports', { body })).code, 'INVALID_ARGUMENT')
    assert.equal((await gateway.admin('GET', '/v1/datasets/nothing')).status, 404)
    assert.deepEqual(stagingOf(gateway), [])
  })

  test('plans without doing anything', async () => {
    const { path, url } = newPlace()
    const planned = await gateway.admin('POST', '/v1/datasets/counters/snapshots?dryRun=true', { to: url })
    assert.equal(planned.status, 200, planned.text)
    assert.equal((planned.body as { job: { state: string } }).job.state, 'PLANNED')
    assert.equal(existsSync(path), false)
  })

  test('ends a job when asked to, and what it was about stays', async () => {
    const { path, url } = newPlace()
    const job = await startJob(gateway, '/v1/datasets/wide/snapshots', { body: { to: url } })
    const answer = await gateway.admin('POST', `/v1/jobs/${job.id}/cancel`, {})
    assert.equal(answer.status, 200, answer.text)
    const ended = await endOf(gateway, job)
    assert.deepEqual([ended.state, ended.error?.code], ['CANCELLED', 'CANCELLED'])
    assert.equal(existsSync(join(path, 'snapshot.json')), false)
  })
})

test('killed during a snapshot and during an import, it starts again without a trace of either', async () => {
  const gateway = await Gateway.start()
  try {
    await gateway.createDataset('kept', { shardCount: 4 })
    const client = await gateway.connect()
    const value = Buffer.alloc(200_000, 'v')
    for (let i = 0; i < 100; i++) await client.put({ dataset: 'kept', key: `row ${i}`, value })
    client.close()
    const whole = newPlace()
    await doneJob(gateway, '/v1/datasets/kept/snapshots', { body: { to: whole.url } })
    for (const delayMs of [50, 600]) {
      const { path, url } = newPlace()
      await startJob(gateway, '/v1/datasets/kept/snapshots', { body: { to: url } })
      await pause(delayMs)
      await gateway.kill9()
      await gateway.start()
      assert.deepEqual(stagingOf(gateway), [])
      if (existsSync(join(path, 'snapshot.json'))) assert.equal(manifestOf(path).rows, 100)
      else await doneJob(gateway, '/v1/datasets/kept/snapshots', { body: { to: url } })
      const name = `import-${delayMs}`
      const body = { from: whole.url, name, owner: OWNER }
      await startJob(gateway, '/v1/imports', { body })
      await pause(delayMs)
      await gateway.kill9()
      await gateway.start()
      const isThere = (await gateway.admin('GET', `/v1/datasets/${name}`)).status === 200
      if (!isThere) await doneJob(gateway, '/v1/imports', { body })
      const check = newPlace()
      await doneJob(gateway, `/v1/datasets/${name}/snapshots`, { body: { to: check.url } })
      assert.equal(manifestOf(check.path).rows, 100)
      assert.deepEqual(stagingOf(gateway), [])
    }
    const { body } = await gateway.admin('GET', '/v1/datasets')
    const ids = (body as { datasets: { id: string }[] }).datasets.map(({ id }) => id)
    const directories = readdirSync(join(gateway.dataDirectory, 'data')).filter(
      (name) => !name.startsWith('.'),
    )
    assert.deepEqual(directories.sort(), ids.sort())
  } finally {
    await gateway.dispose()
  }
})
