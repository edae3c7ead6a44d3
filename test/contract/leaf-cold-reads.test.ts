/** Where rows are read while data is cold: a miss on the thread that serves holds everybody up as long as the disk takes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_DEADLINE } from '../../src/base/deadline.js'
import { KVError } from '../../src/base/errors.js'
import type { AttachedDatabase } from '../../src/leaf/rocksdb/store/binding.js'
import { ReadGate } from '../../src/leaf/rocksdb/read/read-gate.js'
import { ReadPace } from '../../src/leaf/rocksdb/read/read-pace.js'
import { ShardReader } from '../../src/leaf/rocksdb/read/shard-reader.js'
import type { RowOutcome } from '../../src/model/row.js'
import { columnsNamed } from '../../src/model/row.js'
import { NO_TOKEN } from '../../src/model/row-order.js'
import { WriterShard } from '../support/writer-shard.js'

const ROWS = Array.from({ length: 9 }, (_, i) => Buffer.from(`row-${i}`))
const COLUMN = Buffer.from('c')

async function filledShard(): Promise<WriterShard> {
  const shard = await WriterShard.create('mutable')
  for (const row of ROWS) {
    const cell = { localKey: COLUMN, value: row, timestamp: null, ttlSeconds: null }
    const put = { kind: 'PUT', cells: [cell], timestamp: null, replaceRow: false } as const
    const outcome = await shard.mutate(row.toString(), { mutations: [put] })
    assert.ok(!(outcome instanceof KVError))
  }
  return shard
}

/** A reader whose data is cold or hot, of a DB that fails whatever is read of more than one row. */
function readerOf({ database, incarnation, clock }: WriterShard, isCold: boolean) {
  let fetched = 0
  const counts = { onThread: 0, onPool: 0 }
  const fetchedBytes = () => (isCold ? (fetched += 10_000_000) : 0)
  const pace = new ReadPace(clock)
  const gate = new ReadGate()
  const failing = Object.create(database) as AttachedDatabase
  const damaged = new KVError('CORRUPT', 'a block is damaged')
  failing.getMany = (keys) => {
    counts.onThread += keys.length
    if (keys.length > 2) throw damaged
    return database.getMany(keys)
  }
  failing.getManyAsync = (keys, done) => {
    counts.onPool += keys.length
    if (keys.length > 2) setImmediate(() => done(damaged))
    else database.getManyAsync(keys, done)
  }
  const reader = new ShardReader(failing, incarnation, { clock, fetchedBytes, pace, gate })
  const read = (rowKeys: readonly Buffer[]) =>
    new Promise<readonly RowOutcome[] | KVError>((resolve) => {
      const tokens = rowKeys.map(() => NO_TOKEN)
      reader.add({ ...READ, incarnation, rowKeys, tokens }, resolve)
      reader.flush()
      pace.run()
    })
  return { read, counts }
}

const READ = {
  keyOrder: 'ORDERED',
  selector: columnsNamed([COLUMN]),
  selectorsByKey: null,
  withTimestamps: false,
  withTtl: false,
  pageBytes: null,
  position: null,
  deadline: NO_DEADLINE,
  positions: null,
} as const

for (const isCold of [false, true]) {
  test(`rows of a MultiGet that failed are read again ${isCold ? 'on the pool while the data is cold' : 'on the thread while it is hot'}`, async (t) => {
    const shard = await filledShard()
    t.after(() => shard.dispose())
    const { read, counts } = readerOf(shard, isCold)
    for (let i = 0; i < 40; i++) await read(ROWS.slice(0, 1))
    Object.assign(counts, { onThread: 0, onPool: 0 })
    const rows = await read(ROWS)
    assert.ok(!(rows instanceof KVError))
    const values = rows.map((row) => (row instanceof Error ? row.code : row?.cells[0]?.value))
    assert.deepEqual(values, ROWS)
    // All of them once, and once more each by itself; while cold a few are probes.
    if (isCold) assert.ok(counts.onThread <= 8 && counts.onPool >= 28, JSON.stringify(counts))
    else assert.deepEqual(counts, { onThread: 36, onPool: 0 })
  })
}
