/**
 * Reads of the RocksDB engine that take long, because there are many cells to pass over or many rows to go through: what
 * others wait beside them, what they answer though they took turns, and when they end. A short row shows none of it.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { KVError } from '../../src/base/errors.js'
import type { WritableFormat } from '../../src/model/cluster-map.js'
import { columnsNamed, type RowOutcome } from '../../src/model/row.js'
import { bytes, cell, plainRow, RocksHarness } from '../support/leaf-engines.js'
import { answered } from '../support/leaf-suites.js'

const SMALL = bytes('small')

async function shardOf(t: TestContext, format: WritableFormat): Promise<RocksHarness> {
  const shard = await RocksHarness.create('HASHED')
  t.after(() => shard.dispose())
  await shard.create(format, 3)
  // Slices end by the time that they take.
  shard.clock.monotonicMs = () => performance.now()
  answered(await shard.put(SMALL, [cell('', 'v')]))
  return shard
}

/** A row of so many deleted columns, and a living one behind them. */
async function fill(shard: RocksHarness, key: string, deleted: number): Promise<Buffer> {
  const localKeys = Array.from({ length: deleted }, (_, i) => bytes(`c${String(i).padStart(6, '0')}`))
  answered(await shard.remove(bytes(key), { selector: columnsNamed(localKeys) }))
  answered(await shard.put(bytes(key), [cell('z', key)]))
  return bytes(key)
}

function codeOf(outcome: unknown): unknown {
  return outcome instanceof KVError ? outcome.code : null
}

function onlyRow(outcome: readonly RowOutcome[] | KVError): unknown {
  return plainRow(answered(outcome)[0] ?? null)
}

for (const format of ['mutable', 'history'] as const) {
  test(`${format}: a read of many rows keeps no other waiting until it is through`, async (t) => {
    const shard = await shardOf(t, format)
    const key = await fill(shard, 'some', 400)
    const beganMs = performance.now()
    const many = shard.read(Array.from({ length: 600 }, () => key))
    await nextTurn()
    await nextTurn()
    assert.deepEqual(onlyRow(await shard.read([SMALL])), [['', 'v']])
    const waitedMs = performance.now() - beganMs
    const rows = answered(await many).map(plainRow)
    const allMs = performance.now() - beganMs
    assert.ok(waitedMs < allMs / 3, `another waited ${waitedMs} of ${allMs} ms`)
    assert.deepEqual(rows, Array.from({ length: 600 }, () => [['z', 'some']])) // prettier-ignore
  })

  test(`${format}: rows that took turns with others are each of one moment`, async (t) => {
    const shard = await shardOf(t, format)
    const keys = await Promise.all(Array.from({ length: 6 }, (_, i) => fill(shard, `long ${i}`, 20_000)))
    const reads = keys.map((key) => shard.read([key]))
    await nextTurn()
    // Answered when all of those before it have begun.
    assert.deepEqual(onlyRow(await shard.read([SMALL])), [['', 'v']])
    for (const key of keys) answered(await shard.put(key, [cell('zz', 'later')]))
    for (const [i, read] of reads.entries()) {
      assert.deepEqual(onlyRow(await read), [['z', `long ${i}`]])
    }
    for (const [i, key] of keys.entries()) {
      assert.deepEqual(onlyRow(await shard.read([key])), [['z', `long ${i}`], ['zz', 'later']]) // prettier-ignore
    }
  })

  test(`${format}: those whose connection closes meanwhile are given up, wherever they wait`, async (t) => {
    const shard = await shardOf(t, format)
    const keys = await Promise.all(Array.from({ length: 8 }, (_, i) => fill(shard, `long ${i}`, 20_000)))
    const connection = { isClosed: false }
    const gone = keys.map((key) => shard.read([key, SMALL], { connection }))
    const goneScan = shard.scan({
      where: [],
      context: { api: 'test', caller: null, deadline: Infinity, connection },
    })
    const stays = shard.read([...keys.slice(0, 1), SMALL])
    await nextTurn()
    await nextTurn()
    connection.isClosed = true
    const cancelled = (await Promise.all(gone)).map((rows) => answered(rows).map(plainRow))
    // One may have been through before.
    assert.deepEqual(cancelled.slice(1), keys.slice(1).map(() => ['CANCELLED', 'CANCELLED'])) // prettier-ignore
    assert.equal(codeOf(await goneScan), 'CANCELLED')
    assert.equal(codeOf(await shard.read([SMALL], { connection })), 'CANCELLED')
    assert.deepEqual(answered(await stays).map(plainRow), [[['z', 'long 0']], [['', 'v']]])
  })

  test(`${format}: at the process's end they are answered, and hold the shard no longer`, async (t) => {
    const shard = await shardOf(t, format)
    const keys = await Promise.all(Array.from({ length: 8 }, (_, i) => fill(shard, `long ${i}`, 20_000)))
    const reads = keys.map((key) => shard.read([key, SMALL]))
    const scan = shard.scan({ where: [] })
    await nextTurn()
    await nextTurn()
    shard.endReads()
    const outcomes = (await Promise.all(reads)).map((rows) => answered(rows).map(plainRow))
    assert.deepEqual(outcomes.slice(1), keys.slice(1).map(() => ['UNAVAILABLE', 'UNAVAILABLE'])) // prettier-ignore
    assert.equal(codeOf(await scan), 'UNAVAILABLE')
    assert.equal(codeOf(await shard.read([SMALL])), 'UNAVAILABLE')
    await shard.closeShard()
  })

  test(`${format}: those whose deadline passes meanwhile say so, and hold the shard no longer`, async (t) => {
    const shard = await shardOf(t, format)
    const keys = await Promise.all(Array.from({ length: 8 }, (_, i) => fill(shard, `long ${i}`, 20_000)))
    const deadline = performance.now() + 100
    const reads = keys.map((key) => shard.read([key, SMALL], { deadline }))
    const scan = shard.scan({ where: [] }, { deadline })
    assert.deepEqual(onlyRow(await shard.read([SMALL])), [['', 'v']])
    const outcomes = (await Promise.all(reads)).map((rows) => answered(rows).map(plainRow))
    const late = outcomes.filter(([row]) => row === 'DEADLINE_EXCEEDED')
    assert.ok(late.length >= 4, JSON.stringify(outcomes))
    assert.ok(late.every(([, small]) => small === 'DEADLINE_EXCEEDED'))
    await scan
    await shard.reopen()
    assert.deepEqual(onlyRow(await shard.read(keys.slice(0, 1))), [['z', 'long 0']])
  })
}
