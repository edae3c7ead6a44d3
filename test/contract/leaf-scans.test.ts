/** Scans of a shard, on every engine and format: order, spans, where, limits, and pages. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { leafEngines } from '../../src/leaf/registry.js'
import type { ShardScan } from '../../src/model/plan.js'
import type { CellSelector } from '../../src/model/row.js'
import { compareRows, type RowBound } from '../../src/model/row-order.js'
import type { ScanRequest } from '../../src/model/scan.js'
import { bytes, cell, type LeafHarness, leafHarnesses, plainCell } from '../support/leaf-engines.js'
import {
  answered,
  condition,
  forWritableShards,
  increment,
  KEY_ORDERS,
  named,
  range,
  remove,
  select,
  Verbs,
} from '../support/leaf-suites.js'
import { spanBehind, walkScan } from '../support/leaf-walks.js'

const KEYS = ['', '\0', '\0\x01', 'a', 'a\0', 'a\xff', 'b', 'c', '\xff\xff', 'z'.repeat(300)]

/** Row i has `i` columns beside the unnamed one, which holds its number. */
const ROWS = KEYS.map((key, i) => {
  const columns = Array.from({ length: i }, (_, n) => cell(`c${n}`, `${n}`, { timestamp: 5n }))
  return [bytes(key), [cell('', `${i}`, { timestamp: 4n }), ...columns]] as const
})

function scans(verbs: Verbs): void {
  /** The keys in the order that scans have. */
  const inOrder = () =>
    KEYS.map(bytes)
      .map((rowKey) => ({ rowKey, token: verbs.shard.tokenOf(rowKey) }))
      .sort(compareRows)
      .map(({ rowKey }) => rowKey.toString('latin1'))
  const walk = async (request: Partial<ScanRequest> = {}, how: Partial<ShardScan> = {}) => {
    const rows = answered(await walkScan(verbs.shard, request, { pageRows: 100, pageBytes: 1e6, ...how }))
    return rows.map(({ rowKey }) => rowKey.toString('latin1'))
  }
  const cellsOf = async (selector: Partial<CellSelector>, more: Partial<ScanRequest> = {}) => {
    const { rows } = await verbs.scan({ selector: select(selector), ...more })
    return rows.map(({ rowKey, row }) => [rowKey.toString('latin1'), row.cells.map(plainCell)])
  }
  const bound = (key: string, isExclusive: boolean): RowBound => ({
    rowKey: bytes(key),
    token: verbs.shard.tokenOf(bytes(key)),
    isExclusive,
  })

  test('a scan answers every row once, in the order of rows, and backwards in the reverse of it', async () => {
    assert.deepEqual(await walk(), inOrder())
    assert.deepEqual(await walk({ isReversed: true }), inOrder().reverse())
    const { next } = await verbs.scan()
    assert.equal(next, null)
  })

  test('pages of any number of rows and bytes add up to the same', async () => {
    for (const isReversed of [false, true]) {
      const expected = isReversed ? inOrder().reverse() : inOrder()
      for (const pageRows of [1, 2, 3, 100]) {
        for (const pageBytes of [1, 40, 200, 1e6]) {
          assert.deepEqual(await walk({ isReversed }, { pageRows, pageBytes }), expected)
        }
      }
    }
  })

  test('a page of rows says with the last of them how far it came', async () => {
    const [first, second] = inOrder()
    const page = await verbs.scan({}, { pageRows: 2 })
    assert.deepEqual(page.rows.map(({ rowKey }) => rowKey.toString('latin1')), [first, second]) // prettier-ignore
    assert.deepEqual(page.next, {
      rowKey: bytes(second ?? ''),
      token: verbs.shard.tokenOf(bytes(second ?? '')),
    })
  })

  test('a row that does not fit a page begins the next, and is cut only where it stands alone', async () => {
    let span: ShardScan['span'] = { lower: null, upper: null }
    const seen: string[] = []
    for (let i = 0; i < 30; i++) {
      const page = await verbs.scan({}, { pageBytes: 80, span })
      for (const { rowKey, row } of page.rows) {
        seen.push(rowKey.toString('latin1'))
        // 33 bytes for the first cell and 35 for every other: the third reaches the bound.
        const count = KEYS.indexOf(rowKey.toString('latin1')) + 1
        assert.equal(row.cells.length, Math.min(3, count))
        if (row.next !== null) assert.equal(page.rows.length, 1)
        assert.equal(row.next !== null, count > 3)
      }
      if (page.next === null) break
      span = spanBehind(page.next, span, false)
    }
    assert.deepEqual(seen, inOrder())
  })

  test('spans include and exclude their bounds, at rows that are there and between them', async () => {
    const keys = inOrder()
    const at = (i: number, isExclusive: boolean) => bound(keys[i] ?? '', isExclusive)
    const spans: [lower: RowBound | null, upper: RowBound | null, expected: string[]][] = [
      [at(2, false), at(5, true), keys.slice(2, 5)],
      [at(2, true), at(5, false), keys.slice(3, 6)],
      [null, at(3, true), keys.slice(0, 3)],
      [at(7, true), null, keys.slice(8)],
      [at(4, false), at(4, false), keys.slice(4, 5)],
      [at(4, true), at(4, true), []],
      [at(6, false), at(3, false), []],
    ]
    for (const [lower, upper, expected] of spans) {
      assert.deepEqual(await walk({}, { span: { lower, upper } }), expected)
      const reversed = await walk({ isReversed: true }, { span: { lower, upper }, pageRows: 1 })
      assert.deepEqual(reversed, expected.toReversed())
    }
  })

  test('a bound of an empty key is the first of its token', async () => {
    const keys = inOrder()
    const third = bytes(keys[3] ?? '')
    const lower = { token: verbs.shard.tokenOf(third), rowKey: Buffer.alloc(0), isExclusive: false }
    const expected = verbs.shard.keyOrder === 'HASHED' ? keys.slice(3) : keys
    assert.deepEqual(await walk({}, { span: { lower, upper: null } }), expected)
  })

  test('a limit of rows ends the scan, and rows that are not answered do not count', async () => {
    const where = [condition('c3', 'EXISTS')]
    const expected = inOrder().filter((key) => KEYS.indexOf(key) > 3)
    assert.deepEqual(await walk({ limit: 2 }), inOrder().slice(0, 2))
    assert.deepEqual(await walk({ limit: 2, where }, { pageRows: 1 }), expected.slice(0, 2))
    const page = await verbs.scan({ limit: 2, where })
    assert.equal(page.rows.length, 2)
  })

  test('where tests any column, whatever is selected, and all must hold', async () => {
    const numbers = (from: number, to: number) => inOrder().filter((key) => KEYS.indexOf(key) >= from && KEYS.indexOf(key) < to) // prettier-ignore
    const selector = select(named('c0'))
    assert.deepEqual(await walk({ where: [condition('c4', 'EXISTS')], selector }), numbers(5, 10))
    const both = [condition('c1', 'EXISTS'), condition('c5', 'NOT_EXISTS')]
    assert.deepEqual(await walk({ where: both, selector }), numbers(2, 6))
    const value = bytes('3')
    assert.deepEqual(await walk({ where: [condition('', 'EQUAL', { value })] }), numbers(3, 4))
    assert.deepEqual(await walk({ where: [condition('', 'LESS', { value })] }), numbers(0, 3))
    const missing = condition('c8', 'EQUAL', { value: bytes('8'), ifMissing: true })
    assert.deepEqual(await walk({ where: [missing] }), numbers(0, 10))
    const version = condition('c6', 'VERSION_EQUAL', { timestamp: 5n })
    assert.deepEqual(await walk({ where: [version] }), numbers(7, 10))
    assert.deepEqual(await walk({ where: [condition('', 'ROW_EXISTS')] }), inOrder())
    assert.deepEqual(await walk({ where: [condition('', 'ROW_NOT_EXISTS')] }), [])
  })

  test('a selector cuts every row, and rows without a selected cell are left out', async () => {
    const some = await cellsOf(named('c7', 'c8'))
    const expected = inOrder().filter((key) => KEYS.indexOf(key) >= 8)
    assert.deepEqual(some.map(([key]) => key), expected) // prettier-ignore
    const last = await cellsOf({ ranges: [range('c', null)], limit: 1, isReversed: true })
    for (const [key, found] of last) {
      const n = KEYS.indexOf(String(key)) - 1
      assert.deepEqual(found, [[`c${n}`, `${n}`]])
    }
    assert.equal(last.length, KEYS.length - 1)
    const times = await cellsOf({ maxTimestamp: 5n }, { withTimestamps: true })
    assert.deepEqual(times.map(([, found]) => found), inOrder().map((key) => [['', `${KEYS.indexOf(key)}`, '@4']])) // prettier-ignore
    assert.deepEqual(await cellsOf({ minTimestamp: 6n }), [])
    const keysOnly = await cellsOf({ ...named(''), keysOnly: true })
    assert.deepEqual(keysOnly.map(([, found]) => found), KEYS.map(() => [['', '']])) // prettier-ignore
  })

  test('a scan whose deadline has passed says so', async () => {
    await assert.rejects(verbs.scan({}, { deadline: verbs.shard.clock.ms - 1 }), { code: 'DEADLINE_EXCEEDED' }) // prettier-ignore
  })
}

forWritableShards('leaf scans', (verbs) => {
  before(async () => {
    for (const [rowKey, cells] of ROWS) answered(await verbs.shard.put(rowKey, cells))
    // Rows of which nothing lives are no rows.
    await verbs.put('deleted', [cell('', 'x'), cell('c', 'y')])
    await verbs.remove('deleted')
    await verbs.put('ranged', [cell('c', 'x')])
    await verbs.remove('ranged', { selector: select({ ranges: [range('', null)] }) })
    await verbs.put('expired', [cell('', 'x', { ttlSeconds: 1 })])
    await verbs.apply('removed counter', increment('n', 1n), remove())
    verbs.shard.clock.ms += 2_000
  })
  scans(verbs)
})

for (const { name } of leafEngines) {
  for (const keyOrder of KEY_ORDERS) {
    suite(`leaf scans: ${name}, sealed, ${keyOrder}`, () => {
      let shard: LeafHarness | null = null
      before(async () => {
        shard = await leafHarnesses[name](keyOrder)
        await shard.loadSealed(ROWS)
      })
      after(() => shard?.dispose())
      scans(new Verbs(() => shard ?? assert.fail('there is no shard yet')))
    })

    test(`leaf scans: ${name}, sealed, ${keyOrder}: rows of many chunks come whole and cut`, async () => {
      const shard = await leafHarnesses[name](keyOrder)
      try {
        const wide = Array.from({ length: 12 }, (_, i) => cell(`c${i % 10}${i}`, Buffer.alloc(9_000, i)))
        const cells = wide.sort((a, b) => a.localKey.compare(b.localKey))
        await shard.loadSealed(['x', 'y', 'z'].map((key) => [bytes(key), cells]))
        for (const pageBytes of [1, 20_000, 200_000, 1e6]) {
          for (const isReversed of [false, true]) {
            const walked = answered(await walkScan(shard, { isReversed }, { pageRows: 100, pageBytes }))
            assert.equal(walked.length, 3)
            for (const row of walked) assert.deepEqual(row.cells.map(plainCell), cells.map(plainCell))
          }
        }
      } finally {
        await shard.dispose()
      }
    })

    test(`leaf scans: ${name}, ${keyOrder}: a shard without rows is through at once`, async () => {
      const shard = await leafHarnesses[name](keyOrder)
      try {
        await shard.createMutable()
        assert.deepEqual(answered(await shard.scan()), { rows: [], next: null })
        assert.deepEqual(answered(await shard.scan({ isReversed: true })), { rows: [], next: null })
      } finally {
        await shard.dispose()
      }
    })
  }
}
