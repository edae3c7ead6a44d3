/**
 * Columns with more bytes of versions than one answer may hold, read from their last column to their first. Stored oldest
 * version last, they come oldest first to who walks backwards; a column of a few versions would hide what that costs.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leafEngines } from '../../src/leaf/registry.js'
import { ALL_VERSIONS, type CellPosition, WHOLE_ROW } from '../../src/model/row.js'
import { bytes, cell, type LeafHarness, leafHarnesses } from '../support/leaf-engines.js'
import { answered, select } from '../support/leaf-suites.js'
import { spanBehind } from '../support/leaf-walks.js'

const MEGABYTE = 1024 * 1024
const VERSIONS = 70
const EVERY_VERSION = { ...WHOLE_ROW, maxVersions: ALL_VERSIONS }
const LONG = bytes('b')

/** Rows a, b and c; b has a short column before the long one and one behind it. */
async function fill(shard: LeafHarness): Promise<void> {
  await shard.create('history', 10_000)
  for (const key of ['a', 'c']) answered(await shard.put(bytes(key), [cell('x', 'v', { timestamp: 1n })]))
  for (const column of ['l', 'n']) answered(await shard.put(LONG, [cell(column, 'v', { timestamp: 1n })]))
  for (let i = 1; i <= VERSIONS; i++) {
    const value = Buffer.alloc(MEGABYTE, i)
    answered(await shard.put(LONG, [cell('m', value, { timestamp: BigInt(i) })]))
  }
}

const versionsOf = (column: string, newest: number): string[] =>
  Array.from({ length: newest }, (_, i) => `${column}@${newest - i}`)

/** All pages of the long row from a position on. */
async function walk(
  shard: LeafHarness,
  start: CellPosition | null,
  { isReversed, keysOnly = false }: { readonly isReversed: boolean; readonly keysOnly?: boolean },
): Promise<string[]> {
  const found: string[] = []
  const selector = { ...EVERY_VERSION, isReversed, keysOnly }
  for (let position = start, pages = 0; pages < 30; pages++) {
    const how = { selector, withTimestamps: true, pageBytes: 8 * MEGABYTE, position }
    const [row] = answered(await shard.read([LONG], how))
    if (row instanceof Error) throw row
    assert.ok(row !== null && row !== undefined)
    found.push(...row.cells.map(({ localKey, timestamp }) => `${localKey.toString()}@${timestamp}`))
    if (row.next === null) return found
    position = row.next
  }
  return found
}

for (const { name } of leafEngines) {
  test(`${name}: a column of more versions than one answer holds is read backwards, and scans pass it`, async (t) => {
    const shard = await leafHarnesses[name]('ORDERED')
    t.after(() => shard.dispose())
    await fill(shard)
    const all = versionsOf('m', VERSIONS)

    assert.deepEqual(await walk(shard, null, { isReversed: true }), ['n@1', ...all, 'l@1'])
    assert.deepEqual(await walk(shard, null, { isReversed: true, keysOnly: true }), ['n@1', ...all, 'l@1'])

    for (const columnsReversed of [false, true]) {
      const selector = select({ ...EVERY_VERSION, isReversed: columnsReversed })
      const rows: string[] = []
      let cells: string[] = []
      let span = { lower: null, upper: null } as Parameters<typeof spanBehind>[1]
      for (let pages = 0; pages < 10; pages++) {
        const request = { selector, isReversed: true, withTimestamps: true }
        const page = answered(await shard.scan(request, { span, pageBytes: 8 * MEGABYTE }))
        for (const { rowKey, row } of page.rows) {
          rows.push(rowKey.toString())
          if (!rowKey.equals(LONG)) continue
          const first = row.cells.map(({ localKey, timestamp }) => `${localKey.toString()}@${timestamp}`)
          const rest = row.next === null ? [] : await walk(shard, row.next, { isReversed: columnsReversed })
          cells = [...first, ...rest]
        }
        if (page.next === null) break
        span = spanBehind(page.next, span, true)
      }
      assert.deepEqual(rows, ['c', 'b', 'a'])
      assert.deepEqual(cells, columnsReversed ? ['n@1', ...all, 'l@1'] : ['l@1', ...all, 'n@1'])
    }
  })
}
