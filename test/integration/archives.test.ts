/** Archives, restores and comparisons of a whole gateway's versions: in directories and S3, and killed on the way. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { VersionDiff } from '../../src/archive/version-diff.js'
import type { JobStatus } from '../../src/base/job.js'
import type { VersionRecord } from '../../src/model/dataset.js'
import { Gateway } from '../support/gateway.js'
import { doneJob, endOf, failedJob, revisionOf, startJob } from '../support/jobs.js'
import { S3Server } from '../support/s3-server.js'

const root = mkdtempSync(join(tmpdir(), 'godwit-archives-'))
after(() => rmSync(root, { recursive: true }))

const dataset = 'cities'
const VERSIONS = `/v1/datasets/${dataset}/versions`
const LOAD_TIMEOUT_MS = 60_000

interface Rows {
  readonly count: number
  /** Of the first ones. */
  readonly text: string
}

function load(gateway: Gateway, count: number, text: string): Promise<number> {
  return loadInto(gateway, dataset, { count, text })
}

/** Answers the version. */
async function loadInto(gateway: Gateway, into: string, { count, text }: Rows): Promise<number> {
  const path = join(root, `${text}.ndjson`)
  const lines = Array.from({ length: count }, (_, i) => ({
    id: `key ${i}`,
    text: i < 10 ? text : `value ${i}`,
  }))
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  const body = { from: path, format: 'ndjson', keyField: 'id' }
  const started = await gateway.admin('POST', `/v1/datasets/${into}/loads`, body)
  assert.equal(started.status, 202, started.text)
  const { id, version } = (started.body as { load: { id: string; version: number } }).load
  const untilMs = performance.now() + LOAD_TIMEOUT_MS
  for (;;) {
    const answer = await gateway.admin('GET', `/v1/loads/${id}`)
    const { state, endedAtMs } = (answer.body as { load: { state: string; endedAtMs: number | null } }).load
    if (endedAtMs !== null) {
      assert.equal(state, 'DONE', answer.text)
      return version
    }
    assert.ok(performance.now() < untilMs, 'the load did not end')
    await pause(20)
  }
}

async function publish(gateway: Gateway, version: number): Promise<void> {
  const headers = { 'if-match': await revisionOf(gateway, dataset) }
  const answer = await gateway.admin('POST', `${VERSIONS}/${version}/publish`, {}, headers)
  assert.equal(answer.status, 200, answer.text)
}

async function versionOf(gateway: Gateway, id: number): Promise<VersionRecord | undefined> {
  const { body } = await gateway.admin('GET', VERSIONS)
  return (body as { versions: VersionRecord[] }).versions.find((version) => version.id === id)
}

async function textOf(gateway: Gateway, key: string): Promise<string | undefined> {
  const client = await gateway.connect()
  const row = await client.get({ dataset, key })
  client.close()
  return row.cells?.[0]?.value.toString()
}

function filesOf(gateway: Gateway): string[] {
  const data = join(gateway.dataDirectory, 'data')
  return readdirSync(data)
    .filter((name) => !name.startsWith('.'))
    .flatMap((id) => readdirSync(join(data, id)))
    .sort()
}

function stagingOf(gateway: Gateway): string[] {
  return readdirSync(join(gateway.dataDirectory, 'data', '.staging'))
}

async function untilFiles(gateway: Gateway, count: number): Promise<void> {
  const untilMs = performance.now() + 10_000
  while (filesOf(gateway).length !== count) {
    assert.ok(performance.now() < untilMs, filesOf(gateway).join())
    await pause(20)
  }
}

describe('a gateway with two versions', () => {
  let gateway: Gateway
  let server: S3Server | string
  let old: number
  let young: number

  before(async () => {
    server = await S3Server.start()
    const s3 =
      typeof server === 'string'
        ? ''
        : `, s3: { endpoint: "${server.endpoint}", pathStyle: true, accessKeyId: a, secretAccessKey: b }`
    gateway = await Gateway.start({
      // Files that are released go at once, so that what is restored comes from its copy.
      config: `limits: { leavingVersionMs: 0 }\narchive: { url: "${pathToFileURL(join(root, 'archive')).href}" }\nobjects: { roots: ["${root}"]${s3} }\n`,
    })
    await gateway.createDataset(dataset, { mode: 'BATCH', shardCount: 2 })
    old = await load(gateway, 2_000, 'old')
    await publish(gateway, old)
    young = await load(gateway, 2_010, 'young')
  })

  after(async () => {
    await gateway.dispose()
    if (typeof server !== 'string') server.stop()
  })

  test('says what the new one changed before it is published', async () => {
    const body = { before: old, after: young, limit: 3 }
    const diff = (await doneJob(gateway, `/v1/datasets/${dataset}/diffs`, { body })) as VersionDiff
    assert.deepEqual([diff.added, diff.removed, diff.changed, diff.equal], [10, 0, 10, 1_990])
    assert.equal(diff.samples.changed.length, 3)
    assert.deepEqual(diff.columns, [
      { column: Buffer.from('text').toString('base64'), added: 0, removed: 0, changed: 10 },
    ])
    const missing = await gateway.admin('POST', `/v1/datasets/${dataset}/diffs`, { before: 1, after: young })
    assert.equal(missing.status, 404, missing.text)
  })

  test('archives a version, releases its files, restores it, and serves it as before', async () => {
    await doneJob(gateway, `${VERSIONS}/${young}/archive`, { body: { release: true } })
    const archived = await versionOf(gateway, young)
    assert.equal(archived?.state, 'ARCHIVED')
    assert.equal(archived.archive, pathToFileURL(join(root, 'archive', dataset, `${young}`)).href + '/')
    await untilFiles(gateway, 1)
    await doneJob(gateway, `${VERSIONS}/${young}/restore`)
    assert.equal((await versionOf(gateway, young))?.state, 'READY')
    await publish(gateway, young)
    assert.equal(await textOf(gateway, 'key 3'), 'young')
    await publish(gateway, old)
    assert.equal(await textOf(gateway, 'key 3'), 'old')
    assert.deepEqual(stagingOf(gateway), [])
  })

  test('archives what is served, but does not release it', async () => {
    await doneJob(gateway, `${VERSIONS}/${old}/archive`, { body: {} })
    assert.equal((await versionOf(gateway, old))?.state, 'CURRENT')
    const headers = { 'if-match': await revisionOf(gateway, dataset) }
    const answer = await gateway.admin('POST', `${VERSIONS}/${old}/archive`, { release: true }, headers)
    assert.equal(answer.status, 409, answer.text)
  })

  test('refuses a stale revision, a place outside the roots, and one that is no URL', async () => {
    const stale = await gateway.admin('POST', `${VERSIONS}/${young}/archive`, {}, { 'if-match': '"1"' })
    assert.equal(stale.status, 412, stale.text)
    const outside = await failedJob(gateway, `${VERSIONS}/${young}/archive`, {
      body: { to: 'file:///proc/x' },
    })
    assert.equal(outside.code, 'INVALID_ARGUMENT')
    const headers = { 'if-match': await revisionOf(gateway, dataset) }
    const noUrl = await gateway.admin('POST', `${VERSIONS}/${young}/archive`, { to: '/tmp' }, headers)
    assert.equal(noUrl.status, 400, noUrl.text)
  })

  test('an archive that is damaged is not restored, and the version stays ARCHIVED', async () => {
    await doneJob(gateway, `${VERSIONS}/${young}/archive`, { body: { release: true } })
    const manifest = join(root, 'archive', dataset, `${young}`, 'archive.json')
    const files = join(root, 'archive', dataset, `${young}`, '0', 'db')
    const [table = ''] = readdirSync(files).filter((name) => name.endsWith('.sst'))
    const kept = spawnSync('cp', [join(files, table), join(root, 'kept')]).status
    assert.equal(kept, 0)
    writeFileSync(join(files, table), 'damaged')
    const failure = await failedJob(gateway, `${VERSIONS}/${young}/restore`)
    assert.equal(failure.code, 'CORRUPT')
    assert.equal((await versionOf(gateway, young))?.state, 'ARCHIVED')
    spawnSync('cp', [join(root, 'kept'), join(files, table)])
    assert.ok(existsSync(manifest))
    await doneJob(gateway, `${VERSIONS}/${young}/restore`)
  })

  test('a version whose newest copy is damaged comes back from an earlier one', async () => {
    await doneJob(gateway, `${VERSIONS}/${young}/archive`)
    const to = pathToFileURL(join(root, 'second')).href
    await doneJob(gateway, `${VERSIONS}/${young}/archive`, { body: { to, release: true } })
    rmSync(join(root, 'second', dataset, `${young}`, 'archive.json'))
    await doneJob(gateway, `${VERSIONS}/${young}/restore`)
    assert.equal((await versionOf(gateway, young))?.state, 'READY')
  })

  test('a removal with copies waits for nobody and cannot be cancelled half-way', async () => {
    await gateway.createDataset('purged', { mode: 'BATCH', shardCount: 4 })
    const path = join(root, 'purged.ndjson')
    writeFileSync(path, '{"id":"a","text":"b"}\n')
    const body = { from: path, format: 'ndjson', keyField: 'id' }
    const started = await gateway.admin('POST', '/v1/datasets/purged/loads', body)
    const { id, version } = (started.body as { load: { id: string; version: number } }).load
    for (;;) {
      const { load: now } = (await gateway.admin('GET', `/v1/loads/${id}`)).body as {
        load: { endedAtMs: unknown }
      }
      if (now.endedAtMs !== null) break
      await pause(20)
    }
    const archiving = await startJob(gateway, `/v1/datasets/purged/versions/${version}/archive`)
    const purge = async () =>
      gateway.admin(
        'DELETE',
        '/v1/datasets/purged/archives',
        {},
        { 'if-match': await revisionOf(gateway, 'purged') },
      )
    const refused = await purge()
    assert.equal(refused.status, 409, refused.text)
    assert.match(refused.text, /has a job about its copies/)
    await endOf(gateway, archiving)
    const answer = await purge()
    assert.equal(answer.status, 202, answer.text)
    const { job } = answer.body as { job: JobStatus }
    const cancelled = await gateway.admin('POST', `/v1/jobs/${job.id}/cancel`, {})
    assert.equal(cancelled.status, 409, cancelled.text)
    assert.equal((await endOf(gateway, job)).state, 'DONE')
    assert.equal(existsSync(join(root, 'archive', 'purged', `${version}`, 'archive.json')), false)
  })

  test('a version that is deleted while it is archived leaves no copy that nobody knows', async () => {
    const name = 'brief'
    await gateway.createDataset(name, { mode: 'BATCH', shardCount: 2 })
    const version = await loadInto(gateway, name, { count: 50_000, text: name })
    const archiving = await startJob(gateway, `/v1/datasets/${name}/versions/${version}/archive`)
    const isLinked = () => {
      const staging = join(gateway.dataDirectory, 'data', '.staging')
      return readdirSync(staging).some((one) => existsSync(join(staging, one, 'version', '1', 'db')))
    }
    const untilMs = performance.now() + LOAD_TIMEOUT_MS
    while (!isLinked()) {
      assert.ok(performance.now() < untilMs, 'nothing was linked')
      await pause(1)
    }
    const headers = { 'if-match': await revisionOf(gateway, name) }
    const deleted = await gateway.admin('DELETE', `/v1/datasets/${name}/versions/${version}`, {}, headers)
    assert.equal(deleted.status, 200, deleted.text)
    const { state, error } = await endOf(gateway, archiving)
    assert.equal(state, 'FAILED')
    assert.match(error?.message ?? '', /is DELETED|has no version/)
    const left = readdirSync(join(root, 'archive', name), { recursive: true, withFileTypes: true })
    assert.deepEqual(
      left.filter((one) => one.isFile()).map((one) => one.name),
      [],
    )
  })

  test('archives to S3 and restores from it, and says what S3 refuses', async (t) => {
    if (typeof server === 'string') {
      t.skip(server)
      return
    }
    const made = await fetch(`${server.endpoint}/backups`, { method: 'PUT' })
    assert.equal(made.status, 200)
    const nowhere = await failedJob(gateway, `${VERSIONS}/${young}/archive`, {
      body: { to: 's3://no-such-bucket/x' },
    })
    assert.match(nowhere.message, /no-such-bucket/)
    await doneJob(gateway, `${VERSIONS}/${young}/archive`, {
      body: { to: 's3://backups/godwit', release: true },
    })
    assert.equal((await versionOf(gateway, young))?.archive, `s3://backups/godwit/${dataset}/${young}/`)
    await doneJob(gateway, `${VERSIONS}/${young}/restore`)
    await publish(gateway, young)
    assert.equal(await textOf(gateway, 'key 3'), 'young')
    await publish(gateway, old)
  })

  test('deletes a version with its copy', async () => {
    await doneJob(gateway, `${VERSIONS}/${young}/archive`, { body: { release: true } })
    await doneJob(gateway, `${VERSIONS}/${young}/archive`, { method: 'DELETE' })
    assert.equal(existsSync(join(root, 'archive', dataset, `${young}`, 'archive.json')), false)
    const left = (await versionOf(gateway, young))?.state ?? 'DELETED'
    assert.equal(left, 'DELETED')
  })
})

test('killed during an archive, a restore and a deletion, it starts again with a version that is whole', async () => {
  const place = join(root, 'killed')
  const gateway = await Gateway.start({ config: `archive: { url: "${pathToFileURL(place).href}" }\n` })
  const stateOf = async (id: number) => (await versionOf(gateway, id))?.state ?? 'DELETED'
  /** Answers the state in which the next start found it. */
  const killedIn = async (
    version: number,
    step: { path: string; method: string; body: object },
    delayMs: number,
  ) => {
    const { path, ...how } = step
    await startJob(gateway, `${VERSIONS}/${version}/${path}`, how)
    await pause(delayMs)
    await gateway.kill9()
    await gateway.start()
    assert.deepEqual(stagingOf(gateway), [])
    return await stateOf(version)
  }
  try {
    await gateway.createDataset(dataset, { mode: 'BATCH', shardCount: 4, retainedVersions: 10 })
    await publish(gateway, await load(gateway, 1_000, 'served'))
    const version = await load(gateway, 1_000, 'killed')
    const archive = { path: 'archive', method: 'POST', body: { release: true } }
    const restore = { path: 'restore', method: 'POST', body: {} }
    const purge = { path: 'archive', method: 'DELETE', body: {} }
    for (const delayMs of [40, 400]) {
      const archived = await killedIn(version, archive, delayMs)
      assert.ok(archived === 'READY' || archived === 'ARCHIVED', archived)
      if (archived === 'READY') await doneJob(gateway, `${VERSIONS}/${version}/archive`, archive)
      await untilFiles(gateway, 1)
      const restored = await killedIn(version, restore, delayMs)
      assert.ok(restored === 'READY' || restored === 'ARCHIVED', restored)
      if (restored === 'ARCHIVED') {
        assert.equal(filesOf(gateway).length, 1)
        await doneJob(gateway, `${VERSIONS}/${version}/restore`, restore)
      }
      assert.equal(filesOf(gateway).length, 2)
      assert.equal(await textOf(gateway, 'key 3'), 'served')
    }
    const purged = await killedIn(version, purge, 300)
    assert.ok(purged === 'READY' || purged === 'DELETED', purged)
    if (purged === 'READY') await doneJob(gateway, `${VERSIONS}/${version}/archive`, purge)
    // What a kill interrupted the start goes on with.
    const untilMs = performance.now() + LOAD_TIMEOUT_MS
    while (existsSync(join(place, dataset, `${version}`, 'archive.json'))) {
      assert.ok(performance.now() < untilMs, 'its copy is there')
      await pause(20)
    }
    await untilFiles(gateway, 1)
    assert.equal(await textOf(gateway, 'key 3'), 'served')
  } finally {
    await gateway.dispose()
  }
})
