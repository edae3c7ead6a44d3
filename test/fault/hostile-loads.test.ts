/** Loads through the whole gateway whose input stalls, changes or unpacks without end: the last version serves on. */
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { LoadStatus } from '../../src/model/load.js'
import { Gateway } from '../support/gateway.js'

const TIMEOUT_MS = 60_000
const ETAG = '"first"'
/** Large enough to be asked for in more than one piece of the socket. */
const LINES = Buffer.from(
  Array.from({ length: 20_000 }, (_, index) => `{"id":"${index}","name":"stored"}\n`).join(''),
)

type Answer = (request: IncomingMessage, response: ServerResponse, turn: number) => void

let gateway: Gateway
let answer: Answer = whole
let turn = 0
const store = createServer((request, response) => {
  const size = { 'content-length': LINES.length, etag: ETAG }
  if (request.method === 'HEAD') response.writeHead(200, size).end()
  else answer(request, response, ++turn)
})

before(async () => {
  await new Promise<void>((resolve) => void store.listen(0, '127.0.0.1', resolve))
  const { port } = store.address() as AddressInfo
  const s3 = { endpoint: `http://127.0.0.1:${port}`, pathStyle: true, accessKeyId: 'k', secretAccessKey: 's' }
  const times = { stallTimeoutMs: 300, attempts: 2 }
  gateway = await Gateway.start({ config: `objects: ${JSON.stringify({ s3: { ...s3, ...times } })}\n` })
  await gateway.createDataset('towns', { mode: 'BATCH', shardCount: 2 })
  const { state } = await load({ from: file('first.ndjson', '{"id":"1","name":"first"}\n') })
  assert.equal(state, 'DONE')
})

after(async () => {
  store.closeAllConnections()
  store.close()
  await gateway.dispose()
})

beforeEach(() => {
  turn = 0
  answer = whole
})

function file(name: string, content: string | Buffer): string {
  const path = join(gateway.folder, name)
  writeFileSync(path, content)
  return path
}

function rangeOf(request: IncomingMessage): readonly [from: number, to: number] {
  const [, from = '0', to = String(LINES.length - 1)] =
    /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
  return [Number(from), Number(to) + 1]
}

function whole(request: IncomingMessage, response: ServerResponse): void {
  const [from, to] = rangeOf(request)
  response.writeHead(206, { 'content-length': to - from, etag: ETAG }).end(LINES.subarray(from, to))
}

/** Half of what was asked for, and then nothing. */
function stalled(request: IncomingMessage, response: ServerResponse): void {
  const [from, to] = rangeOf(request)
  response.writeHead(206, { 'content-length': to - from, etag: ETAG })
  response.write(LINES.subarray(from, (from + to) >> 1))
}

async function load(request: object): Promise<LoadStatus> {
  const body = { keyField: 'id', publish: true, ...request }
  const started = await gateway.admin('POST', '/v1/datasets/towns/loads', body)
  assert.equal(started.status, 202, started.text)
  return ended(started.body)
}

/** @param body the admin API's answer to a load or an upload */
async function ended(body: unknown): Promise<LoadStatus> {
  const { id } = (body as { readonly load: LoadStatus }).load
  const until = performance.now() + TIMEOUT_MS
  for (;;) {
    const { load: now } = (await gateway.admin('GET', `/v1/loads/${id}`)).body as {
      readonly load: LoadStatus
    } // see above
    if (now.endedAtMs !== null) return now
    assert.ok(performance.now() < until, 'the load does not end')
    await pause(20)
  }
}

async function served(key: string): Promise<string> {
  const { text } = await gateway.admin('GET', `/v1/datasets/towns/rows/${key}?column=name`)
  return /"value":\{"utf8":"(\w+)"\}/.exec(text)?.[1] ?? text
}

/** It FAILED, the last version serves on, and nothing of the failed one is left. */
async function assertNothingOf(
  { state, error, version }: LoadStatus,
  code: string,
  why: RegExp,
): Promise<void> {
  assert.equal(state, 'FAILED')
  assert.equal(error?.code, code, error?.message)
  assert.match(error.message, why)
  assert.equal(await served('1'), 'first')
  const data = join(gateway.dataDirectory, 'data')
  assert.deepEqual(readdirSync(join(data, '.staging')), [])
  const versions = readdirSync(data, { recursive: true, encoding: 'utf8' })
  assert.deepEqual(
    versions.filter((name) => name.endsWith(`/${version}`)),
    [],
  )
}

const hostile: readonly { name: string; answer: Answer; code: string; why: RegExp }[] = [
  { name: 'stalls for good', answer: stalled, code: 'UNAVAILABLE', why: /in\.ndjson: nothing came from the store/ },
  {
    name: 'is another one when it is read',
    answer: (_, response) => response.writeHead(412).end(),
    code: 'FAILED_PRECONDITION',
    why: /changed/,
  },
  { name: 'is gone when it is read', answer: (_, response) => response.writeHead(404).end(), code: 'INVALID_ARGUMENT', why: /no such/ },
  { name: 'must not be read', answer: (_, response) => response.writeHead(403).end(), code: 'INVALID_ARGUMENT', why: /access is denied/ },
] // prettier-ignore
for (const one of hostile) {
  test(`an object of S3 that ${one.name} fails its load, and the last version serves on`, async () => {
    answer = one.answer
    await assertNothingOf(await load({ from: 's3://bucket/in.ndjson' }), one.code, one.why)
  })
}

/** Rows as they should be, but for what they pack to. */
const bomb = gzipSync(
  Array.from({ length: 160 }, (_, id) => `{"id":"${id}","name":"${'a'.repeat(500_000)}"}\n`).join(''),
)

test('a file that unpacks without measure fails its load, and the last version serves on', async () => {
  const from = file('bomb.ndjson.gz', bomb)
  await assertNothingOf(await load({ from }), 'INVALID_ARGUMENT', /unpacks to more than 250 times its size/)
})

test('so does an upload of one', async () => {
  const url = `http://127.0.0.1:${gateway.port('admin')}/v1/datasets/towns/uploads?keyField=id&publish=true`
  const headers = {
    'x-godwit-actor': 'job',
    'x-godwit-reason': 'nightly',
    'content-type': 'application/x-ndjson',
  }
  const sent = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-encoding': 'gzip' },
    body: bomb,
  })
  const status = await ended(await sent.json())
  await assertNothingOf(status, 'INVALID_ARGUMENT', /unpacks to more than 250 times its size/)
})

test('an object of S3 that stalls once is loaded', async () => {
  answer = (request, response, count) => (count === 1 ? stalled(request, response) : whole(request, response))
  const { state, figures } = await load({ from: 's3://bucket/in.ndjson' })
  assert.deepEqual([state, figures?.rows, await served('1')], ['DONE', 20_000, 'stored'])
})
