import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test, type TestContext } from 'node:test'
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { KVError } from '../../src/base/errors.js'
import { openSource } from '../../src/loader/open-source.js'
import type { ObjectStore, StoredObject } from '../../src/objects/object-store.js'
import { createObjectStore } from '../../src/objects/objects.js'
import { S3Server } from '../support/s3-server.js'

const SECRET = 'the-secret-of-this-test'
let server: S3Server | string = 'not started'
let objects: ObjectStore
let client: S3Client

before(async () => {
  server = await S3Server.start()
  if (typeof server === 'string') return
  const credentials = { accessKeyId: 'key', secretAccessKey: SECRET }
  objects = createObjectStore({
    roots: [],
    s3: {
      endpoint: server.endpoint,
      region: 'us-east-1',
      pathStyle: true,
      ...credentials,
      connectTimeoutMs: 5_000,
      stallTimeoutMs: 20_000,
      attempts: 3,
    },
  })
  client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  await client.send(new CreateBucketCommand({ Bucket: 'bucket' }))
})

after(() => {
  if (typeof server !== 'string') server.stop()
})

/** Runs only where the server does. */
function s3Test(name: string, run: () => Promise<void>): void {
  test(name, async (t: TestContext) => {
    if (typeof server === 'string') t.skip(server)
    else await run()
  })
}

async function contentOf(object: StoredObject, offset?: number, length?: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of objects.read(object, offset, length)) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function* piecesOf(...pieces: (string | Buffer)[]): AsyncGenerator<Buffer> {
  await Promise.resolve()
  for (const piece of pieces) yield Buffer.from(piece)
}

async function failureOf(run: Promise<unknown>): Promise<KVError> {
  const error: unknown = await run.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof KVError, String(error))
  assert.ok(!error.message.includes(SECRET))
  assert.equal(error.cause, undefined)
  return error
}

s3Test('objects are written, described, read in part and removed, whatever their keys', async () => {
  for (const key of ['plain', 'a/b c%20+?#&=ü.csv', "odd'(1)!*~"]) {
    const url = `s3://bucket/${key}`
    const written = await objects.write(url, piecesOf('hello ', 'world'))
    assert.deepEqual(await objects.stat(url), written)
    assert.equal((await contentOf(written)).toString(), 'hello world')
    assert.equal((await contentOf(written, 6)).toString(), 'world')
    assert.equal((await contentOf(written, 4, 3)).toString(), 'o w')
    await objects.remove(url)
    await objects.remove(url)
    const error = await failureOf(objects.stat(url))
    assert.equal(error.code, 'INVALID_ARGUMENT')
    assert.match(error.message, /there is no such object/)
  }
})

s3Test('empty objects are objects', async () => {
  const empty = await objects.write('s3://bucket/empty', piecesOf())
  assert.equal(empty.sizeBytes, 0)
  assert.equal((await contentOf(empty)).length, 0)
})

s3Test('large objects go up in parts and come back equal', async () => {
  const content = randomBytes(40 * 1024 * 1024)
  const cut = Array.from({ length: 40 }, (_, index) => content.subarray(index << 20, (index + 1) << 20))
  const written = await objects.write('s3://bucket/large', piecesOf(...cut))
  assert.match(written.tag, /-3"$/)
  assert.ok((await contentOf(written)).equals(content))
})

s3Test('an upload that fails is undone', async () => {
  const failing = async function* () {
    for (let index = 0; index < 40; index++) yield Buffer.alloc(1 << 20)
    await Promise.resolve()
    throw new KVError('CANCELLED', 'no more')
  }
  assert.equal((await failureOf(objects.write('s3://bucket/half', failing()))).code, 'CANCELLED')
  assert.match((await failureOf(objects.stat('s3://bucket/half'))).message, /there is no such object/)
  const { Uploads: uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'bucket' }))
  assert.deepEqual(uploads, [])
})

s3Test('an object that changed since it was listed is not read', async () => {
  const old = await objects.write('s3://bucket/changing', piecesOf('aaa'))
  await objects.write('s3://bucket/changing', piecesOf('bbb'))
  const error = await failureOf(contentOf(old))
  assert.equal(error.code, 'FAILED_PRECONDITION')
  assert.match(error.message, /s3:\/\/bucket\/changing changed while it was read/)
})

s3Test('a prefix is a source: its objects in order, without what is hidden', async () => {
  const lines = ['{"id":1,"a":"x"}\n', '{"id":2,"a":"y"}\n']
  for (const name of [
    'p/b.ndjson',
    'p/a.ndjson',
    'p/_SUCCESS',
    'p/.x',
    'p/_tmp/c',
    'p/deep/c.ndjson',
    'px',
  ]) {
    await objects.write(`s3://bucket/${name}`, piecesOf(...lines))
  }
  const source = openSource(objects, {
    from: 's3://bucket/p/',
    format: 'ndjson',
    keyField: 'id',
    columns: null,
    header: null,
    maxValueBytes: 100,
    maxBadLines: 0,
  })
  const parts = await source.parts()
  assert.deepEqual(
    parts.map(({ url }) => url),
    ['s3://bucket/p/a.ndjson', 's3://bucket/p/b.ndjson', 's3://bucket/p/deep/c.ndjson'],
  )
  let rows = 0
  for (const part of parts) for await (const batch of source.rows(part)) rows += batch.length
  assert.equal(rows, 6)
})

s3Test('a bucket that is not there is named', async () => {
  const error = await failureOf(objects.list('s3://no-such-bucket/'))
  assert.equal(error.code, 'INVALID_ARGUMENT')
  assert.match(error.message, /^s3:\/\/no-such-bucket\/: there is no such bucket$/)
})
