/** What one page of a scan of the RocksDB engine may cost: entries looked at, bytes, and the turns of others. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { ShardPage } from '../../src/model/leaf-engine.js'
import { WHOLE_ROW } from '../../src/model/row.js'
import { bytes, cell, RocksHarness } from '../support/leaf-engines.js'
import { answered, condition } from '../support/leaf-suites.js'
import { spanBehind, walkScan } from '../support/leaf-walks.js'

const MEGABYTE = 1024 * 1024
/** More than one page looks at. */
const ROWS = 130_000
const KEYS = Array.from({ length: ROWS }, (_, i) => bytes(`row${String(i).padStart(7, '0')}`))
const NOTHING = { where: [condition('no such column', 'EXISTS')] }

async function shardOf(t: TestContext, format: 'mutable' | 'sealed'): Promise<RocksHarness> {
  const shard = await RocksHarness.create('ORDERED')
  t.after(() => shard.dispose())
  if (format === 'sealed') {
    await shard.loadSealed(KEYS.map((key) => [key, [cell('', 'v')]]))
    return shard
  }
  await shard.createMutable()
  for (let i = 0; i < ROWS; i += 10_000) {
    const writes = KEYS.slice(i, i + 10_000).map((key) => shard.put(key, [cell('', 'v')]))
    for (const outcome of await Promise.all(writes)) answered(outcome)
  }
  return shard
}

for (const format of ['mutable', 'sealed'] as const) {
  test(`${format}: a scan that matches nothing comes back, empty, and says how far it came; reads have their turns beside it`, async (t) => {
    const shard = await shardOf(t, format)
    const first = answered(await shard.scan(NOTHING))
    assert.equal(first.rows.length, 0)
    assert.ok(first.next !== null, 'it is through in one page')
    assert.ok(first.next.rowKey.compare(KEYS[50_000] ?? bytes('')) > 0, 'it came not far')
    const pages: ShardPage[] = [first]
    for (let next = first.next; pages.length < 20;) {
      const page = answered(
        await shard.scan(NOTHING, { span: spanBehind(next, { lower: null, upper: null }, false) }),
      )
      pages.push(page)
      if (page.next === null) break
      assert.ok(page.next.rowKey.compare(next.rowKey) > 0, 'it did not get on')
      next = page.next
    }
    assert.ok(pages.length >= 2 && pages.length < 20, `${pages.length} pages`)
    assert.ok(pages.every(({ rows }) => rows.length === 0))
    const last = [condition('', 'EXISTS')]
    const from = { rowKey: KEYS[ROWS - 3] ?? bytes(''), token: shard.tokenOf(bytes('')), isExclusive: false }
    const found = answered(await shard.scan({ where: last }, { span: { lower: from, upper: null } }))
    assert.deepEqual(found.rows.map(({ rowKey }) => rowKey), KEYS.slice(-3)) // prettier-ignore

    const ofNoTime = { ...WHOLE_ROW, minTimestamp: 5n, maxTimestamp: 5n }
    const none = answered(await shard.scan({ selector: ofNoTime }))
    assert.deepEqual([none.rows.length, none.next], [0, null])

    const order: string[] = []
    // Slices end by the time that they take.
    shard.clock.monotonicMs = () => performance.now()
    const scan = shard.scan(NOTHING).then(() => order.push('scan'))
    setImmediate(() => {
      setImmediate(() => void shard.read(KEYS.slice(0, 1)).then(() => order.push('read')))
    })
    await scan
    assert.deepEqual(order, ['read', 'scan'])
  })
}

test('a page holds no more values than one answer may, whatever bytes are asked for', async (t) => {
  const shard = await RocksHarness.create('HASHED')
  t.after(() => shard.dispose())
  await shard.createMutable()
  const count = 80
  for (let i = 0; i < count; i++)
    answered(await shard.put(bytes(`big${i}`), [cell('', Buffer.alloc(MEGABYTE, i))]))
  const page = answered(await shard.scan({}, { pageBytes: 2 ** 40 }))
  assert.ok(page.rows.length > 16 && page.rows.length <= 64, `${page.rows.length} rows`)
  assert.ok(page.next !== null)
  const rows = answered(await walkScan(shard, {}, { pageRows: 1_000, pageBytes: 2 ** 40 }))
  assert.equal(rows.length, count)
})
