/**
 * SIGKILL under writes: several connections write rows of several cells with LOG_SYNCED, the process dies at a random
 * acknowledgement, and after the restart every acknowledged write is there with exactly its value and none is torn.
 *
 * Each key belongs to one writer, which has one write in flight: so after the kill a key holds what was acknowledged
 * last or what was in flight, whole, and nothing else.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Gateway } from '../support/gateway.js'
import { random } from '../support/random.js'
import { ConnectionLost, type StockClient, type StockRow } from '../support/stock-client.js'

const RUNS = Number(process.env['GODWIT_KILL_RUNS'] ?? 2)
const SEED = Number(process.env['GODWIT_KILL_SEED'] ?? Date.now() % 1_000_000)
const WRITERS = 8
const CELLS = ['a', 'b', 'c', 'd', 'e']
const HOT_KEYS = 4
const MAX_ACKNOWLEDGED = 1_500
const LOG_SYNCED = 4
const dataset = 'ledger'

/** What a key may hold; null: no such row. */
interface Expected {
  acknowledged: string | null
  /** Undefined: nothing in flight. */
  inFlight: string | null | undefined
}

type Ledger = Map<string, Expected>

interface Run {
  readonly number: number
  readonly ledger: Ledger
  readonly next: () => number
  onAcknowledged: () => void
}

let gateway: Gateway

before(async () => {
  gateway = await Gateway.start()
  await gateway.createDataset(dataset)
})

after(() => gateway.dispose())

/** Writes until the connection is lost: new rows, overwritten rows, deleted rows. */
async function write(run: Run, writer: number): Promise<void> {
  const client = await gateway.connect()
  const own: string[] = []
  for (let sequence = 0; ; sequence++) {
    const dice = run.next()
    const isHot = dice < 0.3
    const isRemoval = dice > 0.9 && own.length > 0
    const fresh = `run ${run.number} writer ${writer} row ${sequence}`
    const old = own[Math.floor(run.next() * own.length)] ?? fresh
    const key = isHot ? `hot ${writer} ${sequence % HOT_KEYS}` : isRemoval ? old : fresh
    const text = isRemoval
      ? null
      : `${run.number}/${writer}/${sequence} `.repeat(1 + Math.floor(run.next() * 40))
    const expected = run.ledger.get(key) ?? { acknowledged: null, inFlight: undefined }
    run.ledger.set(key, expected)
    expected.inFlight = text
    try {
      await send(client, key, text)
    } catch (error) {
      if (error instanceof ConnectionLost) return
      throw error
    }
    expected.acknowledged = text
    expected.inFlight = undefined
    if (!isHot && !isRemoval) own.push(key)
    run.onAcknowledged()
  }
}

async function send(client: StockClient, key: string, text: string | null): Promise<void> {
  const options = { durability: LOG_SYNCED }
  if (text === null) await client.remove({ dataset, key, options })
  else
    await client.put({ dataset, key, cells: CELLS.map((localKey) => ({ localKey, value: text })), options })
}

async function killUnderWrites(number: number, ledger: Ledger): Promise<number> {
  const next = random(SEED + number)
  const killAt = 1 + Math.floor(next() * MAX_ACKNOWLEDGED)
  const state = { acknowledged: 0, killed: Promise.resolve<unknown>(null) }
  const onAcknowledged = (): void => {
    state.acknowledged += 1
    if (state.acknowledged === killAt) state.killed = gateway.kill9()
  }
  const run: Run = { number, ledger, next, onAcknowledged }
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(run, writer)))
  assert.ok(state.acknowledged >= killAt, 'the writers ended before the kill')
  await state.killed
  return state.acknowledged
}

/** The one text that all cells of the row hold; null: no such row. Fails when the row is torn. */
function textOfRow(key: string, row: StockRow): string | null {
  assert.equal(row.error ?? null, null, key)
  if (row.cells === null) return null
  assert.deepEqual(
    row.cells.map(({ localKey }) => String(localKey)),
    CELLS,
    `${key} is torn`,
  )
  const texts = new Set(row.cells.map(({ value }) => value.toString()))
  assert.equal(texts.size, 1, `${key} is torn: its cells are of different writes`)
  return [...texts][0] ?? null
}

async function verify(ledger: Ledger): Promise<void> {
  const client = await gateway.connect()
  const keys = [...ledger.keys()]
  for (let start = 0; start < keys.length; start += 500) {
    const batch = keys.slice(start, start + 500)
    const { rows } = await client.multiGet({ dataset, keys: batch })
    for (const [index, key] of batch.entries()) {
      const expected = ledger.get(key)
      const row = rows[index]
      assert.ok(expected !== undefined && row !== undefined)
      const text = textOfRow(key, row)
      const isInFlight = expected.inFlight !== undefined && text === expected.inFlight
      const wanted = `${describe(expected.acknowledged)} or, in flight, ${describe(expected.inFlight)}`
      assert.ok(isInFlight || text === expected.acknowledged, `${key} holds ${describe(text)}, not ${wanted}`)
      // Decided now: later runs must find it so.
      ledger.set(key, { acknowledged: text, inFlight: undefined })
    }
  }
  client.close()
}

function describe(text: string | null | undefined): string {
  return text == null ? String(text) : `${text.split(' ', 1).join('')} of ${text.length} characters`
}

test(`kill -9 under writes loses no acknowledged write and tears none, ${RUNS} times (seed ${SEED})`, async (t) => {
  const ledger: Ledger = new Map()
  for (let number = 1; number <= RUNS; number++) {
    const acknowledged = await killUnderWrites(number, ledger)
    await gateway.start()
    await verify(ledger)
    t.diagnostic(
      `run ${number}: killed after ${acknowledged} acknowledged writes, ${ledger.size} keys verified`,
    )
  }
})

test('the check would see a lost write, a torn row and a mixed row', () => {
  const cell = (localKey: string, value: string) => {
    return { localKey: Buffer.from(localKey), value: Buffer.from(value), timestamp: null, ttlSeconds: null }
  }
  const row = (...cells: ReturnType<typeof cell>[]): StockRow => ({ value: null, cells, timestamp: null })
  assert.throws(() => textOfRow('k', row(cell('a', 'x'))), /torn/)
  assert.throws(
    () => textOfRow('k', row(...CELLS.map((name, index) => cell(name, String(index % 2))))),
    /torn/,
  )
  assert.equal(textOfRow('k', row(...CELLS.map((name) => cell(name, 'x')))), 'x')
})
