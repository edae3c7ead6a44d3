import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { ERROR_CODES, KVError, isErrorCode } from '../../../src/base/errors.js'
import { HTTP_STATUS } from '../../../src/admin/http-errors.js'
import { startFakeAdmin } from './fakes.js'

/** Everything that the server sends back until it closes the connection. */
async function answerTo(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  socket.write(text)
  let answer = ''
  socket.on('data', (bytes) => (answer += bytes.toString()))
  await once(socket, 'close')
  return answer
}

test('liveness says ok and nothing else', async () => {
  const { ask } = startFakeAdmin()
  const answer = await ask('GET /healthz')
  assert.equal(answer.status, 200)
  assert.deepEqual(answer.body, { status: 'ok' })
})

test('readiness is 503 with every reason until the gateway is ready', async () => {
  const { ask, state } = startFakeAdmin()
  state.readiness = { isReady: false, reasons: ['starting', 'dataset cities is not open'] }
  const waiting = await ask('GET /readyz')
  assert.equal(waiting.status, 503)
  assert.deepEqual(waiting.body['reasons'], ['starting', 'dataset cities is not open'])
  state.readiness = { isReady: true, reasons: [] }
  assert.equal((await ask('GET /readyz')).status, 200)
})

test('metrics are plain text', async () => {
  const { ask } = startFakeAdmin()
  const answer = await ask('GET /metrics')
  assert.equal(answer.text, 'godwit_up 1\n')
  assert.match(String(answer.headers['content-type']), /^text\/plain/)
})

test('status and audit answer what the parts say', async () => {
  const { ask } = startFakeAdmin()
  assert.equal((await ask('GET /v1/status')).body['epoch'], 3)
  const { body } = await ask('GET /v1/audit?limit=1')
  assert.ok(Array.isArray(body['lines']) && body['lines'].length === 1)
  for (const limit of ['0', '1001', 'x', '-1']) {
    assert.equal((await ask(`GET /v1/audit?limit=${limit}`)).status, 400, limit)
  }
})

const hosts: readonly { host: string; isOurs: boolean }[] = [
  { host: 'localhost:7380', isOurs: true },
  { host: 'LOCALHOST', isOurs: true },
  { host: '127.0.0.1:9', isOurs: true },
  { host: '[::1]:7380', isOurs: true },
  { host: 'ops.example', isOurs: true },
  { host: 'evil.example:7380', isOurs: false },
  { host: 'localhost.evil.example', isOurs: false },
  { host: 'evil.example@localhost', isOurs: false },
  { host: '10.1.1.1', isOurs: false },
]
for (const { host, isOurs } of hosts) {
  test(`a request for host "${host}" is ${isOurs ? 'answered' : 'refused'}`, async () => {
    const { ask } = startFakeAdmin({ allowedHosts: ['Ops.Example'] })
    const { status, error } = await ask('GET /v1/status', { headers: { host } })
    assert.equal(status, isOurs ? 200 : 403)
    if (!isOurs) assert.equal(error.code, 'PERMISSION_DENIED')
  })
}

test('a listener open to the network is addressed by any address, and by no foreign name', async () => {
  const { ask } = startFakeAdmin({ listen: { host: '0.0.0.0', port: 0 } })
  assert.equal((await ask('GET /healthz', { headers: { host: '10.1.1.1:7380' } })).status, 200)
  assert.equal((await ask('GET /healthz', { headers: { host: 'evil.example' } })).status, 403)
})

test('a page of another origin cannot change or read anything', async () => {
  const { ask, rows } = startFakeAdmin()
  for (const origin of ['http://evil.example', 'http://localhost:3000', 'https://localhost:7380', 'null']) {
    const answer = await ask('DELETE /v1/datasets/profiles/rows/a', { headers: { origin } })
    assert.equal(answer.status, 403, origin)
  }
  assert.deepEqual(rows.calls, [])
  const own = await ask('DELETE /v1/datasets/profiles/rows/a', {
    headers: { origin: 'http://localhost:7380' },
  })
  assert.equal(own.status, 200)
})

test('a body that a foreign page can send without asking is refused', async () => {
  const { ask, metastore } = startFakeAdmin()
  for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
    const answer = await ask('POST /v1/datasets', { body: '{}', headers: { 'content-type': type } })
    assert.equal(answer.status, 415, type)
    assert.equal(answer.error.code, 'INVALID_ARGUMENT')
  }
  assert.deepEqual(metastore.calls, [])
})

test('a body that is not JSON is refused without being quoted', async () => {
  const { ask } = startFakeAdmin()
  for (const body of ['{"value": secret}', '{"value"', '', '{"__proto__": {"secret": 1}}']) {
    const answer = await ask('PUT /v1/datasets/profiles/rows/a', {
      body,
      headers: { 'content-type': 'application/json' },
    })
    assert.equal(answer.status, 400, body)
    assert.ok(!answer.text.includes('secret'), answer.text)
  }
})

test('a body over the limit is TOO_LARGE, and rows may be larger than metadata', async () => {
  const { ask } = startFakeAdmin()
  const value = 'x'.repeat(2 * 1024 * 1024)
  const metadata = await ask('POST /v1/datasets', { body: { name: value } })
  assert.equal(metadata.status, 413)
  assert.equal(metadata.error.code, 'TOO_LARGE')
  assert.equal((await ask('PUT /v1/datasets/profiles/rows/a', { body: { value } })).status, 200)
})

test('an unknown path, a wrong method and a broken URL are errors of the same form', async () => {
  const { ask } = startFakeAdmin()
  for (const [request, status] of [
    ['GET /v2/status', 404],
    ['DELETE /v1/status', 405],
    ['GET /v1/datasets/%zz', 400],
  ] as const) {
    const answer = await ask(request)
    assert.equal(answer.status, status, request)
    assert.equal(answer.error.code, 'INVALID_ARGUMENT', request)
    assert.equal(answer.error['retryable'], false)
  }
})

// The HTTP library answered these itself, in a form of its own.
test('a URL that is too long and bytes that are no HTTP are errors of the same form', async () => {
  const { server } = startFakeAdmin()
  const { port } = await server.listen()
  for (const [head, status, code] of [
    [`GET /${'x'.repeat(300_000)} HTTP/1.1`, 431, 'TOO_LARGE'],
    ['hello', 400, 'INVALID_ARGUMENT'],
  ] as const) {
    const answer = await answerTo(port, `${head}\r\nhost: localhost\r\n\r\n`)
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} .*\r\n`))
    // Ours, as asserted.
    const { error } = JSON.parse(answer.split('\r\n\r\n')[1] ?? '') as { error: Record<string, unknown> }
    assert.deepEqual([error['code'], error['retryable'], typeof error['message']], [code, false, 'string'])
  }
  await server.close()
})

test('an unknown query parameter is refused, so that a misspelt dryRun changes nothing', async () => {
  const { ask, metastore } = startFakeAdmin()
  const answer = await ask('DELETE /v1/datasets/cities?dry_run=true', {
    body: { actor: 'ann', reason: 'gone' },
    headers: { 'if-match': '7' },
  })
  assert.equal(answer.status, 400)
  assert.match(String(answer.error.message), /allowed: dryRun/)
  assert.deepEqual(metastore.calls, [])
})

test('an error carries code, kind, whether to try again, its outcome and when', async () => {
  const { ask, rows } = startFakeAdmin()
  rows.failure = new KVError('OVERLOADED', 'too many writes wait', {
    outcome: 'NOT_APPLIED',
    retryAfterMs: 1200,
  })
  const answer = await ask('PUT /v1/datasets/profiles/rows/a', { body: { value: 'v' } })
  assert.equal(answer.status, 503)
  assert.equal(answer.headers['retry-after'], '2')
  assert.deepEqual(answer.error, {
    code: 'OVERLOADED',
    kind: 'CAPACITY',
    message: 'too many writes wait',
    retryable: true,
    outcome: 'NOT_APPLIED',
    retryAfterMs: 1200,
  })
})

test('an error of a read names no outcome, which only writes have', async () => {
  const { ask, rows } = startFakeAdmin()
  rows.failure = new KVError('SHARD_NOT_SERVING', 'shard 0 is not open', { outcome: 'NOT_APPLIED' })
  assert.ok(!('outcome' in (await ask('GET /v1/datasets/profiles/rows/a')).error))
  assert.equal((await ask('DELETE /v1/datasets/profiles/rows/a')).error['outcome'], 'NOT_APPLIED')
})

test('a failure that nobody foresaw is INTERNAL and the server goes on', async () => {
  const { ask, rows } = startFakeAdmin()
  for (const failure of [new TypeError('boom'), new SyntaxError('odd'), 'text']) {
    rows.failure = failure
    const answer = await ask('GET /v1/datasets/profiles/rows/a')
    assert.equal(answer.status, 500)
    assert.equal(answer.error.code, 'INTERNAL')
  }
  rows.failure = null
  assert.equal((await ask('GET /v1/datasets/profiles/rows/a')).status, 200)
})

test('every error code has the status of its kind', () => {
  for (const code of Object.keys(ERROR_CODES)) {
    assert.ok(isErrorCode(code))
    const status = HTTP_STATUS[code]
    const isServerFault = ERROR_CODES[code] >= 400 && code !== 'CANCELLED' && code !== 'NOT_A_COUNTER'
    if (isServerFault) assert.ok(status >= 500, code)
    else assert.ok((status >= 400 && status < 500) || ['UNSUPPORTED', 'OVERLOADED'].includes(code), code)
  }
})

test('a port that is taken is UNAVAILABLE by its number', async () => {
  const { server: first } = startFakeAdmin()
  const { port } = await first.listen()
  const { server: second } = startFakeAdmin({ listen: { host: '127.0.0.1', port } })
  await assert.rejects(second.listen(), (error: unknown) => {
    assert.ok(error instanceof KVError && error.code === 'UNAVAILABLE')
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}: .*in use.*--port-offset`))
    return true
  })
  await first.close()
})
