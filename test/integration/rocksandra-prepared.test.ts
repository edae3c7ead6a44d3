/** Prepared statements over threads and restarts: what a driver that prepares on one connection relies on. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { CQL_CONFIG, CQL_PORTS } from '../support/cql.js'
import { Gateway } from '../support/gateway.js'
import { CqlClient, type Frame, bytes, int, longString, query, short, stringMap } from '../wire/cql-peers.js'

const OP = { ERROR: 0, STARTUP: 1, QUERY: 7, RESULT: 8, PREPARE: 9, EXECUTE: 10 } as const
const UNPREPARED = 0x2500
/** So many that each thread has some. */
const CONNECTIONS = 24

const SELECT = 'SELECT v FROM ks.t WHERE k = ?'

let gateway: Gateway
let clients: CqlClient[] = []

before(async () => {
  gateway = await Gateway.start({ ports: CQL_PORTS, config: `${CQL_CONFIG}threads: { data: 3 }\n` })
  await connectAll()
  const [client] = clients
  assert.ok(client)
  const replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
  await run(client, `CREATE KEYSPACE ks WITH replication = ${replication}`)
  await run(client, 'CREATE TABLE ks.t (k int PRIMARY KEY, v text)')
  await run(client, "INSERT INTO ks.t (k, v) VALUES (1, 'one')")
})

after(async () => {
  closeAll()
  await gateway.dispose()
})

async function connectAll(): Promise<void> {
  clients = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const socket = connect(gateway.port('rocksandra'), '127.0.0.1')
      await once(socket, 'connect')
      const client = new CqlClient(socket, 4)
      await client.ask(OP.STARTUP, stringMap({ CQL_VERSION: '3.0.0' }))
      return client
    }),
  )
}

function closeAll(): void {
  for (const { socket } of clients) socket.destroy()
}

async function run(client: CqlClient, statement: string): Promise<void> {
  const { opcode, body } = await client.ask(OP.QUERY, query(statement))
  assert.equal(opcode, OP.RESULT, body.toString('latin1'))
}

async function prepare(client: CqlClient, statement: string): Promise<Buffer> {
  const { opcode, body } = await client.ask(OP.PREPARE, longString(statement))
  assert.equal(opcode, OP.RESULT, body.toString('latin1'))
  return body.subarray(6, 6 + body.readUInt16BE(4))
}

function execute(client: CqlClient, id: Buffer): Promise<Frame> {
  const values = Buffer.concat([short(1), bytes(int(1))])
  return client.ask(OP.EXECUTE, Buffer.concat([short(id.length), id, short(1), Buffer.of(0x01), values]))
}

function isUnprepared({ opcode, body }: Frame, id: Buffer): boolean {
  return opcode === OP.ERROR && body.readInt32BE(0) === UNPREPARED && body.subarray(-id.length).equals(id)
}

/** Executes on every connection until all of them know the statement. */
async function executeOnAll(id: Buffer): Promise<void> {
  for (let tries = 0; ; tries++) {
    const answers = await Promise.all(clients.map((client) => execute(client, id)))
    const left = answers.filter(({ opcode }) => opcode !== OP.RESULT)
    if (left.length === 0) {
      assert.ok(answers.every(({ body }) => body.includes('one')))
      return
    }
    assert.ok(left.every((answer) => isUnprepared(answer, id)))
    assert.ok(tries < 100, `${left.length} of ${CONNECTIONS} connections do not know the statement`)
    await pause(20)
  }
}

describe('prepared statements', () => {
  test('what one connection prepared is executed by all, whatever threads they are on', async () => {
    const [first] = clients
    assert.ok(first)
    await executeOnAll(await prepare(first, SELECT))
  })

  test('a restart forgets them, says which, and knows them again by the same id', async () => {
    const [before] = clients
    assert.ok(before)
    const id = await prepare(before, SELECT)
    closeAll()
    await gateway.stop()
    await gateway.start()
    await connectAll()
    const answers = await Promise.all(clients.map((client) => execute(client, id)))
    assert.ok(answers.every((answer) => isUnprepared(answer, id)))
    const [client] = clients
    assert.ok(client)
    assert.deepEqual(await prepare(client, SELECT), id)
    await executeOnAll(id)
  })

  test('a changed table is prepared anew on every thread', async () => {
    const [client] = clients
    assert.ok(client)
    const id = await prepare(client, SELECT)
    await run(client, 'ALTER TABLE ks.t ADD w int')
    const answers = await Promise.all(clients.map((one) => execute(one, id)))
    assert.ok(answers.every((answer) => isUnprepared(answer, id)))
    assert.deepEqual(await prepare(client, SELECT), id)
    await executeOnAll(id)
  })
})
