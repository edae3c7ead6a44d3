/** A purge of damaged data: every pass ended at the first damage, so that nothing behind it ever went. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { keysBeyond } from '../../src/leaf/rocksdb/store/key-bytes.js'
import {
  historyCellKey,
  mutableCellKey,
  mutableMetaKey,
  rangesKey,
  writeRecordKey,
} from '../../src/leaf/row-codec.js'
import type { WritableFormat } from '../../src/model/cluster-map.js'
import type { Mutation } from '../../src/model/mutation.js'
import { NO_TOKEN } from '../../src/model/row-order.js'
import { WriterShard } from '../support/writer-shard.js'

const COLUMN = Buffer.from('c')
const rowOf = (i: number) => `row${String(i).padStart(6, '0')}`
const metaOf = (i: number) => mutableMetaKey('ORDERED', NO_TOKEN, Buffer.from(rowOf(i)))

/** Rows of one cell each, all removed. */
async function removedRows(t: TestContext, format: WritableFormat, count: number): Promise<WriterShard> {
  const shard = await WriterShard.create(format, 3)
  t.after(() => shard.dispose())
  const cells = [{ localKey: COLUMN, value: Buffer.alloc(200, 'v'), timestamp: null, ttlSeconds: null }]
  const mutations: Mutation[] = [
    { kind: 'PUT', cells, timestamp: null, replaceRow: false },
    { kind: 'DELETE', selector: null, timestamp: null, scope: 'UP_TO_TIMESTAMP' },
  ]
  for (const mutation of mutations) {
    const writes = Array.from({ length: count }, (_, i) => shard.add(rowOf(i), { mutations: [mutation] }))
    shard.flush()
    for (const outcome of await Promise.all(writes)) assert.ok(!(outcome instanceof KVError))
  }
  return shard
}

/** Of what is purged now; and the codes of what was reported. */
async function purge(shard: WriterShard): Promise<{ covered: number; reported: string[] }> {
  shard.purged.clear()
  shard.purgeFailures.length = 0
  await shard.writer.purge(shard.incarnation.id)
  const reported = shard.purgeFailures.map(({ code }) => code)
  return { covered: shard.purged.get('COVERED') ?? 0, reported }
}

test('a damaged block is passed over with few rows beside it, whatever the format', async (t) => {
  const rows = 3_000
  for (const format of ['mutable', 'history'] as const) {
    const shard = await removedRows(t, format, rows)
    // Opened again, what was in the log is in a file.
    await shard.close()
    await shard.open()
    await shard.close()
    const directory = join(shard.root, '0', 'db')
    const tables = readdirSync(directory).filter((name) => name.endsWith('.sst'))
    assert.equal(tables.length, 1)
    const path = join(directory, tables[0] ?? '')
    const content = readFileSync(path)
    const middle = content.byteLength >> 1
    content[middle] = (content[middle] ?? 0) ^ 0xff
    writeFileSync(path, content)
    await shard.open()
    const { covered, reported } = await purge(shard)
    assert.ok(covered > rows - 150 && covered < rows, `${format}: ${covered} of ${rows} went`)
    assert.deepEqual(reported, ['CORRUPT'])
    assert.deepEqual(await purge(shard), { covered: 0, reported: ['CORRUPT'] })
    assert.deepEqual(shard.failed, [])
  }
})

const DAMAGED: readonly (readonly [what: string, format: WritableFormat, key: Buffer])[] = [
  ['a cell', 'mutable', mutableCellKey(metaOf(5), COLUMN)],
  ['a row tombstone', 'mutable', metaOf(5)],
  ['a list of ranges', 'mutable', rangesKey(metaOf(5))],
  ['a record of a write', 'mutable', writeRecordKey(metaOf(5), 0, Buffer.alloc(8))],
  ['a marker', 'history', historyCellKey(metaOf(5), COLUMN, 2n ** 62n, 0)],
  ['a key', 'history', Buffer.concat([metaOf(5).subarray(0, -1), Buffer.from([1, 2])])],
]

for (const [what, format, key] of DAMAGED) {
  test(`${what} that is damaged leaves its row as it is, and no other`, async (t) => {
    const shard = await removedRows(t, format, 10)
    const batch = shard.database.newBatch()
    batch.put(key, Buffer.from([9, 9]))
    shard.database.write(batch, false)
    const { covered, reported } = await purge(shard)
    assert.ok(covered === 9 || (what === 'a record of a write' && covered === 10), `${covered} went`)
    assert.deepEqual(reported, ['CORRUPT'])
    assert.ok(shard.entries().has(key.toString('hex')))
  })
}

test('keys are sought further and further behind a place, and not many of them', () => {
  for (const hex of ['00', '61', 'ff', '6162ff00', 'ff'.repeat(100), '61'.repeat(200)]) {
    const key = Buffer.from(hex, 'hex')
    const found = [...keysBeyond(key)]
    assert.ok(found.length <= 129)
    for (const [i, one] of found.entries()) {
      assert.ok(
        i === 0 ? one.equals(key) : one.compare(found[i - 1] ?? key) > 0,
        `${hex}: ${one.toString('hex')}`,
      )
    }
  }
})
