/** Anything that can be sent: the server goes on, and every refusal has the form of an error. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { adminRoutes } from '../../../src/admin/routes.js'
import { errorSchema } from '../../../src/admin/schemas.js'
import { startFakeAdmin } from './fakes.js'

const RUNS = Number(process.env['GODWIT_FUZZ_RUNS'] ?? 300)
const WHO = { 'x-godwit-actor': 'ann', 'x-godwit-reason': 'because', 'if-match': '7' }

const admin = startFakeAdmin()
const { port } = await admin.server.listen()
after(() => admin.server.close())

const routes = adminRoutes(admin.dependencies)

/** A path of the table with anything in its places, or anything at all. */
const path = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(...routes.map((route) => route.path)),
      fc.array(fc.string(), { minLength: 3, maxLength: 3 }),
    )
    .map(([pattern, texts]) => {
      const left = [...texts]
      return pattern.replaceAll(/:\w+/g, () => encodeURIComponent(left.pop() ?? 'cities'))
    }),
  fc.constantFrom(...routes.map((route) => route.path.replaceAll(/:\w+/g, 'cities'))),
  fc.webPath().map((text) => `/${text}`),
)
const query = fc.oneof(
  fc.constant(''),
  fc.constantFrom('?dryRun=true', '?limit=5', '?keyEncoding=hex', '?page=e30', '?from=%zz'),
  fc.webQueryParameters().map((text) => `?${text}`),
)
const method = fc.constantFrom(
  'GET',
  'PUT',
  'POST',
  'PATCH',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
)
const body = fc.oneof(
  fc.constant(undefined),
  fc.json(),
  fc.string(),
  fc.constantFrom(
    '{',
    '[]',
    'null',
    '{"name":',
    '{"__proto__":{}}',
    '{"constructor":{"prototype":{}}}',
    '\0',
  ),
  fc
    .record({ actor: fc.string(), reason: fc.string(), name: fc.string(), mode: fc.anything() })
    .map((value) =>
      JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? String(item) : item)),
    ),
)
/** What a header may hold without being refused by the one who sends it. */
const headerText = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
})
const headers = fc.dictionary(
  fc.constantFrom(
    'content-type',
    'if-match',
    'x-godwit-actor',
    'x-request-id',
    'authorization',
    'origin',
    'accept',
  ),
  fc.oneof(
    fc.constantFrom('application/json', 'text/csv', 'application/octet-stream', '"7"', '*'),
    headerText,
  ),
)

function checkAnswer(status: number, text: string, what: string): void {
  assert.ok(status >= 200 && status < 600, what)
  // Nothing behind these fakes fails, so a 5xx would be a fault of the server.
  assert.ok(status < 500, `${what}: ${status} ${text}`)
  if (status < 400 || text === '') return
  const parsed = errorSchema.safeParse(JSON.parse(text))
  assert.ok(parsed.success, `${what}: ${text}`)
}

test('no request brings the server down or an answer of another form', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(method, path, query),
      fc.tuple(headers, body),
      async ([verb, at, search], [more, payload]) => {
        const answer = await admin.server.inject({
          method: verb as 'GET', // and others, which it refuses
          url: `${at}${search}`,
          headers: { host: 'localhost', 'content-type': 'application/json', ...WHO, ...more },
          ...(payload !== undefined && { payload }),
        })
        checkAnswer(answer.status, verb === 'HEAD' ? '' : answer.text, `${verb} ${at}${search}`)
        assert.ok(answer.status === 204 || answer.headers['x-request-id'] !== undefined)
      },
    ),
    { numRuns: RUNS },
  )
})

/** All that comes back for these bytes, until the server closes or a while has passed with an answer. */
async function exchange(bytes: Buffer): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' })
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  socket.on('error', () => undefined)
  socket.end(bytes)
  await new Promise((resolve) => socket.once('close', resolve))
  return Buffer.concat(pieces).toString('latin1')
}

const NASTY = [
  'GET /v1/status HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  'GET /v1/status HTTP/1.1\r\nhost: localhost\r\nhost: evil\r\n\r\n',
  'POST /v1/datasets HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{',
  'POST /v1/datasets HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
  'GET http://evil.example/v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
  'GET * HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
  'CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n',
  'GET /v1/status HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade, close\r\n\r\n',
  'GET /v1/status HTTP/9.9\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
]

test('bytes that are no request, or a strange one, leave the server as it was', async () => {
  const noise = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 400 }), { numRuns: 60, seed: 7 })
  for (const bytes of [
    ...NASTY.map((text) => Buffer.from(text, 'latin1')),
    ...noise.map((some) => Buffer.from(some)),
  ]) {
    const answer = await exchange(bytes)
    // Some get none: a connection that begins something else than HTTP is closed.
    if (answer === '') continue
    const [head = '', ...rest] = answer.split('\r\n\r\n')
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1])
    const text = Buffer.from(rest.join('\r\n\r\n'), 'latin1').subarray(0, length).toString()
    checkAnswer(Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]), text, JSON.stringify(bytes.toString('latin1')))
  }
  const alive = await fetch(`http://127.0.0.1:${port}/healthz`)
  assert.equal(alive.status, 200)
})
