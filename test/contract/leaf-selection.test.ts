/** Which cells of a row a read answers, on every engine: selectors, versions, times, pages. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { leafEngines } from '../../src/leaf/registry.js'
import { ALL_VERSIONS, type Cell, type CellPosition, type CellSelector } from '../../src/model/row.js'
import { bytes, cell, type LeafHarness, leafHarnesses, plainCell } from '../support/leaf-engines.js'
import { forWritableShards, named, range, remove, select, Verbs } from '../support/leaf-suites.js'

const LETTERS = ['', 'a', 'a\0', 'b', 'b\xff', 'c', 'd']

/** Selections of a row that has one version in each of LETTERS, at 1, 2, ... */
function selections({ get, timed }: Pick<Verbs, 'get' | 'timed'>, key: string): void {
  const columns = async (selector: Partial<CellSelector>) => {
    const cells = await get(key, selector)
    return Array.isArray(cells) ? cells.map((one) => (one as string[])[0]) : cells // as plainRow makes them
  }

  test('a range answers the columns from its start to before its end, an open one to the last', async () => {
    assert.deepEqual(await columns({ ranges: [range('a', 'b')] }), ['a', 'a\0'])
    assert.deepEqual(await columns({ ranges: [range('b', null)] }), ['b', 'b\xff', 'c', 'd'])
    assert.deepEqual(await columns({ ranges: [range('', 'a\0')] }), ['', 'a'])
    assert.equal(await columns({ ranges: [range('x', 'y')] }), null)
  })

  test('named columns and ranges add up, in the order of columns', async () => {
    assert.deepEqual(await columns({ ...named('', 'c', 'x'), ranges: [range('a', 'a\0'), range('d', null)] }), ['', 'a', 'c', 'd']) // prettier-ignore
  })

  test('a limit takes the first columns in the direction of the read', async () => {
    assert.deepEqual(await columns({ limit: 2 }), ['', 'a'])
    assert.deepEqual(await columns({ limit: 2, isReversed: true }), ['d', 'c'])
    assert.deepEqual(await columns({ ranges: [range('a', 'c')], limit: 3, isReversed: true }), ['b\xff', 'b', 'a\0']) // prettier-ignore
    assert.deepEqual(await columns({ ...named('a', 'b', 'c'), limit: 2 }), ['a', 'b'])
    assert.deepEqual(await columns({ limit: 100 }), LETTERS)
  })

  test('reversed columns come in descending order, named or not', async () => {
    assert.deepEqual(await columns({ isReversed: true }), LETTERS.toReversed())
    assert.deepEqual(await columns({ ...named('', 'b', 'c'), isReversed: true }), ['c', 'b', ''])
  })

  test('columns whose version lies outside the times are left out and count against no limit', async () => {
    assert.deepEqual(await columns({ minTimestamp: 3n, maxTimestamp: 5n }), ['a\0', 'b'])
    assert.deepEqual(await columns({ minTimestamp: 3n, limit: 2 }), ['a\0', 'b'])
    assert.deepEqual(await columns({ ...named('a', 'd'), maxTimestamp: 3n }), ['a'])
    assert.equal(await columns({ minTimestamp: 5n, maxTimestamp: 5n }), null)
  })

  test('keys only answers no values, but timestamps', async () => {
    assert.deepEqual(await timed(key, { ...named('a', 'b'), keysOnly: true }), [['a', '', '@2'], ['b', '', '@4']]) // prettier-ignore
  })

  test('more versions than there are do no harm', async () => {
    assert.deepEqual(await columns({ ...named('a', 'b'), maxVersions: ALL_VERSIONS }), ['a', 'b'])
  })
}

function letters(): Cell[] {
  return LETTERS.map((letter, i) => cell(letter, `v${i}`, { timestamp: BigInt(i + 1) }))
}

forWritableShards('leaf selection', (verbs) => {
  before(() => verbs.put('row', letters()))
  selections({ get: (...args) => verbs.get(...args), timed: (...args) => verbs.timed(...args) }, 'row')
  pages(verbs, 'row')

  test('a limit passes over columns that are deleted', async () => {
    await verbs.put('gaps', letters())
    await verbs.remove('gaps', { selector: select(named('', 'b')) })
    await verbs.remove('gaps', { selector: select({ ranges: [range('c', 'd')] }) })
    assert.deepEqual(await verbs.get('gaps', { limit: 2 }), [['a', 'v1'], ['a\0', 'v2']]) // prettier-ignore
    assert.deepEqual(await verbs.get('gaps', { limit: 2, isReversed: true }), [['d', 'v6'], ['b\xff', 'v4']]) // prettier-ignore
  })
})

for (const { name } of leafEngines) {
  for (const keyOrder of ['HASHED', 'ORDERED'] as const) {
    suite(`leaf selection: ${name}, sealed, ${keyOrder}`, () => {
      let shard: LeafHarness | null = null
      const verbs = new Verbs(() => shard ?? assert.fail('there is no shard yet'))
      before(async () => {
        shard = await leafHarnesses[name](keyOrder)
        const mixed = [cell('a', '1', { timestamp: 5n }), cell('b', '2'), cell('c', 'x'.repeat(20_000))]
        await shard.loadSealed([
          [bytes('row'), letters()],
          [bytes('mixed'), mixed],
        ])
      })
      after(() => shard?.dispose())
      selections({ get: (...args) => verbs.get(...args), timed: (...args) => verbs.timed(...args) }, 'row')
      pages(verbs, 'row')

      test('a cell that was loaded without a timestamp is outside of any times', async () => {
        assert.deepEqual(await verbs.timed('mixed', named('a', 'b')), [['a', '1', '@5'], ['b', '2']]) // prettier-ignore
        assert.deepEqual(await verbs.get('mixed', { minTimestamp: -(2n ** 63n) }), [['a', '1']])
        assert.deepEqual(await verbs.get('mixed', { maxTimestamp: 2n ** 63n - 1n }), [['a', '1']])
      })

      test('keys only answers the columns of large values, without them', async () => {
        assert.deepEqual(await verbs.get('mixed', { keysOnly: true }), [['a', ''], ['b', ''], ['c', '']]) // prettier-ignore
      })
    })
  }
}

function pages(verbs: Verbs, key: string): void {
  const page = (pageBytes: number, position: CellPosition | null, selector: Partial<CellSelector> = {}) =>
    verbs.row(key, { selector: select(selector), pageBytes, position })

  test('a page ends behind the cell that reaches it, and the next one goes on behind that', async () => {
    for (const isReversed of [false, true]) {
      const seen: Cell[] = []
      let position: CellPosition | null = null
      let count = 0
      do {
        const row = await page(1, position, { isReversed })
        if (row === null) break
        assert.equal(row.cells.length, 1)
        seen.push(...row.cells)
        position = row.next
        count++
      } while (position !== null && count < 20)
      assert.deepEqual(
        seen.map((one) => one.localKey.toString('latin1')),
        isReversed ? LETTERS.toReversed() : LETTERS,
      )
    }
  })

  test('a page counts 32 bytes a cell beside its key and value', async () => {
    // '' and 'a' with values of two bytes: 34 and 35.
    for (const [pageBytes, cells] of [
      [34, 1],
      [35, 2],
      [69, 2],
      [70, 3],
    ] as const) {
      // prettier-ignore
      const row = await page(pageBytes, null)
      assert.equal(row?.cells.length, cells, `${pageBytes} bytes`)
    }
  })

  test('a page that holds the row does not say that it goes on', async () => {
    const row = await page(10_000, null)
    assert.deepEqual([row?.cells.length, row?.next], [LETTERS.length, null])
  })

  test('the limit counts the columns of all pages', async () => {
    const first = await page(1, null, { limit: 3 })
    assert.equal(first?.next?.columns, 1)
    const second = await page(1_000, first.next, { limit: 3 })
    assert.deepEqual(second?.cells.map(plainCell), [['a', 'v1'], ['a\0', 'v2']]) // prettier-ignore
    assert.equal(second.next, null)
  })

  test('a position without a timestamp goes on with the next column', async () => {
    const position = { localKey: bytes('b'), timestamp: null, columns: 1 }
    const row = await page(1_000, position, { limit: 2 })
    assert.deepEqual(row?.cells.map(plainCell), [['b\xff', 'v4']])
    assert.equal(await page(1_000, position, named('a', 'b')), null)
    const before = await page(1_000, { ...position, columns: 0 }, { isReversed: true })
    assert.deepEqual(before?.cells.map(plainCell), [['a\0', 'v2'], ['a', 'v1'], ['', 'v0']]) // prettier-ignore
  })

  test('rows behind the end of a page say that they were not read', async () => {
    const keys = [key, 'no such row', key].map(bytes)
    const rows = await verbs.shard.read(keys, { pageBytes: 70 })
    assert.ok(Array.isArray(rows))
    const [first, second, third] = rows as ({ cells: Cell[]; next: CellPosition | null } | null)[] // or it fails
    assert.equal(first?.cells.length, 3)
    assert.deepEqual(first.next?.localKey, bytes('a\0'))
    const unread = { cells: [], next: { localKey: null, timestamp: null, columns: 0 } }
    assert.deepEqual([second, third], [unread, unread])
    const all = await verbs.shard.read(keys, { pageBytes: 100_000 })
    assert.ok(Array.isArray(all) && all[1] === null)
  })
}

forWritableShards(
  'leaf versions',
  (verbs) => {
    const versions = (...timestamps: number[]) =>
      Promise.all(timestamps.map((at) => verbs.put(key, [cell('c', `v${at}`, { timestamp: BigInt(at) })])))
    let key = ''
    let count = 0
    const fresh = () => (key = `row${count++}`)
    const all = { maxVersions: ALL_VERSIONS }

    test('a column answers its newest versions, newest first, as many as are asked for', async () => {
      fresh()
      await versions(10, 30, 20)
      assert.deepEqual(await verbs.timed(key), [['c', 'v30', '@30']])
      assert.deepEqual(await verbs.timed(key, { maxVersions: 2 }), [['c', 'v30', '@30'], ['c', 'v20', '@20']]) // prettier-ignore
      assert.deepEqual(await verbs.get(key, all), [['c', 'v30'], ['c', 'v20'], ['c', 'v10']]) // prettier-ignore
      assert.deepEqual(await verbs.get(key, { ...all, ...named('c', 'x'), isReversed: true }), [['c', 'v30'], ['c', 'v20'], ['c', 'v10']]) // prettier-ignore
    })

    test('versions beyond those that are kept are not seen, whatever is asked for', async () => {
      fresh()
      await versions(1, 2, 3, 4, 5)
      assert.deepEqual(await verbs.get(key, all), [['c', 'v5'], ['c', 'v4'], ['c', 'v3']]) // prettier-ignore
      assert.equal(await verbs.get(key, { ...all, maxTimestamp: 3n }), null)
    })

    test('times narrow before versions are counted', async () => {
      fresh()
      await versions(1, 2, 3)
      assert.deepEqual(await verbs.get(key, { maxTimestamp: 3n }), [['c', 'v2']])
      assert.deepEqual(await verbs.get(key, { ...all, minTimestamp: 2n }), [['c', 'v3'], ['c', 'v2']]) // prettier-ignore
    })

    test('an expired version is gone, and the older ones that are alive show', async () => {
      fresh()
      await versions(1)
      await verbs.put(key, [cell('c', 'short', { timestamp: 2n, ttlSeconds: 5 })])
      assert.deepEqual(await verbs.get(key), [['c', 'short']])
      verbs.shard.clock.ms += 5_000
      assert.deepEqual(await verbs.get(key, all), [['c', 'v1']])
    })

    test('of two puts at one time the later stays, whatever their bytes and TTLs', async () => {
      fresh()
      await verbs.put(key, [cell('c', 'z', { timestamp: 5n, ttlSeconds: 100 })])
      await verbs.put(key, [cell('c', 'a', { timestamp: 5n })])
      assert.deepEqual(await verbs.get(key, all, { withTtl: true }), [['c', 'a']])
    })

    test('a column is deleted up to a time, and lives on with what is newer', async () => {
      fresh()
      await versions(1, 2, 3)
      await verbs.remove(key, { selector: select(named('c')), timestamp: 2n })
      await versions(2, 1)
      assert.deepEqual(await verbs.get(key, all), [['c', 'v3']])
      await versions(4)
      assert.deepEqual(await verbs.get(key, all), [['c', 'v4'], ['c', 'v3']]) // prettier-ignore
    })

    test('an exact version is deleted for good, those around it stay', async () => {
      fresh()
      await versions(1, 2, 3)
      await verbs.apply(key, remove({ selector: select(named('c', 'other')), timestamp: 2n, scope: 'EXACT_TIMESTAMP' })) // prettier-ignore
      await versions(2)
      assert.deepEqual(await verbs.get(key, all), [['c', 'v3'], ['c', 'v1']]) // prettier-ignore
      await verbs.put(key, [cell('other', 'late', { timestamp: 2n })])
      assert.equal(await verbs.get(key, named('other')), null)
    })

    test('removing the newest version shows the one before it', async () => {
      fresh()
      await versions(1, 2, 3)
      await verbs.apply(key, remove({ scope: 'NEWEST_VERSION' }))
      await verbs.apply(key, remove({ scope: 'NEWEST_VERSION', timestamp: 1n }))
      assert.deepEqual(await verbs.get(key, all), [['c', 'v2'], ['c', 'v1']]) // prettier-ignore
    })

    test('a page may end between two versions of a column', async () => {
      fresh()
      await versions(1, 2, 3)
      await verbs.put(key, [cell('d', 'last', { timestamp: 9n })])
      const first = await verbs.row(key, { selector: select({ ...all, limit: 2 }), pageBytes: 1 })
      assert.deepEqual(first?.next, { localKey: bytes('c'), timestamp: 3n, columns: 1 })
      const position = first.next
      const rest = await verbs.row(key, {
        selector: select({ ...all, limit: 2 }),
        pageBytes: 1_000,
        position,
      })
      assert.deepEqual(rest?.cells.map(plainCell), [['c', 'v2'], ['c', 'v1'], ['d', 'last']]) // prettier-ignore
      const one = await verbs.row(key, { selector: select({ ...all, limit: 1 }), pageBytes: 1_000, position })
      assert.deepEqual(one?.cells.map(plainCell), [['c', 'v2'], ['c', 'v1']]) // prettier-ignore
    })

    test('a limit counts columns and not versions', async () => {
      fresh()
      await versions(1, 2)
      await verbs.put(key, [cell('d', 'x', { timestamp: 1n }), cell('e', 'y', { timestamp: 1n })])
      assert.deepEqual(await verbs.get(key, { ...all, limit: 2 }), [['c', 'v2'], ['c', 'v1'], ['d', 'x']]) // prettier-ignore
    })
  },
  ['history'],
)
