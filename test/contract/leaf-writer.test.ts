import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { systemClock } from '../../src/base/clock.js'
import { KVError } from '../../src/base/errors.js'
import { AttachedDatabase } from '../../src/leaf/rocksdb/binding.js'
import { RocksStore } from '../../src/leaf/rocksdb/store.js'
import { WriteEncoder, forEachAck } from '../../src/leaf/rocksdb/write-wire.js'
import { GroupWriter } from '../../src/leaf/rocksdb/writer.js'
import type { Incarnation } from '../../src/model/cluster-map.js'
import { cell } from '../support/datasets.js'

let folder = ''
let store: RocksStore
let shard: Incarnation
let writer: GroupWriter
let failed: number[]
let watermarkFailures: number

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-writer-'))
  store = new RocksStore()
  const directory = join(folder, '0')
  await store.createMutable(directory)
  shard = await store.open({ datasetId: 'd1', shard: 0, format: 'mutable', directory })
  failed = []
  watermarkFailures = 0
  writer = new GroupWriter({
    clock: systemClock,
    onShardFailed: (id) => failed.push(id),
    onWatermarkFailed: () => (watermarkFailures += 1),
  })
  writer.attach(shard, 'MICROSECONDS')
})

afterEach(async () => {
  await writer.stop()
  await store.closeAll()
  rmSync(folder, { recursive: true })
})

/** Sends one batch of single-cell writes and waits for all its acknowledgements. */
function write(
  values: readonly string[],
  row: { readonly rowKey?: Buffer } = {},
): Promise<(bigint | KVError)[]> {
  const encoder = new WriteEncoder()
  for (const [index, value] of values.entries()) {
    const mutation = { cells: [cell('', value)], deletes: 'NOTHING' as const, timestamp: null }
    const rowKey = row.rowKey ?? Buffer.from(`row-${index}`)
    const token = { high: 0, low: 0 }
    const rest = { keyOrder: 'HASHED' as const, deadline: Infinity, durability: 'LOG' as const }
    encoder.add(index, { incarnation: shard, rowKey, token, mutation, ...rest }, 0)
  }
  const outcomes: (bigint | KVError)[] = []
  return new Promise((resolve) => {
    const send = writer.channel((acks) => {
      forEachAck(acks, (_, outcome) => outcomes.push(outcome))
      if (outcomes.length === values.length) resolve(outcomes)
    })
    send(encoder.take())
  })
}

/** While `action` runs, the disk fails every write. */
async function withFailingDisk<T>(action: () => Promise<T>): Promise<T> {
  // The prototype's method is put back below; a real failing disk is in leaf-damage.test.ts.
  // eslint-disable-next-line @typescript-eslint/unbound-method
  const original = AttachedDatabase.prototype.write
  AttachedDatabase.prototype.write = () => {
    throw new KVError('UNAVAILABLE', 'the disk fails')
  }
  try {
    return await action()
  } finally {
    AttachedDatabase.prototype.write = original
  }
}

suite('group writer', () => {
  // The failed sync marked the shard and told nobody: it refused writes until the next start.
  test('a sync of the watermark that fails reports the shard, once, and later writes are not applied', async () => {
    await write(['a'])
    await withFailingDisk(() => writer.writeWatermarks())
    assert.equal(watermarkFailures, 1)
    assert.deepEqual(failed, [shard.id])
    const [outcome] = await write(['b'])
    assert.ok(outcome instanceof KVError)
    assert.deepEqual([outcome.code, outcome.outcome], ['UNAVAILABLE', 'NOT_APPLIED'])
    assert.deepEqual(failed, [shard.id])
  })

  test('a group that fails is of unknown outcome and reports the shard', async () => {
    const [outcome] = await withFailingDisk(() => write(['a']))
    assert.ok(outcome instanceof KVError)
    assert.equal(outcome.outcome, 'UNKNOWN')
    assert.deepEqual(failed, [shard.id])
  })

  test('stamps of one row rise within a group, however long its key is', async () => {
    const rowKey = Buffer.alloc(60_000, 7)
    const [first, second] = await write(['a', 'b'], { rowKey })
    assert.ok(typeof first === 'bigint' && typeof second === 'bigint' && second > first)
  })

  test('more bytes than one group may hold are committed in several, and all are acknowledged', async () => {
    const outcomes = await write(new Array<string>(40).fill('x'.repeat(1_000_000)))
    assert.equal(outcomes.filter((outcome) => typeof outcome === 'bigint').length, 40)
  })
})
