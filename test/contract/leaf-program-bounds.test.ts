/** What one small request may cost the one thread that writes: bounded, whatever it asks for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { mutableMetaKey, mutableCellKey } from '../../src/leaf/row-codec.js'
import type { Mutation } from '../../src/model/mutation.js'
import type { MutateResult } from '../../src/model/request.js'
import { type Cell, WHOLE_ROW } from '../../src/model/row.js'
import { NO_TOKEN } from '../../src/model/row-order.js'
import { WriterShard } from '../support/writer-shard.js'

const FORMATS = [
  { format: 'mutable', maxCellVersions: 1 },
  { format: 'history', maxCellVersions: 3 },
] as const

const COLUMN = Buffer.from('c')

function cell(localKey: Buffer, value: Buffer): Cell {
  return { localKey, value, timestamp: null, ttlSeconds: null }
}

function put(value: Buffer): Mutation {
  return { kind: 'PUT', cells: [cell(COLUMN, value)], timestamp: null, replaceRow: false }
}

function removal(from: string, to: string): Mutation {
  const ranges = [{ from: Buffer.from(from), to: Buffer.from(to) }]
  return { kind: 'DELETE', selector: { ...WHOLE_ROW, ranges }, timestamp: null, scope: 'UP_TO_TIMESTAMP' }
}

function codeOf(outcome: MutateResult | KVError): string {
  return outcome instanceof KVError ? `${outcome.code} ${outcome.outcome ?? ''}` : 'done'
}

for (const { format, maxCellVersions } of FORMATS) {
  test(`a value that a ${format} row's request changes again and again counts every time`, async (t) => {
    const shard = await WriterShard.create(format, maxCellVersions)
    t.after(() => shard.dispose())
    const append: Mutation = { kind: 'APPEND', cells: [cell(COLUMN, Buffer.from('x'))] }
    const mutations = [put(Buffer.alloc(4 * 1024 * 1024)), ...Array.from({ length: 999 }, () => append)]
    assert.equal(codeOf(await shard.mutate('row', { mutations })), 'TOO_LARGE NOT_APPLIED')
    assert.equal(codeOf(await shard.mutate('row', { mutations: mutations.slice(0, 4) })), 'done')
  })

  test(`ten thousand counters of one ${format} row take no longer than one by one`, async (t) => {
    const shard = await WriterShard.create(format, maxCellVersions)
    t.after(() => shard.dispose())
    const timeOf = async (count: number): Promise<number> => {
      const deltas = Array.from({ length: count }, (_, i) => {
        return { localKey: Buffer.from(`${count} ${i}`), delta: 1n, ttlSeconds: null }
      })
      const startedAtMs = performance.now()
      assert.equal(
        codeOf(await shard.mutate(`row ${count}`, { mutations: [{ kind: 'INCREMENT', deltas }] })),
        'done',
      )
      return performance.now() - startedAtMs
    }
    await timeOf(100)
    const [few, many] = [await timeOf(500), await timeOf(10_000)]
    // Twenty times as many; when each looked at all before it, it was a hundred times as long and more.
    assert.ok(many < 60 * few + 200, `500 took ${few} ms, 10,000 took ${many} ms`)
  })
}

test('ranges that the removal of their row replaced do not count any more', async (t) => {
  const shard = await WriterShard.create('mutable')
  t.after(() => shard.dispose())
  const ranges = Array.from({ length: 1_000 }, (_, i) => removal(`${1_000 + i}a`, `${1_000 + i}b`))
  for (let from = 0; from < 1_000; from += 500) {
    assert.equal(codeOf(await shard.mutate('row', { mutations: ranges.slice(from, from + 500) })), 'done')
  }
  const another = { mutations: [removal('x', 'y')] }
  assert.equal(codeOf(await shard.mutate('row', another)), 'TOO_LARGE NOT_APPLIED')
  const wholeRow: Mutation = { kind: 'DELETE', selector: null, timestamp: null, scope: 'UP_TO_TIMESTAMP' }
  assert.equal(codeOf(await shard.mutate('row', { mutations: [wholeRow] })), 'done')
  assert.equal(codeOf(await shard.mutate('row', another)), 'done')
})

test('a list of ranges has a limit of bytes, and the row can be written beyond it', async (t) => {
  const shard = await WriterShard.create('mutable')
  t.after(() => shard.dispose())
  const outcomes: string[] = []
  for (let i = 0; i < 12; i++) {
    const name = `${10 + i}${'n'.repeat(60_000)}`
    outcomes.push(codeOf(await shard.mutate('row', { mutations: [removal(`${name}a`, `${name}b`)] })))
  }
  assert.deepEqual([outcomes.at(0), outcomes.at(-1)], ['done', 'TOO_LARGE NOT_APPLIED'])
  const increment: Mutation = {
    kind: 'INCREMENT',
    deltas: [{ localKey: COLUMN, delta: 1n, ttlSeconds: null }],
  }
  assert.equal(codeOf(await shard.mutate('row', { mutations: [increment] })), 'done')
})

test('a key that programs write blindly, and one that is written beside them, stay short to read', async (t) => {
  const shard = await WriterShard.create('mutable')
  t.after(() => shard.dispose())
  const writes: Promise<unknown>[] = []
  for (let i = 0; i < 2_000; i++) {
    writes.push(
      shard.mutate('by programs', { mutations: [put(Buffer.from('a')), put(Buffer.from(`b${i}`))] }),
    )
    writes.push(shard.mutate('beside', { mutations: [put(Buffer.from(`c${i}`))] }))
    if (i % 10 === 0) await Promise.all(writes.splice(0))
  }
  await Promise.all(writes)
  for (const row of ['by programs', 'beside']) {
    const key = mutableCellKey(mutableMetaKey('ORDERED', NO_TOKEN, Buffer.from(row)), COLUMN)
    // The quickest of many: others use the machine as well.
    const rounds = Array.from({ length: 30 }, () => {
      const startedAtMs = performance.now()
      for (let i = 0; i < 5; i++) shard.database.getMany([key])
      return (performance.now() - startedAtMs) * 200
    })
    const usEach = Math.min(...rounds)
    // With 2,000 operands it was 300 us and more.
    assert.ok(usEach < 150, `${row}: ${usEach.toFixed(0)} us a read`)
  }
})
