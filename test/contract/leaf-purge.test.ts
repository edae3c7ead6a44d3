/** The purge of writable shards: what goes, what stays, and that no read can tell. */
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { KVError } from '../../src/base/errors.js'
import { MemoryEngine } from '../../src/leaf/memory/engine.js'
import { MemoryStore } from '../../src/leaf/memory/store.js'
import { decodeResult } from '../../src/leaf/rocksdb/write/program-wire.js'
import { ShardPurge } from '../../src/leaf/rocksdb/purge/purge.js'
import { WritableShard } from '../../src/leaf/rocksdb/write/writable-shard.js'
import { decodeWrites, WriteEncoder } from '../../src/leaf/rocksdb/write/write-wire.js'
import type { WritableFormat } from '../../src/model/cluster-map.js'
import type { DeleteMutation, Mutation } from '../../src/model/mutation.js'
import { type MutateRequest, type MutateResult, plainResult } from '../../src/model/request.js'
import { ALL_VERSIONS, columnsNamed, WHOLE_ROW } from '../../src/model/row.js'
import { writeRequest } from '../support/random-writes.js'
import { RULES, WriterShard } from '../support/writer-shard.js'

const GRACE = RULES.graceSeconds
const EVERYTHING = { ...WHOLE_ROW, maxVersions: ALL_VERSIONS }
const NOTHING: Mutation = {
  kind: 'TOUCH',
  selector: columnsNamed([Buffer.from('no such column')]),
  ttlSeconds: null,
}
const RUNS = Number(process.env['GODWIT_PROPERTY_RUNS'] ?? 100)

function put(localKey: string, more: { timestamp?: bigint; ttlSeconds?: number } = {}): Mutation {
  const cell = { localKey: Buffer.from(localKey), value: Buffer.from('v'), timestamp: null, ttlSeconds: null }
  return { kind: 'PUT', cells: [{ ...cell, ...more }], timestamp: null, replaceRow: false }
}

function remove(localKeys: readonly string[] | null, more: Partial<DeleteMutation> = {}): Mutation {
  const selector = localKeys === null ? null : columnsNamed(localKeys.map((key) => Buffer.from(key)))
  return { kind: 'DELETE', selector, timestamp: null, scope: 'UP_TO_TIMESTAMP', ...more }
}

function removeRange(from: string, to: string): Mutation {
  const ranges = [{ from: Buffer.from(from), to: Buffer.from(to) }]
  return remove(null, { selector: { ...WHOLE_ROW, ranges } })
}

async function open(t: TestContext, format: WritableFormat, maxCellVersions = 1): Promise<WriterShard> {
  const shard = await WriterShard.create(format, maxCellVersions)
  t.after(() => shard.dispose())
  return shard
}

/** Only the test purges, at the times that it chooses. */
async function openUnpurged(
  t: TestContext,
  format: WritableFormat,
  maxCellVersions: number,
): Promise<WriterShard> {
  const shard = await open(t, format, maxCellVersions)
  shard.writer.attach(shard.incarnation, 'MICROSECONDS', { ...RULES, isPurged: false })
  return shard
}

async function write(shard: WriterShard, ...mutations: Mutation[]): Promise<void> {
  for (const mutation of mutations) {
    assert.ok(!((await shard.mutate('row', { mutations: [mutation] })) instanceof KVError))
  }
}

/** Entries of rows. */
function countOf(shard: WriterShard): number {
  return [...shard.entries().keys()].filter((key) => key.length > 4).length
}

async function look(shard: WriterShard, rowKey = 'row'): Promise<unknown> {
  return cellsOf(await shard.mutate(rowKey, { mutations: [NOTHING], returnAfter: EVERYTHING }))
}

function cellsOf(outcome: MutateResult | KVError | null): unknown {
  if (outcome === null || outcome instanceof KVError) return outcome?.code
  return outcome.row?.cells.map(({ localKey, value, timestamp, ttlSeconds }) => [
    localKey.toString('hex'),
    value.toString('hex'),
    timestamp,
    ttlSeconds,
  ])
}

async function purge(shard: WriterShard): Promise<Record<string, number>> {
  shard.purged.clear()
  await shard.writer.purge(shard.incarnation.id)
  return Object.fromEntries(shard.purged)
}

suite('purge of mutable shards', () => {
  test('cells that a tombstone covers go at once, the tombstone when its grace period is over', async (t) => {
    const shard = await open(t, 'mutable')
    await write(shard, put('a'), put('b'), remove(null), put('c'))
    assert.deepEqual(await purge(shard), { COVERED: 2 })
    shard.clock.ms += GRACE * 1_000
    assert.deepEqual(await purge(shard), {})
    await write(shard, put('late', { timestamp: 5n }))
    assert.deepEqual(((await look(shard)) as unknown[]).length, 1)
    shard.clock.ms += 1_000
    assert.deepEqual(await purge(shard), { COVERED: 1, TOMBSTONE: 1 })
    assert.equal(countOf(shard), 1)
  })

  test('columns that were deleted and expired cells stay for the grace period', async (t) => {
    const shard = await open(t, 'mutable')
    await write(shard, put('a'), remove(['a']), put('b', { ttlSeconds: 10 }), put('c', { ttlSeconds: 1_000 }))
    shard.clock.ms += GRACE * 1_000
    assert.deepEqual(await purge(shard), {})
    await write(shard, put('a', { timestamp: 5n }))
    shard.clock.ms += 1_000
    assert.deepEqual(await purge(shard), { TOMBSTONE: 1 })
    shard.clock.ms += 10_000
    assert.deepEqual(await purge(shard), { EXPIRED: 1 })
    assert.equal(countOf(shard), 1)
  })

  test('ranges go from the list of a row one by one, and the list with the last', async (t) => {
    const shard = await open(t, 'mutable')
    await write(shard, put('b'), put('m'), removeRange('a', 'c'))
    shard.clock.ms += (GRACE / 2) * 1_000
    await write(shard, removeRange('d', 'e'))
    assert.deepEqual(await purge(shard), { COVERED: 1 })
    shard.clock.ms += (GRACE / 2 + 1) * 1_000
    assert.deepEqual(await purge(shard), { TOMBSTONE: 1 })
    assert.equal(countOf(shard), 2)
    shard.clock.ms += GRACE * 1_000
    assert.deepEqual(await purge(shard), { TOMBSTONE: 1 })
    assert.equal(countOf(shard), 1)
  })

  // The range was made first and reaches further into the future: without this the column's deletion lost its grace.
  test('a deletion that is covered by an older one stays for its own grace period', async (t) => {
    const shard = await open(t, 'mutable')
    const now = shard.clock.nowUs()
    await write(shard, remove(null, { timestamp: now + 10n ** 15n }))
    shard.clock.ms += (GRACE / 2) * 1_000
    await write(shard, remove(['a'], { timestamp: now }))
    shard.clock.ms += (GRACE / 2 + 1) * 1_000
    assert.deepEqual(await purge(shard), { TOMBSTONE: 1 })
    await write(shard, put('a', { timestamp: now - 1n }))
    assert.equal(await look(shard), undefined)
  })

  test('records of writes with a token go when they are forgotten', async (t) => {
    const shard = await open(t, 'mutable')
    const idempotency = {
      generationTimeUs: 0n,
      nonce: Buffer.from('12345678'),
      index: 0,
      fingerprint: Buffer.alloc(16),
    }
    await shard.mutate('row', { mutations: [put('a')], idempotency })
    shard.clock.ms += 419_000
    assert.deepEqual(await purge(shard), {})
    shard.clock.ms += 1_000
    assert.deepEqual(await purge(shard), { WRITE_RECORD: 1 })
  })

  test('nothing goes while another store may still send what is late', async (t) => {
    const shard = await open(t, 'mutable')
    await write(shard, put('a'), remove(null))
    shard.writer.attach(shard.incarnation, 'MICROSECONDS', { ...RULES, isPurged: false })
    assert.deepEqual(await purge(shard), {})
    assert.equal(countOf(shard), 2)
  })
})

suite('purge of history shards', () => {
  test('versions beyond those that are kept go at once, unless they outlive newer ones', async (t) => {
    const shard = await open(t, 'history', 2)
    for (let i = 1n; i <= 5n; i++) await write(shard, put('a', { timestamp: i }))
    await write(shard, put('b', { timestamp: 1n }), put('b', { timestamp: 2n }))
    await write(shard, put('b', { timestamp: 3n, ttlSeconds: 10 }), put('b', { timestamp: 4n }))
    assert.deepEqual(await purge(shard), { VERSION: 4 })
    shard.clock.ms += 10_000
    const stamps = ((await look(shard)) as unknown[][]).map(([localKey, , timestamp]) => [
      localKey,
      timestamp,
    ])
    assert.deepEqual(stamps, [['61', 5n], ['61', 4n], ['62', 4n], ['62', 2n]]) // prettier-ignore
  })

  test('what a deletion in a column covers goes at once, the deletion when its grace period is over', async (t) => {
    const shard = await open(t, 'history', 10)
    for (let i = 1n; i <= 6n; i++) await write(shard, put('a', { timestamp: i }))
    await write(shard, remove(['a'], { timestamp: 2n }), remove(['a'], { timestamp: 1n }))
    await write(shard, remove(['a'], { timestamp: 5n, scope: 'EXACT_TIMESTAMP' }))
    assert.deepEqual(await purge(shard), { COVERED: 4 })
    await write(shard, put('a', { timestamp: 2n }), put('a', { timestamp: 5n }))
    shard.clock.ms += (GRACE + 1) * 1_000
    assert.deepEqual(await purge(shard), { COVERED: 2, TOMBSTONE: 2 })
    assert.equal(countOf(shard), 3)
  })
})

suite('a row that takes several slices', () => {
  /** Slices of one or two entries of a shard that nothing else purges, the grace period being over. */
  async function slicesOf(t: TestContext, format: WritableFormat, mutations: readonly Mutation[]) {
    const shard = await openUnpurged(t, format, 10)
    const writable = new WritableShard(shard.incarnation, 'MICROSECONDS', shard.clock)
    writable.rules = RULES
    const pass = new ShardPurge(writable)
    const write = writerOf(shard, writable)
    for (const mutation of mutations) write('row', { mutations: [mutation] })
    shard.clock.ms += (GRACE + 1) * 1_000
    const nowSeconds = shard.clock.ms / 1_000
    const slice = (maxEntries: number) => pass.slice(nowSeconds, { maxEntries })
    // Not through the shard that is purged, which would take it for a write of the row.
    const cells = () => look(shard)
    return { write, slice, cells, counts: () => pass.takeCounts(), done: () => writable.detach() }
  }

  test('keeps its tombstones when it is written meanwhile, and loses them with the next pass', async (t) => {
    const mutations = [put('a'), put('b'), put('c'), remove(null), removeRange('a', 'b')]
    const { write, slice, cells, counts, done } = await slicesOf(t, 'mutable', mutations)
    assert.equal(slice(4), true)
    write('row', { mutations: [put('a', { timestamp: 5n })] })
    while (slice(2));
    assert.deepEqual([...counts()], [['COVERED', 3]])
    assert.equal(await cells(), undefined)
    while (slice(2));
    assert.deepEqual([...counts()], [['COVERED', 1], ['TOMBSTONE', 2]]) // prettier-ignore
    done()
  })

  test('loses no deletion of a column before what it covers', async (t) => {
    const versions = [1n, 2n, 3n, 4n].map((timestamp) => put('a', { timestamp }))
    const marks = [
      remove(['a'], { timestamp: 2n }),
      remove(['a'], { timestamp: 4n, scope: 'EXACT_TIMESTAMP' }),
    ]
    const { slice, cells, counts, done } = await slicesOf(t, 'history', [...versions, ...marks])
    const before = await cells()
    for (let goesOn = true; goesOn;) {
      goesOn = slice(1)
      assert.deepEqual(await cells(), before)
    }
    assert.deepEqual([...counts()], [['COVERED', 3], ['TOMBSTONE', 2]]) // prettier-ignore
    done()
  })

  test('does not count versions that were deleted meanwhile', async (t) => {
    const versions = Array.from({ length: 11 }, (_, i) => put('a', { timestamp: BigInt(i + 1) }))
    const { write, slice, cells, done } = await slicesOf(t, 'history', versions)
    assert.equal(slice(10), true)
    write('row', { mutations: [remove(['a'], { timestamp: 11n, scope: 'EXACT_TIMESTAMP' })] })
    const before = await cells()
    while (slice(1));
    assert.deepEqual(await cells(), before)
    done()
  })
})

/** Reads at all these times, which are not before the present one, without moving the clock. */
async function lookAt(shard: WriterShard, rowKey: string, seconds: readonly number[]): Promise<unknown[]> {
  const now = shard.clock.ms
  const found: unknown[] = []
  for (const second of seconds) {
    shard.clock.ms = now + second * 1_000
    found.push(await look(shard, rowKey))
  }
  shard.clock.ms = now
  return found
}

const FORMATS: readonly { readonly format: WritableFormat; readonly maxCellVersions: number }[] = [
  { format: 'mutable', maxCellVersions: 1 },
  { format: 'history', maxCellVersions: 2 },
]

const TIMES = { near: 1_700_000_001_000_000n }

const steps = fc.array(
  fc.record({ advanceMs: fc.constantFrom(0, 1, 1_000, 60_000), request: writeRequest(TIMES) }),
  { minLength: 1, maxLength: 8 },
)

for (const { format, maxCellVersions } of FORMATS) {
  test(`no read of a ${format} row, now or later, can tell that it was purged`, async (t) => {
    const shard = await openUnpurged(t, format, maxCellVersions)
    let row = 0
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 5 }), async (all, maxEntries) => {
        const rowKey = `row-${row++}`
        for (const { advanceMs, request } of all) {
          await shard.mutate(rowKey, request)
          shard.clock.ms += advanceMs
        }
        const times = [0, 1, 5, 6, 60, 1_000, 2_000]
        const before = await lookAt(shard, rowKey, times)
        const bare = new WritableShard(shard.incarnation, 'MICROSECONDS', shard.clock)
        bare.rules = RULES
        const pass = new ShardPurge(bare)
        const nowSeconds = Math.floor(shard.clock.ms / 1_000)
        while (pass.slice(nowSeconds, { maxEntries }));
        bare.detach()
        assert.deepEqual(await lookAt(shard, rowKey, times), before)
      }),
      { numRuns: RUNS },
    )
  })

  test(`writes of a ${format} row between the slices of a purge, late ones too, answer as if there were none`, async (t) => {
    // No version goes for its number: a deletion of one version brings back what a purge may have taken.
    const shard = await openUnpurged(t, format, format === 'history' ? 1_000 : 1)
    const oracle = await oracleOf(shard)
    const writable = new WritableShard(shard.incarnation, 'MICROSECONDS', shard.clock)
    writable.rules = RULES
    const pass = new ShardPurge(writable)
    const write = writerOf(shard, writable)
    const everything = { mutations: [NOTHING], returnAfter: EVERYTHING }
    let row = 0
    const slices = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 8, maxLength: 8 })
    fc.assert(
      fc.property(steps, slices, (all, sliceCounts) => {
        const rowKey = `row-${row++}`
        // What earlier rows left may go.
        shard.clock.ms += 1_000_000
        let waitedMs = 0
        for (const [index, { advanceMs, request }] of all.entries()) {
          // Within the grace period of all there is.
          if (waitedMs + advanceMs < GRACE * 1_000) {
            shard.clock.ms += advanceMs
            waitedMs += advanceMs
          }
          const rest = { ...request, idempotency: null }
          assert.deepEqual(cellsOf(write(rowKey, rest)), cellsOf(oracle(rowKey, rest)))
          const nowSeconds = Math.floor(shard.clock.ms / 1_000)
          for (let i = sliceCounts[index] ?? 0; i > 0; i--) pass.slice(nowSeconds, { maxEntries: 2 })
        }
        assert.deepEqual(cellsOf(write(rowKey, everything)), cellsOf(oracle(rowKey, everything)))
      }),
      { numRuns: RUNS },
    )
    writable.detach()
    assert.ok([...pass.takeCounts().values()].some((count) => count > 0))
  })
}

/** Writes one by one without the group writer, whose purge keeps its own times. */
function writerOf(shard: WriterShard, writable: WritableShard) {
  const encoder = new WriteEncoder()
  return (rowKey: string, request: Partial<MutateRequest>): MutateResult | KVError => {
    encoder.add(0, shard.shardMutate(rowKey, request), Math.floor(shard.clock.ms / 1_000))
    const writes = decodeWrites(encoder.take())
    const [outcome] = writable.commit(writes)
    if (outcome instanceof KVError) return outcome
    if (outcome instanceof Uint8Array) return decodeResult(Buffer.from(outcome))
    return plainResult(typeof outcome === 'number' ? BigInt(outcome) : (writes[0]?.ownTimestamp() ?? null))
  }
}

async function oracleOf(
  shard: WriterShard,
): Promise<(rowKey: string, request: Partial<MutateRequest>) => MutateResult | KVError | null> {
  const { format, maxCellVersions } = shard
  const store = new MemoryStore()
  await store.createWritable('shard', format)
  const location = { datasetId: 'd', shard: 0, format, maxCellVersions, directory: 'shard' }
  const incarnation = await store.open(location)
  const engine = new MemoryEngine(store, shard.clock)
  return (rowKey, request) => {
    let outcome: MutateResult | KVError | null = null
    engine.mutate({ ...shard.shardMutate(rowKey, request), incarnation }, (answer) => (outcome = answer))
    return outcome
  }
}
