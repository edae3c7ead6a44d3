/**
 * Writes that wait until a row of very many removed cells is searched for a living one: what they are decided by holds when
 * they are decided, they wait no longer than their deadline, and only so many rows are searched. Only RocksDB has searches.
 */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { limits } from '../../src/base/limits.js'
import { Cursor } from '../../src/leaf/rocksdb/store/binding.js'
import { bytes, cell, put, RocksHarness } from '../support/leaf-engines.js'
import { condition } from '../support/leaf-suites.js'

const CELLS = 30_000
const EXISTS = [condition('', 'ROW_EXISTS')]

let shard: RocksHarness

beforeEach(async () => {
  shard = await RocksHarness.create('ORDERED')
  await shard.createMutable()
  const startMs = shard.clock.ms
  // Slices end by the time that they take; `shard.clock.ms` is what cells expire by.
  shard.clock.monotonicMs = () => startMs + performance.now()
})

afterEach(() => shard.dispose())

/** Cells that a tombstone of the row covers, and one behind them that lives for a while. */
async function removedRow(name: string, ttlSeconds: number | null): Promise<void> {
  for (let from = 0; from < CELLS; from += limits.maxCellsPerRow) {
    const cells = Array.from({ length: limits.maxCellsPerRow }, (_, i) =>
      cell(`c${from + i}`, 'v', { timestamp: 5n }),
    )
    await shard.put(bytes(name), cells, { timestamp: 5n })
  }
  await shard.remove(bytes(name), { timestamp: 10n })
  if (ttlSeconds !== null) await shard.put(bytes(name), [cell('z', 'v', { ttlSeconds })], { timestamp: 20n })
}

/** A write that is applied if the row exists, and makes it exist no longer than it does. */
function writeIfThere(name: string, deadline = Number.POSITIVE_INFINITY) {
  const mutations = [put([cell('w', 'x', { timestamp: 1n })], { timestamp: 1n })]
  return shard.mutate(bytes(name), { mutations, conditions: EXISTS }, { deadline })
}

function codeOf(outcome: object): unknown {
  return 'code' in outcome ? outcome.code : 'isApplied' in outcome && outcome.isApplied
}

test('a cell that expires while its row is searched does not count', async () => {
  await removedRow('row', 2)
  const waiting = writeIfThere('row')
  await new Promise((resolve) => setImmediate(resolve))
  shard.clock.ms += 5_000
  assert.equal(codeOf(await waiting), false)
  shard.clock.ms -= 5_000
  assert.equal(codeOf(await writeIfThere('row')), true, 'nor does its absence when the clock goes back')
})

test('a write waits no longer than its deadline, and its search is given up', async () => {
  await removedRow('first', null)
  await removedRow('second', 2)
  const order: string[] = []
  const first = writeIfThere('first').then((outcome) => order.push(`first ${String(codeOf(outcome))}`))
  const late = writeIfThere('second', shard.clock.monotonicMs() + 5)
  const second = late.then((outcome) => order.push(`second ${String(codeOf(outcome))}`))
  await Promise.all([first, second])
  assert.deepEqual(order, ['second DEADLINE_EXCEEDED', 'first false'])
  shard.clock.ms += 60_000
  assert.equal(codeOf(await writeIfThere('second')), false, 'what was begun then says nothing of now')
})

test('so many rows are searched and no more; the others are refused, and other writes go on', async () => {
  await removedRow('row', null)
  const names = Array.from({ length: limits.maxRowSearches + 5 }, (_, index) => `row${index}`)
  for (const name of names) {
    const cells = Array.from({ length: 2_000 }, (_, i) => cell(`c${i}`, 'v', { timestamp: 5n }))
    await shard.put(bytes(name), cells, { timestamp: 5n })
    await shard.remove(bytes(name), { timestamp: 10n })
  }
  const outcomes = await Promise.all([writeIfThere('row'), ...names.map((name) => writeIfThere(name))])
  const refused = outcomes.map(codeOf).filter((code) => code === 'OVERLOADED')
  assert.equal(refused.length, names.length + 1 - limits.maxRowSearches)
  assert.equal(outcomes.map(codeOf).filter((code) => code === false).length, limits.maxRowSearches)
})

// Each left its record beside the row, which counted as a change of it: the next one searched the row again.
test('writes with tokens that change nothing are decided by one search', async (t) => {
  await removedRow('row', null)
  let entries = 0
  const { next } = Cursor.prototype // eslint-disable-line @typescript-eslint/unbound-method -- called with its cursor
  Cursor.prototype.next = function (count) {
    const rows = next.call(this, count)
    entries += rows.length / 2
    return rows
  }
  t.after(() => void Object.assign(Cursor.prototype, { next }))
  const write = (index: number) => {
    const idempotency = {
      generationTimeUs: 1n,
      nonce: bytes(`nonce ${index}`),
      index: 0,
      fingerprint: bytes('f'),
    }
    const mutations = [put([cell('w', 'x', { timestamp: 1n })], { timestamp: 1n })]
    return shard.mutate(bytes('row'), { mutations, conditions: EXISTS, idempotency })
  }
  const outcomes = await Promise.all([0, 1, 2, 3, 4].map(write))
  outcomes.push(await write(5), await write(5))
  assert.deepEqual(
    outcomes.map(codeOf),
    outcomes.map(() => false),
  )
  assert.ok(entries >= CELLS && entries < 1.5 * CELLS, `${entries} entries`)
  await shard.put(bytes('row'), [cell('z', 'v', { timestamp: 30n })], { timestamp: 30n })
  assert.equal(codeOf(await write(6)), true, 'a change of the row counts')
})
