/**
 * SIGKILL under logged batches, each over partitions of two tables. After the restart every batch is there as a whole or
 * not at all, the acknowledged ones as a whole. Without their log, parts of one that was in flight would stay: its writes
 * go to several DBs.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'cassandra-driver'
import { type CqlPlace, startCqlGateway } from '../support/cql.js'
import type { Gateway } from '../support/gateway.js'
import { random } from '../support/random.js'

const RUNS = Number(process.env['GODWIT_KILL_RUNS'] ?? 2)
const SEED = Number(process.env['GODWIT_KILL_SEED'] ?? Date.now() % 1_000_000)
const WRITERS = 8
const MAX_ACKNOWLEDGED = 400
const TABLES = ['left', 'right']
const KEYS = ['a', 'b', 'c']
const FINISHED_WITHIN_MS = 30_000
const POLL_MS = 50

/** What one writer did: a number that all of its partitions have. */
interface Writer {
  readonly name: string
  acknowledged: number
}

let gateway: Gateway
let place: CqlPlace

function connected(): Client {
  return new Client({
    contactPoints: [place.host],
    protocolOptions: { port: place.port },
    localDataCenter: 'datacenter1',
    socketOptions: { readTimeout: 5_000 },
  })
}

before(async () => {
  const started = await startCqlGateway()
  gateway = started.gateway
  place = started.place
  const client = connected()
  await client.execute(
    "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
  )
  for (const table of TABLES) await client.execute(`CREATE TABLE ks.${table} (k text PRIMARY KEY, v int)`)
  await client.shutdown()
})

after(() => gateway.dispose())

async function writeUntilLost(client: Client, writer: Writer, onAcknowledged: () => void): Promise<void> {
  for (;;) {
    const value = writer.acknowledged + 1
    const queries = TABLES.flatMap((table) =>
      KEYS.map((key) => ({
        query: `INSERT INTO ks.${table} (k, v) VALUES (?, ?)`,
        params: [`${writer.name} ${key}`, value],
      })),
    )
    try {
      await client.batch(queries, { prepare: true, logged: true })
    } catch {
      return
    }
    writer.acknowledged = value
    onAcknowledged()
  }
}

async function valuesOf(client: Client, { name }: Writer): Promise<number[]> {
  const values: number[] = []
  for (const table of TABLES) {
    for (const key of KEYS) {
      const { rows } = await client.execute(`SELECT v FROM ks.${table} WHERE k = ?`, [`${name} ${key}`], {
        prepare: true,
      })
      values.push(Number(rows[0]?.['v'] ?? 0))
    }
  }
  return values
}

/** Batches are finished behind the start. */
async function wholeValueOf(client: Client, writer: Writer): Promise<number> {
  const until = Date.now() + FINISHED_WITHIN_MS
  for (;;) {
    const values = await valuesOf(client, writer)
    const [first = 0] = values
    if (values.every((value) => value === first)) return first
    assert.ok(Date.now() < until, `${writer.name}: a batch is torn: ${values.join(', ')}`)
    await pause(POLL_MS)
  }
}

test(`logged batches are whole after kill -9, ${RUNS} times (seed ${SEED})`, async (t) => {
  const next = random(SEED)
  for (let run = 1; run <= RUNS; run++) {
    const writers = Array.from({ length: WRITERS }, (_, index): Writer => {
      return { name: `run ${run} writer ${index}`, acknowledged: 0 }
    })
    const killAt = 1 + Math.floor(next() * MAX_ACKNOWLEDGED)
    let acknowledged = 0
    let killed: Promise<unknown> = Promise.resolve()
    const writing = connected()
    await Promise.all(
      writers.map((writer) =>
        writeUntilLost(writing, writer, () => {
          acknowledged += 1
          if (acknowledged === killAt) killed = gateway.kill9()
        }),
      ),
    )
    await killed
    await writing.shutdown()
    await gateway.start()
    const client = connected()
    let finished = 0
    for (const writer of writers) {
      const found = await wholeValueOf(client, writer)
      const wanted = [writer.acknowledged, writer.acknowledged + 1]
      assert.ok(wanted.includes(found), `${writer.name}: ${found} is none of ${wanted.join(', ')}`)
      if (found > writer.acknowledged) finished += 1
    }
    await client.shutdown()
    t.diagnostic(`run ${run}: ${acknowledged} acknowledged, ${finished} of ${WRITERS} in flight took effect`)
  }
})
