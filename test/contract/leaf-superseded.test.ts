/** Versions that reads find superseded are removed by the writer thread, and no read can tell. */
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { AttachedDatabase } from '../../src/leaf/rocksdb/store/binding.js'
import { HISTORY_OPTIONS } from '../../src/leaf/rocksdb/store/options.js'
import { HISTORY_KINDS, historyCellKey, mutableMetaKey } from '../../src/leaf/row-codec.js'
import type { Mutation } from '../../src/model/mutation.js'
import { NO_TOKEN } from '../../src/model/row-order.js'
import {
  ALL_VERSIONS,
  type CellTimestamp,
  type Condition,
  WHOLE_ROW,
  columnsNamed,
} from '../../src/model/row.js'
import { RocksHarness, bytes, cell, plain, put, remove } from '../support/leaf-engines.js'
import { compareStep } from '../support/leaf-comparison.js'
import { type HistoryStep, reads } from '../support/leaf-histories.js'
import { WriterShard } from '../support/writer-shard.js'

const KEPT = 2
const EVERY_VERSION = { selector: { ...WHOLE_ROW, maxVersions: ALL_VERSIONS }, withTimestamps: true }
const ROW = bytes('row')
const ROW_EXISTS: Condition = {
  localKey: bytes(''),
  comparison: 'ROW_EXISTS',
  value: bytes(''),
  timestamp: null,
  ifMissing: false,
}
const LOOK: HistoryStep = {
  kind: 'read',
  rowKeys: [bytes('a'), bytes('a\0')],
  selectors: [{ ...WHOLE_ROW, maxVersions: ALL_VERSIONS }, null],
  pageBytes: null,
}
const RUNS = Number(process.env['GODWIT_PROPERTY_RUNS'] ?? 20)

/** A history shard; `isPurged` as its rules say. Deletions are kept. */
async function open(t: TestContext | null, isPurged = true): Promise<RocksHarness> {
  const shard = await RocksHarness.create('ORDERED')
  t?.after(() => shard.dispose())
  await shard.create('history', KEPT)
  shard.writer.attach(shard.incarnation, 'MICROSECONDS', {
    keyOrder: 'ORDERED',
    maxValueBytes: limits.maxValueBytes,
    defaultTtlSeconds: null,
    graceSeconds: 1_000_000,
    isPurged,
  })
  return shard
}

/** Stored versions and deletions of rows. */
function storedIn(shard: RocksHarness): number {
  const { handle, directory } = shard.incarnation
  const database = new AttachedDatabase(handle, directory, HISTORY_OPTIONS)
  let count = 0
  for (const rows of database.scan()) {
    for (let i = 0; i < rows.length; i += 2) if ((rows[i]?.length ?? 0) > 4) count++
  }
  database.detach()
  return count
}

function at(localKey: string, value: string, timestamp: number, ttlSeconds: number | null = null): Mutation {
  return put([cell(localKey, value, { timestamp: BigInt(timestamp), ttlSeconds })])
}

/** Two columns of so many versions, written one after the other. */
async function overwrite(shard: RocksHarness, times: number): Promise<void> {
  for (let time = 1; time <= times; time++) {
    const cells = ['a', 'b'].map((name) => cell(name, `${name}${time}`, { timestamp: BigInt(time) }))
    await shard.put(ROW, cells)
  }
  shard.clock.ms++
}

/** Behind it, what reads had removed before is gone: the writer thread takes things in their order. */
async function settle(shard: RocksHarness): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
  await shard.put(ROW, [cell('a', 'a1', { timestamp: 1n })])
}

const WAYS = [
  ['a read', (shard: RocksHarness) => shard.read([ROW])],
  ['a scan', (shard: RocksHarness) => shard.scan()],
] as const

suite('superseded versions', () => {
  for (const [what, look] of WAYS) {
    test(`${what} that meets many has them removed, and every answer stays the same`, async (t) => {
      const shard = await open(t)
      await overwrite(shard, 13)
      const before = [await shard.read([ROW], EVERY_VERSION), await shard.scan(EVERY_VERSION)]
      await overwrite(shard, 13)
      assert.equal(storedIn(shard), 26)
      await look(shard)
      await settle(shard)
      // Column a was written once more.
      assert.equal(storedIn(shard), 2 * KEPT + 1)
      assert.deepEqual([await shard.read([ROW], EVERY_VERSION), await shard.scan(EVERY_VERSION)], before)
    })
  }

  test('stay where another store may still send what is late', async (t) => {
    const shard = await open(t, false)
    await overwrite(shard, 20)
    await shard.read([ROW])
    await settle(shard)
    assert.equal(storedIn(shard), 40)
  })

  test('that outlive the newer ones are not superseded', async (t) => {
    const shard = await open(t)
    for (let time = 1; time <= 20; time++)
      await shard.mutate(ROW, { mutations: [at('c', `${time}`, time, time === 1 ? null : 10)] })
    shard.clock.ms++
    await shard.read([ROW])
    shard.clock.ms += 11_000
    assert.deepEqual(plain(await shard.read([ROW])), [[['c', '1']]])
  })

  test('answers of shards that have them removed are those of shards that keep them', async () => {
    const time = fc.integer({ min: 1, max: 60 })
    const column = fc.constantFrom('a', 'b')
    const step = fc.oneof(
      { weight: 12, arbitrary: fc.record({ kind: fc.constant('put'), column, time }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove'), column, time }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove row'), column, time }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('look'), column, time }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 160 }), async (steps) => {
        const [shard, keeping] = [await open(null), await open(null, false)]
        try {
          for (const one of steps) {
            shard.clock.ms = keeping.clock.ms += 1
            if (one.kind === 'look') {
              const before = { selector: { ...WHOLE_ROW, maxTimestamp: BigInt(one.time) } }
              const how = one.time % 2 === 0 ? EVERY_VERSION : before
              assert.deepEqual(await shard.read([ROW], how), await keeping.read([ROW], how))
              assert.deepEqual(await shard.scan(how), await keeping.scan(how))
            } else {
              const mutation = mutationOf(one.kind, one.column, BigInt(one.time))
              for (const each of [shard, keeping]) await each.mutate(ROW, { mutations: [mutation] })
            }
          }
          assert.deepEqual(await shard.read([ROW], EVERY_VERSION), await keeping.read([ROW], EVERY_VERSION))
        } finally {
          await shard.dispose()
          await keeping.dispose()
        }
      }),
      { numRuns: RUNS },
    )
  })
})

function mutationOf(kind: string, column: string, timestamp: CellTimestamp): Mutation {
  if (kind === 'put') return put([cell(column, `${column}@${timestamp}`, { timestamp })])
  return remove({ timestamp, selector: kind === 'remove' ? columnsNamed([bytes(column)]) : null })
}

suite('shards that have superseded versions removed', () => {
  const time = fc.integer({ min: 1, max: 40 }).map(BigInt)
  const column = fc.constantFrom('a', 'a\0', 'b')
  const columns = fc.subarray(['a', 'a\0', 'b'], { minLength: 1 })
  const value = fc.integer({ min: 0, max: 999 }).map(String)
  const ttl = fc.integer({ min: 1, max: 5 })
  /** Times of callers' own never meet stamps: what a write gives an end, or removes by itself, uncovers what may be gone. */
  const mutation: fc.Arbitrary<Mutation> = fc.oneof(
    {
      weight: 12,
      arbitrary: fc.tuple(columns, time, value).map(([names, timestamp, text]) => {
        return put(names.map((name) => cell(name, text, { timestamp })))
      }),
    },
    { weight: 3, arbitrary: fc.tuple(column, value).map(([name, text]) => put([cell(name, text)])) },
    {
      weight: 2,
      arbitrary: fc.tuple(column, value, ttl).map(([name, text, ttlSeconds]) => {
        return put([cell(name, text, { ttlSeconds })])
      }),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(column, value).map(([name, text]) => put([cell(name, text)], { replaceRow: true })),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(column, time).map(([name, timestamp]) => {
        return remove({ timestamp, selector: columnsNamed([bytes(name)]) })
      }),
    },
    { weight: 1, arbitrary: time.map((timestamp) => remove({ timestamp })) },
    {
      weight: 1,
      arbitrary: time.map((timestamp) => {
        return remove({ timestamp, selector: { ...WHOLE_ROW, ranges: [{ from: bytes('a\0'), to: null }] } })
      }),
    },
  )
  const write = fc.record({
    rowKey: fc.constantFrom(bytes('a'), bytes('a'), bytes('a\0')),
    request: fc.oneof(
      { weight: 9, arbitrary: mutation.map((one) => ({ mutations: [one] })) },
      {
        weight: 1,
        arbitrary: mutation.map((one) => ({
          mutations: [one],
          conditions: [ROW_EXISTS],
        })),
      },
    ),
    token: fc.constant(null),
    isSynced: fc.constant(false),
  })
  const step: fc.Arbitrary<HistoryStep> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .array(write, { minLength: 1, maxLength: 3 })
        .map((writes) => ({ kind: 'write' as const, writes })),
    },
    { weight: 3, arbitrary: reads(1).map(([one]) => one ?? LOOK) },
    { weight: 1, arbitrary: fc.constant(LOOK) },
    {
      weight: 2,
      arbitrary: fc.integer({ min: 1, max: 1_500 }).map((ms) => ({ kind: 'clock' as const, ms })),
    },
  )

  test('answer any read of any history as those do that keep them', async (t) => {
    let removed = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 100, maxLength: 300, size: 'max' }), async (steps) => {
        const [shard, keeping] = [await open(null), await open(null, false)]
        try {
          for (const one of steps) await compareStep(shard, keeping, one)
          await compareStep(shard, keeping, LOOK)
          removed += storedIn(keeping) - storedIn(shard)
        } finally {
          await shard.dispose()
          await keeping.dispose()
        }
      }),
      { numRuns: RUNS },
    )
    t.diagnostic(`${removed} versions were removed`)
    assert.ok(removed > RUNS)
  })
})

suite('what a reader took for superseded', () => {
  const KEY = historyCellKey(mutableMetaKey('ORDERED', NO_TOKEN, ROW), bytes('c'), 1n, HISTORY_KINDS.PUT)
  const newest: Mutation = remove({
    timestamp: 2n,
    selector: columnsNamed([bytes('c')]),
    scope: 'EXACT_TIMESTAMP',
  })

  /** One version at 1 that the one at 2 hides. */
  async function hidden(t: TestContext): Promise<WriterShard> {
    const shard = await WriterShard.create('history', 1)
    t.after(() => shard.dispose())
    for (const time of [1, 2]) await shard.mutate('row', { mutations: [at('c', `${time}`, time)] })
    shard.clock.ms++
    return shard
  }

  const isStored = (shard: WriterShard): boolean => shard.entries().has(KEY.toString('hex'))

  test('is removed, and counted, when nothing but puts came since', async (t) => {
    const shard = await hidden(t)
    shard.addSuperseded([KEY], shard.clock.ms)
    await shard.mutate('row', { mutations: [at('c', '3', 3)] })
    assert.equal(isStored(shard), false)
    assert.equal(shard.purged.get('VERSION'), 1)
  })

  // It could have been written anew since, and be seen: the removal would lose an acknowledged write.
  for (const [when, delayMs] of [
    ['before it', 1],
    ['in its group', 0],
  ] as const) {
    test(`stays when what hid it was removed, and it was written anew, ${when}`, async (t) => {
      const shard = await hidden(t)
      const asOfMs = shard.clock.ms
      shard.clock.ms += delayMs
      const writes = [
        shard.add('row', { mutations: [newest] }),
        shard.add('row', { mutations: [at('c', 'anew', 1)] }),
      ]
      if (delayMs > 0) {
        shard.flush()
        await Promise.all(writes)
      }
      shard.addSuperseded([KEY], asOfMs)
      shard.flush()
      await Promise.all(writes)
      await shard.mutate('row', { mutations: [at('d', 'behind', 1)] })
      assert.equal(isStored(shard), true)
    })
  }

  test('stays when a version was given an end since: it may outlive it', async (t) => {
    const shard = await hidden(t)
    const asOfMs = shard.clock.ms
    await shard.mutate('row', { mutations: [at('c', 'ends', 2, 5)] })
    shard.addSuperseded([KEY], asOfMs)
    await shard.mutate('row', { mutations: [at('d', 'behind', 1)] })
    assert.equal(isStored(shard), true)
  })

  test('stays when a stamp met the time of a version, and gave it an end', async (t) => {
    const shard = await hidden(t)
    const stamp = shard.clock.nowUs() + 1_000n
    await shard.mutate('row', { mutations: [put([cell('c', 'at the stamp', { timestamp: stamp })])] })
    shard.clock.ms++
    const asOfMs = shard.clock.ms
    const ending = await shard.mutate('row', { mutations: [put([cell('c', 'ends', { ttlSeconds: 5 })])] })
    assert.equal(ending instanceof KVError ? ending : ending.timestamp, stamp)
    shard.addSuperseded([KEY], asOfMs)
    await shard.mutate('row', { mutations: [at('d', 'behind', 1)] })
    assert.equal(isStored(shard), true)
  })
})
