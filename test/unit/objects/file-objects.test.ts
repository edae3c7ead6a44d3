import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { KVError } from '../../../src/base/errors.js'
import { FileObjects } from '../../../src/objects/file-objects.js'
import type { ObjectStore, StoredObject } from '../../../src/objects/object-store.js'
import { s3Location, toObjectUrl, urlOfPath } from '../../../src/objects/object-url.js'

const home = mkdtempSync(join(tmpdir(), 'godwit-objects-'))
after(() => rmSync(home, { recursive: true, force: true }))
let folders = 0

function newFolder(): string {
  const folder = join(home, String(folders++))
  mkdirSync(folder)
  return folder
}

async function contentOf(objects: ObjectStore, object: StoredObject, offset?: number, length?: number) {
  const pieces: Buffer[] = []
  for await (const piece of objects.read(object, offset, length)) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function* piecesOf(...texts: string[]): AsyncGenerator<Buffer> {
  await Promise.resolve()
  for (const text of texts) yield Buffer.from(text)
}

function refuses(run: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  return assert.rejects(run, (error: unknown) => {
    assert.ok(error instanceof KVError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  })
}

const anywhere = new FileObjects({ roots: [] })

test('what is written is read back, whole and in part', async () => {
  const url = urlOfPath(join(newFolder(), 'new', 'deeper', 'odd %20 #? ü.bin'))
  const written = await anywhere.write(url, piecesOf('hello ', '', 'world'))
  assert.deepEqual(await anywhere.stat(url), written)
  assert.equal(written.sizeBytes, 11)
  assert.equal((await contentOf(anywhere, written)).toString(), 'hello world')
  assert.equal((await contentOf(anywhere, written, 6)).toString(), 'world')
  assert.equal((await contentOf(anywhere, written, 4, 3)).toString(), 'o w')
  assert.equal((await contentOf(anywhere, written, 20, 3)).toString(), '')
  await anywhere.remove(url)
  await anywhere.remove(url)
  await refuses(anywhere.stat(url), 'INVALID_ARGUMENT', /there is no such file/)
})

test('a write that fails leaves what was there, and no other file', async () => {
  const folder = newFolder()
  const url = urlOfPath(join(folder, 'a'))
  await anywhere.write(url, piecesOf('old'))
  const failing = async function* () {
    yield Buffer.from('new')
    await Promise.resolve()
    throw new KVError('CANCELLED', 'no more')
  }
  await refuses(anywhere.write(url, failing()), 'CANCELLED', /no more/)
  assert.equal(readFileSync(join(folder, 'a'), 'utf8'), 'old')
  assert.deepEqual(readdirSync(folder), ['a'])
})

test('a place that cannot be written to is the caller’s mistake', async () => {
  await refuses(
    anywhere.write('file:///proc/godwit', piecesOf('x')),
    'INVALID_ARGUMENT',
    /file:\/\/\/proc\/godwit/,
  )
  await refuses(
    anywhere.write(`${urlOfPath(newFolder())}/`, piecesOf('x')),
    'INVALID_ARGUMENT',
    /names a directory/,
  )
})

test('a directory is everything below it, in the order of the URLs, without unfinished writes', async () => {
  const folder = newFolder()
  mkdirSync(join(folder, 'b'))
  for (const name of ['c', 'b/2', 'b/1', 'a', '.godwit-0123456789abcdef.tmp'])
    writeFileSync(join(folder, name), name)
  symlinkSync(join(folder, 'a'), join(folder, 'link'))
  for (const url of [urlOfPath(folder), `${urlOfPath(folder)}/`]) {
    const names = (await anywhere.list(url)).map((one) => one.url.slice(urlOfPath(folder).length))
    assert.deepEqual(names, ['/a', '/b/1', '/b/2', '/c', '/link'])
  }
  assert.deepEqual((await anywhere.list(urlOfPath(join(folder, 'a')))).length, 1)
  await refuses(anywhere.list(urlOfPath(join(folder, 'none'))), 'INVALID_ARGUMENT', /there is no such file/)
})

test('a link to a directory above it is refused, not followed for ever', async () => {
  const folder = newFolder()
  mkdirSync(join(folder, 'a'))
  symlinkSync(folder, join(folder, 'a', 'loop'))
  await refuses(anywhere.list(urlOfPath(folder)), 'INVALID_ARGUMENT', /link to a directory above it/)
})

test('what is no regular file is refused, and never waited for', async () => {
  const folder = newFolder()
  execFileSync('mkfifo', [join(folder, 'fifo')])
  await refuses(anywhere.stat(urlOfPath(join(folder, 'fifo'))), 'INVALID_ARGUMENT', /no regular file/)
  await refuses(anywhere.stat('file:///dev/null'), 'INVALID_ARGUMENT', /no regular file/)
  await refuses(anywhere.stat(urlOfPath(folder)), 'INVALID_ARGUMENT', /is a directory; end the URL with \//)
  await refuses(anywhere.list(urlOfPath(folder)), 'INVALID_ARGUMENT', /no regular file/)
})

const changes: readonly { readonly name: string; readonly make: (path: string) => void }[] = [
  { name: 'grew', make: (path) => appendFileSync(path, 'x') },
  { name: 'was cut', make: (path) => truncateSync(path, 200_000) },
  { name: 'was touched', make: (path) => utimesSync(path, 1, 1) },
  {
    name: 'was exchanged for one of the same size and time',
    make: (path) => {
      writeFileSync(`${path}.new`, Buffer.alloc(400_000, 'b'))
      utimesSync(`${path}.new`, 5, 5)
      renameSync(`${path}.new`, path)
    },
  },
]
for (const { name, make } of changes) {
  test(`a file that ${name} before or while it is read is another one`, async () => {
    const path = join(newFolder(), 'a')
    writeFileSync(path, Buffer.alloc(400_000, 'a'))
    utimesSync(path, 5, 5)
    const object = await anywhere.stat(urlOfPath(path))
    const reading = anywhere.read(object)
    await reading.next()
    make(path)
    const isExchanged = name.startsWith('was exchanged')
    const rest = async () => {
      for await (const piece of reading) assert.ok(piece.length > 0)
    }
    // The file that was opened stays whole when its name goes to another one.
    if (isExchanged) await rest()
    else await refuses(rest(), 'FAILED_PRECONDITION', /changed while it was read/)
    await refuses(contentOf(anywhere, object), 'FAILED_PRECONDITION', /changed while it was read/)
  })
}

test('where directories are allowed, nothing outside them is read, written, listed or removed', async () => {
  const inside = newFolder()
  const outside = newFolder()
  writeFileSync(join(outside, 'secret'), 'x')
  writeFileSync(join(inside, 'own'), 'x')
  symlinkSync(join(outside, 'secret'), join(inside, 'file-link'))
  symlinkSync(outside, join(inside, 'folder-link'))
  symlinkSync(join(inside, 'own'), join(inside, 'own-link'))
  const objects = new FileObjects({ roots: [inside, join(home, 'not there')] })
  const refused = /lies outside the directories that objects\.roots allows/
  for (const path of [
    'file-link',
    'folder-link/secret',
    '../1/secret'.replace('1', outside.split('/').at(-1) ?? ''),
  ]) {
    const url = urlOfPath(join(inside, path))
    await refuses(objects.stat(url), 'INVALID_ARGUMENT', refused)
  }
  await refuses(objects.list(urlOfPath(inside)), 'INVALID_ARGUMENT', refused)
  await refuses(objects.list(urlOfPath(outside)), 'INVALID_ARGUMENT', refused)
  await refuses(objects.write(urlOfPath(join(outside, 'new')), piecesOf('x')), 'INVALID_ARGUMENT', refused)
  await refuses(
    objects.write(urlOfPath(join(inside, 'folder-link/deep/new')), piecesOf('x')),
    'INVALID_ARGUMENT',
    refused,
  )
  await refuses(objects.remove(urlOfPath(join(inside, 'folder-link/secret'))), 'INVALID_ARGUMENT', refused)
  assert.deepEqual(readdirSync(outside), ['secret'])
  assert.equal(
    (await contentOf(objects, await objects.stat(urlOfPath(join(inside, 'own-link'))))).toString(),
    'x',
  )
  assert.equal((await objects.write(urlOfPath(join(inside, 'x/y')), piecesOf('abc'))).sizeBytes, 3)
})

test('paths and URLs are told apart, and what is neither is refused', () => {
  assert.equal(toObjectUrl('/data/a b.csv'), 'file:///data/a%20b.csv')
  assert.equal(toObjectUrl('s3://bucket/a b%20?#.csv'), 's3://bucket/a b%20?#.csv')
  assert.deepEqual(s3Location('s3://bucket/a/ b%20?#.csv'), { bucket: 'bucket', key: 'a/ b%20?#.csv' })
  assert.deepEqual(s3Location('s3://bucket'), { bucket: 'bucket', key: '' })
  for (const place of ['a.csv', '', 'http://x/y', '~/a', 'gs://b/k']) {
    assert.throws(() => toObjectUrl(place), /neither an absolute path nor a file:, s3: or hdfs: URL/)
  }
  for (const url of ['s3://', 's3:///k', 's3://b/k', 's3://bu cket/k', 's3://user:pass@bucket/k']) {
    assert.throws(() => s3Location(url), /names no bucket/)
  }
  assert.throws(() => s3Location(`s3://bucket/${'k'.repeat(1_025)}`), /more than 1024 bytes/)
})

test('URLs of files on other machines, or with an escaped slash, are refused', async () => {
  for (const url of ['file://host/a', 'file:///a%2Fb', 'file:///a%00b']) {
    await refuses(anywhere.stat(url), 'INVALID_ARGUMENT', /names no file|file:\/\//)
  }
})
