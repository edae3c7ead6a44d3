/** HDFS as a place of objects, against a WebHDFS server written from its specification, and against its faults. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { WebHdfsObjects, type WebHdfsSettings } from '../../src/objects/webhdfs-objects.js'
import { refuse, WebHdfsServer } from '../support/webhdfs-server.js'

let server: WebHdfsServer
let settings: WebHdfsSettings
let objects: WebHdfsObjects

beforeEach(async () => {
  server = await WebHdfsServer.start()
  settings = {
    urls: [await server.nameNode()],
    names: ['nn:8020'],
    user: 'godwit',
    dataNodes: [],
    connectTimeoutMs: 1_000,
    stallTimeoutMs: 500,
    attempts: 3,
  }
  objects = new WebHdfsObjects(settings)
})

afterEach(() => server.close())

async function contentOf(url: string, offset?: number, length?: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of objects.read(await objects.stat(url), offset, length)) pieces.push(piece)
  return Buffer.concat(pieces)
}

function refusal(code: string, ...texts: RegExp[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof KVError, String(error))
    assert.equal(error.code, code, error.message)
    for (const text of texts) assert.match(error.message, text)
    assert.doesNotMatch(error.message, /secret/)
    return true
  }
}

test('files below a directory are listed in their order, with sizes and tags', async () => {
  for (const [path, content] of [
    ['/data/pins/part-00001', 'one'],
    ['/data/pins/part-00000', ''],
    ['/data/pins/inner/a b%2F#?', 'odd'],
    ['/data/pinsX/other', 'other'],
  ] as const) {
    server.put(path, content)
  }
  const found = await objects.list('hdfs://nn:8020/data/pins/')
  assert.deepEqual(
    found.map(({ url, sizeBytes }) => [url, sizeBytes]),
    [
      ['hdfs://nn:8020/data/pins/inner/a b%2F#?', 3],
      ['hdfs://nn:8020/data/pins/part-00000', 0],
      ['hdfs://nn:8020/data/pins/part-00001', 3],
    ],
  )
  assert.equal((await contentOf('hdfs:///data/pins/inner/a b%2F#?')).toString(), 'odd')
  assert.deepEqual(await objects.list('hdfs:///data/pins/part-00001'), [
    await objects.stat('hdfs:///data/pins/part-00001'),
  ])
  assert.equal((await objects.list('hdfs:///data')).length, 4)
})

test('ranges are read, and a connection that breaks is read on from there', async () => {
  const content = randomBytes(300_000)
  server.put('/big', content)
  assert.deepEqual(await contentOf('hdfs:///big', 1_000, 5), content.subarray(1_000, 1_005))
  assert.equal((await contentOf('hdfs:///big', 300_000)).length, 0)
  let breaks = 0
  server.interfereWithData = (request, response) => {
    if (breaks++ >= 4) return false
    const offset = Number(request.searchParams.get('offset'))
    response.writeHead(200, { 'content-length': content.length - offset })
    response.write(content.subarray(offset, offset + 50_000), () => response.destroy())
    return true
  }
  assert.deepEqual(await contentOf('hdfs:///big'), content)
  assert.equal(breaks, 5)
})

test('a NameNode on standby is passed over, and the one that answered is asked first from then on', async () => {
  server.put('/f', 'x')
  objects = new WebHdfsObjects({
    ...settings,
    urls: [await server.nameNode(true), 'http://127.0.0.1:1', ...settings.urls],
  })
  assert.equal((await contentOf('hdfs:///f')).toString(), 'x')
  const standby = new WebHdfsObjects({ ...settings, urls: [await server.nameNode(true)], attempts: 1 })
  await assert.rejects(standby.stat('hdfs:///f'), refusal('UNAVAILABLE', /StandbyException/))
})

test('a server that stalls or fails is asked again so many times, then given up', async () => {
  server.put('/f', 'x')
  let faults = 2
  server.interfere = (_operation, _path, response) => {
    if (faults-- <= 0) return false
    refuse(response, 500, 'RuntimeException')
    return true
  }
  assert.equal((await objects.stat('hdfs:///f')).sizeBytes, 1)
  objects = new WebHdfsObjects({ ...settings, attempts: 1, stallTimeoutMs: 100 })
  server.interfere = () => true
  await assert.rejects(objects.stat('hdfs:///f'), refusal('UNAVAILABLE', /does not answer/))
})

test('what HDFS refuses is said by the name of its exception, and is not asked again', async () => {
  server.put('/f', 'x')
  await assert.rejects(
    objects.stat('hdfs:///g'),
    refusal('INVALID_ARGUMENT', /no such file.*FileNotFoundException/),
  )
  for (const [status, exception, text] of [
    [403, 'AccessControlException', /permission is denied.*user "godwit"/],
    [401, 'AuthenticationException', /authentication/],
    [400, 'IllegalArgumentException', /bad request|bad one/],
  ] as const) {
    server.asked.length = 0
    server.interfere = (_operation, _path, response) => {
      refuse(response, status, exception)
      return true
    }
    await assert.rejects(objects.stat('hdfs:///f'), refusal('INVALID_ARGUMENT', text))
    assert.equal(server.asked.length, 1)
  }
})

test('a redirect leads only to hosts that are named, over the same scheme, and only once', async () => {
  server.put('/f', 'x')
  const own = settings.urls[0] ?? ''
  for (const [to, dataNodes, code, text] of [
    ['http://10.255.255.1:9864/webhdfs/v1/f', [], 'INVALID_ARGUMENT', /10\.255\.255\.1.*dataNodes/],
    ['http://dn.example.org.evil.test/webhdfs/v1/f', ['*.example.org'], 'INVALID_ARGUMENT', /evil\.test/],
    ['http://example.org/webhdfs/v1/f', ['*.example.org'], 'INVALID_ARGUMENT', /dataNodes/],
    ['https://127.0.0.1/webhdfs/v1/f', [], 'UNAVAILABLE', /an odd redirect/],
    ['http://user:word@127.0.0.1/webhdfs/v1/f', [], 'UNAVAILABLE', /an odd redirect/],
    ['http://127.0.0.1/v1/admin', [], 'UNAVAILABLE', /an odd redirect/],
    [`${own}/webhdfs/v1/f?op=OPEN`, [], 'UNAVAILABLE', /a second redirect/],
    ['http://', [], 'UNAVAILABLE', /a redirect to nowhere/],
  ] as const) {
    server.redirectTo = to
    objects = new WebHdfsObjects({ ...settings, dataNodes, attempts: 1 })
    await assert.rejects(contentOf('hdfs:///f'), refusal(code, text), to)
  }
})

test('bytes without a redirect, as HttpFS gives them, are taken', async () => {
  server.put('/f', 'plain')
  server.interfere = (operation, _path, response) => {
    if (operation === 'OPEN') response.end('plain')
    return operation === 'OPEN'
  }
  assert.equal((await contentOf('hdfs:///f')).toString(), 'plain')
})

test('a file that changes, shrinks or goes while it is read fails the reading', async () => {
  server.put('/f', 'before')
  const object = await objects.stat('hdfs:///f')
  server.put('/f', 'behind')
  const read = async () => {
    for await (const piece of objects.read(object)) assert.ok(piece.length > 0)
  }
  await assert.rejects(read(), refusal('FAILED_PRECONDITION', /changed while it was read/))
  server.files.delete('/f')
  await assert.rejects(read(), refusal('INVALID_ARGUMENT', /no such file/))
})

test('a server that speaks something else is refused', async () => {
  server.put('/f', 'x')
  objects = new WebHdfsObjects({ ...settings, attempts: 1 })
  for (const body of ['<html>', '{}', '{"FileStatus": {"pathSuffix": "", "type": "SOCKET"}}', '[]', 'null']) {
    server.interfere = (_operation, _path, response) => {
      response.end(body)
      return true
    }
    await assert.rejects(
      objects.stat('hdfs:///f'),
      refusal('UNAVAILABLE', /does not answer as WebHDFS/),
      body,
    )
  }
  server.interfere = () => false
  server.interfereWithData = (_request, response) => {
    response.end('more than one byte')
    return true
  }
  await assert.rejects(contentOf('hdfs:///f'), refusal('UNAVAILABLE', /more bytes than were asked for/))
})

test('names that a listing makes up do not lead elsewhere', async () => {
  for (const pathSuffix of ['..', '../x', '', 'a/b']) {
    server.put('/d/f', 'x')
    server.interfere = (operation, _path, response) => {
      if (operation !== 'LISTSTATUS') return false
      const file = { pathSuffix, type: 'DIRECTORY', length: 0, modificationTime: 0 }
      response.end(JSON.stringify({ FileStatuses: { FileStatus: [file] } }))
      return true
    }
    objects = new WebHdfsObjects({ ...settings, attempts: 1 })
    await assert.rejects(
      objects.list('hdfs:///d/'),
      refusal('UNAVAILABLE', /a file without a name/),
      pathSuffix,
    )
  }
})

test('other file systems, directories read as files, odd paths and writes are refused', async () => {
  server.put('/d/f', 'x')
  await assert.rejects(
    objects.stat('hdfs://other:8020/d/f'),
    refusal('INVALID_ARGUMENT', /"other:8020" is not/),
  )
  await assert.rejects(objects.stat('hdfs:///d'), refusal('INVALID_ARGUMENT', /is a directory/))
  await assert.rejects(objects.list('hdfs:///d/f/'), refusal('INVALID_ARGUMENT', /is a file/))
  for (const path of ['', '/d/../d/f', '/d//f', '/./f', '/a\0b']) {
    await assert.rejects(
      objects.stat(`hdfs://nn:8020${path}`),
      refusal('INVALID_ARGUMENT', /names nothing/),
      path,
    )
  }
  await assert.rejects(objects.remove('hdfs:///d/f'), refusal('UNSUPPORTED', /never written/))
  const unset = new WebHdfsObjects(null)
  await assert.rejects(unset.stat('hdfs:///d/f'), refusal('INVALID_ARGUMENT', /not configured; set objects/))
})
