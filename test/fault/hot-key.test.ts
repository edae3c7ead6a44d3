/**
 * One key written at full speed (GODWIT_HOT_SECONDS, 3 by default): reads of it stay as fast as reads of a key that nobody
 * writes, no increment is lost, and the value is the one that was acknowledged last.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Gateway } from '../support/gateway.js'
import { type StockClient, type Int64, bigintOf } from '../support/stock-client.js'

const SECONDS = Number(process.env['GODWIT_HOT_SECONDS'] ?? 3)
const WRITERS = 32
/** LOG: the disk's syncs would be the limit otherwise. */
const LOG = 3
const dataset = 'hot'

let gateway: Gateway

before(async () => {
  gateway = await Gateway.start()
  await gateway.createDataset(dataset)
})

after(() => gateway.dispose())

/** Runs `work` on connections of their own until the time is up; answers how often each was done. */
async function forSeconds(work: (client: StockClient, writer: number) => Promise<void>): Promise<number[]> {
  const until = performance.now() + SECONDS * 1_000
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    const client = await gateway.connect()
    let count = 0
    for (; performance.now() < until; count++) await work(client, writer)
    client.close()
    return count
  })
  return await Promise.all(writers)
}

/** Milliseconds that gets of the two keys take, in turns, until `isOver`. */
async function readInTurns(
  keys: readonly [string, string],
  isOver: () => boolean,
): Promise<[number[], number[]]> {
  const client = await gateway.connect()
  const took: [number[], number[]] = [[], []]
  for (let turn = 0; !isOver(); turn++) {
    const which = turn % 2 === 0 ? 0 : 1
    const startedAtMs = performance.now()
    await client.get({ dataset, key: keys[which] })
    took[which].push(performance.now() - startedAtMs)
  }
  client.close()
  return took
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

test('a key that is written at full speed is read as fast as one that nobody writes', async (t) => {
  const client = await gateway.connect()
  await client.put({ dataset, key: 'quiet', value: 'v'.repeat(100), options: { durability: LOG } })
  const last: string[] = []
  let isOver = false
  const writing = forSeconds(async (writing, writer) => {
    const value = `${writer}:${performance.now()}`.padEnd(100)
    await writing.put({
      dataset,
      key: 'hot',
      cells: [{ localKey: `w${writer}`, value }],
      options: { durability: LOG },
    })
    await writing.put({ dataset, key: 'hot', value, options: { durability: LOG } })
    last[writer] = value
  }).finally(() => (isOver = true))
  const [hot, quiet] = await readInTurns(['hot', 'quiet'], () => isOver)
  const written = (await writing).reduce((sum, count) => sum + 2 * count, 0)
  t.diagnostic(
    `${written} writes; get of the hot key ${median(hot).toFixed(2)} ms, of the quiet one ${median(quiet).toFixed(2)} ms`,
  )
  assert.ok(median(hot) < 2 * median(quiet) + 1, `${median(hot)} ms against ${median(quiet)} ms`)
  const row = await client.get({ dataset, key: 'hot' })
  assert.ok(last.includes(String(row.value)), 'the value is not the last of any writer')
  for (const { localKey, value } of row.cells ?? []) {
    assert.equal(String(value), last[Number(String(localKey).slice(1))], `column ${String(localKey)}`)
  }
  client.close()
})

test('a counter that everybody increments at full speed loses no increment', async (t) => {
  const counts = await forSeconds(async (client) => {
    const request = { dataset, key: 'counter', deltas: [{ delta: 1 }], options: { durability: LOG } }
    await client.call('increment', request, 'IncrementRequest')
  })
  const total = counts.reduce((sum, count) => sum + count, 0)
  t.diagnostic(`${total} increments`)
  const client = await gateway.connect()
  const answer = (await client.call(
    'getCounters',
    { dataset, keys: ['counter'], localKeys: [''] },
    'GetCountersRequest',
  )) as {
    rows: { counters: { value: Int64 }[] }[]
  }
  assert.equal(bigintOf(answer.rows[0]?.counters[0]?.value), BigInt(total))
  client.close()
})
