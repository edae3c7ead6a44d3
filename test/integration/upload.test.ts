/** Loads over HTTP, as a job of another machine sends them, and the command line's view of them. */
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { LoadStatus } from '../../src/model/load.js'
import { Gateway } from '../support/gateway.js'

const TIMEOUT_MS = 30_000
const WHO = { 'x-godwit-actor': 'job', 'x-godwit-reason': 'nightly' }

let gateway: Gateway
before(async () => {
  gateway = await Gateway.start()
  await gateway.createDataset('towns', { mode: 'BATCH', shardCount: 2 })
})
after(() => gateway.dispose())

async function upload(query: string, body: Buffer | string, headers: Readonly<Record<string, string>>) {
  const url = `http://127.0.0.1:${gateway.port('admin')}/v1/datasets/towns/uploads?${query}`
  const answer = await fetch(url, { method: 'POST', headers: { ...WHO, ...headers }, body })
  const text = await answer.text()
  // The admin API's answer to an upload.
  return { status: answer.status, text, load: (JSON.parse(text) as { load?: LoadStatus }).load }
}

async function ended(id: string): Promise<LoadStatus> {
  const until = performance.now() + TIMEOUT_MS
  for (;;) {
    const { load } = (await gateway.admin('GET', `/v1/loads/${id}`)).body as { load: LoadStatus } // see above
    if (load.endedAtMs !== null) return load
    assert.ok(performance.now() < until, 'the load does not end')
    await pause(20)
  }
}

async function value(key: string): Promise<string> {
  const { text } = await gateway.admin('GET', `/v1/datasets/towns/rows/${key}?column=name`)
  return /"value":\{"utf8":"(\w+)"\}/.exec(text)?.[1] ?? text
}

function staging(): string[] {
  return readdirSync(join(gateway.dataDirectory, 'data', '.staging'))
}

const uploads = [
  {
    name: 'JSON lines',
    query: 'format=ndjson&keyField=id',
    body: '{"id":"a","name":"lines"}\n',
    headers: { 'content-type': 'application/x-ndjson' },
  },
  {
    name: 'CSV',
    query: 'format=csv&keyField=id&column=name',
    body: 'id,name,other\na,csv,x\n',
    headers: { 'content-type': 'text/csv' },
  },
  {
    name: 'TSV without a header',
    query: 'format=tsv&keyField=id&header=id&header=name',
    body: 'a\ttabs\n',
    headers: { 'content-type': 'text/tab-separated-values' },
  },
  {
    name: 'gzip',
    query: 'keyField=id',
    body: gzipSync('{"id":"a","name":"packed"}\n'),
    headers: { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' },
  },
]
for (const { name, query, body, headers } of uploads) {
  test(`an upload of ${name} becomes a version that is served`, async () => {
    const { status, text, load } = await upload(`${query}&publish=true&force=true`, body, headers)
    assert.equal(status, 202, text)
    assert.equal((await ended(load?.id ?? '')).state, 'DONE')
    const expected = { 'JSON lines': 'lines', CSV: 'csv', gzip: 'packed' }[name] ?? 'tabs'
    assert.equal(await value('a'), expected)
    assert.deepEqual(staging(), [])
  })
}

test('a dry run of an upload checks everything and leaves nothing', async () => {
  const headers = { 'content-type': 'application/x-ndjson' }
  const { status, load } = await upload('keyField=id&dryRun=true', '{"id":1,"name":"x"}\n', headers)
  assert.deepEqual([status, load?.state], [200, 'PLANNED'])
  assert.deepEqual(staging(), [])
})

const refused = [
  { name: 'without a key field', query: '', headers: { 'content-type': 'text/csv' }, status: 400 },
  {
    name: 'with a share that is none',
    query: 'keyField=id&minRatio=half',
    headers: { 'content-type': 'text/csv' },
    status: 400,
  },
  {
    name: 'with a misspelt option',
    query: 'keyField=id&publsh=true',
    headers: { 'content-type': 'text/csv' },
    status: 400,
  },
  {
    name: 'of plain text, which any page may send',
    query: 'keyField=id',
    headers: { 'content-type': 'text/plain' },
    status: 415,
  },
  {
    name: 'in an encoding that is not known',
    query: 'keyField=id',
    headers: { 'content-type': 'text/csv', 'content-encoding': 'br' },
    status: 400,
  },
]
for (const { name, query, headers, status } of refused) {
  test(`an upload ${name} is refused and leaves nothing`, async () => {
    const answer = await upload(query, 'id,name\na,b\n', headers)
    assert.equal(answer.status, status, answer.text)
    assert.deepEqual(staging(), [])
  })
}

test('an upload that stops half-way fails and leaves nothing, and the dataset can be loaded then', async () => {
  const sent = request({
    host: '127.0.0.1',
    port: gateway.port('admin'),
    method: 'POST',
    path: '/v1/datasets/towns/uploads?keyField=id&publish=true',
    headers: { ...WHO, 'content-type': 'application/x-ndjson', 'content-length': 1_000_000 },
  })
  sent.on('error', () => undefined)
  sent.write('{"id":"half","name":"half"}\n')
  const until = performance.now() + TIMEOUT_MS
  while (staging().length === 0) {
    assert.ok(performance.now() < until, 'the upload was not begun')
    await pause(5)
  }
  const { loads } = (await gateway.admin('GET', '/v1/loads')).body as { loads: LoadStatus[] } // see ended
  const begun = loads.find(({ state }) => state === 'UPLOADING')
  assert.ok(begun)
  sent.destroy()
  assert.equal((await ended(begun.id)).state, 'FAILED')
  assert.deepEqual(staging(), [])
  assert.match(await value('half'), /"row":null/)
  const path = join(gateway.folder, 'in.ndjson')
  writeFileSync(path, '{"id":"a","name":"after"}\n')
  const body = { from: path, keyField: 'id', publish: true, force: true }
  const { text } = await gateway.admin('POST', '/v1/datasets/towns/loads', body)
  const { load } = JSON.parse(text) as { load: LoadStatus } // see above
  assert.equal((await ended(load.id)).state, 'DONE')
  assert.equal(await value('a'), 'after')
})
