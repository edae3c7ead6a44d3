/**
 * SIGKILL under logged batches, each over many partitions of several tables, whose DBs are written one after the other.
 * The gateway is first started without CQL, so that nobody finishes what was begun: batches that are torn then show that
 * the kill was between their writes, and it is repeated until one is. With CQL every batch is there as a whole or not at
 * all, the acknowledged ones as a whole.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'cassandra-driver'
import { type CqlPlace, startCqlGateway } from '../support/cql.js'
import { Gateway } from '../support/gateway.js'
import { random } from '../support/random.js'

const RUNS = Number(process.env['GODWIT_KILL_RUNS'] ?? 2)
/** A kill seldom misses all of the batches in flight. */
const MAX_RUNS = RUNS + 20
const SEED = Number(process.env['GODWIT_KILL_SEED'] ?? Date.now() % 1_000_000)
const WRITERS = 4
const MAX_ACKNOWLEDGED = 20
const MAX_DELAY_MS = 150
const TABLES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const KEYS = Array.from({ length: 250 }, (_, index) => `${index}`)
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

function keysOf({ name }: Writer): string[] {
  return KEYS.map((key) => `${name} ${key}`)
}

async function writeUntilLost(client: Client, writer: Writer, onAcknowledged: () => void): Promise<void> {
  for (;;) {
    const value = writer.acknowledged + 1
    const queries = TABLES.flatMap((table) =>
      keysOf(writer).map((key) => ({
        query: `INSERT INTO ks.${table} (k, v) VALUES (?, ?)`,
        params: [key, value],
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

/** Writers whose partitions differ, as the KVStore API reads them while there is no CQL. */
async function tornAmong(writers: readonly Writer[]): Promise<number> {
  const plain = new Gateway({ dataDirectory: gateway.dataDirectory })
  try {
    await plain.start()
    const kvstore = await plain.connect()
    let torn = 0
    for (const writer of writers) {
      const values = new Set<number>()
      for (const table of TABLES) {
        const { rows } = await kvstore.multiGet({ dataset: `ks.${table}`, keys: keysOf(writer) })
        for (const { cells } of rows) {
          // The marker's own cell has no bytes.
          const [value] = (cells ?? []).filter(({ value }) => value.length > 0)
          values.add(value?.value.readInt32BE(0) ?? 0)
        }
      }
      if (values.size > 1) torn += 1
    }
    kvstore.close()
    await plain.stop()
    return torn
  } finally {
    await plain.dispose()
  }
}

async function valuesOf(client: Client, writer: Writer): Promise<number[]> {
  const answers = await Promise.all(
    TABLES.map((table) =>
      client.execute(`SELECT k, v FROM ks.${table} WHERE k IN ?`, [keysOf(writer)], { prepare: true }),
    ),
  )
  return answers.flatMap(({ rows }) => {
    const found = new Map(rows.map((row) => [String(row['k']), Number(row['v'])]))
    return keysOf(writer).map((key) => found.get(key) ?? 0)
  })
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

/** Answers how many batches the kill tore. */
async function killUnder(writers: readonly Writer[], next: () => number): Promise<number> {
  const killAt = 1 + Math.floor(next() * MAX_ACKNOWLEDGED)
  const delayMs = next() * MAX_DELAY_MS
  let acknowledged = 0
  let killed: Promise<unknown> = Promise.resolve()
  const client = connected()
  await Promise.all(
    writers.map((writer) =>
      writeUntilLost(client, writer, () => {
        acknowledged += 1
        if (acknowledged === killAt) killed = pause(delayMs).then(() => gateway.kill9())
      }),
    ),
  )
  await killed
  await client.shutdown()
  return tornAmong(writers)
}

test(`logged batches are whole after kill -9, ${RUNS} times (seed ${SEED})`, async (t) => {
  const next = random(SEED)
  let allTorn = 0
  for (let run = 1; run <= RUNS || (allTorn === 0 && run <= MAX_RUNS); run++) {
    const writers = Array.from({ length: WRITERS }, (_, index): Writer => {
      return { name: `run ${run} writer ${index}`, acknowledged: 0 }
    })
    const torn = await killUnder(writers, next)
    allTorn += torn
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
    t.diagnostic(`run ${run}: ${torn} of ${WRITERS} batches in flight were torn, ${finished} took effect`)
  }
  assert.ok(allTorn > 0, `no kill of ${MAX_RUNS} was between two writes of a batch`)
})
