/**
 * Hostile traffic beside honest traffic (GODWIT_HOSTILE_SECONDS, 3 by default): every answer to an honest caller is right,
 * and the slowest hundredth of them takes at most twice as long as in quiet.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { T, field, frame, getFrame, i32, message, rawSocket, struct, text } from '../support/frames.js'
import { Gateway } from '../support/gateway.js'
import { random } from '../support/random.js'
import type { StockClient } from '../support/stock-client.js'

const SECONDS = Number(process.env['GODWIT_HOSTILE_SECONDS'] ?? 3)
const SEED = Number(process.env['GODWIT_HOSTILE_SEED'] ?? Date.now() % 1_000_000)
const HONEST_CALLERS = 8
/** Of honest callers, a second each: a measure of latency, not of throughput. */
const HONEST_RATE = 50
/** Hostile connections that are opened a second. */
const HOSTILE_RATE = 60
const dataset = 'honest'

let gateway: Gateway

before(async () => {
  gateway = await Gateway.start()
  await gateway.createDataset(dataset)
})

after(() => gateway.dispose())

/** Puts and gets at a steady rate for the time; answers what each took. Fails with the first answer that is wrong. */
async function honest(client: StockClient, caller: number): Promise<number[]> {
  const took: number[] = []
  const startedAtMs = performance.now()
  for (let round = 0; round < SECONDS * HONEST_RATE; round++) {
    await pause(Math.max(0, startedAtMs + (round * 1_000) / HONEST_RATE - performance.now()))
    const askedAtMs = performance.now()
    await client.put({ dataset, key: `caller ${caller}`, value: `round ${round}` })
    const { value } = await client.get({ dataset, key: `caller ${caller}` })
    took.push(performance.now() - askedAtMs)
    assert.equal(String(value), `round ${round}`)
  }
  return took
}

async function p99OfHonest(): Promise<number> {
  const clients = await Promise.all(Array.from({ length: HONEST_CALLERS }, () => gateway.connect()))
  const took = (await Promise.all(clients.map(honest))).flat().sort((a, b) => a - b)
  for (const client of clients) client.close()
  return took[Math.floor(took.length * 0.99)] ?? 0
}

/** What hostile peers send: half frames, lying lengths, garbage, deep nesting, forged tokens, floods of requests. */
function hostileBytes(next: () => number): Buffer {
  const honestFrame = getFrame(dataset, 'caller 0', 1)
  const deep = struct(field(T.STRUCT, 1, Buffer.alloc(10_000, Buffer.from([T.STRUCT, 0, 1]))))
  const kinds: readonly (() => Buffer)[] = [
    () => honestFrame.subarray(0, Math.floor(next() * honestFrame.length)),
    () => Buffer.concat([i32(0x7fff_ffff), Buffer.alloc(100)]),
    () => Buffer.from(Array.from({ length: 200 }, () => Math.floor(next() * 256))),
    () => frame(message('get', deep)),
    () =>
      frame(
        message(
          'get',
          struct(
            field(T.STRUCT, 1, struct(field(T.STRING, 1, text(dataset)), field(T.STRING, 4, text('forged')))),
          ),
        ),
      ),
    () => Buffer.concat(Array.from({ length: 100 }, () => honestFrame)),
    () => Buffer.from([0x82, 0x21, ...Array.from({ length: 50 }, () => 0xff)]),
    () => Buffer.from('GET / HTTP/1.1\r\n\r\n'),
  ]
  return kinds[Math.floor(next() * kinds.length)]?.() ?? honestFrame
}

/** Opens connections at a steady rate, sends one kind of rubbish on each and leaves some of them hanging. */
async function attack(isOver: () => boolean): Promise<number> {
  const next = random(SEED)
  const hanging: { destroy(): void }[] = []
  let opened = 0
  for (; !isOver(); opened++) {
    const socket = await rawSocket(gateway.port('kvstore'))
    socket.on('error', () => undefined)
    socket.write(hostileBytes(next))
    if (next() < 0.2) hanging.push(socket)
    else if (next() < 0.5) socket.resetAndDestroy()
    else socket.end()
    if (hanging.length > 200) hanging.shift()?.destroy()
    await pause(1_000 / HOSTILE_RATE)
  }
  for (const socket of hanging) socket.destroy()
  return opened
}

test('honest callers get right answers, at most twice as late, beside hostile ones', async (t) => {
  const { pid } = gateway
  await p99OfHonest()
  const quietMs = await p99OfHonest()
  let isOver = false
  const attacking = attack(() => isOver)
  const besideMs = await p99OfHonest().finally(() => (isOver = true))
  const opened = await attacking
  t.diagnostic(
    `seed ${SEED}; p99 of a put and a get ${quietMs.toFixed(1)} ms in quiet, ${besideMs.toFixed(1)} ms beside ${opened} hostile peers`,
  )
  // Attackers, honest callers and gateway share the machine's cores: what that costs is allowed for.
  assert.ok(besideMs <= 2 * quietMs + 20, `${besideMs} ms against ${quietMs} ms`)
  assert.equal(gateway.pid, pid, 'the process lived')
  assert.equal((await gateway.admin('GET', '/readyz')).status, 200)
})
