import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { after, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/logger.js'
import { route, routeWithStream, type Route, type RouteAbout } from '../../../src/admin/http.js'
import { serveRoutes, type AdminServer } from '../../../src/admin/server.js'
import { FakeTimers } from '../../support/fake-timers.js'
import { startFakeAdmin } from './fakes.js'

const MAX_UPLOAD_BYTES = 1_000_000

const STREAM: RouteAbout = {
  id: 'stream',
  tag: 'rows',
  summary: 'For this test.',
  answer: 'application/x-ndjson',
}

/** Counts the bytes of an upload; answers what it is told to. */
const routes: readonly Route[] = [
  routeWithStream(
    'POST',
    '/uploads/:name',
    {
      contentTypes: ['application/x-ndjson', 'application/octet-stream'],
      maxBodyBytes: MAX_UPLOAD_BYTES,
      about: { id: 'upload', tag: 'loads', summary: 'For this test.', answer: 'application/json' },
    },
    async ({ body, params }) => {
      if (params['name'] === 'refused') throw new KVError('FAILED_PRECONDITION', 'not now')
      let bytes = 0
      for await (const chunk of body) bytes += chunk.length
      return { status: 200, body: { bytes } }
    },
  ),
  route('GET', '/streams/:name', { about: STREAM }, ({ params }) => ({
    status: 200,
    headers: { 'content-type': 'application/x-ndjson' },
    body: Readable.from(params['name'] === 'broken' ? broken() : ['{"a":1}\n', '{"a":2}\n']),
  })),
]

async function* broken(): AsyncGenerator<string> {
  yield 'a part\n'
  await Promise.resolve()
  throw new Error('the disk failed')
}

const servers: AdminServer[] = []
after(() => Promise.all(servers.map((server) => server.close())))

async function serve(timers?: FakeTimers): Promise<string> {
  const server = serveRoutes(routes, silentLogger, {
    listen: { host: '127.0.0.1', port: 0 },
    allowedHosts: [],
    ...(timers !== undefined && { startTimer: timers.start }),
  })
  servers.push(server)
  const { port } = await server.listen()
  return `http://127.0.0.1:${port}`
}

interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string }
}

async function errorOf(response: Response): Promise<ErrorBody['error']> {
  return ((await response.json()) as ErrorBody).error // asserted by whoever asks
}

const octets = { 'content-type': 'application/octet-stream' }

test('an upload is handed on as it arrives, however large the body of other routes may be', async () => {
  const url = await serve()
  const answer = await fetch(`${url}/uploads/a`, {
    method: 'POST',
    headers: octets,
    body: Buffer.alloc(900_000),
  })
  assert.deepEqual(await answer.json(), { bytes: 900_000 })
})

test('an upload beyond its limit is TOO_LARGE, announced or not', async () => {
  const url = await serve()
  for (const body of [
    Buffer.alloc(MAX_UPLOAD_BYTES + 1),
    Readable.toWeb(Readable.from([Buffer.alloc(600_000), Buffer.alloc(600_000)])),
  ]) {
    const init = { method: 'POST', headers: octets, body, duplex: 'half' }
    // The types of fetch lack duplex.
    const answer = await fetch(`${url}/uploads/a`, init as RequestInit)
    assert.equal(answer.status, 413)
    assert.equal((await errorOf(answer)).code, 'TOO_LARGE')
  }
})

test('an upload of a type that a foreign page can send unasked is refused', async () => {
  const url = await serve()
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    '',
  ]) {
    const headers: Record<string, string> = type === '' ? {} : { 'content-type': type }
    const answer = await fetch(`${url}/uploads/a`, { method: 'POST', headers, body: Buffer.from('x') })
    assert.equal(answer.status, 415, type)
  }
})

test('an upload that is refused at once is answered before its body has come', async () => {
  const url = await serve()
  const answer = await fetch(`${url}/uploads/refused`, {
    method: 'POST',
    headers: octets,
    body: Buffer.alloc(900_000),
  })
  assert.equal(answer.status, 409)
  assert.equal((await errorOf(answer)).message, 'not now')
})

/** A request whose end never comes; answers all that the server says until it closes the connection. */
function begin(url: string, head: string): { readonly socket: Socket; readonly said: Promise<string> } {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1' })
  socket.on('error', () => undefined)
  socket.write(`${head}\r\nhost: localhost\r\n\r\n`)
  let text = ''
  socket.on('data', (bytes) => (text += bytes.toString()))
  return { socket, said: once(socket, 'close').then(() => text) }
}

async function until(isSo: () => boolean): Promise<void> {
  const untilMs = performance.now() + 10_000
  while (!isSo() && performance.now() < untilMs) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(isSo(), 'it does not come true')
}

test('an upload that stops arriving fails, and its connection ends', async () => {
  const timers = new FakeTimers()
  const url = await serve(timers)
  const head = 'POST /uploads/a HTTP/1.1\r\ncontent-type: application/octet-stream\r\ncontent-length: 10'
  const { said } = begin(url, head)
  await until(() => timers.pendingCount > 0)
  timers.advance(limits.adminStallTimeoutMs)
  await until(() => timers.pendingCount > 0)
  timers.advance(limits.adminLingerMs)
  assert.match(await said, /^HTTP\/1\.1 400 .*stopped arriving/s)
})

test('a JSON body that does not come in time is 408, and its memory is free again', async () => {
  const timers = new FakeTimers()
  const { server, rows } = startFakeAdmin({ startTimer: timers.start })
  servers.push(server)
  const { port } = await server.listen()
  const head = 'PUT /v1/datasets/d/rows/a HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 10'
  const { said } = begin(`http://127.0.0.1:${port}`, head)
  await until(() => timers.pendingCount > 0)
  timers.advance(limits.adminBodyTimeoutMs)
  assert.match(await said, /^HTTP\/1\.1 408 .*did not arrive in time/s)
  assert.equal(rows.calls.length, 0)
  await until(() => timers.pendingCount === 0)
})

// The library ended the connection with its answer: who was still sending saw EPIPE, and never why.
test('a JSON body far too large is answered by why to a sender that reads when it has sent all', async () => {
  const { server } = startFakeAdmin()
  servers.push(server)
  const { port } = await server.listen()
  const body = Buffer.alloc(50_000_000, ' ')
  const chunked = [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]
  for (const [head, sent, status, code] of [
    [`content-type: application/json\r\ncontent-length: ${body.length}`, [body], 413, 'TOO_LARGE'],
    ['content-type: application/json\r\ntransfer-encoding: chunked', chunked, 413, 'TOO_LARGE'],
    [`content-type: text/plain\r\ncontent-length: ${body.length}`, [body], 415, 'INVALID_ARGUMENT'],
  ] as const) {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.pause()
    socket.write(`POST /v1/datasets HTTP/1.1\r\nhost: localhost\r\n${head}\r\n\r\n`)
    for (const bytes of sent) {
      await new Promise<void>((resolve, reject) => {
        socket.write(bytes, (error) => (error == null ? resolve() : reject(error)))
      })
    }
    let answer = ''
    socket.on('data', (bytes) => (answer += bytes.toString())).resume()
    await until(() => answer.includes('}'))
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} [^]*"code":"${code}"`))
    socket.destroy()
  }
})

test('who is refused and goes on sending is cut off after a moment', async () => {
  const timers = new FakeTimers()
  const { server } = startFakeAdmin({ startTimer: timers.start })
  servers.push(server)
  const { port } = await server.listen()
  const head = `POST /v1/datasets HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: ${2 ** 40}`
  const { said } = begin(`http://127.0.0.1:${port}`, head)
  await until(() => timers.pendingCount > 0)
  timers.advance(limits.adminLingerMs)
  assert.match(await said, /^HTTP\/1\.1 413 /)
  assert.equal(timers.pendingCount, 0)
})

test('bodies that wait take no more memory together than is set aside for them', async () => {
  const { server } = startFakeAdmin()
  servers.push(server)
  const { port } = await server.listen()
  const url = `http://127.0.0.1:${port}`
  const count = limits.maxAdminBufferedBytes / limits.maxAdminRowBodyBytes
  const head = `PUT /v1/datasets/d/rows/a HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: ${limits.maxAdminRowBodyBytes}`
  const waiting = Array.from({ length: count }, () => begin(url, head))
  const put = (): Promise<Response> =>
    fetch(`${url}/v1/datasets/d/rows/a`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{"value":"x"}',
    })
  let refused = await put()
  while (refused.status === 200) refused = await put()
  assert.equal(refused.status, 503)
  assert.equal((await errorOf(refused)).code, 'OVERLOADED')
  for (const { socket } of waiting) socket.destroy()
  let answer = await put()
  while (answer.status === 503) answer = await put()
  assert.equal(answer.status, 200)
})

test('a stream that is answered comes whole, and one that fails cuts the connection', async () => {
  const url = await serve()
  const whole = await fetch(`${url}/streams/whole`)
  assert.equal(await whole.text(), '{"a":1}\n{"a":2}\n')
  await assert.rejects(async () => (await fetch(`${url}/streams/broken`)).text())
  const head = await fetch(`${url}/streams/whole`, { method: 'HEAD' })
  assert.deepEqual([head.status, await head.text()], [200, ''])
})

test('a path answers OPTIONS with its methods, and 405 with them to any other', async () => {
  const { ask } = startFakeAdmin()
  const options = await ask('OPTIONS /v1/datasets/cities')
  const allow = String(options.headers['allow'])
  assert.equal(options.status, 204)
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS'])
    assert.ok(allow.split(', ').includes(method), allow)
  assert.equal(options.headers['access-control-allow-origin'], undefined)
  const wrong = await ask('PUT /v1/status')
  assert.equal(wrong.status, 405)
  assert.equal(wrong.headers['allow'], 'GET, HEAD, OPTIONS')
  assert.equal((await ask('OPTIONS /v2/datasets')).status, 404)
})

test('HEAD is GET without the body', async () => {
  const { ask } = startFakeAdmin()
  const answer = await ask('HEAD /v1/datasets/cities')
  assert.deepEqual([answer.status, answer.headers['etag'], answer.text], [200, '"7"', ''])
})

test('every answer names its request: by the id of the caller where that is well-formed', async () => {
  const { ask } = startFakeAdmin()
  const given = await ask('GET /v1/status', { headers: { 'x-request-id': 'job-7/step:2' } })
  assert.equal(given.headers['x-request-id'], 'job-7/step:2')
  for (const id of ['', 'a b', 'x'.repeat(129), '{"a":1}']) {
    const made = String(
      (await ask('GET /nowhere', { headers: { 'x-request-id': id } })).headers['x-request-id'],
    )
    assert.match(made, /^[0-9a-f-]{36}$/, id)
  }
  const refused = await ask('GET /v1/status', { headers: { host: 'evil.example', 'x-request-id': 'mine' } })
  assert.deepEqual([refused.status, refused.headers['x-request-id']], [403, 'mine'])
  const unparsed = await ask('GET /v1/datasets/%zz', { headers: { 'x-request-id': 'mine' } })
  assert.deepEqual([unparsed.status, unparsed.headers['x-request-id']], [400, 'mine'])
})

test('a request that changes something is logged by its route and not by its keys', async () => {
  const lines: { fields: object; message: string }[] = []
  const logger = {
    ...silentLogger,
    debug: () => undefined,
    info: (fields: object, message: string) => void lines.push({ fields, message }),
    child: () => logger,
  }
  const { ask } = startFakeAdmin({}, { logger })
  await ask('GET /v1/datasets/d/rows/secret')
  await ask('DELETE /v1/datasets/d/rows/secret', { headers: { 'x-request-id': 'mine' } })
  assert.equal(lines.length, 1)
  assert.ok(!JSON.stringify(lines).includes('secret'))
  const { ms, ...fields } = lines[0]?.fields as Record<string, unknown> // what logRequest writes
  assert.equal(typeof ms, 'number')
  assert.deepEqual(fields, {
    requestId: 'mine',
    method: 'DELETE',
    route: '/v1/datasets/:name/rows/:key',
    status: 200,
  })
})

test('connections beyond the limit are closed at once, and there is room again when others end', async () => {
  const url = await serve()
  const { port } = new URL(url)
  const open = Array.from({ length: limits.maxAdminConnections }, () => connect(Number(port), '127.0.0.1'))
  await Promise.all(open.map((socket) => once(socket, 'connect')))
  await assert.rejects(fetch(`${url}/streams/whole`))
  for (const socket of open) socket.destroy()
  let status = 0
  while (status !== 200)
    status = await fetch(`${url}/streams/whole`)
      .then((answer) => answer.status)
      .catch(() => 0)
})

test('a gateway that stops answers what has begun, in the form of every answer', async () => {
  const server = serveRoutes(routes, silentLogger, {
    listen: { host: '127.0.0.1', port: 0 },
    allowedHosts: [],
  })
  const { port } = await server.listen()
  const type = 'content-type: application/octet-stream\r\ncontent-length: 4'
  const { socket, said } = begin(`http://127.0.0.1:${port}`, `POST /uploads/a HTTP/1.1\r\n${type}`)
  socket.write('ab')
  // The server reads in turn: what is answered after the first bytes has seen them.
  assert.equal((await fetch(`http://127.0.0.1:${port}/streams/whole`)).status, 200)
  const closed = server.close()
  socket.write('cdGET /streams/whole HTTP/1.1\r\nhost: localhost\r\n\r\n')
  const text = await said
  await closed
  assert.match(text, /^HTTP\/1\.1 200 .*"bytes":4/s)
  assert.match(text, /HTTP\/1\.1 503 .*"code":"UNAVAILABLE"/s)
})

test('a request without Host, or with an expectation that is none, is an error of the same form', async () => {
  const { server } = startFakeAdmin()
  servers.push(server)
  const { port } = await server.listen()
  for (const [head, status] of [
    ['GET /v1/status HTTP/1.1\r\nconnection: close', 403],
    ['GET /v1/status HTTP/1.1\r\nhost:\r\nconnection: close', 403],
    ['GET /v1/status HTTP/1.1\r\nhost: \r\norigin: http://\r\nconnection: close', 403],
    ['GET /v1/status HTTP/1.0', 403],
    ['GET /v1/status HTTP/1.1\r\nhost: localhost\r\nexpect: miracles', 417],
  ] as const) {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.write(`${head}\r\n\r\n`)
    let text = ''
    socket.on('data', (bytes) => (text += bytes.toString()))
    await once(socket, 'close')
    assert.match(text, new RegExp(`^HTTP/1.1 ${status} `))
    assert.match(text, /"error":\{"code":"[A-Z_]+","kind":/)
  }
})
