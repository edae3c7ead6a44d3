/** Every leaf engine keeps the promises of src/model/leaf-engine.ts; the memory engine is the oracle of the others. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import fc from 'fast-check'
import { KVError } from '../../src/base/errors.js'
import { leafEngines } from '../../src/leaf/registry.js'
import type { RowMutation } from '../../src/model/request.js'
import type { Cell } from '../../src/model/row.js'
import {
  bytes,
  cell,
  type LeafHarness,
  leafHarnesses,
  MemoryHarness,
  plain,
} from '../support/leaf-engines.js'

const RUNS = Number(process.env['GODWIT_FUZZ_RUNS'] ?? 20)

/** Every run opens and closes DBs, and so do the hundreds of runs that shrink a failure: they end here. */
const TIME_LIMIT_MS = 60_000 * Math.max(1, RUNS / 100)

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

function select(...localKeys: string[]): { selector: { localKeys: Buffer[] } } {
  return { selector: { localKeys: localKeys.map(bytes).sort((a, b) => Buffer.compare(a, b)) } }
}

for (const { name } of leafEngines) {
  for (const keyOrder of ['HASHED', 'ORDERED'] as const) {
    suite(`leaf engine ${name}, mutable, ${keyOrder}`, () => {
      let shard: LeafHarness
      before(async () => {
        shard = await leafHarnesses[name](keyOrder)
        await shard.createMutable()
      })
      after(() => shard.dispose())
      mutableExamples(() => shard)
    })

    suite(`leaf engine ${name}, sealed, ${keyOrder}`, () => {
      sealedExamples(() => leafHarnesses[name](keyOrder))
    })
  }

  if (name !== 'memory') {
    test(`${name} answers every history of writes, clock steps and reopenings as the memory engine does`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('HASHED' as const, 'ORDERED' as const),
          history(),
          async (keyOrder, steps) => {
            const shard = await leafHarnesses[name](keyOrder)
            const oracle = new MemoryHarness(keyOrder)
            try {
              await shard.createMutable()
              await oracle.createMutable()
              for (const step of steps) assert.deepEqual(await run(shard, step), await run(oracle, step))
              assert.deepEqual(await readAll(shard), await readAll(oracle))
            } finally {
              await shard.dispose()
            }
          },
        ),
        { numRuns: RUNS, interruptAfterTimeLimit: TIME_LIMIT_MS },
      )
    })

    test(`${name} reads every sealed row, whole and in part, as the memory engine does`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('HASHED' as const, 'ORDERED' as const),
          sealedRows(),
          async (keyOrder, rows) => {
            const shard = await leafHarnesses[name](keyOrder)
            const oracle = new MemoryHarness(keyOrder)
            try {
              await shard.loadSealed(rows)
              await oracle.loadSealed(rows)
              assert.deepEqual(await readAll(shard), await readAll(oracle))
              await shard.reopen()
              shard.clock.ms += 3_000
              oracle.clock.ms += 3_000
              assert.deepEqual(await readAll(shard), await readAll(oracle))
            } finally {
              await shard.dispose()
            }
          },
        ),
        { numRuns: RUNS, interruptAfterTimeLimit: TIME_LIMIT_MS },
      )
    })
  }
}

function mutableExamples(shardOf: () => LeafHarness): void {
  const put = (key: string, cells: Cell[], more: Partial<RowMutation> = {}) =>
    shardOf().mutate(bytes(key), { cells, ...more })
  const get = async (key: string, how = {}) => {
    const outcome = plain(await shardOf().read([bytes(key)], how))
    return Array.isArray(outcome) ? (outcome as unknown[])[0] : outcome // plain answers an array unless it failed
  }

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
      await shardOf().mutate(key, { cells: ODD_KEYS.map((local) => cell(local, key)) })
    for (const key of ODD_KEYS) {
      const [row] = (await shardOf().read([key])) as { cells: Cell[] }[] // a row, or the test fails below
      assert.ok(row)
      assert.deepEqual(row.cells.map(({ localKey }) => localKey), [...ODD_KEYS].sort((a, b) => Buffer.compare(a, b))) // prettier-ignore
      assert.ok(row.cells.every(({ value }) => value.equals(key)))
    }
  })

  test('the highest timestamp wins in whatever order writes arrive', async () => {
    for (const [value, timestamp] of [['new', 30n], ['old', -5n], ['middle', 20n]] as const) await put('late', [cell('c', value, { timestamp })]) // prettier-ignore
    assert.deepEqual(await get('late', { withTimestamps: true }), [['c', 'new', '@30']])
  })

  test('at equal timestamps deletion beats expiring, expiring beats lasting, greater bytes beat smaller', async () => {
    const timestamp = 7n
    await put('tie', [
      cell('a', 'x', { timestamp }),
      cell('b', 'z', { timestamp }),
      cell('c', 'z', { timestamp }),
    ])
    await put('tie', [cell('a', 'y', { timestamp }), cell('b', 'a', { timestamp, ttlSeconds: 5 })])
    await put('tie', [cell('a', 'w', { timestamp })])
    await shardOf().mutate(bytes('tie'), { deletes: [bytes('c')], timestamp })
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

  test('a deleted row stays deleted for older writes and lives again with newer ones', async () => {
    await put('gone', [cell('a', '1', { timestamp: 10n })])
    await shardOf().mutate(bytes('gone'), { deletes: 'ROW', timestamp: 20n })
    await put('gone', [cell('a', 'older', { timestamp: 15n }), cell('b', 'equal', { timestamp: 20n })])
    assert.equal(await get('gone'), null)
    assert.equal(await get('gone', select('a', 'b')), null)
    await put('gone', [cell('c', 'newer', { timestamp: 21n })])
    assert.deepEqual(await get('gone'), [['c', 'newer']])
  })

  test('a put that replaces the row removes every other column in the same step', async () => {
    await put('replace', [cell('a', '1'), cell('b', '2')])
    await put('replace', [cell('b', 'new')], { deletes: 'ROW' })
    assert.deepEqual(await get('replace'), [['b', 'new']])
    await put('replace', [cell('b', 'newest')], { deletes: [bytes('a'), bytes('b')] })
    assert.deepEqual(await get('replace'), [['b', 'newest']])
  })

  test('stamped writes rise within a row while the clock stands or goes back', async () => {
    const first = await put('stamp', [cell('', '1')])
    shardOf().clock.ms -= 60_000
    const second = await put('stamp', [cell('', '2')])
    shardOf().clock.ms += 60_000
    assert.ok(
      !(first instanceof KVError) && !(second instanceof KVError) && second.timestamp > first.timestamp,
    )
    assert.deepEqual(await get('stamp', { withTimestamps: true }), [['', '2', `@${second.timestamp}`]])
  })

  test('stamps of a row rise over closing and opening again though the clock was set back', async () => {
    const first = await put('stamp again', [cell('', '1')])
    shardOf().clock.ms -= 3_600_000
    await shardOf().reopen()
    const second = await put('stamp again', [cell('', '2')])
    shardOf().clock.ms += 3_600_000
    assert.ok(
      !(first instanceof KVError) && !(second instanceof KVError) && second.timestamp > first.timestamp,
    )
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
    const outcome = await shardOf().mutate(bytes('never'), { cells: [cell('', '1')] }, { deadline })
    assert.ok(
      outcome instanceof KVError && outcome.code === 'DEADLINE_EXCEEDED' && outcome.outcome === 'NOT_APPLIED',
    )
    assert.equal(await get('never'), null)
  })

  test('a write that cannot be stored says so and that nothing was applied', async () => {
    for (const mutation of [
      {},
      { cells: [cell('', 'v', { ttlSeconds: 0 })] },
      { cells: [cell('', 'v', { ttlSeconds: 2 ** 32 })] },
    ]) {
      const outcome = await shardOf().mutate(bytes('bad'), mutation)
      assert.ok(
        outcome instanceof KVError &&
          outcome.code === 'INVALID_ARGUMENT' &&
          outcome.outcome === 'NOT_APPLIED',
      )
    }
    assert.equal(await get('bad'), null)
  })
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
        assert.deepEqual(
          plain(await shard.read(keys)),
          plain([{ cells }, { cells: [cell('', 'n')] }, { cells }]),
        )
        for (const [i, one] of cells.entries()) {
          assert.deepEqual(
            plain(await shard.read([bytes('wide')], select(`c${i}`))),
            plain([{ cells: [one] }]),
          )
        }
        const some = [1, 5, 9].map((i) => cells[i] ?? cell('', ''))
        assert.deepEqual(
          plain(await shard.read([bytes('wide')], select('c1', 'c5', 'c9'))),
          plain([{ cells: some }]),
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
      const outcome = await shard.mutate(bytes('k'), { cells: [cell('', 'w')] })
      assert.ok(
        outcome instanceof KVError && outcome.code === 'READ_ONLY' && outcome.outcome === 'NOT_APPLIED',
      )
    })
  })
}

type Step =
  | {
      readonly kind: 'mutate'
      readonly rowKey: Buffer
      readonly mutation: RowMutation
      readonly isSynced: boolean
    }
  | { readonly kind: 'tick'; readonly ms: number }
  | { readonly kind: 'reopen' }
  | {
      readonly kind: 'read'
      readonly rowKeys: readonly Buffer[]
      readonly localKeys: readonly Buffer[] | null
    }

function key(): fc.Arbitrary<Buffer> {
  const random = fc.uint8Array({ maxLength: 5 }).map((array) => Buffer.from(array))
  return fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...ODD_KEYS) }, { weight: 1, arbitrary: random })
}

function timestamp(): fc.Arbitrary<bigint | null> {
  const extremes = fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, -1n, 0n)
  return fc.oneof(
    fc.constant(null),
    fc.bigInt({ min: 1n, max: 4n }),
    fc.bigInt({ min: 1n, max: 4n }),
    extremes,
  )
}

function cells(minLength: number): fc.Arbitrary<Cell[]> {
  const value = fc.oneof(
    fc.uint8Array({ maxLength: 3 }),
    fc.uint8Array({ minLength: 9_000, maxLength: 20_000 }),
  )
  const one = fc.record({
    localKey: key(),
    value: value.map((array) => Buffer.from(array)),
    timestamp: timestamp(),
    ttlSeconds: fc.option(fc.integer({ min: 1, max: 3 })),
  })
  return fc.array(one, { minLength, maxLength: 6 })
}

function history(): fc.Arbitrary<Step[]> {
  const put = fc.record({
    cells: cells(1),
    deletes: fc.constantFrom('NOTHING' as const, 'ROW' as const),
    timestamp: timestamp(),
  })
  const remove = fc.record({
    cells: cells(0),
    deletes: fc.oneof(fc.constant('ROW' as const), fc.array(key(), { minLength: 1, maxLength: 3 })),
    timestamp: timestamp(),
  })
  const mutate = fc.record({
    kind: fc.constant('mutate' as const),
    rowKey: key(),
    mutation: fc.oneof(put, remove),
    isSynced: fc.boolean(),
  })
  const read = fc.record({
    kind: fc.constant('read' as const),
    rowKeys: fc.array(key(), { minLength: 1, maxLength: 12 }),
    localKeys: fc.option(
      fc.uniqueArray(key(), { minLength: 1, maxLength: 4, selector: (k) => k.toString('hex') }),
    ),
  })
  const tick = fc.record({ kind: fc.constant('tick' as const), ms: fc.integer({ min: 0, max: 2_000 }) })
  return fc.array(
    fc.oneof(
      { weight: 12, arbitrary: mutate },
      { weight: 6, arbitrary: read },
      { weight: 2, arbitrary: tick },
      { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
    ),
    { maxLength: 40, size: 'max' },
  )
}

function sealedRows(): fc.Arbitrary<[Buffer, Cell[]][]> {
  const unique = cells(1).map((list) => [
    ...new Map(list.map((one) => [one.localKey.toString('hex'), one])).values(),
  ])
  const storable = unique.map((list) =>
    list.map((one) => (one.timestamp === -(2n ** 63n) ? { ...one, timestamp: null } : one)),
  )
  return fc.uniqueArray(fc.tuple(key(), storable), {
    maxLength: 12,
    selector: ([rowKey]) => rowKey.toString('hex'),
  })
}

async function run(shard: LeafHarness, step: Step): Promise<unknown> {
  switch (step.kind) {
    case 'mutate': {
      const durability = step.isSynced ? 'LOG_SYNCED' : 'LOG'
      const outcome = await shard.mutate(step.rowKey, step.mutation, { durability })
      return outcome instanceof KVError ? outcome.code : outcome.timestamp
    }
    case 'tick':
      shard.clock.ms += step.ms
      return null
    case 'reopen':
      await shard.reopen()
      // Stamps go on behind the greatest of all rows after reopening; one row's oracle does not know the others.
      shard.clock.ms += 1_000
      return null
    case 'read': {
      const localKeys = step.localKeys?.toSorted((a, b) => Buffer.compare(a, b)) ?? null
      const selector = localKeys === null ? null : { localKeys }
      return plain(await shard.read(step.rowKeys, { selector, withTimestamps: true, withTtl: true }))
    }
  }
}

async function readAll(shard: LeafHarness): Promise<unknown> {
  const how = { withTimestamps: true, withTtl: true }
  const whole = plain(await shard.read(ODD_KEYS, how))
  const parts = await Promise.all(
    ODD_KEYS.map(async (localKey) =>
      plain(await shard.read(ODD_KEYS, { ...how, selector: { localKeys: [localKey] } })),
    ),
  )
  return [whole, parts]
}
