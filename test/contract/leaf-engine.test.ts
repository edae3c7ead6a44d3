/** Every leaf engine keeps the promises of src/model/leaf-engine.ts; the memory engine is the oracle of the others. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { KVError } from '../../src/base/errors.js'
import { leafEngines } from '../../src/leaf/registry.js'
import type { PutMutation } from '../../src/model/mutation.js'
import type { MutateResult } from '../../src/model/request.js'
import {
  type Cell,
  type CellSelector,
  type CellTimestamp,
  columnsNamed,
  type Row,
} from '../../src/model/row.js'
import { bytes, cell, type LeafHarness, leafHarnesses, plain } from '../support/leaf-engines.js'

/** Names that separators, escapes and sort order could confuse. */
const ODD_KEYS = [
  '',
  '\0',
  '\0\0',
  '\0\xff',
  '\0\x01',
  '\0\x02',
  '\x01',
  '\xff',
  '\xff\xff',
  'a',
  'a\0',
  'a\0b',
  'ab',
].map(bytes)

function select(...localKeys: string[]): { selector: CellSelector } {
  return { selector: columnsNamed(localKeys.map(bytes).sort((a, b) => Buffer.compare(a, b))) }
}

for (const { name } of leafEngines) {
  for (const keyOrder of ['HASHED', 'ORDERED'] as const) {
    for (const format of ['mutable', 'history'] as const) {
      suite(`leaf engine ${name}, ${format}, ${keyOrder}`, () => {
        let shard: LeafHarness
        before(async () => {
          shard = await leafHarnesses[name](keyOrder)
          await shard.create(format, format === 'mutable' ? 1 : 3)
        })
        after(() => shard.dispose())
        writableExamples(() => shard)
        if (format === 'mutable') mutableExamples(() => shard)
      })
    }

    suite(`leaf engine ${name}, sealed, ${keyOrder}`, () => {
      sealedExamples(() => leafHarnesses[name](keyOrder))
    })
  }
}

function writableExamples(shardOf: () => LeafHarness): void {
  const { put, get } = verbsOf(shardOf)

  test('a row that was never written is null, whole and in part', async () => {
    assert.equal(await get('absent'), null)
    assert.equal(await get('absent', select('x')), null)
  })

  test('a whole row comes in local-key order, with the unnamed value first', async () => {
    await put('order', [cell('b', '2'), cell('', '0'), cell('a\0', ''), cell('a', '1')])
    assert.deepEqual(await get('order'), [['', '0'], ['a', '1'], ['a\0', ''], ['b', '2']]) // prettier-ignore
  })

  test('selected columns come without the others, absent ones are left out', async () => {
    await put('some', [cell('a', '1'), cell('b', '2'), cell('c', '3')])
    assert.deepEqual(await get('some', select('a', 'c', 'nope')), [['a', '1'], ['c', '3']]) // prettier-ignore
    assert.equal(await get('some', select('nope')), null)
  })

  test('each key may have a selector of its own, and a key may be asked for twice', async () => {
    await put('own', [cell('a', '1'), cell('b', '2')])
    const key = bytes('own')
    const selectorsByKey = [select('a').selector, null, select('b').selector, select('z').selector]
    const rows = await shardOf().read([key, key, key, key], { selectorsByKey })
    assert.deepEqual(plain(rows), [[['a', '1']], [['a', '1'], ['b', '2']], [['b', '2']], null]) // prettier-ignore
  })

  test('rows whose keys are prefixes and escapes of each other do not mix', async () => {
    for (const key of ODD_KEYS)
      await shardOf().put(
        key,
        ODD_KEYS.map((local) => cell(local, key)),
      )
    for (const key of ODD_KEYS) {
      const [row] = (await shardOf().read([key])) as readonly (Row | undefined)[] // a row, or it fails below
      assert.ok(row)
      assert.deepEqual(row.cells.map(({ localKey }) => localKey), [...ODD_KEYS].sort((a, b) => Buffer.compare(a, b))) // prettier-ignore
      assert.ok(row.cells.every(({ value }) => value.equals(key)))
    }
  })

  test('the highest timestamp wins in whatever order writes arrive', async () => {
    for (const [value, timestamp] of [['new', 30n], ['old', -5n], ['middle', 20n]] as const) await put('late', [cell('c', value, { timestamp })]) // prettier-ignore
    assert.deepEqual(await get('late', { withTimestamps: true }), [['c', 'new', '@30']])
  })

  test('a deleted row stays deleted for older writes and lives again with newer ones', async () => {
    await put('gone', [cell('a', '1', { timestamp: 10n })])
    await shardOf().remove(bytes('gone'), { timestamp: 20n })
    await put('gone', [cell('a', 'older', { timestamp: 15n }), cell('b', 'equal', { timestamp: 20n })])
    assert.equal(await get('gone'), null)
    assert.equal(await get('gone', select('a', 'b')), null)
    await put('gone', [cell('c', 'newer', { timestamp: 21n })])
    assert.deepEqual(await get('gone'), [['c', 'newer']])
  })

  test('a put that replaces the row removes every other column in the same step', async () => {
    await put('replace', [cell('a', '1'), cell('b', '2')])
    await put('replace', [cell('b', 'new')], { replaceRow: true })
    assert.deepEqual(await get('replace'), [['b', 'new']])
  })

  test('stamped writes rise within a row while the clock stands or goes back', async () => {
    const first = await put('stamp', [cell('', '1')])
    shardOf().clock.ms -= 60_000
    const second = await put('stamp', [cell('', '2')])
    shardOf().clock.ms += 60_000
    assert.ok(stampOf(second) > stampOf(first))
    assert.deepEqual(await get('stamp', { withTimestamps: true }), [['', '2', `@${stampOf(second)}`]])
  })

  test('stamps of a row rise over closing and opening again though the clock was set back', async () => {
    const first = await put('stamp again', [cell('', '1')])
    shardOf().clock.ms -= 3_600_000
    await shardOf().reopen()
    const second = await put('stamp again', [cell('', '2')])
    shardOf().clock.ms += 3_600_000
    assert.ok(stampOf(second) > stampOf(first))
    assert.deepEqual(await get('stamp again'), [['', '2']])
  })

  test('everything acknowledged is there after closing and opening again', async () => {
    await put('kept', [cell('a', 'x'.repeat(100_000)), cell('b', '')])
    const before = await get('kept')
    await shardOf().reopen()
    assert.deepEqual(await get('kept'), before)
  })

  test('many rows in one request answer in order, hits and misses alike', async () => {
    await Promise.all(
      Array.from({ length: 500 }, (_, i) => put(`many${i}`, [cell('', `v${i}`), cell('x', 'y')])),
    )
    const keys = Array.from({ length: 1_000 }, (_, i) => bytes(`many${i}`))
    const expected = keys.map((_, i) => (i < 500 ? [['', `v${i}`]] : null))
    assert.deepEqual(plain(await shardOf().read(keys, select(''))), expected)
  })

  test('a passed deadline is answered without reading or writing', async () => {
    const deadline = shardOf().clock.ms - 1
    assert.equal(plain(await shardOf().read([bytes('late')], { deadline })), 'DEADLINE_EXCEEDED')
    const outcome = await shardOf().put(bytes('never'), [cell('', '1')], {}, { deadline })
    assert.ok(
      outcome instanceof KVError && outcome.code === 'DEADLINE_EXCEEDED' && outcome.outcome === 'NOT_APPLIED',
    )
    assert.equal(await get('never'), null)
  })

  test('a write that cannot be stored says so and that nothing was applied', async () => {
    for (const cells of [[], [cell('', 'v', { ttlSeconds: 0 })], [cell('', 'v', { ttlSeconds: 2 ** 32 })]]) {
      const outcome = await put('bad', cells)
      assert.ok(
        outcome instanceof KVError &&
          outcome.code === 'INVALID_ARGUMENT' &&
          outcome.outcome === 'NOT_APPLIED',
      )
    }
    assert.equal(await get('bad'), null)
  })
}

function mutableExamples(shardOf: () => LeafHarness): void {
  const { put, get } = verbsOf(shardOf)

  test('at equal timestamps deletion beats expiring, expiring beats lasting, greater bytes beat smaller', async () => {
    const timestamp = 7n
    await put('tie', [
      cell('a', 'x', { timestamp }),
      cell('b', 'z', { timestamp }),
      cell('c', 'z', { timestamp }),
    ])
    await put('tie', [cell('a', 'y', { timestamp }), cell('b', 'a', { timestamp, ttlSeconds: 5 })])
    await put('tie', [cell('a', 'w', { timestamp })])
    await shardOf().remove(bytes('tie'), { ...select('c'), timestamp })
    assert.deepEqual(await get('tie'), [['a', 'y'], ['b', 'a']]) // prettier-ignore
  })

  test('an expired cell is gone in the second in which its TTL ends, and what it covered stays gone', async () => {
    await put('ttl', [cell('c', 'below', { timestamp: 1n }), cell('d', 'stays', { timestamp: 1n })])
    await put('ttl', [cell('c', 'short', { timestamp: 2n, ttlSeconds: 10 })])
    shardOf().clock.ms += 9_000
    assert.deepEqual(await get('ttl', { withTtl: true }), [['c', 'short', 'ttl 1'], ['d', 'stays']]) // prettier-ignore
    shardOf().clock.ms += 1_000
    assert.deepEqual(await get('ttl'), [['d', 'stays']])
    assert.deepEqual(await get('ttl', select('c')), null)
  })
}

function verbsOf(shardOf: () => LeafHarness) {
  const put = (key: string, cells: Cell[], more: Partial<PutMutation> = {}) =>
    shardOf().put(bytes(key), cells, more)
  const get = async (key: string, how = {}) => {
    const outcome = plain(await shardOf().read([bytes(key)], how))
    return Array.isArray(outcome) ? (outcome as unknown[])[0] : outcome // plain answers an array unless it failed
  }
  return { put, get }
}

function stampOf(outcome: MutateResult | KVError): CellTimestamp {
  assert.ok(!(outcome instanceof KVError) && outcome.timestamp !== null)
  return outcome.timestamp
}

function row(cells: readonly Cell[]): Row {
  return { cells, next: null }
}

function sealedExamples(create: () => Promise<LeafHarness>): void {
  const withShard = async (rows: [string, Cell[]][], use: (shard: LeafHarness) => Promise<void>) => {
    const shard = await create()
    try {
      await shard.loadSealed(rows.map(([key, cells]) => [bytes(key), cells]))
      await use(shard)
    } finally {
      await shard.dispose()
    }
  }

  test('values that fill many chunks come back whole and selected, small ones beside them', async () => {
    const sizes = [10, 20_000, 0, 16_384, 1, 100_000, 16_000, 5_000, 12_000, 300]
    const cells = sizes.map((size, i) => cell(`c${i}`, Buffer.alloc(size, 97 + i)))
    await withShard(
      [
        ['wide', cells],
        ['next', [cell('', 'n')]],
      ],
      async (shard) => {
        // prettier-ignore
        const keys = [bytes('wide'), bytes('next'), bytes('wide')]
        assert.deepEqual(plain(await shard.read(keys)), plain([row(cells), row([cell('', 'n')]), row(cells)]))
        for (const [i, one] of cells.entries()) {
          assert.deepEqual(plain(await shard.read([bytes('wide')], select(`c${i}`))), plain([row([one])]))
        }
        const some = [1, 5, 9].map((i) => cells[i] ?? cell('', ''))
        assert.deepEqual(
          plain(await shard.read([bytes('wide')], select('c1', 'c5', 'c9'))),
          plain([row(some)]),
        )
      },
    )
  })

  test('timestamps, absent timestamps and TTLs are kept', async () => {
    const cells = [cell('a', '1', { timestamp: -9n }), cell('b', '2', { ttlSeconds: 4 }), cell('c', '3')]
    await withShard([['k', cells]], async (shard) => {
      const how = { withTimestamps: true, withTtl: true }
      assert.deepEqual(plain(await shard.read([bytes('k')], how)), [[['a', '1', '@-9'], ['b', '2', 'ttl 4'], ['c', '3']]]) // prettier-ignore
      shard.clock.ms += 4_000
      assert.deepEqual(plain(await shard.read([bytes('k')])), [[['a', '1'], ['c', '3']]]) // prettier-ignore
    })
  })

  test('sealed data takes no writes', async () => {
    await withShard([['k', [cell('', 'v')]]], async (shard) => {
      const outcome = await shard.put(bytes('k'), [cell('', 'w')])
      assert.ok(
        outcome instanceof KVError && outcome.code === 'READ_ONLY' && outcome.outcome === 'NOT_APPLIED',
      )
    })
  })
}
