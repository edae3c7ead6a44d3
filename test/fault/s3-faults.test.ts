import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { namesBelow } from '../../src/objects/checked-copy.js'
import type { ObjectStore, StoredObject } from '../../src/objects/object-store.js'
import { createObjectStore } from '../../src/objects/objects.js'

const SECRET = 'hidden-4711'
const SIZE = 300_000
const CONTENT = Buffer.from(Array.from({ length: SIZE }, (_, index) => index % 251))
const OBJECT: StoredObject = { url: 's3://bucket/key', sizeBytes: SIZE, tag: '"tag"' }

type Answer = (request: IncomingMessage, response: ServerResponse, turn: number) => void

let server: Server | null = null
let turns = 0

/** A store that answers as the test wants. */
async function storeOf(answer: Answer, stallTimeoutMs = 300): Promise<ObjectStore> {
  turns = 0
  server = createServer((request, response) => answer(request, response, ++turns))
  await new Promise<void>((resolve) => void server?.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return createObjectStore({
    roots: [],
    s3: {
      endpoint: `http://127.0.0.1:${port}`,
      region: 'us-east-1',
      pathStyle: true,
      accessKeyId: 'key',
      secretAccessKey: SECRET,
      connectTimeoutMs: 1_000,
      stallTimeoutMs,
      attempts: 3,
    },
  })
}

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

function rangeOf(request: IncomingMessage): [number, number] {
  const [, from = '0', to = '0'] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
  return [Number(from), Number(to) + 1]
}

function headOf(request: IncomingMessage, response: ServerResponse): Buffer {
  const [from, to] = rangeOf(request)
  response.writeHead(206, { 'content-length': to - from, etag: OBJECT.tag })
  return CONTENT.subarray(from, to)
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  response.end(headOf(request, response))
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' })
  response.end(`<Error><Code>${code}</Code><Message>${SECRET} AKIDEXAMPLE</Message></Error>`)
}

async function contentOf(objects: ObjectStore): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of objects.read(OBJECT)) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function failureOf(run: Promise<unknown>): Promise<KVError> {
  const error: unknown = await run.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof KVError, String(error))
  assert.ok(error.message.startsWith('s3://bucket/key'), error.message)
  assert.ok(!/hidden-4711|AKID/i.test(`${error.message} ${String(error.cause)}`), error.message)
  return error
}

test('reading asks for the content that was listed', async () => {
  const objects = await storeOf((request, response) => {
    assert.equal(request.headers['if-match'], OBJECT.tag)
    serve(request, response)
  })
  assert.ok((await contentOf(objects)).equals(CONTENT))
  assert.equal(turns, 1)
})

const breaks: readonly { readonly name: string; readonly answer: Answer }[] = [
  { name: 'a connection that is reset', answer: (request, response) => cut(request, response, () => response.destroy()) },
  { name: 'a body that stalls', answer: (request, response) => cut(request, response, () => undefined) },
  { name: 'an answer that never comes', answer: () => undefined },
  { name: 'a server that fails', answer: (_, response) => refuse(response, 500, 'InternalError') },
  { name: 'a server that is busy', answer: (_, response) => refuse(response, 503, 'SlowDown') },
] // prettier-ignore

/** Half of the body, and then what `then` does. */
function cut(request: IncomingMessage, response: ServerResponse, then: () => void): void {
  const body = headOf(request, response)
  response.write(body.subarray(0, body.length >> 1), () => setTimeout(then, 20))
}

for (const { name, answer } of breaks) {
  test(`${name} once costs nothing but time`, async () => {
    const objects = await storeOf((request, response, turn) =>
      turn === 1 ? answer(request, response, turn) : serve(request, response),
    )
    assert.ok((await contentOf(objects)).equals(CONTENT))
  })

  test(`${name} again and again is UNAVAILABLE after a bounded number of attempts`, async () => {
    const objects = await storeOf((request, response, turn) => {
      // Some of these give bytes before they fail: after that nothing comes any more.
      if (turn === 1) answer(request, response, turn)
      else if (name.includes('server')) answer(request, response, turn)
      else response.destroy()
    })
    const error = await failureOf(contentOf(objects))
    assert.equal(error.code, 'UNAVAILABLE')
    assert.ok(turns >= 2 && turns <= 15, `${turns} requests`)
  })
}

test('a server that sends more than it was asked for is not believed', async () => {
  const objects = await storeOf((_, response) => {
    response.writeHead(200, { 'content-length': SIZE + 1, etag: OBJECT.tag })
    response.end(Buffer.alloc(SIZE + 1))
  })
  const error = await failureOf(contentOf(objects))
  assert.match(error.message, /does not answer as S3 does/)
})

test('a body that ends early, cleanly, is read on from there', async () => {
  const objects = await storeOf((request, response, turn) => {
    const [from, to] = rangeOf(request)
    const end = turn === 1 ? from + 1_000 : to
    response.writeHead(206, { 'content-length': end - from, etag: OBJECT.tag })
    response.end(CONTENT.subarray(from, end))
  })
  assert.ok((await contentOf(objects)).equals(CONTENT))
  assert.equal(turns, 2)
})

const refusals: readonly (readonly [status: number, code: string, kvCode: string, message: RegExp])[] = [
  [404, 'NoSuchKey', 'INVALID_ARGUMENT', /there is no such object/],
  [404, 'NoSuchBucket', 'INVALID_ARGUMENT', /there is no such bucket/],
  [403, 'AccessDenied', 'INVALID_ARGUMENT', /access is denied/],
  [403, 'InvalidAccessKeyId', 'INVALID_ARGUMENT', /the access key is not known/],
  [403, 'SignatureDoesNotMatch', 'INVALID_ARGUMENT', /the secret key is wrong/],
  [301, 'PermanentRedirect', 'INVALID_ARGUMENT', /in another region; set objects.s3.region/],
  [412, 'PreconditionFailed', 'FAILED_PRECONDITION', /changed while it was read/],
]
for (const [status, code, kvCode, message] of refusals) {
  test(`${status} ${code} is ${kvCode}, without what the server says, and not asked again`, async () => {
    const objects = await storeOf((_, response) => refuse(response, status, code))
    const error = await failureOf(contentOf(objects))
    assert.equal(error.code, kvCode)
    assert.match(error.message, message)
    assert.equal(turns, 1)
  })
}

async function* bytes(megabytes: number): AsyncGenerator<Buffer> {
  for (let piece = 0; piece < megabytes; piece++) {
    await Promise.resolve()
    yield Buffer.alloc(1024 * 1024, piece)
  }
}

test('an upload over a slow line takes longer than a stall may, and succeeds', async () => {
  const size = 15 * 1024 * 1024
  const objects = await storeOf((request, response) => {
    if (request.method === 'HEAD') {
      response.writeHead(200, { 'content-length': size, etag: OBJECT.tag }).end()
      return
    }
    // Three megabytes a second.
    const credit = setInterval(() => request.resume(), 50)
    let taken = 0
    request.on('data', (piece: Buffer) => {
      taken += piece.length
      if (taken < 150_000) return
      taken = 0
      request.pause()
    })
    request.on('end', () => {
      clearInterval(credit)
      response.writeHead(200, { etag: OBJECT.tag }).end()
    })
  }, 2_000)
  const beganMs = performance.now()
  assert.equal((await objects.write(OBJECT.url, bytes(15))).sizeBytes, size)
  const tookMs = performance.now() - beganMs
  assert.ok(tookMs > 2_500, `it took ${tookMs} ms, which is no slow line`)
  assert.equal(turns, 2)
})

test('an upload of which nothing is taken is UNAVAILABLE after a bounded number of attempts', async () => {
  const objects = await storeOf(() => undefined)
  const error = await failureOf(objects.write(OBJECT.url, bytes(15)))
  assert.equal(error.code, 'UNAVAILABLE')
  assert.ok(turns >= 1 && turns <= 3, `${turns} requests`)
})

test('what is missing is told from what cannot be listed', async () => {
  let refusal = [404, 'NoSuchBucket'] as readonly [status: number, code: string]
  const objects = await storeOf((_, response) => refuse(response, ...refusal))
  assert.deepEqual(await namesBelow(objects, 's3://bucket/key/'), [])
  refusal = [403, 'AccessDenied']
  const error = await failureOf(namesBelow(objects, 's3://bucket/key/'))
  assert.deepEqual([error.code, /access is denied/.test(error.message)], ['INVALID_ARGUMENT', true])
})

test('a store that nobody serves is UNAVAILABLE', async () => {
  const objects = await storeOf(serve)
  server?.close()
  await new Promise((resolve) => server?.once('close', resolve))
  const error = await failureOf(objects.stat(OBJECT.url))
  assert.equal(error.code, 'UNAVAILABLE')
})

test('a list of several pages is one list, in the order of its URLs', async () => {
  const objects = await storeOf((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://x')
    const page = Number(searchParams.get('continuation-token') ?? 0)
    assert.equal(searchParams.get('prefix'), 'p/')
    const rows = ['b', 'a', 'c'].map(
      (name) =>
        `<Contents><Key>p/${name}${2 - page}</Key><Size>${page}</Size><ETag>"${name}"</ETag></Contents>`,
    )
    const next = page < 2 ? `<NextContinuationToken>${page + 1}</NextContinuationToken>` : ''
    response.writeHead(200, { 'content-type': 'application/xml' })
    response.end(
      `<?xml version="1.0"?><ListBucketResult><IsTruncated>${page < 2}</IsTruncated>${next}${rows.join('')}</ListBucketResult>`,
    )
  })
  const listed = await objects.list('s3://bucket/p/')
  assert.deepEqual(
    listed.map(({ url }) => url.slice('s3://bucket/p/'.length)),
    ['a0', 'a1', 'a2', 'b0', 'b1', 'b2', 'c0', 'c1', 'c2'],
  )
  assert.deepEqual(listed[0], { url: 's3://bucket/p/a0', sizeBytes: 2, tag: '"a"' })
})

test('reading stops with its reader, and the connection with it', async () => {
  let isClosed: () => void = () => undefined
  const closed = new Promise<void>((resolve) => (isClosed = resolve))
  const objects = await storeOf((request, response) => {
    cut(request, response, () => undefined)
    response.once('close', isClosed)
  })
  for await (const piece of objects.read(OBJECT)) {
    assert.ok(piece.length > 0)
    break
  }
  await closed
})
