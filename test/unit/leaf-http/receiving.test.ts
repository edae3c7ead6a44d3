/** What a leaf does with files that are whole on their way and damaged before it. Real sealed shards, no process. */
import assert from 'node:assert/strict'
import { createReadStream, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { systemClock } from '../../../src/base/clock.js'
import { silentLogger } from '../../../src/base/logger.js'
import { LeafDirectory } from '../../../src/leaf/http/leaf-directory.js'
import { Receiving } from '../../../src/leaf/http/receiving.js'
import { describeShard } from '../../../src/leaf/http/shard-copy.js'
import { ShardSet } from '../../../src/leaf/http/shard-set.js'
import { RocksEngine } from '../../../src/leaf/rocksdb/engine.js'
import { acquireDirectoryLock } from '../../../src/leaf/rocksdb/store/directory-lock.js'
import { RocksStore } from '../../../src/leaf/rocksdb/store/store.js'
import { cellOf, sealVersion } from '../../support/sealed-versions.js'

const root = mkdtempSync(join(tmpdir(), 'godwit-receiving-'))
let directory: LeafDirectory
let shards: ShardSet
let receiving: Receiving
let next = 0

before(async () => {
  directory = await LeafDirectory.open(join(root, 'leaf'), {
    lock: acquireDirectoryLock,
    clock: systemClock,
    logger: silentLogger,
  })
  const channel = { send: () => undefined, onAck: () => undefined }
  shards = new ShardSet(new RocksStore(), new RocksEngine({ clock: systemClock, channel }))
  receiving = new Receiving(directory, shards, silentLogger)
})

after(async () => {
  await shards.close()
  await directory.close()
  rmSync(root, { recursive: true })
})

/** A shard of a thousand rows. */
async function sealed(): Promise<string> {
  const path = join(root, `version ${next++}`)
  const rows = new Map(
    Array.from({ length: 1_000 }, (_, row) => [`key ${row}`, [cellOf('v', `value ${row}`)]]),
  )
  await sealVersion(path, rows, 1)
  return join(path, '0')
}

async function send(shard: string, versionId: number): Promise<void> {
  const target = { datasetId: 'd1', versionId, shard: 0 }
  const list = await describeShard(shard)
  for (const path of (await receiving.begin(target, list)).missing)
    await receiving.receive(target, path, createReadStream(join(shard, path)))
  await receiving.adopt(target)
}

function tableOf(shard: string): string {
  const name = readdirSync(join(shard, 'db')).find((one) => one.endsWith('.sst'))
  assert.ok(name !== undefined)
  return join(shard, 'db', name)
}

function assertNothingLeft(): void {
  assert.deepEqual(readdirSync(join(root, 'leaf', 'staging')), [])
}

test('a copy that is what was sealed is served', async () => {
  await send(await sealed(), 1)
  assert.deepEqual(shards.names(), ['d1/1/0'])
  assertNothingLeft()
})

test('a copy with a damaged block is refused, though its files are those of its list, and can be sent again', async () => {
  const shard = await sealed()
  const table = tableOf(shard)
  const good = readFileSync(table)
  const bad = Buffer.from(good)
  // In the first block, which holds rows.
  bad.writeUInt8(bad.readUInt8(100) ^ 0xff, 100)
  writeFileSync(table, bad)
  await assert.rejects(send(shard, 2), { code: 'CORRUPT' })
  assert.ok(!shards.names().includes('d1/2/0'))
  assertNothingLeft()
  writeFileSync(table, good)
  await send(shard, 2)
  assert.ok(shards.names().includes('d1/2/0'))
})

test('a copy whose seal says other rows than it holds is refused', async () => {
  const shard = await sealed()
  const path = join(shard, 'SEALED.json')
  const text = readFileSync(path, 'utf8')
  writeFileSync(
    path,
    text.replace(/"checksum":\s*"./, (found) => `${found.slice(0, -1)}${found.endsWith('0') ? '1' : '0'}`),
  )
  assert.notEqual(readFileSync(path, 'utf8'), text)
  await assert.rejects(send(shard, 3), { code: 'CORRUPT', message: /its seal says/ })
  assertNothingLeft()
})
