/** Scans: their request, their order, and the conditions of `where`. */
import assert from 'node:assert/strict'
import {
  type Fields,
  type Harness,
  HISTORY,
  INVALID,
  SCANNED_ROWS,
  SORTED,
  bigintOf,
  covers,
  i64,
  shown,
} from './harness.js'

const BAD_PAGE_TOKEN = 105
const rowName = (index: number) => `row ${String(index).padStart(2, '0')}`
const ALL = Array.from({ length: SCANNED_ROWS }, (_, index) => rowName(index))

/** Writes these keys to SORTED below a prefix of their own, which it answers. */
async function sorted(h: Harness, names: readonly string[]): Promise<string> {
  const prefix = `${h.key()}/`
  for (const name of names) await h.row({ '': name }, SORTED, `${prefix}${name}`)
  return prefix
}

async function names(h: Harness, prefix: string, request: Fields): Promise<string[]> {
  const keys = await h.scanKeys({ dataset: SORTED, ...request })
  return keys.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length))
}

/** The rows of SCANNED for which a condition holds. */
async function where(h: Harness, ...conditions: Fields[]): Promise<string[]> {
  return (await h.scanKeys({ where: conditions })).sort()
}

const NUMBER = { value: '17' }
const isText = (keep: (value: string) => boolean) => ALL.filter((_, index) => keep(String(index)))
const EVEN = ALL.filter((_, index) => index % 2 === 0)
const ODD = ALL.filter((_, index) => index % 2 === 1)

export const scans = [
  covers(['KVStore.scan', 'ScanRequest.dataset'], 'answers every row of the dataset once', async (h) => {
    const rows = await h.scan()
    assert.deepEqual(rows.map(({ key }) => String(key)).sort(), ALL)
    for (const row of rows) assert.equal(rowName(Number(row.value?.toString())), String(row.key))
  }),
  covers(
    'ScanRequest.keys',
    'answers the rows inside; where keys are hashed it is UNSUPPORTED',
    async (h) => {
      const prefix = await sorted(h, ['a', 'b', 'c', 'd'])
      const keys = { lower: `${prefix}b`, upper: `${prefix}d` }
      assert.deepEqual(await names(h, prefix, { keys }), ['b', 'c'])
      assert.deepEqual(
        await names(h, prefix, { keys: { ...keys, lowerExclusive: true, upperInclusive: true } }),
        ['c', 'd'],
      )
      assert.deepEqual(await names(h, prefix, { keys: { lower: `${prefix}c`, upper: `${prefix}b` } }), [])
      await h.isUnsupported(/ScanRequest\.keys/, 'scan', { dataset: 'scanned', keys })
    },
  ),
  covers(
    'ScanRequest.keyPrefix',
    'answers the rows below; where keys are hashed it is UNSUPPORTED',
    async (h) => {
      const prefix = await sorted(h, ['a1', 'a2', 'b'])
      assert.deepEqual(await names(h, prefix, { keyPrefix: `${prefix}a` }), ['a1', 'a2'])
      assert.deepEqual(await names(h, prefix, { keyPrefix: prefix, keys: { lower: `${prefix}a2` } }), [
        'a2',
        'b',
      ])
      await h.isUnsupported(/ScanRequest\.keyPrefix/, 'scan', { dataset: 'scanned', keyPrefix: 'row' })
    },
  ),
  covers('ScanRequest.cells', 'selects cells; rows without any of them are not answered', async (h) => {
    const rows = await h.scan({ cells: { localKeys: ['even'] } })
    assert.deepEqual(rows.map(({ key }) => String(key)).sort(), EVEN)
    assert.ok(rows.every((row) => shown(row).join() === 'even=yes'))
  }),
  covers('ScanRequest.where', 'answers rows for which every condition holds', async (h) => {
    const even = { localKey: 'even', comparison: 1 }
    assert.deepEqual(await where(h, even), EVEN)
    assert.deepEqual(await where(h, even, { comparison: 3, value: '17' }), [])
    assert.deepEqual(await where(h, even, { comparison: 3, value: '18' }), [rowName(18)])
  }),
  covers('ScanRequest.limit', 'bounds the rows of all pages together', async (h) => {
    assert.equal((await h.scan({ limit: 7, pageRows: 3 })).length, 7)
    const page = await h.ask('scan', { dataset: 'scanned', limit: 3, pageRows: 3 })
    assert.deepEqual([page.rows.length, page.nextPageToken], [3, null])
    await h.isRefused(INVALID, 'scan', { dataset: 'scanned', limit: 0 })
  }),
  covers('ScanRequest.reversed', 'walks the rows from the last to the first', async (h) => {
    const forward = await h.scanKeys({ pageRows: 7 })
    assert.deepEqual(await h.scanKeys({ reversed: true, pageRows: 9 }), forward.reverse())
    const prefix = await sorted(h, ['a', 'b', 'c'])
    assert.deepEqual(await names(h, prefix, { keyPrefix: prefix, reversed: true }), ['c', 'b', 'a'])
  }),
  covers(
    ['ScanRequest.order', 'ScanOrder.ANY', 'ScanOrder.KEY'],
    'KEY sorts ordered datasets and is UNSUPPORTED in hashed ones; ANY is taken everywhere',
    async (h) => {
      const prefix = await sorted(h, ['b', 'a', 'c'])
      assert.deepEqual(await names(h, prefix, { keyPrefix: prefix, order: 1 }), ['a', 'b', 'c'])
      assert.equal((await h.scan({ order: 0 })).length, SCANNED_ROWS)
      await h.isUnsupported(/ScanOrder KEY/, 'scan', { dataset: 'scanned', order: 1 })
      await h.isRefused(INVALID, 'scan', { dataset: 'scanned', order: 5 })
    },
  ),
  covers('ScanRequest.pageToken', 'goes on behind the page, and fits no other scan', async (h) => {
    const first = await h.ask('scan', { dataset: 'scanned', pageRows: 30 })
    const pageToken = first.nextPageToken
    const rest = await h.ask('scan', { dataset: 'scanned', pageToken })
    assert.equal(first.rows.length + rest.rows.length, SCANNED_ROWS)
    for (const change of [
      { reversed: true },
      { limit: 5 },
      { where: [{ comparison: 10 }] },
      { dataset: 'people' },
    ]) {
      await h.isRefused(BAD_PAGE_TOKEN, 'scan', { dataset: 'scanned', pageToken, ...change })
    }
    await h.isRefused(BAD_PAGE_TOKEN, 'scan', { dataset: 'scanned', pageToken: Buffer.from('forged') })
  }),
  covers('ScanRequest.pageRows', 'bounds the rows of a page', async (h) => {
    assert.equal((await h.ask('scan', { dataset: 'scanned', pageRows: 3 })).rows.length, 3)
    assert.equal((await h.scan({ pageRows: 1 })).length, SCANNED_ROWS)
    await h.isRefused(INVALID, 'scan', { dataset: 'scanned', pageRows: 0 })
  }),
  covers(
    ['ScanRequest.segment', 'ScanRequest.totalSegments'],
    'part the rows among parallel readers, each in one part; alone or out of range they are INVALID_ARGUMENT',
    async (h) => {
      const parts = await Promise.all(
        [0, 1, 2].map((segment) => h.scanKeys({ segment, totalSegments: 3, pageRows: 4 })),
      )
      assert.deepEqual(parts.flat().sort(), ALL)
      assert.ok(parts.every((part) => part.length < SCANNED_ROWS))
      for (const bad of [
        { segment: 0 },
        { totalSegments: 2 },
        { segment: 2, totalSegments: 2 },
        { segment: 0, totalSegments: 1_025 },
      ]) {
        await h.isRefused(INVALID, 'scan', { dataset: 'scanned', ...bad })
      }
    },
  ),
  covers('ScanRequest.options', 'are looked at: timestamps, page sizes in bytes', async (h) => {
    const [row] = await h.scan({ limit: 1, options: { withTimestamps: true } })
    assert.ok((bigintOf(row?.timestamp) ?? 0n) > 0n)
    const page = await h.ask('scan', { dataset: 'scanned', options: { pageSizeBytes: 100 } })
    assert.ok(page.rows.length < 5 && page.nextPageToken !== null)
    assert.equal((await h.scan({ options: { pageSizeBytes: 100 } })).length, SCANNED_ROWS)
    await h.isRefused(INVALID, 'scan', { dataset: 'scanned', options: { maxStalenessMs: 1 } })
  }),
  covers('ScanRequest.context', 'is looked at', async (h) => {
    await h.isUnsupported(/teleport/, 'scan', {
      dataset: 'scanned',
      context: { mustUnderstand: ['teleport'] },
    })
  }),
  covers('Condition.localKey', 'names the column; absent: the unnamed value', async (h) => {
    assert.deepEqual(await where(h, { comparison: 3, ...NUMBER }), [rowName(17)])
    assert.deepEqual(await where(h, { localKey: 'even', comparison: 3, ...NUMBER }), [])
  }),
  covers('Condition.comparison', 'must be there, and be one of the IDL', async (h) => {
    for (const condition of [{ value: 'v' }, { comparison: 12 }]) {
      await h.isRefused(INVALID, 'scan', { dataset: 'scanned', where: [condition] })
    }
  }),
  covers('Condition.value', 'is what the column is compared with; absent: the empty value', async (h) => {
    assert.deepEqual(await where(h, { comparison: 3, value: '5' }), [rowName(5)])
    assert.deepEqual(await where(h, { comparison: 7 }), ALL)
  }),
  covers('Condition.ifMissing', 'is the outcome where the column is not there', async (h) => {
    const condition = { localKey: 'even', comparison: 3, value: 'yes' }
    assert.deepEqual(await where(h, condition), EVEN)
    assert.deepEqual(await where(h, { ...condition, ifMissing: true }), ALL)
  }),
  covers(['Comparison.EXISTS', 'Comparison.NOT_EXISTS'], 'test whether the column is there', async (h) => {
    assert.deepEqual(await where(h, { localKey: 'even', comparison: 1 }), EVEN)
    assert.deepEqual(await where(h, { localKey: 'even', comparison: 2 }), ODD)
  }),
  covers(['Comparison.EQUAL', 'Comparison.NOT_EQUAL'], 'compare the bytes', async (h) => {
    assert.deepEqual(await where(h, { comparison: 3, ...NUMBER }), [rowName(17)])
    assert.deepEqual(
      await where(h, { comparison: 4, ...NUMBER }),
      isText((value) => value !== '17'),
    )
  }),
  covers(
    ['Comparison.LESS', 'Comparison.LESS_OR_EQUAL', 'Comparison.GREATER', 'Comparison.GREATER_OR_EQUAL'],
    'order values as unsigned bytes',
    async (h) => {
      assert.deepEqual(
        await where(h, { comparison: 5, ...NUMBER }),
        isText((value) => value < '17'),
      )
      assert.deepEqual(
        await where(h, { comparison: 6, ...NUMBER }),
        isText((value) => value <= '17'),
      )
      assert.deepEqual(
        await where(h, { comparison: 7, ...NUMBER }),
        isText((value) => value > '17'),
      )
      assert.deepEqual(
        await where(h, { comparison: 8, ...NUMBER }),
        isText((value) => value >= '17'),
      )
    },
  ),
  covers(
    ['Comparison.VERSION_EQUAL', 'Condition.timestamp'],
    'test the newest version’s timestamp',
    async (h) => {
      const key = await h.versions(2)
      const at = (timestamp: number) => ({
        dataset: HISTORY,
        where: [{ localKey: 'c', comparison: 9, timestamp: i64(timestamp) }],
      })
      assert.ok((await h.scanKeys(at(20))).includes(key))
      assert.ok(!(await h.scanKeys(at(10))).includes(key))
      await h.isRefused(INVALID, 'scan', { dataset: 'scanned', where: [{ comparison: 9 }] })
    },
  ),
  covers(
    ['Comparison.ROW_EXISTS', 'Comparison.ROW_NOT_EXISTS'],
    'test whether the row has any cell',
    async (h) => {
      assert.deepEqual(await where(h, { localKey: 'none', comparison: 10 }), ALL)
      assert.deepEqual(await where(h, { comparison: 11 }), [])
    },
  ),
]
