/** What a leaf process does with bytes that no gateway sends, copies that break off, and directories not its own. */
import assert from 'node:assert/strict'
import {
  copyFileSync,
  createReadStream,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
} from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { murmur3Token } from '../../src/base/hash.js'
import { LeafAgent, localSource } from '../../src/leaf/http/leaf-agent.js'
import { targetPath } from '../../src/leaf/http/leaf-directory.js'
import { describeShard, encodeShardFiles } from '../../src/leaf/http/shard-copy.js'
import { ByteWriter } from '../../src/leaf/http/bytes.js'
import {
  decodeAnswer,
  decodeAnswerHead,
  encodeHead,
  encodeRead,
  encodeTarget,
} from '../../src/leaf/http/wire.js'
import type { ShardTarget } from '../../src/leaf/http/wire.js'
import { SealedShardWriter } from '../../src/leaf/rocksdb/sealed/sealed-writer.js'
import { Gateway } from '../support/gateway.js'
import { leafUrl, startLeaf } from '../support/leaf-processes.js'
import { random } from '../support/random.js'

const ROWS = 50
const TARGET: ShardTarget = { datasetId: 'd1-00', versionId: 1_700_000_000_000, shard: 0 }
const other = (shard: number): ShardTarget => ({ ...TARGET, shard })
const GATEWAY = { 'x-godwit-gateway': 'gateway-1' }

let leaf: Gateway
let agent: LeafAgent
let directory: string

before(async () => {
  leaf = await startLeaf()
  agent = new LeafAgent({ name: 'a', url: leafUrl(leaf) }, 'gateway-1')
  directory = join(leaf.folder, 'shard')
  const writer = await SealedShardWriter.create(directory, { keyOrder: 'HASHED', nowSeconds: 0 })
  for (let row = 0; row < ROWS; row++) {
    const cell = {
      localKey: Buffer.from('v'),
      value: Buffer.from(`value ${row}`),
      timestamp: null,
      ttlSeconds: null,
    }
    writer.add(Buffer.from(`row-${row}`), [cell])
  }
  await writer.seal()
})

after(async () => {
  await agent.close()
  await leaf.dispose()
})

async function ask(method: string, path: string, body?: string | Buffer, headers: object = GATEWAY) {
  const sent = body === undefined ? {} : { body: Buffer.from(body) }
  return await fetch(`${leafUrl(leaf)}${path}`, { method, ...sent, headers: { ...headers } })
}

function batchOf(target: ShardTarget, ...keys: string[]): Buffer {
  const names = new ByteWriter()
  encodeTarget(names, target)
  const output = new ByteWriter()
  encodeHead(output, 1, names.written)
  const rowKeys = keys.map((key) => Buffer.from(key))
  const read = {
    selector: null,
    selectorsByKey: null,
    withTimestamps: false,
    withTtl: false,
    pageBytes: null,
  } as const
  const tokens = rowKeys.map((key) => murmur3Token(key))
  encodeRead(
    output,
    { id: 9, target: 0, remainingMs: 5_000 },
    { ...read, keyOrder: 'HASHED', rowKeys, tokens, position: null },
  )
  return output.take()
}

/** Values of the rows, or the code of what the leaf says instead. */
async function read(target: ShardTarget, ...keys: string[]): Promise<readonly (string | null)[] | string> {
  const bytes = Buffer.from(await (await ask('POST', '/v1/batch', batchOf(target, ...keys))).arrayBuffer())
  const { size } = decodeAnswerHead(bytes)
  const answer = decodeAnswer(bytes, size + 4, bytes.length)
  if ('error' in answer) return answer.error.code
  assert.ok('rows' in answer)
  return answer.rows.map((row) => (row === null || row instanceof KVError ? null : (row.cells[0]?.value.toString() ?? null))) // prettier-ignore
}

async function isAlive(): Promise<boolean> {
  return (await ask('GET', '/healthz')).status === 200
}

test('a copy is served when it is whole, and repeating any step of it is fine', async () => {
  const list = await describeShard(directory)
  await agent.copy(TARGET, localSource(directory), list)
  await agent.copy(TARGET, localSource(directory), list)
  assert.deepEqual(await read(TARGET, 'row-1', 'none', 'row-49'), ['value 1', null, 'value 49'])
  assert.equal(await read(other(5), 'row-1'), 'SHARD_NOT_SERVING')
  assert.deepEqual([...(await agent.inventory(5_000)).copies], [targetPath(TARGET)])
})

test('pages of browsers and gateways of others are refused', async () => {
  assert.equal((await ask('GET', '/v1/inventory', undefined, {})).status, 403)
  assert.equal(
    (await ask('GET', '/v1/inventory', undefined, { ...GATEWAY, origin: 'http://evil.example' })).status,
    403,
  )
  const socket = connect(leaf.port('leaf'), '127.0.0.1')
  socket.write(
    'GET /v1/inventory HTTP/1.1\r\nhost: rebound.example\r\nx-godwit-gateway: g\r\nconnection: close\r\n\r\n',
  )
  const chunks: Buffer[] = []
  for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk)
  assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1.1 403 /)
  const stranger = { 'x-godwit-gateway': 'gateway-2' }
  assert.equal((await ask('DELETE', `/v1/copies/${targetPath(TARGET)}`, undefined, stranger)).status, 412)
  assert.deepEqual(await read(TARGET, 'row-2'), ['value 2'])
})

test('what is no batch is refused, and the process goes on', async () => {
  const valid = batchOf(TARGET, 'row-1', 'row-2')
  const next = random(7)
  for (let round = 0; round < 300; round++) {
    const damaged = Buffer.from(valid)
    for (let i = 0; i < 3; i++) damaged[Math.floor(next() * damaged.length)] = Math.floor(next() * 256)
    const body = next() < 0.3 ? damaged.subarray(0, Math.floor(next() * damaged.length)) : damaged
    const { status } = await ask('POST', '/v1/batch', body)
    assert.ok(status === 200 || status === 400, String(status))
  }
  assert.equal((await ask('GET', '/v1/nowhere')).status, 400)
  assert.equal((await ask('PATCH', `/v1/copies/${targetPath(TARGET)}`)).status, 400)
  assert.ok(await isAlive())
})

test('a body that is too large, of no known size, or breaks off costs its connection', async () => {
  const raw = async (head: string, body: string) => {
    const socket = connect(leaf.port('leaf'), '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(
      `POST /v1/batch HTTP/1.1\r\nhost: 127.0.0.1\r\nx-godwit-gateway: g\r\n${head}\r\n\r\n${body}`,
    )
    const chunks: Buffer[] = []
    for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk)
    return Buffer.concat(chunks).toString().slice(0, 12)
  }
  assert.equal(await raw('content-length: 99999999999', 'x'), 'HTTP/1.1 413')
  assert.equal(await raw('transfer-encoding: chunked', '1\r\nx\r\n'), 'HTTP/1.1 413')
  assert.equal(await raw('content-length: -4', ''), 'HTTP/1.1 400')
  const cut = connect(leaf.port('leaf'), '127.0.0.1')
  const begun =
    'POST /v1/batch HTTP/1.1\r\nhost: 127.0.0.1\r\nx-godwit-gateway: g\r\ncontent-length: 500\r\n\r\nGWL'
  await new Promise((resolve) => cut.write(begun, resolve))
  cut.destroy()
  assert.deepEqual(await read(TARGET, 'row-3'), ['value 3'])
})

test('lists that name other places or say nothing are refused', async () => {
  const path = `/v1/copies/${targetPath(other(1))}`
  const file = { path: 'SEALED.json', size: 1, sha256: '0'.repeat(64) }
  const lists = [
    'no json',
    '{}',
    JSON.stringify({ format: 2, files: [] }),
    JSON.stringify({ format: 1, files: [{ ...file, path: '../../LEAF.json' }] }),
    JSON.stringify({ format: 1, files: [{ ...file, path: '/etc/passwd' }] }),
    JSON.stringify({ format: 1, files: [{ ...file, path: 'COPY.json' }] }),
    JSON.stringify({ format: 1, files: [{ ...file, size: -1 }] }),
    JSON.stringify({ format: 1, files: [{ ...file, sha256: 'x' }] }),
    JSON.stringify({ format: 1, files: [file, file] }),
  ]
  for (const list of lists) assert.equal((await ask('POST', path, list)).status, 400, list)
  for (const name of ['..%2f..%2fLEAF.json', '%2fetc%2fpasswd', 'db%2f..%2f..%2fx', '']) {
    const { status } = await ask('GET', `/v1/copies/${targetPath(TARGET)}/file?path=${name}`)
    assert.equal(status, 400, name)
  }
  assert.equal((await ask('POST', `/v1/copies/..%2f..%2fx/1/0`, '{}')).status, 400)
})

test('a file that is not what its list says is not taken, and a copy that lacks one not served', async () => {
  const target = other(2)
  const path = `/v1/copies/${targetPath(target)}`
  const list = await describeShard(directory)
  assert.equal((await ask('PUT', `${path}/file?path=SEALED.json`, 'x')).status, 412)
  assert.equal((await ask('POST', path, encodeShardFiles(list))).status, 200)
  const seal = list.files.find((file) => file.path === 'SEALED.json')
  assert.ok(seal)
  assert.equal((await ask('PUT', `${path}/file?path=SEALED.json`, 'x'.repeat(seal.size))).status, 422)
  assert.equal((await ask('PUT', `${path}/file?path=SEALED.json`, 'x'.repeat(seal.size - 1))).status, 422)
  assert.equal((await ask('PUT', `${path}/file?path=SEALED.json`, 'x'.repeat(seal.size + 1))).status, 422)
  assert.equal((await ask('PUT', `${path}/file?path=db/000999.sst`, 'x')).status, 412)
  assert.equal((await ask('POST', `${path}/adopt`)).status, 412)
  assert.equal(await read(target, 'row-1'), 'SHARD_NOT_SERVING')
})

test('a copy that broke off goes on with the next file, also after a kill', async () => {
  const target = other(3)
  const list = await describeShard(directory)
  const sent: string[] = []
  const breaking = {
    describe: () => Promise.resolve(list),
    read: (path: string) => {
      sent.push(path)
      if (sent.length > 3) return Promise.resolve(Readable.from([Buffer.from('breaks off')]))
      return Promise.resolve(createReadStream(join(directory, path)))
    },
  }
  await assert.rejects(agent.copy(target, breaking, list))
  await leaf.kill9()
  await leaf.start()
  assert.deepEqual([...(await agent.inventory(5_000)).copies], [targetPath(TARGET)])
  const again: string[] = []
  const whole = localSource(directory)
  const counting = { ...whole, read: (path: string) => (again.push(path), whole.read(path)) }
  await agent.copy(target, counting, list)
  assert.ok(again.length < list.files.length, `${again.length} of ${list.files.length} files were sent again`)
  assert.deepEqual(await read(target, 'row-4'), ['value 4'])
})

test('a copy whose files do not make a shard is not served', async () => {
  const target = other(4)
  const broken = join(leaf.folder, 'broken')
  mkdirSync(join(broken, 'db'), { recursive: true })
  for (const { path } of (await describeShard(directory)).files) {
    copyFileSync(join(directory, path), join(broken, path))
  }
  const manifest = readdirSync(join(broken, 'db')).find((name) => name.startsWith('MANIFEST'))
  assert.ok(manifest)
  truncateSync(join(broken, 'db', manifest), 10)
  await assert.rejects(agent.copy(target, localSource(broken), await describeShard(broken)))
  assert.equal(await read(target, 'row-1'), 'SHARD_NOT_SERVING')
  assert.ok(await isAlive())
})

test('a copy that was moved by hand is not served as another version', async () => {
  await leaf.stop()
  const { datasetId, versionId } = TARGET
  const copies = join(leaf.dataDirectory, 'shards', datasetId)
  renameSync(join(copies, String(versionId)), join(copies, String(versionId + 1)))
  await leaf.start()
  assert.equal(await read({ ...TARGET, versionId: versionId + 1 }, 'row-1'), 'SHARD_NOT_SERVING')
  await agent.copy(TARGET, localSource(directory), await describeShard(directory))
  assert.deepEqual(await read(TARGET, 'row-1'), ['value 1'])
})

test('a leaf and a gateway do not take each other’s directories', async () => {
  await leaf.stop()
  const gateway = new Gateway({ dataDirectory: leaf.dataDirectory })
  const { code, output } = await gateway.launch()
  assert.notEqual(code, 0)
  assert.match(output, /not a godwit data directory/)
  const used = await Gateway.start()
  await used.stop()
  const thief = new Gateway({
    dataDirectory: used.dataDirectory,
    ports: 'role: leaf\nlisteners:\n  leaf: { port: 0 }\n',
  })
  const refused = await thief.launch()
  assert.notEqual(refused.code, 0)
  assert.match(refused.output, /not the data directory of a leaf/)
  await Promise.all([gateway.dispose(), used.dispose(), thief.dispose()])
  rmSync(join(leaf.dataDirectory, 'shards'), { recursive: true })
  await leaf.start()
  assert.ok(await isAlive())
})
