/**
 * A dataset that is removed takes its jobs with it: each ends CANCELLED and leaves nothing, here or where it wrote to, and a
 * dataset that gets the name meanwhile is another one.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { JobStatus } from '../../src/base/job.js'
import type { LoadStatus } from '../../src/model/load.js'
import { Gateway } from '../support/gateway.js'
import { HoldingProxy } from '../support/holding-proxy.js'
import { doneJob, endOf, revisionOf, startJob } from '../support/jobs.js'
import { S3Server } from '../support/s3-server.js'

const ROWS = 500
const WAIT_MS = 30_000
const BUCKET = 's3://place'
const folder = mkdtempSync(join(tmpdir(), 'godwit-removed-'))
after(() => rmSync(folder, { recursive: true }))

let gateway: Gateway
let server: S3Server | string
let proxy: HoldingProxy

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + WAIT_MS
  while (!(await isSo())) {
    assert.ok(performance.now() < untilMs, `${what}: it did not come to that`)
    await pause(10)
  }
}

async function remove(name: string): Promise<void> {
  const headers = { 'if-match': await revisionOf(gateway, name) }
  const { status, text } = await gateway.admin('DELETE', `/v1/datasets/${name}`, {}, headers)
  assert.equal(status, 200, text)
}

function rowsSaying(says: string): string {
  return Array.from({ length: ROWS }, (_, row) => `{"id":"row ${row}","says":"${says}"}\n`).join('')
}

/** Loads rows that say this, and serves them; answers the version. */
async function load(name: string, says: string, publish = true): Promise<number> {
  const from = join(folder, `${says}.ndjson`)
  writeFileSync(from, rowsSaying(says))
  const body = { from, keyField: 'id', publish }
  const { status, text, body: started } = await gateway.admin('POST', `/v1/datasets/${name}/loads`, body)
  assert.equal(status, 202, text)
  const { id, version } = (started as { load: LoadStatus }).load // the admin API's answer
  const load = await ended(id)
  assert.equal(load.state, 'DONE', JSON.stringify(load.error))
  return version
}

async function ended(id: string): Promise<JobStatus> {
  await until(`the end of ${id}`, async () => (await jobOf(id)).endedAtMs !== null)
  return await jobOf(id)
}

/** What is stored below a name of the bucket. */
async function objectsBelow(prefix: string): Promise<string[]> {
  assert.ok(typeof server !== 'string')
  const text = await (await fetch(`${server.endpoint}/place?list-type=2&prefix=${prefix}`)).text()
  return Array.from(text.matchAll(/<Key>([^<]*)<\/Key>/g), ([, key = '']) => key)
}

/** Another dataset of the name is loaded and read as if there had been none; on disk is its data alone. */
async function checkAnotherOne(name: string): Promise<void> {
  await gateway.createDataset(name, { mode: 'BATCH', shardCount: 2 })
  await load(name, 'another')
  const client = await gateway.connect()
  const { cells } = await client.get({ dataset: name, key: 'row 7' })
  client.close()
  assert.equal(cells?.[0]?.value.toString(), 'another')
  const { body } = await gateway.admin('GET', '/v1/datasets')
  const ids = (body as { datasets: { id: string }[] }).datasets.map(({ id }) => id).sort()
  const data = join(gateway.dataDirectory, 'data')
  await until('data of datasets that are there alone', () => {
    const names = readdirSync(data).filter((one) => !one.startsWith('.'))
    return names.every((one) => ids.includes(one)) && readdirSync(join(data, '.staging')).length === 0
  })
}

describe('a dataset that is removed', { concurrency: false }, () => {
  before(async () => {
    server = await S3Server.start()
    if (typeof server === 'string') return
    proxy = await HoldingProxy.start(server.endpoint)
    assert.equal((await fetch(`${server.endpoint}/place`, { method: 'PUT' })).status, 200)
    const s3 = `{ endpoint: "${proxy.url}", pathStyle: true, accessKeyId: a, secretAccessKey: b }`
    gateway = await Gateway.start({ config: `limits: { leavingVersionMs: 0 }\nobjects: { s3: ${s3} }\n` })
  })

  after(async () => {
    if (typeof server === 'string') return
    if (process.env['SHOW']) process.stderr.write(gateway.output)
    proxy.close()
    await gateway.dispose()
    server.stop()
  })

  /** Starts a job that is held on its way; answers it. */
  type Start = (name: string) => Promise<JobStatus>

  const jobs: readonly { readonly what: string; readonly start: Start }[] = [
    {
      what: 'a load',
      start: async (name) => {
        await gateway.createDataset(name, { mode: 'BATCH', shardCount: 2 })
        await put(`in-${name}/rows.ndjson`, rowsSaying('old'))
        proxy.hold('GET')
        const body = { from: `${BUCKET}/in-${name}/rows.ndjson`, keyField: 'id', publish: true }
        const { status, text, body: answer } = await gateway.admin('POST', `/v1/datasets/${name}/loads`, body)
        assert.equal(status, 202, text)
        return await jobOf((answer as { load: LoadStatus }).load.id)
      },
    },
    {
      what: 'an archive',
      start: async (name) => {
        await gateway.createDataset(name, { mode: 'BATCH', shardCount: 2 })
        const version = await load(name, 'old')
        proxy.hold('PUT', 3)
        return await startJob(gateway, `/v1/datasets/${name}/versions/${version}/archive`, {
          body: { to: `${BUCKET}/out` },
        })
      },
    },
    {
      what: 'a restore',
      start: async (name) => {
        await gateway.createDataset(name, { mode: 'BATCH', shardCount: 2 })
        const version = await load(name, 'old', false)
        const path = `/v1/datasets/${name}/versions/${version}`
        await doneJob(gateway, `${path}/archive`, { body: { to: `${BUCKET}/kept`, release: true } })
        proxy.hold('GET', 3)
        return await startJob(gateway, `${path}/restore`)
      },
    },
    {
      what: 'a snapshot',
      start: async (name) => {
        await gateway.createDataset(name, { shardCount: 4 })
        const client = await gateway.connect()
        for (let row = 0; row < 40; row++)
          await client.put({ dataset: name, key: `row ${row}`, value: Buffer.alloc(1_000, 'v') })
        client.close()
        proxy.hold('PUT', 2)
        return await startJob(gateway, `/v1/datasets/${name}/snapshots`, {
          body: { to: `${BUCKET}/out/${name}` },
        })
      },
    },
  ]

  for (const { what, start } of jobs) {
    test(`ends ${what} of it, of which nothing is left`, async (t) => {
      if (typeof server === 'string') {
        t.skip(server)
        return
      }
      const name = what.replace(/^an? /, '')
      const job = await start(name)
      await proxy.untilHeld()
      assert.equal((await jobOf(job.id)).state, 'RUNNING')
      await remove(name)
      const { state, error } = await endOf(gateway, job)
      proxy.release()
      assert.equal(state, 'CANCELLED')
      assert.match(error?.message ?? '', /its dataset was removed/)
      assert.deepEqual(await objectsBelow(`out/${name}/`), [])
      await checkAnotherOne(name)
    })
  }

  test('ends an upload of it, whose sender is told', async (t) => {
    if (typeof server === 'string') {
      t.skip(server)
      return
    }
    await gateway.createDataset('upload', { mode: 'BATCH', shardCount: 2 })
    const status = new Promise<number>((resolve, reject) => {
      const sent = request({
        ...{ host: '127.0.0.1', port: gateway.port('admin'), method: 'POST' },
        path: '/v1/datasets/upload/uploads?keyField=id&publish=true',
        headers: {
          ...{ 'x-godwit-actor': 'job', 'x-godwit-reason': 'nightly' },
          ...{ 'content-type': 'application/x-ndjson', 'content-length': 1_000_000 },
        },
      })
      sent.on('response', (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
      sent.on('error', reject)
      sent.write('{"id":"half","says":"half"}\n')
    })
    const staging = join(gateway.dataDirectory, 'data', '.staging')
    await until('the upload', () =>
      readdirSync(staging).some((one) => existsSync(join(staging, one, 'input'))),
    )
    const { jobs } = (await gateway.admin('GET', '/v1/jobs')).body as { jobs: JobStatus[] } // as above
    const uploading = jobs.find(({ state }) => state === 'UPLOADING')
    assert.ok(uploading)
    await remove('upload')
    assert.equal((await endOf(gateway, uploading)).state, 'CANCELLED')
    assert.equal(await status, 499)
    await checkAnotherOne('upload')
  })

  test('is not the one that is being imported under its name', async (t) => {
    if (typeof server === 'string') {
      t.skip(server)
      return
    }
    await gateway.createDataset('kept', { shardCount: 2 })
    const client = await gateway.connect()
    await client.put({ dataset: 'kept', key: 'a', value: Buffer.from('b') })
    await doneJob(gateway, '/v1/datasets/kept/snapshots', { body: { to: `${BUCKET}/snapshot` } })
    proxy.hold('GET', 1)
    const body = { from: `${BUCKET}/snapshot`, name: 'copy', owner: { name: 'o', contact: 'c' } }
    const job = await startJob(gateway, '/v1/imports', { body })
    await proxy.untilHeld()
    await gateway.createDataset('copy')
    await remove('copy')
    proxy.release()
    const { state, error } = await endOf(gateway, job)
    assert.equal(state, 'DONE', JSON.stringify(error))
    const { value } = await client.get({ dataset: 'copy', key: 'a' })
    client.close()
    assert.equal(value?.toString(), 'b')
  })
})

async function put(name: string, content: string): Promise<void> {
  assert.ok(typeof server !== 'string')
  const { status } = await fetch(`${server.endpoint}/place/${name}`, { method: 'PUT', body: content })
  assert.equal(status, 200)
}

async function jobOf(id: string): Promise<JobStatus> {
  return ((await gateway.admin('GET', `/v1/jobs/${id}`)).body as { job: JobStatus }).job // the admin API's answer
}
