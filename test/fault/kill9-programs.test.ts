/**
 * SIGKILL under writes that are decided on what is there: increments, appends, compare-and-set, all with idempotency tokens.
 * After the restart every writer repeats the one write that was in flight, with its token: each write took effect exactly
 * once, whether its acknowledgement was lost or the write itself.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { Gateway } from '../support/gateway.js'
import { random } from '../support/random.js'
import { ConnectionLost, type StockClient, int64 } from '../support/stock-client.js'

const RUNS = Number(process.env['GODWIT_KILL_RUNS'] ?? 2)
const SEED = Number(process.env['GODWIT_KILL_SEED'] ?? Date.now() % 1_000_000)
const WRITERS = 8
const MAX_ACKNOWLEDGED = 600
const LOG_SYNCED = 4
const EQUAL = 3
const dataset = 'exactly-once'

/** What one writer did; its row has a counter `n`, a letter a write in `log`, and `last`, set from the value before. */
interface Writer {
  readonly key: string
  /** Writes that took effect. */
  count: number
  /** The request in flight when the connection was lost; null: none. */
  inFlight: object | null
}

let gateway: Gateway

before(async () => {
  gateway = await Gateway.start()
  await gateway.createDataset(dataset)
})

after(() => gateway.dispose())

/** The next write of this row: all three columns change, or none. */
function nextRequest({ key, count }: Writer): object {
  const mutations = [
    { increment: { deltas: [{ localKey: 'n', delta: 1 }] } },
    { append: { cells: [{ localKey: 'log', value: letter(count) }] } },
    { put: { cells: [{ localKey: 'last', value: String(count + 1) }] } },
  ]
  const conditions = [{ localKey: 'last', comparison: EQUAL, value: String(count), ifMissing: count === 0 }]
  const generationTime = int64(BigInt(Date.now()) * 1_000n)
  const idempotencyToken = { generationTime, nonce: randomBytes(16) }
  return { dataset, key, mutations, conditions, options: { durability: LOG_SYNCED, idempotencyToken } }
}

function letter(count: number): string {
  return String.fromCharCode(97 + (count % 26))
}

async function send(client: StockClient, writer: Writer): Promise<{ repeated: boolean }> {
  writer.inFlight ??= nextRequest(writer)
  const answer = (await client.call('mutate', writer.inFlight, 'MutateRequest')) as {
    applied: boolean
    write: { repeated: boolean | null } | null
  }
  assert.ok(answer.applied, `${writer.key}: the condition failed at ${writer.count}`)
  writer.count += 1
  writer.inFlight = null
  return { repeated: answer.write?.repeated === true }
}

async function writeUntilLost(writer: Writer, onAcknowledged: () => void): Promise<void> {
  const client = await gateway.connect()
  for (;;) {
    try {
      await send(client, writer)
    } catch (error) {
      if (error instanceof ConnectionLost) return
      throw error
    }
    onAcknowledged()
  }
}

async function verify(client: StockClient, { key, count }: Writer): Promise<void> {
  const { cells } = await client.get({ dataset, key })
  const found = new Map((cells ?? []).map(({ localKey, value }) => [String(localKey), value]))
  assert.equal(found.get('n')?.readBigInt64BE(), BigInt(count), `${key}: counter`)
  assert.equal(String(found.get('last')), String(count), `${key}: last`)
  assert.equal(
    String(found.get('log')),
    Array.from({ length: count }, (_, i) => letter(i)).join(''),
    `${key}: log`,
  )
}

test(`a write repeated with its token after kill -9 took effect exactly once, ${RUNS} times (seed ${SEED})`, async (t) => {
  const next = random(SEED)
  for (let run = 1; run <= RUNS; run++) {
    const writers = Array.from({ length: WRITERS }, (_, i): Writer => {
      return { key: `run ${run} writer ${i}`, count: 0, inFlight: null }
    })
    const killAt = 1 + Math.floor(next() * MAX_ACKNOWLEDGED)
    let acknowledged = 0
    let killed: Promise<unknown> = Promise.resolve()
    const onAcknowledged = (): void => {
      acknowledged += 1
      if (acknowledged === killAt) killed = gateway.kill9()
    }
    await Promise.all(writers.map((writer) => writeUntilLost(writer, onAcknowledged)))
    await killed
    await gateway.start()
    const client = await gateway.connect()
    let repeats = 0
    for (const writer of writers) {
      if ((await send(client, writer)).repeated) repeats += 1
      await verify(client, writer)
    }
    client.close()
    t.diagnostic(
      `run ${run}: ${acknowledged} acknowledged, ${repeats} of ${WRITERS} in flight had taken effect`,
    )
  }
})
