/** CellSelector and ByteRange: what each field does to the cells of a read. */
import assert from 'node:assert/strict'
import { type Fields, HISTORY, type Harness, INVALID, covers, i64 } from './harness.js'

const COLUMNS = { '': 'u', a: '1', ab: '2', b: '3', c: '4', d: '5' }

/** The columns that a selector answers of a row with '', a, ab, b, c and d. */
async function columns(h: Harness, cells: Fields): Promise<string[]> {
  const shown = await h.read(await h.row(COLUMNS), { cells })
  return shown.map((one) => one.split('=')[0] ?? '')
}

async function ofRange(h: Harness, range: Fields): Promise<string[]> {
  return await columns(h, { ranges: [range] })
}

export const selectors = [
  covers('CellSelector.localKeys', 'answers the named columns and no other', async (h) => {
    assert.deepEqual(await columns(h, { localKeys: ['d', 'a', 'none', ''] }), ['', 'a', 'd'])
  }),
  covers('CellSelector.ranges', 'answers the columns inside, added to the named ones', async (h) => {
    const ranges = [
      { lower: 'c', upper: 'd' },
      { lower: 'a', upper: 'b' },
    ]
    assert.deepEqual(await columns(h, { ranges }), ['a', 'ab', 'c'])
    assert.deepEqual(await columns(h, { ranges, localKeys: ['d', 'a'] }), ['a', 'ab', 'c', 'd'])
    assert.deepEqual(
      await columns(h, { ranges: [{ lower: 'c', upper: 'a' }] }),
      [],
      'an empty range selects nothing',
    )
  }),
  covers('CellSelector.prefixes', 'answers the columns that begin so', async (h) => {
    assert.deepEqual(await columns(h, { prefixes: ['a', 'd'] }), ['a', 'ab', 'd'])
  }),
  covers(
    'CellSelector.limit',
    'answers so many columns at most; none at all is INVALID_ARGUMENT',
    async (h) => {
      assert.deepEqual(await columns(h, { limit: 2 }), ['', 'a'])
      await h.isRefused(INVALID, 'get', { dataset: 'people', key: 'k', cells: { limit: 0 } })
    },
  ),
  covers('CellSelector.reversed', 'answers the last columns first', async (h) => {
    assert.deepEqual(await columns(h, { reversed: true, limit: 3 }), ['d', 'c', 'b'])
    assert.deepEqual(await columns(h, { reversed: true, prefixes: ['a'] }), ['ab', 'a'])
  }),
  covers(
    'CellSelector.maxVersions',
    'answers so many newest versions; 0 for all that are kept',
    async (h) => {
      const key = await h.versions(7)
      const read = (cells: Fields) => h.read(key, { dataset: HISTORY, cells })
      assert.deepEqual(await read({}), ['c=v7'])
      assert.deepEqual(await read({ maxVersions: 2 }), ['c=v7', 'c=v6'])
      assert.deepEqual(await read({ maxVersions: 0 }), ['c=v7', 'c=v6', 'c=v5', 'c=v4', 'c=v3'])
      await h.isRefused(INVALID, 'get', { dataset: HISTORY, key, cells: { maxVersions: -1 } })
    },
  ),
  covers('CellSelector.minTimestamp', 'leaves out what is older, and not what is as old', async (h) => {
    const read = (minTimestamp: number) => async (key: string) =>
      await h.read(key, { dataset: HISTORY, cells: { minTimestamp: i64(minTimestamp), maxVersions: 0 } })
    const key = await h.versions(4)
    assert.deepEqual(await read(30)(key), ['c=v4', 'c=v3'])
    assert.deepEqual(await read(41)(key), [])
  }),
  covers('CellSelector.maxTimestamp', 'leaves out what is as new or newer', async (h) => {
    const key = await h.versions(4)
    const cells = { maxTimestamp: i64(30) }
    assert.deepEqual(await h.read(key, { dataset: HISTORY, cells }), ['c=v2'])
    const nothing = { minTimestamp: i64(30), maxTimestamp: i64(30), maxVersions: 0 }
    assert.deepEqual(await h.read(key, { dataset: HISTORY, cells: nothing }), [])
  }),
  covers('CellSelector.keysOnly', 'leaves values empty and answers the columns', async (h) => {
    const key = await h.row({ '': 'u', a: '1' })
    assert.deepEqual(await h.read(key, { cells: { keysOnly: true } }), ['=', 'a='])
  }),
  covers('ByteRange.lower', 'is where the range begins, itself included; absent: at the first', async (h) => {
    assert.deepEqual(await ofRange(h, { lower: 'c' }), ['c', 'd'])
    assert.deepEqual(await ofRange(h, {}), ['', 'a', 'ab', 'b', 'c', 'd'])
  }),
  covers('ByteRange.upper', 'is where the range ends, itself left out; absent: with the last', async (h) => {
    assert.deepEqual(await ofRange(h, { upper: 'ab' }), ['', 'a'])
  }),
  covers('ByteRange.lowerExclusive', 'leaves the lower bound itself out', async (h) => {
    assert.deepEqual(await ofRange(h, { lower: 'a', lowerExclusive: true }), ['ab', 'b', 'c', 'd'])
  }),
  covers('ByteRange.upperInclusive', 'takes the upper bound itself in', async (h) => {
    assert.deepEqual(await ofRange(h, { lower: 'b', upper: 'c', upperInclusive: true }), ['b', 'c'])
  }),
]
