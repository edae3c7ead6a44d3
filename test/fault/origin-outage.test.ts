/** A whole gateway before a Terrapin that dies or stalls: who notices, who does not, and what is said about it. */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { after, before, suite, test } from 'node:test'
import { FakeOrigin } from '../support/fake-origin.js'
import { Gateway } from '../support/gateway.js'
import { type StockClient, isStockException } from '../support/stock-client.js'

const DATASET = 'pins'
const OWN = 'own'
const OVERLOADED = 303
const UNAVAILABLE = 401
const DEADLINE_EXCEEDED = 402
const CLIENTS = 8

let origin: FakeOrigin
let front: Gateway
/** Over both data threads, as the kernel spreads them. */
let clients: StockClient[]

before(async () => {
  origin = await FakeOrigin.start({ values: (key) => Buffer.from(`value of ${key}`) })
  const settings = `port: ${origin.port}, clusters: [local], deadlineMs: 300, breakerResetMs: 300, maxInFlight: 8`
  front = await Gateway.start({
    config: `threads: { data: 2 }\norigins:\n  west: { api: terrapin, host: 127.0.0.1, ${settings} }\n`,
  })
  await front.createDataset(DATASET, { mode: 'BATCH', migrationState: 'ORIGIN_ONLY', origin: 'west' })
  await front.createDataset(OWN)
  clients = await Promise.all(Array.from({ length: CLIENTS }, () => front.connect()))
  await clients[0]?.put({ dataset: OWN, key: 'k', value: 'v' })
})

after(async () => {
  for (const client of clients) client.close()
  await front.dispose()
  await origin.close()
})

/** The error's code; 0: it was answered. */
async function read(client: StockClient, key: string): Promise<number> {
  try {
    const row = await client.get({ dataset: DATASET, key })
    assert.equal(row.value?.toString(), `value of ${key}`)
    return 0
  } catch (error) {
    assert.ok(isStockException(error), String(error))
    return error.error.code
  }
}

const readAll = (key: string): Promise<number[]> => Promise.all(clients.map((client) => read(client, key)))

async function isOpen(): Promise<boolean> {
  const { body } = await front.admin('GET', '/v1/status')
  const { backends } = body as { backends: { name: string; role: string; isOpen: boolean }[] }
  return backends.some(({ role, isOpen: open }) => role === 'primary' && open)
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + 15_000
  while (!(await holds())) {
    assert.ok(performance.now() < untilMs, 'it did not come true in time')
    await pause(20)
  }
}

/** A deadline of 300 ms passes at a well origin, too, where others have the processors. */
const untilAllAnswered = (key: string): Promise<void> =>
  until(async () => (await readAll(key)).every((code) => code === 0))

function linesOf(message: RegExp): number {
  return front.output.split('\n').filter((line) => line.includes('"role":"primary"') && message.test(line))
    .length
}

suite('a Terrapin that is gone for a while', () => {
  test('killed: errors until the breaker opens, on all threads at once, then refusals within milliseconds', async () => {
    await untilAllAnswered('a')
    await origin.kill()
    await until(async () => {
      for (const code of await readAll('b')) assert.equal(code, UNAVAILABLE)
      return await isOpen()
    })
    const startedAtMs = performance.now()
    for (let round = 0; round < 10; round += 1) {
      assert.deepEqual(new Set(await readAll('c')), new Set([UNAVAILABLE]))
    }
    const eachMs = (performance.now() - startedAtMs) / 10
    assert.ok(eachMs < 100, `${eachMs} ms for a round of refusals`)
    assert.equal(linesOf(/is not asked for a moment/), 1)
  })

  test('back again: one thread probes, all are asked, one line says so', async () => {
    await origin.revive()
    await until(async () => !(await isOpen()))
    await untilAllAnswered('d')
    assert.equal(linesOf(/is asked again/), 1)
    const { text } = await front.admin('GET', '/metrics')
    assert.match(text, /godwit_backend_breaker_open\{backend="west",role="primary"\} 0/)
    assert.match(text, /godwit_backend_attempts_total\{backend="west",role="primary",kind="probe"\} [1-9]/)
    assert.match(text, /godwit_backend_refused_total\{backend="west",role="primary",reason="breaker"\} [1-9]/)
  })

  test('stalled: its callers fail in time, other datasets do not notice, sockets and memory stay bounded', async () => {
    origin.stall()
    const stop = { now: false }
    const codes = new Map<number, number>()
    const load = Promise.all(
      clients.map(async (client, index) => {
        while (!stop.now) {
          const batch = Array.from({ length: 10 }, (_, call) => read(client, `s${index}-${call}`))
          for (const code of await Promise.all(batch)) codes.set(code, (codes.get(code) ?? 0) + 1)
          await pause(20)
        }
      }),
    )
    const own = await front.connect()
    const times: number[] = []
    for (let round = 0; round < 100; round += 1) {
      const startedAtMs = performance.now()
      assert.equal((await own.get({ dataset: OWN, key: 'k' })).value?.toString(), 'v')
      times.push(performance.now() - startedAtMs)
      await pause(10)
    }
    stop.now = true
    await load
    own.close()
    times.sort((a, b) => a - b)
    assert.ok((times[50] ?? 0) < 100, `median of another dataset: ${times[50]} ms`)
    assert.ok([...codes.keys()].every((code) => [OVERLOADED, UNAVAILABLE, DEADLINE_EXCEEDED].includes(code)))
    assert.ok((codes.get(DEADLINE_EXCEEDED) ?? 0) < 500, JSON.stringify([...codes]))
    assert.ok(origin.connectionCount <= 64, `${origin.connectionCount} connections`)
    origin.resume()
    await until(async () => !(await isOpen()))
    await untilAllAnswered('e')
  })
})
