/** What large reads of the RocksDB engine may cost: bytes a request, time a loop turn, and rows full of deleted cells. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { AttachedDatabase } from '../../src/leaf/rocksdb/store/binding.js'
import type { ShardRead } from '../../src/model/plan.js'
import { type Cell, columnsNamed, type RowOutcome } from '../../src/model/row.js'
import { bytes, cell, plain, RocksHarness } from '../support/leaf-engines.js'

const MEGABYTE = 1024 * 1024
const UNNAMED = { selector: columnsNamed([bytes('')]) }

async function mutableShard(t: TestContext): Promise<RocksHarness> {
  const shard = await RocksHarness.create('HASHED')
  t.after(() => shard.dispose())
  await shard.createMutable()
  return shard
}

async function write(shard: RocksHarness, key: string, cells: readonly Cell[]): Promise<void> {
  answered(await shard.put(bytes(key), cells))
}

async function read(
  shard: RocksHarness,
  keys: readonly Buffer[],
  how: Partial<ShardRead> = {},
): Promise<readonly RowOutcome[]> {
  return answered(await shard.read(keys, how))
}

function answered<T>(outcome: T | KVError): T {
  if (outcome instanceof KVError) throw outcome
  return outcome
}

/** Columns `from` to `to` of a wide row, exclusive. */
function columns(from: number, to: number): Cell[] {
  return Array.from({ length: to - from }, (_, i) => cell(`c${String(from + i).padStart(8, '0')}`, 'v'))
}

/** Bytes of values that the engine reads while `action` runs. */
async function bytesRead(action: () => Promise<unknown>): Promise<number> {
  let sum = 0
  const count = <T extends readonly (Buffer | null | undefined)[]>(values: T): T => {
    for (const value of values) sum += value?.byteLength ?? 0
    return values
  }
  const { prototype } = AttachedDatabase
  const { getMany, getManyAsync, openCursor } = prototype // eslint-disable-line @typescript-eslint/unbound-method -- put back
  prototype.getMany = function (keys) {
    return count(getMany.call(this, keys))
  }
  prototype.getManyAsync = function (keys, done) {
    getManyAsync.call(this, keys, (values) => done(values instanceof KVError ? values : count(values)))
  }
  prototype.openCursor = function (range) {
    const cursor = openCursor.call(this, range)
    const next = cursor.next.bind(cursor)
    cursor.next = (most) => count(next(most))
    return cursor
  }
  try {
    await action()
  } finally {
    Object.assign(prototype, { getMany, getManyAsync, openCursor })
  }
  return sum
}

const value = Buffer.alloc(MEGABYTE, 7)

const largeReads: [
  name: string,
  isSealed: boolean,
  count: number,
  how: Partial<ShardRead>,
  maxBytes: number,
][] = [
  // The bytes read: what is answered and one value more, or what the MultiGets that are under way together may hold.
  ['whole mutable rows', false, 2_000, {}, 66 * MEGABYTE],
  ['columns of a few mutable rows, on the spot', false, 200, UNNAMED, 131 * MEGABYTE],
  ['columns of many mutable rows, on the pool', false, 2_000, UNNAMED, 262 * MEGABYTE],
  ['a few sealed rows, on the spot', true, 200, {}, 131 * MEGABYTE],
  ['many sealed rows, on the pool', true, 2_000, {}, 262 * MEGABYTE],
]

for (const [name, isSealed, count, how, maxBytes] of largeReads) {
  test(`${name}: a request gets what one frame holds, and TOO_LARGE for every row beyond it`, async (t) => {
    const shard = await RocksHarness.create('HASHED')
    t.after(() => shard.dispose())
    if (isSealed) await shard.loadSealed([[bytes('big'), [cell('', value)]]])
    else {
      await shard.createMutable()
      await write(shard, 'big', [cell('', value)])
    }
    const keys = Array.from({ length: count }, () => bytes('big'))
    let outcomes: readonly RowOutcome[] = []
    const readBytes = await bytesRead(async () => (outcomes = await read(shard, keys, how)))
    const rows = outcomes.filter((outcome) => outcome !== null && !(outcome instanceof KVError))
    const refused = outcomes.filter((outcome) => outcome instanceof KVError && outcome.code === 'TOO_LARGE')
    assert.deepEqual([rows.length, refused.length], [63, count - 63])
    assert.ok(readBytes <= maxBytes, `read ${readBytes} bytes`)
    // Each request has a budget of its own.
    assert.deepEqual(
      plain(await read(shard, keys.slice(0, 2), how)),
      plain([rows[0] ?? null, rows[0] ?? null]),
    )
  })
}

test('rows of many chunks share the budget of their request as well', async (t) => {
  const shard = await RocksHarness.create('HASHED')
  t.after(() => shard.dispose())
  const cells = Array.from({ length: 200 }, (_, i) => cell(`c${i}`, Buffer.alloc(10_000, i)))
  await shard.loadSealed([[bytes('wide'), cells]])
  const keys = Array.from({ length: 1_000 }, () => bytes('wide'))
  let outcomes: readonly RowOutcome[] = []
  const readBytes = await bytesRead(async () => (outcomes = await read(shard, keys)))
  const rows = outcomes.filter((outcome) => outcome !== null && !(outcome instanceof KVError))
  assert.ok(rows.length > 20 && rows.length < 34, `${rows.length} rows`)
  assert.ok(outcomes.every((outcome) => !(outcome instanceof KVError) || outcome.code === 'TOO_LARGE'))
  assert.ok(readBytes < 262 * MEGABYTE, `read ${readBytes} bytes`)
})

test('long row keys that are repeated for many columns count as well', async (t) => {
  const shard = await mutableShard(t)
  const keys = Array.from({ length: 100 }, (_, i) => Buffer.alloc(limits.maxRowKeyBytes, i + 1))
  const selector = columnsNamed(columns(0, 100).map(({ localKey }) => localKey))
  const outcomes = await read(shard, keys, { selector })
  assert.deepEqual(plain([outcomes[0] ?? null, outcomes[99] ?? null]), [null, 'TOO_LARGE'])
})

test('a read of large rows lets others be answered before it is through', async (t) => {
  const shard = await mutableShard(t)
  await write(shard, 'big', [cell('', value)])
  await write(shard, 'small', [cell('', 'v')])
  const order: string[] = []
  let turns = 0
  const countTurns = () => {
    turns++
    if (!order.includes('big')) setImmediate(countTurns)
  }
  const big = read(
    shard,
    Array.from({ length: 60 }, () => bytes('big')),
  ).then(() => order.push('big'))
  setImmediate(() => {
    setImmediate(countTurns)
    void read(shard, [bytes('small')], UNNAMED).then(() => order.push('small'))
  })
  await big
  assert.deepEqual(order, ['small', 'big'])
  assert.ok(turns >= 12, `${turns} turns`)
})

test('rows whose turn comes behind the deadline are not read', async (t) => {
  const shard = await mutableShard(t)
  await write(shard, 'big', [cell('', value)])
  const deadline = shard.clock.ms + 1_000
  const reading = read(
    shard,
    Array.from({ length: 60 }, () => bytes('big')),
    { deadline },
  )
  // The first slice is read by the immediate that the read has made; this one comes behind it.
  setImmediate(() => (shard.clock.ms += 1_000))
  const outcomes = await reading
  assert.deepEqual(plain([outcomes[59] ?? null]), ['DEADLINE_EXCEEDED'])
  assert.ok(outcomes[0] !== null && !(outcomes[0] instanceof KVError))
})

// Deleted cells stay stored and used to count against what one answer may hold: such a row could never be read again.
test('a row of any number of deleted columns is absent, and lives again with a new one', async (t) => {
  const shard = await mutableShard(t)
  for (let i = 0; i < 5; i++) await write(shard, 'full', columns(i * 10_000, (i + 1) * 10_000))
  await shard.remove(bytes('full'))
  assert.deepEqual(await read(shard, [bytes('full')]), [null])
  await write(shard, 'full', [cell('c0', 'first'), cell('z', 'last')])
  assert.deepEqual(plain(await read(shard, [bytes('full')])), [[['c0', 'first'], ['z', 'last']]]) // prettier-ignore
})

test('a row that never had a column is absent however many were deleted', async (t) => {
  const shard = await mutableShard(t)
  const deleted = columns(0, 50_000).map(({ localKey }) => localKey)
  await shard.remove(bytes('never'), { selector: columnsNamed(deleted) })
  assert.deepEqual(await read(shard, [bytes('never')]), [null])
  // Between deleted ones, the last of them, and one behind it.
  const cells = [cell('c00039999\0', 'v'), ...columns(49_999, 50_001)]
  await write(shard, 'never', cells)
  const [row] = await read(shard, [bytes('never')])
  assert.deepEqual(plain([row ?? null]), plain([{ cells, next: null }]))
})

test('deleted cells of many bytes are passed over, whatever is left of the budget', async (t) => {
  const shard = await mutableShard(t)
  const big = Array.from({ length: 15 }, (_, i) => cell(`b${i}`, value))
  for (let i = 0; i < 5; i++) await write(shard, 'heavy', big.map((one) => ({ ...one, localKey: bytes(`${i}${one.localKey.toString()}`) }))) // prettier-ignore
  await shard.remove(bytes('heavy'))
  await write(shard, 'heavy', [cell('z', 'alive')])
  await write(shard, 'big', [cell('', Buffer.alloc(16 * MEGABYTE))])
  const keys = [...['big', 'big', 'big'], 'heavy'].map(bytes)
  assert.deepEqual(plain((await read(shard, keys)).slice(3)), [[['z', 'alive']]])
})

test('a row of more living columns than one answer holds is TOO_LARGE whole, and read by name', async (t) => {
  const shard = await mutableShard(t)
  const count = limits.maxCellsPerWholeRow
  for (let i = 0; i < count; i += 10_000) await write(shard, 'wide', columns(i, i + 10_000))
  const [full] = await read(shard, [bytes('wide')])
  assert.ok(full !== undefined && full !== null && !(full instanceof KVError))
  assert.equal(full.cells.length, count)
  await write(shard, 'wide', columns(count, count + 1))
  const some = { selector: columnsNamed(columns(count - 1_000, count + 1).map(({ localKey }) => localKey)) }
  assert.deepEqual(plain(await read(shard, [bytes('wide')])), ['TOO_LARGE'])
  const [selected] = await read(shard, [bytes('wide')], some)
  assert.deepEqual(
    plain([selected ?? null]),
    plain([{ cells: columns(count - 1_000, count + 1), next: null }]),
  )
})
